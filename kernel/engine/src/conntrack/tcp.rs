//! The TCP state machine as a box in the middle sees it.
//!
//! ```text
//!            SYN▶            ◀SYN+ACK             ACK▶
//! (nothing) ─────▶ SynSent ────────────▶ SynReceived ────▶ Established
//!                     │ ◀SYN                                  │ FIN
//!                     ▼            ◀SYN+ACK                   ▼
//!                 SynCrossed ────────────▶ Established    HalfClosed(by one) ─FIN of the other▶ Closed
//!                                         any but SynSent, SynCrossed ─exact RST▶ Reset
//! ```
//!
//! A connection begins with a SYN and with nothing else; in loose mode also in its middle:
//! `(nothing) ─ACK▶─▶ PickedUp ─◀ACK─▶ Established`, with windows as wide as scaling can make them. A simultaneous open
//! (RFC 9293 section 3.5, figure 7) needs a SYN and ACK of *both* peers, so a split
//! handshake, in which the server sends a bare SYN and gets a SYN and ACK for it,
//! never becomes established.
//!
//! What the state machine lets by without taking notice of it:
//!
//! * a SYN of the original sender on a living connection (RFC 5961 section 4): the
//!   other endpoint answers it with a challenge, and an endpoint that really lost
//!   its connection comes back that way;
//! * an ACK that answers a SYN (RFC 9293 section 3.5.1, half-open connections), and the RST
//!   that the opener then sends;
//! * a late copy of data that was acknowledged long ago;
//! * a RST inside the window but not exact (RFC 5961 section 3.2): the endpoint challenges it.

use crate::conntrack::window::{ResetMatch, Scales, Windows};
use crate::flow::Direction::{self, Original, Reply};
use crate::packet::{Flags, Segment};
use crate::verdict::DropReason;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The opener's SYN went by.
    SynSent,
    /// A segment from the middle of a connection went by, and nothing of the other peer yet.
    PickedUp,
    /// Both peers' SYNs went by, neither acknowledged.
    SynCrossed,
    /// The other peer's SYN and ACK went by.
    SynReceived,
    /// The handshake is complete.
    Established,
    /// The original sender sent its FIN.
    HalfClosedByOriginal,
    /// The other peer sent its FIN.
    HalfClosedByReply,
    /// Both sent their FINs.
    Closed,
    /// A valid RST went by.
    Reset,
}

/// What a state means for timers and under pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Half-open.
    Opening,
    /// In use, never given up.
    Established,
    /// Over, but for late segments (RFC 7857 section 2.2).
    Closing,
}

impl State {
    /// What the state means for timers.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            Self::SynSent | Self::PickedUp | Self::SynCrossed | Self::SynReceived => Phase::Opening,
            Self::Established | Self::HalfClosedByOriginal | Self::HalfClosedByReply => {
                Phase::Established
            }
            Self::Closed | Self::Reset => Phase::Closing,
        }
    }
}

/// What a segment is for the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Syn,
    SynAck,
    Rst,
    Fin,
    Ack,
    /// Neither SYN nor RST nor ACK: nothing that a connection can hold.
    Bare,
}

fn kind(flags: Flags) -> Kind {
    if flags.has(Flags::RST) {
        Kind::Rst
    } else if flags.has(Flags(Flags::SYN.0 | Flags::ACK.0)) {
        Kind::SynAck
    } else if flags.has(Flags::SYN) {
        Kind::Syn
    } else if flags.has(Flags(Flags::FIN.0 | Flags::ACK.0)) {
        Kind::Fin
    } else if flags.has(Flags::ACK) {
        Kind::Ack
    } else {
        Kind::Bare
    }
}

/// What a valid segment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It belongs to the connection: it keeps it alive, and takes it to this state.
    Tracked(State),
    /// It goes by and changes nothing.
    Ignored,
}

/// Whether a segment shows where its sender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// It does.
    Current,
    /// It is a late copy.
    Late,
}

/// A connection's part of a flow.
#[derive(Debug)]
pub struct Connection<'a> {
    /// Where it is.
    pub state: State,
    /// Its sequence numbers.
    pub windows: &'a mut Windows,
    /// Its window scales.
    pub scales: &'a mut Scales,
}

/// Whether a segment can open a connection: a SYN and nothing else.
#[must_use]
pub fn opens(segment: &Segment) -> bool {
    kind(segment.flags) == Kind::Syn && !segment.flags.has(Flags::FIN)
}

/// Whether a segment shows that a connection is under way (RFC 9293 section 3.6.1: all but the first bear ACK).
#[must_use]
pub fn continues(segment: &Segment) -> bool {
    matches!(kind(segment.flags), Kind::Ack | Kind::Fin)
}

impl Connection<'_> {
    /// Takes a segment of the connection.
    pub fn observe(&mut self, from: Direction, segment: &Segment) -> Result<Effect, DropReason> {
        match kind(segment.flags) {
            Kind::Syn => self.syn(from, segment),
            Kind::SynAck => self.syn_ack(from, segment),
            Kind::Rst => self.rst(from, segment),
            Kind::Fin => self.fin(from, segment),
            Kind::Ack => self.ack(from, segment),
            Kind::Bare => Err(DropReason::TcpState),
        }
    }

    fn syn(&mut self, from: Direction, segment: &Segment) -> Result<Effect, DropReason> {
        match (self.state, from) {
            (State::SynSent | State::PickedUp, Original) => {
                self.windows.open(self.scales, segment);
                Ok(Effect::Tracked(State::SynSent))
            }
            (State::SynSent, Reply) => {
                self.windows.answer(self.scales, segment);
                Ok(Effect::Tracked(State::SynCrossed))
            }
            (State::SynCrossed, Original | Reply) => {
                match self.windows.repeats_syn(from, segment) {
                    true => Ok(Effect::Tracked(State::SynCrossed)),
                    false => Err(DropReason::TcpState),
                }
            }
            (_, Original) => Ok(Effect::Ignored),
            (_, Reply) => Err(DropReason::TcpState),
        }
    }

    fn syn_ack(&mut self, from: Direction, segment: &Segment) -> Result<Effect, DropReason> {
        match (self.state, from) {
            (State::SynSent, Reply) => {
                if !self.windows.acknowledges_syn(segment) {
                    return Err(DropReason::TcpWindow);
                }
                self.windows.answer(self.scales, segment);
                Ok(Effect::Tracked(State::SynReceived))
            }
            (State::SynCrossed, Original | Reply) => {
                if !self.windows.repeats_syn(from, segment) {
                    return Err(DropReason::TcpState);
                }
                if let Age::Late = self.windowed(from, segment)? {
                    return Ok(Effect::Ignored);
                }
                Ok(Effect::Tracked(match from {
                    Original => State::SynCrossed,
                    Reply => State::Established,
                }))
            }
            (State::SynSent | State::SynReceived, Original) | (State::PickedUp, _) => {
                Err(DropReason::TcpState)
            }
            // The same again, because the ACK for it was lost.
            (_, Original | Reply) => match self.windows.repeats_syn(from, segment) {
                true => self.windowed(from, segment).map(|_| Effect::Ignored),
                false => Err(DropReason::TcpState),
            },
        }
    }

    fn rst(&mut self, from: Direction, segment: &Segment) -> Result<Effect, DropReason> {
        match (self.state, from) {
            (State::SynSent | State::PickedUp, Original) => Ok(Effect::Ignored),
            // Who knows of no such connection answers with the number that was acknowledged to it.
            (State::PickedUp, Reply) => match self.windows.answers_pick_up(segment) {
                true => Ok(Effect::Tracked(State::Reset)),
                false => Err(DropReason::TcpWindow),
            },
            // A refused connection (RFC 9293 section 3.10.7.3: the RST must acknowledge the SYN).
            (State::SynSent, Reply) => match self.windows.acknowledges_syn(segment) {
                true => Ok(Effect::Tracked(State::Reset)),
                false => Err(DropReason::TcpWindow),
            },
            (_, Original | Reply) => match self.windows.match_reset(*self.scales, from, segment) {
                ResetMatch::Exact => Ok(Effect::Tracked(State::Reset)),
                ResetMatch::InWindow => Ok(Effect::Ignored),
                ResetMatch::Outside => Err(DropReason::TcpWindow),
            },
        }
    }

    fn fin(&mut self, from: Direction, segment: &Segment) -> Result<Effect, DropReason> {
        if matches!(self.state, State::SynSent | State::SynCrossed) {
            return Err(DropReason::TcpState);
        }
        if self.state == State::PickedUp {
            return self.joined(from, segment, State::HalfClosedByReply);
        }
        if let Age::Late = self.windowed(from, segment)? {
            return Ok(Effect::Ignored);
        }
        Ok(match (self.state, from) {
            (State::HalfClosedByOriginal, Reply) | (State::HalfClosedByReply, Original) => {
                Effect::Tracked(State::Closed)
            }
            (State::Closed, _) => Effect::Tracked(State::Closed),
            (State::Reset, _) => Effect::Ignored,
            (_, Original) => Effect::Tracked(State::HalfClosedByOriginal),
            (_, Reply) => Effect::Tracked(State::HalfClosedByReply),
        })
    }

    fn ack(&mut self, from: Direction, segment: &Segment) -> Result<Effect, DropReason> {
        match (self.state, from) {
            (State::SynSent, Reply) if segment.payload_len == 0 => return Ok(Effect::Ignored),
            (State::SynSent | State::SynCrossed, _) => return Err(DropReason::TcpState),
            (State::PickedUp, _) => return self.joined(from, segment, State::Established),
            _ => {}
        }
        if let Age::Late = self.windowed(from, segment)? {
            return Ok(Effect::Ignored);
        }
        Ok(match (self.state, from) {
            (State::SynReceived, Original) => Effect::Tracked(State::Established),
            (State::Reset, _) => Effect::Ignored,
            (state, _) => Effect::Tracked(state),
        })
    }

    /// A segment of a connection of which only one peer has been heard; `next` is where the other's takes it.
    fn joined(
        &mut self,
        from: Direction,
        segment: &Segment,
        next: State,
    ) -> Result<Effect, DropReason> {
        match from {
            Original => {
                self.windows.pick_up(self.scales, segment);
                Ok(Effect::Tracked(State::PickedUp))
            }
            Reply => match self.windows.join(segment) {
                true => Ok(Effect::Tracked(next)),
                false => Err(DropReason::TcpWindow),
            },
        }
    }

    /// Checks a segment against the windows and notes what it shows.
    fn windowed(&mut self, from: Direction, segment: &Segment) -> Result<Age, DropReason> {
        if self.windows.admit(*self.scales, from, segment) {
            self.windows.note(*self.scales, from, segment);
            return Ok(Age::Current);
        }
        match self.windows.is_late_copy(from, segment) {
            true => Ok(Age::Late),
            false => Err(DropReason::TcpWindow),
        }
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;

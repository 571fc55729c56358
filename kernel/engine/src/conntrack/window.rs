//! Which sequence numbers a TCP connection can have now.
//!
//! After Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter"
//! (2000), with window scaling (RFC 7323). Of each peer we keep what its
//! segments have shown:
//!
//! * `end`: the highest sequence number that it has used, plus one
//! * `max_end`: the highest that it may use: the other's highest `ack + window`
//! * `max_win`: the largest window that it has offered
//! * `ack`: the highest acknowledgement that it has sent
//!
//! A segment `[seq, seq_end)` with acknowledgement `ack` is valid if
//!
//! ```text
//! (I)    seq_end ≤ sender.max_end
//! (II)   seq     ≥ sender.end − receiver.max_win − 1
//! (III)  ack     ≤ receiver.end
//! (IV)   ack     ≥ receiver.end − max(sender.max_win, 66,000)
//! ```
//!
//! What (II) refuses may still be a late copy of data that the receiver acknowledged long ago: it passes,
//! and shows nothing (see [`Windows::is_late_copy`]).
//!
//! In (II) one more than the paper: a zero-window probe repeats the byte before
//! the window. (IV) has the slack that all filters give: an acknowledgement may
//! be as old as the segments that are still on their way.

use crate::flow::Direction;
use crate::packet::{Flags, Segment};

/// The least slack of equation (IV): a maximal window without scaling and a segment.
const ACK_SLACK: u32 = 66_000;

/// How far behind what was acknowledged a late copy can be, in bytes: two minutes (RFC 9293 section 3.4.1's
/// maximum segment lifetime) at 18 Mbit/s. A forged segment with endpoints that are right hits it once in sixteen.
const LATEST_COPY: u32 = 1 << 28;

/// The widest window that there can be: 65,535 shifted by 14.
const WIDEST: u32 = 0xFFFF << 14;

/// What both peers of a connection have shown; index 0 is the original sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    end: [u32; 2],
    max_end: [u32; 2],
    ack: [u32; 2],
    /// To be shifted by the peer's scale once both are known.
    max_win: [u16; 2],
}

/// Both peers' window scales, four bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scales(u8);

/// The mark of a peer that does not scale; real shift counts end at 14.
const UNSCALED: u8 = 15;

impl Scales {
    /// Neither peer scales.
    pub const NONE: Self = Self(UNSCALED << 4 | UNSCALED);
    /// Both scale as far as can be (RFC 7323 section 2.3): what has to be assumed of a connection that was picked up.
    const WIDEST: Self = Self(14 << 4 | 14);

    fn offer(&mut self, peer: Direction, shift: Option<u8>) {
        let nibble = shift.map_or(UNSCALED, |shift| shift.min(14));
        self.0 = match peer {
            Direction::Original => self.0 & 0xF0 | nibble,
            Direction::Reply => self.0 & 0x0F | nibble << 4,
        };
    }

    /// Scaling is used only if both offered it (RFC 7323 section 2.2).
    const fn shift(self, peer: Direction) -> u32 {
        let (original, reply) = (self.0 & 0x0F, self.0 >> 4);
        match (original, reply, peer) {
            (UNSCALED, _, _) | (_, UNSCALED, _) => 0,
            (original, _, Direction::Original) => original as u32,
            (_, reply, Direction::Reply) => reply as u32,
        }
    }
}

/// How a RST's sequence number relates to what its receiver expects (RFC 5961 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetMatch {
    /// Exactly the next one.
    Exact,
    /// Inside the window: the endpoint itself must ask back.
    InWindow,
    /// Outside.
    Outside,
}

impl Windows {
    /// Nothing is known.
    pub const NEW: Self = Self {
        end: [0; 2],
        max_end: [0; 2],
        ack: [0; 2],
        max_win: [0; 2],
    };

    /// The original sender's SYN: starts from nothing.
    pub fn open(&mut self, scales: &mut Scales, syn: &Segment) {
        *scales = Scales::NONE;
        scales.offer(Direction::Original, syn.window_scale);
        let first = syn.seq.wrapping_add(1);
        *self = Self {
            end: [seq_end(syn), 0],
            // Until the other's window is known it may have sent its SYN, and data that came with it (RFC 7413).
            max_end: [first, 0],
            ack: [0, syn.seq],
            max_win: [syn.window.max(1), 0],
        };
    }

    /// The other peer's SYN, with or without ACK: both windows are known now.
    pub fn answer(&mut self, scales: &mut Scales, syn: &Segment) {
        scales.offer(Direction::Reply, syn.window_scale);
        let (original, reply) = (0, 1);
        let offered = u32::from(self.max_win[original]);
        let first = syn.seq.wrapping_add(1);
        self.end[reply] = seq_end(syn);
        self.max_end[reply] = first.wrapping_add(offered);
        self.ack[original] = syn.seq;
        let window = u32::from(syn.window.max(1));
        let acked = match syn.flags.has(Flags::ACK) {
            true => syn.ack,
            false => self.max_end[original],
        };
        self.ack[reply] = match syn.flags.has(Flags::ACK) {
            true => syn.ack,
            false => self.ack[reply],
        };
        self.max_end[original] = later(self.end[original], acked.wrapping_add(window));
        // Windows in SYNs are not scaled; from here on they are kept scaled, rounded up.
        self.max_win[original] = scale_down(offered, scales.shift(Direction::Original));
        self.max_win[reply] = scale_down(window, scales.shift(Direction::Reply));
    }

    /// A segment from the middle of a connection, in the original direction: what is not known is taken to be as wide as can be.
    pub fn pick_up(&mut self, scales: &mut Scales, segment: &Segment) {
        *scales = Scales::WIDEST;
        let last = seq_end(segment);
        let offered = u32::from(segment.window.max(1)) << 14;
        *self = Self {
            end: [last, segment.ack],
            max_end: [last.wrapping_add(WIDEST), segment.ack.wrapping_add(offered)],
            ack: [segment.ack, segment.seq],
            max_win: [segment.window.max(1), u16::MAX],
        };
    }

    /// The other peer's first segment after a pick-up, if it can belong to that connection: the real numbers are known now.
    pub fn join(&mut self, segment: &Segment) -> bool {
        let is_near = |a: u32, b: u32| a.wrapping_sub(b).wrapping_add(WIDEST) <= 2 * WIDEST;
        if !is_near(segment.seq, self.ack[0]) || !is_near(segment.ack, self.end[0]) {
            return false;
        }
        let offered = u32::from(segment.window.max(1)) << 14;
        self.end[0] = later(self.end[0], segment.ack);
        self.end[1] = later(self.end[1], seq_end(segment));
        self.max_end[0] = segment.ack.wrapping_add(offered);
        self.ack[1] = segment.ack;
        self.max_win[1] = segment.window.max(1);
        true
    }

    /// Whether a RST answers the segment that was picked up (RFC 9293 section 3.10.7.1).
    #[must_use]
    pub const fn answers_pick_up(&self, rst: &Segment) -> bool {
        rst.seq == self.ack[0]
    }

    /// The original SYN's number and window.
    #[must_use]
    pub const fn opening(&self) -> (u32, u16) {
        (self.ack[1], self.max_win[0])
    }

    /// Whether a segment that answers the original SYN acknowledges it: all of it, or the SYN without its data.
    #[must_use]
    pub fn acknowledges_syn(&self, segment: &Segment) -> bool {
        let first = self.ack[1].wrapping_add(1);
        segment.flags.has(Flags::ACK)
            && at_most(first, segment.ack)
            && at_most(segment.ack, self.end[0])
    }

    /// Whether a segment with SYN repeats the one that the sender began with.
    #[must_use]
    pub fn repeats_syn(&self, sender: Direction, syn: &Segment) -> bool {
        let acked = self.ack[sender.opposite().index()];
        // The other peer has acknowledged nothing yet, the SYN alone, or what came with it.
        syn.seq == acked
            || syn.seq.wrapping_add(1) == acked
            || seq_end(syn) == self.end[sender.index()]
    }

    /// Checks equations (I) to (IV).
    #[must_use]
    #[inline(always)]
    pub fn admit(&self, scales: Scales, sender: Direction, segment: &Segment) -> bool {
        let (s, r) = (sender.index(), sender.opposite().index());
        let lowest = self.end[s]
            .wrapping_sub(self.window(scales, sender.opposite()))
            .wrapping_sub(1);
        let data = at_most(seq_end(segment), self.max_end[s]) && at_most(lowest, segment.seq);
        if !segment.flags.has(Flags::ACK) {
            return data;
        }
        let slack = self.window(scales, sender).max(ACK_SLACK);
        let oldest = self.end[r].wrapping_sub(slack);
        data && at_most(segment.ack, self.end[r]) && at_most(oldest, segment.ack)
    }

    /// Whether a segment only repeats what its receiver has acknowledged, however long ago.
    ///
    /// The receiver answers it with where it is (RFC 9293 section 3.10.7.4), which may be what the sender waits for.
    #[must_use]
    pub fn is_late_copy(&self, sender: Direction, segment: &Segment) -> bool {
        let r = sender.opposite().index();
        let is_behind = |number: u32, last: u32| last.wrapping_sub(number) <= LATEST_COPY;
        let acks_what_was_sent =
            !segment.flags.has(Flags::ACK) || is_behind(segment.ack, self.end[r]);
        let is_data = seq_end(segment) != segment.seq;
        is_data
            && is_behind(segment.seq, self.ack[r])
            && at_most(seq_end(segment), self.ack[r])
            && acks_what_was_sent
    }

    /// Notes what a valid segment shows.
    #[inline(always)]
    pub fn note(&mut self, scales: Scales, sender: Direction, segment: &Segment) {
        let (s, r) = (sender.index(), sender.opposite().index());
        self.end[s] = later(self.end[s], seq_end(segment));
        if !segment.flags.has(Flags::ACK) {
            return;
        }
        self.ack[s] = later(self.ack[s], segment.ack);
        let shift = match segment.flags.has(Flags::SYN) {
            true => 0,
            false => scales.shift(sender),
        };
        // A closed window still lets one byte through, to probe it (RFC 9293 section 3.8.6.1).
        let window = (u32::from(segment.window) << shift).max(1);
        self.max_end[r] = later(self.max_end[r], segment.ack.wrapping_add(window));
        let scaled = scale_down(window, scales.shift(sender));
        self.max_win[s] = self.max_win[s].max(scaled);
    }

    /// Compares a RST with what its receiver expects next.
    ///
    /// Exact is what the receiver has acknowledged, or all that the sender has sent: which of
    /// both the receiver expects depends on what was lost between us and it.
    #[must_use]
    pub fn match_reset(&self, scales: Scales, sender: Direction, rst: &Segment) -> ResetMatch {
        let (s, r) = (sender.index(), sender.opposite().index());
        let acknowledges = Segment {
            payload_len: 0,
            ..*rst
        };
        if rst.seq == self.ack[r] || rst.seq == self.end[s] {
            let oldest = self.end[r].wrapping_sub(self.window(scales, sender).max(ACK_SLACK));
            let plausible = at_most(oldest, rst.ack) && at_most(rst.ack, self.end[r]);
            return match !rst.flags.has(Flags::ACK) || plausible {
                true => ResetMatch::Exact,
                false => ResetMatch::Outside,
            };
        }
        match at_most(self.ack[r], rst.seq) && self.admit(scales, sender, &acknowledges) {
            true => ResetMatch::InWindow,
            false => ResetMatch::Outside,
        }
    }

    /// Whether a segment from `sender` with this sequence number can be on its way now: sent, and not yet
    /// acknowledged (RFC 5927 section 4.1, of what an ICMP error quotes).
    #[must_use]
    pub fn is_in_flight(&self, sender: Direction, seq: u32) -> bool {
        let (s, r) = (sender.index(), sender.opposite().index());
        at_most(self.ack[r], seq) && at_most(seq, self.end[s])
    }

    /// Each peer's next number, as far as it was seen.
    #[must_use]
    pub const fn next(&self) -> [u32; 2] {
        self.end
    }

    /// Whether all that `sender` sent before this number is acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self, sender: Direction, before: u32) -> bool {
        at_most(before, self.ack[sender.opposite().index()])
    }

    /// Whether a new SYN's number lies beyond all that the original sender used before (RFC 9293 section 3.10.7.4).
    #[must_use]
    pub const fn is_beyond(&self, seq: u32) -> bool {
        seq.wrapping_sub(self.end[0]) as i32 > 0
    }

    fn window(&self, scales: Scales, peer: Direction) -> u32 {
        u32::from(self.max_win[peer.index()]) << scales.shift(peer)
    }
}

/// One past the last sequence number of a segment; SYN and FIN count (RFC 9293 section 3.4).
#[must_use]
pub fn seq_end(segment: &Segment) -> u32 {
    let control =
        u32::from(segment.flags.has(Flags::SYN)) + u32::from(segment.flags.has(Flags::FIN));
    segment
        .seq
        .wrapping_add(segment.payload_len)
        .wrapping_add(control)
}

/// `a ≤ b` in sequence space (RFC 9293 section 3.4).
const fn at_most(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) as i32 >= 0
}

const fn later(a: u32, b: u32) -> u32 {
    if at_most(a, b) { b } else { a }
}

fn scale_down(window: u32, shift: u32) -> u16 {
    u16::try_from(window.div_ceil(1 << shift)).unwrap_or(u16::MAX)
}

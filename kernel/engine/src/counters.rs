//! One counter for each way a frame can end.

use crate::key::Side;
use crate::verdict::{DropReason, Verdict};
use crate::{MAX_ZONES, ZoneId};

/// The zones and the box itself.
const SIDES: usize = MAX_ZONES + 1;

fn slot(side: Side) -> usize {
    side.as_zone().map_or(MAX_ZONES, ZoneId::index)
}

/// How many reasons there are.
const REASONS: usize = DropReason::ALL.len();

/// What the FTP gateway did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ftp {
    /// A data connection was announced, and is expected.
    Expected,
    /// It came.
    Opened,
    /// An announcement was replaced by what the other side sees.
    Changed,
    /// An announcement was not believed, or there was no port for it: it went on as it was.
    Refused,
    /// A control connection could not be read for want of room.
    NoRoom,
}

impl Ftp {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 5] = [
        Self::Expected,
        Self::Opened,
        Self::Changed,
        Self::Refused,
        Self::NoRoom,
    ];

    /// The name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::NoRoom => "no-room",
        }
    }
}

/// What happened to all frames so far.
///
/// Frames are conserved: [`Counters::received`] equals
/// [`Counters::forwarded`] + [`Counters::local`] + [`Counters::held`] + [`Counters::dropped`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    received: [u64; SIDES],
    forwarded: [u64; MAX_ZONES],
    local: u64,
    held: u64,
    drops: [u64; REASONS],
    originated: [u64; MAX_ZONES],
    unsent: [u64; MAX_ZONES],
    ftp: [u64; Ftp::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: [0; SIDES],
            forwarded: [0; MAX_ZONES],
            local: 0,
            held: 0,
            drops: [0; REASONS],
            originated: [0; MAX_ZONES],
            unsent: [0; MAX_ZONES],
            ftp: [0; Ftp::ALL.len()],
        }
    }
}

impl Counters {
    /// Frames that came in, over all zones, and those that the box's own services sent.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.iter().sum()
    }

    /// Frames that came in by one zone, or from the box's own services.
    #[must_use]
    pub fn received_from(&self, side: Side) -> u64 {
        self.received[slot(side)]
    }

    /// Frames that went on to another host, over all zones.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.forwarded.iter().sum()
    }

    /// Received frames that went on out of one zone.
    #[must_use]
    pub fn forwarded_to(&self, zone: ZoneId) -> u64 {
        self.forwarded[zone.index()]
    }

    /// Frames that were for the box itself.
    #[must_use]
    pub fn local(&self) -> u64 {
        self.local
    }

    /// Frames that wait now, for a neighbour or for the rest of their datagram.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Frames dropped for one reason.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Frames dropped, over all reasons.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.iter().sum()
    }

    /// Frames that the engine made itself and sent by one zone (ARP, ICMP); they are not among the received.
    #[must_use]
    pub fn originated_to(&self, zone: ZoneId) -> u64 {
        self.originated[zone.index()]
    }

    /// Frames of the engine's own that one zone's card could not take; they are not among the originated.
    #[must_use]
    pub fn unsent_to(&self, zone: ZoneId) -> u64 {
        self.unsent[zone.index()]
    }

    /// How often the FTP gateway did something.
    #[must_use]
    pub fn ftp(&self, what: Ftp) -> u64 {
        self.ftp[what as usize]
    }

    /// Whether no frame has been lost without a reason.
    #[must_use]
    pub fn conserved(&self) -> bool {
        self.received() == self.forwarded() + self.local + self.held + self.dropped()
    }

    /// A frame came in; its verdict follows.
    pub(crate) fn arrived(&mut self, ingress: Side) {
        self.received[slot(ingress)] += 1;
    }

    /// A waiting frame is looked at again; its verdict follows.
    pub(crate) fn resumed(&mut self) {
        self.held -= 1;
    }

    /// A frame that arrived or was resumed got its verdict.
    pub(crate) fn decided(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Forward(egress) | Verdict::Fragmented(egress) | Verdict::Remade(egress) => {
                self.forwarded[egress.zone().index()] += 1
            }
            Verdict::Answer(egress) => {
                self.local += 1;
                self.originated[egress.zone().index()] += 1;
            }
            Verdict::Local | Verdict::Absorbed => self.local += 1,
            Verdict::Held(_) => self.held += 1,
            Verdict::Drop(reason) => self.drops[*reason as usize] += 1,
        }
    }

    /// The same for one that is forwarded: without a look at what else there is.
    #[inline(always)]
    pub(crate) fn forwarded_plain(&mut self, zone: ZoneId) {
        self.forwarded[zone.index()] += 1;
    }

    /// The FTP gateway did something.
    pub(crate) fn did(&mut self, what: Ftp) {
        self.ftp[what as usize] += 1;
    }

    /// The engine sends a frame that it made.
    pub(crate) fn originated(&mut self, zone: ZoneId) {
        self.originated[zone.index()] += 1;
    }

    /// A frame counted as forwarded could not be sent after all.
    pub(crate) fn not_sent(&mut self, zone: ZoneId, reason: DropReason) {
        self.forwarded[zone.index()] -= 1;
        self.drops[reason as usize] += 1;
    }

    /// A frame counted as originated could not be sent after all.
    pub(crate) fn not_originated(&mut self, zone: ZoneId) {
        self.originated[zone.index()] -= 1;
        self.unsent[zone.index()] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Egress;

    #[test]
    fn an_answer_that_is_not_sent_stays_local_and_is_counted_as_unsent() {
        let zone = ZoneId::new(0).expect("a zone");
        let mut counters = Counters::default();
        counters.arrived(Side::zone(zone));
        counters.decided(&Verdict::Answer(Egress::granted(zone)));
        counters.not_originated(zone);
        assert_eq!((counters.local(), counters.forwarded_to(zone)), (1, 0));
        assert_eq!(
            (counters.originated_to(zone), counters.unsent_to(zone)),
            (0, 1)
        );
        assert!(counters.conserved());
    }
}

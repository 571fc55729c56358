//! Large frames that found a transmit ring full, and wait for room.
//!
//! A large TCP frame that is dropped is sent again, all its tens of kilobytes, and its
//! connection slows down. A ring that the device works on has room again in less time than
//! that costs, so the frame waits, and meanwhile nothing more should be taken from the card
//! that it came by: what cannot leave is better left with its sender. Other cards go on, of
//! which each frame may be what a sender waits for. Small frames do not wait, as to drop them
//! costs less, unless they would overtake what does.
//!
//! A slow ring must not stop what goes to others. When the waits have not ended within a
//! millisecond, all are dropped; and after each wait, none waits for that card again until
//! more has left by it the longer it took.

use heapless::Deque;

use crate::offload::Gso;
use crate::packet::Packet;
use crate::transmit::{Refused, TxError};

/// How long frames may wait for a ring without a break, in microseconds.
const PATIENCE_US: u64 = 1000;
/// For so many microseconds of waiting a frame must leave before any waits again.
const WAITED_US: u64 = 64;
/// Frames that wait at the most: as many as are taken in at once.
const ROOM: usize = 16;

/// What waits for one card.
#[derive(Default)]
pub struct Late {
    waits: Deque<Packet, ROOM>,
    /// The cards that large frames which wait came by, one bit each.
    sources: u8,
    /// Since when some wait.
    since: u64,
    /// How many frames must have been put on the ring before any waits again.
    not_before: u64,
}

impl Late {
    /// Whether any frame waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waits.is_empty()
    }

    /// The cards of which nothing more should be taken now, one bit each.
    #[must_use]
    pub const fn sources(&self) -> u8 {
        self.sources
    }

    /// Lets a frame that was refused wait, if it is worth it; `source` has the bit of the card that it came by, `sent`
    /// is how many were put on the ring so far, `now` in microseconds.
    ///
    /// # Errors
    ///
    /// Gives it back to be dropped.
    pub fn keep(
        &mut self,
        refused: Refused,
        source: u8,
        sent: u64,
        now: u64,
    ) -> Result<(), Refused> {
        let is_large = refused.packet.offload().gso != Gso::None;
        let is_slow = sent < self.not_before;
        if !is_large || refused.error != TxError::Full || is_slow {
            return Err(refused);
        }
        self.since = now;
        self.queue(refused.packet, source)
    }

    /// Lets a frame wait behind those that do. A large one holds up the card that it came by.
    ///
    /// # Errors
    ///
    /// Gives it back to be dropped when there is no more room.
    pub fn queue(&mut self, packet: Packet, source: u8) -> Result<(), Refused> {
        if packet.offload().gso != Gso::None {
            self.sources |= source;
        }
        let error = TxError::Full;
        self.waits
            .push_back(packet)
            .map_err(|packet| Refused { packet, error })
    }

    /// Tries again to send what waits; says how many frames have waited in vain and are dropped. `sent` tells how
    /// many were put on the ring so far.
    pub fn retry(
        &mut self,
        sent: u64,
        now: u64,
        mut transmit: impl FnMut(Packet) -> Result<(), Refused>,
    ) -> usize {
        if self.waits.is_empty() {
            return 0;
        }
        let waited = now.saturating_sub(self.since);
        while let Some(packet) = self.waits.pop_front() {
            let Err(Refused { packet, error }) = transmit(packet) else {
                continue;
            };
            if error == TxError::Full && waited < PATIENCE_US {
                // It has just been taken from there.
                let _ = self.waits.push_front(packet);
                return 0;
            }
            drop(packet);
            let others = self.waits.len();
            self.waits.clear();
            self.end(sent, waited);
            return 1 + others;
        }
        self.end(sent, waited);
        0
    }

    /// Nothing waits any more.
    const fn end(&mut self, sent: u64, waited: u64) {
        self.sources = 0;
        self.not_before = sent + waited / WAITED_US;
    }
}

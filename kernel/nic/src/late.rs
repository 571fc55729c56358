//! Large frames that found a transmit ring full, and wait for room.
//!
//! A large TCP frame that is dropped is sent again, all its tens of kilobytes, and its
//! connection slows down. A ring that the device works on has room again in less time than
//! that costs, so the frame waits, and meanwhile nothing more should be taken from the card
//! that it came by: what cannot leave is better left with its sender. Other cards go on, of
//! which each frame may be what a sender waits for. Small frames do not wait, as to drop them
//! costs less, unless they would overtake what does.
//!
//! A ring that stands still must not stop the other cards. When frames waited in vain,
//! none waits for that card any more until something has left by it.

use heapless::Deque;

use crate::offload::Gso;
use crate::packet::Packet;
use crate::transmit::{Refused, TxError};

/// How long a ring may stand still, in microseconds.
const PATIENCE_US: u64 = 1000;
/// Frames that wait at the most: as many as are taken in at once.
const ROOM: usize = 16;

/// What waits for one card.
#[derive(Default)]
pub struct Late {
    waits: Deque<Packet, ROOM>,
    /// The cards that large frames which wait came by, one bit each.
    sources: u8,
    /// Since when the ring stands still.
    since: u64,
    /// How many frames had been put on the ring when some waited in vain.
    stuck_at: Option<u64>,
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
        let is_stuck = self.stuck_at == Some(sent);
        if !is_large || refused.error != TxError::Full || is_stuck {
            return Err(refused);
        }
        self.stuck_at = None;
        self.since = now;
        self.queue(refused.packet, source)
    }

    /// Lets a frame wait behind those that do, if it is a large one with what comes after it.
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
        while let Some(packet) = self.waits.pop_front() {
            let Err(Refused { packet, error }) = transmit(packet) else {
                self.since = now;
                continue;
            };
            if error != TxError::Full || now.saturating_sub(self.since) >= PATIENCE_US {
                self.stuck_at = Some(sent);
                drop(packet);
                let others = self.waits.len();
                self.waits.clear();
                self.sources = 0;
                return 1 + others;
            }
            // It has just been taken from there.
            let _ = self.waits.push_front(packet);
            return 0;
        }
        self.sources = 0;
        0
    }
}

//! The machine's cards and their buffers, brought up together.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sekisho_engine::frame;
use sekisho_nic::{
    Candidate, Card, Checksum, Ecn, Gso, LARGE_BUFFER_BYTES, Offload, Pool, QUEUE_SIZE,
    SMALL_BUFFER_BYTES, negotiate,
};

use crate::boot;
use crate::hw::cards::{CardSeat, Registers};
use crate::hw::{apic, clock, heap};

/// How many frames of one card are taken in a row before the others have their turn.
pub const BURST: usize = 64;
/// How long the processor looks for work before it sleeps, in microseconds.
pub const POLL_US: u64 = 100;
/// The longest sleep.
const NAP_US: u64 = 1_000_000;
/// Buffers beside those that the rings can hold: for frames that wait, and for those in between.
const SPARE: usize = 320;

/// Cards, with one pool of buffers for all.
pub struct Net {
    /// In the order in which they were given.
    pub cards: Vec<Card<Registers>>,
    /// All buffers.
    pub pool: &'static Pool,
}

impl Net {
    /// Sets all cards up; what one takes in unfinished, every other can finish.
    ///
    /// # Errors
    /// The first card that cannot be used, and why.
    pub fn bring_up(seats: Vec<CardSeat>, memory_bytes: usize) -> Result<Self, String> {
        let mut candidates = Vec::new();
        for seat in seats {
            let place = seat.place.clone();
            let refused = |error| format!("sekisho: the card at {place} cannot be used: {error}");
            candidates.push(Candidate::new(Registers::new(seat), QUEUE_SIZE).map_err(refused)?);
        }
        let wanted: usize = candidates.iter().map(Candidate::buffers).sum::<usize>() + SPARE;
        let (buffers, buffer_bytes) = buffers_for(memory_bytes, wanted);
        let pool = Pool::new(heap::buffers(buffers * buffer_bytes), buffer_bytes)
            .map_err(|error| format!("sekisho: no room for the cards' buffers: {error:?}"))?;
        let offers: Vec<_> = candidates.iter().map(Candidate::offer).collect();
        let accepted = negotiate(&offers, buffer_bytes);
        let mut cards = Vec::new();
        for (candidate, accepted) in candidates.into_iter().zip(accepted) {
            let rings = heap::rings(candidate.ring_bytes());
            let card = candidate.start(accepted, pool, rings);
            cards.push(card.map_err(|error| format!("sekisho: a card did not start: {error}"))?);
        }
        Ok(Self { cards, pool })
    }

    /// Takes sent buffers back and offers free ones for reception; then shows both rings to the devices.
    pub fn turn(&mut self) {
        for card in &mut self.cards {
            card.reclaim();
            card.refill();
            card.publish();
        }
    }

    /// Halts until a card has something or `until` has come, unless there is work already.
    pub fn sleep(&mut self, until: u64) {
        self.cards.iter_mut().for_each(Card::arm);
        if !self.cards.iter().any(Card::has_work) {
            let now = clock::now_us();
            clock::wake_after(until.saturating_sub(now).clamp(1, NAP_US));
            boot::sleep();
            apic::take_timer();
        }
        self.cards.iter_mut().for_each(Card::disarm);
    }
}

/// Number and size of the buffers: large ones carry large frames faster, small machines have small ones.
fn buffers_for(memory_bytes: usize, wanted: usize) -> (usize, usize) {
    let budget = memory_bytes / 4;
    if wanted * LARGE_BUFFER_BYTES <= budget {
        (wanted, LARGE_BUFFER_BYTES)
    } else {
        (wanted.min(budget / SMALL_BUFFER_BYTES), SMALL_BUFFER_BYTES)
    }
}

/// What a card left undone, in the engine's words.
#[must_use]
pub fn from_card(offload: Offload) -> frame::Offload {
    let checksum = match offload.checksum {
        Checksum::None => frame::Checksum::Complete,
        Checksum::Valid => frame::Checksum::Verified,
        Checksum::Partial { start, offset } => frame::Checksum::Partial { start, offset },
    };
    let segments = |kind, size, ecn| {
        Some(frame::Segmentation {
            kind,
            size,
            ecn: ecn == Ecn::Present,
        })
    };
    let segmentation = match offload.gso {
        Gso::None => None,
        Gso::Tcp4 { size, ecn } => segments(frame::SegmentationKind::Tcp4, size, ecn),
        Gso::Tcp6 { size, ecn } => segments(frame::SegmentationKind::Tcp6, size, ecn),
    };
    frame::Offload {
        checksum,
        segmentation,
    }
}

/// What a card is to do, from the engine's words.
#[must_use]
pub fn to_card(offload: frame::Offload) -> Offload {
    let checksum = match offload.checksum {
        frame::Checksum::Complete => Checksum::None,
        frame::Checksum::Verified => Checksum::Valid,
        frame::Checksum::Partial { start, offset } => Checksum::Partial { start, offset },
    };
    let gso = offload.segmentation.map_or(Gso::None, |segmentation| {
        let (size, ecn) = (
            segmentation.size,
            if segmentation.ecn {
                Ecn::Present
            } else {
                Ecn::Absent
            },
        );
        match segmentation.kind {
            frame::SegmentationKind::Tcp4 => Gso::Tcp4 { size, ecn },
            frame::SegmentationKind::Tcp6 => Gso::Tcp6 { size, ecn },
        }
    });
    Offload { checksum, gso }
}

//! The machine's cards and their buffers, brought up together.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sekisho_engine::frame;
use sekisho_nic::e1000::{self, E1000};
use sekisho_nic::{
    Accepted, Checksum, Ecn, Gso, LARGE_BUFFER_BYTES, Late, Offer, Offload, Packet, Patience, Pool,
    QUEUE_SIZE, Refused, RxError, SMALL_BUFFER_BYTES, StartError, negotiate,
};

use crate::boot;
use crate::card::Card;
use crate::hw::cards::{CardSeat, IntelSeat, Registers};
use crate::hw::{apic, clock, heap};

/// How many frames of one card are taken in a row before the others have their turn.
pub const BURST: usize = 64;
/// How often cards are looked at whose interrupts do not come, in microseconds.
const LOOK_US: u64 = 1000;
/// The longest sleep.
const NAP_US: u64 = 1_000_000;
/// Buffers beside those that the rings can hold: for frames that wait, and for those in between.
const SPARE: usize = 320;

/// Cards, with one pool of buffers for all.
pub struct Net {
    /// In the order in which they were given.
    pub cards: Vec<Card>,
    /// All buffers.
    pub pool: &'static Pool,
    patience: Patience,
    /// What waits for room on each card's ring, and the cards of which nothing is taken meanwhile, one bit each.
    late: Vec<Late>,
    held_up: u8,
    /// Whether anything waits.
    is_waiting: bool,
    lines: Lines,
}

/// Whether the interrupt lines of cards without messages work; until one was heard, the cards are looked at
/// each millisecond.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// No card needs one.
    None,
    /// None was heard yet.
    Unproven,
    /// They wake us.
    Heard,
}

/// A card before it runs.
enum Candidate {
    Virtio(sekisho_nic::Candidate<Registers>),
    Intel(IntelSeat),
}

impl Candidate {
    fn new(seat: CardSeat) -> Result<Self, String> {
        match seat {
            CardSeat::Virtio(seat) => {
                let place = seat.place.clone();
                let candidate = sekisho_nic::Candidate::new(Registers::new(seat), QUEUE_SIZE);
                let refused =
                    |error| format!("sekisho: the card at {place} cannot be used: {error}");
                candidate.map(Self::Virtio).map_err(refused)
            }
            CardSeat::Intel(seat) => Ok(Self::Intel(seat)),
        }
    }

    fn buffers(&self) -> usize {
        match self {
            Self::Virtio(candidate) => candidate.buffers(),
            Self::Intel(_) => e1000::BUFFERS,
        }
    }

    /// Intel's card does nothing for others: each frame is complete when it gets it.
    fn offer(&self) -> Offer {
        match self {
            Self::Virtio(candidate) => candidate.offer(),
            Self::Intel(_) => Offer {
                features: 0,
                transmit_size: QUEUE_SIZE,
            },
        }
    }

    fn start(self, accepted: Accepted, pool: &'static Pool) -> Result<Card, StartError> {
        match self {
            Self::Virtio(candidate) => {
                let rings = heap::rings(candidate.ring_bytes());
                candidate.start(accepted, pool, rings).map(Card::Virtio)
            }
            Self::Intel(seat) => {
                seat.wire();
                let rings = heap::rings(e1000::RING_BYTES);
                E1000::start(seat.registers, pool, rings).map(Card::Intel)
            }
        }
    }
}

impl Net {
    /// Sets all cards up; what one takes in unfinished, every other can finish.
    ///
    /// # Errors
    /// The first card that cannot be used, and why.
    pub fn bring_up(seats: Vec<CardSeat>, memory_bytes: usize) -> Result<Self, String> {
        let mut candidates = Vec::new();
        for seat in seats {
            candidates.push(Candidate::new(seat)?);
        }
        let wanted: usize = candidates.iter().map(Candidate::buffers).sum::<usize>() + SPARE;
        let (buffers, buffer_bytes) = buffers_for(memory_bytes, wanted);
        let pool = Pool::new(heap::buffers(buffers * buffer_bytes), buffer_bytes)
            .map_err(|error| format!("sekisho: no room for the cards' buffers: {error:?}"))?;
        let offers: Vec<_> = candidates.iter().map(Candidate::offer).collect();
        let accepted = negotiate(&offers, buffer_bytes);
        let mut cards = Vec::new();
        for (candidate, accepted) in candidates.into_iter().zip(accepted) {
            let card = candidate.start(accepted, pool);
            cards.push(card.map_err(|error| format!("sekisho: a card did not start: {error}"))?);
        }
        let has_lines = cards.iter().any(|card| matches!(card, Card::Intel(_)));
        Ok(Self {
            late: cards.iter().map(|_| Late::default()).collect(),
            held_up: 0,
            is_waiting: false,
            cards,
            pool,
            patience: Patience::new(clock::now_us()),
            lines: if has_lines {
                Lines::Unproven
            } else {
                Lines::None
            },
        })
    }

    /// Takes sent buffers back and offers free ones for reception; then shows both rings to the devices. Says by
    /// which cards a frame did not leave after all.
    pub fn turn(&mut self, mut not_sent: impl FnMut(usize)) {
        for index in 0..self.cards.len() {
            self.cards[index].reclaim();
            if self.is_waiting {
                (0..self.retry(index)).for_each(|_| not_sent(index));
            }
            let card = &mut self.cards[index];
            card.refill();
            card.publish();
        }
        if self.is_waiting {
            self.is_waiting = self.late.iter().any(Late::is_waiting);
            self.held_up = self.late.iter().fold(0, |bits, late| bits | late.sources());
        }
    }

    /// Puts a frame on a card's ring, or lets it wait for room there; whether either was possible. `from` is the card
    /// that it came by just now.
    #[inline]
    pub fn forward(&mut self, from: Option<usize>, to: usize, packet: Packet) -> bool {
        if self.is_waiting && self.late[to].is_waiting() {
            let queued = self.late[to].queue(packet, bit(from)).is_ok();
            self.held_up |= self.late[to].sources();
            return queued;
        }
        match self.cards[to].transmit(packet) {
            Ok(()) => true,
            Err(refused) => self.wait(from, to, refused),
        }
    }

    #[cold]
    fn wait(&mut self, from: Option<usize>, to: usize, refused: Refused) -> bool {
        let sent = self.cards[to].sent();
        let late = &mut self.late[to];
        let waits = late.keep(refused, bit(from), sent, clock::now_us()).is_ok();
        self.held_up |= late.sources();
        self.is_waiting |= waits;
        waits
    }

    /// Tries again what waits for a card; how many frames waited in vain.
    fn retry(&mut self, index: usize) -> usize {
        let sent = self.cards[index].sent();
        let card = &mut self.cards[index];
        let late = &mut self.late[index];
        late.retry(sent, clock::now_us(), |packet| card.transmit(packet))
    }

    /// The next frame that arrived by a card; none while a large one that did waits for room on another's ring.
    #[inline]
    pub fn receive(&mut self, from: usize) -> Option<Result<Packet, RxError>> {
        if self.held_up & bit(Some(from)) != 0 {
            return None;
        }
        self.cards[from].receive()
    }

    /// Whether to sleep now, after a turn at `now` that moved so many frames.
    #[inline]
    pub fn is_tired(&mut self, moved: usize, now: u64) -> bool {
        if moved > 0 {
            self.patience.work(moved, now);
            return false;
        }
        !self.is_waiting && self.patience.is_over(now)
    }

    /// Halts until a card has something or `until` has come, unless there is work already.
    pub fn sleep(&mut self, until: u64) {
        self.cards.iter_mut().for_each(Card::arm);
        if !self.cards.iter().any(Card::has_work) {
            let now = clock::now_us();
            let longest = match self.lines {
                Lines::None | Lines::Heard => NAP_US,
                Lines::Unproven => LOOK_US,
            };
            clock::wake_after(until.saturating_sub(now).clamp(1, longest));
            boot::sleep();
            self.patience.slept();
            apic::take_timer();
            if boot::take_pending(apic::INTEL) {
                self.lines = Lines::Heard;
            }
        }
        self.cards.iter_mut().for_each(Card::disarm);
    }

    /// How long it looks for work before it sleeps, for people.
    #[must_use]
    pub const fn patience(&self) -> &Patience {
        &self.patience
    }
}

/// A card's bit among those that are held up. There are at most eight, one for each zone.
const fn bit(card: Option<usize>) -> u8 {
    match card {
        Some(card) => 1 << (card % 8),
        None => 0,
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

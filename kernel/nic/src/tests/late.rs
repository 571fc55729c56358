//! Large frames that wait for room on a full ring.

use super::fake::{ALL, Fake};
use super::frame;
use super::memory::pool;
use crate::late::Late;
use crate::{Card, Checksum, Ecn, Gso, Offload, Packet, Pool, Refused, TxError};

/// A segment that the card is to cut.
const LARGE: Offload = Offload {
    checksum: Checksum::Partial {
        start: 34,
        offset: 16,
    },
    gso: Gso::Tcp4 {
        size: 1448,
        ecn: Ecn::Absent,
    },
};

/// The bits of two cards that frames come by.
const SOURCE: u8 = 1 << 0;
const OTHER: u8 = 1 << 7;

/// A card whose ring is full, and what waits for it.
struct Jam {
    pool: &'static Pool,
    fake: Fake,
    card: Card<Fake>,
    late: Late,
}

impl Jam {
    fn new() -> Self {
        let pool = pool(64, 8192);
        let fake = Fake::new(ALL, 16);
        let mut card = fake.start(pool);
        while card.room() != 0 {
            card.transmit_copy(&frame(60, 1), Offload::NONE)
                .expect("room");
        }
        card.publish();
        Self {
            pool,
            fake,
            card,
            late: Late::default(),
        }
    }

    fn packet(&self, offload: Offload) -> Packet {
        let packet = self.pool.packet(&frame(2000, 7), offload);
        packet.expect("a buffer")
    }

    /// Sends a packet that the full ring refuses; whether it waits.
    fn send(&mut self, offload: Offload, now: u64) -> bool {
        let refused = self.card.transmit(self.packet(offload));
        let sent = self.card.counters().tx_frames;
        let refused = refused.expect_err("the ring is full");
        self.late.keep(refused, SOURCE, sent, now).is_ok()
    }

    /// The ring, of which so many frames have left, refuses a large one for `error`; whether it waits.
    fn refuse(&mut self, error: TxError, sent: u64) -> bool {
        let packet = self.packet(LARGE);
        let refused = Refused { packet, error };
        self.late.keep(refused, SOURCE, sent, 2000).is_ok()
    }

    /// How many frames waited in vain.
    fn retry(&mut self, now: u64) -> usize {
        let sent = self.card.counters().tx_frames;
        self.late
            .retry(sent, now, |packet| self.card.transmit(packet))
    }

    fn drain(&mut self) -> usize {
        let sent = self.fake.send().len();
        self.card.reclaim();
        sent
    }
}

#[test]
fn a_large_frame_leaves_as_soon_as_there_is_room() {
    let mut jam = Jam::new();
    assert!(jam.send(LARGE, 0));
    assert_eq!(jam.retry(500), 0);
    assert!(jam.late.is_waiting());
    assert_eq!(jam.drain(), 16);
    assert_eq!(jam.retry(999), 0);
    assert!(!jam.late.is_waiting());
    jam.card.publish();
    assert_eq!(jam.fake.send()[0].1, frame(2000, 7));
}

#[test]
fn a_small_frame_is_dropped_at_once() {
    let mut jam = Jam::new();
    assert!(!jam.send(Offload::NONE, 0));
    assert!(!jam.late.is_waiting());
}

#[test]
fn no_frame_overtakes_one_that_waits() {
    let mut jam = Jam::new();
    assert!(jam.send(LARGE, 0));
    for seed in 0..15 {
        let packet = jam.pool.packet(&frame(60, seed), Offload::NONE);
        let packet = packet.expect("a buffer");
        assert!(jam.late.queue(packet, OTHER).is_ok());
    }
    let packet = jam.packet(Offload::NONE);
    assert!(
        jam.late.queue(packet, OTHER).is_err(),
        "there is no end of room"
    );
    let mut sent = Vec::new();
    for now in 1..4 {
        jam.card.publish();
        sent.extend(jam.fake.send().into_iter().map(|(_, frame)| frame));
        jam.card.reclaim();
        assert_eq!(jam.retry(now), 0);
    }
    let expected = (0..15).map(|seed| frame(60, seed));
    assert_eq!(sent[16], frame(2000, 7));
    assert!(sent[17..].iter().cloned().eq(expected));
}

#[test]
fn only_cards_whose_large_frames_wait_are_held_up() {
    let mut jam = Jam::new();
    assert!(!jam.send(Offload::NONE, 0));
    assert_eq!(jam.late.sources(), 0, "a dropped frame");
    assert!(jam.send(LARGE, 0));
    assert_eq!(jam.late.sources(), SOURCE);
    let small = jam.packet(Offload::NONE);
    assert!(jam.late.queue(small, OTHER).is_ok());
    assert_eq!(jam.late.sources(), SOURCE, "a small frame");
    let large = jam.packet(LARGE);
    assert!(jam.late.queue(large, OTHER).is_ok());
    assert_eq!(jam.late.sources(), SOURCE | OTHER);
    assert_eq!(jam.retry(999), 0);
    assert_eq!(jam.late.sources(), SOURCE | OTHER, "they still wait");
    assert_eq!(jam.drain(), 16);
    assert_eq!(jam.retry(999), 0);
    assert_eq!(jam.late.sources(), 0);
}

#[test]
fn a_ring_that_stands_still_holds_nothing_up_for_long() {
    let mut jam = Jam::new();
    let free = jam.pool.free();
    assert!(jam.send(LARGE, 0));
    let behind = jam.packet(LARGE);
    assert!(jam.late.queue(behind, OTHER).is_ok());
    assert_eq!(jam.retry(1000), 2);
    assert_eq!(jam.late.sources(), 0, "held up by what is gone");
    assert_eq!(jam.pool.free(), free, "their buffers are not free again");
    assert!(
        !jam.send(LARGE, 1001),
        "waited for a ring that stands still"
    );
}

#[test]
fn a_slow_ring_holds_nothing_up_for_long() {
    let mut jam = Jam::new();
    assert!(jam.send(LARGE, 0));
    let behind = jam.packet(LARGE);
    assert!(jam.late.queue(behind, OTHER).is_ok());
    let mut room = 1;
    let mut send = |packet| match room {
        0 => Err(Refused {
            packet,
            error: TxError::Full,
        }),
        _ => {
            room -= 1;
            Ok(())
        }
    };
    assert_eq!(jam.late.retry(16, 900, &mut send), 0);
    assert!(jam.late.is_waiting());
    assert_eq!(jam.late.retry(17, 1000, &mut send), 1);
    assert!(!jam.refuse(TxError::Full, 17));
    assert!(!jam.refuse(TxError::Full, 17 + 14));
    assert!(jam.refuse(TxError::Full, 17 + 15));
}

#[test]
fn the_longer_a_wait_the_more_must_leave_before_the_next() {
    for (waited, more) in [(0, 0), (640, 10), (900, 14)] {
        let mut jam = Jam::new();
        assert!(jam.send(LARGE, 0));
        assert_eq!(jam.late.retry(16, waited, |_| Ok(())), 0);
        assert!(!jam.late.is_waiting());
        assert!(more == 0 || !jam.refuse(TxError::Full, 16 + more - 1));
        assert!(jam.refuse(TxError::Full, 16 + more));
    }
}

#[test]
fn a_card_that_nothing_waits_for_is_not_called_slow() {
    let mut jam = Jam::new();
    assert_eq!(jam.retry(1_000_000), 0);
    assert!(jam.send(LARGE, 1_000_001));
}

#[test]
fn nothing_waits_for_a_card_that_is_down_or_cannot_send_it() {
    let mut jam = Jam::new();
    for error in [TxError::Down, TxError::Unsendable, TxError::NoBuffer] {
        assert!(!jam.refuse(error, 0));
    }
    assert!(jam.send(LARGE, 0));
    let down = |packet| {
        Err(Refused {
            packet,
            error: TxError::Down,
        })
    };
    assert_eq!(jam.late.retry(0, 1, down), 1);
    assert!(!jam.late.is_waiting());
}

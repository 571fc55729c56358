//! Kicks and interrupts: as few as possible, and none lost.

use super::fake::{ALL, Fake};
use super::memory::pool;
use super::queue::Interrupt;
use super::{PLAIN, frame};
use crate::ring::is_due;
use crate::{Card, Offload, Queue, feature};

fn setup(features: u64) -> (Fake, Card<Fake>) {
    let fake = Fake::new(features, 16);
    let card = fake.start(pool(64, 2048));
    (fake, card)
}

/// Both ways to ask for notifications.
const WAYS: [u64; 2] = [ALL, ALL & !feature::EVENT_IDX];

#[test]
fn event_is_due_when_the_index_passes_it() {
    for base in [0_u16, 7, 0x7fff, 0xfffe, 0xffff] {
        let at = |by: u16| base.wrapping_add(by);
        assert!(is_due(at(0), at(1), at(0)));
        assert!(is_due(at(3), at(5), at(0)));
        assert!(!is_due(at(5), at(5), at(0)));
        assert!(!is_due(at(0), at(5), at(1)));
        assert!(!is_due(at(3), at(3), at(3)));
    }
}

#[test]
fn burst_makes_one_kick() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        fake.queue(Queue::Transmit).sleep();
        for seed in 0..5 {
            card.transmit_copy(&frame(60, seed), Offload::NONE)
                .expect("room");
        }
        assert!(!fake.kicked(Queue::Transmit));
        let kicks = card.counters().kicks;
        card.publish();
        assert!(fake.kicked(Queue::Transmit));
        card.publish();
        assert!(!fake.kicked(Queue::Transmit));
        assert_eq!(card.counters().kicks, kicks + 1);
        assert_eq!(fake.send().len(), 5);
    }
}

#[test]
fn device_that_is_awake_is_not_kicked() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        fake.queue(Queue::Transmit).stay_awake();
        card.transmit_copy(&frame(60, 1), Offload::NONE)
            .expect("room");
        card.publish();
        assert!(!fake.kicked(Queue::Transmit));
        assert_eq!(fake.send().len(), 1);
    }
}

#[test]
fn nothing_is_visible_before_it_is_published() {
    let (fake, mut card) = setup(ALL);
    card.transmit_copy(&frame(60, 1), Offload::NONE)
        .expect("room");
    assert_eq!(fake.queue(Queue::Transmit).waiting(), 0);
    card.publish();
    assert_eq!(fake.queue(Queue::Transmit).waiting(), 1);
}

#[test]
fn polling_card_is_not_interrupted() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        for seed in 0..40 {
            assert_eq!(
                fake.deliver(PLAIN, &frame(60, seed)),
                Some(Interrupt::Spared)
            );
            assert!(card.receive().expect("a frame").is_ok());
            card.refill();
            card.publish();
            card.disarm();
        }
    }
}

#[test]
fn armed_card_is_interrupted_once_a_frame_comes() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        card.arm();
        assert!(!card.has_work());
        assert_eq!(fake.deliver(PLAIN, &frame(60, 1)), Some(Interrupt::Wanted));
        card.disarm();
        assert_eq!(fake.deliver(PLAIN, &frame(60, 2)), Some(Interrupt::Spared));
    }
}

#[test]
fn frame_that_came_before_arming_is_seen_after_it() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        assert_eq!(fake.deliver(PLAIN, &frame(60, 1)), Some(Interrupt::Spared));
        card.arm();
        assert!(card.has_work());
    }
}

#[test]
fn sent_frames_interrupt_only_a_card_short_of_buffers() {
    for (buffers, expected) in [(64, Interrupt::Spared), (17, Interrupt::Wanted)] {
        let fake = Fake::new(ALL, 16);
        let pool = pool(buffers, 2048);
        let mut card = fake.start(pool);
        card.transmit_copy(&frame(60, 1), Offload::NONE)
            .expect("room");
        card.publish();
        let _ = fake.deliver(PLAIN, &frame(60, 1));
        let held = card.receive().expect("a frame").expect("a sound one");
        card.arm();
        assert!(!card.has_work());
        let taken = fake.queue(Queue::Transmit).take().expect("a frame");
        fake.queue(Queue::Transmit).hand_back(taken.head.into(), 0);
        assert_eq!(fake.queue(Queue::Transmit).publish(), expected);
        assert_eq!(card.has_work(), expected == Interrupt::Wanted);
        drop(held);
    }
}

#[test]
fn arming_fills_the_receive_ring_and_tells_the_device() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        let _ = fake.deliver(PLAIN, &frame(60, 1));
        drop(card.receive());
        fake.queue(Queue::Receive).sleep();
        // Fifteen wait already; the sixteenth is below the share that a refill waits for.
        card.refill();
        card.publish();
        assert!(!fake.kicked(Queue::Receive));
        fake.queue(Queue::Receive).take_all();
        fake.queue(Queue::Receive).sleep();
        card.arm();
        assert!(fake.kicked(Queue::Receive));
        assert_eq!(fake.queue(Queue::Receive).waiting(), 1);
    }
}

#[test]
fn ring_that_stands_still_is_kicked_again() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        let kicked = || [Queue::Transmit, Queue::Receive].map(|queue| fake.kicked(queue));
        // The first call only looks, as nothing was handed back before it either.
        card.remind();
        let _ = kicked();
        // Nothing is on the transmit ring.
        card.remind();
        assert_eq!(kicked(), [false, true]);
        let _ = fake.deliver(PLAIN, &frame(60, 1));
        assert!(card.receive().expect("a frame").is_ok());
        card.remind();
        assert_eq!(kicked(), [false, false]);
        // The device does not see the frame, as it sleeps and its kick is lost.
        card.transmit_copy(&frame(60, 1), Offload::NONE)
            .expect("room");
        card.publish();
        let kicks = card.counters().kicks;
        let _ = kicked();
        card.remind();
        assert_eq!(kicked(), [true, true]);
        assert_eq!(card.counters().kicks, kicks + 2);
        assert_eq!(fake.send().len(), 1);
        card.reclaim();
        card.remind();
        assert_eq!(kicked(), [false, true]);
    }
}

#[test]
fn device_interrupts_without_reason_change_nothing() {
    for way in WAYS {
        let (fake, mut card) = setup(way);
        // What the machine does at each interrupt, whether or not there was one to do.
        for _ in 0..1_000 {
            card.disarm();
            assert!(card.receive().is_none());
            card.reclaim();
            card.refill();
            card.publish();
            card.arm();
            assert!(!card.has_work());
        }
        assert_eq!(card.fault(), None);
        assert_eq!(fake.queue(Queue::Receive).waiting(), 16);
        let _ = fake.deliver(PLAIN, &frame(60, 1));
        assert!(card.receive().expect("a frame").is_ok());
    }
}

//! Every lie a device can tell, each ending in its own fault.

use super::fake::{ALL, Fake, only};
use super::memory::{pool, write};
use super::{PLAIN, frame};
use crate::{Card, DeviceFault, FrameFault, Link, Offload, Pool, Queue, RxError, TxError, status};

const BUFFERS: usize = 48;
const SIZE: u16 = 16;

fn setup() -> (&'static Pool, Fake, Card<Fake>) {
    let pool = pool(BUFFERS, 2048);
    let fake = Fake::new(ALL, SIZE);
    let card = fake.start(pool);
    (pool, fake, card)
}

/// Hands buffers back with these numbers of bytes, the first saying it is one of `said`.
fn hand_back(fake: &Fake, said: u16, lens: &[u32]) {
    let mut queue = fake.queue(Queue::Receive);
    for (at, len) in lens.iter().enumerate() {
        let taken = queue.take().expect("a buffer");
        if at == 0 {
            write(only(&taken).address, &PLAIN);
            write(only(&taken).address + 10, &said.to_le_bytes());
        }
        queue.hand_back(taken.head.into(), *len);
    }
    let _ = queue.publish();
}

/// The next reception takes the card down with `fault`, and nothing is lost.
#[track_caller]
fn fails((pool, fake, mut card): (&'static Pool, Fake, Card<Fake>), fault: DeviceFault) {
    assert_eq!(
        card.receive().map(Result::err),
        Some(Some(RxError::Device(fault)))
    );
    assert_down(pool, &fake, &mut card, fault);
}

/// The next reclaim takes the card down with `fault`, and nothing is lost.
#[track_caller]
fn reclaim_fails((pool, fake, mut card): (&'static Pool, Fake, Card<Fake>), fault: DeviceFault) {
    card.reclaim();
    assert_down(pool, &fake, &mut card, fault);
}

#[track_caller]
fn assert_down(pool: &Pool, fake: &Fake, card: &mut Card<Fake>, fault: DeviceFault) {
    assert_eq!(card.fault(), Some(fault));
    assert_eq!(fake.state().status, 0);
    assert_eq!(fake.state().resets, 2);
    assert_eq!(pool.free(), BUFFERS);
    assert!(card.receive().is_none() && !card.has_work());
    assert_eq!(
        card.transmit_copy(&[0; 60], Offload::NONE),
        Err(TxError::Down)
    );
    card.refill();
    card.reclaim();
    card.arm();
    card.disarm();
    card.publish();
    assert_eq!((card.link(), pool.free()), (Link::Down, BUFFERS));
}

#[test]
fn device_index_ahead_of_what_was_offered_is_a_fault() {
    let setup = setup();
    setup.1.queue(Queue::Receive).set_used_index(SIZE + 1);
    let queue = Queue::Receive;
    fails(
        setup,
        DeviceFault::UsedIndexJump {
            queue,
            by: SIZE + 1,
            outstanding: SIZE,
        },
    );
}

#[test]
fn device_index_going_back_is_a_fault() {
    let setup = setup();
    setup.1.queue(Queue::Receive).set_used_index(u16::MAX);
    let queue = Queue::Receive;
    fails(
        setup,
        DeviceFault::UsedIndexJump {
            queue,
            by: u16::MAX,
            outstanding: SIZE,
        },
    );
}

#[test]
fn device_index_going_back_on_known_entries_is_a_fault() {
    let mut setup = setup();
    hand_back(&setup.1, 1, &[72]);
    hand_back(&setup.1, 3, &[2048, 2048]);
    assert!(setup.2.receive().expect("a frame").is_ok());
    setup.1.queue(Queue::Receive).set_used_index(2);
    let queue = Queue::Receive;
    fails(
        setup,
        DeviceFault::UsedIndexJump {
            queue,
            by: 0,
            outstanding: SIZE - 2,
        },
    );
}

#[test]
fn device_id_never_offered_before_it_is_published() {
    let mut setup = setup();
    for _ in 0..4 {
        hand_back(&setup.1, 1, &[72]);
        assert!(setup.2.receive().expect("a frame").is_ok());
    }
    setup.2.refill();
    setup.1.queue(Queue::Receive).set_used_index(4 + 13);
    let queue = Queue::Receive;
    fails(
        setup,
        DeviceFault::UsedIndexJump {
            queue,
            by: 13,
            outstanding: 12,
        },
    );
}

#[test]
fn device_id_out_of_range_is_a_fault() {
    for id in [u32::from(SIZE), 0xffff, 0x1_0000, u32::MAX] {
        let setup = setup();
        setup.1.queue(Queue::Receive).hand_back(id, 60);
        let _ = setup.1.queue(Queue::Receive).publish();
        fails(
            setup,
            DeviceFault::UsedIdOutOfRange {
                queue: Queue::Receive,
                id,
            },
        );
    }
}

#[test]
fn device_id_twice_is_a_fault() {
    let mut setup = setup();
    let taken = setup.1.queue(Queue::Receive).take().expect("a buffer");
    write(only(&taken).address + 10, &1_u16.to_le_bytes());
    for _ in 0..2 {
        setup
            .1
            .queue(Queue::Receive)
            .hand_back(taken.head.into(), 72);
    }
    let _ = setup.1.queue(Queue::Receive).publish();
    assert!(setup.2.receive().expect("a frame").is_ok());
    let id = taken.head.into();
    fails(
        setup,
        DeviceFault::UsedIdNotOffered {
            queue: Queue::Receive,
            id,
        },
    );
}

#[test]
fn device_id_never_offered_is_a_fault() {
    let mut setup = setup();
    setup
        .2
        .transmit_copy(&frame(3000, 1), Offload::NONE)
        .expect("room");
    setup.2.publish();
    let taken = setup.1.queue(Queue::Transmit).take().expect("a chain");
    // The second descriptor of the chain is with the device, but no head.
    let id = u32::from(taken.head) + 1;
    setup.1.queue(Queue::Transmit).hand_back(id, 0);
    let _ = setup.1.queue(Queue::Transmit).publish();
    reclaim_fails(
        setup,
        DeviceFault::UsedIdNotOffered {
            queue: Queue::Transmit,
            id,
        },
    );
}

#[test]
fn sent_index_without_a_frame_is_a_fault() {
    let setup = setup();
    setup.1.queue(Queue::Transmit).set_used_index(1);
    let queue = Queue::Transmit;
    reclaim_fails(
        setup,
        DeviceFault::UsedIndexJump {
            queue,
            by: 1,
            outstanding: 0,
        },
    );
}

#[test]
fn device_length_over_the_buffer_is_a_fault() {
    for len in [2049, 0x1_0000 + 60, u32::MAX] {
        let setup = setup();
        hand_back(&setup.1, 1, &[len]);
        fails(
            setup,
            DeviceFault::LengthOverBuffer {
                len,
                capacity: 2048,
            },
        );
    }
}

#[test]
fn device_length_under_the_header_is_a_fault() {
    for len in [0, 11] {
        let setup = setup();
        hand_back(&setup.1, 1, &[len]);
        fails(setup, DeviceFault::LengthUnderHeader { len });
    }
}

#[test]
fn device_length_over_a_further_buffer_is_a_fault() {
    let setup = setup();
    hand_back(&setup.1, 2, &[2048, 2049]);
    fails(
        setup,
        DeviceFault::LengthOverBuffer {
            len: 2049,
            capacity: 2048,
        },
    );
}

#[test]
fn empty_further_buffer_is_a_fault() {
    let setup = setup();
    hand_back(&setup.1, 2, &[2048, 0]);
    fails(setup, DeviceFault::EmptyPart);
}

#[test]
fn device_num_buffers_of_none_is_a_fault() {
    let setup = setup();
    hand_back(&setup.1, 0, &[72]);
    fails(setup, DeviceFault::NoBuffers);
}

#[test]
fn device_num_buffers_of_more_than_came_is_a_fault() {
    let setup = setup();
    hand_back(&setup.1, 3, &[2048, 2048]);
    fails(setup, DeviceFault::MissingBuffers { said: 3, came: 2 });
}

#[test]
fn device_num_buffers_of_more_than_there_are_is_a_fault() {
    let setup = setup();
    hand_back(&setup.1, u16::MAX, &[2048; SIZE as usize]);
    fails(
        setup,
        DeviceFault::MissingBuffers {
            said: u16::MAX,
            came: SIZE,
        },
    );
}

#[test]
fn device_needs_reset_takes_the_card_down() {
    let (pool, fake, mut card) = setup();
    fake.state().status |= status::NEEDS_RESET;
    assert_eq!(card.link(), Link::Down);
    assert_down(pool, &fake, &mut card, DeviceFault::NeedsReset);
}

#[test]
fn device_config_that_never_holds_still_is_a_fault() {
    let (pool, fake, mut card) = setup();
    fake.state().restless = 1;
    assert_eq!(card.link(), Link::Down);
    assert_down(pool, &fake, &mut card, DeviceFault::ConfigUnstable);
}

#[test]
fn device_stuck_in_reset_keeps_its_buffers() {
    let (pool, fake, mut card) = setup();
    let free = pool.free();
    fake.state().stuck = true;
    fake.queue(Queue::Receive).set_used_index(SIZE + 1);
    assert!(card.receive().expect("a fault").is_err());
    drop(card);
    assert_eq!(pool.free(), free);
}

#[test]
fn attack_lengths_a_frame_too_long_is_dropped_and_the_card_goes_on() {
    let pool = pool(128, 2048);
    let fake = Fake::new(ALL, 64);
    let mut card = fake.start(pool);
    let _ = fake.deliver(PLAIN, &frame(crate::MAX_FRAME_BYTES + 1, 1));
    let error = RxError::Frame(FrameFault::TooLong);
    assert_eq!(card.receive().map(Result::err), Some(Some(error)));
    assert_eq!((pool.free(), card.fault()), (64 + 33, None));
    assert_eq!(card.counters().rx_dropped[FrameFault::TooLong as usize], 1);
}

#[test]
fn attack_lengths_a_runt_is_dropped_and_the_card_goes_on() {
    let (_, fake, mut card) = setup();
    let _ = fake.deliver(PLAIN, &frame(13, 1));
    let error = RxError::Frame(FrameFault::Runt);
    assert_eq!(card.receive().map(Result::err), Some(Some(error)));
    let _ = fake.deliver(PLAIN, &frame(14, 1));
    assert!(card.receive().expect("a frame").is_ok());
    assert_eq!(card.counters().rx_frames, 1);
}

#[test]
fn device_random_ring_memory_is_not_believed() {
    let (pool, fake, mut card) = setup();
    card.transmit_copy(&frame(3000, 1), Offload::NONE)
        .expect("room");
    card.publish();
    let (descriptors, driver) = {
        let queue = fake.queue(Queue::Transmit);
        (queue.descriptors, queue.driver)
    };
    let taken = fake.queue(Queue::Transmit).take().expect("a chain");
    write(descriptors, &[0xff; 16 * SIZE as usize]);
    write(driver, &[0xff; 6 + 2 * SIZE as usize]);
    fake.queue(Queue::Transmit)
        .hand_back(taken.head.into(), u32::MAX);
    let _ = fake.queue(Queue::Transmit).publish();
    let free = pool.free();
    card.reclaim();
    assert_eq!(
        (card.fault(), pool.free(), card.room()),
        (None, free + 2, SIZE)
    );
}

//! Frames through sound cards.

use super::fake::{ALL, BARE, Fake};
use super::memory::pool;
use super::{PLAIN, bytes, frame};
use crate::{Card, Offload, Pool, Queue, TxError};

const BUFFERS: usize = 64;

fn setup(offered: u64, size: u16) -> (&'static Pool, Fake, Card<Fake>) {
    let pool = pool(BUFFERS, 2048);
    let fake = Fake::new(offered, size);
    let card = fake.start(pool);
    (pool, fake, card)
}

#[test]
fn received_frame_is_handed_on_whole() {
    let (_, fake, mut card) = setup(ALL, 16);
    let _ = fake.deliver(PLAIN, &frame(1514, 1));
    let packet = card.receive().expect("a frame").expect("a sound one");
    assert_eq!(packet.head(), frame(1514, 1));
    assert_eq!(
        (packet.total_len(), packet.parts(), packet.offload()),
        (1514, 1, Offload::NONE)
    );
    assert!(card.receive().is_none());
    assert_eq!(
        (card.counters().rx_frames, card.counters().rx_bytes),
        (1, 1514)
    );
}

#[test]
fn frame_over_several_buffers_is_one_packet() {
    let (pool, fake, mut card) = setup(ALL, 64);
    let long = frame(65_549, 2);
    let _ = fake.deliver(PLAIN, &long);
    let packet = card.receive().expect("a frame").expect("a sound one");
    assert_eq!((packet.total_len(), packet.parts()), (65_549, 33));
    assert_eq!(packet.head(), &long[..2036]);
    assert_eq!(bytes(&packet), long);
    let free = pool.free();
    drop(packet);
    assert_eq!(pool.free(), free + 33);
}

#[test]
fn packet_goes_out_of_the_other_card_from_the_same_buffers() {
    let pool = pool(160, 2048);
    let (left, right) = (Fake::new(ALL, 64), Fake::new(ALL, 64));
    let (mut from, mut to) = (left.start(pool), right.start(pool));
    let long = frame(9000, 3);
    let _ = left.deliver(PLAIN, &long);
    let packet = from.receive().expect("a frame").expect("a sound one");
    let head = packet.head().as_ptr().addr() as u64;
    to.transmit(packet).expect("an empty ring");
    to.publish();
    let taken = right.queue(Queue::Transmit).take().expect("a chain");
    assert_eq!(taken.pieces[0].address + 12, head);
    assert_eq!(taken.pieces.len(), 5);
    assert_eq!(Fake::read(&taken), (PLAIN, long));
    right.queue(Queue::Transmit).hand_back(taken.head.into(), 0);
    let _ = right.queue(Queue::Transmit).publish();
    let free = pool.free();
    to.reclaim();
    assert_eq!(pool.free(), free + 5);
}

#[test]
fn bare_device_receives_and_sends() {
    let (pool, fake, mut card) = setup(BARE, 16);
    let _ = fake.deliver(PLAIN, &frame(60, 4));
    let packet = card.receive().expect("a frame").expect("a sound one");
    card.transmit(packet).expect("an empty ring");
    card.publish();
    assert!(fake.kicked(Queue::Transmit));
    assert_eq!(fake.send(), [(PLAIN, frame(60, 4))]);
    card.reclaim();
    drop(card);
    assert_eq!(pool.free(), BUFFERS);
}

#[test]
fn copied_frame_is_sent_with_a_header_of_its_own() {
    let (_, fake, mut card) = setup(ALL, 16);
    card.transmit_copy(&frame(5000, 5), Offload::NONE)
        .expect("an empty ring");
    card.publish();
    assert_eq!(fake.send(), [(PLAIN, frame(5000, 5))]);
    assert_eq!(
        (card.counters().tx_frames, card.counters().tx_bytes),
        (1, 5000)
    );
}

#[test]
fn full_ring_gives_the_packet_back() {
    let (pool, fake, mut card) = setup(ALL, 8);
    for seed in 0..8 {
        card.transmit_copy(&frame(60, seed), Offload::NONE)
            .expect("room");
    }
    assert_eq!(card.room(), 0);
    let packet = pool.packet(&frame(60, 9), Offload::NONE).expect("a buffer");
    let refused = card.transmit(packet).expect_err("a full ring");
    assert_eq!(refused.error, TxError::Full);
    assert_eq!(card.counters().tx_full, 1);
    card.publish();
    assert_eq!(fake.send().len(), 8);
    card.reclaim();
    card.transmit(refused.packet).expect("room again");
    card.publish();
    assert_eq!(fake.send(), [(PLAIN, frame(60, 9))]);
}

#[test]
fn packet_longer_than_the_ring_is_never_sendable() {
    let (pool, _fake, mut card) = setup(ALL, 8);
    let packet = pool
        .packet(&frame(2048 * 9, 1), Offload::NONE)
        .expect("buffers");
    assert_eq!(
        card.transmit(packet).expect_err("too long").error,
        TxError::Unsendable
    );
    assert_eq!(
        (card.counters().tx_unsendable, card.counters().tx_full),
        (1, 0)
    );
}

#[test]
fn packet_of_another_pool_is_not_sent() {
    let (_, _fake, mut card) = setup(ALL, 8);
    let other = pool(1, 2048)
        .packet(&frame(60, 1), Offload::NONE)
        .expect("a buffer");
    assert_eq!(
        card.transmit(other).expect_err("foreign").error,
        TxError::Unsendable
    );
}

#[test]
fn copy_without_a_buffer_fails_and_is_counted() {
    let pool = pool(8, 2048);
    let fake = Fake::new(ALL, 16);
    let mut card = fake.start(pool);
    assert_eq!((pool.free(), card.counters().no_buffer), (0, 1));
    assert_eq!(
        card.transmit_copy(&[0; 60], Offload::NONE),
        Err(TxError::NoBuffer)
    );
    assert_eq!(card.counters().no_buffer, 2);
}

#[test]
fn failed_copy_leaves_no_buffer_behind() {
    let pool = pool(3, 2048);
    assert!(pool.packet(&frame(2048 * 4, 1), Offload::NONE).is_none());
    assert_eq!((pool.free(), pool.least_free()), (3, 0));
}

#[test]
fn frames_handed_back_out_of_order_free_their_own_buffers() {
    let (pool, fake, mut card) = setup(ALL, 16);
    let before = pool.free();
    for len in [3000, 60, 5000, 61] {
        card.transmit_copy(&frame(len, 1), Offload::NONE)
            .expect("room");
    }
    card.publish();
    let taken: Vec<_> = (0..4)
        .map(|_| fake.queue(Queue::Transmit).take().expect("a chain"))
        .collect();
    let mut free = before - 7;
    for (at, parts) in [(2, 3), (0, 2), (3, 1), (1, 1)] {
        fake.queue(Queue::Transmit)
            .hand_back(taken[at].head.into(), 0);
        let _ = fake.queue(Queue::Transmit).publish();
        card.reclaim();
        free += parts;
        assert_eq!(pool.free(), free);
    }
    assert_eq!((card.room(), card.fault()), (16, None));
}

#[test]
fn truncated_packet_frees_what_lies_behind() {
    let pool = pool(4, 2048);
    let long = frame(8000, 1);
    for (len, parts) in [(7999, 4), (2037, 2), (2036, 1), (14, 1), (0, 1)] {
        let mut packet = pool.packet(&long, Offload::NONE).expect("buffers");
        packet.truncate(len);
        assert_eq!((packet.total_len(), packet.parts()), (len.max(1), parts));
        assert_eq!(bytes(&packet), &long[..len.max(1)]);
        assert_eq!(pool.free(), 4 - usize::from(parts));
    }
    let mut packet = pool.packet(&long, Offload::NONE).expect("buffers");
    packet.truncate(9000);
    assert_eq!(bytes(&packet), long);
    drop(packet);
    assert_eq!(pool.free(), 4);
}

#[test]
fn bytes_are_copied_from_any_offset() {
    let pool = pool(4, 2048);
    let long = frame(8000, 1);
    let packet = pool.packet(&long, Offload::NONE).expect("buffers");
    let mut some = [0; 3000];
    assert_eq!(packet.copy_to(1000, &mut some), 3000);
    assert_eq!(some, long[1000..4000]);
    assert_eq!(packet.copy_to(7000, &mut some), 1000);
    assert_eq!(some[..1000], long[7000..]);
    assert_eq!(packet.copy_to(8000, &mut some), 0);
}

#[test]
fn forwarded_packets_leave_room_for_the_boxs_own() {
    let pool = pool(200, 2048);
    let fake = Fake::new(ALL, 64);
    let mut card = fake.start(pool);
    let packet = |seed| {
        pool.packet(&frame(60, seed), Offload::NONE)
            .expect("a buffer")
    };
    let forwarded = (0..64).filter(|seed| card.transmit(packet(*seed)).is_ok());
    assert_eq!(forwarded.count(), 60);
    card.transmit_copy(&frame(60, 100), Offload::NONE)
        .expect("room for a question");
    card.transmit_own(packet(101)).expect("room for an answer");
    let refused = card.transmit(packet(102)).expect_err("no room for others");
    assert_eq!(refused.error, TxError::Full);
    card.publish();
    let sent = fake.send();
    assert_eq!(sent.len(), 62);
    assert_eq!(
        sent[60..],
        [(PLAIN, frame(60, 100)), (PLAIN, frame(60, 101))]
    );
}

#[test]
fn full_transmit_ring_does_not_starve_reception() {
    let pool = pool(2 * 16 * 2, 2048);
    let (left, right) = (Fake::new(ALL, 16), Fake::new(ALL, 16));
    let (mut from, mut to) = (left.start(pool), right.start(pool));
    for seed in 0..100 {
        let _ = left.deliver(PLAIN, &frame(100, seed));
        let packet = from.receive().expect("a frame").expect("a sound one");
        assert_eq!(packet.head(), frame(100, seed));
        let _ = to.transmit(packet);
        from.refill();
        from.publish();
    }
    assert_eq!((to.room(), to.counters().tx_full), (1, 85));
    assert_eq!(from.counters().no_buffer, 0);
}

#[test]
fn dropped_card_leaves_its_buffers_to_the_pool() {
    let (pool, fake, mut card) = setup(ALL, 16);
    card.transmit_copy(&frame(3000, 1), Offload::NONE)
        .expect("room");
    card.publish();
    drop(card);
    assert_eq!((pool.free(), fake.state().status), (BUFFERS, 0));
}

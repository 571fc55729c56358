//! Frames taken together, whatever happens between them.

use super::fake::{ALL, Fake, only};
use super::memory::{pool, write};
use super::{PLAIN, bytes, frame};
use crate::{Card, DeviceFault, FrameFault, Group, HEADER_BYTES, Pool, Queue, RxError, gather};

const BUFFERS: usize = 48;
/// Frames of a group here.
const N: usize = 4;

fn setup() -> (&'static Pool, Fake, Card<Fake>) {
    let pool = pool(BUFFERS, 2048);
    let fake = Fake::new(ALL, 16);
    let card = fake.start(pool);
    (pool, fake, card)
}

fn deliver(fake: &Fake, seeds: std::ops::Range<u32>) {
    for seed in seeds {
        let _ = fake.deliver(PLAIN, &frame(60, seed));
    }
}

/// Hands a buffer back with less in it than the header that stands before each frame.
fn lie(fake: &Fake) {
    let mut queue = fake.queue(Queue::Receive);
    let taken = queue.take().expect("a buffer");
    write(only(&taken).address, &PLAIN);
    queue.hand_back(taken.head.into(), HEADER_BYTES as u32 - 1);
    let _ = queue.publish();
}

/// The frames of these seeds, in this order.
#[track_caller]
fn assert_holds(group: &Group<N>, seeds: std::ops::Range<u32>) {
    let found: Vec<_> = group.iter().map(bytes).collect();
    let wanted: Vec<_> = seeds.map(|seed| frame(60, seed)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn what_is_there_is_a_group_and_the_rest_the_next() {
    let (_, fake, mut card) = setup();
    deliver(&fake, 0..6);
    for seeds in [0..4, 4..6, 6..6] {
        let (group, error) = gather::<N>(64, || card.receive());
        assert_holds(&group, seeds);
        assert_eq!(error, None);
    }
}

#[test]
fn no_more_than_asked_for_are_taken() {
    let (_, fake, mut card) = setup();
    deliver(&fake, 0..4);
    for (most, seeds) in [(3, 0..3), (0, 3..3), (1, 3..4)] {
        let (group, _) = gather::<N>(most, || card.receive());
        assert_holds(&group, seeds);
    }
}

#[test]
fn a_frame_that_contradicts_itself_ends_a_group_and_the_next_goes_on() {
    let (pool, fake, mut card) = setup();
    deliver(&fake, 0..2);
    let _ = fake.deliver(PLAIN, &frame(13, 9));
    deliver(&fake, 2..4);
    let (first, error) = gather::<N>(64, || card.receive());
    assert_holds(&first, 0..2);
    assert_eq!(error, Some(RxError::Frame(FrameFault::Runt)));
    let (second, error) = gather::<N>(64, || card.receive());
    assert_holds(&second, 2..4);
    assert_eq!(error, None);
    let free = pool.free();
    drop((first, second));
    assert_eq!(pool.free(), free + 4);
}

#[test]
fn frames_before_a_cards_lie_are_kept_and_their_buffers_are_free_afterwards() {
    let (pool, fake, mut card) = setup();
    deliver(&fake, 0..3);
    lie(&fake);
    let (group, error) = gather::<N>(64, || card.receive());
    let fault = DeviceFault::LengthUnderHeader {
        len: HEADER_BYTES as u32 - 1,
    };
    assert_eq!(error, Some(RxError::Device(fault)));
    assert_holds(&group, 0..3);
    let (nothing, error) = gather::<N>(64, || card.receive());
    assert_eq!((nothing.len(), error), (0, None));
    drop(group);
    assert_eq!(pool.free(), BUFFERS);
}

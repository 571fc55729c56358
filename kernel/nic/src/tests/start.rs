//! Starting, and devices that cannot be.

use super::fake::{ALL, BARE, Fake, MAC};
use super::memory::{pool, region};
use crate::{Candidate, Link, Pool, PoolError, Queue, StartError, feature, negotiate, status};

fn refusal(fake: &Fake) -> Option<StartError> {
    Candidate::new(fake.clone(), 256).err()
}

#[test]
fn legacy_device_is_refused() {
    assert_eq!(
        refusal(&Fake::new(ALL & !feature::VERSION_1, 64)),
        Some(StartError::Legacy)
    );
}

#[test]
fn device_that_stays_in_reset_is_refused() {
    let fake = Fake::new(ALL, 64);
    fake.state().stuck = true;
    assert_eq!(refusal(&fake), Some(StartError::NoReset));
}

#[test]
fn device_config_that_never_holds_still_at_the_start_is_refused() {
    let fake = Fake::new(ALL, 64);
    fake.state().restless = 1;
    assert_eq!(refusal(&fake), Some(StartError::ConfigUnstable));
}

#[test]
fn odd_queue_sizes_are_refused() {
    for size in [0, 1, 48, 1000, u16::MAX] {
        let fake = Fake::new(ALL, 64);
        fake.state().queue_max[1] = size;
        let queue = Queue::Transmit;
        assert_eq!(refusal(&fake), Some(StartError::QueueSize { queue, size }));
    }
}

#[test]
fn queue_is_as_large_as_both_sides_allow() {
    for (max, usable) in [(64, 64), (256, 256), (1024, 256), (32_768, 256), (2, 2)] {
        let candidate = Candidate::new(Fake::new(ALL, max), 256).expect("a sound device");
        assert_eq!(candidate.buffers(), 2 * usable);
        assert_eq!(usize::from(candidate.offer().transmit_size), usable);
    }
}

#[test]
fn device_refusing_the_features_is_refused() {
    let fake = Fake::new(ALL, 64);
    fake.state().refuses = true;
    let candidate = Candidate::new(fake.clone(), 256).expect("a sound device so far");
    let accepted = negotiate(&[candidate.offer()], 2048)[0];
    let rings = region(candidate.ring_bytes());
    let error = candidate.start(accepted, pool(64, 2048), rings).err();
    assert_eq!(error, Some(StartError::FeaturesRefused));
    assert_eq!(fake.state().status, status::FAILED);
}

#[test]
fn too_little_memory_for_the_rings_is_refused() {
    let candidate = Candidate::new(Fake::new(ALL, 64), 256).expect("a sound device");
    let accepted = negotiate(&[candidate.offer()], 2048)[0];
    let needed = candidate.ring_bytes();
    let error = candidate
        .start(accepted, pool(64, 2048), region(needed - 4096))
        .err();
    assert_eq!(error, Some(StartError::RingMemory { needed }));
}

#[test]
fn started_device_is_ready_with_a_full_receive_ring() {
    let fake = Fake::new(ALL, 64);
    let pool = pool(100, 2048);
    let _card = fake.start(pool);
    let ready = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
    assert_eq!(fake.state().status, ready);
    assert_eq!(fake.queue(Queue::Receive).waiting(), 64);
    assert_eq!(pool.free(), 36);
}

#[test]
fn address_and_mtu_are_read_when_offered() {
    let full = Candidate::new(Fake::new(ALL, 64), 256).expect("a sound device");
    assert_eq!((full.mac(), full.mtu()), (Some(MAC), Some(1500)));
    let bare = Candidate::new(Fake::new(BARE, 64), 256).expect("a sound device");
    assert_eq!((bare.mac(), bare.mtu()), (None, None));
}

#[test]
fn link_follows_the_configuration() {
    let fake = Fake::new(ALL, 64);
    let mut card = fake.start(pool(64, 2048));
    assert_eq!(card.link(), Link::Up);
    fake.state().config[6] = 0;
    assert_eq!(card.link(), Link::Down);
    assert_eq!(card.fault(), None);
}

#[test]
fn link_of_a_card_that_cannot_tell_is_up() {
    let fake = Fake::new(BARE, 64);
    fake.state().config[6] = 0;
    assert_eq!(fake.start(pool(64, 2048)).link(), Link::Up);
}

#[test]
fn odd_pools_are_refused() {
    let error = |len, buffer| Pool::new(region(len), buffer).err();
    assert_eq!(error(1 << 16, 1024), Some(PoolError::BufferSize));
    assert_eq!(error(1 << 16, 3000), Some(PoolError::BufferSize));
    assert_eq!(error(1 << 17, 65_536), Some(PoolError::BufferSize));
    assert_eq!(error(2047, 2048), Some(PoolError::Memory));
    assert_eq!(error(2048, 2048), None);
}

#[test]
fn region_splits_at_pages_only() {
    assert!(region(8192).split(100).is_err());
    assert!(region(8192).split(12_288).is_err());
    let (front, back) = region(8192).split(4096).expect("a page");
    assert_eq!(
        (front.len(), back.len(), back.is_empty()),
        (4096, 4096, false)
    );
}

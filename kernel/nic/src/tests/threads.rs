//! The device on a thread of its own: no wake-up is lost between the two.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::fake::{ALL, Fake, SILENT, only};
use super::memory::{pool, write};
use super::queue::{DeviceQueue, Interrupt};
use super::{PLAIN, frame};
use crate::{Offload, Queue, feature};

/// Frames each way; the indexes go around.
const FRAMES: u32 = 70_000;
/// How long a sleeper waits before its wake-up counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sleeps until `awake`.
#[track_caller]
fn wait(what: &str, awake: impl Fn() -> bool) {
    let start = Instant::now();
    while !awake() {
        assert!(start.elapsed() < PATIENCE, "lost {what}");
        thread::yield_now();
    }
}

/// Waits for an entry, by kick.
fn next_entry(queue: &mut DeviceQueue, bell: &AtomicU32) {
    queue.sleep();
    if queue.waiting() == 0 {
        wait("kick", || bell.swap(SILENT, Ordering::AcqRel) != SILENT);
    }
    queue.stay_awake();
}

/// Sends all frames, and checks the order of their first bytes.
fn send_all((mut queue, bell): (DeviceQueue, &AtomicU32)) {
    let mut sent = 0;
    while sent < FRAMES {
        while let Some(taken) = queue.take() {
            assert_eq!(Fake::read(&taken).1, frame(60, sent));
            queue.hand_back(taken.head.into(), 0);
            sent += 1;
        }
        let _ = queue.publish();
        if sent < FRAMES {
            next_entry(&mut queue, bell);
        }
    }
}

/// Fills buffers with all frames, in bursts.
fn deliver_all((mut queue, bell): (DeviceQueue, &AtomicU32), interrupt: &AtomicBool) {
    let mut delivered = 0;
    while delivered < FRAMES {
        for _ in 0..1 + delivered % 7 {
            let Some(taken) = queue.take() else { break };
            let address = only(&taken).address;
            write(address, &PLAIN);
            write(address + 10, &1_u16.to_le_bytes());
            write(address + 12, &frame(60, delivered));
            queue.hand_back(taken.head.into(), 72);
            delivered += 1;
        }
        if queue.publish() == Interrupt::Wanted {
            interrupt.store(true, Ordering::Release);
        }
        if delivered < FRAMES && queue.waiting() == 0 {
            next_entry(&mut queue, bell);
        }
    }
}

#[test]
fn no_kick_is_lost_between_threads() {
    for way in [ALL, ALL & !feature::EVENT_IDX] {
        let fake = Fake::new(way, 16);
        let mut card = fake.start(pool(64, 2048));
        let part = fake.part(Queue::Transmit);
        let device = thread::spawn(|| send_all(part));
        let mut sent = 0;
        while sent < FRAMES && !device.is_finished() {
            for _ in 0..1 + sent % 5 {
                if sent == FRAMES || card.room() == 0 {
                    break;
                }
                card.transmit_copy(&frame(60, sent), Offload::NONE)
                    .expect("room");
                sent += 1;
            }
            card.publish();
            card.reclaim();
            assert_eq!(card.fault(), None);
            if card.room() == 0 {
                thread::yield_now();
            }
        }
        device.join().expect("all frames sent");
    }
}

#[test]
fn no_interrupt_is_lost_between_threads() {
    for way in [ALL, ALL & !feature::EVENT_IDX] {
        let fake = Fake::new(way, 16);
        let mut card = fake.start(pool(64, 2048));
        let part = fake.part(Queue::Receive);
        let interrupt = Arc::new(AtomicBool::new(false));
        let line = Arc::clone(&interrupt);
        let device = thread::spawn(move || deliver_all(part, &line));
        let mut received = 0;
        while received < FRAMES {
            while let Some(packet) = card.receive() {
                assert_eq!(packet.expect("a sound device").head(), frame(60, received));
                received += 1;
            }
            card.refill();
            card.publish();
            if received < FRAMES {
                interrupt.store(false, Ordering::Release);
                card.arm();
                if !card.has_work() {
                    wait("interrupt", || interrupt.load(Ordering::Acquire));
                }
                card.disarm();
            }
        }
        device.join().expect("all frames delivered");
    }
}

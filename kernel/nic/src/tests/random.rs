//! Random bursts for longer than an index counts.

use super::fake::{ALL, BARE, Fake, only};
use super::memory::{pool, write};
use super::queue::{Interrupt, Taken};
use super::{PLAIN, bytes, frame};
use crate::{Card, Offload, Pool, Queue, TxError, feature};
use proptest::prelude::*;
use std::collections::VecDeque;

const BUFFERS: usize = 3 * 32;

/// Random numbers enough for a test (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }
}

/// A card with both of its ends, and what must still come out of them.
struct World {
    dice: Dice,
    pool: &'static Pool,
    fake: Fake,
    card: Card<Fake>,
    arriving: VecDeque<Vec<u8>>,
    leaving: VecDeque<Vec<u8>>,
    /// Frames that the device sends and has not handed back.
    sending: Vec<Taken>,
    device_sleeps: bool,
    driver_sleeps: bool,
    seed: u32,
}

impl World {
    fn new(features: u64, seed: u64) -> Self {
        let pool = pool(BUFFERS, 2048);
        let fake = Fake::new(features, 32);
        let card = fake.start(pool);
        fake.queue(Queue::Transmit).stay_awake();
        Self {
            dice: Dice(seed | 1),
            pool,
            fake,
            card,
            arriving: VecDeque::new(),
            leaving: VecDeque::new(),
            sending: Vec::new(),
            device_sleeps: false,
            driver_sleeps: false,
            seed: 0,
        }
    }

    fn frame(&mut self) -> Vec<u8> {
        self.seed += 1;
        let longest = match self.card.accepted().has(feature::MRG_RXBUF) {
            true if self.dice.below(60) == 0 => 9000,
            _ => 80,
        };
        frame(14 + self.dice.below(longest), self.seed)
    }

    fn step(&mut self) {
        match self.dice.below(6) {
            0 | 1 => self.frames_arrive(),
            2 => self.driver_receives(),
            3 => self.driver_sends(),
            4 => self.device_sends(),
            _ => self.device_hands_back(),
        }
    }

    fn frames_arrive(&mut self) {
        for _ in 0..self.dice.below(8) {
            let frame = self.frame();
            match self.fake.deliver(PLAIN, &frame) {
                None => break,
                Some(interrupt) => {
                    assert_eq!(
                        interrupt == Interrupt::Wanted,
                        self.driver_sleeps,
                        "interrupts"
                    );
                    self.wake();
                    self.arriving.push_back(frame);
                }
            }
        }
    }

    /// What an interrupt does.
    fn wake(&mut self) {
        if self.driver_sleeps {
            assert!(self.card.has_work());
            self.card.disarm();
            self.driver_sleeps = false;
        }
    }

    fn driver_receives(&mut self) {
        if self.driver_sleeps {
            return;
        }
        for _ in 0..self.dice.below(12) {
            let Some(packet) = self.card.receive() else {
                break;
            };
            let packet = packet.expect("a sound device");
            assert_eq!(Some(bytes(&packet)), self.arriving.pop_front());
            if self.dice.below(2) == 0 {
                let sent = bytes(&packet);
                match self.card.transmit(packet) {
                    Ok(()) => self.leaving.push_back(sent),
                    Err(refused) => assert_eq!(refused.error, TxError::Full),
                }
            }
        }
        self.finish_pass();
    }

    fn driver_sends(&mut self) {
        self.wake_by_timer();
        for _ in 0..self.dice.below(8) {
            let frame = self.frame();
            if self.card.transmit_copy(&frame, Offload::NONE).is_ok() {
                self.leaving.push_back(frame);
            }
        }
        self.finish_pass();
    }

    fn wake_by_timer(&mut self) {
        self.card.disarm();
        self.driver_sleeps = false;
    }

    fn finish_pass(&mut self) {
        self.card.reclaim();
        self.card.refill();
        self.card.publish();
        let kicked = self.fake.kicked(Queue::Transmit);
        let new = self.fake.queue(Queue::Transmit).waiting() != 0;
        assert_eq!(kicked, self.device_sleeps && new, "kicks");
        self.device_sleeps &= !kicked;
        self.fake.queue(Queue::Transmit).stay_awake();
        if self.device_sleeps {
            self.fake.queue(Queue::Transmit).sleep();
        }
        if self.dice.below(3) == 0 {
            self.card.arm();
            self.driver_sleeps = !self.card.has_work();
        }
        if !self.driver_sleeps {
            self.card.disarm();
        }
    }

    fn device_sends(&mut self) {
        let mut queue = self.fake.queue(Queue::Transmit);
        while let Some(taken) = queue.take() {
            assert_eq!(
                Fake::read(&taken),
                (PLAIN, self.leaving.pop_front().expect("a frame"))
            );
            self.sending.push(taken);
        }
        queue.sleep();
        drop(queue);
        self.device_sleeps = true;
    }

    /// Hands some frames back in any order.
    fn device_hands_back(&mut self) {
        let mut queue = self.fake.queue(Queue::Transmit);
        while !self.sending.is_empty() && self.dice.below(8) != 0 {
            let taken = self
                .sending
                .swap_remove(self.dice.below(self.sending.len()));
            queue.hand_back(taken.head.into(), 0);
        }
        let interrupt = queue.publish();
        drop(queue);
        if interrupt == Interrupt::Wanted {
            self.wake();
        }
    }

    fn settle(mut self) {
        self.wake_by_timer();
        self.device_sends();
        while !self.sending.is_empty() {
            self.device_hands_back();
        }
        while let Some(packet) = self.card.receive() {
            assert_eq!(
                packet.ok().map(|packet| bytes(&packet)),
                self.arriving.pop_front()
            );
        }
        self.card.reclaim();
        assert!(self.arriving.is_empty() && self.leaving.is_empty());
        let waiting = usize::from(self.fake.queue(Queue::Receive).waiting());
        assert_eq!(self.pool.free(), BUFFERS - waiting);
        assert_eq!(self.card.fault(), None);
        drop(self.card);
        assert_eq!(self.pool.free(), BUFFERS);
    }
}

fn run(features: u64, seed: u64, until: impl Fn(&Card<Fake>) -> bool) {
    let mut world = World::new(features, seed);
    while !until(&world.card) {
        world.step();
    }
    world.settle();
}

/// Both indexes go around more than twice.
fn thrice_around(card: &Card<Fake>) -> bool {
    card.counters().rx_frames.min(card.counters().tx_frames) > 3 * 65_536
}

#[test]
fn nothing_is_lost_around_the_index_with_all_features() {
    run(ALL, 1, thrice_around);
}

#[test]
fn nothing_is_lost_around_the_index_with_flags_only() {
    run(BARE, 2, thrice_around);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_is_lost_in_random_bursts(seed: u64, merge: bool, event: bool) {
        let merge = if merge { feature::MRG_RXBUF } else { 0 };
        let event = if event { feature::EVENT_IDX } else { 0 };
        run(BARE | merge | event, seed, |card| card.counters().tx_frames > 300);
    }

    /// A device that hands back anything at all: no panic, no loop, no buffer lost.
    #[test]
    fn device_random_lies_lose_no_buffer(seed: u64) {
        let mut world = World::new(ALL, seed);
        for _ in 0..200 {
            if world.card.fault().is_some() {
                break;
            }
            let kind = if world.dice.below(2) == 0 { Queue::Receive } else { Queue::Transmit };
            world.lie(kind);
            let _ = world.card.transmit_copy(&frame(14 + world.dice.below(4000), 1), Offload::NONE);
            while world.card.receive().is_some_and(|packet| packet.is_ok()) {}
            world.card.reclaim();
            world.card.refill();
            world.card.publish();
        }
        let pool = world.pool;
        drop(world.card);
        prop_assert_eq!(pool.free(), BUFFERS);
    }
}

impl World {
    /// Hands one chain back, truly most of the time.
    fn lie(&mut self, kind: Queue) {
        let mut queue = self.fake.queue(kind);
        let Some(taken) = queue.take() else { return };
        if kind == Queue::Receive {
            let parts = if self.dice.below(8) == 0 {
                self.dice.below(4)
            } else {
                1
            };
            let random = [self.dice.below(4) as u8, self.dice.below(6) as u8];
            write(only(&taken).address, &random);
            write(only(&taken).address + 10, &(parts as u16).to_le_bytes());
        }
        let id = if self.dice.below(50) == 0 {
            self.dice.below(40) as u32
        } else {
            taken.head.into()
        };
        let len = if self.dice.below(50) == 0 {
            self.dice.below(3000)
        } else {
            100
        };
        queue.hand_back(id, len as u32);
        if self.dice.below(100) == 0 {
            queue.used = queue.used.wrapping_add(self.dice.below(40) as u16);
        }
        let _ = queue.publish();
    }
}

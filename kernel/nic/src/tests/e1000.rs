//! Intel's card against a fake one on the same memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::memory::{pool as pool_of, read_vec, region, write};
use super::{bytes, frame};
use crate::e1000::{self, E1000, RING_BYTES, Registers};
use crate::{
    Checksum, DeviceFault, FrameFault, Gso, Link, Offload, Pool, RxError, SMALL_BUFFER_BYTES,
    StartError, TxError,
};

const CTRL: usize = 0x0000;
const STATUS: usize = 0x0008;
const RING: usize = 256;

/// A card whose registers are a table.
#[derive(Clone, Default)]
struct Fake {
    registers: Rc<RefCell<HashMap<usize, u32>>>,
    is_stuck: bool,
}

impl Registers for Fake {
    fn read(&self, register: usize) -> u32 {
        self.registers.borrow().get(&register).copied().unwrap_or(0)
    }

    fn write(&mut self, register: usize, value: u32) {
        let reset = 1 << 26;
        let mut registers = self.registers.borrow_mut();
        if register == CTRL && value & reset != 0 && !self.is_stuck {
            registers.clear();
            registers.insert(CTRL, value & !reset);
        } else {
            registers.insert(register, value);
        }
    }
}

impl Fake {
    fn get(&self, register: usize) -> usize {
        self.read(register) as usize
    }

    fn set(&self, register: usize, value: usize) {
        self.registers.borrow_mut().insert(register, value as u32);
    }

    fn descriptor(&self, base: usize, entry: usize) -> u64 {
        (self.get(base) | self.get(base + 4) << 32) as u64 + 16 * entry as u64
    }

    /// Writes into the next buffer, and what it says of it; `false` if none was offered.
    fn deliver_as(&self, data: &[u8], said: u16, status: u8, errors: u8) -> bool {
        let head = self.get(0x2810);
        if head == self.get(0x2818) {
            return false;
        }
        let at = self.descriptor(0x2800, head);
        let address = u64::from_le_bytes(read_vec(at, 8).try_into().expect("8 bytes"));
        write(address, data);
        let [l, m] = said.to_le_bytes();
        write(at + 8, &[l, m, 0, 0, status, errors, 0, 0]);
        self.set(0x2810, (head + 1) % RING);
        true
    }

    fn deliver(&self, data: &[u8]) -> bool {
        self.deliver_as(data, data.len() as u16, 3, 0)
    }

    /// Sends all that was handed over.
    fn send(&self) -> Vec<Vec<u8>> {
        let (mut frames, mut open) = (vec![], vec![]);
        while self.get(0x3810) != self.get(0x3818) {
            let head = self.get(0x3810);
            let at = self.descriptor(0x3800, head);
            let words = read_vec(at, 16);
            let address = u64::from_le_bytes(words[..8].try_into().expect("8 bytes"));
            let len = u16::from_le_bytes([words[8], words[9]]);
            open.extend(read_vec(address, len.into()));
            let command = words[11];
            assert_eq!(command & 0x0a, 0x0a, "FCS inserted, and reported");
            write(at + 12, &[words[12] | 1]);
            if command & 1 != 0 {
                frames.push(std::mem::take(&mut open));
            }
            self.set(0x3810, (head + 1) % RING);
        }
        assert!(open.is_empty(), "a frame without end");
        frames
    }
}

fn pool(buffers: usize) -> &'static Pool {
    pool_of(buffers, SMALL_BUFFER_BYTES)
}

fn start(pool: &'static Pool) -> (Fake, E1000<Fake>) {
    let fake = Fake::default();
    let card = E1000::start(fake.clone(), pool, region(RING_BYTES)).expect("it starts");
    (fake, card)
}

#[test]
fn it_starts_with_a_full_ring_and_in_the_right_mode() {
    let pool = pool(300);
    let (fake, _card) = start(pool);
    assert_eq!(fake.get(0x2808), 4096);
    assert_eq!(fake.get(0x2818), 255, "all but one entry are offered");
    assert_eq!(pool.free(), 300 - 255);
    assert_eq!(fake.get(0x0100), 1 << 1 | 1 << 15 | 1 << 26);
    assert_ne!(fake.get(0x0400) & 2, 0, "it sends");
    assert_ne!(fake.get(CTRL) & 1 << 6, 0, "the link comes up");
}

#[test]
fn it_takes_frames_for_others_when_it_is_told_to() {
    let (fake, mut card) = start(pool(300));
    let before = fake.get(0x0100);
    card.take_all();
    assert_eq!(fake.get(0x0100), before | 1 << 3);
}

#[test]
fn a_card_that_stays_in_reset_is_refused() {
    let fake = Fake {
        is_stuck: true,
        ..Fake::default()
    };
    let result = E1000::start(fake, pool(10), region(RING_BYTES));
    assert!(matches!(result, Err(StartError::NoReset)));
}

#[test]
fn the_address_is_read_as_the_card_keeps_it() {
    let fake = Fake::default();
    fake.set(0x5400, 0x0012_5452);
    fake.set(0x5404, 0x8000_5634);
    assert_eq!(e1000::mac(&fake), [0x52, 0x54, 0x12, 0, 0x34, 0x56]);
}

#[test]
fn frames_come_in_whole_and_in_order_many_times_round_the_ring() {
    let pool = pool(300);
    let (fake, mut card) = start(pool);
    for seed in 0..2000 {
        let sent = frame(60 + seed as usize % 1400, seed);
        assert!(fake.deliver(&sent));
        let packet = card.receive().expect("a frame").expect("a good one");
        assert_eq!(bytes(&packet), sent);
        drop(packet);
        card.refill();
        card.publish();
    }
    assert!(card.receive().is_none());
    assert_eq!(card.counters().rx_frames, 2000);
    drop(card);
    assert_eq!(pool.free(), 300, "no buffer is lost");
}

#[test]
fn frames_go_out_as_they_are_from_the_buffers_they_are_in() {
    let pool = pool(600);
    let (fake, mut card) = start(pool);
    for seed in 0..1000 {
        let sent = frame(14 + seed as usize % 1500, seed);
        card.transmit_copy(&sent, Offload::NONE).expect("room");
        card.publish();
        assert_eq!(fake.send(), [sent]);
        card.reclaim();
    }
    assert_eq!(pool.free(), 600 - 255);
}

#[test]
fn a_frame_in_several_buffers_goes_out_as_one() {
    let (fake, mut card) = start(pool(300));
    let sent = frame(5000, 3);
    card.transmit_copy(&sent, Offload::NONE).expect("room");
    card.publish();
    assert_eq!(fake.send(), [sent]);
}

#[test]
fn a_full_ring_refuses_and_has_room_again_later() {
    let pool = pool(600);
    let (fake, mut card) = start(pool);
    for seed in 0..255 {
        card.transmit_copy(&frame(60, seed), Offload::NONE)
            .expect("room");
    }
    let refused = card.transmit_copy(&frame(60, 255), Offload::NONE);
    assert_eq!(refused, Err(TxError::Full));
    card.publish();
    assert_eq!(fake.send().len(), 255);
    card.reclaim();
    assert_eq!(pool.free(), 600 - 255);
    card.transmit_copy(&frame(60, 1), Offload::NONE)
        .expect("room again");
}

#[test]
fn forwarded_packets_leave_room_for_the_boxs_own() {
    let pool = pool(600);
    let (fake, mut card) = start(pool);
    let packet = |seed| {
        pool.packet(&frame(60, seed), Offload::NONE)
            .expect("a buffer")
    };
    let forwarded = (0..255).filter(|seed| card.transmit(packet(*seed)).is_ok());
    assert_eq!(forwarded.count(), 240);
    card.transmit_copy(&frame(60, 1), Offload::NONE)
        .expect("room for a question");
    card.transmit_own(packet(2)).expect("room for an answer");
    let refused = card.transmit(packet(3)).expect_err("no room for others");
    assert_eq!(refused.error, TxError::Full);
    card.publish();
    assert_eq!(fake.send().len(), 242);
}

#[test]
fn a_frame_is_not_freed_before_it_is_sent() {
    let pool = pool(300);
    let (_fake, mut card) = start(pool);
    card.transmit_copy(&frame(60, 1), Offload::NONE)
        .expect("room");
    card.publish();
    let free = pool.free();
    card.reclaim();
    assert_eq!(pool.free(), free);
}

#[test]
fn a_partial_checksum_is_completed_here() {
    let (fake, mut card) = start(pool(300));
    let mut sent = frame(60, 9);
    sent[50..52].fill(0);
    let offload = Offload {
        checksum: Checksum::Partial {
            start: 34,
            offset: 16,
        },
        gso: Gso::None,
    };
    card.transmit_copy(&sent, offload).expect("room");
    card.publish();
    let got = fake.send().remove(0);
    let words = got[34..]
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    assert_eq!(sum, 0xffff);
}

#[test]
fn what_must_be_segmented_is_refused() {
    let (_, mut card) = start(pool(300));
    let offload = Offload {
        checksum: Checksum::Partial {
            start: 34,
            offset: 16,
        },
        gso: Gso::Tcp4 {
            size: 1448,
            ecn: crate::Ecn::Absent,
        },
    };
    let refused = card.transmit_copy(&frame(3000, 1), offload);
    assert_eq!(refused, Err(TxError::Unsendable));
}

#[test]
fn damaged_and_cut_frames_are_dropped_and_counted() {
    let pool = pool(300);
    let (fake, mut card) = start(pool);
    let good = frame(100, 1);
    for (said, status, errors, fault) in [
        (100, 3, 1, FrameFault::Runt),
        (13, 3, 0, FrameFault::Runt),
        (100, 1, 0, FrameFault::TooLong),
        (1519, 3, 0, FrameFault::TooLong),
    ] {
        assert!(fake.deliver_as(&good, said, status, errors));
        let got = card.receive().expect("something");
        assert_eq!(
            got.err(),
            Some(RxError::Frame(fault)),
            "{said} {status} {errors}"
        );
    }
    assert!(fake.deliver(&good));
    assert!(card.receive().expect("a frame").is_ok(), "it goes on");
    assert_eq!(pool.free(), 300 - 255 + 5);
}

#[test]
fn a_length_over_the_buffer_takes_the_card_down() {
    let pool = pool(300);
    let (fake, mut card) = start(pool);
    assert!(fake.deliver_as(&frame(60, 1), 2037, 3, 0));
    let fault = DeviceFault::LengthOverBuffer {
        len: 2037,
        capacity: 2036,
    };
    let got = card.receive().expect("something");
    assert_eq!(got.err(), Some(RxError::Device(fault)));
    assert_eq!(card.fault(), Some(fault));
    assert_eq!(pool.free(), 300, "its buffers are free again");
    assert!(card.receive().is_none());
    assert_eq!(
        card.transmit_copy(&frame(60, 1), Offload::NONE),
        Err(TxError::Down)
    );
    assert_eq!(card.link(), Link::Down);
}

#[test]
fn a_descriptor_that_was_never_offered_is_not_believed() {
    let pool = pool(20);
    let (fake, mut card) = start(pool);
    assert_eq!(fake.get(0x2818), 20);
    // The card writes into the first entry that it was not given.
    let at = fake.descriptor(0x2800, 20);
    for _ in 0..20 {
        assert!(fake.deliver(&frame(60, 1)));
        assert!(card.receive().expect("a frame").is_ok());
    }
    write(at + 8, &[60, 0, 0, 0, 3, 0, 0, 0]);
    assert!(card.receive().is_none());
}

#[test]
fn work_is_seen_and_the_link_followed() {
    let (fake, mut card) = start(pool(300));
    card.arm();
    assert_ne!(fake.get(0x00d0) & 0x80, 0);
    assert!(!card.has_work());
    fake.deliver(&frame(60, 1));
    assert!(card.has_work());
    card.disarm();
    assert_eq!(fake.read(0x00d8), u32::MAX);
    assert_eq!(card.link(), Link::Down);
    fake.set(STATUS, 2);
    assert_eq!(card.link(), Link::Up);
}

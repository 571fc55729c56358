//! Frames that the engine made itself, until the caller sends them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::ZoneId;

/// How many frames wait at the most.
const FRAMES: usize = 64;
/// Bytes of the longest: an Ethernet header and the largest fragment for a card with the largest MTU.
pub const FRAME_BYTES: usize = 14 + 9000;
/// Bytes of a usual one, for which room is set aside.
const USUAL_BYTES: usize = 1536;

/// A ring of frames with room taken once.
#[derive(Debug)]
pub struct Outbox {
    slots: Vec<Slot>,
    first: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Slot {
    zone: Option<ZoneId>,
    len: usize,
    bytes: Box<[u8]>,
}

impl Outbox {
    /// An empty ring whose frames can have `mtu` bytes after their Ethernet header.
    #[must_use]
    pub fn new(mtu: usize) -> Self {
        let room = USUAL_BYTES.max(14 + mtu).min(FRAME_BYTES);
        let slot = || Slot {
            zone: None,
            len: 0,
            bytes: alloc::vec![0; room].into_boxed_slice(),
        };
        Self {
            slots: (0..FRAMES).map(|_| slot()).collect(),
            first: 0,
            waiting: 0,
        }
    }

    /// Lets `build` write a frame and say its length; `false` if there is no room, or it built none.
    pub fn push(&mut self, zone: ZoneId, build: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        if self.waiting == self.slots.len() {
            return false;
        }
        let index = (self.first + self.waiting) % self.slots.len();
        let slot = &mut self.slots[index];
        let Some(len) = build(&mut slot.bytes) else {
            return false;
        };
        slot.len = len.min(slot.bytes.len());
        slot.zone = Some(zone);
        self.waiting += 1;
        true
    }

    /// How many more frames fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.slots.len() - self.waiting
    }

    /// Whether a frame waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// The oldest frame. Its slot is reused by the next [`push`](Self::push).
    pub fn pop(&mut self) -> Option<(ZoneId, &[u8])> {
        while self.waiting > 0 {
            let index = self.first;
            self.first = (self.first + 1) % self.slots.len();
            self.waiting -= 1;
            if let Some(zone) = self.slots[index].zone.take() {
                let slot = &self.slots[index];
                return Some((zone, &slot.bytes[..slot.len]));
            }
        }
        None
    }

    /// Forgets what would leave by a zone (its address is gone).
    pub fn discard(&mut self, zone: ZoneId) {
        for slot in &mut self.slots {
            if slot.zone == Some(zone) {
                slot.zone = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(index: usize) -> ZoneId {
        ZoneId::new(index).expect("a zone")
    }

    fn one_byte(value: u8) -> impl FnOnce(&mut [u8]) -> Option<usize> {
        move |bytes| {
            bytes[0] = value;
            Some(1)
        }
    }

    #[test]
    fn frames_leave_in_the_order_they_came() {
        let mut outbox = Outbox::new(1500);
        for value in 0..FRAMES as u8 {
            assert!(outbox.push(zone(0), one_byte(value)));
        }
        assert!(!outbox.push(zone(0), one_byte(99)), "no room");
        for value in 0..FRAMES as u8 {
            assert_eq!(outbox.pop(), Some((zone(0), &[value][..])));
        }
        assert_eq!(outbox.pop(), None);
    }

    #[test]
    fn a_discarded_zones_frames_never_leave() {
        let mut outbox = Outbox::new(1500);
        outbox.push(zone(0), one_byte(1));
        outbox.push(zone(1), one_byte(2));
        outbox.discard(zone(0));
        assert_eq!(outbox.pop(), Some((zone(1), &[2][..])));
        assert_eq!(outbox.pop(), None);
    }
}

//! The device's side of a split ring, on the driver's memory.

use super::memory::{read, set_word, word, write};
use crate::ring::{Notify, is_due};
use core::sync::atomic::{Ordering, fence};

/// One buffer of a chain, as its descriptor says.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub address: u64,
    pub len: u32,
    pub writable: bool,
}

/// A chain taken from the available ring.
#[derive(Clone, Debug)]
pub struct Taken {
    pub head: u16,
    pub pieces: Vec<Piece>,
}

/// Whether the driver must be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    Wanted,
    Spared,
}

/// A queue as the device sees it.
#[derive(Debug)]
pub struct DeviceQueue {
    pub size: u16,
    pub descriptors: u64,
    pub driver: u64,
    pub device: u64,
    pub notify: Notify,
    /// Available entries taken.
    pub taken: u16,
    /// Used entries written, and up to where they are published.
    pub used: u16,
    pub published: u16,
}

impl DeviceQueue {
    /// Entries that wait to be taken.
    pub fn waiting(&self) -> u16 {
        self.available_index().wrapping_sub(self.taken)
    }

    pub fn available_index(&self) -> u16 {
        word(self.driver + 2)
    }

    /// The next chain, checked as a strict device would.
    pub fn take(&mut self) -> Option<Taken> {
        if self.waiting() == 0 {
            return None;
        }
        assert!(self.waiting() <= self.size, "more chains than entries");
        let slot = u64::from(self.taken % self.size);
        let head = word(self.driver + 4 + 2 * slot);
        self.taken = self.taken.wrapping_add(1);
        let (mut pieces, mut id) = (Vec::new(), head);
        loop {
            assert!(
                id < self.size && pieces.len() < usize::from(self.size),
                "broken chain"
            );
            let at = self.descriptors + 16 * u64::from(id);
            let flags = u16::from_le_bytes(read(at + 12));
            pieces.push(Piece {
                address: u64::from_le_bytes(read(at)),
                len: u32::from_le_bytes(read(at + 8)),
                writable: flags & 2 != 0,
            });
            if flags & 1 == 0 {
                return Some(Taken { head, pieces });
            }
            id = u16::from_le_bytes(read(at + 14));
        }
    }

    /// Takes all chains, to keep them.
    pub fn take_all(&mut self) {
        while self.take().is_some() {}
    }

    /// Writes a used entry, unpublished.
    pub fn hand_back(&mut self, id: u32, len: u32) {
        let at = self.device + 4 + 8 * u64::from(self.used % self.size);
        write(at, &id.to_le_bytes());
        write(at + 4, &len.to_le_bytes());
        self.used = self.used.wrapping_add(1);
    }

    /// Publishes the used entries.
    pub fn publish(&mut self) -> Interrupt {
        let old = self.published;
        self.set_used_index(self.used);
        self.published = self.used;
        fence(Ordering::SeqCst);
        let wanted = match self.notify {
            Notify::Flags => word(self.driver) & 1 == 0,
            Notify::EventIndex => {
                let event = word(self.driver + 4 + 2 * u64::from(self.size));
                is_due(event, self.used, old)
            }
        };
        match wanted && old != self.used {
            true => Interrupt::Wanted,
            false => Interrupt::Spared,
        }
    }

    pub fn set_used_index(&self, index: u16) {
        set_word(self.device + 2, index);
    }

    /// Asks for a kick at the next entry. Look at [`Self::waiting`] after it.
    pub fn sleep(&self) {
        self.ask(0, self.taken);
    }

    /// Asks for no kicks.
    pub fn stay_awake(&self) {
        self.ask(1, self.taken.wrapping_sub(1));
    }

    fn ask(&self, flags: u16, event: u16) {
        set_word(self.device, flags);
        set_word(self.device + 4 + 8 * u64::from(self.size), event);
        fence(Ordering::SeqCst);
    }
}

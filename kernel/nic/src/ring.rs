//! A split virtqueue, driver's side (virtio 1.2 section 2.7).
//!
//! Which descriptors are free and what each chain holds is kept in memory that
//! the device does not know; nothing is ever read back from the shared tables.

use alloc::boxed::Box;
use alloc::vec;

use crate::area::{Access, Area};
use crate::barrier;
use crate::fault::{DeviceFault, Queue};
use crate::packet::Chain;

/// How both sides say when they want to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notify {
    /// By a flag in the ring.
    Flags,
    /// By an index in the ring (VIRTIO_F_EVENT_IDX, section 2.7.7).
    EventIndex,
}

/// Whether the device must be told of new entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Kick {
    Needed,
    Spared,
}

/// A descriptor's bookkeeping.
#[derive(Clone, Copy)]
struct Slot {
    /// The next descriptor of the chain or of the free list.
    next: u16,
    /// Last descriptor of the chain starting here.
    tail: u16,
    /// The buffers of the chain starting here; 0 parts when none does.
    chain: Chain,
}

const EMPTY: Chain = Chain {
    first: 0,
    last: 0,
    parts: 0,
};

/// A chain that the device handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub chain: Chain,
    /// Bytes written, as the device says.
    pub len: u32,
}

/// One ring and the shadow of what is on it.
pub(crate) struct Ring {
    area: Area,
    queue: Queue,
    notify: Notify,
    slots: Box<[Slot]>,
    first_free: u16,
    free: u16,
    /// Chains the device has.
    outstanding: u16,
    /// Available index: the next entry to write, and up to where it is published.
    next: u16,
    published: u16,
    /// Used index: the next entry to read, and up to where they are known to be there.
    seen: u16,
    known: u16,
    /// What `seen` was when it was last asked whether the ring stands still.
    stood: u16,
}

impl Ring {
    /// A ring with all descriptors free, asking for no interrupts.
    pub fn new(area: Area, queue: Queue, notify: Notify) -> Self {
        let size = area.size();
        let ring = Self {
            slots: (1..=size)
                .map(|next| Slot {
                    next,
                    tail: 0,
                    chain: EMPTY,
                })
                .collect::<vec::Vec<_>>()
                .into_boxed_slice(),
            area,
            queue,
            notify,
            first_free: 0,
            free: size,
            outstanding: 0,
            next: 0,
            published: 0,
            seen: 0,
            known: 0,
            stood: 0,
        };
        ring.disarm();
        ring
    }

    /// Addresses of the descriptor table, the driver's and the device's area.
    pub fn addresses(&self) -> [u64; 3] {
        self.area.addresses()
    }

    /// Entries.
    pub const fn size(&self) -> u16 {
        self.area.size()
    }

    /// Free descriptors.
    #[inline]
    pub const fn free(&self) -> u16 {
        self.free
    }

    /// Puts a chain on the ring, unpublished. The caller knows that `free() >= chain.parts`.
    #[inline]
    pub fn push(&mut self, chain: Chain, pieces: impl Iterator<Item = (u64, u32)>, access: Access) {
        debug_assert!(chain.parts != 0 && chain.parts <= self.free);
        let head = self.first_free;
        let (mut id, mut left) = (head, chain.parts);
        for piece in pieces.take(chain.parts.into()) {
            left -= 1;
            let next = self.slots[usize::from(id)].next;
            self.area
                .set_descriptor(id, piece, access, (left != 0).then_some(next));
            self.slots[usize::from(head)].tail = id;
            id = next;
        }
        debug_assert!(left == 0);
        self.slots[usize::from(head)].chain = chain;
        self.first_free = id;
        self.free -= chain.parts;
        self.outstanding += 1;
        self.area.set_available(self.next, head);
        self.next = self.next.wrapping_add(1);
    }

    /// The next chain that the device handed back.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<Used>, DeviceFault> {
        if self.seen == self.known && self.look()? == 0 {
            return Ok(None);
        }
        let (id, len) = self.area.used_entry(self.seen);
        let queue = self.queue;
        let head = u16::try_from(id).map_err(|_| DeviceFault::UsedIdOutOfRange { queue, id })?;
        let Some(slot) = self.slots.get_mut(usize::from(head)) else {
            return Err(DeviceFault::UsedIdOutOfRange { queue, id });
        };
        let Slot { tail, chain, .. } = *slot;
        if chain.parts == 0 {
            return Err(DeviceFault::UsedIdNotOffered { queue, id });
        }
        slot.chain = EMPTY;
        self.slots[usize::from(tail)].next = self.first_free;
        self.first_free = head;
        self.free += chain.parts;
        self.outstanding -= 1;
        self.seen = self.seen.wrapping_add(1);
        Ok(Some(Used { chain, len }))
    }

    /// Handed-back chains that are known of.
    pub const fn ready(&self) -> u16 {
        self.known.wrapping_sub(self.seen)
    }

    /// Reads the used index, and says how many chains wait to be popped.
    #[inline]
    pub fn look(&mut self) -> Result<u16, DeviceFault> {
        let used = self.area.used_index();
        let by = used.wrapping_sub(self.seen);
        // Going back behind what was known before is a jump as well.
        if by > self.published_outstanding() || by < self.ready() {
            return Err(DeviceFault::UsedIndexJump {
                queue: self.queue,
                by,
                outstanding: self.published_outstanding(),
            });
        }
        self.known = used;
        Ok(by)
    }

    /// Chains the device has been told of and not handed back.
    const fn published_outstanding(&self) -> u16 {
        self.outstanding - self.next.wrapping_sub(self.published)
    }

    /// Whether the device handed anything back that was not popped.
    pub fn has_used(&self) -> bool {
        self.area.used_index() != self.seen
    }

    /// Whether the device has chains and handed none back since the last call.
    pub fn stands_still(&mut self) -> bool {
        let stood = core::mem::replace(&mut self.stood, self.seen);
        stood == self.seen && self.published_outstanding() != 0
    }

    /// Publishes what was pushed, and says whether the device wants to hear of it.
    #[inline]
    pub fn publish(&mut self) -> Kick {
        let old = self.published;
        if old == self.next {
            return Kick::Spared;
        }
        self.area.set_available_index(self.next);
        self.published = self.next;
        // The index must be out before the device's wish is read (section 2.7.13.4.1): else both
        // sides may find the other asleep.
        barrier::full();
        let wanted = match self.notify {
            Notify::Flags => self.area.used_flags() & 1 == 0,
            Notify::EventIndex => is_due(self.area.available_event(), self.next, old),
        };
        if wanted { Kick::Needed } else { Kick::Spared }
    }

    /// Asks for an interrupt at the next used chain. Look again after it.
    pub fn arm(&self) {
        match self.notify {
            Notify::Flags => self.area.set_available_flags(0),
            Notify::EventIndex => self.area.set_used_event(self.seen),
        }
        // The wish must be out before the used index is read again.
        barrier::full();
    }

    /// Asks for no interrupts. With EVENT_IDX one in 65,536 chains still makes one.
    pub fn disarm(&self) {
        match self.notify {
            Notify::Flags => self.area.set_available_flags(1),
            Notify::EventIndex => self.area.set_used_event(self.seen.wrapping_sub(1)),
        }
    }

    /// Takes all chains off, once the device can no longer touch them.
    pub fn drain(&mut self) -> impl Iterator<Item = Chain> {
        self.outstanding = 0;
        self.published = self.next;
        self.slots
            .iter_mut()
            .map(|slot| core::mem::replace(&mut slot.chain, EMPTY))
            .filter(|chain| chain.parts != 0)
    }
}

/// Whether moving an index from `old` to `new` passes `event` (`vring_need_event`, section 2.7.10).
#[inline]
pub(crate) const fn is_due(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

//! A virtio network device in memory, which follows the standard until told to lie.

use core::cell::{Cell, RefCell, RefMut};
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use std::rc::Rc;

use super::memory::{read_vec, region, write};
use super::queue::{DeviceQueue, Interrupt, Taken};
use crate::ring::Notify;
use crate::{
    Accepted, Candidate, Card, Device, Doorbell, DoorbellWidth, HEADER_BYTES, Pool, Queue, feature,
    negotiate, status,
};

/// Every feature the driver knows.
pub const ALL: u64 = feature::CSUM
    | feature::GUEST_CSUM
    | feature::MTU
    | feature::MAC
    | feature::GUEST_TSO4
    | feature::GUEST_TSO6
    | feature::GUEST_ECN
    | feature::HOST_TSO4
    | feature::HOST_TSO6
    | feature::HOST_ECN
    | feature::MRG_RXBUF
    | feature::STATUS
    | feature::EVENT_IDX
    | feature::VERSION_1;
/// The least that a device must offer.
pub const BARE: u64 = feature::VERSION_1;

pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
/// What a doorbell holds that was not rung.
pub const SILENT: u32 = u32::MAX;

/// How the device behaves beyond its rings.
#[derive(Debug)]
pub struct State {
    pub offered: u64,
    pub settled: u64,
    pub status: u8,
    pub queue_max: [u16; 2],
    pub queues: [Option<DeviceQueue>; 2],
    pub config: [u8; 12],
    pub generation: Cell<u32>,
    /// By how much the generation changes at each reading.
    pub restless: u32,
    pub refuses: bool,
    pub stuck: bool,
    pub resets: u32,
}

/// A handle on the device; the driver owns another.
#[derive(Clone, Debug)]
pub struct Fake {
    state: Rc<RefCell<State>>,
    bells: [&'static Cell<u32>; 2],
}

impl Fake {
    pub fn new(offered: u64, queue_max: u16) -> Self {
        let mut config = [0; 12];
        config[..6].copy_from_slice(&MAC);
        config[6] = 1;
        config[10..].copy_from_slice(&1500_u16.to_le_bytes());
        Self {
            state: Rc::new(RefCell::new(State {
                offered,
                settled: 0,
                status: status::DRIVER_OK,
                queue_max: [queue_max; 2],
                queues: [None, None],
                config,
                generation: Cell::new(0),
                restless: 0,
                refuses: false,
                stuck: false,
                resets: 0,
            })),
            bells: [(); 2].map(|()| &*Box::leak(Box::new(Cell::new(SILENT)))),
        }
    }

    pub fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    pub fn queue(&self, queue: Queue) -> RefMut<'_, DeviceQueue> {
        RefMut::map(self.state(), |state| {
            state.queues[usize::from(queue.number())]
                .as_mut()
                .expect("a queue that is set up")
        })
    }

    /// Whether a queue was kicked since the last look.
    pub fn kicked(&self, queue: Queue) -> bool {
        let bell = self.bells[usize::from(queue.number())];
        // SAFETY: a plain cell; the driver writes it through a raw pointer.
        let rung = unsafe { bell.as_ptr().read_volatile() };
        bell.set(SILENT);
        assert!(rung == SILENT || rung == u32::from(queue.number()));
        rung != SILENT
    }

    /// The device's side of a queue, for another thread to go on with.
    pub fn part(&self, queue: Queue) -> (DeviceQueue, &'static AtomicU32) {
        let index = usize::from(queue.number());
        let part = self.state().queues[index]
            .take()
            .expect("a queue that is set up");
        // SAFETY: a leaked cell, which only the driver and the other thread use from now on.
        (part, unsafe {
            AtomicU32::from_ptr(self.bells[index].as_ptr())
        })
    }

    /// Starts the card alone.
    pub fn start(&self, pool: &'static Pool) -> Card<Self> {
        let candidate = Candidate::new(self.clone(), 256).expect("a sound device");
        let accepted = negotiate(&[candidate.offer()], pool.buffer_bytes());
        self.finish(candidate, accepted[0], pool)
    }

    pub fn finish(
        &self,
        candidate: Candidate<Self>,
        accepted: Accepted,
        pool: &'static Pool,
    ) -> Card<Self> {
        let rings = region(candidate.ring_bytes());
        let card = candidate
            .start(accepted, pool, rings)
            .expect("a sound device");
        self.kicked(Queue::Receive);
        card
    }

    /// Delivers a frame as the standard asks, or drops it for want of buffers.
    pub fn deliver(&self, header: [u8; HEADER_BYTES], frame: &[u8]) -> Option<Interrupt> {
        let mut queue = self.queue(Queue::Receive);
        let mut left: Vec<u8> = header.iter().chain(frame).copied().collect();
        let (mut used, mut first) = (Vec::new(), None);
        let before = queue.taken;
        while !left.is_empty() {
            let Some(taken) = queue.take() else {
                queue.taken = before;
                return None;
            };
            let piece = only(&taken);
            let rest = left.split_off(left.len().min(piece.len as usize));
            write(piece.address, &left);
            first.get_or_insert(piece.address);
            used.push((taken.head, left.len()));
            left = rest;
        }
        write(first? + 10, &(used.len() as u16).to_le_bytes());
        for (head, len) in used {
            queue.hand_back(head.into(), len as u32);
        }
        Some(queue.publish())
    }

    /// A frame as it lies in the chain, header apart.
    pub fn read(taken: &Taken) -> ([u8; HEADER_BYTES], Vec<u8>) {
        let mut all = Vec::new();
        for piece in &taken.pieces {
            assert!(!piece.writable);
            all.extend(read_vec(piece.address, piece.len as usize));
        }
        let frame = all.split_off(HEADER_BYTES);
        (all.try_into().expect("a header"), frame)
    }

    /// Sends all frames on the transmit ring and hands them back at once.
    pub fn send(&self) -> Vec<([u8; HEADER_BYTES], Vec<u8>)> {
        let mut frames = Vec::new();
        let mut queue = self.queue(Queue::Transmit);
        while let Some(taken) = queue.take() {
            frames.push(Self::read(&taken));
            queue.hand_back(taken.head.into(), 0);
        }
        let _ = queue.publish();
        frames
    }
}

/// The one writable buffer of a chain for reception.
pub fn only(taken: &Taken) -> super::queue::Piece {
    assert_eq!(taken.pieces.len(), 1);
    assert!(taken.pieces[0].writable);
    taken.pieces[0]
}

impl Device for Fake {
    fn features(&mut self) -> u64 {
        self.state().offered
    }

    fn set_features(&mut self, features: u64) {
        let mut state = self.state();
        assert_eq!(
            features & !state.offered,
            0,
            "a feature that was not offered"
        );
        state.settled = features;
    }

    fn status(&self) -> u8 {
        self.state().status
    }

    fn set_status(&mut self, status: u8) {
        let mut state = self.state();
        if status == 0 {
            state.resets += 1;
            if state.stuck {
                return;
            }
            state.queues = [None, None];
        }
        let refused = if state.refuses {
            status::FEATURES_OK
        } else {
            0
        };
        state.status = status & !refused;
    }

    fn queue_max(&mut self, queue: u16) -> u16 {
        self.state().queue_max[usize::from(queue)]
    }

    fn set_queue(&mut self, queue: u16, size: u16, descriptors: u64, driver: u64, device: u64) {
        assert_eq!(
            (descriptors % 16, driver % 2, device % 4),
            (0, 0, 0),
            "alignment"
        );
        let mut state = self.state();
        let notify = match state.settled & feature::EVENT_IDX {
            0 => Notify::Flags,
            _ => Notify::EventIndex,
        };
        let (taken, used, published) = (0, 0, 0);
        state.queues[usize::from(queue)] = Some(DeviceQueue {
            size,
            descriptors,
            driver,
            device,
            notify,
            taken,
            used,
            published,
        });
    }

    fn doorbell(&self, queue: u16) -> Doorbell {
        let bell = NonNull::from(self.bells[usize::from(queue)]).cast();
        // SAFETY: a leaked cell of 32 bits.
        unsafe { Doorbell::new(bell, DoorbellWidth::Bits32, queue) }
    }

    fn config_generation(&self) -> u32 {
        let state = self.state();
        state
            .generation
            .set(state.generation.get().wrapping_add(state.restless));
        state.generation.get()
    }

    fn read_config_u16(&self, offset: usize) -> u16 {
        let config = self.state().config;
        u16::from_le_bytes([config[offset], config[offset + 1]])
    }

    fn read_config_mac(&self) -> [u8; 6] {
        self.state().config[..6].try_into().expect("six bytes")
    }
}

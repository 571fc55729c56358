//! Requests to a virtio device, one at a time (virtio 1.2 chapters 2 and 3).
//!
//! The queue is the `virtio-drivers` crate's; its drivers of devices wait without end, so the waiting is done here.

use sekisho_drive::Fault;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, SomeTransport, Transport};

use super::LIMIT_US;
use crate::hw::clock;
use crate::hw::dma::Shared;
use crate::hw::pci::Memory;

/// Where the parts of a request lie in the shared memory: what is asked, and the two parts of the answer.
const REQUEST: usize = 0;
const ANSWERS: [usize; 2] = [512, 512 + LONGEST];
const LONGEST: usize = sekisho_drive::medium::CHUNK;
const BYTES: usize = 12 * 1024;
const _: () = assert!(ANSWERS[1] + LONGEST <= BYTES);

const VERSION_1: u64 = 1 << 32;

/// A device that answers requests.
pub struct Requests {
    transport: SomeTransport<'static>,
    queue: VirtQueue<Memory, 4>,
    index: u16,
    memory: Shared,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Answering,
    /// An answer was not waited for: its buffers are the device's still.
    Lost,
}

impl Requests {
    /// Sets a device up, with those of the wanted features that it has, and one of its queues.
    pub fn open(
        mut transport: SomeTransport<'static>,
        wanted: u64,
        index: u16,
    ) -> Result<Self, Fault> {
        let begun = begin(&mut transport, wanted);
        let queue = begun.and_then(|()| {
            VirtQueue::new(&mut transport, index, false, false).map_err(|_| Fault::Nonsense)
        });
        match queue {
            Ok(queue) => {
                transport.finish_init();
                Ok(Self {
                    transport,
                    queue,
                    index,
                    memory: Shared::new(BYTES),
                    state: State::Answering,
                })
            }
            Err(fault) => {
                if !reset(&mut transport) {
                    core::mem::forget(transport);
                }
                Err(fault)
            }
        }
    }

    /// Reads a word of the device's own configuration.
    pub fn configuration(&self, at: usize) -> Result<u32, Fault> {
        (self.transport.read_config_space(at)).map_err(|_| Fault::Nonsense)
    }

    /// Whether the device has a feature.
    pub fn offers(&mut self, feature: u64) -> bool {
        self.transport.read_device_features() & feature != 0
    }

    /// Sends a request, and waits for an answer in two parts of these lengths; the second may be empty.
    pub fn ask(&mut self, request: &[u8], lengths: [usize; 2]) -> Result<(), Fault> {
        if self.state == State::Lost {
            return Err(Fault::Silent);
        }
        self.memory.write(REQUEST, request);
        // Whoever leaves a status as it is has not answered.
        for at in ANSWERS {
            self.memory.write(at, &[0xff; 16]);
        }
        let buffer = |at, len| self.memory.buffer(at, len);
        // SAFETY: parts of the shared pages that do not overlap; as long as these references live, nobody reads or writes
        // through them: the queue takes addresses only.
        let (request, first, second) = unsafe {
            (
                buffer(REQUEST, request.len()).as_ref(),
                buffer(ANSWERS[0], lengths[0]).as_mut(),
                buffer(ANSWERS[1], lengths[1]).as_mut(),
            )
        };
        let mut answers = [first, second];
        let used = if lengths[1] == 0 { 1 } else { 2 };
        // SAFETY: the pages outlive the device's use of them: they are given back after its reset only.
        let token = unsafe { self.queue.add(&[request], &mut answers[..used]) };
        let token = token.map_err(|_| Fault::Nonsense)?;
        if self.queue.should_notify() {
            self.transport.notify(self.index);
        }
        if !clock::within(LIMIT_US, || self.queue.can_pop()) {
            self.state = State::Lost;
            return Err(Fault::Silent);
        }
        // SAFETY: the very buffers of this token.
        let popped = unsafe { (self.queue).pop_used(token, &[request], &mut answers[..used]) };
        popped.map(drop).map_err(|_| {
            self.state = State::Lost;
            Fault::Nonsense
        })
    }

    /// Reads a part of the last answer.
    pub fn answer(&self, part: usize, into: &mut [u8]) {
        self.memory.read(ANSWERS[part], into);
    }

    /// Resets the device; its memory is given back if it says that it is reset.
    pub fn close(self) {
        let Self {
            mut transport,
            queue,
            memory,
            ..
        } = self;
        if reset(&mut transport) {
            drop((transport, queue));
            // SAFETY: a device that was reset forgets its queues (virtio 1.2 section 2.4).
            unsafe { memory.give_back() }
        } else {
            core::mem::forget((transport, queue));
        }
    }
}

/// The steps up to the queues (virtio 1.2 section 3.1.1).
fn begin(transport: &mut SomeTransport<'static>, wanted: u64) -> Result<(), Fault> {
    if !reset(transport) {
        return Err(Fault::Silent);
    }
    let driver = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
    transport.set_status(driver);
    let features = transport.read_device_features() & (wanted | VERSION_1);
    if features & VERSION_1 == 0 {
        return Err(Fault::Nonsense);
    }
    transport.write_driver_features(features);
    transport.set_status(driver | DeviceStatus::FEATURES_OK);
    let settled = transport.get_status().contains(DeviceStatus::FEATURES_OK);
    settled.then_some(()).ok_or(Fault::Nonsense)
}

/// Whether the device is reset now. One that is not must not be dropped, which would wait for it without end.
fn reset(transport: &mut SomeTransport<'static>) -> bool {
    transport.set_status(DeviceStatus::empty());
    clock::within(LIMIT_US, || transport.get_status() == DeviceStatus::empty())
}

//! An Ethernet port as smoltcp's device, which remembers what came.

use std::collections::VecDeque;
use std::time::Duration;

use sekisho_qemu::Port;
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use super::packet::Packet;

/// An Ethernet header and 1500 bytes.
const MAX_FRAME: usize = 14 + 1500;

/// How many packets are remembered: more than a smoke test sends, and no more than a long demonstration can hold.
const REMEMBERED: usize = 4096;

/// The port of one host.
pub struct Cable {
    port: Port,
    waiting: VecDeque<Vec<u8>>,
    seen: VecDeque<Packet>,
}

impl Cable {
    /// A cable with nothing on it yet.
    pub fn new(port: Port) -> Self {
        Self {
            port,
            waiting: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    /// Waits until a frame is there, but no longer than `limit`.
    pub fn wait(&mut self, limit: Duration) {
        let mut next = self.port.receive(limit);
        while let Some(frame) = next {
            self.remember(&frame);
            self.waiting.push_back(frame);
            next = self.port.receive(Duration::ZERO);
        }
    }

    fn remember(&mut self, frame: &[u8]) {
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.extend(Packet::of(frame));
    }

    /// The packets that came, the oldest first.
    pub fn seen(&self) -> Vec<Packet> {
        self.seen.iter().copied().collect()
    }

    /// Sends a frame. A machine that is gone takes none, and whoever waits for an answer notices.
    pub fn send(&self, frame: &[u8]) {
        let _ = self.port.send(frame);
    }
}

impl Device for Cable {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }

    fn receive(&mut self, _now: Instant) -> Option<(Received, Room<'_>)> {
        let frame = self.waiting.pop_front()?;
        Some((Received(frame), Room(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        Some(Room(self))
    }
}

/// A frame that came.
pub struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

/// Room for a frame to send.
pub struct Room<'a>(&'a Cable);

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.send(&frame);
        result
    }
}

//! A running card.
//!
//! One pass of the main loop: [`Card::reclaim`], [`Card::receive`] until there
//! is no more, [`Card::transmit`] on the other cards, [`Card::refill`], and then
//! one [`Card::publish`] for each card. Before sleeping: [`Card::arm`], look at
//! [`Card::has_work`] once more, sleep; afterwards [`Card::disarm`].

use crate::counters::Counters;
use crate::device::{self, Device, Doorbell, Reset, status};
use crate::fault::{DeviceFault, Queue};
use crate::features::{Accepted, feature};
use crate::packet::Chain;
use crate::pool::Pool;
use crate::ring::{Kick, Ring};

/// Where the configuration holds the link's state (section 5.1.4).
const CONFIG_STATUS: usize = 6;
/// The link is up.
const LINK_UP: u16 = 1;

/// Whether a cable is plugged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is, or the card cannot tell.
    Up,
    /// It is not.
    Down,
}

/// Whether the card still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Given up, and its buffers are back in the pool or lost with it.
    Failed(DeviceFault),
}

/// A virtio network card, running.
///
/// Once its device broke the rules it is down for good: see [`Card::fault`].
pub struct Card<D: Device> {
    device: D,
    state: State,
    pub(crate) accepted: Accepted,
    pub(crate) pool: &'static Pool,
    pub(crate) receive: Ring,
    pub(crate) transmit: Ring,
    receive_bell: Doorbell,
    transmit_bell: Doorbell,
    pub(crate) counters: Counters,
}

impl<D: Device> Card<D> {
    pub(crate) fn new(
        device: D,
        accepted: Accepted,
        pool: &'static Pool,
        (receive, receive_bell): (Ring, Doorbell),
        (transmit, transmit_bell): (Ring, Doorbell),
    ) -> Self {
        Self {
            device,
            state: State::Running,
            accepted,
            pool,
            receive,
            transmit,
            receive_bell,
            transmit_bell,
            counters: Counters::default(),
        }
    }

    /// What it has done.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The features settled on.
    #[must_use]
    pub const fn accepted(&self) -> Accepted {
        self.accepted
    }

    /// What its device did wrong, when it is down for that.
    #[must_use]
    pub const fn fault(&self) -> Option<DeviceFault> {
        match self.state {
            State::Running => None,
            State::Failed(fault) => Some(fault),
        }
    }

    /// Its transport, for interrupt handling.
    pub const fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Makes all new entries of both rings known, and kicks where the device wants it.
    #[inline]
    pub fn publish(&mut self) {
        if self.fault().is_some() {
            return;
        }
        if self.transmit.publish() == Kick::Needed {
            self.kick(Queue::Transmit);
        }
        if self.receive.publish() == Kick::Needed {
            self.kick(Queue::Receive);
        }
    }

    /// Kicks for each ring of which the device handed nothing back since the last call. To be called a few times a
    /// second: a kick that is lost on either side would stop the ring for good.
    ///
    /// QEMU before 9.1 loses its wish for one when buffers come while it finds that there are too few for a
    /// large frame (its pull request 267).
    pub fn remind(&mut self) {
        if self.fault().is_some() {
            return;
        }
        if self.transmit.stands_still() {
            self.kick(Queue::Transmit);
        }
        if self.receive.stands_still() {
            self.kick(Queue::Receive);
        }
    }

    #[inline]
    fn kick(&mut self, queue: Queue) {
        self.counters.kicks += 1;
        match queue {
            Queue::Transmit => self.transmit_bell.ring(),
            Queue::Receive => self.receive_bell.ring(),
        }
    }

    /// Asks for interrupts, with the receive ring as full as it gets. Check
    /// [`Self::has_work`] afterwards, before sleeping.
    ///
    /// Sent frames interrupt only while reception is short of buffers, which
    /// they may free: else they wait for the next reason to wake.
    pub fn arm(&mut self) {
        if self.fault().is_some() {
            return;
        }
        self.fill();
        self.publish();
        self.receive.arm();
        if self.is_short() {
            self.transmit.arm();
        }
    }

    /// Asks for no more interrupts, as the caller will look by itself.
    pub fn disarm(&mut self) {
        if self.fault().is_none() {
            self.receive.disarm();
            self.transmit.disarm();
        }
    }

    /// Whether there is something to [`Self::receive`], or to [`Self::reclaim`] for want of buffers.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.fault().is_none()
            && (self.receive.has_used() || (self.is_short() && self.transmit.has_used()))
    }

    /// Takes sent frames' buffers home.
    pub fn reclaim(&mut self) {
        if self.fault().is_some() {
            return;
        }
        // The device hands back more while we take: what was there at first is enough.
        for _ in 0..self.transmit.size() {
            match self.transmit.pop() {
                Ok(Some(used)) => give(self.pool, used.chain),
                Ok(None) => return,
                Err(fault) => return self.fail(fault),
            }
        }
    }

    /// The link's state, after a configuration interrupt or once in a while. `Down` when the card
    /// is, and a device that asks to be reset takes the card down.
    pub fn link(&mut self) -> Link {
        if self.fault().is_some() {
            return Link::Down;
        }
        if self.device.status() & status::NEEDS_RESET != 0 {
            self.fail(DeviceFault::NeedsReset);
            return Link::Down;
        }
        if !self.accepted.has(feature::STATUS) {
            return Link::Up;
        }
        match device::read_config(&self.device, |device| device.read_config_u16(CONFIG_STATUS)) {
            Ok(bits) if bits & LINK_UP != 0 => Link::Up,
            Ok(_) => Link::Down,
            Err(_) => {
                self.fail(DeviceFault::ConfigUnstable);
                Link::Down
            }
        }
    }

    /// Whether the receive ring has room that nothing was free for.
    fn is_short(&self) -> bool {
        self.receive.free() != 0
    }

    /// Takes the card down: no frame of it is believed any more.
    #[cold]
    pub(crate) fn fail(&mut self, fault: DeviceFault) {
        self.state = State::Failed(fault);
        self.stop();
    }

    /// Resets the device, then frees what it had. A device that does not come out of reset may go
    /// on writing, and keeps its buffers.
    fn stop(&mut self) {
        if device::reset(&mut self.device) == Reset::Stuck {
            return;
        }
        for chain in self.receive.drain().chain(self.transmit.drain()) {
            give(self.pool, chain);
        }
    }
}

impl<D: Device> Drop for Card<D> {
    fn drop(&mut self) {
        if self.fault().is_none() {
            self.stop();
        }
    }
}

#[inline]
fn give(pool: &Pool, chain: Chain) {
    pool.give(chain.first, chain.last, chain.parts);
}

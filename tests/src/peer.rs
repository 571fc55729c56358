//! A host that speaks Ethernet itself: a cable of QEMU ends in the test.
//!
//! * [`Peer`]: such a host. It answers ARP like any host, sends what the test wants, and
//!   keeps all that it ever got.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use sekisho_qemu::{Network, Port};

use crate::frames::{Content, Frame, Mac};
use crate::way::{Way, arp_reply};

/// How long a frame may take that has to come.
const LIMIT: Duration = Duration::from_secs(20);

/// A host with one card and one address.
pub struct Peer {
    port: Port,
    /// Its hardware address.
    pub mac: Mac,
    /// Its address.
    pub ip: Ipv4Addr,
    /// The hardware address of the firewall's card on this segment.
    pub gateway: Mac,
    seen: RefCell<Vec<Frame>>,
    sent: Cell<u64>,
}

impl Peer {
    /// A host beside the firewall's card of this hardware address.
    ///
    /// # Panics
    /// When there is no place for a socket.
    #[track_caller]
    pub fn new(mac: Mac, ip: Ipv4Addr, gateway: Mac) -> Peer {
        Peer {
            port: Port::new().unwrap_or_else(|error| panic!("{error}")),
            mac,
            ip,
            gateway,
            seen: RefCell::new(Vec::new()),
            sent: Cell::new(0),
        }
    }

    /// The cable, for the machine's card.
    pub fn network(&self) -> Network {
        self.port.network()
    }

    /// The way from here through the firewall.
    pub fn to(&self, destination: Ipv4Addr) -> Way {
        Way {
            from_mac: self.mac,
            to_mac: self.gateway,
            from: self.ip,
            to: destination,
        }
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// When the machine is gone.
    #[track_caller]
    pub fn send(&self, frame: &[u8]) {
        self.port
            .send(frame)
            .unwrap_or_else(|error| panic!("{error}"));
        self.sent.set(self.sent.get() + 1);
    }

    /// How many frames it has sent, answers to ARP included.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Waits for a frame that satisfies `wanted`, from now on.
    ///
    /// # Panics
    /// When it does not come, with all that came instead.
    #[track_caller]
    pub fn expect(&self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let deadline = Instant::now() + LIMIT;
        let first = self.seen.borrow().len();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(frame) = self.take(left) else {
                panic!(
                    "{} did not get {what}; it got:\n{:#?}",
                    self.ip,
                    &self.seen.borrow()[first..]
                );
            };
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// The frames so far that satisfy `wanted`.
    pub fn seen(&self, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let seen = self.seen.borrow();
        seen.iter().filter(|frame| wanted(frame)).cloned().collect()
    }

    /// All frames that ever came, those included that are still on their way from a machine that is off.
    pub fn all(&self) -> Vec<Frame> {
        /// What a QEMU that has ended left in the socket is there at once.
        const LEFT: Duration = Duration::from_millis(50);
        let mut seen = self.seen.borrow_mut();
        seen.extend(
            std::iter::from_fn(|| self.port.receive(LEFT)).map(|bytes| Frame::read(&bytes)),
        );
        seen.clone()
    }

    fn take(&self, limit: Duration) -> Option<Frame> {
        let bytes = self.port.receive(limit)?;
        let frame = Frame::read(&bytes);
        self.seen.borrow_mut().push(frame.clone());
        if let Content::ArpRequest { sender, target } = frame.content
            && target == self.ip
        {
            self.send(&arp_reply(self.mac, self.ip, frame.source_mac, sender));
        }
        Some(frame)
    }
}

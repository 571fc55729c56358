//! The firewall between networks of real Linux hosts; needs root.
//!
//! ```text
//!  host's namespace        the switch's namespace            QEMU
//!  eth0 ---- cable ---- port on a bridge - tap card ---- virtio card
//! ```
//!
//! QEMU runs in the switch's namespace. Its bridges have no address, as the host of a
//! firewall should have none; cables and taps pass large segments and unfinished
//! checksums on, so the offloads are the real ones.
//!
//! * [`Site`]: one segment for each zone, the hosts on them, and recordings of what crosses.

use std::cell::Cell;

use sekisho_qemu::Network;

use crate::capture::Capture;
use crate::firewall::{Firewall, Setup};
use crate::namespace::Namespace;

/// Segments and what they hang on.
pub struct Site {
    /// Where the bridges are and QEMU runs: the host of the virtual machine.
    pub switch: Namespace,
    segments: Vec<&'static str>,
    cables: Cell<u32>,
}

impl Site {
    /// Makes one segment for each zone, in the order of the configuration's cards.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[track_caller]
    pub fn new(segments: &[&'static str]) -> Site {
        let switch = Namespace::new("switch");
        for segment in segments {
            switch.tap(&tap(segment));
            switch.bridge(&bridge(segment), &[&tap(segment)]);
        }
        Site {
            switch,
            segments: segments.to_vec(),
            cables: Cell::new(0),
        }
    }

    /// A host on a segment, with its card `eth0` and no address.
    ///
    /// # Panics
    /// When there is no such segment.
    #[track_caller]
    pub fn host(&self, segment: &str) -> Namespace {
        let host = Namespace::new(segment);
        let port = format!("port{}", self.cables.get());
        self.cables.set(self.cables.get() + 1);
        host.cable("eth0", &self.switch, &port);
        self.switch
            .ip(&format!("link set {port} master {}", bridge(segment)));
        host
    }

    /// A host on a segment with an address, and a way to everywhere else if there is one.
    ///
    /// # Panics
    /// When there is no such segment.
    #[track_caller]
    pub fn host_at(&self, segment: &str, address: &str, gateway: Option<&str>) -> Namespace {
        let host = self.host(segment);
        host.ip(&format!("address add {address} dev eth0"));
        if let Some(gateway) = gateway {
            host.ip(&format!("route add default via {gateway}"));
        }
        host
    }

    /// Records what crosses the firewall's card in a segment. Begin before [`Site::boot`], and nothing is missed.
    ///
    /// # Panics
    /// When there is no such segment.
    #[track_caller]
    pub fn record(&self, segment: &str) -> Capture {
        Capture::start(&self.switch, &tap(segment))
    }

    /// Boots the firewall with a card in each segment, and waits until it forwards.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn boot(&self, setup: &Setup, config: &str) -> Firewall {
        let networks: Vec<Network> = self
            .segments
            .iter()
            .map(|segment| Network::Tap { name: tap(segment) })
            .collect();
        self.switch
            .enter(|| Firewall::boot(setup, Some(config.as_bytes()), networks))
            .ready()
    }
}

fn tap(segment: &str) -> String {
    format!("tap-{segment}")
}

fn bridge(segment: &str) -> String {
    format!("br-{segment}")
}

//! The firewall between two hosts that speak Ethernet themselves; needs no root.
//!
//! * [`Rig`]: the machine, booted, and the two hosts.

use std::cell::Cell;
use std::net::Ipv4Addr;

use sekisho_qemu::Network;

use crate::firewall::{Firewall, Setup, card};
use crate::frames::{Frame, Inner};
use crate::peer::Peer;

/// The host on the WAN.
pub const WAN_HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The firewall on the WAN.
pub const WAN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The host in the DMZ.
pub const DMZ_HOST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// The firewall in the DMZ.
pub const DMZ: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

/// A port that `examples/lab.toml` forwards, for UDP.
const MARKER_PORT: u16 = 7001;

/// A firewall with a host on either side.
pub struct Rig {
    /// The machine.
    pub firewall: Firewall,
    /// The host on the WAN.
    pub wan: Peer,
    /// The host in the DMZ.
    pub dmz: Peer,
    markers: Cell<u32>,
}

impl Rig {
    /// Boots with a configuration for two zones, WAN first; does not wait for anything.
    ///
    /// # Panics
    /// When QEMU does not start.
    #[track_caller]
    pub fn boot(setup: &Setup, config: Option<&[u8]>) -> Rig {
        let wan = Peer::new([2, 0, 0, 0, 0, 0xaa], WAN_HOST, card(0));
        let dmz = Peer::new([2, 0, 0, 0, 0, 0xdd], DMZ_HOST, card(1));
        let networks: Vec<Network> = vec![wan.network(), dmz.network()];
        Rig {
            firewall: Firewall::boot(setup, config, networks),
            wan,
            dmz,
            markers: Cell::new(0),
        }
    }

    /// The same, and waits until it forwards.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn ready(setup: &Setup, config: &str) -> Rig {
        let mut rig = Rig::boot(setup, Some(config.as_bytes()));
        rig.firewall = rig.firewall.ready();
        rig
    }

    /// Waits until all that the WAN's host has sent so far has been dealt with: sends one more datagram that may pass,
    /// and sees it arrive. What has not arrived before it never will, since a card's frames are handled in order.
    ///
    /// # Panics
    /// When the datagram does not pass.
    #[track_caller]
    pub fn settle_from_wan(&self) {
        let marker = self.marker();
        self.wan
            .send(&self.wan.to(WAN).udp(9, MARKER_PORT, &marker));
        self.dmz
            .expect("the marker from the WAN", |frame| carries(frame, &marker));
    }

    /// The same for the DMZ's host.
    ///
    /// # Panics
    /// When the datagram does not pass.
    #[track_caller]
    pub fn settle_from_dmz(&self) {
        let marker = self.marker();
        self.dmz
            .send(&self.dmz.to(WAN_HOST).udp(9, MARKER_PORT, &marker));
        self.wan
            .expect("the marker from the DMZ", |frame| carries(frame, &marker));
    }

    fn marker(&self) -> Vec<u8> {
        let number = self.markers.get();
        self.markers.set(number + 1);
        format!("marker {number}").into_bytes()
    }
}

fn carries(frame: &Frame, wanted: &[u8]) -> bool {
    matches!(frame.inner(), Some(Inner::Udp { payload, .. }) if payload == wanted)
}

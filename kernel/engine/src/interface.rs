//! The firewall's own side of each zone.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sekisho_config::Config;
use sekisho_config::model::{Addressing, Answer};

use crate::ZoneId;
use crate::engine::Seat;
use crate::nat::plan;
use crate::neighbor::Mac;
use crate::route::{NextHop, Route};

/// Our side of one zone.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Which zone.
    pub zone: ZoneId,
    /// The card's Ethernet address.
    pub mac: Mac,
    /// Whether the cable is plugged in.
    pub link: Link,
    /// Our address and the segment's prefix; `None` until DHCP gives one.
    pub address: Option<Ipv4Net>,
    /// Addresses beside our own that we hold here, for hosts inside.
    pub aliases: Vec<Ipv4Net>,
    /// The default route's next hop, if this zone leads out.
    pub gateway: Option<Ipv4Addr>,
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// What the box itself answers here.
    pub answer: Answer,
    /// Private sources are welcome although they are not of this segment.
    pub allow_private_sources: bool,
    /// Which end of DHCP the box is here.
    pub dhcp: Dhcp,
}

/// State of the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Frames pass.
    Up,
    /// Nothing passes.
    Down,
}

/// Which end of DHCP the box is in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dhcp {
    /// It asks for an address.
    Client,
    /// It hands addresses out.
    Server,
    /// Neither.
    Silent,
}

/// What an address is on our segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A segment's own broadcast address, or its old form, the network's.
    Broadcast,
    /// One that we hold, in this zone.
    Ours(ZoneId),
    /// A host's, or nobody's.
    Other,
}

impl Interface {
    /// Our address, if there is one.
    #[must_use]
    pub fn own(&self) -> Option<Ipv4Addr> {
        self.address.map(|net| net.addr())
    }

    /// Whether an address is ours here, be it our own or one that we hold for hosts inside.
    #[must_use]
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.own() == Some(address) || self.aliases.iter().any(|net| net.contains(&address))
    }

    /// What an address is here.
    #[inline]
    fn standing(&self, address: Ipv4Addr) -> Standing {
        if let Some(net) = self.address {
            let differs = net.addr().to_bits() ^ address.to_bits();
            let host = u32::MAX.checked_shr(net.prefix_len().into()).unwrap_or(0);
            let inside = address.to_bits() & host;
            // A segment of two addresses has neither (RFC 3021).
            if differs & !host == 0 && host > 1 && (inside == host || inside == 0) {
                return Standing::Broadcast;
            }
            if differs == 0 {
                return Standing::Ours(self.zone);
            }
        }
        match self.aliases.iter().any(|net| net.contains(&address)) {
            true => Standing::Ours(self.zone),
            false => Standing::Other,
        }
    }

    /// Whether an address lies on the segment.
    #[must_use]
    pub fn is_on_link(&self, address: Ipv4Addr) -> bool {
        self.address.is_some_and(|net| net.contains(&address))
    }
}

/// All interfaces, by zone.
#[derive(Clone, Debug)]
pub struct Interfaces(Vec<Interface>);

impl Interfaces {
    /// One for each zone of the configuration; `seats` are the zones' cards in the same order.
    #[must_use]
    pub fn new(config: &Config, seats: &[Seat]) -> Self {
        let zones = config.zones.iter().enumerate().zip(seats);
        Self(
            zones
                .filter_map(|((index, zone), seat)| {
                    let (address, gateway) = match zone.address {
                        Addressing::Dhcp => (None, None),
                        Addressing::Static { address, gateway } => (Some(address), gateway),
                    };
                    let dhcp = match (zone.address, &zone.dhcp) {
                        (Addressing::Dhcp, _) => Dhcp::Client,
                        (Addressing::Static { .. }, Some(_)) => Dhcp::Server,
                        (Addressing::Static { .. }, None) => Dhcp::Silent,
                    };
                    Some(Interface {
                        zone: ZoneId::new(index)?,
                        mac: seat.mac,
                        link: seat.link,
                        address,
                        aliases: plan::aliases(config, ZoneId::new(index)?),
                        gateway,
                        mtu: zone.mtu,
                        answer: zone.answer,
                        allow_private_sources: zone.allow_private_sources,
                        dhcp,
                    })
                })
                .collect(),
        )
    }

    /// A zone's interface.
    #[must_use]
    pub fn get(&self, zone: ZoneId) -> Option<&Interface> {
        self.0.get(zone.index())
    }

    /// A zone's interface, to change it.
    pub fn get_mut(&mut self, zone: ZoneId) -> Option<&mut Interface> {
        self.0.get_mut(zone.index())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.0.iter()
    }

    /// The interface that holds this address.
    #[must_use]
    pub fn owner(&self, address: Ipv4Addr) -> Option<&Interface> {
        self.0.iter().find(|interface| interface.holds(address))
    }

    /// What an address is on our segments.
    #[must_use]
    pub fn standing(&self, address: Ipv4Addr) -> Standing {
        let mut standing = Standing::Other;
        for interface in &self.0 {
            match (interface.standing(address), standing) {
                (Standing::Broadcast, _) => return Standing::Broadcast,
                (Standing::Ours(zone), Standing::Other) => standing = Standing::Ours(zone),
                (Standing::Ours(_) | Standing::Other, _) => {}
            }
        }
        standing
    }

    /// The largest MTU.
    #[must_use]
    pub fn largest_mtu(&self) -> usize {
        self.0
            .iter()
            .map(|interface| usize::from(interface.mtu))
            .max()
            .unwrap_or(1500)
    }

    /// The routes that follow from the interfaces' addresses and gateways.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.0.iter().flat_map(|interface| {
            let hop = |via| NextHop {
                zone: interface.zone,
                via,
            };
            let connected = interface.address.map(|to| Route { to, hop: hop(None) });
            let default = interface.gateway.filter(|_| interface.address.is_some());
            let default = default.map(|via| Route {
                to: Ipv4Net::default(),
                hop: hop(Some(via)),
            });
            connected.into_iter().chain(default)
        })
    }
}

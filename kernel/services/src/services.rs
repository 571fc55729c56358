//! All endpoints of the box, by zone.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sekisho_config::Config;
use sekisho_config::model::{Addressing, Zone};
use sekisho_engine::{Instant, ZoneId};

use crate::Mac;
use crate::client::{Change, Client, Kept, Lease};
use crate::datagram::{self, LONGEST, Trust};
use crate::server::{Outcome, Server};

/// One thing to do; taken from the services until there is none.
#[derive(Debug)]
pub enum Action {
    /// Send this frame as it is: a DHCP message to a host that may have no address yet.
    SendDirectly(ZoneId, Kept),
    /// Send this frame through the engine, which finds its neighbour.
    SendThrough(Kept),
    /// A zone has an address from now on.
    Bound(ZoneId, Lease),
    /// A zone has no address any more.
    Lost(ZoneId),
    /// A lease that cannot be used: its segment overlaps that of another zone.
    Overlap(ZoneId, Ipv4Net, ZoneId),
    /// What the server of a zone did.
    Served(ZoneId, Outcome),
}

/// All endpoints.
pub struct Services {
    endpoints: Vec<Endpoint>,
    /// The fixed prefixes, by zone.
    fixed: Vec<Option<Ipv4Net>>,
    actions: heapless::Deque<Action, 8>,
    scratch: Box<[u8; LONGEST]>,
}

enum Endpoint {
    Client(Box<Client>),
    Server(Box<Server>),
    Silent,
}

impl Services {
    /// The services of a configuration; `macs` are the zones' cards. Takes all memory now.
    #[must_use]
    pub fn new(config: &Config, macs: &[Mac], mut random: impl FnMut() -> u64) -> Self {
        let zones = config.zones.iter().zip(macs);
        Self {
            endpoints: zones
                .map(|(zone, mac)| Endpoint::new(zone, *mac, random()))
                .collect(),
            fixed: config.zones.iter().map(fixed_prefix).collect(),
            actions: heapless::Deque::new(),
            scratch: Box::new([0; LONGEST]),
        }
    }

    /// Takes a frame that the engine says is for us.
    pub fn receive(&mut self, zone: ZoneId, frame: &[u8], trust: Trust, now: Instant) {
        let Some((route, payload)) = datagram::read(frame, trust) else {
            return;
        };
        let upstream = self.upstream();
        match self.endpoints.get_mut(zone.index()) {
            Some(Endpoint::Client(client)) => client.receive(frame, now),
            Some(Endpoint::Server(server)) => {
                let (len, outcome) =
                    server.receive((&route, payload), &upstream, now, &mut *self.scratch);
                if let Some(len) = len {
                    let frame = Kept::from_slice(&self.scratch[..len]).unwrap_or_default();
                    self.act(Action::SendDirectly(zone, frame));
                }
                if let Some(outcome) = outcome {
                    self.act(Action::Served(zone, outcome));
                }
            }
            Some(Endpoint::Silent) | None => {}
        }
    }

    /// A zone's cable was plugged in or pulled out.
    pub fn set_link(&mut self, zone: ZoneId, up: bool, now: Instant) {
        if let Some(Endpoint::Client(client)) = self.endpoints.get_mut(zone.index()) {
            client.set_link(up, now);
        }
    }

    /// Whether a zone's address is certain; it is not between a cable's return and DHCP's answer.
    #[must_use]
    pub fn is_settled(&self, zone: ZoneId) -> bool {
        match self.endpoints.get(zone.index()) {
            Some(Endpoint::Client(client)) => client.is_settled(),
            Some(Endpoint::Server(_) | Endpoint::Silent) | None => true,
        }
    }

    /// The next thing to do; call it until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        for index in 0..self.endpoints.len() {
            let (Some(zone), Endpoint::Client(client)) =
                (ZoneId::new(index), &mut self.endpoints[index])
            else {
                continue;
            };
            if let Some(change) = client.poll(now) {
                return Some(self.judge(zone, change));
            }
            if let Some(frame) = client.outgoing() {
                return Some(if frame.first() == Some(&0xff) {
                    Action::SendDirectly(zone, frame)
                } else {
                    Action::SendThrough(frame)
                });
            }
        }
        None
    }

    /// When [`poll`](Self::poll) has something to do by itself.
    pub fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        let clients = self.endpoints.iter_mut().filter_map(|endpoint| {
            let Endpoint::Client(client) = endpoint else {
                return None;
            };
            client.deadline(now)
        });
        clients.min()
    }

    /// Two zones on one network cannot be told apart: such a lease is as good as none.
    fn judge(&self, zone: ZoneId, change: Change) -> Action {
        let Change::Bound(lease) = change else {
            return Action::Lost(zone);
        };
        let overlaps = |other: &Ipv4Net| {
            other.contains(&lease.address.network()) || lease.address.contains(&other.network())
        };
        let clash = self
            .prefixes()
            .find(|(other, prefix)| *other != zone && overlaps(prefix));
        match clash {
            Some((other, _)) => Action::Overlap(zone, lease.address, other),
            None => Action::Bound(zone, lease),
        }
    }

    /// The segments that zones have now.
    fn prefixes(&self) -> impl Iterator<Item = (ZoneId, Ipv4Net)> {
        let zones = self.endpoints.iter().zip(&self.fixed).enumerate();
        zones.filter_map(|(index, (endpoint, fixed))| {
            let leased = match endpoint {
                Endpoint::Client(client) => client.lease().map(|lease| lease.address),
                Endpoint::Server(_) | Endpoint::Silent => None,
            };
            Some((ZoneId::new(index)?, leased.or(*fixed)?))
        })
    }

    /// The name servers that upstream told us.
    fn upstream(&self) -> heapless::Vec<Ipv4Addr, 8> {
        let leases = self.endpoints.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Client(client) => client.lease(),
            Endpoint::Server(_) | Endpoint::Silent => None,
        });
        let mut servers = heapless::Vec::new();
        for server in leases.flat_map(|lease| lease.dns.iter()) {
            if !servers.contains(server) {
                let _ = servers.push(*server);
            }
        }
        servers
    }

    fn act(&mut self, action: Action) {
        // A full queue loses an answer, as a full wire would: clients ask again.
        let _ = self.actions.push_back(action);
    }
}

impl Endpoint {
    fn new(zone: &Zone, mac: Mac, random: u64) -> Self {
        match (zone.address, &zone.dhcp) {
            (Addressing::Dhcp, _) => Self::Client(Box::new(Client::new(mac, zone.mtu, random))),
            (Addressing::Static { address, .. }, Some(dhcp)) => {
                Self::Server(Box::new(Server::new(dhcp, address, mac, zone.mtu, random)))
            }
            (Addressing::Static { .. }, None) => Self::Silent,
        }
    }
}

const fn fixed_prefix(zone: &Zone) -> Option<Ipv4Net> {
    match zone.address {
        Addressing::Static { address, .. } => Some(address),
        Addressing::Dhcp => None,
    }
}

//! Forwards, compiled: what the configuration invites in from outside.

use alloc::vec;
use alloc::vec::Vec;

use sekisho_config::Config;
use sekisho_config::model::{Balance, Forward, PortRange, Service};

use crate::ZoneId;
use crate::hash::Hasher;
use crate::key::{Endpoint, FlowKey, Protocol};
use crate::policy::{Decision, ForwardId};
use crate::ranges::AddressSet;

/// Where a forward leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The inside server.
    pub inside: Endpoint,
    /// That it may, and by which forward.
    pub decision: Decision,
}

/// All forwards.
///
/// Which of several servers gets a flow is decided here, once for each flow: its packets find it in the flow table.
#[derive(Debug)]
pub struct Forwards {
    /// Sorted by `(zone, protocol, first)`; they do not overlap.
    spans: Vec<Span>,
    /// Which forwards each span names, by ranges of this; the configuration's first comes first.
    candidates: Vec<Candidate>,
    sources: Vec<AddressSet>,
    /// All forwards' servers; the port is the first inside port, 0 where the outside one is kept.
    servers: Vec<Endpoint>,
    /// For each forward, how many flows it has taken.
    turns: Vec<u32>,
    hasher: Hasher,
}

/// Ports of one zone's address that lead to the same forwards.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: (ZoneId, Protocol),
    ports: PortRange,
    candidates: (u32, u32),
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    forward: ForwardId,
    /// Its servers, the first and how many.
    servers: (u32, u32),
    balance: Balance,
    /// The outside port that leads to a server's first; the ports after it lead to those after.
    base: u16,
    sources: u32,
    log: bool,
}

impl Forwards {
    /// Compiles a checked configuration's forwards.
    #[must_use]
    pub fn new(config: &Config, hasher: Hasher) -> Self {
        let mut all = Self {
            servers: Vec::new(),
            turns: vec![0; config.forwards.len()],
            hasher,
            spans: Vec::new(),
            candidates: Vec::new(),
            sources: Vec::new(),
        };
        let offers = config.forwards.iter().zip(0u16..);
        let mut offers: Vec<Offer> = offers
            .flat_map(|(forward, index)| all.offers(forward, ForwardId(index)))
            .collect();
        offers.sort_by_key(|offer| offer.at);
        for group in offers.chunk_by(|a, b| a.at == b.at) {
            all.compile(group);
        }
        all
    }

    /// The forward that a packet to the address of `zone` asks for, and the server whose turn it is.
    pub fn find(&self, zone: ZoneId, key: &FlowKey) -> Option<Forwarded> {
        let (at, port) = ((zone, key.protocol), key.dst.port);
        let after = self
            .spans
            .partition_point(|span| (span.at, span.ports.first) <= (at, port));
        let span = self.spans.get(after.checked_sub(1)?)?;
        if span.at != at || !span.ports.contains(port) {
            return None;
        }
        let (first, last) = (span.candidates.0 as usize, span.candidates.1 as usize);
        let found = self.candidates[first..last]
            .iter()
            .find(|candidate| self.sources[candidate.sources as usize].contains(key.src.address));
        let found = *found?;
        let server = self.choose(&found, key)?;
        let port = match server.port {
            0 => port,
            first => first.wrapping_add(port.wrapping_sub(found.base)),
        };
        Some(Forwarded {
            inside: Endpoint { port, ..server },
            decision: Decision::by_forward(found.forward, found.log),
        })
    }

    /// A flow of that forward has begun: the next one is for the next server.
    pub fn take_turn(&mut self, forward: ForwardId) {
        if let Some(turn) = self.turns.get_mut(usize::from(forward.0)) {
            *turn = turn.wrapping_add(1);
        }
    }

    fn choose(&self, candidate: &Candidate, key: &FlowKey) -> Option<Endpoint> {
        let (first, count) = candidate.servers;
        let turn = match candidate.balance {
            // The hash is keyed: no client can choose its server, nor many of them one server.
            Balance::SourceHash => {
                let number = u32::from(candidate.forward.0);
                self.hasher.address(key.src.address, number) as u32
            }
            Balance::RoundRobin => *self.turns.get(usize::from(candidate.forward.0))?,
        };
        let chosen = first + turn.checked_rem(count)?;
        self.servers.get(chosen as usize).copied()
    }

    /// What one forward offers: one range of ports each.
    fn offers(&mut self, forward: &Forward, id: ForwardId) -> Vec<Offer> {
        let sources = self.sources.len() as u32;
        self.sources.push(AddressSet::new(&forward.sources));
        let servers = (self.servers.len() as u32, forward.servers.len() as u32);
        let inside = forward.servers.iter();
        let inside = inside.map(|s| Endpoint::new(s.address, s.port.unwrap_or(0)));
        self.servers.extend(inside);
        let offers = forward.service.iter().filter_map(|service| {
            let (protocol, ports) = match *service {
                Service::Tcp(ports) => (Protocol::TCP, ports),
                Service::Udp(ports) => (Protocol::UDP, ports),
                Service::Icmp(_) | Service::Protocol(_) => return None,
            };
            let candidate = Candidate {
                forward: id,
                servers,
                balance: forward.balance,
                base: ports.first,
                sources,
                log: forward.log,
            };
            Some(Offer {
                at: (forward.from, protocol),
                ports,
                candidate,
            })
        });
        offers.collect()
    }

    /// Cuts the offers of one zone and protocol into spans that do not overlap.
    fn compile(&mut self, offers: &[Offer]) {
        let mut cuts: Vec<u32> = offers
            .iter()
            .flat_map(|o| [u32::from(o.ports.first), u32::from(o.ports.last) + 1])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts.windows(2) {
            let (first, last) = (cut[0] as u16, (cut[1] - 1) as u16);
            let start = self.candidates.len() as u32;
            let here = offers.iter().filter(|offer| offer.ports.contains(first));
            self.candidates.extend(here.map(|offer| offer.candidate));
            let end = self.candidates.len() as u32;
            if start < end {
                self.spans.push(Span {
                    at: offers[0].at,
                    ports: PortRange { first, last },
                    candidates: (start, end),
                });
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    at: (ZoneId, Protocol),
    ports: PortRange,
    candidate: Candidate,
}

//! Finds the first rule that matches, without walking over the rules.
//!
//! A rule asks four questions of a packet: its way (from where to where), its
//! source, its destination, its service. Equal answers of different rules are one
//! *class*. A packet is in few classes of each question, found by one search each; then
//!
//! ```text
//! way × service ──▶ those pairs that some rule names ─┐
//!                                                     ├─▶ the first rule that names both
//! source × destination ──▶ those that some rule names ┘
//! ```
//!
//! The cost grows with how many *different* sets hold one address or port, not
//! with the number of rules. Memory grows with the rules and the places where sets begin or end.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sekisho_config::model::{MAX_ZONES, Place, Rule, Service};

use crate::address::Address;
use crate::key::{FlowKey, Protocol, Side};
use crate::policy::intervals::{Class, Interval, Intervals};
use crate::policy::pairs::{Pair, Pairs};
use crate::ranges::merged;

/// The zones and the box itself.
const PLACES: usize = MAX_ZONES + 1;
/// How many pairs of source and destination are looked at together.
const BATCH: usize = 32;
/// The class of rules that do not ask the question.
const ANY: Class = 0;

/// Compiled rules.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// For each way, from × to, the classes that hold it.
    ways: Vec<Vec<Class>>,
    services: Intervals,
    sources: Intervals,
    destinations: Intervals,
    /// Way and service.
    carriages: Pairs,
    /// Source and destination.
    journeys: Pairs,
    /// Carriage and journey; their first rule is the answer.
    matches: Pairs,
}

impl Classifier {
    /// Compiles rules; of more than 65,535 the rest is left out, and what only they accept is dropped.
    #[must_use]
    pub fn new(rules: &[Rule]) -> Self {
        let mut ways = Classes::default();
        let mut services = Classes::default();
        let mut sources = Classes::default();
        let mut destinations = Classes::default();
        let mut carriages = Pairs::default();
        let mut journeys = Pairs::default();
        let mut matches = Pairs::default();
        for (rule, number) in rules.iter().zip(0..u16::MAX) {
            let way = ways.number((mask(&rule.from), mask(&rule.to)));
            let service = services.class_of(points(&rule.service));
            let source = sources.class_of(addresses(&rule.src));
            let destination = destinations.class_of(addresses(&rule.dst));
            let carriage = carriages.note(way, service, number);
            let journey = journeys.note(source, destination, number);
            matches.note(carriage, journey, number);
        }
        Self {
            ways: ways_by_place(&ways),
            services: services.intervals(),
            sources: sources.intervals(),
            destinations: destinations.intervals(),
            carriages,
            journeys,
            matches,
        }
    }

    /// The first rule that matches.
    #[must_use]
    pub fn first_match(&self, key: &FlowKey, to: Side) -> Option<u16> {
        let way = &self.ways[place(key.side.place()) * PLACES + place(to.place())];
        let services = self.services.holding(point(key.protocol, key.dst.port));
        let sources = self.sources.holding(value(key.src.address));
        let destinations = self.destinations.holding(value(key.dst.address));

        let mut first = None;
        let mut batch: heapless::Vec<Pair, BATCH> = heapless::Vec::new();
        for source in with_any(sources) {
            for destination in with_any(destinations) {
                let Some(journey) = self.journeys.get(source, destination) else {
                    continue;
                };
                if batch.push(journey).is_err() {
                    first = self.join(way, services, &batch, first);
                    batch.clear();
                    // The batch has just been emptied, so there is room.
                    let _ = batch.push(journey);
                }
            }
        }
        self.join(way, services, &batch, first)
    }

    /// The first rule that names one of the carriages and one of the journeys, if it comes before `best`.
    fn join(
        &self,
        ways: &[Class],
        services: &[Class],
        journeys: &[Pair],
        best: Option<u16>,
    ) -> Option<u16> {
        let mut best = best.unwrap_or(u16::MAX);
        for way in ways {
            for service in with_any(services) {
                let Some(carriage) = self.carriages.get(*way, service) else {
                    continue;
                };
                for journey in journeys {
                    if carriage.first_rule.max(journey.first_rule) >= best {
                        continue;
                    }
                    let found = self.matches.get(carriage.number, journey.number);
                    best = found.map_or(best, |pair| best.min(pair.first_rule));
                }
            }
        }
        (best < u16::MAX).then_some(best)
    }
}

/// The classes that hold a value, and the one that holds every value.
fn with_any(classes: &[Class]) -> impl Iterator<Item = Class> + '_ {
    core::iter::once(ANY).chain(classes.iter().copied())
}

/// Equal answers to one question, numbered from 1 in the order they come.
#[derive(Debug)]
struct Classes<T>(BTreeMap<T, Class>);

impl<T> Default for Classes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Classes<T> {
    fn number(&mut self, answer: T) -> Class {
        let next = self.0.len() as Class + 1;
        *self.0.entry(answer).or_insert(next)
    }
}

impl Classes<Vec<Interval>> {
    /// `None`: the question is not asked.
    fn class_of(&mut self, intervals: Option<Vec<Interval>>) -> Class {
        intervals.map_or(ANY, |intervals| self.number(intervals))
    }

    fn intervals(&self) -> Intervals {
        Intervals::new(self.0.iter().map(|(set, class)| (*class, set.as_slice())))
    }
}

fn ways_by_place(classes: &Classes<(u16, u16)>) -> Vec<Vec<Class>> {
    let ways = (0..PLACES).flat_map(|from| (0..PLACES).map(move |to| (from, to)));
    let holding = |(from, to): (usize, usize)| {
        let here =
            |(mask, _): &(&(u16, u16), &Class)| mask.0 >> from & 1 == 1 && mask.1 >> to & 1 == 1;
        let mut list: Vec<Class> = classes
            .0
            .iter()
            .filter(here)
            .map(|(_, class)| *class)
            .collect();
        list.sort_unstable();
        list
    };
    ways.map(holding).collect()
}

const fn place(place: Place) -> usize {
    match place {
        Place::Zone(zone) => zone.index(),
        Place::Own => MAX_ZONES,
    }
}

/// One bit for each place; no place named means every place.
fn mask(places: &[Place]) -> u16 {
    match places.is_empty() {
        true => u16::MAX,
        false => places.iter().fold(0, |mask, at| mask | 1 << place(*at)),
    }
}

const fn value(address: Address) -> u128 {
    u128::from_be_bytes(address.octets())
}

/// What a rule asks of an address.
fn addresses(nets: &[ipnet::IpNet]) -> Option<Vec<Interval>> {
    if nets.is_empty() {
        return None;
    }
    let ranges = merged(nets).into_iter();
    let intervals = ranges.map(|(first, last)| (value(first), value(last)));
    Some(intervals.collect())
}

/// Protocol and destination port (or ICMP type) as one number.
const fn point(protocol: Protocol, port: u16) -> u128 {
    (protocol.0 as u128) << 16 | port as u128
}

/// Services as intervals of points, joined and in order, so that equal ones are equal.
fn points(services: &[Service]) -> Option<Vec<Interval>> {
    if services.is_empty() {
        return None;
    }
    let span = |protocol, first, last| (point(protocol, first), point(protocol, last));
    let mut all: Vec<Interval> = services
        .iter()
        .map(|service| match *service {
            Service::Tcp(ports) => span(Protocol::TCP, ports.first, ports.last),
            Service::Udp(ports) => span(Protocol::UDP, ports.first, ports.last),
            Service::Icmp(None) => span(Protocol::ICMP, 0, u16::MAX),
            Service::Icmp(Some(kind)) => span(Protocol::ICMP, kind.into(), kind.into()),
            Service::Protocol(number) => span(Protocol(number), 0, u16::MAX),
        })
        .collect();
    all.sort_unstable();
    let mut joined: Vec<Interval> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match joined.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            Some(_) | None => joined.push((first, last)),
        }
    }
    Some(joined)
}

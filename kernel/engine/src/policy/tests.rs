//! Compiled decisions against the plain reading of the rules.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use sekisho_config::model::{Place, PortRange, Service};

use super::*;
use crate::ZoneId;
use crate::address::Address;
use crate::key::{Endpoint, Protocol};

/// What the language says: the first rule of which every part matches.
fn plain(rules: &[Rule], key: &FlowKey, to: Side) -> Option<u16> {
    let found = rules.iter().position(|rule| matches(rule, key, to));
    found.map(|index| index as u16)
}

fn matches(rule: &Rule, key: &FlowKey, to: Side) -> bool {
    (rule.from.is_empty() || rule.from.contains(&key.side.place()))
        && (rule.to.is_empty() || rule.to.contains(&to.place()))
        && holds(&rule.src, key.src.address)
        && holds(&rule.dst, key.dst.address)
        && (rule.service.is_empty() || rule.service.iter().any(|service| serves(*service, key)))
}

fn holds(nets: &[IpNet], address: Address) -> bool {
    nets.is_empty() || nets.iter().any(|net| contains(net, address))
}

fn contains(net: &IpNet, address: Address) -> bool {
    match (net, address.as_v4()) {
        (IpNet::V4(net), Some(v4)) => net.contains(&v4),
        (IpNet::V6(net), None) => net.contains(&Ipv6Addr::from(address.octets())),
        (IpNet::V4(_), None) | (IpNet::V6(_), Some(_)) => false,
    }
}

fn serves(service: Service, key: &FlowKey) -> bool {
    match service {
        Service::Tcp(ports) => key.protocol == Protocol::TCP && ports.contains(key.dst.port),
        Service::Udp(ports) => key.protocol == Protocol::UDP && ports.contains(key.dst.port),
        Service::Icmp(None) => key.protocol == Protocol::ICMP,
        Service::Icmp(Some(kind)) => {
            key.protocol == Protocol::ICMP && key.dst.port == u16::from(kind)
        }
        Service::Protocol(number) => key.protocol == Protocol(number),
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % sides
    }

    fn some<T>(&mut self, most: u32, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.roll(most + 1)).map(|_| one(self)).collect()
    }

    fn side(&mut self) -> Side {
        match self.roll(4) {
            3 => Side::OWN,
            zone => ZoneId::new(zone as usize).map_or(Side::OWN, Side::zone),
        }
    }

    fn place(&mut self) -> Place {
        self.side().place()
    }

    /// Few addresses and many prefix lengths, so that prefixes nest and share ends.
    fn address(&mut self) -> IpAddr {
        let bits = [0, 1, 0x7F, 0x80, 0xFF];
        let octet = |dice: &mut Self| bits[dice.roll(5) as usize];
        match self.roll(8) {
            0 => Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, octet(self).into()).into(),
            _ => Ipv4Addr::new(10, octet(self), octet(self), octet(self)).into(),
        }
    }

    fn net(&mut self) -> IpNet {
        let address = self.address();
        let bits = if address.is_ipv4() { 33 } else { 129 };
        IpNet::new(address, self.roll(bits) as u8).expect("a length that exists")
    }

    fn port(&mut self) -> u16 {
        [0, 1, 8, 79, 80, 81, 1023, 1024, 65_534, u16::MAX][self.roll(10) as usize]
    }

    fn ports(&mut self) -> PortRange {
        let (a, b) = (self.port(), self.port());
        PortRange {
            first: a.min(b),
            last: a.max(b),
        }
    }

    fn service(&mut self) -> Service {
        match self.roll(5) {
            0 => Service::Tcp(self.ports()),
            1 => Service::Udp(self.ports()),
            2 => Service::Icmp(None),
            3 => Service::Icmp(Some(self.roll(14) as u8)),
            _ => Service::Protocol([6, 17, 47, 50][self.roll(4) as usize]),
        }
    }

    fn rule(&mut self) -> Rule {
        Rule {
            name: String::new(),
            from: self.some(2, Self::place),
            to: self.some(2, Self::place),
            src: self.some(3, Self::net),
            dst: self.some(3, Self::net),
            service: self.some(3, Self::service),
            action: Action::Accept,
            log: false,
        }
    }

    fn key(&mut self) -> FlowKey {
        let protocol = [1, 6, 17, 47, 50][self.roll(5) as usize];
        FlowKey {
            src: Endpoint::new(self.address(), self.port()),
            dst: Endpoint::new(self.address(), self.port()),
            protocol: Protocol(protocol),
            side: self.side(),
        }
    }
}

#[test]
fn compiled_rules_decide_as_the_plain_reading_does() {
    let mut dice = Dice(7);
    let mut hits = 0;
    for _ in 0..300 {
        let rules: Vec<Rule> = (0..dice.roll(60)).map(|_| dice.rule()).collect();
        let compiled = Classifier::new(&rules);
        for _ in 0..200 {
            let (key, to) = (dice.key(), dice.side());
            let expected = plain(&rules, &key, to);
            assert_eq!(
                compiled.first_match(&key, to),
                expected,
                "{rules:?} {key:?} {to:?}"
            );
            hits += u32::from(expected.is_some());
        }
    }
    assert!(
        hits > 6_000,
        "the rules match often enough to mean something: {hits}"
    );
}

#[test]
fn many_overlapping_sets_are_looked_at_in_batches() {
    // Each rule has its own source and destination prefix, and all hold the packet's.
    let length = |index: u32| 31 - (index % 24) as u8;
    let net = |index: u32| {
        let ip = IpAddr::from(Ipv4Addr::new(10, 0, 0, 0));
        IpNet::new(ip, length(index))
            .expect("a length that exists")
            .trunc()
    };
    let rule = |index: u32| Rule {
        src: vec![net(index)],
        dst: vec![net(index / 24)],
        service: vec![Service::Tcp(PortRange {
            first: (index % 100) as u16,
            last: 1000,
        })],
        ..Dice(1).rule_for_all()
    };
    let rules: Vec<Rule> = (0..576).map(rule).collect();
    let compiled = Classifier::new(&rules);
    for port in [0, 50, 99, 1000, 1001] {
        let key = FlowKey {
            src: Endpoint::new(Ipv4Addr::new(10, 0, 0, 200), 1),
            dst: Endpoint::new(Ipv4Addr::new(10, 0, 1, 200), port),
            protocol: Protocol::TCP,
            side: Side::OWN,
        };
        assert_eq!(
            compiled.first_match(&key, Side::OWN),
            plain(&rules, &key, Side::OWN)
        );
    }
}

impl Dice {
    fn rule_for_all(&mut self) -> Rule {
        Rule {
            from: vec![],
            to: vec![],
            src: vec![],
            dst: vec![],
            service: vec![],
            ..self.rule()
        }
    }
}

#[test]
fn five_thousand_rules_are_compiled_and_each_is_found() {
    let rule = |index: u32| Rule {
        src: vec![IpNet::from(IpAddr::from(Ipv4Addr::from(
            0x0A00_0000 + index,
        )))],
        ..Dice(1).rule_for_all()
    };
    let rules: Vec<Rule> = (0..5_000).map(rule).collect();
    let compiled = Classifier::new(&rules);
    for index in 0..5_001u32 {
        let key = FlowKey {
            src: Endpoint::new(Ipv4Addr::from(0x0A00_0000 + index), 1),
            dst: Endpoint::new(Ipv4Addr::LOCALHOST, 1),
            protocol: Protocol::UDP,
            side: Side::OWN,
        };
        let expected = (index < 5_000).then_some(index as u16);
        assert_eq!(compiled.first_match(&key, Side::OWN), expected);
    }
}

#[test]
fn a_rule_whose_prefixes_hold_nothing_matches_nothing() {
    let rule = Rule {
        src: vec!["::ffff:10.0.0.0/104".parse().expect("a prefix")],
        ..Dice(1).rule_for_all()
    };
    let compiled = Classifier::new(&[rule]);
    let key = FlowKey {
        src: Endpoint::new(Ipv4Addr::new(10, 0, 0, 1), 1),
        dst: Endpoint::new(Ipv4Addr::LOCALHOST, 1),
        protocol: Protocol::UDP,
        side: Side::OWN,
    };
    assert_eq!(compiled.first_match(&key, Side::OWN), None);
}

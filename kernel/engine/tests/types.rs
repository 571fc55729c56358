//! What the engine's types must keep able to say: more than two zones, both
//! address families, and a policy that is replaced under living flows.

use std::net::{Ipv4Addr, Ipv6Addr};

use sekisho_config::model::{
    Action, Addressing, Alg, Answer, Card, Config, Limits, Nat, Place, PortRange, Preset, Rule,
    Service, TcpPickup, Timeouts, Zone,
};
use sekisho_engine::ZoneId;
use sekisho_engine::flow::{Direction, Flow};
use sekisho_engine::key::{Endpoint, FlowKey, Protocol, Side};
use sekisho_engine::policy::{Generation, Policy, RuleId};

fn zone_id(index: usize) -> ZoneId {
    ZoneId::new(index).expect("below eight")
}

fn zone(name: &str, slot: u8) -> Zone {
    Zone {
        name: name.into(),
        card: Card::Slot(slot),
        address: Addressing::Static {
            address: format!("10.{slot}.0.1/24").parse().expect("a prefix"),
            gateway: None,
        },
        mtu: 1500,
        allow_private_sources: false,
        answer: Answer::default(),
        dhcp: None,
    }
}

fn rule(name: &str, from: usize, to: usize, service: Service) -> Rule {
    Rule {
        name: name.into(),
        from: vec![Place::Zone(zone_id(from))],
        to: vec![Place::Zone(zone_id(to))],
        src: vec![],
        dst: vec![],
        service: vec![service],
        action: Action::Accept,
        log: false,
    }
}

/// Three zones: wan (0), dmz (1), lan (2).
fn three_zones(rules: Vec<Rule>) -> Config {
    Config {
        zones: vec![zone("wan", 0), zone("dmz", 1), zone("lan", 2)],
        rules,
        forwards: vec![],
        routes: vec![],
        nat: Nat {
            masquerade: vec![],
            preset: Preset::Rfc,
            one_to_one: vec![],
            behavior: Preset::Rfc.behavior(),
            port_overlapping: false,
        },
        alg: Alg::default(),
        tcp_pickup: TcpPickup::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    }
}

fn port(number: u16) -> PortRange {
    PortRange {
        first: number,
        last: number,
    }
}

fn lan_to_dmz_http() -> FlowKey {
    FlowKey {
        src: Endpoint::new(Ipv4Addr::new(10, 2, 0, 9), 40_000),
        dst: Endpoint::new(Ipv4Addr::new(10, 1, 0, 2), 80),
        protocol: Protocol::TCP,
        side: Side::zone(zone_id(2)),
    }
}

#[test]
fn three_zones_are_told_apart_by_rules_and_by_flow_keys() {
    let policy = Policy::new(
        &three_zones(vec![
            rule("web", 2, 1, Service::Tcp(port(80))),
            rule("out", 1, 0, Service::Tcp(port(80))),
        ]),
        Generation::default(),
    );
    let from_lan = lan_to_dmz_http();
    let (wan, dmz) = (Side::zone(zone_id(0)), Side::zone(zone_id(1)));

    let accepted = policy.decide(&from_lan, dmz);
    assert_eq!(
        (accepted.rule, accepted.action),
        (Some(RuleId(0)), Action::Accept)
    );
    assert_eq!(policy.decide(&from_lan, wan).rule, None);
    assert_eq!(policy.decide(&from_lan, Side::OWN).rule, None);

    let spoofed_on_wan = FlowKey {
        side: wan,
        ..from_lan
    };
    assert_ne!(from_lan, spoofed_on_wan);
    assert_eq!(policy.decide(&spoofed_on_wan, dmz).action, Action::Drop);

    let v6 = FlowKey {
        src: Endpoint::new(core::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 40_000),
        ..from_lan
    };
    assert_ne!(from_lan, v6);
    assert_eq!(v6.reversed(dmz).reversed(v6.side), v6);
}

#[test]
fn a_replaced_policy_can_look_at_each_flow_again() {
    let first = Policy::new(
        &three_zones(vec![rule("web", 2, 1, Service::Tcp(port(80)))]),
        Generation::default(),
    );
    let key = lan_to_dmz_http();
    let dmz = Side::zone(zone_id(1));
    let mut flow = Flow::new(key, key.reversed(dmz), first.generation(), None);

    let second = Policy::new(
        &three_zones(vec![rule(
            "web",
            2,
            1,
            Service::Tcp(PortRange {
                first: 80,
                last: 443,
            }),
        )]),
        first.generation().next(),
    );
    assert_ne!(flow.generation(), second.generation());
    let (_, _, leaves_by) = flow.rewritten(Direction::Original);
    assert_eq!(
        second
            .decide(flow.key(Direction::Original), leaves_by)
            .action,
        Action::Accept
    );
    flow.confirm(second.generation());
    assert_eq!(flow.generation(), second.generation());

    let third = Policy::new(&three_zones(vec![]), second.generation().next());
    assert_ne!(flow.generation(), third.generation());
    assert_eq!(
        third
            .decide(flow.key(Direction::Original), leaves_by)
            .action,
        Action::Drop
    );
}

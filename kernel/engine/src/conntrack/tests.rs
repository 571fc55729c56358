//! Flows, mappings and limits together, as the pipeline uses them.
//!
//! Zones: wan (0), dmz (1), lan (2); our address on the wan is 192.0.2.1.

use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use std::string::String;

use sekisho_config::model::{
    Addressing, Alg, Answer, Balance, Behavior, Card, Forward, Limits, Nat, PortRange, Preset,
    Server, Service, TcpPickup, Timeouts, Zone,
};

use super::kinds_tests::kinds;
use super::*;
use crate::key::Endpoint;
use crate::packet::{Flags, Fragment};
use crate::time::Tick;

pub(super) const OUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 80);
pub(super) const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

pub(super) fn zone_id(index: usize) -> ZoneId {
    ZoneId::new(index).expect("below eight")
}

pub(super) fn wan() -> Side {
    Side::zone(zone_id(0))
}

pub(super) fn dmz() -> Side {
    Side::zone(zone_id(1))
}

pub(super) fn zone(slot: u8) -> Zone {
    Zone {
        name: String::from("z"),
        card: Card::Slot(slot),
        address: Addressing::Dhcp,
        mtu: 1500,
        allow_private_sources: false,
        answer: Answer::default(),
        dhcp: None,
    }
}

pub(super) fn ports(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

pub(super) fn forward(service: Vec<Service>, to_port: Option<u16>) -> Forward {
    Forward {
        name: String::from("f"),
        from: zone_id(0),
        service,
        servers: vec![Server {
            address: SERVER,
            zone: zone_id(1),
            port: to_port,
        }],
        balance: Balance::RoundRobin,
        sources: vec![],
        log: false,
    }
}

pub(super) fn config() -> Config {
    Config {
        zones: vec![zone(0), zone(1), zone(2)],
        rules: vec![],
        forwards: vec![forward(vec![Service::Tcp(ports(80, 80))], None)],
        routes: vec![],
        nat: Nat {
            preset: Preset::Rfc,
            masquerade: vec![],
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

pub(super) fn conntrack(config: &Config, flows: usize) -> Conntrack {
    Conntrack::new(config, Sizing::for_flows(flows), [1, 2])
}

pub(super) fn tick(seconds: u64) -> Tick {
    let random = seconds.wrapping_add(99).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Tick {
        now: Instant::from_micros(seconds * 1_000_000),
        random,
    }
}

pub(super) fn packet(key: FlowKey, content: Content) -> Packet {
    Packet {
        key,
        network: 14,
        transport: 34,
        ip_len: 40,
        ttl: 64,
        fragment: Fragment {
            dont: true,
            more: false,
            offset: 0,
            id: 0,
        },
        content,
    }
}

pub(super) fn udp_key(side: Side, src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16)) -> FlowKey {
    FlowKey {
        src: Endpoint::new(src.0, src.1),
        dst: Endpoint::new(dst.0, dst.1),
        protocol: Protocol::UDP,
        side,
    }
}

pub(super) fn tcp(key: FlowKey, flags: Flags, seq: u32, ack: u32) -> Packet {
    let key = FlowKey {
        protocol: Protocol::TCP,
        ..key
    };
    let segment = Segment {
        seq,
        ack,
        window: 1000,
        flags,
        payload_len: 0,
        window_scale: None,
    };
    packet(key, Content::Tcp(segment))
}

const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);

/// A new flow outward, its source translated.
pub(super) fn outward(key: FlowKey) -> NewFlow {
    outward_as(key, Preset::Rfc.behavior())
}

/// The same by another kind of NAT.
pub(super) fn outward_as(key: FlowKey, behavior: Behavior) -> NewFlow {
    NewFlow {
        original: key,
        destination: key.dst,
        egress: wan(),
        source: Source::Masquerade {
            owner: zone_id(0),
            address: OUR.into(),
            behavior,
        },
        generation: Generation::default(),
        forward: None,
    }
}

/// A new flow inward, to where a forward or a mapping leads.
pub(super) fn inward(key: FlowKey, destination: Endpoint) -> NewFlow {
    NewFlow {
        original: key,
        destination,
        egress: dmz(),
        source: Source::Keep,
        generation: Generation::default(),
        forward: None,
    }
}

pub(super) fn udp_out(
    conntrack: &mut Conntrack,
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    at: u64,
) -> Result<FlowId, DropReason> {
    let key = udp_key(dmz(), from, to);
    conntrack.admit(&outward(key), &packet(key, Content::Udp), tick(at))
}

pub(super) fn outside_port(conntrack: &Conntrack, id: FlowId) -> u16 {
    conntrack.flow(id).key(Direction::Reply).dst.port
}

pub(super) fn expire_all(conntrack: &mut Conntrack, seconds: u64) {
    while conntrack.expire(tick(seconds).now) > 0 {}
}

#[track_caller]
pub(super) fn assert_nothing_left(conntrack: &Conntrack) {
    assert_eq!(conntrack.flows(), 0);
    assert_eq!(conntrack.mappings(), 0);
    assert_eq!(conntrack.leases(), 0);
    assert_eq!(conntrack.permits.len(), 0);
    assert_eq!(conntrack.timers.transient(), 0);
    assert!(conntrack.sources.is_empty());
    assert_eq!(conntrack.due(), None);
}

#[test]
fn a_flow_knows_the_whole_rewrite_of_both_directions() {
    let mut conntrack = conntrack(&config(), 16);
    let id = udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let answer = udp_key(wan(), (PEER, 53), (OUR, 40_000));
    assert_eq!(
        conntrack.lookup(&packet(answer, Content::Udp)),
        Some((id, Direction::Reply))
    );
    let (src, dst, side) = conntrack.flow(id).rewritten(Direction::Reply);
    assert_eq!(
        (src, dst),
        (Endpoint::new(PEER, 53), Endpoint::new(HOST, 40_000))
    );
    assert_eq!(side, dmz());
    let (src, _, side) = conntrack.flow(id).rewritten(Direction::Original);
    assert_eq!((src, side), (Endpoint::new(OUR, 40_000), wan()));
}

#[test]
fn rfc4787_req1_mapping_is_endpoint_independent() {
    let mut conntrack = conntrack(&config(), 16);
    let first = udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let second = udp_out(&mut conntrack, (HOST, 40_000), (STRANGER, 99), 0).expect("room");
    assert_eq!(
        outside_port(&conntrack, first),
        outside_port(&conntrack, second)
    );
    assert_eq!((conntrack.mappings(), conntrack.leases()), (1, 1));
}

#[test]
fn rfc4787_req3_no_two_inside_endpoints_share_a_port() {
    let mut conntrack = conntrack(&config(), 16);
    let first = udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let second = udp_out(&mut conntrack, (SERVER, 40_000), (PEER, 53), 0).expect("room");
    assert_ne!(
        outside_port(&conntrack, first),
        outside_port(&conntrack, second)
    );
}

#[test]
fn rfc4787_req8_a_peer_address_that_was_sent_to_may_send_from_any_port() {
    let mut conntrack = conntrack(&config(), 16);
    udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let from_peer = udp_key(wan(), (PEER, 5353), (OUR, 40_000));
    let from_stranger = udp_key(wan(), (STRANGER, 53), (OUR, 40_000));
    let inside = Endpoint::new(HOST, 40_000);
    assert_eq!(
        conntrack.inbound(wan(), &from_peer),
        Inbound::Admitted(inside)
    );
    assert_eq!(conntrack.inbound(wan(), &from_stranger), Inbound::Filtered);
    let elsewhere = udp_key(wan(), (PEER, 53), (OUR, 40_001));
    assert_eq!(conntrack.inbound(wan(), &elsewhere), Inbound::Unmapped);
}

#[test]
fn a_flow_that_came_in_by_a_mapping_keeps_the_mapping() {
    let mut conntrack = conntrack(&config(), 16);
    let outbound = udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let key = udp_key(wan(), (PEER, 5353), (OUR, 40_000));
    let new = inward(key, Endpoint::new(HOST, 40_000));
    let invited = conntrack
        .admit(&new, &packet(key, Content::Udp), tick(1))
        .expect("room");
    conntrack.revoke(outbound);
    assert_eq!((conntrack.mappings(), conntrack.leases()), (1, 1));
    // What came in by itself admits nobody else.
    let third = udp_key(wan(), (PEER, 99), (OUR, 40_000));
    assert_eq!(conntrack.inbound(wan(), &third), Inbound::Filtered);
    conntrack.revoke(invited);
    assert_nothing_left(&conntrack);
}

#[test]
fn attack_port_shadowing_reserved_ports_are_never_leased() {
    let mut conntrack = conntrack(&config(), 16);
    let key = FlowKey {
        protocol: Protocol::TCP,
        ..udp_key(dmz(), (HOST, 80), (PEER, 4000))
    };
    let id = conntrack
        .admit(&outward(key), &tcp(key, Flags::SYN, 1, 0), tick(0))
        .expect("room");
    assert_ne!(outside_port(&conntrack, id), 80);
    for port in [67, 68] {
        let id = udp_out(&mut conntrack, (HOST, port), (PEER, 4000), 0).expect("room");
        assert_ne!(outside_port(&conntrack, id), port);
    }
}

#[test]
fn our_own_service_keeps_the_port_that_is_reserved_for_it() {
    let mut conntrack = conntrack(&config(), 16);
    let key = udp_key(Side::OWN, (OUR, 68), (PEER, 67));
    let id = conntrack
        .admit(&outward(key), &packet(key, Content::Udp), tick(0))
        .expect("room");
    assert_eq!(outside_port(&conntrack, id), 68);
    conntrack.revoke(id);
    assert_nothing_left(&conntrack);
}

#[test]
fn rfc5508_req2_icmp_queries_have_leases_and_sixty_seconds() {
    let mut conntrack = conntrack(&config(), 16);
    let key = |host| FlowKey {
        src: Endpoint::new(host, 7),
        dst: Endpoint::new(PEER, 8),
        protocol: Protocol::ICMP,
        side: dmz(),
    };
    let ids = [HOST, SERVER].map(|host| {
        let query = packet(key(host), Content::IcmpQuery);
        conntrack
            .admit(&outward(key(host)), &query, tick(0))
            .expect("room")
    });
    let [first, second] = ids.map(|id| conntrack.flow(id).key(Direction::Reply).dst.port);
    assert_eq!(first, 7);
    assert_ne!(first, second);
    expire_all(&mut conntrack, 59);
    assert_eq!(conntrack.flows(), 2);
    expire_all(&mut conntrack, 63);
    assert_nothing_left(&conntrack);
}

#[test]
fn an_icmp_reply_that_nobody_asked_for_begins_no_flow() {
    let mut conntrack = conntrack(&config(), 16);
    let key = FlowKey {
        src: Endpoint::new(PEER, 8),
        dst: Endpoint::new(OUR, 4242),
        protocol: Protocol::ICMP,
        side: wan(),
    };
    let reply = packet(key, Content::IcmpQuery);
    assert_eq!(
        conntrack.admit(&inward(key, key.dst), &reply, tick(0)),
        Err(DropReason::IcmpUnrelated)
    );
    assert_eq!(conntrack.inbound(wan(), &key), Inbound::Unmapped);
}

#[test]
fn other_protocols_are_told_apart_by_addresses_only() {
    let mut conntrack = conntrack(&config(), 16);
    let key = |host| FlowKey {
        protocol: Protocol(47),
        ..udp_key(dmz(), (host, 0), (PEER, 0))
    };
    let gre = |host| packet(key(host), Content::Other);
    let id = conntrack
        .admit(&outward(key(HOST)), &gre(HOST), tick(0))
        .expect("room");
    assert_eq!(
        conntrack.admit(&outward(key(SERVER)), &gre(SERVER), tick(0)),
        Err(DropReason::FlowClash)
    );
    conntrack.revoke(id);
    assert_nothing_left(&conntrack);
}

#[test]
fn the_pieces_of_a_tcp_segment_can_be_acknowledged_as_one() {
    let mut conntrack = conntrack(&config(), 16);
    let id = syn_to_forward(&mut conntrack, (PEER, 1), 100, 0).expect("room");
    establish(&mut conntrack, id, 0);
    let (original, reply) = (
        *conntrack.flow(id).key(Direction::Original),
        *conntrack.flow(id).key(Direction::Reply),
    );
    let mut head = tcp(original, Flags::ACK, 101, 501);
    head.fragment.more = true;
    // The first piece is described with the payload of the whole segment.
    if let Content::Tcp(segment) = &mut head.content {
        segment.payload_len = 900;
    }
    let mut piece = packet(original, Content::Piece);
    piece.fragment.offset = 40;
    let ack = tcp(reply, Flags::ACK, 501, 101 + 900);
    let now = tick(1).now;
    for (from, packet) in [
        (Direction::Original, &head),
        (Direction::Original, &piece),
        (Direction::Reply, &ack),
    ] {
        assert_eq!(conntrack.observe(id, from, packet, now), Ok(()));
    }
    let too_much = tcp(reply, Flags::ACK, 501, 101 + 901);
    assert_eq!(
        conntrack.observe(id, Direction::Reply, &too_much, now),
        Err(DropReason::TcpWindow)
    );
}

pub(super) fn syn_to_forward(
    conntrack: &mut Conntrack,
    from: (Ipv4Addr, u16),
    seq: u32,
    at: u64,
) -> Option<FlowId> {
    let key = FlowKey {
        protocol: Protocol::TCP,
        ..udp_key(wan(), from, (OUR, 80))
    };
    let found = conntrack.forward(zone_id(0), &key)?;
    let syn = tcp(key, Flags::SYN, seq, 0);
    conntrack
        .admit(&inward(key, found.inside), &syn, tick(at))
        .ok()
}

pub(super) fn establish(conntrack: &mut Conntrack, id: FlowId, at: u64) {
    let (original, reply) = (
        *conntrack.flow(id).key(Direction::Original),
        *conntrack.flow(id).key(Direction::Reply),
    );
    let answer = tcp(reply, SYN_ACK, 500, 101);
    let ack = tcp(original, Flags::ACK, 101, 501);
    let now = tick(at).now;
    assert_eq!(
        conntrack.observe(id, Direction::Reply, &answer, now),
        Ok(())
    );
    assert_eq!(
        conntrack.observe(id, Direction::Original, &ack, now),
        Ok(())
    );
}

#[test]
fn an_address_that_is_lost_takes_its_mappings_and_forwarded_flows_with_it() {
    let mut conntrack = conntrack(&config(), 16);
    udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    syn_to_forward(&mut conntrack, (PEER, 1), 100, 0).expect("room");
    let routed = udp_key(dmz(), (HOST, 1), (Ipv4Addr::new(10, 2, 0, 9), 1));
    let new = NewFlow {
        source: Source::Keep,
        egress: Side::zone(zone_id(2)),
        ..outward(routed)
    };
    let stays = conntrack
        .admit(&new, &packet(routed, Content::Udp), tick(0))
        .expect("room");
    conntrack.forget_address(OUR.into());
    assert_eq!((conntrack.flows(), conntrack.mappings()), (1, 0));
    assert_eq!(conntrack.find(&routed), Some((stays, Direction::Original)));
}

#[test]
fn forwards_map_ranges_one_to_one_and_look_at_sources() {
    let mut config = config();
    let other = Ipv4Addr::new(10, 1, 0, 81);
    config.forwards = vec![
        Forward {
            sources: vec!["198.51.100.0/24".parse().expect("a prefix")],
            servers: vec![Server {
                address: other,
                zone: zone_id(1),
                port: Some(22),
            }],
            ..forward(vec![Service::Tcp(ports(2050, 2050))], None)
        },
        forward(
            vec![
                Service::Tcp(ports(2000, 2099)),
                Service::Udp(ports(7000, 7000)),
            ],
            Some(3000),
        ),
    ];
    let conntrack = conntrack(&config, 16);
    let find = |from, protocol, port| {
        let key = FlowKey {
            protocol,
            ..udp_key(wan(), (from, 5), (OUR, port))
        };
        conntrack.forward(zone_id(0), &key).map(|f| f.inside)
    };
    let server = |port| Some(Endpoint::new(SERVER, port));
    assert_eq!(find(PEER, Protocol::TCP, 2000), server(3000));
    assert_eq!(find(PEER, Protocol::TCP, 2099), server(3099));
    assert_eq!(find(STRANGER, Protocol::TCP, 2050), server(3050));
    assert_eq!(
        find(PEER, Protocol::TCP, 2050),
        Some(Endpoint::new(other, 22))
    );
    assert_eq!(find(PEER, Protocol::UDP, 7000), server(3000));
    for (protocol, port) in [
        (Protocol::TCP, 1999),
        (Protocol::TCP, 2100),
        (Protocol::UDP, 2000),
        (Protocol::TCP, 7000),
        (Protocol::ICMP, 2000),
    ] {
        assert_eq!(find(PEER, protocol, port), None);
    }
    let elsewhere = udp_key(dmz(), (HOST, 5), (OUR, 7000));
    assert_eq!(conntrack.forward(zone_id(1), &elsewhere), None);
}

#[test]
fn rfc4787_req9_a_hairpin_within_a_zone_has_the_outside_endpoint_as_source() {
    let mut conntrack = conntrack(&config(), 16);
    udp_out(&mut conntrack, (SERVER, 6000), (PEER, 53), 0).expect("room");
    let hairpin = udp_key(dmz(), (HOST, 40_000), (OUR, 6000));
    assert_eq!(
        conntrack.inbound(wan(), &hairpin),
        Inbound::Admitted(Endpoint::new(SERVER, 6000))
    );
    let new = NewFlow {
        destination: Endpoint::new(SERVER, 6000),
        egress: dmz(),
        ..outward(hairpin)
    };
    let id = conntrack
        .admit(&new, &packet(hairpin, Content::Udp), tick(0))
        .expect("room");
    let (src, dst, side) = conntrack.flow(id).rewritten(Direction::Original);
    assert_eq!(src, Endpoint::new(OUR, 40_000));
    assert_eq!((dst, side), (Endpoint::new(SERVER, 6000), dmz()));
    let answer = udp_key(dmz(), (SERVER, 6000), (OUR, 40_000));
    assert_eq!(conntrack.find(&answer), Some((id, Direction::Reply)));
}

#[test]
fn a_hairpin_from_another_zone_is_filtered_like_a_strangers_packet() {
    let mut conntrack = conntrack(&config(), 16);
    udp_out(&mut conntrack, (SERVER, 6000), (PEER, 53), 0).expect("room");
    let lan = Side::zone(zone_id(2));
    let hairpin = udp_key(lan, (Ipv4Addr::new(10, 2, 0, 9), 40_000), (OUR, 6000));
    assert_eq!(conntrack.inbound(wan(), &hairpin), Inbound::Filtered);
}

#[test]
fn rules_see_the_inside_address_of_an_invited_flow() {
    let mut conntrack = conntrack(&config(), 16);
    let id = syn_to_forward(&mut conntrack, (PEER, 1), 100, 0).expect("room");
    let (key, to) = conntrack.flow(id).as_filtered();
    assert_eq!(key.dst, Endpoint::new(SERVER, 80));
    assert_eq!((key.src, to), (Endpoint::new(PEER, 1), dmz()));
    assert!(conntrack.is_invited(id));
}

/// Random events and jumps of time; afterwards everything must be as at the start.
#[test]
fn whatever_happens_every_flow_lease_and_permit_comes_back() {
    for seed in 0..48u64 {
        // Every kind of NAT has its seeds.
        let kinds: Vec<Behavior> = kinds().collect();
        let behavior = kinds[seed as usize % kinds.len()];
        let mut config = config();
        config.nat.port_overlapping = seed % 4 == 3;
        let overlapping = config.nat.port_overlapping;
        let mut conntrack = conntrack(&config, 64);
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut seconds = 0;
        for _ in 0..4_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let dice = (random >> 33) as u32;
            let host = Ipv4Addr::new(10, 1, 0, (dice % 5) as u8);
            let peer = Ipv4Addr::new(198, 51, 100, (dice >> 4) as u8 % 4);
            let port = (dice >> 8) as u16 % 7 + 40_000;
            let key = udp_key(dmz(), (host, port), (peer, 53));
            match dice >> 16 & 7 {
                0 => seconds += u64::from(dice >> 20 & 63),
                1 => {
                    let _ = syn_to_forward(&mut conntrack, (peer, port), dice, seconds);
                }
                2 => {
                    let key = udp_key(wan(), (peer, port), (OUR, port));
                    if let Inbound::Admitted(inside) = conntrack.inbound(wan(), &key) {
                        let new = inward(key, inside);
                        let _ = conntrack.admit(&new, &packet(key, Content::Udp), tick(seconds));
                    }
                }
                3 => {
                    if let Some((id, direction)) = conntrack.find(&key) {
                        let reply = *conntrack.flow(id).key(direction.opposite());
                        let packet = packet(reply, Content::Udp);
                        let now = tick(seconds).now;
                        let _ = conntrack.observe(id, direction.opposite(), &packet, now);
                    }
                }
                4 if dice >> 20 & 15 == 0 => conntrack.forget_address(OUR.into()),
                4 => {
                    if let Some((id, _)) = conntrack.find(&key) {
                        conntrack.revoke(id);
                    }
                }
                5 => {
                    conntrack.expire(tick(seconds).now);
                }
                _ => {
                    let packet = packet(key, Content::Udp);
                    if conntrack.lookup(&packet).is_none() {
                        let _ = conntrack.admit(&outward_as(key, behavior), &packet, tick(seconds));
                    }
                }
            }
            assert!(conntrack.mappings() <= conntrack.flows());
            assert!(!overlapping || conntrack.mappings() == 0);
            assert_eq!(conntrack.mappings(), conntrack.leases() as usize);
        }
        expire_all(&mut conntrack, seconds + 1_000_000);
        assert_nothing_left(&conntrack);
    }
}

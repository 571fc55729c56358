//! ICMP errors about flows: whom they reach, how they look there, and which are lies.

use std::time::Duration;

use etherparse::{Icmpv4Type, IpFragOffset};
use sekisho_engine::DropReason::{self, IcmpUnrelated};

use crate::support::ip::{Ip, error, host, icmp, ping, syn, tcp, udp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{End, World, dmz, lan, wan};

const ROUTER: &str = "192.0.2.1";
const OUTSIDE: &str = "203.0.113.1";
const UNREACHABLE: [u8; 2] = [3, 1];

/// A packet to 192.0.2.9 as it was inside, and as it is seen outside, a few hops further.
fn sent_out(world: &mut World, inside: &Ip) -> (Ip, Ip) {
    let outside = world.pass(dmz(), inside).packet.ttl(9);
    (inside.clone().ttl(9), outside)
}

#[test]
fn rfc5508_req4_an_error_from_outside_is_translated_outside_and_in() {
    let packets = [
        udp("10.99.0.2:40000", "192.0.2.9:53", b"a question"),
        syn("10.99.0.2:40000", "192.0.2.9:80"),
        ping("10.99.0.2", "192.0.2.9", 40000),
    ];
    for packet in packets {
        for quoted in [28, 33, 200] {
            let mut world = masquerading();
            // Its port, or identifier, is another's already.
            for other in [
                udp("10.98.0.7:40000", "192.0.2.77:53", b""),
                syn("10.98.0.7:40000", "192.0.2.77:80"),
                ping("10.98.0.7", "192.0.2.77", 40000),
            ] {
                world.pass(lan(), &other);
            }
            let (inside, outside) = sent_out(&mut world, &packet);
            assert_ne!(outside.body[..6], inside.body[..6]);
            let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside, quoted);
            let sent = world.pass(wan(), &report);
            let expected = error(ROUTER, "10.99.0.2", UNREACHABLE, &inside, quoted);
            assert_eq!(
                (sent.zone, sent.packet),
                (dmz(), expected.hop()),
                "{quoted}"
            );
        }
    }
}

const FORWARD: &str =
    r#"forward = [{ name = "dns", from = "wan", service = "udp/5300", to = "10.99.0.2:53" }]"#;

#[test]
fn rfc5508_req5_an_error_from_inside_shows_nothing_of_the_inside() {
    let mut world = World::new(&three_zones(
        FORWARD,
        "[nat]\nmasquerade = [{ from = \"dmz\", to = \"wan\" }]",
    ));
    let question = udp("192.0.2.9:1000", "203.0.113.1:5300", b"?");
    let inside = world.pass(wan(), &question).packet;
    // From the server itself, and from a router before it, whose address is hidden too.
    for reporter in ["10.99.0.2", "10.99.0.254"] {
        let report = error(reporter, "192.0.2.9", [3, 3], &inside, 29);
        let sent = world.pass(dmz(), &report);
        let expected = error(OUTSIDE, "192.0.2.9", [3, 3], &question.clone().hop(), 29);
        assert_eq!(
            (sent.zone, sent.packet),
            (wan(), expected.hop()),
            "{reporter}"
        );
    }
}

#[test]
fn without_translation_an_error_passes_as_it_is_both_ways() {
    let mut world = routing();
    let there = udp("10.99.0.2:4000", "10.98.0.3:53", b"?");
    let back = udp("10.98.0.3:53", "10.99.0.2:4000", b"!");
    world.pass(dmz(), &there);
    world.pass(lan(), &back);
    let report = error("10.98.0.3", "10.99.0.2", UNREACHABLE, &there, 28);
    assert_eq!(world.pass(lan(), &report).packet, report.hop());
    let report = error("10.99.0.2", "10.98.0.3", [3, 3], &back, 28);
    assert_eq!(world.pass(dmz(), &report).packet, report.hop());
}

#[test]
fn rfc5508_req4_errors_that_belong_to_no_flow_are_dropped() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let (inside, outside) = sent_out(&mut world, &packet);
    let other_port = udp("203.0.113.1:40000", "192.0.2.9:54", b"?");
    let other_peer = udp("203.0.113.1:40000", "192.0.2.8:53", b"?");
    let backwards = udp("192.0.2.9:53", "203.0.113.1:40000", b"!");
    for about in [other_port, other_peer, backwards, inside] {
        let report = error(ROUTER, OUTSIDE, UNREACHABLE, &about, 28);
        assert_eq!(world.refuse(wan(), &report), IcmpUnrelated, "{about:?}");
    }
    // By another card it is nobody's.
    let spoofed = error("10.98.0.3", OUTSIDE, UNREACHABLE, &outside, 28);
    assert_eq!(world.refuse(lan(), &spoofed), IcmpUnrelated);
}

#[test]
fn an_error_goes_to_the_sender_of_what_it_quotes_or_nowhere() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let (_, outside) = sent_out(&mut world, &packet);
    for to in ["10.99.0.2", "10.99.0.7", "198.51.100.7"] {
        let report = error(ROUTER, to, UNREACHABLE, &outside, 28);
        assert_eq!(world.refuse(wan(), &report), IcmpUnrelated, "{to}");
    }
}

#[test]
fn a_reporter_that_cannot_be_where_it_says_is_not_believed() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let (_, outside) = sent_out(&mut world, &packet);
    for (reporter, reason) in [
        ("127.0.0.1", DropReason::MartianSource),
        ("224.0.0.1", DropReason::MartianSource),
        ("10.99.0.255", DropReason::MartianSource),
        ("10.99.0.1", DropReason::OwnSource),
        ("10.99.0.7", DropReason::ReversePath),
        ("10.98.0.7", DropReason::ReversePath),
    ] {
        let report = error(reporter, OUTSIDE, UNREACHABLE, &outside, 28);
        assert_eq!(world.refuse(wan(), &report), reason, "{reporter}");
    }
    // A provider's routers often have private addresses; path MTU discovery needs them.
    let report = error("172.16.0.1", OUTSIDE, [11, 0], &outside, 28);
    assert_eq!(world.pass(wan(), &report).zone, dmz());
}

#[test]
fn what_quotes_too_little_or_a_later_piece_is_dropped() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let (_, outside) = sent_out(&mut world, &packet);
    for quoted in 0..28 {
        let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside, quoted);
        assert_eq!(
            world.refuse(wan(), &report),
            IcmpUnrelated,
            "{quoted} bytes"
        );
    }
    // What stands in a later piece is no header, even if it looks like the flow's.
    let mut later = outside.clone();
    later.header.fragment_offset = IpFragOffset::try_new(1).expect("13 bits");
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &later.sealed(), 28);
    assert_eq!(world.refuse(wan(), &report), IcmpUnrelated);
}

#[test]
fn attack_blind_icmp_errors_are_seen_through() {
    let mut world = masquerading();
    let first = syn("10.99.0.2:40000", "192.0.2.9:80");
    let (_, outside) = sent_out(&mut world, &first);
    let quoting = |seq: u32| {
        tcp("203.0.113.1:40000", "192.0.2.9:80", b"", |header| {
            (header.syn, header.sequence_number) = (true, seq);
        })
    };
    for seq in [0, 999, 1002, 0x8000_0000] {
        let report = error(ROUTER, OUTSIDE, UNREACHABLE, &quoting(seq), 28);
        assert_eq!(world.refuse(wan(), &report), IcmpUnrelated, "{seq}");
    }
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside, 28);
    assert_eq!(world.pass(wan(), &report).zone, dmz());

    // Source quench (RFC 6633), and kinds that are no errors about packets.
    let report = error(ROUTER, OUTSIDE, [4, 0], &outside, 28);
    assert_eq!(world.refuse(wan(), &report), IcmpUnrelated);
    let redirect = error(ROUTER, OUTSIDE, [5, 1], &outside, 28);
    assert_eq!(world.refuse(wan(), &redirect), DropReason::IcmpType);
}

#[test]
fn rfc1191_a_claimed_mtu_must_be_possible() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", &[7; 972]).dont_fragment();
    let (_, outside) = sent_out(&mut world, &packet);
    for (mtu, believed) in [
        (0u16, false),
        (67, false),
        (68, true),
        (999, true),
        (1000, false),
        (1500, false),
    ] {
        let mut quote = outside.bytes();
        quote.truncate(28);
        let [high, low] = mtu.to_be_bytes();
        let needed = Icmpv4Type::Unknown {
            type_u8: 3,
            code_u8: 4,
            bytes5to8: [0, 0, high, low],
        };
        let report = icmp(ROUTER, OUTSIDE, needed, &quote);
        if believed {
            assert_eq!(
                world.pass(wan(), &report).packet.body[4..8],
                [0, 0, high, low]
            );
        } else {
            assert_eq!(world.refuse(wan(), &report), IcmpUnrelated, "{mtu}");
        }
    }
}

#[test]
fn rfc5508_req6_an_error_neither_ends_a_flow_nor_keeps_it_alive() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let (_, outside) = sent_out(&mut world, &packet);
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside, 28);
    for _ in 0..5 {
        world.pass(wan(), &report);
        world.pass_time(Duration::from_secs(55));
    }
    assert_eq!(world.engine.conntrack().flows(), 1);
    world.pass_time(Duration::from_secs(60));
    assert_eq!(world.refuse(wan(), &report), IcmpUnrelated);
}

#[test]
fn an_error_waits_for_its_receivers_neighbour_like_any_packet() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let (inside, outside) = sent_out(&mut world, &packet);
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside, 28);
    let expected = error(ROUTER, "10.99.0.2", UNREACHABLE, &inside, 28);
    assert_eq!(
        world.pass(wan(), &report).packet,
        expected.hop(),
        "the first of all to that host"
    );
    assert_eq!(world.ends(), [End::Held, End::Absorbed, End::Forwarded]);
}

#[test]
fn rfc1812_s4_3_2_8_our_own_errors_are_limited_and_never_about_errors() {
    let limits = "[limits]\nicmp_errors_per_second = 5";
    let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
    let mut world = World::new(&three_zones(rule, limits));
    let late = udp("10.99.0.2:4000", "10.98.0.3:53", b"?").ttl(1);
    for _ in 0..3 {
        let told = (0..20)
            .filter(|_| !world.send(dmz(), &late).is_empty())
            .count();
        assert_eq!(told, 5);
        world.pass_time(Duration::from_secs(1));
    }

    let mut world = routing();
    let packet = udp("10.99.0.2:4000", "10.98.0.3:53", b"?");
    world.pass(dmz(), &packet);
    let report = error("10.98.0.3", "10.99.0.2", UNREACHABLE, &packet, 28).ttl(1);
    assert_eq!(world.refuse(lan(), &report), DropReason::TtlExceeded);
}

#[test]
fn an_unreachable_neighbour_is_reported_inside() {
    let mut world = routing();
    world.silent.insert(host("10.98.0.3"));
    let packet = udp("10.99.0.2:4000", "10.98.0.3:53", b"?");
    assert_eq!(world.send(dmz(), &packet), []);
    let told = world.pass_time(Duration::from_secs(5));
    let expected = error("10.99.0.1", "10.99.0.2", UNREACHABLE, &packet, 600);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].zone, &told[0].packet.body),
        (dmz(), &expected.body)
    );
    assert_eq!(world.dropped(), DropReason::NeighborUnreachable);
}

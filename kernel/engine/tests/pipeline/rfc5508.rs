//! RFC 5508: what is asked of a NAT for ICMP, as far as no other module shows it.

use std::time::Duration;

use etherparse::Icmpv4Type;
use sekisho_engine::DropReason::{self, IcmpUnrelated};

use crate::support::ip::{Ip, error, icmp, kind_of, ping, pong, quote_of, syn, udp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{World, dmz, lan, wan};

const ROUTER: &str = "192.0.2.1";
const OUTSIDE: &str = "203.0.113.1";
const UNREACHABLE: [u8; 2] = [3, 1];

/// A masqueraded datagram as it was inside, and as it is seen outside.
fn question(world: &mut World) -> (Ip, Ip) {
    let inside = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let outside = world.pass(dmz(), &inside).packet;
    (inside.hop(), outside)
}

#[test]
fn rfc5508_req1a_the_identifier_does_not_depend_on_whom_it_is_for() {
    let mut world = masquerading();
    world.pass(lan(), &ping("10.98.0.9", "192.0.2.1", 7));
    let first = world.pass(dmz(), &ping("10.99.0.2", "192.0.2.9", 7)).packet;
    let id = |packet: &Ip| u16::from_be_bytes([packet.body[4], packet.body[5]]);
    assert_ne!(id(&first), 7, "it is another's already");
    for to in ["192.0.2.10", "198.51.100.4", "203.0.113.77"] {
        let sent = world.pass(dmz(), &ping("10.99.0.2", to, 7)).packet;
        assert_eq!(id(&sent), id(&first), "{to}");
        let back = world.pass(wan(), &pong(to, OUTSIDE, id(&first))).packet;
        assert_eq!(back, pong(to, "10.99.0.2", 7).hop());
    }
}

#[test]
fn rfc5508_req3_an_error_with_a_wrong_checksum_is_dropped() {
    let mut world = masquerading();
    let (_, outside) = question(&mut world);
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside, 28);
    for at in [1, 5, 20, 35] {
        let spoiled = report.clone().spoiled(at);
        assert_eq!(world.refuse(wan(), &spoiled), DropReason::IcmpChecksum);
    }
    assert_eq!(world.pass(wan(), &report).zone, dmz());
}

#[test]
fn rfc5508_req3a_a_quote_with_a_wrong_header_checksum_is_dropped() {
    let mut world = masquerading();
    let (_, mut outside) = question(&mut world);
    outside.header.header_checksum ^= 1;
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside, 28);
    assert_eq!(world.refuse(wan(), &report), IcmpUnrelated);
}

#[test]
fn rfc5508_req3b_options_in_the_quoted_header_are_stepped_over() {
    let mut world = masquerading();
    let (inside, outside) = question(&mut world);
    let with_options = |mut packet: Ip| {
        // A router on the way may have filled in a record route (RFC 791 section 3.1).
        packet.header.options = [7, 7, 4, 192, 0, 2, 1, 0].into();
        packet.sealed()
    };
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &with_options(outside), 36);
    let expected = error(ROUTER, "10.99.0.2", UNREACHABLE, &with_options(inside), 36);
    assert_eq!(world.pass(wan(), &report).packet, expected.hop());
}

#[test]
fn rfc5508_req3c_a_wrong_transport_checksum_in_the_quote_stays_wrong() {
    let mut world = masquerading();
    let (inside, outside) = question(&mut world);
    let report = error(ROUTER, OUTSIDE, UNREACHABLE, &outside.spoiled(5), 28);
    let expected = error(ROUTER, "10.99.0.2", UNREACHABLE, &inside.spoiled(5), 28);
    assert_eq!(world.pass(wan(), &report).packet, expected.hop());
}

#[test]
fn rfc5508_req3d_extensions_of_rfc4884_pass_untouched() {
    let mut world = masquerading();
    let (inside, outside) = question(&mut world);
    let report = |about: &Ip, to: &str| {
        // The quote, filled up to 128 bytes, then an MPLS label stack with its own checksum.
        let mut quote = about.bytes();
        quote.resize(128, 0);
        quote.extend([0x20, 0, 0xf1, 0x5e, 0, 8, 1, 1, 0x00, 0x01, 0x01, 0xff]);
        let exceeded = Icmpv4Type::Unknown {
            type_u8: 11,
            code_u8: 0,
            bytes5to8: [0, 32, 0, 0],
        };
        icmp(ROUTER, to, exceeded, &quote)
    };
    let sent = world.pass(wan(), &report(&outside, OUTSIDE)).packet;
    assert_eq!(sent, report(&inside, "10.99.0.2").hop());
}

#[test]
fn rfc5508_req7_an_error_about_a_hairpinned_packet_is_translated() {
    let mut world = masquerading();
    world.pass(dmz(), &udp("10.99.0.3:5000", "192.0.2.9:53", b"register"));
    let there = udp("10.99.0.2:4000", "203.0.113.1:5000", b"hello");
    let arrived = world.pass(dmz(), &there).packet;
    // The receiver has closed its port meanwhile.
    let report = error("10.99.0.3", OUTSIDE, [3, 3], &arrived, 28);
    let sent = world.pass(dmz(), &report);
    let expected = error(OUTSIDE, "10.99.0.2", [3, 3], &there.hop(), 28);
    assert_eq!((sent.zone, sent.packet), (dmz(), expected.hop()));
}

#[test]
fn rfc5508_req7_a_query_between_one_to_one_addresses_is_hairpinned() {
    let text = three_zones(
        r#"rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]"#,
        r#"[nat]
        one_to_one = [
            { inside = "10.99.0.2", outside = "203.0.113.2", to = "wan" },
            { inside = "10.99.0.3", outside = "203.0.113.3", to = "wan" },
        ]"#,
    );
    let mut world = World::new(&text);
    let sent = world.pass(dmz(), &ping("10.99.0.2", "203.0.113.3", 7));
    let arrives = ping("203.0.113.2", "10.99.0.3", 7).hop();
    assert_eq!((sent.zone, sent.packet), (dmz(), arrives));
    let sent = world.pass(dmz(), &pong("10.99.0.3", "203.0.113.2", 7));
    let arrives = pong("203.0.113.3", "10.99.0.2", 7).hop();
    assert_eq!((sent.zone, sent.packet), (dmz(), arrives));
}

#[test]
fn rfc5508_req8_who_cannot_have_a_flow_hears_that_it_is_prohibited() {
    let text = three_zones(
        r#"rule = [
            { name = "no", from = "lan", dst = "192.0.2.66", action = "reject" },
            { name = "out", from = ["lan", "dmz"], to = "wan", action = "accept" },
        ]"#,
        r#"[nat]
        masquerade = [{ from = "lan", to = "wan" }]
        [limits]
        flows = 64
        flows_per_source = 2"#,
    );
    let mut world = World::new(&text);
    let (reason, report) = world.told(lan(), &ping("10.98.0.2", "192.0.2.66", 1));
    assert_eq!(
        (reason, kind_of(&report)),
        (DropReason::PolicyRule, [3, 13])
    );

    for id in [1, 2] {
        world.pass(lan(), &ping("10.98.0.2", "192.0.2.9", id));
    }
    let third = ping("10.98.0.2", "192.0.2.9", 3);
    let (reason, report) = world.told(lan(), &third);
    assert_eq!(
        (reason, kind_of(&report)),
        (DropReason::SourceLimit, [3, 13])
    );
    assert_eq!(quote_of(&report).0, third.header);
}

#[test]
fn rfc5508_req9_errors_can_be_switched_off_zone_by_zone() {
    let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
    let text = three_zones(rule, "").replace("10.98.0.1/24\"", "10.98.0.1/24\"\nanswer = []");
    let mut world = World::new(&text);
    let late = |src: &str| udp(src, "192.0.2.9:53", b"").ttl(1);
    let (_, report) = world.told(dmz(), &late("10.99.0.2:5"));
    assert_eq!(kind_of(&report), [11, 0]);
    let muted = world.refuse(lan(), &late("10.98.0.2:5"));
    assert_eq!(muted, DropReason::TtlExceeded);
}

#[test]
fn rfc5508_req10_unreachable_time_exceeded_and_echo_work() {
    let mut world = masquerading();
    let echo = ping("10.99.0.2", "192.0.2.9", 7);
    let outside = world.pass(dmz(), &echo).packet;
    assert_eq!(
        world.pass(wan(), &pong("192.0.2.9", OUTSIDE, 7)).zone,
        dmz()
    );
    for kind in [[3, 0], [3, 1], [3, 3], [11, 0], [11, 1]] {
        let report = error(ROUTER, OUTSIDE, kind, &outside, 28);
        let sent = world.pass(wan(), &report).packet;
        let expected = error(ROUTER, "10.99.0.2", kind, &echo.clone().hop(), 28);
        assert_eq!(sent, expected.hop());
    }
    // Ours too: to the box, and from it.
    assert_eq!(
        world.pass(dmz(), &ping("10.99.0.2", "10.99.0.1", 1)).zone,
        dmz()
    );
    let (_, report) = world.told(dmz(), &syn("10.99.0.2:1", "192.0.2.9:2").ttl(1));
    assert_eq!(kind_of(&report), [11, 0]);
    let mut silent = routing();
    silent
        .silent
        .insert("10.98.0.3".parse().expect("an address"));
    assert_eq!(silent.send(dmz(), &ping("10.99.0.2", "10.98.0.3", 1)), []);
    let told = silent.pass_time(Duration::from_secs(5));
    assert_eq!(kind_of(&told[0].packet), [3, 1]);
}

//! Translation: masquerading, mappings and who may use them, forwards, hairpins.

use std::time::Duration;

use etherparse::IpNumber;
use sekisho_engine::DropReason;

use crate::support::ip::{Ip, host, ping, pong, syn, tcp, udp};
use crate::support::setup::{masquerading, three_zones};
use crate::support::world::{World, dmz, lan, wan};

const OUTSIDE: &str = "203.0.113.1";

fn outside(port: u16) -> String {
    format!("{OUTSIDE}:{port}")
}

const OUT: &str = r#"rule = [
    { name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" },
]"#;
const MASQUERADE: &str =
    r#"masquerade = [{ from = "dmz", to = "wan" }, { from = "lan", to = "wan" }]"#;

/// Masquerading with more lines in `[nat]`.
fn with_nat(lines: &str) -> World {
    World::new(&three_zones(
        OUT,
        &format!("[nat]\n{MASQUERADE}\n{lines}\n"),
    ))
}

/// Masquerading with forwards.
fn with_forwards(forwards: &str, nat: &str) -> World {
    let top = format!("{OUT}\nforward = [{forwards}]");
    World::new(&three_zones(&top, &format!("[nat]\n{MASQUERADE}\n{nat}\n")))
}

#[test]
fn a_masqueraded_flow_goes_out_by_our_address_and_comes_back() {
    let mut world = masquerading();
    let sent = world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    assert_eq!(sent.zone, wan());
    assert_eq!(
        sent.packet,
        udp(&outside(40000), "192.0.2.9:53", b"?").hop(),
        "port kept"
    );
    let sent = world.pass(wan(), &udp("192.0.2.9:53", &outside(40000), b"!"));
    assert_eq!(sent.zone, dmz());
    assert_eq!(
        sent.packet,
        udp("192.0.2.9:53", "10.99.0.2:40000", b"!").hop()
    );

    let sent = world.pass(lan(), &syn("10.98.0.2:5000", "192.0.2.9:443"));
    assert_eq!(sent.packet, syn(&outside(5000), "192.0.2.9:443").hop());
    // Between inside zones nothing is translated.
    let across = syn("10.98.0.2:5000", "10.99.0.2:80");
    assert_eq!(world.pass(lan(), &across).packet, across.hop());
}

#[test]
fn attack_checksum_none_stays_none_and_a_wrong_one_stays_wrong() {
    let mut world = masquerading();
    let mut none = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    none.body[6..8].fill(0);
    assert_eq!(world.pass(dmz(), &none).packet.body[6..8], [0, 0]);

    world.wrong_checksums = true;
    let wrong = udp("10.99.0.2:40000", "192.0.2.9:53", b"?").spoiled(8);
    let right = udp(&outside(40000), "192.0.2.9:53", b"?").spoiled(8);
    assert_eq!(world.pass(dmz(), &wrong).packet, right.hop());
}

#[test]
fn rfc768_a_translated_udp_checksum_never_becomes_none_by_chance() {
    // Some port gives every sum, the one that folds to zero too.
    let mut world = masquerading();
    let mut seen_ones = false;
    for payload in 0..=u16::MAX {
        let packet = udp("10.99.0.2:40000", "192.0.2.9:53", &payload.to_be_bytes());
        let sent = world.pass(dmz(), &packet).packet;
        assert_ne!(sent.body[6..8], [0, 0]);
        seen_ones |= sent.body[6..8] == [0xff, 0xff];
    }
    assert!(seen_ones, "the case itself never came up");
}

#[test]
fn rfc4787_req1_an_inside_endpoint_keeps_its_outside_port_whoever_the_peer_is() {
    let mut world = masquerading();
    // Somebody else has the port already, so this one's is not its own.
    world.pass(lan(), &udp("10.98.0.9:40000", "192.0.2.1:1", b""));
    let first = world
        .pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b""))
        .packet
        .from();
    assert_ne!(first.port(), 40000);
    assert!(first.port() >= 1024);
    for peer in ["192.0.2.9:54", "192.0.2.10:53", "203.0.113.77:9"] {
        let sent = world.pass(dmz(), &udp("10.99.0.2:40000", peer, b""));
        assert_eq!(sent.packet.from(), first, "{peer}");
    }
    assert_eq!(world.engine.conntrack().mappings(), 2);
}

#[test]
fn rfc5382_req7_two_inside_hosts_with_one_port_and_one_peer_are_told_apart() {
    let mut world = masquerading();
    let from = ["10.99.0.2:40000", "10.99.0.3:40000", "10.99.0.4:40000"];
    let ports = from.map(|src| {
        let sent = world.pass(dmz(), &syn(src, "192.0.2.9:80"));
        sent.packet.from().to_string()
    });
    for (src, port) in from.iter().zip(&ports) {
        let answer = |dst: &str| {
            tcp("192.0.2.9:80", dst, b"", |header| {
                (header.syn, header.ack, header.acknowledgment_number) = (true, true, 1001);
            })
        };
        assert_eq!(world.pass(wan(), &answer(port)).packet, answer(src).hop());
    }
}

#[test]
fn rfc4787_req8_who_may_send_to_a_mapping_depends_on_the_filtering() {
    let same_address = "192.0.2.9:999";
    let stranger = "192.0.2.66:53";
    let cases = [
        ("endpoint-independent", true, true),
        ("address-dependent", true, false),
        ("address-and-port-dependent", false, false),
    ];
    for (filtering, admits_address, admits_stranger) in cases {
        let mut world = with_nat(&format!("filtering = \"{filtering}\""));
        world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
        for (peer, admitted) in [(same_address, admits_address), (stranger, admits_stranger)] {
            let packet = udp(peer, &outside(40000), b"!");
            if admitted {
                let sent = world.pass(wan(), &packet);
                assert_eq!(sent.packet, udp(peer, "10.99.0.2:40000", b"!").hop());
                let back = world.pass(dmz(), &udp("10.99.0.2:40000", peer, b"?"));
                assert_eq!(back.packet, udp(&outside(40000), peer, b"?").hop());
            } else {
                assert_eq!(
                    world.refuse(wan(), &packet),
                    DropReason::NatFiltered,
                    "{filtering}"
                );
            }
        }
        let unmapped = udp("192.0.2.9:53", &outside(40001), b"!");
        assert_eq!(world.refuse(wan(), &unmapped), DropReason::NotOffered);
    }
}

#[test]
fn rfc4787_req6_only_what_goes_out_keeps_a_mapping_alive() {
    let mut world = masquerading();
    let out = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    let reply = udp("192.0.2.9:53", &outside(40000), b"!");
    world.pass(dmz(), &out);
    for _ in 0..4 {
        world.pass_time(Duration::from_secs(74));
        world.pass(wan(), &reply);
    }
    world.pass(dmz(), &out);
    for _ in 0..3 {
        world.pass_time(Duration::from_secs(74));
        world.pass(wan(), &reply);
    }
    world.pass_time(Duration::from_secs(90));
    assert_eq!(world.refuse(wan(), &reply), DropReason::NotOffered);
    let conntrack = world.engine.conntrack();
    assert_eq!(
        (conntrack.flows(), conntrack.mappings(), conntrack.leases()),
        (0, 0, 0)
    );
}

#[test]
fn rfc5508_req1_an_echo_identifier_is_translated_like_a_port() {
    let mut world = masquerading();
    let first = world.pass(dmz(), &ping("10.99.0.2", "192.0.2.9", 7));
    assert_eq!(first.packet, ping(OUTSIDE, "192.0.2.9", 7).hop());
    let second = world.pass(dmz(), &ping("10.99.0.3", "192.0.2.9", 7)).packet;
    let id = u16::from_be_bytes([second.body[4], second.body[5]]);
    assert_ne!(id, 7);
    assert_eq!(second, ping(OUTSIDE, "192.0.2.9", id).hop());
    let back = world.pass(wan(), &pong("192.0.2.9", OUTSIDE, id));
    assert_eq!(
        (back.zone, back.packet),
        (dmz(), pong("192.0.2.9", "10.99.0.3", 7).hop())
    );
    let back = world.pass(wan(), &pong("192.0.2.9", OUTSIDE, 7));
    assert_eq!(back.packet, pong("192.0.2.9", "10.99.0.2", 7).hop());
    let other_peer = pong("192.0.2.10", OUTSIDE, 7);
    assert_eq!(world.refuse(wan(), &other_peer), DropReason::NotOffered);
}

#[test]
fn a_changed_address_forgets_the_mappings_on_the_old_one() {
    let mut world = masquerading();
    world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    let across = syn("10.98.0.2:5000", "10.99.0.2:80");
    world.pass(lan(), &across);
    let new = "198.51.100.5/24".parse().expect("a prefix");
    world
        .engine
        .set_address(wan(), Some(new), Some(host("198.51.100.1")));
    let conntrack = world.engine.conntrack();
    assert_eq!(
        (conntrack.flows(), conntrack.mappings()),
        (1, 0),
        "only the other flow"
    );
    let late = udp("192.0.2.9:53", &outside(40000), b"!");
    assert_eq!(world.refuse(wan(), &late), DropReason::SameZone);
    let sent = world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    assert_eq!(
        sent.packet,
        udp("198.51.100.5:40000", "192.0.2.9:53", b"?").hop()
    );
    // The same address again changes nothing.
    world
        .engine
        .set_address(wan(), Some(new), Some(host("198.51.100.1")));
    assert_eq!(world.engine.conntrack().flows(), 2);
}

#[test]
fn forwards_lead_inside_with_their_ports_ranges_and_sources() {
    let mut world = with_forwards(
        r#"{ name = "www", from = "wan", service = "tcp/80", to = "10.99.0.2" },
        { name = "alt", from = "wan", service = "tcp/8080", to = "10.99.0.2:80" },
        { name = "range", from = "wan", service = "udp/5000-5009", to = "10.98.0.3:6000" },
        { name = "office", from = "wan", service = "tcp/22", to = "10.98.0.4", sources = "198.51.100.0/24" }"#,
        "",
    );
    let cases = [
        ("192.0.2.9:1000", 80, dmz(), "10.99.0.2:80"),
        ("192.0.2.9:1001", 8080, dmz(), "10.99.0.2:80"),
        ("198.51.100.7:1002", 22, lan(), "10.98.0.4:22"),
        ("203.0.113.9:1003", 80, dmz(), "10.99.0.2:80"),
    ];
    for (src, port, zone, dst) in cases {
        let sent = world.pass(wan(), &syn(src, &outside(port)));
        assert_eq!((sent.zone, sent.packet), (zone, syn(src, dst).hop()));
        let answer = |from: &str| {
            tcp(from, src, b"", |header| {
                (header.syn, header.ack, header.acknowledgment_number) = (true, true, 1001);
            })
        };
        assert_eq!(
            world.pass(zone, &answer(dst)).packet,
            answer(&outside(port)).hop()
        );
    }
    for offset in 0..10 {
        let sent = world.pass(wan(), &udp("192.0.2.9:9", &outside(5000 + offset), b"x"));
        let to = format!("10.98.0.3:{}", 6000 + offset);
        assert_eq!(sent.packet, udp("192.0.2.9:9", &to, b"x").hop());
    }
    for packet in [
        syn("192.0.2.9:1000", &outside(22)),
        syn("192.0.2.9:1000", &outside(81)),
        udp("192.0.2.9:1000", &outside(80), b""),
        udp("192.0.2.9:1000", &outside(4999), b""),
        udp("192.0.2.9:1000", &outside(5010), b""),
    ] {
        assert_eq!(world.refuse(wan(), &packet), DropReason::NotOffered);
    }
}

#[test]
fn two_outside_ports_to_one_server_from_one_client_endpoint_cannot_be_told_apart() {
    let mut world = with_forwards(
        r#"{ name = "www", from = "wan", service = "tcp/80", to = "10.99.0.2" },
        { name = "alt", from = "wan", service = "tcp/8080", to = "10.99.0.2:80" }"#,
        "",
    );
    world.pass(wan(), &syn("192.0.2.9:1000", &outside(80)));
    let clash = syn("192.0.2.9:1000", &outside(8080));
    assert_eq!(world.refuse(wan(), &clash), DropReason::FlowClash);
    assert_eq!(world.engine.conntrack().flows(), 1);
}

#[test]
fn attack_port_shadowing_no_inside_host_gets_the_outside_port_of_a_forward() {
    let forward = r#"{ name = "x", from = "wan", service = "udp/5000", to = "10.99.0.2" }"#;
    let mut world = with_forwards(forward, "");
    let sent = world.pass(lan(), &udp("10.98.0.3:5000", "192.0.2.9:53", b""));
    assert_ne!(sent.packet.from().port(), 5000);
    let inbound = world.pass(wan(), &udp("192.0.2.9:53", &outside(5000), b""));
    assert_eq!(
        inbound.packet.to(),
        "10.99.0.2:5000".parse().expect("an endpoint")
    );
}

#[test]
fn rfc5382_req8_a_hairpin_comes_from_the_outside_address_and_goes_back_through_us() {
    let forward = r#"{ name = "www", from = "wan", service = "tcp/80", to = "10.99.0.2" }"#;
    let mut world = with_forwards(forward, "");
    for (zone, client) in [(dmz(), "10.99.0.7:3000"), (lan(), "10.98.0.7:3000")] {
        let sent = world.pass(zone, &syn(client, &outside(80)));
        assert_eq!(
            (sent.zone, sent.packet.to().to_string()),
            (dmz(), "10.99.0.2:80".into())
        );
        let seen = sent.packet.from();
        assert_eq!(seen.ip(), &host(OUTSIDE), "REQ-9a: an external source");
        let answer = |from: &str, to: &str| {
            tcp(from, to, b"", |header| {
                (header.syn, header.ack, header.acknowledgment_number) = (true, true, 1001);
            })
        };
        let back = world.pass(dmz(), &answer("10.99.0.2:80", &seen.to_string()));
        assert_eq!(back.zone, zone);
        assert_eq!(back.packet, answer(&outside(80), client).hop());
    }
    let mut off = with_forwards(forward, "hairpin = false");
    let refused = syn("10.99.0.7:3000", &outside(80));
    assert_eq!(off.refuse(dmz(), &refused), DropReason::HairpinOff);
    assert_eq!(
        off.pass(wan(), &syn("192.0.2.9:1", &outside(80))).zone,
        dmz()
    );
}

#[test]
fn rfc4787_req9_two_inside_hosts_meet_at_each_others_outside_endpoints() {
    let mut world = masquerading();
    world.pass(dmz(), &udp("10.99.0.2:4000", "192.0.2.9:53", b"register"));
    world.pass(dmz(), &udp("10.99.0.3:5000", "192.0.2.9:53", b"register"));
    let sent = world.pass(dmz(), &udp("10.99.0.2:4000", &outside(5000), b"hello"));
    assert_eq!(sent.zone, dmz());
    assert_eq!(
        sent.packet,
        udp(&outside(4000), "10.99.0.3:5000", b"hello").hop()
    );
    let back = world.pass(dmz(), &udp("10.99.0.3:5000", &outside(4000), b"hi"));
    assert_eq!(
        back.packet,
        udp(&outside(5000), "10.99.0.2:4000", b"hi").hop()
    );
}

#[test]
fn protocols_without_ports_are_masqueraded_for_one_host_and_peer_at_a_time() {
    let mut world = masquerading();
    let gre = |src: &str, dst: &str| Ip::new(host(src), host(dst), IpNumber(47), vec![1; 24]);
    let sent = world.pass(dmz(), &gre("10.99.0.2", "192.0.2.9"));
    assert_eq!(sent.packet, gre(OUTSIDE, "192.0.2.9").hop());
    let back = world.pass(wan(), &gre("192.0.2.9", OUTSIDE));
    assert_eq!(back.packet, gre("192.0.2.9", "10.99.0.2").hop());
    let second = gre("10.99.0.3", "192.0.2.9");
    assert_eq!(world.told(dmz(), &second).0, DropReason::FlowClash);
    let other_peer = world.pass(dmz(), &gre("10.99.0.3", "192.0.2.10"));
    assert_eq!(other_peer.packet, gre(OUTSIDE, "192.0.2.10").hop());
}

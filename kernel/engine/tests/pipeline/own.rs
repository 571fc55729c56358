//! The box's own traffic: its services' packets, and DHCP, which needs no rule.

use sekisho_engine::DropReason;
use sekisho_engine::interface::Link;

use crate::support::ip::{Ip, host, ping, syn, udp};
use crate::support::setup::{masquerading, three_zones};
use crate::support::world::{End, World, dmz, lan, our_mac, wan};

const OUTSIDE: &str = "203.0.113.1";

/// The box may send what it likes.
fn outgoing() -> World {
    World::new(&three_zones(
        r#"rule = [{ name = "own", from = "self", action = "accept" }]"#,
        "",
    ))
}

/// The WAN's address comes by DHCP, the lan has a server; no rule says anything.
fn with_dhcp() -> World {
    let text = three_zones("", "[zone.lan.dhcp]\nrange = \"10.98.0.100-10.98.0.199\"\n").replace(
        "address = \"203.0.113.1/24\"\ngateway = \"203.0.113.254\"",
        "address = \"dhcp\"",
    );
    World::new(&text)
}

fn leased(world: &mut World) {
    let address = "203.0.113.1/24".parse().expect("a prefix");
    let gateway = host("203.0.113.254");
    world
        .engine
        .set_address(wan(), Some(address), Some(gateway));
    world.pass_time(std::time::Duration::ZERO);
    world.ends.clear();
}

#[test]
fn a_services_packet_leaves_as_it_is_and_its_answer_is_local() {
    let mut world = outgoing();
    let question = udp("203.0.113.1:900", "192.0.2.9:123", b"time?");
    let sent = world.send_own(&question);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].zone, &sent[0].packet),
        (wan(), &question),
        "no hop: it begins here"
    );
    world.ends.clear();
    assert_eq!(
        world.send(wan(), &udp("192.0.2.9:123", "203.0.113.1:900", b"now")),
        []
    );
    assert_eq!(world.ends(), [End::Local]);
    let stranger = udp("192.0.2.8:123", "203.0.113.1:900", b"now");
    assert_eq!(world.refuse(wan(), &stranger), DropReason::NotOffered);
}

#[test]
fn a_ttl_of_one_from_ourselves_still_reaches_the_segment() {
    let near = udp("10.98.0.1:900", "10.98.0.3:123", b"near").ttl(1);
    let sent = outgoing().send_own(&near);
    assert_eq!(sent[0].packet, near);
}

#[test]
fn our_own_packets_ask_the_rules_too() {
    let mut world = masquerading();
    assert_eq!(
        world.send_own(&udp("203.0.113.1:900", "192.0.2.9:123", b"")),
        []
    );
    assert_eq!(world.dropped(), DropReason::PolicyDefault);
    assert_eq!(world.engine.conntrack().flows(), 0);
}

#[test]
fn a_port_of_our_own_services_invites_nobody_and_ends_with_its_address() {
    let mut world = outgoing();
    let sent = world.send_own(&udp("203.0.113.1:123", "10.98.0.3:53", b"?"));
    assert_eq!(sent[0].packet, udp("10.98.0.1:123", "10.98.0.3:53", b"?"));
    let same_host = udp("10.98.0.3:54", "10.98.0.1:123", b"!");
    assert_eq!(world.refuse(lan(), &same_host), DropReason::NotOffered);
    world.engine.set_address(wan(), None, None);
    assert_eq!(world.engine.conntrack().flows(), 0);
}

#[test]
fn attack_port_shadowing_no_inside_host_gets_the_port_of_our_dhcp() {
    let mut world = masquerading();
    for port in [67, 68] {
        let from = format!("10.99.0.2:{port}");
        let sent = world.pass(dmz(), &udp(&from, "192.0.2.9:9", b""));
        let seen = sent.packet.from().port();
        assert!(
            (1..1024).contains(&seen) && ![67, 68].contains(&seen),
            "{seen}"
        );
    }
}

/// A packet in a frame to all.
fn broadcast(world: &World, zone: sekisho_engine::ZoneId, packet: &Ip) -> Vec<u8> {
    let mut frame = world.frame(zone, packet);
    frame[..6].fill(0xff);
    frame
}

#[test]
fn dhcp_for_us_is_local_before_there_is_any_address() {
    let mut world = with_dhcp();
    let offer = udp("203.0.113.254:67", "255.255.255.255:68", b"offer");
    let frame = broadcast(&world, wan(), &offer);
    world.send_frame(wan(), &frame);
    assert_eq!(world.ends(), [End::Local]);
    // A server may send it to the address that it offers.
    world.send(wan(), &udp("203.0.113.254:67", "203.0.113.1:68", b"offer"));
    assert_eq!(world.ends(), [End::Local]);
    let discover = udp("0.0.0.0:68", "255.255.255.255:67", b"discover");
    let frame = broadcast(&world, lan(), &discover);
    world.send_frame(lan(), &frame);
    assert_eq!(world.ends(), [End::Local]);

    for (zone, packet) in [
        // Where there is no such role, and not by the role's ports.
        (dmz(), udp("0.0.0.0:68", "255.255.255.255:67", b"discover")),
        (wan(), udp("0.0.0.0:68", "255.255.255.255:67", b"discover")),
        (lan(), udp("10.98.0.3:67", "255.255.255.255:68", b"offer")),
        (wan(), udp("203.0.113.254:53", "255.255.255.255:68", b"")),
        // Nor by another protocol, nor in pieces.
        (lan(), syn("10.98.0.3:68", "255.255.255.255:67")),
        (
            lan(),
            udp("10.98.0.3:68", "255.255.255.255:67", &[0; 16]).piece(0, 16, true),
        ),
    ] {
        let frame = broadcast(&world, zone, &packet);
        assert_eq!(
            world.refuse_frame(zone, &frame),
            DropReason::GroupDestination
        );
    }
}

#[test]
fn rfc2131_a_renewal_needs_no_rule_and_keeps_its_port() {
    let mut world = with_dhcp();
    leased(&mut world);
    let renewal = udp("203.0.113.1:68", "192.0.2.67:67", b"renew");
    let sent = world.send_own(&renewal);
    assert_eq!(sent.len(), 1, "{:?}", world.ends);
    assert_eq!((sent[0].zone, &sent[0].packet), (wan(), &renewal));
    world.ends.clear();
    let granted = udp("192.0.2.67:67", "203.0.113.1:68", b"granted");
    assert_eq!(world.send(wan(), &granted), []);
    assert_eq!(world.ends(), [End::Local]);
    // Anything else still asks the rules.
    assert_eq!(
        world.send_own(&udp("203.0.113.1:68", "192.0.2.67:53", b"")),
        []
    );
    assert_eq!(world.dropped(), DropReason::PolicyDefault);
}

#[test]
fn only_dhcp_of_its_role_leaves_past_the_rules() {
    let message = |src: &str, dst: &str| {
        let mut frame = vec![0xff; 6];
        frame.extend(our_mac(lan()));
        frame.extend([8, 0]);
        frame.extend(udp(src, dst, b"dhcp").bytes());
        frame
    };
    let cases = [
        (lan(), "10.98.0.1:67", "255.255.255.255:68", true),
        (lan(), "10.98.0.1:67", "10.98.0.100:68", true),
        (lan(), "10.98.0.9:67", "255.255.255.255:68", false),
        (lan(), "10.98.0.1:68", "255.255.255.255:67", false),
        (lan(), "10.98.0.1:67", "255.255.255.255:53", false),
        (dmz(), "10.99.0.1:67", "255.255.255.255:68", false),
        (wan(), "0.0.0.0:68", "255.255.255.255:67", true),
        (wan(), "0.0.0.0:67", "255.255.255.255:68", false),
    ];
    for (zone, src, dst, leaves) in cases {
        let mut world = with_dhcp();
        let mut frame = message(src, dst);
        assert_eq!(
            world.engine.send_dhcp(zone, &mut frame),
            leaves,
            "{src} to {dst}"
        );
    }
}

#[test]
fn a_zone_without_an_address_takes_and_sends_nothing_but_dhcp() {
    let mut world = with_dhcp();
    let cases = [
        udp("203.0.113.7:9", "10.99.0.2:9", b""),
        ping("203.0.113.7", "203.0.113.1", 7),
    ];
    for packet in cases {
        assert_eq!(world.refuse(wan(), &packet), DropReason::ReversePath);
    }
    let out = udp("10.99.0.2:9", "192.0.2.9:9", b"");
    assert_eq!(world.told(dmz(), &out).0, DropReason::NoRoute);
    leased(&mut world);
    world.engine.set_link(wan(), Link::Down);
    assert_eq!(world.refuse(dmz(), &out), DropReason::PolicyDefault);
    assert_eq!(
        world.questions.len(),
        1,
        "the announcement and nothing else"
    );
}

#[test]
fn our_own_address_is_never_a_source_from_outside() {
    let mut world = outgoing();
    let spoofed = udp(&format!("{OUTSIDE}:53"), "10.99.0.2:9", b"");
    assert_eq!(world.refuse(wan(), &spoofed), DropReason::OwnSource);
    let to_us = udp("10.98.0.1:53", "203.0.113.1:9", b"");
    assert_eq!(world.refuse(wan(), &to_us), DropReason::OwnSource);
}

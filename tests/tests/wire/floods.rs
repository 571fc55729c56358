//! Attacks of many frames.

use std::net::Ipv4Addr;

use sekisho_tests::frames::{Inner, flag};
use sekisho_tests::rig::{DMZ, WAN};
use sekisho_tests::way::arp_request;

use crate::support::{CONFIG, STRANGER, WORLD, Wire, is_tcp};

/// How many frames are sent before the firewall has dealt with them: what is shown is not how it behaves when its rings are full.
const PACE: u32 = 100;

on_one_machine! {
    floods_on_the_wire:
        attack_syn_flood_established_flows_live_and_new_ones_get_in,
        attack_mac_flood_fills_nothing,
        attack_open_ports_all_are_silent_but_the_forwards;
}

fn attack_syn_flood_established_flows_live_and_new_ones_get_in(wire: &Wire) {
    wire.connected(46_000, 443);
    let handshake = |source: Ipv4Addr, port: u16| {
        wire.wan().send(
            &wire
                .from(source, WAN)
                .tcp((port, 80), flag::SYN, (1000, 0), b""),
        );
        wire.dmz().expect("a SYN", |frame| {
            frame.source() == Some(source) && is_tcp(frame, (port, 80), flag::SYN, (1000, 0))
        });
        wire.dmz().send(&wire.dmz().to(source).tcp(
            (80, port),
            flag::SYN | flag::ACK,
            (5000, 1001),
            b"",
        ));
        wire.wan().expect("a SYN and ACK", |frame| {
            is_tcp(frame, (80, port), flag::SYN | flag::ACK, (5000, 1001))
        });
        wire.wan().send(
            &wire
                .from(source, WAN)
                .tcp((port, 80), flag::ACK, (1001, 5001), b"GET /"),
        );
        wire.dmz().expect("data", |frame| {
            is_tcp(frame, (port, 80), flag::ACK, (1001, 5001))
        });
    };
    handshake(WORLD, 46_001);
    // Ten times the table's size, each from another address, and none of them answers.
    for number in 0..20_000u32 {
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(20, 0, 0, 1)) + number * 7);
        wire.wan().send(
            &wire
                .from(source, WAN)
                .tcp((1024, 80), flag::SYN, (number, 0), b""),
        );
        if number % PACE == PACE - 1 {
            wire.rig.settle_from_wan();
        }
        if number % 5_000 == 4_999 {
            handshake(STRANGER, 46_002 + (number / 5_000) as u16);
        }
    }
    wire.segment_in((443, 46_000), flag::ACK, (5001, 1001), b"still there");
    wire.wan().send(
        &wire
            .from(WORLD, WAN)
            .tcp((46_001, 80), flag::ACK, (1006, 5001), b"too"),
    );
    wire.dmz().expect("data", |frame| {
        is_tcp(frame, (46_001, 80), flag::ACK, (1006, 5001))
    });
}

fn attack_mac_flood_fills_nothing(wire: &Wire) {
    for number in 0..20_000u32 {
        let [_, _, a, b] = number.to_be_bytes();
        let mac = [2, 0xf1, 0, 0, a, b];
        let sender = Ipv4Addr::new(10, 99, 0, 3 + (number % 250) as u8);
        wire.dmz().send(&arp_request(mac, sender, DMZ));
    }
    wire.udp_out(46_010, (WORLD, 53));
}

fn attack_open_ports_all_are_silent_but_the_forwards(wire: &Wire) {
    let before = wire.arrived(wire.wan()).len();
    for port in 1..=u16::MAX {
        for to in [WAN, DMZ] {
            if to == DMZ && port % 64 != 0 {
                continue;
            }
            wire.wan().send(&wire.from(STRANGER, to).tcp(
                (50_000, port),
                flag::SYN,
                (port.into(), 0),
                b"",
            ));
            wire.wan()
                .send(&wire.from(STRANGER, to).udp(50_000, port, b"scan"));
        }
    }
    assert_eq!(wire.arrived(wire.wan()).len(), before, "no answer to any");
    let reached = wire.dmz().seen(|frame| match frame.inner() {
        Some(Inner::Tcp { source, .. }) => *source == 50_000,
        Some(Inner::Udp { payload, .. }) => payload == b"scan",
        _ => false,
    });
    let ports = reached.iter().map(|frame| match frame.inner() {
        Some(Inner::Tcp { destination, .. } | Inner::Udp { destination, .. }) => *destination,
        _ => 0,
    });
    assert_eq!(ports.collect::<Vec<_>>(), [80, 7001]);
}

/// Ten times as many SYNs as make the firewall shake hands itself; then one from a client that is there.
#[test]
fn attack_syn_flood_with_cookies_only_who_is_there_reaches_the_server() {
    let config = CONFIG.replace("syn_cookies = 100", "syn_cookies = 10");
    let mut wire = Wire::boot_with(&config);
    wire.settle();
    for number in 0..2_000u32 {
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(20, 0, 0, 1)) + number * 7);
        let syn = wire
            .from(source, WAN)
            .tcp((1024, 80), flag::SYN, (number, 0), b"");
        wire.wan().send(&syn);
        if number % PACE == PACE - 1 {
            wire.rig.settle_from_wan();
        }
    }
    let reached = wire
        .dmz()
        .seen(|frame| matches!(frame.inner(), Some(Inner::Tcp { .. })));
    assert_eq!(reached.len(), 200, "a tenth of the table");

    let (there, back) = ((47_000, 80), (80, 47_000));
    let client = wire.from(WORLD, WAN);
    wire.wan()
        .send(&client.tcp(there, flag::SYN, (1000, 0), b""));
    let answer = wire.wan().expect("a cookie", |frame| {
        matches!(
            frame.inner(),
            Some(Inner::Tcp {
                destination: 47_000,
                ..
            })
        )
    });
    let Some(&Inner::Tcp {
        sequence: cookie,
        acknowledgement: 1001,
        ..
    }) = answer.inner()
    else {
        panic!("{answer:?}")
    };
    let seen = |number: u32| number.wrapping_add(cookie).wrapping_sub(5000);
    wire.wan()
        .send(&client.tcp(there, flag::ACK, (1001, seen(5001)), b""));
    let server = wire.dmz().to(WORLD);
    wire.dmz()
        .expect("a SYN", |frame| is_tcp(frame, there, flag::SYN, (1000, 0)));
    wire.dmz()
        .send(&server.tcp(back, flag::SYN | flag::ACK, (5000, 1001), b""));
    wire.dmz().expect("an ACK", |frame| {
        is_tcp(frame, there, flag::ACK, (1001, 5001))
    });
    wire.wan().expect("an open window", |frame| {
        is_tcp(frame, back, flag::ACK, (seen(5001), 1001))
    });
    wire.wan()
        .send(&client.tcp(there, flag::ACK, (1001, seen(5001)), b"GET /"));
    wire.dmz().expect("data", |frame| {
        is_tcp(frame, there, flag::ACK, (1001, 5001))
    });
    wire.dmz()
        .send(&server.tcp(back, flag::ACK, (5001, 1006), b"a page"));
    wire.wan().expect("data", |frame| {
        is_tcp(frame, back, flag::ACK, (seen(5001), 1006))
    });
    wire.end();
}

//! The booted firewall between two hosts that are this test: Ethernet on both sides, no root.
//!
//! Each test runs on each kind of machine. What must not pass is sent before something that
//! may pass; once the latter has arrived, the former never will.

use std::net::Ipv4Addr;

use sekisho_config::MAX_BYTES;
use sekisho_qemu::{Kind, Model};
use sekisho_tests::firewall::{Setup, example};
use sekisho_tests::frames::{Content, Frame, Inner, flag};
use sekisho_tests::rig::{DMZ, DMZ_HOST, Rig, WAN, WAN_HOST};
use sekisho_tests::way::{Way, arp_request};

/// Somewhere behind the WAN.
const WORLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);

fn boot(kind: Kind) -> Rig {
    let setup = Setup {
        kind,
        ..Setup::default()
    };
    Rig::ready(&setup, &example("lab.toml"))
}

macro_rules! on_every_machine {
    ($($name:ident),* $(,)?) => {
        mod q35 { $(#[test] fn $name() { super::$name(sekisho_qemu::Kind::Q35) })* }
        mod pc { $(#[test] fn $name() { super::$name(sekisho_qemu::Kind::Pc) })* }
        mod microvm { $(#[test] fn $name() { super::$name(sekisho_qemu::Kind::Microvm) })* }
        mod microvm_acpi { $(#[test] fn $name() { super::$name(sekisho_qemu::Kind::MicrovmAcpi) })* }
    };
}

on_every_machine!(
    the_box_answers_arp_and_echo_on_both_sides,
    a_connection_from_the_wan_reaches_the_forward_and_back,
    a_connection_from_the_dmz_is_masqueraded,
    what_no_rule_allows_is_dropped,
    spoofed_and_inside_addresses_stay_out,
    a_wrong_checksum_is_not_repaired,
    the_counters_add_up_to_the_frames,
);

fn tcp(frame: &Frame, wanted: u8) -> Option<(u16, u16, u32, u32)> {
    match frame.inner() {
        Some(&Inner::Tcp {
            source,
            destination,
            flags,
            sequence,
            acknowledgement,
            ..
        }) if flags & (flag::SYN | flag::ACK | flag::RST) == wanted => {
            Some((source, destination, sequence, acknowledgement))
        }
        _ => None,
    }
}

fn the_box_answers_arp_and_echo_on_both_sides(kind: Kind) {
    let rig = boot(kind);
    for (host, address, foreign) in [(&rig.wan, WAN, DMZ), (&rig.dmz, DMZ, WAN)] {
        // Not for the other card's address: the strong host model.
        host.send(&arp_request(host.mac, host.ip, foreign));
        host.send(&arp_request(host.mac, host.ip, address));
        let reply = host.expect("a reply", |frame| {
            matches!(frame.content, Content::ArpReply { .. })
        });
        let (sender, mac) = (address, host.gateway);
        assert_eq!(reply.content, Content::ArpReply { sender, mac });
        assert_eq!((reply.source_mac, reply.destination_mac), (mac, host.mac));
        host.send(&host.to(address).echo(7, 1, b"are you there?"));
        let reply = host.expect("an echo", |frame| frame.is_icmp(0));
        let Some(Inner::Icmp { rest, .. }) = reply.inner() else {
            unreachable!("it is ICMP")
        };
        assert_eq!(rest, b"\0\x07\0\x01are you there?");
        assert_eq!(reply.source(), Some(address));
    }
}

fn a_connection_from_the_wan_reaches_the_forward_and_back(kind: Kind) {
    let rig = boot(kind);
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    wan.send(&wan.to(WAN).tcp((40_000, 80), flag::SYN, (1000, 0), b""));
    let syn = dmz.expect("a SYN", |frame| tcp(frame, flag::SYN).is_some());
    assert_eq!(tcp(&syn, flag::SYN), Some((40_000, 80, 1000, 0)));
    let Content::Ipv4 {
        source,
        destination,
        ttl,
        ..
    } = syn.content
    else {
        unreachable!("it is TCP")
    };
    assert_eq!((source, destination, ttl), (WAN_HOST, DMZ_HOST, 63));

    dmz.send(
        &dmz.to(WAN_HOST)
            .tcp((80, 40_000), flag::SYN | flag::ACK, (5000, 1001), b""),
    );
    let answer = wan.expect("a SYN+ACK", |frame| {
        tcp(frame, flag::SYN | flag::ACK).is_some()
    });
    assert_eq!(
        tcp(&answer, flag::SYN | flag::ACK),
        Some((80, 40_000, 5000, 1001))
    );
    assert_eq!(answer.source(), Some(WAN), "the address that was asked");

    wan.send(
        &wan.to(WAN)
            .tcp((40_000, 80), flag::ACK, (1001, 5001), b"GET /"),
    );
    let data = dmz.expect("data", |frame| tcp(frame, flag::ACK).is_some());
    assert!(matches!(data.inner(), Some(Inner::Tcp { payload, .. }) if payload == b"GET /"));
}

fn a_connection_from_the_dmz_is_masqueraded(kind: Kind) {
    let rig = boot(kind);
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    dmz.send(
        &dmz.to(WAN_HOST)
            .tcp((40_000, 443), flag::SYN, (1000, 0), b""),
    );
    let syn = wan.expect("a SYN", |frame| tcp(frame, flag::SYN).is_some());
    assert_eq!(syn.source(), Some(WAN));
    let (port, ..) = tcp(&syn, flag::SYN).expect("a SYN");
    wan.send(
        &wan.to(WAN)
            .tcp((443, port), flag::SYN | flag::ACK, (5000, 1001), b""),
    );
    let answer = dmz.expect("a SYN+ACK", |frame| {
        tcp(frame, flag::SYN | flag::ACK).is_some()
    });
    assert_eq!(
        tcp(&answer, flag::SYN | flag::ACK),
        Some((443, 40_000, 5000, 1001))
    );
    assert_eq!(answer.source(), Some(WAN_HOST));
}

fn what_no_rule_allows_is_dropped(kind: Kind) {
    let rig = boot(kind);
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    for port in [22, 79, 81, 443, 5200] {
        wan.send(
            &wan.to(WAN)
                .tcp((40_000, port), flag::SYN, (1000, 0), b"closed"),
        );
    }
    wan.send(&wan.to(WAN).udp(40_000, 53, b"closed"));
    // An answer that nobody asked for.
    wan.send(
        &wan.to(WAN)
            .tcp((443, 50_000), flag::SYN | flag::ACK, (1000, 1), b"closed"),
    );
    rig.settle_from_wan();
    assert_eq!(tcp_or_closed(&dmz.seen(|_| true)), []);
    dmz.send(
        &dmz.to(DMZ)
            .tcp((40_000, 22), flag::SYN, (1000, 0), b"closed"),
    );
    rig.settle_from_dmz();
    assert_eq!(tcp_or_closed(&wan.seen(|_| true)), [], "silent, too");
}

fn tcp_or_closed(frames: &[Frame]) -> Vec<Frame> {
    let suspicious = |frame: &&Frame| match frame.inner() {
        Some(Inner::Tcp { .. } | Inner::Icmp { .. }) => true,
        Some(Inner::Udp { payload, .. }) => payload == b"closed",
        Some(Inner::Other) | None => false,
    };
    frames.iter().filter(suspicious).cloned().collect()
}

fn spoofed_and_inside_addresses_stay_out(kind: Kind) {
    let rig = boot(kind);
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    let spoof = |from, to| Way { from, ..wan.to(to) };
    let inside = Ipv4Addr::new(10, 99, 0, 7);
    let forbidden = [
        spoof(inside, WAN),
        spoof(inside, DMZ_HOST),
        spoof(DMZ_HOST, DMZ_HOST),
        spoof(WAN_HOST, DMZ_HOST),
        spoof(WAN_HOST, DMZ),
        spoof(WAN, WAN),
        spoof(Ipv4Addr::LOCALHOST, WAN),
        spoof(Ipv4Addr::BROADCAST, WAN),
        spoof(Ipv4Addr::new(224, 0, 0, 1), WAN),
    ];
    for way in forbidden {
        wan.send(&way.tcp((40_000, 80), flag::SYN, (1, 0), b""));
        wan.send(&way.udp(40_000, 7001, b"closed"));
        wan.send(&way.echo(1, 1, b"closed"));
    }
    // From inside, an address that is not of the DMZ.
    dmz.send(
        &Way {
            from: WORLD,
            ..dmz.to(WAN_HOST)
        }
        .udp(1, 1, b"closed"),
    );
    rig.settle_from_wan();
    rig.settle_from_dmz();
    assert_eq!(tcp_or_closed(&dmz.seen(|_| true)), []);
    assert_eq!(tcp_or_closed(&wan.seen(|_| true)), []);
}

/// A wrong checksum stays wrong through NAT, which changes it by the difference of the addresses alone: the receiver
/// notices, and nobody vouches for bytes that got damaged.
fn a_wrong_checksum_is_not_repaired(kind: Kind) {
    let rig = boot(kind);
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    wan.send(&altered(&wan.to(WAN).udp(1, 7001, b"x"), 42));
    wan.send(&altered(
        &wan.to(WAN).tcp((1, 80), flag::SYN, (1, 0), b"x"),
        54,
    ));
    rig.settle_from_wan();
    let passed = dmz.seen(|frame| frame.inner() == Some(&Inner::Other));
    assert_eq!(passed.len(), 2, "{:#?}", dmz.seen(|_| true));
}

fn the_counters_add_up_to_the_frames(kind: Kind) {
    let rig = boot(kind);
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    let drops = [
        // Less than Ethernet's header: no card may hand that over.
        ("offload-invalid", vec![0; 13]),
        ("vlan-tagged", tagged(&wan.to(WAN).echo(1, 1, b""))),
        ("ipv6", ethertype(0x86dd)),
        ("ethertype-unknown", ethertype(0x88cc)),
        ("ip-checksum", altered(&wan.to(WAN).echo(1, 1, b""), 24)),
        (
            "martian-source",
            Way {
                from: Ipv4Addr::LOCALHOST,
                ..wan.to(WAN)
            }
            .udp(1, 7001, b""),
        ),
        (
            "own-source",
            Way {
                from: DMZ,
                ..wan.to(WAN)
            }
            .udp(1, 7001, b""),
        ),
        ("policy-default", wan.to(DMZ_HOST).udp(1, 7001, b"")),
        ("not-offered", wan.to(WAN).udp(1, 53, b"")),
        (
            "tcp-no-flow",
            wan.to(WAN).tcp((1, 80), flag::ACK, (1, 1), b""),
        ),
    ];
    for times in 1..=3 {
        for (_, frame) in &drops[..] {
            wan.send(frame);
        }
        wan.send(&wan.to(WAN).echo(times, 1, b"counted"));
        wan.expect("an echo", |frame| frame.is_icmp(0));
    }
    rig.settle_from_wan();
    rig.settle_from_dmz();
    let totals = rig.firewall.power_off();
    totals.expect_conserved();
    for (reason, _) in &drops {
        assert_eq!(totals.drop(reason), 3, "{reason}: {totals:?}");
    }
    assert_eq!(totals.dropped, 3 * drops.len() as u64, "{totals:?}");
    for (zone, host) in [("wan", wan), ("dmz", dmz)] {
        assert_eq!(
            totals.of_zone(zone, "received"),
            host.sent(),
            "{zone}: {totals:?}"
        );
        let sent = totals.of_zone(zone, "forwarded") + totals.of_zone(zone, "originated");
        let came = host.all();
        assert_eq!(sent, came.len() as u64, "{zone}: {totals:?} {came:#?}");
    }
}

/// A frame with a VLAN tag.
fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat()
}

/// A frame for the WAN card that carries zeroes of some protocol.
fn ethertype(kind: u16) -> Vec<u8> {
    let mut frame = arp_request([2, 0, 0, 0, 0, 0xaa], WAN_HOST, WAN);
    frame[..6].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&kind.to_be_bytes());
    frame[14..].fill(0);
    frame
}

/// A frame with one byte changed.
fn altered(frame: &[u8], at: usize) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at] ^= 0x40;
    frame
}

#[test]
fn sixteen_mib_are_enough_for_the_largest_configuration() {
    let mut config = example("lab.toml");
    // Comments take their place in memory, too.
    config.push_str(&"#".repeat(MAX_BYTES - config.len()));
    for kind in [Kind::Q35, Kind::Pc, Kind::Microvm, Kind::MicrovmAcpi] {
        let setup = Setup {
            kind,
            memory_mib: 16,
            ..Setup::default()
        };
        let rig = Rig::ready(&setup, &config);
        rig.settle_from_wan();
        rig.settle_from_dmz();
    }
}

#[test]
fn cards_with_the_old_interface_beside_the_modern_one_work() {
    for kind in [Kind::Q35, Kind::Pc] {
        let setup = Setup {
            kind,
            models: vec![Model::VirtioTransitional],
            ..Setup::default()
        };
        let rig = Rig::ready(&setup, &example("lab.toml"));
        rig.settle_from_wan();
        rig.settle_from_dmz();
    }
}

#[test]
fn two_thousand_rules_fit_into_sixteen_mib() {
    let rules: String = (0..2000_u32)
        .map(|n| {
            let (host, port) = (n % 250 + 3, n + 1);
            format!(
                "  {{ name = \"r{n}\", from = \"wan\", to = \"dmz\", dst = \"10.99.0.{host}\", \
                 service = \"tcp/{port}\", action = \"accept\" }},\n"
            )
        })
        .collect();
    let config = example("lab.toml").replace("rule = [\n", &format!("rule = [\n{rules}"));
    let setup = Setup {
        memory_mib: 16,
        ..Setup::default()
    };
    let rig = Rig::ready(&setup, &config);
    rig.settle_from_wan();
    rig.settle_from_dmz();
}

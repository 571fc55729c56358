//! Attacks that must fail, as far as no other module shows it.

use std::time::Duration;

use etherparse::{Icmpv4Type, IpNumber};
use sekisho_engine::DropReason;
use sekisho_engine::neighbor::Mac;

use crate::support::ip::{Ip, arp, error, host, icmp, kind_of, ping, quote_of, syn, tcp, udp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{Sent, World, dmz, lan, mac_of, our_mac, wan};

const INSIDE: &str = "10.99.0.2:40000";
const OUTSIDE: &str = "203.0.113.1:40000";
const PEER: &str = "192.0.2.9:80";

/// Bare segment with numbers; `flags` are of "SAFR".
fn segment(src: &str, dst: &str, flags: &str, seq: u32, ack: u32) -> Ip {
    tcp(src, dst, b"", |header| {
        header.syn = flags.contains('S');
        header.ack = flags.contains('A');
        header.fin = flags.contains('F');
        header.rst = flags.contains('R');
        (header.sequence_number, header.acknowledgment_number) = (seq, ack);
    })
}

/// A connection from inside, established; its next numbers are 1001 and 5001.
fn connected() -> World {
    let mut world = masquerading();
    world.pass(dmz(), &segment(INSIDE, PEER, "S", 1000, 0));
    world.pass(wan(), &segment(PEER, OUTSIDE, "SA", 5000, 1001));
    world.pass(dmz(), &segment(INSIDE, PEER, "A", 1001, 5001));
    world
}

/// The connection still carries data both ways.
fn assert_alive(world: &mut World) {
    let there = world.pass(dmz(), &segment(INSIDE, PEER, "A", 1001, 5001));
    assert_eq!(there.packet.from().to_string(), OUTSIDE, "the same mapping");
    let back = world.pass(wan(), &segment(PEER, OUTSIDE, "A", 5001, 1001));
    assert_eq!(back.packet.to().to_string(), INSIDE);
}

/// What goes back out by the WAN because of this packet.
fn heard_outside(world: &mut World, packet: &Ip) -> Vec<Sent> {
    let sent = world.send(wan(), packet);
    sent.into_iter().filter(|sent| sent.zone == wan()).collect()
}

/// Segments with the right endpoints and wrong numbers, of all kinds.
fn spoofed_segments() -> Vec<Ip> {
    let mut spoofed = Vec::new();
    for seq in [
        0,
        4000,
        5000,
        5002,
        60_000,
        71_000,
        0x4000_0000,
        0x8000_0000,
        u32::MAX,
    ] {
        for (flags, ack) in [
            ("R", 0),
            ("RA", 1001),
            ("RA", 9),
            ("S", 0),
            ("SA", 1001),
            ("A", 7),
        ] {
            spoofed.push(segment(PEER, OUTSIDE, flags, seq, ack));
        }
    }
    spoofed
}

#[test]
fn attack_redan_spoofed_resets_and_errors_neither_end_nor_reveal_a_mapping() {
    let mut world = connected();
    for packet in spoofed_segments() {
        assert_eq!(heard_outside(&mut world, &packet), [], "{packet:?}");
        // To a port that nobody has, it looks the same.
        let mut elsewhere = packet.clone();
        elsewhere.body[3] ^= 1;
        world.wrong_checksums = true;
        assert_eq!(heard_outside(&mut world, &elsewhere), []);
    }
    let about = segment(OUTSIDE, PEER, "A", 1001, 5001);
    for mtu in [0u16, 68, 552, 1500, 65_535] {
        let [high, low] = mtu.to_be_bytes();
        let needed = Icmpv4Type::Unknown {
            type_u8: 3,
            code_u8: 4,
            bytes5to8: [0, 0, high, low],
        };
        let report = icmp("192.0.2.66", "203.0.113.1", needed, &about.bytes()[..28]);
        assert_eq!(heard_outside(&mut world, &report), [], "{mtu}");
    }
    world.pass_time(Duration::from_secs(7_000));
    assert_alive(&mut world);
}

#[test]
fn attack_sequence_inference_a_dropped_segment_looks_like_an_accepted_one() {
    // An off-path attacker sees our answers and, by the size of a shared limit, whether we spent one.
    let text = three_zones(
        r#"rule = [{ name = "out", from = "dmz", action = "accept" }]"#,
        r#"[nat]
        masquerade = [{ from = "dmz", to = "wan" }]
        [limits]
        icmp_errors_per_second = 3"#,
    );
    let mut world = World::new(&text);
    world.pass(dmz(), &segment(INSIDE, PEER, "S", 1000, 0));
    world.pass(wan(), &segment(PEER, OUTSIDE, "SA", 5000, 1001));
    world.pass(dmz(), &segment(INSIDE, PEER, "A", 1001, 5001));
    for packet in spoofed_segments() {
        assert_eq!(heard_outside(&mut world, &packet), []);
    }
    let late = udp("10.99.0.2:9", "192.0.2.9:9", b"").ttl(1);
    let told = (0..10).filter(|_| !world.send(dmz(), &late).is_empty());
    assert_eq!(told.count(), 3, "none of the limit was spent on them");
}

#[test]
fn attack_blind_icmp_an_mtu_of_68_is_passed_on_only_for_what_is_on_its_way() {
    let mut world = connected();
    let about = |seq: u32| {
        tcp(OUTSIDE, PEER, &[0; 1000], |header| {
            (
                header.ack,
                header.sequence_number,
                header.acknowledgment_number,
            ) = (true, seq, 5001);
        })
    };
    let report = |seq: u32, mtu: u16| {
        let [high, low] = mtu.to_be_bytes();
        let needed = Icmpv4Type::Unknown {
            type_u8: 3,
            code_u8: 4,
            bytes5to8: [0, 0, high, low],
        };
        icmp(
            "192.0.2.66",
            "203.0.113.1",
            needed,
            &about(seq).bytes()[..28],
        )
    };
    for (seq, mtu) in [(1001, 0), (1001, 67), (1001, 65_535), (999, 68), (5000, 68)] {
        let reason = world.refuse(wan(), &report(seq, mtu));
        assert_eq!(reason, DropReason::IcmpUnrelated, "{seq}, {mtu}");
    }
    // The control: believable, so the host itself decides.
    let sent = world.pass(wan(), &report(1001, 68)).packet;
    assert_eq!(quote_of(&sent).0.source, [10, 99, 0, 2]);
    assert_alive(&mut world);
}

#[test]
fn attack_land_a_packet_from_its_own_destination_is_refused() {
    let mut world = routing();
    for (zone, end) in [
        (wan(), "203.0.113.1:80"),
        (wan(), "10.99.0.2:80"),
        (dmz(), "10.99.0.1:80"),
        (dmz(), "10.99.0.2:80"),
    ] {
        let reason = world.refuse(zone, &syn(end, end));
        assert_eq!(reason, DropReason::MartianSource, "{end}");
    }
}

#[test]
fn attack_smurf_echo_requests_to_broadcast_addresses_end_here() {
    let text = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "")
        .replace(".254\"", ".254\"\nanswer = [\"echo\", \"errors\"]");
    let mut world = World::new(&text);
    for dst in [
        "10.99.0.255",
        "10.99.0.0",
        "203.0.113.255",
        "255.255.255.255",
        "224.0.0.1",
    ] {
        let request = ping("192.0.2.9", dst, 1);
        assert_eq!(world.refuse(wan(), &request), DropReason::GroupDestination);
    }
    // Nor is one answered that comes to all, or from a broadcast address.
    let mut frame = world.frame(wan(), &ping("192.0.2.9", "203.0.113.1", 1));
    frame[..6].fill(0xff);
    assert_eq!(
        world.refuse_frame(wan(), &frame),
        DropReason::GroupDestination
    );
    let from_all = ping("203.0.113.255", "203.0.113.1", 1);
    assert_eq!(world.refuse(wan(), &from_all), DropReason::MartianSource);
}

#[test]
fn attack_arp_spoofing_of_the_gateway_moves_nothing() {
    let thief: Mac = [2, 0xba, 0xd0, 0, 0, 1];
    let gateway = host("203.0.113.254");
    let mut world = masquerading();
    world.pass(dmz(), &udp(INSIDE, PEER, b"?"));
    for operation in [1, 2] {
        for target in ["203.0.113.1", "203.0.113.254", "0.0.0.0"] {
            let claim = arp(operation, (thief, gateway), (our_mac(wan()), host(target)));
            world.send_frame(wan(), &claim);
        }
    }
    // `pass` verifies that frames still go to the gateway's own card.
    world.pass(dmz(), &udp(INSIDE, PEER, b"?"));
    world.pass_time(Duration::from_secs(60));
    world.pass(dmz(), &udp(INSIDE, PEER, b"?"));
}

#[test]
fn attack_mac_flood_of_a_million_addresses_fills_nothing() {
    let mut world = routing();
    world.pass(dmz(), &udp("10.99.0.2:5", "10.98.0.3:6", b""));
    let mut made_up = arp(
        1,
        (mac_of(lan(), host("10.98.0.9")), host("10.98.0.9")),
        ([0; 6], host("10.98.0.1")),
    );
    for number in 0..1_000_000u32 {
        let [_, a, b, c] = number.to_be_bytes();
        for at in [6, 22] {
            made_up[at + 3..at + 6].copy_from_slice(&[a, b, c]);
        }
        made_up[31] = 4 + (number % 250) as u8;
        world.arrive_frame(lan(), &made_up);
        if number % 4096 == 0 {
            world.ends.clear();
            world.pass_time(Duration::from_millis(1));
        }
    }
    assert_eq!(world.engine.counters().held(), 0);
    world.pass(dmz(), &udp("10.99.0.2:5", "10.98.0.3:6", b""));
    world.pass(
        dmz(),
        &udp("10.99.0.2:5", "10.98.0.4:6", b"a new neighbour"),
    );
}

#[test]
fn attack_redirects_are_neither_followed_nor_passed() {
    let mut world = masquerading();
    let outside = world.pass(dmz(), &udp(INSIDE, PEER, b"?")).packet;
    for code in 0..4 {
        let redirect = error("203.0.113.254", "203.0.113.1", [5, code], &outside, 28);
        assert_eq!(world.refuse(wan(), &redirect), DropReason::IcmpType);
        let inward = error("10.99.0.9", "10.99.0.1", [5, code], &outside, 28);
        assert_eq!(world.refuse(dmz(), &inward), DropReason::IcmpType);
    }
    // Router advertisements, address masks and the like neither.
    for kind in [9, 10, 17, 18, 30] {
        let message = icmp(
            "203.0.113.254",
            "203.0.113.1",
            Icmpv4Type::Unknown {
                type_u8: kind,
                code_u8: 0,
                bytes5to8: [1, 2, 0, 30],
            },
            &[0; 16],
        );
        assert_eq!(
            world.refuse(wan(), &message),
            DropReason::IcmpType,
            "{kind}"
        );
    }
    world.pass(dmz(), &udp(INSIDE, PEER, b"still by the same router"));
}

#[test]
fn attack_ip_options_of_every_kind_are_refused() {
    let mut world = routing();
    for kind in [1, 7, 68, 82, 130, 131, 134, 136, 137, 148, 255] {
        let mut packet = udp("10.99.0.2:5000", "10.98.0.3:53", b"");
        packet.header.options = [kind, 7, 4, 10, 98, 0, 9, 0].into();
        assert_eq!(world.refuse(dmz(), &packet.sealed()), DropReason::IpOptions);
    }
}

#[test]
fn attack_lengths_that_lie_are_refused() {
    let whole = udp("10.99.0.2:5000", "10.98.0.3:53", &[7; 100]);
    let mut world = routing();
    for total_len in [0, 19, 20, 27, 129, 1500, 65_535] {
        let mut packet = whole.clone();
        packet.header.total_len = total_len;
        packet.header.header_checksum = packet.header.calc_header_checksum();
        let reason = world.refuse(dmz(), &packet);
        match total_len {
            20 | 27 => assert_eq!(reason, DropReason::TransportInvalid),
            _ => assert_eq!(reason, DropReason::IpHeaderInvalid, "{total_len}"),
        }
    }
    for header_len in 0..5 {
        let mut frame = world.frame(dmz(), &whole);
        frame[14] = 0x40 | header_len;
        assert_eq!(
            world.refuse_frame(dmz(), &frame),
            DropReason::IpHeaderInvalid
        );
    }
    for version in [0, 5, 6, 15] {
        let mut frame = world.frame(dmz(), &whole);
        frame[14] = version << 4 | 5;
        assert_eq!(
            world.refuse_frame(dmz(), &frame),
            DropReason::IpHeaderInvalid
        );
    }
    // Bytes behind the packet are padding: they neither count nor travel.
    let mut padded = world.frame(dmz(), &whole);
    padded.extend([0xaa; 200]);
    let sent = world.send_frame(dmz(), &padded).remove(0);
    assert_eq!(sent.packet, whole.hop());
    assert_eq!(sent.frame.total_len, 14 + 128);
    // A jumbo is a packet that is too large for the way out, no more.
    let jumbo = udp("10.99.0.2:5000", "10.98.0.3:53", &vec![7; 8000]).dont_fragment();
    assert_eq!(kind_of(&world.told(dmz(), &jumbo).1), [3, 4]);
}

#[test]
fn attack_vlan_tagged_frames_are_refused_singly_and_doubly() {
    let mut world = routing();
    let plain = world.frame(dmz(), &ping("10.99.0.2", "10.98.0.3", 1));
    for tag in [
        [0x81, 0, 0, 0],
        [0x81, 0, 0x0f, 0xff],
        [0x88, 0xa8, 0, 7],
        [0x91, 0, 0, 7],
    ] {
        let single = [&plain[..12], &tag, &plain[12..]].concat();
        let double = [&plain[..12], &tag, &tag, &plain[12..]].concat();
        for frame in [single, double] {
            assert_eq!(world.refuse_frame(dmz(), &frame), DropReason::VlanTagged);
        }
    }
}

#[test]
fn attack_checksum_a_wrong_one_never_becomes_right_on_its_way() {
    let mut world = masquerading();
    world.wrong_checksums = true;
    world.pass(lan(), &udp("10.98.0.9:40000", "192.0.2.1:1", b""));
    for wrong in [1u16, 2, 0x0100, 0x7fff, 0x8000, 0xfffe] {
        for mut packet in [udp(INSIDE, "192.0.2.9:53", b"x"), syn(INSIDE, PEER)] {
            let at = if packet.header.protocol == IpNumber::UDP {
                6
            } else {
                16
            };
            let right = u16::from_be_bytes([packet.body[at], packet.body[at + 1]]);
            // Not to 0, which would mean none.
            let spoiled = (right ^ wrong).max(1);
            packet.body[at..at + 2].copy_from_slice(&spoiled.to_be_bytes());
            let sent = world.pass(dmz(), &packet).packet;
            let pseudo = crate::support::check::pseudo_header(&sent.header, sent.body.len());
            let sum = crate::support::check::sum(&[&pseudo, &sent.body]);
            assert_ne!(sum, 0xffff, "{wrong:#x}: {sent:?}");
        }
    }
}

#[test]
fn attack_ipv6_nothing_of_it_crosses() {
    let mut world = routing();
    let plain = world.frame(dmz(), &ping("10.99.0.2", "10.98.0.3", 1));
    for to in [our_mac(dmz()), [0x33, 0x33, 0, 0, 0, 1]] {
        // A neighbour solicitation's head is as good as any.
        let mut frame = plain.clone();
        frame[..6].copy_from_slice(&to);
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[14] = 0x60;
        frame.resize(14 + 72, 0);
        assert_eq!(world.refuse_frame(dmz(), &frame), DropReason::Ipv6);
        assert_eq!(
            world.refuse_frame(wan(), &{
                let mut frame = frame.clone();
                frame[..6].copy_from_slice(&our_mac(wan()));
                frame
            }),
            DropReason::Ipv6
        );
    }
    // In IPv4 it is a protocol like any other, that a rule must allow.
    let tunnelled = Ip::new(
        host("192.0.2.9"),
        host("10.99.0.2"),
        IpNumber(41),
        vec![0x60; 40],
    );
    assert_eq!(
        masquerading().refuse(wan(), &tunnelled),
        DropReason::PolicyDefault
    );
}

#[test]
fn attack_leak_no_inside_source_leaves_untranslated() {
    // `World` verifies every frame that leaves by the WAN; here is what other filters let out.
    let mut world = connected();
    world.pass(dmz(), &segment(INSIDE, PEER, "R", 1001, 0));
    world.pass_time(Duration::from_secs(300));
    assert_eq!(world.engine.conntrack().flows(), 0);
    for flags in ["R", "RA", "A", "FA", "SA"] {
        let late = segment(INSIDE, PEER, flags, 1001, 5001);
        assert_eq!(world.refuse(dmz(), &late), DropReason::TcpNoFlow, "{flags}");
    }
    let mut world = connected();
    for (flags, seq) in [
        ("R", 900_000),
        ("A", 900_000),
        ("FA", 0x9000_0000),
        ("SA", 77),
    ] {
        world.refuse(dmz(), &segment(INSIDE, PEER, flags, seq, 5001));
    }
    // Errors about flows that never were, and pieces without their head.
    let made_up = udp("192.0.2.9:53", "10.99.0.2:7777", b"");
    let report = error("10.99.0.2", "192.0.2.9", [3, 3], &made_up, 28);
    assert_eq!(world.refuse(dmz(), &report), DropReason::IcmpUnrelated);
    let pieces = udp(INSIDE, "192.0.2.9:53", &[1; 400]).id(3).pieces(128);
    for piece in &pieces[1..] {
        assert_eq!(world.send(dmz(), piece), []);
    }
    assert_eq!(world.pass_time(Duration::from_secs(60)), []);
}

#[test]
fn attack_open_ports_all_are_silent_unless_forwarded() {
    let top = r#"rule = [{ name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" }]
        forward = [{ name = "www", from = "wan", service = "tcp/443", to = "10.99.0.2" }]"#;
    let more = r#"[nat]
        masquerade = [{ from = "dmz", to = "wan" }, { from = "lan", to = "wan" }]"#;
    let mut world = World::new(&three_zones(top, more));
    let dhcp = 68;
    for port in 1..=u16::MAX {
        for own in ["203.0.113.1", "10.99.0.1", "10.98.0.1"] {
            // The inside addresses in steps: they take the same way.
            if own != "203.0.113.1" && port % 97 != 0 {
                continue;
            }
            let to = format!("{own}:{port}");
            let probes = [
                syn("192.0.2.9:50000", &to),
                udp("192.0.2.9:50000", &to, b"probe"),
            ];
            for probe in probes {
                let is_open =
                    own == "203.0.113.1" && port == 443 && probe.header.protocol == IpNumber::TCP;
                let sent = world.send(wan(), &probe);
                assert_eq!(sent.len(), usize::from(is_open), "{probe:?}");
                assert!(sent.iter().all(|sent| sent.zone == dmz()));
            }
        }
        if port % 4096 == dhcp {
            world.ends.clear();
        }
    }
    // Other scans of one port, open and closed.
    for port in [22, 443] {
        let to = format!("203.0.113.1:{port}");
        for flags in ["A", "FA", "R", "SA"] {
            let probe = segment("192.0.2.9:50001", &to, flags, 1, 1);
            assert_eq!(world.send(wan(), &probe), [], "{flags} to {port}");
        }
    }
}

#[test]
fn attack_amplification_without_state_no_more_leaves_by_the_wan_than_came() {
    let mut world = masquerading();
    // Known, so that no ARP of ours counts as an answer.
    world.pass(dmz(), &udp(INSIDE, "203.0.113.7:9", b""));
    let large = [7; 1400];
    let mut probes = vec![
        ping("203.0.113.7", "203.0.113.1", 1),
        ping("203.0.113.7", "10.99.0.2", 1),
        syn("203.0.113.7:5", "203.0.113.1:80"),
        syn("203.0.113.7:5", "10.99.0.2:80"),
        udp("203.0.113.7:5", "203.0.113.1:53", b""),
        udp("203.0.113.7:5", "203.0.113.1:67", &large),
        udp("203.0.113.7:5", "10.98.0.3:9", &large).dont_fragment(),
        udp("203.0.113.7:5", "192.0.2.9:9", b"through").ttl(1),
        udp("203.0.113.7:5", "10.98.0.3:9", b"late").ttl(1),
        Ip::new(
            host("203.0.113.7"),
            host("203.0.113.1"),
            IpNumber(47),
            vec![0; 8],
        ),
    ];
    probes.extend(
        udp("203.0.113.7:5", "203.0.113.1:9", &large)
            .id(7)
            .pieces(512),
    );
    for probe in probes {
        world.questions.clear();
        let received = world.frame(wan(), &probe).len();
        let sent = heard_outside(&mut world, &probe);
        let answered: usize = sent.iter().map(|sent| sent.frame.bytes.len()).sum();
        let asked = world.questions.iter().filter(|(zone, _)| *zone == wan());
        let asked: usize = asked.map(|(_, frame)| frame.len()).sum();
        assert!(answered + asked <= received, "{probe:?}: {sent:?}");
    }
    // Where echo is offered, an answer is as long as its question.
    let text = three_zones("", "").replace(".254\"", ".254\"\nanswer = [\"echo\"]");
    let mut open = World::new(&text);
    for len in [0, 100, 1400] {
        let request = ping("203.0.113.7", "203.0.113.1", len);
        let sent = heard_outside(&mut open, &request);
        assert_eq!(sent[0].frame.total_len, open.frame(wan(), &request).len());
    }
}

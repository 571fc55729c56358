//! Routing: what is changed on the way, what is not, and what is not taken at all.

use std::net::Ipv4Addr;

use etherparse::{Icmpv4Type, IpNumber, Ipv4Header};
use sekisho_engine::DropReason;

use crate::support::ip::{Ip, host, icmp, kind_of, ping, pong, quote_of, syn, udp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{End, World, dmz, lan, our_mac, wan};

#[test]
fn three_zones_reach_each_other_one_hop_further_and_otherwise_untouched() {
    let places = [
        (wan(), "203.0.113.7:1000"),
        (dmz(), "10.99.0.2:2000"),
        (lan(), "10.98.0.3:3000"),
        (wan(), "192.0.2.9:4000"),
    ];
    for (from, src) in places {
        for (to, dst) in places {
            let mut world = routing();
            let packet = udp(src, dst, b"hello").id(0xbeef).marked(46, 1);
            let plain = udp(src, dst, b"hello");
            if from == to {
                assert!(matches!(
                    world.refuse(from, &packet),
                    DropReason::SameZone | DropReason::MartianSource
                ));
                continue;
            }
            let sent = world.pass(from, &packet);
            assert_eq!(
                (sent.zone, &sent.packet),
                (to, &packet.clone().hop()),
                "{src} to {dst}"
            );
            // Once the neighbour is known nothing waits.
            let again = world.pass(from, &plain);
            assert_eq!((again.zone, again.packet), (to, plain.hop()));
            assert_eq!(world.ends(), [End::Forwarded]);
        }
    }
}

#[test]
fn rfc1812_s5_3_1_a_ttl_that_runs_out_is_reported_inside_and_not_outside() {
    for ttl in [0, 1] {
        let mut world = routing();
        let packet = udp("10.99.0.2:5000", "10.98.0.3:53", b"late").ttl(ttl);
        let (reason, report) = world.told(dmz(), &packet);
        assert_eq!(reason, DropReason::TtlExceeded);
        assert_eq!(
            (report.src(), report.dst()),
            (host("10.99.0.1"), host("10.99.0.2"))
        );
        assert_eq!(kind_of(&report), [11, 0]);
        assert_eq!(report.body[8..], packet.bytes());

        let from_outside = udp("192.0.2.9:5000", "10.98.0.3:53", b"late").ttl(ttl);
        assert_eq!(world.refuse(wan(), &from_outside), DropReason::TtlExceeded);
        assert_eq!(world.engine.conntrack().flows(), 0);
    }
    let last = udp("10.99.0.2:5000", "10.98.0.3:53", b"late").ttl(2);
    assert_eq!(routing().pass(dmz(), &last).packet, last.hop());
}

fn narrow_lan() -> World {
    World::new(
        &three_zones(
            r#"rule = [{ name = "all", from = "dmz", action = "accept" }]"#,
            "",
        )
        .replace("10.98.0.1/24\"", "10.98.0.1/24\"\nmtu = 600"),
    )
}

#[test]
fn rfc1191_too_large_with_df_is_reported_with_the_mtu() {
    let mut world = narrow_lan();
    let at_limit = udp("10.99.0.2:5000", "10.98.0.3:53", &[7; 572]).dont_fragment();
    assert_eq!(at_limit.header.total_len, 600);
    assert_eq!(world.pass(dmz(), &at_limit).packet, at_limit.hop());

    let larger = udp("10.99.0.2:5000", "10.98.0.3:53", &[7; 573]).dont_fragment();
    let (reason, report) = world.told(dmz(), &larger);
    assert_eq!(reason, DropReason::TooBig);
    assert_eq!(kind_of(&report), [3, 4]);
    assert_eq!(report.body[4..8], [0, 0, 2, 88]);
    assert_eq!(report.header.total_len, 576, "RFC 1812 section 4.3.2.3");
    let (quoted, _) = quote_of(&report);
    assert_eq!(quoted, larger.header);
}

#[test]
fn rfc791_too_large_without_df_is_cut_and_the_pieces_make_the_whole() {
    let mut world = narrow_lan();
    let whole = udp(
        "10.99.0.2:5000",
        "10.98.0.3:53",
        &(0..=255).cycle().take(1400).collect::<Vec<u8>>(),
    )
    .id(77);
    let sent = world.send(dmz(), &whole);
    let expected: Vec<Ip> = whole.clone().hop().pieces(576);
    let pieces: Vec<Ip> = sent.into_iter().map(|sent| sent.packet).collect();
    assert_eq!(pieces, expected);
    assert_eq!(world.ends().last(), Some(&End::Fragmented));
    assert_eq!(world.engine.counters().forwarded_to(lan()), 1);
}

#[test]
fn attack_ip_options_are_refused() {
    let mut world = routing();
    let mut packet = udp("10.99.0.2:5000", "10.98.0.3:53", b"routed");
    // Loose source route (RFC 791 section 3.1).
    packet.header.options = [131, 7, 4, 10, 98, 0, 9, 0].into();
    assert_eq!(world.refuse(dmz(), &packet.sealed()), DropReason::IpOptions);
}

/// What is wrong with a header, and why it is refused.
type Spoiled = (fn(&mut Ipv4Header), DropReason);

#[test]
fn rfc1812_s5_2_2_header_checks_discard_and_never_repair() {
    let cases: [Spoiled; 3] = [
        (|header| header.header_checksum ^= 1, DropReason::IpChecksum),
        (|header| header.total_len += 1, DropReason::IpHeaderInvalid),
        (|header| header.total_len = 19, DropReason::IpHeaderInvalid),
    ];
    for (spoil, reason) in cases {
        let mut packet = udp("10.99.0.2:5000", "10.98.0.3:53", b"wrong");
        spoil(&mut packet.header);
        if reason != DropReason::IpChecksum {
            packet.header.header_checksum = packet.header.calc_header_checksum();
        }
        assert_eq!(routing().refuse(dmz(), &packet), reason);
    }
}

#[test]
fn rfc1812_s5_3_7_sources_and_destinations_that_cannot_be_are_refused() {
    use DropReason::{GroupDestination, MartianDestination, MartianSource, OwnSource, ReversePath};
    let cases = [
        (wan(), "127.0.0.1", "10.99.0.2", MartianSource),
        (wan(), "0.0.0.0", "10.99.0.2", MartianSource),
        (wan(), "224.0.0.1", "10.99.0.2", MartianSource),
        (wan(), "255.255.255.255", "10.99.0.2", MartianSource),
        (wan(), "169.254.7.7", "10.99.0.2", MartianSource),
        (wan(), "240.0.0.1", "10.99.0.2", MartianSource),
        (wan(), "203.0.113.255", "10.99.0.2", MartianSource),
        (wan(), "203.0.113.0", "10.99.0.2", MartianSource),
        (wan(), "10.99.0.255", "10.98.0.2", MartianSource),
        (wan(), "172.16.3.4", "10.99.0.2", MartianSource),
        (wan(), "100.64.0.1", "10.99.0.2", MartianSource),
        (wan(), "10.99.0.2", "10.99.0.2", MartianSource),
        (wan(), "10.99.0.2", "10.98.0.2", ReversePath),
        (wan(), "10.98.0.2", "10.99.0.2", ReversePath),
        (dmz(), "10.98.0.2", "10.98.0.3", ReversePath),
        (dmz(), "192.0.2.9", "10.98.0.3", ReversePath),
        (dmz(), "203.0.113.7", "10.98.0.3", ReversePath),
        (wan(), "203.0.113.1", "10.99.0.2", OwnSource),
        (wan(), "10.99.0.1", "10.99.0.2", OwnSource),
        (dmz(), "10.99.0.1", "10.98.0.2", OwnSource),
        (dmz(), "10.99.0.2", "224.0.0.251", GroupDestination),
        (dmz(), "10.99.0.2", "255.255.255.255", GroupDestination),
        (dmz(), "10.99.0.2", "10.98.0.255", GroupDestination),
        (dmz(), "10.99.0.2", "10.98.0.0", GroupDestination),
        (dmz(), "10.99.0.2", "10.99.0.255", GroupDestination),
        (wan(), "192.0.2.9", "10.99.0.255", GroupDestination),
        (dmz(), "10.99.0.2", "127.0.0.1", MartianDestination),
        (dmz(), "10.99.0.2", "0.0.0.0", MartianDestination),
        (dmz(), "10.99.0.2", "169.254.169.254", MartianDestination),
        (dmz(), "10.99.0.2", "240.0.0.1", MartianDestination),
    ];
    for (zone, src, dst, reason) in cases {
        let mut world = routing();
        let packet = udp(&format!("{src}:9"), &format!("{dst}:9"), b"");
        assert_eq!(world.refuse(zone, &packet), reason, "{src} to {dst}");
        assert_eq!(world.engine.conntrack().flows(), 0);
        assert_eq!(world.questions, [], "nobody is asked for");
    }
}

#[test]
fn rfc6890_private_sources_pass_from_the_wan_only_by_option_or_route() {
    let text = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "");
    let allowing = text.replace(".254\"", ".254\"\nallow_private_sources = true");
    let routed = format!("{text}\n[[route]]\nto = \"172.16.0.0/16\"\nvia = \"203.0.113.9\"\n");
    let packet = udp("172.16.3.4:9", "10.99.0.2:9", b"");
    assert_eq!(
        World::new(&text).refuse(wan(), &packet),
        DropReason::MartianSource
    );
    let mut world = World::new(&allowing);
    assert_eq!(world.pass(wan(), &packet).zone, dmz());
    let spoofed = udp("10.98.0.4:9", "10.99.0.2:9", b"");
    assert_eq!(world.refuse(wan(), &spoofed), DropReason::ReversePath);
    assert_eq!(World::new(&routed).pass(wan(), &packet).zone, dmz());
}

#[test]
fn an_inside_address_is_unreachable_from_the_wan_where_it_is_masqueraded() {
    let mut world = masquerading();
    world.pass(dmz(), &udp("10.99.0.2:5000", "192.0.2.9:53", b"q"));
    for packet in [
        udp("192.0.2.9:53", "10.99.0.2:5000", b"a"),
        syn("192.0.2.9:53", "10.99.0.2:5000"),
        ping("192.0.2.9", "10.99.0.2", 5),
    ] {
        assert_eq!(world.refuse(wan(), &packet), DropReason::PolicyDefault);
    }
}

#[test]
fn group_frames_and_strangers_frames_are_neither_forwarded_nor_answered() {
    let packet = ping("10.99.0.2", "10.98.0.3", 5);
    let cases = [
        ([0xff; 6], DropReason::GroupDestination),
        ([1, 0, 0x5e, 0, 0, 1], DropReason::GroupDestination),
        ([2, 9, 9, 9, 9, 9], DropReason::EthernetNotForUs),
        (our_mac(lan()), DropReason::EthernetNotForUs),
    ];
    for (to, reason) in cases {
        let mut world = routing();
        let mut frame = world.frame(dmz(), &packet);
        frame[..6].copy_from_slice(&to);
        assert_eq!(world.refuse_frame(dmz(), &frame), reason);
        let mut own = world.frame(dmz(), &ping("10.99.0.2", "10.99.0.1", 5));
        own[..6].copy_from_slice(&to);
        assert_eq!(world.refuse_frame(dmz(), &own), reason);
    }
}

#[test]
fn other_ethertypes_tags_and_stubs_end_with_their_reason() {
    let mut world = routing();
    let whole = world.frame(dmz(), &ping("10.99.0.2", "10.98.0.3", 5));
    for (ethertype, reason) in [
        ([0x86, 0xdd], DropReason::Ipv6),
        ([0x81, 0x00], DropReason::VlanTagged),
        ([0x88, 0xa8], DropReason::VlanTagged),
        ([0x88, 0xcc], DropReason::EthertypeUnknown),
    ] {
        let mut frame = whole.clone();
        frame[12..14].copy_from_slice(&ethertype);
        assert_eq!(world.refuse_frame(dmz(), &frame), reason);
    }
    let mut from_group = whole.clone();
    from_group[6] |= 1;
    assert_eq!(
        world.refuse_frame(dmz(), &from_group),
        DropReason::EthernetBadSource
    );
    for len in 1..whole.len() {
        let reason = world.refuse_frame(dmz(), &whole[..len]);
        match len {
            ..14 => assert_eq!(reason, DropReason::EthernetTooShort),
            14.. => assert_eq!(reason, DropReason::IpHeaderInvalid),
        }
    }
}

#[test]
fn other_protocols_pass_by_their_addresses() {
    let mut world = routing();
    let gre = |src: &str, dst: &str| Ip::new(host(src), host(dst), IpNumber(47), vec![1; 24]);
    let there = gre("10.99.0.2", "10.98.0.3");
    assert_eq!(world.pass(dmz(), &there).packet, there.hop());
    let back = gre("10.98.0.3", "10.99.0.2");
    assert_eq!(world.pass(lan(), &back).packet, back.hop());
    assert_eq!(world.engine.conntrack().flows(), 1);
}

/// Two firewalls would send it to and fro for ever.
#[test]
fn rfc1812_s4_3_3_6_an_echo_reply_is_not_answered_whatever_its_identifier() {
    for id in [7, 8, 13] {
        let mut world = masquerading();
        assert_eq!(
            world.refuse(dmz(), &pong("10.99.0.2", "10.99.0.1", id)),
            DropReason::NotOffered
        );
        for piece in pong("10.99.0.2", "10.99.0.1", id).pieces(8) {
            assert_eq!(world.send(dmz(), &piece), [], "identifier {id}");
        }
    }
    // A request with that identifier is.
    let mut world = masquerading();
    let sent = world.send(dmz(), &ping("10.99.0.2", "10.99.0.1", 8));
    assert_eq!(sent[0].packet, pong("10.99.0.1", "10.99.0.2", 8));
}

#[test]
fn the_box_answers_echo_requests_to_its_own_address_where_it_may() {
    let mut world = routing();
    let sent = world.pass(dmz(), &ping("10.99.0.2", "10.99.0.1", 5));
    assert_eq!(sent.zone, dmz());
    assert_eq!(sent.packet, pong("10.99.0.1", "10.99.0.2", 5));
    assert_eq!(world.ends(), [End::Answered]);

    // Another query, and another protocol with the same number.
    let timestamp = Icmpv4Type::Unknown {
        type_u8: 13,
        code_u8: 0,
        bytes5to8: [0; 4],
    };
    for packet in [
        icmp("10.99.0.2", "10.99.0.1", timestamp, &[0; 12]),
        udp("10.99.0.2:9", "10.99.0.1:8", b"echo?"),
    ] {
        assert_eq!(world.refuse(dmz(), &packet), DropReason::NotOffered);
    }

    let refused = [
        (wan(), "192.0.2.9", "203.0.113.1"),
        // Strong host model (RFC 1122 section 3.3.4.2).
        (dmz(), "10.99.0.2", "10.98.0.1"),
        (dmz(), "10.99.0.2", "203.0.113.1"),
    ];
    for (zone, src, dst) in refused {
        assert_eq!(
            world.refuse(zone, &ping(src, dst, 5)),
            DropReason::NotOffered,
            "{dst}"
        );
    }
}

#[test]
fn no_route_and_a_way_out_that_is_down_are_told_apart() {
    let no_gateway = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "")
        .replace("gateway = \"203.0.113.254\"", "");
    let packet = udp("10.99.0.2:9", "192.0.2.9:9", b"");
    let (reason, report) = World::new(&no_gateway).told(dmz(), &packet);
    assert_eq!((reason, kind_of(&report)), (DropReason::NoRoute, [3, 0]));
    assert_eq!(report.body[8..], packet.bytes());

    let mut world = routing();
    world
        .engine
        .set_link(wan(), sekisho_engine::interface::Link::Down);
    assert_eq!(world.refuse(dmz(), &packet), DropReason::EgressDown);
    world
        .engine
        .set_link(wan(), sekisho_engine::interface::Link::Up);
    world.engine.set_address(wan(), None, None);
    assert_eq!(world.told(dmz(), &packet).0, DropReason::NoRoute);
}

#[test]
fn routes_behind_a_router_go_to_that_router_and_the_longest_prefix_wins() {
    let text = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "")
        + "[[route]]\nto = \"10.50.0.0/16\"\nvia = \"10.99.0.254\"\n\
           [[route]]\nto = \"10.50.7.0/24\"\nvia = \"10.98.0.254\"\n";
    for (dst, zone, via) in [
        ("10.50.1.1", dmz(), "10.99.0.254"),
        ("10.50.7.1", lan(), "10.98.0.254"),
    ] {
        let mut world = World::new(&text);
        let via: Ipv4Addr = host(via);
        world.silent.insert(via);
        assert_eq!(
            world.send(wan(), &udp("192.0.2.9:9", &format!("{dst}:9"), b"")),
            []
        );
        let (asked_in, question) = world.questions.remove(0);
        assert_eq!((asked_in, &question[38..42]), (zone, &via.octets()[..]));
    }
}

#[test]
fn a_flow_whose_way_has_changed_is_not_sent_the_old_way() {
    let mut world = routing();
    let packet = udp("10.99.0.2:9", "198.51.100.7:9", b"");
    assert_eq!(world.pass(dmz(), &packet).zone, wan());
    let moved = "198.51.100.1/24".parse().expect("a prefix");
    world.engine.set_address(lan(), Some(moved), None);
    assert_eq!(world.refuse(dmz(), &packet), DropReason::NoRoute);
}

/// A packet whose transport header says what the bytes `at` are changed to.
fn with_byte(mut packet: Ip, at: usize, value: u8) -> Ip {
    packet.body[at] = value;
    packet
}

/// A packet cut to so many bytes behind its IP header.
fn cut(mut packet: Ip, len: usize) -> Ip {
    packet.body.truncate(len);
    packet.sealed()
}

#[test]
fn attack_lengths_of_transport_headers_that_contradict_themselves() {
    let datagram = || udp("10.99.0.2:256", "10.98.0.3:256", b"eight...");
    let segment = || syn("10.99.0.2:256", "10.98.0.3:256");
    let echo = || ping("10.99.0.2", "10.98.0.3", 5);
    let cases = [
        ("a UDP length below 8", with_byte(datagram(), 5, 7)),
        (
            "a UDP length beyond the packet",
            with_byte(datagram(), 5, 17),
        ),
        ("half a UDP header", cut(datagram(), 7)),
        ("UDP from port 0", with_byte(datagram(), 0, 0)),
        ("UDP to port 0", with_byte(datagram(), 2, 0)),
        ("TCP to port 0", with_byte(segment(), 2, 0)),
        ("TCP from port 0", with_byte(segment(), 0, 0)),
        (
            "a TCP header below 20 bytes",
            with_byte(segment(), 12, 4 << 4),
        ),
        (
            "a TCP header beyond the packet",
            with_byte(segment(), 12, 6 << 4),
        ),
        ("half a TCP header", cut(segment(), 19)),
        ("half an ICMP header", cut(echo(), 7)),
        ("nothing", cut(datagram(), 0)),
    ];
    for (what, packet) in cases {
        let mut world = routing();
        assert_eq!(
            world.refuse(dmz(), &packet),
            DropReason::TransportInvalid,
            "{what}"
        );
        // Padding does not make up for what is missing.
        let mut padded = world.frame(dmz(), &packet);
        padded.resize(90, 0);
        assert_eq!(
            world.refuse_frame(dmz(), &padded),
            DropReason::TransportInvalid,
            "{what}"
        );
    }
    // A datagram may be shorter than its packet.
    let mut shorter = datagram();
    shorter.body.extend(*b"more");
    routing().pass(dmz(), &with_no_checksum(shorter.sealed()));
}

fn with_no_checksum(packet: Ip) -> Ip {
    with_byte(with_byte(packet, 6, 0), 7, 0)
}

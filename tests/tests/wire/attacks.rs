//! Attacks of few frames.

use std::net::Ipv4Addr;

use sekisho_tests::frames::{Content, Inner, flag};
use sekisho_tests::rig::{DMZ, DMZ_HOST, WAN, WAN_HOST};
use sekisho_tests::way::{Way, arp_reply, arp_request};

use crate::support::{
    NOBODY, STRANGER, WORLD, Wire, is_tcp, packet, with_header, with_ttl, with_type,
};

on_one_machine! {
    attacks_on_the_wire:
        attack_port_shadowing_the_forwards_port_is_not_given_away,
        attack_redan_spoofed_segments_get_no_answer_and_end_nothing,
        attack_blind_icmp_errors_do_not_pass,
        attack_land_and_smurf_end_here,
        attack_ip_options_do_not_pass,
        attack_arp_spoofing_moves_nothing,
        attack_redirects_do_not_pass,
        attack_lengths_that_lie_do_not_pass,
        attack_vlan_tags_do_not_pass,
        attack_ipv6_does_not_pass,
        attack_leak_a_late_rst_does_not_leave,
        attack_amplification_nothing_is_answered_on_the_wan;
}

fn attack_port_shadowing_the_forwards_port_is_not_given_away(wire: &Wire) {
    assert_ne!(wire.udp_out(7001, (WORLD, 53)).1, 7001);
    wire.dmz()
        .send(&wire.dmz().to(WORLD).tcp((80, 443), flag::SYN, (9, 0), b""));
    let syn = wire.wan().expect("a SYN", |frame| {
        matches!(
            frame.inner(),
            Some(Inner::Tcp {
                destination: 443,
                sequence: 9,
                ..
            })
        )
    });
    assert!(
        !is_tcp(&syn, (80, 443), flag::SYN, (9, 0)),
        "from another port"
    );
}

fn attack_redan_spoofed_segments_get_no_answer_and_end_nothing(wire: &Wire) {
    wire.connected(45_000, 443);
    let before = wire.arrived(wire.wan()).len();
    for port in [45_000, 45_001] {
        for seq in [0, 4_000, 5_002, 0x4000_0000, 0x9000_0000] {
            for flags in [flag::RST, flag::RST | flag::ACK, flag::SYN, flag::ACK] {
                let spoofed = wire.from(WORLD, WAN).tcp((443, port), flags, (seq, 7), b"");
                wire.wan().send(&spoofed);
            }
        }
    }
    assert_eq!(
        wire.arrived(wire.wan()).len(),
        before,
        "used or not, a port is silent"
    );
    wire.segment_in((443, 45_000), flag::ACK, (5001, 1001), b"still there");
    wire.segment_out((45_000, 443), flag::ACK, (1001, 5012), b"");
}

fn attack_blind_icmp_errors_do_not_pass(wire: &Wire) {
    wire.connected(45_002, 443);
    let before = wire.arrived(wire.dmz()).len();
    for (from, seq) in [(45_002, 0), (45_002, 0x8000_0000), (45_003, 1001)] {
        let about = Way {
            from: WAN,
            ..wire.dmz().to(WORLD)
        };
        let about = about.tcp((from, 443), flag::ACK, (seq, 5001), b"");
        wire.wan()
            .send(&wire.from(STRANGER, WAN).port_unreachable(packet(&about)));
    }
    assert_eq!(wire.arrived(wire.dmz()).len(), before);
}

fn attack_land_and_smurf_end_here(wire: &Wire) {
    for address in [WAN, DMZ, DMZ_HOST, WAN_HOST] {
        wire.wan().send(
            &wire
                .from(address, address)
                .tcp((80, 80), flag::SYN, (1, 0), b""),
        );
        wire.dmz().send(
            &Way {
                from: address,
                ..wire.dmz().to(address)
            }
            .udp(7001, 7001, b"land"),
        );
    }
    for to in [Ipv4Addr::new(10, 99, 0, 255), Ipv4Addr::BROADCAST] {
        let way = Way {
            to_mac: [0xff; 6],
            ..wire.from(WORLD, to)
        };
        wire.wan().send(&way.echo(45_004, 1, b"smurf"));
    }
    wire.silence();
}

fn attack_ip_options_do_not_pass(wire: &Wire) {
    for kind in [1, 7, 68, 131, 137, 148] {
        let plain = wire.from(WORLD, WAN).udp(45_005, 7001, b"by another way");
        let options = [kind, 7, 4, 10, 99, 0, 2, 0];
        let frame = [&plain[..34], &options, &plain[34..]].concat();
        let len = (frame.len() - 14) as u16;
        wire.wan().send(&with_header(frame, |header| {
            header[0] = 0x47;
            header[2..4].copy_from_slice(&len.to_be_bytes());
        }));
    }
    wire.silence();
}

fn attack_arp_spoofing_moves_nothing(wire: &Wire) {
    const THIEF: [u8; 6] = [2, 0xba, 0xd0, 0, 0, 1];
    wire.udp_out(45_006, (WORLD, 53));
    let wan = wire.wan();
    wan.send(&arp_reply(THIEF, WAN_HOST, wan.gateway, WAN));
    wan.send(&arp_request(THIEF, WAN_HOST, WAN));
    wan.send(&arp_reply(THIEF, WAN, wan.gateway, WAN));
    wire.udp_out(45_006, (WORLD, 54));
    let stolen = wan.seen(|frame| {
        frame.destination_mac == THIEF && matches!(frame.content, Content::Ipv4 { .. })
    });
    assert_eq!(stolen, []);
}

fn attack_redirects_do_not_pass(wire: &Wire) {
    let (_, port) = wire.udp_out(45_007, (WORLD, 53));
    let about = Way {
        from: WAN,
        ..wire.dmz().to(WORLD)
    }
    .udp(port, 53, b"?");
    let unreachable = wire.from(WAN_HOST, WAN).port_unreachable(packet(&about));
    let redirect = with_type(unreachable, 5, 1);
    wire.wan().send(&redirect);
    assert_eq!(wire.arrived(wire.dmz()), []);
    wire.udp_out(45_007, (WORLD, 54));
}

fn attack_lengths_that_lie_do_not_pass(wire: &Wire) {
    let datagram = wire.from(WORLD, WAN).udp(45_008, 7001, b"sixteen bytes...");
    let mut longer = datagram.clone();
    longer[39] += 1;
    wire.wan().send(&longer);
    wire.wan()
        .send(&with_header(datagram.clone(), |header| header[3] = 27));
    wire.wan()
        .send(&with_header(datagram.clone(), |header| header[2] = 0x40));
    for len in [15, 20, 33, 34, 41] {
        wire.wan().send(&datagram[..len]);
    }
    wire.silence();
}

fn attack_vlan_tags_do_not_pass(wire: &Wire) {
    let plain = wire.from(WORLD, WAN).udp(45_009, 7001, b"tagged");
    for tag in [[0x81, 0, 0, 0], [0x81, 0, 0, 7], [0x88, 0xa8, 0, 7]] {
        wire.wan()
            .send(&[&plain[..12], &tag, &plain[12..]].concat());
    }
    wire.silence();
}

fn attack_ipv6_does_not_pass(wire: &Wire) {
    for peer in [wire.wan(), wire.dmz()] {
        for to in [peer.gateway, [0x33, 0x33, 0, 0, 0, 1]] {
            let mut frame = [&to[..], &peer.mac, &[0x86, 0xdd, 0x60]].concat();
            frame.resize(14 + 72, 0);
            peer.send(&frame);
        }
    }
    let all =
        [wire.wan(), wire.dmz()].map(|peer| peer.seen(|frame| frame.content == Content::Other));
    wire.silence();
    assert_eq!(all, [[], []], "not as what cannot be read either");
}

fn attack_leak_a_late_rst_does_not_leave(wire: &Wire) {
    for flags in [
        flag::RST,
        flag::RST | flag::ACK,
        flag::FIN | flag::ACK,
        flag::ACK,
    ] {
        wire.dmz()
            .send(&wire.dmz().to(WORLD).tcp((45_010, 443), flags, (1, 1), b""));
    }
    wire.silence();
    let inside = wire.wan().seen(|frame| {
        frame
            .source()
            .is_some_and(|source| source.octets()[0] == 10)
    });
    assert_eq!(inside, [], "ever");
}

fn attack_amplification_nothing_is_answered_on_the_wan(wire: &Wire) {
    for to in [WAN, DMZ, DMZ_HOST, NOBODY, STRANGER] {
        let way = wire.from(WORLD, to);
        for frame in [
            way.echo(45_011, 1, &[7; 1000]),
            way.udp(45_011, 53, b""),
            way.udp(45_011, 67, &[7; 300]),
            way.tcp((45_011, 22), flag::SYN, (1, 0), b""),
            way.tcp((45_011, 22), flag::ACK, (1, 1), b"data"),
            with_ttl(way.udp(45_011, 9, b"late"), 1),
        ] {
            wire.wan().send(&frame);
        }
    }
    assert_eq!(wire.arrived(wire.wan()), []);
}

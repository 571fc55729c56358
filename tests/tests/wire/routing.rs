//! What a router checks, and fragments.

use sekisho_tests::frames::flag;
use sekisho_tests::rig::{DMZ, DMZ_HOST, WAN, WAN_HOST};
use sekisho_tests::way::Way;

use crate::support::{NOBODY, STRANGER, WORLD, Wire, piece, with_header, with_ttl};

on_one_machine! {
    routing_on_the_wire:
        rfc1812_s5_2_2_bad_headers_are_dropped,
        rfc1812_s5_3_1_a_ttl_that_runs_out_is_reported_inside_only,
        rfc1812_s5_3_7_martians_do_not_pass,
        rfc1812_s5_3_8_spoofed_sources_do_not_pass,
        rfc2644_directed_broadcasts_do_not_pass,
        rfc6890_inside_sources_do_not_come_in_by_the_wan,
        fragment_overlap_drops_the_whole,
        fragment_alone_does_not_pass,
        fragment_tiny_first_does_not_pass;
}

fn rfc1812_s5_2_2_bad_headers_are_dropped(wire: &Wire) {
    let good = wire.dmz().to(WORLD).udp(44_000, 53, b"bad header");
    let mut bad = vec![good.clone()];
    bad[0][24] ^= 1;
    bad.push(with_header(good.clone(), |header| header[0] = 0x44));
    bad.push(with_header(good.clone(), |header| header[0] = 0x65));
    bad.push(with_header(good.clone(), |header| header[3] += 1));
    bad.push(with_header(good, |header| header[2..4].fill(0)));
    bad.iter().for_each(|frame| wire.dmz().send(frame));
    wire.silence();
}

fn rfc1812_s5_3_1_a_ttl_that_runs_out_is_reported_inside_only(wire: &Wire) {
    wire.wan().send(&with_ttl(
        wire.from(WORLD, WAN)
            .tcp((44_001, 80), flag::SYN, (1, 0), b""),
        1,
    ));
    wire.silence();
    wire.dmz()
        .send(&with_ttl(wire.dmz().to(WORLD).udp(44_001, 53, b""), 1));
    let report = wire.dmz().expect("an error", |frame| frame.is_icmp(11));
    assert_eq!(report.source(), Some(DMZ));
}

fn rfc1812_s5_3_7_martians_do_not_pass(wire: &Wire) {
    let sources = [
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [169, 254, 1, 1],
        [224, 0, 0, 9],
        [240, 0, 0, 1],
        [255; 4],
        [192, 0, 2, 255],
    ];
    for source in sources {
        let way = wire.from(source.into(), WAN);
        wire.wan()
            .send(&way.tcp((44_002, 80), flag::SYN, (1, 0), b""));
        wire.wan().send(&way.udp(44_002, 7001, b"from nowhere"));
    }
    for to in [
        [0, 0, 0, 1],
        [127, 0, 0, 1],
        [169, 254, 1, 1],
        [224, 0, 0, 9],
        [240, 0, 0, 1],
        [255; 4],
    ] {
        wire.dmz()
            .send(&wire.dmz().to(to.into()).udp(44_002, 53, b"to nowhere"));
    }
    wire.silence();
}

fn rfc1812_s5_3_8_spoofed_sources_do_not_pass(wire: &Wire) {
    for source in [WORLD, WAN_HOST, WAN, DMZ] {
        let way = Way {
            from: source,
            ..wire.dmz().to(STRANGER)
        };
        wire.dmz().send(&way.udp(44_003, 53, b"spoofed"));
    }
    wire.silence();
}

fn rfc2644_directed_broadcasts_do_not_pass(wire: &Wire) {
    for to in [[10, 99, 0, 255], [10, 99, 0, 0], [192, 0, 2, 255]] {
        wire.wan()
            .send(&wire.from(WORLD, to.into()).echo(44_004, 1, b"all of you"));
        wire.dmz()
            .send(&wire.dmz().to(to.into()).echo(44_004, 1, b"all of you"));
    }
    wire.silence();
}

fn rfc6890_inside_sources_do_not_come_in_by_the_wan(wire: &Wire) {
    for source in [
        DMZ_HOST,
        NOBODY,
        DMZ,
        [192, 168, 1, 1].into(),
        [100, 64, 0, 1].into(),
    ] {
        for to in [WAN, DMZ_HOST] {
            wire.wan().send(
                &wire
                    .from(source, to)
                    .tcp((44_005, 80), flag::SYN, (1, 0), b""),
            );
            wire.wan()
                .send(&wire.from(source, to).udp(44_005, 7001, b"inside?"));
        }
    }
    wire.silence();
}

fn fragment_overlap_drops_the_whole(wire: &Wire) {
    let whole = wire.from(WORLD, WAN).udp(44_006, 7001, &[7; 600]);
    for (from, len) in [(0, 200), (192, 208), (200, 200), (400, 208)] {
        wire.wan().send(&piece(&whole, 70, from, len));
    }
    wire.silence();
}

fn fragment_alone_does_not_pass(wire: &Wire) {
    let whole = wire.from(WORLD, WAN).udp(44_007, 7001, &[7; 600]);
    wire.wan().send(&piece(&whole, 71, 200, 200));
    wire.wan().send(&piece(&whole, 71, 400, 208));
    wire.silence();
}

fn fragment_tiny_first_does_not_pass(wire: &Wire) {
    let whole = wire
        .from(WORLD, WAN)
        .tcp((44_008, 80), flag::SYN, (1, 0), &[7; 40]);
    wire.wan().send(&piece(&whole, 72, 0, 8));
    wire.wan().send(&piece(&whole, 72, 8, 52));
    wire.silence();
}

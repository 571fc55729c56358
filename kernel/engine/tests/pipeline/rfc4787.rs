//! RFC 4787: what is asked of a NAT for UDP, as far as no other module shows it.

use std::time::Duration;

use sekisho_engine::DropReason;

use crate::support::ip::{Ip, error, kind_of, quote_of, udp};
use crate::support::setup::{masquerading, three_zones};
use crate::support::world::{World, dmz, lan, wan};

const INSIDE: &str = "10.99.0.2:40000";
const PEER: &str = "192.0.2.9:53";
const OUTSIDE: &str = "203.0.113.1:40000";

/// The outside port that a datagram gets.
fn port_of(world: &mut World, src: &str, dst: &str) -> u16 {
    let zone = if src.starts_with("10.98.") {
        lan()
    } else {
        dmz()
    };
    world.pass(zone, &udp(src, dst, b"")).packet.from().port()
}

#[test]
fn rfc4787_req4_a_free_port_is_kept_with_its_parity_and_a_substitute_is_any() {
    let mut world = masquerading();
    for port in [40_000, 40_001, 53, 54] {
        assert_eq!(
            port_of(&mut world, &format!("10.99.0.2:{port}"), PEER),
            port
        );
    }
    let substitutes = (0..40).map(|last| {
        let src = format!("10.98.0.{}:40000", last + 2);
        port_of(&mut world, &src, PEER) % 2
    });
    let odd: u16 = substitutes.sum();
    assert!((1..40).contains(&odd), "both parities: {odd} of 40 odd");
}

#[test]
fn rfc4787_req5_a_mapping_lives_five_minutes() {
    let reply = udp(PEER, OUTSIDE, b"!");
    for (idle, lives) in [(120, true), (299, true), (301, false)] {
        let mut world = masquerading();
        world.pass(dmz(), &udp(INSIDE, PEER, b"?"));
        world.pass_time(Duration::from_secs(idle));
        match lives {
            true => assert_eq!(world.pass(wan(), &reply).zone, dmz()),
            false => assert_eq!(world.refuse(wan(), &reply), DropReason::NotOffered),
        }
    }
}

#[test]
fn rfc4787_req5a_no_destination_port_has_a_shorter_life() {
    let mut world = masquerading();
    let ports = [7, 53, 67, 123, 137, 161, 500, 514, 1900, 4500, 5060, 33_434];
    for (from, port) in (40_000..).zip(ports) {
        let src = format!("10.99.0.2:{from}");
        world.pass(dmz(), &udp(&src, &format!("192.0.2.9:{port}"), b"?"));
    }
    world.pass_time(Duration::from_secs(299));
    assert_eq!(world.engine.conntrack().mappings(), ports.len());
    world.pass_time(Duration::from_secs(3));
    assert_eq!(world.engine.conntrack().mappings(), 0);
}

#[test]
fn rfc4787_req10_addresses_in_a_payload_are_nobodys_business() {
    let mut world = masquerading();
    let payloads: [&[u8]; 3] = [
        b"INVITE sip:a@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.99.0.2:5060\r\nContact: <sip:b@10.99.0.2>\r\n\r\n",
        b"PORT 10,99,0,2,156,64\r\n",
        &[10, 99, 0, 2, 0x9c, 0x40],
    ];
    for (payload, port) in payloads.iter().zip([5060, 21, 1719]) {
        let peer = format!("192.0.2.9:{port}");
        let sent = world.pass(dmz(), &udp(INSIDE, &peer, payload));
        assert_eq!(sent.packet, udp(OUTSIDE, &peer, payload).hop());
        let sent = world.pass(wan(), &udp(&peer, OUTSIDE, payload));
        assert_eq!(sent.packet, udp(&peer, INSIDE, payload).hop());
    }
    assert_eq!(world.engine.conntrack().mappings(), 1, "and none is opened");
}

#[test]
fn rfc4787_req11_a_conflict_changes_the_port_and_nothing_else() {
    let mut world = masquerading();
    for last in 2..40 {
        let src = format!("10.98.0.{last}:40000");
        let port = port_of(&mut world, &src, PEER);
        // Endpoint-independent, and filtered by address, whichever port it got.
        assert_eq!(port_of(&mut world, &src, "192.0.2.10:54"), port);
        let outside = format!("203.0.113.1:{port}");
        for peer in [PEER, "192.0.2.10:7"] {
            let sent = world.pass(wan(), &udp(peer, &outside, b"!"));
            assert_eq!(sent.packet, udp(peer, &src, b"!").hop());
        }
        let stranger = udp("192.0.2.66:53", &outside, b"!");
        assert_eq!(world.refuse(wan(), &stranger), DropReason::NatFiltered);
    }
}

#[test]
fn rfc4787_req12_an_unreachable_passes_and_the_mapping_stays() {
    let mut world = masquerading();
    let packet = udp(INSIDE, PEER, b"?");
    let outside = world.pass(dmz(), &packet).packet;
    for code in [0, 1, 2, 3, 9, 10, 13] {
        let report = error("192.0.2.1", "203.0.113.1", [3, code], &outside, 28);
        let sent = world.pass(wan(), &report);
        assert_eq!((sent.zone, kind_of(&sent.packet)), (dmz(), [3, code]));
        let reply = udp(PEER, OUTSIDE, b"!");
        assert_eq!(world.pass(wan(), &reply).zone, dmz(), "after code {code}");
    }
}

/// Masquerading to a narrow WAN from a narrow dmz.
fn narrow() -> World {
    let text = three_zones(
        r#"rule = [{ name = "out", from = "dmz", action = "accept" }]"#,
        r#"[nat]
        masquerade = [{ from = "dmz", to = "wan" }]"#,
    );
    World::new(
        &text
            .replace(".254\"", ".254\"\nmtu = 1280")
            .replace("10.99.0.1/24\"", "10.99.0.1/24\"\nmtu = 1400"),
    )
}

#[test]
fn rfc4787_req13_too_large_with_df_is_reported_on_both_sides() {
    let mut world = narrow();
    let large = udp(INSIDE, PEER, &[1; 1300]).dont_fragment();
    let (reason, report) = world.told(dmz(), &large);
    assert_eq!((reason, kind_of(&report)), (DropReason::TooBig, [3, 4]));
    assert_eq!(report.body[4..8], [0, 0, 5, 0], "1,280");

    // From outside, where all else is silent: path MTU discovery would break.
    world.pass(dmz(), &udp(INSIDE, PEER, b"?"));
    let large = udp(PEER, OUTSIDE, &[1; 1400]).dont_fragment();
    let (reason, report) = world.told(wan(), &large);
    assert_eq!((reason, kind_of(&report)), (DropReason::TooBig, [3, 4]));
    assert_eq!(report.body[4..8], [0, 0, 5, 120], "1,400");
    assert_eq!(quote_of(&report).0, large.header, "as the peer sent it");
}

#[test]
fn rfc4787_req14a_a_flood_of_fragments_hurts_no_other_traffic() {
    let mut world = masquerading();
    for round in 0..400u16 {
        let src = format!("10.99.0.{}:4000", 3 + round % 200);
        let whole = udp(&src, PEER, &[1; 400]).id(round);
        let piece = if round % 2 == 0 {
            (0, true)
        } else {
            (128, true)
        };
        world.send(dmz(), &whole.piece(piece.0, 128, piece.1));
    }
    // Whole packets, a frame that waits for its neighbour, and another host's fragments.
    let whole = udp(INSIDE, PEER, b"?");
    assert_eq!(
        world.pass(dmz(), &whole).packet,
        udp(OUTSIDE, PEER, b"?").hop()
    );
    world.pass(
        dmz(),
        &udp("10.99.0.2:5", "203.0.113.77:6", b"a new neighbour"),
    );
    let pieces = udp("10.98.0.3:40001", PEER, &[7; 400]).id(9).pieces(200);
    let mut sent: Vec<Ip> = Vec::new();
    for piece in &pieces {
        sent.extend(world.send(lan(), piece).into_iter().map(|sent| sent.packet));
    }
    let outside = udp("203.0.113.1:40001", PEER, &[7; 400]).id(9).pieces(200);
    assert_eq!(sent, outside.into_iter().map(Ip::hop).collect::<Vec<_>>());
}

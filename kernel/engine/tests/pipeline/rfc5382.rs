//! RFC 5382: what is asked of a NAT for TCP, as far as no other module shows it.

use std::time::Duration;

use sekisho_engine::DropReason;

use crate::support::ip::{Ip, error, syn, tcp};
use crate::support::setup::{masquerading, three_zones};
use crate::support::world::{World, dmz, lan, wan};

const INSIDE: &str = "10.99.0.2:40000";
const PEER: &str = "192.0.2.9:80";
const OUTSIDE: &str = "203.0.113.1:40000";

/// A segment with numbers; `flags` are of "SAFR".
fn segment(src: &str, dst: &str, flags: &str, seq: u32, ack: u32) -> Ip {
    tcp(src, dst, b"", |header| {
        header.syn = flags.contains('S');
        header.ack = flags.contains('A');
        header.fin = flags.contains('F');
        header.rst = flags.contains('R');
        (header.sequence_number, header.acknowledgment_number) = (seq, ack);
    })
}

/// Sends from inside; it must arrive translated.
fn out(world: &mut World, flags: &str, seq: u32, ack: u32) {
    let sent = world.pass(dmz(), &segment(INSIDE, PEER, flags, seq, ack));
    assert_eq!(sent.packet, segment(OUTSIDE, PEER, flags, seq, ack).hop());
}

/// The same from outside.
fn back(world: &mut World, flags: &str, seq: u32, ack: u32) {
    let sent = world.pass(wan(), &segment(PEER, OUTSIDE, flags, seq, ack));
    assert_eq!(sent.packet, segment(PEER, INSIDE, flags, seq, ack).hop());
}

#[test]
fn rfc5382_req1_an_inside_endpoint_keeps_its_outside_port_whoever_the_peer_is() {
    let mut world = masquerading();
    world.pass(lan(), &syn("10.98.0.9:40000", "192.0.2.1:1"));
    let first = world.pass(dmz(), &syn(INSIDE, PEER)).packet.from();
    assert_ne!(first.port(), 40_000, "it is another's already");
    for peer in ["192.0.2.9:443", "192.0.2.10:80", "203.0.113.77:22"] {
        assert_eq!(world.pass(dmz(), &syn(INSIDE, peer)).packet.from(), first);
    }
}

#[test]
fn rfc5382_req2_syns_that_cross_become_a_connection_through_nat() {
    let mut world = masquerading();
    out(&mut world, "S", 1000, 0);
    back(&mut world, "S", 5000, 0);
    out(&mut world, "SA", 1000, 5001);
    back(&mut world, "SA", 5000, 1001);
    out(&mut world, "A", 1001, 5001);
    back(&mut world, "FA", 5001, 1001);
    out(&mut world, "FA", 1001, 5002);
    back(&mut world, "A", 5002, 1002);
}

#[test]
fn rfc5382_req2_a_connection_may_be_closed_at_both_ends_at_once_and_one_end_alone() {
    let mut world = masquerading();
    out(&mut world, "S", 1000, 0);
    back(&mut world, "SA", 5000, 1001);
    out(&mut world, "A", 1001, 5001);
    // Both FINs on their way, neither acknowledged (RFC 9293 figure 13).
    out(&mut world, "FA", 1001, 5001);
    back(&mut world, "FA", 5001, 1001);
    out(&mut world, "A", 1002, 5002);
    back(&mut world, "A", 5002, 1002);

    // The same endpoints again, with new numbers; the server goes on for two hours after the client's FIN.
    out(&mut world, "S", 90_000, 0);
    back(&mut world, "SA", 70_000, 90_001);
    out(&mut world, "A", 90_001, 70_001);
    out(&mut world, "FA", 90_001, 70_001);
    world.pass_time(Duration::from_secs(7_000));
    back(&mut world, "A", 70_001, 90_002);
    back(&mut world, "FA", 70_001, 90_002);
    out(&mut world, "A", 90_002, 70_002);
}

#[test]
fn rfc5382_req3_who_may_connect_to_a_mapping_depends_on_the_filtering() {
    let cases = [
        ("endpoint-independent", true, true),
        ("address-dependent", true, false),
        ("address-and-port-dependent", false, false),
    ];
    for (filtering, address, stranger) in cases {
        let text = three_zones(
            r#"rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]"#,
            &format!(
                "[nat]\nmasquerade = [{{ from = \"dmz\", to = \"wan\" }}]\nfiltering = \"{filtering}\""
            ),
        );
        let mut world = World::new(&text);
        out(&mut world, "S", 1000, 0);
        for (peer, admitted) in [("192.0.2.9:999", address), ("192.0.2.66:80", stranger)] {
            let packet = syn(peer, OUTSIDE);
            match admitted {
                true => assert_eq!(world.pass(wan(), &packet).packet, syn(peer, INSIDE).hop()),
                false => assert_eq!(world.refuse(wan(), &packet), DropReason::NatFiltered),
            }
        }
    }
}

#[test]
fn rfc5382_req4_an_unsolicited_syn_is_met_with_silence_and_spoils_no_later_connection() {
    let mut world = masquerading();
    let unsolicited = segment(PEER, OUTSIDE, "S", 5000, 0);
    assert_eq!(world.refuse(wan(), &unsolicited), DropReason::NotOffered);
    assert_eq!(world.pass_time(Duration::from_secs(5)), []);
    out(&mut world, "S", 1000, 0);
    assert_eq!(
        world.pass_time(Duration::from_secs(60)),
        [],
        "no late answer"
    );
    // Its repetition now finds the mapping: a simultaneous open.
    back(&mut world, "S", 5000, 0);
    out(&mut world, "SA", 1000, 5001);
    back(&mut world, "SA", 5000, 1001);
}

#[test]
fn rfc5382_req6_ftp_passes_as_it_is() {
    let mut world = masquerading();
    let server = "192.0.2.9:21";
    let ends = |command: &[u8], seq: u32| {
        let build = move |header: &mut etherparse::TcpHeader| {
            (
                header.ack,
                header.sequence_number,
                header.acknowledgment_number,
            ) = (true, seq, 5001);
        };
        (
            tcp(INSIDE, server, command, build),
            tcp(OUTSIDE, server, command, build).hop(),
        )
    };
    world.pass(dmz(), &segment(INSIDE, server, "S", 1000, 0));
    world.pass(wan(), &segment(server, OUTSIDE, "SA", 5000, 1001));
    let mut seq = 1001;
    for command in [
        &b"USER ftp\r\n"[..],
        b"PORT 10,99,0,2,156,65\r\n",
        b"EPRT |1|10.99.0.2|40001|\r\n",
    ] {
        let (sent, arrives) = ends(command, seq);
        assert_eq!(world.pass(dmz(), &sent).packet, arrives);
        seq += command.len() as u32;
    }
    let data = syn("192.0.2.9:20", "203.0.113.1:40001");
    assert_eq!(world.refuse(wan(), &data), DropReason::NotOffered);
}

#[test]
fn rfc5382_req9_an_error_about_a_connection_is_translated() {
    let mut world = masquerading();
    let first = segment(INSIDE, PEER, "S", 1000, 0);
    let outside = world.pass(dmz(), &first).packet.ttl(9);
    for kind in [[3, 1], [3, 13], [11, 0], [12, 0]] {
        let report = error("192.0.2.1", "203.0.113.1", kind, &outside, 40);
        let inside = error("192.0.2.1", "10.99.0.2", kind, &first.clone().ttl(9), 40);
        let sent = world.pass(wan(), &report);
        assert_eq!((sent.zone, sent.packet), (dmz(), inside.hop()));
    }
}

#[test]
fn rfc5382_req10_no_error_ends_a_connection() {
    let mut world = masquerading();
    out(&mut world, "S", 1000, 0);
    back(&mut world, "SA", 5000, 1001);
    out(&mut world, "A", 1001, 5001);
    let outside = segment(OUTSIDE, PEER, "A", 1001, 5001);
    for code in 0..16 {
        for kind in [[3, code], [11, code.min(1)], [12, 0]] {
            let report = error("192.0.2.1", "203.0.113.1", kind, &outside, 28);
            world.send(wan(), &report);
        }
    }
    world.pass_time(Duration::from_secs(7_000));
    back(&mut world, "A", 5001, 1001);
    out(&mut world, "A", 1001, 5001);
}

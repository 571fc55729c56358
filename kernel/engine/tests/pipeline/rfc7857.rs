//! RFC 7857: what it adds to RFC 4787, 5382 and 5508, as far as no other module shows it.

use std::time::Duration;

use sekisho_engine::DropReason;

use crate::support::ip::{error, ping, syn, tcp, udp};
use crate::support::setup::{masquerading, three_zones};
use crate::support::world::{World, dmz, lan, wan};

const INSIDE: &str = "10.99.0.2:40000";
const OUTSIDE: &str = "203.0.113.1:40000";

fn with(timeouts: &str) -> World {
    World::new(&three_zones(
        r#"rule = [{ name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" }]"#,
        &format!("[nat]\nmasquerade = [{{ from = \"dmz\", to = \"wan\" }}]\n[timeout]\n{timeouts}"),
    ))
}

/// Flows of a connection that is opening, and of one that is closed, after a time.
fn left(timeouts: &str, seconds: u64) -> [usize; 2] {
    let segment = |src: &str, dst: &str, [syn, ack, fin]: [bool; 3], seq: u32, number: u32| {
        tcp(src, dst, b"", |header| {
            (header.syn, header.ack, header.fin) = (syn, ack, fin);
            (header.sequence_number, header.acknowledgment_number) = (seq, number);
        })
    };
    let mut opening = with(timeouts);
    opening.pass(dmz(), &syn(INSIDE, "192.0.2.9:80"));
    let mut closed = with(timeouts);
    let (syn, ack, fin) = (
        [true, false, false],
        [false, true, false],
        [false, true, true],
    );
    let syn_ack = [true, true, false];
    for (zone, flags, seq, number) in [
        (dmz(), syn, 1000, 0),
        (wan(), syn_ack, 5000, 1001),
        (dmz(), ack, 1001, 5001),
        (dmz(), fin, 1001, 5001),
        (wan(), fin, 5001, 1002),
        (dmz(), ack, 1002, 5002),
    ] {
        let (src, dst) = match zone == dmz() {
            true => (INSIDE, "192.0.2.9:80"),
            false => ("192.0.2.9:80", OUTSIDE),
        };
        closed.pass(zone, &segment(src, dst, flags, seq, number));
    }
    [opening, closed].map(|mut world| {
        world.pass_time(Duration::from_secs(seconds));
        world.engine.conntrack().flows()
    })
}

#[test]
fn rfc7857_s2_1_opening_and_closing_have_timers_of_their_own() {
    assert_eq!(left("", 239), [1, 1]);
    assert_eq!(left("", 242), [0, 0]);
    assert_eq!(left("tcp_opening = \"30s\"", 35), [0, 1]);
    assert_eq!(left("tcp_closing = \"30s\"", 35), [1, 0]);
}

#[test]
fn rfc7857_s5_mappings_of_each_protocol_are_their_own() {
    let mut world = masquerading();
    let first = world.pass(dmz(), &udp(INSIDE, "192.0.2.9:80", b"")).packet;
    assert_eq!(first.from().to_string(), OUTSIDE);
    let second = world
        .pass(lan(), &syn("10.98.0.2:40000", "192.0.2.9:80"))
        .packet;
    assert_eq!(
        second.from().to_string(),
        OUTSIDE,
        "another host's, for TCP"
    );
    let echo = ping("10.98.0.3", "192.0.2.9", 40_000);
    let sent = world.pass(lan(), &echo).packet;
    assert_eq!(sent, ping("203.0.113.1", "192.0.2.9", 40_000).hop());
}

#[test]
fn rfc7857_s6_an_invitation_for_one_protocol_is_none_for_another() {
    let mut world = masquerading();
    world.pass(dmz(), &udp(INSIDE, "192.0.2.9:80", b""));
    assert_eq!(
        world.pass(wan(), &udp("192.0.2.9:7", OUTSIDE, b"")).zone,
        dmz()
    );
    let other = syn("192.0.2.9:7", OUTSIDE);
    assert_eq!(world.refuse(wan(), &other), DropReason::NotOffered);
}

#[test]
fn rfc7857_s7_what_is_refused_from_outside_refreshes_nothing() {
    let mut world = masquerading();
    world.pass(dmz(), &udp(INSIDE, "192.0.2.9:53", b""));
    let stranger = udp("192.0.2.66:53", OUTSIDE, b"");
    for _ in 0..5 {
        world.pass_time(Duration::from_secs(59));
        assert_eq!(world.refuse(wan(), &stranger), DropReason::NatFiltered);
    }
    world.pass_time(Duration::from_secs(9));
    assert_eq!(world.engine.conntrack().mappings(), 0);
}

#[test]
fn rfc7857_s7_1_errors_outward_refresh_nothing() {
    let mut world = masquerading();
    world.pass(dmz(), &udp(INSIDE, "192.0.2.9:53", b""));
    let reply = world
        .pass(wan(), &udp("192.0.2.9:53", OUTSIDE, b"!"))
        .packet;
    let report = error("10.99.0.2", "192.0.2.9", [3, 3], &reply, 28);
    for _ in 0..5 {
        world.pass_time(Duration::from_secs(59));
        assert_eq!(world.pass(dmz(), &report).zone, wan());
    }
    world.pass_time(Duration::from_secs(9));
    assert_eq!(world.engine.conntrack().mappings(), 0);
}

#[test]
fn rfc7857_s10_the_identification_passes_unchanged() {
    let mut world = masquerading();
    for id in [0, 1, 0x8000, 0xffff] {
        let sent = world.pass(dmz(), &udp(INSIDE, "192.0.2.9:53", b"").id(id));
        assert_eq!(sent.packet.header.identification, id);
        let sent = world.pass(wan(), &udp("192.0.2.9:53", OUTSIDE, b"").id(id));
        assert_eq!(sent.packet.header.identification, id);
    }
}

#[test]
fn rfc7857_s12_an_echo_request_to_our_outside_address_is_not_hairpinned() {
    let mut world = masquerading();
    world.pass(dmz(), &ping("10.99.0.3", "192.0.2.9", 7));
    let hairpin = ping("10.99.0.2", "203.0.113.1", 7);
    assert_eq!(world.refuse(dmz(), &hairpin), DropReason::NotOffered);
}

//! How long flows and mappings live, and what keeps them alive.

use super::tests::*;
use super::*;
use crate::packet::Flags;
use alloc::vec;
use sekisho_config::model::Service;

#[test]
fn rfc4787_req6_only_outbound_packets_keep_a_mapping_alive() {
    let mut conntrack = conntrack(&config(), 16);
    let id = udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let answer = packet(udp_key(wan(), (PEER, 53), (OUR, 40_000)), Content::Udp);
    for second in 1..299 {
        assert_eq!(
            conntrack.observe(id, Direction::Reply, &answer, tick(second).now),
            Ok(())
        );
    }
    expire_all(&mut conntrack, 299);
    assert_eq!(conntrack.flows(), 1, "RFC 4787 REQ-5: five minutes");
    expire_all(&mut conntrack, 303);
    assert_nothing_left(&conntrack);
}

#[test]
fn rfc4787_req6_an_outbound_packet_gives_five_more_minutes() {
    let mut conntrack = conntrack(&config(), 16);
    let id = udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let again = packet(udp_key(dmz(), (HOST, 40_000), (PEER, 53)), Content::Udp);
    assert_eq!(
        conntrack.observe(id, Direction::Original, &again, tick(200).now),
        Ok(())
    );
    expire_all(&mut conntrack, 499);
    assert_eq!(conntrack.flows(), 1);
    expire_all(&mut conntrack, 503);
    assert_nothing_left(&conntrack);
}

#[test]
fn a_forwarded_flow_lives_by_its_servers_answers() {
    let mut config = config();
    config.forwards = vec![forward(vec![Service::Udp(ports(53, 53))], None)];
    let mut conntrack = conntrack(&config, 16);
    let key = udp_key(wan(), (PEER, 9), (OUR, 53));
    let found = conntrack.forward(zone_id(0), &key).expect("the forward");
    let query = packet(key, Content::Udp);
    let id = conntrack
        .admit(&inward(key, found.inside), &query, tick(0))
        .expect("room");
    for second in 1..400 {
        let _ = conntrack.observe(id, Direction::Original, &query, tick(second).now);
    }
    expire_all(&mut conntrack, 400);
    assert_eq!(conntrack.flows(), 0);
}

#[test]
fn rfc5382_req5_an_established_connection_lives_two_hours_and_four_minutes() {
    let mut conntrack = conntrack(&config(), 16);
    let id = syn_to_forward(&mut conntrack, (PEER, 1), 100, 0).expect("room");
    establish(&mut conntrack, id, 10);
    expire_all(&mut conntrack, 10 + 7440 - 1);
    assert_eq!(conntrack.flows(), 1);
    expire_all(&mut conntrack, 10 + 7440 + 3);
    assert_nothing_left(&conntrack);
}

#[test]
fn rfc7857_s2_2_a_reset_connection_stays_four_minutes_unless_a_syn_replaces_it() {
    let mut conntrack = conntrack(&config(), 16);
    let id = syn_to_forward(&mut conntrack, (PEER, 1), 100, 0).expect("room");
    establish(&mut conntrack, id, 0);
    let original = *conntrack.flow(id).key(Direction::Original);
    let rst = tcp(original, Flags::RST, 101, 0);
    for second in [0, 100, 200] {
        let now = tick(second).now;
        assert_eq!(
            conntrack.observe(id, Direction::Original, &rst, now),
            Ok(())
        );
    }
    expire_all(&mut conntrack, 239);
    assert_eq!(conntrack.flows(), 1);
    let syn = tcp(original, Flags::SYN, 90, 0);
    assert_eq!(conntrack.lookup(&syn), None);
    assert_nothing_left(&conntrack);
}

#[test]
fn tcp_time_wait_ends_with_a_syn_beyond_the_end_only() {
    let mut conntrack = conntrack(&config(), 16);
    let id = syn_to_forward(&mut conntrack, (PEER, 1), 100, 0).expect("room");
    establish(&mut conntrack, id, 0);
    let (original, reply) = (
        *conntrack.flow(id).key(Direction::Original),
        *conntrack.flow(id).key(Direction::Reply),
    );
    let fin = Flags(Flags::FIN.0 | Flags::ACK.0);
    for (from, segment) in [
        (Direction::Original, tcp(original, fin, 101, 501)),
        (Direction::Reply, tcp(reply, fin, 501, 102)),
    ] {
        assert_eq!(conntrack.observe(id, from, &segment, tick(1).now), Ok(()));
    }
    let old = tcp(original, Flags::SYN, 50, 0);
    assert!(conntrack.lookup(&old).is_some());
    let inside_out = tcp(reply, Flags::SYN, 9_000, 0);
    assert!(conntrack.lookup(&inside_out).is_some(), "not the opener");
    let new = tcp(original, Flags::SYN, 5_000, 0);
    assert!(conntrack.lookup(&new).is_none());
    assert_nothing_left(&conntrack);
}

#[test]
fn the_deadline_is_when_there_is_something_to_expire() {
    let mut conntrack = conntrack(&config(), 16);
    udp_out(&mut conntrack, (HOST, 40_000), (PEER, 53), 0).expect("room");
    let due = conntrack.due().expect("a flow waits");
    assert!(due >= tick(300).now && due <= tick(303).now, "{due:?}");
    assert_eq!(conntrack.expire(tick(299).now), 0);
    assert_eq!(conntrack.expire(due), 1);
    assert_nothing_left(&conntrack);
}

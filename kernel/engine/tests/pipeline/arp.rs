//! Neighbours: who is asked, who is answered, who is believed.

use std::net::Ipv4Addr;
use std::time::Duration;

use sekisho_engine::DropReason;
use sekisho_engine::interface::Link;
use sekisho_engine::neighbor::Mac;
use sekisho_engine::output::{Notice, Output};
use sekisho_engine::verdict::HoldSlot;

use crate::support::ip::{Ip, arp, host, udp};
use crate::support::setup::{routing, three_zones};
use crate::support::world::{End, World, dmz, lan, mac_of, our_mac, wan};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 3);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);
const THIEF: Mac = [2, 0xba, 0xd0, 0, 0, 66];

/// A packet from the dmz to the host in the lan.
fn packet(number: u8) -> Ip {
    udp("10.99.0.2:4000", "10.98.0.3:53", &[number])
}

fn silent_world() -> World {
    let mut world = routing();
    world.silent.insert(HOST);
    world
}

/// The host says where it is.
fn answer(world: &mut World, mac: Mac) -> Vec<Ip> {
    let frame = arp(2, (mac, HOST), (our_mac(lan()), OURS));
    world
        .send_frame(lan(), &frame)
        .into_iter()
        .map(|sent| sent.packet)
        .collect()
}

/// Operation, Ethernet destination and target address of what was asked.
fn asked(world: &mut World) -> Vec<(u8, [u8; 6], Ipv4Addr)> {
    std::mem::take(&mut world.questions)
        .into_iter()
        .map(|(zone, bytes)| {
            assert_eq!(zone, lan());
            let mac = bytes[..6].try_into().expect("six bytes");
            let target = [bytes[38], bytes[39], bytes[40], bytes[41]].into();
            (bytes[21], mac, target)
        })
        .collect()
}

#[test]
fn packets_wait_for_the_answer_and_leave_in_their_order() {
    let mut world = silent_world();
    for number in 0..5 {
        assert_eq!(world.send(dmz(), &packet(number)), []);
    }
    assert_eq!(
        asked(&mut world),
        [(1, [0xff; 6], HOST)],
        "one question for all"
    );
    assert_eq!(world.engine.counters().held(), 5);
    let sent = answer(&mut world, mac_of(lan(), HOST));
    assert_eq!(
        sent,
        (0..5)
            .map(|number| packet(number).hop())
            .collect::<Vec<_>>()
    );
    assert_eq!(world.engine.counters().held(), 0);
}

#[test]
fn the_queue_of_one_neighbour_is_bounded_and_leaves_room_for_others() {
    let mut world = silent_world();
    for number in 0..64 {
        assert_eq!(world.send(dmz(), &packet(number)), []);
    }
    assert_eq!(
        world.refuse(dmz(), &packet(64)),
        DropReason::NeighborQueueFull
    );
    let other = udp("10.99.0.2:4000", "10.98.0.4:53", b"");
    assert_eq!(world.pass(dmz(), &other).packet, other.hop());
    assert_eq!(answer(&mut world, mac_of(lan(), HOST)).len(), 64);
}

#[test]
fn rfc1122_a_neighbour_is_asked_once_a_second_three_times_and_then_given_up() {
    let mut world = silent_world();
    world.send(dmz(), &packet(1));
    world.send(dmz(), &packet(2));
    let mut counts = vec![asked(&mut world).len()];
    let mut told = Vec::new();
    for _ in 0..5 {
        told.extend(world.pass_time(Duration::from_secs(1)));
        counts.push(asked(&mut world).len());
    }
    assert_eq!(counts, [1, 1, 1, 0, 0, 0]);
    assert_eq!(told.len(), 2, "both senders hear of it");
    assert_eq!(
        world
            .engine
            .counters()
            .drops(DropReason::NeighborUnreachable),
        2
    );
    // The next packet asks anew.
    world.send(dmz(), &packet(3));
    assert_eq!(asked(&mut world).len(), 1);
}

#[test]
fn one_round_of_polls_at_the_deadline_gives_up_what_waits() {
    let mut world = silent_world();
    world.send(dmz(), &packet(1));
    for round in 0..3 {
        world.now = world.engine.next_deadline().expect("a question to repeat");
        let mut given_up = Vec::<HoldSlot>::new();
        loop {
            let tick = world.tick();
            match world.engine.poll(tick) {
                None => break,
                Some(Output::GiveUp { slot }) => given_up.push(slot),
                Some(_) => {}
            }
        }
        assert_eq!(given_up.len(), usize::from(round == 2), "round {round}");
    }
}

#[test]
fn we_answer_for_our_own_address_on_that_card_and_for_no_other() {
    let mac = mac_of(lan(), HOST);
    let ask = |target: Ipv4Addr| arp(1, (mac, HOST), ([0; 6], target));
    let mut world = routing();
    world.send_frame(lan(), &ask(OURS));
    assert_eq!(world.ends(), [End::Answered]);
    let (zone, reply) = world.questions.remove(0);
    let expected = arp(2, (our_mac(lan()), OURS), (mac, HOST));
    assert_eq!((zone, reply), (lan(), expected));
    for other in ["10.98.0.4", "10.99.0.1", "203.0.113.1", "10.98.0.255"] {
        world.send_frame(lan(), &ask(host(other)));
        assert_eq!(world.ends(), [End::Absorbed]);
        assert_eq!(world.questions, [], "{other}");
    }
    // RFC 5227: who probes for our address must hear that it is taken.
    let probe = arp(1, (mac, Ipv4Addr::UNSPECIFIED), ([0; 6], OURS));
    world.send_frame(lan(), &probe);
    assert_eq!(world.ends(), [End::Answered]);
}

#[test]
fn arp_that_cannot_be_is_refused() {
    let mac = mac_of(lan(), HOST);
    let mut world = routing();
    let mut forged = arp(1, (mac, HOST), ([0; 6], OURS));
    forged[6..12].copy_from_slice(&THIEF);
    let cases = [
        (
            arp(2, (THIEF, OURS), (our_mac(lan()), OURS)),
            DropReason::ArpConflict,
        ),
        (
            arp(1, (mac, host("10.99.0.3")), ([0; 6], OURS)),
            DropReason::ArpInvalid,
        ),
        (arp(3, (mac, HOST), ([0; 6], OURS)), DropReason::ArpInvalid),
        (
            arp(1, ([0xff; 6], HOST), ([0; 6], OURS)),
            DropReason::EthernetBadSource,
        ),
        (forged, DropReason::ArpInvalid),
    ];
    for (frame, reason) in cases {
        assert_eq!(world.refuse_frame(lan(), &frame), reason);
    }
    assert_eq!(world.questions, []);
}

#[test]
fn attack_arp_spoofing_nothing_is_learnt_that_nobody_asked_for() {
    let mut world = routing();
    answer(&mut world, THIEF);
    world.send_frame(lan(), &arp(1, (THIEF, HOST), ([0; 6], HOST)));
    assert_eq!(world.ends(), [End::Absorbed, End::Absorbed]);
    world.silent.insert(HOST);
    assert_eq!(
        world.send(dmz(), &packet(1)),
        [],
        "the claim was not believed"
    );
    assert_eq!(asked(&mut world).len(), 1);
}

#[test]
fn attack_arp_spoofing_a_claim_on_a_known_address_asks_the_owner_first() {
    let mut world = routing();
    world.pass(dmz(), &packet(1));
    world.questions.clear();
    for claim in [
        arp(2, (THIEF, HOST), (our_mac(lan()), OURS)),
        arp(1, (THIEF, HOST), ([0; 6], HOST)),
        arp(1, (THIEF, HOST), ([0; 6], OURS)),
    ] {
        world.ends.clear();
        assert_eq!(world.send_frame(lan(), &claim), []);
        assert_eq!(world.ends()[0], End::Dropped(DropReason::ArpRefused));
        assert_eq!(
            asked(&mut world),
            [(1, mac_of(lan(), HOST), HOST)],
            "the owner, directly"
        );
        world.pass(dmz(), &packet(2));
    }
}

#[test]
fn an_owner_that_is_gone_makes_room_for_the_next() {
    let mut world = routing();
    world.pass(dmz(), &packet(1));
    world.silent.insert(HOST);
    answer(&mut world, THIEF);
    world.pass_time(Duration::from_secs(4));
    world.ends.clear();
    assert_eq!(
        world.send(dmz(), &packet(2)),
        [],
        "the old owner is forgotten"
    );
    assert_eq!(world.ends(), [End::Held]);
}

#[test]
fn a_stale_neighbour_is_asked_again_while_packets_go_on() {
    let mut world = routing();
    world.pass(dmz(), &packet(1));
    world.questions.clear();
    world.pass_time(Duration::from_secs(29));
    world.pass(dmz(), &packet(2));
    assert_eq!(asked(&mut world), []);
    world.pass_time(Duration::from_secs(2));
    world.ends.clear();
    world.pass(dmz(), &packet(3));
    assert_eq!(world.ends()[0], End::Forwarded, "nothing waits for it");
    assert_eq!(asked(&mut world), [(1, mac_of(lan(), HOST), HOST)]);
    world.pass_time(Duration::from_secs(5));
    assert_eq!(asked(&mut world), [], "it answered");
}

#[test]
fn a_pulled_cable_gives_up_what_waits_and_forgets_who_lived_there() {
    let mut world = silent_world();
    world.send(dmz(), &packet(1));
    world.engine.set_link(lan(), Link::Down);
    world.pass_time(Duration::ZERO);
    assert_eq!(world.engine.counters().held(), 0);
    assert_eq!(world.refuse(dmz(), &packet(2)), DropReason::EgressDown);
    world.engine.set_link(lan(), Link::Up);
    world.pass_time(Duration::ZERO);
    world.silent.clear();
    world.questions.clear();
    world.pass(dmz(), &packet(3));
    assert_eq!(asked(&mut world).len(), 1);
}

/// Sender and target of an ARP frame.
fn spoken_for(bytes: &[u8]) -> ([u8; 4], [u8; 4]) {
    let address = |at: usize| bytes[at..at + 4].try_into().expect("four bytes");
    (address(28), address(38))
}

#[test]
fn every_address_is_announced_at_the_start_and_when_a_cable_comes_back() {
    let mut world = World::unannounced(&three_zones("", ""));
    world.pass_time(Duration::ZERO);
    let announced: Vec<_> = std::mem::take(&mut world.questions)
        .iter()
        .map(|(zone, bytes)| (*zone, spoken_for(bytes)))
        .collect();
    let ours = [
        (wan(), [203, 0, 113, 1]),
        (dmz(), [10, 99, 0, 1]),
        (lan(), [10, 98, 0, 1]),
    ];
    assert_eq!(announced, ours.map(|(zone, own)| (zone, (own, own))));
    world.engine.set_link(lan(), Link::Down);
    world.engine.set_link(lan(), Link::Up);
    world.pass_time(Duration::ZERO);
    assert_eq!(asked(&mut world), [(1, [0xff; 6], OURS)]);
}

#[test]
fn a_taken_address_and_two_zones_on_one_segment_are_noticed() {
    let mut world = routing();
    let thief = arp(2, (THIEF, OURS), (our_mac(lan()), OURS));
    assert_eq!(world.refuse_frame(lan(), &thief), DropReason::ArpConflict);
    let other_card = arp(
        1,
        (our_mac(dmz()), host("10.99.0.1")),
        ([0; 6], host("10.99.0.1")),
    );
    assert_eq!(
        world.refuse_frame(lan(), &other_card),
        DropReason::EthernetOwnSource
    );
    assert_eq!(
        world.notices,
        [
            Notice::AddressTaken {
                zone: lan(),
                by: THIEF
            },
            Notice::OneSegment {
                heard_by: lan(),
                spoken_by: dmz()
            },
        ]
    );
}

#[test]
fn a_new_address_of_ours_asks_with_that_address() {
    let mut world = routing();
    world.pass(dmz(), &udp("10.99.0.2:4000", "192.0.2.9:53", b""));
    world.questions.clear();
    let new = "198.51.100.5/24".parse().expect("a prefix");
    world
        .engine
        .set_address(wan(), Some(new), Some(host("198.51.100.1")));
    world.pass(dmz(), &udp("10.99.0.2:4000", "192.0.2.9:53", b""));
    let asked: Vec<_> = world
        .questions
        .iter()
        .map(|(_, bytes)| spoken_for(bytes))
        .collect();
    let (own, gateway) = ([198, 51, 100, 5], [198, 51, 100, 1]);
    assert_eq!(asked, [(own, own), (own, gateway)], "announced, then asked");
}

#[test]
fn a_flood_of_made_up_destinations_does_not_lock_out_a_known_neighbour() {
    let mut world = routing();
    world.pass(dmz(), &packet(1));
    for last in 4..=254u8 {
        world.silent.insert(Ipv4Addr::new(10, 98, 0, last));
    }
    for last in 4..=254u8 {
        for port in [1, 2] {
            let made_up = udp("10.99.0.66:4000", &format!("10.98.0.{last}:{port}"), b"");
            world.send(dmz(), &made_up);
        }
    }
    assert!(world.engine.counters().drops(DropReason::NeighborQueueFull) > 0);
    assert_eq!(world.pass(dmz(), &packet(2)).packet, packet(2).hop());
    world.pass_time(Duration::from_secs(10));
    assert_eq!(world.engine.counters().held(), 0);
}

#[test]
fn what_was_to_leave_by_a_zone_stays_when_its_cable_or_its_address_goes() {
    type Change = fn(&mut World);
    let changes: [Change; 2] = [
        |world| world.engine.set_link(lan(), Link::Down),
        |world| world.engine.set_address(lan(), None, None),
    ];
    for change in changes {
        let mut world = silent_world();
        world.arrive(dmz(), &packet(1));
        change(&mut world);
        world.pass_time(Duration::ZERO);
        assert_eq!(world.questions, [], "the question was already written");
        assert_eq!(world.engine.counters().held(), 0);
    }
}

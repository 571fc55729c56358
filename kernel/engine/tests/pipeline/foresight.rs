//! Frames that the engine looked at ahead of their turn: the same becomes of them as of any others.

use proptest::prelude::*;

use sekisho_engine::DropReason::{EthernetTooShort, TcpState};
use sekisho_engine::engine::GROUP;

use crate::support::bursts::Taking;
use crate::support::ip::{arp, host, syn, tcp, udp};
use crate::support::random::{KINDS, distortion, steps};
use crate::support::setup::masquerading;
use crate::support::twins::tell_twice;
use crate::support::world::{End, dmz, mac_of, our_mac};

const CLIENT: &str = "10.99.0.2:40000";
const SERVER: &str = "192.0.2.9:80";

#[test]
fn a_packet_may_open_change_and_end_the_flow_of_the_next_of_its_group() {
    let mut world = masquerading();
    // Everybody's card is known from here on.
    world.pass(dmz(), &udp("10.99.0.2:1", SERVER, b"?"));
    let flows = world.engine.conntrack().flows();
    world.taking = Taking::Foreseen;
    world.ends.clear();

    let segment = |sequence: u32, reset: bool, payload: &[u8]| {
        tcp(CLIENT, SERVER, payload, |header| {
            (header.rst, header.ack) = (reset, true);
            header.sequence_number = sequence;
        })
    };
    let question = udp(CLIENT, "192.0.2.9:53", b"?");
    let us = host("10.99.0.1");
    let asker = (mac_of(dmz(), host("10.99.0.2")), host("10.99.0.2"));
    world.arrive(dmz(), &question);
    world.arrive(dmz(), &question);
    world.arrive_frame(dmz(), &arp(1, asker, (our_mac(dmz()), us)));
    world.arrive(dmz(), &syn(CLIENT, SERVER));
    world.arrive(dmz(), &syn(CLIENT, SERVER));
    world.arrive_frame(dmz(), b"garbage");
    world.arrive(dmz(), &segment(1, false, b"early"));
    world.arrive(dmz(), &segment(1, true, b""));
    world.arrive(dmz(), &syn(CLIENT, SERVER));
    for piece in udp("10.99.0.2:1", SERVER, &[7; 64]).pieces(32) {
        world.arrive(dmz(), &piece);
    }
    world.arrive(dmz(), &question.clone().ttl(9));
    assert_eq!(world.ends(), [], "they wait for the end of the burst");
    world.take_waiting();
    let expected = [
        End::Forwarded,
        End::Forwarded,
        End::Answered,
        End::Forwarded,
        End::Forwarded,
        End::Dropped(EthernetTooShort),
        End::Dropped(TcpState),
        End::Forwarded,
        End::Forwarded,
        End::Held,
        End::Held,
        End::Held,
        End::Forwarded,
    ];
    assert_eq!(world.ends(), expected);
    assert_eq!(world.engine.conntrack().flows(), flows + 2);
}

#[test]
fn no_more_than_a_group_is_foreseen() {
    let world = masquerading();
    let frame = world.frame(dmz(), &udp(CLIENT, SERVER, b"?"));
    for (frames, seen) in [(0, 0), (1, 1), (GROUP, GROUP), (3 * GROUP, GROUP)] {
        let heads = std::iter::repeat_n(&frame[..], frames);
        assert_eq!(world.engine.foresee(dmz(), heads).len(), seen);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn foreseen_or_not_the_same_becomes_of_well_formed_traffic(
        kind in prop::sample::select(KINDS.to_vec()),
        steps in steps(150)
    ) {
        tell_twice(kind, &[(steps, None)], |[each, groups]| {
            (each.taking, groups.taking) = (Taking::Later, Taking::Foreseen);
        });
    }

    #[test]
    fn foreseen_or_not_the_same_becomes_of_distorted_traffic(
        kind in prop::sample::select(KINDS.to_vec()),
        steps in prop::collection::vec((steps(6), distortion()), 1..40)
    ) {
        tell_twice(kind, &steps, |[each, groups]| {
            (each.taking, groups.taking) = (Taking::Later, Taking::Foreseen);
        });
    }

    #[test]
    fn what_was_foreseen_of_another_packet_changes_nothing(
        kind in prop::sample::select(KINDS.to_vec()),
        steps in steps(150)
    ) {
        tell_twice(kind, &[(steps, None)], |[each, misled]| {
            (each.taking, misled.taking) = (Taking::Later, Taking::Misled);
        });
    }
}

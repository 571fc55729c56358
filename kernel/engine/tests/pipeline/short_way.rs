//! Whether a packet takes the short way or the long one, the same becomes of it and of all that follow.

use core::time::Duration;

use proptest::prelude::*;

use sekisho_engine::DropReason::{NotOffered, TtlExceeded};

use crate::support::ip::udp;
use crate::support::random::{KINDS, distortion, steps};
use crate::support::setup::masquerading;
use crate::support::twins::tell_twice;
use crate::support::world::{dmz, wan};

#[test]
fn a_known_flows_packets_still_need_a_hop_to_live() {
    let mut world = masquerading();
    let packet = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    world.pass(dmz(), &packet);
    for ttl in [0, 1] {
        let last = packet.clone().ttl(ttl);
        assert_eq!(world.told(dmz(), &last).0, TtlExceeded, "TTL {ttl}");
    }
    let sent = world.pass(dmz(), &packet.ttl(2));
    assert_eq!(sent.packet.header.time_to_live, 1);
}

#[test]
fn what_only_comes_in_keeps_no_mapping_alive_though_all_neighbours_are_known() {
    let mut world = masquerading();
    let other = [
        udp("10.99.0.2:40001", "192.0.2.9:53", b"?"),
        udp("192.0.2.9:53", "203.0.113.1:40001", b"!"),
    ];
    let reply = udp("192.0.2.9:53", "203.0.113.1:40000", b"!");
    world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    world.pass(wan(), &reply);
    for _ in 0..4 {
        world.pass_time(Duration::from_secs(74));
        // Neighbours are trusted for half a minute: another flow makes them known again.
        world.pass(dmz(), &other[0]);
        world.pass(wan(), &other[1]);
        world.pass(wan(), &reply);
    }
    world.pass_time(Duration::from_secs(20));
    assert_eq!(world.refuse(wan(), &reply), NotOffered);
    world.pass(wan(), &other[1]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_ways_do_the_same_with_well_formed_traffic(
        kind in prop::sample::select(KINDS.to_vec()),
        steps in steps(150)
    ) {
        tell_twice(kind, &[(steps, None)], |[_, long]| long.engine.close_short_way());
    }

    #[test]
    fn both_ways_do_the_same_with_distorted_traffic(
        kind in prop::sample::select(KINDS.to_vec()),
        steps in prop::collection::vec((steps(6), distortion()), 1..40)
    ) {
        tell_twice(kind, &steps, |[_, long]| long.engine.close_short_way());
    }
}

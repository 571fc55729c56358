//! What holds whatever happens: frames are conserved, counters are exact, nothing inside is seen outside,
//! and when all is over nothing is left.
//!
//! `World` itself checks each frame that leaves, and after each step that the counters add up.

use std::time::Duration;

use proptest::prelude::*;

use sekisho_engine::DropReason;

use crate::support::random::{KINDS, Story, distorted, distortion, steps};
use crate::support::world::End;

/// Compares the counters with the verdicts, and lets everything run out.
fn finish(mut story: Story) {
    let counters = story.world.engine.counters();
    let forwarded = [End::Forwarded, End::Fragmented, End::Remade];
    let local = [End::Local, End::Absorbed, End::Answered];
    let ended = |ways: &[End]| {
        let ends = story.world.ends.iter();
        ends.filter(|end| ways.contains(end)).count() as u64
    };
    assert_eq!(counters.received(), story.world.received);
    assert_eq!(counters.forwarded(), ended(&forwarded));
    assert_eq!(counters.local(), ended(&local));
    for reason in DropReason::ALL {
        assert_eq!(
            counters.drops(*reason),
            story.drops(*reason),
            "{}",
            reason.name()
        );
    }

    // The longest idle time of all kinds is five days.
    story.world.pass_time(Duration::from_secs(6 * 24 * 3600));
    assert_eq!(story.world.engine.counters().held(), 0);
    let conntrack = story.world.engine.conntrack();
    let left = (conntrack.flows(), conntrack.mappings(), conntrack.leases());
    assert_eq!(left, (0, 0, 0), "flows, mappings, leases");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn well_formed_traffic_is_conserved_and_leaves_well_formed(
        kind in prop::sample::select(KINDS.to_vec()),
        steps in steps(150)
    ) {
        let mut story = Story::new(kind);
        for step in &steps {
            story.take(step, &mut |_| {});
        }
        finish(story);
    }

    #[test]
    fn distorted_traffic_is_conserved_and_shows_nothing_of_the_inside(
        kind in prop::sample::select(KINDS.to_vec()),
        steps in prop::collection::vec((steps(6), distortion()), 1..40)
    ) {
        let mut story = Story::new(kind);
        story.world.wrong_checksums = true;
        story.world.made_up_cards = true;
        for (steps, distortion) in &steps {
            for step in steps {
                story.take(step, &mut |frame| {
                    if let Some(distortion) = distortion {
                        distorted(frame, distortion);
                    }
                });
            }
        }
        finish(story);
    }
}

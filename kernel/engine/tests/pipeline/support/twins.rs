//! Two engines of which one is driven in another way, in the same random traffic.

use std::hash::Hasher;

use super::random::{Distortion, Step, Story, distorted};
use super::world::World;

/// Compares all that can be seen of two engines.
fn compare(one: &Story, other: &Story) {
    assert_eq!(one.world.ends, other.world.ends);
    assert_eq!(one.world.engine.counters(), other.world.engine.counters());
    assert_eq!(one.left(), other.left());
    let seen = |story: &Story| {
        let conntrack = story.world.engine.conntrack();
        (
            conntrack.flows(),
            conntrack.mappings(),
            conntrack.leases(),
            conntrack.permits(),
            conntrack.counted(),
            story.world.engine.next_deadline(),
            story.world.engine.drawn(),
            story.world.wire.finish(),
        )
    };
    assert_eq!(seen(one), seen(other));
}

/// Tells two engines the same, the second of which `change` has changed; after each step all is the same.
pub fn tell_twice(
    kind: &'static str,
    steps: &[(Vec<Step>, Option<Distortion>)],
    change: impl FnOnce([&mut World; 2]),
) {
    let mut stories = [Story::new(kind), Story::new(kind)];
    change(stories.each_mut().map(|story| &mut story.world));
    for story in &mut stories {
        story.world.wrong_checksums = true;
        story.world.made_up_cards = true;
    }
    for (steps, distortion) in steps {
        for step in steps {
            for story in &mut stories {
                story.take(step, &mut |frame| {
                    if let Some(distortion) = distortion {
                        distorted(frame, distortion);
                    }
                });
            }
            compare(&stories[0], &stories[1]);
        }
    }
}

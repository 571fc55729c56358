//! Nothing leaks: after any number of random events, when all has run out, no flow, lease, permit, fragment or frame is left.
//!
//! `./check` has [`EVENTS`] of them. For more, and for others:
//!
//! ```sh
//! SEKISHO_EVENTS=5000000 SEKISHO_SEED=7 cargo test --release -p sekisho-engine --test pipeline leaks
//! ```

use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sekisho_engine::counters::Ftp;

use crate::support::random::{KINDS, Step, Story, steps};

/// Events of an ordinary run.
const EVENTS: u64 = 200_000;
/// Events between two looks at what is left.
const LIFE: u64 = 5_000;

fn wanted(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        let number = text.replace('_', "").parse();
        number.unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
    })
}

/// Random steps that are the same for the same seed.
fn source(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

fn take(story: &mut Story, steps: &[Step]) {
    for step in steps {
        story.take(step, &mut |_| {});
    }
    story.forget();
}

#[test]
fn whatever_happens_no_flow_lease_permit_or_fragment_is_left() {
    let (events, seed) = (wanted("SEKISHO_EVENTS", EVENTS), wanted("SEKISHO_SEED", 1));
    let mut random = source(seed);
    let some = steps(200);
    let mut flows = 0;
    let mut ftp = [0; Ftp::ALL.len()];
    for (life, kind) in (0..events.div_ceil(LIFE)).zip(KINDS.iter().cycle()) {
        let mut story = Story::new(kind);
        let mut happened = 0;
        while happened < LIFE {
            let steps = some.new_tree(&mut random).expect("steps").current();
            happened += steps.len() as u64;
            take(&mut story, &steps);
            let conntrack = story.world.engine.conntrack();
            assert_eq!(conntrack.counted(), conntrack.flows() as u64);
            flows += story.world.engine.conntrack().flows();
        }
        for (count, what) in ftp.iter_mut().zip(Ftp::ALL) {
            *count += story.world.engine.counters().ftp(what);
        }
        story.world.pass_time(Duration::from_secs(6 * 24 * 3600));
        let engine = &story.world.engine;
        let conntrack = engine.conntrack();
        let left = [
            ("flows", conntrack.flows()),
            ("mappings", conntrack.mappings()),
            ("leases", conntrack.leases() as usize),
            ("permits", conntrack.permits()),
            ("counts of sources", conntrack.counted() as usize),
            ("control connections", conntrack.controls().len()),
            ("expected connections", conntrack.controls().waiting()),
            ("datagrams", engine.datagrams()),
            ("frames", engine.counters().held() as usize),
        ];
        for (what, count) in left {
            assert_eq!(
                count, 0,
                "{what} left by life {life} of seed {seed}, {kind:?}"
            );
        }
    }
    assert!(flows > 0, "there was something to leak");
    let [expected, opened, changed, ..] = ftp;
    assert!(expected.min(opened).min(changed) > 10, "{ftp:?}");
}

//! Linux as the judge: random frames through the engine and through a Linux router with the equivalent policy.
//!
//! `SEKISHO_ORACLE_FRAMES` and `SEKISHO_ORACLE_SEED` say how many frames, and which; see docs/linux.md.

use sekisho_tests::oracle::{differences, trial};
use sekisho_tests::skip;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

#[test]
fn the_engine_does_what_linux_does_but_for_what_is_listed() {
    if skip::without_root("a Linux router beside ours") {
        return;
    }
    let frames = number("SEKISHO_ORACLE_FRAMES", 120_000) as usize;
    let seed = number("SEKISHO_ORACLE_SEED", 1);
    let findings = trial::run(seed, frames);
    println!(
        "seed {seed}: {} frames, {} forwarded by both alike",
        findings.frames, findings.forwarded
    );
    for (why, count) in &findings.meant {
        println!("{count:7}  {why}");
    }
    for (what, (count, first)) in &findings.unexplained {
        println!(
            "\nUNEXPLAINED {count} times: {what}\n  {}",
            first.join("\n  ")
        );
    }
    assert!(
        findings.unexplained.is_empty(),
        "{} kinds of differences that docs/linux.md does not list",
        findings.unexplained.len()
    );
    assert!(
        findings.forwarded * 3 > findings.frames,
        "the frames are too bad to show much"
    );
    // Some are rare.
    if frames >= 1_000_000 {
        for row in differences::read() {
            assert!(
                findings.meant.contains_key(&row.why),
                "no frame shows this difference any more: {}",
                row.why
            );
        }
    }
}

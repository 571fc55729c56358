//! Every golden case gives what it gave when it was made.

use std::path::{Path, PathBuf};

use sekisho_replay::golden;

const RENEW: &str = "if this is as it should be: cargo run -p sekisho-replay --bin golden -- bless, and look at git diff";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

#[test]
fn every_case_gives_its_frames_and_its_counters() {
    let cases = golden::cases(&folder()).expect("cases");
    assert!(cases.len() >= 12, "only {} cases", cases.len());
    for case in cases {
        let name = case.display();
        let expected = golden::expected(&case).unwrap_or_else(|error| panic!("{error}"));
        let is = golden::run(&case).unwrap_or_else(|error| panic!("{error}"));
        if is.way != expected.way {
            let differs = |(is, must): &(&str, &str)| is != must;
            let mut lines = is.way.lines().zip(expected.way.lines());
            panic!(
                "{name}: the first line that differs (now, before): {:?}\n\nnow:\n{}\n{RENEW}",
                lines.find(differs),
                is.way
            );
        }
        assert!(
            is.out == expected.out,
            "{name}: other frames leave\n{RENEW}"
        );
    }
}

//! Gives the engine so many packets (or connections) of one scenario, for a tool that counts instructions.
//!
//! `engine-steps SCENARIO RULES COUNT`
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sekisho_bench::engine::{Bench, Scenario};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((scenario, rules, count)) = read(&words) else {
        eprintln!("usage: engine-steps udp|tcp|million|new|connection|denied RULES COUNT");
        return ExitCode::from(2);
    };
    let mut bench = Bench::new(scenario, rules);
    (0..count).for_each(|_| bench.step());
    ExitCode::SUCCESS
}

fn read(words: &[String]) -> Option<(Scenario, u32, u32)> {
    let [scenario, rules, count] = words else {
        return None;
    };
    let scenario = Scenario::ALL
        .into_iter()
        .find(|known| known.name() == *scenario)?;
    let rules = rules.parse().ok().filter(|rules| *rules > 0)?;
    Some((scenario, rules, count.parse().ok()?))
}

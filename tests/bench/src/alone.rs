//! `./bench --engine`: nanoseconds and instructions for a packet, in the engine alone.
//!
//! Nanoseconds come from the benchmark in `benches/engine.rs`, which runs first. Instructions are counted by
//! callgrind twice, for few and for many packets; what the difference in packets costs is the difference in
//! instructions. They are the same on every run of the same program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sekisho_bench::engine::Scenario;
use sekisho_bench::policy::{FEW, MANY};
use serde_json::Value;

use crate::measure::Sample;
use crate::metric::{Against, Metric};
use crate::results::{Column, Comparison, Section};

/// Packets of the two runs that are counted.
const PACKETS: [u64; 2] = [1_000, 6_000];

/// The profile that the kernel is built with.
const PROFILE: &str = "kernel";

/// Measures all scenarios.
///
/// # Errors
/// A program that is missing or fails.
pub fn section() -> Result<Section, String> {
    for (what, more) in [
        ("bench", ["--bench", "engine"]),
        ("build", ["--bin", "engine-steps"]),
    ] {
        let fixed = [what, "--quiet", "-p", "sekisho-bench", "--profile", PROFILE];
        cargo(&[&fixed[..], &more[..]].concat())?;
    }
    let mut columns = Vec::new();
    for rules in [FEW, MANY] {
        let mut column = Column::new(format!("Sekisho, {rules} rules"));
        let mut sample = Sample::new();
        for scenario in Scenario::ALL {
            // Rules are never asked about flows that are there.
            if scenario == Scenario::Million && rules == MANY {
                continue;
            }
            let nanoseconds = nanoseconds(scenario, rules)?;
            sample.insert(Metric::EngineTime(scenario), nanoseconds);
            // A million flows take long to open under callgrind, and a packet of theirs a tenth more than one of a hot flow.
            if scenario != Scenario::Million {
                let instructions = instructions(scenario, rules)?;
                sample.insert(Metric::EngineInstructions(scenario), instructions);
            }
        }
        column.enter(0, &sample);
        columns.push(column);
    }
    Ok(Section {
        title: "The engine alone, for one packet".into(),
        key: "engine",
        columns,
        ratios: vec![Comparison {
            over: 1,
            under: 0,
            against: Against::FewRules,
        }],
    })
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    let status = Command::new("cargo")
        .args(arguments)
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("cargo {} failed", arguments.join(" "))),
        Err(error) => Err(format!("cannot run cargo: {error}")),
    }
}

/// The folder of what cargo builds: this program is in `target/release`.
fn target() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.parent().and_then(Path::parent);
    Ok(folder
        .ok_or("this program is in no folder of cargo's")?
        .to_owned())
}

/// What the benchmark found: the median.
fn nanoseconds(scenario: Scenario, rules: u32) -> Result<f64, String> {
    let path = target()?.join(format!(
        "criterion/engine/{}-{rules}/new/estimates.json",
        scenario.name()
    ));
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("the benchmark left no {}: {error}", path.display()))?;
    serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|estimates| estimates["median"]["point_estimate"].as_f64())
        .ok_or_else(|| format!("cannot understand {}", path.display()))
}

/// Instructions for one packet.
fn instructions(scenario: Scenario, rules: u32) -> Result<f64, String> {
    let [few, many] = PACKETS;
    let difference = counted(scenario, rules, many)? - counted(scenario, rules, few)?;
    Ok(difference as f64 / (many - few) as f64)
}

/// Instructions of a whole run with so many packets.
fn counted(scenario: Scenario, rules: u32, packets: u64) -> Result<u64, String> {
    let program = target()?.join(PROFILE).join("engine-steps");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([scenario.name(), &rules.to_string(), &packets.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    collected(&text).ok_or_else(|| format!("callgrind failed:\n{text}"))
}

/// The number behind callgrind's word `Collected`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_count_is_found_among_its_words() {
        let text = "==1== Events    : Ir\n==1== Collected : 123456\n==1== \n";
        assert_eq!(collected(text), Some(123_456));
        assert_eq!(collected("==1== valgrind: no such file"), None);
    }
}

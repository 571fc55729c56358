//! `./bench --soak`: the firewall under full load for minutes. What is done is in the tests' library, which has a short one of its own.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use sekisho_qemu::Model;
use sekisho_tests::firewall::Setup;
use sekisho_tests::soak::{Plan, run as soak};

use crate::options::{CardModel, Options};
use crate::report::conditions::Conditions;

/// UDP flows that are opened in a minute: a million in ten.
const FLOWS_A_MINUTE: f64 = 100_000.0;

/// Memory with which the table holds all flows that are open at once, half of it those of one host.
const LEAST_MIB: u32 = 64;

/// Does it, prints the account and writes it down; fails if anything is wrong.
///
/// # Errors
/// When the machine goes away, or the report cannot be written.
pub fn run(options: &Options, minutes: f64) -> Result<ExitCode, String> {
    if options.memory < LEAST_MIB {
        return Err(format!(
            "a soak keeps ten thousands of flows open: give it --memory {LEAST_MIB} or more"
        ));
    }
    let conditions = Conditions::look(options);
    println!("{conditions}");
    println!("bench: {minutes} minutes of load, then up to two until all flows have expired");
    let model = match options.card {
        CardModel::Virtio => Model::Virtio,
        CardModel::E1000 => Model::E1000,
    };
    let plan = Plan {
        setup: Setup {
            kind: options.board.kind(),
            memory_mib: options.memory,
            offloads: options.offloads.offloads(),
            models: vec![model],
            seed: None,
            ..Setup::default()
        },
        length: Duration::from_secs_f64(minutes * 60.0),
        flows: (minutes * FLOWS_A_MINUTE).ceil() as u64,
    };
    let report = soak(&plan, |line| println!("  {line}"))?;
    println!("\n{report}");
    let path = options.output.join("soak.md");
    fs::create_dir_all(&options.output)
        .and_then(|()| fs::write(&path, format!("{conditions}\n\n```\n{report}\n```\n")))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(match report.complaints.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

//! A configuration file, and the engine and services made from whatever is accepted.

use sekisho_engine::conntrack::Sizing;
use sekisho_replay::machine::{Machine, Setup};

/// The bytes are the file.
pub fn run(data: &[u8]) {
    match sekisho_config::check(data) {
        Ok(checked) => {
            for warning in &checked.warnings {
                let _ = warning.to_string();
            }
            let macs = (0..checked.config.zones.len()).map(|index| [2, 0, 0, 0, 0, index as u8]);
            let setup = Setup {
                macs: macs.collect(),
                sizing: Sizing::for_flows(64),
                seed: 1,
            };
            let machine = Machine::new(&checked.config, setup);
            assert!(machine.counters().conserved());
        }
        Err(report) => {
            let text = report.to_string();
            assert!(!text.is_empty(), "a refusal without a word");
            let printable = |c: char| c == '\n' || !c.is_control();
            assert!(
                text.chars().all(printable),
                "control characters on the console: {text:?}"
            );
        }
    }
}

//! On what machine the numbers were taken.

use std::fmt;
use std::process::Command;

use sekisho_qemu::QEMU;

use crate::options::{Accelerator, CardModel, Options, Switch};

/// What a reader must know of the machine.
pub struct Conditions {
    /// The day, as `YYYY-MM-DD`.
    pub date: String,
    /// The processor's model and number.
    pub processor: String,
    /// The host's kernel.
    pub kernel: String,
    /// QEMU's version.
    pub qemu: String,
    /// The machine under test.
    pub machine: String,
    /// How it was called.
    pub command: String,
}

impl Conditions {
    /// Looks at this machine.
    pub fn look(options: &Options) -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or("unknown processor", |(_, model)| model.trim());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let accelerator = match options.accelerator {
            Accelerator::Tcg => "TCG",
            Accelerator::Kvm => "KVM",
        };
        let card = match options.card {
            CardModel::Virtio => "virtio",
            CardModel::E1000 => "e1000",
        };
        let offloads = match options.offloads {
            Switch::On => "on",
            Switch::Off => "off",
        };
        let words: Vec<String> = std::env::args().skip(1).collect();
        Self {
            date: printed("date", &["-u", "+%Y-%m-%d"]),
            processor: format!("{cores} × {model}"),
            kernel: printed("uname", &["-sr"]),
            qemu: printed(QEMU, &["--version"]),
            machine: format!(
                "{}, {accelerator}, {} MiB, {card} cards on taps, offloads {offloads}",
                options.board.name(),
                options.memory
            ),
            command: ["./bench"]
                .into_iter()
                .chain(words.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}`, {}: {}; {}; {}; {}",
            self.command, self.date, self.processor, self.kernel, self.qemu, self.machine
        )
    }
}

/// The first line that a program prints.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

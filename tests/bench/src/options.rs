//! What a person may ask for.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use sekisho_qemu::{Accel, Kind, Offloads};

use crate::contender::Contender;

/// Measures the firewall against a Linux guest with nftables and against the wire, a machine that only moves buffers.
///
/// They run in turn, several rounds, between two hosts in network namespaces. Prints medians, and ratios with their
/// spread; writes them as Markdown and JSON, and draws charts.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub struct Options {
    /// Fewer and shorter rounds, and only the main table and the boot: under five minutes.
    #[arg(long)]
    pub quick: bool,
    /// Only the engine, without cards and machine: nanoseconds and instructions for a packet.
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    pub engine: bool,
    /// Instead of measuring: full load for so many minutes with every byte verified, a hundred thousand flows a minute, and an
    /// account of every frame at the end.
    #[arg(
        long,
        value_name = "MINUTES",
        num_args = 0..=1,
        default_missing_value = "10",
        value_parser = minutes,
        conflicts_with_all = ["quick", "only", "engine", "rounds", "seconds", "routers", "before", "accelerator"],
    )]
    pub soak: Option<f64>,
    /// Only these measurements, parted by commas.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "GROUP,…")]
    pub only: Vec<Group>,
    /// How often everything is measured [default: 5, with --quick 3].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: Option<u32>,
    /// Length of one measurement in seconds [default: 3, with --quick 1].
    #[arg(long, value_parser = seconds)]
    pub seconds: Option<f64>,
    /// The machine's board.
    #[arg(long, value_enum, default_value_t = Board::Q35)]
    pub board: Board,
    /// The machine's network cards.
    #[arg(long, value_enum, default_value_t = CardModel::Virtio)]
    pub card: CardModel,
    /// Whether the cards offer checksums and segmentation.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub offloads: Switch,
    /// What runs the machine's instructions.
    #[arg(long, value_enum, default_value_t = Accelerator::Tcg)]
    pub accelerator: Accelerator,
    /// The machine's memory in MiB.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=65_536))]
    pub memory: u32,
    /// Only these routers, parted by commas [default: all].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROUTER,…")]
    pub routers: Vec<Contender>,
    /// Another build of the firewall (its ELF file), to be measured beside this one: was a change worth it?
    #[arg(long, value_name = "ELF")]
    pub before: Option<PathBuf>,
    /// Measures nothing: puts the tables and charts of the last run into README.md and docs/measurements.md.
    #[arg(long, conflicts_with_all = ["quick", "only", "engine", "soak", "rounds", "seconds"])]
    pub readme: bool,
    /// Folder for the results.
    #[arg(long, default_value = "target/bench")]
    pub output: PathBuf,
    /// Folder with the Linux guest, as tests/bench/linux-peer.sh makes it.
    #[arg(long, default_value = "target/bench/linux")]
    pub linux: PathBuf,
}

/// Measurements that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Group {
    /// Bulk TCP: out, in, four streams.
    Tcp,
    /// Small UDP datagrams, out and in.
    Udp,
    /// New TCP connections through a forward.
    Connections,
    /// Round trips of one datagram.
    Rtt,
    /// Idle processor time, and the first packet afterwards.
    Idle,
    /// 5,000 rules instead of 5.
    Rules,
    /// Three times the load that it carries.
    Overload,
    /// QEMU's start to the first forwarded frame, on each board.
    Boot,
    /// The least memory that forwards, and how many flows fit.
    Memory,
    /// The engine without cards and machine.
    Engine,
}

/// The machine's board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Board {
    /// PCI Express and ACPI.
    Q35,
    /// Plain PCI and ACPI.
    Pc,
    /// Virtio in memory, no ACPI; without Linux, which finds no cards there.
    Microvm,
}

/// The machine's network cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CardModel {
    /// virtio-net.
    Virtio,
    /// Intel's 82540EM; Debian's cloud kernel has no driver for it.
    E1000,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// What runs the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accelerator {
    /// QEMU's translator.
    Tcg,
    /// The processor itself.
    Kvm,
}

impl Options {
    /// Whether a group is to be measured.
    pub fn wants(&self, group: Group) -> bool {
        if self.engine {
            return group == Group::Engine;
        }
        if !self.only.is_empty() {
            return self.only.contains(&group);
        }
        !self.quick
            || !matches!(
                group,
                Group::Rules | Group::Overload | Group::Memory | Group::Engine
            )
    }

    /// Whether a machine is started, and not only the engine.
    pub fn needs_machines(&self) -> bool {
        !self.engine && self.only != [Group::Engine]
    }

    /// The routers to be measured.
    pub fn contenders(&self) -> Vec<Contender> {
        let chosen = |contender: &Contender| {
            (self.routers.is_empty() || self.routers.contains(contender))
                && (*contender != Contender::Linux || self.linux_has_drivers())
                && (self.before.is_some() || *contender != Contender::Before)
        };
        Contender::ALL.into_iter().filter(chosen).collect()
    }

    /// Debian's cloud kernel knows no e1000, and finds virtio in memory neither by its command line nor by ACPI.
    fn linux_has_drivers(&self) -> bool {
        self.card == CardModel::Virtio && self.board != Board::Microvm
    }

    /// How often everything is measured.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 })
    }

    /// The length of one measurement in seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 1.0 } else { 3.0 })
    }
}

impl Board {
    /// The library's name for it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Q35 => Kind::Q35,
            Self::Pc => Kind::Pc,
            Self::Microvm => Kind::Microvm,
        }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q35 => "q35",
            Self::Pc => "pc",
            Self::Microvm => "microvm",
        }
    }
}

impl Switch {
    /// What the cards offer.
    pub fn offloads(self) -> Offloads {
        match self {
            Self::On => Offloads::All,
            Self::Off => Offloads::None,
        }
    }
}

impl Accelerator {
    /// The library's name for it.
    pub fn accel(self) -> Accel {
        match self {
            Self::Tcg => Accel::Tcg,
            Self::Kvm => Accel::Kvm,
        }
    }

    /// Says no where it does not work.
    pub fn require(self) -> Result<(), String> {
        match self {
            Self::Kvm if !Accel::kvm_works() => Err(
                "KVM cannot be used here: /dev/kvm does not open, or the processor shows neither vmx nor svm; use \
                 --accelerator tcg"
                    .into(),
            ),
            Self::Kvm | Self::Tcg => Ok(()),
        }
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.1..=10_000.0).contains(&minutes) => Ok(minutes),
        Ok(_) | Err(_) => Err("give minutes from 0.1 to 10000".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.2..=600.0).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err("give seconds from 0.2 to 600".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options::try_parse_from(line.split_whitespace()).expect(line)
    }

    #[test]
    fn a_quick_run_leaves_out_what_takes_long_unless_it_is_asked_for() {
        assert!(!options("bench --quick").wants(Group::Memory));
        assert!(options("bench --quick").wants(Group::Boot));
        assert!(options("bench").wants(Group::Memory) && options("bench").wants(Group::Engine));
        assert!(!options("bench --engine").wants(Group::Tcp));
        assert!(!options("bench --engine").needs_machines());
        let one = options("bench --quick --only memory");
        assert!(one.wants(Group::Memory) && !one.wants(Group::Tcp));
    }

    #[test]
    fn linux_is_left_out_where_it_has_no_driver() {
        let usual = [Contender::Linux, Contender::Wire, Contender::Ours];
        assert_eq!(options("bench").contenders(), usual);
        assert_eq!(
            options("bench --card e1000").contenders(),
            [Contender::Wire, Contender::Ours]
        );
        let microvm = options("bench --board microvm");
        assert!(!microvm.contenders().contains(&Contender::Linux));
    }

    #[test]
    fn another_build_is_measured_where_one_is_given() {
        let contenders = options("bench --before old --routers sekisho,before").contenders();
        assert_eq!(contenders, [Contender::Ours, Contender::Before]);
    }

    #[test]
    fn a_soak_takes_ten_minutes_unless_it_is_told_otherwise() {
        assert_eq!(options("bench").soak, None);
        assert_eq!(options("bench --soak").soak, Some(10.0));
        assert_eq!(options("bench --soak 0.5 --offloads off").soak, Some(0.5));
        for wrong in [
            "--soak 0",
            "--soak x",
            "--soak --quick",
            "--soak --only udp",
        ] {
            let line = format!("bench {wrong}");
            assert!(Options::try_parse_from(line.split(' ')).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_measurement_has_a_length_that_makes_sense() {
        for wrong in ["0", "-1", "NaN", "1e9", "x"] {
            let line = ["bench", "--seconds", wrong];
            assert!(Options::try_parse_from(line).is_err(), "{wrong}");
        }
    }
}

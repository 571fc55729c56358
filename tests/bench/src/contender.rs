//! The three routers, as machines.
//!
//! * [`Contender`]: which one.
//! * [`Subject`]: one of them with few or many rules.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sekisho_bench::policy::{FEW, configuration};
use sekisho_qemu::{ConfigSource, Machine, Network, Nic, mac_text};
use sekisho_tests::firewall::card;
use sekisho_tests::kernel;

use crate::options::{Board, CardModel, Options};

/// A router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Contender {
    /// Debian's cloud kernel with nftables.
    Linux,
    /// Our driver without the engine.
    Wire,
    /// The firewall.
    #[value(name = "sekisho")]
    Ours,
    /// Another build of the firewall, to compare with.
    Before,
}

/// A router with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Which router.
    pub contender: Contender,
    /// How many rules it has; the wire has none.
    pub rules: u32,
}

impl Contender {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Linux, Self::Wire, Self::Ours, Self::Before];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Wire => "wire",
            Self::Ours => "Sekisho",
            Self::Before => "before",
        }
    }

    /// With the usual policy.
    pub fn plain(self) -> Subject {
        Subject {
            contender: self,
            rules: FEW,
        }
    }

    /// The kernel that it boots.
    fn kernel(self, options: &Options) -> PathBuf {
        match self {
            Self::Linux => options.linux.join("vmlinuz"),
            Self::Wire => kernel::wire(),
            Self::Ours => kernel::firewall(),
            Self::Before => options.before.clone().unwrap_or_default(),
        }
    }

    /// Says no where its files are missing.
    pub fn require(self, options: &Options) -> Result<(), String> {
        if self == Self::Linux && !options.linux.join("initrd").is_file() {
            return Err(format!(
                "there is no Linux guest in {}; make it: tests/bench/linux-peer.sh {0}",
                options.linux.display()
            ));
        }
        // The kernels' helpers say themselves what is missing.
        let kernel = self.kernel(options);
        if !kernel.is_file() {
            return Err(format!("there is no kernel {}", kernel.display()));
        }
        Ok(())
    }

    /// The DMZ host's address. Both sides of the wire are one segment: there the host itself has the address that
    /// forwards stand for elsewhere.
    pub fn dmz_prefix(self) -> &'static str {
        match self {
            Self::Linux | Self::Ours | Self::Before => "10.99.0.2/24",
            Self::Wire => "192.0.2.1/24",
        }
    }

    /// Where the DMZ host sends what is not in its network.
    pub fn gateway(self) -> Option<&'static str> {
        match self {
            Self::Linux | Self::Ours | Self::Before => Some("10.99.0.1"),
            Self::Wire => None,
        }
    }
}

impl Subject {
    /// The machine with its cards on two taps, WAN first; `folder` is for its configuration.
    pub fn machine(self, options: &Options, folder: &Path, taps: [&str; 2]) -> Machine {
        self.machine_on(options.board, options.memory, options, folder, taps)
    }

    /// The same on another board, or with other memory.
    pub fn machine_on(
        self,
        board: Board,
        memory_mib: u32,
        options: &Options,
        folder: &Path,
        taps: [&str; 2],
    ) -> Machine {
        let mut machine = Machine::new(self.contender.kernel(options))
            .kind(board.kind())
            .memory_mib(memory_mib)
            .accel(options.accelerator.accel());
        machine = match self.contender {
            Contender::Linux => [
                "console=ttyS0".to_owned(),
                "panic=-1".to_owned(),
                "quiet".to_owned(),
                "mitigations=off".to_owned(),
                format!("rules={}", self.rules),
            ]
            .into_iter()
            .fold(machine, Machine::append)
            .config(ConfigSource::Module(options.linux.join("initrd"))),
            Contender::Wire => machine,
            Contender::Ours | Contender::Before => {
                let path = folder.join("sekisho.toml");
                std::fs::write(&path, configuration(self.rules)).expect("the folder is ours");
                machine.config(ConfigSource::Module(path))
            }
        };
        for (zone, tap) in taps.into_iter().enumerate() {
            let network = Network::Tap { name: tap.into() };
            machine = match options.card {
                CardModel::Virtio => {
                    machine.nic(Nic::new(card(zone), network).offloads(options.offloads.offloads()))
                }
                CardModel::E1000 => machine.extra_args(intel(zone, tap)),
            };
        }
        machine
    }
}

/// QEMU's arguments for an Intel card on a tap.
fn intel(zone: usize, tap: &str) -> [OsString; 4] {
    let mac = mac_text(card(zone));
    [
        "-netdev".into(),
        format!("tap,id=net{zone},ifname={tap},script=no,downscript=no").into(),
        "-device".into(),
        format!("e1000,netdev=net{zone},mac={mac},romfile=").into(),
    ]
}

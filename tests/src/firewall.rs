//! The booted firewall.
//!
//! * [`Firewall`]: a running virtual machine with its console.
//! * [`Setup`]: on what machine it runs.
//! * [`Totals`]: the counters that it prints at power-off.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_qemu::{Bus, ConfigSource, Firmware, Kind, Machine, Model, Network, Nic, Offloads, Vm};
use tempfile::TempDir;

use crate::frames::Mac;
use crate::images::least_uefi_mib;
use crate::kernel;
use crate::tables::Tables;

/// How long anything may take that the console is to show.
pub const LIMIT: Duration = Duration::from_secs(60);

/// On what machine the firewall runs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The board.
    pub kind: Kind,
    /// The size of its memory; by UEFI at least what the boot loader needs.
    pub memory_mib: u32,
    /// What the cards offer.
    pub offloads: Offloads,
    /// What the cards are, the first zone's first; with fewer than there are zones, they begin again.
    pub models: Vec<Model>,
    /// How it gets its configuration.
    pub handover: Handover,
    /// The fixed seed of its random numbers; without one it looks for a source.
    pub seed: Option<u64>,
    /// Whether a fault ends QEMU with its own status, instead of a restart.
    pub exit_on_fault: bool,
    /// More words on the kernel's command line.
    pub words: Vec<&'static str>,
    /// More arguments for QEMU.
    pub arguments: Vec<&'static str>,
    /// What it boots.
    pub boots: Boots,
}

/// What a machine boots.
#[derive(Clone, Debug)]
pub enum Boots {
    /// A kernel, with the configuration, the seed and the words of the setup.
    Kernel(PathBuf),
    /// An image, which has a configuration and words of its own.
    Disk {
        /// Its file.
        path: PathBuf,
        /// What it hangs on.
        bus: Bus,
        /// What boots it.
        firmware: Firmware,
    },
}

/// How the configuration gets into the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// As a module beside the kernel.
    Module,
    /// As a file of QEMU's firmware configuration device.
    FwCfg,
}

impl Setup {
    fn memory(&self) -> u32 {
        match &self.boots {
            Boots::Disk {
                firmware: Firmware::Uefi(_),
                ..
            } => self.memory_mib.max(least_uefi_mib()),
            Boots::Disk { .. } | Boots::Kernel(_) => self.memory_mib,
        }
    }
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            kind: Kind::Q35,
            memory_mib: 64,
            offloads: Offloads::All,
            models: vec![Model::Virtio],
            handover: Handover::Module,
            seed: Some(1),
            exit_on_fault: true,
            words: Vec::new(),
            arguments: Vec::new(),
            boots: Boots::Kernel(kernel::firewall()),
        }
    }
}

/// The hardware address of the card of a zone, as all configurations here have it: the first zone's ends in 1.
pub fn card(zone: usize) -> Mac {
    let number = u8::try_from(zone + 1).expect("eight zones at most");
    [0x52, 0x54, 0, 0, 0, number]
}

/// A running firewall. Dropping it ends QEMU.
pub struct Firewall {
    vm: Vm,
    kind: Kind,
    _folder: TempDir,
}

/// A configuration of the folder `examples`.
///
/// # Panics
/// When there is none of that name.
#[track_caller]
pub fn example(name: &str) -> String {
    let path = kernel::repository().join("examples").join(name);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

impl Firewall {
    /// Boots with a configuration and one card for each network, and does not wait for anything.
    ///
    /// # Panics
    /// When QEMU does not start.
    #[track_caller]
    pub fn boot(setup: &Setup, config: Option<&[u8]>, networks: Vec<Network>) -> Firewall {
        let folder = tempfile::tempdir().expect("a folder for the configuration");
        let machine = match &setup.boots {
            Boots::Kernel(kernel) => with_words(Machine::new(kernel), setup, config, folder.path()),
            Boots::Disk {
                path,
                bus,
                firmware,
            } => Machine::from_disk(path)
                .bus(*bus)
                .firmware(firmware.clone()),
        };
        let mut machine = machine
            .kind(setup.kind)
            .memory_mib(setup.memory())
            .extra_args(&setup.arguments);
        if setup.exit_on_fault {
            machine = machine.exit_on_panic();
        }
        for (zone, network) in networks.into_iter().enumerate() {
            machine = machine.nic(
                Nic::new(card(zone), network)
                    .offloads(setup.offloads)
                    .model(setup.models[zone % setup.models.len()]),
            );
        }
        let vm = machine
            .start()
            .unwrap_or_else(|error| panic!("QEMU does not start: {error}"));
        Firewall {
            vm,
            kind: setup.kind,
            _folder: folder,
        }
    }

    /// Waits until it forwards.
    ///
    /// # Panics
    /// When it does not, with the console.
    #[track_caller]
    pub fn ready(self) -> Firewall {
        let ready = |line: &str| line.starts_with("sekisho: ready after ");
        let end = self.console(|line| ready(line) || line.starts_with("sekisho: stopped"));
        assert!(ready(&end), "{}", self.vm.lines().join("\n"));
        self
    }

    /// Waits for a line on the console.
    ///
    /// # Panics
    /// When it does not come, with the console.
    #[track_caller]
    pub fn console(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.vm
            .wait_for(wanted, LIMIT)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// How full its tables are.
    ///
    /// # Panics
    /// When it does not tell.
    #[track_caller]
    pub fn tables(&self) -> Tables {
        Tables::ask(&self.vm, "status\r", LIMIT).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The machine itself.
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// Switches it off and reads the counters that are printed then.
    ///
    /// # Panics
    /// When it does not leave cleanly, or prints none.
    #[track_caller]
    pub fn power_off(&self) -> Totals {
        match self.kind {
            Kind::Q35 | Kind::Pc | Kind::MicrovmAcpi => self.press_power_button(),
            Kind::Microvm => self.type_power_off(),
        }
        Totals::read(&self.vm.lines())
    }

    /// Presses the power button, which is ACPI's, and waits until QEMU has ended.
    ///
    /// # Panics
    /// When it does not end cleanly.
    #[track_caller]
    pub fn press_power_button(&self) {
        self.vm
            .power_down()
            .unwrap_or_else(|error| panic!("{error}"));
        self.wait_for_end();
    }

    /// Types `poweroff`, which works without ACPI, too, and waits until QEMU has ended.
    ///
    /// # Panics
    /// When it does not end cleanly.
    #[track_caller]
    pub fn type_power_off(&self) {
        self.vm
            .type_keys(b"poweroff\r")
            .unwrap_or_else(|error| panic!("{error}"));
        self.wait_for_end();
    }

    /// Waits for the console's last line and until QEMU has ended.
    ///
    /// # Panics
    /// When it does not end, or not cleanly.
    #[track_caller]
    pub fn wait_for_end(&self) {
        // QEMU may be gone before its last lines have been read.
        self.console(|line| line == "sekisho: goodbye");
        let status = self
            .vm
            .wait_exit(LIMIT)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(status.success(), "QEMU ended with {status}");
    }
}

/// What QEMU hands to a kernel that it loads itself.
fn with_words(machine: Machine, setup: &Setup, config: Option<&[u8]>, folder: &Path) -> Machine {
    let machine = setup.seed.into_iter().fold(machine, Machine::seed);
    let machine = setup
        .words
        .iter()
        .fold(machine, |machine, word| machine.append(*word));
    let Some(config) = config else { return machine };
    let path = folder.join("sekisho.toml");
    fs::write(&path, config).expect("the folder is ours");
    machine.config(match setup.handover {
        Handover::Module => ConfigSource::Module(path),
        Handover::FwCfg => ConfigSource::FwCfg(path),
    })
}

/// The counters of a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames that came in.
    pub received: u64,
    /// Frames that went on.
    pub forwarded: u64,
    /// Frames for the box itself.
    pub local: u64,
    /// Frames that were waiting for something when the power went.
    pub held: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// The dropped ones by their reason.
    pub drops: BTreeMap<String, u64>,
    /// What the FTP gateway did.
    pub ftp: BTreeMap<String, u64>,
    /// What each zone's line says: by the zone's name and the counter's.
    pub zones: BTreeMap<(String, String), u64>,
}

impl Totals {
    /// Reads the lines that begin with `counters:`.
    ///
    /// # Panics
    /// When they are missing or cannot be understood.
    #[track_caller]
    pub fn read(console: &[String]) -> Totals {
        let mut totals = Totals::default();
        let mut found = false;
        for line in console {
            let Some(line) = line.strip_prefix("counters: ") else {
                continue;
            };
            found = true;
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["drop", reason, count] = words[..] {
                totals.drops.insert(reason.to_owned(), number(count, line));
                continue;
            }
            if let ["ftp", what, count] = words[..] {
                totals.ftp.insert(what.to_owned(), number(count, line));
                continue;
            }
            if let ["zone", zone, pairs @ ..] = &words[..] {
                for pair in pairs.chunks_exact(2) {
                    let key = (zone.to_string(), pair[0].to_owned());
                    totals.zones.insert(key, number(pair[1], line));
                }
                continue;
            }
            for pair in words.chunks(2) {
                let &[name, count] = pair else {
                    panic!("a counter without its number: {line}")
                };
                *totals.field(name, line) = number(count, line);
            }
        }
        assert!(found, "no counters on the console:\n{}", console.join("\n"));
        totals
    }

    fn field(&mut self, name: &str, line: &str) -> &mut u64 {
        match name {
            "received" => &mut self.received,
            "forwarded" => &mut self.forwarded,
            "local" => &mut self.local,
            "held" => &mut self.held,
            "dropped" => &mut self.dropped,
            _ => panic!("an unknown counter {name}: {line}"),
        }
    }

    /// How many frames were dropped for a reason.
    pub fn drop(&self, reason: &str) -> u64 {
        self.drops.get(reason).copied().unwrap_or(0)
    }

    /// How often the FTP gateway did something.
    pub fn ftp(&self, what: &str) -> u64 {
        self.ftp.get(what).copied().unwrap_or(0)
    }

    /// A counter of a zone.
    ///
    /// # Panics
    /// When there is none of that name.
    #[track_caller]
    pub fn of_zone(&self, zone: &str, counter: &str) -> u64 {
        let key = (zone.to_owned(), counter.to_owned());
        *self
            .zones
            .get(&key)
            .unwrap_or_else(|| panic!("no {counter} of zone {zone} in {self:?}"))
    }

    /// Checks that each frame that was received has met exactly one end.
    ///
    /// # Panics
    /// When the sums differ.
    #[track_caller]
    pub fn expect_conserved(&self) {
        let ends = self.forwarded + self.local + self.held + self.dropped;
        assert_eq!(
            self.received, ends,
            "frames got lost or were counted twice: {self:?}"
        );
        let reasons: u64 = self.drops.values().sum();
        assert_eq!(self.dropped, reasons, "a drop without its reason: {self:?}");
    }
}

#[track_caller]
fn number(word: &str, line: &str) -> u64 {
    word.parse()
        .unwrap_or_else(|_| panic!("{word} is no number: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn counters_are_read_and_added_up() {
        let totals = Totals::read(&console(
            "sekisho: off\ncounters: received 9 forwarded 4 local 1 held 1 dropped 3\n\
             counters: zone wan received 6 forwarded 2 originated 1\ncounters: drop rule 2\ncounters: drop ipv6 1",
        ));
        assert_eq!(
            (totals.received, totals.drop("rule"), totals.drop("ttl")),
            (9, 2, 0)
        );
        assert_eq!(totals.of_zone("wan", "forwarded"), 2);
        totals.expect_conserved();
    }

    #[test]
    #[should_panic(expected = "frames got lost")]
    fn a_lost_frame_is_noticed() {
        Totals::read(&console(
            "counters: received 9 forwarded 4 local 1 held 1 dropped 2\ncounters: drop rule 2",
        ))
        .expect_conserved();
    }

    #[test]
    #[should_panic(expected = "a drop without its reason")]
    fn a_drop_without_reason_is_noticed() {
        Totals::read(&console(
            "counters: received 9 forwarded 4 local 1 held 1 dropped 3\ncounters: drop rule 2",
        ))
        .expect_conserved();
    }
}

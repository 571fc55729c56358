//! What to boot, and on what.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::command::{self, Wiring};
use crate::disk::{Bus, Disk, Firmware};
use crate::{Accel, Error, Network, Nic, Vm};

/// A machine that is not running yet.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) boot: Boot,
    pub(crate) firmware: Firmware,
    pub(crate) kind: Kind,
    pub(crate) memory_mib: u32,
    pub(crate) accel: Accel,
    pub(crate) config: Option<ConfigSource>,
    pub(crate) words: Vec<String>,
    pub(crate) nics: Vec<Nic>,
    pub(crate) hubs: Vec<Vec<Network>>,
    pub(crate) exit_on_panic: bool,
    pub(crate) extra: Vec<OsString>,
}

/// What a machine boots.
#[derive(Clone, Debug)]
pub(crate) enum Boot {
    /// A kernel, which QEMU loads itself.
    Kernel(PathBuf),
    /// A disk, by the machine's firmware.
    Disk(Disk),
}

impl Boot {
    fn path(&self) -> &Path {
        match self {
            Self::Kernel(path) => path,
            Self::Disk(disk) => &disk.path,
        }
    }
}

/// The board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// PCI Express and ACPI, as current virtual machines have it.
    #[default]
    Q35,
    /// Plain PCI and ACPI.
    Pc,
    /// Virtio devices in memory and no ACPI: they are named on the kernel's command line.
    Microvm,
    /// The same, with ACPI.
    MicrovmAcpi,
}

/// How the configuration gets into the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// As a module beside the kernel (`-initrd`).
    Module(PathBuf),
    /// As a file of QEMU's firmware configuration device.
    FwCfg(PathBuf),
}

impl ConfigSource {
    fn path(&self) -> &Path {
        match self {
            Self::Module(path) | Self::FwCfg(path) => path,
        }
    }
}

impl Machine {
    /// A machine that boots the ELF file `kernel`: a `q35` with 64 MiB and no card.
    pub fn new(kernel: impl Into<PathBuf>) -> Self {
        Self::booting(Boot::Kernel(kernel.into()))
    }

    /// A machine whose firmware boots a disk by virtio-blk; what is written to it is forgotten.
    ///
    /// The file's name says its format: `.qcow2`, `.vmdk`, `.vdi`, `.vhdx`; all others are raw.
    /// Kernel, configuration and command line are the disk's: [`config`](Self::config), [`append`](Self::append) and
    /// [`seed`](Self::seed) have no effect.
    pub fn from_disk(disk: impl Into<PathBuf>) -> Self {
        Self::booting(Boot::Disk(Disk {
            path: disk.into(),
            bus: Bus::default(),
        }))
    }

    fn booting(boot: Boot) -> Self {
        Self {
            boot,
            firmware: Firmware::default(),
            kind: Kind::default(),
            memory_mib: 64,
            accel: Accel::default(),
            config: None,
            words: Vec::new(),
            nics: Vec::new(),
            hubs: Vec::new(),
            exit_on_panic: false,
            extra: Vec::new(),
        }
    }

    /// The board.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// What the disk that it boots hangs on; without effect where it boots a kernel.
    #[must_use]
    pub fn bus(mut self, bus: Bus) -> Self {
        if let Boot::Disk(disk) = &mut self.boot {
            disk.bus = bus;
        }
        self
    }

    /// What boots the disk.
    #[must_use]
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// The size of its memory, in MiB.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// What runs its instructions.
    #[must_use]
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = accel;
        self
    }

    /// The configuration. Without one the kernel says so, and forwards nothing.
    #[must_use]
    pub fn config(mut self, source: ConfigSource) -> Self {
        self.config = Some(source);
        self
    }

    /// One more word on the kernel's command line.
    #[must_use]
    pub fn append(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// A fixed seed for the kernel's random numbers: the run repeats itself, and its secrets are known.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.append(format!("seed={seed}"))
    }

    /// One more card, after those there are.
    #[must_use]
    pub fn nic(mut self, nic: Nic) -> Self {
        self.nics.push(nic);
        self
    }

    /// Networks joined with one another on a hub without a card: QEMU's user network on a [`Port`](crate::Port), for instance.
    #[must_use]
    pub fn hub(mut self, members: Vec<Network>) -> Self {
        self.hubs.push(members);
        self
    }

    /// A fault or a panic ends QEMU with [`FAULT_STATUS`](crate::FAULT_STATUS) instead of a reboot.
    #[must_use]
    pub fn exit_on_panic(mut self) -> Self {
        self.exit_on_panic = true;
        self
    }

    /// More arguments for QEMU, as they are.
    #[must_use]
    pub fn extra_args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.extra.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The program and its arguments as a person would type them, with the console on the terminal.
    pub fn command(&self) -> Vec<OsString> {
        command::line(self, &Wiring::Terminal)
    }

    /// Starts it. When this returns, QEMU has made its devices and sockets, and the processor runs.
    ///
    /// # Errors
    /// A file that cannot be read, no QEMU, or whatever QEMU printed before it gave up.
    pub fn start(&self) -> Result<Vm, Error> {
        self.readable()?;
        Vm::start(self)
    }

    /// QEMU's own messages about missing files name neither the option nor the reason.
    fn readable(&self) -> Result<(), Error> {
        let firmware = match &self.firmware {
            Firmware::Bios => None,
            Firmware::Uefi(file) => Some(file.as_path()),
        };
        let files = [self.boot.path()]
            .into_iter()
            .chain(firmware)
            .chain(self.config.as_ref().map(ConfigSource::path));
        for path in files {
            File::open(path).map_err(|why| Error::Unreadable {
                path: path.into(),
                why,
            })?;
        }
        Ok(())
    }
}

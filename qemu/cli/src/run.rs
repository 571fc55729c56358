//! `sekisho run`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use sekisho_qemu::{Accel, ConfigSource, Kind, Machine, Symbols};

use crate::demo::{self, Prepared, Wan};
use crate::failure::Failure;
use crate::follow::{self, Events, Interrupt};
use crate::spec::{FORMS, ZoneNetwork};
use crate::{kernel, plan, zones};

/// What to boot.
#[derive(clap::Args)]
pub struct Arguments {
    /// The kernel; by default the one that was built beside this program
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// The configuration; without one, a demonstration with a web server in the DMZ
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The network of a zone
    #[arg(long, value_name = "ZONE=SPEC", requires = "config", long_help = net_help())]
    net: Vec<ZoneNetwork>,

    /// The board
    #[arg(long, value_enum, default_value = "q35")]
    machine: Board,

    /// Memory in MiB, as 128 or 128M
    #[arg(long, value_name = "MIB", default_value = "64", value_parser = mebibytes)]
    memory: u32,

    /// What runs the machine's instructions
    #[arg(long, value_enum, default_value = "auto")]
    accel: Accelerator,

    /// A fixed seed for the firewall's random numbers: for tests only, its secrets are known
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Write the engineer's log to a file; `sekisho logs` prints it
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// The port of 127.0.0.1 that leads to the demonstration's web server; 0 takes any free one [default: 8080, with
    /// --smoke 0]
    #[arg(long, value_name = "PORT", conflicts_with = "config")]
    port: Option<u16>,

    /// Try by itself what must pass and what must not, print a table, and exit 0 if all held
    #[arg(long, conflicts_with_all = ["config", "dry_run"])]
    smoke: bool,

    /// Print QEMU's command line and do nothing
    #[arg(long)]
    dry_run: bool,
}

fn net_help() -> String {
    format!(
        "The network of a zone; one for each zone of the configuration.\n\nSPEC is {FORMS}. A host port of \
         hostfwd is on 127.0.0.1 unless an address says otherwise."
    )
}

#[derive(Clone, Copy, ValueEnum)]
enum Board {
    /// PCI Express and ACPI
    Q35,
    /// Plain PCI and ACPI
    Pc,
    /// Virtio in memory, no ACPI
    Microvm,
}

impl From<Board> for Kind {
    fn from(board: Board) -> Self {
        match board {
            Board::Q35 => Self::Q35,
            Board::Pc => Self::Pc,
            Board::Microvm => Self::Microvm,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Accelerator {
    /// KVM where it works, else TCG
    Auto,
    /// The processor itself
    Kvm,
    /// QEMU's translator
    Tcg,
}

impl From<Accelerator> for Accel {
    fn from(accelerator: Accelerator) -> Self {
        match accelerator {
            Accelerator::Auto => Self::Auto,
            Accelerator::Kvm => Self::Kvm,
            Accelerator::Tcg => Self::Tcg,
        }
    }
}

/// The smallest memory that the firewall boots in.
const MIN_MEBIBYTES: u32 = 16;

fn mebibytes(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix(['M', 'm']).unwrap_or(text);
    match number.parse() {
        Ok(mebibytes @ MIN_MEBIBYTES..) => Ok(mebibytes),
        Ok(_) => Err(format!("the firewall needs at least {MIN_MEBIBYTES} MiB")),
        Err(_) => Err("write a number of MiB, as 128 or 128M".into()),
    }
}

impl Arguments {
    /// The machine without a configuration and without cards.
    fn board(&self, kernel: PathBuf) -> Machine {
        let machine = Machine::new(kernel)
            .kind(self.machine.into())
            .memory_mib(self.memory)
            .accel(self.accel.into())
            .exit_on_panic();
        let machine = match &self.log {
            Some(log) => machine.extra_args(["-serial".into(), file_backend(log)]),
            None => machine,
        };
        match self.seed {
            Some(seed) => machine.seed(seed),
            None => machine,
        }
    }
}

/// QEMU's name for a file that a serial port writes to; a comma would end it.
fn file_backend(path: &Path) -> OsString {
    let path = path.to_string_lossy().replace(',', ",,");
    format!("file:{path}").into()
}

/// Boots the firewall and follows its console.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match (&arguments.config, arguments.smoke) {
        (Some(config), _) => configured(arguments, config),
        (None, true) => smoke(arguments),
        (None, false) => demonstrate(arguments),
    }
}

fn configured(arguments: &Arguments, path: &Path) -> Result<ExitCode, Failure> {
    let config = plan::configuration(path)?;
    let nics = zones::cards(&config.zones, &arguments.net)?;
    let kernel = kernel::path(arguments.kernel.as_deref())?;
    let symbols = Symbols::load(&kernel).ok();
    let board = arguments
        .board(kernel)
        .config(ConfigSource::Module(path.into()));
    let machine = nics.into_iter().fold(board, Machine::nic);
    if arguments.dry_run {
        return Ok(show(&machine));
    }
    for given in &arguments.net {
        plan::host_has(&given.network)?;
    }
    let events = Events::catch()?;
    let vm = machine.start()?;
    follow::follow(&vm, &events, symbols.as_ref())
}

/// The port of the demonstration where none is asked for.
const DEMO_PORT: u16 = 8080;

fn demonstrate(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let kernel = kernel::path(arguments.kernel.as_deref())?;
    let symbols = Symbols::load(&kernel).ok();
    let port = arguments.port.unwrap_or(DEMO_PORT);
    let prepared = Prepared::new(arguments.board(kernel), port, Wan::User)?;
    if arguments.dry_run {
        return Ok(show(prepared.machine()));
    }
    let events = Events::catch()?;
    let demo = prepared.start()?;
    demo.announce()?;
    follow::follow(demo.vm(), &events, symbols.as_ref())
}

fn smoke(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let kernel = kernel::path(arguments.kernel.as_deref())?;
    let port = arguments.port.unwrap_or(0);
    let interrupt = Interrupt::catch()?;
    let demo = Prepared::new(arguments.board(kernel), port, Wan::UserAndStranger)?.start()?;
    demo::smoke(&demo, &interrupt)
}

fn show(machine: &Machine) -> ExitCode {
    println!("{}", plan::shell_line(&machine.command()));
    ExitCode::SUCCESS
}

//! QEMU machines for Sekisho, from the command line to the last frame.
//!
//! * [`Machine`]: what to boot, on what board, with which cards; [`Machine::start`] runs it.
//! * [`Vm`]: the running machine: its console, its QMP monitor, its links, its end. Dropping it ends QEMU.
//! * [`Bus`], [`Firmware`]: how the machine's firmware gets at a disk.
//! * [`Nic`], [`Network`]: a card, and what its cable leads to.
//! * [`Log`], [`Symbols`]: what the kernel says to engineers, and names for the addresses in its fault reports.
//! * [`NatBuilder`], [`Nat`]: a NAT of a chosen kind between two networks, with a seed, in one call.
//! * [`Port`]: the other end of such a cable, in this process: whole Ethernet frames, no root, no kernel in between.
//!
//! Nothing here needs root, except taps and bridges that somebody has to have made.
//!
//! ```no_run
//! use sekisho_qemu::{ConfigSource, Kind, Machine, Nic, Port};
//! use std::time::Duration;
//!
//! let wan = Port::new()?;
//! let dmz = Port::new()?;
//! let vm = Machine::new("target/x86_64-unknown-linux-gnu/kernel/sekisho-kernel")
//!     .kind(Kind::Q35)
//!     .memory_mib(32)
//!     .config(ConfigSource::Module("examples/lab.toml".into()))
//!     .seed(1)
//!     .nic(Nic::new([0x52, 0x54, 0, 0, 0, 1], wan.network()))
//!     .nic(Nic::new([0x52, 0x54, 0, 0, 0, 2], dmz.network()))
//!     .start()?;
//! vm.wait_for(|line| line.starts_with("sekisho: ready"), Duration::from_secs(30))?;
//!
//! dmz.send(&[0; 60])?;
//! assert_eq!(wan.receive(Duration::from_secs(1)), None);
//!
//! vm.power_down()?;
//! vm.wait_exit(Duration::from_secs(10))?;
//! # Ok::<(), sekisho_qemu::Error>(())
//! ```
#![forbid(unsafe_code)]

mod accel;
mod command;
mod console;
mod disk;
mod error;
mod log;
mod machine;
mod nat;
mod network;
mod port;
mod process;
mod qmp;
mod symbols;
mod vm;

pub use accel::Accel;
pub use disk::{Bus, Firmware};
pub use error::Error;
pub use log::Log;
pub use machine::{ConfigSource, Kind, Machine};
pub use nat::{Nat, NatBuilder, NatKind, UnknownKind};
pub use network::{HostForward, Model, Network, Nic, Offloads, Protocol, StreamRole, mac_text};
pub use port::Port;
pub use symbols::Symbols;
pub use vm::Vm;

/// The program that all of this runs.
pub const QEMU: &str = "qemu-system-x86_64";

/// The exit status of QEMU after the kernel stopped on a fault, see [`Machine::exit_on_panic`].
///
/// The kernel writes 0x10 to the exit device, and QEMU ends with twice that plus one.
pub const FAULT_STATUS: i32 = 0x10 * 2 + 1;

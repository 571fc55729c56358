//! Configurations of virtual machines that run Sekisho, for every common hypervisor.
//!
//! * [`Machine`]: what they have in common, that is a name, memory, and a card on a network for each zone.
//! * [`libvirt`], [`proxmox`], [`virtualbox`], [`vmware`], [`qemu`], [`cloud_hypervisor`], [`firecracker`], [`kubevirt`]: one
//!   hypervisor each, with the networks that it knows, from a machine to its [`File`]s.
//!
//! The same machine gives the same text: numbers that have to be unique are drawn from the machine's name (`identity`).
//! Neighbours: `sekisho-image` makes the disks that these configurations boot; the command `sekisho image vmconfig` reads
//! the configuration and the networks, and puts the files where they belong.
#![forbid(unsafe_code)]

pub mod cloud_hypervisor;
mod error;
mod file;
pub mod firecracker;
mod identity;
pub mod kubevirt;
pub mod libvirt;
mod machine;
pub mod proxmox;
pub mod qemu;
mod spec;
mod text;
pub mod virtualbox;
pub mod vmware;

pub use error::Error;
pub use file::{File, Mode};
pub use identity::card_address;
pub use machine::{Accel, Card, Firmware, Machine, Name, Nic};
pub use spec::Spec;
pub use text::shell_word;

//! What `sekisho image vmconfig` writes, read by what reads it on a host, as far as that can be had here.
//!
//! * `libvirt`: libvirt's own schemas. That libvirt runs it, `tests/libvirt.rs` shows.
//! * `scripts`: `bash -n`, ShellCheck, and programs that take the options that `qm`, `VBoxManage` and `cloud-hypervisor` document.
//! * `documents`: JSON, YAML and `.vmx`, key by key.
//! * `qemu`: the script and the systemd unit boot a disk.

mod documents;
mod fake;
mod libvirt;
mod qemu;
mod scripts;

use sekisho_tests::firewall::card;
use sekisho_vmconfig::{Machine, Nic};

/// A machine with a WAN and a DMZ card on these networks.
fn machine<N>(networks: [N; 2]) -> Machine<N> {
    let zones = ["wan", "dmz"];
    let nic = |(number, network): (usize, N)| Nic {
        zone: zones[number].into(),
        mac: card(number),
        network,
    };
    Machine {
        name: "sekisho".parse().expect("a name"),
        // Enough for UEFI with any GRUB, as the command itself gives.
        memory_mib: 128,
        nics: networks.into_iter().enumerate().map(nic).collect(),
    }
}

/// The same with networks as they are typed.
fn machine_on(networks: [&str; 2]) -> Machine {
    machine(networks.map(|text| text.parse().expect("every text is a network")))
}

//! What people read on the console.

use core::fmt::Display;

use sekisho_config::Config;
use sekisho_config::model::{Addressing, Zone};
use sekisho_engine::ZoneId;
use sekisho_engine::conntrack::Conntrack;
use sekisho_engine::counters::{Counters, Ftp};
use sekisho_engine::interface::{Interface, Link};
use sekisho_engine::key::Side;
use sekisho_engine::verdict::DropReason;
use sekisho_kernel::boot::build::BuildId;
use sekisho_kernel::boot::info::{BootInfo, Protocol};
use sekisho_kernel::console;
use sekisho_kernel::hw::{clock, heap};
use sekisho_nic::{Patience, Pool};

/// The first line.
pub fn greeting(info: &BootInfo, (source, hz): (clock::Source, u64)) {
    let protocol = match info.protocol {
        Protocol::Pvh => "PVH",
        Protocol::Multiboot2 => "Multiboot2",
    };
    let source = match source {
        clock::Source::Hypervisor => "told by the hypervisor",
        clock::Source::Pit => "measured by the PIT",
        clock::Source::PmTimer => "measured by the ACPI timer",
    };
    defmt::info!(
        "boot: {=str}, {=u64} bytes of memory, clock {=u64} Hz",
        protocol,
        info.memory_bytes(),
        hz
    );
    console!(
        "sekisho {} build {BuildId}: booted by {protocol}, {} MiB of memory, clock {} MHz {source}",
        env!("CARGO_PKG_VERSION"),
        info.memory_bytes().div_ceil(1 << 20),
        hz / 1_000_000
    );
}

/// Devices that are of no use as they are, by their places.
pub fn legacy(places: &[impl Display]) {
    for place in places {
        console!(
            "sekisho: the virtio device at {place} speaks only the legacy protocol: give it disable-legacy=on (PCI) \
             or start QEMU with -global virtio-mmio.force-legacy=off (microvm)"
        );
    }
}

/// The line that says that packets are forwarded from now on.
pub fn ready() {
    defmt::info!("ready: {=usize} bytes of memory taken", heap::taken());
    console!("sekisho: ready after {} ms", clock::now_us() / 1000);
}

/// The zones' fixed addresses, and those that are still to come.
pub fn addresses(config: &Config) {
    for zone in &config.zones {
        match zone.address {
            Addressing::Static {
                address,
                gateway: Some(gateway),
            } => console!(
                "sekisho: {}: address {address}, gateway {gateway}",
                zone.name
            ),
            Addressing::Static {
                address,
                gateway: None,
            } => console!("sekisho: {}: address {address}", zone.name),
            Addressing::Dhcp => console!("sekisho: {}: asking for an address by DHCP", zone.name),
        }
    }
}

/// All counters: how each frame ended, and what was sent beside.
///
/// `received` is the sum of `forwarded`, `local`, `held` and `dropped`.
pub fn counters(counters: &Counters, zones: &[Zone]) {
    console!(
        "counters: received {} forwarded {} local {} held {} dropped {}",
        counters.received(),
        counters.forwarded(),
        counters.local(),
        counters.held(),
        counters.dropped()
    );
    for (zone, index) in zones.iter().zip(0..) {
        let Some(id) = ZoneId::new(index) else {
            continue;
        };
        console!(
            "counters: zone {} received {} forwarded {} originated {} unsent {}",
            zone.name,
            counters.received_from(Side::zone(id)),
            counters.forwarded_to(id),
            counters.originated_to(id),
            counters.unsent_to(id)
        );
    }
    console!(
        "counters: zone self received {}",
        counters.received_from(Side::OWN)
    );
    for what in Ftp::ALL {
        let count = counters.ftp(what);
        if count > 0 {
            console!("counters: ftp {} {count}", what.name());
        }
    }
    for reason in DropReason::ALL {
        let count = counters.drops(*reason);
        if count > 0 {
            console!("counters: drop {} {count}", reason.name());
        }
    }
}

/// One zone's own side as it is now.
pub fn interface(name: &str, interface: &Interface) {
    let link = match interface.link {
        Link::Up => "up",
        Link::Down => "down",
    };
    match (interface.address, interface.gateway) {
        (Some(address), Some(gateway)) => {
            console!("status: zone {name} link {link} address {address} gateway {gateway}");
        }
        (Some(address), None) => console!("status: zone {name} link {link} address {address}"),
        (None, _) => console!("status: zone {name} link {link} no address"),
    }
}

/// How long the loop looks for work before it sleeps.
pub fn patience(patience: &Patience) {
    console!(
        "status: looks for work {} us before it sleeps",
        patience.budget_us()
    );
}

/// How full the tables are.
pub fn tables(conntrack: &Conntrack, pool: &Pool) {
    console!(
        "status: flows {} of {}, mappings {}, buffers free {} of {}",
        conntrack.flows(),
        conntrack.capacity(),
        conntrack.mappings(),
        pool.free(),
        pool.buffers()
    );
    let controls = conntrack.controls();
    if controls.capacity() > 0 {
        console!(
            "status: ftp control connections {} of {}, data connections expected {}",
            controls.len(),
            controls.capacity(),
            controls.waiting()
        );
    }
}

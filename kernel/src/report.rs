//! What people read on the console.

use sekisho_config::Config;
use sekisho_config::model::Addressing;
use sekisho_kernel::boot::info::{BootInfo, Protocol};
use sekisho_kernel::console;
use sekisho_kernel::hw::clock;

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
    console!(
        "sekisho {}: booted by {protocol}, {} MiB of memory, clock {} MHz {source}",
        env!("CARGO_PKG_VERSION"),
        info.memory_bytes().div_ceil(1 << 20),
        hz / 1_000_000
    );
}

/// The line that says that packets are forwarded from now on.
pub fn ready() {
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

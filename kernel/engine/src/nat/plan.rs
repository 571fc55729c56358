//! Between which zones sources are translated, to which address, and how such a NAT behaves (RFC 4787).
//!
//! ```text
//! masquerade   10.99.0.2:40000 ─▶ 203.0.113.1:40000     many hosts, one address, a port each
//! one to one   10.99.0.2:40000 ─▶ 203.0.113.9:40000     a host, an address of its own, both ways
//! ```

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sekisho_config::Config;
use sekisho_config::model::{Behavior, Masquerade, OneToOne, Preset};

use crate::key::Side;
use crate::{MAX_ZONES, ZoneId};

/// The configuration's `[nat]`, by zones.
#[derive(Clone, Debug)]
pub struct Plan {
    masquerade: [[Option<Masquerade>; MAX_ZONES]; MAX_ZONES],
    one_to_one: Vec<OneToOne>,
    /// What holds where nothing is masqueraded: for hairpins.
    elsewhere: Behavior,
}

impl Plan {
    /// Compiles a checked configuration's `[nat]`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut masquerade = [[None; MAX_ZONES]; MAX_ZONES];
        for entry in &config.nat.masquerade {
            masquerade[entry.from.index()][entry.to.index()] = Some(*entry);
        }
        Self {
            masquerade,
            one_to_one: config.nat.one_to_one.clone(),
            elsewhere: config.nat.behavior,
        }
    }

    /// How sources from one zone are masqueraded into another, if they are.
    #[must_use]
    pub const fn masquerade(&self, from: ZoneId, to: ZoneId) -> Option<Masquerade> {
        self.masquerade[from.index()][to.index()]
    }

    /// The outside address that a host has for itself in zone `to`.
    #[must_use]
    pub fn outside_of(&self, src: Ipv4Addr, to: ZoneId) -> Option<Ipv4Addr> {
        let mut entries = self.one_to_one.iter();
        let entry = entries.find(|entry| entry.to == to && entry.inside.contains(&src))?;
        Some(swap(src, entry.inside, entry.outside))
    }

    /// The host that has an outside address for itself.
    #[must_use]
    pub fn inside_of(&self, dst: Ipv4Addr) -> Option<Ipv4Addr> {
        let mut entries = self.one_to_one.iter();
        let entry = entries.find(|entry| entry.outside.contains(&dst))?;
        Some(swap(dst, entry.outside, entry.inside))
    }

    /// How a source behind `side` is translated to an address of zone `owner` where it has to be.
    #[must_use]
    pub fn behavior(&self, side: Side, owner: ZoneId) -> Behavior {
        match side.as_zone() {
            Some(from) => self
                .masquerade(from, owner)
                .map_or(self.elsewhere, |entry| entry.behavior),
            // The box's own services keep their ports, whatever hosts get.
            None => Behavior {
                hairpin: self.elsewhere.hairpin,
                ..Preset::Rfc.behavior()
            },
        }
    }
}

/// The addresses that zone `zone` holds beside its own.
pub fn aliases(config: &Config, zone: ZoneId) -> Vec<Ipv4Net> {
    let nat = &config.nat;
    let ranges = nat.one_to_one.iter().filter(|entry| entry.to == zone);
    let mut held: Vec<Ipv4Net> = ranges.map(|entry| entry.outside).collect();
    held.extend(sources(config, zone).into_iter().map(Ipv4Net::from));
    held
}

/// Of those, the addresses whose ports are leased.
pub fn sources(config: &Config, zone: ZoneId) -> Vec<Ipv4Addr> {
    let entries = config
        .nat
        .masquerade
        .iter()
        .filter(|entry| entry.to == zone);
    let mut addresses: Vec<Ipv4Addr> = entries.filter_map(|entry| entry.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The address with the same bits behind another prefix.
fn swap(address: Ipv4Addr, from: Ipv4Net, to: Ipv4Net) -> Ipv4Addr {
    let host = address.to_bits() & from.hostmask().to_bits();
    Ipv4Addr::from_bits(to.network().to_bits() | host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_behind_the_prefix_stay() {
        let net = |text: &str| text.parse().expect("a prefix");
        let swapped = |address: &str, from, to| {
            swap(address.parse().expect("an address"), net(from), net(to))
        };
        let host = swapped("10.99.0.21", "10.99.0.16/28", "203.0.113.160/28");
        assert_eq!(host, Ipv4Addr::new(203, 0, 113, 165));
        let alone = swapped("10.99.0.21", "10.99.0.21/32", "203.0.113.9/32");
        assert_eq!(alone, Ipv4Addr::new(203, 0, 113, 9));
    }
}

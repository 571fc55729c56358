//! Sets of addresses, compiled: disjoint ranges in order, searched by halves.

use alloc::vec::Vec;

use ipnet::IpNet;

use crate::address::Address;

/// Addresses from the first to the last, both included.
pub type Range = (Address, Address);

/// A set of addresses of both families.
#[derive(Clone, Debug)]
pub enum AddressSet {
    /// Every address.
    All,
    /// These, disjoint and in order.
    Ranges(Vec<Range>),
}

impl AddressSet {
    /// The addresses of these prefixes; of none, every address.
    #[must_use]
    pub fn new(nets: &[IpNet]) -> Self {
        match nets.is_empty() {
            true => Self::All,
            false => Self::Ranges(merged(nets)),
        }
    }

    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        match self {
            Self::All => true,
            Self::Ranges(ranges) => {
                let after = ranges.partition_point(|(first, _)| *first <= address);
                after > 0 && address <= ranges[after - 1].1
            }
        }
    }
}

/// The ranges of prefixes, joined where they overlap.
#[must_use]
pub fn merged(nets: &[IpNet]) -> Vec<Range> {
    let mut ranges: Vec<Range> = nets.iter().map(range).collect();
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            Some(_) | None => joined.push((first, last)),
        }
    }
    joined
}

fn range(net: &IpNet) -> Range {
    match net {
        IpNet::V4(net) => (net.network().into(), net.broadcast().into()),
        IpNet::V6(net) => (Address::v6(net.network()), Address::v6(net.broadcast())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn set(nets: &[&str]) -> AddressSet {
        let nets: Vec<IpNet> = nets
            .iter()
            .map(|net| net.parse().expect("a prefix"))
            .collect();
        AddressSet::new(&nets)
    }

    #[test]
    fn both_ends_of_a_prefix_belong_to_it_and_their_neighbours_do_not() {
        let set = set(&["10.0.0.0/8", "10.1.0.0/16", "192.168.4.0/22"]);
        let holds = |a, b, c, d| set.contains(Ipv4Addr::new(a, b, c, d).into());
        assert!(holds(10, 0, 0, 0) && holds(10, 255, 255, 255) && holds(10, 1, 2, 3));
        assert!(!holds(9, 255, 255, 255) && !holds(11, 0, 0, 0));
        assert!(holds(192, 168, 7, 255) && !holds(192, 168, 8, 0));
    }

    #[test]
    fn no_prefix_means_every_address() {
        assert!(set(&[]).contains(Ipv4Addr::BROADCAST.into()));
    }

    #[test]
    fn families_do_not_mix() {
        let all_v4 = set(&["0.0.0.0/0"]);
        assert!(all_v4.contains(Ipv4Addr::BROADCAST.into()));
        assert!(!all_v4.contains(Address::v6(core::net::Ipv6Addr::LOCALHOST)));
    }
}

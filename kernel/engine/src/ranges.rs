//! Sets of addresses, compiled: disjoint ranges in order, searched by halves.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::address::Address;

/// The last address below, and the first above, the block of IPv4's mapped addresses (RFC 4291 section 2.5.5.2).
const BELOW_V4: Address = Address::v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xFFFE, 0xFFFF, 0xFFFF));
const ABOVE_V4: Address = Address::v6(Ipv6Addr::new(0, 0, 0, 0, 1, 0, 0, 0));

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
    let mut ranges: Vec<Range> = nets.iter().flat_map(ranges).collect();
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

/// One range, or two: an IPv6 prefix does not hold the block in which our IPv4 addresses lie.
fn ranges(net: &IpNet) -> impl Iterator<Item = Range> {
    let (whole, rest) = match net {
        IpNet::V4(net) => ((net.network().into(), net.broadcast().into()), None),
        IpNet::V6(net) => without_v4(Address::v6(net.network()), Address::v6(net.broadcast())),
    };
    let whole = Some(whole).filter(|(first, last)| first <= last);
    whole.into_iter().chain(rest)
}

/// A range of IPv6 without `::ffff:0:0/96`; the first part is backwards, and so empty, if it begins inside that block.
fn without_v4(first: Address, last: Address) -> (Range, Option<Range>) {
    let is_apart =
        last < Address::v4(Ipv4Addr::UNSPECIFIED) || Address::v4(Ipv4Addr::BROADCAST) < first;
    if is_apart {
        return ((first, last), None);
    }
    (
        (first, BELOW_V4),
        (ABOVE_V4 <= last).then_some((ABOVE_V4, last)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(!all_v4.contains(Address::v6(Ipv6Addr::LOCALHOST)));
        let all_v6 = set(&["::/0"]);
        assert!(!all_v6.contains(Ipv4Addr::UNSPECIFIED.into()));
        assert!(!all_v6.contains(Ipv4Addr::BROADCAST.into()));
        assert!(all_v6.contains(Address::v6(Ipv6Addr::LOCALHOST)));
        assert!(all_v6.contains(ABOVE_V4) && all_v6.contains(BELOW_V4));
        let mapped = set(&["::ffff:10.0.0.0/104"]);
        assert!(!mapped.contains(Ipv4Addr::new(10, 0, 0, 1).into()));
    }
}

//! Outside ports of one address and protocol.

use alloc::vec;
use alloc::vec::Vec;

use sekisho_config::model::PortRange;

use crate::key::Protocol;

const WORDS: usize = 65_536 / 64;

/// Which ports are leased and which are never to be had.
#[derive(Clone, Debug)]
pub struct Ports {
    taken: Vec<u64>,
    reserved: Vec<PortRange>,
    leased: u32,
}

/// The ports among which a port's substitute is looked for (RFC 4787 REQ-3a: well-known ports keep their class).
#[must_use]
pub const fn class(protocol: Protocol, port: u16) -> PortRange {
    let (first, last) = match (protocol, port) {
        // Identifiers of ICMP queries have no classes.
        (Protocol::ICMP | Protocol::ICMPV6, _) => (0, u16::MAX),
        (_, 0..=1023) => (1, 1023),
        (_, 1024..) => (1024, u16::MAX),
    };
    PortRange { first, last }
}

impl Ports {
    /// Bytes of one pool.
    pub const BYTES: usize = WORDS * 8;

    /// All ports free but the reserved: no inside host can take a port that a forward or a
    /// service of the box listens on (port shadowing).
    #[must_use]
    pub fn new(reserved: Vec<PortRange>) -> Self {
        let mut ports = Self {
            taken: vec![0; WORDS],
            reserved: Vec::new(),
            leased: 0,
        };
        for range in &reserved {
            for port in range.first..=range.last {
                ports.set(port);
            }
        }
        ports.reserved = reserved;
        ports
    }

    /// How many ports are leased.
    #[must_use]
    pub const fn leased(&self) -> u32 {
        self.leased
    }

    /// Whether the port is kept for a forward or a service.
    #[must_use]
    pub fn is_reserved(&self, port: u16) -> bool {
        self.reserved.iter().any(|range| range.contains(port))
    }

    /// Leases `wanted` if it is free, else a random port of its class (RFC 7857 section 9).
    pub fn lease(&mut self, protocol: Protocol, wanted: u16, random: u64) -> Option<u16> {
        let class = class(protocol, wanted);
        let port = match class.contains(wanted) && !self.is_taken(wanted) {
            true => wanted,
            false => self.any_free(class, random)?,
        };
        self.set(port);
        self.leased += 1;
        Some(port)
    }

    /// Ends a lease.
    pub fn release(&mut self, port: u16) {
        if !self.is_taken(port) || self.is_reserved(port) {
            return;
        }
        self.taken[usize::from(port) / 64] &= !(1 << (port % 64));
        self.leased -= 1;
    }

    fn any_free(&self, class: PortRange, random: u64) -> Option<u16> {
        // A multiplication spreads 32 random bits over the class without a division.
        let offset = ((random & 0xFFFF_FFFF) * u64::from(class.count())) >> 32;
        let start = class.first.saturating_add(offset as u16);
        self.first_free(start, class.last)
            .or_else(|| self.first_free(class.first, start))
    }

    /// The first free port from `first` to `last`.
    fn first_free(&self, first: u16, last: u16) -> Option<u16> {
        let (first_word, last_word) = (usize::from(first) / 64, usize::from(last) / 64);
        for word in first_word..=last_word {
            let below = match word == first_word {
                true => (1u64 << (first % 64)) - 1,
                false => 0,
            };
            let free = !(self.taken[word] | below);
            if free != 0 {
                let port = word as u32 * 64 + free.trailing_zeros();
                return u16::try_from(port).ok().filter(|port| *port <= last);
            }
        }
        None
    }

    fn is_taken(&self, port: u16) -> bool {
        self.taken[usize::from(port) / 64] & (1 << (port % 64)) != 0
    }

    fn set(&mut self, port: u16) {
        self.taken[usize::from(port) / 64] |= 1 << (port % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    fn web() -> Vec<PortRange> {
        vec![PortRange {
            first: 8000,
            last: 8010,
        }]
    }

    #[test]
    fn a_free_port_is_preserved_and_a_taken_one_is_not_shared() {
        let mut ports = Ports::new(vec![]);
        assert_eq!(ports.lease(Protocol::UDP, 40_000, 1), Some(40_000));
        let other = ports.lease(Protocol::UDP, 40_000, 1).expect("free ones");
        assert_ne!(other, 40_000);
        ports.release(40_000);
        assert_eq!(ports.lease(Protocol::UDP, 40_000, 1), Some(40_000));
        assert_eq!(ports.leased(), 2);
    }

    #[test]
    fn rfc4787_req3a_a_substitute_stays_in_its_class() {
        let mut ports = Ports::new(vec![]);
        let mut low = BTreeSet::new();
        while let Some(port) = ports.lease(Protocol::UDP, 500, u64::MAX) {
            assert!((1..1024).contains(&port) && low.insert(port));
        }
        assert_eq!(low.len(), 1023);
        assert!(
            ports
                .lease(Protocol::UDP, 5000, 0)
                .is_some_and(|port| port >= 1024)
        );
    }

    #[test]
    fn every_port_of_the_class_is_leased_before_none_is_left() {
        let mut ports = Ports::new(web());
        let mut seed = 1u64;
        let mut seen = BTreeSet::new();
        while let Some(port) = ports.lease(Protocol::TCP, 1024, seed) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
            assert!(seen.insert(port));
        }
        assert_eq!(seen.len(), 65_536 - 1024 - 11);
        for port in seen {
            ports.release(port);
        }
        assert_eq!(ports.leased(), 0);
    }

    #[test]
    fn a_reserved_port_is_never_leased_or_freed() {
        let mut ports = Ports::new(web());
        assert_ne!(ports.lease(Protocol::TCP, 8005, 3), Some(8005));
        ports.release(8005);
        assert!(ports.is_reserved(8005));
        assert_ne!(ports.lease(Protocol::TCP, 8005, 4), Some(8005));
    }

    #[test]
    fn rfc6056_substitutes_differ_with_the_random_word() {
        let mut ports = Ports::new(vec![]);
        ports.lease(Protocol::UDP, 2000, 0);
        let first = ports.lease(Protocol::UDP, 2000, 0x1234_5678);
        let second = ports.lease(Protocol::UDP, 2000, 0x9234_5678);
        assert!(first.zip(second).is_some_and(|(a, b)| a.abs_diff(b) > 1000));
    }
}

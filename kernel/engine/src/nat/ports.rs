//! Outside ports of one address and protocol.

use alloc::vec;
use alloc::vec::Vec;

use sekisho_config::model::PortRange;

use crate::nat::choice::{Choice, Parity};

const WORDS: usize = 65_536 / 64;

/// Which ports are leased and which are never to be had.
#[derive(Clone, Debug)]
pub struct Ports {
    taken: Vec<u64>,
    reserved: Vec<PortRange>,
    leased: u32,
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

    /// Leases the port that may be preserved if it is free, else a random port of its class (RFC 7857 section 9).
    pub fn lease(&mut self, choice: Choice, random: u64) -> Option<u16> {
        let port = match choice.preserved.filter(|port| !self.is_taken(*port)) {
            Some(preserved) => preserved,
            None => self.any_free(choice, random)?,
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

    fn any_free(&self, choice: Choice, random: u64) -> Option<u16> {
        let (class, parity) = (choice.class, choice.parity);
        let start = choice.at(random).clamp(class.first, class.last);
        self.first_free(start, class.last, parity)
            .or_else(|| self.first_free(class.first, start, parity))
    }

    /// The first free port of a parity from `first` to `last`.
    fn first_free(&self, first: u16, last: u16, parity: Parity) -> Option<u16> {
        let (first_word, last_word) = (usize::from(first) / 64, usize::from(last) / 64);
        for word in first_word..=last_word {
            let below = match word == first_word {
                true => (1u64 << (first % 64)) - 1,
                false => 0,
            };
            let free = !(self.taken[word] | below) & parity.mask();
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
    use crate::key::Protocol;
    use alloc::collections::BTreeSet;
    use sekisho_config::model::{Behavior, Preset};

    /// The inside port if it is free.
    fn like(protocol: Protocol, port: u16) -> Choice {
        Choice::new(protocol, port, &Preset::Rfc.behavior())
    }

    fn web() -> Vec<PortRange> {
        vec![PortRange {
            first: 8000,
            last: 8010,
        }]
    }

    #[test]
    fn a_free_port_is_preserved_and_a_taken_one_is_not_shared() {
        let mut ports = Ports::new(vec![]);
        assert_eq!(ports.lease(like(Protocol::UDP, 40_000), 1), Some(40_000));
        let other = ports
            .lease(like(Protocol::UDP, 40_000), 1)
            .expect("free ones");
        assert_ne!(other, 40_000);
        ports.release(40_000);
        assert_eq!(ports.lease(like(Protocol::UDP, 40_000), 1), Some(40_000));
        assert_eq!(ports.leased(), 2);
    }

    #[test]
    fn rfc4787_req3a_a_substitute_stays_in_its_class() {
        let mut ports = Ports::new(vec![]);
        let mut low = BTreeSet::new();
        while let Some(port) = ports.lease(like(Protocol::UDP, 500), u64::MAX) {
            assert!((1..1024).contains(&port) && low.insert(port));
        }
        assert_eq!(low.len(), 1023);
        assert!(
            ports
                .lease(like(Protocol::UDP, 5000), 0)
                .is_some_and(|port| port >= 1024)
        );
    }

    #[test]
    fn every_port_of_the_class_is_leased_before_none_is_left() {
        let mut ports = Ports::new(web());
        let mut seed = 1u64;
        let mut seen = BTreeSet::new();
        while let Some(port) = ports.lease(like(Protocol::TCP, 1024), seed) {
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
        assert_ne!(ports.lease(like(Protocol::TCP, 8005), 3), Some(8005));
        ports.release(8005);
        assert!(ports.is_reserved(8005));
        assert_ne!(ports.lease(like(Protocol::TCP, 8005), 4), Some(8005));
    }

    #[test]
    fn rfc7857_s9_substitutes_differ_with_the_random_word() {
        let mut ports = Ports::new(vec![]);
        ports.lease(like(Protocol::UDP, 2000), 0);
        let first = ports.lease(like(Protocol::UDP, 2000), 0x1234_5678);
        let second = ports.lease(like(Protocol::UDP, 2000), 0x9234_5678);
        assert!(first.zip(second).is_some_and(|(a, b)| a.abs_diff(b) > 1000));
    }

    #[test]
    fn rfc4787_req4_with_parity_a_pool_runs_dry_of_even_ports_while_odd_ones_are_left() {
        let behavior = Behavior {
            port_parity: true,
            ..Preset::Rfc.behavior()
        };
        let even = Choice::new(Protocol::UDP, 6000, &behavior);
        let mut ports = Ports::new(vec![]);
        let mut seed = 1u64;
        let mut count = 0;
        while let Some(port) = ports.lease(even, seed) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
            assert_eq!(port % 2, 0);
            count += 1;
        }
        assert_eq!(count, (65_536 - 1024) / 2);
        let odd = Choice::new(Protocol::UDP, 6001, &behavior);
        assert_eq!(ports.lease(odd, seed), Some(6001));
    }

    #[test]
    fn rfc6056_without_preservation_every_port_is_random() {
        let behavior = Behavior {
            port_preservation: false,
            ..Preset::Rfc.behavior()
        };
        let choice = Choice::new(Protocol::UDP, 6000, &behavior);
        let mut ports = Ports::new(vec![]);
        let leased: BTreeSet<_> = (0..64)
            .filter_map(|i: u64| ports.lease(choice, i.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .collect();
        assert_eq!(leased.len(), 64);
        assert!(!leased.contains(&6000));
        let spread = leased.last().zip(leased.first()).map(|(a, b)| a - b);
        assert!(spread.is_some_and(|spread| spread > 30_000), "{leased:?}");
    }
}

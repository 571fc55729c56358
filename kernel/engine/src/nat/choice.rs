//! Which outside port a mapping is to get: the inside one, or a random one of the same kind.

use sekisho_config::model::{Behavior, PortRange};

use crate::key::Protocol;

/// How many ports are tried where each may be shared with flows to other peers.
const TRIES: usize = 128;

/// The ports that may stand for an inside port.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The inside port itself, where it may be kept (RFC 4787 section 4.2.1).
    pub preserved: Option<u16>,
    /// The ports among which a substitute is looked for.
    pub class: PortRange,
    /// Of those, the even or the odd ones, or all.
    pub parity: Parity,
}

/// Which ports of a class count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// All.
    Any,
    /// Those with the same lowest bit as this (RFC 4787 REQ-4).
    Of(u16),
}

impl Choice {
    /// What a behaviour asks for.
    #[must_use]
    pub fn new(protocol: Protocol, inside: u16, behavior: &Behavior) -> Self {
        let class = class(protocol, inside);
        let has_parity = behavior.port_parity && has_ports(protocol);
        Self {
            preserved: (behavior.port_preservation && class.contains(inside)).then_some(inside),
            class,
            parity: match has_parity {
                true => Parity::Of(inside),
                false => Parity::Any,
            },
        }
    }

    /// Ports in the order in which they are tried where one port can stand for many flows.
    pub fn candidates(self, random: u64) -> impl Iterator<Item = u16> {
        // Each try takes the high bits of a step of Knuth's MMIX generator, seeded with a secret.
        let steps = core::iter::successors(Some(random), |state| {
            Some(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407),
            )
        });
        let substitutes = steps.skip(1).take(TRIES).filter_map(move |state| {
            let port = self.at(state >> 32);
            self.class.contains(port).then_some(port)
        });
        self.preserved.into_iter().chain(substitutes)
    }

    /// A port of the class, as 32 random bits choose it, with the parity that is asked for.
    #[must_use]
    pub fn at(&self, random: u64) -> u16 {
        // A multiplication spreads 32 random bits over the class without a division.
        let offset = ((random & 0xFFFF_FFFF) * u64::from(self.class.count())) >> 32;
        let port = self.class.first.saturating_add(offset as u16);
        match self.parity {
            Parity::Any => port,
            Parity::Of(inside) => port & !1 | inside & 1,
        }
    }
}

impl Parity {
    /// The bits of a word of 64 ports, the first of them even, that count.
    #[must_use]
    pub const fn mask(self) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        match self {
            Self::Any => u64::MAX,
            Self::Of(port) => EVEN << (port & 1),
        }
    }
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

/// Identifiers of ICMP queries are no ports: nothing follows from their being even.
const fn has_ports(protocol: Protocol) -> bool {
    !matches!(protocol, Protocol::ICMP | Protocol::ICMPV6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_config::model::Preset;
    use std::collections::BTreeSet;

    fn behavior(port_preservation: bool, port_parity: bool) -> Behavior {
        Behavior {
            port_preservation,
            port_parity,
            ..Preset::Rfc.behavior()
        }
    }

    #[test]
    fn the_inside_port_is_tried_first_and_only_where_it_may_be_kept() {
        let kept = Choice::new(Protocol::UDP, 5000, &behavior(true, false));
        assert_eq!(kept.candidates(7).next(), Some(5000));
        let random = Choice::new(Protocol::UDP, 5000, &behavior(false, false));
        let ports: BTreeSet<u16> = random.candidates(7).collect();
        assert!(
            !ports.contains(&5000) && ports.len() > 100,
            "{}",
            ports.len()
        );
        // Port 0 is no port that anybody answers to.
        let zero = Choice::new(Protocol::UDP, 0, &behavior(true, false));
        assert!(zero.candidates(7).all(|port| (1..1024).contains(&port)));
    }

    #[test]
    fn rfc4787_req4_every_candidate_has_the_inside_ports_parity() {
        for inside in [5000, 5001, 500, 501, 1023, 1024, 65_535] {
            let choice = Choice::new(Protocol::UDP, inside, &behavior(false, true));
            for seed in 0..50_u64 {
                let tried = choice.candidates(seed << 40 | seed);
                for port in tried {
                    assert_eq!(port % 2, inside % 2, "{port} for {inside}");
                    assert!(choice.class.contains(port), "{port} for {inside}");
                }
            }
            assert_eq!(choice.parity.mask() >> (inside % 64) & 1, 1);
        }
        let query = Choice::new(Protocol::ICMP, 7, &behavior(true, true));
        assert_eq!(query.parity, Parity::Any);
    }
}

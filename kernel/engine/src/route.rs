//! Where a packet goes next.
//!
//! Longest prefix first; within a length a binary search if they are many, over bare numbers, because
//! every packet comes here: its flow may have been routed otherwise when it began.
//! Memory is taken once: [`Routes::rebuild`] sorts in place.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::ZoneId;

/// How long a prefix can be, 0 to 32.
const LENGTHS: usize = 33;
/// Up to so many routes of a length are looked through one by one.
const FEW: usize = 8;

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: Ipv4Net,
    /// The way.
    pub hop: NextHop,
}

/// The way out: a zone, and a gateway there unless the destination is on the segment itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// By which zone.
    pub zone: ZoneId,
    /// The router there; `None` for destinations on the segment.
    pub via: Option<Ipv4Addr>,
}

impl NextHop {
    /// Whose Ethernet address the frame needs.
    #[must_use]
    pub fn neighbor(&self, dst: Ipv4Addr) -> Ipv4Addr {
        self.via.unwrap_or(dst)
    }
}

/// The routing table.
#[derive(Debug)]
pub struct Routes {
    /// Sorted by length (longest first), then network.
    routes: Vec<Route>,
    /// Their networks in the same order, as numbers.
    networks: Vec<u32>,
    /// Where the routes of each length are, longest first.
    spans: heapless::Vec<Span, LENGTHS>,
}

/// The routes of one length.
#[derive(Debug)]
struct Span {
    mask: u32,
    first: usize,
    end: usize,
}

impl Routes {
    /// An empty table with room for `most` routes.
    #[must_use]
    pub fn with_capacity(most: usize) -> Self {
        Self {
            routes: Vec::with_capacity(most),
            networks: Vec::with_capacity(most),
            spans: heapless::Vec::new(),
        }
    }

    /// Replaces all routes; of two to the same prefix the first stays.
    ///
    /// Routes beyond the capacity are left out: the caller sized the table for all it has.
    pub fn rebuild(&mut self, routes: impl Iterator<Item = Route>) {
        self.routes.clear();
        for route in routes {
            let known = self.routes.iter().any(|r| r.to.trunc() == route.to.trunc());
            if !known && self.routes.len() < self.routes.capacity() {
                self.routes.push(Route {
                    to: route.to.trunc(),
                    ..route
                });
            }
        }
        self.routes
            .sort_unstable_by_key(|r| (32 - r.to.prefix_len(), r.to.network()));
        self.spans.clear();
        self.networks.clear();
        for (index, route) in self.routes.iter().enumerate() {
            self.networks.push(route.to.network().to_bits());
            let mask = mask(route.to.prefix_len());
            match self.spans.last_mut() {
                Some(span) if span.mask == mask => span.end = index + 1,
                _ => self
                    .spans
                    .push(Span {
                        mask,
                        first: index,
                        end: index + 1,
                    })
                    .expect("one span for each of 33 lengths"),
            }
        }
    }

    /// The longest match.
    #[must_use]
    #[inline(always)]
    pub fn lookup(&self, dst: Ipv4Addr) -> Option<NextHop> {
        let bits = dst.to_bits();
        for span in &self.spans {
            let network = bits & span.mask;
            let networks = self.networks.get(span.first..span.end)?;
            let found = match networks.len() {
                0..=FEW => networks.iter().position(|known| *known == network),
                _ => networks.binary_search(&network).ok(),
            };
            if let Some(found) = found {
                return Some(self.routes.get(span.first + found)?.hop);
            }
        }
        None
    }
}

const fn mask(len: u8) -> u32 {
    if len == 0 {
        0
    } else {
        u32::MAX << (32 - len as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn route(to: &str, zone: usize, via: Option<&str>) -> Route {
        let hop = NextHop {
            zone: ZoneId::new(zone).expect("a zone"),
            via: via.map(|v| v.parse().expect("an address")),
        };
        Route {
            to: to.parse().expect("a prefix"),
            hop,
        }
    }

    fn table(routes: std::vec::Vec<Route>) -> Routes {
        let mut table = Routes::with_capacity(routes.len());
        table.rebuild(routes.into_iter());
        table
    }

    fn zone_of(table: &Routes, dst: &str) -> Option<usize> {
        table
            .lookup(dst.parse().expect("an address"))
            .map(|hop| hop.zone.index())
    }

    #[test]
    fn the_longest_prefix_wins() {
        let table = table(vec![
            route("0.0.0.0/0", 0, Some("192.0.2.254")),
            route("10.0.0.0/8", 1, None),
            route("10.99.0.0/24", 2, None),
            route("10.99.0.7/32", 3, None),
        ]);
        assert_eq!(zone_of(&table, "8.8.8.8"), Some(0));
        assert_eq!(zone_of(&table, "10.1.2.3"), Some(1));
        assert_eq!(zone_of(&table, "10.99.0.8"), Some(2));
        assert_eq!(zone_of(&table, "10.99.0.7"), Some(3));
    }

    #[test]
    fn without_a_default_route_strangers_have_no_way() {
        let table = table(vec![route("10.99.0.1/24", 1, None)]);
        assert_eq!(zone_of(&table, "10.99.0.200"), Some(1));
        assert_eq!(zone_of(&table, "8.8.8.8"), None);
    }

    #[test]
    fn of_two_routes_to_one_prefix_the_first_stays() {
        let table = table(vec![
            route("10.0.0.0/8", 1, None),
            route("10.0.0.0/8", 2, None),
        ]);
        assert_eq!(zone_of(&table, "10.0.0.1"), Some(1));
    }
}

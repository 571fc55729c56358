//! How many flows each source has begun in this second.
//!
//! Counted like all flows of a source ([`crate::limits`]): two rows of counters, each source in one of either row by
//! keyed hash, and the smaller of both counts. A counter is the count of one second, with that second beside it:
//!
//! ```text
//! 31         20 19                    0
//! │ second     │ flows begun in it    │
//! ```
//!
//! Seconds come again after 4,096 of them: a source that begins no flow for exactly that long may find its last count.

use alloc::vec;
use alloc::vec::Vec;

use crate::Instant;
use crate::address::Address;
use crate::hash::Hasher;
use crate::key::Side;

const COUNT_BITS: u32 = 20;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

/// New flows of this second by source.
#[derive(Debug)]
pub struct Rates {
    rows: [Vec<u32>; 2],
    hasher: Hasher,
    /// How many one source may begin in a second; without a limit nothing is counted.
    limit: Option<u32>,
}

impl Rates {
    /// Counters for a table of `flows` flows.
    #[must_use]
    pub fn new(flows: usize, limit: Option<u32>, hasher: Hasher) -> Self {
        let row = match limit {
            Some(_) => vec![0; Self::row(flows)],
            None => Vec::new(),
        };
        Self {
            rows: [row.clone(), row],
            hasher,
            limit,
        }
    }

    /// Bytes that counters for so many flows take, where there is a limit.
    #[must_use]
    pub const fn bytes(flows: usize) -> usize {
        Self::row(flows) * 2 * size_of::<u32>()
    }

    const fn row(flows: usize) -> usize {
        flows / 8 + 64
    }

    /// Whether the source may begin one more flow in this second.
    #[must_use]
    pub fn may_open(&self, source: Address, side: Side, now: Instant) -> bool {
        let Some(limit) = self.limit else {
            return true;
        };
        let second = second(now);
        let places = self.hasher.two_places(source, side, self.rows[0].len());
        let counts = [0, 1].map(|row| count(self.rows[row][places[row]], second));
        counts[0].min(counts[1]) < limit
    }

    /// The source has begun a flow.
    pub fn opened(&mut self, source: Address, side: Side, now: Instant) {
        if self.limit.is_none() {
            return;
        }
        let second = second(now);
        let places = self.hasher.two_places(source, side, self.rows[0].len());
        for (row, place) in self.rows.iter_mut().zip(places) {
            let begun = count(row[place], second).saturating_add(1).min(COUNT);
            row[place] = second << COUNT_BITS | begun;
        }
    }
}

/// The second's number, as far as a counter keeps it.
const fn second(now: Instant) -> u32 {
    (now.as_micros() / 1_000_000) as u32 & (u32::MAX >> COUNT_BITS)
}

const fn count(counter: u32, second: u32) -> u32 {
    match counter >> COUNT_BITS == second {
        true => counter & COUNT,
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ZoneId;
    use core::net::Ipv4Addr;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn side(index: usize) -> Side {
        Side::zone(ZoneId::new(index).expect("a zone"))
    }

    fn source(last: u8) -> Address {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    /// How many flows the source begins, if it tries a hundred times.
    fn begun(rates: &mut Rates, from: (Address, Side), now: Instant) -> usize {
        let mut tries = 0..100;
        tries
            .by_ref()
            .filter(|_| {
                let may = rates.may_open(from.0, from.1, now);
                if may {
                    rates.opened(from.0, from.1, now);
                }
                may
            })
            .count()
    }

    #[test]
    fn each_source_begins_so_many_flows_in_each_second() {
        let mut rates = Rates::new(1024, Some(7), Hasher::new([1, 2]));
        let (one, other) = ((source(1), side(0)), (source(2), side(0)));
        assert_eq!(begun(&mut rates, one, at(100)), 7);
        assert_eq!(begun(&mut rates, one, at(999)), 0);
        assert_eq!(begun(&mut rates, other, at(999)), 7);
        assert_eq!(
            begun(&mut rates, (source(1), side(1)), at(999)),
            7,
            "by another side"
        );
        assert_eq!(begun(&mut rates, one, at(1_000)), 7);
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let mut rates = Rates::new(1024, None, Hasher::new([1, 2]));
        assert_eq!(begun(&mut rates, (source(1), side(0)), at(0)), 100);
        assert!(rates.rows.iter().all(Vec::is_empty));
    }

    #[test]
    fn a_flood_of_sources_never_counts_one_below_the_truth() {
        let mut rates = Rates::new(64, Some(50), Hasher::new([1, 2]));
        let one = (source(1), side(0));
        for flood in 0..5_000u32 {
            rates.opened(Address::from(Ipv4Addr::from(flood)), side(0), at(5));
        }
        assert_eq!(
            begun(&mut rates, one, at(6)),
            0,
            "all counters are shared now"
        );
        assert_eq!(begun(&mut rates, one, at(1_006)), 50);
    }
}

//! How many flows, or mappings, each source has.
//!
//! Two rows of counters, each source in one of either row by keyed hash, and the
//! smaller of both counts (a count-min sketch). It never says less than the truth; it says
//! more only if a source shares both its counters with others. It needs no memory for
//! each source, so a flood of made-up sources cannot fill it.

use alloc::vec;
use alloc::vec::Vec;

use crate::address::Address;
use crate::hash::Hasher;
use crate::key::Side;

/// Flow counts by source.
#[derive(Debug)]
pub struct Sources {
    rows: [Vec<u32>; 2],
    hasher: Hasher,
    limit: u32,
}

/// A source's two counters.
#[derive(Clone, Copy, Debug)]
pub struct Counted([usize; 2]);

impl Sources {
    /// Counters for a table of `flows` flows, and how many one source may have.
    #[must_use]
    pub fn new(flows: usize, limit: u32, hasher: Hasher) -> Self {
        Self {
            rows: [(); 2].map(|()| vec![0; Self::row(flows)]),
            hasher,
            limit,
        }
    }

    /// Bytes that counters for so many flows take.
    #[must_use]
    pub const fn bytes(flows: usize) -> usize {
        Self::row(flows) * 2 * size_of::<u32>()
    }

    const fn row(flows: usize) -> usize {
        flows / 4 + 64
    }

    /// Where a source is counted.
    #[must_use]
    pub fn counted(&self, source: Address, side: Side) -> Counted {
        Counted(self.hasher.two_places(source, side, self.rows[0].len()))
    }

    /// Whether the source may open one more flow.
    #[must_use]
    pub fn may_open(&self, Counted([a, b]): Counted) -> bool {
        self.rows[0][a].min(self.rows[1][b]) < self.limit
    }

    /// The source has opened a flow.
    pub fn opened(&mut self, Counted([a, b]): Counted) {
        self.rows[0][a] = self.rows[0][a].saturating_add(1);
        self.rows[1][b] = self.rows[1][b].saturating_add(1);
    }

    /// A flow of the source has ended.
    pub fn ended(&mut self, Counted([a, b]): Counted) {
        self.rows[0][a] = self.rows[0][a].saturating_sub(1);
        self.rows[1][b] = self.rows[1][b].saturating_sub(1);
    }

    /// How many flows are counted, over all sources.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows[0].iter().map(|count| u64::from(*count)).sum()
    }

    #[cfg(test)]
    /// Whether no source has any flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.iter().flatten().all(|count| *count == 0)
    }
}

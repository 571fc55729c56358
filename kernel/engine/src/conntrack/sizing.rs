//! How large the tables are.

use crate::limits::Sources;
use crate::nat::mappings::Mappings;
use crate::nat::permits::Permits;
use crate::rates::Rates;
use crate::table::Table;

/// The fewest flows that a table is made for.
const LEAST_FLOWS: usize = 1_024;
/// The most: the index has 31 bits for a flow and its direction, and wheels keep one bit for themselves.
const MOST_FLOWS: usize = 1 << 26;
/// What the rest of the machine needs, in bytes, before tables may grow beyond the least.
const REST_BYTES: usize = 11 << 20;
/// Tables up to this size have a mapping for each flow; larger ones run out of ports first.
const MAPPINGS_FOR_ALL: usize = 65_536;
/// The same for permits.
const PERMITS_FOR_ALL: usize = 16_384;

/// The number of places in each table.
///
/// From 262,144 flows on all tables together take less than 160 bytes for each flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    flows: usize,
}

impl Sizing {
    /// Tables for so many flows, within the bounds of what they can number.
    #[must_use]
    pub fn for_flows(flows: usize) -> Self {
        Self {
            flows: flows.clamp(1, MOST_FLOWS),
        }
    }

    /// As many flows as suit a machine with so many bytes of memory: three quarters of what the rest leaves.
    ///
    /// 16 MiB hold 16,384 flows and 256 MiB more than a million.
    #[must_use]
    pub fn for_memory(machine_bytes: usize) -> Self {
        let budget = machine_bytes.saturating_sub(REST_BYTES) / 4 * 3;
        let (mut fits, mut too_many) = (LEAST_FLOWS, MOST_FLOWS);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            match (Self { flows: middle }).bytes(2) <= budget {
                true => fits = middle,
                false => too_many = middle,
            }
        }
        Self { flows: fits }
    }

    /// At most `limit` flows.
    #[must_use]
    pub fn capped(self, limit: Option<u32>) -> Self {
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        Self::for_flows(self.flows.min(limit))
    }

    /// Flows.
    #[must_use]
    pub const fn flows(self) -> usize {
        self.flows
    }

    /// Mappings.
    #[must_use]
    pub fn mappings(self) -> usize {
        self.flows.min(MAPPINGS_FOR_ALL.max(self.flows / 4))
    }

    /// Pairs of a mapping and a peer.
    #[must_use]
    pub fn permits(self) -> usize {
        self.flows.min(PERMITS_FOR_ALL.max(self.flows / 16))
    }

    /// Bytes that all tables take, with so many zones.
    #[must_use]
    pub fn bytes(self, zones: usize) -> usize {
        Table::bytes(self.flows)
            .saturating_add(Mappings::bytes(self.mappings(), zones))
            .saturating_add(Permits::bytes(self.permits()))
            .saturating_add(Sources::bytes(self.flows))
            .saturating_add(Rates::bytes(self.flows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_mebibytes_hold_16384_flows_and_256_a_million() {
        let small = Sizing::for_memory(16 << 20);
        assert!(small.flows() >= 16_384, "{}", small.flows());
        assert!(small.bytes(2) < 4 << 20);
        assert!(Sizing::for_memory(256 << 20).flows() >= 1_000_000);
        assert_eq!(Sizing::for_memory(0).flows(), LEAST_FLOWS);
    }

    #[test]
    fn a_flow_costs_at_most_160_bytes_all_included() {
        for flows in [262_144, 1_000_000, 1 << 22] {
            let bytes = Sizing::for_flows(flows).bytes(2);
            assert!(bytes <= flows * 160, "{} at {flows}", bytes / flows);
        }
    }
}

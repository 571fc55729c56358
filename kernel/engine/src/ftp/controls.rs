//! All control connections that are read, and the data connections that are expected.
//!
//! Both tables are small and of fixed size: where there is no room, a connection goes on as if there were no gateway.

use alloc::vec::Vec;
use core::time::Duration;

use sekisho_config::Config;
use sekisho_config::model::PortRange;

use crate::Instant;
use crate::ftp::control::{Control, Expected};
use crate::hash::Hasher;
use crate::index::Index;
use crate::key::{Endpoint, FlowKey, Protocol};
use crate::mapping::MappingId;

/// How long an announced data connection may come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One control connection for so many flows.
const FLOWS_EACH: usize = 32;
/// The fewest and the most.
const FEWEST: usize = 16;
const MOST: usize = 1024;

/// A control connection's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlId(pub(crate) u32);

/// The table.
#[derive(Debug)]
pub struct Controls {
    slots: Vec<Option<Control>>,
    live: usize,
    ports: Vec<PortRange>,
    /// Those that expect something, by where that goes to.
    expected: Index,
    waiting: usize,
    /// No expectation ends before.
    due: Option<Instant>,
    hasher: Hasher,
}

impl Controls {
    /// Room for the control connections of so many flows; none where the configuration has no gateway.
    #[must_use]
    pub fn new(config: &Config, flows: usize, hasher: Hasher) -> Self {
        let ports = config.alg.ftp.clone();
        let room = match ports.is_empty() {
            true => 0,
            false => (flows / FLOWS_EACH).clamp(FEWEST, MOST),
        };
        Self {
            slots: (0..room).map(|_| None).collect(),
            live: 0,
            ports,
            expected: Index::new(room, room),
            waiting: 0,
            due: None,
            hasher,
        }
    }

    /// Whether a new flow to this endpoint is a control connection.
    #[must_use]
    pub fn are_at(&self, protocol: Protocol, server: Endpoint) -> bool {
        protocol == Protocol::TCP && self.ports.iter().any(|range| range.contains(server.port))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many there can be.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many data connections are expected.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// A control connection.
    #[must_use]
    pub fn get(&self, id: ControlId) -> Option<&Control> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: ControlId) -> Option<&mut Control> {
        self.slots.get_mut(id.0 as usize)?.as_mut()
    }

    /// Enters a control connection; `None` where there is no room, or its client has a quarter of it already.
    pub fn enter(&mut self, control: Control) -> Option<ControlId> {
        let of_client = |other: &&Control| other.client == control.client;
        let same = self.slots.iter().flatten().filter(of_client).count();
        let at = self.slots.iter().position(Option::is_none)?;
        if same >= self.slots.len().div_ceil(4) {
            return None;
        }
        self.slots[at] = Some(control);
        self.live += 1;
        Some(ControlId(at as u32))
    }

    /// Ends a control connection; the lease that it still held.
    pub fn leave(&mut self, id: ControlId) -> Option<MappingId> {
        let lease = self.forget(id);
        if let Some(slot) = self.slots.get_mut(id.0 as usize)
            && slot.take().is_some()
        {
            self.live -= 1;
        }
        lease
    }

    /// A data connection is expected, and the one before no more; the lease that that one still held.
    pub fn expect(&mut self, id: ControlId, expected: Expected) -> Option<MappingId> {
        let before = self.forget(id);
        let hash = self.hash(expected.to);
        if let Some(control) = self.get_mut(id) {
            control.expected = Some(expected);
            let entered = self.expected.insert(hash, id.0);
            debug_assert!(entered, "the index has room for every control connection");
            self.waiting += 1;
            self.due = Some(
                self.due
                    .map_or(expected.until, |due| due.min(expected.until)),
            );
        }
        before
    }

    /// The control connection that announced what a packet of no flow opens.
    #[must_use]
    pub fn find(&self, key: &FlowKey) -> Option<ControlId> {
        if self.waiting == 0 || key.protocol != Protocol::TCP {
            return None;
        }
        let hash = self.hash(key.dst);
        let is_it = |at: u32| {
            let control = self.get(ControlId(at));
            control
                .and_then(|control| control.expected)
                .is_some_and(|expected| {
                    expected.from == key.src.address
                        && expected.to == key.dst
                        && expected.side == key.side
                })
        };
        self.expected.find(hash, is_it).map(ControlId)
    }

    /// Expects nothing more by a control connection; what it did. Its lease is the caller's now.
    pub fn take(&mut self, id: ControlId) -> Option<Expected> {
        let expected = self.get_mut(id)?.expected.take()?;
        let hash = self.hash(expected.to);
        self.expected.remove(hash, id.0);
        self.waiting -= 1;
        if self.waiting == 0 {
            self.due = None;
        }
        Some(expected)
    }

    /// When an expectation may end by itself.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Ends one expectation whose time is over. `None`: there is none any more.
    pub fn pop_due(&mut self, now: Instant) -> Option<Expected> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let over = self.slots.iter().position(|slot| {
            let expected = slot.as_ref().and_then(|control| control.expected);
            expected.is_some_and(|expected| expected.until <= now)
        });
        if let Some(at) = over {
            return self.take(ControlId(at as u32));
        }
        let expected = self
            .slots
            .iter()
            .flatten()
            .filter_map(|control| control.expected);
        self.due = expected.map(|expected| expected.until).min();
        None
    }

    fn forget(&mut self, id: ControlId) -> Option<MappingId> {
        self.take(id)?.lease
    }

    fn hash(&self, to: Endpoint) -> u64 {
        self.hasher.endpoint(&to, [0; 4])
    }
}

#[cfg(test)]
#[path = "controls_tests.rs"]
mod tests;

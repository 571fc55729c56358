//! What the hosts' programs have sent and received, and what was wrong with it.
//!
//! * [`Ledger`]: shared by all loads; only ever grows.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many complaints are kept; more would say nothing new.
const KEPT: usize = 20;

/// A number that several threads raise.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// So many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// One host's datagrams.
#[derive(Debug, Default)]
pub struct Datagrams {
    /// Handed to the host's kernel, which took them.
    pub sent: Count,
    /// Got from the host's kernel, and right in every byte.
    pub received: Count,
}

/// What all loads share.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Payload that arrived by TCP in the WAN, every byte verified.
    pub bytes_out: Count,
    /// The same in the DMZ.
    pub bytes_in: Count,
    /// TCP connections that were opened, verified in both directions and closed.
    pub connections: Count,
    /// Datagrams of the host in the WAN.
    pub wan: Datagrams,
    /// Datagrams of the host in the DMZ.
    pub dmz: Datagrams,
    /// UDP flows whose first datagram arrived.
    pub udp_flows: Count,
    /// Datagrams that came after a later one of their flow.
    pub late: Count,
    stop: AtomicBool,
    complaints: Mutex<Vec<String>>,
}

impl Ledger {
    /// Flows of both kinds that went through.
    pub fn flows(&self) -> u64 {
        self.connections.get() + self.udp_flows.get()
    }

    /// Whether the loads are to end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The loads are to end.
    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Something is wrong: that is written down, and the loads end.
    pub(crate) fn complain(&self, complaint: impl Display) {
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complaints.len() < KEPT {
            complaints.push(complaint.to_string());
        }
        self.end();
    }

    /// What was wrong.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

//! Ethernet addresses of IPv4 neighbours (RFC 826, RFC 1122 section 2.3.2).
//!
//! An entry exists because the box had something to send there; strangers'
//! ARP creates none, so a million made-up addresses fill nothing. A fresh entry
//! is not overwritten by whoever claims its address: the claim makes us ask the
//! known owner first, and only its silence lets another in.
//!
//! ```text
//!             answer                30 s            next use
//! Incomplete ────────▶ Reachable ──────────▶ Stale ─────────▶ Probing
//!     │ 3 asked,          ▲   └─ another's claim ──────────────▶ │ │ 3 asked,
//!     ▼ no answer         └──────────── answer ──────────────────┘ ▼ no answer
//!   gone                                                         gone
//! ```
//!
//! Neighbours: [`crate::holds`] keeps the frames that wait, [`crate::outbox`] the questions.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use hashbrown::HashTable;

use crate::holds::{Fate, Holds};
use crate::verdict::{DropReason, HOLD_SLOTS, HoldSlot};
use crate::{Instant, ZoneId};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// How many neighbours are known at once.
pub const NEIGHBORS: usize = 1024;
/// How many of them may be unanswered.
const UNANSWERED: usize = 256;
/// How many frames wait for one neighbour.
const HELD_EACH: u8 = 64;
/// How many frames wait for neighbours, so that fragments have places too.
const HELD_ALL: usize = HOLD_SLOTS / 2;
/// How long an answer is trusted (RFC 1122 section 2.3.2.1 asks for about a minute at the most).
const FRESH: Duration = Duration::from_secs(30);
/// Between two questions (RFC 1122 section 2.3.2.1: at most one a second).
const PAUSE: Duration = Duration::from_secs(1);
/// Questions before a neighbour counts as gone.
const QUESTIONS: u8 = 3;
/// How long an entry nobody uses is kept.
const UNUSED: Duration = Duration::from_secs(600);

/// A neighbour's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborId(pub u16);

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Its address; send.
    Known(NeighborId, Mac),
    /// It is being asked; wait.
    Asked(NeighborId),
    /// No room to ask.
    Full,
}

/// A question to be asked on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// On which segment.
    pub zone: ZoneId,
    /// Who is asked for.
    pub address: Ipv4Addr,
    /// The known owner, asked directly; `None` asks all.
    pub owner: Option<Mac>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Incomplete { asked: u8, next: Instant },
    Reachable { until: Instant },
    Stale,
    Probing { asked: u8, next: Instant },
}

#[derive(Clone, Debug)]
struct Entry {
    zone: ZoneId,
    address: Ipv4Addr,
    mac: Mac,
    state: State,
    used: Instant,
    first_held: Option<HoldSlot>,
    last_held: Option<HoldSlot>,
    held: u8,
}

/// The neighbour table of all zones.
#[derive(Debug)]
pub struct Neighbors {
    entries: Vec<Option<Entry>>,
    free: Vec<u16>,
    index: HashTable<u16>,
    key: u64,
    unanswered: usize,
    held: usize,
    after: [Option<HoldSlot>; HOLD_SLOTS],
    hand: usize,
    due: Option<Instant>,
}

impl Neighbors {
    /// An empty table; `key` keeps others from choosing addresses that collide.
    #[must_use]
    pub fn new(key: u64) -> Self {
        Self {
            entries: alloc::vec![None; NEIGHBORS],
            free: (0..NEIGHBORS as u16).rev().collect(),
            index: HashTable::with_capacity(2 * NEIGHBORS),
            key: key | 1,
            unanswered: 0,
            held: 0,
            after: [None; HOLD_SLOTS],
            hand: 0,
            due: None,
        }
    }

    /// The address behind an id that a flow remembers, while it is fresh and still that neighbour's.
    #[must_use]
    #[inline(always)]
    pub fn fresh(
        &self,
        id: NeighborId,
        zone: ZoneId,
        address: Ipv4Addr,
        now: Instant,
    ) -> Option<Mac> {
        let entry = self.entries.get(usize::from(id.0))?.as_ref()?;
        match entry.state {
            State::Reachable { until }
                if now < until && entry.zone == zone && entry.address == address =>
            {
                Some(entry.mac)
            }
            _ => None,
        }
    }

    /// The neighbour and its address, if it is fresh.
    pub fn known(
        &mut self,
        zone: ZoneId,
        address: Ipv4Addr,
        now: Instant,
    ) -> Option<(NeighborId, Mac)> {
        let id = self.find(zone, address)?;
        let mac = self.fresh(id, zone, address, now)?;
        if let Some(entry) = self.entries.get_mut(usize::from(id.0))?.as_mut() {
            entry.used = now;
        }
        Some((id, mac))
    }

    /// The neighbour's address; asks for it where it is not known.
    pub fn resolve(
        &mut self,
        zone: ZoneId,
        address: Ipv4Addr,
        now: Instant,
        ask: &mut impl FnMut(Question),
    ) -> Resolution {
        let Some(id) = self
            .find(zone, address)
            .or_else(|| self.create(zone, address, now, ask))
        else {
            return Resolution::Full;
        };
        let Some(entry) = self.entries[usize::from(id.0)].as_mut() else {
            return Resolution::Full;
        };
        entry.used = now;
        match entry.state {
            State::Incomplete { .. } => Resolution::Asked(id),
            State::Reachable { until } if now < until => Resolution::Known(id, entry.mac),
            State::Reachable { .. } | State::Stale => {
                let mac = entry.mac;
                self.probe(id, now, ask);
                Resolution::Known(id, mac)
            }
            State::Probing { .. } => Resolution::Known(id, entry.mac),
        }
    }

    /// Lets a frame wait for a neighbour that was [asked](Resolution::Asked).
    pub fn hold(&mut self, id: NeighborId, holds: &mut Holds) -> Option<HoldSlot> {
        let entry = self.entries.get_mut(usize::from(id.0))?.as_mut()?;
        if entry.held >= HELD_EACH || self.held >= HELD_ALL {
            return None;
        }
        let slot = holds.take()?;
        match entry.last_held.replace(slot) {
            Some(last) => self.after[last.index()] = Some(slot),
            None => entry.first_held = Some(slot),
        }
        self.after[slot.index()] = None;
        entry.held += 1;
        self.held += 1;
        Some(slot)
    }

    /// Somebody on the segment says that `address` is at `mac`.
    ///
    /// Learns it if somebody asked; a claim on an entry that another owns only makes us ask the owner.
    pub fn heard(
        &mut self,
        zone: ZoneId,
        address: Ipv4Addr,
        mac: Mac,
        now: Instant,
        holds: &mut Holds,
        ask: &mut impl FnMut(Question),
    ) -> Result<(), DropReason> {
        let Some(id) = self.find(zone, address) else {
            return Ok(());
        };
        let Some(entry) = self.entries[usize::from(id.0)].as_mut() else {
            return Ok(());
        };
        match entry.state {
            State::Incomplete { .. } => {
                self.unanswered -= 1;
                entry.mac = mac;
                entry.state = State::Reachable {
                    until: now.after(FRESH),
                };
                self.release(id, Fate::Resume, holds);
            }
            _ if entry.mac == mac => {
                entry.state = State::Reachable {
                    until: now.after(FRESH),
                }
            }
            State::Probing { .. } => return Err(DropReason::ArpRefused),
            State::Reachable { .. } | State::Stale => {
                self.probe(id, now, ask);
                return Err(DropReason::ArpRefused);
            }
        }
        Ok(())
    }

    /// Asks again, gives up, forgets: call it when [`due`](Self::due) has come.
    pub fn poll(&mut self, now: Instant, holds: &mut Holds, ask: &mut impl FnMut(Question)) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        for index in 0..self.entries.len() {
            self.age(NeighborId(index as u16), now, holds, ask);
        }
    }

    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Forgets a segment's neighbours (its link or our address there is gone).
    pub fn flush(&mut self, zone: ZoneId, holds: &mut Holds) {
        for index in 0..self.entries.len() {
            if self.entries[index]
                .as_ref()
                .is_some_and(|entry| entry.zone == zone)
            {
                self.forget(NeighborId(index as u16), holds);
            }
        }
    }

    fn age(
        &mut self,
        id: NeighborId,
        now: Instant,
        holds: &mut Holds,
        ask: &mut impl FnMut(Question),
    ) {
        let Some(entry) = self.entries[usize::from(id.0)].as_mut() else {
            return;
        };
        let question = |owner| Question {
            zone: entry.zone,
            address: entry.address,
            owner,
        };
        match &mut entry.state {
            State::Incomplete { asked, next } | State::Probing { asked, next } if now >= *next => {
                if *asked >= QUESTIONS {
                    return self.forget(id, holds);
                }
                *asked += 1;
                *next = now.after(PAUSE);
                let next = *next;
                match entry.state {
                    State::Probing { .. } => ask(question(Some(entry.mac))),
                    _ => ask(question(None)),
                }
                self.remind(next);
            }
            State::Incomplete { next, .. } | State::Probing { next, .. } => {
                let next = *next;
                self.remind(next);
            }
            State::Reachable { until } if now < *until => {}
            State::Reachable { .. } | State::Stale => {
                entry.state = State::Stale;
                if now.since(entry.used) >= UNUSED {
                    self.forget(id, holds);
                }
            }
        }
    }

    fn find(&self, zone: ZoneId, address: Ipv4Addr) -> Option<NeighborId> {
        let found = self.index.find(self.hash(zone, address), |&id| {
            self.entries[usize::from(id)]
                .as_ref()
                .is_some_and(|e| e.zone == zone && e.address == address)
        });
        found.copied().map(NeighborId)
    }

    fn create(
        &mut self,
        zone: ZoneId,
        address: Ipv4Addr,
        now: Instant,
        ask: &mut impl FnMut(Question),
    ) -> Option<NeighborId> {
        if self.unanswered >= UNANSWERED {
            return None;
        }
        let id = self.free.pop().or_else(|| self.evict())?;
        let next = now.after(PAUSE);
        self.entries[usize::from(id)] = Some(Entry {
            zone,
            address,
            mac: [0; 6],
            state: State::Incomplete { asked: 1, next },
            used: now,
            first_held: None,
            last_held: None,
            held: 0,
        });
        let (hash, key, entries) = (self.hash(zone, address), self.key, &self.entries);
        self.index.insert_unique(hash, id, |&id| {
            entries[usize::from(id)]
                .as_ref()
                .map_or(0, |e| hash_of(key, e.zone, e.address))
        });
        self.unanswered += 1;
        self.remind(next);
        ask(Question {
            zone,
            address,
            owner: None,
        });
        Some(NeighborId(id))
    }

    /// Frees the place of a neighbour that has not been used lately: the first of a few that is not being asked.
    fn evict(&mut self) -> Option<u16> {
        for _ in 0..self.entries.len() {
            let index = self.hand;
            self.hand = (self.hand + 1) % self.entries.len();
            let answered = |e: &Entry| !matches!(e.state, State::Incomplete { .. });
            if self.entries[index].as_ref().is_some_and(answered) {
                self.unlink(NeighborId(index as u16));
                return self.free.pop();
            }
        }
        None
    }

    fn probe(&mut self, id: NeighborId, now: Instant, ask: &mut impl FnMut(Question)) {
        let Some(entry) = self.entries[usize::from(id.0)].as_mut() else {
            return;
        };
        let next = now.after(PAUSE);
        entry.state = State::Probing { asked: 1, next };
        ask(Question {
            zone: entry.zone,
            address: entry.address,
            owner: Some(entry.mac),
        });
        self.remind(next);
    }

    fn forget(&mut self, id: NeighborId, holds: &mut Holds) {
        self.release(id, Fate::GiveUp(DropReason::NeighborUnreachable), holds);
        self.unlink(id);
    }

    /// Ends the wait of all frames for a neighbour.
    fn release(&mut self, id: NeighborId, fate: Fate, holds: &mut Holds) {
        let Some(entry) = self.entries[usize::from(id.0)].as_mut() else {
            return;
        };
        let mut slot = entry.first_held.take();
        entry.last_held = None;
        self.held -= usize::from(entry.held);
        entry.held = 0;
        while let Some(held) = slot {
            slot = self.after[held.index()].take();
            holds.finish(held, fate);
        }
    }

    fn unlink(&mut self, id: NeighborId) {
        let Some(entry) = self.entries[usize::from(id.0)].as_ref() else {
            return;
        };
        if matches!(entry.state, State::Incomplete { .. }) {
            self.unanswered -= 1;
        }
        let hash = self.hash(entry.zone, entry.address);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == id.0) {
            found.remove();
        }
        self.entries[usize::from(id.0)] = None;
        self.free.push(id.0);
    }

    fn remind(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn hash(&self, zone: ZoneId, address: Ipv4Addr) -> u64 {
        hash_of(self.key, zone, address)
    }
}

/// Multiply and fold, keyed: two rounds keep chosen addresses from piling up.
fn hash_of(key: u64, zone: ZoneId, address: Ipv4Addr) -> u64 {
    let word = (zone.index() as u64) << 32 | u64::from(address.to_bits());
    let folded = u128::from(word ^ key) * 0x9e37_79b9_7f4a_7c15_u128;
    let folded = (folded as u64) ^ ((folded >> 64) as u64);
    let again = u128::from(folded) * u128::from(key);
    (again as u64) ^ ((again >> 64) as u64)
}

#[cfg(test)]
#[path = "neighbor_tests.rs"]
mod tests;

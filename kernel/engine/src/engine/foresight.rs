//! Frames of a burst, looked at ahead of their turn: so that reads of a large flow table, which miss every cache, overlap.
//!
//! ```text
//! foresee ─ key and hash of each ─ index bucket of each ─ flow of each      nothing is decided
//! receive_foreseen, frame by frame                                          as if nothing had been foreseen
//! ```
//!
//! A lookup takes two reads, of which the second waits for the first; those of different packets wait for nothing of each other's. What is
//! read ahead is only read: a packet may begin, change or end the flow of the next one, so each is looked up in its turn. Only the hash
//! of its key is kept, and used if the packet turns out to have that key. Tests drive two engines through the same random traffic, one
//! of them in groups, and one that is given what was foreseen of other packets.
//!
//! Reads rather than prefetches: they need no unsafe code, and an emulator, which passes over prefetches, does them as well.

use crate::engine::Engine;
use crate::frame::Frame;
use crate::hash::KeyV4;
use crate::key::Side;
use crate::plain;
use crate::verdict::Verdict;
use crate::{Tick, ZoneId};

/// How many frames are foreseen at a time: about as many reads as a core keeps under way. With half as many, a packet of a million
/// flows took a tenth longer, with twice as many a tenth less.
pub const GROUP: usize = 16;

/// With more flows the table is larger than the cache that a core has to itself: this many take 2.2 MiB.
const LARGE: usize = 16_384;

/// How frames of a burst are best taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Each by itself: what it needs is in a cache.
    Each,
    /// Up to [`GROUP`] at a time, with [`Engine::foresee`] before.
    Groups,
}

/// What was seen of one frame: a hint, of which nothing depends but time.
#[derive(Clone, Copy, Debug)]
pub struct Foresight {
    pub(crate) key: KeyV4,
    pub(crate) hash: u64,
}

/// What was seen of each frame of a group, in their order.
pub type Foreseen = heapless::Vec<Foresight, GROUP>;

impl Foresight {
    /// Nothing: no packet has this key, and reading what lookups of this hash would read is as good as reading nothing.
    const NONE: Self = Self {
        key: KeyV4::NONE,
        hash: 0,
    };
}

impl Engine {
    /// How frames of the next burst are best taken.
    #[must_use]
    #[inline]
    pub fn pace(&self) -> Pace {
        match self.conntrack.flows() > LARGE {
            true => Pace::Groups,
            false => Pace::Each,
        }
    }

    /// Looks at the heads of frames that came in by a zone's card and will be received next, in this order; at no more than [`GROUP`].
    #[must_use]
    pub fn foresee<'a>(
        &self,
        ingress: ZoneId,
        heads: impl IntoIterator<Item = &'a [u8]>,
    ) -> Foreseen {
        let side = Side::zone(ingress);
        let seen = heads.into_iter().take(GROUP).map(|head| {
            plain::key(head, side).map_or(Foresight::NONE, |key| Foresight {
                key,
                hash: self.conntrack.hash_of(key),
            })
        });
        let seen: Foreseen = seen.collect();
        self.conntrack.fetch(&seen);
        seen
    }

    /// Takes a frame as [`receive`](Self::receive) does, and exactly so, whatever was foreseen of it or of another one.
    pub fn receive_foreseen(
        &mut self,
        ingress: ZoneId,
        frame: &mut Frame<'_>,
        foresight: &Foresight,
        tick: Tick,
    ) -> Verdict {
        self.take(ingress, frame, Some(foresight), tick)
    }
}

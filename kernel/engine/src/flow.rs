//! A conversation that policy let in.

use core::hint::black_box;
use core::mem::offset_of;

use crate::conntrack::state::{Life, State};
use crate::conntrack::window::{Scales, Windows};
use crate::ftp::controls::ControlId;
use crate::key::{Endpoint, FlowKey, Side};
use crate::mapping::MappingId;
use crate::nat::permits::Permit;
use crate::neighbor::NeighborId;
use crate::policy::Generation;
use crate::stamp::Stamp;
use crate::wheel::Link;

/// A flow's place in the flow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(pub(crate) u32);

/// Which way a packet of a flow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// As the first packet went.
    Original,
    /// Against it.
    Reply,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }

    /// 0 or 1.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Original => 0,
            Self::Reply => 1,
        }
    }
}

/// What of a flow's payload is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Its lines: it is an FTP control connection.
    Lines,
    /// Nothing, as of nearly all flows.
    Nothing,
}

/// A flow, seen from both sides.
///
/// Its two keys say everything about translation: a packet that matches one key
/// leaves looking like the reverse of the other.
///
/// ```text
/// original  10.99.0.2:40000 → 198.51.100.7:53      comes in on dmz
/// reply     198.51.100.7:53 → 192.0.2.1:40000      comes in on wan
/// ```
///
/// It fills two cache lines, and nothing else is touched for a packet of a known flow but
/// one line of the index.
#[derive(Clone, Debug)]
#[repr(C, align(128))]
pub struct Flow {
    keys: [FlowKey; 2],
    /// When it was last refreshed.
    stamp: Stamp,
    pub(crate) link: Link,
    pub(crate) windows: Windows,
    mapping: u32,
    neighbors: [u16; 2],
    generation: Generation,
    pub(crate) state: State,
    pub(crate) scales: Scales,
}

const _: () = assert!(size_of::<Flow>() == 128, "two cache lines");
const _: () = assert!(offset_of!(Flow, generation) >= 64, "not in the first");

/// No mapping; real ones lie below.
const NO_MAPPING: u32 = IS_ANNOUNCED - 1;
/// Set beside the mapping if an FTP control connection announced the flow.
const IS_ANNOUNCED: u32 = 1 << 27;
/// Set beside [`HAS_NUMBER`] if the number is a place in the table of control connections.
const HAS_CONTROL: u32 = 1 << 28;
/// Set beside the mapping if the flow is an FTP control connection that is to be read ([`crate::ftp`]).
const IS_READ: u32 = 1 << 29;
/// Set beside the mapping if the two sides may count differently ([`crate::shift`]): then the neighbours' place holds by
/// how much, or where that stands.
const HAS_NUMBER: u32 = 1 << 30;
/// Set beside the mapping if the flow holds a permit for its peer.
const HOLDS_PERMIT: u32 = 1 << 31;
/// All of these.
const MARKS: u32 = HOLDS_PERMIT | HAS_NUMBER | IS_READ | HAS_CONTROL | IS_ANNOUNCED;
const NO_NEIGHBOR: u16 = u16::MAX;

impl Flow {
    /// A flow that `generation`'s policy let in.
    #[must_use]
    pub const fn new(
        original: FlowKey,
        reply: FlowKey,
        generation: Generation,
        mapping: Option<MappingId>,
    ) -> Self {
        Self {
            keys: [original, reply],
            stamp: Stamp::from_raw(0),
            link: Link::NONE,
            windows: Windows::NEW,
            mapping: match mapping {
                Some(MappingId(index)) => index,
                None => NO_MAPPING,
            },
            neighbors: [NO_NEIGHBOR; 2],
            generation,
            state: State::Unanswered,
            scales: Scales::NONE,
        }
    }

    /// How packets of one direction look when they come in.
    #[must_use]
    pub const fn key(&self, direction: Direction) -> &FlowKey {
        &self.keys[direction.index()]
    }

    /// How packets of one direction look when they leave: source, destination, and the side they leave by.
    #[must_use]
    pub const fn rewritten(&self, direction: Direction) -> (Endpoint, Endpoint, Side) {
        let other = self.key(direction.opposite());
        (other.dst, other.src, other.side)
    }

    /// What rules see of it: the original key after destination NAT and before source NAT, and the side it leaves by.
    #[must_use]
    pub const fn as_filtered(&self) -> (FlowKey, Side) {
        let [original, reply] = self.keys;
        let filtered = FlowKey {
            dst: reply.src,
            ..original
        };
        (filtered, reply.side)
    }

    /// Whether its destination is translated: a forward or an inside endpoint's mapping invited it in.
    #[must_use]
    pub fn is_invited(&self) -> bool {
        self.keys[0].dst != self.keys[1].src
    }

    /// Whether its source is translated.
    #[must_use]
    pub fn is_masqueraded(&self) -> bool {
        self.keys[0].src != self.keys[1].dst
    }

    /// Whether a packet in this direction leaves the inside, and so keeps the flow alive (RFC 4787 REQ-6).
    ///
    /// What only comes in must not, or a stranger could keep a mapping open for ever. Where
    /// neither or both ends are translated, both are the inside.
    #[must_use]
    #[inline(always)]
    pub fn is_outbound(&self, direction: Direction) -> bool {
        match (self.is_masqueraded(), self.is_invited()) {
            (true, false) => direction == Direction::Original,
            (false, true) => direction == Direction::Reply,
            (true, true) | (false, false) => true,
        }
    }

    /// Reads both of its cache lines, so that they are there when it is looked at.
    #[inline]
    pub fn fetch(&self) {
        black_box(self.keys[0].src.port);
        black_box(self.generation);
    }

    /// The policy that let it in, or that last looked at it.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// A newer policy has looked at the flow and lets it stay.
    pub const fn confirm(&mut self, generation: Generation) {
        self.generation = generation;
    }

    /// The mapping it holds, if its inside endpoint is translated.
    #[must_use]
    pub const fn mapping(&self) -> Option<MappingId> {
        match self.mapping & !MARKS {
            NO_MAPPING => None,
            index => Some(MappingId(index)),
        }
    }

    /// The neighbour that packets of one direction went to last.
    #[must_use]
    pub const fn neighbor(&self, direction: Direction) -> Option<NeighborId> {
        if self.is_renumbered() {
            return None;
        }
        match self.neighbors[direction.index()] {
            NO_NEIGHBOR => None,
            index => Some(NeighborId(index)),
        }
    }

    /// Remembers the neighbour that packets of one direction go to.
    pub const fn remember_neighbor(&mut self, direction: Direction, neighbor: NeighborId) {
        if !self.is_renumbered() {
            self.neighbors[direction.index()] = neighbor.0;
        }
    }

    pub(crate) const fn permit(&self) -> Permit {
        match self.mapping & HOLDS_PERMIT {
            0 => Permit::None,
            _ => Permit::Held,
        }
    }

    pub(crate) const fn set_permit(&mut self, permit: Permit) {
        match permit {
            Permit::Held => self.mapping |= HOLDS_PERMIT,
            Permit::None => self.mapping &= !HOLDS_PERMIT,
        }
    }

    /// Whether its sides may count sequence numbers differently.
    pub(crate) const fn is_renumbered(&self) -> bool {
        self.mapping & HAS_NUMBER != 0
    }

    /// Whether its segments are more than looked up: numbers are translated, or its lines are read.
    pub(crate) const fn is_attended(&self) -> bool {
        self.mapping & (HAS_NUMBER | IS_READ) != 0
    }

    /// By how much the reply's numbers are higher for the other side; 0 where they are not, or the table of control
    /// connections says it.
    pub(crate) const fn number(&self) -> u32 {
        match self.mapping & (HAS_NUMBER | HAS_CONTROL) {
            HAS_NUMBER => self.kept(),
            _ => 0,
        }
    }

    /// Keeps a number for the flow, whose sides count differently from now on.
    pub(crate) const fn set_number(&mut self, number: u32) {
        self.mapping |= HAS_NUMBER;
        self.neighbors = [(number >> 16) as u16, number as u16];
    }

    /// Whether it is a control connection that is read.
    pub(crate) const fn is_read(&self) -> bool {
        self.mapping & IS_READ != 0
    }

    /// From now on its lines are read, or no more.
    pub(crate) const fn set_reading(&mut self, reading: Reading) {
        match reading {
            Reading::Lines => self.mapping |= IS_READ,
            Reading::Nothing => self.mapping &= !IS_READ,
        }
    }

    /// Its place in the table of control connections.
    pub(crate) const fn control(&self) -> Option<ControlId> {
        match self.mapping & HAS_CONTROL {
            0 => None,
            _ => Some(ControlId(self.kept())),
        }
    }

    /// Keeps its place in the table of control connections.
    pub(crate) const fn set_control(&mut self, ControlId(place): ControlId) {
        self.set_number(place);
        self.mapping |= HAS_CONTROL;
    }

    /// It has no place there any more.
    pub(crate) const fn forget_control(&mut self) {
        self.mapping &= !(HAS_CONTROL | HAS_NUMBER);
        self.neighbors = [NO_NEIGHBOR; 2];
    }

    /// Whether an FTP control connection announced it, and so let it in.
    #[must_use]
    pub const fn is_announced(&self) -> bool {
        self.mapping & IS_ANNOUNCED != 0
    }

    pub(crate) const fn set_announced(&mut self) {
        self.mapping |= IS_ANNOUNCED;
    }

    const fn kept(&self) -> u32 {
        let [high, low] = self.neighbors;
        (high as u32) << 16 | low as u32
    }

    pub(crate) const fn life(&self) -> Life {
        Life::of(self.keys[0].protocol, self.state)
    }

    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(crate) const fn touch(&mut self, now: Stamp) {
        self.stamp = now;
    }
}

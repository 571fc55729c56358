//! A conversation that policy let in.

use crate::key::{Endpoint, FlowKey, Side};
use crate::mapping::MappingId;
use crate::policy::Generation;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    keys: [FlowKey; 2],
    generation: Generation,
    mapping: Option<MappingId>,
}

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
            generation,
            mapping,
        }
    }

    /// How packets of one direction look when they come in.
    #[must_use]
    pub const fn key(&self, direction: Direction) -> &FlowKey {
        match direction {
            Direction::Original => &self.keys[0],
            Direction::Reply => &self.keys[1],
        }
    }

    /// How packets of one direction look when they leave: source, destination, and the side they leave by.
    #[must_use]
    pub const fn rewritten(&self, direction: Direction) -> (Endpoint, Endpoint, Side) {
        let other = self.key(direction.opposite());
        (other.dst, other.src, other.side)
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
        self.mapping
    }
}

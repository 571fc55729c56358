//! Between which zones sources are translated, and how such a NAT behaves (RFC 4787).

use sekisho_config::Config;
use sekisho_config::model::{Behavior, Preset};

use crate::key::Side;
use crate::{MAX_ZONES, ZoneId};

/// The configuration's `[nat]`, by zones.
#[derive(Clone, Debug)]
pub struct Plan {
    masquerade: [[Option<Behavior>; MAX_ZONES]; MAX_ZONES],
    /// What holds where nothing is masqueraded: for hairpins.
    elsewhere: Behavior,
}

impl Plan {
    /// Compiles a checked configuration's `[nat]`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut masquerade = [[None; MAX_ZONES]; MAX_ZONES];
        for entry in &config.nat.masquerade {
            masquerade[entry.from.index()][entry.to.index()] = Some(entry.behavior);
        }
        Self {
            masquerade,
            elsewhere: config.nat.behavior,
        }
    }

    /// How sources from one zone are masqueraded into another, if they are.
    #[must_use]
    pub const fn masquerade(&self, from: ZoneId, to: ZoneId) -> Option<Behavior> {
        self.masquerade[from.index()][to.index()]
    }

    /// How a source behind `side` is translated to an address of zone `owner` where it has to be.
    #[must_use]
    pub fn behavior(&self, side: Side, owner: ZoneId) -> Behavior {
        match side.as_zone() {
            Some(from) => self.masquerade(from, owner).unwrap_or(self.elsewhere),
            // The box's own services keep their ports, whatever hosts get.
            None => Behavior {
                hairpin: self.elsewhere.hairpin,
                ..Preset::Rfc.behavior()
            },
        }
    }
}

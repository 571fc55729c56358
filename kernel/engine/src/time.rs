//! Time and chance as arguments.

use core::time::Duration;

/// Microseconds since the machine started; never runs backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment `us` microseconds after the start.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This moment and a duration; saturates at the end of time.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        let us = duration.as_micros();
        let us = if us > u64::MAX as u128 {
            u64::MAX
        } else {
            us as u64
        };
        Self(self.0.saturating_add(us))
    }
}

/// What the outside world gives to each call of the engine.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The time.
    pub now: Instant,
    /// A random word for a port (RFC 6056), fresh after each call that has looked at one
    /// ([`Engine::drawn`](crate::engine::Engine::drawn)): so a fixed seed gives the same ports to the same flows, however many
    /// calls there are between them.
    pub random: u64,
}

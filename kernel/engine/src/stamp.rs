//! Coarse time, in four bytes a flow.

use core::time::Duration;

use crate::Instant;

/// Microseconds in a unit, as a power of two: 2¹⁷ µs, about 131 ms.
const UNIT_SHIFT: u32 = 17;

/// A moment in units of 131 ms. It wraps after 17 years, so moments are only ever compared by difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(u32);

/// How long, in units of 131 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u32);

impl Stamp {
    /// The unit that `now` lies in.
    #[must_use]
    pub const fn of(now: Instant) -> Self {
        Self((now.as_micros() >> UNIT_SHIFT) as u32)
    }

    /// From its number.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Its number.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// This moment and a span.
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.wrapping_add(span.0))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        let units = self.0.wrapping_sub(earlier.0);
        Span(if units > u32::MAX / 2 { 0 } else { units })
    }

    /// Whether `other` lies ahead of this moment.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        (other.0.wrapping_sub(self.0) as i32) > 0
    }

    /// The first instant at or after `now` that lies in this unit; `now` itself if the unit has begun.
    #[must_use]
    pub fn instant(self, now: Instant) -> Instant {
        let units = self.since(Self::of(now)).0;
        if units == 0 {
            return now;
        }
        let unit = (now.as_micros() >> UNIT_SHIFT) + u64::from(units);
        Instant::from_micros(unit << UNIT_SHIFT)
    }
}

impl Span {
    /// So many 256ths of this span, but not below `least`; never longer than this.
    #[must_use]
    pub fn part(self, share: u32, least: Self) -> Self {
        let part = (u64::from(self.0) * u64::from(share) / 256) as u32;
        Self(part.max(least.0).min(self.0))
    }

    /// At least `duration`: rounded up, and one more because a stamp may already be one unit old.
    #[must_use]
    pub const fn at_least(duration: Duration) -> Self {
        let units = (duration.as_micros() >> UNIT_SHIFT) + 2;
        Self(if units > (u32::MAX / 4) as u128 {
            u32::MAX / 4
        } else {
            units as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_never_shorter_than_its_duration() {
        for us in [0, 1, 131_071, 131_072, 999_999, 60_000_000] {
            let (start, long) = (Instant::from_micros(131_071), Duration::from_micros(us));
            let end = Stamp::of(start).after(Span::at_least(long));
            let early = Instant::from_micros(131_071 + us.saturating_sub(1));
            assert!(Stamp::of(early).is_before(end), "{us} µs");
        }
    }

    #[test]
    fn differences_survive_the_wrap() {
        let before = Stamp::from_raw(u32::MAX - 1);
        let after = before.after(Span::at_least(Duration::from_secs(1)));
        assert!(before.is_before(after));
        assert!(!after.is_before(before));
        assert_eq!(before.since(after), Span(0));
    }
}

//! Shorter times for half-open and closed flows as the table fills (the model is pf's `adaptive.start` and `adaptive.end`).
//!
//! ```text
//! 100 % ───────┐
//!               ╲
//!                ╲
//!                 ╲   of their time, never below ten seconds
//!   0 % ┄┄┄┄┄┄┄┄┄┄┄╲
//!      empty  start  end
//! ```
//!
//! Established flows keep theirs: a flood must not end what it cannot open.

use core::time::Duration;

use sekisho_config::model::Limits;

use crate::stamp::Span;

/// What is left to a half-open flow at the least: a SYN, its two repetitions (RFC 6298 section 2) and an answer.
const LEAST: Duration = Duration::from_secs(10);

/// From when on times are shortened.
#[derive(Clone, Copy, Debug)]
pub struct Pressure {
    start: usize,
    end: usize,
}

impl Pressure {
    /// For a table with `capacity` places.
    #[must_use]
    pub fn new(limits: &Limits, capacity: usize) -> Self {
        let percent = |percent: u32| (capacity as u64 * u64::from(percent) / 100) as usize;
        Self {
            start: percent(limits.adaptive_start),
            end: percent(limits.adaptive_end),
        }
    }

    /// How many 256ths of their time flows keep while the table holds `live`; `None`: all of it.
    #[must_use]
    pub fn share(&self, live: usize) -> Option<u32> {
        if live <= self.start || self.end <= self.start {
            return None;
        }
        let left = self.end.saturating_sub(live) as u64;
        Some((left * 256 / (self.end - self.start) as u64) as u32)
    }

    /// A time, shortened.
    #[must_use]
    pub fn shortened(&self, span: Span, share: u32) -> Span {
        span.part(share, Span::at_least(LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_falls_in_a_straight_line_between_start_and_end() {
        let pressure = Pressure::new(&Limits::default(), 1_000);
        let shares = [0, 500, 501, 750, 1_000].map(|live| pressure.share(live));
        assert_eq!(shares, [None, None, Some(255), Some(128), Some(0)]);
        let beyond = Limits {
            adaptive_start: 60,
            adaptive_end: 120,
            ..Limits::default()
        };
        assert_eq!(Pressure::new(&beyond, 1_000).share(900), Some(128));
        let off = Limits {
            adaptive_start: 100,
            ..Limits::default()
        };
        assert_eq!(Pressure::new(&off, 1_000).share(1_000), None);
    }

    #[test]
    fn ten_seconds_are_left_and_a_shorter_time_stays_as_it_is() {
        let pressure = Pressure::new(&Limits::default(), 1_000);
        let span = |seconds| Span::at_least(Duration::from_secs(seconds));
        assert_eq!(pressure.shortened(span(240), 0), span(10));
        assert_eq!(pressure.shortened(span(5), 0), span(5));
        assert!(pressure.shortened(span(240), 128) < span(121));
    }
}

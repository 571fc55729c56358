//! How long a loop looks for work before it sleeps.
//!
//! Whoever sends a frame and waits for the answer waits for each wake-up, too: there looking
//! for the next frame pays, if it comes soon. Who sends many does not wait for one: there
//! sleep pays, as it leaves the processor to whoever makes the frames, and more of them have
//! come when the loop wakes. And where frames come seldom, looking for them is in vain. Which
//! of these it is shows in the pauses between frames, and in how many come at a time.

/// How long it looks where looking pays, in microseconds. Without processor virtualisation a question and its answer
/// go round in less; twice as much costs throughput.
const LONG_US: u64 = 100;
/// How long it looks otherwise.
const SHORT_US: u64 = 10;
/// Frames that come at a time where somebody waits for each.
const FEW: u64 = 2;
/// From so many votes on, looking pays.
const PAYS: u8 = 8;
const ALL_VOTES: u8 = 15;

/// How long to look for work before sleeping. All times are microseconds of one clock.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How often looking paid lately, or would have.
    votes: u8,
    /// When there was work the last time, and how many frames came without a pause in between.
    worked: u64,
    frames: u64,
    pause: Pause,
}

/// What the loop has done since it worked the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    None,
    Looked,
    Slept,
}

impl Patience {
    /// For a loop that begins at `now`.
    #[must_use]
    pub const fn new(now: u64) -> Self {
        Self {
            votes: ALL_VOTES,
            worked: now,
            frames: 0,
            pause: Pause::None,
        }
    }

    /// There were so many frames.
    #[inline]
    pub fn work(&mut self, frames: usize, now: u64) {
        if self.pause != Pause::None {
            self.vote(now.saturating_sub(self.worked));
            self.pause = Pause::None;
            self.frames = 0;
        }
        self.frames += frames as u64;
        self.worked = now;
    }

    /// There was none: whether to sleep now.
    #[inline]
    pub fn is_over(&mut self, now: u64) -> bool {
        if self.pause == Pause::None {
            self.pause = Pause::Looked;
        }
        now.saturating_sub(self.worked) >= self.budget_us()
    }

    /// The loop slept.
    pub const fn slept(&mut self) {
        self.pause = Pause::Slept;
    }

    /// How long it looks before it sleeps.
    #[must_use]
    pub const fn budget_us(&self) -> u64 {
        if self.votes >= PAYS {
            LONG_US
        } else {
            SHORT_US
        }
    }

    /// A pause is over that took so long.
    fn vote(&mut self, pause: u64) {
        let limit = match self.pause {
            // The frame waited for the loop to wake, which takes about as long.
            Pause::Slept => 2 * LONG_US,
            Pause::None | Pause::Looked => LONG_US,
        };
        self.votes = if pause <= limit && self.frames <= FEW {
            (self.votes + 1).min(ALL_VOTES)
        } else {
            self.votes.saturating_sub(1)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a wake-up of the simulated machine takes.
    const WAKE: u64 = 60;

    /// A loop in which frames come at given times, and how long it looked in vain.
    struct Loop {
        patience: Patience,
        now: u64,
        looked: u64,
        slept: u64,
    }

    impl Loop {
        fn new() -> Self {
            Self {
                patience: Patience::new(0),
                now: 0,
                looked: 0,
                slept: 0,
            }
        }

        /// Waits for frames that come `pause` after the last ones were done; how late they were taken.
        fn frames_after(&mut self, frames: usize, pause: u64) -> u64 {
            let comes = self.now + pause;
            while self.now < comes {
                if self.patience.is_over(self.now) {
                    self.patience.slept();
                    self.slept += 1;
                    self.now = comes + WAKE;
                } else {
                    self.now += 1;
                    self.looked += 1;
                }
            }
            self.patience.work(frames, self.now);
            self.now - comes
        }
    }

    #[test]
    fn an_answer_that_somebody_waits_for_is_waited_for_awake() {
        let mut run = Loop::new();
        for _ in 0..1000 {
            assert_eq!(run.frames_after(1, LONG_US - 10), 0);
        }
        assert_eq!(run.slept, 0);
    }

    #[test]
    fn frames_that_come_seldom_are_waited_for_asleep() {
        let mut run = Loop::new();
        (0..20).for_each(|_| _ = run.frames_after(1, 1000));
        let before = run.looked;
        (0..1000).for_each(|_| _ = run.frames_after(1, 1000));
        assert_eq!(run.looked - before, 1000 * SHORT_US);
    }

    #[test]
    fn frames_that_come_many_at_a_time_are_waited_for_asleep() {
        let mut run = Loop::new();
        (0..20).for_each(|_| _ = run.frames_after(32, 50));
        let before = run.slept;
        (0..1000).for_each(|_| _ = run.frames_after(32, 50));
        assert_eq!(run.slept - before, 1000);
        // Those that come sooner than a sleep could begin find it awake.
        (0..1000).for_each(|_| assert_eq!(run.frames_after(32, SHORT_US), 0));
    }

    #[test]
    fn it_looks_again_once_somebody_waits_again() {
        let mut run = Loop::new();
        (0..100).for_each(|_| _ = run.frames_after(1, 1000));
        (0..100).for_each(|_| _ = run.frames_after(64, 20));
        // Taken late, so each seems to have come later than it did.
        (0..20).for_each(|_| _ = run.frames_after(1, LONG_US - 10));
        assert_eq!(run.frames_after(1, LONG_US - 10), 0);
    }

    #[test]
    fn a_wake_up_for_nothing_is_no_reason_to_look_again() {
        let mut patience = Patience::new(0);
        assert!(!patience.is_over(LONG_US - 1));
        assert!(patience.is_over(LONG_US));
        patience.slept();
        assert!(patience.is_over(2 * LONG_US));
    }
}

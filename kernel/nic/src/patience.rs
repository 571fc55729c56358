//! How long a loop looks for work before it sleeps.
//!
//! To sleep costs a wake-up: the time from an interrupt's cause until the loop runs
//! again. Who looks for just as long before going to sleep never loses more than twice
//! what the best choice would have lost, whatever comes (the ski-rental problem). What a
//! wake-up takes depends on the hypervisor and its host, from a few to a hundred
//! microseconds, so it is measured: by how late the timer wakes.
//!
//! Where frames come so seldom that looking for them was mostly in vain, the loop sleeps
//! at once. It does so until they come closely again.

/// What a wake-up is taken to be until the timer has woken the loop: about what it takes without
/// processor virtualisation.
const FIRST_US: u64 = 100;
/// The shortest and the longest time that is believed.
const LIMITS_US: (u64, u64) = (10, 150);
/// A quicker wake-up is believed at once; a slower one moves the time by one part in so many. A host that
/// is busy wakes late, and that is no reason to keep it busy.
const DOUBT: u64 = 16;
/// From so many votes on, looking pays.
const PAYS: u8 = 8;
const ALL_VOTES: u8 = 15;

/// How long to look for work before sleeping. All times are microseconds of one clock.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How long a wake-up takes, as far as is known.
    wake_us: u64,
    /// How often pauses were lately so short that looking paid, or would have.
    votes: u8,
    /// When there was work the last time.
    worked: u64,
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
            wake_us: FIRST_US,
            votes: ALL_VOTES,
            worked: now,
            pause: Pause::None,
        }
    }

    /// There was work.
    #[inline]
    pub fn work(&mut self, now: u64) {
        if self.pause != Pause::None {
            self.vote(now.saturating_sub(self.worked));
            self.pause = Pause::None;
        }
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

    /// The loop slept until a card woke it.
    pub fn slept(&mut self) {
        self.pause = Pause::Slept;
    }

    /// The loop slept until the timer woke it, which was to ring at `due`.
    pub fn overslept(&mut self, due: u64, now: u64) {
        self.slept();
        let late = now.saturating_sub(due).clamp(LIMITS_US.0, LIMITS_US.1);
        self.wake_us = late.min(self.wake_us + self.wake_us.div_ceil(DOUBT));
    }

    /// How long it looks before it sleeps.
    #[must_use]
    pub const fn budget_us(&self) -> u64 {
        if self.votes >= PAYS { self.wake_us } else { 0 }
    }

    /// How long a wake-up takes, as far as is known.
    #[must_use]
    pub const fn wake_us(&self) -> u64 {
        self.wake_us
    }

    /// A pause is over that took so long.
    fn vote(&mut self, pause: u64) {
        let limit = match self.pause {
            // The work waited for the loop to wake.
            Pause::Slept => 2 * self.wake_us,
            Pause::None | Pause::Looked => self.wake_us,
        };
        self.votes = if pause <= limit {
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
    const WAKE: u64 = 40;

    /// A loop in which frames come at given times, and the processor time that it spends looking.
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

        /// Waits for a frame that comes `pause` after the last one was done; how late it was taken.
        fn frame_after(&mut self, pause: u64) -> u64 {
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
            self.patience.work(self.now);
            self.now - comes
        }

        /// Lets the timer wake it a few times.
        fn learn(&mut self) {
            for _ in 0..100 {
                self.patience.overslept(self.now, self.now + WAKE);
            }
            self.patience.work(self.now);
        }
    }

    #[test]
    fn it_looks_as_long_as_the_timer_is_late() {
        let mut patience = Patience::new(0);
        assert_eq!(patience.wake_us(), FIRST_US);
        for late in [20_u64, 70] {
            (0..100).for_each(|_| patience.overslept(1000, 1000 + late));
            assert_eq!(patience.wake_us(), late);
        }
    }

    #[test]
    fn a_host_that_was_busy_does_not_make_it_look_for_long() {
        let mut patience = Patience::new(0);
        (0..100).for_each(|_| patience.overslept(0, 1_000_000));
        assert_eq!(patience.wake_us(), LIMITS_US.1);
        patience.overslept(0, 30);
        assert_eq!(patience.wake_us(), 30);
        (0..3).for_each(|_| patience.overslept(0, 1_000_000));
        assert!(patience.wake_us() < 40);
        // A timer that rings early is as good as one that is in time.
        patience.overslept(50, 20);
        assert_eq!(patience.wake_us(), LIMITS_US.0);
    }

    #[test]
    fn frames_that_come_closely_are_waited_for_awake() {
        let mut run = Loop::new();
        run.learn();
        for _ in 0..1000 {
            assert_eq!(run.frame_after(WAKE - 5), 0);
        }
        assert_eq!(run.slept, 0);
    }

    #[test]
    fn frames_that_come_seldom_are_waited_for_asleep() {
        let mut run = Loop::new();
        run.learn();
        (0..20).for_each(|_| _ = run.frame_after(1000));
        let before = run.looked;
        (0..1000).for_each(|_| _ = run.frame_after(1000));
        assert_eq!(run.looked, before, "it still looked in vain");
    }

    #[test]
    fn it_looks_again_once_frames_come_closely_again() {
        let mut run = Loop::new();
        run.learn();
        (0..100).for_each(|_| _ = run.frame_after(1000));
        // Taken late, so each seems to have come later than it did.
        (0..20).for_each(|_| _ = run.frame_after(WAKE - 5));
        assert_eq!(run.frame_after(WAKE - 5), 0);
    }

    #[test]
    fn never_is_twice_the_best_choice_exceeded_by_much() {
        for pause in [1, 5, 20, 39, 41, 60, 79, 81, 100, 200, 1000, 100_000] {
            let mut run = Loop::new();
            run.learn();
            const FRAMES: u64 = 1000;
            (0..FRAMES).for_each(|_| _ = run.frame_after(pause));
            let spent = run.looked + run.slept * WAKE;
            let best = pause.min(WAKE) * FRAMES;
            assert!(spent <= 2 * best + 20 * WAKE, "{pause}: {spent}, {best}");
        }
    }

    #[test]
    fn a_timer_that_wakes_it_for_nothing_is_no_reason_to_look_again() {
        let mut patience = Patience::new(0);
        assert!(!patience.is_over(50));
        assert!(patience.is_over(100));
        patience.overslept(1000, 1050);
        assert!(patience.is_over(1050));
    }
}

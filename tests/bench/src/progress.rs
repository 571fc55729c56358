//! How long a run takes, and how far it is.
//!
//! The estimates are of a quiet machine with two cores; what a step really took corrects those of the others.

use std::fmt;
use std::time::Instant;

use crate::contender::{Contender, Subject};
use crate::measure::{OVERLOAD_STEPS, SILENCE, WARM_UP};
use crate::options::{Group, Options};
use crate::plan::STARTS;

/// Seconds that the engine alone takes, compiler included.
pub const ENGINE: f64 = 150.0;

/// How far a run is.
pub struct Progress {
    started: Instant,
    total: f64,
    done: f64,
}

impl Progress {
    /// A run of so many seconds begins.
    pub fn new(total: f64) -> Self {
        Self {
            started: Instant::now(),
            total,
            done: 0.0,
        }
    }

    /// A step of so many seconds, as estimated, is done.
    pub fn done(&mut self, estimated: f64) {
        self.done = (self.done + estimated).min(self.total);
    }

    /// Percent of the whole.
    pub fn percent(&self) -> u32 {
        (self.done / self.total * 100.0) as u32
    }

    /// Seconds that are left, if the others go as the steps so far.
    fn left(&self) -> f64 {
        let pace = match self.done > 0.0 {
            true => self.started.elapsed().as_secs_f64() / self.done,
            false => 1.0,
        };
        (self.total - self.done) * pace
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.left() / 60.0;
        match self.done > 0.0 {
            true => write!(f, "{:>3} %, {minutes:.1} min left", self.percent()),
            false if minutes <= 1.0 => write!(f, "this takes a minute at the most"),
            false => write!(f, "this takes about {minutes:.0} minutes"),
        }
    }
}

/// Seconds for all that is asked for; `running` are the groups of the main table.
pub fn estimate(options: &Options, running: &[Group]) -> f64 {
    let contenders = options.contenders();
    let rounds = f64::from(options.rounds());
    let turns = |groups: &[Group]| -> f64 {
        let turn = |contender: &Contender| turn(contender.plain(), groups, options);
        contenders.iter().map(turn).sum::<f64>() * rounds
    };
    let mut seconds = 0.0;
    if !running.is_empty() {
        seconds += turns(running);
    }
    if options.wants(Group::Rules) {
        let others = contenders.iter().filter(|c| **c != Contender::Wire);
        let turn = |contender: &Contender| 2.0 * turn(contender.plain(), &[Group::Rules], options);
        seconds += others.map(turn).sum::<f64>() * rounds;
    }
    if options.wants(Group::Overload) {
        seconds += turns(&[Group::Overload]);
    }
    if options.wants(Group::Boot) {
        let rounds = 0..(options.rounds() * STARTS) as usize;
        seconds += rounds.map(|round| starts(&contenders, round)).sum::<f64>();
    }
    if options.wants(Group::Memory) {
        seconds += contenders.iter().map(|c| memory(*c)).sum::<f64>();
    }
    if options.wants(Group::Engine) {
        seconds += ENGINE;
    }
    seconds
}

/// Seconds for one router in one round: its start and its groups.
pub fn turn(subject: Subject, groups: &[Group], options: &Options) -> f64 {
    let start = match subject.contender {
        Contender::Linux => 6.0,
        Contender::Wire | Contender::Ours | Contender::Before => 1.0,
    };
    let groups = groups.iter().map(|what| group(*what, options.seconds()));
    start + groups.sum::<f64>()
}

fn group(group: Group, seconds: f64) -> f64 {
    let (warm, silence) = (WARM_UP.as_secs_f64(), SILENCE.as_secs_f64());
    let window = warm + seconds;
    match group {
        Group::Tcp => 4.0 * window,
        Group::Udp => 2.0 * window,
        Group::Connections => window,
        Group::Rtt => 2.0 * window,
        Group::Idle => 3.0 * (warm + silence) + silence + seconds + window,
        Group::Rules => 3.0 * window,
        Group::Overload => OVERLOAD_STEPS * (warm + seconds / 2.0),
        Group::Boot | Group::Memory | Group::Engine => 0.0,
    }
}

/// Seconds for a round of starts on all boards.
pub fn starts(contenders: &[Contender], round: usize) -> f64 {
    let one = |contender: &Contender| match contender {
        Contender::Linux if round.is_multiple_of(STARTS as usize) => 11.0,
        Contender::Linux => 0.0,
        Contender::Wire | Contender::Ours | Contender::Before => 1.6,
    };
    contenders.iter().map(one).sum()
}

/// Seconds until the least memory is found.
pub fn memory(contender: Contender) -> f64 {
    match contender {
        Contender::Linux => 45.0,
        Contender::Wire | Contender::Ours | Contender::Before => 10.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn minutes(line: &str) -> f64 {
        let options = Options::try_parse_from(line.split(' ')).expect(line);
        let running = [
            Group::Tcp,
            Group::Udp,
            Group::Connections,
            Group::Rtt,
            Group::Idle,
        ];
        let running = running.into_iter().filter(|group| options.wants(*group));
        estimate(&options, &running.collect::<Vec<_>>()) / 60.0
    }

    #[test]
    fn a_whole_run_takes_less_than_half_an_hour_and_a_quick_one_less_than_five_minutes() {
        assert!(
            (15.0..30.0).contains(&minutes("bench")),
            "{}",
            minutes("bench")
        );
        assert!(
            minutes("bench --quick") < 5.0,
            "{}",
            minutes("bench --quick")
        );
        assert!(minutes("bench --only memory") < 2.0);
    }

    #[test]
    fn what_is_left_follows_what_was_done() {
        let mut progress = Progress::new(100.0);
        assert_eq!(progress.percent(), 0);
        progress.done(25.0);
        assert_eq!(progress.percent(), 25);
        progress.done(1000.0);
        assert_eq!((progress.percent(), progress.left()), (100, 0.0));
    }
}

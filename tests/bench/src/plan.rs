//! The sections of a run, and the rounds of each.
//!
//! * [`run`]: all that is asked for, one section after the other. After every step what there is is written down, so that an
//!   interrupted run keeps it.

use sekisho_bench::policy::{FEW, MANY};

use crate::alone;
use crate::boot;
use crate::contender::{Contender, Subject};
use crate::lab::Lab;
use crate::measure::{Sample, group};
use crate::memory;
use crate::metric::{Against, BootBoard, Metric};
use crate::options::{Board, CardModel, Group, Options, Switch};
use crate::progress::{self, Progress};
use crate::report::conditions::Conditions;
use crate::results::{Column, Comparison, Results, Section};

/// Groups that one booted router is measured by.
const RUNNING: [Group; 5] = [
    Group::Tcp,
    Group::Udp,
    Group::Connections,
    Group::Rtt,
    Group::Idle,
];

/// Starts of a fast router in each round; one of Linux, which takes seconds.
pub const STARTS: u32 = 3;

/// A run under way.
struct Run<'a> {
    options: &'a Options,
    results: Results,
    progress: Progress,
}

/// Measures all that is asked for.
///
/// # Errors
/// When the results cannot be written.
pub fn run(options: &Options) -> Result<Results, String> {
    let conditions = Conditions::look(options);
    println!("{conditions}");
    let running: Vec<Group> = RUNNING
        .into_iter()
        .filter(|group| options.wants(*group))
        .collect();
    let progress = Progress::new(progress::estimate(options, &running));
    println!("bench: {progress}; it may be interrupted: what was measured is kept");
    let mut run = Run {
        options,
        results: Results {
            conditions,
            sections: Vec::new(),
            notes: left_out(options),
            failed: 0,
            percent: Some(0),
        },
        progress,
    };
    if !running.is_empty() {
        run.main(&running)?;
    }
    if options.wants(Group::Rules) {
        run.rules()?;
    }
    if options.wants(Group::Overload) {
        run.overload()?;
    }
    if options.wants(Group::Boot) {
        run.boot()?;
    }
    if options.wants(Group::Memory) {
        run.memory()?;
    }
    if options.wants(Group::Engine) {
        run.engine()?;
    }
    run.results.percent = None;
    Ok(run.results)
}

/// What is not compared, and why.
fn left_out(options: &Options) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: &str| notes.push(text.to_owned());
    let has_linux = options.routers.is_empty() || options.routers.contains(&Contender::Linux);
    if options.card == CardModel::E1000 && has_linux {
        note("no Linux: Debian's cloud kernel has no driver for the e1000");
    }
    if options.board == Board::Microvm && has_linux {
        note("no Linux on microvm: Debian's cloud kernel finds no cards there");
    }
    if options.wants(Group::Boot) {
        note(
            "no Linux started by qboot or on microvm: Debian's cloud kernel needs a BIOS, and finds no cards on microvm",
        );
    }
    notes
}

impl Run<'_> {
    /// Writes down what there is, and says how far that is.
    fn step(&mut self, what: &str, estimated: f64) -> Result<(), String> {
        self.progress.done(estimated);
        println!("  {}: {what}", self.progress);
        self.results.percent = Some(self.progress.percent());
        crate::report::save(&self.results, &self.options.output)
    }

    /// Something could not be measured; the rest is.
    fn note(&mut self, text: String) {
        println!("  bench: {text}");
        self.results.notes.push(text);
        self.results.failed += 1;
    }

    fn begin(
        &mut self,
        title: &str,
        key: &'static str,
        columns: Vec<Column>,
        ratios: Vec<Comparison>,
    ) {
        self.results.sections.push(Section {
            title: title.into(),
            key,
            columns,
            ratios,
        });
    }

    fn section(&mut self) -> &mut Section {
        self.results.sections.last_mut().expect("it was begun")
    }

    fn main(&mut self, groups: &[Group]) -> Result<(), String> {
        let contenders = self.options.contenders();
        let title = match self.options.offloads {
            Switch::On => "Throughput and latency, with offloads",
            Switch::Off => "Throughput and latency, without offloads",
        };
        self.begin(
            title,
            "main",
            columns(&contenders),
            comparisons(&contenders),
        );
        let subjects: Vec<Subject> = contenders.into_iter().map(Contender::plain).collect();
        self.in_turn(&subjects, groups)
    }

    fn rules(&mut self) -> Result<(), String> {
        let contenders = self.options.contenders();
        let mut subjects = Vec::new();
        let (mut columns, mut ratios) = (Vec::new(), Vec::new());
        for contender in contenders.into_iter().filter(|c| *c != Contender::Wire) {
            ratios.push(Comparison {
                over: columns.len() + 1,
                under: columns.len(),
                against: Against::FewRules,
            });
            for rules in [FEW, MANY] {
                subjects.push(Subject { contender, rules });
                columns.push(Column::new(format!("{}, {rules} rules", contender.name())));
            }
        }
        self.begin("5,000 rules instead of 5", "rules", columns, ratios);
        self.in_turn(&subjects, &[Group::Rules])
    }

    fn overload(&mut self) -> Result<(), String> {
        let contenders = self.options.contenders();
        let title = "Three times the load that it carries";
        self.begin(title, "overload", columns(&contenders), Vec::new());
        let subjects: Vec<Subject> = contenders.into_iter().map(Contender::plain).collect();
        self.in_turn(&subjects, &[Group::Overload])
    }

    /// Boots each router in turn, in another order each round, and measures it. One that does not forward is not tried again.
    fn in_turn(&mut self, subjects: &[Subject], groups: &[Group]) -> Result<(), String> {
        let rounds = self.options.rounds();
        let mut dead = vec![false; subjects.len()];
        for round in 0..rounds as usize {
            for place in 0..subjects.len() {
                let index = (place + round) % subjects.len();
                let name = self.section().columns[index].name.clone();
                if !dead[index] {
                    match Lab::start(subjects[index], self.options) {
                        Ok(lab) => self.measure(&lab, groups, index, round, &name),
                        Err(error) => {
                            dead[index] = true;
                            self.note(error);
                        }
                    }
                }
                let title = self.section().title.clone();
                let what = format!("{title}, round {} of {rounds}, {name}", round + 1);
                self.step(&what, progress::turn(subjects[index], groups, self.options))?;
            }
        }
        Ok(())
    }

    fn measure(&mut self, lab: &Lab, groups: &[Group], index: usize, round: usize, name: &str) {
        for &what in groups {
            match group(what, lab, self.options.seconds()) {
                Ok(sample) => self.section().columns[index].enter(round, &sample),
                Err(error) => self.note(format!("{name}, round {}: {error}", round + 1)),
            }
        }
    }

    fn boot(&mut self) -> Result<(), String> {
        let contenders = self.options.contenders();
        let title = "From QEMU's start to the first forwarded frame";
        self.begin(
            title,
            "boot",
            columns(&contenders),
            comparisons(&contenders),
        );
        let folder = tempfile::tempdir().expect("a folder for the configuration");
        let machines: Vec<_> = contenders
            .iter()
            .enumerate()
            .flat_map(|(index, &contender)| BootBoard::ALL.map(|board| (index, contender, board)))
            .filter_map(|(index, contender, board)| {
                let machine = boot::machine(contender, board, self.options, folder.path())?;
                Some((index, contender, board, machine))
            })
            .collect();
        for round in 0..(self.options.rounds() * STARTS) as usize {
            for (index, contender, board, machine) in &machines {
                let metric = Metric::Boot(*board);
                // Who fails once is not tried again.
                let failed =
                    round > 0 && !self.section().columns[*index].values.contains_key(&metric);
                if failed
                    || *contender == Contender::Linux && !round.is_multiple_of(STARTS as usize)
                {
                    continue;
                }
                match boot::measure(*contender, machine) {
                    Some(took) => {
                        let sample = Sample::from([(metric, took.as_secs_f64() * 1e3)]);
                        self.section().columns[*index].enter(round, &sample);
                    }
                    None => {
                        let name = contender.name();
                        self.note(format!("{name}, {}: no frame came through", metric.title()));
                    }
                }
            }
            let what = format!("starts, round {}", round + 1);
            self.step(&what, progress::starts(&contenders, round))?;
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<(), String> {
        let contenders = self.options.contenders();
        self.begin(
            "Memory",
            "memory",
            columns(&contenders),
            comparisons(&contenders),
        );
        for (index, &contender) in contenders.iter().enumerate() {
            match memory::measure(contender, self.options) {
                Ok(sample) => self.section().columns[index].enter(0, &sample),
                Err(error) => self.note(error),
            }
            let what = format!("least memory, {}", contender.name());
            self.step(&what, progress::memory(contender))?;
        }
        Ok(())
    }

    fn engine(&mut self) -> Result<(), String> {
        match alone::section() {
            Ok(section) => self.results.sections.push(section),
            Err(error) => self.note(error),
        }
        self.step("the engine alone", progress::ENGINE)
    }
}

/// A column for each router.
fn columns(contenders: &[Contender]) -> Vec<Column> {
    contenders.iter().map(|c| Column::new(c.name())).collect()
}

/// The firewall over each of the others.
fn comparisons(contenders: &[Contender]) -> Vec<Comparison> {
    let place = |wanted| contenders.iter().position(|contender| *contender == wanted);
    let Some(ours) = place(Contender::Ours) else {
        return Vec::new();
    };
    [
        (Contender::Wire, Against::Wire),
        (Contender::Linux, Against::Linux),
        (Contender::Before, Against::Before),
    ]
    .into_iter()
    .filter_map(|(other, against)| {
        Some(Comparison {
            over: ours,
            under: place(other)?,
            against,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firewall_is_set_against_whoever_is_there() {
        assert_eq!(comparisons(&Contender::ALL).len(), 3);
        assert_eq!(comparisons(&[Contender::Ours]).len(), 0);
        let two = comparisons(&[Contender::Wire, Contender::Ours]);
        assert_eq!((two[0].over, two[0].under), (1, 0));
    }
}

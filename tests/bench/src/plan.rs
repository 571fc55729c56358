//! The sections of a run, and the rounds of each.
//!
//! * [`Results`]: all that was measured, and under what conditions.
//! * [`Section`]: one table: columns of routers, rows of metrics, a value for each round.

use std::collections::BTreeMap;
use std::time::Instant;

use sekisho_bench::policy::{FEW, MANY};

use crate::boot;
use crate::contender::{Contender, Subject};
use crate::lab::Lab;
use crate::measure::{Sample, group};
use crate::memory;
use crate::metric::{Against, BootBoard, Metric};
use crate::options::{Group, Options, Switch};
use crate::report::conditions::Conditions;

/// All that was measured.
pub struct Results {
    /// Under what.
    pub conditions: Conditions,
    /// One table each.
    pub sections: Vec<Section>,
}

/// One table.
pub struct Section {
    /// What it is about.
    pub title: String,
    /// The key in JSON.
    pub key: &'static str,
    /// The routers.
    pub columns: Vec<Column>,
    /// What is set against what.
    pub ratios: Vec<Comparison>,
}

/// One router's numbers.
pub struct Column {
    /// Its name in the table.
    pub name: String,
    /// A value for each round; `None` where there was none.
    pub values: BTreeMap<Metric, Vec<Option<f64>>>,
}

/// Two columns, or two rows, of which the quotient is shown.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// The column above the line.
    pub over: usize,
    /// The column below it.
    pub under: usize,
    /// What that means.
    pub against: Against,
}

impl Column {
    fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            values: BTreeMap::new(),
        }
    }

    /// Enters what round `round`, counted from zero, gave.
    fn enter(&mut self, round: usize, sample: &Sample) {
        for (&metric, &value) in sample {
            let values = self.values.entry(metric).or_default();
            values.resize(round, None);
            values.push(Some(value));
        }
    }
}

/// Groups that one booted router is measured by.
const RUNNING: [Group; 5] = [
    Group::Tcp,
    Group::Udp,
    Group::Connections,
    Group::Rtt,
    Group::Idle,
];

/// Measures all that is asked for.
///
/// # Errors
/// The first router that does not forward.
pub fn run(options: &Options) -> Result<Results, String> {
    let conditions = Conditions::look(options);
    println!("{conditions}");
    let mut sections = Vec::new();
    let running: Vec<Group> = RUNNING
        .into_iter()
        .filter(|group| options.wants(*group))
        .collect();
    if !running.is_empty() {
        sections.push(main_section(options, &running)?);
    }
    if options.wants(Group::Rules) {
        sections.push(rules_section(options)?);
    }
    if options.wants(Group::Overload) {
        sections.push(overload_section(options)?);
    }
    if options.wants(Group::Boot) {
        sections.push(boot_section(options));
    }
    if options.wants(Group::Memory) {
        sections.push(memory_section(options)?);
    }
    sections.retain(|section| !section.columns.is_empty());
    Ok(Results {
        conditions,
        sections,
    })
}

fn main_section(options: &Options, groups: &[Group]) -> Result<Section, String> {
    let contenders = options.contenders();
    let offloads = match options.offloads {
        Switch::On => "with offloads",
        Switch::Off => "without offloads",
    };
    let mut section = Section {
        title: format!("Throughput and latency, {offloads}"),
        key: "main",
        columns: contenders.iter().map(|c| Column::new(c.name())).collect(),
        ratios: comparisons(&contenders),
    };
    let subjects: Vec<Subject> = contenders.into_iter().map(Contender::plain).collect();
    in_turn(options, &mut section, &subjects, groups)?;
    Ok(section)
}

fn rules_section(options: &Options) -> Result<Section, String> {
    let contenders = options.contenders();
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
    let mut section = Section {
        title: "5,000 rules instead of 5".into(),
        key: "rules",
        columns,
        ratios,
    };
    in_turn(options, &mut section, &subjects, &[Group::Rules])?;
    Ok(section)
}

fn overload_section(options: &Options) -> Result<Section, String> {
    let contenders = options.contenders();
    let mut section = Section {
        title: "Three times the load that it carries".into(),
        key: "overload",
        columns: contenders.iter().map(|c| Column::new(c.name())).collect(),
        ratios: Vec::new(),
    };
    let subjects: Vec<Subject> = contenders.into_iter().map(Contender::plain).collect();
    in_turn(options, &mut section, &subjects, &[Group::Overload])?;
    Ok(section)
}

/// Boots each router in turn, in another order each round, and measures it.
fn in_turn(
    options: &Options,
    section: &mut Section,
    subjects: &[Subject],
    groups: &[Group],
) -> Result<(), String> {
    for round in 0..options.rounds() as usize {
        for place in 0..subjects.len() {
            let index = (place + round) % subjects.len();
            let started = Instant::now();
            let lab = Lab::start(subjects[index], options)?;
            for &what in groups {
                let sample = group(what, &lab, options.seconds());
                section.columns[index].enter(round, &sample);
            }
            println!(
                "  {}: round {} of {}, {}: {:.0} s",
                section.title,
                round + 1,
                options.rounds(),
                section.columns[index].name,
                started.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}

fn boot_section(options: &Options) -> Section {
    /// A start takes little time and varies much.
    const STARTS: u32 = 3;
    let contenders = options.contenders();
    let mut section = Section {
        title: "From QEMU's start to the first forwarded frame".into(),
        key: "boot",
        columns: contenders.iter().map(|c| Column::new(c.name())).collect(),
        ratios: comparisons(&contenders),
    };
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let machines: Vec<_> = contenders
        .iter()
        .enumerate()
        .flat_map(|(index, &contender)| BootBoard::ALL.map(|board| (index, contender, board)))
        .filter_map(|(index, contender, board)| {
            let machine = boot::machine(contender, board, options, folder.path())?;
            Some((index, contender, board, machine))
        })
        .collect();
    for round in 0..(options.rounds() * STARTS) as usize {
        for (index, contender, board, machine) in &machines {
            // Linux takes seconds: a third of the rounds is enough. Who fails once is not tried again.
            let column = &mut section.columns[*index];
            let failed = round > 0 && !column.values.contains_key(&Metric::Boot(*board));
            if failed || *contender == Contender::Linux && round % STARTS as usize != 0 {
                continue;
            }
            if let Some(took) = boot::measure(*contender, machine) {
                let sample = Sample::from([(Metric::Boot(*board), took.as_secs_f64() * 1e3)]);
                column.enter(round, &sample);
            }
        }
    }
    println!("  {}: done", section.title);
    section
}

fn memory_section(options: &Options) -> Result<Section, String> {
    let contenders = options.contenders();
    let mut columns = Vec::new();
    for contender in &contenders {
        let mut column = Column::new(contender.name());
        let mib = memory::least(*contender, options)?;
        column.enter(0, &Sample::from([(Metric::Memory, mib)]));
        columns.push(column);
    }
    println!("  least memory: done");
    Ok(Section {
        title: "Memory".into(),
        key: "memory",
        columns,
        ratios: comparisons(&contenders),
    })
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
    fn a_round_without_a_value_leaves_its_place() {
        let mut column = Column::new("x");
        column.enter(1, &Sample::from([(Metric::UdpOut, 7.0)]));
        assert_eq!(column.values[&Metric::UdpOut], [None, Some(7.0)]);
    }

    #[test]
    fn the_firewall_is_set_against_whoever_is_there() {
        assert_eq!(comparisons(&Contender::ALL).len(), 3);
        assert_eq!(comparisons(&[Contender::Ours]).len(), 0);
        let two = comparisons(&[Contender::Wire, Contender::Ours]);
        assert_eq!((two[0].over, two[0].under), (1, 0));
    }
}

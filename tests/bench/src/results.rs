//! What a run gives.
//!
//! * [`Results`]: all that was measured, and under what conditions.
//! * [`Section`]: one table: columns of routers, rows of metrics, a value for each round.

use std::collections::BTreeMap;

use crate::contender::Contender;
use crate::measure::Sample;
use crate::metric::{Against, Metric};
use crate::report::conditions::Conditions;
use crate::statistics::median;

/// All that was measured.
pub struct Results {
    /// Under what.
    pub conditions: Conditions,
    /// One table each.
    pub sections: Vec<Section>,
    /// What could not be measured, and why.
    pub notes: Vec<String>,
    /// How many of the notes are failures.
    pub failed: usize,
    /// How much was measured when this was written; all, if it is not said.
    pub percent: Option<u32>,
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
    /// A router without numbers.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            values: BTreeMap::new(),
        }
    }

    /// Enters what round `round`, counted from zero, gave.
    pub fn enter(&mut self, round: usize, sample: &Sample) {
        for (&metric, &value) in sample {
            let values = self.values.entry(metric).or_default();
            values.resize(round, None);
            values.push(Some(value));
        }
    }
}

impl Results {
    /// Whether all that was asked for was measured. What nobody can measure here is no failure.
    pub fn is_whole(&self) -> bool {
        self.failed == 0
    }
}

impl Section {
    /// The metrics that any router has a value of, in their order.
    pub fn metrics(&self) -> Vec<Metric> {
        let columns = self.columns.iter();
        let mut all: Vec<Metric> = columns
            .flat_map(|column| column.values.keys().copied())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The firewall's own column; the first of them, if there are several.
    pub fn own(&self) -> Option<&Column> {
        let name = Contender::Ours.name();
        self.columns
            .iter()
            .find(|column| column.name.starts_with(name))
    }
}

impl Column {
    /// The median of the rounds.
    pub fn median(&self, metric: Metric) -> Option<f64> {
        let values = self.values.get(&metric)?.iter().flatten().copied();
        median(&values.collect::<Vec<_>>())
    }
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
}

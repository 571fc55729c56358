//! Sections as rows of text.

use crate::metric::{Against, Metric};
use crate::plan::{Comparison, Section};
use crate::statistics::{median, ratio};

/// A table's cells, the head first.
pub type Rows = Vec<Vec<String>>;

/// A section's table: a row for each metric that has a value.
pub fn rows(section: &Section) -> Rows {
    let mut head = vec![String::new()];
    head.extend(section.columns.iter().map(|column| column.name.clone()));
    for comparison in &section.ratios {
        head.push(comparison_title(section, comparison));
        head.push("goal".into());
    }
    let has_goal = metrics(section).any(|metric| metric.goal().is_some());
    if has_goal {
        head.push("own goal".into());
    }
    let mut rows = vec![head];
    for metric in metrics(section) {
        let mut row = vec![format!("{}, {}", metric.title(), metric.unit())];
        row.extend(section.columns.iter().map(|column| {
            let values = column.values.get(&metric).into_iter().flatten().flatten();
            median(&values.copied().collect::<Vec<_>>()).map_or("–".into(), number)
        }));
        for comparison in &section.ratios {
            row.extend(compared(section, comparison, metric));
        }
        if has_goal {
            row.push(own_goal(section, metric));
        }
        rows.push(row);
    }
    rows
}

fn comparison_title(section: &Section, comparison: &Comparison) -> String {
    match comparison.against {
        Against::FewRules => format!(
            "{} {}",
            section.columns[comparison.over].name,
            Against::FewRules.title()
        ),
        against => against.title().into(),
    }
}

/// The metrics that any router has a value of, in their order.
pub fn metrics(section: &Section) -> impl Iterator<Item = Metric> {
    let mut all: Vec<Metric> = section
        .columns
        .iter()
        .flat_map(|column| column.values.keys().copied())
        .collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}

/// A ratio with its spread, and its goal.
fn compared(section: &Section, comparison: &Comparison, metric: Metric) -> [String; 2] {
    let values = |index: usize| {
        let column = &section.columns[index];
        column.values.get(&metric).map_or(&[][..], Vec::as_slice)
    };
    let Some(ratio) = ratio(values(comparison.over), values(comparison.under)) else {
        return ["–".into(), String::new()];
    };
    let text = format!(
        "{} ({}–{})",
        number(ratio.median),
        number(ratio.least),
        number(ratio.most)
    );
    let goal = metric.ratio_goal(comparison.against);
    [
        text,
        goal.map_or(String::new(), |goal| verdict(metric, ratio.median, goal)),
    ]
}

/// The firewall's own number against its goal.
fn own_goal(section: &Section, metric: Metric) -> String {
    let ours = section
        .columns
        .iter()
        .find(|column| column.name == "Sekisho");
    let values = ours.and_then(|column| column.values.get(&metric));
    let values: Vec<f64> = values.into_iter().flatten().flatten().copied().collect();
    match (metric.goal(), median(&values)) {
        (Some(goal), Some(value)) => verdict(metric, value, goal),
        _ => String::new(),
    }
}

fn verdict(metric: Metric, value: f64, goal: f64) -> String {
    let sign = match metric.better() {
        crate::metric::Better::Higher => "≥",
        crate::metric::Better::Lower => "≤",
    };
    let met = match metric.meets(value, goal) {
        true => "met",
        false => "missed",
    };
    format!("{sign} {} {met}", number(goal))
}

/// Three digits that say something.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Column;

    fn column(name: &str, values: &[f64]) -> Column {
        let values = values.iter().copied().map(Some).collect();
        Column {
            name: name.into(),
            values: [(Metric::UdpOut, values)].into(),
        }
    }

    #[test]
    fn a_row_shows_medians_ratio_spread_and_goal() {
        let section = Section {
            title: String::new(),
            key: "x",
            columns: vec![
                column("wire", &[100.0, 50.0, 80.0]),
                column("Sekisho", &[80.0, 50.0, 60.0]),
            ],
            ratios: vec![Comparison {
                over: 1,
                under: 0,
                against: Against::Wire,
            }],
        };
        let rows = rows(&section);
        assert_eq!(rows[0], ["", "wire", "Sekisho", "÷ wire", "goal"]);
        assert_eq!(
            rows[1],
            [
                "UDP out, 18 bytes, kpps",
                "80",
                "60",
                "0.8 (0.75–1)",
                "≥ 0.9 missed"
            ]
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(number(1234.5), "1234");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1.0), "1");
        assert_eq!(number(0.256), "0.26");
        assert_eq!(number(100.0), "100");
    }
}

//! Sections as rows of text.

use crate::contender::Contender;
use crate::metric::{Against, Better, Metric};
use crate::results::{Comparison, Section};
use crate::statistics::{Ratio, ratio};

/// A table's cells, the head first.
pub type Rows = Vec<Vec<String>>;

/// Whether a goal is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
}

/// A section's table: a row for each metric that has a value.
pub fn rows(section: &Section) -> Rows {
    let metrics = section.metrics();
    let mut head = vec![String::new()];
    head.extend(section.columns.iter().map(|column| column.name.clone()));
    for comparison in &section.ratios {
        head.push(comparison_title(section, comparison));
        if has_goals(section, comparison) {
            head.push("goal".into());
        }
    }
    let has_goal = metrics.iter().any(|metric| metric.goal().is_some());
    if has_goal {
        head.push("own goal".into());
    }
    let mut rows = vec![head];
    for &metric in &metrics {
        let mut row = vec![format!("{}, {}", metric.title(), metric.unit())];
        row.extend(section.columns.iter().map(|column| {
            let median = column.median(metric);
            median.map_or("–".into(), number)
        }));
        for comparison in &section.ratios {
            let ratio = ratio_of(section, comparison, metric);
            row.push(ratio.map_or("–".into(), spread));
            if has_goals(section, comparison) {
                let goal = ratio.zip(metric.ratio_goal(comparison.against));
                row.push(goal.map_or(String::new(), |(ratio, goal)| {
                    in_words(metric, ratio.median, goal)
                }));
            }
        }
        if has_goal {
            let value = section.own().and_then(|own| own.median(metric));
            let goal = value.zip(metric.goal());
            row.push(goal.map_or(String::new(), |(value, goal)| in_words(metric, value, goal)));
        }
        rows.push(row);
    }
    rows
}

/// Whether a comparison is held against goals: the others' own comparisons are not.
fn has_goals(section: &Section, comparison: &Comparison) -> bool {
    let goal = |metric: &Metric| metric.ratio_goal(comparison.against);
    let is_own = section.columns[comparison.over]
        .name
        .starts_with(Contender::Ours.name());
    is_own
        && section
            .metrics()
            .iter()
            .any(|metric| goal(metric).is_some())
}

/// All goals of a section, in words, and whether each is met.
pub fn goals(section: &Section) -> Vec<(String, Verdict)> {
    let mut goals = Vec::new();
    for metric in section.metrics() {
        let own = |comparison: &&Comparison| has_goals(section, comparison);
        for comparison in section.ratios.iter().filter(own) {
            let ratio = ratio_of(section, comparison, metric);
            if let Some((ratio, goal)) = ratio.zip(metric.ratio_goal(comparison.against)) {
                let text = format!(
                    "{} {}: {}, wanted {} {}",
                    metric.title(),
                    comparison.against.title(),
                    number(ratio.median),
                    sign(metric),
                    number(goal)
                );
                goals.push((text, verdict(metric, ratio.median, goal)));
            }
        }
        let value = section.own().and_then(|own| own.median(metric));
        if let Some((value, goal)) = value.zip(metric.goal()) {
            let text = format!(
                "{}: {} {unit}, wanted {} {} {unit}",
                metric.title(),
                number(value),
                sign(metric),
                number(goal),
                unit = metric.unit()
            );
            goals.push((text, verdict(metric, value, goal)));
        }
    }
    goals
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

/// A ratio of two columns.
pub fn ratio_of(section: &Section, comparison: &Comparison, metric: Metric) -> Option<Ratio> {
    let values = |index: usize| {
        let column = &section.columns[index];
        column.values.get(&metric).map_or(&[][..], Vec::as_slice)
    };
    ratio(values(comparison.over), values(comparison.under))
}

/// A ratio with its spread, where there is one.
fn spread(ratio: Ratio) -> String {
    let [median, least, most] = [ratio.median, ratio.least, ratio.most].map(number);
    match least == most {
        true => median,
        false => format!("{median} ({least}–{most})"),
    }
}

fn sign(metric: Metric) -> &'static str {
    match metric.better() {
        Better::Higher => "≥",
        Better::Lower => "≤",
    }
}

fn verdict(metric: Metric, value: f64, goal: f64) -> Verdict {
    match metric.meets(value, goal) {
        true => Verdict::Met,
        false => Verdict::Missed,
    }
}

fn in_words(metric: Metric, value: f64, goal: f64) -> String {
    let met = match verdict(metric, value, goal) {
        Verdict::Met => "met",
        Verdict::Missed => "**missed**",
    };
    format!("{} {} {met}", sign(metric), number(goal))
}

/// Three digits that say something.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1000.0 => return thousands(value.round() as i64),
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

/// A large number with its thousands parted.
fn thousands(value: i64) -> String {
    let digits = value.abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match value < 0 {
        true => format!("-{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Column;

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
                "≥ 0.9 **missed**"
            ]
        );
    }

    #[test]
    fn every_goal_is_named_with_its_verdict() {
        let section = Section {
            title: String::new(),
            key: "x",
            columns: vec![column("Linux", &[10.0]), column("Sekisho", &[80.0])],
            ratios: vec![Comparison {
                over: 1,
                under: 0,
                against: Against::Linux,
            }],
        };
        let text = "UDP out, 18 bytes ÷ Linux: 8, wanted ≥ 3";
        assert_eq!(goals(&section), [(text.to_owned(), Verdict::Met)]);
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(number(1234.4), "1,234");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1.0), "1");
        assert_eq!(number(0.256), "0.26");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(1_234_567.8), "1,234,568");
    }
}

//! Bars as SVG: one chart a section, one group of bars a metric.
//!
//! Each group has its own scale, because the units differ; the longest bar is the largest value. The same numbers
//! give the same bytes. Readers who prefer dark pages get dark ones.

use std::fmt::Write;

use super::table::number;
use crate::metric::{Better, Metric};
use crate::results::{Results, Section};

const WIDTH: u32 = 760;
const LABELS: u32 = 330;
/// Room for the number behind the longest bar.
const NUMBERS: u32 = 80;
const BAR: u32 = 13;
const GAP: u32 = 12;
const TITLE: u32 = 30;
/// A row of the legend, and how many columns it names.
const LEGEND: u32 = 20;
const NAMED: usize = 4;
/// A class for each column: Linux grey, the wire blue, the firewall red; they differ in lightness as well.
const STYLE: &str = "<style>\n\
    .ground { fill: #ffffff } text { fill: #1f2328 } .less { fill: #59636e }\n\
    .c0 { fill: #9aa0a6 } .c1 { fill: #5b8def } .c2 { fill: #c0392b } .c3 { fill: #7d3c98 }\n\
    .c4 { fill: #2e7d5b } .c5 { fill: #b7791f }\n\
    @media (prefers-color-scheme: dark) {\n\
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .less { fill: #9198a1 }\n\
    .c0 { fill: #7d8590 } .c1 { fill: #6ea0ff } .c2 { fill: #f0705f } .c3 { fill: #c08be0 }\n\
    .c4 { fill: #5fbf95 } .c5 { fill: #e0aa50 }\n\
    }\n</style>\n";
const COLOURS: usize = 6;

/// File names and contents.
pub fn charts(results: &Results) -> Vec<(String, String)> {
    let drawn = |section: &Section| (format!("{}.svg", section.key), chart(section));
    results.sections.iter().map(drawn).collect()
}

fn chart(section: &Section) -> String {
    let metrics = section.metrics();
    // The unit has a line of its own, also beside a single bar.
    let group = (section.columns.len() as u32).max(2) * BAR + GAP;
    let head = TITLE + section.columns.len().div_ceil(NAMED) as u32 * LEGEND + GAP;
    let height = head + metrics.len() as u32 * group + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         {STYLE}<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        section.title
    );
    for (index, column) in section.columns.iter().enumerate() {
        let x = 12 + (index % NAMED) as u32 * 180;
        let y = TITLE + (index / NAMED) as u32 * LEGEND + 4;
        line(
            &mut svg,
            format_args!(
                "<rect class=\"c{}\" x=\"{x}\" y=\"{y}\" width=\"11\" height=\"11\"/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                index % COLOURS,
                x + 17,
                y + 10,
                column.name
            ),
        );
    }
    for (index, metric) in metrics.into_iter().enumerate() {
        bars(&mut svg, section, metric, head + index as u32 * group);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(svg: &mut String, section: &Section, metric: Metric, top: u32) {
    let columns = section.columns.iter();
    let values: Vec<Option<f64>> = columns.map(|column| column.median(metric)).collect();
    let largest = values
        .iter()
        .flatten()
        .copied()
        .fold(f64::MIN_POSITIVE, f64::max);
    let better = match metric.better() {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
    };
    line(
        svg,
        format_args!(
            "<text x=\"12\" y=\"{}\">{}</text>",
            top + BAR - 2,
            metric.title()
        ),
    );
    line(
        svg,
        format_args!(
            "<text class=\"less\" x=\"12\" y=\"{}\" font-size=\"10\">{}, {better}</text>",
            top + 2 * BAR - 2,
            metric.unit()
        ),
    );
    for (index, value) in values.into_iter().enumerate() {
        let Some(value) = value else { continue };
        let y = top + index as u32 * BAR;
        let length = (value / largest * f64::from(WIDTH - LABELS - NUMBERS)).max(1.0);
        line(
            svg,
            format_args!(
                "<rect class=\"c{}\" x=\"{LABELS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\"/>",
                index % COLOURS,
                BAR - 2
            ),
        );
        line(
            svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{}\" font-size=\"11\">{}</text>",
                f64::from(LABELS) + length + 5.0,
                y + BAR - 3,
                number(value)
            ),
        );
    }
}

fn line(svg: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(svg, "{text}").expect("a string takes it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Column;

    #[test]
    fn the_longest_bar_is_the_largest_value_and_the_others_are_in_proportion() {
        let column = |name: &str, value: f64| Column {
            name: name.into(),
            values: [(Metric::UdpOut, vec![Some(value)])].into(),
        };
        let section = Section {
            title: "t".into(),
            key: "k",
            columns: vec![column("a", 10.0), column("b", 20.0)],
            ratios: Vec::new(),
        };
        let svg = chart(&section);
        assert!(
            svg.contains("width=\"350.0\"") && svg.contains("width=\"175.0\""),
            "{svg}"
        );
        assert_eq!(svg, chart(&section));
    }
}

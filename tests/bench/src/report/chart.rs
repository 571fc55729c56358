//! Bars as SVG: one chart a section, one group of bars a metric.
//!
//! Each group has its own scale, because the units differ; the longest bar is the largest value. The same numbers
//! give the same bytes.

use std::fmt::Write;

use super::table::{metrics, number};
use crate::metric::{Better, Metric};
use crate::plan::{Results, Section};
use crate::statistics::median;

const WIDTH: u32 = 760;
const LABELS: u32 = 270;
/// Room for the number behind the longest bar.
const NUMBERS: u32 = 90;
const BAR: u32 = 13;
const GAP: u32 = 10;
const HEAD: u32 = 62;
/// A colour for each column: grey, blue, red; they differ in lightness as well.
const COLOURS: [&str; 4] = ["#9aa0a6", "#5b8def", "#c0392b", "#7d3c98"];

/// File names and contents.
pub fn charts(results: &Results) -> Vec<(String, String)> {
    let drawn = |section: &Section| (format!("{}.svg", section.key), chart(section));
    results.sections.iter().map(drawn).collect()
}

fn chart(section: &Section) -> String {
    let metrics: Vec<Metric> = metrics(section).collect();
    let group = section.columns.len() as u32 * BAR + GAP;
    let height = HEAD + metrics.len() as u32 * group + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        section.title
    );
    for (index, column) in section.columns.iter().enumerate() {
        let x = 12 + index as u32 * 170;
        let colour = COLOURS[index % COLOURS.len()];
        line(
            &mut svg,
            format_args!("<rect x=\"{x}\" y=\"34\" width=\"11\" height=\"11\" fill=\"{colour}\"/>"),
        );
        line(
            &mut svg,
            format_args!("<text x=\"{}\" y=\"44\">{}</text>", x + 17, column.name),
        );
    }
    for (index, metric) in metrics.into_iter().enumerate() {
        bars(&mut svg, section, metric, HEAD + index as u32 * group);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(svg: &mut String, section: &Section, metric: Metric, top: u32) {
    let values: Vec<Option<f64>> = section
        .columns
        .iter()
        .map(|column| {
            let values = column.values.get(&metric).into_iter().flatten().flatten();
            median(&values.copied().collect::<Vec<_>>())
        })
        .collect();
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
            "<text x=\"12\" y=\"{}\">{}, {}</text>",
            top + BAR - 2,
            metric.title(),
            metric.unit()
        ),
    );
    if section.columns.len() > 1 {
        line(
            svg,
            format_args!(
                "<text x=\"12\" y=\"{}\" fill=\"#777777\" font-size=\"10\">{better}</text>",
                top + 2 * BAR - 2
            ),
        );
    }
    for (index, value) in values.into_iter().enumerate() {
        let Some(value) = value else { continue };
        let y = top + index as u32 * BAR;
        let length = (value / largest * f64::from(WIDTH - LABELS - NUMBERS)).max(1.0);
        let colour = COLOURS[index % COLOURS.len()];
        line(
            svg,
            format_args!(
                "<rect x=\"{LABELS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>",
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
    use crate::plan::Column;

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
            svg.contains("width=\"400.0\"") && svg.contains("width=\"200.0\""),
            "{svg}"
        );
        assert_eq!(svg, chart(&section));
    }
}

//! The results as Markdown.

use std::fmt::Write;

use super::table::{self, Rows, Verdict};
use crate::results::Results;

/// The whole document; where `charts` names the folder of the charts, each table has its own below.
pub fn document(results: &Results, charts: Option<&str>) -> String {
    let mut text = format!("{}\n\n", results.conditions);
    if let Some(percent) = results.percent {
        text +=
            &format!("**Unfinished: {percent} % had been measured when this was written.**\n\n");
    }
    text += "Medians of the rounds. Ratios are taken within a round; the least and the largest are in brackets. \
             – : nothing was measured.\n";
    for section in &results.sections {
        let rows = table::rows(section);
        write!(text, "\n### {}\n\n{}", section.title, table(&rows)).expect("a string takes it");
        if let Some(folder) = charts {
            let (title, key) = (&section.title, section.key);
            writeln!(text, "\n![{title}]({folder}/{key}.svg)").expect("a string takes it");
        }
    }
    text + &goals(results) + &notes(results)
}

/// How many goals are met, and which are not.
fn goals(results: &Results) -> String {
    let all: Vec<_> = results.sections.iter().flat_map(table::goals).collect();
    let missed = || {
        all.iter()
            .filter(|(_, verdict)| *verdict == Verdict::Missed)
    };
    if all.is_empty() {
        return String::new();
    }
    let met = all.len() - missed().count();
    let list: String = missed().map(|(goal, _)| format!("- {goal}\n")).collect();
    let colon = if list.is_empty() {
        "."
    } else {
        "; missed:\n\n"
    };
    format!("\n### Goals\n\n{met} of {} are met{colon}{list}", all.len())
}

/// What could not be measured.
fn notes(results: &Results) -> String {
    let list: String = results
        .notes
        .iter()
        .map(|note| format!("- {note}\n"))
        .collect();
    match list.is_empty() {
        true => String::new(),
        false => format!("\n### Notes\n\n{list}"),
    }
}

/// A table whose columns are as wide as their widest cell, so that it can be read as it is.
pub fn table(rows: &Rows) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
            .max(3)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(index, (cell, width))| {
                let blanks = " ".repeat(width - cell.chars().count());
                match index {
                    0 => format!("{cell}{blanks}"),
                    _ => format!("{blanks}{cell}"),
                }
            });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(index, width)| match index {
        0 => "-".repeat(width + 2),
        _ => format!("{}:", "-".repeat(width + 1)),
    });
    let rule = format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
    let body: String = rows[1..].iter().map(|row| line(row)).collect();
    line(&rows[0]) + &rule + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["", "wire"], ["UDP, µs", "9"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            table(&rows.to_vec()),
            "|         | wire |\n|---------|-----:|\n| UDP, µs |    9 |\n"
        );
    }
}

//! The results as Markdown.

use std::fmt::Write;

use super::table::{self, Rows};
use crate::plan::Results;

/// The whole document.
pub fn document(results: &Results) -> String {
    let mut text = format!(
        "{}\n\nMedians of the rounds; ratios are of one round, with the least and the largest in brackets.\n",
        results.conditions
    );
    for section in &results.sections {
        write!(
            text,
            "\n### {}\n\n{}",
            section.title,
            table(&table::rows(section))
        )
        .expect("a string takes it");
    }
    text
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

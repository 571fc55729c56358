//! The numbers for people who have not measured themselves: a short table in `README.md`, all of them in `docs/measurements.md`.
//!
//! Every run leaves both in its folder; [`publish`] puts them into the repository, so that nobody copies a number by hand.

use std::fs;
use std::path::Path;

use super::markdown::{self, table};
use super::table::{number, ratio_of};
use crate::contender::Contender;
use crate::metric::{Against, BootBoard, Metric};
use crate::results::{Column, Results, Section};

/// The short table's file in a run's folder.
pub const SUMMARY: &str = "readme.md";
/// The long page's.
pub const PAGE: &str = "measurements.md";

/// Between these lines of `README.md` the short table stands.
const BEGIN: &str = "<!-- ./bench --readme: from here -->";
const END: &str = "<!-- ./bench --readme: to here -->";
/// The folder of the charts, seen from `docs`.
const CHARTS: &str = "measurements";

/// What the short table shows.
const SHOWN: [Metric; 20] = [
    Metric::TcpOut,
    Metric::TcpIn,
    Metric::TcpOutFour,
    Metric::TcpInFour,
    Metric::TcpCpu,
    Metric::UdpOut,
    Metric::UdpIn,
    Metric::UdpCpu,
    Metric::Connections,
    Metric::RttMedian,
    Metric::RttHigh,
    Metric::RttOnOne,
    Metric::Idle,
    Metric::Light,
    Metric::FirstAfterIdle,
    Metric::Kept,
    Metric::Boot(BootBoard::Q35),
    Metric::Boot(BootBoard::Qboot),
    Metric::Boot(BootBoard::Microvm),
    Metric::Memory,
];

/// The short table: a row for each of the usual questions that was measured.
pub fn summary(results: &Results) -> String {
    let head = ["", "Linux guest", "Sekisho", "÷ Linux", "÷ wire"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for metric in SHOWN {
        let has = |section: &&Section| {
            section
                .own()
                .is_some_and(|own| own.median(metric).is_some())
        };
        if let Some(section) = results.sections.iter().find(has) {
            rows.push(row(section, metric));
        }
    }
    format!("{}\n{}.\n", table(&rows), results.conditions)
}

fn row(section: &Section, metric: Metric) -> Vec<String> {
    let value = |column: Option<&Column>| {
        let median = column.and_then(|column| column.median(metric));
        median.map_or("–".to_owned(), number)
    };
    let linux = section
        .columns
        .iter()
        .find(|column| column.name == Contender::Linux.name());
    let against = |against: Against| {
        let comparison = section.ratios.iter().find(|ratio| ratio.against == against);
        let ratio = comparison.and_then(|comparison| ratio_of(section, comparison, metric));
        ratio.map_or("–".to_owned(), |ratio| number(ratio.median))
    };
    vec![
        format!("{}, {}", metric.title(), metric.unit()),
        value(linux),
        value(section.own()),
        against(Against::Linux),
        against(Against::Wire),
    ]
}

/// The long page.
pub fn page(results: &Results) -> String {
    format!(
        "# Measurements\n\nWritten by `./bench --readme`. What the rows mean: [bench.md](bench.md).\n\n{}",
        markdown::document(results, Some(CHARTS))
    )
}

/// Puts a run's tables and charts into the repository, which is the current folder.
///
/// # Errors
/// When there was no run, or a file cannot be written.
pub fn publish(folder: &Path) -> Result<(), String> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| {
            format!(
                "cannot read {}: {error}; measure first: ./bench",
                path.display()
            )
        })
    };
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    let (summary, page) = (read(&folder.join(SUMMARY))?, read(&folder.join(PAGE))?);
    let readme = Path::new("README.md");
    let text = between(&read(readme)?, &summary)
        .ok_or_else(|| format!("README.md has no lines {BEGIN} and {END}"))?;
    write(readme, &text)?;
    write(&Path::new("docs").join(PAGE), &page)?;
    let charts = Path::new("docs").join(CHARTS);
    fs::create_dir_all(&charts).map_err(|error| error.to_string())?;
    // The charts of this run, and no older ones.
    for name in charts_of(&page) {
        write(&charts.join(&name), &read(&folder.join(&name))?)?;
    }
    println!("bench: README.md, docs/{PAGE} and docs/{CHARTS} are written");
    Ok(())
}

/// The files that a page shows.
fn charts_of(page: &str) -> Vec<String> {
    let opening = format!("]({CHARTS}/");
    let places = page.split(opening.as_str()).skip(1);
    places
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// The text with something else between the two lines.
fn between(text: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{new}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_lines_is_replaced() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = between(&text, "new\n").expect("the lines are there");
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(between(&new, "new\n"), Some(new.clone()));
        assert_eq!(between("a", "new"), None);
    }

    #[test]
    fn the_page_names_its_charts() {
        let page = "![a](measurements/main.svg)\n![b](measurements/boot.svg)";
        assert_eq!(charts_of(page), ["main.svg", "boot.svg"]);
    }
}

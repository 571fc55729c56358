//! The list of the differences that are meant: the table of `docs/linux.md`.
//!
//! A row holds for a frame if all its words are said of the frame, and both routers did what it says.

use std::fs;
use std::path::Path;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What must be said of the frame; nothing for every frame.
    pub frame: Vec<String>,
    /// What ours did, one of these.
    pub ours: Vec<String>,
    /// What Linux did, one of these.
    pub linux: Vec<String>,
    /// Why it is meant.
    pub why: String,
}

impl Difference {
    /// Whether the row is about this.
    pub fn holds(&self, frame: &[String], ours: &str, linux: &str) -> bool {
        self.frame.iter().all(|word| frame.contains(word))
            && self.ours.iter().any(|did| did == ours)
            && self.linux.iter().any(|did| did == linux)
    }
}

/// Reads the table.
///
/// # Panics
/// Without it, or where a row is incomplete.
pub fn read() -> Vec<Difference> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/linux.md");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let rows = rows.skip_while(|line| !line.starts_with("| frame"));
    rows.skip(1)
        .filter(|line| !line.starts_with("|---"))
        .map(row)
        .collect()
}

fn row(line: &str) -> Difference {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [frame, ours, linux, why] = cells[..] else {
        panic!("a row of four cells: {line}");
    };
    assert!(!why.is_empty(), "a difference without a reason: {line}");
    let words = |cell: &str, between: &str| -> Vec<String> {
        let words = cell
            .split(between)
            .map(|word| word.trim_matches('`').to_owned());
        words
            .filter(|word| !word.is_empty() && word != "any")
            .collect()
    };
    Difference {
        frame: words(frame, ", "),
        ours: words(ours, " or "),
        linux: words(linux, " or "),
        why: why.to_owned(),
    }
}

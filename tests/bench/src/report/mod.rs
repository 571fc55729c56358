//! What comes of the numbers.
//!
//! * [`conditions`]: on what machine they were taken.
//! * [`table`]: the tables as rows of text, which [`markdown`] and the terminal share.
//! * [`json`]: every number of every round.
//! * [`chart`][]: bars.

mod chart;
pub mod conditions;
mod json;
pub mod markdown;
pub mod table;

use std::fs;
use std::path::Path;

use crate::plan::Results;

/// Prints the results and writes them into a folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(results: &Results, folder: &Path) -> Result<(), String> {
    let markdown = markdown::document(results);
    print!("\n{markdown}");
    let mut files = vec![
        ("bench.md".to_owned(), markdown),
        ("bench.json".to_owned(), json::document(results)),
    ];
    files.extend(chart::charts(results));
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    println!("\nbench: results and charts are in {}", folder.display());
    Ok(())
}

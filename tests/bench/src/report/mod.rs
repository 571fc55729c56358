//! What comes of the numbers.
//!
//! * [`conditions`]: on what machine they were taken.
//! * [`table`]: the tables as rows of text, which [`markdown`] and the terminal share.
//! * [`json`]: every number of every round.
//! * [`chart`][]: bars.
//! * [`readme`]: the few numbers for the first page.

mod chart;
pub mod conditions;
mod json;
pub mod markdown;
mod readme;
pub mod table;

use std::fs;
use std::path::Path;

use crate::results::Results;

pub use readme::publish;

/// Prints the results and writes them into a folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(results: &Results, folder: &Path) -> Result<(), String> {
    print!("\n{}", markdown::document(results, None));
    save(results, folder)?;
    println!("\nbench: results and charts are in {}", folder.display());
    Ok(())
}

/// Writes the results into a folder.
///
/// # Errors
/// If a file cannot be written.
pub fn save(results: &Results, folder: &Path) -> Result<(), String> {
    let mut files = vec![
        ("bench.md".to_owned(), markdown::document(results, None)),
        ("bench.json".to_owned(), json::document(results)),
        (readme::SUMMARY.to_owned(), readme::summary(results)),
        (readme::PAGE.to_owned(), readme::page(results)),
    ];
    files.extend(chart::charts(results));
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

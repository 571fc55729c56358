//! The configuration's check, in the words of `sekisho check`.

use crate::Error;

/// Refuses what would not boot.
///
/// # Errors
/// What is wrong with it, line by line.
pub fn check(bytes: &[u8]) -> Result<(), Error> {
    sekisho_config::check(bytes)
        .map(drop)
        .map_err(|report| Error::Config(report.to_string()))
}

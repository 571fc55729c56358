//! The least memory with which a router forwards.

use std::time::Duration;

use crate::boot::first_frame;
use crate::contender::Contender;
use crate::lab::TAPS;
use crate::options::Options;

/// Sizes that are tried, in MiB, from large to small.
const SIZES: [u32; 14] = [128, 112, 96, 80, 64, 48, 32, 24, 20, 16, 14, 12, 10, 8];

/// Takes memory away until no frame comes through any more; the last size that worked.
///
/// # Errors
/// If none works.
pub fn least(contender: Contender, options: &Options) -> Result<f64, String> {
    let limit = match contender {
        Contender::Linux => Duration::from_secs(20),
        Contender::Wire | Contender::Ours | Contender::Before => Duration::from_secs(3),
    };
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let forwards = |mib: &u32| {
        let subject = contender.plain();
        let machine = subject.machine_on(options.board, *mib, options, folder.path(), TAPS);
        first_frame(&machine, limit).is_some()
    };
    let worked = SIZES.iter().take_while(|mib| forwards(mib)).last();
    let name = contender.name();
    worked
        .map(|mib| f64::from(*mib))
        .ok_or_else(|| format!("{name} does not forward with {} MiB", SIZES[0]))
}

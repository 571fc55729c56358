//! The least memory with which a router forwards, and how many flows the firewall keeps in what it has.

use std::time::Duration;

use sekisho_engine::conntrack::Sizing;

use crate::boot::first_frame;
use crate::contender::Contender;
use crate::lab::{Lab, TAPS};
use crate::measure::Sample;
use crate::metric::Metric;
use crate::options::Options;

/// Sizes that are tried, in MiB, from large to small.
const SIZES: [u32; 14] = [128, 112, 96, 80, 64, 48, 32, 24, 20, 16, 14, 12, 10, 8];

/// Measures one router.
///
/// # Errors
/// If it does not forward.
pub fn measure(contender: Contender, options: &Options) -> Result<Sample, String> {
    let mut sample = Sample::from([(Metric::Memory, least(contender, options)?)]);
    if contender == Contender::Ours {
        for (metric, mib) in [(Metric::FlowsSmall, 16), (Metric::FlowsLarge, 256)] {
            let machine = Options {
                memory: mib,
                ..options.clone()
            };
            let lab = Lab::start(contender.plain(), &machine)?;
            sample.insert(metric, lab.flows()?);
        }
        let million = Sizing::for_flows(1_000_000);
        let bytes = million.bytes(TAPS.len()) as f64;
        sample.insert(Metric::FlowBytes, bytes / million.flows() as f64);
    }
    Ok(sample)
}

/// Takes memory away until no frame comes through any more; the last size that worked.
fn least(contender: Contender, options: &Options) -> Result<f64, String> {
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

//! `sekisho explain CONFIG CAPTURE...`

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use sekisho_replay::explain;
use sekisho_replay::options::Options;

use crate::failure::Failure;

/// What to explain.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,

    /// Write the frames that leave into a new pcapng file with one interface a zone
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Explains each packet on the standard output.
///
/// # Errors
/// Files that cannot be read, or do not fit together.
pub fn explain(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (replay, text) = explain::explain(&arguments.options).map_err(Failure::Replay)?;
    for zone in replay.without_address() {
        eprintln!(
            "sekisho: zone {zone} has its address by DHCP, and none is known: nothing passes there; \
             give it one, --address {zone}=ADDRESS/LENGTH,GATEWAY"
        );
    }
    if let Some(path) = &arguments.write {
        write(path, &replay.written())?;
    }
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads may have read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::System {
            doing: "cannot write to the standard output",
            why: error,
        }),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

fn write(path: &PathBuf, bytes: &[u8]) -> Result<(), Failure> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists(path.clone()),
        _ => Failure::Unwritable {
            path: path.clone(),
            why,
        },
    })
}

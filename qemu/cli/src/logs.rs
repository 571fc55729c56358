//! `sekisho logs`

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sekisho_qemu::Log;

use crate::failure::Failure;
use crate::kernel;

/// What to decode.
#[derive(clap::Args)]
pub struct Arguments {
    /// What came out of the machine's second serial port; - for standard input
    #[arg(value_name = "FILE")]
    log: PathBuf,

    /// The very kernel that ran, not stripped; by default the one that was built beside this program
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
}

/// Prints a log as text.
///
/// # Errors
/// A file that cannot be read, or a kernel without texts.
pub fn logs(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let log = Log::of(&kernel::path(arguments.kernel.as_deref())?)?;
    let from: Box<dyn Read> = if arguments.log == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let unreadable = |why| Failure::Unreadable {
            path: arguments.log.clone(),
            why,
        };
        Box::new(File::open(&arguments.log).map_err(unreadable)?)
    };
    let decoded = log.decode(from, io::stdout().lock());
    let damaged = decoded.map_err(|why| Failure::System {
        doing: "decoding the log",
        why,
    })?;
    if damaged > 0 {
        eprintln!("sekisho: {damaged} damaged frames were left out; was it this kernel that ran?");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

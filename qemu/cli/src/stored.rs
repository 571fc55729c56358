//! `sekisho image set-config DISK FILE` and `get-config DISK`

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use sekisho_image::Existing;

use crate::check;
use crate::failure::Failure;

/// Which disk gets which configuration.
#[derive(clap::Args)]
pub struct Set {
    /// The disk: a file (raw, qcow2, vmdk, vdi or vhdx) or a block device with a raw disk on it
    disk: PathBuf,

    /// The configuration; `-` is the standard input
    file: PathBuf,
}

/// Which disk's configuration goes where.
#[derive(clap::Args)]
pub struct Get {
    /// The disk, as for `set-config`; a machine may be running from it
    disk: PathBuf,

    /// Write it into this file, not to the standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Replace the file if it is there
    #[arg(long, requires = "out")]
    force: bool,
}

/// Puts a configuration onto a disk.
///
/// # Errors
/// Whatever keeps the disk as it was.
pub fn set(arguments: &Set) -> Result<ExitCode, Failure> {
    let file = &arguments.file;
    let config = check::read(file).map_err(|why| Failure::Unreadable {
        path: file.clone(),
        why,
    })?;
    let checked = sekisho_config::check(&config).map_err(|report| Failure::Refused {
        path: file.clone(),
        report,
    })?;
    check::warn(&file.display().to_string(), &checked);
    sekisho_image::set_config(&arguments.disk, &config).map_err(Failure::Image)?;
    let (disk, bytes) = (arguments.disk.display(), config.len());
    println!(
        "{disk}: configuration of {bytes} bytes: {}",
        check::summary(&checked)
    );
    Ok(ExitCode::SUCCESS)
}

/// Shows the configuration that is on a disk.
///
/// # Errors
/// Whatever keeps it from being read, or written where it should go.
pub fn get(arguments: &Get) -> Result<ExitCode, Failure> {
    let config = sekisho_image::get_config(&arguments.disk).map_err(Failure::Image)?;
    let Some(out) = &arguments.out else {
        let mut out = io::stdout().lock();
        let written = out.write_all(&config).and_then(|()| out.flush());
        return match written {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(why) => Err(Failure::System {
                doing: "writing to the standard output",
                why,
            }),
        };
    };
    let existing = if arguments.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    sekisho_image::write_file(out, &config, existing).map_err(Failure::Image)?;
    Ok(ExitCode::SUCCESS)
}

//! `sekisho init [PATH]`

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sekisho_config::TEMPLATE;

use crate::failure::Failure;

/// Where to write.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to write, which must not exist; `-` is the standard output
    #[arg(default_value = "sekisho.toml")]
    path: PathBuf,
}

/// Writes the starting file.
///
/// # Errors
/// If there is a file already, or it cannot be written.
pub fn init(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let path = &arguments.path;
    let written = if path == Path::new("-") {
        io::stdout().write_all(TEMPLATE.as_bytes())
    } else {
        File::create_new(path).and_then(|mut file| file.write_all(TEMPLATE.as_bytes()))
    };
    match written {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Failure::Exists(path.clone()))
        }
        Err(why) => Err(Failure::Unwritable {
            path: path.clone(),
            why,
        }),
    }
}

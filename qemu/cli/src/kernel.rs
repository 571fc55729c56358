//! Where the kernel is.

use std::env;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Where `kernel/build.sh` puts it, seen from the target folder.
const IN_TARGET: &str = "x86_64-unknown-linux-gnu/kernel/sekisho-kernel";

/// The kernel that was named, else the one built beside this program.
///
/// # Errors
/// If none was built. A named one is opened when the machine starts.
pub fn path(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.into());
    }
    let built = env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.parent()?.join(IN_TARGET)))
        .unwrap_or_else(|| Path::new("target").join(IN_TARGET));
    if built.is_file() {
        Ok(built)
    } else {
        Err(Failure::NoKernel(built))
    }
}

//! QEMU's disk, made by `qemu-img`: compressed, and without anything random in it.

use std::ffi::OsString;
use std::fs;

use crate::Error;
use crate::tool::QEMU_IMG;

/// The whole file.
///
/// # Errors
/// When `qemu-img` is missing or fails.
pub fn encode(disk: &[u8]) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir().map_err(Error::file(std::env::temp_dir()))?;
    let (raw, made) = (folder.path().join("raw"), folder.path().join("qcow2"));
    fs::write(&raw, disk).map_err(Error::file(&raw))?;
    let arguments = ["convert", "-f", "raw", "-O", "qcow2", "-c"].map(OsString::from);
    let files = [raw.as_os_str(), made.as_os_str()].map(ToOwned::to_owned);
    QEMU_IMG.run(arguments.into_iter().chain(files))?;
    fs::read(&made).map_err(Error::file(&made))
}

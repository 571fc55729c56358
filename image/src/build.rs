//! The images of one configuration, as files in a folder.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::disk::{self, Contents};
use crate::{Error, Format};

/// The list of all files with their SHA-256, as `sha256sum --check` reads it.
const MANIFEST: &str = "SHA256SUMS";

/// What becomes of files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and nothing is made.
    Keep,
    /// They are replaced.
    Replace,
}

/// Makes images in `folder`, and says each that is finished.
///
/// # Errors
/// Whatever keeps one from being made. Files that are finished stay.
pub fn build(
    contents: &Contents<'_>,
    formats: &[Format],
    folder: &Path,
    existing: Existing,
    mut finished: impl FnMut(&Path, u64),
) -> Result<(), Error> {
    let disk = disk::make(contents)?;
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let paths: Vec<PathBuf> = formats.iter().map(|f| folder.join(f.file_name())).collect();
    if existing == Existing::Keep
        && let Some(path) = paths.iter().find(|path| path.exists())
    {
        return Err(Error::Exists(path.clone()));
    }
    let mut sums = String::new();
    for (format, path) in formats.iter().zip(&paths) {
        let bytes = format.encode(&disk)?;
        put(path, &bytes)?;
        let sum = Sha256::digest(&bytes);
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        sums += &format!("{hex}  {}\n", format.file_name());
        finished(path, bytes.len() as u64);
    }
    put(&folder.join(MANIFEST), sums.as_bytes())
}

/// Writes a file whole or not at all: under another name first, then in its place.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&unfinished)
        .and_then(|mut file: File| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|why| {
        // What is left of it is of no use; why it was not finished is what counts.
        let _ = fs::remove_file(&unfinished);
        Error::file(path)(why)
    })
}

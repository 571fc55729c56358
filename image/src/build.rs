//! The images of one configuration, as files in a folder.

use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::disk::Contents;
use crate::image::Maker;
use crate::replace::{Real, replace};
use crate::{Error, Image, config, elf, hex};

/// The list of all files with their SHA-256, as `sha256sum --check` reads it.
pub const MANIFEST: &str = "SHA256SUMS";

/// What becomes of files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and nothing is made.
    Keep,
    /// They are replaced.
    Replace,
}

/// How far the work is.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// What all images have in common is being made.
    Preparing {
        /// The kernel's build, as its console says it.
        build: &'a str,
    },
    /// An image is being made.
    Making(Image),
    /// All images are made and are about to be put in their place.
    Placing,
    /// A file is in its place.
    Placed {
        /// The file.
        path: &'a Path,
        /// How long it is.
        bytes: u64,
    },
}

/// Makes images in `folder`: all of them or, if one cannot be made, none.
///
/// The folder's manifest keeps what it says of other files.
///
/// # Errors
/// Whatever keeps one from being made. What cannot work is refused before any work.
pub fn build(
    contents: &Contents<'_>,
    images: &[Image],
    folder: &Path,
    existing: Existing,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<(), Error> {
    config::check(contents.config)?;
    if existing == Existing::Keep {
        refuse_existing(images, folder)?;
    }
    for tool in images.iter().flat_map(|image| image.tools()) {
        tool.look_for()?;
    }
    let build = elf::build_id(contents.kernel)?;
    fs::create_dir_all(folder).map_err(Error::file(folder))?;

    progress(Progress::Preparing { build: &build });
    let maker = Maker::new(contents)?;
    // On the same file system, so that they only have to be renamed; gone with whatever goes wrong.
    let unfinished = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(folder)
        .map_err(Error::file(folder))?;
    let mut sums = Sums::read(&folder.join(MANIFEST))?;
    let mut made = Vec::new();
    for &image in images {
        progress(Progress::Making(image));
        let bytes = maker.make(image)?;
        put(&unfinished.path().join(image.file_name()), &bytes, folder)?;
        sums.set(image.file_name(), &bytes);
        made.push((image.file_name(), bytes.len() as u64));
    }
    let manifest = sums.text();
    put(&unfinished.path().join(MANIFEST), &manifest, folder)?;
    made.push((MANIFEST, manifest.len() as u64));

    progress(Progress::Placing);
    for (name, bytes) in made {
        let path = folder.join(name);
        fs::rename(unfinished.path().join(name), &path).map_err(Error::file(&path))?;
        progress(Progress::Placed { path: &path, bytes });
    }
    Ok(())
}

fn refuse_existing(images: &[Image], folder: &Path) -> Result<(), Error> {
    let mut paths = images.iter().map(|image| folder.join(image.file_name()));
    // A link that leads nowhere is there, too.
    match paths.find(|path| path.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(path) => Err(Error::Exists(path)),
    }
}

/// Writes a file. What is wrong is said of the folder that it is for.
fn put(path: &Path, bytes: &[u8], folder: &Path) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default();
    Real::around(path)
        .and_then(|(mut unfinished, name)| replace(&mut unfinished, name, bytes, None))
        .map_err(Error::file(folder.join(name)))
}

/// The manifest's lines.
struct Sums(Vec<String>);

impl Sums {
    /// Reads the one that is there.
    fn read(path: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(Error::file(path))?,
        };
        Ok(Self(text.lines().map(str::to_owned).collect()))
    }

    fn set(&mut self, name: &str, bytes: &[u8]) {
        let place = format!("  {name}");
        self.0.retain(|line| !line.ends_with(&place));
        self.0.push(hex(&Sha256::digest(bytes)) + &place);
    }

    fn text(&self) -> Vec<u8> {
        self.0
            .iter()
            .map(|line| line.clone() + "\n")
            .collect::<String>()
            .into_bytes()
    }
}

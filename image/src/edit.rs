//! The configuration of a disk that is there already.
//!
//! * [`set_config`]: puts another one on it.
//! * [`get_config`]: what is on it.
//!
//! A file is never changed: a new one takes its place ([`crate::replace`]). A block device has no place to take, and is changed in an
//! order in which each moment is good enough to lose power at ([`plan`]).

mod container;
mod known;
mod medium;
mod plan;
mod refusal;
mod table;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use container::Sharing;
pub use plan::{Step, Write};
pub use refusal::Refusal;

use crate::fat::volume::Volume;
use crate::replace::{Access, Real, replace};
use crate::{CONFIG, Error, Format, KERNEL};

/// Puts a configuration onto a disk, in place of the one that is there.
///
/// # Errors
/// A configuration that would not boot, a disk that is none of ours, is damaged, full or in use, or what the system says. The disk then
/// has the configuration that it had.
pub fn set_config(disk: &Path, config: &[u8]) -> Result<(), Error> {
    crate::config::check(config)?;
    let path = fs::canonicalize(disk).map_err(Error::file(disk))?;
    let kind = fs::metadata(&path).map_err(Error::file(disk))?.file_type();
    if kind.is_block_device() {
        set_on_device(&path, config)
    } else if kind.is_file() {
        set_in_file(&path, config)
    } else {
        Err(Error::disk(disk)(Refusal::NoDisk))
    }
}

/// The configuration on a disk, which may be in use.
///
/// # Errors
/// A disk that is none of ours, is damaged or has none, or what the system says.
pub fn get_config(disk: &Path) -> Result<Vec<u8>, Error> {
    let path = fs::canonicalize(disk).map_err(Error::file(disk))?;
    let kind = fs::metadata(&path).map_err(Error::file(disk))?.file_type();
    if !kind.is_block_device() && !kind.is_file() {
        return Err(Error::disk(disk)(Refusal::NoDisk));
    }
    let format = container::format(&path)?;
    if kind.is_block_device() && format == Format::Raw {
        let mut device = File::open(&path).map_err(Error::file(disk))?;
        let (_, files) = read_files(&mut device, &path)?;
        return config_of(&files).map_err(Error::disk(disk));
    }
    container::inspect(&path, format, Sharing::Shared)?;
    let raw = container::decode(&path, format, Sharing::Shared)?;
    let found = files_of(&raw).and_then(|range| config_of(&raw[range]));
    found.map_err(Error::disk(disk))
}

/// Writes the whole disk anew beside the old one, which it replaces.
fn set_in_file(path: &Path, config: &[u8]) -> Result<(), Error> {
    let access = Access::of(&fs::metadata(path).map_err(Error::file(path))?);
    let format = container::format(path)?;
    container::inspect(path, format, Sharing::Alone)?;
    let mut raw = container::decode(path, format, Sharing::Alone)?;

    let steps = steps(&raw, config).map_err(Error::disk(path))?;
    for write in steps.into_iter().flatten() {
        let at = usize::try_from(write.at).expect("the disk is in memory");
        raw[at..at + write.bytes.len()].copy_from_slice(&write.bytes);
    }
    let mut made = format.encode(&raw)?;
    let old = fs::read(path).map_err(Error::file(path))?;
    known::keep(format, &old, &mut made);
    Real::around(path)
        .and_then(|(mut folder, name)| replace(&mut folder, name, &made, Some(access)))
        .map_err(Error::file(path))
}

/// Changes a block device in place.
fn set_on_device(path: &Path, config: &[u8]) -> Result<(), Error> {
    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(exclusive)
        .open(path);
    let mut device = opened.map_err(|why| match why.kind() {
        ErrorKind::ResourceBusy => Error::disk(path)(Refusal::InUse {
            by: "the system (mounted, or part of another device)",
        }),
        _ => Error::file(path)(why),
    })?;
    if container::format(path)? != Format::Raw {
        return Err(Error::disk(path)(Refusal::NotRaw));
    }
    container::inspect(path, Format::Raw, Sharing::Alone)?;
    let (start, files) = read_files(&mut device, path)?;
    let steps = steps_on(&files, start, config).map_err(Error::disk(path))?;
    medium::apply(&mut device, &steps).map_err(Error::file(path))
}

/// The partition with the files: where it begins on a device, and what is on it.
fn read_files(device: &mut File, path: &Path) -> Result<(u64, Vec<u8>), Error> {
    let mut read = |range: Range<u64>| {
        let mut bytes = Vec::new();
        device
            .seek(SeekFrom::Start(range.start))
            .and_then(|_| device.take(range.end - range.start).read_to_end(&mut bytes))
            .map_err(Error::file(path))?;
        Ok(bytes)
    };
    let front = read(0..table::FRONT as u64)?;
    let range = table::files(&front).map_err(Error::disk(path))?;
    container::check_size(range.end - range.start).map_err(Error::disk(path))?;
    Ok((range.start, read(range)?))
}

/// Where the partition with the files is in a raw disk.
fn files_of(raw: &[u8]) -> Result<Range<usize>, Refusal> {
    let range = table::files(&raw[..raw.len().min(table::FRONT)])?;
    let range = range.start as usize..range.end as usize;
    match raw.get(range.clone()) {
        Some(_) => Ok(range),
        None => Err(Refusal::Damaged {
            why: "a partition ends behind the disk",
        }),
    }
}

/// What is written to put a configuration onto a raw disk: on a block device, a step has to be on the medium before the next begins.
///
/// # Errors
/// A disk that is none of ours, is damaged or full.
pub fn steps(disk: &[u8], config: &[u8]) -> Result<Vec<Step>, Refusal> {
    let range = files_of(disk)?;
    steps_on(&disk[range.clone()], range.start as u64, config)
}

/// The same for the partition with the files, which begins at `start` on its disk.
fn steps_on(files: &[u8], start: u64, config: &[u8]) -> Result<Vec<Step>, Refusal> {
    let mut steps = plan::replace(&ours(files)?, CONFIG, config)?;
    for write in steps.iter_mut().flatten() {
        write.at += start;
    }
    Ok(steps)
}

fn config_of(files: &[u8]) -> Result<Vec<u8>, Refusal> {
    let volume = ours(files)?;
    let entry = plan::find(&volume, CONFIG).ok_or(Refusal::NoConfig)?;
    let mut contents = volume.contents(&entry.chain(&volume)?);
    if contents.len() < entry.bytes as usize {
        return Err(Refusal::Damaged {
            why: "the configuration is longer than its clusters",
        });
    }
    contents.truncate(entry.bytes as usize);
    Ok(contents)
}

/// The file system, if our kernel is on it.
fn ours(files: &[u8]) -> Result<Volume<'_>, Refusal> {
    let volume = Volume::read(files)?;
    match plan::find(&volume, KERNEL) {
        Some(_) => Ok(volume),
        None => Err(Refusal::NotOurs {
            why: "there is no kernel on its second partition",
        }),
    }
}

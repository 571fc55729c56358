//! What a file or device is, by its contents, and the raw disk in it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::Refusal;
use crate::tool::{QEMU_IMG, QEMU_IO, Tool};
use crate::{Error, Format};

/// How much of a file says what it is.
const FRONT: u64 = 64 << 10;
/// The largest disk that is taken into memory: ours have 16 MiB, and hypervisors may have rounded up.
const LARGEST: u64 = 1 << 30;
/// In the flags of a VMDK's header: its grains are compressed.
const COMPRESSED: u32 = 1 << 16;

/// Whether somebody else may have the disk open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody, because it is going to be another.
    Alone,
    /// Anybody: it is only read.
    Shared,
}

/// The format of what is in a file or on a device.
///
/// # Errors
/// When it is something else than a disk.
pub fn format(path: &Path) -> Result<Format, Error> {
    let mut front = Vec::new();
    let file = File::open(path).map_err(Error::file(path))?;
    let read = file.take(FRONT).read_to_end(&mut front);
    read.map_err(Error::file(path))?;
    detect(&front).map_err(Error::disk(path))
}

fn detect(front: &[u8]) -> Result<Format, Refusal> {
    let has = |at: usize, magic: &[u8]| front.get(at..at + magic.len()) == Some(magic);
    let other = |what| Err(Refusal::Other { what });
    if has(0, b"QFI\xfb") {
        Ok(Format::Qcow2)
    } else if has(0, b"KDMV") {
        let flags = front.get(8..12).and_then(|flags| flags.try_into().ok());
        match flags.map_or(0, u32::from_le_bytes) & COMPRESSED {
            0 => Ok(Format::Vmdk),
            _ => Ok(Format::VmdkStream),
        }
    } else if has(0, b"# Disk DescriptorFile") {
        Err(Refusal::Compound {
            what: "a disk in several files",
        })
    } else if has(0x40, &0xbeda_107f_u32.to_le_bytes()) {
        Ok(Format::Vdi)
    } else if has(0, b"vhdxfile") {
        Ok(Format::Vhdx)
    } else if has(0x8001, b"CD001") {
        other("an ISO")
    } else if has(257, b"ustar") {
        other("an OVA")
    } else if has(0, b"\x7fELF") {
        other("the kernel alone")
    } else {
        Ok(Format::Raw)
    }
}

/// The name that `qemu-img` has for a format.
fn name(format: Format) -> &'static str {
    match format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
        Format::Vmdk | Format::VmdkStream => "vmdk",
        Format::Vdi => "vdi",
        Format::Vhdx => "vhdx",
    }
}

/// Refuses a disk that somebody has open, and one that would not be the same disk when it was written anew.
///
/// # Errors
/// Why it is refused, or a missing `qemu-img`.
pub fn inspect(path: &Path, format: Format, sharing: Sharing) -> Result<(), Error> {
    let refuse = |refusal| Err(Error::disk(path)(refusal));
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lck");
    if sharing == Sharing::Alone && Path::new(&lock).exists() {
        return refuse(Refusal::InUse {
            by: "VMware (there is a folder of that name with .lck at its end)",
        });
    }
    let mut arguments = ["info", "--output=json", "-f", name(format)]
        .map(OsString::from)
        .to_vec();
    arguments.extend((sharing == Sharing::Shared).then(|| "-U".into()));
    arguments.push(path.into());
    let answer = ask(QEMU_IMG, arguments, path)?;
    if sharing == Sharing::Alone && format == Format::Raw {
        // Others may read a raw disk while a machine writes to it: only who wants to write is told.
        let write = ["-f", "raw", "-c", "quit"].map(OsString::from);
        ask(QEMU_IO, write.into_iter().chain([path.into()]), path)?;
    }
    let info: Value = serde_json::from_str(&answer).unwrap_or_default();
    let bytes = info["virtual-size"].as_u64().unwrap_or(u64::MAX);
    if format != Format::Raw || !is_device(path) {
        check_size(bytes).or_else(refuse)?;
    }
    let list = info["snapshots"].as_array();
    if sharing == Sharing::Alone && list.is_some_and(|list| !list.is_empty()) {
        return refuse(Refusal::Compound {
            what: "a disk with snapshots, which would be lost",
        });
    }
    if sharing == Sharing::Alone && !info["backing-filename"].is_null() {
        return refuse(Refusal::Compound {
            what: "what changed on another disk since",
        });
    }
    Ok(())
}

/// Has one of QEMU's programs open a disk, which fails where a machine has it open.
fn ask(
    tool: Tool,
    arguments: impl IntoIterator<Item = OsString>,
    path: &Path,
) -> Result<String, Error> {
    match tool.run(arguments) {
        Err(Error::Tool { output, .. }) if output.contains("Is another process using") => {
            Err(Error::disk(path)(Refusal::InUse {
                by: "a running machine",
            }))
        }
        answer => answer,
    }
}

/// Refuses more than anyone makes of our disk.
///
/// # Errors
/// When it is more.
pub fn check_size(bytes: u64) -> Result<(), Refusal> {
    match bytes > LARGEST {
        true => Err(Refusal::NotOurs {
            why: "it is larger than 1 GiB",
        }),
        false => Ok(()),
    }
}

fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
}

/// The raw disk in a file.
///
/// # Errors
/// What the system or `qemu-img` says.
pub fn decode(path: &Path, format: Format, sharing: Sharing) -> Result<Vec<u8>, Error> {
    if format == Format::Raw {
        return fs::read(path).map_err(Error::file(path));
    }
    let folder = tempfile::tempdir().map_err(Error::file(std::env::temp_dir()))?;
    let raw = folder.path().join("raw");
    let mut arguments = vec!["convert".into()];
    arguments.extend((sharing == Sharing::Shared).then(|| "-U".into()));
    arguments.extend(["-f", name(format), "-O", "raw"].map(OsString::from));
    arguments.extend([path.into(), raw.clone().into_os_string()]);
    QEMU_IMG.run(arguments)?;
    fs::read(&raw).map_err(Error::file(&raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, magic: &[u8]) -> Vec<u8> {
        let mut front = vec![0; FRONT as usize];
        front[at..at + magic.len()].copy_from_slice(magic);
        front
    }

    #[test]
    fn a_disk_is_known_by_its_contents() {
        for format in Format::ALL {
            if format != Format::Qcow2 {
                let bytes = format.encode(&vec![1; 1 << 20]).expect("a disk");
                let front = &bytes[..bytes.len().min(FRONT as usize)];
                assert_eq!(detect(front), Ok(format));
            }
        }
        assert_eq!(detect(&with(0, b"QFI\xfb")), Ok(Format::Qcow2));
        assert_eq!(detect(b""), Ok(Format::Raw));
        assert_eq!(detect(b"KDMV"), Ok(Format::Vmdk), "cut off");
    }

    #[test]
    fn what_is_no_disk_is_named() {
        for (at, magic, what) in [
            (0x8001, &b"CD001"[..], "an ISO"),
            (257, b"ustar", "an OVA"),
            (0, b"\x7fELF", "the kernel alone"),
            (0, b"# Disk DescriptorFile", "several files"),
        ] {
            let refused = detect(&with(at, magic)).expect_err(what).to_string();
            assert!(refused.contains(what), "{refused}");
        }
    }

    #[test]
    fn a_disk_is_not_taken_into_memory_whatever_its_size() {
        assert_eq!(check_size(LARGEST), Ok(()));
        assert!(check_size(LARGEST + 1).is_err());
    }
}

//! What can go wrong with an image.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::Refusal;

/// Why an image was not made or not changed. Each one says what to do.
#[derive(Debug)]
pub enum Error {
    /// A program or a file of a package is not installed.
    Missing {
        /// What was looked for.
        what: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program failed.
    Tool {
        /// Its name.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// The kernel is no ELF file that can be booted.
    Kernel {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The configuration would not boot; the text is that of `sekisho check`.
    Config(String),
    /// A file of that name is there already.
    Exists(PathBuf),
    /// The files do not fit into the disk's file system.
    TooLarge {
        /// How many bytes there are.
        bytes: u64,
        /// How many there is room for.
        room: u64,
    },
    /// The boot loader does not fit in front of the first file system.
    LoaderTooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// The disk is full.
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// A file or device could not be read or written.
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A disk that is there is not changed, or not read.
    Disk {
        /// Which one.
        path: PathBuf,
        /// Why.
        why: Refusal,
    },
    /// The file system inside the image could not be read or written.
    FileSystem(io::Error),
}

impl Error {
    /// Turns why a disk was refused into an error.
    pub(crate) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(Refusal) -> Self {
        let path = path.into();
        move |why| Self::Disk { path, why }
    }

    /// Turns what the system said about a file into an error.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |why| match why.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::File { path, why },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, package } => {
                write!(f, "there is no {what}: sudo apt install {package}")
            }
            Self::Tool {
                name,
                status,
                output,
            } => write!(f, "{name} failed ({status}): {}", output.trim()),
            Self::Kernel { why } => write!(
                f,
                "the kernel cannot be booted from a disk: {why}; build it with `./run --build-only`"
            ),
            Self::Config(report) => f.write_str(report),
            Self::Exists(path) => write!(
                f,
                "{} is there already; name another folder, or replace it with --force",
                path.display()
            ),
            Self::TooLarge { bytes, room } => write!(
                f,
                "the files take {bytes} bytes, and the disk's file system has room for {room}; make the configuration smaller"
            ),
            Self::LoaderTooLarge { bytes } => write!(
                f,
                "the boot loader is {bytes} bytes long, more than its partition; use GRUB 2.06 or newer"
            ),
            Self::Full { path } => write!(
                f,
                "no space left for {}; make room, or name a folder on another disk",
                path.display()
            ),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Disk { path, why } => write!(f, "{} {why}", path.display()),
            Self::FileSystem(why) => write!(f, "the file system inside the image: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { why, .. } | Self::FileSystem(why) => Some(why),
            _ => None,
        }
    }
}

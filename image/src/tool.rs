//! The programs of other packages that are used.

use std::ffi::OsStr;
use std::io;
use std::process::Command;

use crate::Error;

/// A program and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    name: &'static str,
    package: &'static str,
}

/// Makes GRUB's images.
pub const GRUB_MKIMAGE: Tool = Tool {
    name: "grub-mkimage",
    package: "grub-common",
};

/// Turns disks into other formats.
pub const QEMU_IMG: Tool = Tool {
    name: "qemu-img",
    package: "qemu-utils",
};

/// Opens a disk to write to it.
pub const QEMU_IO: Tool = Tool {
    name: "qemu-io",
    package: "qemu-utils",
};

/// Makes the file system of a CD.
pub const XORRISO: Tool = Tool {
    name: "xorriso",
    package: "xorriso",
};

impl Tool {
    /// Whether it is installed, before anything is begun that needs it later.
    ///
    /// # Errors
    /// When it is not.
    pub fn look_for(self) -> Result<(), Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if std::env::split_paths(&path).any(|folder| folder.join(self.name).is_file()) {
            return Ok(());
        }
        Err(self.missing())
    }

    fn missing(self) -> Error {
        Error::Missing {
            what: self.name.into(),
            package: self.package,
        }
    }

    /// Runs it to its end and gives what it printed.
    ///
    /// # Errors
    /// When it is not installed, or fails.
    pub fn run(
        self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<String, Error> {
        let output = Command::new(self.name)
            .args(arguments)
            // The same output in every language, and none of the day it was made on.
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .output()
            .map_err(|why| match why.kind() {
                io::ErrorKind::NotFound => self.missing(),
                _ => Error::File {
                    path: self.name.into(),
                    why,
                },
            })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Tool {
            name: self.name,
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

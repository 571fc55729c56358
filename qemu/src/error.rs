//! What can go wrong around a machine.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::QEMU;

/// Why a machine did not start, or did not do what was waited for.
#[derive(Debug)]
pub enum Error {
    /// QEMU is not on the `PATH`.
    QemuMissing,
    /// A file that the machine boots from cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A kernel's ELF does not hold what is asked for.
    Kernel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A configuration that the firewall would refuse, with its reasons.
    Config(String),
    /// QEMU ended before it ran the machine.
    NotStarted {
        /// How it ended; `None` if it hung and was killed.
        status: Option<ExitStatus>,
        /// What it printed.
        output: String,
    },
    /// A line did not come.
    Console {
        /// How long it was waited for.
        waited: Duration,
        /// Whether the console has ended, and no line can come any more.
        ended: bool,
        /// Everything on the console so far.
        console: String,
    },
    /// The machine was to end and did not.
    StillRunning {
        /// How long it was waited for.
        waited: Duration,
        /// Everything on the console so far.
        console: String,
    },
    /// QEMU's monitor refused a command, or did not answer.
    Monitor {
        /// The command.
        command: String,
        /// What it said instead.
        why: String,
    },
    /// Something of the system failed.
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        why: io::Error,
    },
}

impl Error {
    /// For `map_err`: the system failed while `doing` something.
    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |why| Self::System { doing, why }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QemuMissing => write!(
                f,
                "{QEMU} is not installed; on Debian and Ubuntu: apt-get install qemu-system-x86"
            ),
            Self::Unreadable { path, why } => write!(f, "cannot read {}: {why}", path.display()),
            Self::Kernel { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Config(report) => {
                write!(f, "the configuration is refused:\n{}", report.trim_end())
            }
            Self::NotStarted { status, output } => {
                match status {
                    Some(status) => write!(f, "QEMU did not start ({status})")?,
                    None => write!(f, "QEMU did not get ready to run")?,
                }
                let output = output.trim();
                let separator = if output.is_empty() { "" } else { ": " };
                write!(f, "{separator}{output}")
            }
            Self::Console {
                waited,
                ended,
                console,
            } => {
                let why = if *ended {
                    "the machine ended without the line waited for"
                } else {
                    "the line waited for did not come"
                };
                write!(f, "{why} ({waited:?}); its console:\n{console}")
            }
            Self::StillRunning { waited, console } => write!(
                f,
                "the machine still runs after {waited:?}; its console:\n{console}"
            ),
            Self::Monitor { command, why } => write!(f, "QEMU's monitor, {command}: {why}"),
            Self::System { doing, why } => write!(f, "{doing}: {why}"),
        }
    }
}

//! Why there is no configuration.

use std::fmt;
use std::path::PathBuf;

/// Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A name that not every hypervisor would take.
    Name(String),
    /// A network that this hypervisor does not have.
    Network {
        /// The zone that it is for.
        zone: String,
        /// The network as it was typed.
        spec: String,
        /// The hypervisor.
        hypervisor: &'static str,
        /// The networks that it has.
        forms: &'static str,
    },
    /// A name that no network interface of Linux can have.
    Interface {
        /// The zone that it is for.
        zone: String,
        /// The name.
        name: String,
    },
    /// Less memory than it takes to boot.
    Memory {
        /// What was asked for.
        mib: u32,
        /// What it takes.
        least: u32,
        /// By what it boots.
        boot: &'static str,
    },
    /// Memory that is no multiple of what the hypervisor counts in.
    MemoryStep {
        /// What was asked for.
        mib: u32,
        /// What it counts in.
        step: u32,
    },
    /// A path that cannot be written in a configuration.
    Path(PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "`{name}` is no name for a machine: use a letter a-z, then letters, digits and `-`, at most 40 and no `-` at the end"
            ),
            Self::Network {
                zone,
                spec,
                hypervisor,
                forms,
            } => write!(f, "--net {zone}={spec}: {hypervisor} takes {forms}"),
            Self::Interface { zone, name } => write!(
                f,
                "--net {zone}=...: `{name}` is no name of an interface: 1 to 15 characters without blanks, `/`, `:`, `,` and `%`"
            ),
            Self::Memory { mib, least, boot } => write!(
                f,
                "{mib} MiB are not enough to boot by {boot}: give --memory {least} or more"
            ),
            Self::MemoryStep { mib, step } => write!(
                f,
                "{mib} MiB are no multiple of {step} MiB: give --memory {}",
                mib.next_multiple_of(*step)
            ),
            Self::Path(path) => write!(
                f,
                "the path {} is no UTF-8 text, or has a control character in it: rename the file",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

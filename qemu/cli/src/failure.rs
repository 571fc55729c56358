//! Why a command could not do what was asked.

use std::fmt;
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::ExitCode;

use sekisho_config::Report;

/// Each is one line that says what to do, except a refused configuration, which is a report.
#[derive(Debug)]
pub enum Failure {
    /// The file is not overwritten.
    Exists(PathBuf),
    /// A file cannot be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The configuration is wrong.
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        report: Report,
    },
    /// There is no kernel where it is built.
    NoKernel(PathBuf),
    /// A zone has no network.
    ZoneWithoutNetwork(String),
    /// A network is for a zone that the configuration does not have.
    UnknownZone {
        /// The name that was given.
        zone: String,
        /// The names there are.
        zones: Vec<String>,
    },
    /// Two networks for one zone.
    ZoneTwice(String),
    /// A zone wants a slot beyond the last card.
    SlotBeyondCards {
        /// The zone.
        zone: String,
        /// The slot, from 0.
        slot: u8,
        /// How many cards there are: one a zone.
        cards: usize,
    },
    /// A tap device is not there.
    NoTap(String),
    /// A bridge is not there.
    NoBridge(String),
    /// Something listens on a port of the host already.
    PortTaken(SocketAddrV4),
    /// A port of the host cannot be listened on.
    PortRefused {
        /// The port.
        address: SocketAddrV4,
        /// What the system said.
        why: io::Error,
    },
    /// No virtual machine can be described like that.
    Vmconfig(sekisho_vmconfig::Error),
    /// A configuration of several files, and no folder for them.
    SeveralFiles(Vec<String>),
    /// A file of a configuration is there already.
    Replaces(PathBuf),
    /// An image was not made.
    Image(sekisho_image::Error),
    /// A capture was not explained.
    Replay(sekisho_replay::Error),
    /// The machine did not start, or did not do what it should.
    Machine(sekisho_qemu::Error),
    /// Something of the system failed.
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        why: io::Error,
    },
}

impl Failure {
    /// 1 where something was tried and did not hold, 2 where it could not be tried.
    pub fn exit_code(&self) -> ExitCode {
        use sekisho_qemu::Error;
        match self {
            Self::Refused { .. }
            | Self::Image(sekisho_image::Error::Config(_))
            | Self::Machine(
                Error::Config(_) | Error::Console { .. } | Error::StillRunning { .. },
            ) => ExitCode::FAILURE,
            Self::Replay(error) if error.is_refusal() => ExitCode::FAILURE,
            _ => ExitCode::from(2),
        }
    }
}

impl From<sekisho_qemu::Error> for Failure {
    fn from(error: sekisho_qemu::Error) -> Self {
        Self::Machine(error)
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} exists already and is left as it is; choose another name"
                )
            }
            Self::Unwritable { path, why } => write!(f, "cannot write {}: {why}", path.display()),
            Self::Unreadable { path, why } => write!(f, "cannot read {}: {why}", path.display()),
            Self::Refused { path, report } => {
                write!(f, "configuration ({}):\n{report}", path.display())
            }
            Self::NoKernel(path) => write!(
                f,
                "there is no kernel at {}; build it with ./run --build-only, or name one with --kernel FILE",
                path.display()
            ),
            Self::ZoneWithoutNetwork(zone) => write!(
                f,
                "zone {zone} has no network; add --net {zone}=SPEC (--help lists what SPEC can be)"
            ),
            Self::UnknownZone { zone, zones } => write!(
                f,
                "--net {zone}=...: the configuration has no zone {zone}; it has {}",
                zones.join(", ")
            ),
            Self::ZoneTwice(zone) => {
                write!(
                    f,
                    "zone {zone} has two networks; give --net {zone}=... once"
                )
            }
            Self::SlotBeyondCards { zone, slot, cards } => write!(
                f,
                "zone {zone} wants the card in slot {slot}, but with one card a zone the last slot is {}",
                cards.saturating_sub(1)
            ),
            Self::NoTap(name) => write!(
                f,
                "there is no tap {name}; make one: ip tuntap add dev {name} mode tap user $USER"
            ),
            Self::NoBridge(name) => write!(
                f,
                "there is no bridge {name}; make one: ip link add {name} type bridge"
            ),
            Self::PortTaken(address) => write!(
                f,
                "port {} of {} is taken; stop what listens there, or choose another port",
                address.port(),
                address.ip()
            ),
            Self::PortRefused { address, why } => {
                write!(f, "cannot listen on {address}: {why}; choose another port")
            }
            Self::Vmconfig(error) => error.fmt(f),
            Self::SeveralFiles(names) => write!(
                f,
                "there are several files, {}; name a folder for them with --out FOLDER",
                names.join(", ")
            ),
            Self::Replaces(path) => write!(
                f,
                "{} is there already; name another folder, or replace it with --force",
                path.display()
            ),
            Self::Image(error) => error.fmt(f),
            Self::Replay(error) => error.fmt(f),
            Self::Machine(error) => error.fmt(f),
            Self::System { doing, why } => write!(f, "{doing}: {why}"),
        }
    }
}

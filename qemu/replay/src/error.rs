//! Why a capture cannot be explained.

use std::fmt;
use std::io;
use std::path::PathBuf;

use sekisho_config::Report;

/// Each is one line that says what to do, except a refused configuration, which is a report.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A file cannot be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A file or folder that would be overwritten.
    Exists(PathBuf),
    /// The configuration is wrong.
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        report: Report,
    },
    /// Neither pcap nor pcapng.
    NoCapture(PathBuf),
    /// A capture that ends in the middle, or contradicts itself.
    Damaged {
        /// The file.
        path: PathBuf,
        /// The frame after which it cannot be read further, from 1; 0 if none.
        after: usize,
        /// What the reader said.
        why: String,
    },
    /// Frames without Ethernet headers.
    LinkType {
        /// The file.
        path: PathBuf,
        /// What it has instead.
        link: String,
    },
    /// A frame of which only the beginning was recorded.
    Cut {
        /// The file.
        path: PathBuf,
        /// The frame, from 1.
        frame: usize,
        /// Bytes that were recorded.
        kept: usize,
        /// Bytes that it had.
        of: usize,
    },
    /// No frame in all captures.
    Empty,
    /// A capture of which no frame can be given to a zone.
    Unassigned(PathBuf),
    /// An option names a zone that is not there.
    UnknownZone {
        /// The option as it was given.
        option: String,
        /// The name.
        zone: String,
        /// The names there are.
        zones: Vec<String>,
    },
    /// A zone finds its card by slot, and none was given.
    NoCard(String),
    /// Two zones with one card.
    CardTwice(String, String),
    /// An address for a zone that has a fixed one.
    FixedAddress(String),
    /// A case's name that is no file name.
    CaseName(String),
    /// A case that is not there.
    NoCase(PathBuf),
}

impl Error {
    /// Whether something was tried and did not hold, rather than could not be tried.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(f, "cannot read {}: {why}", path.display()),
            Self::Unwritable { path, why } => write!(f, "cannot write {}: {why}", path.display()),
            Self::Exists(path) => write!(
                f,
                "{} exists already and is left as it is; choose another name",
                path.display()
            ),
            Self::Refused { path, report } => {
                write!(f, "configuration ({}):\n{report}", path.display())
            }
            Self::NoCapture(path) => write!(
                f,
                "{} is neither a pcap nor a pcapng file; record one with tcpdump -i CARD -w FILE",
                path.display()
            ),
            Self::Damaged { path, after, why } => write!(
                f,
                "{} cannot be read beyond frame {after} ({why}); end tcpdump with Ctrl-C, or cut the file with editcap",
                path.display()
            ),
            Self::LinkType { path, link } => write!(
                f,
                "{} has {link} frames, not Ethernet: `-i any` and tun devices leave the Ethernet header out; \
                 record each card by itself, tcpdump -i CARD -w ZONE.pcap",
                path.display()
            ),
            Self::Cut {
                path,
                frame,
                kept,
                of,
            } => write!(
                f,
                "{}: of frame {frame} only {kept} of {of} bytes were recorded; record whole frames, tcpdump -s 0",
                path.display()
            ),
            Self::Empty => f.write_str("the captures hold no frame"),
            Self::Unassigned(path) => {
                let path = path.display();
                write!(
                    f,
                    "no frame of {path} is to or from a card of the firewall; say whose segment it is, ZONE={path}, \
                     or which card was the firewall's, --card ZONE=MAC"
                )
            }
            Self::UnknownZone {
                option,
                zone,
                zones,
            } => write!(
                f,
                "{option}: the configuration has no zone {zone}; it has {}",
                zones.join(", ")
            ),
            Self::NoCard(zone) => write!(
                f,
                "zone {zone} finds its card by slot; say which address the card had, --card {zone}=MAC"
            ),
            Self::CardTwice(one, other) => write!(
                f,
                "zones {one} and {other} have the same card; each zone needs one of its own, --card ZONE=MAC"
            ),
            Self::FixedAddress(zone) => write!(
                f,
                "--address {zone}=...: zone {zone} has a fixed address in the configuration; leave the option out"
            ),
            Self::CaseName(name) => write!(
                f,
                "`{name}` is no name for a case; write small letters, digits and hyphens"
            ),
            Self::NoCase(path) => write!(f, "there is no case {}", path.display()),
        }
    }
}

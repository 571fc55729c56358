//! Frames from pcap and pcapng files, and back into them.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
use pcap_file::pcapng::{Block, PcapNgBlock, PcapNgReader, PcapNgWriter};
use pcap_file::{DataLink, Endianness, PcapError};

use crate::Error;

/// A recorded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When, since 1970.
    pub at: Duration,
    /// The recording card's name, where the file says it (pcapng).
    pub card: Option<String>,
    /// The whole frame.
    pub bytes: Vec<u8>,
}

/// pcap's first four bytes, in both byte orders, with microseconds and nanoseconds.
const PCAP: [[u8; 4]; 4] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
];
/// pcapng's.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Reads all frames of a file.
///
/// # Errors
/// A file that is none, is damaged, has no Ethernet frames, or frames that were cut.
pub fn read(path: &Path) -> Result<Vec<Recorded>, Error> {
    let bytes = fs::read(path).map_err(|why| Error::Unreadable {
        path: path.into(),
        why,
    })?;
    match bytes.first_chunk::<4>() {
        Some(magic) if PCAP.contains(magic) => read_pcap(path, &bytes),
        Some(&PCAPNG) => read_pcapng(path, &bytes),
        _ => Err(Error::NoCapture(path.into())),
    }
}

fn damaged(path: &Path, after: usize) -> impl FnOnce(PcapError) -> Error {
    let path: PathBuf = path.into();
    move |error| Error::Damaged {
        path,
        after,
        why: match error {
            PcapError::IncompleteBuffer => "it ends in the middle of one".into(),
            PcapError::IoError(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
                "it ends in the middle of one".into()
            }
            other => other.to_string(),
        },
    }
}

fn require_ethernet(path: &Path, link: DataLink) -> Result<(), Error> {
    if link == DataLink::ETHERNET {
        return Ok(());
    }
    Err(Error::LinkType {
        path: path.into(),
        link: format!("{link:?}"),
    })
}

fn require_whole(path: &Path, frame: usize, kept: usize, of: u32) -> Result<(), Error> {
    let of = of as usize;
    if kept >= of {
        return Ok(());
    }
    Err(Error::Cut {
        path: path.into(),
        frame,
        kept,
        of,
    })
}

fn read_pcap(path: &Path, bytes: &[u8]) -> Result<Vec<Recorded>, Error> {
    let mut reader = PcapReader::new(bytes).map_err(damaged(path, 0))?;
    require_ethernet(path, reader.header().datalink)?;
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.map_err(damaged(path, frames.len()))?;
        require_whole(path, frames.len() + 1, packet.data.len(), packet.orig_len)?;
        frames.push(Recorded {
            at: packet.timestamp,
            card: None,
            bytes: packet.data.into_owned(),
        });
    }
    Ok(frames)
}

fn read_pcapng(path: &Path, bytes: &[u8]) -> Result<Vec<Recorded>, Error> {
    let mut reader = PcapNgReader::new(bytes).map_err(damaged(path, 0))?;
    let mut frames: Vec<Recorded> = Vec::new();
    loop {
        let Some(block) = reader.next_block() else {
            return Ok(frames);
        };
        let block = block.map_err(damaged(path, frames.len()))?.into_owned();
        let (id, ticks, kept, of) = match block {
            Block::EnhancedPacket(packet) => (
                packet.interface_id,
                Some(packet.timestamp.as_nanos()),
                packet.data.into_owned(),
                packet.original_len,
            ),
            Block::SimplePacket(packet) => (0, None, packet.data.into_owned(), packet.original_len),
            _ => continue,
        };
        let interface = reader.interfaces().get(id as usize);
        let interface = interface
            .ok_or(PcapError::InvalidInterfaceId(id))
            .map_err(damaged(path, frames.len()))?;
        require_ethernet(path, interface.linktype)?;
        require_whole(path, frames.len() + 1, kept.len(), of)?;
        // A simple packet has no time: it comes with the one before it.
        let before = frames.last().map_or(Duration::ZERO, |frame| frame.at);
        frames.push(Recorded {
            at: ticks.map_or(before, |ticks| time(ticks, interface)),
            card: name(interface),
            bytes: kept,
        });
    }
}

fn name(interface: &InterfaceDescriptionBlock<'_>) -> Option<String> {
    interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
        _ => None,
    })
}

/// A time in an interface's ticks: microseconds unless it says otherwise (pcapng section 4.2, if_tsresol).
fn time(ticks: u128, interface: &InterfaceDescriptionBlock<'_>) -> Duration {
    let resolution = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    let resolution = resolution.unwrap_or(6);
    let exponent = u32::from(resolution & 0x7f);
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    let per_second = base.checked_pow(exponent).unwrap_or(u128::MAX);
    let seconds = ticks / per_second;
    let rest = (ticks % per_second).saturating_mul(1_000_000_000) / per_second;
    Duration::new(
        seconds.try_into().unwrap_or(u64::MAX),
        rest.min(999_999_999) as u32,
    )
}

/// Frames for a pcapng file with one interface a zone.
pub struct Writer {
    inner: PcapNgWriter<Vec<u8>>,
}

impl Writer {
    /// A file with these cards; the bytes are the same on every machine.
    #[must_use]
    pub fn new(cards: &[&str]) -> Self {
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            ..SectionHeaderBlock::default()
        };
        let inner = PcapNgWriter::with_section_header(Vec::new(), section);
        let mut writer = Self {
            inner: inner.expect("memory takes what is written"),
        };
        for card in cards {
            let interface = InterfaceDescriptionBlock {
                linktype: DataLink::ETHERNET,
                snaplen: 0,
                options: vec![InterfaceDescriptionOption::IfName(Cow::Borrowed(card))],
            };
            writer.block(interface.into_block());
        }
        writer
    }

    /// Adds a frame of the card with this index.
    pub fn frame(&mut self, card: usize, at: Duration, bytes: &[u8]) {
        let block = EnhancedPacketBlock {
            interface_id: card as u32,
            // The library writes nanoseconds as they are: as ticks of a microsecond, the usual resolution.
            timestamp: Duration::from_nanos(at.as_micros().try_into().unwrap_or(u64::MAX)),
            original_len: bytes.len() as u32,
            data: Cow::Borrowed(bytes),
            options: Vec::new(),
        };
        self.block(block.into_block());
    }

    /// The file.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.inner.into_inner()
    }

    fn block(&mut self, block: Block<'_>) {
        self.inner
            .write_block(&block)
            .expect("memory takes what is written");
    }
}

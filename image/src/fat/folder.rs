//! The entries of folders: 8.3 names, and before them the long ones in pieces (the same source, chapter 7).
//!
//! * [`entries`]: the files and folders in a folder.
//! * [`all`]: the files and folders in all folders; [`owned`]: the clusters that belong to them.
//! * [`Naming`]: where a new file's entry goes.

use super::volume::{ENTRY, SECTOR, Volume};
use crate::Refusal;

/// A byte of the attributes.
const VOLUME_LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;
/// The attributes of a piece of a long name, and which of them count.
const LONG: u8 = 0x0f;
const LONG_MASK: u8 = 0x3f;
/// The first byte of an entry that is free, and of one behind which all are.
pub const DELETED: u8 = 0xe5;
const NO_MORE: u8 = 0;
/// Marks the piece that comes first on the disk, the name's end.
const LAST_PIECE: u8 = 0x40;
/// Where a piece has its letters.
const LETTERS: [std::ops::Range<usize>; 3] = [1..11, 14..26, 28..32];

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// A file or folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where its 8.3 entry lies on the volume.
    pub at: usize,
    /// Its name, the long one where it has one.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its first cluster; 0 if it has none.
    pub first: u16,
    /// Its length in bytes.
    pub bytes: u32,
}

impl Entry {
    /// Its clusters.
    ///
    /// # Errors
    /// When they lead nowhere.
    pub fn chain(&self, volume: &Volume<'_>) -> Result<Vec<u16>, Refusal> {
        match self.first {
            0 => Ok(Vec::new()),
            first => volume.chain(first),
        }
    }
}

/// Where a folder's entries lie, each with its place on the volume.
fn slots<'a>(volume: &Volume<'a>, folder: Option<&[u16]>) -> Vec<(usize, &'a [u8])> {
    let ranges = match folder {
        None => vec![volume.root()],
        Some(chain) => chain.iter().map(|&number| volume.cluster(number)).collect(),
    };
    let of_range = |range: std::ops::Range<usize>| {
        let slots = volume.bytes()[range.clone()].chunks_exact(ENTRY);
        range.step_by(ENTRY).zip(slots)
    };
    ranges.into_iter().flat_map(of_range).collect()
}

/// The files and folders in a folder, given by its clusters; the one at the top has none.
pub fn entries(volume: &Volume<'_>, folder: Option<&[u16]>) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut long = LongName::default();
    for (at, slot) in slots(volume, folder) {
        match slot[0] {
            NO_MORE => break,
            DELETED => long = LongName::default(),
            _ if slot[11] & LONG_MASK == LONG => long.add(slot),
            _ => {
                let name = std::mem::take(&mut long).of(&slot[..11]);
                if slot[11] & VOLUME_LABEL == 0 {
                    found.push(Entry {
                        at,
                        name,
                        kind: match slot[11] & FOLDER {
                            0 => Kind::File,
                            _ => Kind::Folder,
                        },
                        first: u16::from_le_bytes([slot[26], slot[27]]),
                        bytes: u32::from_le_bytes(slot[28..].try_into().expect("four bytes")),
                    });
                }
            }
        }
    }
    found
}

/// The pieces of a long name, which stand before its 8.3 entry, the end first.
#[derive(Default)]
struct LongName {
    letters: Vec<u16>,
    check: u8,
}

impl LongName {
    fn add(&mut self, piece: &[u8]) {
        if piece[0] & LAST_PIECE != 0 {
            self.letters.clear();
        }
        self.check = piece[13];
        let letters = LETTERS
            .into_iter()
            .flat_map(|range| piece[range].chunks_exact(2));
        let letters = letters.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let before = letters.take_while(|&letter| letter != 0);
        self.letters.splice(..0, before.collect::<Vec<_>>());
    }

    /// The name, if it is the one of this 8.3 name.
    fn of(self, short: &[u8]) -> String {
        match self.check == check(short) {
            true if !self.letters.is_empty() => String::from_utf16_lossy(&self.letters),
            _ => plain(short),
        }
    }
}

/// An 8.3 name with its dot.
fn plain(short: &[u8]) -> String {
    let [stem, extension] = [&short[..8], &short[8..]].map(|part| part.trim_ascii_end());
    let dot: &[u8] = if extension.is_empty() { b"" } else { b"." };
    String::from_utf8_lossy(&[stem, dot, extension].concat()).into_owned()
}

/// What ties a long name to its 8.3 name.
fn check(short: &[u8]) -> u8 {
    let turn = |sum: u8, byte: &u8| sum.rotate_right(1).wrapping_add(*byte);
    short.iter().fold(0, turn)
}

/// All files and folders, each with its clusters.
///
/// # Errors
/// When a cluster belongs to two.
pub fn all(volume: &Volume<'_>) -> Result<Vec<(Entry, Vec<u16>)>, Refusal> {
    let mut owned = vec![false; usize::from(volume.clusters().end)];
    let mut waiting = entries(volume, None);
    let mut found = Vec::new();
    while let Some(entry) = waiting.pop() {
        let chain = entry.chain(volume)?;
        let mut taken = chain.iter().map(|&cluster| usize::from(cluster));
        if taken.any(|cluster| std::mem::replace(&mut owned[cluster], true)) {
            return Err(Refusal::Damaged {
                why: "two files have the same cluster",
            });
        }
        if entry.kind == Kind::Folder {
            let inside = entries(volume, Some(&chain));
            // A folder's first two entries are itself and the one that it is in.
            let new = |entry: &Entry| volume.bytes()[entry.at] != b'.';
            waiting.extend(inside.into_iter().filter(new));
        }
        found.push((entry, chain));
    }
    Ok(found)
}

/// Which clusters belong to a file or folder, by number.
///
/// # Errors
/// When one belongs to two.
pub fn owned(volume: &Volume<'_>) -> Result<Vec<bool>, Refusal> {
    let mut owned = vec![false; usize::from(volume.clusters().end)];
    for cluster in all(volume)?.into_iter().flat_map(|(_, chain)| chain) {
        owned[usize::from(cluster)] = true;
    }
    Ok(owned)
}

/// A folder's entries, given by its clusters, without the long names that `fatfs` gives to `.` and `..`.
pub fn without_long_dots(volume: &Volume<'_>, chain: &[u16]) -> Vec<u8> {
    let contents = volume.contents(chain);
    let mut tidied = Vec::new();
    for (slot, next) in contents.chunks_exact(ENTRY).zip((ENTRY..).step_by(ENTRY)) {
        let is_long = slot[11] & LONG_MASK == LONG;
        if !is_long || contents.get(next) != Some(&b'.') {
            tidied.extend_from_slice(slot);
        }
    }
    tidied.resize(contents.len(), 0);
    tidied
}

/// Where the entry of a file goes: its sector, as it will be.
pub struct Naming {
    /// An entry before it that must no longer say that none follow.
    pub passed_over: Option<usize>,
    /// Where the sector is.
    pub sector: usize,
    /// The sector's bytes.
    pub bytes: Vec<u8>,
}

/// Points the entry of a file at other clusters.
pub fn point(volume: &Volume<'_>, entry: &Entry, first: u16, bytes: u32) -> Naming {
    let mut naming = sector(volume, entry.at);
    let at = entry.at - naming.sector;
    aim(&mut naming.bytes[at..at + ENTRY], first, bytes);
    naming
}

/// Makes an entry in the folder at the top, for a name of at most 13 ASCII characters: both of its parts in one sector.
///
/// # Errors
/// When the folder is full.
pub fn name(volume: &Volume<'_>, long: &str, first: u16, bytes: u32) -> Result<Naming, Refusal> {
    let slots = slots(volume, None);
    let is_free = |slot: &[u8]| matches!(slot[0], NO_MORE | DELETED);
    let fits = |pair: &&[(usize, &[u8])]| {
        pair.iter().all(|(_, slot)| is_free(slot)) && pair[0].0 / SECTOR == pair[1].0 / SECTOR
    };
    let at = slots.windows(2).find(fits).map(|pair| pair[0].0);
    let at = at.ok_or(Refusal::NoRoom {
        bytes: 2 * ENTRY,
        room: 0,
    })?;
    let end = slots.iter().find(|(_, slot)| slot[0] == NO_MORE);
    let passed_over = end.map(|(place, _)| *place).filter(|&place| place < at);

    let mut naming = sector(volume, at);
    let short = short_name(&slots, long);
    let place = at - naming.sector;
    let pair = &mut naming.bytes[place..place + 2 * ENTRY];
    pair.fill(0);
    let (piece, entry) = pair.split_at_mut(ENTRY);
    piece[0] = LAST_PIECE | 1;
    piece[11] = LONG;
    piece[13] = check(&short);
    let mut letters = long.encode_utf16().chain([0]);
    for pair in LETTERS.into_iter().flatten().step_by(2) {
        let letter = letters.next().unwrap_or(u16::MAX);
        piece[pair..pair + 2].copy_from_slice(&letter.to_le_bytes());
    }
    entry[..11].copy_from_slice(&short);
    entry[11] = 0x20; // to be archived, as every new file
    aim(entry, first, bytes);
    Ok(Naming {
        passed_over,
        ..naming
    })
}

fn sector(volume: &Volume<'_>, at: usize) -> Naming {
    let sector = at / SECTOR * SECTOR;
    Naming {
        passed_over: None,
        sector,
        bytes: volume.bytes()[sector..sector + SECTOR].to_vec(),
    }
}

fn aim(entry: &mut [u8], first: u16, bytes: u32) {
    entry[26..28].copy_from_slice(&first.to_le_bytes());
    entry[28..32].copy_from_slice(&bytes.to_le_bytes());
}

/// An 8.3 name that nobody has, in the way that everybody makes them: `SEKISH~1.TOM`.
fn short_name(slots: &[(usize, &[u8])], long: &str) -> [u8; 11] {
    let (stem, extension) = long.rsplit_once('.').unwrap_or((long, ""));
    let mut name = [b' '; 11];
    let letters = |text: &str, most| {
        text.to_ascii_uppercase()
            .into_bytes()
            .into_iter()
            .take(most)
    };
    for (place, letter) in name[8..].iter_mut().zip(letters(extension, 3)) {
        *place = letter;
    }
    for number in 1..=99 {
        let tail = format!("~{number}");
        name[..8].fill(b' ');
        let stem = letters(stem, 8 - tail.len()).chain(tail.into_bytes());
        name.iter_mut()
            .zip(stem)
            .for_each(|(place, letter)| *place = letter);
        if !slots.iter().any(|(_, slot)| slot[..11] == name) {
            break;
        }
    }
    name
}

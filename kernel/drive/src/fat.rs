//! FAT12, FAT16 and FAT32: the label, and files of the root folder (Microsoft's FAT specification, version 1.03).

use alloc::vec::Vec;

use crate::medium::{ReadError, Volume, u16_at, u32_at};
use crate::name::{File, Wanted, trimmed};

/// How many entries of the root folder are looked at.
const ENTRIES: u64 = 4096;
const ENTRY: u64 = 32;

/// Where the parts of a file system lie, in bytes from its beginning.
pub(crate) struct Fat {
    width: Width,
    /// The first copy of the table.
    table: u64,
    /// The root folder.
    root: Root,
    /// The first cluster, whose number is 2.
    data: u64,
    cluster_bytes: u64,
    clusters: u64,
    /// As the boot sector has it.
    label: [u8; 11],
}

/// Bits of an entry of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Bits12,
    Bits16,
    Bits32,
}

enum Root {
    /// At a fixed place: first byte and length.
    Fixed(u64, u64),
    /// A chain of clusters.
    Chain(u32),
}

impl Fat {
    /// Reads the boot sector; `None` if it is not FAT's.
    pub fn open(volume: &mut Volume<'_, '_>) -> Result<Option<Self>, ReadError> {
        let Some(boot) = volume.get::<512>(0)? else {
            return Ok(None);
        };
        Ok(Self::read(&boot, volume.len()))
    }

    /// The numbers of the boot sector (section 3.1), each checked: boot code of other systems lies here, too.
    fn read(boot: &[u8; 512], len: u64) -> Option<Self> {
        let sector = u64::from(u16_at(boot, 11));
        let per_cluster = u64::from(boot[13]);
        let reserved = u64::from(u16_at(boot, 14));
        let copies = u64::from(boot[16]);
        let root_bytes = u64::from(u16_at(boot, 17)) * ENTRY;
        let is_fat32 = u16_at(boot, 22) == 0;
        let or = |short: u16, long: u32| u64::from(if short == 0 { long } else { short.into() });
        let sectors = or(u16_at(boot, 19), u32_at(boot, 32));
        let table_sectors = or(u16_at(boot, 22), u32_at(boot, 36));
        let plausible = boot[510..] == [0x55, 0xaa]
            && matches!(sector, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=4).contains(&copies)
            && table_sectors > 0
            && is_fat32 == (root_bytes == 0);
        let root = (reserved + copies * table_sectors) * sector;
        let data = root + root_bytes.next_multiple_of(sector.max(1));
        let end = sectors * sector;
        if !plausible || data >= end || data >= len {
            return None;
        }
        let cluster_bytes = per_cluster * sector;
        let clusters = (end - data) / cluster_bytes;
        let width = match clusters {
            _ if is_fat32 => Width::Bits32,
            ..4085 => Width::Bits12,
            _ => Width::Bits16,
        };
        let label = if is_fat32 {
            &boot[71..82]
        } else {
            &boot[43..54]
        };
        Some(Self {
            width,
            table: reserved * sector,
            root: match width {
                Width::Bits12 | Width::Bits16 => Root::Fixed(root, root_bytes),
                Width::Bits32 => Root::Chain(u32_at(boot, 44)),
            },
            data,
            cluster_bytes,
            clusters,
            label: label.try_into().ok()?,
        })
    }

    /// The label: that of the root folder, else, also where that folder is damaged, that of the boot sector.
    pub fn label(&self, volume: &mut Volume<'_, '_>) -> Result<Vec<u8>, ReadError> {
        let mut label = self.label;
        let seen = self.each_entry(volume, |entry, _| {
            let is_label = entry[11] & (VOLUME | FOLDER) == VOLUME;
            if is_label {
                label.copy_from_slice(&entry[..11]);
            }
            !is_label
        });
        match seen {
            Ok(()) | Err(ReadError::Damaged(_)) => Ok(trimmed(&label).to_vec()),
            Err(fault) => Err(fault),
        }
    }

    /// Looks for files in the root folder, each by its long name, else by its short one.
    pub fn find<const N: usize>(
        &self,
        volume: &mut Volume<'_, '_>,
        wanted: [Wanted; N],
    ) -> Result<[Option<File>; N], ReadError> {
        let mut found = [const { None }; N];
        self.each_entry(volume, |entry, long| {
            if entry[11] & (VOLUME | FOLDER) == 0 {
                let is = |wanted: &Wanted| match long {
                    Some(long) => wanted.is(long),
                    None => is_short(wanted, entry),
                };
                if let Some(index) = wanted.iter().position(is) {
                    found[index].get_or_insert(self.file(entry));
                }
            }
            true
        })?;
        Ok(found)
    }

    /// Where a file begins: before FAT32 the upper half of the number had other uses.
    fn file(&self, entry: &[u8; 32]) -> File {
        let upper = match self.width {
            Width::Bits12 | Width::Bits16 => 0,
            Width::Bits32 => u64::from(u16_at(entry, 20)) << 16,
        };
        File {
            start: upper | u64::from(u16_at(entry, 26)),
            size: u32_at(entry, 28).into(),
        }
    }

    /// The first bytes of a file, at most `most`.
    pub fn content(
        &self,
        volume: &mut Volume<'_, '_>,
        file: File,
        most: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let len = file.size.min(most as u64);
        let chain = self.chain(volume, file.start as u32, len.div_ceil(self.cluster_bytes))?;
        let mut bytes = alloc::vec![0; len as usize];
        let parts = bytes.chunks_mut(self.cluster_bytes as usize);
        if chain.len() < parts.len() {
            return Err(ReadError::Damaged("a file has fewer clusters than bytes"));
        }
        let mut sorted = chain.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ReadError::Damaged("a file's clusters form a ring"));
        }
        for (part, cluster) in parts.zip(chain) {
            volume.read(self.place(cluster)?, part)?;
        }
        Ok(bytes)
    }

    /// Calls `visit` for each entry that is in use, with the long name before it, until it says that it has enough.
    fn each_entry(
        &self,
        volume: &mut Volume<'_, '_>,
        mut visit: impl FnMut(&[u8; 32], Option<&[u8]>) -> bool,
    ) -> Result<(), ReadError> {
        let (fixed, chain) = match self.root {
            Root::Fixed(start, len) => (Some((start, len)), Vec::new()),
            Root::Chain(first) => {
                let most = (ENTRIES * ENTRY).div_ceil(self.cluster_bytes);
                (None, self.chain(volume, first, most)?)
            }
        };
        let mut pieces = Vec::new();
        pieces.extend(fixed);
        for cluster in chain {
            pieces.push((self.place(cluster)?, self.cluster_bytes));
        }
        let places = (pieces.into_iter())
            .flat_map(|(start, len)| (0..len / ENTRY).map(move |index| start + index * ENTRY));
        let mut long = LongName::default();
        for place in places.take(ENTRIES as usize) {
            let mut entry = [0; ENTRY as usize];
            volume.read(place, &mut entry)?;
            match entry[0] {
                END => return Ok(()),
                FREE => long = LongName::default(),
                _ if entry[11] & LONG_MASK == LONG => long = LongName::read(&entry),
                _ => {
                    let name = core::mem::take(&mut long);
                    if !visit(&entry, name.of(&entry)) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// A chain's clusters, at most `most`: a chain may be a ring.
    fn chain(
        &self,
        volume: &mut Volume<'_, '_>,
        first: u32,
        most: u64,
    ) -> Result<Vec<u32>, ReadError> {
        let mut clusters = Vec::new();
        let mut next = first;
        while (clusters.len() as u64) < most && self.is_cluster(next) {
            clusters.push(next);
            next = self.next(volume, next)?;
        }
        Ok(clusters)
    }

    fn is_cluster(&self, number: u32) -> bool {
        number >= 2 && u64::from(number) - 2 < self.clusters
    }

    /// What the table says of a cluster (section 4.1).
    fn next(&self, volume: &mut Volume<'_, '_>, cluster: u32) -> Result<u32, ReadError> {
        let at = u64::from(cluster);
        let mut entry = [0; 4];
        let (place, len) = match self.width {
            Width::Bits12 => (at + at / 2, 2),
            Width::Bits16 => (at * 2, 2),
            Width::Bits32 => (at * 4, 4),
        };
        volume.read(self.table + place, &mut entry[..len])?;
        let value = u32::from_le_bytes(entry);
        Ok(match self.width {
            Width::Bits12 if cluster % 2 == 1 => value >> 4,
            Width::Bits12 => value & 0xfff,
            Width::Bits16 => value,
            Width::Bits32 => value & 0x0fff_ffff,
        })
    }

    fn place(&self, cluster: u32) -> Result<u64, ReadError> {
        if !self.is_cluster(cluster) {
            return Err(ReadError::Damaged("a file lies outside of the file system"));
        }
        Ok(self.data + (u64::from(cluster) - 2) * self.cluster_bytes)
    }
}

/// First byte of an entry behind the last.
const END: u8 = 0;
/// First byte of an entry that is not in use.
const FREE: u8 = 0xe5;
/// Attributes (section 6.1): the label, a folder, a piece of a long name.
const VOLUME: u8 = 0x08;
const FOLDER: u8 = 0x10;
const LONG: u8 = 0x0f;
const LONG_MASK: u8 = 0x3f;

/// The long name before an entry, where it has at most 13 characters: every name that is looked for fits one piece
/// (section 7.1).
#[derive(Default)]
struct LongName {
    name: Vec<u8>,
    sum: u8,
    there: There,
}

#[derive(Default, PartialEq, Eq)]
enum There {
    #[default]
    No,
    /// In one piece.
    Whole,
    /// A longer one.
    Longer,
}

impl LongName {
    fn read(entry: &[u8; 32]) -> Self {
        const LAST: u8 = 0x40;
        let units = (entry[1..11].chunks_exact(2))
            .chain(entry[14..26].chunks_exact(2))
            .chain(entry[28..32].chunks_exact(2))
            .map(|unit| u16_at(unit, 0));
        Self {
            // What is not ASCII is no name that is looked for.
            name: (units.take_while(|&unit| unit != 0))
                .map(|unit| u8::try_from(unit).unwrap_or(0xff))
                .collect(),
            sum: entry[13],
            there: if entry[0] == LAST | 1 {
                There::Whole
            } else {
                There::Longer
            },
        }
    }

    /// The name, if it is this entry's; one that is longer is given as empty.
    fn of(&self, entry: &[u8; 32]) -> Option<&[u8]> {
        let sum =
            (entry[..11].iter()).fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        match self.there {
            There::Whole if sum == self.sum => Some(&self.name),
            There::Longer if sum == self.sum => Some(&[]),
            There::No | There::Whole | There::Longer => None,
        }
    }
}

fn is_short(wanted: &Wanted, entry: &[u8; 32]) -> bool {
    let (base, extension) = (trimmed(&entry[..8]), trimmed(&entry[8..11]));
    wanted.is_short(&[base, b".", extension].concat())
}

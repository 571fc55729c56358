//! ISO 9660: the label, and files of the root folder (ECMA-119), with the names of Rock Ridge (IEEE P1282) and Joliet.

use alloc::vec::Vec;

use crate::medium::{ReadError, Volume, u16_at, u32_at};
use crate::name::{File, Wanted, trimmed};

/// Where the volume descriptors begin.
const DESCRIPTORS: u64 = 32 * 1024;
/// How many of them are looked at.
const DESCRIPTOR_COUNT: u64 = 16;
const DESCRIPTOR_BYTES: u64 = 2048;
/// How much of the root folder is looked at, in bytes.
const FOLDER_BYTES: u64 = 128 * 1024;

/// A file system.
pub(crate) struct Iso {
    /// As the primary descriptor has it.
    pub label: Vec<u8>,
    block: u64,
    /// The root folder with plain names, and with Rock Ridge's beside them.
    root: File,
    /// The root folder with Joliet's names.
    joliet: Option<File>,
}

impl Iso {
    /// Reads the descriptors; `None` if there are none.
    pub fn open(volume: &mut Volume<'_, '_>) -> Result<Option<Self>, ReadError> {
        const PRIMARY: u8 = 1;
        const SUPPLEMENTARY: u8 = 2;
        const TERMINATOR: u8 = 255;
        let mut iso: Option<Self> = None;
        for index in 0..DESCRIPTOR_COUNT {
            let place = DESCRIPTORS + index * DESCRIPTOR_BYTES;
            let Some(descriptor) = volume.get::<190>(place)? else {
                break;
            };
            if &descriptor[1..6] != b"CD001" {
                break;
            }
            match (descriptor[0], &mut iso) {
                (PRIMARY, None) => iso = Self::read(&descriptor),
                (SUPPLEMENTARY, Some(iso)) if is_joliet(&descriptor) && iso.joliet.is_none() => {
                    iso.joliet = Some(extent(&descriptor[156..], iso.block));
                }
                (TERMINATOR, _) => break,
                _ => {}
            }
        }
        Ok(iso)
    }

    fn read(descriptor: &[u8]) -> Option<Self> {
        let block = u64::from(u16_at(descriptor, 128));
        matches!(block, 512 | 1024 | 2048).then(|| Self {
            label: trimmed(&descriptor[40..72]).to_vec(),
            block,
            root: extent(&descriptor[156..], block),
            joliet: None,
        })
    }

    /// Looks for files in the root folder: by Rock Ridge's names, else by Joliet's, else by the plain ones.
    pub fn find<const N: usize>(
        &self,
        volume: &mut Volume<'_, '_>,
        wanted: [Wanted; N],
    ) -> Result<[Option<File>; N], ReadError> {
        let mut found = [None; N];
        let plain_counts = self.joliet.is_none();
        self.each_record(volume, self.root, |record, file| {
            let is = |wanted: &Wanted| match rock_ridge_name(record) {
                Some(name) => wanted.is(&name),
                None => plain_counts && wanted.is_short(plain_name(record)),
            };
            if let Some(index) = wanted.iter().position(is) {
                found[index].get_or_insert(file);
            }
        })?;
        if let Some(joliet) = self.joliet {
            self.each_record(volume, joliet, |record, file| {
                let name = ucs2(plain_name(record));
                let name = name.split(|&byte| byte == b';').next().unwrap_or(&name);
                if let Some(index) = wanted.iter().position(|wanted| wanted.is(name)) {
                    found[index].get_or_insert(file);
                }
            })?;
        }
        Ok(found)
    }

    /// The first bytes of a file, at most `most`.
    pub fn content(
        &self,
        volume: &mut Volume<'_, '_>,
        file: File,
        most: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let len = file.size.min(most as u64);
        if len > volume.len() {
            return Err(ReadError::Damaged("a file is larger than the disc"));
        }
        let mut bytes = alloc::vec![0; len as usize];
        volume.read(file.start, &mut bytes)?;
        Ok(bytes)
    }

    /// Calls `visit` for the record of each file of a folder (section 9.1).
    fn each_record(
        &self,
        volume: &mut Volume<'_, '_>,
        folder: File,
        mut visit: impl FnMut(&[u8], File),
    ) -> Result<(), ReadError> {
        const FOLDER: u8 = 0x02;
        const IN_PIECES: u8 = 0x80;
        let mut at = 0;
        while at < folder.size.min(FOLDER_BYTES) {
            let mut record = [0; 255];
            let left = self.block - at % self.block;
            let most = left.min(255).min(folder.size - at) as usize;
            volume.read(folder.start + at, &mut record[..most])?;
            let len = usize::from(record[0]);
            if len == 0 {
                // Records do not cross blocks.
                at += left;
                continue;
            }
            let name = usize::from(record[32]);
            if len > most || len < 34 || 33 + name > len {
                return Err(ReadError::Damaged(
                    "an entry of its root folder makes no sense",
                ));
            }
            if record[25] & (FOLDER | IN_PIECES) == 0 {
                visit(&record[..len], extent(&record, self.block));
            }
            at += len as u64;
        }
        Ok(())
    }
}

/// Place and size of a record's file, behind its extended attributes (sections 9.1.2 to 9.1.4).
fn extent(record: &[u8], block: u64) -> File {
    File {
        start: (u64::from(u32_at(record, 2)) + u64::from(record[1])) * block,
        size: u32_at(record, 10).into(),
    }
}

/// Whether the escape sequences name one of Joliet's three levels of UCS-2.
fn is_joliet(descriptor: &[u8]) -> bool {
    [b"%/@", b"%/C", b"%/E"].contains(&descriptor[88..91].try_into().unwrap_or(&[0; 3]))
}

/// The name of a record, as it was checked before.
fn plain_name(record: &[u8]) -> &[u8] {
    &record[33..33 + usize::from(record[32])]
}

/// Rock Ridge's name `NM`, in as many pieces as it has in the record itself (IEEE P1282 section 4.1.4).
fn rock_ridge_name(record: &[u8]) -> Option<Vec<u8>> {
    let mut rest = record.get((33 + usize::from(record[32])).next_multiple_of(2)..)?;
    let mut name: Option<Vec<u8>> = None;
    while let [first, second, len, _, ..] = *rest
        && let Some(field) = rest
            .get(..usize::from(len))
            .filter(|field| field.len() >= 4)
    {
        if [first, second] == *b"NM" {
            (name.get_or_insert_default()).extend_from_slice(field.get(5..).unwrap_or(&[]));
        }
        rest = &rest[field.len()..];
    }
    name
}

/// UCS-2, big-endian; what is not ASCII is no name that is looked for.
fn ucs2(name: &[u8]) -> Vec<u8> {
    let units = name.chunks_exact(2);
    units
        .map(|unit| if unit[0] == 0 { unit[1] } else { 0xff })
        .collect()
}

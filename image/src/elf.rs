//! The kernel without what only a debugger reads.
//!
//! [`strip`] keeps the bytes up to the end of the last segment, where they are, and forgets all sections but the one that is none:
//! the Multiboot2 header stays within the first 32 KiB and the PVH note stays in its segment. [`build_id`] tells which build it is.

use std::ops::Range;

use crate::Error;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
/// `PT_LOAD` of the ELF specification.
const LOAD: u32 = 1;
/// `PT_NOTE` of the ELF specification.
const NOTE: u32 = 4;
/// The type of the note with the build ID, of `elf.h`.
const BUILD_ID: u32 = 3;
/// How much of the build ID the console shows.
const SHOWN: usize = 8;
/// `EM_X86_64`.
const X86_64: u16 = 62;
/// How far into the file a loader looks for the Multiboot2 header (Multiboot2 specification, 3.1.1).
const MULTIBOOT_LIMIT: usize = 32 * 1024;
/// The Multiboot2 header's magic number.
const MULTIBOOT_MAGIC: [u8; 4] = 0xe852_50d6_u32.to_le_bytes();

/// The kernel's ELF file without sections and symbols.
///
/// # Errors
/// What keeps a boot loader from loading it.
pub fn strip(elf: &[u8]) -> Result<Vec<u8>, Error> {
    let (table_end, segments) = segments(elf)?;
    if !segments.iter().any(|segment| segment.kind == LOAD) {
        return Err(wrong("it has nothing to load"));
    }
    let ends = segments.iter().map(|segment| segment.bytes.end);
    let end = ends.fold(table_end, usize::max);

    let mut stripped = elf
        .get(..end)
        .ok_or(wrong("its segments are cut off"))?
        .to_vec();
    leave_the_null_section(&mut stripped);
    let searched = &stripped[..stripped.len().min(MULTIBOOT_LIMIT)];
    if !searched
        .chunks_exact(8)
        .any(|chunk| chunk.starts_with(&MULTIBOOT_MAGIC))
    {
        return Err(wrong("it has no Multiboot2 header in its first 32 KiB"));
    }
    Ok(stripped)
}

/// Puts a table behind the file that has nothing but the entry for no section: GRUB 2.12 refuses a kernel without a table.
fn leave_the_null_section(elf: &mut Vec<u8>) {
    let table = elf.len().next_multiple_of(8);
    elf.resize(table + SECTION_HEADER, 0);
    elf[40..48].copy_from_slice(&(table as u64).to_le_bytes()); // e_shoff
    elf[58..60].copy_from_slice(&(SECTION_HEADER as u16).to_le_bytes()); // e_shentsize
    elf[60..62].copy_from_slice(&1_u16.to_le_bytes()); // e_shnum
    elf[62..64].fill(0); // e_shstrndx
}

/// The first digits of the build ID, the linker's hash of the whole file, as the console shows them.
///
/// # Errors
/// When it has none.
pub fn build_id(elf: &[u8]) -> Result<String, Error> {
    let (_, segments) = segments(elf)?;
    let notes = segments.into_iter().filter(|segment| segment.kind == NOTE);
    let mut notes = notes.filter_map(|segment| elf.get(segment.bytes));
    let hash = notes
        .find_map(gnu_build_id)
        .ok_or(wrong("it has no build ID"))?;
    Ok(hash[..SHOWN].iter().map(|b| format!("{b:02x}")).collect())
}

/// The build ID among notes: each has the lengths of its name and its contents, its type, and both padded to words.
fn gnu_build_id(mut notes: &[u8]) -> Option<&[u8]> {
    while let Some((head, rest)) = notes.split_at_checked(12) {
        let [name_len, len] = [0, 4].map(|at| word(head, at) as usize);
        let (name, rest) = rest.split_at_checked(name_len.next_multiple_of(4))?;
        let (contents, rest) = rest.split_at_checked(len.next_multiple_of(4))?;
        if name == b"GNU\0" && word(head, 8) == BUILD_ID && len >= SHOWN {
            return Some(&contents[..len]);
        }
        notes = rest;
    }
    None
}

/// A part of the file that has a meaning.
struct Segment {
    kind: u32,
    bytes: Range<usize>,
}

/// Where the list of segments ends, and the segments; they may lie outside of the file.
fn segments(elf: &[u8]) -> Result<(usize, Vec<Segment>), Error> {
    let header = elf.get(..HEADER).ok_or(wrong("it is too short"))?;
    if header[..6] != *b"\x7fELF\x02\x01" || half(header, 18) != X86_64 {
        return Err(wrong("it is no ELF file for x86-64"));
    }
    let table = usize::try_from(long(header, 32)).map_err(|_| wrong("its header is broken"))?;
    let count = usize::from(half(header, 56));
    if usize::from(half(header, 54)) != PROGRAM_HEADER {
        return Err(wrong("its header is broken"));
    }
    let segment = |index| {
        let at = table.saturating_add(index * PROGRAM_HEADER);
        let entry = elf
            .get(at..at.saturating_add(PROGRAM_HEADER))
            .ok_or(wrong("its program headers are cut off"))?;
        let last = long(entry, 8).saturating_add(long(entry, 32));
        let [start, end] = [long(entry, 8), last].map(usize::try_from);
        match (start, end) {
            (Ok(start), Ok(end)) => Ok(Segment {
                kind: word(entry, 0),
                bytes: start..end,
            }),
            _ => Err(wrong("a segment is too large")),
        }
    };
    let segments = (0..count).map(segment).collect::<Result<_, _>>()?;
    Ok((table.saturating_add(count * PROGRAM_HEADER), segments))
}

fn wrong(why: &'static str) -> Error {
    Error::Kernel { why }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with one segment of `size` bytes at 0x1000, a Multiboot2 header there, and sections behind it.
    fn elf(size: usize) -> Vec<u8> {
        let mut elf = vec![0; 0x1000];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18..20].copy_from_slice(&X86_64.to_le_bytes());
        elf[32..40].copy_from_slice(&64_u64.to_le_bytes());
        elf[40..48].copy_from_slice(&(0x1000 + size as u64).to_le_bytes());
        elf[54..56].copy_from_slice(&56_u16.to_le_bytes());
        elf[56..58].copy_from_slice(&1_u16.to_le_bytes());
        elf[60..62].copy_from_slice(&3_u16.to_le_bytes());
        elf[64..68].copy_from_slice(&LOAD.to_le_bytes());
        elf[72..80].copy_from_slice(&0x1000_u64.to_le_bytes());
        elf[96..104].copy_from_slice(&(size as u64).to_le_bytes());
        elf.extend(MULTIBOOT_MAGIC);
        elf.resize(0x1000 + size, 7);
        elf.extend(b"the symbols");
        elf
    }

    #[test]
    fn what_is_loaded_stays_and_the_rest_goes() {
        let whole = elf(100);
        let stripped = strip(&whole).expect("it can be booted");
        assert_eq!(stripped[0x1000..0x1064], whole[0x1000..0x1064]);
        // Behind it the entry for no section, on the next multiple of eight, and nothing else.
        assert_eq!(stripped[0x1064..], [0; 4 + 64]);
        assert_eq!(long(&stripped, 40), 0x1068);
        assert_eq!([58, 60, 62].map(|at| half(&stripped, at)), [64, 1, 0]);
        assert_eq!(strip(&stripped).expect("it still can"), stripped);
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes() {
        let mut elf = elf(100);
        elf[64..68].copy_from_slice(&NOTE.to_le_bytes());
        assert!(build_id(&elf).is_err(), "sevens are no note");
        let note = [4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0];
        elf[0x1000..0x100c].copy_from_slice(&note);
        elf[0x100c..0x1014].copy_from_slice(b"Xen\0\x50\0\x10\0");
        let note = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0];
        elf[0x1014..0x1020].copy_from_slice(&note);
        elf[0x1020..0x1026].copy_from_slice(b"GNU\0\x0a\xff");
        assert_eq!(build_id(&elf).expect("one"), "0aff070707070707");
        elf[0x1018] = 4;
        assert!(build_id(&elf).is_err(), "too short to tell builds apart");
        elf[0x1018..0x101c].fill(0xff);
        assert!(build_id(&elf).is_err(), "cut off");
    }

    #[test]
    fn what_cannot_be_booted_is_refused() {
        let whole = elf(100);
        let cut = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut elf = whole.clone();
            change(&mut elf);
            strip(&elf).map(drop).map_err(|error| error.to_string())
        };
        for (change, said) in [
            (
                &(|elf: &mut Vec<u8>| elf.truncate(40)) as &dyn Fn(&mut Vec<u8>),
                "too short",
            ),
            (&|elf| elf[0] = 0, "no ELF file"),
            (&|elf| elf[18] = 3, "no ELF file"),
            (&|elf| elf[32..40].fill(0xff), "cut off"),
            (&|elf| elf.truncate(0x1010), "cut off"),
            (&|elf| elf[96..104].fill(0xff), "cut off"),
            (&|elf| elf[64] = 2, "nothing to load"),
            (&|elf| elf[0x1000] = 0, "Multiboot2"),
        ] {
            let error = cut(change).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
    }
}

//! The kernel without what only a debugger reads.
//!
//! [`strip`] keeps the bytes up to the end of the last segment, where they are, and forgets the sections: the Multiboot2 header
//! stays within the first 32 KiB and the PVH note stays in its segment.

use crate::Error;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
/// `PT_LOAD` of the ELF specification.
const LOAD: u32 = 1;
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
    let header = elf.get(..HEADER).ok_or(wrong("it is too short"))?;
    if header[..6] != *b"\x7fELF\x02\x01" || half(header, 18) != X86_64 {
        return Err(wrong("it is no ELF file for x86-64"));
    }
    let table = usize::try_from(long(header, 32)).map_err(|_| wrong("its header is broken"))?;
    let count = usize::from(half(header, 56));
    if usize::from(half(header, 54)) != PROGRAM_HEADER {
        return Err(wrong("its header is broken"));
    }

    let mut end = table.saturating_add(count * PROGRAM_HEADER);
    let mut loads = 0;
    for index in 0..count {
        let at = table.saturating_add(index * PROGRAM_HEADER);
        let entry = elf
            .get(at..at.saturating_add(PROGRAM_HEADER))
            .ok_or(wrong("its program headers are cut off"))?;
        let last = long(entry, 8).saturating_add(long(entry, 32));
        let last = usize::try_from(last).map_err(|_| wrong("a segment is too large"))?;
        end = end.max(last);
        loads += usize::from(word(entry, 0) == LOAD);
    }
    if loads == 0 {
        return Err(wrong("it has nothing to load"));
    }

    let mut stripped = elf
        .get(..end)
        .ok_or(wrong("its segments are cut off"))?
        .to_vec();
    stripped[40..48].fill(0); // e_shoff
    stripped[60..64].fill(0); // e_shnum, e_shstrndx
    let searched = &stripped[..stripped.len().min(MULTIBOOT_LIMIT)];
    if !searched
        .chunks_exact(8)
        .any(|chunk| chunk.starts_with(&MULTIBOOT_MAGIC))
    {
        return Err(wrong("it has no Multiboot2 header in its first 32 KiB"));
    }
    Ok(stripped)
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
        assert_eq!(stripped.len(), 0x1000 + 100);
        assert_eq!(stripped[0x1000..], whole[0x1000..0x1000 + 100]);
        assert_eq!(stripped[40..48], [0; 8]);
        assert_eq!(stripped[60..64], [0; 4]);
        assert_eq!(strip(&stripped).expect("it still can"), stripped);
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

//! What the audit of the kernel's ELF looks at.
//!
//! * [`Audit`]: one file, read, with one question a method. Each answers with a list of
//!   what is wrong, empty where all is well.

use std::fs;
use std::path::Path;

use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, Mnemonic, NasmFormatter, Register,
};
use object::elf::{ET_EXEC, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, SHF_EXECINSTR};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{
    Endianness, Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionFlags, SegmentFlags,
};

/// Xen's note type for the 32-bit entry point that PVH begins at.
const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;

/// What a freestanding program has no business to contain: each asks an operating system for something.
const SYSTEM_CALLS: [Mnemonic; 4] = [
    Mnemonic::Syscall,
    Mnemonic::Sysenter,
    Mnemonic::Sysexit,
    Mnemonic::Sysret,
];

/// An ELF file and its bytes.
pub struct Audit {
    bytes: Vec<u8>,
}

impl Audit {
    /// Reads a file.
    ///
    /// # Panics
    /// When it cannot be read or is no 64-bit ELF.
    pub fn read(path: &Path) -> Audit {
        let bytes = fs::read(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let audit = Audit { bytes };
        assert_eq!(audit.file().architecture(), object::Architecture::X86_64);
        audit
    }

    fn file(&self) -> ElfFile64<'_, Endianness> {
        ElfFile64::parse(&*self.bytes).expect("the linker wrote a valid ELF")
    }

    /// What would need a loader: an interpreter, a dynamic table, another type than `EXEC`.
    pub fn needs_of_a_loader(&self) -> Vec<String> {
        let file = self.file();
        let endian = file.endian();
        let mut wrong = Vec::new();
        let kind = file.elf_header().e_type(endian);
        if kind != ET_EXEC {
            wrong.push(format!("its type is {kind:?}, not EXEC"));
        }
        for header in file.elf_program_headers() {
            let kind = header.p_type(endian);
            if kind == PT_INTERP || kind == PT_DYNAMIC {
                wrong.push(format!("program header of type {kind:?}"));
            }
        }
        wrong
    }

    /// Relocations that were left for later.
    pub fn relocations(&self) -> Vec<String> {
        let file = self.file();
        let dynamic = file.dynamic_relocations().into_iter().flatten();
        let of_sections = file.sections().flat_map(|section| {
            let name = section.name().unwrap_or("?").to_owned();
            section
                .relocations()
                .map(move |(at, _)| (name.clone(), at))
                .collect::<Vec<_>>()
        });
        dynamic
            .map(|(at, _)| format!("dynamic relocation at {at:#x}"))
            .chain(of_sections.map(|(name, at)| format!("relocation in {name} at {at:#x}")))
            .collect()
    }

    /// Symbols that nothing defines.
    pub fn undefined_symbols(&self) -> Vec<String> {
        let file = self.file();
        file.symbols()
            .chain(file.dynamic_symbols())
            .filter(|symbol| symbol.is_undefined() && symbol.index().0 != 0)
            .map(|symbol| symbol.name().unwrap_or("?").to_owned())
            .collect()
    }

    /// Segments that can be both written and executed, and executable sections outside of an executable segment
    /// or the other way round.
    pub fn loose_permissions(&self) -> Vec<String> {
        let file = self.file();
        let mut wrong = Vec::new();
        for segment in file.segments() {
            let SegmentFlags::Elf { p_flags } = segment.flags() else {
                unreachable!("an ELF has ELF's flags")
            };
            let (start, end) = (segment.address(), segment.address() + segment.size());
            let (writable, executable) = (p_flags & PF_W != 0, p_flags & PF_X != 0);
            if p_flags & PF_R == 0 || (writable && executable) {
                wrong.push(format!(
                    "segment {start:#x} to {end:#x} has flags {p_flags:#x}"
                ));
            }
            for section in file.sections() {
                let SectionFlags::Elf { sh_flags } = section.flags() else {
                    unreachable!("an ELF has ELF's flags")
                };
                let inside = (start..end).contains(&section.address()) && section.size() > 0;
                let code = sh_flags & u64::from(SHF_EXECINSTR) != 0;
                if inside && code && !executable {
                    wrong.push(format!(
                        "{} is code in a segment of data",
                        section.name().unwrap_or("?")
                    ));
                }
            }
        }
        wrong
    }

    /// Pages that belong to segments of different permissions.
    pub fn shared_pages(&self) -> Vec<String> {
        let file = self.file();
        let endian = file.endian();
        let mut pages: Vec<(u64, u64, u32)> = file
            .elf_program_headers()
            .iter()
            .filter(|header| header.p_type(endian) == PT_LOAD)
            .map(|header| {
                let start = header.p_vaddr(endian);
                (
                    start / 4096,
                    (start + header.p_memsz(endian)).div_ceil(4096),
                    header.p_flags(endian),
                )
            })
            .collect();
        pages.sort_unstable();
        pages
            .windows(2)
            .filter(|pair| pair[0].1 > pair[1].0 && pair[0].2 != pair[1].2)
            .map(|pair| format!("the page {:#x} belongs to two segments", pair[1].0 * 4096))
            .collect()
    }

    /// Where PVH enters: the value of the note, if there is one.
    pub fn pvh_entry(&self) -> Option<u32> {
        let file = self.file();
        let endian = file.endian();
        for header in file.elf_program_headers() {
            let Ok(Some(mut notes)) = header.notes(endian, &*self.bytes) else {
                continue;
            };
            while let Ok(Some(note)) = notes.next() {
                if note.name() == b"Xen" && note.n_type(endian) == XEN_ELFNOTE_PHYS32_ENTRY {
                    return note
                        .desc()
                        .first_chunk()
                        .map(|bytes| u32::from_le_bytes(*bytes));
                }
            }
        }
        None
    }

    /// Whether an address lies in a section of code.
    pub fn is_code(&self, address: u32) -> bool {
        self.code()
            .any(|(start, bytes)| (start..start + bytes.len() as u64).contains(&u64::from(address)))
    }

    /// Instructions by which a program asks an operating system for something.
    ///
    /// Each section of code is decoded from its start, so bytes that merely look like one
    /// inside of a longer instruction do not count.
    pub fn system_calls(&self) -> Vec<String> {
        self.instructions(|instruction| SYSTEM_CALLS.contains(&instruction.mnemonic()))
    }

    /// Barriers that QEMU does not emulate as such for a single processor: locked instructions that change nothing
    /// on the stack, which the compiler makes of `fence(SeqCst)`.
    pub fn weak_barriers(&self) -> Vec<String> {
        self.instructions(is_weak_barrier)
    }

    /// Barriers that are one everywhere.
    pub fn barriers(&self) -> Vec<String> {
        self.instructions(|instruction| instruction.mnemonic() == Mnemonic::Mfence)
    }

    fn instructions(&self, wanted: impl Fn(&Instruction) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (start, bytes) in self.code() {
            found.extend(instructions_in(start, bytes, &wanted));
        }
        found
    }

    /// The sum of the sizes of all code.
    pub fn code_bytes(&self) -> usize {
        self.code().map(|(_, bytes)| bytes.len()).sum()
    }

    fn code(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let file = self.file();
        let sections: Vec<(u64, &[u8])> = file
            .sections()
            .filter(|section| section.kind() == object::SectionKind::Text)
            .map(|section| {
                (
                    section.address(),
                    section.data().expect("sections lie inside the file"),
                )
            })
            .collect();
        sections.into_iter()
    }
}

fn is_weak_barrier(instruction: &Instruction) -> bool {
    let on_stack = matches!(instruction.memory_base(), Register::RSP | Register::RBP);
    instruction.has_lock_prefix() && on_stack && instruction.mnemonic() == Mnemonic::Or
}

fn instructions_in(start: u64, bytes: &[u8], wanted: impl Fn(&Instruction) -> bool) -> Vec<String> {
    let mut decoder = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut formatter = NasmFormatter::new();
    let mut found = Vec::new();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if wanted(&instruction) {
            let mut text = String::new();
            formatter.format(&instruction, &mut text);
            found.push(format!("{:#x}: {text}", instruction.ip()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system_calls_in(start: u64, bytes: &[u8]) -> Vec<String> {
        instructions_in(start, bytes, |it| SYSTEM_CALLS.contains(&it.mnemonic()))
    }

    #[test]
    fn a_locked_instruction_that_changes_nothing_is_a_weak_barrier() {
        // lock or dword [rsp-0x40], 0; mfence; lock or dword [rdi], 1
        let code = [
            0xf0, 0x83, 0x4c, 0x24, 0xc0, 0, 0x0f, 0xae, 0xf0, 0xf0, 0x83, 0x0f, 1,
        ];
        let found = instructions_in(0, &code, is_weak_barrier);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("0x0: lock or"), "{found:?}");
    }

    #[test]
    fn a_system_call_is_found_between_other_instructions() {
        // mov eax, 60; syscall; ret
        let code = [0xb8, 60, 0, 0, 0, 0x0f, 0x05, 0xc3];
        assert_eq!(system_calls_in(0x1000, &code), ["0x1005: syscall"]);
    }

    #[test]
    fn the_same_bytes_inside_an_instruction_are_none() {
        // mov eax, 0x050f; ret
        assert!(system_calls_in(0, &[0xb8, 0x0f, 0x05, 0, 0, 0xc3]).is_empty());
    }

    #[test]
    fn a_program_of_linux_fails_the_audit() {
        let audit = Audit::read(&std::env::current_exe().expect("a test is a file"));
        assert!(!audit.needs_of_a_loader().is_empty());
        assert!(!audit.relocations().is_empty());
        assert!(!audit.undefined_symbols().is_empty());
        assert_eq!(audit.pvh_entry(), None);
    }
}

//! Names for the addresses in a fault report.

use std::path::{Path, PathBuf};

use addr2line::Loader;

use crate::Error;

/// How the kernel's reports begin.
const REPORTS: [&str; 2] = ["sekisho: fault: ", "sekisho: panic: "];
/// What stands before an address of the program's text in them.
const MARKS: [&str; 2] = [" at 0x", "caller 0x"];

/// How many inlined functions are named.
const DEPTH: usize = 3;

/// The functions and source lines of a kernel's ELF, which must not be stripped.
///
/// Fault reports are rare: the file is read again for each address, and nothing is kept.
pub struct Symbols {
    kernel: PathBuf,
}

impl Symbols {
    /// Reads an ELF.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(kernel: &Path) -> Result<Self, Error> {
        let kernel = PathBuf::from(kernel);
        match Loader::new(&kernel) {
            Ok(_) => Ok(Self { kernel }),
            Err(why) => Err(Error::Kernel {
                path: kernel,
                why: why.to_string(),
            }),
        }
    }

    /// The function that an address lies in and where it is written, innermost first where functions were inlined.
    #[must_use]
    pub fn name(&self, address: u64) -> Option<String> {
        let loader = Loader::new(&self.kernel).ok()?;
        let mut names = Vec::new();
        let is_library = |file: &str| {
            ["/core/src/", "/alloc/src/"]
                .iter()
                .any(|l| file.contains(l))
        };
        if let Ok(mut frames) = loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let function = frame.function.as_ref()?.demangle().ok()?.into_owned();
                let place = frame.location.and_then(|at| Some((at.file?, at.line?)));
                // How the standard library's functions lie in each other says nothing.
                if place.is_some_and(|(file, _)| is_library(file)) || names.len() == DEPTH {
                    continue;
                }
                names.push(match place {
                    Some((file, line)) => format!("{} ({}:{line})", plain(&function), short(file)),
                    None => plain(&function).to_owned(),
                });
            }
        }
        if names.is_empty() {
            let symbol = loader.find_symbol(address)?;
            names.push(plain(&addr2line::demangle_auto(symbol.into(), None)).to_owned());
        }
        Some(names.join(", in "))
    }

    /// Adds the name to a line of a fault report; `None` for all other lines.
    #[must_use]
    pub fn annotate(&self, line: &str) -> Option<String> {
        if !REPORTS.iter().any(|report| line.starts_with(report)) {
            return None;
        }
        let digits = MARKS.iter().find_map(|mark| line.split(mark).nth(1))?;
        let end = digits.find(|c: char| !c.is_ascii_hexdigit());
        let address = u64::from_str_radix(&digits[..end.unwrap_or(digits.len())], 16).ok()?;
        // A caller's address is that of the instruction after the call, which may be another function's.
        let address = if line.contains("caller") {
            address.checked_sub(1)?
        } else {
            address
        };
        Some(format!("{line}  {}", self.name(address)?))
    }
}

/// A name without the compiler's hash.
fn plain(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((plain, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            plain
        }
        _ => name,
    }
}

/// A path from the crate's folder on.
fn short(file: &str) -> &str {
    let crates = file.rfind("/src/").and_then(|at| file[..at].rfind('/'));
    crates.map_or(file, |at| &file[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This very program, which has symbols.
    fn own() -> Symbols {
        Symbols::load(&std::env::current_exe().expect("a path")).expect("an ELF")
    }

    #[inline(never)]
    fn landmark() -> u64 {
        std::hint::black_box(landmark as *const () as u64)
    }

    #[test]
    fn a_hash_is_no_part_of_a_name() {
        assert_eq!(plain("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(plain("a::hb"), "a::hb");
    }

    #[test]
    fn a_path_begins_with_its_crate() {
        assert_eq!(
            short("/home/x/kernel/engine/src/nat/ports.rs"),
            "engine/src/nat/ports.rs"
        );
        assert_eq!(short("main.rs"), "main.rs");
    }

    #[test]
    fn only_reports_are_annotated() {
        let symbols = own();
        assert_eq!(symbols.annotate("sekisho: ready after 3 ms"), None);
        assert_eq!(
            symbols.annotate("sekisho: fault: rax 0x0000000000001000"),
            None
        );
        assert_eq!(
            symbols.annotate("sekisho: fault: caller 0x7fffffffffff"),
            None,
            "no such function"
        );
    }

    /// Where this program was loaded, which its symbols do not know.
    fn base() -> u64 {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let own = std::env::current_exe().expect("a path");
        let first = maps
            .lines()
            .find(|line| line.ends_with(&*own.to_string_lossy()));
        let start = first.and_then(|line| line.split('-').next());
        u64::from_str_radix(start.expect("a mapping"), 16).expect("hexadecimal digits")
    }

    #[test]
    fn an_address_in_a_report_gets_the_name_of_its_function() {
        let address = landmark() - base();
        let fault = format!("sekisho: fault: page fault at {address:#x}, address 0x0");
        let named = own().annotate(&fault).expect("a name");
        assert!(named.starts_with(&fault), "{named}");
        assert!(named.contains("landmark (qemu/src/symbols.rs:"), "{named}");
        let caller = format!("sekisho: panic: caller {:#x}", address + 1);
        let named = own().annotate(&caller).expect("a name");
        assert!(named.contains("landmark"), "{named}");
    }
}

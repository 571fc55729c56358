//! Which build this is: the build ID, the linker's hash of the whole file.
//!
//! The note is as long as the linker script says: three words, `GNU`, twenty bytes.

use core::fmt;

unsafe extern "C" {
    static __build_note: [u8; 36];
}

/// Where the hash begins in its note.
const HASH: usize = 16;
/// How much of it people see: enough to tell any two builds apart.
const SHOWN: usize = 8;

/// Prints the first 16 digits of the build ID.
#[derive(Clone, Copy, Debug)]
pub struct BuildId;

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: constant bytes between the linker's symbols, whose distance the linker script asserts.
        let note = unsafe { &__build_note };
        let mut shown = note[HASH..HASH + SHOWN].iter();
        shown.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

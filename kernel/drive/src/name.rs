//! Files and their names, as file systems spell them.

/// A file that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name.
    pub name: &'static str,
    /// What is left of it where names are short, without a version: ISO 9660 levels 1 and 2, FAT without long names.
    short: &'static [&'static str],
}

/// A file that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its first cluster on FAT, its first byte on ISO 9660.
    pub start: u64,
    /// Bytes of it.
    pub size: u64,
}

/// The configuration.
pub(crate) const CONFIG: Wanted = Wanted {
    name: "sekisho.toml",
    short: &["sekisho.toml", "sekisho.tom"],
};

/// cloud-init's file, which may be one.
pub(crate) const USER_DATA: Wanted = Wanted {
    name: "user-data",
    short: &["user-data", "user_data", "user-dat", "user_dat"],
};

impl Wanted {
    /// Whether a long name is its name, in any case.
    pub fn is(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name.as_bytes())
    }

    /// Whether a name that may have been shortened is its name: `SEKISHO.TOM;1`, `USER_DAT.;1`.
    pub fn is_short(&self, name: &[u8]) -> bool {
        let name = name.split(|&byte| byte == b';').next().unwrap_or(name);
        let name = name.strip_suffix(b".").unwrap_or(name);
        (self.short.iter()).any(|short| name.eq_ignore_ascii_case(short.as_bytes()))
    }
}

/// A fixed field without the blanks and zero bytes at its end.
pub(crate) fn trimmed(field: &[u8]) -> &[u8] {
    let end = field.iter().rposition(|byte| !matches!(byte, b' ' | 0));
    &field[..end.map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling_that_tools_give_them() {
        assert!(CONFIG.is(b"sekisho.toml") && CONFIG.is(b"Sekisho.TOML"));
        for short in [
            "SEKISHO.TOM;1",
            "SEKISHO.TOML;1",
            "sekisho.tom",
            "SEKISHO.TOML",
        ] {
            assert!(CONFIG.is_short(short.as_bytes()), "{short}");
        }
        for short in [
            "USER_DAT.;1",
            "USER_DAT;1",
            "USER_DATA.;1",
            "USER-DATA",
            "USER-DAT",
        ] {
            assert!(USER_DATA.is_short(short.as_bytes()), "{short}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for other in ["sekisho.toml2", "sekisho", "", "sekisho.tom"] {
            assert!(!CONFIG.is(other.as_bytes()), "{other}");
        }
        for other in ["", ";1", ".", "SEKISHO.TO;1", "META_DAT.;1"] {
            assert!(!CONFIG.is_short(other.as_bytes()), "{other}");
            assert!(!USER_DATA.is_short(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn fields_end_at_their_last_character() {
        assert_eq!(trimmed(b"cidata     "), b"cidata");
        assert_eq!(trimmed(b"a b\0\0"), b"a b");
        assert_eq!(trimmed(b"   \0"), b"");
    }
}

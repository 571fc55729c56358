//! Names of zones, sets, services, rules and forwards.

use alloc::format;

use crate::excerpt::quoted;
use crate::findings::Fault;

/// The most characters of a name.
pub(crate) const LONGEST: usize = 32;

/// What the language itself uses, and so no zone can be called.
const RESERVED: [&str; 2] = ["self", "any"];

/// Checks `[a-z][a-z0-9-]*`, at most [`LONGEST`] characters.
pub(crate) fn parse(text: &str) -> Result<&str, Fault> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !first || !rest {
        return Err(Fault::new(format!("{} is not a name", quoted(text)))
            .help("a name starts with a letter a-z and goes on with a-z, 0-9 and `-`"));
    }
    if text.len() > LONGEST {
        return Err(Fault::new(format!("{} is too long a name", quoted(text)))
            .help(format!("a name has at most {LONGEST} characters")));
    }
    Ok(text)
}

/// Checks the name of a zone.
pub(crate) fn parse_zone(text: &str) -> Result<&str, Fault> {
    if RESERVED.contains(&text) {
        return Err(
            Fault::new(format!("a zone cannot be called {}", quoted(text)))
                .help("rules use `self` for the firewall itself; choose another name"),
        );
    }
    parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_with_digits_and_hyphens() {
        for good in ["a", "wan", "dmz-2", "x--", "a1"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "2nd", "-x", "a_b", "a.b", "ä", "a b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"a".repeat(LONGEST)).is_ok());
        assert!(parse(&"a".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn the_words_of_the_language_name_no_zone() {
        assert!(parse_zone("self").is_err());
        assert!(parse_zone("any").is_err());
        assert!(parse_zone("lan").is_ok());
    }
}

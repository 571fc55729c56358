//! From the bytes of a boot module to text: what is wrong with a file before
//! anybody looks at its meaning.

use alloc::format;
use alloc::string::String;

use crate::diagnostic::Report;
use crate::excerpt::locate;
use crate::span::Span;

/// The largest configuration, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// What the console says when there is no configuration at all.
pub const NO_CONFIGURATION: &str = "\
there is no configuration, so nothing is forwarded
help: give the firewall one TOML file at boot, in one of these ways
      QEMU and other monitors:  -initrd FILE
      QEMU's fw_cfg:            -fw_cfg name=opt/org.sekisho/config,file=FILE
      GRUB:                     module2 /FILE
      a drive or disc:          sekisho.toml on FAT or ISO 9660 with the label SEKISHO or cidata
      `sekisho init` writes a starting file, `sekisho check FILE` looks it over";

/// What a file that holds nothing is told.
const HOW_TO_START: &str = "write a starting file with `sekisho init`, \
    and see whether the file that was given is the one that was meant";

/// The UTF-8 byte order mark, which some editors put first.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a configuration, without a byte order mark.
pub(crate) fn text_of(bytes: &[u8]) -> Result<&str, Report> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large(bytes.len()));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Report::single(
            "the configuration is UTF-16, but it has to be UTF-8".into(),
            None,
            "save the file as UTF-8".into(),
        ));
    }
    let text = core::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if let Some(at) = text.find('\0') {
        return Err(zero_byte(text, at));
    }
    if says_nothing(text) {
        return Err(Report::single(
            "the configuration is empty".into(),
            None,
            HOW_TO_START.into(),
        ));
    }
    Ok(text)
}

fn says_nothing(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#'))
}

fn too_large(length: usize) -> Report {
    Report::single(
        format!("the configuration has {length} bytes, the most is {MAX_BYTES}"),
        None,
        "put addresses into a [set], several values into one rule; \
         and see whether the file that was given is the one that was meant"
            .into(),
    )
}

fn not_utf8(bytes: &[u8], at: usize) -> Report {
    let byte = bytes.get(at).copied().unwrap_or_default();
    // Each bad sequence becomes one character, so what lies before it keeps its place.
    let text = String::from_utf8_lossy(bytes);
    let width = char::REPLACEMENT_CHARACTER.len_utf8();
    Report::single(
        format!("byte {at} (0x{byte:02x}) is not UTF-8"),
        Some(locate(&text, Span::new(at, at.saturating_add(width)))),
        "save the file as UTF-8; if it is no text at all, another file was given than meant".into(),
    )
}

fn zero_byte(text: &str, at: usize) -> Report {
    Report::single(
        format!("byte {at} is a zero byte, which no text has"),
        Some(locate(text, Span::new(at, at + 1))),
        "the file is damaged, or is no configuration: write it anew".into(),
    )
}

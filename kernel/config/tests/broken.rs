//! Broken configurations, each refused with a place and a reason.
//!
//! `tests/broken` holds one file for each mistake. Its first lines say what has
//! to be found: `# expect: LINE:COLUMN words of the message`, all and no others.
//! What cannot be a file of text is made here.

use std::path::Path;

use sekisho_config::{MAX_BYTES, Report, TEMPLATE, parse};

fn refused(bytes: &[u8]) -> Report {
    match parse(bytes) {
        Ok(config) => panic!("this was accepted: {config:#?}"),
        Err(report) => report,
    }
}

/// The errors as `LINE:COLUMN message`; `file` for those about no line.
fn errors(report: &Report) -> Vec<String> {
    let lines = report
        .diagnostics()
        .iter()
        .map(|error| match &error.position {
            Some(place) => format!("{}:{} {}", place.line, place.column, error.message),
            None => format!("file {}", error.message),
        });
    lines.collect()
}

#[test]
fn every_broken_file_is_refused_for_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/broken");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    assert!(files.len() > 100, "only {} files", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("the file can be read");
        let expected: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# expect: "))
            .collect();
        let found = errors(&refused(text.as_bytes()));
        if expected != found {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            wrong.push(format!(
                "{name}\n  expected {expected:#?}\n  found {found:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_error_says_what_to_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/broken");
    let mut without = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        let report = refused(&std::fs::read(path).expect("the file can be read"));
        let helpless = report
            .diagnostics()
            .iter()
            .filter(|found| found.help.is_none());
        without.extend(helpless.map(|found| found.message.clone()));
    }
    assert!(without.is_empty(), "{without:#?}");
}

/// The one error of a file, as `LINE:COLUMN message`.
fn only_error(bytes: &[u8]) -> String {
    let found = errors(&refused(bytes));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.concat()
}

#[test]
fn a_file_that_says_nothing_is_empty() {
    for nothing in [
        "",
        "\n\n",
        "  \r\n\t",
        "# only a comment\n# and another",
        "\u{feff}",
    ] {
        let error = only_error(nothing.as_bytes());
        assert_eq!(error, "file the configuration is empty", "{nothing:?}");
    }
}

#[test]
fn a_file_above_256_kib_is_refused_by_its_size() {
    let padding = "#".repeat(MAX_BYTES - TEMPLATE.len() - 1);
    let largest = format!("{TEMPLATE}{padding}\n");
    assert_eq!(largest.len(), MAX_BYTES);
    assert!(parse(largest.as_bytes()).is_ok());
    let error = only_error(format!("{largest}\n").as_bytes());
    assert_eq!(
        error,
        "file the configuration has 262145 bytes, the most is 262144"
    );
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_place() {
    let latin = b"version = 1\n# f\xfcr alle\n";
    assert_eq!(only_error(latin), "2:4 byte 15 (0xfc) is not UTF-8");
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00";
    assert_eq!(only_error(gzip), "1:2 byte 1 (0x8b) is not UTF-8");
    let cut = "# ende mit \u{e4}".as_bytes();
    let cut = &cut[..cut.len() - 1];
    assert_eq!(only_error(cut), "1:12 byte 11 (0xc3) is not UTF-8");
}

#[test]
fn zero_bytes_are_named_with_their_place() {
    let padded = [TEMPLATE.as_bytes(), &[0; 512]].concat();
    let lines = TEMPLATE.lines().count();
    let expected = format!(
        "{}:1 byte {} is a zero byte, which no text has",
        lines + 1,
        TEMPLATE.len()
    );
    assert_eq!(only_error(&padded), expected);
}

#[test]
fn utf_16_is_recognised() {
    let units = TEMPLATE.encode_utf16();
    let bytes: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(units.flat_map(u16::to_le_bytes))
        .collect();
    assert_eq!(
        only_error(&bytes),
        "file the configuration is UTF-16, but it has to be UTF-8"
    );
}

#[test]
fn a_thousand_errors_are_listed_up_to_a_bound() {
    let rules = "{ colour = 1, action = \"drop\" },\n".repeat(1000);
    let text =
        format!("version = 1\nrule = [\n{rules}]\n[zone.wan]\nslot = 0\naddress = \"dhcp\"\n");
    let report = refused(text.as_bytes());
    assert_eq!(report.errors(), 1000);
    assert_eq!(report.diagnostics().len(), 20);
    let shown = report.to_string();
    assert!(shown.contains("(and 980 more)"), "{shown}");
    assert!(shown.len() < 10_000, "{} bytes", shown.len());
}

#[test]
fn what_an_error_shows_cannot_steer_a_terminal() {
    let text = "version = 1\n[zone.\"\\u001b[2J\"]\n# \u{1b}[31m\n";
    for text in [text, "version = \u{1b}[2J", "a\u{202e} = 1\n\u{9b}2J = 1"] {
        let shown = refused(text.as_bytes()).to_string();
        let plain = |character: char| character == '\n' || !character.is_control();
        assert!(shown.chars().all(plain), "{shown:?}");
        assert!(!shown.contains('\u{202e}'), "{shown:?}");
    }
}

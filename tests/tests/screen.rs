//! The console on a screen.

use sekisho_qemu::{Kind, Network};
use sekisho_tests::firewall::{Firewall, Setup, example};
use serde_json::json;
use tempfile::TempDir;

/// VGA's text memory: 25 rows of 80 characters, each with its colours.
const TEXT: u64 = 0xb8000;
const COLUMNS: usize = 80;
const ROWS: usize = 25;

/// The rows on the screen of a machine with a VGA card, once its console says `words`.
fn screen(kind: Kind, config: Option<&[u8]>, words: &str) -> Vec<String> {
    let setup = Setup {
        kind,
        arguments: vec!["-vga", "std"],
        ..Setup::default()
    };
    let cards = vec![Network::Hub(Vec::new()), Network::Hub(Vec::new())];
    let firewall = Firewall::boot(&setup, config, cards);
    firewall.console(|line| line.contains(words));
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("text");
    let arguments = json!({"val": TEXT, "size": 2 * COLUMNS * ROWS, "filename": file});
    firewall
        .vm()
        .qmp("pmemsave", &arguments)
        .expect("the text memory");
    let bytes = std::fs::read(&file).expect("what QEMU wrote");
    let characters: Vec<u8> = bytes.iter().copied().step_by(2).collect();
    characters
        .chunks(COLUMNS)
        .map(|row| String::from_utf8_lossy(row).trim_end().to_owned())
        .collect()
}

#[test]
fn the_screen_shows_what_the_serial_port_says() {
    for kind in [Kind::Pc, Kind::Q35] {
        let rows = screen(kind, Some(example("lab.toml").as_bytes()), "sekisho: ready");
        assert!(rows[0].starts_with("sekisho "), "{rows:?}");
        for words in [
            "sekisho: wan: card 52:54:00:00:00:01 at pci",
            "sekisho: ready after",
        ] {
            assert!(
                rows.iter().any(|row| row.starts_with(words)),
                "{words}: {rows:?}"
            );
        }
    }
}

#[test]
fn without_a_configuration_the_screen_says_how_to_give_one() {
    let rows = screen(Kind::Pc, None, "sekisho: stopped");
    let all = rows.join("\n");
    assert!(all.contains("there is no configuration"), "{all}");
    assert!(all.contains("-initrd FILE"), "{all}");
}

#[test]
fn a_full_screen_scrolls_and_keeps_the_newest() {
    let unknown: String = (0..30).map(|key| format!("unknown{key} = 1\n")).collect();
    let broken = format!("version = 1\n{unknown}");
    let rows = screen(
        Kind::Pc,
        Some(broken.as_bytes()),
        "sekisho: stopped, nothing is forwarded",
    );
    assert!(!rows[0].starts_with("sekisho "), "it scrolled: {rows:?}");
    let last = rows.iter().rev().find(|row| !row.is_empty());
    assert_eq!(
        last.map(String::as_str),
        Some("sekisho: stopped, nothing is forwarded"),
        "{rows:?}"
    );
}

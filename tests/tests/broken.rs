//! A machine without a valid configuration forwards nothing, and its console says what is wrong,
//! where, and what to do, in the words of `sekisho check`.

use std::fs;
use std::path::PathBuf;

use sekisho_config::{MAX_BYTES, NO_CONFIGURATION, TEMPLATE, parse};
use sekisho_tests::firewall::{Setup, example};
use sekisho_tests::frames::flag;
use sekisho_tests::kernel::repository;
use sekisho_tests::rig::{DMZ, Rig, WAN, WAN_HOST};
use sekisho_tests::way::arp_request;

const STOPPED: &str = "sekisho: stopped, nothing is forwarded";

/// Boots, waits until the machine says that it has stopped, sends what a working firewall would answer or forward,
/// presses the power button, and returns the console.
///
/// # Panics
/// When a single frame comes out on either side.
fn console_of_a_stopped_machine(config: Option<&[u8]>) -> String {
    let rig = Rig::boot(&Setup::default(), config);
    rig.firewall.console(|line| line == STOPPED);
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    for (host, own) in [(wan, WAN), (dmz, DMZ)] {
        host.send(&arp_request(host.mac, host.ip, own));
        host.send(&host.to(own).echo(1, 1, b"are you there?"));
    }
    wan.send(&wan.to(WAN).tcp((40_000, 80), flag::SYN, (1, 0), b""));
    wan.send(&wan.to(WAN).udp(40_000, 7001, b"in"));
    dmz.send(&dmz.to(WAN_HOST).udp(40_000, 7001, b"out"));
    rig.firewall.press_power_button();
    for host in [wan, dmz] {
        let (ip, came) = (host.ip, host.all());
        assert_eq!(came, [], "a stopped machine sent something to {ip}");
    }
    rig.firewall.vm().lines().join("\n")
}

fn broken_files() -> Vec<PathBuf> {
    let folder = repository().join("tests/broken");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    assert!(files.len() > 100, "only {} files", files.len());
    files
}

/// The report about bytes that are refused, as `sekisho check` prints it.
fn report(config: &[u8]) -> String {
    parse(config).expect_err("it is broken").to_string()
}

/// What the console shows of a text: no carriage returns, no blanks at the ends of lines.
fn shown(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

fn refused(config: &[u8]) -> String {
    let console = shown(&console_of_a_stopped_machine(Some(config)));
    let report = shown(&report(config));
    assert!(
        console.contains(&report),
        "the console does not say what `sekisho check` says.\nconsole:\n{console}\ncheck:\n{report}"
    );
    console
}

/// Boots a share of the broken files one by one, so that the shares run side by side.
fn share(number: usize, of: usize) {
    for file in broken_files().iter().skip(number).step_by(of) {
        println!("{}", file.display());
        let bytes = fs::read(file).expect("the file can be read");
        let console = refused(&bytes);
        let text = String::from_utf8(bytes).expect("these files are text");
        for expected in text
            .lines()
            .filter_map(|line| line.strip_prefix("# expect: "))
        {
            let (place, _) = expected.split_once(' ').expect("a place and a message");
            if let Some((line, column)) = place.split_once(':') {
                let place = format!("line {line}, column {column}");
                assert!(
                    console.contains(&place),
                    "no {place} on the console:\n{console}"
                );
            }
        }
    }
}

#[test]
fn each_broken_file_stops_the_machine_with_its_place_first_half() {
    share(0, 2);
}

#[test]
fn each_broken_file_stops_the_machine_with_its_place_second_half() {
    share(1, 2);
}

#[test]
fn without_a_configuration_the_console_says_how_to_give_one() {
    let console = shown(&console_of_a_stopped_machine(None));
    assert!(console.contains(&shown(NO_CONFIGURATION)), "{console}");
}

#[test]
fn an_empty_configuration_stops_the_machine() {
    // QEMU hands over no module at all for a file of no bytes.
    refused(b"\n");
    refused(b"# nothing but a comment\n");
}

#[test]
fn a_configuration_above_256_kib_stops_the_machine() {
    let padding = "#".repeat(MAX_BYTES - TEMPLATE.len());
    refused(format!("{TEMPLATE}{padding}\n").as_bytes());
}

#[test]
fn bytes_that_are_no_text_stop_the_machine() {
    refused(b"version = 1\n# f\xfcr alle\n");
    refused(&[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0]);
    refused(&[0; 4096]);
}

#[test]
fn a_configuration_cut_off_anywhere_stops_the_machine_or_is_whole() {
    let text = example("lab.toml");
    for length in (1..text.len()).step_by(text.len() / 12) {
        let cut = &text.as_bytes()[..length];
        match parse(cut) {
            Err(_) => drop(refused(cut)),
            // A cut behind the last thing that counts.
            Ok(_) => assert!(
                text[length..].len() < 200,
                "the first {length} bytes are accepted"
            ),
        }
    }
}

//! The script and the unit for QEMU start a disk, and the unit stops it cleanly.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sekisho_image::{Format, Image};
use sekisho_qemu::Network;
use sekisho_tests::firewall::{LIMIT, example};
use sekisho_tests::images::{Images, OVMF};
use sekisho_tests::program::Program;
use sekisho_vmconfig::qemu::Qemu;
use sekisho_vmconfig::{Accel, Card, Firmware};

use crate::machine;

const BOOT: Duration = Duration::from_secs(120);
const DISK: Image = Image::Disk(Format::Qcow2);

/// Script and unit for a disk in a folder.
struct Files {
    images: Images,
    script: String,
    unit: String,
}

fn files(firmware: Firmware, card: Card) -> Files {
    let images = Images::make(&[DISK], &example("lab.toml"), "");
    let qemu = Qemu {
        image: images.path(DISK),
        firmware,
        ovmf: OVMF.into(),
        card,
        accel: Accel::Tcg,
    };
    let user = || Network::User { forwards: vec![] };
    let mut files = qemu.files(&machine([user(), user()])).expect("files");
    let unit = files.remove(1).text;
    let script = files.remove(0).text;
    Files {
        images,
        script,
        unit,
    }
}

fn ready(line: &str) -> bool {
    line.starts_with("sekisho: ready after")
}

#[test]
fn the_script_boots_the_disk() {
    for (firmware, card) in [
        (Firmware::Bios, Card::E1000),
        (Firmware::Uefi, Card::Virtio),
    ] {
        let files = files(firmware, card);
        let path = files.images.folder().join("sekisho.sh");
        fs::write(&path, &files.script).expect("the folder is ours");
        let console = pipe(files.images.folder());
        let mut command = Command::new("sh");
        let program = Program::start_with_input(command.arg(&path), Stdio::from(console));
        program.wait_for(ready, BOOT);
        type_line(&files.images.folder().join("console"), "poweroff");
        program.finish(LIMIT).expect_success();
    }
}

/// A pipe that stays open for reading, as a terminal does.
fn pipe(folder: &Path) -> File {
    let path = folder.join("console");
    let mut command = Command::new("mkfifo");
    Program::start(command.arg(&path))
        .finish(LIMIT)
        .expect_success();
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("the pipe")
}

fn type_line(console: &Path, line: &str) {
    let mut file = OpenOptions::new()
        .write(true)
        .open(console)
        .expect("the pipe");
    writeln!(file, "{line}").expect("the pipe");
}

/// The words of the line of a unit that begins with `key=`, as systemd reads them (systemd.service(5), "Command lines"), with its folder
/// `/run/sekisho` elsewhere.
fn words(unit: &str, key: &str, run: &Path) -> Vec<String> {
    let unit = unit.replace("\\\n", " ");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{key}=")));
    let line = line.unwrap_or_else(|| panic!("no {key}: {unit}"));
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' if quote.is_none() => words.extend(word.take()),
            '\'' | '"' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            c if quote == Some(c) => quote = None,
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '%' | '$' if chars.next_if_eq(&c).is_some() => word.get_or_insert_default().push(c),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let run = run.display().to_string();
    words
        .iter()
        .map(|word| word.replace("/run/sekisho", &run))
        .collect()
}

#[test]
fn the_unit_starts_it_takes_commands_and_stops_it_cleanly() {
    let files = files(Firmware::Bios, Card::Virtio);
    let run = files.images.folder();
    let command = |key: &str| {
        let words = words(&files.unit, key, run);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    };
    Program::start(&mut command("ExecStartPre"))
        .finish(LIMIT)
        .expect_success();
    let machine = Program::start(&mut command("ExecStart"));
    machine.wait_for(ready, BOOT);
    type_line(&run.join("console"), "status");
    machine.wait_for(|line| line.starts_with("status: zone wan"), LIMIT);
    let pid = machine.pid().to_string();
    let stop = Program::start(command("ExecStop").env("MAINPID", &pid));
    machine.wait_for(|line| line == "sekisho: goodbye", LIMIT);
    machine.finish(LIMIT).expect_success();
    stop.finish(LIMIT).expect_success();
    // systemd runs it as well when the machine has ended by itself.
    Program::start(command("ExecStop").env_remove("MAINPID"))
        .finish(LIMIT)
        .expect_success();
}

#[test]
fn systemd_takes_the_unit() {
    let files = files(Firmware::Bios, Card::Virtio);
    let path = files.images.folder().join("sekisho.service");
    let verify = |unit: &str| {
        fs::write(&path, unit).expect("the folder is ours");
        let mut command = Command::new("systemd-analyze");
        Program::start(command.args(["verify", "--man=no"]).arg(&path)).finish(LIMIT)
    };
    let finished = verify(&files.unit).expect_success();
    assert!(
        !finished.text.contains("sekisho.service"),
        "{}",
        finished.text
    );
    let finished = verify(&files.unit.replace("TimeoutStopSec", "TimeoutStop"));
    assert!(
        finished.text.contains("TimeoutStop"),
        "a wrong key is noticed: {}",
        finished.text
    );
}

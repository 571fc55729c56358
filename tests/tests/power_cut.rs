//! `sekisho image set-config`, cut off: at every moment the disk has the old configuration or the new one.
//!
//! Power that is lost is a set of writes that have not reached the device; a killed command is killed for real, at one of its system
//! calls, by `strace`.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sekisho_image::Format;
use sekisho_tests::command::{self, expect_success, said};
use sekisho_tests::disks::{Disks, Files, expect_config, get_config, set_config};
use sekisho_tests::firewall::example;
use sekisho_tests::skip;

fn old() -> String {
    example("lab.toml")
}

/// Long enough for its clusters to have entries in several sectors of the table.
fn new() -> String {
    "# Another one.\n".repeat(10_000) + &example("nat.toml")
}

/// Panics unless this disk has one of the two configurations and all else, and nothing is wrong with it that a check would not mend.
#[track_caller]
fn expect_old_or_new(disk: &[u8], others: &[Vec<u8>], when: &str) {
    let files = Files::of(disk);
    let has = files.read("sekisho.toml");
    assert!(
        has == old().as_bytes() || has == new().as_bytes(),
        "{when}: neither"
    );
    assert!(files.others() == others, "{when}: another file changed");
    let (code, said) = files.fsck("-n");
    if code != 0 {
        expect_harmless(&said, when);
        let (code, said) = files.fsck("-a");
        assert_eq!(code, 1, "{when}: {said}");
        let (code, said) = files.fsck("-n");
        assert_eq!(code, 0, "{when}: {said}");
        assert!(
            files.read("sekisho.toml") == has,
            "{when}: mended into another"
        );
    }
}

/// Panics if `fsck.vfat` complains about anything but clusters that are nobody's and a second table that differs from the first.
#[track_caller]
fn expect_harmless(said: &str, when: &str) {
    let harmless = |line: &str| {
        let begins = [
            "fsck.fat ",
            "FATs differ but appear to be intact.",
            "  Using first FAT.",
            "  Reclaimed ",
            "Reclaimed ",
        ];
        let ends = ["Leaving filesystem unchanged.", "clusters"];
        line.trim().is_empty()
            || begins.iter().any(|words| line.starts_with(words))
            || ends.iter().any(|words| line.ends_with(words))
    };
    let worse: Vec<_> = said.lines().filter(|line| !harmless(line)).collect();
    assert!(worse.is_empty(), "{when}: {said}");
}

/// Some ways to lose power within a step of so many writes: which of them have reached the device.
fn losses(writes: usize) -> Vec<Vec<bool>> {
    let way = |made: &dyn Fn(usize) -> bool| (0..writes).map(made).collect();
    let some = || (0..=writes).step_by(writes / 6 + 1);
    let mut ways: Vec<Vec<bool>> = some().map(|made| way(&|index| index < made)).collect();
    ways.extend(some().map(|only| way(&|index| index == only)));
    ways.extend(some().map(|lost| way(&|index| index != lost)));
    ways.extend((2..5).map(|every| way(&|index| index % every == 0)));
    ways.dedup();
    ways
}

#[test]
fn power_lost_at_any_step_on_a_device_leaves_the_old_or_the_new_configuration() {
    let disks = Disks::with(old().as_bytes());
    let raw = fs::read(disks.path(Format::Raw)).expect("a disk");
    let others = Files::of(&raw).others();
    let steps = sekisho_image::steps(&raw, new().as_bytes()).expect("there is room");
    assert_eq!(steps.len(), 4);
    let mut reached = raw;
    for (number, step) in steps.iter().enumerate() {
        for way in losses(step.len()) {
            let mut cut = reached.clone();
            for (write, _) in step.iter().zip(&way).filter(|(_, made)| **made) {
                put(&mut cut, write);
            }
            expect_old_or_new(&cut, &others, &format!("step {number}, {way:?}"));
        }
        step.iter().for_each(|write| put(&mut reached, write));
    }
    let files = Files::of(&reached);
    assert!(files.read("sekisho.toml") == new().as_bytes());
    assert_eq!(files.fsck("-n").0, 0);
}

fn put(disk: &mut [u8], write: &sekisho_image::Write) {
    let at = write.at as usize;
    disk[at..at + write.bytes.len()].copy_from_slice(&write.bytes);
}

/// The calls that change something.
const CALLS: [&str; 8] = [
    "write",
    "pwrite64",
    "ftruncate",
    "fchmod",
    "fchown",
    "fsync",
    "rename",
    "unlink",
];

/// Runs `set-config`, with something that happens to it at its nth call of a kind.
fn injected(call: &str, what: &str, nth: usize, disk: &Path, file: &Path) -> Output {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:{what}:when={nth}");
    Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject])
        .arg(command::path())
        .args(["image", "set-config"])
        .args([disk, file])
        .output()
        .expect("strace")
}

/// Runs `set-config` and kills it at its nth call of a kind; whether it got that far.
fn killed(call: &str, nth: usize, disk: &Path, file: &Path) -> bool {
    let ran = injected(call, "signal=SIGKILL", nth, disk, file);
    if !ran.status.success() {
        let why = said(&ran);
        assert!(why.is_empty(), "killed, it says nothing: {why}");
    }
    !ran.status.success()
}

/// Kills the command at every call, or at some of those of which there are many, and looks each time.
fn kill_everywhere(disk: &Path, file: &Path, mut look: impl FnMut(&str)) {
    for call in CALLS {
        let mut nth = 1;
        while killed(call, nth, disk, file) {
            look(&format!("{call} {nth}"));
            nth += 1 + nth / 2;
        }
        look(&format!("{call}: done"));
    }
}

#[test]
fn a_killed_command_leaves_the_old_or_the_new_file() {
    let disks = Disks::with(old().as_bytes());
    let (one, other) = (disks.file("new.toml", new()), disks.file("old.toml", old()));
    for format in [Format::Qcow2, Format::Raw] {
        let disk = disks.path(format);
        let mut looks = 0;
        kill_everywhere(&disk, &one, |when| {
            let got = get_config(&disk);
            expect_success(&got);
            let has = got.stdout;
            assert!(has == old().as_bytes() || has == new().as_bytes(), "{when}");
            // From the old one again.
            expect_success(&set_config(&disk, &other));
            expect_config(&disk, old().as_bytes());
            looks += 1;
        });
        assert!(looks > CALLS.len() + 10, "{looks}");
    }
}

/// Runs `set-config` with a call that fails, and gives what it says.
fn failing(call: &str, error: &str, nth: usize, disk: &Path, file: &Path) -> String {
    let ran = injected(call, &format!("error={error}"), nth, disk, file);
    assert_eq!(ran.status.code(), Some(2), "{}", said(&ran));
    said(&ran)
}

#[test]
fn a_full_disk_or_a_failing_one_leaves_the_old_file_and_nothing_else() {
    let disks = Disks::with(old().as_bytes());
    let file = disks.file("new.toml", new());
    let disk = disks.path(Format::Raw);
    let before = fs::read(&disk).expect("a disk");
    for (call, error, words) in [
        ("write", "ENOSPC", "no space left"),
        ("write", "EIO", "Input/output error"),
        ("ftruncate", "EIO", "Input/output error"),
        ("fsync", "EIO", "Input/output error"),
        ("fchmod", "EPERM", "not permitted"),
        ("rename", "EACCES", "Permission denied"),
    ] {
        let said = failing(call, error, 1, &disk, &file);
        assert!(said.contains(words), "{call}: {said}");
        assert!(fs::read(&disk).expect("a disk") == before, "{call}");
        assert!(!disks.folder().join("sekisho.raw.unfinished").exists());
    }
    // Only the folder's sync fails, when the new file is in its place.
    failing("fsync", "EIO", 2, &disk, &file);
    expect_config(&disk, new().as_bytes());
}

/// A block device with a file behind it, until it is dropped.
struct Loop(PathBuf);

impl Loop {
    fn over(file: &Path) -> Self {
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(file)
            .output()
            .expect("losetup");
        expect_success(&made);
        Self(String::from_utf8_lossy(&made.stdout).trim().into())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

#[test]
fn a_block_device_is_changed_in_place_and_a_killed_command_leaves_the_old_or_the_new_configuration()
{
    if skip::without_root("a block device is made with losetup") {
        return;
    }
    let disks = Disks::with(old().as_bytes());
    let (one, other) = (disks.file("new.toml", new()), disks.file("old.toml", old()));
    let disk = disks.path(Format::Raw);
    let others = Files::of(&fs::read(&disk).expect("a disk")).others();
    let device = Loop::over(&disk);
    expect_config(&device.0, old().as_bytes());
    expect_success(&set_config(&device.0, &one));
    expect_config(&device.0, new().as_bytes());

    expect_success(&set_config(&device.0, &other));
    let mut looks = 0;
    kill_everywhere(&device.0, &one, |when| {
        expect_old_or_new(&fs::read(&device.0).expect("a device"), &others, when);
        expect_success(&set_config(&device.0, &other));
        looks += 1;
    });
    assert!(looks > CALLS.len() + 10, "{looks}");
    let files = Files::of(&fs::read(&device.0).expect("a device"));
    let (code, said) = files.fsck("-n");
    assert_eq!(code, 0, "the last change mended what was left: {said}");
}

#[test]
fn a_block_device_that_is_in_use_or_has_another_format_is_refused() {
    if skip::without_root("a block device is made with losetup") {
        return;
    }
    let disks = Disks::with(old().as_bytes());
    let file = disks.file("new.toml", new());
    let refused = |device: &Path, words: &str| {
        let before = fs::read(device).expect("a device");
        let refused = set_config(device, &file);
        assert_eq!(refused.status.code(), Some(2));
        assert!(said(&refused).contains(words), "{}", said(&refused));
        assert!(fs::read(device).expect("a device") == before);
    };
    let device = Loop::over(&disks.path(Format::Raw));
    // Claimed as a mount claims it.
    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    let claim = fs::OpenOptions::new()
        .read(true)
        .custom_flags(exclusive)
        .open(&device.0);
    refused(&device.0, "in use by the system");
    drop(claim.expect("nobody else claims it"));
    expect_success(&set_config(&device.0, &file));
    let qcow2 = disks.path(Format::Qcow2);
    let other = Loop::over(&qcow2);
    refused(&other.0, "qemu-img convert -O raw");
}

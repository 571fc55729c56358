//! `sekisho image set-config` and `get-config` on files of every format.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sekisho_image::Format;
use sekisho_qemu::{Machine, Network, Nic};
use sekisho_tests::command::{self, expect_success, said};
use sekisho_tests::disks::{Disks, Files, expect_config, get_config, raw, set_config};
use sekisho_tests::firewall::example;
use sekisho_tests::program::Program;

/// How long firmware, GRUB and kernel may take, on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);

fn old() -> Vec<u8> {
    example("lab.toml").into_bytes()
}

/// Another one, longer and with another address.
fn new() -> String {
    let new = example("lab.toml").replace("10.99.0.", "10.77.0.");
    assert!(new.contains("10.77.0.1/24"), "the example has changed");
    "# Another one.\n".repeat(300) + &new
}

#[test]
fn every_format_gets_another_configuration_and_keeps_all_else() {
    let disks = Disks::with(&old());
    let file = disks.file("new.toml", new());
    for format in Format::ALL {
        let disk = disks.path(format);
        expect_config(&disk, &old());
        let before = raw(&disk);
        let set = set_config(&disk, &file);
        expect_success(&set);
        assert!(said(&set).contains("2 zones"), "{}", said(&set));
        expect_config(&disk, new().as_bytes());

        let after = raw(&disk);
        assert_eq!(after.len(), before.len());
        assert!(after[..1 << 20] == before[..1 << 20], "loader and table");
        let (before, after) = (Files::of(&before), Files::of(&after));
        assert!(after.read("sekisho.toml") == new().as_bytes(), "mtools");
        assert!(after.others() == before.others());
        for files in [before, after] {
            let (code, said) = files.fsck("-n");
            assert_eq!(code, 0, "{format:?}: {said}");
        }
        if format != Format::Raw {
            let checked = Command::new("qemu-img").arg("check").arg(&disk).output();
            expect_success(&checked.expect("qemu-img"));
        }
    }
}

#[test]
fn the_machine_boots_with_the_new_configuration() {
    let disks = Disks::with(&old());
    let file = disks.file("new.toml", new());
    for format in Format::ALL {
        let disk = disks.path(format);
        expect_success(&set_config(&disk, &file));
        let cards = [1, 2].map(|last| Nic::new([0x52, 0x54, 0, 0, 0, last], Network::Hub(vec![])));
        let machine = cards
            .into_iter()
            .fold(Machine::from_disk(&disk), Machine::nic);
        let vm = machine.start().expect("QEMU");
        vm.wait_for(|line| line.starts_with("sekisho: ready after"), LIMIT)
            .expect("it forwards");
        let line = "sekisho: dmz: address 10.77.0.1/24";
        assert!(
            vm.lines().iter().any(|said| said == line),
            "{:#?}",
            vm.lines()
        );
    }
}

#[test]
fn what_was_read_can_be_put_back_from_a_pipe() {
    let disks = Disks::with(&old());
    let disk = disks.path(Format::Raw);
    let before = fs::read(&disk).expect("a disk");
    let out = disks.folder().join("out.toml");
    let get = |more: &[&str]| {
        let words = ["image", "get-config", "--out"].map(Path::new);
        let more = more.iter().map(Path::new);
        command::run(words.into_iter().chain([&*out, &*disk]).chain(more))
    };
    expect_success(&get(&[]));
    assert_eq!(fs::read(&out).expect("a file"), old());
    fs::write(&out, "mine").expect("a file");
    let refused = get(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--force"), "{}", said(&refused));
    assert_eq!(fs::read(&out).expect("a file"), b"mine");
    expect_success(&get(&["--force"]));

    let pipe = fs::File::open(&out).expect("a file");
    let set = Command::new(command::path())
        .args(["image", "set-config"])
        .arg(&disk)
        .arg("-")
        .stdin(pipe)
        .output();
    expect_success(&set.expect("it starts"));
    expect_config(&disk, &old());
    let after = fs::read(&disk).expect("a disk");
    assert!(Files::of(&before).others() == Files::of(&after).others());
}

#[test]
fn a_wrong_configuration_is_refused_in_the_words_of_check() {
    let disks = Disks::with(&old());
    let file = disks.file("wrong.toml", "version = 1\n[zone.wan]\ncadr = 3\n");
    let check = command::run(["check".as_ref(), file.as_os_str()]);
    for format in Format::ALL {
        let disk = disks.path(format);
        let before = fs::read(&disk).expect("a disk");
        let set = set_config(&disk, &file);
        assert_eq!(set.status.code(), Some(1));
        assert_eq!(said(&set), said(&check));
        assert!(fs::read(&disk).expect("a disk") == before, "untouched");
    }
}

/// Panics unless `set-config` and `get-config` refuse a file with these words, and leave it as it was.
#[track_caller]
fn expect_refused(disk: &Path, file: &Path, words: &str) {
    let before = fs::read(disk).ok();
    for refused in [set_config(disk, file), get_config(disk)] {
        let said = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.trim().lines().count() == 1, "{said}");
    }
    assert!(fs::read(disk).ok() == before, "{} changed", disk.display());
}

#[test]
fn what_is_no_disk_of_ours_is_refused_with_what_to_do() {
    let disks = Disks::with(&old());
    let file = disks.file("new.toml", new());
    let expect = |name: &str, contents: &[u8], words| {
        expect_refused(&disks.file(name, contents), &file, words);
    };
    let raw = fs::read(disks.path(Format::Raw)).expect("a disk");
    let changed = |at: usize, bytes: &[u8]| {
        let mut raw = raw.clone();
        raw[at..at + bytes.len()].copy_from_slice(bytes);
        raw
    };
    expect("empty", b"", "no partition table of GPT");
    expect("text", b"hello", "no partition table of GPT");
    expect("table", &changed(600, b"x"), "checksum");
    expect("short", &raw[..8 << 20], "ends behind the disk");
    expect("no-files", &changed(1 << 20, &[0; 512]), "no file system");
    expect("vmdk", b"# Disk DescriptorFile\n", "several files");
    expect("iso", &changed(0x8001, b"CD001"), "an ISO");
    expect("ova", &changed(257, b"ustar"), "an OVA");
    let kernel = sekisho_tests::kernel::firewall();
    expect_refused(&kernel, &file, "the kernel alone");
    expect_refused(&disks.folder().join("absent"), &file, "No such file");
    expect_refused(disks.folder(), &file, "neither a file nor a block device");
    expect_refused(
        Path::new("/dev/null"),
        &file,
        "neither a file nor a block device",
    );
}

#[test]
fn a_missing_tool_is_named_with_its_package() {
    let disks = Disks::with(&old());
    let file = disks.file("new.toml", new());
    for format in Format::ALL {
        let disk = disks.path(format);
        let before = fs::read(&disk).expect("a disk");
        let set = Command::new(command::path())
            .args(["image", "set-config"])
            .args([&disk, &file])
            .env("PATH", disks.folder())
            .output()
            .expect("it starts");
        assert_eq!(set.status.code(), Some(2));
        assert!(
            said(&set).contains("apt install qemu-utils"),
            "{}",
            said(&set)
        );
        assert!(fs::read(&disk).expect("a disk") == before);
    }
}

#[test]
fn a_disk_that_would_not_stay_the_same_is_refused() {
    let disks = Disks::with(&old());
    let (disk, file) = (disks.path(Format::Qcow2), disks.file("new.toml", new()));
    let qemu_img = |words: &[&str], disk: &Path| {
        let done = Command::new("qemu-img").args(words).arg(disk).output();
        expect_success(&done.expect("qemu-img"));
    };
    let overlay = disks.folder().join("overlay.qcow2");
    let backing = format!("backing_file={},backing_fmt=qcow2", disk.display());
    qemu_img(&["create", "-q", "-f", "qcow2", "-o", &backing], &overlay);
    let refused = set_config(&overlay, &file);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("qemu-img convert"),
        "{}",
        said(&refused)
    );
    expect_config(&overlay, &old());

    qemu_img(&["snapshot", "-c", "before"], &disk);
    let refused = set_config(&disk, &file);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("snapshots"), "{}", said(&refused));
    expect_config(&disk, &old());
    qemu_img(&["snapshot", "-d", "before"], &disk);
    expect_success(&set_config(&disk, &file));
}

#[test]
fn a_disk_without_room_for_both_is_refused() {
    let disks = Disks::with(&old());
    let (disk, file) = (disks.path(Format::Raw), disks.file("new.toml", new()));
    let target = format!("{}@@1M", disk.display());
    let mtools = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        let done = command.args(["-i", &target]).args(&words[1..]).output();
        let done = done.expect(words[0]);
        expect_success(&done);
        said(&done)
    };
    let listed = mtools(&["mdir", "::"]);
    let free = listed
        .lines()
        .find_map(|line| line.strip_suffix("bytes free"));
    let free: String = free.expect("a last line").split_whitespace().collect();
    let free: usize = free.parse().expect("a number");
    let filler = disks.file("filler", vec![7; free - new().len() / 2]);
    mtools(&["mcopy", filler.to_str().expect("UTF-8"), "::filler"]);
    let before = fs::read(&disk).expect("a disk");
    let refused = set_config(&disk, &file);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("has no room"), "{}", said(&refused));
    assert!(fs::read(&disk).expect("a disk") == before);
    mtools(&["mdel", "::filler"]);
    expect_success(&set_config(&disk, &file));
    expect_config(&disk, new().as_bytes());
}

#[test]
fn a_configuration_that_somebody_deleted_or_replaced_by_other_means_is_no_obstacle() {
    let disks = Disks::with(&old());
    let (disk, file) = (disks.path(Format::Raw), disks.file("new.toml", new()));
    let target = format!("{}@@1M", disk.display());
    let mtools = |words: &[&str]| {
        let done = Command::new(words[0])
            .args(["-i", &target])
            .args(&words[1..])
            .output();
        expect_success(&done.expect(words[0]));
    };
    mtools(&["mdel", "::sekisho.toml"]);
    let absent = get_config(&disk);
    assert_eq!(absent.status.code(), Some(2));
    assert!(said(&absent).contains("set-config"), "{}", said(&absent));
    expect_success(&set_config(&disk, &file));
    expect_config(&disk, new().as_bytes());

    let other = disks.file("other.toml", old());
    mtools(&[
        "mcopy",
        "-o",
        other.to_str().expect("UTF-8"),
        "::sekisho.toml",
    ]);
    expect_config(&disk, &old());
    expect_success(&set_config(&disk, &file));
    let files = Files::of(&fs::read(&disk).expect("a disk"));
    assert!(files.read("sekisho.toml") == new().as_bytes());
    let (code, said) = files.fsck("-n");
    assert_eq!(code, 0, "{said}");
}

#[test]
fn owner_mode_and_links_stay() {
    let disks = Disks::with(&old());
    let (disk, file) = (disks.path(Format::Qcow2), disks.file("new.toml", new()));
    let link = disks.folder().join("link");
    symlink(&disk, &link).expect("a link");
    fs::set_permissions(&disk, fs::Permissions::from_mode(0o640)).expect("a mode");
    if rustix::process::geteuid().is_root() {
        chown(&disk, Some(4711), Some(4712)).expect("root may");
    }
    let before = fs::metadata(&disk).expect("a disk");
    expect_success(&set_config(&link, &file));
    expect_config(&link, new().as_bytes());
    let after = fs::metadata(&disk).expect("a disk");
    let access = |of: &fs::Metadata| (of.uid(), of.gid(), of.mode());
    assert_eq!(access(&after), access(&before));
    assert_ne!(after.ino(), before.ino(), "another file");
    assert!(link.is_symlink());
    let names = fs::read_dir(disks.folder()).expect("a folder");
    let unfinished = |name: &std::ffi::OsString| name.to_string_lossy().contains("unfinished");
    assert!(
        !names
            .map(|entry| entry.expect("an entry").file_name())
            .any(|name| unfinished(&name))
    );
}

#[test]
fn a_disk_that_a_machine_runs_from_is_read_but_not_changed() {
    let disks = Disks::with(&old());
    let file = disks.file("new.toml", new());
    for (format, name) in [
        (Format::Raw, "raw"),
        (Format::Qcow2, "qcow2"),
        (Format::Vdi, "vdi"),
    ] {
        let disk = disks.path(format);
        let drive = format!("if=virtio,format={name},file={}", disk.display());
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args([
            "-S",
            "-display",
            "none",
            "-nodefaults",
            "-monitor",
            "stdio",
            "-drive",
            &drive,
        ]);
        let qemu = Program::start(&mut qemu);
        qemu.wait_for(|line| line.contains("QEMU"), LIMIT);
        let before = fs::read(&disk).expect("a disk");
        let refused = set_config(&disk, &file);
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            said(&refused).contains("in use by a running machine"),
            "{}",
            said(&refused)
        );
        expect_config(&disk, &old());
        assert!(fs::read(&disk).expect("a disk") == before);
        drop(qemu);
        expect_success(&set_config(&disk, &file));
    }
}

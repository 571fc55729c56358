//! The bootable disk, booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_image::disk::Contents;
use sekisho_image::{Existing, Format};
use sekisho_qemu::{Kind, Machine, Network, Nic};
use sekisho_tests::firewall::example;
use sekisho_tests::kernel;
use tempfile::TempDir;

/// How long firmware, GRUB and kernel may take, on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);
/// UEFI for virtual machines, of Debian's package `ovmf`.
const OVMF: &str = "/usr/share/ovmf/OVMF.fd";

/// Images of `config` in a folder of their own.
fn images(config: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let kernel = fs::read(kernel::firewall()).expect("the kernel");
    let contents = Contents {
        kernel: &kernel,
        config: config.as_bytes(),
        words: "seed=7",
    };
    sekisho_image::build(
        &contents,
        &Format::ALL,
        folder.path(),
        Existing::Keep,
        |_, _| (),
    )
    .expect("images");
    folder
}

fn image(folder: &TempDir, format: Format) -> PathBuf {
    folder.path().join(format.file_name())
}

/// Boots a disk until the firewall forwards, and gives its console.
fn boots(disk: &Path, kind: Kind, mib: u32, firmware: Option<&str>) -> Vec<String> {
    let machine = Machine::from_disk(disk).kind(kind).memory_mib(mib);
    let cards = [1, 2].map(|last| Nic::new([0x52, 0x54, 0, 0, 0, last], Network::Hub(vec![])));
    let machine = cards.into_iter().fold(machine, Machine::nic);
    let machine = match firmware {
        Some(file) => machine.extra_args(["-bios", file]),
        None => machine,
    };
    let vm = machine.start().expect("QEMU");
    vm.wait_for(|line| line.starts_with("sekisho: ready after"), LIMIT)
        .expect("it forwards");
    vm.lines()
}

#[track_caller]
fn expect_booted_by_grub(console: &[String]) {
    for words in [
        "booted by Multiboot2",
        "bytes from the boot module: 2 zones",
        "fixed seed 7",
    ] {
        assert!(
            console.iter().any(|line| line.contains(words)),
            "{words}: {console:#?}"
        );
    }
}

#[test]
fn a_bios_boots_it() {
    let folder = images(&example("lab.toml"));
    for kind in [Kind::Pc, Kind::Q35] {
        for format in Format::ALL {
            expect_booted_by_grub(&boots(&image(&folder, format), kind, 16, None));
        }
    }
}

#[test]
fn uefi_boots_it() {
    let folder = images(&example("lab.toml"));
    let console = boots(&image(&folder, Format::Raw), Kind::Q35, 64, Some(OVMF));
    expect_booted_by_grub(&console);
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    let config = example("lab.toml");
    let [one, other] = [images(&config), images(&config)];
    for format in Format::ALL {
        let [one, other] = [&one, &other].map(|f| fs::read(image(f, format)).expect("an image"));
        assert!(one == other, "{format:?}");
    }
    let qcow2 = fs::metadata(image(&one, Format::Qcow2)).expect("an image");
    assert!(qcow2.len() < 8 << 20, "{} bytes", qcow2.len());
}

#[test]
fn nothing_is_overwritten_and_nothing_wrong_is_put_on_a_disk() {
    let folder = images(&example("lab.toml"));
    let kernel = fs::read(kernel::firewall()).expect("the kernel");
    let before = fs::read(image(&folder, Format::Raw)).expect("an image");
    let build = |config: &str, existing| {
        let contents = Contents {
            kernel: &kernel,
            config: config.as_bytes(),
            words: "",
        };
        sekisho_image::build(&contents, &Format::ALL, folder.path(), existing, |_, _| ())
    };
    let refused = build(&example("lab.toml"), Existing::Keep).expect_err("it is there");
    assert!(
        refused.to_string().contains("is there already"),
        "{refused}"
    );
    let refused = build("version = 2", Existing::Replace).expect_err("it would not boot");
    assert!(refused.to_string().contains("line 1"), "{refused}");
    let after = fs::read(image(&folder, Format::Raw)).expect("an image");
    assert!(before == after);
    build(&example("nat.toml"), Existing::Replace).expect("replaced");
    let after = fs::read(image(&folder, Format::Raw)).expect("an image");
    assert!(before != after);
}

//! `sekisho image build`, where it refuses before it has done anything.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with a configuration, something that is no kernel, and a folder for programs.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    file("good.toml", include_str!("../../../examples/lab.toml"));
    file("bad.toml", "version = 2");
    file("kernel", "no kernel");
    fs::create_dir(folder.path().join("programs")).expect("a folder");
    folder
}

/// Runs the command in a folder, with the programs of its folder alone.
fn build(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["image", "build", "--kernel", "kernel", "--out", "out"])
        .args(arguments)
        .current_dir(folder)
        .env("PATH", folder.join("programs"))
        .output()
        .expect("the command")
}

#[track_caller]
fn expect_refused(output: &Output, code: i32, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "no \"{words}\" in: {said}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_missing_program_is_named_with_its_package_before_any_work() {
    let folder = folder();
    let refused = build(folder.path(), &["--config", "good.toml"]);
    let words = "there is no grub-mkimage: sudo apt install grub-common";
    expect_refused(&refused, 2, words);
    assert!(!folder.path().join("out").exists());

    symlink("/bin/true", folder.path().join("programs/grub-mkimage")).expect("a link");
    for (formats, words) in [
        ("raw,iso", "there is no xorriso: sudo apt install xorriso"),
        ("qcow2", "there is no qemu-img: sudo apt install qemu-utils"),
        // The others take neither, so that it comes to the kernel.
        (
            "raw,vmdk,vmdk-stream,vdi,vhdx,ova,elf",
            "the kernel cannot be booted",
        ),
    ] {
        let refused = build(
            folder.path(),
            &["--config", "good.toml", "--format", formats],
        );
        expect_refused(&refused, 2, words);
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn an_image_that_is_there_is_kept_before_any_work() {
    let folder = folder();
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder");
    fs::write(out.join("sekisho.vhdx"), "mine").expect("a file");
    let refused = build(folder.path(), &["--config", "good.toml"]);
    expect_refused(
        &refused,
        2,
        "out/sekisho.vhdx is there already; name another folder, or replace it with --force",
    );
    // Others can be made beside it, and with leave it goes: then it is the missing program that counts.
    for arguments in [["--format", "iso"].as_slice(), &["--force"]] {
        let refused = build(
            folder.path(),
            &[&["--config", "good.toml"], arguments].concat(),
        );
        expect_refused(&refused, 2, "there is no grub-mkimage");
    }
    assert_eq!(
        fs::read(out.join("sekisho.vhdx")).expect("it is there"),
        b"mine"
    );
}

#[test]
fn a_wrong_configuration_is_refused_in_the_words_of_check() {
    let folder = folder();
    let refused = build(folder.path(), &["--config", "bad.toml"]);
    expect_refused(&refused, 1, "line 1");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn an_unknown_format_is_refused_with_those_there_are() {
    let folder = folder();
    let refused = build(folder.path(), &["--config", "good.toml", "--format", "vhd"]);
    expect_refused(
        &refused,
        2,
        "[possible values: raw, qcow2, vmdk, vmdk-stream, vdi, vhdx, iso, ova, elf]",
    );
}

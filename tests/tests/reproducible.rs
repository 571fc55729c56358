//! The same sources give the same bytes: built again in another folder, by a cargo with another home.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sekisho_image::disk::Contents;
use sekisho_image::{Existing, Image};
use sekisho_tests::firewall::example;
use sekisho_tests::kernel;
use tempfile::TempDir;

#[test]
fn the_kernel_and_its_disks_are_the_same_in_another_folder() {
    let elsewhere = TempDir::new().expect("a folder");
    let copy = elsewhere.path().join("in a folder with/a longer name");
    copy_sources(&kernel::repository(), &copy);
    let cargo_home = elsewhere.path().join("cargo");
    link_entries(&cargo_home_here(), &cargo_home);

    let build = Command::new(copy.join("kernel/build.sh"))
        .args(["--offline", "--bin", "sekisho-kernel"])
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_HOME", &cargo_home)
        .output()
        .expect("the build's script");
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{said}");
    assert!(said.contains("Compiling smoltcp"), "nothing shared: {said}");

    let built = copy.join("target/x86_64-unknown-linux-gnu/kernel/sekisho-kernel");
    let [ours, theirs] = [kernel::firewall(), built].map(|path| fs::read(path).expect("a kernel"));
    let ids = [&ours, &theirs].map(|elf| sekisho_image::build_id(elf).expect("a build ID"));
    assert!(ours == theirs, "builds {ids:?} differ");
    expect_same_disks(&ours, &theirs);
}

/// Makes all images of both kernels and compares all files.
fn expect_same_disks(ours: &[u8], theirs: &[u8]) {
    let config = example("lab.toml");
    let [ours, theirs] = [ours, theirs].map(|kernel| {
        let folder = TempDir::new().expect("a folder");
        let contents = Contents {
            kernel,
            config: config.as_bytes(),
            words: "",
        };
        sekisho_image::build(
            &contents,
            &Image::ALL,
            folder.path(),
            Existing::Keep,
            |_| (),
        )
        .expect("images");
        folder
    });
    let names = names(ours.path());
    assert!(names.len() > Image::ALL.len(), "{names:?}");
    for name in names {
        let [ours, theirs] = [&ours, &theirs].map(|folder| fs::read(folder.path().join(&name)));
        let same = ours.expect("an image") == theirs.expect("the same image");
        assert!(same, "{} differs", name.display());
    }
}

/// Copies all that a clone of the repository has.
fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for name in names(from) {
        if [".git", "target"].iter().any(|other| name == *other) {
            continue;
        }
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_sources(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a copy");
        }
    }
}

/// Another path to the same files.
fn link_entries(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for name in names(from) {
        symlink(from.join(&name), to.join(&name)).expect("a link");
    }
}

fn cargo_home_here() -> PathBuf {
    let home = || Path::new(&std::env::var_os("HOME").expect("a home")).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect()
}

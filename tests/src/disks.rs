//! Images of disks, and what other programs make of them: `qemu-img`, `fsck.vfat`, `mtools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sekisho_image::Format;
use tempfile::TempDir;

use crate::command::{self, expect_success, said};
use crate::kernel;

/// Where the partition with the files begins on a disk, and how much of the disk's end is not of it.
const MARGIN: usize = 1 << 20;
/// The files on it, apart from the configuration.
const OTHERS: [&str; 2] = ["sekisho", "EFI/BOOT/BOOTX64.EFI"];

/// Disks of all formats with a configuration, in a folder of their own.
pub struct Disks(TempDir);

impl Disks {
    /// Makes them.
    ///
    /// # Panics
    /// When that fails.
    pub fn with(config: &[u8]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("first.toml");
        fs::write(&file, config).expect("a file");
        let built = command::run([
            "image".as_ref(),
            "build".as_ref(),
            "--config".as_ref(),
            file.as_os_str(),
            "--kernel".as_ref(),
            kernel::firewall().as_os_str(),
            "--out".as_ref(),
            folder.path().as_os_str(),
        ]);
        expect_success(&built);
        Self(folder)
    }

    /// The disk in a format.
    pub fn path(&self, format: Format) -> PathBuf {
        self.0.path().join(format.file_name())
    }

    /// Another file in the folder, with these contents.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, contents).expect("a file");
        path
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// `sekisho image set-config DISK FILE`
pub fn set_config(disk: &Path, file: &Path) -> Output {
    command::run(["image".as_ref(), "set-config".as_ref(), disk, file])
}

/// `sekisho image get-config DISK`
pub fn get_config(disk: &Path) -> Output {
    command::run(["image".as_ref(), "get-config".as_ref(), disk])
}

/// Panics unless `sekisho image get-config` gives these very bytes.
#[track_caller]
pub fn expect_config(disk: &Path, config: &[u8]) {
    let got = get_config(disk);
    expect_success(&got);
    assert!(got.stdout == config, "{}", said(&got));
}

/// The raw disk in a file, by `qemu-img`.
///
/// # Panics
/// When it fails.
pub fn raw(disk: &Path) -> Vec<u8> {
    let folder = TempDir::new().expect("a folder");
    let raw = folder.path().join("raw");
    let converted = Command::new("qemu-img")
        .args(["convert", "-U", "-O", "raw"])
        .args([disk, &raw])
        .output()
        .expect("qemu-img");
    expect_success(&converted);
    fs::read(&raw).expect("the raw disk")
}

/// The partition with the files, as a file of its own.
pub struct Files(TempDir);

impl Files {
    /// That of a raw disk.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn of(raw: &[u8]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let files = &raw[MARGIN..raw.len() - MARGIN];
        fs::write(folder.path().join("files"), files).expect("a file");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("files")
    }

    /// `fsck.vfat` with an option: its exit code, and what it said.
    ///
    /// # Panics
    /// When it cannot be started, or was killed.
    pub fn fsck(&self, option: &str) -> (i32, String) {
        let checked = Command::new("fsck.vfat")
            .arg(option)
            .arg(self.path())
            .output()
            .expect("fsck.vfat");
        (checked.status.code().expect("it ended"), said(&checked))
    }

    /// A file on it, by `mtools`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let copied = Command::new("mcopy")
            .arg("-i")
            .arg(self.path())
            .args([&format!("::{name}"), "-"])
            .output()
            .expect("mcopy");
        expect_success(&copied);
        copied.stdout
    }

    /// What is on it beside the configuration.
    pub fn others(&self) -> Vec<Vec<u8>> {
        OTHERS.map(|name| self.read(name)).into()
    }
}

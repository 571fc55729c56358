//! Drives and discs with a configuration, made by the tools that people make them with.
//!
//! * [`Media`]: a folder with their images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file in the root folder: its name and its bytes.
pub type File<'a> = (&'a str, &'a [u8]);

/// A folder with images, which go with it.
pub struct Media {
    folder: TempDir,
}

impl Media {
    /// An empty folder.
    ///
    /// # Panics
    /// When there cannot be one.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Media {
        Media {
            folder: TempDir::new().expect("a folder for images"),
        }
    }

    /// A file of the folder that a test fills itself.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A FAT file system that fills its drive, by `mkfs.vfat` with these options, and files in it, by `mcopy`.
    ///
    /// # Panics
    /// When a tool is missing or fails.
    #[track_caller]
    pub fn fat(&self, name: &str, kib: u32, options: &[&str], files: &[File]) -> PathBuf {
        let image = self.path(name);
        let mut make = Command::new("mkfs.vfat");
        make.args(options)
            .arg("-C")
            .arg(&image)
            .arg(kib.to_string());
        run(&mut make, "dosfstools");
        for (name, bytes) in files {
            let source = self.path("source");
            fs::write(&source, bytes).expect("the folder is ours");
            let mut copy = Command::new("mcopy");
            copy.arg("-i")
                .arg(&image)
                .arg(&source)
                .arg(format!("::/{name}"));
            run(&mut copy, "mtools");
        }
        image
    }

    /// A disc, by `genisoimage` with these options.
    ///
    /// # Panics
    /// When the tool is missing or fails.
    #[track_caller]
    pub fn disc(&self, name: &str, label: &str, options: &[&str], files: &[File]) -> PathBuf {
        let mut make = Command::new("genisoimage");
        make.arg("-quiet");
        self.burn(make, name, label, options, files, "genisoimage")
    }

    /// A disc, by `xorriso` in the manner of `genisoimage`.
    ///
    /// # Panics
    /// When the tool is missing or fails.
    #[track_caller]
    pub fn xorriso(&self, name: &str, label: &str, options: &[&str], files: &[File]) -> PathBuf {
        let mut make = Command::new("xorriso");
        make.args(["-as", "genisoimage", "-quiet"]);
        self.burn(make, name, label, options, files, "xorriso")
    }

    #[track_caller]
    fn burn(
        &self,
        mut make: Command,
        name: &str,
        label: &str,
        options: &[&str],
        files: &[File],
        package: &str,
    ) -> PathBuf {
        let (image, tree) = (self.path(name), self.path(&format!("{name}.files")));
        fs::create_dir(&tree).expect("the folder is ours");
        for (name, bytes) in files {
            fs::write(tree.join(name), bytes).expect("the folder is ours");
        }
        make.args(options)
            .args(["-V", label, "-o"])
            .arg(&image)
            .arg(&tree);
        run(&mut make, package);
        image
    }

    /// The same drive behind a partition table, as its only partition from the first MiB on.
    ///
    /// # Panics
    /// When the tool is missing or fails.
    #[track_caller]
    pub fn partitioned(&self, name: &str, table: &str, volume: &Path) -> PathBuf {
        const FIRST: usize = 1 << 20;
        let volume = fs::read(volume).expect("the image is there");
        let mut disk = vec![0; FIRST];
        disk.extend_from_slice(&volume);
        // Room for the second table of a GPT.
        disk.resize(disk.len().next_multiple_of(FIRST) + FIRST, 0);
        let image = self.path(name);
        fs::write(&image, disk).expect("the folder is ours");
        let script = self.path("script");
        let kib = volume.len() / 1024;
        fs::write(
            &script,
            format!("label: {table}\nstart=1MiB, size={kib}KiB\n"),
        )
        .expect("ours");
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "sfdisk --quiet \"$1\" < \"$2\"", "sh"])
            .arg(&image)
            .arg(&script);
        run(&mut shell, "fdisk");
        image
    }
}

#[track_caller]
fn run(command: &mut Command, package: &str) {
    let program = command.get_program().to_owned();
    // Some of these tools stand where only root looks for programs.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "cannot run {}: {error}; it is in the package {package}",
            program.display()
        )
    });
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

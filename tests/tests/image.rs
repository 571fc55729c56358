//! Images as files: what is in them, and what keeps them from being made.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sekisho_image::disk::Contents;
use sekisho_image::{Error, Existing, Format, Image, MANIFEST, build};
use sekisho_tests::firewall::example;
use sekisho_tests::images::Images;
use sekisho_tests::program::Program;
use sekisho_tests::{kernel, skip};
use tempfile::TempDir;

const RAW: Image = Image::Disk(Format::Raw);
/// How long a program may take that looks at an image.
const LIMIT: Duration = Duration::from_secs(60);

/// Makes images in a folder.
fn make(folder: &Path, images: &[Image], config: &str, existing: Existing) -> Result<(), Error> {
    let kernel = fs::read(kernel::firewall()).expect("the kernel");
    let contents = Contents {
        kernel: &kernel,
        config: config.as_bytes(),
        words: "",
    };
    build(&contents, images, folder, existing, |_| ())
}

/// Runs a program to its end and gives what it printed.
#[track_caller]
fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let program = Program::start(command.args(arguments).current_dir(folder));
    program.finish(LIMIT).expect_success().text
}

/// All files of a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .map(|path| {
            let bytes = fs::read(&path).expect("a file");
            (path, bytes)
        })
        .collect()
}

#[test]
fn the_same_contents_give_the_same_bytes_in_every_format() {
    let config = example("lab.toml");
    let [one, other] = [(), ()].map(|()| Images::make(&Image::ALL, &config, "seed=7"));
    for image in Image::ALL {
        assert!(one.read(image) == other.read(image), "{image:?}");
    }
    // Both may have been made within one second: the CD's dates are no clock's. They begin at these bytes of the volume
    // descriptor (ECMA-119, 8.4).
    let iso = one.read(Image::Iso);
    for at in [813, 830] {
        let date = &iso[0x8000 + at..][..16];
        assert_eq!(String::from_utf8_lossy(date), "1980010100000000");
    }
}

#[test]
fn other_contents_give_other_numbers() {
    let images = ["lab.toml", "nat.toml"]
        .map(|name| Images::make(&[RAW, Image::Disk(Format::Vmdk)], &example(name), ""));
    let cid = |images: &Images| {
        let info = run(images.folder(), "qemu-img", &["info", "sekisho.vmdk"]);
        let line = info.lines().find(|line| line.contains(" cid: "));
        line.expect("a CID").to_owned()
    };
    let [one, other] = &images;
    assert_ne!(cid(one), cid(other));
    let signature = |images: &Images| images.read(RAW)[0x1b8..0x1bc].to_vec();
    assert_ne!(signature(one), signature(other));
}

#[test]
fn qemu_reads_the_same_disk_from_every_format() {
    let images = Images::make(&Image::ALL, &example("lab.toml"), "");
    for image in Image::ALL {
        let Image::Disk(format) = image else { continue };
        let name = image.file_name();
        let kind = name.rsplit('.').next().expect("an ending");
        if format != Format::Raw {
            run(
                images.folder(),
                "qemu-img",
                &["check", "-q", "-f", kind, name],
            );
        }
        let arguments = ["compare", "-f", "raw", "-F", kind, RAW.file_name(), name];
        let said = run(images.folder(), "qemu-img", &arguments);
        assert!(said.contains("Images are identical."), "{image:?}: {said}");
    }
}

#[test]
fn images_are_small() {
    let images = Images::make(&Image::ALL, &example("lab.toml"), "");
    for image in Image::ALL {
        let file = fs::metadata(images.path(image)).expect("an image");
        let on_disk = file.blocks() * 512;
        assert!(on_disk < 4 << 20, "{image:?} takes {on_disk} bytes");
    }
    let qcow2 = images.read(Image::Disk(Format::Qcow2)).len();
    assert!(qcow2 < 8 << 20, "{qcow2} bytes");
}

#[test]
fn the_manifest_has_all_images_and_keeps_other_lines() {
    let images = Images::make(&Image::ALL, &example("lab.toml"), "");
    let check = || {
        run(
            images.folder(),
            "sha256sum",
            &["--check", "--strict", MANIFEST],
        )
    };
    assert_eq!(check().matches(": OK").count(), Image::ALL.len());

    let manifest = images.folder().join(MANIFEST);
    let other = format!("{:064}  other.iso\n", 0);
    let text = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, format!("{other}{text}")).expect("written");
    let config = example("nat.toml");
    make(images.folder(), &[Image::Ova], &config, Existing::Replace).expect("replaced");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    assert!(text.starts_with(&other), "{text}");
    fs::write(&manifest, text.replace(&other, "")).expect("written");
    assert_eq!(check().matches(": OK").count(), Image::ALL.len());
}

#[test]
fn the_cd_has_the_files_for_a_bios_and_for_uefi() {
    let config = example("lab.toml");
    let images = Images::make(&[Image::Iso, Image::Elf], &config, "");
    let iso = Image::Iso.file_name();
    let volume = run(images.folder(), "xorriso", &["-indev", iso, "-pvd_info"]);
    assert!(volume.contains("Volume Id    : SEKISHOBOOT\n"), "{volume}");
    let unpack = [
        "-osirrox",
        "on",
        "-indev",
        iso,
        "-extract",
        "/",
        "cd",
        "-extract_boot_images",
        "boot",
    ];
    run(images.folder(), "xorriso", &unpack);
    let file = |name: &str| fs::read(images.folder().join(name)).expect(name);
    let kernel = images.read(Image::Elf);
    assert!(file("cd/sekisho") == kernel);
    assert_eq!(file("cd/sekisho.toml"), config.as_bytes());
    let notice = String::from_utf8(file("cd/README.txt")).expect("text");
    for words in [
        "Secure Boot",
        "GNU General Public License",
        "source package grub2",
    ] {
        assert!(notice.contains(words), "{words}: {notice}");
    }

    let efi = "boot/eltorito_img2_uefi.img";
    for (name, wanted) in [
        ("sekisho", &kernel[..]),
        ("sekisho.toml", config.as_bytes()),
        ("README.txt", notice.as_bytes()),
    ] {
        run(
            images.folder(),
            "mcopy",
            &["-n", "-i", efi, &format!("::/{name}"), "copy"],
        );
        assert!(file("copy") == wanted, "{name}");
        fs::remove_file(images.folder().join("copy")).expect("it was there");
    }
}

#[test]
fn the_appliance_verifies_and_is_well_formed() {
    let images = Images::make(
        &[Image::Ova, Image::Disk(Format::VmdkStream)],
        &example("dmz.toml"),
        "",
    );
    let folder = images.folder();
    run(folder, "tar", &["-xf", Image::Ova.file_name()]);
    let hashes = fs::read_to_string(folder.join("sekisho.mf")).expect("hashes");
    let sums: String = hashes
        .lines()
        .map(|line| {
            let line = line
                .strip_prefix("SHA256(")
                .and_then(|line| line.split_once(")= "));
            let (name, sum) = line.unwrap_or_else(|| panic!("{hashes}"));
            format!("{sum}  {name}\n")
        })
        .collect();
    fs::write(folder.join("sums"), sums).expect("written");
    let said = run(folder, "sha256sum", &["--check", "--strict", "sums"]);
    assert_eq!(said.matches(": OK").count(), 2, "{said}");
    run(folder, "xmllint", &["--noout", "sekisho.ovf"]);
    let disk = fs::read(folder.join("sekisho-disk1.vmdk")).expect("the disk");
    assert!(disk == images.read(Image::Disk(Format::VmdkStream)));
}

#[test]
fn nothing_is_overwritten_unless_it_is_said() {
    let images = Images::make(&[Image::Ova], &example("lab.toml"), "");
    let before = files(images.folder());
    let all = |existing| make(images.folder(), &Image::ALL, &example("nat.toml"), existing);
    let refused = all(Existing::Keep).expect_err("one is there").to_string();
    assert!(
        refused.contains("sekisho.ova is there already"),
        "{refused}"
    );
    assert!(files(images.folder()) == before, "nothing else was made");
    all(Existing::Replace).expect("replaced");
    assert!(files(images.folder())[&images.path(Image::Ova)] != before[&images.path(Image::Ova)]);
}

#[test]
fn what_would_not_boot_is_not_put_on_an_image() {
    let images = Images::make(&[RAW], &example("lab.toml"), "");
    let before = files(images.folder());
    let refused = make(
        images.folder(),
        &Image::ALL,
        "version = 2",
        Existing::Replace,
    );
    let refused = refused.expect_err("it would not boot").to_string();
    assert!(refused.contains("line 1"), "{refused}");
    let config = example("lab.toml");
    let contents = Contents {
        kernel: b"no kernel",
        config: config.as_bytes(),
        words: "",
    };
    let refused = build(
        &contents,
        &[RAW],
        images.folder(),
        Existing::Replace,
        |_| (),
    );
    let refused = refused.expect_err("it would not boot").to_string();
    assert!(refused.contains("the kernel cannot be booted"), "{refused}");
    assert!(files(images.folder()) == before, "as it was");
}

/// A file system of a mebibyte, until it is dropped.
struct Small(TempDir);

impl Small {
    fn mount() -> Small {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().to_str().expect("it is text");
        run(
            Path::new("/"),
            "mount",
            &["-t", "tmpfs", "-o", "size=1m", "small", path],
        );
        Small(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_named_and_keeps_what_was_there() {
    if skip::without_root("a small file system has to be mounted") {
        return;
    }
    let small = Small::mount();
    let folder = small.0.path();
    let config = example("lab.toml");
    make(folder, &[Image::Elf], &config, Existing::Keep).expect("there is room for one");
    let before = files(folder);
    let refused = make(folder, &Image::ALL, &config, Existing::Replace);
    let refused = refused.expect_err("there is no room for all").to_string();
    let said = format!("no space left for {}", folder.join("sekisho.raw").display());
    assert!(refused.starts_with(&said), "{refused}");
    assert!(files(folder) == before, "nothing half made is left");
}

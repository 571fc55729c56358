//! The configuration is found on whatever the usual tools make.

use std::fs;
use std::path::Path;

use sekisho_drive::{Configuration, Failure, Fault, Finding, Label, Medium, look};
use sekisho_tests::firewall::example;
use sekisho_tests::media::Media;

/// A drive that is a file, with blocks of this size.
struct Image {
    block: usize,
    bytes: Vec<u8>,
    reads: usize,
}

impl Medium for Image {
    fn block_bytes(&self) -> usize {
        self.block
    }

    fn blocks(&self) -> u64 {
        (self.bytes.len() / self.block) as u64
    }

    fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), Fault> {
        self.reads += 1;
        let at = block as usize * self.block;
        into.copy_from_slice(&self.bytes[at..at + into.len()]);
        Ok(())
    }
}

fn seen(image: &Path, block: usize) -> Result<Finding, Failure> {
    let bytes = fs::read(image).expect("the image is there");
    look(&mut Image {
        block,
        bytes,
        reads: 0,
    })
}

#[track_caller]
fn expect(image: &Path, block: usize, label: Label, file: &'static str, bytes: &[u8]) {
    let expected = Configuration {
        label,
        file,
        bytes: bytes.to_vec(),
    };
    assert_eq!(
        seen(image, block),
        Ok(Finding::Configuration(expected)),
        "{}",
        image.display()
    );
}

/// A configuration as large as they get.
fn largest() -> Vec<u8> {
    let text = example("lab.toml");
    let padding = "#".repeat(sekisho_config::MAX_BYTES - text.len() - 1);
    format!("{text}{padding}\n").into_bytes()
}

#[test]
fn fat_of_every_width_and_cluster_by_mkfs_vfat_and_mcopy() {
    let media = Media::new();
    let (small, large) = (example("lab.toml").into_bytes(), largest());
    let kinds: [(&str, u32, &[&str]); 6] = [
        ("floppy", 1440, &["-n", "SEKISHO"]),
        ("fat12", 4096, &["-F", "12", "-n", "SEKISHO"]),
        (
            "fat16",
            16 * 1024,
            &["-F", "16", "-s", "1", "-n", "SEKISHO"],
        ),
        (
            "fat32",
            40 * 1024,
            &["-F", "32", "-s", "1", "-n", "SEKISHO"],
        ),
        (
            "clusters",
            40 * 1024,
            &["-F", "16", "-s", "16", "-n", "SEKISHO"],
        ),
        ("sectors", 16 * 1024, &["-S", "4096", "-n", "SEKISHO"]),
    ];
    for (name, kib, options) in kinds {
        for (size, config) in [("small", &small), ("large", &large)] {
            let files = [("readme.txt", &b"hello"[..]), ("sekisho.toml", config)];
            let image = media.fat(&format!("{name}-{size}"), kib, options, &files);
            expect(&image, 512, Label::Sekisho, "sekisho.toml", config);
        }
    }
}

#[test]
fn fat_labelled_as_cloud_init_s_tools_do() {
    let media = Media::new();
    let ours = b"# sekisho\nversion = 1\n";
    let files = [("meta-data", &b"{}"[..]), ("user-data", &ours[..])];
    for label in ["CIDATA", "cidata"] {
        let image = media.fat(label, 1440, &["-n", label], &files);
        expect(&image, 512, Label::Cidata, "user-data", ours);
    }
    let theirs = [
        ("meta-data", &b"{}"[..]),
        ("user-data", &b"#cloud-config\n"[..]),
    ];
    let image = media.fat("theirs", 1440, &["-n", "cidata"], &theirs);
    assert!(matches!(
        seen(&image, 512),
        Ok(Finding::Foreign(Label::Cidata, _))
    ));
}

#[test]
fn partitions_by_sfdisk() {
    let media = Media::new();
    let config = example("lab.toml").into_bytes();
    let volume = media.fat(
        "volume",
        2880,
        &["-n", "SEKISHO"],
        &[("sekisho.toml", &config)],
    );
    for table in ["dos", "gpt"] {
        let image = media.partitioned(table, table, &volume);
        expect(&image, 512, Label::Sekisho, "sekisho.toml", &config);
    }
}

#[test]
fn discs_by_genisoimage_and_xorriso() {
    let media = Media::new();
    let (small, large) = (example("lab.toml").into_bytes(), largest());
    // Proxmox, cloud-localds, and what people type; the last two know short names only.
    let options: [&[&str]; 5] = [
        &["-iso-level", "3", "-R"],
        &["-J", "-r"],
        &["-J", "-R"],
        &["-J"],
        &["-iso-level", "1"],
    ];
    for (index, options) in options.into_iter().enumerate() {
        for (size, config) in [("small", &small), ("large", &large)] {
            let files = [("readme.txt", &b"hello"[..]), ("sekisho.toml", config)];
            let name = format!("{index}-{size}");
            let image = media.disc(&name, "SEKISHO", options, &files);
            for block in [512, 2048] {
                expect(&image, block, Label::Sekisho, "sekisho.toml", config);
            }
            let image = media.xorriso(&format!("x{name}"), "SEKISHO", options, &files);
            expect(&image, 2048, Label::Sekisho, "sekisho.toml", config);
        }
        let ours = b"# sekisho\nversion = 1\n";
        let files = [("meta-data", &b"{}"[..]), ("user-data", &ours[..])];
        let image = media.disc(&format!("{index}-cidata"), "cidata", options, &files);
        expect(&image, 2048, Label::Cidata, "user-data", ours);
    }
}

#[test]
fn an_image_cut_off_or_with_random_holes_never_panics_and_ends() {
    let media = Media::new();
    let config = example("lab.toml").into_bytes();
    let files = [("sekisho.toml", &config[..])];
    let images = [
        media.fat("fat", 1440, &["-n", "SEKISHO"], &files),
        media.fat("fat32", 33 * 1024, &["-F", "32", "-n", "SEKISHO"], &files),
        media.disc("iso", "SEKISHO", &["-J", "-R"], &files),
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for image in images {
        let original = fs::read(image).expect("the image is there");
        let structures: Vec<_> = (0..original.len())
            .filter(|&at| original[at] != 0)
            .collect();
        let mut drive = Image {
            block: 512,
            bytes: original.clone(),
            reads: 0,
        };
        for round in 0..3000 {
            let places: Vec<_> = (0..1 + next(8))
                .map(|_| structures[next(structures.len())])
                .collect();
            for &at in &places {
                drive.bytes[at] = next(256) as u8;
            }
            drive.reads = 0;
            let _ = look(&mut drive);
            assert!(drive.reads <= 4096, "round {round}: {} reads", drive.reads);
            for at in places {
                drive.bytes[at] = original[at];
            }
        }
    }
}

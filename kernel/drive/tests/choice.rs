//! Which drive is a configuration drive, and which file of it counts.

mod support;

use sekisho_config::MAX_BYTES;
use sekisho_drive::{Failure, Fault, Finding, Label, Problem, look};
use support::fat::{self, Fat};
use support::iso::{Iso, Joliet};
use support::{Ram, found, put, seen};

const TEXT: &[u8] = b"version = 1\n";
const OURS: &[u8] = b"# sekisho\nversion = 1\n";
const THEIRS: &[u8] = b"#cloud-config\npackages: [vim]\n";
const USER_DATA: ([u8; 11], Option<&str>) = (*b"USER-D~1   ", Some("user-data"));

fn with<'a>(
    name: ([u8; 11], Option<&'a str>),
    content: &'a [u8],
) -> [([u8; 11], Option<&'a str>, &'a [u8]); 1] {
    [(name.0, name.1, content)]
}

fn fat(label: &[u8; 11], files: &[([u8; 11], Option<&str>, &[u8])]) -> Vec<u8> {
    Fat {
        label,
        files,
        ..Fat::default()
    }
    .make()
}

#[test]
fn every_width_of_fat_is_read() {
    let long: Vec<u8> = (0..5000).map(|index| index as u8).collect();
    let widths = [
        (200, false),
        (4084, false),
        (4085, false),
        (5000, false),
        (300, true),
    ];
    for (clusters, is_fat32) in widths {
        let files = with(fat::CONFIG, &long);
        let image = Fat {
            clusters,
            is_fat32,
            files: &files,
            ..Fat::default()
        }
        .make();
        assert_eq!(
            seen(image),
            found(Label::Sekisho, "sekisho.toml", &long),
            "{clusters}"
        );
    }
}

#[test]
fn a_label_counts_in_any_case_and_only_whole() {
    let files = with(fat::CONFIG, TEXT);
    for label in [b"SEKISHO    ", b"Sekisho    "] {
        assert_eq!(
            seen(fat(label, &files)),
            found(Label::Sekisho, "sekisho.toml", TEXT)
        );
    }
    for label in [b"CIDATA     ", b"cidata     ", b"CiData     "] {
        assert_eq!(
            seen(fat(label, &files)),
            found(Label::Cidata, "sekisho.toml", TEXT)
        );
    }
    for label in [
        b"SEKISHOBOOT",
        b"SEKISHO 2  ",
        b"           ",
        b"NO NAME    ",
    ] {
        assert_eq!(seen(fat(label, &files)), Ok(Finding::Nothing), "{label:?}");
    }
}

#[test]
fn the_root_folder_s_label_counts_before_the_boot_sector_s() {
    let files = with(fat::CONFIG, TEXT);
    let mut image = fat(b"SEKISHO    ", &files);
    put(&mut image, 43, b"NO NAME    ");
    assert_eq!(
        seen(image.clone()),
        found(Label::Sekisho, "sekisho.toml", TEXT)
    );
    let root = Fat::default().layout().root;
    image[root] = 0xe5;
    assert_eq!(seen(image.clone()), Ok(Finding::Nothing));
    put(&mut image, 43, b"SEKISHO    ");
    assert_eq!(seen(image), found(Label::Sekisho, "sekisho.toml", TEXT));
}

#[test]
fn a_short_name_counts_where_there_is_no_long_one() {
    let short = with((*b"SEKISHO TOM", None), TEXT);
    assert_eq!(
        seen(fat(b"SEKISHO    ", &short)),
        found(Label::Sekisho, "sekisho.toml", TEXT)
    );
    let other = with((*b"SEKISHO TOM", Some("sekisho.tomb")), TEXT);
    let no_file = Err(Failure::Unusable(Label::Sekisho, Problem::NoFile));
    assert_eq!(seen(fat(b"SEKISHO    ", &other)), no_file);
}

#[test]
fn a_long_name_belongs_to_the_entry_whose_sum_it_has() {
    let files = with(fat::CONFIG, TEXT);
    let mut image = fat(b"SEKISHO    ", &files);
    // The long name of a file that a system without long names has replaced by another.
    let root = Fat::default().layout().root;
    put(&mut image, root + 64, b"OTHER   TXT");
    assert_eq!(
        seen(image),
        Err(Failure::Unusable(Label::Sekisho, Problem::NoFile))
    );
}

#[test]
fn user_data_counts_on_cidata_alone_and_only_with_its_first_line() {
    let (ours, theirs) = (with(USER_DATA, OURS), with(USER_DATA, THEIRS));
    assert_eq!(
        seen(fat(b"cidata     ", &ours)),
        found(Label::Cidata, "user-data", OURS)
    );
    let foreign = |image| match seen(image) {
        Ok(Finding::Foreign(Label::Cidata, why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(foreign(fat(b"cidata     ", &theirs)).contains("user-data"));
    assert!(foreign(fat(b"cidata     ", &with(USER_DATA, b"# sekish"))).contains("user-data"));
    assert!(foreign(fat(b"cidata     ", &with(USER_DATA, b""))).contains("user-data"));
    assert!(foreign(fat(b"cidata     ", &[])).contains("neither"));
    let no_file = Err(Failure::Unusable(Label::Sekisho, Problem::NoFile));
    assert_eq!(seen(fat(b"SEKISHO    ", &ours)), no_file);
    assert_eq!(seen(fat(b"SEKISHO    ", &[])), no_file);
}

#[test]
fn sekisho_toml_counts_before_user_data() {
    let files = [with(USER_DATA, OURS)[0], with(fat::CONFIG, TEXT)[0]];
    assert_eq!(
        seen(fat(b"cidata     ", &files)),
        found(Label::Cidata, "sekisho.toml", TEXT)
    );
}

#[test]
fn discs_are_read_by_every_kind_of_names() {
    let plain = |name, content| [(name, None, content)];
    let disc = |label, files: &[(&str, Option<&str>, &[u8])], joliet| {
        seen(
            Iso {
                label,
                joliet,
                files,
            }
            .make(),
        )
    };
    for name in ["SEKISHO.TOM;1", "SEKISHO.TOML;1"] {
        let files = plain(name, TEXT);
        let finding = disc("SEKISHO", &files, Joliet::Absent);
        assert_eq!(
            finding,
            found(Label::Sekisho, "sekisho.toml", TEXT),
            "{name}"
        );
    }
    let files = plain("USER_DAT.;1", OURS);
    assert_eq!(
        disc("cidata", &files, Joliet::Absent),
        found(Label::Cidata, "user-data", OURS)
    );
    let files = [
        ("USER_DAT.;1", Some("user-data"), OURS),
        ("META_DAT.;1", Some("meta-data"), TEXT),
    ];
    for joliet in [Joliet::Absent, Joliet::Present, Joliet::Alone] {
        assert_eq!(
            disc("cidata", &files, joliet),
            found(Label::Cidata, "user-data", OURS)
        );
    }
}

#[test]
fn a_name_that_was_only_shortened_to_ours_is_not_ours() {
    let disc = |joliet| {
        let files: [(&str, Option<&str>, &[u8]); 1] =
            [("SEKISHO.TOM;1", Some("sekisho.tomatoes"), TEXT)];
        seen(
            Iso {
                label: "SEKISHO",
                joliet,
                files: &files,
            }
            .make(),
        )
    };
    let no_file = Err(Failure::Unusable(Label::Sekisho, Problem::NoFile));
    assert_eq!(disc(Joliet::Absent), no_file);
    assert_eq!(disc(Joliet::Present), no_file);
    assert_eq!(disc(Joliet::Alone), no_file);
}

/// An MBR with these partitions: kind, first block, blocks.
fn mbr(disk: &mut [u8], partitions: &[(u8, u32, u32)]) {
    for (index, (kind, first, blocks)) in partitions.iter().enumerate() {
        let at = 446 + 16 * index;
        disk[at + 4] = *kind;
        put(disk, at + 8, &first.to_le_bytes());
        put(disk, at + 12, &blocks.to_le_bytes());
    }
    put(disk, 510, &[0x55, 0xaa]);
}

fn gpt(disk: &mut [u8], block: usize, partitions: &[(u64, u64)]) {
    mbr(disk, &[(0xee, 1, u32::MAX)]);
    put(disk, block, b"EFI PART");
    put(disk, block + 72, &2_u64.to_le_bytes());
    put(disk, block + 80, &128_u32.to_le_bytes());
    put(disk, block + 84, &128_u32.to_le_bytes());
    for (index, (first, last)) in partitions.iter().enumerate() {
        let at = 2 * block + 128 * index;
        disk[at] = 1;
        put(disk, at + 32, &first.to_le_bytes());
        put(disk, at + 40, &last.to_le_bytes());
    }
}

#[test]
fn partitions_of_either_table_are_looked_at_and_the_first_of_ours_counts() {
    let (boot, ours) = (with(fat::CONFIG, THEIRS), with(fat::CONFIG, TEXT));
    let volumes = [fat(b"SEKISHOBOOT", &boot), fat(b"SEKISHO    ", &ours)];
    for block in [512, 4096] {
        let (first, second) = (64 * 4096, 128 * 4096);
        let mut disk = vec![0; 192 * 4096];
        put(&mut disk, first, &volumes[0]);
        put(&mut disk, second, &volumes[1]);
        let (a, b) = (first / block, second / block);
        let mut by_mbr = disk.clone();
        mbr(
            &mut by_mbr,
            &[(0xef, a as u32, 4), (0, 1, 1), (0x0c, b as u32, 1000)],
        );
        let mut by_gpt = disk.clone();
        gpt(
            &mut by_gpt,
            block,
            &[(a as u64, a as u64 + 300), (b as u64, b as u64 + 300)],
        );
        for disk in [by_mbr, by_gpt] {
            let finding = look(&mut Ram::with_blocks(block, disk));
            assert_eq!(
                finding,
                found(Label::Sekisho, "sekisho.toml", TEXT),
                "{block}"
            );
        }
    }
}

#[test]
fn a_partition_is_read_to_its_last_block_and_no_further() {
    let content = [b'#'; 6 * 512];
    let files = with(fat::CONFIG, &content);
    let volume = Fat {
        clusters: 6,
        files: &files,
        ..Fat::default()
    }
    .make();
    let (first, blocks) = (64, volume.len() as u64 / 512);
    let mut disk = vec![0; 1 << 20];
    put(&mut disk, 64 * 512, &volume);
    gpt(&mut disk, 512, &[(first, first + blocks - 1)]);
    assert_eq!(
        seen(disk.clone()),
        found(Label::Sekisho, "sekisho.toml", &content)
    );
    gpt(&mut disk, 512, &[(first, first + blocks - 2)]);
    let finding = seen(disk);
    assert!(
        matches!(finding, Err(Failure::Unusable(_, Problem::Damaged(_)))),
        "{finding:?}"
    );
}

#[test]
fn a_boot_disk_is_no_configuration_drive() {
    let files = with(fat::CONFIG, TEXT);
    let mut disk = vec![0; 1 << 20];
    put(&mut disk, 64 * 4096, &fat(b"SEKISHOBOOT", &files));
    gpt(&mut disk, 512, &[(34, 100), (512, 1000)]);
    assert_eq!(seen(disk), Ok(Finding::Nothing));
}

#[test]
fn a_fresh_fat_counts_before_what_is_left_of_a_disc() {
    let files = with(fat::CONFIG, TEXT);
    let mut image = fat(b"SEKISHO    ", &files);
    let old = Iso {
        label: "cidata",
        joliet: Joliet::Absent,
        files: &[("USER_DAT.;1", None, OURS)],
    }
    .make();
    put(&mut image, 32 * 1024, &old[32 * 1024..]);
    assert_eq!(seen(image), found(Label::Sekisho, "sekisho.toml", TEXT));
}

#[test]
fn the_largest_configuration_is_read_and_a_larger_one_refused() {
    let largest = vec![b'#'; MAX_BYTES];
    let files = with(fat::CONFIG, &largest);
    let image = |files| {
        Fat {
            clusters: 1000,
            files,
            ..Fat::default()
        }
        .make()
    };
    assert_eq!(
        seen(image(&files)),
        found(Label::Sekisho, "sekisho.toml", &largest)
    );
    let larger = vec![b'#'; MAX_BYTES + 1];
    let files = with(fat::CONFIG, &larger);
    let problem = Problem::TooLarge("sekisho.toml", MAX_BYTES as u64 + 1);
    assert_eq!(
        seen(image(&files)),
        Err(Failure::Unusable(Label::Sekisho, problem))
    );
}

#[test]
fn a_drive_that_fails_is_told_apart_by_whether_its_label_was_read() {
    let files = with(fat::CONFIG, TEXT);
    let image = fat(b"SEKISHO    ", &files);
    let data = (Fat::default().layout().data / 4096 * 8) as u64;
    let look_at = |broken_from| {
        let mut ram = Ram::new(image.clone());
        ram.broken_from = broken_from;
        look(&mut ram)
    };
    let fault = Fault::Refused(3);
    assert_eq!(look_at(0), Err(Failure::Unread(fault)));
    let long = vec![b'#'; 20_000];
    let files = with(fat::CONFIG, &long);
    let mut ram = Ram::new(fat(b"SEKISHO    ", &files));
    ram.broken_from = data + 16;
    assert_eq!(
        look(&mut ram),
        Err(Failure::Unusable(Label::Sekisho, Problem::Fault(fault)))
    );
}

#[test]
fn a_drive_without_anything_is_nothing() {
    for len in [0, 512, 1024, 4096, 40_000, 1 << 20] {
        assert_eq!(seen(vec![0; len]), Ok(Finding::Nothing), "{len}");
        assert_eq!(seen(vec![0xff; len]), Ok(Finding::Nothing), "{len}");
    }
}

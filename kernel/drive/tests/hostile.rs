//! Drives that lie: every look ends soon, and never with a panic.

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use sekisho_drive::{Failure, Finding, Label, Problem, look};
use support::fat::{self, Fat};
use support::iso::{self, Iso, Joliet};
use support::{Ram, put, seen};

/// How often a drive may be read in one look.
const MOST_READS: usize = 4096;

fn content() -> Vec<u8> {
    (0..3000).map(|index| index as u8).collect()
}

fn made(clusters: usize, is_fat32: bool) -> (Vec<u8>, fat::Layout) {
    let content = content();
    let files = [(fat::CONFIG.0, fat::CONFIG.1, &content[..])];
    let fat = Fat {
        clusters,
        is_fat32,
        files: &files,
        ..Fat::default()
    };
    (fat.make(), fat.layout())
}

fn disc(joliet: Joliet) -> Vec<u8> {
    Iso {
        label: "SEKISHO",
        joliet,
        files: &[("SEKISHO.TOM;1", Some("sekisho.toml"), &content())],
    }
    .make()
}

#[track_caller]
fn expect_damaged(image: Vec<u8>) {
    let mut ram = Ram::new(image);
    let finding = look(&mut ram);
    assert!(
        matches!(
            finding,
            Err(Failure::Unusable(Label::Sekisho, Problem::Damaged(_)))
        ),
        "{finding:?}"
    );
    assert!(ram.reads < 200, "{} reads", ram.reads);
}

#[test]
fn a_chain_that_is_a_ring_is_damage() {
    for back in [2, 3] {
        let (mut image, layout) = made(200, false);
        fat::set(&mut image, &layout, 3, back);
        expect_damaged(image);
    }
}

#[test]
fn a_root_folder_that_is_a_ring_ends() {
    let (mut image, layout) = made(300, true);
    fat::set(&mut image, &layout, 2, 2);
    let at = layout.data;
    // No entry that ends the folder.
    image[at + 32..at + layout.cluster].fill(0xe5);
    let mut ram = Ram::new(image);
    assert_eq!(
        look(&mut ram),
        Err(Failure::Unusable(Label::Sekisho, Problem::NoFile))
    );
    assert!(ram.reads < MOST_READS, "{} reads", ram.reads);
}

#[test]
fn a_chain_that_leaves_the_file_system_or_ends_early_is_damage() {
    for next in [0, 1, 202, 0xff0, 0xff7, 0xfff] {
        let (mut image, layout) = made(200, false);
        fat::set(&mut image, &layout, 3, next);
        expect_damaged(image);
    }
}

#[test]
fn a_file_that_lies_outside_is_damage() {
    for first in [0_u16, 1, 202, 0xffff] {
        let (mut image, layout) = made(200, false);
        put(&mut image, layout.root + 64 + 26, &first.to_le_bytes());
        expect_damaged(image);
    }
}

#[test]
fn a_file_system_larger_than_its_medium_is_read_as_far_as_it_goes() {
    let (mut image, layout) = made(200, false);
    put(&mut image, 32, &0x0fff_ffff_u32.to_le_bytes());
    // Now its table counts as one with 16 or 32 bits, and leads anywhere.
    let _ = seen(image.clone());
    let (mut image, _) = made(200, false);
    image.truncate(layout.data + layout.cluster);
    expect_damaged(image);
}

#[test]
fn absurd_clusters_and_sectors_are_no_fat() {
    for (at, value) in [
        (11, 1),
        (12, 0xff),
        (13, 0),
        (13, 3),
        (16, 0),
        (16, 200),
        (510, 0),
    ] {
        let (mut image, _) = made(200, false);
        image[at] = value;
        assert_eq!(seen(image), Ok(Finding::Nothing), "{at} {value}");
    }
    let (mut image, _) = made(200, false);
    image[13] = 128;
    // Three clusters of 64 KiB are possible, but then nothing is where it was.
    let _ = seen(image);
}

#[test]
fn a_disc_whose_files_lie_outside_is_damaged() {
    for (at, value) in [(2, 0xffff_fff0_u32), (10, 200_000), (10, 262_144)] {
        let mut image = disc(Joliet::Absent);
        let record = iso::ROOT * iso::BLOCK + 68;
        put(&mut image, record + at, &value.to_le_bytes());
        expect_damaged(image);
    }
}

#[test]
fn a_folder_of_a_disc_that_lies_outside_or_is_huge_is_damaged() {
    let mut image = disc(Joliet::Absent);
    put(
        &mut image,
        16 * iso::BLOCK + 156 + 2,
        &u32::MAX.to_le_bytes(),
    );
    expect_damaged(image);
    let mut image = disc(Joliet::Absent);
    put(
        &mut image,
        16 * iso::BLOCK + 156 + 10,
        &u32::MAX.to_le_bytes(),
    );
    expect_damaged(image);
    let mut image = disc(Joliet::Present);
    image[iso::JOLIET * iso::BLOCK] = 20;
    expect_damaged(image);
}

#[test]
fn records_of_impossible_lengths_are_damage() {
    let record = iso::ROOT * iso::BLOCK + 68;
    for (at, value) in [(0, 1), (0, 33), (32, 200), (32, 255)] {
        let mut image = disc(Joliet::Absent);
        image[record + at] = value;
        expect_damaged(image);
    }
}

/// Images that something is broken in, and where the bytes that are not zero lie.
static ORIGINALS: LazyLock<Vec<(Vec<u8>, Vec<usize>)>> = LazyLock::new(|| {
    let with_places = |image: Vec<u8>| {
        let bytes = image.iter().enumerate().filter(|(_, byte)| **byte != 0);
        let places = bytes.map(|(at, _)| at).collect();
        (image, places)
    };
    originals().into_iter().map(with_places).collect()
});

fn originals() -> Vec<Vec<u8>> {
    let mut partitioned = vec![0; 512 * 1024];
    put(
        &mut partitioned,
        446 + 4,
        &[0x0c, 0, 0, 0, 64, 0, 0, 0, 0xff, 0xff],
    );
    put(&mut partitioned, 510, &[0x55, 0xaa]);
    let (small, _) = made(200, false);
    put(&mut partitioned, 64 * 512, &small);
    let (wide, _) = made(300, true);
    vec![
        small,
        wide,
        partitioned,
        disc(Joliet::Absent),
        disc(Joliet::Present),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_corruption_never_panics_and_always_ends(
        which in 0_usize..5,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), -2_isize..3), 1..12),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        block in prop::sample::select(vec![512_usize, 2048, 4096]),
    ) {
        let (mut image, places) = ORIGINALS[which].clone();
        for (place, value, shift) in changes {
            let at = places[place.index(places.len())].saturating_add_signed(shift);
            if let Some(byte) = image.get_mut(at) {
                *byte = value;
            }
        }
        if let Some(cut) = cut {
            image.truncate(cut.index(image.len()));
        }
        let mut ram = Ram::with_blocks(block, image);
        let _ = look(&mut ram);
        prop_assert!(ram.reads <= MOST_READS, "{} reads", ram.reads);
    }

    #[test]
    fn random_bytes_behind_a_plausible_beginning_never_panic(
        boot in prop::collection::vec(any::<u8>(), 80),
        rest in prop::collection::vec(any::<u8>(), 4096),
    ) {
        let (mut image, layout) = made(200, false);
        for (at, byte) in (13..80).zip(boot) {
            image[at] = byte;
        }
        put(&mut image, layout.table, &rest);
        let mut ram = Ram::new(image);
        let _ = look(&mut ram);
        prop_assert!(ram.reads <= MOST_READS, "{} reads", ram.reads);
    }
}

//! The writes that replace a file, in an order in which each moment is good enough to lose power at.
//!
//! 1. The new contents go to clusters that are nobody's.
//! 2. These clusters are linked, in all copies of the table.
//! 3. The file's entry is pointed at them: one sector, which the device writes whole or not at all.
//! 4. The old contents' clusters are freed.
//!
//! Up to the third step every reader finds the old file, and from then on the new one. Power lost in between leaves at the worst clusters
//! that belong to nobody and a second table that differs from the first, which no reader minds and the next change mends.

use std::iter;

use super::Refusal;
use crate::fat::folder::{self, Kind, Naming};
use crate::fat::volume::{SECTOR, Table, Volume};

/// A piece of the volume, or of the disk that it is on, as it will be: whole sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its place there.
    pub at: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Writes that may reach the device in any order; all must be there before the next step's begin.
pub type Step = Vec<Write>;

/// The steps that put `contents` into the file called `name`, which is in the folder at the top or will be.
///
/// # Errors
/// A file system that contradicts itself, or has no room for both the old and the new contents.
pub fn replace(volume: &Volume<'_>, name: &str, contents: &[u8]) -> Result<Vec<Step>, Refusal> {
    let owned = folder::owned(volume)?;
    let nobodys = |&cluster: &u16| !owned[usize::from(cluster)] && !volume.is_bad(cluster);
    let free: Vec<u16> = volume.clusters().filter(nobodys).collect();
    let needed = contents.len().div_ceil(volume.cluster_bytes());
    let chain = free.get(..needed).ok_or(Refusal::NoRoom {
        bytes: contents.len(),
        room: free.len() * volume.cluster_bytes(),
    })?;
    let first = chain.first().copied().unwrap_or(0);
    let bytes = u32::try_from(contents.len()).expect("it fits onto the volume");

    let old = find(volume, name);
    let naming = match &old {
        Some(entry) => folder::point(volume, entry, first, bytes),
        None => folder::name(volume, name, first, bytes)?,
    };
    let mut table = Table::of(volume);
    // What an earlier change left behind when the power went.
    free.iter().for_each(|&cluster| table.free(cluster));
    table.link(chain);
    let linked = table.clone();
    if let Some(entry) = old {
        for cluster in entry.chain(volume)? {
            table.free(cluster);
        }
    }
    let mut prepared = fill(volume, chain, contents);
    prepared.extend(naming.passed_over.map(|at| pass_over(volume, at)));
    let copies = volume.fats().iter().map(|fat| &volume.bytes()[fat.clone()]);
    let after_linking = tables(volume, copies, &linked);
    let after_freeing = tables(volume, iter::repeat(linked.bytes()), &table);
    Ok(vec![prepared, after_linking, switch(naming), after_freeing])
}

/// The file of that name in the folder at the top; FAT does not tell capitals from small letters.
pub fn find(volume: &Volume<'_>, name: &str) -> Option<folder::Entry> {
    let mut entries = folder::entries(volume, None).into_iter();
    entries.find(|entry| entry.kind == Kind::File && entry.name.eq_ignore_ascii_case(name))
}

/// The contents in their clusters, of which the last one is filled up.
fn fill(volume: &Volume<'_>, chain: &[u16], contents: &[u8]) -> Step {
    let parts = contents.chunks(volume.cluster_bytes());
    let write = |(&cluster, part): (&u16, &[u8])| {
        let range = volume.cluster(cluster);
        let mut bytes = part.to_vec();
        bytes.resize(range.len(), 0);
        Write {
            at: range.start as u64,
            bytes,
        }
    };
    chain.iter().zip(parts).map(write).collect()
}

/// The sectors that turn all copies of the table into another one.
fn tables<'a>(volume: &Volume<'_>, before: impl Iterator<Item = &'a [u8]>, after: &Table) -> Step {
    let mut step = Step::new();
    for (fat, before) in volume.fats().iter().zip(before) {
        let sectors = before.chunks(SECTOR).zip(after.bytes().chunks(SECTOR));
        for (at, (before, after)) in fat.clone().step_by(SECTOR).zip(sectors) {
            if before != after {
                step.push(Write {
                    at: at as u64,
                    bytes: after.to_vec(),
                });
            }
        }
    }
    step
}

fn pass_over(volume: &Volume<'_>, at: usize) -> Write {
    let sector = at / SECTOR * SECTOR;
    let mut bytes = volume.bytes()[sector..sector + SECTOR].to_vec();
    bytes[at - sector] = folder::DELETED;
    Write {
        at: sector as u64,
        bytes,
    }
}

fn switch(naming: Naming) -> Step {
    vec![Write {
        at: naming.sector as u64,
        bytes: naming.bytes,
    }]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Cursor;

    use fatfs::{FileSystem, FsOptions};

    use super::*;
    use crate::fat::{self, volume};
    use crate::{CONFIG, KERNEL};

    const SIZE: usize = 4 << 20;
    const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";

    fn made(config: Option<&[u8]>) -> Vec<u8> {
        let (loader, kernel) = ([1; 3000], [2; 70_000]);
        let mut files: Vec<fat::File> = vec![(LOADER, &loader), (KERNEL, &kernel)];
        files.extend(config.map(|config| (CONFIG, config)));
        fat::make(SIZE, 7, &files).expect("they fit")
    }

    fn steps(space: &[u8], config: &[u8]) -> Vec<Step> {
        let volume = Volume::read(space).expect("a file system");
        replace(&volume, CONFIG, config).expect("there is room")
    }

    fn write<'a>(space: &mut [u8], writes: impl IntoIterator<Item = &'a Write>) {
        for write in writes {
            let at = write.at as usize;
            space[at..at + write.bytes.len()].copy_from_slice(&write.bytes);
        }
    }

    fn change(space: &mut [u8], config: &[u8]) {
        let steps = steps(space, config);
        write(space, steps.iter().flatten());
    }

    /// All files, as another program reads them.
    fn files(space: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut space = space.to_vec();
        let fs = FileSystem::new(Cursor::new(&mut space[..]), FsOptions::new()).expect("FAT");
        let mut found = BTreeMap::new();
        let mut waiting = vec![(String::new(), fs.root_dir())];
        while let Some((path, folder)) = waiting.pop() {
            for entry in folder.iter().map(|entry| entry.expect("an entry")) {
                let name = entry.file_name();
                let path = format!("{path}{name}");
                if [".", ".."].contains(&name.as_str()) {
                } else if entry.is_dir() {
                    waiting.push((format!("{path}/"), entry.to_dir()));
                } else {
                    let mut bytes = Vec::new();
                    std::io::Read::read_to_end(&mut entry.to_file(), &mut bytes).expect("a file");
                    found.insert(path, bytes);
                }
            }
        }
        found
    }

    /// Both copies of the table are the same, and all clusters that are not free belong to a file.
    #[track_caller]
    fn expect_clean(space: &[u8]) {
        let volume = Volume::read(space).expect("a file system");
        let [one, other] = volume.fats() else {
            panic!("two copies");
        };
        assert!(space[one.clone()] == space[other.clone()]);
        let owned = folder::owned(&volume).expect("intact");
        let mut table = Table::of(&volume);
        for cluster in volume.clusters() {
            if !owned[usize::from(cluster)] {
                table.free(cluster);
            }
        }
        assert!(table == Table::of(&volume), "clusters are nobody's");
    }

    /// Ways in which power is lost: writes of the step that is being made, by number, that have reached the disk.
    fn losses(writes: usize) -> Vec<Vec<bool>> {
        let way = |made: &dyn Fn(usize) -> bool| (0..writes).map(made).collect();
        let some = || (0..=writes).step_by(writes / 16 + 1);
        let mut ways: Vec<Vec<bool>> = some().map(|made| way(&|index| index < made)).collect();
        ways.extend(some().map(|only| way(&|index| index == only)));
        ways.extend(some().map(|lost| way(&|index| index != lost)));
        // And in no order at all, the same each time.
        let mut state = 1_u64;
        let mut coin = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 63 == 1
        };
        ways.extend((0..20).map(|_| (0..writes).map(&mut coin).collect()));
        ways
    }

    #[test]
    fn contents_replace_others_of_any_length() {
        for (old, new) in [(10, 20), (20_000, 10), (10, 20_000), (512, 1024), (1, 0)] {
            let (old, new) = (vec![3; old], vec![4; new]);
            let mut space = made(Some(&old));
            let mut expected = files(&space);
            change(&mut space, &new);
            expected.insert(CONFIG.into(), new);
            assert!(files(&space) == expected);
            expect_clean(&space);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_made() {
        let mut space = made(None);
        change(&mut space, b"new");
        assert_eq!(files(&space)[CONFIG], b"new");
        assert_eq!(files(&space).len(), 3);
        expect_clean(&space);
    }

    #[test]
    fn an_entry_of_two_parts_never_lies_in_two_sectors() {
        for others in 0..40 {
            let names: Vec<String> = (0..others).map(|number| format!("F{number}")).collect();
            let mut named: Vec<fat::File> = names
                .iter()
                .map(|name| (name.as_str(), &b"x"[..]))
                .collect();
            named.push((KERNEL, b"kernel"));
            let space = fat::make(SIZE, 7, &named).expect("they fit");
            let steps = steps(&space, b"new");
            assert_eq!(steps[2].len(), 1, "the entry is written at once");
            for made in 0..=steps.len() {
                let mut space = space.clone();
                write(&mut space, steps[..made].iter().flatten());
                let files = files(&space);
                assert_eq!(files.len(), named.len() + usize::from(made > 2), "{others}");
                assert_eq!(files.contains_key(CONFIG), made > 2);
            }
        }
    }

    #[test]
    fn whenever_power_is_lost_there_is_the_old_file_or_the_new_one() {
        let (old, new) = (vec![3; 5000], vec![4; 150_000]);
        for (old, new) in [(&old, &new), (&new, &old)] {
            let before = made(Some(old));
            let expected = files(&before);
            let steps = steps(&before, new);
            assert_eq!(steps.len(), 4);
            for (number, step) in steps.iter().enumerate() {
                let mut reached = before.clone();
                write(&mut reached, steps[..number].iter().flatten());
                for way in losses(step.len()) {
                    let mut cut = reached.clone();
                    let made = step.iter().zip(&way).filter(|(_, made)| **made);
                    write(&mut cut, made.map(|(write, _)| write));
                    let switched = number > 2 || (number == 2 && way[0]);
                    let mut expected = expected.clone();
                    if switched {
                        expected.insert(CONFIG.into(), new.clone());
                    }
                    assert!(files(&cut) == expected, "step {number}, {way:?}");
                }
            }
        }
    }

    #[test]
    fn the_next_change_mends_what_a_cut_left_behind() {
        let before = made(Some(&[3; 5000]));
        let first = steps(&before, &[4; 150_000]);
        for (number, step) in first.iter().enumerate() {
            for way in losses(step.len()) {
                let mut space = before.clone();
                write(&mut space, first[..number].iter().flatten());
                let made = step.iter().zip(&way).filter(|(_, made)| **made);
                write(&mut space, made.map(|(write, _)| write));
                change(&mut space, &[5; 700]);
                assert_eq!(files(&space)[CONFIG], [5; 700]);
                expect_clean(&space);
            }
        }
    }

    #[test]
    fn without_room_for_both_it_is_refused() {
        let space = made(Some(b"old"));
        let volume = Volume::read(&space).expect("a file system");
        let refused = replace(&volume, CONFIG, &vec![0; SIZE]).expect_err("too long");
        let Refusal::NoRoom { bytes, room } = refused else {
            panic!("{refused}");
        };
        assert_eq!(bytes, SIZE);
        assert!((SIZE - 200_000..SIZE).contains(&room), "{room}");
        assert!(replace(&volume, CONFIG, &vec![0; room]).is_ok());
    }

    #[test]
    fn a_damaged_file_system_is_refused() {
        let space = made(Some(&[3; 5000]));
        let volume = Volume::read(&space).expect("a file system");
        let config = find(&volume, CONFIG).expect("it is there");
        let entry = volume.fats()[0].start + usize::from(config.first) * 2;
        for broken in [0, 1, volume::FIRST, config.first, 0xfff6] {
            let mut space = space.clone();
            space[entry..entry + 2].copy_from_slice(&broken.to_le_bytes());
            let volume = Volume::read(&space).expect("a file system");
            let refused = replace(&volume, CONFIG, b"new").expect_err("damaged");
            assert!(
                matches!(refused, Refusal::Damaged { .. }),
                "{broken}: {refused}"
            );
        }
    }
}

//! The FAT file system with the kernel, the configuration and UEFI's boot loader.
//!
//! [`make`] makes a new one; the same files give the same bytes. [`volume`] and [`folder`] read one that is there.

pub mod folder;
pub mod volume;

use std::io::{self, Cursor, ErrorKind, Read, Seek, Write};

use fatfs::{
    Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider,
};

use volume::Volume;

use crate::{Error, Refusal};

/// A file: its path with `/` in between, and its bytes.
pub type File<'a> = (&'a str, &'a [u8]);

/// The label of the partition that the machine boots from. A drive called `SEKISHO` would be one with a configuration.
const LABEL: &[u8; 11] = b"SEKISHOBOOT";

/// A FAT16 file system of `bytes` bytes with these files.
///
/// # Errors
/// When the files do not fit.
pub fn make(bytes: usize, volume: u32, files: &[File]) -> Result<Vec<u8>, Error> {
    let mut space = vec![0; bytes];
    fatfs::format_volume(
        Cursor::new(&mut space[..]),
        FormatVolumeOptions::new()
            .fat_type(FatType::Fat16)
            .bytes_per_cluster(512)
            .volume_id(volume)
            .volume_label(*LABEL),
    )
    .map_err(Error::FileSystem)?;

    let fs = open(Cursor::new(&mut space[..])).map_err(Error::FileSystem)?;
    let room = room(&fs).map_err(Error::FileSystem)?;
    let needed: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    for (path, bytes) in files {
        folders(&fs, path)
            .and_then(|()| put(&fs, path, bytes))
            .map_err(|why| too_large(why, needed, room))?;
    }
    fs.unmount().map_err(Error::FileSystem)?;
    tidy(&mut space).map_err(|why| Error::FileSystem(io::Error::other(why.to_string())))?;
    Ok(space)
}

/// Takes away what `fatfs` leaves in folders and `fsck.vfat` does not like.
fn tidy(space: &mut [u8]) -> Result<(), Refusal> {
    let volume = Volume::read(space)?;
    let folders = folder::all(&volume)?.into_iter();
    let chains = folders.filter(|(entry, _)| entry.kind == folder::Kind::Folder);
    let mut tidied = Vec::new();
    for (_, chain) in chains {
        let contents = folder::without_long_dots(&volume, &chain);
        let clusters = chain.into_iter().map(|number| volume.cluster(number));
        let parts = contents.chunks(volume.cluster_bytes()).map(<[u8]>::to_vec);
        tidied.extend(clusters.zip(parts));
    }
    for (range, part) in tidied {
        space[range].copy_from_slice(&part);
    }
    Ok(())
}

/// Every file is from the first day that FAT knows: a disk does not depend on the day it was made.
#[derive(Debug)]
struct FirstDay;

impl TimeProvider for FirstDay {
    fn get_current_date(&self) -> Date {
        Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

fn open<T: Read + Write + Seek>(space: T) -> io::Result<FileSystem<T>> {
    FileSystem::new(space, FsOptions::new().time_provider(&FirstDay))
}

fn room<T: Read + Write + Seek>(fs: &FileSystem<T>) -> io::Result<u64> {
    let stats = fs.stats()?;
    Ok(u64::from(stats.free_clusters()) * u64::from(stats.cluster_size()))
}

/// Makes the folders that a path goes through.
fn folders<T: Read + Write + Seek>(fs: &FileSystem<T>, path: &str) -> io::Result<()> {
    for (end, _) in path.match_indices('/') {
        fs.root_dir().create_dir(&path[..end])?;
    }
    Ok(())
}

fn put<T: Read + Write + Seek>(fs: &FileSystem<T>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs.root_dir().create_file(path)?;
    file.write_all(bytes)?;
    file.flush()
}

/// The file system says that it is full in several ways.
fn too_large(why: io::Error, bytes: u64, room: u64) -> Error {
    match why.kind() {
        ErrorKind::WriteZero | ErrorKind::StorageFull => Error::TooLarge { bytes, room },
        ErrorKind::Other if bytes > room => Error::TooLarge { bytes, room },
        _ => Error::FileSystem(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 4 << 20;

    fn made(files: &[File]) -> Vec<u8> {
        make(SIZE, 7, files).expect("they fit")
    }

    fn read(space: &mut [u8], path: &str) -> Option<Vec<u8>> {
        let fs = open(Cursor::new(space)).expect("a file system");
        let mut bytes = Vec::new();
        let result = fs.root_dir().open_file(path);
        result.ok()?.read_to_end(&mut bytes).expect("readable");
        Some(bytes)
    }

    #[test]
    fn files_are_read_back() {
        let long = vec![5; 300_000];
        let mut space = made(&[("sekisho", &long), ("EFI/BOOT/BOOTX64.EFI", b"loader")]);
        let mut file = |path| read(&mut space, path);
        assert_eq!(file("sekisho"), Some(long.clone()));
        assert_eq!(file("EFI/BOOT/BOOTX64.EFI"), Some(b"loader".to_vec()));
        assert_eq!(file("sekisho.toml"), None);
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let files: [File; 2] = [("sekisho.toml", b"version = 1"), ("a/b", b"c")];
        assert_eq!(made(&files), made(&files));
        assert_eq!(made(&files)[43..54], *LABEL);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_room_there_is() {
        let large = vec![0; SIZE];
        let Err(Error::TooLarge { bytes, room }) = make(SIZE, 7, &[("sekisho", &large)]) else {
            panic!("it was made");
        };
        assert_eq!(bytes, SIZE as u64);
        assert!(
            (SIZE as u64 * 9 / 10..SIZE as u64).contains(&room),
            "{room}"
        );
    }
}

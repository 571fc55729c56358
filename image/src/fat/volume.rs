//! The FAT16 file system as it lies on the partition (Microsoft, "FAT: General Overview of On-Disk Format", 1.03).
//!
//! * [`Volume`]: its parts, and which clusters follow each other.
//!
//! It is read here and not by `fatfs`, because a change on a block device has to go in an order that `fatfs` does not promise.

use std::ops::Range;

use crate::Refusal;

/// What a device writes whole or not at all.
pub const SECTOR: usize = 512;
/// The first cluster's number.
pub const FIRST: u16 = 2;
/// A cluster's entry: it is free.
const FREE: u16 = 0;
/// A cluster's entry: it cannot be used.
const BAD: u16 = 0xfff7;
/// A cluster's entry, or larger: it is the last of its file.
const LAST: u16 = 0xfff8;
/// What is written as the entry of a file's last cluster.
pub const END: u16 = 0xffff;
/// How many clusters a FAT16 file system has; with fewer or more it is another FAT.
const FAT16: Range<usize> = 4085..65525;

/// A FAT16 file system.
#[derive(Debug)]
pub struct Volume<'a> {
    bytes: &'a [u8],
    cluster_bytes: usize,
    fats: Vec<Range<usize>>,
    root: Range<usize>,
    data: usize,
    /// Behind the last cluster's number.
    end: u16,
}

impl<'a> Volume<'a> {
    /// Reads the file system that a partition begins with.
    ///
    /// # Errors
    /// When it is no FAT16, or longer than the partition.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let ours = |why| Refusal::NotOurs { why };
        let boot = bytes
            .get(..SECTOR)
            .filter(|boot| boot[510..] == [0x55, 0xaa]);
        let boot = boot.ok_or(ours("there is no file system on its second partition"))?;
        let cluster_bytes = usize::from(boot[13]) * SECTOR;
        let fat_bytes = half(boot, 22) * SECTOR;
        if half(boot, 11) != SECTOR || !boot[13].is_power_of_two() || fat_bytes == 0 {
            return Err(ours("its file system is not FAT16"));
        }
        let first_fat = half(boot, 14) * SECTOR;
        let fats = (0..usize::from(boot[16])).map(|index| first_fat + index * fat_bytes);
        let fats: Vec<_> = fats.map(|start| start..start + fat_bytes).collect();
        let root = fats.last().ok_or(ours("its file system has no FAT"))?.end;
        let root = root..root + (half(boot, 17) * ENTRY).next_multiple_of(SECTOR);
        let sectors = match half(boot, 19) {
            0 => u32::from_le_bytes(boot[32..36].try_into().expect("four bytes")) as usize,
            few => few,
        };
        let data = root.end;
        let clusters = (sectors * SECTOR).saturating_sub(data) / cluster_bytes;
        if !FAT16.contains(&clusters) || (clusters + 2) * 2 > fat_bytes {
            return Err(ours("its file system is not FAT16"));
        }
        if sectors * SECTOR > bytes.len() {
            return Err(Refusal::Damaged {
                why: "it is longer than its partition",
            });
        }
        Ok(Self {
            bytes,
            cluster_bytes,
            fats,
            root,
            data,
            end: u16::try_from(clusters).expect("checked") + FIRST,
        })
    }

    /// All of it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The copies of the table that says which cluster follows; the first one counts.
    pub fn fats(&self) -> &[Range<usize>] {
        &self.fats
    }

    /// The entries of the folder at the top.
    pub fn root(&self) -> Range<usize> {
        self.root.clone()
    }

    /// Bytes in a cluster.
    pub fn cluster_bytes(&self) -> usize {
        self.cluster_bytes
    }

    /// All clusters' numbers.
    pub fn clusters(&self) -> Range<u16> {
        FIRST..self.end
    }

    /// Where a cluster lies.
    pub fn cluster(&self, number: u16) -> Range<usize> {
        let start = self.data + usize::from(number - FIRST) * self.cluster_bytes;
        start..start + self.cluster_bytes
    }

    /// Whether a cluster cannot be used.
    pub fn is_bad(&self, cluster: u16) -> bool {
        self.entry(cluster) == BAD
    }

    /// The clusters of a file, in order.
    ///
    /// # Errors
    /// When they lead nowhere, or in a circle.
    pub fn chain(&self, first: u16) -> Result<Vec<u16>, Refusal> {
        let mut chain = Vec::new();
        let mut next = first;
        loop {
            let long = chain.len() >= usize::from(self.end);
            if !self.clusters().contains(&next) || long {
                return Err(Refusal::Damaged {
                    why: "a file's clusters lead nowhere",
                });
            }
            chain.push(next);
            next = self.entry(next);
            if next >= LAST {
                return Ok(chain);
            }
        }
    }

    /// What is in clusters, in this order.
    pub fn contents(&self, clusters: &[u16]) -> Vec<u8> {
        let parts = clusters
            .iter()
            .map(|&number| &self.bytes[self.cluster(number)]);
        parts.flatten().copied().collect()
    }

    fn entry(&self, cluster: u16) -> u16 {
        half(&self.bytes[self.fats[0].clone()], usize::from(cluster) * 2) as u16
    }
}

/// A copy of the table of clusters, to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(Vec<u8>);

impl Table {
    /// The one that counts.
    pub fn of(volume: &Volume<'_>) -> Self {
        Self(volume.bytes[volume.fats[0].clone()].to_vec())
    }

    /// Makes clusters one file's.
    pub fn link(&mut self, chain: &[u16]) {
        let next = chain.iter().skip(1).chain([&END]);
        for (&cluster, &next) in chain.iter().zip(next) {
            self.set(cluster, next);
        }
    }

    /// Makes a cluster nobody's.
    pub fn free(&mut self, cluster: u16) {
        self.set(cluster, FREE);
    }

    /// As it is written.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn set(&mut self, cluster: u16, entry: u16) {
        let at = usize::from(cluster) * 2;
        self.0[at..at + 2].copy_from_slice(&entry.to_le_bytes());
    }
}

/// Bytes in an entry of a folder.
pub const ENTRY: usize = 32;

fn half(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

//! FAT file systems.

use super::put;

/// What one is made from; a test changes a field.
pub struct Fat<'a> {
    pub label: &'a [u8; 11],
    pub clusters: usize,
    pub sectors_per_cluster: usize,
    pub is_fat32: bool,
    /// Short name, long name, content.
    pub files: &'a [([u8; 11], Option<&'a str>, &'a [u8])],
}

/// The configuration as Linux and mtools name it.
pub const CONFIG: ([u8; 11], Option<&str>) = (*b"SEKISH~1TOM", Some("sekisho.toml"));

impl Default for Fat<'_> {
    fn default() -> Self {
        Self {
            label: b"SEKISHO    ",
            clusters: 200,
            sectors_per_cluster: 1,
            is_fat32: false,
            files: &[],
        }
    }
}

const SECTOR: usize = 512;
pub const RESERVED: usize = 2;
const ROOT_ENTRIES: usize = 64;

/// Where the parts lie, in bytes.
pub struct Layout {
    pub table: usize,
    pub root: usize,
    pub data: usize,
    pub cluster: usize,
    pub bytes: usize,
    pub width: usize,
}

impl Fat<'_> {
    pub fn layout(&self) -> Layout {
        let width = match self.clusters {
            _ if self.is_fat32 => 32,
            ..4085 => 12,
            _ => 16,
        };
        let table_bytes = ((self.clusters + 2) * width)
            .div_ceil(8)
            .next_multiple_of(SECTOR);
        let table = RESERVED * SECTOR;
        let root = table + table_bytes;
        let data = root + if self.is_fat32 { 0 } else { ROOT_ENTRIES * 32 };
        let cluster = self.sectors_per_cluster * SECTOR;
        Layout {
            table,
            root,
            data,
            cluster,
            bytes: data + self.clusters * cluster,
            width,
        }
    }

    pub fn make(&self) -> Vec<u8> {
        let layout = self.layout();
        let mut image = vec![0; layout.bytes];
        self.boot_sector(&mut image, &layout);
        // Cluster 2 is FAT32's root folder.
        let mut next = 2;
        let folder = if self.is_fat32 {
            set(&mut image, &layout, next, u32::MAX);
            next += 1;
            layout.data
        } else {
            layout.root
        };
        let mut at = folder;
        let mut entry = |image: &mut [u8], bytes: &[u8; 32]| {
            put(image, at, bytes);
            at += 32;
        };
        let mut label = [0; 32];
        label[..11].copy_from_slice(self.label);
        label[11] = 0x08;
        entry(&mut image, &label);
        for (short, long, content) in self.files {
            if let Some(long) = long {
                entry(&mut image, &long_entry(short, long));
            }
            let clusters = content.len().div_ceil(layout.cluster);
            for index in 0..clusters {
                let end = index + 1 == clusters;
                let value = if end {
                    u32::MAX
                } else {
                    (next + index + 1) as u32
                };
                set(&mut image, &layout, next + index, value);
            }
            put(
                &mut image,
                layout.data + (next - 2) * layout.cluster,
                content,
            );
            let mut file = [0; 32];
            file[..11].copy_from_slice(short);
            file[11] = 0x20;
            file[20..22].copy_from_slice(&((next >> 16) as u16).to_le_bytes());
            file[26..28].copy_from_slice(&(next as u16).to_le_bytes());
            file[28..32].copy_from_slice(&(content.len() as u32).to_le_bytes());
            entry(&mut image, &file);
            next += clusters;
        }
        image
    }

    fn boot_sector(&self, image: &mut [u8], layout: &Layout) {
        let sectors = (layout.bytes / SECTOR) as u32;
        let table_sectors = ((layout.root - layout.table) / SECTOR) as u32;
        put(image, 11, &(SECTOR as u16).to_le_bytes());
        image[13] = self.sectors_per_cluster as u8;
        put(image, 14, &(RESERVED as u16).to_le_bytes());
        image[16] = 1;
        put(image, 32, &sectors.to_le_bytes());
        if self.is_fat32 {
            put(image, 36, &table_sectors.to_le_bytes());
            put(image, 44, &2_u32.to_le_bytes());
            put(image, 71, self.label);
        } else {
            put(image, 17, &(ROOT_ENTRIES as u16).to_le_bytes());
            put(image, 22, &(table_sectors as u16).to_le_bytes());
            put(image, 43, self.label);
        }
        put(image, 510, &[0x55, 0xaa]);
    }
}

/// Writes an entry of the table.
pub fn set(image: &mut [u8], layout: &Layout, cluster: usize, value: u32) {
    match layout.width {
        12 => {
            let at = layout.table + cluster + cluster / 2;
            let old = u16::from_le_bytes([image[at], image[at + 1]]);
            let value = (value & 0xfff) as u16;
            let new = if cluster % 2 == 1 {
                old & 0xf | value << 4
            } else {
                old & 0xf000 | value
            };
            put(image, at, &new.to_le_bytes());
        }
        16 => put(
            image,
            layout.table + 2 * cluster,
            &(value as u16).to_le_bytes(),
        ),
        _ => put(
            image,
            layout.table + 4 * cluster,
            &(value & 0x0fff_ffff).to_le_bytes(),
        ),
    }
}

fn long_entry(short: &[u8; 11], long: &str) -> [u8; 32] {
    let mut entry = [0xff; 32];
    entry[0] = 0x41;
    entry[11] = 0x0f;
    entry[12] = 0;
    entry[13] = (short.iter()).fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    entry[26..28].fill(0);
    let places = (1..11)
        .step_by(2)
        .chain((14..26).step_by(2))
        .chain((28..32).step_by(2));
    let units = long.encode_utf16().chain([0]);
    for (place, unit) in places.zip(units) {
        put(&mut entry, place, &unit.to_le_bytes());
    }
    entry
}

//! ISO 9660 file systems.

use super::put;

pub const BLOCK: usize = 2048;
/// Where the root folders lie: the plain one, and Joliet's.
pub const ROOT: usize = 20;
pub const JOLIET: usize = 21;
const FILES: usize = 22;

/// What one is made from; a test changes a field.
pub struct Iso<'a> {
    pub label: &'a str,
    pub joliet: Joliet,
    /// Plain name, Rock Ridge's name, content.
    pub files: &'a [(&'a str, Option<&'a str>, &'a [u8])],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Joliet {
    Absent,
    /// With the files' Rock Ridge names, beside these.
    Present,
    /// In their place.
    Alone,
}

impl Iso<'_> {
    pub fn make(&self) -> Vec<u8> {
        let mut image = vec![0; FILES * BLOCK];
        descriptor(&mut image, 16, 1, self.label, ROOT);
        let mut last = 17;
        if self.joliet != Joliet::Absent {
            descriptor(&mut image, 17, 2, self.label, JOLIET);
            put(&mut image, 17 * BLOCK + 88, b"%/E");
            last = 18;
        }
        put(&mut image, last * BLOCK, b"\xffCD001\x01");
        let mut plain = vec![
            record(&[0], ROOT, BLOCK, 2, &[]),
            record(&[1], ROOT, BLOCK, 2, &[]),
        ];
        let mut joliet = vec![record(&[0], JOLIET, BLOCK, 2, &[])];
        for (name, long, content) in self.files {
            let place = image.len() / BLOCK;
            let rock_ridge = long.filter(|_| self.joliet != Joliet::Alone);
            let rock_ridge = rock_ridge.map_or(Vec::new(), name_field);
            plain.push(record(
                name.as_bytes(),
                place,
                content.len(),
                0,
                &rock_ridge,
            ));
            let wide: Vec<u8> = long
                .unwrap_or(name)
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect();
            joliet.push(record(&wide, place, content.len(), 0, &[]));
            image.extend_from_slice(content);
            image.resize(image.len().next_multiple_of(BLOCK), 0);
        }
        put(&mut image, ROOT * BLOCK, &plain.concat());
        put(&mut image, JOLIET * BLOCK, &joliet.concat());
        image
    }
}

fn descriptor(image: &mut [u8], block: usize, kind: u8, label: &str, root: usize) {
    let at = block * BLOCK;
    image[at] = kind;
    put(image, at + 1, b"CD001\x01");
    image[at + 40..at + 72].fill(b' ');
    put(image, at + 40, label.as_bytes());
    put(image, at + 128, &(BLOCK as u16).to_le_bytes());
    put(image, at + 156, &record(&[0], root, BLOCK, 2, &[]));
}

fn record(name: &[u8], block: usize, bytes: usize, flags: u8, more: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 33];
    put(&mut record, 2, &(block as u32).to_le_bytes());
    put(&mut record, 10, &(bytes as u32).to_le_bytes());
    record[25] = flags;
    record[32] = name.len() as u8;
    record.extend_from_slice(name);
    record.resize(record.len().next_multiple_of(2), 0);
    record.extend_from_slice(more);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record
}

/// A field that is not looked at, and the name in two pieces.
fn name_field(name: &str) -> Vec<u8> {
    let (first, rest) = name.as_bytes().split_at(3);
    let mut field = b"RR\x05\x01\x89".to_vec();
    for (flags, piece) in [(1, first), (0, rest)] {
        field.extend_from_slice(&[b'N', b'M', 5 + piece.len() as u8, 1, flags]);
        field.extend_from_slice(piece);
    }
    field
}

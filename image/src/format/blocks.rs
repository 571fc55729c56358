//! What the formats with holes have in common: a disk cut into blocks, of which only some are stored.

use std::borrow::Cow;

/// The blocks of `size` bytes in which not every byte is zero, with their numbers; a last one that is cut off is filled up.
pub fn stored(disk: &[u8], size: usize) -> impl Iterator<Item = (usize, Cow<'_, [u8]>)> {
    disk.chunks(size)
        .enumerate()
        .filter(|(_, block)| block.iter().any(|&byte| byte != 0))
        .map(move |(number, block)| {
            let mut block = Cow::Borrowed(block);
            if block.len() < size {
                block.to_mut().resize(size, 0);
            }
            (number, block)
        })
}

/// Fills up to a multiple of `unit` bytes.
pub fn fill_up(file: &mut Vec<u8>, unit: usize) {
    file.resize(file.len().next_multiple_of(unit), 0);
}

/// Writes a field of a header.
pub fn put(header: &mut [u8], at: usize, field: impl AsRef<[u8]>) {
    let field = field.as_ref();
    header[at..at + field.len()].copy_from_slice(field);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_zeros_are_left_out_and_the_last_one_is_filled_up() {
        let mut disk = vec![0; 10];
        (disk[5], disk[9]) = (1, 2);
        let blocks: Vec<_> = stored(&disk, 4).collect();
        assert_eq!(blocks.len(), 2);
        assert_eq!((blocks[0].0, &*blocks[0].1), (1, &[0, 1, 0, 0][..]));
        assert_eq!((blocks[1].0, &*blocks[1].1), (2, &[0, 2, 0, 0][..]));
    }
}

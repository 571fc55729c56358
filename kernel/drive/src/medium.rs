//! Blocks of a drive, and bytes out of them.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

/// How much is read at once, and the largest block that there may be, in bytes.
pub const CHUNK: usize = 4096;
/// How many chunks one look may read: twice what the worst arrangement of the largest file and folder needs.
const CHUNKS: u32 = 4096;

/// Something with blocks.
pub trait Medium {
    /// Bytes of a block: a power of two from 512 to [`CHUNK`].
    fn block_bytes(&self) -> usize;

    /// How many blocks there are.
    fn blocks(&self) -> u64;

    /// Reads whole blocks; `into` holds at most [`CHUNK`] bytes, and they are all blocks of the medium.
    ///
    /// # Errors
    /// What the drive did instead.
    fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), Fault>;
}

/// What a drive did instead of what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It did not answer in time.
    Silent,
    /// It answered with an error: the protocol's own number.
    Refused(u32),
    /// There is no disc in it.
    NoMedium,
    /// Its answer is none that the protocol knows.
    Nonsense,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("it does not answer"),
            Self::Refused(code) => write!(f, "it answers with error {code:#x}"),
            Self::NoMedium => f.write_str("there is no disc in it"),
            Self::Nonsense => f.write_str("its answer makes no sense"),
        }
    }
}

/// Why bytes could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The drive failed.
    Fault(Fault),
    /// What the file system says cannot be: in words.
    Damaged(&'static str),
}

/// Bytes of a medium, one chunk kept.
pub(crate) struct Reader<'m> {
    medium: &'m mut dyn Medium,
    chunk: Box<[u8]>,
    /// Which chunk is kept.
    kept: Option<u64>,
    left: u32,
}

impl<'m> Reader<'m> {
    pub fn new(medium: &'m mut dyn Medium) -> Self {
        Self {
            medium,
            chunk: vec![0; CHUNK].into_boxed_slice(),
            kept: None,
            left: CHUNKS,
        }
    }

    /// Bytes of a block; a medium with impossible blocks counts as one with the usual.
    pub fn block_bytes(&self) -> u64 {
        let bytes = self.medium.block_bytes();
        let possible = bytes.is_power_of_two() && (512..=CHUNK).contains(&bytes);
        if possible { bytes as u64 } else { 512 }
    }

    /// All of it.
    pub fn whole(&mut self) -> Volume<'_, 'm> {
        let len = self.medium.blocks().saturating_mul(self.block_bytes());
        Volume {
            reader: self,
            start: 0,
            len,
        }
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let mut done = 0;
        while done < into.len() {
            let here = at + done as u64;
            let (number, offset) = (here / CHUNK as u64, (here % CHUNK as u64) as usize);
            self.keep(number)?;
            let part = (CHUNK - offset).min(into.len() - done);
            into[done..done + part].copy_from_slice(&self.chunk[offset..offset + part]);
            done += part;
        }
        Ok(())
    }

    fn keep(&mut self, number: u64) -> Result<(), ReadError> {
        if self.kept == Some(number) {
            return Ok(());
        }
        self.left =
            (self.left.checked_sub(1)).ok_or(ReadError::Damaged("its parts lie too far apart"))?;
        let (block, per_chunk) = (self.block_bytes(), CHUNK as u64 / self.block_bytes());
        let first = number * per_chunk;
        let blocks = self.medium.blocks().saturating_sub(first).min(per_chunk);
        self.kept = None;
        let part = &mut self.chunk[..(blocks * block) as usize];
        self.medium.read(first, part).map_err(ReadError::Fault)?;
        self.kept = Some(number);
        Ok(())
    }
}

/// A range of a medium's bytes.
pub(crate) struct Volume<'r, 'm> {
    reader: &'r mut Reader<'m>,
    start: u64,
    len: u64,
}

impl<'m> Volume<'_, 'm> {
    /// Bytes of it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of a block of the medium.
    pub fn block_bytes(&self) -> u64 {
        self.reader.block_bytes()
    }

    /// A part of it; what lies beyond its end is cut off.
    pub fn part(&mut self, start: u64, len: u64) -> Volume<'_, 'm> {
        let start = start.min(self.len);
        Volume {
            start: self.start + start,
            len: len.min(self.len - start),
            reader: self.reader,
        }
    }

    /// Reads bytes, all of which must lie inside.
    pub fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let end = at.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(ReadError::Damaged("a part of it lies behind its end"));
        }
        self.reader.read(self.start + at, into)
    }

    /// Reads bytes into an array; `None` if they lie behind the end.
    pub fn get<const N: usize>(&mut self, at: u64) -> Result<Option<[u8; N]>, ReadError> {
        let end = at.checked_add(N as u64);
        if end.is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.reader.read(self.start + at, &mut bytes)?;
        Ok(Some(bytes))
    }
}

/// A little-endian number of 16 bits.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    number(bytes, at, 2) as u16
}

/// A little-endian number of 32 bits.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    number(bytes, at, 4) as u32
}

/// A little-endian number of 64 bits.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    number(bytes, at, 8)
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let field = bytes.get(at..at + len).unwrap_or(&[]);
    (field.iter().rev()).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

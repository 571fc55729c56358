//! Drives in memory, and file systems made by hand, so that a test can bend each number in them.
#![allow(dead_code, reason = "each test uses its share")]

pub mod fat;
pub mod iso;

use sekisho_drive::{Configuration, Failure, Fault, Finding, Label, Medium, look};

/// A drive.
pub struct Ram {
    pub block: usize,
    pub bytes: Vec<u8>,
    /// How often it was read.
    pub reads: usize,
    /// From which block on it fails.
    pub broken_from: u64,
}

impl Ram {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self::with_blocks(512, bytes)
    }

    pub fn with_blocks(block: usize, mut bytes: Vec<u8>) -> Self {
        bytes.resize(bytes.len().next_multiple_of(block), 0);
        Self {
            block,
            bytes,
            reads: 0,
            broken_from: u64::MAX,
        }
    }
}

impl Medium for Ram {
    fn block_bytes(&self) -> usize {
        self.block
    }

    fn blocks(&self) -> u64 {
        (self.bytes.len() / self.block) as u64
    }

    fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), Fault> {
        self.reads += 1;
        assert!(!into.is_empty() && into.len() <= 4096 && into.len().is_multiple_of(self.block));
        let end = block + (into.len() / self.block) as u64;
        assert!(end <= self.blocks(), "blocks {block}..{end} are not there");
        if end > self.broken_from {
            return Err(Fault::Refused(3));
        }
        let at = block as usize * self.block;
        into.copy_from_slice(&self.bytes[at..at + into.len()]);
        Ok(())
    }
}

pub fn seen(bytes: Vec<u8>) -> Result<Finding, Failure> {
    look(&mut Ram::new(bytes))
}

/// The finding of a configuration.
pub fn found(label: Label, file: &'static str, bytes: &[u8]) -> Result<Finding, Failure> {
    Ok(Finding::Configuration(Configuration {
        label,
        file,
        bytes: bytes.to_vec(),
    }))
}

pub fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

//! Finds numbers by the hash of what they stand for.
//!
//! A bucket is one cache line: fifteen entries, and how many entries had to go
//! past it because it was full. A lookup reads one line nearly always; removing
//! leaves no trace, so the index neither ages nor ever needs to be rebuilt.
//!
//! An entry holds a number and, in the bits above it, a piece of the hash, so
//! that almost no lookup compares a key in vain.

use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

/// Entries in a bucket.
const WIDTH: usize = 15;
/// How full the index is at most: 4/5, as numerator and denominator.
const FILL: (usize, usize) = (4, 5);

/// Words in a bucket: its entries, and the count of those that went past it.
const WORDS: usize = WIDTH + 1;
/// Bytes of a cache line, and of a bucket.
const LINE: usize = 64;

const _: () = assert!(WORDS * size_of::<u32>() == LINE);

/// One bucket.
///
/// Entries first: 0 is free; else the number plus one, and a tag above it. Then
/// how many entries lie in later buckets because this one was full.
#[derive(Clone, Copy, Debug)]
struct Bucket<T>(T);

impl Bucket<&[u32; WORDS]> {
    /// The numbers of the used entries with this tag, one after the other.
    ///
    /// The first is nearly always the one: to look at all at once takes instructions that emulators translate badly, and
    /// longer than the mispredicted branch that it saves.
    #[inline]
    fn tagged(self, tag: u32, number_mask: u32) -> impl Iterator<Item = u32> {
        // With the tag taken out a number plus one is left if, and only if, tag and entry belong together.
        self.0[..WIDTH]
            .iter()
            .map(move |entry| (entry ^ tag).wrapping_sub(1))
            .filter(move |number| *number < number_mask)
    }

    const fn passed_by(self) -> u32 {
        self.0[WIDTH]
    }
}

impl<'a> Bucket<&'a mut [u32; WORDS]> {
    fn entries(self) -> &'a mut [u32] {
        &mut self.0[..WIDTH]
    }

    const fn passed_by(self) -> &'a mut u32 {
        &mut self.0[WIDTH]
    }
}

/// A multimap from hashes to numbers, of fixed size.
#[derive(Clone, Debug)]
pub struct Index {
    /// All buckets as plain words, because memory that is zeroed at once costs a tenth of memory filled bucket by bucket.
    words: Vec<u32>,
    /// Where the first bucket begins, so that each is one cache line.
    first: usize,
    buckets: usize,
    /// The bits of an entry that hold the number plus one.
    number_mask: u32,
}

impl Index {
    /// Room for `entries` entries with numbers below `numbers`, which is at most 2³¹.
    #[must_use]
    pub fn new(entries: usize, numbers: usize) -> Self {
        let numbers = u32::try_from(numbers).unwrap_or(1 << 31).min(1 << 31);
        let buckets = Self::buckets_for(entries);
        let words = vec![0_u32; buckets * WORDS + WORDS - 1];
        let into_line = words.as_ptr() as usize % LINE;
        Self {
            first: (LINE - into_line) % LINE / size_of::<u32>(),
            words,
            buckets,
            number_mask: numbers.next_power_of_two() * 2 - 1,
        }
    }

    /// Bytes that an index for so many entries takes.
    #[must_use]
    pub const fn bytes(entries: usize) -> usize {
        Self::buckets_for(entries).saturating_mul(LINE)
    }

    const fn buckets_for(entries: usize) -> usize {
        let slots = entries.saturating_mul(FILL.1) / FILL.0;
        slots / WIDTH + 1
    }

    /// The number under `hash` that `is_it` accepts.
    #[inline(always)]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = self.tag(hash);
        let mut at = self.home(hash);
        // Ends at a bucket that nothing has passed by, at the latest after all of them.
        for _ in 0..self.buckets {
            let bucket = self.bucket(at);
            if let Some(number) = bucket
                .tagged(tag, self.number_mask)
                .find(|number| is_it(*number))
            {
                return Some(number);
            }
            if bucket.passed_by() == 0 {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// Reads the bucket in which a lookup of `hash` begins.
    #[inline]
    pub fn fetch(&self, hash: u64) {
        black_box(self.bucket(self.home(hash)).0[0]);
    }

    /// The number that a lookup of `hash` tries first, if it is in the bucket in which that begins.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<u32> {
        let bucket = self.bucket(self.home(hash));
        bucket.tagged(self.tag(hash), self.number_mask).next()
    }

    /// Adds a number; `false` if there is no room, which cannot be while there are no more entries than asked for.
    #[must_use]
    pub fn insert(&mut self, hash: u64, number: u32) -> bool {
        let entry = self.tag(hash) | (number + 1);
        let home = self.home(hash);
        let mut at = home;
        for _ in 0..self.buckets {
            if let Some(free) = self
                .bucket_mut(at)
                .entries()
                .iter_mut()
                .find(|entry| **entry == 0)
            {
                *free = entry;
                self.walk(home, at, |passed_by| passed_by.saturating_add(1));
                return true;
            }
            at = self.after(at);
        }
        false
    }

    /// Removes a number that was added under `hash`.
    pub fn remove(&mut self, hash: u64, number: u32) {
        let entry = self.tag(hash) | (number + 1);
        let home = self.home(hash);
        let mut at = home;
        for _ in 0..self.buckets {
            if let Some(found) = self
                .bucket_mut(at)
                .entries()
                .iter_mut()
                .find(|found| **found == entry)
            {
                *found = 0;
                self.walk(home, at, |passed_by| passed_by.saturating_sub(1));
                return;
            }
            at = self.after(at);
        }
    }

    /// Changes the count of each bucket from `home` up to, but without, `end`.
    fn walk(&mut self, home: usize, end: usize, change: impl Fn(u32) -> u32) {
        let mut at = home;
        while at != end {
            let passed_by = self.bucket_mut(at).passed_by();
            *passed_by = change(*passed_by);
            at = self.after(at);
        }
    }

    #[inline]
    fn bucket(&self, at: usize) -> Bucket<&[u32; WORDS]> {
        let words = self.words[self.first + at * WORDS..].first_chunk();
        Bucket(words.expect("each bucket is whole"))
    }

    fn bucket_mut(&mut self, at: usize) -> Bucket<&mut [u32; WORDS]> {
        let words = self.words[self.first + at * WORDS..].first_chunk_mut();
        Bucket(words.expect("each bucket is whole"))
    }

    fn tag(&self, hash: u64) -> u32 {
        hash as u32 & !self.number_mask
    }

    /// The bucket that the upper half of the hash names: a multiplication instead of a division.
    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.buckets as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.buckets { 0 } else { at + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Index {
        /// Whether nothing is left of what was added.
        fn is_pristine(&self) -> bool {
            self.words.iter().all(|word| *word == 0)
        }
    }

    #[test]
    fn each_bucket_is_one_cache_line() {
        let index = Index::new(100, 100);
        for at in 0..index.buckets {
            assert_eq!(index.bucket(at).0.as_ptr() as usize % LINE, 0);
        }
    }

    fn mix(x: u64) -> u64 {
        let x = (x ^ (x >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    #[test]
    fn each_number_is_found_under_its_hash_until_it_is_removed() {
        let mut index = Index::new(1_000, 1_000);
        for number in 0..1_000 {
            assert!(index.insert(mix(number.into()), number));
        }
        for number in 0..1_000u32 {
            assert_eq!(
                index.find(mix(number.into()), |n| n == number),
                Some(number)
            );
            index.remove(mix(number.into()), number);
            assert_eq!(index.find(mix(number.into()), |n| n == number), None);
        }
        assert!(index.is_pristine());
    }

    #[test]
    fn equal_hashes_cost_time_but_lose_nothing() {
        let mut index = Index::new(200, 200);
        for number in 0..200 {
            assert!(index.insert(7 << 40, number));
        }
        for number in (0..200).rev() {
            assert_eq!(index.find(7 << 40, |n| n == number), Some(number));
            index.remove(7 << 40, number);
        }
        assert!(index.is_pristine());
    }

    #[test]
    fn random_use_agrees_with_a_map() {
        let mut index = Index::new(64, 64);
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        for step in 0..50_000u64 {
            let random = mix(step);
            let number = (random >> 20) as u32 % 64;
            // Few different hashes, so that buckets overflow and wrap round.
            let hash = (random & 3) << 62 | random >> 61;
            match model.remove(&number) {
                Some(old) => index.remove(old, number),
                None => {
                    assert!(index.insert(hash, number));
                    model.insert(number, hash);
                }
            }
            let probe = (random >> 40) as u32 % 64;
            let expected = model.get(&probe).map(|_| probe);
            let under = model.get(&probe).copied().unwrap_or(hash);
            assert_eq!(index.find(under, |n| n == probe), expected);
        }
    }
}

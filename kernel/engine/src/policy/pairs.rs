//! Pairs of numbers that rules name together.

use hashbrown::HashTable;

use crate::policy::intervals::Class;

/// What is known of a pair.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    key: u32,
    /// The pair's own number.
    pub number: u16,
    /// The first rule that names it.
    pub first_rule: u16,
}

/// A table of pairs.
#[derive(Clone, Debug, Default)]
pub struct Pairs(HashTable<Pair>);

impl Pairs {
    /// Notes that `rule` names the pair; the pair's number.
    pub fn note(&mut self, a: Class, b: Class, rule: u16) -> u16 {
        let key = key(a, b);
        let number = self.0.len() as u16;
        let entry = self
            .0
            .entry(hash(key), |pair| pair.key == key, |pair| hash(pair.key))
            .or_insert(Pair {
                key,
                number,
                first_rule: rule,
            });
        entry.get().number
    }

    /// The pair, if any rule names it.
    #[must_use]
    pub fn get(&self, a: Class, b: Class) -> Option<Pair> {
        let key = key(a, b);
        self.0.find(hash(key), |pair| pair.key == key).copied()
    }
}

const fn key(a: Class, b: Class) -> u32 {
    (a as u32) << 16 | b as u32
}

/// Spreads a key over 64 bits. The keys are the configuration's, so no secret is needed.
const fn hash(key: u32) -> u64 {
    let mixed = (key as u64 ^ 0x5851_F42D_4C95_7F2D).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

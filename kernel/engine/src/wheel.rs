//! A timer wheel with lazy deadlines.
//!
//! An item lies in the slot of the deadline that it had when it was put there.
//! Refreshing an item does not move it: when its slot comes round, the owner
//! looks at the true deadline and puts it back if that lies ahead. Nothing ever
//! scans all items.
//!
//! Items are numbers; the links between them live in the items themselves
//! ([`Links`]). Within a slot the first in is the first out, so the wheel also
//! says which item is the oldest.

use alloc::vec;
use alloc::vec::Vec;

use crate::stamp::Stamp;

/// Slots of a wheel, a power of two. A deadline beyond them waits in the last slot for another round.
const SLOTS: u32 = 512;
/// Units of [`Stamp`] in a slot, as a power of two: 2²⁰ µs, about a second.
const SLOT_SHIFT: u32 = 3;
#[cfg(test)]
const SLOT_UNITS: u32 = 1 << SLOT_SHIFT;
/// Marks a link that leads to the slot itself.
const END: u32 = 1 << 31;
const EMPTY: u32 = u32::MAX;

/// The neighbours of an item in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    prev: u32,
    next: u32,
}

impl Link {
    /// The links of an item in no slot.
    pub const NONE: Self = Self {
        prev: EMPTY,
        next: EMPTY,
    };

    /// Uses the links of an item in no slot as a free list.
    #[must_use]
    pub(crate) const fn free(next: Option<u32>) -> Self {
        let next = match next {
            Some(next) => next,
            None => EMPTY,
        };
        Self { prev: EMPTY, next }
    }

    /// The next item of the free list.
    #[must_use]
    pub(crate) const fn next_free(self) -> Option<u32> {
        if self.next == EMPTY {
            None
        } else {
            Some(self.next)
        }
    }
}

/// Where the links of items are; numbers lie below 2³¹.
pub trait Links {
    /// The links of one item.
    fn link(&mut self, item: u32) -> &mut Link;
}

/// Items in the order of their deadlines, to about a second.
#[derive(Clone, Debug)]
pub struct Wheel {
    heads: Vec<u32>,
    tails: Vec<u32>,
    occupied: [u64; SLOTS as usize / 64],
    /// Where the first slot begins that has not been emptied yet; a multiple of [`SLOT_UNITS`].
    cursor: u32,
}

impl Wheel {
    /// A wheel without items.
    #[must_use]
    pub fn new() -> Self {
        Self {
            heads: vec![EMPTY; SLOTS as usize],
            tails: vec![EMPTY; SLOTS as usize],
            occupied: [0; SLOTS as usize / 64],
            cursor: 0,
        }
    }

    #[cfg(test)]
    /// Whether it has no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.occupied.iter().all(|word| *word == 0)
    }

    /// Puts an item, which must be in no slot, where its deadline belongs.
    pub fn insert(&mut self, item: u32, deadline: Stamp, links: &mut impl Links) {
        let slot = self.slot_of(deadline);
        let tail = self.tails[slot];
        *links.link(item) = Link {
            prev: if tail == EMPTY {
                END | slot as u32
            } else {
                tail
            },
            next: END | slot as u32,
        };
        match tail {
            EMPTY => self.heads[slot] = item,
            tail => links.link(tail).next = item,
        }
        self.tails[slot] = item;
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// Takes an item out of its slot.
    pub fn remove(&mut self, item: u32, links: &mut impl Links) {
        let Link { prev, next } = core::mem::replace(links.link(item), Link::NONE);
        if prev == EMPTY {
            return;
        }
        let is_first = prev & END != 0;
        let is_last = next & END != 0;
        match is_first {
            true => self.heads[slot_index(prev)] = if is_last { EMPTY } else { next },
            false => links.link(prev).next = next,
        }
        match is_last {
            true => self.tails[slot_index(next)] = if is_first { EMPTY } else { prev },
            false => links.link(next).prev = prev,
        }
        if is_first && is_last {
            let slot = slot_index(prev);
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Takes out an item whose slot has passed; whether its deadline has, its owner knows.
    pub fn pop_due(&mut self, now: Stamp, links: &mut impl Links) -> Option<u32> {
        let slots_passed = self.slots_until(now);
        match self.first_occupied() {
            Some(ahead) if ahead < slots_passed => {
                self.advance(ahead);
                let item = self.heads[index(self.cursor)];
                self.remove(item, links);
                Some(item)
            }
            Some(_) | None => {
                self.advance(slots_passed);
                None
            }
        }
    }

    /// The item whose slot comes first.
    #[must_use]
    pub fn oldest(&self) -> Option<u32> {
        let ahead = self.first_occupied()?;
        Some(self.heads[index(self.cursor.wrapping_add(ahead << SLOT_SHIFT))])
    }

    /// The [`oldest`](Self::oldest) item, and when its slot has passed.
    #[must_use]
    pub fn oldest_and_due(&self) -> Option<(u32, Stamp)> {
        let ahead = self.first_occupied()?;
        let begin = self.cursor.wrapping_add(ahead << SLOT_SHIFT);
        let end = self.cursor.wrapping_add((ahead + 1) << SLOT_SHIFT);
        Some((self.heads[index(begin)], Stamp::from_raw(end)))
    }

    /// When [`pop_due`](Self::pop_due) next has an item.
    #[must_use]
    pub fn due(&self) -> Option<Stamp> {
        let ahead = self.first_occupied()?;
        let end = self.cursor.wrapping_add((ahead + 1) << SLOT_SHIFT);
        Some(Stamp::from_raw(end))
    }

    /// How many whole slots lie between the cursor and now.
    fn slots_until(&self, now: Stamp) -> u32 {
        let units = now.raw().wrapping_sub(self.cursor);
        if units > u32::MAX / 2 {
            0
        } else {
            units >> SLOT_SHIFT
        }
    }

    fn advance(&mut self, slots: u32) {
        self.cursor = self.cursor.wrapping_add(slots << SLOT_SHIFT);
    }

    fn slot_of(&self, deadline: Stamp) -> usize {
        let ahead = deadline.raw().wrapping_sub(self.cursor);
        let ahead = if ahead > u32::MAX / 2 { 0 } else { ahead };
        let slots = (ahead >> SLOT_SHIFT).min(SLOTS - 1);
        index(self.cursor.wrapping_add(slots << SLOT_SHIFT))
    }

    /// How many slots after the cursor's the first one with items comes.
    fn first_occupied(&self) -> Option<u32> {
        let start = index(self.cursor);
        let words = self.occupied.len();
        // The cursor's own word comes twice: its upper part first, its lower part last.
        (0..=words).find_map(|step| {
            let word = (start / 64 + step) % words;
            let low = (1u64 << (start % 64)) - 1;
            let bits = match step {
                0 => self.occupied[word] & !low,
                last if last == words => self.occupied[word] & low,
                _ => self.occupied[word],
            };
            let slot = word as u32 * 64 + bits.trailing_zeros();
            (bits != 0).then(|| slot.wrapping_sub(start as u32) % SLOTS)
        })
    }
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

const fn index(stamp: u32) -> usize {
    ((stamp >> SLOT_SHIFT) % SLOTS) as usize
}

const fn slot_index(link: u32) -> usize {
    ((link & !END) % SLOTS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Items(Vec<Link>);

    impl Links for Items {
        fn link(&mut self, item: u32) -> &mut Link {
            &mut self.0[item as usize]
        }
    }

    fn items(count: usize) -> Items {
        Items(vec![Link::NONE; count])
    }

    fn at(units: u32) -> Stamp {
        Stamp::from_raw(units)
    }

    #[test]
    fn an_item_comes_out_once_its_slot_has_passed_and_not_before() {
        let (mut wheel, mut items) = (Wheel::new(), items(1));
        wheel.insert(0, at(17), &mut items);
        assert_eq!(wheel.due(), Some(at(24)));
        assert_eq!(wheel.pop_due(at(23), &mut items), None);
        assert_eq!(wheel.pop_due(at(24), &mut items), Some(0));
        assert!(wheel.is_empty());
        assert_eq!(wheel.due(), None);
    }

    #[test]
    fn the_first_in_a_slot_is_the_oldest() {
        let (mut wheel, mut items) = (Wheel::new(), items(3));
        for item in 0..3 {
            wheel.insert(item, at(40), &mut items);
        }
        assert_eq!(wheel.oldest(), Some(0));
        wheel.remove(0, &mut items);
        assert_eq!(wheel.oldest(), Some(1));
        wheel.remove(2, &mut items);
        wheel.remove(1, &mut items);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_deadline_beyond_the_last_slot_waits_there() {
        let (mut wheel, mut items) = (Wheel::new(), items(1));
        wheel.insert(0, at(1_000_000), &mut items);
        assert_eq!(wheel.due(), Some(at(SLOTS * SLOT_UNITS)));
    }

    #[test]
    fn a_jump_of_years_finds_every_item_once() {
        let (mut wheel, mut items) = (Wheel::new(), items(100));
        for item in 0..100 {
            wheel.insert(item, at(item * 41), &mut items);
        }
        let late = at(u32::MAX / 3);
        let mut seen: Vec<u32> = core::iter::from_fn(|| wheel.pop_due(late, &mut items)).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn random_use_agrees_with_a_sorted_map() {
        let (mut wheel, mut items) = (Wheel::new(), items(64));
        let mut model: BTreeMap<u32, u32> = BTreeMap::new();
        let (mut seed, mut now) = (1u64, u32::MAX - 5_000);
        while wheel.pop_due(at(now / 2), &mut items).is_some() {}
        wheel.pop_due(at(now), &mut items);
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let random = (seed >> 33) as u32;
            let item = random % 64;
            match (model.remove(&item), random & 0x100) {
                (Some(_), _) => wheel.remove(item, &mut items),
                (None, 0) => {
                    let ahead = (random >> 10) % 4_000;
                    model.insert(item, ahead.wrapping_add(now));
                    wheel.insert(item, at(now.wrapping_add(ahead)), &mut items);
                }
                (None, _) => now = now.wrapping_add((random >> 10) % 50),
            }
            while let Some(due) = wheel.pop_due(at(now), &mut items) {
                let deadline = model.remove(&due).expect("only items that are in");
                assert!(!at(now).is_before(at(deadline)), "never early");
            }
            for deadline in model.values() {
                let late = at(now).since(at(*deadline));
                assert!(late <= at(SLOT_UNITS).since(at(0)), "at most a slot late");
            }
        }
    }
}

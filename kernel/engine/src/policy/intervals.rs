//! Which of many sets hold a value: the line of all values, cut where any set begins or ends.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A set's number; 0 is the set of all values, which is never listed.
pub type Class = u16;

/// Values from the first to the last, both included.
pub type Interval = (u128, u128);

/// For each value, the sets that hold it.
#[derive(Clone, Debug)]
pub struct Intervals {
    /// Where each piece of the line begins, in order. The first begins at 0.
    starts: Vec<u128>,
    /// The piece's part of `lists`.
    spans: Vec<(u32, u32)>,
    lists: Vec<Class>,
}

impl Intervals {
    /// Cuts the line; `sets` are sets by number, each disjoint and in order.
    #[must_use]
    pub fn new<'a>(sets: impl Iterator<Item = (Class, &'a [Interval])>) -> Self {
        let mut changes: BTreeMap<u128, Vec<Change>> = BTreeMap::from([(0, Vec::new())]);
        for (class, intervals) in sets {
            for &(first, last) in intervals {
                changes
                    .entry(first)
                    .or_default()
                    .push(Change::Begins(class));
                if let Some(after) = last.checked_add(1) {
                    changes.entry(after).or_default().push(Change::Ends(class));
                }
            }
        }
        let mut line = Self {
            starts: Vec::with_capacity(changes.len()),
            spans: Vec::with_capacity(changes.len()),
            lists: Vec::new(),
        };
        line.sweep(changes);
        line
    }

    /// The sets that hold a value, in order of their numbers.
    #[must_use]
    pub fn holding(&self, value: u128) -> &[Class] {
        let piece = self.starts.partition_point(|start| *start <= value);
        let (first, last) = self.spans[piece.saturating_sub(1)];
        &self.lists[first as usize..last as usize]
    }

    /// Goes along the line and writes down who is there; equal lists are written once.
    fn sweep(&mut self, changes: BTreeMap<u128, Vec<Change>>) {
        let mut here: BTreeSet<Class> = BTreeSet::new();
        let mut known: BTreeMap<Vec<Class>, (u32, u32)> = BTreeMap::new();
        for (start, changes) in changes {
            // Ends first: a set may end and begin again at the same value.
            for change in &changes {
                if let Change::Ends(class) = change {
                    here.remove(class);
                }
            }
            for change in &changes {
                if let Change::Begins(class) = change {
                    here.insert(*class);
                }
            }
            let list: Vec<Class> = here.iter().copied().collect();
            let lists = &mut self.lists;
            let span = *known.entry(list).or_insert_with_key(|list| {
                let first = lists.len() as u32;
                lists.extend_from_slice(list);
                (first, lists.len() as u32)
            });
            self.starts.push(start);
            self.spans.push(span);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Begins(Class),
    Ends(Class),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_and_adjoining_sets_are_told_apart() {
        let sets: [(Class, &[Interval]); 3] = [
            (1, &[(10, 19), (20, 29)]),
            (2, &[(15, 15)]),
            (3, &[(u128::MAX, u128::MAX)]),
        ];
        let line = Intervals::new(sets.into_iter());
        assert_eq!(line.holding(9), &[] as &[Class]);
        assert_eq!(line.holding(10), &[1]);
        assert_eq!(line.holding(15), &[1, 2]);
        assert_eq!(line.holding(16), &[1]);
        assert_eq!(line.holding(20), &[1]);
        assert_eq!(line.holding(29), &[1]);
        assert_eq!(line.holding(30), &[] as &[Class]);
        assert_eq!(line.holding(u128::MAX), &[3]);
    }

    #[test]
    fn without_sets_nothing_holds_anything() {
        let line = Intervals::new(core::iter::empty());
        assert!(line.holding(0).is_empty() && line.holding(u128::MAX).is_empty());
    }
}

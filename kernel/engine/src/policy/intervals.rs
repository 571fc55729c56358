//! Which of many sets hold a value: the line of all values, cut where any set begins or ends.

use alloc::vec::Vec;

use hashbrown::HashTable;

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
        let mut changes = Vec::new();
        for (class, intervals) in sets {
            for &(first, last) in intervals {
                changes.push((first, Change::Begins, class));
                if let Some(after) = last.checked_add(1) {
                    changes.push((after, Change::Ends, class));
                }
            }
        }
        changes.sort_unstable();
        let pieces = changes.len() + 1;
        let mut line = Self {
            starts: Vec::with_capacity(pieces),
            spans: Vec::with_capacity(pieces),
            lists: Vec::new(),
        };
        line.sweep(&changes);
        line
    }

    /// The sets that hold a value, in order of their numbers.
    #[must_use]
    pub fn holding(&self, value: u128) -> &[Class] {
        let piece = self.starts.partition_point(|start| *start <= value);
        list(&self.lists, self.spans[piece.saturating_sub(1)])
    }

    /// Goes along the line and writes down who is there.
    fn sweep(&mut self, changes: &[(u128, Change, Class)]) {
        let mut here: Vec<Class> = Vec::new();
        let mut known = HashTable::with_capacity(changes.len() + 1);
        // Of two pieces that begin at 0 the later one counts.
        self.cut(0, &here, &mut known);
        for together in changes.chunk_by(|one, next| one.0 == next.0) {
            for &(_, change, class) in together {
                match (change, here.binary_search(&class)) {
                    (Change::Begins, Err(at)) => here.insert(at, class),
                    (Change::Ends, Ok(at)) => {
                        here.remove(at);
                    }
                    (Change::Begins, Ok(_)) | (Change::Ends, Err(_)) => {}
                }
            }
            self.cut(together[0].0, &here, &mut known);
        }
    }

    /// Begins a piece; equal lists are written once.
    fn cut(&mut self, start: u128, here: &[Class], known: &mut HashTable<(u32, u32)>) {
        let hash = hash(here);
        let lists = &mut self.lists;
        let is_it = |span: &(u32, u32)| list(lists, *span) == here;
        let span = known.find(hash, is_it).copied().unwrap_or_else(|| {
            let first = lists.len() as u32;
            lists.extend_from_slice(here);
            let span = (first, lists.len() as u32);
            known.insert_unique(hash, span, |span| self::hash(list(lists, *span)));
            span
        });
        self.starts.push(start);
        self.spans.push(span);
    }
}

/// What happens at a value. Ends come first: a set may end and begin again at the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Ends,
    Begins,
}

fn list(lists: &[Class], (first, last): (u32, u32)) -> &[Class] {
    &lists[first as usize..last as usize]
}

fn hash(list: &[Class]) -> u64 {
    list.iter().fold(0, |hash, class| {
        let mixed = (hash ^ u64::from(*class)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 32
    })
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

//! How differently a peer's sequence numbers are counted on the other side of the box.
//!
//! They differ by one number throughout where the box shook hands itself ([`crate::cookie`]). Where it has replaced a
//! text in the peer's stream by a longer or shorter one, they differ by another one behind it:
//!
//! ```text
//! as sent    ───────────┤ old text ├─────────▶          start … start + old
//! as seen    ──────────────┤ new text, longer ├────▶    start + before … start + before + new
//! ```

/// From one peer's numbers to those that the other one sees, and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Added to all numbers up to the text.
    before: u32,
    /// Where the replaced text begins, as sent.
    start: u32,
    /// Bytes of the text as sent.
    old: u16,
    /// Bytes of what stands there instead.
    new: u16,
}

/// Where a segment lies beside the replaced text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It holds nothing of it.
    Apart,
    /// It holds all of it, from this byte on.
    Whole(usize),
    /// It holds a part.
    Part,
}

/// What a number inside the new text stands for: nothing there is any byte of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// The old text's begin.
    Begin,
    /// Its end.
    End,
}

impl Shift {
    /// Both sides count alike.
    pub const NONE: Self = Self::by(0);

    /// The other side's numbers are higher by `number` (modulo 2³²).
    #[must_use]
    pub const fn by(number: u32) -> Self {
        Self {
            before: number,
            start: 0,
            old: 0,
            new: 0,
        }
    }

    /// Whether both sides count alike.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.before == 0 && self.old == self.new
    }

    /// The number that the other peer sees for one that was sent.
    ///
    /// Inside the text it is counted from its end: a keep-alive bears the number before the next one (RFC 9293 section
    /// 3.8.4), and the other peer must know it.
    #[must_use]
    pub fn out(self, number: u32) -> u32 {
        let into = number.wrapping_sub(self.start);
        match into as i32 {
            ..=0 => number.wrapping_add(self.before),
            inside if inside < i32::from(self.old) => {
                let left = (u32::from(self.old) - into).min(u32::from(self.new));
                let end = self.start.wrapping_add(self.before);
                end.wrapping_add(u32::from(self.new)).wrapping_sub(left)
            }
            _ => number.wrapping_add(self.after()),
        }
    }

    /// The number that was sent for one that the other peer names.
    #[must_use]
    pub fn back(self, number: u32, inside: Inside) -> u32 {
        let into = number.wrapping_sub(self.start.wrapping_add(self.before));
        match into as i32 {
            ..=0 => number.wrapping_sub(self.before),
            within if within < i32::from(self.new) => match inside {
                Inside::Begin => self.start,
                Inside::End => self.start.wrapping_add(u32::from(self.old)),
            },
            _ => number.wrapping_sub(self.after()),
        }
    }

    /// The same with another text, behind the one before: `old` bytes from `start` on have become `new` ones.
    #[must_use]
    pub const fn with_text(self, start: u32, old: u16, new: u16) -> Self {
        Self {
            before: self.after(),
            start,
            old,
            new,
        }
    }

    /// Where a segment's payload, as sent, lies beside the text.
    #[must_use]
    pub fn overlap(self, seq: u32, len: u32) -> Overlap {
        let at = self.start.wrapping_sub(seq) as i32;
        let (old, len) = (i32::from(self.old), len as i32);
        if old == 0 || at >= len || at.saturating_add(old) <= 0 {
            return Overlap::Apart;
        }
        match at >= 0 && old <= len - at {
            true => Overlap::Whole(at as usize),
            false => Overlap::Part,
        }
    }

    /// Bytes of the text as sent.
    #[must_use]
    pub const fn old_len(self) -> usize {
        self.old as usize
    }

    /// The number behind the text, as sent; `None` if there is none.
    #[must_use]
    pub const fn end(self) -> Option<u32> {
        match self.old {
            0 => None,
            old => Some(self.start.wrapping_add(old as u32)),
        }
    }

    /// The same without its text, once that lies so far back that numbers could soon not be compared with it any more.
    #[must_use]
    pub const fn without_text_far_behind(self, seq: u32) -> Self {
        const FAR: i32 = 1 << 30;
        match seq.wrapping_sub(self.start) as i32 > FAR && self.old > 0 {
            true => Self::by(self.after()),
            false => self,
        }
    }

    /// What is added behind the text.
    const fn after(self) -> u32 {
        self.before
            .wrapping_add(self.new as u32)
            .wrapping_sub(self.old as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that got longer, shorter and stayed as long, around the end of the numbers too.
    fn edits() -> impl Iterator<Item = Shift> {
        let lengths = [(20, 23), (23, 20), (7, 7), (1, 5), (5, 1)];
        let starts = [0, 1000, u32::MAX - 3, u32::MAX - 40];
        lengths.into_iter().flat_map(move |(old, new)| {
            starts.into_iter().flat_map(move |start| {
                [0, 7, 0u32.wrapping_sub(9)].map(|before| Shift {
                    before,
                    start,
                    old,
                    new,
                })
            })
        })
    }

    #[test]
    fn numbers_outside_the_text_come_back_as_they_went() {
        for shift in edits() {
            let outside =
                (0..100)
                    .map(|ahead| shift.start.wrapping_sub(ahead))
                    .chain((0..100).map(|past| {
                        shift
                            .start
                            .wrapping_add(u32::from(shift.old))
                            .wrapping_add(past)
                    }));
            for number in outside {
                let seen = shift.out(number);
                assert_eq!(shift.back(seen, Inside::Begin), number, "{shift:?}");
                assert_eq!(shift.back(seen, Inside::End), number, "{shift:?}");
            }
        }
    }

    #[test]
    fn neither_way_do_numbers_ever_run_backwards() {
        for shift in edits() {
            let from = shift.start.wrapping_sub(50);
            let seen = shift.out(from);
            for step in 0..150 {
                let ahead = |f: &dyn Fn(u32) -> u32, at: u32| {
                    f(at.wrapping_add(step + 1)).wrapping_sub(f(at.wrapping_add(step))) as i32
                };
                assert!(ahead(&|at| shift.out(at), from) >= 0, "{shift:?}");
                for inside in [Inside::Begin, Inside::End] {
                    let back = |at| shift.back(at, inside);
                    assert!(ahead(&back, seen) >= 0, "{shift:?} {inside:?}");
                }
            }
        }
    }

    #[test]
    fn a_keep_alive_behind_the_text_is_one_behind_for_both() {
        for shift in edits().filter(|shift| shift.old > 1) {
            let end = shift.start.wrapping_add(u32::from(shift.old));
            let seen = shift.out(end).wrapping_sub(shift.out(end.wrapping_sub(1)));
            assert!(seen == 1, "{shift:?}");
        }
    }

    #[test]
    fn a_segment_holds_all_of_the_text_or_a_part_or_nothing() {
        for start in [100, 5, u32::MAX - 3] {
            let shift = Shift::NONE.with_text(start, 20, 22);
            let overlap = |before: u32, len| shift.overlap(start.wrapping_sub(before), len);
            assert_eq!(overlap(0, 20), Overlap::Whole(0));
            assert_eq!(overlap(5, 25), Overlap::Whole(5));
            assert_eq!(overlap(5, 100), Overlap::Whole(5));
            assert_eq!(overlap(5, 24), Overlap::Part);
            assert_eq!(overlap(5, 6), Overlap::Part);
            assert_eq!(overlap(5, 5), Overlap::Apart);
            assert_eq!(shift.overlap(start.wrapping_add(1), 40), Overlap::Part);
            assert_eq!(shift.overlap(start.wrapping_add(19), 1), Overlap::Part);
            assert_eq!(shift.overlap(start.wrapping_add(20), 40), Overlap::Apart);
        }
        assert_eq!(Shift::by(7).overlap(0, 100), Overlap::Apart);
    }

    #[test]
    fn one_text_after_the_other_adds_up() {
        let shift = Shift::NONE.with_text(100, 20, 23).with_text(200, 20, 18);
        assert_eq!((shift.out(150), shift.out(200)), (153, 203));
        assert_eq!((shift.out(220), shift.back(221, Inside::Begin)), (221, 220));
        let far = 200 + (1 << 30);
        assert_eq!(shift.without_text_far_behind(far), shift);
        assert_eq!(shift.without_text_far_behind(190), shift);
        assert_eq!(shift.without_text_far_behind(far + 1), Shift::by(1));
        // What lies before the text is not far behind it.
        assert_eq!(shift.without_text_far_behind(far + 1).out(far), far + 1);
    }

    #[test]
    fn a_part_of_the_new_text_is_no_part_of_the_old_one() {
        let shift = Shift {
            before: 10,
            start: 100,
            old: 20,
            new: 22,
        };
        for within in 111..132 {
            assert_eq!(shift.back(within, Inside::Begin), 100);
            assert_eq!(shift.back(within, Inside::End), 120);
        }
        assert_eq!(shift.back(132, Inside::Begin), 120);
    }
}

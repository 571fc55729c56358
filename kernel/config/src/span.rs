//! Places in the configuration's text, in bytes, and values that know theirs.

use core::ops::Range;

/// From the first byte to one past the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// A span from its ends.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// A value and where it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Span,
}

impl<T> Located<T> {
    /// A value at a place.
    pub const fn new(value: T, at: Span) -> Self {
        Self { value, at }
    }
}

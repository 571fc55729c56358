//! Which of the caller's places for waiting frames are taken.

use crate::verdict::{DropReason, HOLD_SLOTS, HoldSlot};

/// The free places, and what becomes of frames whose wait is over.
#[derive(Debug)]
pub struct Holds {
    free: heapless::Vec<HoldSlot, HOLD_SLOTS>,
    ready: heapless::Deque<(HoldSlot, Fate), HOLD_SLOTS>,
}

/// How a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The frame is looked at again.
    Resume,
    /// The frame is dropped, for this reason.
    GiveUp(DropReason),
}

impl Default for Holds {
    fn default() -> Self {
        let mut free = heapless::Vec::new();
        for slot in (0..HOLD_SLOTS).rev() {
            free.push(HoldSlot(slot as u8))
                .expect("as many as there are");
        }
        Self {
            free,
            ready: heapless::Deque::new(),
        }
    }
}

impl Holds {
    /// Takes a place.
    pub fn take(&mut self) -> Option<HoldSlot> {
        self.free.pop()
    }

    /// Gives a place back once its frame has left it.
    pub fn free(&mut self, slot: HoldSlot) {
        self.free
            .push(slot)
            .expect("a place is taken before it is freed");
    }

    /// Ends a frame's wait.
    pub fn finish(&mut self, slot: HoldSlot, fate: Fate) {
        self.ready
            .push_back((slot, fate))
            .expect("a wait ends once");
    }

    /// The next frame whose wait is over.
    pub fn pop(&mut self) -> Option<(HoldSlot, Fate)> {
        self.ready.pop_front()
    }

    /// Whether some frame's wait is over.
    #[must_use]
    pub fn any_over(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many places are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        HOLD_SLOTS - self.free.len()
    }
}

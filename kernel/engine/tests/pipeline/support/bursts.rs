//! How the frames of a burst are taken: as they come, or together, as the kernel takes them.

use sekisho_engine::ZoneId;
use sekisho_engine::engine::GROUP;

use super::world::{Wire, World};

/// When frames that come in a burst are taken, and what the engine saw of them before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Each when it comes.
    AtOnce,
    /// All at the end of the burst, card by card, each by itself.
    Later,
    /// The same in groups, of which the engine foresees each.
    Foreseen,
    /// The same, but each frame comes with what was foreseen of the one before.
    Misled,
}

impl World {
    /// Takes the frames of a burst that wait for its end.
    pub fn take_waiting(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(zone, _)| zone.index());
        for burst in waiting.chunk_by(|one, next| one.0 == next.0) {
            for group in burst.chunks(GROUP) {
                let frames = group.iter().map(|(_, frame)| frame.clone());
                self.take_together(group[0].0, frames.collect());
            }
        }
    }

    /// Takes frames of one card, as it is set how.
    pub(super) fn take_together(&mut self, zone: ZoneId, frames: Vec<Wire>) {
        if matches!(self.taking, Taking::AtOnce | Taking::Later) {
            return frames
                .into_iter()
                .for_each(|frame| self.receive(zone, frame));
        }
        let heads = frames.iter().map(|frame| &frame.bytes[..]);
        let foreseen = self.engine.foresee(zone, heads);
        assert_eq!(foreseen.len(), frames.len());
        for (mut frame, mut foresight) in frames.into_iter().zip(foreseen) {
            if self.taking == Taking::Misled {
                foresight = self.last.replace(foresight).unwrap_or(foresight);
            }
            self.received += 1;
            let tick = self.tick();
            let verdict = self.look(&mut frame, |engine, frame| {
                engine.receive_foreseen(zone, frame, &foresight, tick)
            });
            self.end(verdict, frame);
        }
    }
}

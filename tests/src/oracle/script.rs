//! Random conversations, one frame at a time.
//!
//! Each has ends of its own, so what happened to one means nothing for another. Most frames are what real hosts would
//! send next; the others repeat, reorder, contradict, lie, or are damaged. Where a frame names a port that a router drew, or quotes what a
//! router sent, each router gets its own.

use std::collections::VecDeque;

use super::Side;
use super::random::Random;
use super::talk::Talk;
use super::trial::Source;

/// How many conversations go on at once.
const TALKS: usize = 24;

/// A frame for each router.
#[derive(Clone, Debug)]
pub struct Injection {
    /// By which card it comes in.
    pub side: Side,
    /// The frame, as ours and as Linux gets it.
    pub frames: [Vec<u8>; 2],
    /// Which conversation it belongs to.
    pub talk: u64,
    /// What it is meant to be.
    pub what: &'static str,
}

/// The script.
pub struct Script {
    random: Random,
    talks: Vec<Talk>,
    next: VecDeque<Injection>,
    count: u64,
}

impl Script {
    /// A script of its own for each seed.
    pub fn new(seed: u64) -> Script {
        Script {
            random: Random::new(seed),
            talks: Vec::new(),
            next: VecDeque::new(),
            count: 0,
        }
    }
}

impl Source for Script {
    /// There is always one.
    fn inject(&mut self) -> Option<Injection> {
        loop {
            if let Some(injection) = self.next.pop_front() {
                return Some(injection);
            }
            while self.talks.len() < TALKS {
                let talk = Talk::new(self.count, &mut self.random);
                self.count += 1;
                self.talks.push(talk);
            }
            let index = self.random.below(self.talks.len());
            let talk = &mut self.talks[index];
            if talk.steps == 0 {
                self.talks.swap_remove(index);
                continue;
            }
            talk.steps -= 1;
            let made = talk.step(&mut self.random);
            self.next.extend(made);
        }
    }

    fn outside(&self, talk: u64) -> [Option<u16>; 2] {
        let talk = self.talks.iter().find(|known| known.number == talk);
        talk.map_or([None; 2], |talk| talk.outside)
    }

    fn heard(&mut self, injection: &Injection, sent: [&[(Side, Vec<u8>)]; 2]) {
        let number = injection.talk;
        let Some(talk) = self.talks.iter_mut().find(|talk| talk.number == number) else {
            return;
        };
        for (router, sent) in sent.iter().enumerate() {
            for (side, frame) in *sent {
                if *side != injection.side && frame.len() >= 34 && frame[12..14] == [8, 0] {
                    talk.note(router, *side, &frame[14..], injection.what);
                }
            }
        }
    }

    fn end(&mut self, talk: u64) {
        self.talks.retain(|known| known.number != talk);
        self.next.retain(|injection| injection.talk != talk);
    }
}

//! Two hosts with a TCP connection, as far as both know.

use super::packet::Segment;
use super::random::Random;

/// No more data.
pub const FIN: u8 = 1;
/// Sequence numbers begin.
pub const SYN: u8 = 2;
/// There is no such connection.
pub const RST: u8 = 4;
/// Hand it on.
pub const PSH: u8 = 8;
/// The acknowledgement number counts.
pub const ACK: u8 = 16;

/// Whether a segment with these flags begins a connection.
pub const fn opens(flags: u8) -> bool {
    flags & (SYN | ACK | RST | FIN) == SYN
}

/// Both ends of a connection; 0 began it.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    /// Next sequence number.
    pub next: [u32; 2],
    /// What the other one has acknowledged.
    pub acked: [u32; 2],
    /// Window that it offers.
    pub window: [u16; 2],
    /// Window scale that it offers.
    pub scale: [Option<u8>; 2],
    /// Whether it sent its SYN.
    pub synced: [bool; 2],
    /// Whether it sent its FIN.
    pub finished: [bool; 2],
}

impl Tcp {
    /// Whether an end's sequence number was sent and is not acknowledged, as the hosts know.
    pub fn is_in_flight(&self, end: usize, sequence: u32) -> bool {
        let since = |from: u32| sequence.wrapping_sub(from) as i32;
        since(self.acked[end]) >= 0 && since(self.next[end]) <= 0
    }

    /// What is wrong with a segment, by the numbers that the hosts know.
    pub fn name(&self, from: usize, segment: &Segment) -> &'static str {
        let to = 1 - from;
        let ahead = |number: u32, of: u32| number.wrapping_sub(of) as i32;
        let (seq, ack) = (
            ahead(segment.seq, self.next[from]),
            ahead(segment.ack, self.next[to]),
        );
        let fin = u32::from(segment.flags & FIN);
        let last = segment.seq.wrapping_add(segment.payload.len() as u32 + fin);
        match segment.flags & (SYN | RST | ACK) {
            flags if flags & RST != 0 && seq != 0 => "inexact reset",
            flags if flags & RST != 0 => "deviating reset",
            flags if flags & SYN != 0 && flags & ACK != 0 => "another SYN+ACK",
            flags if flags & SYN != 0 => "another SYN",
            _ if seq < 0 => "old sequence number",
            flags if flags & ACK != 0 && ack < 0 => "old acknowledgement",
            _ if ahead(last, self.acked[from]) > i32::from(self.window[to]) => "beyond the window",
            _ => "deviating segment",
        }
    }

    /// The next segment of two hosts that agree.
    pub fn usual(&mut self, random: &mut Random) -> (usize, Segment) {
        let from = match (self.synced, self.finished) {
            ([false, false], _) => 0,
            ([true, false], _) => 1,
            (_, [true, false]) if random.chance(70) => 1,
            (_, [false, true]) if random.chance(70) => 0,
            _ => random.below(2),
        };
        let to = 1 - from;
        let mut segment = Segment {
            seq: self.next[from],
            ack: self.next[to],
            flags: ACK,
            window: self.window[from],
            options: Vec::new(),
            payload: Vec::new(),
        };
        if !self.synced[from] {
            segment.flags = if from == 0 { SYN } else { SYN | ACK };
            if from == 0 {
                segment.ack = 0;
            }
            segment.options = vec![2, 4, 5, 0xb4];
            if let Some(shift) = self.scale[from] {
                segment.options.extend([1, 3, 3, shift]);
            }
            self.synced[from] = true;
            self.next[from] = segment.seq.wrapping_add(1);
            self.acked[from] = self.next[from];
        } else if !self.finished[from] {
            let in_flight = self.next[from].wrapping_sub(self.acked[from]) as usize;
            let room = usize::from(self.window[to]).saturating_sub(in_flight.min(70_000));
            match random.below(10) {
                0..5 => {
                    let len = random.one(&[1, 10, 100, 400]).min(room);
                    segment.payload = vec![random.word() as u8; len];
                    segment.flags |= if random.chance(50) { PSH } else { 0 };
                }
                5 if room > 0 => {
                    segment.flags |= FIN;
                    self.finished[from] = true;
                }
                6 if random.chance(20) => segment.flags = RST | (ACK & random.word() as u8),
                _ => {}
            }
            let fin = u32::from(segment.flags & FIN != 0);
            self.next[from] = segment.seq.wrapping_add(segment.payload.len() as u32 + fin);
        }
        if segment.flags & ACK != 0 {
            self.acked[to] = segment.ack;
        }
        (from, segment)
    }
}

//! The driver against a fake device on the same memory.

mod e1000;
mod fake;
mod features;
mod frames;
mod group;
mod hostile;
mod late;
mod memory;
mod notify;
mod offload;
mod queue;
mod random;
mod start;
mod threads;

/// The header of an ordinary frame.
const PLAIN: [u8; crate::HEADER_BYTES] = [0; crate::HEADER_BYTES];

/// A frame of `len` bytes, told apart by `seed`.
fn frame(len: usize, seed: u32) -> Vec<u8> {
    (0..len)
        .map(|at| {
            (at as u32)
                .wrapping_mul(31)
                .wrapping_add(seed.wrapping_mul(0x9e37)) as u8
        })
        .collect()
}

/// All bytes of a packet.
fn bytes(packet: &crate::Packet) -> Vec<u8> {
    packet.slices().flatten().copied().collect()
}

//! What a card has done.

use crate::fault::FrameFault;

/// Counts since the start, wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received and handed on.
    pub rx_frames: u64,
    /// Their bytes, from the Ethernet header on, without FCS.
    pub rx_bytes: u64,
    /// Received frames dropped, by [`FrameFault`].
    pub rx_dropped: [u64; FrameFault::COUNT],
    /// Frames put on the transmit ring.
    pub tx_frames: u64,
    /// Their bytes, from the Ethernet header on, without FCS.
    pub tx_bytes: u64,
    /// Frames that were given back as the transmit ring was full.
    pub tx_full: u64,
    /// Frames that were given back as this card cannot send their kind.
    pub tx_unsendable: u64,
    /// Times that the pool had no buffer, for reception or for a copy.
    pub no_buffer: u64,
    /// Kicks.
    pub kicks: u64,
}

//! Sekisho's virtio network card (virtio 1.2 section 5.1): split rings, mergeable
//! receive buffers, offloads passed from card to card; and, in [`e1000`], Intel's.
//!
//! A frame is never copied on its way through. The buffers that one card's
//! device filled go onto another card's transmit ring, and come home when sent:
//!
//! ```text
//!            take                       Card::receive
//!   ┌──────┐ ─────► receive ring of A ─────────────────► Packet
//!   │ Pool │        (the device writes)                    │
//!   │      │ ◄───────────────────────────────────── drop ──┤
//!   │      │ ◄───── transmit ring of B ◄───────────────────┘
//!   └──────┘ Card::  (the device reads)     Card::transmit
//!            reclaim
//!
//!   first buffer:    │ virtio-net header, 12 bytes │ Ethernet │ IP │ …
//!   further buffers: │ … the frame goes on …
//! ```
//!
//! # Who owns a buffer
//!
//! Always exactly one of these:
//! - the [`Pool`]: it is free;
//! - a [`Packet`], which is no copy and cannot be cloned; dropped, its buffers are free;
//! - a ring: [`Card::transmit`] or a refill put it there, and only the device's handing back, or
//!   the device's reset, takes it away.
//!
//! The pool should hold [`Candidate::buffers`] of all cards and some more for packets in between:
//! then neither a full transmit ring nor packets that wait starve reception.
//!
//! # What the device is trusted with
//!
//! Nothing. Whatever it writes is read once and checked against memory that it does not know of
//! (which chains it has, how long the buffers are). The first lie takes its card down with a
//! [`DeviceFault`]: the device is reset, its buffers are free again, and the other cards go on.
//! A frame that only contradicts itself is dropped with a [`FrameFault`].
//!
//! # Starting
//!
//! [`Candidate::new`] for each device, [`negotiate`] over the offers of all, then
//! [`Candidate::start`] for each: what one card takes in, every other can send.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod area;
mod barrier;
mod card;
mod checksum;
mod counters;
mod device;
pub mod e1000;
mod fault;
mod features;
mod group;
mod late;
mod memory;
mod offload;
mod packet;
mod patience;
mod pool;
mod receive;
mod ring;
mod start;
#[cfg(test)]
mod tests;

mod transmit;

pub use card::{Card, Link};
pub use counters::Counters;
pub use device::{Device, Doorbell, DoorbellWidth, FeaturesRefused, status};
pub use fault::{DeviceFault, FrameFault, Queue, RxError, StartError};
pub use features::{Accepted, Offer, feature, max_parts, negotiate};
pub use group::{Group, gather};
pub use late::Late;
pub use memory::{DmaRegion, PAGE_BYTES};
pub use offload::{Checksum, Ecn, Gso, HEADER_BYTES, Offload};
pub use packet::Packet;
pub use patience::Patience;
pub use pool::{LARGE_BUFFER_BYTES, Pool, PoolError, SMALL_BUFFER_BYTES};
pub use start::{Candidate, QUEUE_SIZE};
pub use transmit::{Refused, TxError};

/// The largest frame in bytes: an IP packet of 65,535 bytes, an Ethernet header and a VLAN tag.
pub const MAX_FRAME_BYTES: usize = 65_535 + 18;

//! Sekisho's packet engine: stateful filter, NAT, routing and neighbours.
//!
//! A pure function: no clock, no randomness, no device and no log inside. Each
//! call takes a [`Tick`] (the time and a random word) and a frame, rewrites the
//! frame in place and returns a [`Verdict`]. The same crate runs in the virtual
//! machine, in host tests, under fuzzers and in offline tools.
//!
//! The objects, each in a module of its own:
//!
//! * [`frame::Frame`]: the bytes a card received and what the card says of them.
//! * [`key::FlowKey`]: whose packet it is, for IPv4 and IPv6 alike.
//! * [`flow::Flow`]: a conversation that policy let in; carries the
//!   [`policy::Generation`] of that policy.
//! * [`mapping::Mapping`]: an inside endpoint's outside port, shared by that
//!   endpoint's flows (RFC 4787 section 4.1).
//! * [`verdict::Verdict`], [`verdict::DropReason`]: how each frame ends.
//! * [`counters::Counters`]: one for each way a frame can end; they add up.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod address;
pub mod arp;
pub mod checksum;
pub mod conntrack;
mod cookie;
pub mod counters;
pub mod engine;
pub mod flow;
pub mod fragment;
pub mod frame;
pub mod ftp;
mod hash;
pub mod holds;
pub mod icmp;
mod index;
pub mod interface;
pub mod key;
mod limits;
pub mod mapping;
pub mod martian;
pub mod nat;
pub mod neighbor;
pub mod outbox;
pub mod output;
pub mod packet;
pub mod parse;
mod plain;
pub mod policy;
pub mod quote;
mod ranges;
mod rates;
pub mod rewrite;
pub mod route;
mod segment;
pub mod shift;
mod stamp;
mod table;
pub mod time;
pub mod verdict;
mod wheel;

pub use sekisho_config::model::{MAX_ZONES, Place, ZoneId};
pub use time::{Instant, Tick};
pub use verdict::{DropReason, Verdict};

//! The machine under Sekisho: boot, hardware, cards.
//!
//! Two programs stand on it: the firewall (`main.rs`), and the wire (`wire.rs`),
//! which only carries buffers from card to card.
#![no_std]
#![allow(missing_docs)]

extern crate alloc;

pub mod boot;
#[forbid(unsafe_code)]
pub mod card;
pub mod hw;
#[forbid(unsafe_code)]
pub mod net;

//! The box's own endpoints: DHCP client and server.
//!
//! As pure as the engine: the time is an argument, frames come in as bytes and
//! go out as [`Action`]s. [`Services`] is the whole; each zone has a
//! [`client`], a [`server`] or neither. Wire formats are smoltcp's.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod client;
pub mod datagram;
pub mod leases;
pub mod message;
pub mod server;
mod services;

pub use services::{Action, Services};

/// An Ethernet address.
pub type Mac = [u8; 6];

//! The packet engine as its caller sees it: frames go in, frames come out.
//!
//! Each module looks at one subject. `support` holds a small world around the
//! engine: hosts that answer ARP, packets, and the checks that every frame
//! which leaves must pass.

mod arp;
mod conservation;
mod filter;
mod forwarding;
mod fragments;
mod icmp_errors;
mod nat;
mod nat_kinds;
mod offload;
mod own;
mod support;
mod tcp;

//! The packet engine as its caller sees it: frames go in, frames come out.
//!
//! Each module looks at one subject. `support` holds a small world around the
//! engine: hosts that answer ARP, packets, and the checks that every frame
//! which leaves must pass.

mod addresses;
mod arp;
mod attacks;
mod conservation;
mod filter;
mod foresight;
mod forwarding;
mod fragments;
mod ftp;
mod ftp_numbers;
mod icmp_errors;
mod leaks;
mod nat;
mod nat_kinds;
mod offload;
mod own;
mod rfc1812;
mod rfc4787;
mod rfc5382;
mod rfc5508;
mod rfc7857;
mod servers;
mod short_way;
mod support;
mod syn_cookies;
mod tcp;
mod ticks;

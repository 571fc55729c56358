//! Sekisho's configuration language.
//!
//! One TOML file describes zones, rules, forwards and NAT. The kernel and the
//! host tools share this crate, so what `sekisho check` accepts is what boots.
//!
//! * [`model`]: the checked configuration, the only form that the packet engine takes.
//!
//! Neighbours: `sekisho-engine` compiles a [`Config`] into its policy,
//! `sekisho-services` takes its DHCP settings from it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod model;

pub use model::Config;

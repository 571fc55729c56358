//! Fuzz targets: each takes any bytes, and panics if a promise is broken.
//!
//! | target | what it feeds |
//! |---|---|
//! | [`parse`] | one frame to the parsers, the quote of an ICMP error, the rewrite and the describer |
//! | [`process`] | sequences of frames from all sides, time, cables, addresses and rules to the whole engine |
//! | [`config`] | a configuration file to the reader, and what it accepts to engine and services |
//! | [`ftp`] | what both peers of a control connection say to its reader |
//! | [`dhcp_client`] | a DHCP server's messages, and time, to the client |
//! | [`dhcp_server`] | DHCP clients' messages, and time, to the server |
//!
//! They are ordinary functions: `tests/corpus.rs` runs them over the corpora, and the programs in `targets/` under libFuzzer.

pub mod config;
pub mod dhcp_client;
pub mod dhcp_server;
mod frames;
pub mod ftp;
pub mod parse;
pub mod process;

/// What takes the fuzzer's bytes.
pub type Target = fn(&[u8]);

/// All targets, with the names of their corpora.
pub const TARGETS: [(&str, Target); 6] = [
    ("parse", parse::run),
    ("process", process::run),
    ("config", config::run),
    ("ftp", ftp::run),
    ("dhcp_client", dhcp_client::run),
    ("dhcp_server", dhcp_server::run),
];

//! The packet engine alone, for measuring: see [`engine`].
#![forbid(unsafe_code)]

pub mod engine;
pub mod policy;

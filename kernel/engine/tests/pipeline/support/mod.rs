//! What all tests of the pipeline share.

pub mod bursts;
pub mod check;
pub mod ip;
pub mod random;
pub mod setup;
pub mod talk;
pub mod twins;
pub mod world;

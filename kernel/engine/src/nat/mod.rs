//! Address translation: which outside endpoint stands for which inside endpoint, and who may use it.
//!
//! * [`plan`]: between which zones sources are translated, and how that NAT behaves.
//! * [`choice`]: which outside port an inside port is to get.
//! * [`ports`]: outside ports, leased one by one and never to two.
//! * [`mappings`]: inside endpoints and their leases (RFC 4787 section 4.1).
//! * [`permits`]: which strangers a mapping admits (RFC 4787 section 5).
//! * [`forwards`]: what the configuration invites in.

pub(crate) mod choice;
pub mod forwards;
pub mod mappings;
pub(crate) mod permits;
pub(crate) mod plan;
pub(crate) mod ports;

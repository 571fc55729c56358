//! The FTP gateway: what a control connection says of the data connections to come (RFC 959, RFC 2428).
//!
//! ```text
//! client ── PORT 10,99,0,2,156,64 ──▶ server     "connect to me there": active
//! client ◀── 227 (192,0,2,7,195,80) ── server    "connect to me here": passive
//! ```
//!
//! Such an announcement is believed only about its sender's own address, is replaced by the address that the other
//! side sees, and lets in the one connection that it announces.
//!
//! * [`line`](mod@self::line): lines, and what of them is an announcement. Knows no packets.
//! * [`text`]: how an endpoint is written.
//! * [`control`]: what is kept of a control connection.
//! * [`controls`]: the table of those, and of the data connections that are expected.
//!
//! The step of the pipeline is [`crate::engine`]'s `gateway`.

pub mod control;
pub mod controls;
pub mod line;
pub mod text;

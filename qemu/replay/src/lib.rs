//! The packet engine and the box's own services on the host.
//!
//! * [`machine::Machine`]: what the kernel's loop is in the virtual machine: frames and time in, [`machine::Event`]s out.
//! * [`capture`]: frames from pcap and pcapng files, and back into them.
//! * [`assign`]: by which card a recorded frame came in.
//! * [`describe`]: a frame as a line of text.
//! * [`explain`]: what became of each frame of a capture, and why, for people to read.
//! * [`golden`]: cases kept as files: configuration and capture in, capture and explanation out.
//!
//! The engine is the very same crate that the virtual machine runs. What it is not told by a capture
//! (addresses by DHCP, answers to ARP, random numbers) are [`options::Options`].
#![forbid(unsafe_code)]

pub mod assign;
pub mod capture;
pub mod describe;
pub mod error;
pub mod explain;
pub mod golden;
pub mod machine;
pub mod options;

pub use error::Error;

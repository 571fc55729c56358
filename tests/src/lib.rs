//! What the tests of the booted virtual machine share.
//!
//! * [`namespace::Namespace`]: a Linux host in a network namespace of its own.
//! * [`program::Program`]: a program beside the test, ended with it.
//! * [`capture::Capture`]: what crosses a card.
//! * [`traffic`]: servers and clients whose every byte is checked.
//! * [`elf`]: what the audit of the kernel's ELF looks at.
//! * [`kernel`]: where the kernel is.
//! * [`skip`]: tests that need root, and say so where there is none.

pub mod capture;
pub mod elf;
pub mod kernel;
pub mod namespace;
pub mod program;
pub mod skip;
pub mod traffic;

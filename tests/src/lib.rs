//! What the tests of the booted virtual machine share.
//!
//! * [`namespace::Namespace`]: a Linux host in a network namespace of its own.
//! * [`program::Program`]: a program beside the test, ended with it.
//! * [`capture::Capture`]: what crosses a card.
//! * [`dhcp`]: hosts that give and take addresses.
//! * [`traffic`]: servers and clients whose every byte is checked.
//! * [`soak`]: full load for a long time, and an account of every frame.
//! * [`firewall::Firewall`]: the booted virtual machine.
//! * [`page`]: what a page of the documentation shows.
//! * [`peer::Peer`]: a host that speaks Ethernet itself, without root.
//! * [`rig::Rig`]: the firewall between two such hosts.
//! * [`site::Site`]: the firewall between networks of real Linux hosts.
//! * [`tables::Tables`]: how full its tables are.
//! * [`mutants`]: deliberate defects, and whether the tests notice them.
//! * [`oracle`]: the engine beside a Linux router.
//! * [`frames`], [`way`]: Ethernet frames, read and made.
//! * [`conformance`]: the page that says which test shows which requirement.
//! * [`command`]: the command `sekisho`, and what it says.
//! * [`disks`]: images of disks, and what other programs make of them.
//! * [`elf`]: what the audit of the kernel's ELF looks at.
//! * [`images::Images`]: disks, CDs and appliances with it.
//! * [`kernel`]: where the kernel is.
//! * [`libvirt`]: libvirt's daemon, all to itself.
//! * [`media::Media`]: drives and discs with a configuration.
//! * [`skip`]: tests that need root, and say so where there is none.

pub mod capture;
pub mod command;
pub mod conformance;
pub mod dhcp;
pub mod disks;
pub mod elf;
pub mod firewall;
pub mod frames;
pub mod images;
pub mod kernel;
pub mod libvirt;
pub mod media;
pub mod mutants;
pub mod namespace;
pub mod oracle;
pub mod page;
pub mod peer;
pub mod program;
pub mod rig;
pub mod site;
pub mod skip;
pub mod soak;
pub mod tables;
pub mod traffic;
pub mod way;

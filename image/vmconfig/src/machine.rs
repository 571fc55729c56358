//! What a virtual machine is, whichever hypervisor runs it.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::{Error, Spec, identity};

/// A machine, with the networks in words of type `N`.
#[derive(Clone, Debug)]
pub struct Machine<N = Spec> {
    /// Its name.
    pub name: Name,
    /// The size of its memory, in MiB.
    pub memory_mib: u32,
    /// Its cards in bus order.
    pub nics: Vec<Nic<N>>,
}

/// A zone's card.
#[derive(Clone, Debug)]
pub struct Nic<N = Spec> {
    /// The zone's name.
    pub zone: String,
    /// The card's Ethernet address.
    pub mac: [u8; 6],
    /// What it is on.
    pub network: N,
}

/// A machine's name, which every hypervisor takes: a DNS label (RFC 1035 section 2.3.1), at most 40 long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// What boots the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS.
    #[default]
    Bios,
    /// UEFI, without Secure Boot.
    Uefi,
}

/// The cards' model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// Virtio, the fast one.
    Virtio,
    /// Intel 82540EM.
    E1000,
}

/// What runs the machine's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accel {
    /// The processor.
    #[default]
    Kvm,
    /// QEMU itself.
    Tcg,
}

impl Firmware {
    /// The least memory that it boots in, in MiB.
    #[must_use]
    pub const fn least_memory_mib(self) -> u32 {
        match self {
            Self::Bios => 16,
            Self::Uefi => 64,
        }
    }

    pub(crate) fn check(self, mib: u32) -> Result<(), Error> {
        let boot = match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
        };
        enough(mib, self.least_memory_mib(), boot)
    }
}

/// Refuses a machine that would not come up.
pub(crate) fn enough(mib: u32, least: u32, boot: &'static str) -> Result<(), Error> {
    if mib >= least {
        Ok(())
    } else {
        Err(Error::Memory { mib, least, boot })
    }
}

impl<N> Machine<N> {
    pub(crate) fn uuid(&self) -> String {
        identity::uuid(&self.name.0)
    }
}

impl<N> Nic<N> {
    /// The Ethernet address in its usual writing.
    pub(crate) fn mac(&self) -> String {
        sekisho_qemu::mac_text(self.mac)
    }
}

impl Nic {
    /// A network that this hypervisor does not have.
    pub(crate) fn refused(&self, hypervisor: &'static str, forms: &'static str) -> Error {
        Error::Network {
            zone: self.zone.clone(),
            spec: self.network.to_string(),
            hypervisor,
            forms,
        }
    }

    /// The name of an interface of Linux (15 bytes, `dev_valid_name` in `net/core/dev.c`).
    pub(crate) fn interface(&self, name: &str) -> Result<String, Error> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || "/:,%".contains(c);
        if name.len() <= 15 && !name.contains(bad) && ![".", ".."].contains(&name) {
            return Ok(name.into());
        }
        Err(Error::Interface {
            zone: self.zone.clone(),
            name: name.into(),
        })
    }
}

/// A path as text.
pub(crate) fn path(path: &Path) -> Result<&str, Error> {
    path.to_str()
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or_else(|| Error::Path(path.into()))
}

/// A format of QEMU's, by the file's name.
pub(crate) fn disk_format(image: &str) -> &'static str {
    if image.ends_with(".qcow2") {
        "qcow2"
    } else {
        "raw"
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(label)
            && !text.ends_with('-')
            && text.len() <= 40;
        if good {
            Ok(Self(text.into()))
        } else {
            Err(Error::Name(text.into()))
        }
    }
}

impl Name {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A machine with two cards on these networks.
    pub fn machine(wan: &str, dmz: &str) -> Machine {
        let nic = |zone: &str, last, network: &str| Nic {
            zone: zone.into(),
            mac: [0x52, 0x54, 0, 0, 0, last],
            network: network.parse().unwrap(),
        };
        Machine {
            name: "sekisho".parse().unwrap(),
            memory_mib: 64,
            nics: vec![nic("wan", 1, wan), nic("dmz", 2, dmz)],
        }
    }

    #[test]
    fn names_are_labels() {
        for good in ["a", "sekisho", "fw-2", &"a".repeat(40)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "2", "-a", "a-", "A", "a b", "a/b", "ä", &"a".repeat(41)] {
            assert_eq!(bad.parse::<Name>(), Err(Error::Name(bad.into())), "{bad}");
        }
    }

    #[test]
    fn an_interface_has_a_name_that_linux_takes() {
        let nic = &machine("tap", "tap").nics[0];
        assert_eq!(nic.interface("br0"), Ok("br0".into()));
        for bad in ["a b", "a/b", "a,b", "..", "sixteencharacter"] {
            let refused = nic.interface(bad).unwrap_err();
            assert!(refused.to_string().contains(bad), "{refused}");
        }
    }
}

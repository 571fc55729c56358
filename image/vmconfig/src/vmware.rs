//! VMware: a `.vmx` file, for Workstation, Fusion, Player, Server and ESXi.

use std::path::PathBuf;

use crate::machine::path;
use crate::text::vmx;
use crate::{Error, File, Firmware, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str = "vmnetN (a virtual network, N from 0 to 255), bridged, hostonly or nat (VMnet0, 1 and 8), or portgroup:NAME (ESXi)";

/// Memory comes in such pieces.
const MEMORY_STEP_MIB: u32 = 4;

/// What VMware is told beside the machine.
#[derive(Clone, Debug)]
pub struct Vmware {
    /// The disk, seen from the folder of the `.vmx` file.
    pub image: PathBuf,
    /// What boots it.
    pub firmware: Firmware,
}

impl Vmware {
    /// The `.vmx` file.
    ///
    /// # Errors
    /// A network that VMware does not have, too little memory, or a path that is no text.
    pub fn files(&self, machine: &Machine) -> Result<Vec<File>, Error> {
        self.firmware.check(machine.memory_mib)?;
        if !machine.memory_mib.is_multiple_of(MEMORY_STEP_MIB) {
            return Err(Error::MemoryStep {
                mib: machine.memory_mib,
                step: MEMORY_STEP_MIB,
            });
        }
        let name = machine.name.as_str();
        let mut lines = Lines::default();
        self.board(machine, &mut lines)?;
        for (number, nic) in machine.nics.iter().enumerate() {
            card(number, nic, &mut lines)?;
        }
        Ok(vec![File::data(format!("{name}.vmx"), lines.0)])
    }

    fn board(&self, machine: &Machine, lines: &mut Lines) -> Result<(), Error> {
        let name = machine.name.as_str();
        lines.set(".encoding", "UTF-8");
        lines.set("config.version", "8");
        lines.set("virtualHW.version", "10");
        lines.set("displayName", name);
        lines.set("guestOS", "other-64");
        match self.firmware {
            Firmware::Bios => lines.set("firmware", "bios"),
            Firmware::Uefi => {
                lines.set("firmware", "efi");
                lines.set("uefi.secureBoot.enabled", "FALSE");
            }
        }
        lines.set("memSize", &machine.memory_mib.to_string());
        lines.set("numvcpus", "1");
        lines.set("pciBridge0.present", "TRUE");
        lines.set("ide0:0.present", "TRUE");
        lines.set("ide0:0.deviceType", "disk");
        lines.set("ide0:0.fileName", path(&self.image)?);
        lines.set("floppy0.present", "FALSE");
        lines.set("serial0.present", "TRUE");
        lines.set("serial0.fileType", "file");
        lines.set("serial0.fileName", &format!("{name}.console"));
        lines.set("serial0.tryNoRxLoss", "FALSE");
        Ok(())
    }
}

fn card(number: usize, nic: &Nic, lines: &mut Lines) -> Result<(), Error> {
    let refused = || nic.refused("VMware", FORMS);
    let mut set = |key: &str, value: &str| lines.set(&format!("ethernet{number}.{key}"), value);
    set("present", "TRUE");
    set("virtualDev", "e1000");
    match nic.network.parts() {
        (kind @ ("bridged" | "hostonly" | "nat"), None) => set("connectionType", kind),
        ("portgroup", Some(name)) => set("networkName", name),
        (kind, None) => {
            let network = kind.strip_prefix("vmnet").ok_or_else(refused)?;
            let network: u8 = network.parse().map_err(|_| refused())?;
            set("connectionType", "custom");
            set("vnet", &format!("VMnet{network}"));
        }
        _ => return Err(refused()),
    }
    set("startConnected", "TRUE");
    set("addressType", "static");
    set("address", &nic.mac());
    if !for_static_use(nic.mac) {
        set("checkMACAddress", "FALSE");
    }
    Ok(())
}

/// VMware takes other addresses only unchecked (libvirt, "VMware ESX driver", section on MAC addresses).
fn for_static_use(mac: [u8; 6]) -> bool {
    mac[..3] == [0x00, 0x50, 0x56] && mac[3] <= 0x3f
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn set(&mut self, key: &str, value: &str) {
        self.0 += &format!("{key} = \"{}\"\n", vmx(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn text(machine: &Machine, firmware: Firmware) -> Result<String, Error> {
        let image = "sekisho.vmdk".into();
        let files = Vmware { image, firmware }.files(machine)?;
        Ok(files[0].text.clone())
    }

    #[test]
    fn networks_are_vmnets_or_port_groups() {
        let vmnets = text(&machine("bridged", "vmnet2"), Firmware::Bios).unwrap();
        for line in [
            "ethernet0.connectionType = \"bridged\"\n",
            "ethernet1.connectionType = \"custom\"\nethernet1.vnet = \"VMnet2\"\n",
        ] {
            assert!(vmnets.contains(line), "{line}: {vmnets}");
        }
        let groups = text(
            &machine("portgroup:VM Network", "portgroup:a|b"),
            Firmware::Bios,
        )
        .unwrap();
        for line in [
            "ethernet0.networkName = \"VM Network\"\n",
            "ethernet1.networkName = \"a|7Cb\"\n",
        ] {
            assert!(groups.contains(line), "{line}: {groups}");
        }
    }

    #[test]
    fn an_address_outside_of_vmwares_block_is_not_checked() {
        let mut machine = machine("bridged", "vmnet2");
        machine.nics[1].mac = [0x00, 0x50, 0x56, 0x3f, 0xff, 0xff];
        let text = text(&machine, Firmware::Bios).unwrap();
        let unchecked =
            "ethernet0.address = \"52:54:00:00:00:01\"\nethernet0.checkMACAddress = \"FALSE\"\n";
        assert!(text.contains(unchecked), "{text}");
        assert!(!text.contains("ethernet1.checkMACAddress"), "{text}");
    }

    #[test]
    fn uefi_is_without_secure_boot() {
        let text = text(&machine("nat", "hostonly"), Firmware::Uefi).unwrap();
        assert!(
            text.contains("firmware = \"efi\"\nuefi.secureBoot.enabled = \"FALSE\"\n"),
            "{text}"
        );
    }

    #[test]
    fn memory_is_a_multiple_of_4_mib() {
        let machine = Machine {
            memory_mib: 66,
            ..machine("nat", "hostonly")
        };
        let refused = text(&machine, Firmware::Bios).unwrap_err();
        assert!(
            refused.to_string().contains("give --memory 68"),
            "{refused}"
        );
    }

    #[test]
    fn what_vmware_does_not_have_is_refused() {
        for spec in [
            "bridge:br0",
            "vmnet",
            "vmnet256",
            "vmnet2:x",
            "nat:x",
            "portgroup",
        ] {
            let refused = text(&machine("nat", spec), Firmware::Bios).unwrap_err();
            let expected = format!("--net dmz={spec}: VMware takes vmnetN");
            assert!(refused.to_string().starts_with(&expected), "{refused}");
        }
    }
}

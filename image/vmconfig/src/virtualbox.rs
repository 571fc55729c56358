//! VirtualBox: a script of `VBoxManage` commands.
//!
//! Options are in the spelling of VirtualBox 6.1, which later versions take as well (`VBoxManageModifyVM.cpp`).

use std::path::PathBuf;

use crate::machine::path;
use crate::text::shell_lines;
use crate::{Card, Error, File, Firmware, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str = "bridged:CARD (a card of the host), intnet:NAME (an internal network without the host), hostonly:NAME, \
    natnetwork:NAME or nat";

/// What VirtualBox is told beside the machine.
#[derive(Clone, Debug)]
pub struct VirtualBox {
    /// The disk; a raw one is converted first.
    pub image: PathBuf,
    /// What boots it.
    pub firmware: Firmware,
    /// The cards' model.
    pub card: Card,
}

impl VirtualBox {
    /// The script.
    ///
    /// # Errors
    /// A network that VirtualBox does not have, too little memory, or a path that is no text.
    pub fn files(&self, machine: &Machine) -> Result<Vec<File>, Error> {
        self.firmware.check(machine.memory_mib)?;
        let image = path(&self.image)?;
        let (conversion, disk) = match image.strip_suffix(".raw") {
            Some(stem) => {
                let disk = format!("{stem}.vdi");
                (Some(words(&["convertfromraw", image, &disk])), disk)
            }
            None => (None, image.to_owned()),
        };
        let name = machine.name.as_str();
        let mut commands = vec![words(&[
            "createvm",
            "--name",
            name,
            "--uuid",
            &machine.uuid(),
            "--ostype",
            "Other_64",
            "--register",
        ])];
        commands.push(self.board(machine));
        for (number, nic) in machine.nics.iter().enumerate() {
            commands.push(self.card(name, number + 1, nic)?);
        }
        commands.extend(conversion);
        commands.push(words(&[
            "storagectl",
            name,
            "--name",
            "SATA",
            "--add",
            "sata",
            "--controller",
            "IntelAhci",
            "--portcount",
            "1",
        ]));
        commands.push(words(&[
            "storageattach",
            name,
            "--storagectl",
            "SATA",
            "--port",
            "0",
            "--device",
            "0",
            "--type",
            "hdd",
            "--medium",
            &disk,
        ]));
        let commands: String = commands
            .iter()
            .map(|command| shell_lines(command) + "\n")
            .collect();
        let text = format!(
            "#!/bin/sh\n# Makes the machine; then: VBoxManage startvm {name} --type headless\nset -eu\n{commands}"
        );
        Ok(vec![File::script(format!("{name}.sh"), text)])
    }

    fn board(&self, machine: &Machine) -> Vec<String> {
        let name = machine.name.as_str();
        let memory = machine.memory_mib.to_string();
        let firmware = match self.firmware {
            Firmware::Bios => "bios",
            Firmware::Uefi => "efi64",
        };
        let console = format!("/tmp/{name}.console");
        words(&[
            "modifyvm",
            name,
            "--memory",
            &memory,
            "--cpus",
            "1",
            "--firmware",
            firmware,
            "--acpi",
            "on",
            "--ioapic",
            "on",
            "--rtcuseutc",
            "on",
            "--graphicscontroller",
            "vmsvga",
            "--vram",
            "16",
            "--boot1",
            "disk",
            "--boot2",
            "none",
            "--boot3",
            "none",
            "--boot4",
            "none",
            "--uart1",
            "0x3F8",
            "4",
            "--uartmode1",
            "server",
            &console,
        ])
    }

    fn card(&self, machine: &str, number: usize, nic: &Nic) -> Result<Vec<String>, Error> {
        let (kind, option, network) = match nic.network.parts() {
            ("bridged", Some(card)) => ("bridged", Some("--bridgeadapter"), card),
            ("intnet", Some(name)) => ("intnet", Some("--intnet"), name),
            ("hostonly", Some(name)) => ("hostonly", Some("--hostonlyadapter"), name),
            ("natnetwork", Some(name)) => ("natnetwork", Some("--nat-network"), name),
            ("nat", None) => ("nat", None, ""),
            _ => return Err(nic.refused("VirtualBox", FORMS)),
        };
        let model = match self.card {
            Card::Virtio => "virtio",
            Card::E1000 => "82540EM",
        };
        let mac: String = nic.mac.iter().map(|byte| format!("{byte:02X}")).collect();
        let mut command = words(&["modifyvm", machine]);
        let mut set = |option: &str, value: &str| {
            command.extend([format!("{option}{number}"), value.into()]);
        };
        set("--nic", kind);
        if let Some(option) = option {
            set(option, network);
        }
        set("--nictype", model);
        set("--macaddress", &mac);
        set("--cableconnected", "on");
        Ok(command)
    }
}

fn words(arguments: &[&str]) -> Vec<String> {
    let program = ["VBoxManage"];
    program
        .iter()
        .chain(arguments)
        .map(|&word| word.into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn virtualbox(image: &str) -> VirtualBox {
        VirtualBox {
            image: image.into(),
            firmware: Firmware::Bios,
            card: Card::E1000,
        }
    }

    fn script(image: &str, wan: &str, dmz: &str) -> Result<String, Error> {
        let files = virtualbox(image).files(&machine(wan, dmz))?;
        Ok(files[0].text.clone())
    }

    #[test]
    fn each_network_has_its_options() {
        let script = script("/d.vdi", "bridged:Intel(R) Ethernet", "intnet:dmz").unwrap();
        for words in [
            "--nic1 bridged \\\n  --bridgeadapter1 'Intel(R) Ethernet' \\\n  --nictype1 82540EM \\\n  --macaddress1 525400000001",
            "--nic2 intnet \\\n  --intnet2 dmz",
            "--medium /d.vdi",
        ] {
            assert!(script.contains(words), "{words}: {script}");
        }
        assert!(!script.contains("convertfromraw"), "{script}");
    }

    #[test]
    fn a_raw_disk_is_converted() {
        let script = script("/d.raw", "nat", "hostonly:vboxnet0").unwrap();
        assert!(
            script.contains("VBoxManage convertfromraw /d.raw /d.vdi"),
            "{script}"
        );
        assert!(script.contains("--medium /d.vdi"), "{script}");
    }

    #[test]
    fn what_virtualbox_does_not_have_is_refused() {
        for spec in ["bridge:br0", "bridged", "intnet:", "nat:x"] {
            let refused = script("/d.vdi", "nat", spec).unwrap_err();
            let expected = format!("--net dmz={spec}: VirtualBox takes bridged:CARD");
            assert!(refused.to_string().starts_with(&expected), "{refused}");
        }
    }
}

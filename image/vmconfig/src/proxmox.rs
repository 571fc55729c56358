//! Proxmox VE: a script of `qm` commands for the node's shell.

use std::path::PathBuf;

use crate::machine::path;
use crate::text::shell_lines;
use crate::{Card, Error, File, Firmware, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str =
    "bridge:NAME (a bridge of the node, such as vmbr0), with a VLAN as bridge:NAME,tag=NUMBER";

/// What Proxmox is told beside the machine.
#[derive(Clone, Debug)]
pub struct Proxmox {
    /// The machine's number.
    pub vmid: u32,
    /// The storage for its disk.
    pub storage: String,
    /// The disk to import, as an absolute path on the node.
    pub image: PathBuf,
    /// What boots it.
    pub firmware: Firmware,
    /// The cards' model.
    pub card: Card,
}

impl Proxmox {
    /// The script.
    ///
    /// # Errors
    /// A network that Proxmox does not have, too little memory, or a path that is no text.
    pub fn files(&self, machine: &Machine) -> Result<Vec<File>, Error> {
        self.firmware.check(machine.memory_mib)?;
        let create = shell_lines(&self.create(machine)?);
        // Importing keeps the image as it is; the copy is the storage's.
        let import = shell_lines(&self.import()?);
        let text = format!(
            "#!/bin/sh\n# Makes the machine on a node of Proxmox VE 7.2 or later: sh {name}.sh, then qm start {vmid}\nset -eu\n{create}\n{import}\n",
            name = machine.name,
            vmid = self.vmid,
        );
        Ok(vec![File::script(format!("{}.sh", machine.name), text)])
    }

    fn create(&self, machine: &Machine) -> Result<Vec<String>, Error> {
        let mut words: Vec<String> = vec!["qm".into(), "create".into(), self.vmid.to_string()];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        option("name", machine.name.to_string());
        option("ostype", "other".into());
        option("machine", "q35".into());
        option("cores", "1".into());
        option("memory", machine.memory_mib.to_string());
        option("balloon", "0".into());
        match self.firmware {
            Firmware::Bios => option("bios", "seabios".into()),
            Firmware::Uefi => {
                option("bios", "ovmf".into());
                let keys = format!("{}:1,efitype=4m,pre-enrolled-keys=0", self.storage);
                option("efidisk0", keys);
            }
        }
        for (number, nic) in machine.nics.iter().enumerate() {
            option(&format!("net{number}"), self.card(nic)?);
        }
        option("serial0", "socket".into());
        option("vga", "serial0".into());
        option("rng0", "source=/dev/urandom".into());
        option("tablet", "0".into());
        option("onboot", "1".into());
        Ok(words)
    }

    fn import(&self) -> Result<Vec<String>, Error> {
        let disk = format!("{}:0,import-from={}", self.storage, path(&self.image)?);
        let vmid = self.vmid.to_string();
        let words = [
            "qm",
            "set",
            &vmid,
            "--virtio0",
            &disk,
            "--boot",
            "order=virtio0",
        ];
        Ok(words.map(String::from).into())
    }

    /// Proxmox's own firewall stays out of it: it would filter a second time, with rules of its own.
    fn card(&self, nic: &Nic) -> Result<String, Error> {
        let model = match self.card {
            Card::Virtio => "virtio",
            Card::E1000 => "e1000",
        };
        let (bridge, tag) = bridge(nic)?;
        let tag = tag.map(|tag| format!(",tag={tag}")).unwrap_or_default();
        let mac = nic.mac().to_uppercase();
        Ok(format!("{model}={mac},bridge={bridge},firewall=0{tag}"))
    }
}

fn bridge(nic: &Nic) -> Result<(String, Option<u16>), Error> {
    let refused = || nic.refused("Proxmox", FORMS);
    let ("bridge", Some(name)) = nic.network.parts() else {
        return Err(refused());
    };
    let Some((name, option)) = name.split_once(',') else {
        return Ok((nic.interface(name)?, None));
    };
    let tag = option
        .strip_prefix("tag=")
        .and_then(|tag| tag.parse().ok())
        .filter(|tag| (1..=4094).contains(tag))
        .ok_or_else(refused)?;
    if name.is_empty() {
        return Err(refused());
    }
    Ok((nic.interface(name)?, Some(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn proxmox() -> Proxmox {
        Proxmox {
            vmid: 100,
            storage: "local-lvm".into(),
            image: "/root/sekisho.qcow2".into(),
            firmware: Firmware::Bios,
            card: Card::Virtio,
        }
    }

    fn script(proxmox: &Proxmox, wan: &str, dmz: &str) -> Result<String, Error> {
        let files = proxmox.files(&machine(wan, dmz))?;
        Ok(files[0].text.clone())
    }

    #[test]
    fn cards_are_on_bridges_without_a_second_firewall() {
        let script = script(&proxmox(), "bridge:vmbr0", "bridge:vmbr1,tag=20").unwrap();
        for words in [
            "--net0 virtio=52:54:00:00:00:01,bridge=vmbr0,firewall=0 ",
            "--net1 virtio=52:54:00:00:00:02,bridge=vmbr1,firewall=0,tag=20 ",
            "--virtio0 local-lvm:0,import-from=/root/sekisho.qcow2",
        ] {
            assert!(script.contains(words), "{words}: {script}");
        }
    }

    #[test]
    fn uefi_has_no_keys_enrolled() {
        let uefi = Proxmox {
            firmware: Firmware::Uefi,
            ..proxmox()
        };
        let script = script(&uefi, "bridge:vmbr0", "bridge:vmbr1").unwrap();
        let disk = "--efidisk0 local-lvm:1,efitype=4m,pre-enrolled-keys=0";
        assert!(script.contains(disk), "{script}");
    }

    #[test]
    fn what_proxmox_does_not_have_is_refused() {
        for spec in [
            "tap:t0",
            "bridge",
            "bridge:a,tag=0",
            "bridge:a,tag=4095",
            "bridge:a,b",
            "bridge:,tag=1",
        ] {
            let refused = script(&proxmox(), "bridge:vmbr0", spec).unwrap_err();
            let expected = format!("--net dmz={spec}: Proxmox takes bridge:NAME");
            assert!(refused.to_string().starts_with(&expected), "{refused}");
        }
    }
}

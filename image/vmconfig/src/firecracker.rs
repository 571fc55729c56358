//! Firecracker (1.12 or later, which boots by PVH): its configuration file.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::machine::{enough, path};
use crate::{Error, File, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str = "tap:NAME (a tap that exists)";

/// What Firecracker is told beside the machine.
#[derive(Clone, Debug)]
pub struct Firecracker {
    /// The kernel's ELF.
    pub kernel: PathBuf,
    /// The configuration, which is handed over as the boot module.
    pub config: PathBuf,
}

impl Firecracker {
    /// The file for `--config-file`.
    ///
    /// # Errors
    /// A network that Firecracker does not have, too little memory, or a path that is no text.
    pub fn files(&self, machine: &Machine) -> Result<Vec<File>, Error> {
        enough(machine.memory_mib, 16, "PVH")?;
        let cards = machine
            .nics
            .iter()
            .map(card)
            .collect::<Result<Vec<_>, _>>()?;
        // The list of drives may be empty, but it must be there; the command line must not have Firecracker's own defaults.
        let file = json!({
            "boot-source": {
                "kernel_image_path": path(&self.kernel)?,
                "initrd_path": path(&self.config)?,
                "boot_args": "",
            },
            "machine-config": { "vcpu_count": 1, "mem_size_mib": machine.memory_mib },
            "drives": [],
            "network-interfaces": cards,
            "entropy": {},
        });
        Ok(vec![File::data(
            format!("{}.json", machine.name),
            format!("{file:#}\n"),
        )])
    }
}

fn card(nic: &Nic) -> Result<Value, Error> {
    match nic.network.parts() {
        ("tap", Some(name)) => Ok(json!({
            "iface_id": nic.zone.replace('-', "_"),
            "guest_mac": nic.mac(),
            "host_dev_name": nic.interface(name)?,
        })),
        _ => Err(nic.refused("Firecracker", FORMS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn file(wan: &str, dmz: &str) -> Result<Value, Error> {
        let firecracker = Firecracker {
            kernel: "/k/sekisho".into(),
            config: "/c/sekisho.toml".into(),
        };
        let files = firecracker.files(&machine(wan, dmz))?;
        Ok(serde_json::from_str(&files[0].text).unwrap())
    }

    #[test]
    fn the_configuration_is_the_initrd() {
        let file = file("tap:w0", "tap:d0").unwrap();
        assert_eq!(file["boot-source"]["initrd_path"], "/c/sekisho.toml");
        assert_eq!(file["machine-config"]["mem_size_mib"], 64);
        assert_eq!(
            file["network-interfaces"][1],
            json!({ "iface_id": "dmz", "guest_mac": "52:54:00:00:00:02", "host_dev_name": "d0" })
        );
    }

    #[test]
    fn anything_but_a_tap_is_refused() {
        for spec in ["bridge:br0", "tap", "user"] {
            let refused = file("tap:w0", spec).unwrap_err();
            let expected = format!("--net dmz={spec}: Firecracker takes tap:NAME");
            assert!(refused.to_string().starts_with(&expected), "{refused}");
        }
    }
}

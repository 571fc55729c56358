//! Cloud Hypervisor: a script that boots the kernel by PVH, without a disk.

use std::path::PathBuf;

use crate::machine::{enough, path};
use crate::text::shell_lines;
use crate::{Error, File, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str = "tap:NAME (a tap that exists)";

/// What Cloud Hypervisor is told beside the machine.
#[derive(Clone, Debug)]
pub struct CloudHypervisor {
    /// The kernel's ELF.
    pub kernel: PathBuf,
    /// The configuration, which is handed over as the boot module.
    pub config: PathBuf,
}

impl CloudHypervisor {
    /// The script.
    ///
    /// # Errors
    /// A network that Cloud Hypervisor does not have, too little memory, or a path that is no text.
    pub fn files(&self, machine: &Machine) -> Result<Vec<File>, Error> {
        enough(machine.memory_mib, 16, "PVH")?;
        let mut words: Vec<String> = vec!["cloud-hypervisor".into()];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        option("kernel", path(&self.kernel)?.into());
        option("initramfs", path(&self.config)?.into());
        option("cpus", "boot=1".into());
        option("memory", format!("size={}M", machine.memory_mib));
        option("platform", format!("uuid={}", machine.uuid()));
        let cards = machine
            .nics
            .iter()
            .map(card)
            .collect::<Result<Vec<_>, _>>()?;
        words.push("--net".into());
        words.extend(cards);
        words.extend(["--serial", "tty", "--console", "off"].map(String::from));
        words.extend(
            ["--api-socket", &format!("path=/tmp/{}.sock", machine.name)].map(String::from),
        );
        let text = format!(
            "#!/bin/sh\n# The console is this terminal; type `poweroff` to end it.\nset -eu\nexec {}\n",
            shell_lines(&words)
        );
        Ok(vec![File::script(format!("{}.sh", machine.name), text)])
    }
}

fn card(nic: &Nic) -> Result<String, Error> {
    match nic.network.parts() {
        ("tap", Some(name)) => Ok(format!("tap={},mac={}", nic.interface(name)?, nic.mac())),
        _ => Err(nic.refused("Cloud Hypervisor", FORMS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn script(wan: &str, dmz: &str) -> Result<String, Error> {
        let cloud = CloudHypervisor {
            kernel: "/k/sekisho".into(),
            config: "/c/my own.toml".into(),
        };
        Ok(cloud.files(&machine(wan, dmz))?[0].text.clone())
    }

    #[test]
    fn kernel_and_configuration_come_without_a_disk() {
        let script = script("tap:w0", "tap:d0").unwrap();
        for words in [
            "--kernel /k/sekisho \\\n  --initramfs '/c/my own.toml'",
            "--net tap=w0,mac=52:54:00:00:00:01 tap=d0,mac=52:54:00:00:00:02",
        ] {
            assert!(script.contains(words), "{words}: {script}");
        }
    }

    #[test]
    fn anything_but_a_tap_is_refused() {
        for spec in ["bridge:br0", "tap", "tap:"] {
            let refused = script("tap:w0", spec).unwrap_err();
            let expected = format!("--net dmz={spec}: Cloud Hypervisor takes tap:NAME");
            assert!(refused.to_string().starts_with(&expected), "{refused}");
        }
    }
}

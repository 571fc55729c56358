//! QEMU: a script to run it by hand, and a systemd unit.

use std::path::PathBuf;

use sekisho_qemu::Network;

use crate::machine::{disk_format, path};
use crate::text::{shell_lines, systemd_word};
use crate::{Accel, Card, Error, File, Firmware, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str = "tap:NAME, bridge:NAME, user[,hostfwd=...], socket:OURS,THEIRS, listen:PATH or connect:PATH, as `sekisho run` does";

/// What QEMU is told beside the machine.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// The disk, as an absolute path.
    pub image: PathBuf,
    /// What boots it.
    pub firmware: Firmware,
    /// UEFI for virtual machines.
    pub ovmf: PathBuf,
    /// The cards' model.
    pub card: Card,
    /// What runs it.
    pub accel: Accel,
}

impl Qemu {
    /// The script, then the unit.
    ///
    /// # Errors
    /// Too little memory, or a path that is no text.
    pub fn files(&self, machine: &Machine<Network>) -> Result<Vec<File>, Error> {
        self.firmware.check(machine.memory_mib)?;
        let words = self.words(machine)?;
        let name = &machine.name;
        Ok(vec![
            File::script(format!("{name}.sh"), script(&words)),
            File::data(format!("{name}.service"), unit(name.as_str(), &words)),
        ])
    }

    /// Program and arguments, but for where the console leads.
    fn words(&self, machine: &Machine<Network>) -> Result<Vec<String>, Error> {
        // Accelerators are tried in this order.
        let accel = match self.accel {
            Accel::Kvm => "kvm:tcg",
            Accel::Tcg => "tcg",
        };
        let image = path(&self.image)?;
        let drive = format!(
            "if=virtio,readonly=on,format={},file={}",
            disk_format(image),
            image.replace(',', ",,")
        );
        let mut words: Vec<String> = ["qemu-system-x86_64", "-name", machine.name.as_str()]
            .map(String::from)
            .into();
        let mut option = |name: &str, value: String| words.extend([name.into(), value]);
        option("-uuid", machine.uuid());
        option("-machine", format!("q35,accel={accel}"));
        option("-cpu", "max".into());
        option("-m", format!("{}M", machine.memory_mib));
        if self.firmware == Firmware::Uefi {
            option("-bios", path(&self.ovmf)?.into());
        }
        option("-drive", drive);
        for (number, nic) in machine.nics.iter().enumerate() {
            for netdev in nic.network.netdevs(&format!("net{number}"), number) {
                option("-netdev", netdev);
            }
            option("-device", self.card(number, nic));
        }
        option("-device", "virtio-rng-pci,disable-legacy=on".into());
        option("-display", "none".into());
        words.extend(["-nodefaults", "-no-user-config"].map(String::from));
        Ok(words)
    }

    /// An empty ROM file keeps QEMU from asking for a boot ROM to be installed.
    fn card(&self, number: usize, nic: &Nic<Network>) -> String {
        let model = match self.card {
            Card::Virtio => "virtio-net-pci,disable-legacy=on",
            Card::E1000 => "e1000",
        };
        format!("{model},netdev=net{number},mac={},romfile=", nic.mac())
    }
}

fn script(words: &[String]) -> String {
    let console = ["-serial", "mon:stdio"].map(String::from);
    let words: Vec<String> = words.iter().cloned().chain(console).collect();
    format!(
        "#!/bin/sh\n# The console is this terminal; Ctrl-A X ends QEMU, `poweroff` the firewall.\nset -eu\nexec {}\n",
        shell_lines(&words)
    )
}

/// The console's input is a pipe in `/run`, held open by QEMU itself; its output is the journal's. What stops the machine also runs when it
/// has ended by itself, when nobody would open the pipe's other end.
fn unit(name: &str, words: &[String]) -> String {
    let console = ["-monitor", "none", "-serial", "stdio"].map(String::from);
    let command: String = words
        .iter()
        .chain(&console)
        .map(|word| {
            let start = if word.starts_with('-') {
                " \\\n  "
            } else {
                " "
            };
            format!("{start}{}", systemd_word(word))
        })
        .collect();
    format!(
        "[Unit]
Description=Sekisho firewall {name}
After=network.target

[Service]
Type=exec
RuntimeDirectory={name}
ExecStartPre=/usr/bin/mkfifo -m 600 /run/{name}/console
ExecStart=/bin/sh -c 'exec \"$$@\" 0<>/run/{name}/console' sh{command}
ExecStop=/bin/sh -c 'test -z \"$MAINPID\" || {{ echo poweroff > /run/{name}/console; exec tail --pid=$MAINPID -f /dev/null; }}'
TimeoutStopSec=20
Restart=on-failure

[Install]
WantedBy=multi-user.target
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qemu() -> Qemu {
        Qemu {
            image: "/images/a,b.qcow2".into(),
            firmware: Firmware::Bios,
            ovmf: "/ovmf".into(),
            card: Card::Virtio,
            accel: Accel::Kvm,
        }
    }

    fn machine() -> Machine<Network> {
        Machine {
            name: "sekisho".parse().unwrap(),
            memory_mib: 64,
            nics: vec![Nic {
                zone: "wan".into(),
                mac: [0x52, 0x54, 0, 0, 0, 1],
                network: Network::Tap { name: "t%0".into() },
            }],
        }
    }

    #[test]
    fn script_and_unit_run_the_same_machine() {
        let files = qemu().files(&machine()).unwrap();
        let [script, unit] = &files[..] else {
            panic!("{files:?}")
        };
        for words in [
            "file=/images/a,,b.qcow2",
            "-device virtio-net-pci,disable-legacy=on,netdev=net0,mac=52:54:00:00:00:01,romfile=",
            "-machine q35,accel=kvm:tcg",
        ] {
            assert!(script.text.contains(words), "{words}: {}", script.text);
            assert!(unit.text.contains(words), "{words}: {}", unit.text);
        }
        assert!(script.text.contains("ifname=t%0"), "{}", script.text);
        assert!(unit.text.contains("ifname=t%%0"), "{}", unit.text);
    }

    #[test]
    fn uefi_and_e1000_are_options() {
        let qemu = Qemu {
            firmware: Firmware::Uefi,
            card: Card::E1000,
            accel: Accel::Tcg,
            ..qemu()
        };
        let script = &qemu.files(&machine()).unwrap()[0].text;
        for words in ["-bios /ovmf", "-device e1000,netdev=net0", "accel=tcg"] {
            assert!(script.contains(words), "{words}: {script}");
        }
    }
}

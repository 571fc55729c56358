//! libvirt: a domain, and a network for each zone that is on a bridge or a switch.

use std::path::PathBuf;

use crate::machine::{disk_format, path};
use crate::text::xml;
use crate::{Accel, Card, Error, File, Firmware, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str = "bridge:NAME (a bridge of the host), switch:NAME (an internal switch without the host, which libvirt makes as \
    the bridge NAME) or network:NAME (a network that libvirt has)";

/// What a domain has beside the machine.
#[derive(Clone, Debug)]
pub struct Libvirt {
    /// The disk, as an absolute path.
    pub image: PathBuf,
    /// What boots it.
    pub firmware: Firmware,
    /// The cards' model.
    pub card: Card,
    /// What runs it.
    pub accel: Accel,
}

enum Network {
    Bridge(String),
    Switch(String),
    Existing(String),
}

impl Libvirt {
    /// The domain, then the networks.
    ///
    /// # Errors
    /// A network that libvirt does not have, too little memory, or a path that is no text.
    pub fn files(&self, machine: &Machine) -> Result<Vec<File>, Error> {
        self.firmware.check(machine.memory_mib)?;
        let networks: Vec<Network> = machine.nics.iter().map(network).collect::<Result<_, _>>()?;
        let made = machine.nics.iter().zip(&networks);
        let made: Vec<File> = made
            .filter_map(|(nic, network)| definition(&made_name(machine, nic), network))
            .collect();
        let mut files = vec![File::data(
            format!("{}.xml", machine.name),
            self.domain(machine, &networks)?,
        )];
        files.extend(made);
        Ok(files)
    }

    fn domain(&self, machine: &Machine, networks: &[Network]) -> Result<String, Error> {
        let (kind, processor) = match self.accel {
            Accel::Kvm => ("kvm", "host-passthrough"),
            Accel::Tcg => ("qemu", "maximum"),
        };
        // The firmware is chosen by what it must not have: Debian's first choice has Secure Boot on.
        let (firmware, features) = match self.firmware {
            Firmware::Bios => ("", ""),
            Firmware::Uefi => (
                " firmware='efi'",
                "\n    <firmware>\n      <feature enabled='no' name='enrolled-keys'/>\n      <feature enabled='no' name='secure-boot'/>\n    </firmware>",
            ),
        };
        let image = path(&self.image)?;
        let interfaces: String = machine
            .nics
            .iter()
            .zip(networks)
            .map(|(nic, network)| self.interface(machine, nic, network))
            .collect();
        Ok(format!(
            "<domain type='{kind}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os{firmware}>
    <type arch='x86_64' machine='q35'>hvm</type>{features}
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <cpu mode='{processor}'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='{format}'/>
      <source file='{image}'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
    </disk>
{interfaces}    <serial type='pty'>
      <target port='0'/>
    </serial>
    <console type='pty'>
      <target type='serial' port='0'/>
    </console>
    <video>
      <model type='none'/>
    </video>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
",
            name = machine.name,
            uuid = machine.uuid(),
            memory = machine.memory_mib,
            format = disk_format(image),
            image = xml(image),
        ))
    }

    fn interface(&self, machine: &Machine, nic: &Nic, network: &Network) -> String {
        let name = match network {
            Network::Bridge(_) | Network::Switch(_) => made_name(machine, nic),
            Network::Existing(name) => name.clone(),
        };
        let model = match self.card {
            Card::Virtio => "virtio",
            Card::E1000 => "e1000",
        };
        // Without its boot ROM a card asks for no package, and the firmware does not try to boot from the network.
        format!(
            "    <interface type='network'>
      <mac address='{mac}'/>
      <source network='{name}'/>
      <model type='{model}'/>
      <rom enabled='no'/>
    </interface>
",
            mac = nic.mac(),
            name = xml(&name),
        )
    }
}

fn network(nic: &Nic) -> Result<Network, Error> {
    match nic.network.parts() {
        ("bridge", Some(name)) => Ok(Network::Bridge(nic.interface(name)?)),
        ("switch", Some(name)) => Ok(Network::Switch(nic.interface(name)?)),
        ("network", Some(name)) => Ok(Network::Existing(name.into())),
        _ => Err(nic.refused("libvirt", FORMS)),
    }
}

/// The name of a network that is made for a zone.
fn made_name(machine: &Machine, nic: &Nic) -> String {
    format!("{}-{}", machine.name, nic.zone)
}

fn definition(name: &str, network: &Network) -> Option<File> {
    // A network without a forward mode is isolated; without an address of the host, there are no DHCP and DNS either.
    let inside = match network {
        Network::Bridge(bridge) => format!(
            "  <forward mode='bridge'/>\n  <bridge name='{}'/>\n",
            xml(bridge)
        ),
        Network::Switch(bridge) => {
            format!("  <bridge name='{}' stp='off' delay='0'/>\n", xml(bridge))
        }
        Network::Existing(_) => return None,
    };
    let text = format!("<network>\n  <name>{name}</name>\n{inside}</network>\n");
    Some(File::data(format!("{name}.xml"), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn libvirt() -> Libvirt {
        Libvirt {
            image: "/images/sekisho.qcow2".into(),
            firmware: Firmware::Bios,
            card: Card::Virtio,
            accel: Accel::Kvm,
        }
    }

    fn names(files: &[File]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn a_bridge_and_a_switch_become_networks() {
        let machine = machine("bridge:br0", "switch:dmz0");
        let files = libvirt().files(&machine).unwrap();
        assert_eq!(
            names(&files),
            ["sekisho.xml", "sekisho-wan.xml", "sekisho-dmz.xml"]
        );
        assert!(files[1].text.contains("<forward mode='bridge'/>"));
        assert!(files[1].text.contains("<bridge name='br0'/>"));
        for absent in ["forward", "<ip", "dhcp"] {
            assert!(!files[2].text.contains(absent), "{}", files[2].text);
        }
        for name in ["sekisho-wan", "sekisho-dmz"] {
            let source = format!("<source network='{name}'/>");
            assert!(files[0].text.contains(&source), "{}", files[0].text);
        }
    }

    #[test]
    fn a_network_that_exists_is_only_named() {
        let machine = machine("network:a&b", "switch:dmz0");
        let files = libvirt().files(&machine).unwrap();
        assert_eq!(names(&files), ["sekisho.xml", "sekisho-dmz.xml"]);
        assert!(files[0].text.contains("<source network='a&amp;b'/>"));
    }

    #[test]
    fn uefi_is_without_secure_boot_and_takes_64_mib() {
        let machine = Machine {
            memory_mib: 63,
            ..machine("network:a", "network:b")
        };
        let uefi = Libvirt {
            firmware: Firmware::Uefi,
            ..libvirt()
        };
        let refused = uefi.files(&machine).unwrap_err();
        assert!(refused.to_string().contains("--memory 64"), "{refused}");
        let machine = Machine {
            memory_mib: 64,
            ..machine
        };
        let domain = &uefi.files(&machine).unwrap()[0].text;
        for feature in ["enrolled-keys", "secure-boot"] {
            let off = format!("<feature enabled='no' name='{feature}'/>");
            assert!(domain.contains(&off), "{domain}");
        }
    }

    #[test]
    fn what_libvirt_does_not_have_is_refused_with_what_it_has() {
        for spec in ["tap:t0", "bridge", "bridge:", "switch", "user"] {
            let refused = libvirt().files(&machine("network:a", spec)).unwrap_err();
            let text = refused.to_string();
            let expected = format!("--net dmz={spec}: libvirt takes bridge:NAME");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}

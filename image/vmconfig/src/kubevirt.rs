//! KubeVirt: a virtual machine, and a network attachment for each zone on a bridge of the node.

use crate::text::yaml;
use crate::{Card, Error, File, Firmware, Machine, Nic};

/// The networks that can be named.
pub const FORMS: &str = "bridge:NAME (a bridge of the node, for which a NetworkAttachmentDefinition is written), nad:NAME or nad:NAMESPACE/NAME \
    (one that exists), or pod (the pod's own network, for one zone)";

/// Where the disk is.
#[derive(Clone, Debug)]
pub enum Disk {
    /// In a container image, as `/disk/sekisho.qcow2`.
    Container(String),
    /// On a persistent volume claim.
    Claim(String),
}

/// What KubeVirt is told beside the machine.
#[derive(Clone, Debug)]
pub struct KubeVirt {
    /// The disk.
    pub disk: Disk,
    /// What boots it.
    pub firmware: Firmware,
    /// The cards' model.
    pub card: Card,
}

enum Network {
    Bridge(String),
    Attachment(String),
    Pod,
}

impl KubeVirt {
    /// One file, for `kubectl apply`.
    ///
    /// # Errors
    /// A network that KubeVirt does not have, or too little memory.
    pub fn files(&self, machine: &Machine) -> Result<Vec<File>, Error> {
        self.firmware.check(machine.memory_mib)?;
        let networks: Vec<Network> = machine.nics.iter().map(network).collect::<Result<_, _>>()?;
        let mut on_pod = machine.nics.iter().zip(&networks);
        let mut on_pod = on_pod
            .by_ref()
            .filter(|(_, network)| matches!(network, Network::Pod));
        if let (Some(_), Some((second, _))) = (on_pod.next(), on_pod.next()) {
            return Err(second.refused("KubeVirt", FORMS));
        }
        let mut text = self.machine(machine, &networks);
        for (nic, network) in machine.nics.iter().zip(&networks) {
            if let Network::Bridge(bridge) = network {
                text += &attachment(&attachment_name(machine, nic), bridge);
            }
        }
        Ok(vec![File::data(format!("{}.yaml", machine.name), text)])
    }

    fn machine(&self, machine: &Machine, networks: &[Network]) -> String {
        let nics = || machine.nics.iter().zip(networks);
        let interfaces: String = nics()
            .map(|(nic, network)| self.interface(nic, network))
            .collect();
        let attached: String = nics()
            .map(|(nic, network)| attached(machine, nic, network))
            .collect();
        let firmware = match self.firmware {
            Firmware::Bios => "bios: {}",
            Firmware::Uefi => "efi:\n                secureBoot: false",
        };
        let volume = match &self.disk {
            Disk::Container(image) => format!("containerDisk:\n            image: {}", yaml(image)),
            Disk::Claim(name) => format!(
                "persistentVolumeClaim:\n            claimName: {}",
                yaml(name)
            ),
        };
        format!(
            "apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: {name}
spec:
  runStrategy: Always
  template:
    metadata:
      labels:
        kubevirt.io/domain: {name}
    spec:
      terminationGracePeriodSeconds: 20
      domain:
        machine:
          type: q35
        cpu:
          cores: 1
        memory:
          guest: {memory}Mi
        firmware:
          uuid: {uuid}
          bootloader:
              {firmware}
        devices:
          autoattachGraphicsDevice: false
          autoattachMemBalloon: false
          autoattachSerialConsole: true
          rng: {{}}
          disks:
            - name: boot
              bootOrder: 1
              disk:
                bus: virtio
          interfaces:
{interfaces}      networks:
{attached}      volumes:
        - name: boot
          {volume}
",
            name = yaml(machine.name.as_str()),
            memory = machine.memory_mib,
            uuid = yaml(&machine.uuid()),
        )
    }

    fn interface(&self, nic: &Nic, network: &Network) -> String {
        let binding = match network {
            Network::Bridge(_) | Network::Attachment(_) => "bridge",
            Network::Pod => "masquerade",
        };
        let model = match self.card {
            Card::Virtio => "virtio",
            Card::E1000 => "e1000",
        };
        format!(
            "            - name: {zone}\n              {binding}: {{}}\n              model: {model}\n              macAddress: {mac}\n",
            zone = yaml(&nic.zone),
            mac = yaml(&nic.mac()),
        )
    }
}

fn network(nic: &Nic) -> Result<Network, Error> {
    match nic.network.parts() {
        ("bridge", Some(name)) => Ok(Network::Bridge(nic.interface(name)?)),
        ("nad", Some(name)) => Ok(Network::Attachment(name.into())),
        ("pod", None) => Ok(Network::Pod),
        _ => Err(nic.refused("KubeVirt", FORMS)),
    }
}

fn attachment_name(machine: &Machine, nic: &Nic) -> String {
    format!("{}-{}", machine.name, nic.zone)
}

fn attached(machine: &Machine, nic: &Nic, network: &Network) -> String {
    let zone = yaml(&nic.zone);
    let name = match network {
        Network::Pod => return format!("        - name: {zone}\n          pod: {{}}\n"),
        Network::Bridge(_) => attachment_name(machine, nic),
        Network::Attachment(name) => name.clone(),
    };
    let name = yaml(&name);
    format!("        - name: {zone}\n          multus:\n            networkName: {name}\n")
}

/// The bridge plugin without `ipam` gives nobody an address, and without `isGateway` the node has none there.
fn attachment(name: &str, bridge: &str) -> String {
    let config = serde_json::json!({
        "cniVersion": "0.3.1",
        "name": name,
        "type": "bridge",
        "bridge": bridge,
        "ipam": {},
    });
    format!(
        "---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: {name}
spec:
  config: {config}
",
        name = yaml(name),
        config = yaml(&config.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn text(wan: &str, dmz: &str) -> Result<String, Error> {
        let kubevirt = KubeVirt {
            disk: Disk::Container("registry.example/sekisho:1".into()),
            firmware: Firmware::Bios,
            card: Card::Virtio,
        };
        Ok(kubevirt.files(&machine(wan, dmz))?[0].text.clone())
    }

    #[test]
    fn a_bridge_gets_its_attachment_and_an_attachment_is_only_named() {
        let text = text("bridge:br0", "nad:lab/dmz").unwrap();
        assert_eq!(text.matches("kind: NetworkAttachmentDefinition").count(), 1);
        for words in [
            "networkName: \"sekisho-wan\"",
            "networkName: \"lab/dmz\"",
            r#"\"bridge\":\"br0\""#,
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn only_one_zone_can_be_on_the_pods_network() {
        assert!(text("pod", "nad:dmz").unwrap().contains("pod: {}"));
        let refused = text("pod", "pod").unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("--net dmz=pod: KubeVirt takes"),
            "{refused}"
        );
    }

    #[test]
    fn what_kubevirt_does_not_have_is_refused() {
        for spec in ["tap:t0", "bridge", "nad:", "pod:x"] {
            let refused = text("pod", spec).unwrap_err();
            assert!(refused.to_string().contains("nad:NAME"), "{refused}");
        }
    }
}

//! JSON, YAML and `.vmx`, key by key, against what their readers document.

use std::collections::BTreeMap;

use sekisho_vmconfig::firecracker::Firecracker;
use sekisho_vmconfig::kubevirt::{Disk, KubeVirt};
use sekisho_vmconfig::vmware::Vmware;
use sekisho_vmconfig::{Card, Firmware};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::machine_on;

#[test]
fn firecracker_has_each_field() {
    let firecracker = Firecracker {
        kernel: "/sekisho".into(),
        config: "/my \"own\".toml".into(),
    };
    let file = firecracker
        .files(&machine_on(["tap:w0", "tap:d0"]))
        .expect("files")
        .remove(0);
    let value: Value = serde_json::from_str(&file.text).expect("JSON");
    // Firecracker's `VmmConfig` (src/vmm/src/resources.rs): only `boot-source` and `drives` must be there, and keys of another name are
    // passed over without a word, so each of ours is looked at.
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(
        keys(&value),
        [
            "boot-source",
            "drives",
            "entropy",
            "machine-config",
            "network-interfaces"
        ]
    );
    assert_eq!(
        keys(&value["boot-source"]),
        ["boot_args", "initrd_path", "kernel_image_path"]
    );
    assert_eq!(value["boot-source"]["initrd_path"], "/my \"own\".toml");
    assert_eq!(value["drives"], Value::Array(vec![]));
    assert_eq!(
        keys(&value["machine-config"]),
        ["mem_size_mib", "vcpu_count"]
    );
    let cards = value["network-interfaces"].as_array().expect("a list");
    assert_eq!(cards.len(), 2);
    for card in cards {
        assert_eq!(keys(card), ["guest_mac", "host_dev_name", "iface_id"]);
    }
}

fn kubevirt(disk: Disk, firmware: Firmware, networks: [&str; 2]) -> Vec<Yaml> {
    let kubevirt = KubeVirt {
        disk,
        firmware,
        card: Card::Virtio,
    };
    let file = kubevirt
        .files(&machine_on(networks))
        .expect("files")
        .remove(0);
    YamlLoader::load_from_str(&file.text).unwrap_or_else(|error| panic!("{error}\n{}", file.text))
}

/// The fields along a path.
fn at<'a>(yaml: &'a Yaml, path: &str) -> &'a Yaml {
    path.split('.')
        .fold(yaml, |yaml, key| match key.parse::<usize>() {
            Ok(index) => &yaml[index],
            Err(_) => &yaml[key],
        })
}

#[test]
fn kubevirt_has_each_field_where_its_api_has_it() {
    let container = Disk::Container("registry.example:5000/sekisho:1".into());
    let documents = kubevirt(container, Firmware::Uefi, ["bridge:br0", "nad:lab/dmz"]);
    let [machine, attachment] = &documents[..] else {
        panic!("{documents:?}")
    };
    // KubeVirt's API, as the types of the npm package @kubevirt-ui-ext/kubevirt-api 1.7.0 have it.
    let template = "spec.template.spec";
    for (path, expected) in [
        ("apiVersion", "kubevirt.io/v1"),
        ("kind", "VirtualMachine"),
        ("metadata.name", "sekisho"),
        ("spec.runStrategy", "Always"),
        ("spec.template.spec.domain.machine.type", "q35"),
        ("spec.template.spec.domain.memory.guest", "128Mi"),
        ("spec.template.spec.domain.devices.disks.0.name", "boot"),
        (
            "spec.template.spec.domain.devices.disks.0.disk.bus",
            "virtio",
        ),
        (
            "spec.template.spec.domain.devices.interfaces.0.macAddress",
            "52:54:00:00:00:01",
        ),
        (
            "spec.template.spec.domain.devices.interfaces.1.model",
            "virtio",
        ),
        (
            "spec.template.spec.networks.0.multus.networkName",
            "sekisho-wan",
        ),
        (
            "spec.template.spec.networks.1.multus.networkName",
            "lab/dmz",
        ),
        ("spec.template.spec.volumes.0.name", "boot"),
        (
            "spec.template.spec.volumes.0.containerDisk.image",
            "registry.example:5000/sekisho:1",
        ),
    ] {
        assert_eq!(at(machine, path).as_str(), Some(expected), "{path}");
    }
    let secure_boot = at(
        machine,
        "spec.template.spec.domain.firmware.bootloader.efi.secureBoot",
    );
    assert_eq!(secure_boot.as_bool(), Some(false));
    // Interfaces and networks are joined by their names.
    for number in 0..2 {
        let name = |list: &str| at(machine, &format!("{template}.{list}.{number}.name")).as_str();
        assert!(name("networks").is_some());
        assert_eq!(name("networks"), name("domain.devices.interfaces"));
    }
    for absent in ["autoattachGraphicsDevice", "autoattachMemBalloon"] {
        let path = format!("{template}.domain.devices.{absent}");
        assert_eq!(at(machine, &path).as_bool(), Some(false));
    }
    expect_attachment(attachment);
}

/// A bridge without the node and without addresses (CNI's plugin `bridge`).
fn expect_attachment(attachment: &Yaml) {
    assert_eq!(
        at(attachment, "apiVersion").as_str(),
        Some("k8s.cni.cncf.io/v1")
    );
    assert_eq!(
        at(attachment, "metadata.name").as_str(),
        Some("sekisho-wan")
    );
    let config = at(attachment, "spec.config").as_str().expect("text");
    let config: Value = serde_json::from_str(config).expect("JSON");
    assert_eq!(config["type"], "bridge");
    assert_eq!(config["bridge"], "br0");
    for absent in ["isGateway", "ipMasq"] {
        assert_eq!(config[absent], Value::Null);
    }
    assert_eq!(config["ipam"], serde_json::json!({}));
}

#[test]
fn kubevirt_takes_a_claim_and_the_pods_network() {
    let documents = kubevirt(
        Disk::Claim("disk".into()),
        Firmware::Bios,
        ["pod", "nad:dmz"],
    );
    let [machine] = &documents[..] else {
        panic!("{documents:?}")
    };
    let template = &machine["spec"]["template"]["spec"];
    let claim = at(template, "volumes.0.persistentVolumeClaim.claimName");
    assert_eq!(claim.as_str(), Some("disk"));
    for object in [
        "networks.0.pod",
        "domain.devices.interfaces.0.masquerade",
        "domain.firmware.bootloader.bios",
    ] {
        assert!(at(template, object).as_hash().is_some(), "{object}");
    }
}

/// Keys of a `.vmx` file that libvirt's `src/vmx/vmx.c` or VMware's own files show; `#` stands for a number.
const VMX: &[&str] = &[
    ".encoding",
    "config.version",
    "displayName",
    "ethernet#.address",
    "ethernet#.addressType",
    "ethernet#.checkMACAddress",
    "ethernet#.connectionType",
    "ethernet#.networkName",
    "ethernet#.present",
    "ethernet#.startConnected",
    "ethernet#.virtualDev",
    "ethernet#.vnet",
    "firmware",
    "floppy#.present",
    "guestOS",
    "ide#:#.deviceType",
    "ide#:#.fileName",
    "ide#:#.present",
    "memSize",
    "numvcpus",
    "pciBridge#.present",
    "serial#.fileName",
    "serial#.fileType",
    "serial#.present",
    "serial#.tryNoRxLoss",
    "uefi.secureBoot.enabled",
    "virtualHW.version",
];

#[test]
fn vmware_has_keys_that_there_are_each_once() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        for networks in [["bridged", "vmnet2"], ["portgroup:VM \"A\"", "nat"]] {
            let image = "sekisho.vmdk".into();
            let files = Vmware { image, firmware }.files(&machine_on(networks));
            let text = files.expect("files").remove(0).text;
            let mut seen = BTreeMap::new();
            for line in text.lines() {
                let (key, value) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
                let inner = value
                    .strip_prefix('"')
                    .and_then(|value| value.strip_suffix('"'));
                assert!(inner.is_some_and(|inner| !inner.contains('"')), "{line}");
                let pattern: String = key
                    .chars()
                    .map(|c| if c.is_ascii_digit() { '#' } else { c })
                    .collect();
                assert!(VMX.contains(&pattern.as_str()), "{line}");
                assert_eq!(seen.insert(key, value), None, "{line}");
            }
        }
    }
}

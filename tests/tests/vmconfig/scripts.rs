//! Shell scripts are scripts, and call programs with options that these have.

use std::fs;
use std::process::Command;
use std::time::Duration;

use sekisho_qemu::Network;
use sekisho_tests::program::Program;
use sekisho_vmconfig::cloud_hypervisor::CloudHypervisor;
use sekisho_vmconfig::proxmox::Proxmox;
use sekisho_vmconfig::qemu::Qemu;
use sekisho_vmconfig::virtualbox::VirtualBox;
use sekisho_vmconfig::{Accel, Card, File, Firmware, Mode};
use tempfile::TempDir;

use crate::fake::{self, Options, Values, expect_options};
use crate::{machine, machine_on};

/// qm(1) of Proxmox VE 8, `qm create` and `qm set`: what is of use here.
const QM: Options = &[
    ("--acpi", Values::Just(1)),
    ("--agent", Values::Just(1)),
    ("--balloon", Values::Just(1)),
    ("--bios", Values::Just(1)),
    ("--boot", Values::Just(1)),
    ("--cores", Values::Just(1)),
    ("--cpu", Values::Just(1)),
    ("--efidisk0", Values::Just(1)),
    ("--machine", Values::Just(1)),
    ("--memory", Values::Just(1)),
    ("--name", Values::Just(1)),
    ("--net#", Values::Just(1)),
    ("--onboot", Values::Just(1)),
    ("--ostype", Values::Just(1)),
    ("--rng0", Values::Just(1)),
    ("--serial#", Values::Just(1)),
    ("--tablet", Values::Just(1)),
    ("--vga", Values::Just(1)),
    ("--virtio#", Values::Just(1)),
];

/// The table of options in VirtualBox 7's `VBoxManageModifyVM.cpp`, in the older of two spellings: what is of use here.
const MODIFYVM: Options = &[
    ("--acpi", Values::Just(1)),
    ("--boot#", Values::Just(1)),
    ("--bridgeadapter#", Values::Just(1)),
    ("--cableconnected#", Values::Just(1)),
    ("--cpus", Values::Just(1)),
    ("--firmware", Values::Just(1)),
    ("--graphicscontroller", Values::Just(1)),
    ("--hostonlyadapter#", Values::Just(1)),
    ("--intnet#", Values::Just(1)),
    ("--ioapic", Values::Just(1)),
    ("--macaddress#", Values::Just(1)),
    ("--memory", Values::Just(1)),
    ("--nat-network#", Values::Just(1)),
    ("--nic#", Values::Just(1)),
    ("--nictype#", Values::Just(1)),
    ("--rtcuseutc", Values::Just(1)),
    ("--uart#", Values::Just(2)),
    ("--uartmode#", Values::Just(2)),
    ("--vram", Values::Just(1)),
];

/// VirtualBox's manual, chapter "VBoxManage", the other commands.
const CREATEVM: Options = &[
    ("--basefolder", Values::Just(1)),
    ("--name", Values::Just(1)),
    ("--ostype", Values::Just(1)),
    ("--register", Values::Just(0)),
    ("--uuid", Values::Just(1)),
];
const STORAGECTL: Options = &[
    ("--add", Values::Just(1)),
    ("--bootable", Values::Just(1)),
    ("--controller", Values::Just(1)),
    ("--name", Values::Just(1)),
    ("--portcount", Values::Just(1)),
];
const STORAGEATTACH: Options = &[
    ("--device", Values::Just(1)),
    ("--medium", Values::Just(1)),
    ("--port", Values::Just(1)),
    ("--storagectl", Values::Just(1)),
    ("--type", Values::Just(1)),
];

/// `cloud-hypervisor --help` of version 40: what is of use here.
const CLOUD_HYPERVISOR: Options = &[
    ("--api-socket", Values::Just(1)),
    ("--cmdline", Values::Just(1)),
    ("--console", Values::Just(1)),
    ("--cpus", Values::Just(1)),
    ("--initramfs", Values::Just(1)),
    ("--kernel", Values::Just(1)),
    ("--memory", Values::Just(1)),
    ("--net", Values::Many),
    ("--platform", Values::Just(1)),
    ("--serial", Values::Just(1)),
];

fn proxmox(firmware: Firmware) -> File {
    let proxmox = Proxmox {
        vmid: 100,
        storage: "local-lvm".into(),
        image: "/root/it's a disk.qcow2".into(),
        firmware,
        card: Card::Virtio,
    };
    single(proxmox.files(&machine_on(["bridge:vmbr0", "bridge:vmbr1,tag=7"])))
}

fn virtualbox(image: &str, networks: [&str; 2]) -> File {
    let virtualbox = VirtualBox {
        image: image.into(),
        firmware: Firmware::Uefi,
        card: Card::E1000,
    };
    single(virtualbox.files(&machine_on(networks)))
}

fn cloud_hypervisor() -> File {
    let cloud = CloudHypervisor {
        kernel: "/sekisho".into(),
        config: "/my own.toml".into(),
    };
    single(cloud.files(&machine_on(["tap:w0", "tap:d0"])))
}

fn qemu() -> File {
    let qemu = Qemu {
        image: "/my own.qcow2".into(),
        firmware: Firmware::Uefi,
        ovmf: "/OVMF.fd".into(),
        card: Card::Virtio,
        accel: Accel::Kvm,
    };
    let network = || Network::Tap { name: "t$0".into() };
    qemu.files(&machine([network(), network()]))
        .expect("files")
        .remove(0)
}

fn single(files: Result<Vec<File>, sekisho_vmconfig::Error>) -> File {
    let mut files = files.expect("files");
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[test]
fn every_script_passes_bash_and_shellcheck() {
    let folder = TempDir::new().expect("a folder");
    let scripts = [
        proxmox(Firmware::Bios),
        proxmox(Firmware::Uefi),
        virtualbox("/my own.raw", ["bridged:Intel(R) $Card", "intnet:it's"]),
        cloud_hypervisor(),
        qemu(),
    ];
    for script in scripts {
        assert_eq!(script.mode, Mode::Script);
        // SC2016 is that a `$` in single quotes stands for itself, which is why it is in them.
        let path = folder.path().join(&script.name);
        fs::write(&path, &script.text).expect("the folder is ours");
        for checker in [
            &["bash", "-n"][..],
            &["shellcheck", "--shell=sh", "--exclude=SC2016"],
        ] {
            let mut command = Command::new(checker[0]);
            command.args(&checker[1..]).arg(&path);
            Program::start(&mut command)
                .finish(Duration::from_secs(60))
                .expect_success();
        }
    }
}

#[test]
fn proxmox_gets_options_that_qm_has() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let calls = fake::run("qm", &proxmox(firmware));
        let [create, set] = &calls[..] else {
            panic!("{calls:?}")
        };
        assert_eq!(create[..3], ["qm", "create", "100"]);
        assert_eq!(set[..3], ["qm", "set", "100"]);
        expect_options(&create[3..], QM);
        expect_options(&set[3..], QM);
        let disk = "local-lvm:0,import-from=/root/it's a disk.qcow2";
        assert!(set.contains(&disk.to_owned()), "{set:?}");
    }
}

#[test]
fn virtualbox_gets_options_that_vboxmanage_has() {
    let networks = [
        ["bridged:Intel(R) $Card", "intnet:it's"],
        ["nat", "hostonly:vboxnet0"],
        ["natnetwork:n", "nat"],
    ];
    for networks in networks {
        let calls = fake::run("VBoxManage", &virtualbox("/my own.raw", networks));
        let commands: Vec<&str> = calls.iter().map(|call| call[1].as_str()).collect();
        assert_eq!(
            commands,
            [
                "createvm",
                "modifyvm",
                "modifyvm",
                "modifyvm",
                "convertfromraw",
                "storagectl",
                "storageattach"
            ]
        );
        expect_options(&calls[0][2..], CREATEVM);
        for modify in &calls[1..4] {
            assert_eq!(modify[2], "sekisho");
            expect_options(&modify[3..], MODIFYVM);
        }
        assert_eq!(calls[4][2..], ["/my own.raw", "/my own.vdi"]);
        expect_options(&calls[5][3..], STORAGECTL);
        expect_options(&calls[6][3..], STORAGEATTACH);
        assert_eq!(calls[6].last().map(String::as_str), Some("/my own.vdi"));
    }
}

#[test]
fn cloud_hypervisor_gets_options_that_it_has() {
    let calls = fake::run("cloud-hypervisor", &cloud_hypervisor());
    let [call] = &calls[..] else {
        panic!("{calls:?}")
    };
    expect_options(&call[1..], CLOUD_HYPERVISOR);
    let cards = [
        "tap=w0,mac=52:54:00:00:00:01",
        "tap=d0,mac=52:54:00:00:00:02",
    ];
    assert!(call.windows(2).any(|pair| pair == cards), "{call:?}");
}

#[test]
#[should_panic(expected = "there is no option --uart1x")]
fn an_unknown_option_is_noticed() {
    expect_options(&["--uart1x", "a"].map(String::from), MODIFYVM);
}

#[test]
#[should_panic(expected = "--uart1 with 1 values")]
fn a_missing_value_is_noticed() {
    expect_options(&["--uart1", "0x3F8"].map(String::from), MODIFYVM);
}

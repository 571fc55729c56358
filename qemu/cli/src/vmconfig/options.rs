//! What is typed after `sekisho image vmconfig`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sekisho_image::Existing;
use sekisho_vmconfig as vm;
use sekisho_vmconfig::{Name, Spec};

use crate::spec::{SpecError, ZoneNetwork, zone_and_spec};

/// For which hypervisor.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    pub hypervisor: Hypervisor,
}

/// The hypervisors, each with what it takes.
#[derive(Subcommand)]
pub enum Hypervisor {
    /// libvirt: a domain, and its networks
    Libvirt(Libvirt),
    /// Proxmox VE: a script of qm commands
    Proxmox(Proxmox),
    /// VirtualBox: a script of VBoxManage commands
    Virtualbox(Virtualbox),
    /// VMware: a .vmx file
    Vmware(Vmware),
    /// QEMU: a script, and a systemd unit
    Qemu(Qemu),
    /// Cloud Hypervisor: a script
    CloudHypervisor(CloudHypervisor),
    /// Firecracker 1.12 or later: its configuration file
    Firecracker(Firecracker),
    /// KubeVirt: resources for kubectl apply
    Kubevirt(Kubevirt),
}

impl Hypervisor {
    /// What all take.
    pub fn common(&self) -> &Common {
        match self {
            Self::Libvirt(o) => &o.common,
            Self::Proxmox(o) => &o.common,
            Self::Virtualbox(o) => &o.common,
            Self::Vmware(o) => &o.common,
            Self::Qemu(o) => &o.common,
            Self::CloudHypervisor(o) => &o.common,
            Self::Firecracker(o) => &o.common,
            Self::Kubevirt(o) => &o.common,
        }
    }
}

/// What every hypervisor takes.
#[derive(Args)]
pub struct Common {
    /// The firewall's configuration, for its zones and their cards
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// The machine's name, and the files'
    #[arg(long, default_value = "sekisho")]
    pub name: Name,

    /// Memory; 16 or more, with UEFI 64 or more [default: 64, with UEFI 128]
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,

    /// The folder for the files, made if need be; without it a single file goes to the standard output
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,

    /// Replace files that are there
    #[arg(long, requires = "out")]
    pub force: bool,
}

impl Common {
    /// What becomes of files that are there.
    pub fn existing(&self) -> Existing {
        if self.force {
            Existing::Replace
        } else {
            Existing::Keep
        }
    }
}

/// What those take that boot a disk.
#[derive(Args)]
pub struct Disk {
    /// What boots the disk; UEFI is without Secure Boot
    #[arg(long, value_enum, default_value_t = Firmware::Bios)]
    firmware: Firmware,
}

impl Disk {
    pub fn firmware(&self) -> vm::Firmware {
        match self.firmware {
            Firmware::Bios => vm::Firmware::Bios,
            Firmware::Uefi => vm::Firmware::Uefi,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Firmware {
    Bios,
    Uefi,
}

/// The cards' model.
#[derive(Clone, Copy, ValueEnum)]
pub enum Card {
    Virtio,
    E1000,
}

impl From<Card> for vm::Card {
    fn from(card: Card) -> Self {
        match card {
            Card::Virtio => Self::Virtio,
            Card::E1000 => Self::E1000,
        }
    }
}

/// What runs the machine.
#[derive(Clone, Copy, ValueEnum)]
pub enum Accel {
    Kvm,
    Tcg,
}

impl From<Accel> for vm::Accel {
    fn from(accel: Accel) -> Self {
        match accel {
            Accel::Kvm => Self::Kvm,
            Accel::Tcg => Self::Tcg,
        }
    }
}

fn network(text: &str) -> Result<ZoneNetwork<Spec>, String> {
    let (zone, spec) =
        zone_and_spec(text).ok_or("write ZONE=SPEC (--help lists what SPEC can be)")?;
    let network = match spec.parse() {
        Ok(network) => network,
        Err(never) => match never {},
    };
    Ok(ZoneNetwork {
        zone: zone.into(),
        network,
    })
}

fn qemu_network(text: &str) -> Result<ZoneNetwork, SpecError> {
    text.parse()
}

#[derive(Args)]
pub struct Libvirt {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = network, help = help(vm::libvirt::FORMS))]
    pub net: Vec<ZoneNetwork<Spec>>,
    /// The disk [default: /var/lib/libvirt/images/NAME.qcow2]
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    #[command(flatten)]
    pub disk: Disk,
    /// The cards' model
    #[arg(long, value_enum, default_value_t = Card::Virtio)]
    pub card: Card,
    /// What runs the machine
    #[arg(long, value_enum, default_value_t = Accel::Kvm)]
    pub accel: Accel,
}

#[derive(Args)]
pub struct Proxmox {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = network, help = help(vm::proxmox::FORMS))]
    pub net: Vec<ZoneNetwork<Spec>>,
    /// The machine's number
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(100..=999_999_999))]
    pub vmid: u32,
    /// The storage for its disk
    #[arg(long, value_name = "NAME", default_value = "local-lvm")]
    pub storage: String,
    /// The disk, on the node [default: /root/sekisho.qcow2]
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    #[command(flatten)]
    pub disk: Disk,
    /// The cards' model
    #[arg(long, value_enum, default_value_t = Card::Virtio)]
    pub card: Card,
}

#[derive(Args)]
pub struct Virtualbox {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = network, help = help(vm::virtualbox::FORMS))]
    pub net: Vec<ZoneNetwork<Spec>>,
    /// The disk; a .raw one is converted by the script [default: target/images/sekisho.vdi]
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    #[command(flatten)]
    pub disk: Disk,
    /// The cards' model; virtio has to be of version 1.0, which not every VirtualBox has
    #[arg(long, value_enum, default_value_t = Card::E1000)]
    pub card: Card,
}

#[derive(Args)]
pub struct Vmware {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = network, help = help(vm::vmware::FORMS))]
    pub net: Vec<ZoneNetwork<Spec>>,
    /// The disk, seen from the folder of the .vmx file
    #[arg(long, value_name = "FILE", default_value = "sekisho.vmdk")]
    pub image: PathBuf,
    #[command(flatten)]
    pub disk: Disk,
}

#[derive(Args)]
pub struct Qemu {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = qemu_network, help = help(vm::qemu::FORMS))]
    pub net: Vec<ZoneNetwork>,
    /// The disk [default: target/images/sekisho.qcow2]
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    #[command(flatten)]
    pub disk: Disk,
    /// UEFI for virtual machines, for --firmware uefi
    #[arg(long, value_name = "FILE", default_value = "/usr/share/ovmf/OVMF.fd")]
    pub ovmf: PathBuf,
    /// The cards' model
    #[arg(long, value_enum, default_value_t = Card::Virtio)]
    pub card: Card,
    /// What runs the machine; where KVM does not work, QEMU itself does
    #[arg(long, value_enum, default_value_t = Accel::Kvm)]
    pub accel: Accel,
}

#[derive(Args)]
pub struct CloudHypervisor {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = network, help = help(vm::cloud_hypervisor::FORMS))]
    pub net: Vec<ZoneNetwork<Spec>>,
    /// The kernel [default: the one just built]
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
}

#[derive(Args)]
pub struct Firecracker {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = network, help = help(vm::firecracker::FORMS))]
    pub net: Vec<ZoneNetwork<Spec>>,
    /// The kernel [default: the one just built]
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
}

#[derive(Args)]
pub struct Kubevirt {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "ZONE=SPEC", value_parser = network, help = help(vm::kubevirt::FORMS))]
    pub net: Vec<ZoneNetwork<Spec>>,
    /// The container image with the disk in /disk [default: NAME:latest]
    #[arg(long, value_name = "IMAGE", conflicts_with = "claim")]
    pub container: Option<String>,
    /// The persistent volume claim with the disk, instead of a container image
    #[arg(long, value_name = "NAME")]
    pub claim: Option<String>,
    #[command(flatten)]
    pub disk: Disk,
    /// The cards' model
    #[arg(long, value_enum, default_value_t = Card::Virtio)]
    pub card: Card,
}

fn help(forms: &str) -> String {
    format!("A zone's network; needed for each zone. SPEC is {forms}")
}

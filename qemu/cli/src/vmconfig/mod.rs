//! `sekisho image vmconfig HYPERVISOR`: a virtual machine's configuration.
//!
//! * `options`: what is typed, and which hypervisor takes what.
//! * `write`: to the standard output, or into a folder.

mod options;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sekisho_config::model::{Card, Zone};
use sekisho_vmconfig::cloud_hypervisor::CloudHypervisor;
use sekisho_vmconfig::firecracker::Firecracker;
use sekisho_vmconfig::kubevirt::{Disk, KubeVirt};
use sekisho_vmconfig::libvirt::Libvirt;
use sekisho_vmconfig::proxmox::Proxmox;
use sekisho_vmconfig::qemu::Qemu;
use sekisho_vmconfig::virtualbox::VirtualBox;
use sekisho_vmconfig::vmware::Vmware;
use sekisho_vmconfig::{File, Firmware, Machine, Nic, card_address};

use crate::failure::Failure;
use crate::spec::ZoneNetwork;
use crate::{kernel, plan, zones};

pub use options::Arguments;
use options::{Common, Hypervisor};

/// Writes the configuration.
///
/// # Errors
/// Whatever keeps it from being written.
pub fn vmconfig(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (common, files) = files(&arguments.hypervisor)?;
    write::write(&files, common.out.as_deref(), common.existing())?;
    Ok(ExitCode::SUCCESS)
}

fn files(hypervisor: &Hypervisor) -> Result<(&Common, Vec<File>), Failure> {
    use Hypervisor as H;
    let image = |path: &Option<PathBuf>, default: &str| {
        absolute(path.as_deref().unwrap_or(Path::new(default)))
    };
    let common = hypervisor.common();
    let files = match hypervisor {
        H::Libvirt(o) => Libvirt {
            image: match &o.image {
                Some(path) => absolute(path)?,
                None => format!("/var/lib/libvirt/images/{}.qcow2", common.name).into(),
            },
            firmware: o.disk.firmware(),
            card: o.card.into(),
            accel: o.accel.into(),
        }
        .files(&machine(common, &o.net, o.disk.firmware())?),
        H::Proxmox(o) => Proxmox {
            vmid: o.vmid,
            storage: o.storage.clone(),
            image: image(&o.image, "/root/sekisho.qcow2")?,
            firmware: o.disk.firmware(),
            card: o.card.into(),
        }
        .files(&machine(common, &o.net, o.disk.firmware())?),
        H::Virtualbox(o) => VirtualBox {
            image: image(&o.image, "target/images/sekisho.vdi")?,
            firmware: o.disk.firmware(),
            card: o.card.into(),
        }
        .files(&machine(common, &o.net, o.disk.firmware())?),
        H::Vmware(o) => Vmware {
            image: o.image.clone(),
            firmware: o.disk.firmware(),
        }
        .files(&machine(common, &o.net, o.disk.firmware())?),
        H::Qemu(o) => Qemu {
            image: image(&o.image, "target/images/sekisho.qcow2")?,
            firmware: o.disk.firmware(),
            ovmf: absolute(&o.ovmf)?,
            card: o.card.into(),
            accel: o.accel.into(),
        }
        .files(&machine(common, &o.net, o.disk.firmware())?),
        H::CloudHypervisor(o) => CloudHypervisor {
            kernel: absolute(&kernel::path(o.kernel.as_deref())?)?,
            config: absolute(&common.config)?,
        }
        .files(&machine(common, &o.net, Firmware::Bios)?),
        H::Firecracker(o) => Firecracker {
            kernel: absolute(&kernel::path(o.kernel.as_deref())?)?,
            config: absolute(&common.config)?,
        }
        .files(&machine(common, &o.net, Firmware::Bios)?),
        H::Kubevirt(o) => KubeVirt {
            disk: match (&o.container, &o.claim) {
                (_, Some(claim)) => Disk::Claim(claim.clone()),
                (Some(image), None) => Disk::Container(image.clone()),
                (None, None) => Disk::Container(format!("{}:latest", common.name)),
            },
            firmware: o.disk.firmware(),
            card: o.card.into(),
        }
        .files(&machine(common, &o.net, o.disk.firmware())?),
    };
    Ok((common, files.map_err(Failure::Vmconfig)?))
}

/// The machine that the configuration asks for, on the networks that were named.
fn machine<N: Clone>(
    common: &Common,
    networks: &[ZoneNetwork<N>],
    firmware: Firmware,
) -> Result<Machine<N>, Failure> {
    let config = plan::configuration(&common.config)?;
    let nic = |(zone, network): (&Zone, &N)| Nic {
        zone: zone.name.clone(),
        mac: match zone.card {
            Card::Mac(mac) => mac,
            Card::Slot(_) => card_address(common.name.as_str(), &zone.name),
        },
        network: network.clone(),
    };
    let cards = zones::in_bus_order(&config.zones, networks)?;
    Ok(Machine {
        name: common.name.clone(),
        memory_mib: common.memory.unwrap_or(match firmware {
            Firmware::Bios => 64,
            Firmware::Uefi => 128,
        }),
        nics: cards.into_iter().map(nic).collect(),
    })
}

/// Hypervisors have a working folder of their own.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|why| Failure::Unreadable {
        path: path.into(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    const MACS: [&str; 2] = [
        "card = \"52:54:00:00:00:01\"",
        "card = \"52:54:00:00:00:02\"",
    ];

    /// The files for what is typed after `vmconfig`, with a configuration whose zones are on these cards.
    fn typed(cards: [&str; 2], words: &[&str]) -> Result<Vec<File>, String> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("my.toml");
        let text = format!(
            "version = 1\n[zone.wan]\n{}\naddress = \"dhcp\"\n[zone.dmz]\n{}\naddress = \"10.99.0.1/24\"\n",
            cards[0], cards[1]
        );
        std::fs::write(&config, text).unwrap();
        let mut line = vec!["vmconfig"];
        line.extend(words);
        line.extend(["--config", config.to_str().unwrap()]);
        let command = Arguments::augment_args(clap::Command::new("vmconfig"));
        let matches = command.try_get_matches_from(line);
        let matches = matches.map_err(|error| error.to_string())?;
        let arguments = Arguments::from_arg_matches(&matches).unwrap();
        let made = files(&arguments.hypervisor);
        made.map(|(_, files)| files)
            .map_err(|error| error.to_string())
    }

    fn typed_with_taps(cards: [&str; 2], words: &[&str]) -> Result<Vec<File>, String> {
        let nets = ["--net", "wan=tap:w0", "--net", "dmz=tap:d0"];
        typed(cards, &[words, &nets].concat())
    }

    #[test]
    fn cards_are_the_configurations() {
        let kernel = ["firecracker", "--kernel", "/kernel"];
        let files = typed_with_taps(MACS, &kernel).unwrap();
        for words in [
            "52:54:00:00:00:01",
            "52:54:00:00:00:02",
            "my.toml",
            "\"/kernel\"",
        ] {
            assert!(files[0].text.contains(words), "{words}: {}", files[0].text);
        }
    }

    #[test]
    fn cards_of_slots_stand_in_their_order_with_addresses_that_stay() {
        let kernel = ["firecracker", "--kernel", "/kernel"];
        let files = || typed_with_taps(["slot = 1", "slot = 0"], &kernel).unwrap();
        let text = &files()[0].text;
        assert!(text.find("d0") < text.find("w0"), "{text}");
        let address = card_address("sekisho", "wan").map(|byte| format!("{byte:02x}"));
        assert!(text.contains(&address.join(":")), "{text}");
        let cards = |text: &str| text.split_once("network-interfaces").unwrap().1.to_owned();
        assert_eq!(cards(&files()[0].text), cards(text));
    }

    #[test]
    fn what_does_not_fit_says_what_would() {
        let libvirt = |words: &[&str]| typed(MACS, &[&["libvirt"], words].concat()).unwrap_err();
        let wrong = libvirt(&["--net", "wan=tap:t0", "--net", "dmz=switch:dmz0"]);
        assert!(
            wrong.starts_with("--net wan=tap:t0: libvirt takes bridge:NAME"),
            "{wrong}"
        );
        let missing = libvirt(&["--net", "wan=bridge:br0"]);
        assert!(
            missing.starts_with("zone dmz has no network; add --net dmz=SPEC"),
            "{missing}"
        );
        let no_zone = libvirt(&["--net", "bridge:br0"]);
        assert!(no_zone.contains("write ZONE=SPEC"), "{no_zone}");
        let stranger = libvirt(&["--net", "lan=bridge:br0"]);
        assert!(
            stranger.ends_with("has no zone lan; it has wan, dmz"),
            "{stranger}"
        );
        let name = libvirt(&["--name", "My VM"]);
        assert!(name.contains("is no name for a machine"), "{name}");
        let small = typed_with_taps(
            MACS,
            &["cloud-hypervisor", "--kernel", "/k", "--memory", "15"],
        );
        assert!(small.unwrap_err().contains("--memory 16 or more"));
    }

    #[test]
    fn uefi_has_more_memory_by_default() {
        let nets = ["--net", "wan=nat", "--net", "dmz=vmnet2"];
        for (firmware, memory) in [("bios", "memSize = \"64\""), ("uefi", "memSize = \"128\"")] {
            let words = [&["vmware", "--firmware", firmware], &nets[..]].concat();
            let files = typed(MACS, &words).unwrap();
            assert!(files[0].text.contains(memory), "{}", files[0].text);
        }
    }

    /// The commands of a page, each on one line.
    fn commands(page: &str) -> Vec<String> {
        let page = page.replace("\\\n", " ");
        let lines = page.lines();
        let commands = lines.filter_map(|line| line.strip_prefix("sekisho image vmconfig "));
        commands
            .map(|line| line.split(" > ").next().unwrap_or(line).to_owned())
            .collect()
    }

    #[test]
    fn the_documented_commands_work() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hypervisors");
        let mut tried = Vec::new();
        for page in std::fs::read_dir(folder).unwrap() {
            let page = std::fs::read_to_string(page.unwrap().path()).unwrap();
            for command in commands(&page) {
                let plain = command.replace("--config my.toml", "");
                let mut words: Vec<&str> = plain.split_whitespace().collect();
                // There may be no kernel yet.
                if plain.starts_with("cloud") || plain.starts_with("fire") {
                    words.extend(["--kernel", "/kernel"]);
                }
                let made = typed(MACS, &words);
                let files = made.unwrap_or_else(|error| panic!("{command}: {error}"));
                assert!(files.len() == 1 || words.contains(&"--out"), "{command}");
                tried.push(words[0].to_owned());
            }
        }
        tried.sort();
        tried.dedup();
        assert_eq!(tried.len(), 8, "{tried:?}");
    }
}

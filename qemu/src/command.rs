//! A machine as QEMU's command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::QEMU;
use crate::disk::Firmware;
use crate::machine::{Boot, ConfigSource, Kind, Machine};
use crate::network::{self, Model, Nic, Offloads, mac_text, path_value, value};

/// QEMU's name for the configuration, as the kernel looks for it.
const FW_CFG_CONFIG: &str = "opt/org.sekisho/config";

/// Features of a virtio network card that move checksums and segments between machine and host.
const OFFLOADS: &[&str] = &[
    "csum",
    "gso",
    "guest_csum",
    "guest_tso4",
    "guest_tso6",
    "guest_ecn",
    "guest_ufo",
    "host_tso4",
    "host_tso6",
    "host_ecn",
    "host_ufo",
];

/// Where console and monitor lead.
pub(crate) enum Wiring {
    /// The console is QEMU's own input and output; there is no monitor.
    Terminal,
    /// QEMU connects both to sockets that listen already.
    Sockets {
        /// The console's.
        console: PathBuf,
        /// The monitor's.
        monitor: PathBuf,
    },
}

/// Program and arguments.
pub(crate) fn line(machine: &Machine, wiring: &Wiring) -> Vec<OsString> {
    let mut line = Line(vec![QEMU.into()]);
    board(machine, &mut line);
    match &machine.boot {
        Boot::Kernel(kernel) => load(machine, kernel, &mut line),
        Boot::Disk(disk) => {
            for (name, value) in disk.options() {
                line.option(name, value);
            }
        }
    }
    if let Firmware::Uefi(file) = &machine.firmware {
        line.path("-bios", file);
    }
    for (number, nic) in machine.nics.iter().enumerate() {
        card(number, nic, machine.kind, &mut line);
    }
    for (number, members) in machine.hubs.iter().enumerate() {
        // Hubs of cards have the cards' numbers.
        for netdev in network::members(
            members,
            &format!("hub{number}"),
            machine.nics.len() + number,
        ) {
            line.option("-netdev", netdev);
        }
    }
    if machine.exit_on_panic {
        line.option("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04");
    }
    wire(wiring, &mut line);
    line.0.extend(machine.extra.iter().cloned());
    line.0
}

fn load(machine: &Machine, kernel: &Path, line: &mut Line) {
    line.path("-kernel", kernel);
    match &machine.config {
        None => {}
        Some(ConfigSource::Module(path)) => line.path("-initrd", path),
        Some(ConfigSource::FwCfg(path)) => line.option(
            "-fw_cfg",
            format!("name={FW_CFG_CONFIG},file={}", path_value(path)),
        ),
    }
    let words = command_words(machine);
    if !words.is_empty() {
        line.option("-append", words.join(" "));
    }
}

struct Line(Vec<OsString>);

impl Line {
    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.extend([name.into(), value.into()]);
    }

    fn path(&mut self, name: &str, path: &Path) {
        self.option(name, path);
    }
}

fn board(machine: &Machine, line: &mut Line) {
    line.option(
        "-machine",
        match machine.kind {
            Kind::Q35 => "q35",
            Kind::Pc => "pc",
            Kind::Microvm => "microvm,acpi=off,rtc=on",
            Kind::MicrovmAcpi => "microvm,acpi=on,rtc=on",
        },
    );
    line.option("-accel", machine.accel.argument());
    line.option("-cpu", "max");
    line.option("-m", format!("{}M", machine.memory_mib));
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        line.flag(flag);
    }
    line.option("-display", "none");
    if on_mmio(machine.kind) {
        line.option("-global", "virtio-mmio.force-legacy=off");
    }
}

fn on_mmio(kind: Kind) -> bool {
    match kind {
        Kind::Q35 | Kind::Pc => false,
        Kind::Microvm | Kind::MicrovmAcpi => true,
    }
}

fn command_words(machine: &Machine) -> Vec<&str> {
    let panic = machine.exit_on_panic.then_some("panic=exit");
    let own = machine.words.iter().map(String::as_str);
    panic.into_iter().chain(own).collect()
}

fn card(number: usize, nic: &Nic, kind: Kind, line: &mut Line) {
    let network = format!("net{number}");
    for netdev in nic.network.netdevs(&network, number) {
        line.option("-netdev", netdev);
    }
    let mut device = model(nic.model, kind);
    device += &format!(
        ",id={},netdev={network},mac={}",
        card_name(number),
        mac_text(nic.mac)
    );
    if nic.offloads == Offloads::None && nic.model.is_virtio() {
        for offload in OFFLOADS {
            device += &format!(",{offload}=off");
        }
    }
    line.option("-device", device);
}

/// One pair of queues is all that is used; an empty ROM file keeps QEMU from asking for a boot ROM to be installed.
fn model(model: Model, kind: Kind) -> String {
    match model {
        Model::Virtio | Model::VirtioTransitional if on_mmio(kind) => "virtio-net-device",
        Model::Virtio => "virtio-net-pci,disable-legacy=on,mq=off,romfile=",
        Model::VirtioTransitional => "virtio-net-pci,disable-legacy=off,mq=off,romfile=",
        Model::E1000 => "e1000,romfile=",
        Model::E1000Em => "e1000-82545em,romfile=",
    }
    .to_owned()
}

/// The name by which the monitor knows a card.
pub(crate) fn card_name(number: usize) -> String {
    format!("nic{number}")
}

fn wire(wiring: &Wiring, line: &mut Line) {
    match wiring {
        Wiring::Terminal => line.option("-serial", "stdio"),
        Wiring::Sockets { console, monitor } => {
            let socket = |id: &str, path: &Path| {
                let path = value(&path.to_string_lossy());
                format!("socket,id={id},path={path},server=off")
            };
            line.option("-chardev", socket("console", console));
            line.option("-serial", "chardev:console");
            line.option("-chardev", socket("monitor", monitor));
            line.option("-mon", "chardev=monitor,mode=control");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accel, Bus, Network};

    fn machine() -> Machine {
        Machine::new("k").accel(Accel::Tcg)
    }

    fn words(machine: &Machine) -> String {
        let words: Vec<_> = machine
            .command()
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        words.join(" ")
    }

    fn tap_card() -> Nic {
        Nic::new([0x52, 0x54, 0, 0, 0, 1], Network::Tap { name: "t".into() })
    }

    #[test]
    fn a_bare_machine_has_a_console_and_nothing_else() {
        assert_eq!(
            words(&machine()),
            "qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 64M -nodefaults -no-user-config -no-reboot \
             -display none -kernel k -serial stdio"
        );
    }

    #[test]
    fn the_command_line_carries_the_words_in_order() {
        let line = words(&machine().exit_on_panic().seed(7).append("quiet"));
        assert!(line.contains("-append panic=exit seed=7 quiet"), "{line}");
        assert!(
            line.contains("-device isa-debug-exit,iobase=0xf4,iosize=0x04"),
            "{line}"
        );
    }

    #[test]
    fn the_configuration_comes_as_module_or_file() {
        let module = words(&machine().config(ConfigSource::Module("c,d".into())));
        assert!(module.contains("-initrd c,d"), "{module}");
        let file = words(&machine().config(ConfigSource::FwCfg("c,d".into())));
        assert!(
            file.contains("-fw_cfg name=opt/org.sekisho/config,file=c,,d"),
            "{file}"
        );
    }

    #[test]
    fn a_card_sits_on_pci_or_in_memory() {
        let pci = words(&machine().nic(tap_card()));
        assert!(
            pci.contains(
                "-device virtio-net-pci,disable-legacy=on,mq=off,romfile=,id=nic0,netdev=net0,mac=52:54:00:00:00:01"
            ),
            "{pci}"
        );
        let memory = words(&machine().kind(Kind::Microvm).nic(tap_card()));
        assert!(
            memory.contains("-device virtio-net-device,id=nic0,netdev=net0,mac=52:54:00:00:00:01"),
            "{memory}"
        );
        assert!(
            memory.contains("-global virtio-mmio.force-legacy=off"),
            "{memory}"
        );
    }

    #[test]
    fn a_card_can_do_without_offloads_and_with_the_old_interface() {
        let nic = tap_card()
            .offloads(Offloads::None)
            .model(Model::VirtioTransitional);
        let line = words(&machine().nic(nic));
        assert!(line.contains("disable-legacy=off"), "{line}");
        for offload in ["csum", "guest_csum", "guest_tso4", "host_tso4"] {
            assert!(
                line.contains(&format!(",{offload}=off")),
                "{offload}: {line}"
            );
        }
    }

    #[test]
    fn a_card_can_be_one_of_intels_without_virtios_properties() {
        let nic = tap_card().offloads(Offloads::None).model(Model::E1000);
        let line = words(&machine().nic(nic));
        assert!(
            line.ends_with(
                "-device e1000,romfile=,id=nic0,netdev=net0,mac=52:54:00:00:00:01 -serial stdio"
            ),
            "{line}"
        );
    }

    #[test]
    fn a_disk_hangs_on_the_bus_that_is_named() {
        let disk = |name: &str| Machine::from_disk(name).accel(Accel::Tcg);
        let line = words(&disk("d,1.qcow2").firmware(Firmware::Uefi("f".into())));
        assert!(
            line.contains(
                "-drive if=none,id=boot,format=qcow2,snapshot=on,file=d,,1.qcow2 -device virtio-blk-pci,drive=boot,bootindex=0 -bios f"
            ),
            "{line}"
        );
        let line = words(&disk("d.iso").bus(Bus::Usb));
        assert!(line.contains("format=raw"), "{line}");
        assert!(
            line.contains(
                "-device qemu-xhci,id=boots -device usb-storage,bus=boots.0,removable=on,drive=boot,bootindex=0"
            ),
            "{line}"
        );
    }

    #[test]
    fn a_hub_without_a_card_joins_its_members() {
        let tap = |name: &str| Network::Tap { name: name.into() };
        let line = words(&machine().nic(tap_card()).hub(vec![tap("a"), tap("b")]));
        assert!(
            line.contains(
                "-netdev tap,id=hub0m0,ifname=a,script=no,downscript=no -netdev hubport,id=hub0m0p,hubid=1,netdev=hub0m0 \
                 -netdev tap,id=hub0m1,ifname=b,script=no,downscript=no -netdev hubport,id=hub0m1p,hubid=1,netdev=hub0m1"
            ),
            "{line}"
        );
    }

    #[test]
    fn the_second_card_has_names_of_its_own() {
        let line = words(&machine().nic(tap_card()).nic(tap_card()));
        assert!(line.contains("id=nic1,netdev=net1"), "{line}");
    }
}

//! The configuration drive, on every bus that the kernel reads by itself; no root.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_config::{NO_CONFIGURATION, parse};
use sekisho_image::disk::Contents;
use sekisho_image::{Existing, Format, Image};
use sekisho_qemu::{Firmware, Kind, Machine, Network, Nic};
use sekisho_tests::firewall::{Firewall, Handover, Setup, card, example};
use sekisho_tests::images::{least_uefi_mib, uefi};
use sekisho_tests::kernel;
use sekisho_tests::media::Media;
use sekisho_tests::rig::{DMZ, Rig, WAN};
use sekisho_tests::way::arp_request;

const STOPPED: &str = "sekisho: stopped, nothing is forwarded";

/// Controllers and drives, as QEMU names them; `D0`, `D1`, … stand for the images.
type Devices = &'static [&'static str];

/// A machine with drives that have these images in them.
fn with_drives(kind: Kind, devices: Devices, images: &[&Path]) -> Setup {
    let mut arguments = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let file = image.display();
        arguments.push("-drive".to_owned());
        arguments.push(format!(
            "if=none,id=D{number},format=raw,snapshot=on,file={file}"
        ));
    }
    for device in devices {
        arguments.extend(["-device".to_owned(), (*device).to_owned()]);
    }
    with_arguments(kind, arguments)
}

fn with_arguments(kind: Kind, arguments: Vec<String>) -> Setup {
    Setup {
        kind,
        // Where memory is least.
        memory_mib: 16,
        // The tests' processes are short: what is leaked here is little.
        arguments: arguments
            .into_iter()
            .map(|argument| &*argument.leak())
            .collect(),
        ..Setup::default()
    }
}

/// Boots until the machine forwards or has stopped, and gives its console.
fn console(setup: &Setup, module: Option<&str>) -> String {
    let nowhere = vec![Network::Hub(Vec::new()), Network::Hub(Vec::new())];
    let firewall = Firewall::boot(setup, module.map(str::as_bytes), nowhere);
    firewall.console(|line| line == STOPPED || line.starts_with("sekisho: ready after"));
    firewall.vm().lines().join("\n")
}

#[track_caller]
fn expect_says(console: &str, words: &str) {
    assert!(console.contains(words), "no \"{words}\" in:\n{console}");
}

#[track_caller]
fn expect_never_says(console: &str, words: &str) {
    assert!(!console.contains(words), "\"{words}\" in:\n{console}");
}

/// Boots with the drive alone, and expects its configuration to be read from there.
#[track_caller]
fn expect_read(kind: Kind, devices: Devices, images: &[&Path], origin: &str) {
    let console = console(&with_drives(kind, devices, images), None);
    let bytes = example("lab.toml").len();
    let ours = origin.replace(
        "user-data",
        &format!("{} bytes from user-data", bytes + MARK.len()),
    );
    let ours = ours.replace("sekisho.toml", &format!("{bytes} bytes from sekisho.toml"));
    expect_says(&console, &format!("{ours}): 2 zones"));
    expect_says(&console, "sekisho: ready after");
}

const MARK: &str = "# sekisho\n";

fn drive(media: &Media) -> PathBuf {
    media.fat(
        "drive",
        1440,
        &["-n", "SEKISHO"],
        &[("sekisho.toml", example("lab.toml").as_bytes())],
    )
}

/// A disc as Proxmox makes it.
fn disc(media: &Media) -> PathBuf {
    let user_data = MARK.to_owned() + &example("lab.toml");
    let files = [
        ("meta-data", &b"{}"[..]),
        ("user-data", user_data.as_bytes()),
    ];
    media.disc("disc", "cidata", &["-iso-level", "3", "-R"], &files)
}

#[test]
fn virtio_disks_are_read() {
    let media = Media::new();
    let volume = drive(&media);
    let parts = ["dos", "gpt"].map(|table| media.partitioned(table, table, &volume));
    let pci: Devices = &["virtio-blk-pci,drive=D0"];
    expect_read(
        Kind::Q35,
        pci,
        &[&volume],
        "sekisho.toml on drive SEKISHO (pci 00:03.0",
    );
    expect_read(
        Kind::Pc,
        pci,
        &[&parts[0]],
        "sekisho.toml on drive SEKISHO (pci 00:04.0",
    );
    expect_read(
        Kind::Q35,
        pci,
        &[&parts[1]],
        "sekisho.toml on drive SEKISHO (pci 00:03.0",
    );
    expect_read(
        Kind::Q35,
        pci,
        &[&disc(&media)],
        "user-data on drive cidata (pci 00:03.0",
    );
    let mmio: Devices = &["virtio-blk-device,drive=D0"];
    let lowest = "sekisho.toml on drive SEKISHO (mmio 0xfeb00a00";
    expect_read(Kind::Microvm, mmio, &[&volume], lowest);
    let lowest = "sekisho.toml on drive SEKISHO (mmio 0xfeb02a00";
    expect_read(Kind::MicrovmAcpi, mmio, &[&volume], lowest);
}

#[test]
fn blocks_of_4096_bytes_are_read() {
    let media = Media::new();
    let files = [("sekisho.toml", &*example("lab.toml").into_bytes())];
    let volume = media.fat("4k", 16 * 1024, &["-S", "4096", "-n", "SEKISHO"], &files);
    let large = "logical_block_size=4096,physical_block_size=4096";
    let virtio = format!("virtio-blk-pci,drive=D0,{large}").leak();
    let scsi = format!("scsi-hd,bus=s.0,drive=D0,{large}").leak();
    let device = "sekisho.toml on drive SEKISHO (pci 00:03.0";
    expect_read(Kind::Q35, vec![&*virtio].leak(), &[&volume], device);
    let devices = vec!["virtio-scsi-pci,id=s", &*scsi].leak();
    expect_read(
        Kind::Q35,
        devices,
        &[&volume],
        &format!("{device} target 0 lun 0"),
    );
}

#[test]
fn ide_drives_are_read() {
    let media = Media::new();
    let (drive, disc) = (drive(&media), disc(&media));
    // Where Proxmox puts it: ide2.
    let cd: Devices = &["ide-cd,bus=ide.1,unit=0,drive=D0"];
    expect_read(
        Kind::Pc,
        cd,
        &[&disc],
        "user-data on drive cidata (ide secondary master",
    );
    let slave: Devices = &["ide-cd,bus=ide.0,unit=1,drive=D0"];
    expect_read(
        Kind::Pc,
        slave,
        &[&disc],
        "user-data on drive cidata (ide primary slave",
    );
    let disk: Devices = &["ide-hd,bus=ide.0,unit=0,drive=D0"];
    expect_read(
        Kind::Pc,
        disk,
        &[&drive],
        "sekisho.toml on drive SEKISHO (ide primary master",
    );
}

#[test]
fn sata_drives_are_read() {
    let media = Media::new();
    let (drive, disc) = (drive(&media), disc(&media));
    let cd: Devices = &["ide-cd,bus=ide.2,drive=D0"];
    expect_read(
        Kind::Q35,
        cd,
        &[&disc],
        "user-data on drive cidata (pci 00:1f.2 port 2",
    );
    let disk: Devices = &["ide-hd,bus=ide.5,drive=D0"];
    expect_read(
        Kind::Q35,
        disk,
        &[&drive],
        "sekisho.toml on drive SEKISHO (pci 00:1f.2 port 5",
    );
    let own: Devices = &["ich9-ahci,id=a", "ide-cd,bus=a.1,drive=D0"];
    expect_read(
        Kind::Pc,
        own,
        &[&disc],
        "user-data on drive cidata (pci 00:04.0 port 1",
    );
}

#[test]
fn virtio_scsi_drives_are_read() {
    let media = Media::new();
    let (drive, disc) = (drive(&media), disc(&media));
    // As Proxmox numbers them: a target each.
    let cd: Devices = &[
        "virtio-scsi-pci,id=s",
        "scsi-cd,bus=s.0,scsi-id=30,drive=D0",
    ];
    expect_read(
        Kind::Q35,
        cd,
        &[&disc],
        "user-data on drive cidata (pci 00:03.0 target 30 lun 0",
    );
    // As libvirt does: a unit each.
    let units: Devices = &[
        "virtio-scsi-pci,id=s",
        "scsi-cd,bus=s.0,scsi-id=0,lun=0",
        "scsi-hd,bus=s.0,scsi-id=0,lun=300,drive=D0",
    ];
    let place = "sekisho.toml on drive SEKISHO (pci 00:04.0 target 0 lun 300";
    expect_read(Kind::Pc, units, &[&drive], place);
    let mmio: Devices = &["virtio-scsi-device,id=s", "scsi-cd,bus=s.0,drive=D0"];
    let console = console(&with_drives(Kind::Microvm, mmio, &[&disc]), None);
    expect_says(&console, "from user-data on drive cidata (mmio 0xfeb0");
}

#[test]
fn a_large_configuration_is_read_whole() {
    let text = example("lab.toml");
    let padding = "#".repeat(sekisho_config::MAX_BYTES - text.len() - 1);
    let large = format!("{text}{padding}\n");
    let media = Media::new();
    let files = [("sekisho.toml", large.as_bytes())];
    let disc = media.disc("large", "SEKISHO", &["-J", "-R"], &files);
    let fat = media.fat("large-fat", 1440, &["-n", "SEKISHO"], &files);
    let on: [(Kind, Devices, &Path); 4] = [
        (Kind::Pc, &["ide-cd,bus=ide.1,drive=D0"], &disc),
        (Kind::Pc, &["ide-hd,bus=ide.1,drive=D0"], &fat),
        (Kind::Q35, &["ide-cd,bus=ide.2,drive=D0"], &disc),
        (Kind::Q35, &["virtio-blk-pci,drive=D0"], &fat),
    ];
    for (kind, devices, image) in on {
        let console = console(&with_drives(kind, devices, &[image]), None);
        expect_says(
            &console,
            "configuration of 262144 bytes from sekisho.toml on drive SEKISHO",
        );
        expect_says(&console, "sekisho: ready after");
    }
}

/// A configuration that is not the one of the drives: the firewall has another address.
fn other() -> String {
    let other = example("lab.toml").replace("192.0.2.1/24", "192.0.2.77/24");
    assert!(parse(other.as_bytes()).is_ok() && other.contains("192.0.2.77"));
    other
}

#[test]
fn a_drive_counts_before_the_boot_module_and_fw_cfg() {
    let media = Media::new();
    let drive = drive(&media);
    for (handover, name) in [
        (Handover::Module, "the boot module"),
        (Handover::FwCfg, "fw_cfg"),
    ] {
        let setup = Setup {
            handover,
            ..with_drives(Kind::Q35, &["virtio-blk-pci,drive=D0"], &[&drive])
        };
        let rig = Rig::ready(&setup, &other());
        // Passes by the forward of the address that only the drive's configuration has.
        rig.settle_from_wan();
        let console = rig.firewall.vm().lines().join("\n");
        expect_says(&console, &format!("takes the place of that from {name}"));
        rig.firewall.power_off().expect_conserved();
    }
}

#[test]
fn what_cloud_init_has_for_others_is_passed_over() {
    let media = Media::new();
    let files = [
        ("meta-data", &b"{}"[..]),
        ("user-data", &b"#cloud-config\npackages: [vim]\n"[..]),
    ];
    let theirs = media.disc("theirs", "cidata", &["-J", "-R"], &files);
    let empty = media.disc("empty", "cidata", &["-J", "-R"], &files[..1]);
    let cd: Devices = &["ide-cd,bus=ide.1,unit=0,drive=D0"];
    for (image, why) in [
        (theirs, "its user-data does not begin with \"# sekisho\""),
        (empty, "it has neither sekisho.toml nor user-data"),
    ] {
        let console = console(
            &with_drives(Kind::Pc, cd, &[&image]),
            Some(&example("lab.toml")),
        );
        expect_says(
            &console,
            &format!("drive cidata (ide secondary master): not for us: {why}"),
        );
        expect_says(&console, "bytes from the boot module: 2 zones");
        expect_says(&console, "sekisho: ready after");
    }
}

/// Boots with a good boot module beside the drives; nothing may be forwarded, or answered.
fn stopped(setup: &Setup) -> String {
    let rig = Rig::boot(setup, Some(example("lab.toml").as_bytes()));
    rig.firewall.console(|line| line == STOPPED);
    for (host, own) in [(&rig.wan, WAN), (&rig.dmz, DMZ)] {
        host.send(&arp_request(host.mac, host.ip, own));
        host.send(&host.to(own).echo(1, 1, b"are you there?"));
    }
    rig.firewall.press_power_button();
    for host in [&rig.wan, &rig.dmz] {
        assert_eq!(
            host.all(),
            [],
            "a stopped machine sent something to {}",
            host.ip
        );
    }
    rig.firewall.vm().lines().join("\n")
}

#[test]
fn a_wrong_configuration_on_a_drive_stops_the_machine_whatever_else_there_is() {
    let media = Media::new();
    let wrong = example("lab.toml").replace("card =", "crad =");
    let report = parse(wrong.as_bytes())
        .expect_err("it is wrong")
        .to_string();
    let image = media.fat(
        "wrong",
        1440,
        &["-n", "SEKISHO"],
        &[("sekisho.toml", wrong.as_bytes())],
    );
    let console = stopped(&with_drives(
        Kind::Q35,
        &["virtio-blk-pci,drive=D0"],
        &[&image],
    ));
    expect_says(
        &console,
        "configuration (sekisho.toml on drive SEKISHO (pci 00:03.0)):",
    );
    for line in report
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
    {
        expect_says(&console, line);
    }
}

#[test]
fn a_drive_for_us_alone_without_a_file_stops_the_machine() {
    let media = Media::new();
    let files = [("sekisho.tml", &b"version = 1"[..])];
    let empty = media.fat("empty", 1440, &["-n", "SEKISHO"], &files);
    let console = stopped(&with_drives(
        Kind::Q35,
        &["virtio-blk-pci,drive=D0"],
        &[&empty],
    ));
    expect_says(
        &console,
        "drive SEKISHO (pci 00:03.0): it has no sekisho.toml in its root folder",
    );
    expect_says(&console, "help: ");
}

#[test]
fn two_configurations_stop_the_machine() {
    let media = Media::new();
    let devices: Devices = &["virtio-blk-pci,drive=D0", "ide-cd,bus=ide.2,drive=D1"];
    let console = stopped(&with_drives(
        Kind::Q35,
        devices,
        &[&drive(&media), &disc(&media)],
    ));
    expect_says(
        &console,
        "two configurations: sekisho.toml on drive SEKISHO (pci 00:03.0), and user-data on drive cidata (pci 00:1f.2 port 2)",
    );
}

/// A drive that cannot be read stops the machine: it might be the one with the configuration.
#[test]
fn a_drive_that_fails_or_does_not_answer_stops_the_machine_and_says_so() {
    let media = Media::new();
    let file = drive(&media);
    let failing = format!(
        "driver=blkdebug,node-name=D0,image.driver=file,image.filename={},inject-error.0.event=none,\
         inject-error.0.iotype=read,inject-error.0.errno=5",
        file.display()
    );
    let hanging = format!(
        "driver=throttle,node-name=D0,throttle-group=slow,file.driver=file,file.filename={}",
        file.display()
    );
    let buses: [(Kind, Devices, &str); 3] = [
        (Kind::Q35, &["virtio-blk-pci,drive=D0"], "pci 00:03.0"),
        (
            Kind::Q35,
            &["ide-hd,bus=ide.1,drive=D0"],
            "pci 00:1f.2 port 1",
        ),
        (
            Kind::Pc,
            &["ide-hd,bus=ide.1,drive=D0"],
            "ide secondary master",
        ),
    ];
    for (kind, devices, place) in buses {
        for (node, what) in [
            (&failing, "it answers with error 0x"),
            (&hanging, "it does not answer"),
        ] {
            let mut setup = with_drives(kind, devices, &[]);
            let slow = "throttle-group,id=slow,x-iops-total=1,x-iops-total-max=1,x-bps-total=1,x-bps-total-max=1";
            let node = &*node.clone().leak();
            setup
                .arguments
                .splice(0..0, ["-object", slow, "-blockdev", node]);
            let console = stopped(&setup);
            expect_says(
                &console,
                &format!("drive ({place}): it cannot be read: {what}"),
            );
        }
    }
}

#[test]
fn an_empty_tray_or_a_drive_of_something_else_is_no_matter() {
    let media = Media::new();
    let blank = media.path("blank");
    fs::write(&blank, vec![0; 1 << 20]).expect("the folder is ours");
    let other = media.fat(
        "other",
        1440,
        &["-n", "SEKISHOBOOT"],
        &[("sekisho.toml", b"no")],
    );
    let on: [(Kind, Devices); 2] = [
        (
            Kind::Pc,
            &[
                "ide-cd,bus=ide.1",
                "ide-hd,bus=ide.0,drive=D0",
                "virtio-blk-pci,drive=D1",
            ],
        ),
        (
            Kind::Q35,
            &[
                "ide-cd,bus=ide.2",
                "virtio-scsi-pci,id=s",
                "scsi-cd,bus=s.0",
                "scsi-hd,bus=s.0,drive=D0",
                "ide-hd,bus=ide.0,drive=D1",
            ],
        ),
    ];
    for (kind, devices) in on {
        let setup = with_drives(kind, devices, &[&blank, &other]);
        let console = console(&setup, Some(&example("lab.toml")));
        expect_says(&console, "bytes from the boot module: 2 zones");
        expect_never_says(&console, "drive");
    }
}

#[test]
fn a_drive_that_speaks_only_legacy_virtio_is_named() {
    let media = Media::new();
    let old: Devices = &["virtio-blk-pci,drive=D0,disable-modern=on,disable-legacy=off"];
    let setup = with_drives(Kind::Q35, old, &[&drive(&media)]);
    // Also where there is no other configuration.
    let console = console(&setup, None);
    expect_says(&console, NO_CONFIGURATION.lines().next().expect("a line"));
    expect_says(
        &console,
        "the virtio device at pci 00:03.0 speaks only the legacy protocol",
    );
}

/// The whole way of Proxmox: GRUB boots the image from a virtio disk, and the configuration comes from ide2.
#[test]
fn a_disc_counts_before_the_file_on_the_boot_disk() {
    let cd: Devices = &["ide-cd,bus=ide.1,unit=0,drive=D0"];
    expect_disc_counts(Kind::Pc, 16, Firmware::Bios, cd, "ide secondary master");
    // UEFI leaves its own drivers' traces in the controller.
    let cd: Devices = &["ide-cd,bus=ide.2,drive=D0"];
    expect_disc_counts(
        Kind::Q35,
        least_uefi_mib(),
        uefi(),
        cd,
        "pci 00:1f.2 port 2",
    );
}

#[track_caller]
fn expect_disc_counts(kind: Kind, mib: u32, firmware: Firmware, cd: Devices, place: &str) {
    const LIMIT: Duration = Duration::from_secs(120);
    let media = Media::new();
    let kernel = fs::read(kernel::firewall()).expect("the kernel");
    let config = other();
    let contents = Contents {
        kernel: &kernel,
        config: config.as_bytes(),
        words: "seed=7",
    };
    let folder = media.path("images");
    sekisho_image::build(
        &contents,
        &[Image::Disk(Format::Raw)],
        &folder,
        Existing::Keep,
        |_| (),
    )
    .expect("an image");
    let disk = folder.join(Format::Raw.file_name());
    let drive = format!(
        "if=none,id=D0,format=raw,readonly=on,file={}",
        disc(&media).display()
    );
    let mut machine = Machine::from_disk(disk)
        .kind(kind)
        .memory_mib(mib)
        .firmware(firmware)
        .extra_args(["-drive", &drive, "-device", cd[0]]);
    for zone in 0..2 {
        machine = machine.nic(Nic::new(card(zone), Network::Hub(Vec::new())));
    }
    let vm = machine.start().expect("QEMU");
    vm.wait_for(|line| line.starts_with("sekisho: ready after"), LIMIT)
        .expect("it forwards");
    let console = vm.lines().join("\n");
    expect_says(&console, "booted by Multiboot2");
    expect_says(&console, "takes the place of that from the boot module");
    expect_says(
        &console,
        &format!("from user-data on drive cidata ({place}): 2 zones"),
    );
    expect_says(&console, "sekisho: wan: address 192.0.2.1/24");
}

//! libvirt runs what `sekisho image vmconfig libvirt` writes: two networks and a domain, with Linux hosts on both sides.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sekisho_image::{Format, Image};
use sekisho_tests::firewall::{LIMIT, card, example};
use sekisho_tests::images::{Images, least_uefi_mib};
use sekisho_tests::libvirt::{Daemon, Pty};
use sekisho_tests::namespace::Namespace;
use sekisho_tests::skip;
use sekisho_tests::traffic::{Server, Service, crowd};
use sekisho_vmconfig::libvirt::Libvirt;
use sekisho_vmconfig::{Accel, Card, File, Firmware, Machine, Nic};

/// Firmware and GRUB take their time without a processor's help.
const BOOT: Duration = Duration::from_secs(120);
const DOMAIN: &str = "sekisho";
const DISK: Image = Image::Disk(Format::Qcow2);

/// A host with libvirt, a WAN on its bridge `br0`, and an internal switch `dmz0`, with the files that libvirt was given.
struct Lab {
    // What is dropped first ends first: the machines' files last.
    daemon: Daemon,
    host: Namespace,
    wan: Namespace,
    dmz: Namespace,
    images: Images,
}

impl Lab {
    fn new(libvirt: Libvirt) -> Lab {
        let images = Images::make(&[DISK], &example("lab.toml"), "");
        let libvirt = Libvirt {
            image: images.path(DISK),
            ..libvirt
        };
        let files = libvirt.files(&machine()).expect("a configuration");
        let host = Namespace::new("host");
        let [wan, dmz] = ["wan", "dmz"].map(Namespace::new);
        host.bridge("br0", &[]);
        let daemon = Daemon::start(&host);
        for file in &files {
            put(images.folder(), file);
        }
        wan.cable("eth0", &host, "port-wan");
        dmz.cable("eth0", &host, "port-dmz");
        Lab {
            daemon,
            host,
            wan,
            dmz,
            images,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.images.folder().join(name)
    }

    /// Does what the page on libvirt says, and joins the two hosts.
    fn define(&self) {
        for name in ["sekisho-wan", "sekisho-dmz"] {
            let file = self.file(&format!("{name}.xml"));
            self.daemon.virsh(&format!("net-define {}", file.display()));
            self.daemon.virsh(&format!("net-autostart {name}"));
            self.daemon.virsh(&format!("net-start {name}"));
        }
        let file = self.file("sekisho.xml");
        self.daemon.virsh(&format!("define {}", file.display()));
        for (port, bridge) in [("port-wan", "br0"), ("port-dmz", "dmz0")] {
            self.host.ip(&format!("link set {port} master {bridge}"));
        }
        self.wan.ip("address add 192.0.2.2/24 dev eth0");
        self.dmz.ip("address add 10.99.0.2/24 dev eth0");
        self.dmz.ip("route add default via 10.99.0.1");
    }

    /// Starts the domain, and waits until it forwards.
    fn start(&self) -> Pty {
        self.daemon.virsh(&format!("start {DOMAIN}"));
        let console = Pty::open(&self.daemon, DOMAIN);
        let deadline = Instant::now() + BOOT;
        while !self
            .dmz
            .run("ping -c 1 -W 1 10.99.0.1", LIMIT)
            .status
            .success()
        {
            assert!(
                Instant::now() < deadline,
                "it does not answer within {BOOT:?}"
            );
        }
        console
    }

    /// A web server in the DMZ is reached from the WAN, and the DMZ reaches out under the firewall's address; the host is on
    /// neither side.
    fn expect_traffic(&self) {
        let server = Server::start(&self.dmz, 80, Service::Echo);
        let published = (Ipv4Addr::new(192, 0, 2, 1), 80).into();
        assert_eq!(crowd(&self.wan, published, 10, 50_000), [""; 0]);
        assert_eq!(server.accepted(), 10);
        let outside = Server::start(&self.wan, 8080, Service::WhoAmI);
        let page = self
            .dmz
            .run("curl -sS --max-time 20 http://192.0.2.2:8080/", LIMIT);
        assert_eq!(page.expect_success().text, "192.0.2.1");
        drop(outside);
        let addresses = self.host.ip("-4 -brief address show scope global");
        assert_eq!(addresses.trim(), "", "the host is on no network");
    }

    fn state(&self) -> String {
        self.daemon
            .virsh(&format!("domstate {DOMAIN}"))
            .trim()
            .into()
    }

    /// Presses the power button, and waits for the last line and until libvirt has seen the end.
    fn shut_down(&self, console: &Pty) {
        self.daemon.virsh(&format!("shutdown {DOMAIN}"));
        console.wait_for(|line| line == "sekisho: goodbye", LIMIT);
        self.wait_until_off();
    }

    fn wait_until_off(&self) {
        // The loop ends by itself when the event came before it began to wait.
        let deadline = Instant::now() + LIMIT;
        while self.state() != "shut off" {
            assert!(Instant::now() < deadline, "it is {}", self.state());
            self.daemon.try_virsh(&format!(
                "event --domain {DOMAIN} --event lifecycle --timeout 1"
            ));
        }
    }

    /// Removes domain and networks; nothing of theirs is left on the host.
    fn undefine(&self) {
        self.daemon.virsh(&format!("undefine --nvram {DOMAIN}"));
        for name in ["sekisho-wan", "sekisho-dmz"] {
            self.daemon.virsh(&format!("net-destroy {name}"));
            self.daemon.virsh(&format!("net-undefine {name}"));
        }
        assert_eq!(self.daemon.virsh("list --all --name").trim(), "");
        assert_eq!(self.daemon.virsh("net-list --all --name").trim(), "");
        let links = self.host.ip("-brief link show");
        assert!(
            !links.contains("dmz0") && !links.contains("vnet"),
            "{links}"
        );
    }
}

fn machine() -> Machine {
    let networks = [("wan", "bridge:br0"), ("dmz", "switch:dmz0")];
    let nic = |(zone, (name, network)): (usize, (&str, &str))| Nic {
        zone: name.into(),
        mac: card(zone),
        network: network.parse().expect("every text is a network"),
    };
    Machine {
        name: DOMAIN.parse().expect("a name"),
        memory_mib: least_uefi_mib(),
        nics: networks.into_iter().enumerate().map(nic).collect(),
    }
}

fn put(folder: &Path, file: &File) {
    fs::write(folder.join(&file.name), &file.text).expect("the folder is ours");
}

fn libvirt(firmware: Firmware, card: Card) -> Libvirt {
    Libvirt {
        image: PathBuf::new(),
        firmware,
        card,
        accel: Accel::Tcg,
    }
}

fn needs_root() -> bool {
    skip::without_root("libvirt's system mode and network namespaces")
}

/// The machine says goodbye, and then that it forwards again.
fn expect_restart(console: &Pty) {
    console.wait_for(|line| line == "sekisho: goodbye", LIMIT);
    console.wait_for(|line| line.starts_with("sekisho: ready after"), BOOT);
}

#[test]
fn libvirt_defines_starts_reboots_shuts_down_and_destroys_it() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(libvirt(Firmware::Bios, Card::Virtio));
    lab.define();
    let console = lab.start();
    lab.expect_traffic();

    lab.daemon.virsh(&format!("reboot {DOMAIN}"));
    expect_restart(&console);
    lab.expect_traffic();

    console.type_line("reboot");
    expect_restart(&console);
    lab.shut_down(&console);

    lab.start();
    lab.expect_traffic();
    lab.daemon.virsh(&format!("destroy {DOMAIN}"));
    assert_eq!(lab.state(), "shut off");
    lab.undefine();
}

#[test]
fn libvirt_boots_it_by_uefi_with_e1000_cards() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(libvirt(Firmware::Uefi, Card::E1000));
    lab.define();
    let console = lab.start();
    lab.expect_traffic();
    lab.shut_down(&console);
    lab.undefine();
}

//! The host's networks of `docs/host-networks.md`, made by the very programs that the page names: files and commands are taken from it.
//!
//! Each test has a host with a card on a LAN, and looks at what the program makes: two bridges that pass frames between
//! others and on which the host has no address.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sekisho_tests::namespace::Namespace;
use sekisho_tests::page;
use sekisho_tests::program::Program;
use sekisho_tests::skip;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
const PAGE: &str = "host-networks.md";

/// What every shell script here begins with: mounts that nobody else sees, and devices that no udev has to announce.
const ALONE: &str = "set -e\nmount --make-rprivate /\nmount -o remount,ro /sys\n";

/// A host with the card `eno1`, and the folder that stands for its `/`.
struct Lab {
    host: Namespace,
    lan: Namespace,
    root: TempDir,
}

impl Lab {
    fn new() -> Lab {
        let [host, lan] = ["host", "lan"].map(Namespace::new);
        // As on any machine: whatever is not told otherwise gives itself an address.
        for which in ["all", "default"] {
            host.set(&format!("net.ipv6.conf.{which}.disable_ipv6"), "0");
        }
        lan.cable("eth0", &host, "eno1");
        lan.ip("address add 192.0.2.2/24 dev eth0");
        host.ip("link set eno1 down");
        let root = TempDir::new().expect("a folder");
        Lab { host, lan, root }
    }

    /// Puts the files of the page whose paths begin so in their places.
    fn put(&self, prefix: &str) {
        for file in page::files(PAGE, prefix) {
            file.put(self.root.path());
        }
    }

    /// A command line for the host, with `{root}` for its `/`.
    fn script(&self, text: &str) -> Command {
        let text =
            format!("{ALONE}{text}").replace("{root}", &self.root.path().display().to_string());
        let mut command = self.host.command("unshare --mount sh -c");
        command.arg(text);
        command
    }

    /// Waits until both bridges are there, the card is on one, and everything is up.
    fn wait_for_bridges(&self, program: Option<&Program>) {
        let deadline = Instant::now() + LIMIT;
        let made = || {
            let links = self.host.ip("-brief link show");
            let up = |name: &str| links.lines().any(|line| is_up(line, name));
            let ports = self.host.ip("-brief link show type bridge_slave");
            ["eno1", "br0", "dmz0"].into_iter().all(up) && ports.starts_with("eno1")
        };
        while !made() {
            let links = self.host.ip("-brief link show");
            let log = program.map(Program::text).unwrap_or_default();
            assert!(Instant::now() < deadline, "{links}\n{log}");
        }
    }

    /// A tap is a port of a bridge, carries offloads, and has no address.
    fn expect_tap(&self, tap: &str, bridge: &str) {
        let details = self.host.ip(&format!("-details link show dev {tap}"));
        for words in [&format!("master {bridge} "), "tun type tap", "vnet_hdr on"] {
            assert!(details.contains(words), "no {words}: {details}");
        }
        self.expect_no_address(tap);
    }

    fn expect_no_address(&self, card: &str) {
        let line = self.host.ip(&format!("-brief address show dev {card}"));
        assert_eq!(line.split_whitespace().nth(2), None, "{line}");
    }

    /// Puts hosts on the bridges: they reach one another, and nothing of this host is there to be reached.
    fn expect_bridges(&self) {
        let machines = ["one", "two", "vm"].map(Namespace::new);
        for ((number, bridge), machine) in
            [(2, "dmz0"), (3, "dmz0"), (3, "br0")].iter().zip(&machines)
        {
            let port = format!("tap-{bridge}-{number}");
            machine.cable("eth0", &self.host, &port);
            self.host.ip(&format!("link set {port} master {bridge}"));
            let prefix = if *bridge == "br0" {
                "192.0.2"
            } else {
                "10.99.0"
            };
            machine.ip(&format!("address add {prefix}.{number}/24 dev eth0"));
        }
        let [one, _, vm] = &machines;
        for (from, to) in [
            (one, "10.99.0.3"),
            (vm, "192.0.2.2"),
            (&self.lan, "192.0.2.3"),
        ] {
            from.run(&format!("ping -c 1 -W 10 {to}"), LIMIT)
                .expect_success();
        }
        for bridge in ["br0", "dmz0"] {
            let details = self.host.ip(&format!("-details link show dev {bridge}"));
            assert!(details.contains("stp_state 0"), "{details}");
        }
        // The control: a bridge like any other has an address by now, or gets one on the way.
        self.host.bridge("other", &[]);
        self.host.ip("link add eth9 type veth peer name eth8");
        self.host.ip("link set eth9 master other up");
        self.host.ip("link set eth8 up");
        let deadline = Instant::now() + LIMIT;
        while self.host.ip("address show dev other scope link").is_empty() {
            assert!(Instant::now() < deadline, "no link-local address");
        }
        for name in ["eno1", "br0", "dmz0"] {
            assert_eq!(
                self.host
                    .ip(&format!("-brief address show dev {name}"))
                    .split_whitespace()
                    .nth(2),
                None
            );
        }
    }
}

/// Whether a line of `ip -brief link` shows this card, switched on.
fn is_up(line: &str, name: &str) -> bool {
    let mut words = line.split_whitespace();
    let shown = words
        .next()
        .is_some_and(|word| word.split('@').next() == Some(name));
    let flags = words.next_back().unwrap_or_default();
    shown
        && flags
            .trim_matches(['<', '>'])
            .split(',')
            .any(|flag| flag == "UP")
}

fn needs_root() -> bool {
    skip::without_root("network namespaces")
}

#[test]
fn ifupdown_makes_them_and_removes_them() {
    if needs_root() {
        return;
    }
    let lab = Lab::new();
    lab.put("/etc/network/");
    let ifup = |what: &str| {
        let text = format!(
            "mkdir -p /run/network\nmount --bind {{root}}/run /run/network\n\
             {what} --interfaces {{root}}/etc/network/interfaces.d/sekisho br0 dmz0"
        );
        Program::start(lab.script(&text).env("MAXWAIT", "0"))
            .finish(LIMIT)
            .expect_success();
    };
    fs::create_dir(lab.root.path().join("run")).expect("the folder is ours");
    ifup("ifup");
    lab.wait_for_bridges(None);
    lab.expect_bridges();
    ifup("ifdown");
    let links = lab.host.ip("-brief link show type bridge");
    assert!(!links.contains("br0") && !links.contains("dmz0"), "{links}");
}

/// Runs systemd-networkd with these files until it has made the bridges, and looks at them.
fn expect_of_networkd(lab: &Lab, files: &Path) {
    let text = format!(
        "mount --bind {} /etc/systemd/network\nmount -t tmpfs none /run/systemd\nexec /lib/systemd/systemd-networkd",
        files.display()
    );
    let networkd = Program::start(&mut lab.script(&text));
    lab.wait_for_bridges(Some(&networkd));
    lab.expect_bridges();
}

#[test]
fn systemd_networkd_makes_them() {
    if needs_root() {
        return;
    }
    let lab = Lab::new();
    lab.put("/etc/systemd/network/");
    readable(lab.root.path());
    expect_of_networkd(&lab, &lab.root.path().join("etc/systemd/network"));
    lab.expect_tap("fw-wan", "br0");
}

#[test]
fn netplan_writes_what_networkd_makes_them_of() {
    if needs_root() {
        return;
    }
    let lab = Lab::new();
    lab.put("/etc/netplan/");
    let root = lab.root.path();
    let mut command = Command::new("netplan");
    command.args(["generate", "--root-dir"]).arg(root);
    Program::start(&mut command).finish(LIMIT).expect_success();
    readable(root);
    expect_of_networkd(&lab, &root.join("run/systemd/network"));
}

/// networkd reads its files as a user of its own.
fn readable(folder: &Path) {
    let mut command = Command::new("chmod");
    command.args(["-R", "a+rX"]).arg(folder);
    Program::start(&mut command).finish(LIMIT).expect_success();
}

/// Runs NetworkManager with these files and a message bus of its own until it has made the bridges, and looks at them.
fn expect_of_network_manager(lab: &Lab, files: &Path) {
    let settings = "[main]\nplugins=keyfile\ndhcp=internal\ndns=none\nno-auto-default=*\n";
    fs::write(lab.root.path().join("nm.conf"), settings).expect("the folder is ours");
    let text = format!(
        "mkdir -p /run/dbus /run/NetworkManager /var/lib/NetworkManager
for folder in /run/dbus /run/NetworkManager /var/lib/NetworkManager; do mount -t tmpfs none $folder; done
mount --bind {} /etc/NetworkManager/system-connections
dbus-daemon --system --fork --nopidfile
exec NetworkManager --no-daemon --config {{root}}/nm.conf",
        files.display()
    );
    let manager = Program::start(&mut lab.script(&text));
    lab.wait_for_bridges(Some(&manager));
    lab.expect_bridges();
}

#[test]
fn networkmanager_makes_them() {
    if needs_root() {
        return;
    }
    let lab = Lab::new();
    lab.put("/etc/NetworkManager/");
    let files = lab
        .root
        .path()
        .join("etc/NetworkManager/system-connections");
    expect_of_network_manager(&lab, &files);
}

#[test]
fn commands_by_hand_make_them() {
    if needs_root() {
        return;
    }
    let lab = Lab::new();
    lab.host.ip("address add 192.0.2.9/24 dev eno1");
    let commands = page::block(PAGE, "by hand");
    let mut command = lab.host.command("sh -e -c");
    Program::start(command.arg(commands))
        .finish(LIMIT)
        .expect_success();
    lab.wait_for_bridges(None);
    let mut command = lab.host.command("sh -e -c");
    Program::start(command.arg(page::block(PAGE, "taps by hand")))
        .finish(LIMIT)
        .expect_success();
    lab.expect_tap("fw-wan", "br0");
    lab.expect_tap("fw-dmz", "dmz0");
    lab.expect_bridges();
}

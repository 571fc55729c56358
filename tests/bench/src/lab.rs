//! A router between two hosts.
//!
//! ```text
//!  WAN host 192.0.2.2 ─ tap ─ QEMU ─ tap ─ DMZ host 10.99.0.2
//! ```
//!
//! QEMU opens both taps in a namespace of its own; then each moves to its host, so that nothing lies between host and card.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use sekisho_qemu::Vm;
use sekisho_tests::namespace::Namespace;
use sekisho_tests::tables::Tables;
use tempfile::TempDir;

use crate::contender::{Contender, Subject};
use crate::cpu::{self, OnOne};
use crate::options::Options;

/// The WAN host.
pub const WAN_HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// What WAN hosts call the DMZ host: the router's address, whose forwards lead there.
pub const PUBLISHED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The taps, WAN first.
pub const TAPS: [&str; 2] = ["tap-wan", "tap-dmz"];

/// How long a router may take until it forwards.
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// A running router and its hosts. Dropping it ends all.
pub struct Lab {
    vm: Vm,
    /// The host outside.
    pub wan: Namespace,
    /// The host inside.
    pub dmz: Namespace,
    _machine: Namespace,
    _folder: TempDir,
}

impl Lab {
    /// Boots a router and waits until it forwards.
    ///
    /// # Errors
    /// What it printed instead.
    pub fn start(subject: Subject, options: &Options) -> Result<Self, String> {
        let (machine, wan, dmz) = (
            Namespace::new("machine"),
            Namespace::new("wan"),
            Namespace::new("dmz"),
        );
        TAPS.iter().for_each(|tap| machine.tap(tap));
        let folder = tempfile::tempdir().expect("a folder for the configuration");
        let line = subject.machine(options, folder.path(), TAPS);
        let vm = machine.enter(|| line.start()).map_err(|error| {
            format!("{}: QEMU does not start: {error}", subject.contender.name())
        })?;
        move_in(&machine, TAPS[0], &wan, "192.0.2.2/24");
        move_in(&machine, TAPS[1], &dmz, subject.contender.dmz_prefix());
        if let Some(gateway) = subject.contender.gateway() {
            dmz.ip(&format!("route add default via {gateway}"));
        }
        for host in [&wan, &dmz] {
            // Tens of thousands of short connections in a row.
            host.set("net.ipv4.ip_local_port_range", "2000 65000");
            host.set("net.ipv4.tcp_tw_reuse", "1");
        }
        let lab = Self {
            vm,
            wan,
            dmz,
            _machine: machine,
            _folder: folder,
        };
        lab.wait_for_forwarding(subject.contender)?;
        Ok(lab)
    }

    /// Seconds of processor time that QEMU has taken so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu::seconds(self.vm.pid())
    }

    /// Lets QEMU and this process, with both hosts' programs, share one processor.
    ///
    /// # Errors
    /// What the host's kernel says.
    pub fn on_one_processor(&self) -> Result<OnOne, String> {
        OnOne::bind(&[self.vm.pid(), std::process::id()])
    }

    /// How many flows the firewall has room for, as its console says.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn flows(&self) -> Result<f64, String> {
        const ANSWER: Duration = Duration::from_secs(10);
        Tables::ask(&self.vm, "status\r", ANSWER).map(|tables| tables.room as f64)
    }

    /// A datagram from the DMZ gets to the WAN, as many times as it takes.
    fn wait_for_forwarding(&self, contender: Contender) -> Result<(), String> {
        const PORT: u16 = 7999;
        const AGAIN: Duration = Duration::from_millis(20);
        let sink = self
            .wan
            .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)));
        let source = self
            .dmz
            .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)));
        let (sink, source) = (sink.expect("a socket"), source.expect("a socket"));
        sink.set_read_timeout(Some(AGAIN)).expect("it is not zero");
        let started = Instant::now();
        while started.elapsed() < BOOT_LIMIT {
            // The card may not be up yet.
            let _ = source.send_to(b"?", SocketAddrV4::new(WAN_HOST, PORT));
            if sink.recv(&mut [0; 8]).is_ok() {
                return Ok(());
            }
        }
        Err(format!(
            "{} forwarded nothing within {BOOT_LIMIT:?}; its console:\n{}",
            contender.name(),
            self.vm.lines().join("\n")
        ))
    }
}

fn move_in(machine: &Namespace, tap: &str, host: &Namespace, prefix: &str) {
    machine.ip(&format!("link set {tap} netns {}", host.name()));
    host.ip(&format!("address add {prefix} dev {tap}"));
    host.ip(&format!("link set {tap} up"));
}

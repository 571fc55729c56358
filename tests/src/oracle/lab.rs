//! Where [`super::recorded`] traffic comes from: real programs with a Linux router between them.
//!
//! ```text
//!  inside: clients 10.64.0.9,        router         outside: 45.1.0.9 (clients),        far: 45.9.0.1
//!  servers 10.99.0.2, 10.99.0.3 ---- dmz wan ------ 45.1.0.2 (servers), loses packets ----- MTU 1280
//! ```
//!
//! The router has [`super::RULES`]; what comes in by its two cards is recorded. Cards pass nothing on unfinished, so that
//! each frame is as it would be on a wire.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sekisho_replay::capture::{self, Writer};

use super::packet::word;
use super::talk::framed;
use super::{RULES, Side};
use crate::capture::Capture;
use crate::namespace::Namespace;
use crate::program::Program;

const LIMIT: Duration = Duration::from_secs(20);

/// On port 8080 the outside loses one in eleven TCP packets that it gets, and one in seven that it sends. It knows two hosts
/// that nobody reaches.
const LOSS: &str = "table ip loss {
  chain in { type filter hook prerouting priority -300;
    iifname eth0 tcp dport 8080 tcp flags & syn == 0 numgen inc mod 11 4 drop; }
  chain out { type filter hook postrouting priority 300;
    oifname eth0 tcp sport 8080 tcp flags & syn == 0 numgen inc mod 7 4 drop; }
}
";

/// The programs' hosts, and the router between them.
pub struct Lab {
    /// Clients and servers inside.
    pub inside: Namespace,
    /// Clients and servers outside, and the way to those further away.
    pub outside: Namespace,
    /// A host beyond a link with a small MTU.
    pub far: Namespace,
    router: Namespace,
}

impl Lab {
    /// Builds it.
    ///
    /// # Panics
    /// Without root, nftables or ethtool.
    pub fn new() -> Lab {
        let [inside, router, outside, far] =
            ["inside", "router", "outside", "far"].map(Namespace::new);
        inside.cable("eth0", &router, "dmz");
        outside.cable("eth0", &router, "wan");
        far.cable("eth0", &outside, "far");
        let lab = Lab {
            inside,
            outside,
            far,
            router,
        };
        lab.addresses();
        rules(&lab.router, RULES);
        rules(&lab.outside, LOSS);
        for host in [&lab.router, &lab.outside] {
            host.set("net.ipv4.ip_forward", "1");
        }
        lab.router.set("net.ipv4.icmp_ratemask", "0");
        lab.outside.set("net.ipv4.icmp_ratemask", "0");
        lab
    }

    fn addresses(&self) {
        let Lab {
            inside,
            outside,
            far,
            router,
        } = self;
        let cards = [
            (
                inside,
                "eth0",
                1400,
                "10.99.0.254/24 10.99.0.2/24 10.99.0.3/24",
            ),
            (router, "dmz", 1400, "10.99.0.1/24"),
            (router, "wan", 1500, "192.0.2.1/24"),
            (outside, "eth0", 1500, "192.0.2.254/24"),
            (outside, "far", 1500, "45.9.0.254/24"),
            (far, "eth0", 1500, "45.9.0.1/24"),
            (inside, "lo", 65_536, "10.64.0.9/32"),
            (outside, "lo", 65_536, "45.1.0.9/32 45.1.0.2/32"),
        ];
        for (host, card, mtu, addresses) in cards {
            host.ip(&format!("link set {card} mtu {mtu}"));
            for address in addresses.split(' ') {
                host.ip(&format!("address add {address} dev {card}"));
            }
            if card != "lo" {
                let off = format!("ethtool -K {card} tx off rx off tso off gso off gro off");
                host.run(&off, LIMIT).expect_success();
            }
        }
        for side in Side::ALL {
            let mac = side.mac().map(|byte| format!("{byte:02x}")).join(":");
            router.ip(&format!("link set {} address {mac}", side.name()));
        }
        inside.ip("route add default via 10.99.0.1 src 10.64.0.9");
        router.ip("route add default via 192.0.2.254");
        router.ip("route add 10.64.0.0/11 via 10.99.0.254");
        outside.ip("route add 192.0.2.1 dev eth0 src 45.1.0.9");
        outside.ip("route replace 45.9.0.1 dev far mtu lock 1280");
        outside.ip("route add unreachable 45.8.0.1");
        outside.ip("route add prohibit 45.8.0.2");
        far.ip("route add default via 45.9.0.254");
    }

    /// Records what comes in by the router's cards while programs run, into a file.
    ///
    /// # Panics
    /// When a frame was missed.
    pub fn record(&self, path: &Path, programs: impl FnOnce(&Lab)) {
        let captures = Side::ALL.map(|side| Capture::whole(&self.router, side.name()));
        programs(self);
        let mut frames = Vec::new();
        for (side, capture) in Side::ALL.into_iter().zip(captures) {
            let recording = capture.finish();
            let read = capture::read(&recording.path()).unwrap_or_else(|error| panic!("{error}"));
            frames.extend(read.into_iter().map(|frame| (side, frame)));
        }
        // IPv4 that the router got, not what it sent.
        frames.retain(|(side, frame)| {
            word(&frame.bytes, 12) == 0x800 && frame.bytes[..6] == side.mac()
        });
        frames.sort_by_key(|(_, frame)| frame.at);
        let start = frames.first().map_or(Duration::ZERO, |(_, frame)| frame.at);
        let mut writer = Writer::new(&Side::ALL.map(Side::name));
        for (side, frame) in frames {
            let packet = &frame.bytes[14..14 + usize::from(word(&frame.bytes, 16))];
            writer.frame(side.index(), frame.at - start, &framed(side, packet));
        }
        let written = fs::write(path, writer.into_bytes());
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

fn rules(host: &Namespace, text: &str) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("a file");
    Program::start(&mut host.command(&format!("nft -f {}", file.path().display())))
        .finish(LIMIT)
        .expect_success();
}

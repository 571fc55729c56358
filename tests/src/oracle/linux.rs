//! A Linux router in a network namespace, between two taps.
//!
//! A frame written to a tap has passed the whole router when the call returns: what it made of it waits in
//! the taps. So nothing here waits, and nothing is missed.

use std::fs;
use std::io;
use std::time::Duration;

use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::{RULES, SERVERS, Side};
use crate::namespace::Namespace;
use crate::program::Program;

const LIMIT: Duration = Duration::from_secs(20);

/// What differs from a fresh namespace.
const SETTINGS: [(&str, &str); 21] = [
    ("net.ipv4.ip_forward", "1"),
    // The stricter of both ways to check where a source lives, as ours does.
    ("net.ipv4.conf.all.rp_filter", "1"),
    ("net.ipv4.conf.wan.rp_filter", "1"),
    ("net.ipv4.conf.dmz.rp_filter", "1"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.wan.send_redirects", "0"),
    ("net.ipv4.conf.dmz.send_redirects", "0"),
    ("net.ipv4.conf.all.accept_redirects", "0"),
    // No limit on errors: both are asked about each packet.
    ("net.ipv4.icmp_ratemask", "0"),
    // Pick-up only from a SYN.
    ("net.netfilter.nf_conntrack_tcp_loose", "0"),
    // Nothing runs out during a trial, whose time cannot be wound on.
    ("net.ipv4.ipfrag_time", "600"),
    ("net.ipv4.ipfrag_high_thresh", "67108864"),
    ("net.netfilter.nf_conntrack_udp_timeout", "600"),
    ("net.netfilter.nf_conntrack_udp_timeout_stream", "600"),
    ("net.netfilter.nf_conntrack_icmp_timeout", "600"),
    ("net.netfilter.nf_conntrack_tcp_timeout_close", "600"),
    ("net.netfilter.nf_conntrack_tcp_timeout_last_ack", "600"),
    ("net.netfilter.nf_conntrack_tcp_timeout_time_wait", "600"),
    ("net.netfilter.nf_conntrack_tcp_timeout_close_wait", "600"),
    ("net.netfilter.nf_conntrack_tcp_timeout_syn_sent", "600"),
    ("net.netfilter.nf_conntrack_tcp_timeout_syn_recv", "600"),
];

/// The router.
pub struct Linux {
    taps: [SyncDevice; 2],
    // After the taps: they go before it does.
    _namespace: Namespace,
}

impl Linux {
    /// Makes one with the policy of [`RULES`].
    ///
    /// # Panics
    /// Without root, nftables or taps.
    pub fn new() -> Linux {
        let namespace = Namespace::new("oracle");
        let taps = Side::ALL.map(|side| tap(&namespace, side));
        for side in Side::ALL {
            let (name, address) = (side.name(), side.address());
            let [_, _, _, _, _, last] = side.mac();
            let mtu = [1500, 1400][side.index()];
            namespace.ip(&format!(
                "link set {name} address 52:54:00:00:00:{last:02x} mtu {mtu}"
            ));
            namespace.ip(&format!("address add {address}/24 dev {name}"));
            namespace.ip(&format!("link set {name} up"));
        }
        namespace.ip(&format!("route add default via {}", Side::Wan.gateway()));
        namespace.ip(&format!(
            "route add 10.64.0.0/11 via {}",
            Side::Dmz.gateway()
        ));
        for side in Side::ALL {
            neighbor(&namespace, side, side.gateway());
        }
        for server in SERVERS {
            neighbor(&namespace, Side::Dmz, server);
        }
        let rules = tempfile::NamedTempFile::new().expect("a file");
        fs::write(rules.path(), RULES).expect("a file");
        Program::start(&mut namespace.command(&format!("nft -f {}", rules.path().display())))
            .finish(LIMIT)
            .expect_success();
        for (variable, value) in SETTINGS {
            namespace.set(variable, value);
        }
        let linux = Linux {
            taps,
            _namespace: namespace,
        };
        // What the cards said when they came up.
        linux.sent();
        linux
    }

    /// Sends a frame into the router; all that leaves it then.
    pub fn receive(&self, side: Side, frame: &[u8]) -> Vec<(Side, Vec<u8>)> {
        match self.taps[side.index()].send(frame) {
            Ok(_) => {}
            // Too short for a tap: as good as lost on the wire.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => panic!("the tap {} refuses a frame: {error}", side.name()),
        }
        self.sent()
    }

    fn sent(&self) -> Vec<(Side, Vec<u8>)> {
        let mut sent = Vec::new();
        let mut bytes = vec![0; 65_536];
        for side in Side::ALL {
            loop {
                match self.taps[side.index()].recv(&mut bytes) {
                    Ok(len) => sent.push((side, bytes[..len].to_vec())),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("the tap {} is gone: {error}", side.name()),
                }
            }
        }
        sent
    }
}

impl Default for Linux {
    fn default() -> Self {
        Self::new()
    }
}

fn tap(namespace: &Namespace, side: Side) -> SyncDevice {
    let made = namespace.enter(|| {
        DeviceBuilder::new()
            .name(side.name())
            .layer(Layer::L2)
            .build_sync()
    });
    let tap = made.unwrap_or_else(|error| panic!("cannot make the tap {}: {error}", side.name()));
    tap.set_nonblocking(true).expect("a tap that does not wait");
    tap
}

fn neighbor(namespace: &Namespace, side: Side, host: std::net::Ipv4Addr) {
    let [a, b, c, d, e, f] = side.mac_of(host);
    namespace.ip(&format!(
        "neighbor replace {host} lladdr {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} nud permanent dev {}",
        side.name()
    ));
}

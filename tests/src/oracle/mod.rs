//! Linux as the judge: the same frames through Sekisho's engine and through a Linux router with the equivalent policy.
//!
//! * [`packet`]: frames, made and read.
//! * [`script`]: conversations of random hosts, good and bad, one frame at a time; each is a [`talk`], of [`tcp`] or not.
//! * [`recorded`]: conversations of real programs, recorded in a [`lab`].
//! * [`ours`]: the engine.
//! * [`linux`]: a network namespace with nftables between two taps.
//! * [`outcome`]: what each of both did with a frame, made comparable.
//! * [`differences`]: the list of the differences that are meant, and why.
//! * [`trial`]: both side by side.

pub mod differences;
pub mod lab;
pub mod linux;
pub mod ours;
pub mod outcome;
pub mod packet;
pub mod random;
pub mod recorded;
pub mod script;
pub mod talk;
pub mod tcp;
pub mod trial;

use std::net::Ipv4Addr;

/// Which card, and which router's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Outside.
    Wan,
    /// Inside.
    Dmz,
}

impl Side {
    /// Both.
    pub const ALL: [Side; 2] = [Side::Wan, Side::Dmz];

    /// 0 or 1.
    pub const fn index(self) -> usize {
        match self {
            Side::Wan => 0,
            Side::Dmz => 1,
        }
    }

    /// The other one.
    pub const fn other(self) -> Side {
        match self {
            Side::Wan => Side::Dmz,
            Side::Dmz => Side::Wan,
        }
    }

    /// Its name in both configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Wan => "wan",
            Side::Dmz => "dmz",
        }
    }

    /// The router's card.
    pub const fn mac(self) -> [u8; 6] {
        [0x52, 0x54, 0, 0, 0, self.index() as u8 + 1]
    }

    /// The router's address.
    pub const fn address(self) -> Ipv4Addr {
        match self {
            Side::Wan => Ipv4Addr::new(192, 0, 2, 1),
            Side::Dmz => Ipv4Addr::new(10, 99, 0, 1),
        }
    }

    /// The router behind which all hosts of the side live.
    pub const fn gateway(self) -> Ipv4Addr {
        match self {
            Side::Wan => Ipv4Addr::new(192, 0, 2, 254),
            Side::Dmz => Ipv4Addr::new(10, 99, 0, 254),
        }
    }

    /// The card of a host on the side's segment.
    pub const fn mac_of(self, host: Ipv4Addr) -> [u8; 6] {
        let [_, b, c, d] = host.octets();
        [6, self.index() as u8, 0, b, c, d]
    }
}

/// Servers of the inside that forwards lead to, on the segment itself.
pub const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 99, 0, 2), Ipv4Addr::new(10, 99, 0, 3)];

/// A forward: protocol, outside port, and the server with its port.
pub const FORWARDS: [(u8, u16, usize, u16); 3] =
    [(6, 80, 0, 80), (6, 2222, 1, 22), (17, 5300, 0, 53)];

/// Our side of the policy.
pub const CONFIG: &str = r#"version = 1
rule = [
  { name = "no-smtp", from = "dmz", to = "wan", service = "tcp/25", action = "drop" },
  { name = "out", from = "dmz", to = "wan", action = "accept" },
]
forward = [
  { name = "www", from = "wan", service = "tcp/80", to = "10.99.0.2" },
  { name = "ssh", from = "wan", service = "tcp/2222", to = "10.99.0.3:22" },
  { name = "dns", from = "wan", service = "udp/5300", to = "10.99.0.2:53" },
]
[[route]]
to = "10.64.0.0/11"
via = "10.99.0.254"
[zone.wan]
card = "52:54:00:00:00:01"
address = "192.0.2.1/24"
gateway = "192.0.2.254"
answer = ["echo", "errors"]
[zone.dmz]
card = "52:54:00:00:00:02"
address = "10.99.0.1/24"
mtu = 1400
answer = ["echo", "errors"]
[nat]
preset = "linux"
masquerade = [{ from = "dmz", to = "wan" }]
[timeout]
udp = "30m"
udp_unanswered = "30m"
tcp_opening = "30m"
tcp_closing = "30m"
icmp = "30m"
other = "30m"
[limits]
icmp_errors_per_second = 100000
"#;

/// Linux's side of it.
pub const RULES: &str = "table ip filter {
  chain input { type filter hook input priority 0; policy drop;
    ct state invalid drop; ct state established,related accept; icmp type echo-request accept; }
  chain forward { type filter hook forward priority 0; policy drop;
    oifname wan tcp flags syn tcp option maxseg size set 1460;
    oifname dmz tcp flags syn tcp option maxseg size set 1360;
    ct state invalid drop; ct state established,related accept; ct status dnat accept;
    iifname dmz oifname wan tcp dport 25 drop; iifname dmz oifname wan accept; }
  chain prerouting { type nat hook prerouting priority -100;
    iifname wan ip daddr 192.0.2.1 tcp dport 80 dnat to 10.99.0.2;
    iifname wan ip daddr 192.0.2.1 tcp dport 2222 dnat to 10.99.0.3:22;
    iifname wan ip daddr 192.0.2.1 udp dport 5300 dnat to 10.99.0.2:53; }
  chain postrouting { type nat hook postrouting priority 100; iifname dmz oifname wan masquerade; }
}
";

//! Cards, and what their cables lead to.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// A network card of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    pub(crate) mac: [u8; 6],
    pub(crate) network: Network,
    pub(crate) offloads: Offloads,
    pub(crate) model: Model,
}

impl Nic {
    /// A virtio card with all offloads.
    pub fn new(mac: [u8; 6], network: Network) -> Self {
        Self {
            mac,
            network,
            offloads: Offloads::All,
            model: Model::Virtio,
        }
    }

    /// Which offloads the card offers.
    #[must_use]
    pub fn offloads(mut self, offloads: Offloads) -> Self {
        self.offloads = offloads;
        self
    }

    /// What card it is.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.model = model;
        self
    }
}

/// Checksums and segmentation that the card offers to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offloads {
    /// All that QEMU and the network behind the card have.
    #[default]
    All,
    /// None: every frame comes and goes whole, with its checksums.
    None,
}

/// What card it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// Virtio 1.0 only.
    #[default]
    Virtio,
    /// Virtio 1.0 and, for old drivers, what came before it; on microvm the same as [`Virtio`](Self::Virtio).
    VirtioTransitional,
    /// Intel's 82540EM, on a PCI bus. It has no offloads.
    E1000,
    /// Intel's 82545EM, on a PCI bus. It has no offloads.
    E1000Em,
}

impl Model {
    pub(crate) fn is_virtio(self) -> bool {
        match self {
            Self::Virtio | Self::VirtioTransitional => true,
            Self::E1000 | Self::E1000Em => false,
        }
    }
}

/// What a card's cable leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// QEMU's user network: NAT to the host's own connections, a DHCP server, no root.
    ///
    /// The host is 10.0.2.2, the name server 10.0.2.3, the first guest 10.0.2.15.
    User {
        /// Ports of the host that lead into the network.
        forwards: Vec<HostForward>,
    },
    /// A tap device that exists and that this user may open.
    Tap {
        /// Its name.
        name: String,
    },
    /// A bridge that QEMU's bridge helper may attach to.
    Bridge {
        /// Its name.
        name: String,
    },
    /// One frame in each datagram between two Unix sockets. [`Port::network`](crate::Port::network) makes one.
    Datagram {
        /// QEMU's socket, which it creates.
        local: PathBuf,
        /// The peer's socket.
        remote: PathBuf,
    },
    /// Frames with a length before each, over a Unix stream socket.
    Stream {
        /// The socket.
        path: PathBuf,
        /// Who listens.
        role: StreamRole,
    },
    /// A hub with these networks on it, besides the card.
    Hub(Vec<Network>),
}

/// Which end of a stream QEMU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamRole {
    /// QEMU makes the socket and waits for the peer.
    Listen,
    /// QEMU connects to the peer's socket.
    Connect,
}

/// A port of the host that leads into QEMU's user network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostForward {
    /// The protocol of both ends.
    pub protocol: Protocol,
    /// Where the host listens. An unspecified address means all of the host's.
    pub host: SocketAddrV4,
    /// Where it leads. An unspecified address means the network's first guest.
    pub guest: SocketAddrV4,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// As QEMU takes it after `hostfwd=`: `tcp:127.0.0.1:8080-10.0.2.15:80`.
impl fmt::Display for HostForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            host,
            guest,
        } = self;
        write!(f, "{protocol}:{}-{}", end(*host), end(*guest))
    }
}

/// An end of a forward, where an unspecified address is an empty one.
fn end(address: SocketAddrV4) -> String {
    match *address.ip() {
        Ipv4Addr::UNSPECIFIED => format!(":{}", address.port()),
        ip => format!("{ip}:{}", address.port()),
    }
}

impl Network {
    /// The `-netdev` of a network by the name `id`; a hub is one of its ports on hub `hub`, and its members come after it.
    #[must_use]
    pub fn netdevs(&self, id: &str, hub: usize) -> Vec<String> {
        let own = match self {
            Self::User { forwards } => forwards
                .iter()
                .fold(format!("user,id={id},ipv6=off"), |line, forward| {
                    format!("{line},hostfwd={forward}")
                }),
            Self::Tap { name } => {
                format!("tap,id={id},ifname={},script=no,downscript=no", value(name))
            }
            Self::Bridge { name } => format!("bridge,id={id},br={}", value(name)),
            Self::Datagram { local, remote } => format!(
                "dgram,id={id},local.type=unix,local.path={},remote.type=unix,remote.path={}",
                path_value(local),
                path_value(remote)
            ),
            Self::Stream { path, role } => format!(
                "stream,id={id},server={},addr.type=unix,addr.path={}",
                match role {
                    StreamRole::Listen => "on",
                    StreamRole::Connect => "off",
                },
                path_value(path)
            ),
            Self::Hub(members) => return hub_netdevs(members, id, hub),
        };
        vec![own]
    }
}

/// The card's port on the hub, then its members.
fn hub_netdevs(networks: &[Network], id: &str, hub: usize) -> Vec<String> {
    let mut lines = vec![format!("hubport,id={id},hubid={hub}")];
    lines.extend(members(networks, id, hub));
    lines
}

/// Each member of a hub with its own port on it.
pub(crate) fn members(networks: &[Network], id: &str, hub: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, member) in networks.iter().enumerate() {
        let name = format!("{id}m{number}");
        match member {
            // A hub on a hub is the same segment.
            Network::Hub(inner) => lines.extend(members(inner, &name, hub)),
            _ => {
                lines.extend(member.netdevs(&name, hub));
                lines.push(format!("hubport,id={name}p,hubid={hub},netdev={name}"));
            }
        }
    }
    lines
}

/// A value in QEMU's option syntax, where a comma is written twice.
pub(crate) fn value(text: &str) -> String {
    text.replace(',', ",,")
}

/// A path as such a value.
pub(crate) fn path_value(path: &Path) -> String {
    value(&path.to_string_lossy())
}

/// A hardware address in its usual writing.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> HostForward {
        HostForward {
            protocol: Protocol::Tcp,
            host: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080),
            guest: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 80),
        }
    }

    #[test]
    fn each_network_is_one_netdev() {
        let line = |network: Network| network.netdevs("net0", 0).join(" | ");
        assert_eq!(
            line(Network::User {
                forwards: vec![web()]
            }),
            "user,id=net0,ipv6=off,hostfwd=tcp:127.0.0.1:8080-:80"
        );
        assert_eq!(
            line(Network::Tap {
                name: "tap0".into()
            }),
            "tap,id=net0,ifname=tap0,script=no,downscript=no"
        );
        assert_eq!(
            line(Network::Bridge { name: "br0".into() }),
            "bridge,id=net0,br=br0"
        );
        assert_eq!(
            line(Network::Datagram {
                local: "/a".into(),
                remote: "/b,c".into()
            }),
            "dgram,id=net0,local.type=unix,local.path=/a,remote.type=unix,remote.path=/b,,c"
        );
        assert_eq!(
            line(Network::Stream {
                path: "/s".into(),
                role: StreamRole::Listen
            }),
            "stream,id=net0,server=on,addr.type=unix,addr.path=/s"
        );
    }

    #[test]
    fn a_hub_joins_its_members_with_the_card() {
        let tap = |name: &str| Network::Tap { name: name.into() };
        let hub = Network::Hub(vec![tap("a"), Network::Hub(vec![tap("b")])]);
        assert_eq!(
            hub.netdevs("net1", 1),
            [
                "hubport,id=net1,hubid=1",
                "tap,id=net1m0,ifname=a,script=no,downscript=no",
                "hubport,id=net1m0p,hubid=1,netdev=net1m0",
                "tap,id=net1m1m0,ifname=b,script=no,downscript=no",
                "hubport,id=net1m1m0p,hubid=1,netdev=net1m1m0",
            ]
        );
    }
}

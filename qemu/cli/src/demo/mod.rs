//! The demonstration: the firewall between a WAN with the host on it and a DMZ with a web server.
//!
//! ```text
//! 127.0.0.1:PORT ── user network ──┬── 10.0.2.15 [ Sekisho ] 10.99.0.1 ── 10.99.0.2, in this process
//!                                  └── 10.0.2.77, a stranger on the same segment (smoke test only, with a switch)
//! ```

mod cable;
mod fetch;
mod host;
mod packet;
mod smoke;
mod stack;
mod switch;
mod trials;
mod web;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::thread;
use std::time::Duration;

use sekisho_config::model::Zone;
use sekisho_qemu::{ConfigSource, HostForward, Machine, Network, Port, Protocol, Vm};
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::spec::ZoneNetwork;
use crate::{plan, zones};
use host::{Host, Identity, Server};
use switch::{Ports, Switch};

pub use smoke::smoke;

/// What the demonstration boots.
const CONFIGURATION: &str = include_str!("../../../../examples/dmz.toml");

/// The firewall on the WAN: what QEMU's user network gives its first guest.
const FIREWALL: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// The firewall's card on the WAN, as the example names it.
const FIREWALL_CARD: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

/// The server in the DMZ.
const SERVER: Identity = Identity {
    mac: [0x52, 0x54, 0x00, 0x99, 0x00, 0x02],
    address: Ipv4Addr::new(10, 99, 0, 2),
    gateway: Ipv4Addr::new(10, 99, 0, 1),
};

/// A stranger on the WAN, who takes the firewall for the way to everywhere.
const STRANGER: Identity = Identity {
    mac: [0x52, 0x54, 0x00, 0x77, 0x00, 0x77],
    address: Ipv4Addr::new(10, 0, 2, 77),
    gateway: FIREWALL,
};

/// How long the page may take from the machine's start.
const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// Who is on the WAN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wan {
    /// QEMU's user network.
    User,
    /// The same, and a stranger.
    UserAndStranger,
}

/// A demonstration that is not running yet.
pub struct Prepared {
    machine: Machine,
    url: SocketAddrV4,
    segment: Option<Segment>,
    dmz: Port,
    configuration: NamedTempFile,
}

/// The WAN where a stranger is on it: the switch's ports, and the stranger's.
struct Segment {
    ports: Ports,
    stranger: Port,
}

impl Prepared {
    /// Finds a port of the host (any free one for 0) and plugs the cables into `board`.
    ///
    /// # Errors
    /// If the port is taken, or files and sockets cannot be made.
    pub fn new(board: Machine, port: u16, wan: Wan) -> Result<Self, Failure> {
        let url = free_port(port)?;
        let configuration = write_configuration().map_err(|why| Failure::System {
            doing: "writing the demonstration's configuration",
            why,
        })?;
        let user = Network::User {
            forwards: vec![HostForward {
                protocol: Protocol::Tcp,
                host: url,
                guest: SocketAddrV4::new(FIREWALL, 80),
            }],
        };
        let board = board.config(ConfigSource::Module(configuration.path().into()));
        let (board, wan, segment) = match wan {
            Wan::User => (board, user, None),
            Wan::UserAndStranger => {
                let segment = Segment::new()?;
                let board = board.hub(vec![user, segment.ports.uplink.network()]);
                (board, segment.ports.firewall.network(), Some(segment))
            }
        };
        let dmz = Port::new()?;
        let networks = [("wan", wan), ("dmz", dmz.network())];
        let nics = zones::cards(&zones()?, &networks.map(zone_network))?;
        Ok(Self {
            machine: nics.into_iter().fold(board, Machine::nic),
            url,
            segment,
            dmz,
            configuration,
        })
    }

    /// What will run.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Boots the firewall and puts the hosts on their cables.
    ///
    /// # Errors
    /// Whatever keeps the machine from starting.
    pub fn start(self) -> Result<Demo, Failure> {
        let vm = self.machine.start()?;
        let server = Host::start(self.dmz, SERVER, Server::Web).map_err(no_host)?;
        let (stranger, switch) = match self.segment {
            None => (None, None),
            Some(Segment { ports, stranger }) => {
                let stranger = Host::start(stranger, STRANGER, Server::None);
                let switch = Switch::start(ports);
                (
                    Some(stranger.map_err(no_host)?),
                    Some(switch.map_err(no_host)?),
                )
            }
        };
        Ok(Demo {
            vm,
            server,
            stranger,
            _switch: switch,
            url: self.url,
            _configuration: self.configuration,
        })
    }
}

impl Segment {
    fn new() -> Result<Self, Failure> {
        let (stranger, plug) = Port::pair()?;
        let ports = Ports {
            firewall: Port::new()?,
            uplink: Port::new()?,
            stranger: plug,
            firewall_card: FIREWALL_CARD,
            stranger_card: STRANGER.mac,
        };
        Ok(Self { ports, stranger })
    }
}

fn no_host(why: io::Error) -> Failure {
    Failure::System {
        doing: "starting a host of the demonstration",
        why,
    }
}

fn write_configuration() -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("sekisho-")
        .suffix(".toml")
        .tempfile()?;
    file.write_all(CONFIGURATION.as_bytes())?;
    Ok(file)
}

fn zones() -> Result<Vec<Zone>, Failure> {
    let config = sekisho_config::parse(CONFIGURATION.as_bytes());
    config
        .map(|config| config.zones)
        .map_err(|report| Failure::Refused {
            path: "examples/dmz.toml".into(),
            report,
        })
}

fn zone_network((zone, network): (&str, Network)) -> ZoneNetwork {
    ZoneNetwork {
        zone: zone.into(),
        network,
    }
}

/// The port as it will be: tried, and released for QEMU.
fn free_port(port: u16) -> Result<SocketAddrV4, Failure> {
    let wanted = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let listener = TcpListener::bind(wanted).and_then(|listener| listener.local_addr());
    let got = listener.map_err(|why| plan::port_failure(wanted, why))?;
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, got.port()))
}

/// A running demonstration.
pub struct Demo {
    // The machine goes first: its cables outlive it.
    vm: Vm,
    server: Host,
    stranger: Option<Host>,
    _switch: Option<Switch>,
    url: SocketAddrV4,
    _configuration: NamedTempFile,
}

impl Demo {
    /// Its machine.
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// Says where the page is as soon as it comes.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn announce(&self) -> Result<(), Failure> {
        let url = self.url;
        let wait = move || match fetch::page(url, PAGE_LIMIT, || false) {
            Ok(_) => println!("\n    http://{url}/ is the server in the DMZ; Ctrl-C ends it all\n"),
            Err(why) => eprintln!("sekisho: http://{url}/ gives no page: {why}"),
        };
        let thread = thread::Builder::new().name("announce".into()).spawn(wait);
        thread.map(drop).map_err(|why| Failure::System {
            doing: "waiting for the page",
            why,
        })
    }
}

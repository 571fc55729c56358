//! What the smoke test tries.
//!
//! Where something must not pass, the same path is shown to work for what may: a cable that is not plugged in
//! proves nothing about a firewall.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::Duration;

use sekisho_qemu::Protocol;

use super::host::{Connected, Host};
use super::packet::{self, Packet};
use super::smoke::Trial;
use super::{Demo, FIREWALL, FIREWALL_CARD, PAGE_LIMIT, SERVER, STRANGER, fetch};
use crate::failure::Failure;
use crate::follow::Interrupt;

/// How long something that must come may take, on a slow machine.
const COMES: Duration = Duration::from_secs(15);

/// How long silence is listened to: two SYNs of a normal host.
const SILENT: Duration = Duration::from_secs(2);

/// The machine that runs it all, as QEMU's user network shows it.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The name server of QEMU's user network.
const RESOLVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 3), 53);

/// An inside address that a liar on the WAN claims to have.
const SPOOFED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 99, 0, 77), 4077);

/// A query for the root's name servers: number, "recursion desired", one question of the empty name, NS, IN.
const QUERY: &[u8] = &[0x51, 0x4b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

/// All of them, in an order in which each finds the firewall as it needs it.
pub const ALL: [fn(&World<'_>) -> Trial; 9] = [
    |world| world.page(),
    |world| world.inside_address(),
    |world| world.open_port(),
    |world| world.closed_port(),
    |world| world.spoofed_source(),
    |world| world.name_query(),
    |world| world.host_from_beside(),
    |world| world.host_from_dmz(),
    |world| world.neighbour_from_dmz(),
];

/// Everybody who takes part.
pub struct World<'a> {
    demo: &'a Demo,
    stranger: &'a Host,
    interrupt: &'a Interrupt,
    /// A service of the host that only the host itself should reach.
    private: TcpListener,
    private_port: u16,
}

impl<'a> World<'a> {
    /// The world of a demonstration with a stranger in it.
    ///
    /// # Errors
    /// If the host has no port to be tried, or nobody is there to try it.
    pub fn new(demo: &'a Demo, interrupt: &'a Interrupt) -> Result<Self, Failure> {
        let listen = || {
            let private = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            private.set_nonblocking(true)?;
            let private_port = private.local_addr()?.port();
            let stranger = demo.stranger.as_ref();
            let stranger = stranger.ok_or_else(|| std::io::Error::other("nobody is on the WAN"))?;
            Ok(Self {
                demo,
                stranger,
                interrupt,
                private,
                private_port,
            })
        };
        listen().map_err(|why| Failure::System {
            doing: "preparing the smoke test",
            why,
        })
    }

    fn page(&self) -> Trial {
        let page = fetch::page(self.demo.url, PAGE_LIMIT, || self.interrupt.came());
        let seen = match page {
            Ok(_) => "the page".into(),
            Err(why) => format!("no page: {why}"),
        };
        Trial::new("host to 127.0.0.1, forwarded to port 80", "the page", seen)
    }

    fn inside_address(&self) -> Trial {
        let before = self.arrived_from(STRANGER.address);
        let server = SocketAddrV4::new(SERVER.address, 80);
        self.stranger.connect(server, SILENT);
        let after = self.arrived_from(STRANGER.address);
        Trial::new(
            "WAN to the server's inside address, port 80",
            "nothing arrives",
            arrivals(after - before),
        )
    }

    /// The control for the trial before and the two after it: the same stranger gets in by the front door.
    fn open_port(&self) -> Trial {
        let tried = "WAN to the firewall's address, port 80";
        let expected = "connected, arrives at 10.99.0.2";
        Trial::new(tried, expected, self.front_door())
    }

    fn front_door(&self) -> &'static str {
        let before = self.arrived_from(STRANGER.address);
        let connected = self
            .stranger
            .connect(SocketAddrV4::new(FIREWALL, 80), COMES);
        let arrived = self.arrived_from(STRANGER.address) > before;
        match (connected, arrived) {
            (Connected::Yes, true) => "connected, arrives at 10.99.0.2",
            (Connected::Yes, false) => "connected, to somebody else",
            (outcome, _) => word(outcome),
        }
    }

    fn closed_port(&self) -> Trial {
        let closed = SocketAddrV4::new(FIREWALL, 81);
        let outcome = self.stranger.connect(closed, SILENT);
        Trial::new(
            "WAN to the firewall's address, port 81",
            "silence",
            word(outcome),
        )
    }

    fn spoofed_source(&self) -> Trial {
        let to = SocketAddrV4::new(FIREWALL, 80);
        self.stranger
            .send_frame(packet::syn(STRANGER.mac, FIREWALL_CARD, SPOOFED, to));
        // What comes through after it shows that it would have come by now.
        let seen = match self.front_door() {
            "connected, arrives at 10.99.0.2" => arrivals(self.arrived_from(*SPOOFED.ip())),
            other => format!("the control failed: {other}"),
        };
        Trial::new(
            "WAN to port 80, from a DMZ source address",
            "nothing arrives",
            seen,
        )
    }

    /// Whether the Internet answers does not matter: the stranger sees the query on its way.
    fn name_query(&self) -> Trial {
        self.demo.server.send_datagram(RESOLVER, QUERY);
        let masqueraded = |packet: &Packet| {
            packet.protocol == Protocol::Udp
                && packet.to == RESOLVER
                && *packet.from.ip() == FIREWALL
        };
        let seen = match self.stranger.sees(masqueraded, COMES) {
            true => "leaves as 10.0.2.15",
            false => "nothing leaves",
        };
        Trial::new("DMZ to the name server", "leaves as 10.0.2.15", seen)
    }

    /// The control for the trial after it: the service is there, and who may reach it does.
    fn host_from_beside(&self) -> Trial {
        let outcome = self.stranger.connect(self.service(), COMES);
        let seen = match (outcome, self.private.accept()) {
            (Connected::Yes, Ok(_)) => "connected",
            (Connected::Yes, Err(_)) => "connected, to somebody else",
            (outcome, _) => word(outcome),
        };
        Trial::new(
            "WAN to a service of the host, not through the firewall",
            "connected",
            seen,
        )
    }

    fn host_from_dmz(&self) -> Trial {
        let outcome = self.demo.server.connect(self.service(), SILENT);
        let accepted = self.private.accept().is_ok();
        let seen = if accepted {
            "the host accepts it"
        } else {
            word(outcome)
        };
        Trial::new("DMZ to that service of the host", "silence", seen)
    }

    fn neighbour_from_dmz(&self) -> Trial {
        let neighbour = SocketAddrV4::new(STRANGER.address, 80);
        let outcome = self.demo.server.connect(neighbour, SILENT);
        let leaked = self
            .stranger
            .seen()
            .iter()
            .any(|packet| packet.to == neighbour);
        let seen = if leaked {
            "a packet leaves"
        } else {
            word(outcome)
        };
        Trial::new("DMZ to a private neighbour on the WAN", "silence", seen)
    }

    fn service(&self) -> SocketAddrV4 {
        SocketAddrV4::new(HOST, self.private_port)
    }

    /// How many packets from an address have come to the server.
    fn arrived_from(&self, address: Ipv4Addr) -> usize {
        let seen = self.demo.server.seen();
        seen.iter()
            .filter(|packet| *packet.from.ip() == address)
            .count()
    }
}

fn arrivals(count: usize) -> String {
    match count {
        0 => "nothing arrives".into(),
        count => format!("{count} packets arrive"),
    }
}

fn word(outcome: Connected) -> &'static str {
    match outcome {
        Connected::Yes => "connected",
        Connected::Refused => "refused",
        Connected::Silence => "silence",
    }
}

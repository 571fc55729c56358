//! A server, and what hand-made clients say to it.

use std::net::Ipv4Addr;

use sekisho_config::check;
use sekisho_engine::Instant;
use sekisho_services::Mac;
use sekisho_services::datagram::{self, Route, Trust};
use sekisho_services::server::{Outcome, Server};
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};

pub const SERVER_MAC: Mac = [0x52, 0x54, 0, 0, 0, 1];
pub const GUEST: Mac = [0x52, 0x54, 0, 0, 9, 9];
pub const UPSTREAM: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 53), Ipv4Addr::new(192, 0, 2, 54)];

pub fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

/// A server for 10.9.0.0/24 whose `dhcp` table has these keys.
pub fn server(keys: &str) -> Server {
    let text = format!(
        "version = 1\n[zone.inside]\ncard = \"52:54:00:00:00:01\"\naddress = \"10.9.0.1/24\"\n[zone.inside.dhcp]\n{keys}\n"
    );
    let config = check(text.as_bytes())
        .unwrap_or_else(|report| panic!("{report}"))
        .config;
    let zone = &config.zones[0];
    let dhcp = zone.dhcp.as_ref().expect("a server");
    let own = "10.9.0.1/24".parse().expect("a prefix");
    Server::new(dhcp, own, SERVER_MAC, zone.mtu, 7)
}

pub fn small() -> Server {
    server("range = \"10.9.0.100-10.9.0.101\"\nlease = \"1h\"\ndns = [\"192.0.2.53\"]")
}

/// What a client says.
#[derive(Clone)]
pub struct Says {
    pub kind: DhcpMessageType,
    pub mac: Mac,
    pub identifier: Option<Vec<u8>>,
    pub current: Ipv4Addr,
    pub requested: Option<Ipv4Addr>,
    pub server: Option<Ipv4Addr>,
    pub broadcast: bool,
    pub relay: Ipv4Addr,
}

pub const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

pub fn says(kind: DhcpMessageType, mac: Mac) -> Says {
    Says {
        kind,
        mac,
        identifier: None,
        current: NOBODY,
        requested: None,
        server: None,
        broadcast: false,
        relay: NOBODY,
    }
}

/// What the server answers.
#[derive(Debug)]
pub struct Answer {
    pub route: Route,
    pub kind: DhcpMessageType,
    pub your: Ipv4Addr,
    pub options: Vec<(u8, Vec<u8>)>,
    pub len: usize,
}

impl Answer {
    pub fn option(&self, kind: u8) -> Option<&[u8]> {
        let mut options = self.options.iter();
        options.find(|(k, _)| *k == kind).map(|(_, data)| &data[..])
    }
}

pub fn tell(server: &mut Server, what: &Says, now: Instant) -> (Option<Answer>, Option<Outcome>) {
    let identifier = what.identifier.clone().unwrap_or_default();
    let extra = [DhcpOption {
        kind: 61,
        data: &identifier,
    }];
    let repr = DhcpRepr {
        message_type: what.kind,
        transaction_id: 0x1234_5678,
        secs: 0,
        client_hardware_address: EthernetAddress(what.mac),
        client_ip: what.current,
        your_ip: NOBODY,
        server_ip: NOBODY,
        router: None,
        subnet_mask: None,
        relay_agent_ip: what.relay,
        broadcast: what.broadcast,
        requested_ip: what.requested,
        client_identifier: None,
        server_identifier: what.server,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: if what.identifier.is_some() {
            &extra
        } else {
            &[]
        },
    };
    let mut payload = vec![0; repr.buffer_len()];
    repr.emit(&mut DhcpPacket::new_unchecked(&mut payload[..]))
        .expect("it fits");
    let route = Route {
        macs: (what.mac, [0xff; 6]),
        addresses: (what.current, Ipv4Addr::BROADCAST),
        ports: (68, 67),
    };
    let mut frame = [0; datagram::LONGEST];
    let (len, outcome) = server.receive((&route, &payload), &UPSTREAM, now, &mut frame);
    let answer = len.map(|len| {
        let (route, payload) = datagram::read(&frame[..len], Trust::Verify).expect("a datagram");
        let packet = DhcpPacket::new_checked(payload).expect("a message");
        assert_eq!(packet.transaction_id(), 0x1234_5678);
        let options: Vec<_> = packet
            .options()
            .map(|option| (option.kind, option.data.to_vec()))
            .collect();
        let kind = options.iter().find(|(kind, _)| *kind == 53);
        Answer {
            route,
            kind: DhcpMessageType::from(kind.expect("a message type").1[0]),
            your: packet.your_ip(),
            options,
            len: payload.len(),
        }
    });
    (answer, outcome)
}

pub fn discover(server: &mut Server, mac: Mac, now: Instant) -> Option<Ipv4Addr> {
    let (answer, _) = tell(server, &says(DhcpMessageType::Discover, mac), now);
    answer.map(|answer| {
        assert_eq!(answer.kind, DhcpMessageType::Offer);
        answer.your
    })
}

pub fn request(server: &mut Server, mac: Mac, address: Ipv4Addr, now: Instant) -> DhcpMessageType {
    let what = Says {
        requested: Some(address),
        server: Some(Ipv4Addr::new(10, 9, 0, 1)),
        ..says(DhcpMessageType::Request, mac)
    };
    tell(server, &what, now).0.expect("an answer").kind
}

/// DISCOVER, OFFER, REQUEST, ACK.
pub fn lease(server: &mut Server, mac: Mac, now: Instant) -> Ipv4Addr {
    let address = discover(server, mac, now).expect("an offer");
    assert_eq!(request(server, mac, address, now), DhcpMessageType::Ack);
    address
}

pub fn mac(last: u8) -> Mac {
    [0x52, 0x54, 0, 0, 9, last]
}

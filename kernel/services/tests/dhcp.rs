//! DHCP end to end: our client against our server, and a server against hand-made clients.

use std::net::Ipv4Addr;
use std::time::Duration;

use sekisho_config::check;
use sekisho_engine::{Instant, ZoneId};
use sekisho_services::client::{Change, Client, Lease};
use sekisho_services::datagram::{self, Route, Trust};
use sekisho_services::leases::Refused;
use sekisho_services::message::ClientKey;
use sekisho_services::server::{Outcome, Server};
use sekisho_services::{Action, Mac, Services, leases};
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};

const SERVER_MAC: Mac = [0x52, 0x54, 0, 0, 0, 1];
const GUEST: Mac = [0x52, 0x54, 0, 0, 9, 9];
const UPSTREAM: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 53), Ipv4Addr::new(192, 0, 2, 54)];

fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

/// A server for 10.9.0.0/24 whose `dhcp` table has these keys.
fn server(keys: &str) -> Server {
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

fn small() -> Server {
    server("range = \"10.9.0.100-10.9.0.101\"\nlease = \"1h\"\ndns = [\"192.0.2.53\"]")
}

/// What a client says.
#[derive(Clone)]
struct Says {
    kind: DhcpMessageType,
    mac: Mac,
    identifier: Option<Vec<u8>>,
    current: Ipv4Addr,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    broadcast: bool,
    relay: Ipv4Addr,
}

const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn says(kind: DhcpMessageType, mac: Mac) -> Says {
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
struct Answer {
    route: Route,
    kind: DhcpMessageType,
    your: Ipv4Addr,
    options: Vec<(u8, Vec<u8>)>,
    len: usize,
}

impl Answer {
    fn option(&self, kind: u8) -> Option<&[u8]> {
        let mut options = self.options.iter();
        options.find(|(k, _)| *k == kind).map(|(_, data)| &data[..])
    }
}

fn tell(server: &mut Server, what: &Says, now: Instant) -> (Option<Answer>, Option<Outcome>) {
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

fn discover(server: &mut Server, mac: Mac, now: Instant) -> Option<Ipv4Addr> {
    let (answer, _) = tell(server, &says(DhcpMessageType::Discover, mac), now);
    answer.map(|answer| {
        assert_eq!(answer.kind, DhcpMessageType::Offer);
        answer.your
    })
}

fn request(server: &mut Server, mac: Mac, address: Ipv4Addr, now: Instant) -> DhcpMessageType {
    let what = Says {
        requested: Some(address),
        server: Some(Ipv4Addr::new(10, 9, 0, 1)),
        ..says(DhcpMessageType::Request, mac)
    };
    tell(server, &what, now).0.expect("an answer").kind
}

/// DISCOVER, OFFER, REQUEST, ACK.
fn lease(server: &mut Server, mac: Mac, now: Instant) -> Ipv4Addr {
    let address = discover(server, mac, now).expect("an offer");
    assert_eq!(request(server, mac, address, now), DhcpMessageType::Ack);
    address
}

fn mac(last: u8) -> Mac {
    [0x52, 0x54, 0, 0, 9, last]
}

#[test]
fn an_offer_tells_all_that_a_host_needs() {
    let mut server = server(
        "range = \"10.9.0.100-10.9.0.101\"\nlease = \"1h\"\ndns = [\"192.0.2.53\", \"192.0.2.54\"]\nrouter = \"self\"\ndomain = \"lan.example\"",
    );
    let discover = says(DhcpMessageType::Discover, GUEST);
    let answer = tell(&mut server, &discover, at(1)).0.expect("an offer");
    assert_eq!(answer.route.macs, (SERVER_MAC, GUEST));
    assert_eq!(
        answer.route.addresses.1, answer.your,
        "unicast to the offered address"
    );
    assert!(answer.len >= 300, "BOOTP's size");
    assert_eq!(answer.option(1), Some(&[255, 255, 255, 0][..]));
    assert_eq!(answer.option(3), Some(&[10, 9, 0, 1][..]));
    assert_eq!(answer.option(6), Some(&[192, 0, 2, 53, 192, 0, 2, 54][..]));
    assert_eq!(answer.option(15), Some(&b"lan.example"[..]));
    assert_eq!(answer.option(28), Some(&[10, 9, 0, 255][..]));
    assert_eq!(answer.option(51), Some(&3600_u32.to_be_bytes()[..]));
    assert_eq!(answer.option(54), Some(&[10, 9, 0, 1][..]));
    assert_eq!(answer.option(58), Some(&1800_u32.to_be_bytes()[..]));
    assert_eq!(answer.option(59), Some(&3150_u32.to_be_bytes()[..]));
}

#[test]
fn upstreams_name_servers_are_passed_on() {
    let config = check(
        b"version = 1\n[zone.wan]\ncard = \"52:54:00:00:00:02\"\naddress = \"dhcp\"\n[zone.inside]\ncard = \"52:54:00:00:00:01\"\naddress = \"10.9.0.1/24\"\ndhcp = { range = \"10.9.0.100-10.9.0.101\", dns = \"upstream\" }\n",
    )
    .unwrap_or_else(|report| panic!("{report}"))
    .config;
    let dhcp = config.zones.iter().find_map(|zone| zone.dhcp.as_ref());
    let own = "10.9.0.1/24".parse().expect("a prefix");
    let mut server = Server::new(dhcp.expect("a server"), own, SERVER_MAC, 1500, 7);
    let discover = says(DhcpMessageType::Discover, GUEST);
    let answer = tell(&mut server, &discover, at(1)).0.expect("an offer");
    assert_eq!(answer.option(6), Some(&[192, 0, 2, 53, 192, 0, 2, 54][..]));
}

#[test]
fn a_client_that_cannot_take_unicast_gets_a_broadcast() {
    let discover = Says {
        broadcast: true,
        ..says(DhcpMessageType::Discover, GUEST)
    };
    let answer = tell(&mut small(), &discover, at(1)).0.expect("an offer");
    assert_eq!(answer.route.macs.1, [0xff; 6]);
    assert_eq!(answer.route.addresses.1, Ipv4Addr::BROADCAST);
}

#[test]
fn a_client_identifier_is_echoed_and_tells_clients_apart() {
    let mut server = small();
    let with = |identifier: &[u8]| Says {
        identifier: Some(identifier.to_vec()),
        ..says(DhcpMessageType::Discover, GUEST)
    };
    let first = tell(&mut server, &with(b"\xffabc"), at(1))
        .0
        .expect("an offer");
    let second = tell(&mut server, &with(b"\xffabd"), at(1))
        .0
        .expect("an offer");
    assert_eq!(first.option(61), Some(&b"\xffabc"[..]), "RFC 6842");
    assert_ne!(first.your, second.your);
}

#[test]
fn the_same_client_gets_the_same_address_again() {
    let mut server = small();
    let address = lease(&mut server, GUEST, at(1));
    assert_eq!(lease(&mut server, GUEST, at(10)), address);
    assert_eq!(
        lease(&mut server, GUEST, at(100_000)),
        address,
        "even long after its end"
    );
}

#[test]
fn a_bound_address_is_never_given_to_another() {
    let mut server = small();
    let (first, second) = (
        lease(&mut server, mac(1), at(1)),
        lease(&mut server, mac(2), at(1)),
    );
    assert_ne!(first, second);
    let third = says(DhcpMessageType::Discover, mac(3));
    let (answer, outcome) = tell(&mut server, &third, at(2));
    assert!(answer.is_none());
    assert_eq!(outcome, Some(Outcome::Exhausted(mac(3))));
    assert_eq!(
        request(&mut server, mac(3), first, at(2)),
        DhcpMessageType::Nak
    );
    assert!(
        discover(&mut server, mac(3), at(2 + 3600)).is_some(),
        "leases end"
    );
}

#[test]
fn an_offer_is_kept_for_a_minute_only() {
    let mut server = small();
    discover(&mut server, mac(1), at(1));
    discover(&mut server, mac(2), at(1));
    assert_eq!(discover(&mut server, mac(3), at(30)), None);
    assert!(discover(&mut server, mac(3), at(62)).is_some());
}

#[test]
fn a_client_that_takes_another_servers_offer_frees_ours() {
    let mut server = small();
    discover(&mut server, mac(1), at(1));
    discover(&mut server, mac(2), at(1));
    let elsewhere = Says {
        requested: Some(Ipv4Addr::new(10, 9, 0, 77)),
        server: Some(Ipv4Addr::new(10, 9, 0, 2)),
        ..says(DhcpMessageType::Request, mac(1))
    };
    assert!(
        tell(&mut server, &elsewhere, at(2)).0.is_none(),
        "not for us"
    );
    assert!(discover(&mut server, mac(3), at(3)).is_some());
}

#[test]
fn a_guest_that_outlived_our_restart_keeps_its_address() {
    let address = Ipv4Addr::new(10, 9, 0, 101);
    let renewing = Says {
        current: address,
        ..says(DhcpMessageType::Request, GUEST)
    };
    let (answer, outcome) = tell(&mut small(), &renewing, at(1));
    let answer = answer.expect("an answer");
    assert_eq!((answer.kind, answer.your), (DhcpMessageType::Ack, address));
    assert_eq!(
        answer.route.addresses.1, address,
        "unicast to the address it uses"
    );
    assert_eq!(outcome, Some(Outcome::Leased(GUEST, address)));

    let rebooted = Says {
        requested: Some(address),
        ..says(DhcpMessageType::Request, GUEST)
    };
    let answer = tell(&mut small(), &rebooted, at(1)).0.expect("an answer");
    assert_eq!((answer.kind, answer.your), (DhcpMessageType::Ack, address));
}

#[test]
fn a_guest_from_another_network_is_refused_at_once_and_by_broadcast() {
    let rebooted = Says {
        requested: Some(Ipv4Addr::new(192, 168, 77, 5)),
        ..says(DhcpMessageType::Request, GUEST)
    };
    let answer = tell(&mut small(), &rebooted, at(1)).0.expect("an answer");
    assert_eq!(answer.kind, DhcpMessageType::Nak);
    assert_eq!(answer.route.macs.1, [0xff; 6]);
    assert_eq!(answer.your, NOBODY);
    for absent in [1, 3, 6, 51] {
        assert_eq!(answer.option(absent), None, "option {absent} in a refusal");
    }
}

#[test]
fn a_released_address_is_free_again_and_only_its_holder_can_release_it() {
    let mut server = small();
    let (first, _) = (
        lease(&mut server, mac(1), at(1)),
        lease(&mut server, mac(2), at(1)),
    );
    let release = |from: Mac| Says {
        current: first,
        server: Some(Ipv4Addr::new(10, 9, 0, 1)),
        ..says(DhcpMessageType::Release, from)
    };
    tell(&mut server, &release(mac(3)), at(2));
    assert_eq!(
        discover(&mut server, mac(3), at(2)),
        None,
        "a stranger's release counts for nothing"
    );
    tell(&mut server, &release(mac(1)), at(2));
    assert_eq!(discover(&mut server, mac(3), at(2)), Some(first));
}

#[test]
fn a_declined_address_is_avoided_for_a_while() {
    let mut server = small();
    let address = lease(&mut server, GUEST, at(1));
    let decline = Says {
        requested: Some(address),
        server: Some(Ipv4Addr::new(10, 9, 0, 1)),
        ..says(DhcpMessageType::Decline, GUEST)
    };
    let (answer, outcome) = tell(&mut server, &decline, at(2));
    assert!(answer.is_none());
    assert_eq!(outcome, Some(Outcome::Declined(GUEST, address)));
    assert_ne!(lease(&mut server, GUEST, at(3)), address);
    assert_eq!(
        request(&mut server, mac(5), address, at(3)),
        DhcpMessageType::Nak
    );
    assert_eq!(
        request(&mut server, mac(5), address, at(700)),
        DhcpMessageType::Ack
    );
}

#[test]
fn a_reservation_is_for_one_card_whatever_it_calls_itself() {
    let keys = "range = \"10.9.0.100-10.9.0.101\"\nreservations = [{ mac = \"52:54:00:00:09:09\", address = \"10.9.0.50\" }]";
    let mut server = server(keys);
    let reserved = Ipv4Addr::new(10, 9, 0, 50);
    assert_eq!(
        request(&mut server, mac(1), reserved, at(1)),
        DhcpMessageType::Nak
    );
    assert_eq!(lease(&mut server, GUEST, at(1)), reserved);
    let other_name = Says {
        identifier: Some(b"\x00other".to_vec()),
        ..says(DhcpMessageType::Discover, GUEST)
    };
    let answer = tell(&mut server, &other_name, at(2)).0.expect("an offer");
    assert_eq!(answer.your, reserved, "its second boot loader, say");
    let wrong = request(&mut server, GUEST, Ipv4Addr::new(10, 9, 0, 100), at(3));
    assert_eq!(wrong, DhcpMessageType::Nak, "it has its own");
}

#[test]
fn inform_gets_settings_and_no_address() {
    let inform = Says {
        current: Ipv4Addr::new(10, 9, 0, 20),
        ..says(DhcpMessageType::Inform, GUEST)
    };
    let answer = tell(&mut small(), &inform, at(1)).0.expect("an answer");
    assert_eq!((answer.kind, answer.your), (DhcpMessageType::Ack, NOBODY));
    assert_eq!(
        answer.option(51),
        None,
        "RFC 2131 section 4.3.5: no lease time"
    );
    assert_eq!(answer.option(6), Some(&[192, 0, 2, 53][..]));
}

#[test]
fn relayed_messages_and_rubbish_are_not_answered() {
    let relayed = Says {
        relay: Ipv4Addr::new(10, 8, 0, 1),
        ..says(DhcpMessageType::Discover, GUEST)
    };
    assert!(tell(&mut small(), &relayed, at(1)).0.is_none());
    let group = says(DhcpMessageType::Discover, [0xff; 6]);
    assert!(tell(&mut small(), &group, at(1)).0.is_none());
    let answerlike = says(DhcpMessageType::Offer, GUEST);
    assert!(tell(&mut small(), &answerlike, at(1)).0.is_none());
    let route = Route {
        macs: (GUEST, [0xff; 6]),
        addresses: (NOBODY, Ipv4Addr::BROADCAST),
        ports: (68, 67),
    };
    let mut frame = [0; datagram::LONGEST];
    for len in 0..400 {
        for fill in [0, 1, 0x63, 0xff] {
            let payload = vec![fill; len];
            let result = small().receive((&route, &payload), &[], at(1), &mut frame);
            assert_eq!(result, (None, None), "{len} times {fill}");
        }
    }
}

#[test]
fn the_table_says_why() {
    let config = check(b"version = 1\n[zone.a]\ncard = \"52:54:00:00:00:01\"\naddress = \"10.9.0.1/24\"\ndhcp = { range = \"10.9.0.5-10.9.0.5\" }\n")
        .unwrap_or_else(|report| panic!("{report}"))
        .config;
    let dhcp = config.zones[0].dhcp.as_ref().expect("a server");
    let mut table = leases::Leases::new(dhcp);
    let message = |mac: Mac| leases::Client {
        key: ClientKey::new(1, 1, &mac),
        mac,
    };
    let address = Ipv4Addr::new(10, 9, 0, 5);
    assert_eq!(table.bind(message(mac(1)), address, at(1)), Ok(true));
    assert_eq!(
        table.bind(message(mac(1)), address, at(2)),
        Ok(false),
        "a renewal"
    );
    assert_eq!(
        table.bind(message(mac(2)), address, at(2)),
        Err(Refused::Taken)
    );
    let elsewhere = Ipv4Addr::new(10, 9, 0, 6);
    assert_eq!(
        table.bind(message(mac(2)), elsewhere, at(2)),
        Err(Refused::NotYours)
    );
    assert_eq!(table.bound(at(2)), 1);
    assert_eq!(table.bound(at(90_000)), 0);
}

/// A segment with our client on one end and our server on the other.
struct Segment {
    client: Client,
    server: Option<Server>,
    sent: Vec<Vec<u8>>,
}

impl Segment {
    fn new(server: Server) -> Self {
        Self {
            client: Client::new(GUEST, 1500, 3),
            server: Some(server),
            sent: Vec::new(),
        }
    }

    /// Runs until nothing more is said at this moment.
    fn settle(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        loop {
            changes.extend(std::iter::from_fn(|| self.client.poll(now)));
            let Some(frame) = self.client.outgoing() else {
                return changes;
            };
            self.sent.push(frame.to_vec());
            let (route, payload) = datagram::read(&frame, Trust::Verify).expect("a datagram");
            let mut answer = [0; datagram::LONGEST];
            let Some(server) = &mut self.server else {
                continue;
            };
            if let (Some(len), _) = server.receive((&route, payload), &UPSTREAM, now, &mut answer) {
                // A card would not take a frame for another card; and the neighbour is the engine's to find.
                answer[..6].copy_from_slice(&GUEST);
                self.client.receive(&answer[..len], now);
            }
        }
    }

    /// Lets time pass up to `until`, moment by moment as the client asks for.
    fn run(&mut self, from: Instant, until: Instant) -> Vec<(u64, Change)> {
        let mut now = from;
        let mut changes = Vec::new();
        while now <= until {
            let settled = self.settle(now);
            changes.extend(
                settled
                    .into_iter()
                    .map(|c| (now.as_micros() / 1_000_000, c)),
            );
            let next = self.client.deadline(now).unwrap_or(until);
            now = next.max(now.after(Duration::from_millis(1)));
        }
        changes
    }
}

fn bound(change: &Change) -> &Lease {
    match change {
        Change::Bound(lease) => lease,
        Change::Lost => panic!("lost"),
    }
}

#[test]
fn client_and_server_agree() {
    let mut segment = Segment::new(server(
        "range = \"10.9.0.100-10.9.0.100\"\nlease = \"1h\"\nrouter = \"self\"\ndns = [\"192.0.2.53\"]",
    ));
    let changes = segment.settle(at(1));
    assert_eq!(changes.len(), 1, "{changes:?}");
    let lease = bound(&changes[0]);
    assert_eq!(lease.address, "10.9.0.100/24".parse().expect("a prefix"));
    assert_eq!(lease.gateway, Some(Ipv4Addr::new(10, 9, 0, 1)));
    assert_eq!(lease.dns[..], [Ipv4Addr::new(192, 0, 2, 53)]);
    assert_eq!(lease.server, Ipv4Addr::new(10, 9, 0, 1));
}

#[test]
fn a_lease_is_renewed_by_unicast_at_half_its_time_and_nobody_notices() {
    let mut segment = Segment::new(small());
    assert_eq!(segment.settle(at(1)).len(), 1);
    segment.sent.clear();
    assert_eq!(segment.run(at(1), at(3 * 3600)), []);
    assert!(
        segment.sent.len() >= 5,
        "{} renewals in three hours",
        segment.sent.len()
    );
    for frame in &segment.sent {
        let (route, _) = datagram::read(frame, Trust::Verify).expect("a datagram");
        assert_eq!(route.addresses.1, Ipv4Addr::new(10, 9, 0, 1), "unicast");
        assert!(matches!(route.addresses.0.octets(), [10, 9, 0, 100 | 101]));
    }
}

#[test]
fn a_server_that_is_gone_is_asked_by_broadcast_in_the_end_and_then_the_address_goes() {
    let mut segment = Segment::new(small());
    segment.settle(at(1));
    segment.server = None;
    segment.sent.clear();
    let changes = segment.run(at(2), at(3700));
    assert_eq!(changes, [(3601, Change::Lost)]);
    let last_before_the_end = segment.sent.iter().rev().find_map(|frame| {
        let (route, _) = datagram::read(frame, Trust::Verify)?;
        (!route.addresses.0.is_unspecified()).then_some(route)
    });
    let rebinding = last_before_the_end.expect("a rebinding");
    assert_eq!(
        rebinding.addresses.1,
        Ipv4Addr::BROADCAST,
        "RFC 2131 section 4.4.5"
    );
}

#[test]
fn a_cable_pulled_and_plugged_in_again_confirms_the_lease() {
    let mut segment = Segment::new(small());
    let first = segment.settle(at(1));
    segment.client.set_link(false, at(5));
    assert_eq!(segment.settle(at(6)), []);
    segment.client.set_link(true, at(7));
    assert!(
        !segment.client.is_settled(),
        "nothing may leave before the answer"
    );
    assert_eq!(segment.settle(at(7)), first, "confirmed");
    assert!(segment.client.is_settled());
}

#[test]
fn on_another_network_the_old_address_goes_within_seconds() {
    let mut segment = Segment::new(small());
    segment.settle(at(1));
    segment.client.set_link(false, at(5));
    segment.client.set_link(true, at(7));
    segment.server = None;
    assert_eq!(segment.run(at(7), at(30)), [(17, Change::Lost)]);
}

#[test]
fn another_address_after_a_refusal_is_told() {
    let mut segment = Segment::new(small());
    let first = segment.settle(at(1));
    // The firewall's server is replaced by one for other addresses.
    segment.server = Some(server("range = \"10.9.0.200-10.9.0.200\"\nlease = \"1h\""));
    let changes = segment.run(at(2), at(2000));
    let kinds: Vec<_> = changes.iter().map(|(_, change)| change).collect();
    let [Change::Lost, Change::Bound(new)] = kinds[..] else {
        panic!("{changes:?}");
    };
    assert_ne!(new, bound(&first[0]));
    assert_eq!(new.address.addr(), Ipv4Addr::new(10, 9, 0, 200));
}

/// What our client makes of a lease whose option `kind` says `address`, until the lease is over.
fn offered(keys: &str, kind: u8, address: [u8; 4]) -> Vec<Change> {
    changed(keys, &[(kind, address)])
}

/// The same for several options.
fn changed(keys: &str, options: &[(u8, [u8; 4])]) -> Vec<Change> {
    let mut client = Client::new(GUEST, 1500, 3);
    let mut server = server(keys);
    let mut changes = Vec::new();
    for second in (1..4000).step_by(5) {
        changes.extend(std::iter::from_fn(|| client.poll(at(second))));
        while let Some(frame) = client.outgoing() {
            let (route, payload) = datagram::read(&frame, Trust::Verify).expect("a datagram");
            let mut answer = [0; datagram::LONGEST];
            let (len, _) = server.receive((&route, payload), &[], at(second), &mut answer);
            let Some(len) = len else { continue };
            let (route, payload) = datagram::read(&answer[..len], Trust::Verify).expect("it");
            let mut payload = payload.to_vec();
            for (kind, address) in options {
                let mut places = payload[240..].windows(2);
                let place = places.position(|option| option == [*kind, 4]);
                let value = 240 + place.expect("the option") + 2;
                payload[value..value + 4].copy_from_slice(address);
            }
            let mut lie = [0; datagram::LONGEST];
            let len = datagram::write(&mut lie, &route, payload.len(), |bytes| {
                bytes.copy_from_slice(&payload);
                Some(())
            });
            client.receive(&lie[..len.expect("room")], at(second));
        }
    }
    changes
}

/// Found by the fuzz target `dhcp_client`: such a server became the next hop, of which smoltcp asserts that it is a host.
#[test]
fn a_lease_from_a_server_that_is_no_host_is_refused() {
    const ROUTERLESS: &str =
        "range = \"10.9.0.100-10.9.0.101\"\nlease = \"1h\"\nrouter = \"none\"\ndns = []";
    const SERVER_IDENTIFIER: u8 = 54;
    for server in [[224, 0, 0, 1], [0, 0, 0, 0], [255, 255, 255, 255]] {
        assert_eq!(
            offered(ROUTERLESS, SERVER_IDENTIFIER, server),
            [],
            "{server:?}"
        );
    }
    assert_eq!(offered(ROUTERLESS, SERVER_IDENTIFIER, [127, 0, 0, 1]), []);
    let sound = offered(ROUTERLESS, SERVER_IDENTIFIER, [10, 9, 0, 1]);
    assert!(matches!(sound[..], [Change::Bound(_)]), "{sound:?}");
}

#[test]
fn a_gateway_that_is_no_host_of_the_segment_is_none() {
    const KEYS: &str =
        "range = \"10.9.0.100-10.9.0.101\"\nlease = \"1h\"\nrouter = \"self\"\ndns = []";
    const ROUTER: u8 = 3;
    for (router, gateway) in [
        ([10, 9, 0, 255], None),
        ([10, 9, 0, 0], None),
        ([10, 8, 0, 1], None),
        ([10, 9, 0, 7], Some(Ipv4Addr::new(10, 9, 0, 7))),
    ] {
        let changes = offered(KEYS, ROUTER, router);
        assert_eq!(bound(&changes[0]).gateway, gateway);
    }
    // Found by the fuzz target `dhcp_client`: a prefix so short that it holds groups.
    const MASK: u8 = 1;
    let changes = changed(KEYS, &[(MASK, [128, 0, 0, 0]), (ROUTER, [100, 9, 0, 7])]);
    assert!(bound(&changes[0]).gateway.is_some());
    for router in [[127, 0, 0, 1], [0, 9, 0, 1]] {
        let changes = changed(KEYS, &[(MASK, [128, 0, 0, 0]), (ROUTER, router)]);
        assert_eq!(bound(&changes[0]).gateway, None, "{router:?}");
    }
}

#[test]
fn rfc4787_req7_two_zones_on_one_network_are_refused() {
    let config = check(
        b"version = 1\n[zone.wan]\ncard = \"52:54:00:00:09:09\"\naddress = \"dhcp\"\n[zone.inside]\ncard = \"52:54:00:00:00:02\"\naddress = \"10.9.0.1/24\"\n",
    )
    .unwrap_or_else(|report| panic!("{report}"))
    .config;
    let mut services = Services::new(&config, &[GUEST, mac(2)], || 5);
    let mut server = small();
    let wan = ZoneId::new(0).expect("a zone");
    for _ in 0..10 {
        match services.poll(at(1)) {
            Some(Action::SendDirectly(zone, frame)) => {
                assert_eq!(zone, wan);
                let (route, payload) = datagram::read(&frame, Trust::Verify).expect("a datagram");
                let mut answer = [0; datagram::LONGEST];
                let (len, _) = server.receive((&route, payload), &[], at(1), &mut answer);
                let len = len.expect("an answer");
                services.receive(wan, &answer[..len], Trust::Verify, at(1));
            }
            Some(Action::Overlap(zone, address, other)) => {
                assert_eq!((zone.index(), other.index()), (0, 1));
                assert_eq!(address.network(), Ipv4Addr::new(10, 9, 0, 0));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("the overlap was not seen");
}

//! Our client against our server, and against servers that lie.

use std::net::Ipv4Addr;
use std::time::Duration;

use sekisho_config::check;
use sekisho_engine::{Instant, ZoneId};
use sekisho_services::client::{Change, Client, Lease};
use sekisho_services::datagram::{self, Trust};
use sekisho_services::server::Server;
use sekisho_services::{Action, Services};

use crate::hosts::{GUEST, UPSTREAM, at, mac, server, small};

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

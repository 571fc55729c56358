//! Who finds what is expected.

use super::*;
use crate::ZoneId;
use crate::conntrack::Source;
use crate::flow::FlowId;
use crate::ftp::control::Progress;
use crate::ftp::text::Text;
use crate::key::Side;
use crate::shift::Shift;
use core::net::Ipv4Addr;

fn side(index: usize) -> Side {
    Side::zone(ZoneId::new(index).expect("a zone"))
}

fn end(last: u8, port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(192, 0, 2, last), port)
}

fn controls() -> Controls {
    let text = "version = 1\n[zone.wan]\nslot = 0\naddress = \"192.0.2.1/24\"\n[alg]\nftp = true\n";
    let config = sekisho_config::parse(text.as_bytes()).expect("a configuration");
    Controls::new(&config, 1024, Hasher::new([1, 2]))
}

fn control(client: u8) -> Control {
    Control {
        flow: FlowId(0),
        client: (end(client, 0).address, side(1)),
        progress: Progress::new([0; 2]),
        shifts: [Shift::NONE; 2],
        texts: [const { Text::new() }; 2],
        expected: None,
    }
}

fn expected(from: u8, seconds: u64) -> Expected {
    Expected {
        from: end(from, 0).address,
        side: side(0),
        to: end(1, 40_000),
        destination: end(9, 40_000),
        egress: side(1),
        source: Source::Keep,
        lease: None,
        until: Instant::from_micros(seconds * 1_000_000),
    }
}

fn key(from: u8, to: Endpoint, on: usize) -> FlowKey {
    FlowKey {
        src: end(from, 20),
        dst: to,
        protocol: Protocol::TCP,
        side: side(on),
    }
}

#[test]
fn only_the_peer_on_its_side_finds_what_it_is_expected_for() {
    let mut controls = controls();
    let id = controls.enter(control(50)).expect("room");
    controls.expect(id, expected(7, 60));
    let to = end(1, 40_000);
    assert_eq!(controls.find(&key(7, to, 0)), Some(id));
    assert_eq!(controls.find(&key(8, to, 0)), None, "another peer");
    assert_eq!(controls.find(&key(7, to, 1)), None, "another side");
    assert_eq!(
        controls.find(&key(7, end(1, 40_001), 0)),
        None,
        "another port"
    );
    let udp = FlowKey {
        protocol: Protocol::UDP,
        ..key(7, to, 0)
    };
    assert_eq!(controls.find(&udp), None, "another protocol");
}

#[test]
fn two_peers_are_expected_at_one_endpoint_and_each_by_its_own_control_connection() {
    let mut controls = controls();
    let ids = [7, 8].map(|peer| {
        let id = controls.enter(control(peer)).expect("room");
        controls.expect(id, expected(peer, 60));
        id
    });
    let to = end(1, 40_000);
    assert_eq!(controls.find(&key(7, to, 0)), Some(ids[0]));
    assert_eq!(controls.find(&key(8, to, 0)), Some(ids[1]));
    assert!(controls.take(ids[0]).is_some());
    assert_eq!(controls.find(&key(7, to, 0)), None);
    assert_eq!((controls.waiting(), controls.len()), (1, 2));
    controls.leave(ids[1]);
    assert_eq!((controls.waiting(), controls.len()), (0, 1));
}

#[test]
fn each_ends_in_its_time_and_the_next_deadline_is_the_next_ones() {
    let mut controls = controls();
    for (client, seconds) in [(7, 60), (8, 61)] {
        let id = controls.enter(control(client)).expect("room");
        controls.expect(id, expected(client, seconds));
    }
    let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
    assert!(controls.pop_due(at(59)).is_none());
    assert_eq!(controls.due(), Some(at(60)));
    assert!(controls.pop_due(at(60)).is_some());
    assert!(controls.pop_due(at(60)).is_none());
    assert_eq!(controls.due(), Some(at(61)));
    assert!(controls.pop_due(at(61)).is_some());
    assert_eq!((controls.due(), controls.waiting()), (None, 0));
}

//! A NAT of a chosen kind from the library, as other people's tests start it: no root, one call.

use std::net::Ipv4Addr;

use sekisho_qemu::{Nat, NatBuilder, NatKind};
use sekisho_tests::frames::{Frame, Inner};
use sekisho_tests::kernel;
use sekisho_tests::peer::Peer;

const INSIDE_CARD: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const OUTSIDE_CARD: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A client and a server with a NAT between them.
struct Pair {
    client: Peer,
    server: Peer,
    _nat: Nat,
}

impl Pair {
    fn behind(kind: NatKind, seed: u64) -> Pair {
        let client = Peer::new([2, 0, 0, 0, 0, 0xcc], CLIENT, INSIDE_CARD);
        let server = Peer::new([2, 0, 0, 0, 0, 0x55], SERVER, OUTSIDE_CARD);
        let nat = NatBuilder::new(kernel::firewall(), client.network(), server.network())
            .kind(kind)
            .seed(seed)
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Pair {
            client,
            server,
            _nat: nat,
        }
    }

    /// The outside port that the server sees when the client sends to one of its ports.
    fn outside_port(&self, to: u16) -> u16 {
        let payload = format!("to {to}").into_bytes();
        self.client
            .send(&self.client.to(SERVER).udp(40_000, to, &payload));
        let seen = self
            .server
            .expect("the client's datagram", |frame| carries(frame, &payload));
        assert_eq!(seen.source(), Some(OUTSIDE));
        match seen.inner() {
            Some(Inner::Udp { source, .. }) => *source,
            _ => unreachable!("it is UDP"),
        }
    }

    /// Whether what the server sends from one of its ports to an outside port arrives.
    fn comes_in(&self, from: u16, port: u16, known: u16) -> bool {
        let way = self.server.to(OUTSIDE);
        // The NAT asks for the client's card first: what waits for that can be overtaken.
        self.server.send(&way.udp(known, port, b"answer"));
        self.client
            .expect("the answer", |frame| carries(frame, b"answer"));
        self.server.send(&way.udp(from, port, b"knock"));
        // An answer that always passes comes after it: a card's frames are handled in order.
        self.server.send(&way.udp(known, port, b"marker"));
        self.client
            .expect("the marker", |frame| carries(frame, b"marker"));
        !self
            .client
            .seen(|frame| carries(frame, b"knock"))
            .is_empty()
    }
}

fn carries(frame: &Frame, wanted: &[u8]) -> bool {
    matches!(frame.inner(), Some(Inner::Udp { payload, .. }) if payload == wanted)
}

#[test]
fn each_kind_maps_and_filters_as_it_is_called() {
    for (kind, same_port, another_port_comes_in) in [
        (NatKind::FULL_CONE, true, true),
        (NatKind::RESTRICTED_CONE, true, true),
        (NatKind::PORT_RESTRICTED_CONE, true, false),
        (NatKind::SYMMETRIC, false, false),
        (NatKind::LINUX, true, false),
    ] {
        let pair = Pair::behind(kind, 1);
        let first = pair.outside_port(53);
        assert_eq!(first, 40_000, "{kind:?}");
        assert_eq!(pair.outside_port(54) == first, same_port, "{kind:?}");
        let found = pair.comes_in(55, first, 53);
        assert_eq!(found, another_port_comes_in, "{kind:?}");
    }
}

#[test]
fn the_seed_decides_the_random_ports() {
    let mut kind = NatKind::SYMMETRIC;
    kind.behavior.port_preservation = false;
    let ports = |seed| {
        let pair = Pair::behind(kind, seed);
        [53, 54, 55, 56].map(|to| pair.outside_port(to))
    };
    let first = ports(7);
    assert!(!first.contains(&40_000), "{first:?}");
    assert_eq!(ports(7), first);
    assert_ne!(ports(8), first);
}

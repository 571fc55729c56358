//! DHCP clients' messages, and time, to the server of one zone.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use ipnet::Ipv4Net;
use sekisho_config::Config;
use sekisho_config::model::Addressing;
use sekisho_engine::Instant;
use sekisho_services::datagram::{self, LONGEST, Route, Trust};
use sekisho_services::server::{Outcome, Server};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 100);
const LAST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 103);
const RESERVED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 50);
/// The lease time in microseconds.
const LEASE_US: u64 = 3600 * 1_000_000;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = r#"version = 1
[zone.inside]
card = "52:54:00:00:00:01"
address = "10.9.0.1/24"
[zone.inside.dhcp]
range = "10.9.0.100-10.9.0.103"
lease = "1h"
dns = ["192.0.2.53"]
domain = "example.org"
reservations = [{ mac = "02:00:00:00:00:07", address = "10.9.0.50" }]
"#;
    sekisho_config::parse(text.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
});

/// What a client says.
#[derive(Arbitrary, Debug)]
struct Says {
    client: u8,
    kind: u8,
    /// Chooses the addresses that it names: 0 none, then those around the range.
    current: u8,
    requested: u8,
    server: u8,
    flags: u8,
    /// More options as they are.
    options: Vec<u8>,
    /// Time that passes before it, in units of 4 minutes.
    after: u8,
    /// Bytes of the message that are changed.
    change: Option<(u16, u8)>,
}

/// A sequence of [`Says`].
pub fn run(data: &[u8]) {
    let zone = &CONFIG.zones[0];
    let (Addressing::Static { address, .. }, Some(dhcp)) = (zone.address, &zone.dhcp) else {
        return;
    };
    let mut server = Server::new(dhcp, address, [0x52, 0x54, 0, 0, 0, 1], 1500, 7);
    let mut source = Unstructured::new(data);
    let mut now_us = 0;
    let mut leased: HashMap<Ipv4Addr, ([u8; 6], u64)> = HashMap::new();
    for _ in 0..100 {
        let Ok(says) = Says::arbitrary(&mut source) else {
            break;
        };
        now_us += u64::from(says.after & 31) * 240 * 1_000_000;
        let message = message(&says);
        let mut frame = [0; LONGEST];
        let route = route(&says);
        let now = Instant::from_micros(now_us);
        let (len, outcome) = server.receive((&route, &message), &[], now, &mut frame);
        if let Some(len) = len {
            answered(&frame[..len], address);
        }
        if let Some(Outcome::Leased(mac, address)) = outcome {
            let holder = leased.insert(address, (mac, now_us + LEASE_US));
            let is_free = says.change.is_some() || !says.options.is_empty();
            // Who changes its identifier is another client, and who releases gives its address back.
            let taken = holder.filter(|(other, until)| *other != mac && *until > now_us);
            assert!(
                taken.is_none() || is_free,
                "{address} of {taken:?} leased to {mac:?}"
            );
            let given = (FIRST..=LAST).contains(&address) || address == RESERVED;
            assert!(given, "{address} is not the server's to give");
        }
        let releases = [4, 7].contains(&(says.kind % 10));
        if releases || says.change.is_some() || !says.options.is_empty() {
            leased.clear();
        }
        if source.is_empty() {
            break;
        }
    }
}

/// What leaves is a datagram of the server's, in the usual size.
fn answered(frame: &[u8], own: Ipv4Net) {
    let (route, payload) =
        datagram::read(frame, Trust::Verify).expect("an answer that can be read");
    assert_eq!((route.addresses.0, route.ports), (own.addr(), (67, 68)));
    assert!(payload.len() >= 240 && frame.len() <= 14 + 1500);
    assert_eq!(
        (payload[0], &payload[236..240]),
        (2, &[99, 130, 83, 99][..])
    );
}

fn named(choice: u8) -> Ipv4Addr {
    match choice % 12 {
        0 => Ipv4Addr::UNSPECIFIED,
        1..=6 => Ipv4Addr::new(10, 9, 0, 98 + choice % 12),
        7 => RESERVED,
        8 => OWN,
        9 => Ipv4Addr::BROADCAST,
        10 => Ipv4Addr::new(10, 8, 0, 100),
        _ => Ipv4Addr::new(10, 9, 0, 255),
    }
}

fn route(says: &Says) -> Route {
    let mac = [2, 0, 0, 0, 0, says.client & 15];
    Route {
        macs: (mac, [0xff; 6]),
        addresses: (named(says.current), Ipv4Addr::BROADCAST),
        ports: (68, if says.flags & 1 == 1 { 1067 } else { 67 }),
    }
}

fn message(says: &Says) -> Vec<u8> {
    let mut bytes = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0];
    bytes.extend([says.flags & 0x80, 0]);
    bytes.extend(named(says.current).octets());
    bytes.extend([0; 8]);
    let relay = if says.flags & 2 == 2 {
        [10, 9, 0, 9]
    } else {
        [0; 4]
    };
    bytes.extend(relay);
    bytes.extend([2, 0, 0, 0, 0, says.client & 15]);
    bytes.resize(236, 0);
    bytes.extend([99, 130, 83, 99, 53, 1, says.kind % 10]);
    for (code, choice) in [(50, says.requested), (54, says.server)] {
        if choice % 12 != 0 {
            bytes.extend([code, 4]);
            bytes.extend(named(choice).octets());
        }
    }
    bytes.extend(&says.options);
    bytes.push(255);
    if let Some((at, to)) = says.change {
        let at = usize::from(at) % bytes.len();
        bytes[at] = to;
    }
    bytes
}

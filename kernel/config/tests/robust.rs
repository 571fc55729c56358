//! No bytes make the reader panic, and whatever it accepts keeps its promises.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use sekisho_config::model::{Addressing, Config, Service};
use sekisho_config::{TEMPLATE, parse};

const EXAMPLES: [&str; 6] = [
    TEMPLATE,
    include_str!("../../../examples/bridge.toml"),
    include_str!("../../../examples/dmz.toml"),
    include_str!("../../../examples/host-only.toml"),
    include_str!("../../../examples/lab.toml"),
    include_str!("../../../examples/nat.toml"),
];

/// Pieces that a mutation puts in: most of what has a meaning somewhere.
const PIECES: [&str; 40] = [
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "#",
    "\n",
    "\r\n",
    "\\",
    "@",
    "-",
    "0",
    "65536",
    "1",
    "-1",
    "1.5",
    "true",
    "dhcp",
    "self",
    "any",
    "wan",
    "dmz",
    "[zone.x]\n",
    "rule",
    "@private",
    "tcp/1-65535",
    "udp/0",
    "0.0.0.0/0",
    "::/0",
    "255.255.255.255",
    "9999d",
    "\u{feff}",
    "\u{e4}",
];

/// What the engine and the services rely on without looking.
fn keeps_its_promises(config: &Config) {
    let zones = config.zones.len();
    assert!((1..=8).contains(&zones));
    for zone in &config.zones {
        if let (Addressing::Static { address, gateway }, dhcp) = (&zone.address, &zone.dhcp) {
            assert!(
                gateway
                    .is_none_or(|gateway| address.contains(&gateway) && gateway != address.addr())
            );
            if let Some(dhcp) = dhcp {
                assert!(dhcp.first <= dhcp.last);
                assert!(address.contains(&dhcp.first) && address.contains(&dhcp.last));
                assert!(!(dhcp.first..=dhcp.last).contains(&address.addr()));
            }
        } else {
            assert!(zone.dhcp.is_none());
        }
    }
    for forward in &config.forwards {
        assert!(forward.from.index() < zones && !forward.servers.is_empty());
        for server in &forward.servers {
            assert!(forward.from != server.zone && server.zone.index() < zones);
        }
        assert!(!forward.service.is_empty());
        for service in &forward.service {
            let (Service::Tcp(ports) | Service::Udp(ports)) = service else {
                panic!("a forward of {service:?}");
            };
            assert!(ports.first > 0 && ports.first <= ports.last);
            for server in &forward.servers {
                let highest = u32::from(server.port.unwrap_or(0)) + ports.count() - 1;
                assert!(highest <= 65_535);
            }
        }
    }
    for direction in &config.nat.masquerade {
        assert!(direction.from != direction.to);
    }
    for entry in &config.nat.one_to_one {
        assert!(entry.from != entry.to && entry.from.index() < zones && entry.to.index() < zones);
        assert_eq!(entry.inside.prefix_len(), entry.outside.prefix_len());
    }
}

fn read(bytes: &[u8]) {
    match parse(bytes) {
        Ok(config) => keeps_its_promises(&config),
        Err(report) => {
            assert!(report.errors() > 0);
            assert!(!report.to_string().is_empty());
        }
    }
}

#[test]
fn every_beginning_of_every_example_is_read_without_panic() {
    for example in EXAMPLES {
        for end in 0..=example.len() {
            read(&example.as_bytes()[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        read(&bytes);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "version = 1\n\\PC{0,200}") {
        read(text.as_bytes());
    }

    #[test]
    fn a_changed_example_is_read_without_panic(
        example in proptest::sample::select(&EXAMPLES[..]),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0_usize..40, 0_usize..4), 1..6),
    ) {
        let mut bytes = example.as_bytes().to_vec();
        for (place, piece, removed) in changes {
            let start = place.index(bytes.len());
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, PIECES[piece].bytes());
        }
        read(&bytes);
    }

    #[test]
    fn zones_with_any_addresses_keep_the_promises(
        own in any::<u32>(), length in 0_u8..=33, other in any::<u32>(), span in 0_u32..300, port in any::<u16>(),
    ) {
        let own = Ipv4Addr::from(own);
        // Near the own address as often as far from it.
        let near = Ipv4Addr::from(u32::from(own).wrapping_add(span));
        for server in [IpAddr::V4(near), IpAddr::V4(Ipv4Addr::from(other))] {
            let text = format!(
                "version = 1\n\
                 forward = [{{ from = \"wan\", service = \"tcp/1-{port}\", to = \"{server}:{span}\" }}]\n\
                 [zone.wan]\nslot = 0\naddress = \"192.0.2.1/24\"\ngateway = \"{server}\"\n\
                 [zone.dmz]\nslot = 1\naddress = \"{own}/{length}\"\ndhcp = {{ range = \"{own}-{near}\" }}\n\
                 [zone.lan]\nslot = 2\naddress = \"{near}/{length}\"\ndhcp = {{ range = \"{server}-{near}\" }}\n"
            );
            read(text.as_bytes());
            read(text.replace(&format!("gateway = \"{server}\"\n"), "").as_bytes());
        }
    }
}

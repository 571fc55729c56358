//! The files that people start from: each is accepted without a warning and
//! means what its comment says.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_config::model::{
    Action, Addressing, Answer, Balance, Card, DnsOption, Forward, Masquerade, Place, PortRange,
    Preset, RouterOption, Server, Service, Zone, ZoneId,
};
use sekisho_config::{Config, TEMPLATE, check};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn example(name: &str) -> Config {
    let text = std::fs::read(folder().join(name)).expect("the example is there");
    accepted(&text)
}

fn accepted(text: &[u8]) -> Config {
    let checked = check(text).unwrap_or_else(|report| panic!("{report}"));
    let warnings: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
    checked.config
}

fn id(index: usize) -> ZoneId {
    ZoneId::new(index).expect("the index is small")
}

fn tcp(port: u16) -> Service {
    Service::Tcp(PortRange {
        first: port,
        last: port,
    })
}

fn udp(port: u16) -> Service {
    Service::Udp(PortRange {
        first: port,
        last: port,
    })
}

#[test]
fn every_example_is_accepted_without_a_warning() {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder()).expect("the examples are there") {
        let name = entry.expect("the folder can be read").file_name();
        let name = name.to_string_lossy().into_owned();
        example(&name);
        seen.push(name);
    }
    seen.sort();
    let expected = [
        "bridge.toml",
        "dmz.toml",
        "host-only.toml",
        "lab.toml",
        "nat.toml",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_starting_file_is_accepted_without_a_warning() {
    let config = accepted(TEMPLATE.as_bytes());
    assert_eq!(config.zones.len(), 2);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let windows = format!("\u{feff}{}", TEMPLATE.replace('\n', "\r\n"));
    assert_eq!(accepted(windows.as_bytes()), accepted(TEMPLATE.as_bytes()));
}

#[test]
fn dmz_keeps_the_server_from_private_networks() {
    let config = example("dmz.toml");
    let [dns, no_lan, out] = config.rules.as_slice() else {
        panic!("three rules expected: {:?}", config.rules);
    };
    assert_eq!(
        (dns.action, &dns.service),
        (Action::Accept, &vec![udp(53), tcp(53)])
    );
    assert_eq!((no_lan.action, out.action), (Action::Drop, Action::Accept));
    assert_eq!(no_lan.from, [Place::Zone(id(1))]);
    let host = Ipv4Addr::new(10, 0, 2, 2);
    assert!(
        no_lan
            .dst
            .iter()
            .any(|net| net.contains(&std::net::IpAddr::V4(host)))
    );
    assert_eq!(
        config.forwards,
        [Forward {
            name: "www".into(),
            from: id(0),
            service: vec![tcp(80)],
            servers: vec![Server {
                address: Ipv4Addr::new(10, 99, 0, 2),
                zone: id(1),
                port: None,
            }],
            balance: Balance::RoundRobin,
            sources: vec![],
            log: false,
        }]
    );
    let dhcp = config.zones[1].dhcp.as_ref().expect("the DMZ has DHCP");
    assert_eq!(
        (dhcp.router, &dhcp.dns),
        (RouterOption::Own, &DnsOption::Upstream)
    );
    assert_eq!(config.zones[0].answer, Answer::default());
}

#[test]
fn nat_masquerades_and_forwards_a_changed_port() {
    let config = example("nat.toml");
    let inside_out = Masquerade {
        from: id(1),
        to: id(0),
        address: None,
        behavior: Preset::Rfc.behavior(),
    };
    assert_eq!(config.nat.masquerade, [inside_out]);
    assert_eq!(config.forwards[0].servers[0].port, Some(22));
    let dhcp = config.zones[1].dhcp.as_ref().expect("guests have DHCP");
    assert_eq!(dhcp.lease, Duration::from_secs(7200));
    assert_eq!(dhcp.reservations.len(), 1);
}

#[test]
fn host_only_has_no_way_out() {
    let config = example("host-only.toml");
    assert_eq!(config.zones.len(), 1);
    assert!(config.rules.is_empty() && config.forwards.is_empty());
    let dhcp = config.zones[0].dhcp.as_ref().expect("the zone has DHCP");
    assert_eq!(dhcp.router, RouterOption::None);
    assert_eq!(dhcp.dns, DnsOption::Fixed(vec![]));
}

#[test]
fn bridge_routes_without_translation() {
    let config = example("bridge.toml");
    assert_eq!(config.zones[0].address, Addressing::Dhcp);
    assert!(config.nat.masquerade.is_empty());
    assert_eq!(config.rules[2].service, [Service::Icmp(Some(8))]);
}

#[test]
fn lab_forwards_the_generators_ports() {
    let config = example("lab.toml");
    let cards: Vec<_> = config.zones.iter().map(|zone: &Zone| zone.card).collect();
    let card = |last| Card::Mac([0x52, 0x54, 0, 0, 0, last]);
    assert_eq!(cards, [card(1), card(2)]);
    let expected = [
        tcp(80),
        tcp(5201),
        tcp(7000),
        udp(5201),
        udp(7001),
        udp(7002),
    ];
    assert_eq!(config.forwards[0].service, expected);
}

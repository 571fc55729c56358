//! Kinds of NAT, from the words of the configuration to the frames: mapping, filtering, ports, hairpins, times.

use std::time::Duration;

use sekisho_engine::DropReason;

use crate::support::ip::{ping, syn, udp};
use crate::support::setup::three_zones;
use crate::support::world::{World, dmz, lan, wan};

const RULES: &str = r#"rule = [
    { name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" },
]"#;
const MASQUERADE: &str =
    r#"masquerade = [{ from = "dmz", to = "wan" }, { from = "lan", to = "wan" }]"#;
const KINDS: [&str; 3] = [
    "endpoint-independent",
    "address-dependent",
    "address-and-port-dependent",
];

fn world(top: &str, nat: &str) -> World {
    World::new(&three_zones(
        &format!("{RULES}\n{top}"),
        &format!("[nat]\n{nat}\n"),
    ))
}

fn with(lines: &str) -> World {
    world("", &format!("{MASQUERADE}\n{lines}"))
}

/// The outside port that a datagram leaves by.
fn port(world: &mut World, from: &str, to: &str) -> u16 {
    world.pass(dmz(), &udp(from, to, b"?")).packet.from().port()
}

/// Whether a datagram to an outside port comes in, and then to the host that it belongs to.
fn comes_in(world: &mut World, from: &str, port: u16) -> bool {
    let packet = udp(from, &format!("203.0.113.1:{port}"), b"!");
    let sent = world.send(wan(), &packet);
    let forwarded = sent.iter().any(|sent| sent.zone == dmz());
    assert_eq!(forwarded, !sent.is_empty(), "nobody is told");
    forwarded
}

#[test]
fn rfc4787_s4_1_every_mapping_goes_with_every_filtering() {
    for mapping in KINDS {
        for filtering in KINDS {
            let kind = format!("mapping = \"{mapping}\"\nfiltering = \"{filtering}\"");
            let mut world = with(&kind);
            let ports = ["192.0.2.9:53", "192.0.2.9:54", "192.0.2.10:53"]
                .map(|peer| port(&mut world, "10.99.0.2:40000", peer));
            let shared = (ports[0] == ports[1], ports[0] == ports[2]);
            let expected = match mapping {
                "endpoint-independent" => (true, true),
                "address-dependent" => (true, false),
                _ => (false, false),
            };
            assert_eq!(shared, expected, "{kind}");
            assert_eq!(ports[0], 40_000, "{kind}: kept while it is free");

            let mut world = with(&kind);
            let outside = port(&mut world, "10.99.0.2:40000", "192.0.2.9:53");
            let found =
                ["192.0.2.9:99", "192.0.2.66:53"].map(|from| comes_in(&mut world, from, outside));
            let expected = match filtering {
                "endpoint-independent" => [true, true],
                "address-dependent" => [true, false],
                _ => [false, false],
            };
            assert_eq!(found, expected, "{kind}");
            assert!(comes_in(&mut world, "192.0.2.9:53", outside), "{kind}");
        }
    }
}

#[test]
fn an_answer_to_who_came_in_by_a_mapping_leaves_by_the_same_port() {
    let mut world =
        with("mapping = \"address-and-port-dependent\"\nfiltering = \"endpoint-independent\"");
    let outside = port(&mut world, "10.99.0.2:40000", "192.0.2.9:53");
    assert!(comes_in(&mut world, "192.0.2.66:7", outside));
    assert_eq!(port(&mut world, "10.99.0.2:40000", "192.0.2.66:7"), outside);
    assert_ne!(port(&mut world, "10.99.0.2:40000", "192.0.2.66:8"), outside);
}

#[test]
fn rfc6056_without_preservation_no_flow_shows_its_inside_port() {
    let mut world = with("port_preservation = false");
    let ports: Vec<u16> = (0..8)
        .map(|i| {
            port(
                &mut world,
                &format!("10.99.0.2:{}", 40_000 + i),
                "192.0.2.9:53",
            )
        })
        .collect();
    assert!(
        ports
            .iter()
            .zip(40_000..)
            .all(|(port, inside)| *port != inside && *port >= 1024),
        "{ports:?}"
    );
    let low = port(&mut world, "10.99.0.2:500", "192.0.2.9:500");
    assert!((1..1024).contains(&low), "RFC 4787 REQ-3a: {low}");
}

#[test]
fn rfc4787_req4_parity_is_kept_where_it_is_asked_for() {
    let mut world = with("port_parity = true\nport_preservation = false");
    for inside in 40_000..40_020u16 {
        let outside = port(&mut world, &format!("10.99.0.2:{inside}"), "192.0.2.9:53");
        assert_eq!(outside % 2, inside % 2);
    }
}

#[test]
fn each_masquerade_entry_has_its_own_kind() {
    let mut world = world(
        r#"forward = [{ name = "x", from = "wan", service = "udp/5000", to = "10.99.0.9" }]"#,
        r#"masquerade = [
            { from = "dmz", to = "wan", mapping = "address-and-port-dependent", hairpin = false },
            { from = "lan", to = "wan", filtering = "endpoint-independent" },
        ]"#,
    );
    let first = port(&mut world, "10.99.0.2:40000", "192.0.2.9:53");
    assert_ne!(port(&mut world, "10.99.0.2:40000", "192.0.2.10:53"), first);
    assert_eq!(
        world.refuse(
            wan(),
            &udp("192.0.2.66:1", &format!("203.0.113.1:{first}"), b"")
        ),
        DropReason::NatFiltered
    );
    for peer in ["192.0.2.9:53", "192.0.2.10:53"] {
        let sent = world.pass(lan(), &udp("10.98.0.2:6000", peer, b""));
        assert_eq!(sent.packet.from().port(), 6000);
    }
    let stranger = udp("192.0.2.66:1", "203.0.113.1:6000", b"");
    assert_eq!(world.pass(wan(), &stranger).zone, lan());
    // Hairpins: of the sender's zone.
    let to_forward = |from| udp(from, "203.0.113.1:5000", b"");
    assert_eq!(
        world.refuse(dmz(), &to_forward("10.99.0.2:1")),
        DropReason::HairpinOff
    );
    assert_eq!(world.pass(lan(), &to_forward("10.98.0.2:1")).zone, dmz());
}

#[test]
fn the_linux_preset_keeps_the_port_for_every_peer_and_shares_it_with_other_hosts() {
    let mut world = with("preset = \"linux\"");
    assert_eq!(port(&mut world, "10.99.0.2:40000", "192.0.2.9:53"), 40_000);
    assert_eq!(port(&mut world, "10.99.0.2:40000", "192.0.2.10:53"), 40_000);
    assert_eq!(port(&mut world, "10.99.0.3:40000", "192.0.2.9:54"), 40_000);
    let taken = port(&mut world, "10.99.0.3:40000", "192.0.2.9:53");
    assert_ne!(taken, 40_000);
    // Answers go where their peer says.
    for (from, outside, inside) in [
        ("192.0.2.9:53", 40_000, "10.99.0.2:40000"),
        ("192.0.2.9:54", 40_000, "10.99.0.3:40000"),
        ("192.0.2.9:53", taken, "10.99.0.3:40000"),
    ] {
        let answer = udp(from, &format!("203.0.113.1:{outside}"), b"!");
        let sent = world.pass(wan(), &answer);
        assert_eq!(sent.packet, udp(from, inside, b"!").hop());
    }
    assert!(!comes_in(&mut world, "192.0.2.9:55", 40_000));
    // An identifier is shared like a port.
    for host in ["10.99.0.2", "10.99.0.3"] {
        let peer = if host == "10.99.0.2" {
            "192.0.2.9"
        } else {
            "192.0.2.10"
        };
        let sent = world.pass(dmz(), &ping(host, peer, 7)).packet;
        assert_eq!(sent, ping("203.0.113.1", peer, 7).hop());
    }
    let tcp = world.pass(dmz(), &syn("10.99.0.2:40000", "192.0.2.9:80"));
    assert_eq!(tcp.packet.from().port(), 40_000);
    assert_eq!(world.engine.conntrack().leases(), 0);
}

#[test]
fn the_linux_preset_has_netfilters_times_for_udp() {
    let mut world = with("preset = \"linux\"");
    let out = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    world.pass(dmz(), &out);
    world.pass_time(Duration::from_secs(34));
    assert!(
        !comes_in(&mut world, "192.0.2.9:53", 40_000),
        "30 s without an answer"
    );
    world.pass(dmz(), &out);
    assert!(comes_in(&mut world, "192.0.2.9:53", 40_000));
    world.pass_time(Duration::from_secs(110));
    assert!(
        comes_in(&mut world, "192.0.2.9:53", 40_000),
        "120 s with one"
    );
    world.pass_time(Duration::from_secs(20));
    assert!(!comes_in(&mut world, "192.0.2.9:53", 40_000));
}

#[test]
fn a_random_word_is_used_once_and_only_for_a_new_port() {
    let mut world = with("port_preservation = false");
    let out = udp("10.99.0.2:40000", "192.0.2.9:53", b"?");
    world.pass(dmz(), &out);
    let drawn = world.engine.drawn();
    world.pass(dmz(), &out);
    comes_in(&mut world, "192.0.2.66:53", 40_000);
    assert_eq!(world.engine.drawn(), drawn, "no port was needed");
    world.pass(dmz(), &udp("10.99.0.2:40001", "192.0.2.9:53", b"?"));
    assert_eq!(world.engine.drawn(), drawn + 1);
}

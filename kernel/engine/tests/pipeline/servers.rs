//! Forwards to several servers.

use std::collections::BTreeSet;

use sekisho_engine::DropReason;

use crate::support::ip::{syn, tcp, udp};
use crate::support::setup::{masquerading, three_zones};
use crate::support::world::{World, dmz, wan};

const OUTSIDE: &str = "203.0.113.1";

fn world(forward: &str) -> World {
    let top = format!("forward = [{{ name = \"www\", from = \"wan\", {forward} }}]");
    World::new(&three_zones(&top, ""))
}

/// Who gets a connection from this client.
fn server(world: &mut World, client: &str, port: u16) -> String {
    let sent = world.pass(wan(), &syn(client, &format!("{OUTSIDE}:{port}")));
    assert_eq!(sent.zone, dmz());
    sent.packet.to().to_string()
}

#[test]
fn several_servers_get_flows_in_turn_and_a_flow_stays_where_it_began() {
    let mut world = world(
        r#"service = "tcp/80-89", to = ["10.99.0.2:8000", "10.99.0.3:8000", "10.99.0.4:8000"]"#,
    );
    let mut got = Vec::new();
    for port in 1000..1006u16 {
        let client = format!("192.0.2.9:{port}");
        let first = server(&mut world, &client, 80);
        // The same SYN again is the same flow.
        assert_eq!(server(&mut world, &client, 80), first);
        got.push(first);
    }
    let turn = ["10.99.0.2:8000", "10.99.0.3:8000", "10.99.0.4:8000"];
    assert_eq!(got, [turn, turn].concat());
    assert_eq!(server(&mut world, "192.0.2.9:2000", 85), "10.99.0.2:8005");
    assert_eq!(
        world.refuse(wan(), &syn("192.0.2.9:2000", &format!("{OUTSIDE}:90"))),
        DropReason::NotOffered
    );
}

#[test]
fn only_a_flow_takes_a_turn() {
    let mut world = world(r#"service = "tcp/80", to = ["10.99.0.2", "10.99.0.3"]"#);
    assert_eq!(server(&mut world, "192.0.2.9:1000", 80), "10.99.0.2:80");
    let out_of_nowhere = tcp("192.0.2.9:1001", &format!("{OUTSIDE}:80"), b"", |header| {
        header.ack = true;
    });
    world.refuse(wan(), &out_of_nowhere);
    assert_eq!(server(&mut world, "192.0.2.9:1002", 80), "10.99.0.3:80");
}

#[test]
fn by_source_hash_a_client_always_gets_the_same_server_and_all_servers_get_clients() {
    let mut world = world(
        r#"service = "tcp/80", to = ["10.99.0.2", "10.99.0.3", "10.99.0.4"], balance = "source-hash""#,
    );
    let mut got = BTreeSet::new();
    for last in 2..40 {
        let all: BTreeSet<String> = (0..5)
            .map(|port| server(&mut world, &format!("192.0.2.{last}:{}", 1000 + port), 80))
            .collect();
        assert_eq!(all.len(), 1, "192.0.2.{last}: {all:?}");
        got.extend(all);
    }
    assert_eq!(got.len(), 3, "{got:?}");
}

#[test]
fn dscp_and_ecn_are_kept_through_translation() {
    let mut world = masquerading();
    for dscp in 0..64 {
        for ecn in 0..4 {
            let out = udp("10.99.0.2:40000", "192.0.2.9:53", b"?").marked(dscp, ecn);
            let sent = world.pass(dmz(), &out).packet;
            assert_eq!(
                (sent.header.dscp.value(), sent.header.ecn.value()),
                (dscp, ecn)
            );
            let back = udp("192.0.2.9:53", &format!("{OUTSIDE}:40000"), b"!").marked(dscp, ecn);
            let sent = world.pass(wan(), &back).packet;
            assert_eq!(
                (sent.header.dscp.value(), sent.header.ecn.value()),
                (dscp, ecn)
            );
        }
    }
}

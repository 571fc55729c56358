//! The FTP gateway: what is announced on a control connection is told as the other side sees it, and let in once.

use std::time::Duration;

use sekisho_engine::DropReason::{self, NatFiltered, NotOffered, PolicyDefault, PolicyWithdrawn};
use sekisho_engine::ZoneId;
use sekisho_engine::counters::Ftp;

use crate::support::ip::{Ip, syn, tcp};
use crate::support::setup::{config, three_zones};
use crate::support::talk::{Client, Server, Talk};
use crate::support::world::{World, dmz, lan, wan};

const OUR: &str = "203.0.113.1";
/// A client inside, and the server that it calls.
const INSIDE: &str = "10.99.0.3:40000";
const FAR_SERVER: &str = "192.0.2.9:21";
/// A client outside, and the server inside that it calls by our address.
const OUTSIDE: &str = "192.0.2.10:41000";
const NEAR_SERVER: &str = "10.99.0.2:21";

pub fn text(nat: &str, more: &str) -> String {
    three_zones(
        r#"rule = [{ name = "control", from = "dmz", to = "wan", service = "tcp/21", action = "accept" }]
        forward = [{ name = "ftp", from = "wan", service = "tcp/21", to = "10.99.0.2" }]"#,
        &format!(
            "[nat]\nmasquerade = [{{ from = \"dmz\", to = \"wan\" }}]\n{nat}\n[alg]\nftp = true\n{more}"
        ),
    )
}

pub fn world() -> World {
    World::new(&text("", ""))
}

fn greet(world: &mut World, mut talk: Talk) -> Talk {
    assert_eq!(talk.say(world, Server, "220 ready\r\n"), "220 ready\r\n");
    assert_eq!(talk.say(world, Client, "USER x\r\n"), "USER x\r\n");
    assert_eq!(talk.say(world, Server, "230 in\r\n"), "230 in\r\n");
    talk
}

/// A client inside is logged in at a server outside.
pub fn outbound(world: &mut World) -> Talk {
    let talk = Talk::open(world, (dmz(), INSIDE), FAR_SERVER);
    greet(world, talk)
}

/// A client outside is logged in at the server inside.
pub fn inbound(world: &mut World) -> Talk {
    let talk = Talk::open(world, (wan(), OUTSIDE), &format!("{OUR}:21"));
    greet(world, talk)
}

/// The first segment of a data connection must arrive as this.
fn arrives(world: &mut World, from: ZoneId, sent: (&str, &str), as_seen: (&str, &str)) {
    let arrived = world.pass(from, &syn(sent.0, sent.1)).packet;
    let ends = (arrived.from().to_string(), arrived.to().to_string());
    assert_eq!(ends, (as_seen.0.into(), as_seen.1.into()));
    // And so does its answer.
    let zone = if from == wan() { dmz() } else { wan() };
    let answer = tcp(as_seen.1, as_seen.0, b"", |header| {
        (header.syn, header.ack, header.acknowledgment_number) = (true, true, 1001);
    });
    let back = world.pass(zone, &answer).packet;
    let ends = (back.from().to_string(), back.to().to_string());
    assert_eq!(ends, (sent.1.into(), sent.0.into()));
}

fn did(world: &World) -> [u64; 5] {
    Ftp::ALL.map(|what| world.engine.counters().ftp(what))
}

fn refused(world: &mut World, zone: ZoneId, packet: &Ip) -> DropReason {
    world.refuse(zone, packet)
}

#[test]
fn rfc5382_req6_switched_on_an_inside_clients_port_is_told_as_ours_and_lets_the_server_in_once() {
    for (line, told) in [
        ("PORT 10,99,0,3,156,80\r\n", "PORT 203,0,113,1,156,80\r\n"),
        ("port 10,99,0,3,156,80\n", "port 203,0,113,1,156,80\n"),
        (
            "EPRT |1|10.99.0.3|40016|\r\n",
            "EPRT |1|203.0.113.1|40016|\r\n",
        ),
    ] {
        let mut world = world();
        let mut talk = outbound(&mut world);
        assert_eq!(talk.say(&mut world, Client, line), told);
        assert_eq!(did(&world), [1, 0, 1, 0, 0]);
        let strangers = [
            ("192.0.2.11:20", NatFiltered),
            ("203.0.113.9:20", NatFiltered),
        ];
        for (stranger, reason) in strangers {
            let syn = syn(stranger, "203.0.113.1:40016");
            assert_eq!(refused(&mut world, wan(), &syn), reason, "{stranger}");
        }
        let elsewhere = syn("192.0.2.9:20", "203.0.113.1:40017");
        assert_eq!(refused(&mut world, wan(), &elsewhere), NotOffered);
        let (sent, seen) = (
            ("192.0.2.9:20", "203.0.113.1:40016"),
            ("192.0.2.9:20", "10.99.0.3:40016"),
        );
        arrives(&mut world, wan(), sent, seen);
        assert_eq!(did(&world), [1, 1, 1, 0, 0]);
        let second = syn("192.0.2.9:21000", "203.0.113.1:40016");
        assert_eq!(refused(&mut world, wan(), &second), NatFiltered);
        assert_eq!(talk.say(&mut world, Server, "150 here\r\n"), "150 here\r\n");
    }
}

#[test]
fn rfc5382_req6_switched_on_what_a_server_outside_announces_passes_though_no_rule_lets_it() {
    for (ask, line) in [
        (
            "PASV\r\n",
            "227 Entering Passive Mode (192,0,2,9,195,80).\r\n",
        ),
        ("EPSV\r\n", "229 Entering (|||50000|)\r\n"),
    ] {
        let mut world = world();
        let mut talk = outbound(&mut world);
        let early = syn("10.99.0.3:40001", "192.0.2.9:50000");
        assert_eq!(refused(&mut world, dmz(), &early), PolicyDefault);
        talk.say(&mut world, Client, ask);
        assert_eq!(
            talk.say(&mut world, Server, line),
            line,
            "nothing to change"
        );
        for (src, dst) in [
            ("10.99.0.4:40001", "192.0.2.9:50000"),
            ("10.99.0.3:40001", "192.0.2.9:50001"),
            ("10.99.0.3:40001", "192.0.2.10:50000"),
        ] {
            let other = syn(src, dst);
            assert_eq!(
                refused(&mut world, dmz(), &other),
                PolicyDefault,
                "{src} {dst}"
            );
        }
        let (sent, seen) = (
            ("10.99.0.3:40001", "192.0.2.9:50000"),
            ("203.0.113.1:40001", "192.0.2.9:50000"),
        );
        arrives(&mut world, dmz(), sent, seen);
        let again = syn("10.99.0.3:40002", "192.0.2.9:50000");
        assert_eq!(refused(&mut world, dmz(), &again), PolicyDefault);
        assert_eq!(did(&world), [1, 1, 0, 0, 0]);
    }
}

#[test]
fn what_a_server_inside_announces_is_told_as_ours_and_lets_its_client_in() {
    for (ask, line, told) in [
        (
            "PASV\r\n",
            "227 Entering Passive Mode (10,99,0,2,195,80).\r\n",
            "227 Entering Passive Mode (203,0,113,1,195,80).\r\n",
        ),
        // Who was set up to say our address says it.
        (
            "PASV\r\n",
            "227 Entering Passive Mode (203,0,113,1,195,80).\r\n",
            "227 Entering Passive Mode (203,0,113,1,195,80).\r\n",
        ),
        (
            "EPSV\r\n",
            "229 Entering (|||50000|)\r\n",
            "229 Entering (|||50000|)\r\n",
        ),
    ] {
        let mut world = world();
        let mut talk = inbound(&mut world);
        talk.say(&mut world, Client, ask);
        assert_eq!(talk.say(&mut world, Server, line), told);
        let stranger = syn("192.0.2.11:42000", "203.0.113.1:50000");
        assert_eq!(refused(&mut world, wan(), &stranger), NatFiltered);
        let (sent, seen) = (
            ("192.0.2.10:42000", "203.0.113.1:50000"),
            ("192.0.2.10:42000", "10.99.0.2:50000"),
        );
        arrives(&mut world, wan(), sent, seen);
        assert_eq!(talk.say(&mut world, Server, "226 done\r\n"), "226 done\r\n");
    }
}

#[test]
fn a_server_inside_connects_to_its_client_by_the_address_that_it_is_known_by() {
    for line in [
        "PORT 192,0,2,10,160,40\r\n",
        "EPRT |1|192.0.2.10|41000|\r\n",
    ] {
        let mut world = world();
        let mut talk = inbound(&mut world);
        let early = syn("10.99.0.2:20", "192.0.2.10:41000");
        assert_eq!(refused(&mut world, dmz(), &early), PolicyDefault);
        assert_eq!(talk.say(&mut world, Client, line), line);
        let client = "192.0.2.10:41000";
        arrives(
            &mut world,
            dmz(),
            ("10.99.0.2:20", client),
            ("203.0.113.1:20", client),
        );
    }
}

#[test]
fn a_port_that_is_taken_outside_is_told_as_another_one() {
    let mut world = world();
    let mut one = outbound(&mut world);
    one.say(&mut world, Client, "PORT 10,99,0,3,156,80\r\n");
    let mut two = Talk::open(&mut world, (dmz(), "10.99.0.4:40000"), FAR_SERVER);
    two = greet(&mut world, two);
    let told = two.say(&mut world, Client, "PORT 10,99,0,4,156,80\r\n");
    let numbers: Vec<u16> = told[5..]
        .trim()
        .split(',')
        .map(|n| n.parse().expect("a number"))
        .collect();
    let port = numbers[4] * 256 + numbers[5];
    assert!(port != 40_016 && port > 1023, "{told}");
    let outside = format!("203.0.113.1:{port}");
    arrives(
        &mut world,
        wan(),
        ("192.0.2.9:20", &outside),
        ("192.0.2.9:20", "10.99.0.4:40016"),
    );
    // The server inside has a taken port, too: only the port changes.
    let mut three = inbound(&mut world);
    three.say(&mut world, Client, "EPSV\r\n");
    let told = three.say(&mut world, Server, "229 (|||40016|)\r\n");
    assert!(
        told.starts_with("229 (|||") && !told.contains("40016"),
        "{told}"
    );
}

#[test]
fn attack_ftp_bounce_nobody_announces_anybody_else_and_no_ports_of_services() {
    for line in [
        "PORT 10,99,0,4,156,80\r\n",
        "PORT 192,0,2,11,156,80\r\n",
        "PORT 10,99,0,3,0,80\r\n",
        "PORT 10,99,0,3,0,0\r\n",
        "PORT 10,99,0,3,1,2,3\r\n",
        "EPRT |1|10.99.0.1|40016|\r\n",
        "EPRT |2|::1|40016|\r\n",
    ] {
        let mut world = world();
        let mut talk = outbound(&mut world);
        let (leases, flows) = (
            world.engine.conntrack().leases(),
            world.engine.conntrack().flows(),
        );
        assert_eq!(talk.say(&mut world, Client, line), line);
        assert_eq!(did(&world), [0, 0, 0, 1, 0], "{line}");
        let syn = syn("192.0.2.9:20", "203.0.113.1:40016");
        assert_eq!(refused(&mut world, wan(), &syn), NotOffered);
        let conntrack = world.engine.conntrack();
        assert_eq!((conntrack.leases(), conntrack.flows()), (leases, flows));
    }
    for line in [
        "227 Entering Passive Mode (192,0,2,10,195,80)\r\n",
        "227 Entering Passive Mode (10,99,0,2,195,80)\r\n",
        "227 Entering Passive Mode (192,0,2,9,0,80)\r\n",
        "229 (|||21|)\r\n",
    ] {
        let mut world = world();
        let mut talk = outbound(&mut world);
        talk.say(&mut world, Client, "PASV\r\n");
        assert_eq!(talk.say(&mut world, Server, line), line);
        assert_eq!(did(&world), [0, 0, 0, 1, 0], "{line}");
    }
}

#[test]
fn attack_ftp_injection_what_does_not_begin_like_ftp_is_not_read() {
    let mut world = world();
    let mut talk = Talk::open(&mut world, (dmz(), INSIDE), FAR_SERVER);
    talk.say(&mut world, Server, "220 ready\r\n");
    talk.say(&mut world, Client, "POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    let line = "PORT 10,99,0,3,156,80\r\n";
    assert_eq!(talk.say(&mut world, Client, line), line);
    assert_eq!(did(&world), [0; 5]);
    assert_eq!(world.engine.conntrack().controls().len(), 0);
}

#[test]
fn switched_off_or_at_another_port_nothing_is_read() {
    for (old, new) in [
        ("ftp = true", "ftp = false"),
        ("ftp = true", "ftp = true\nftp_service = \"tcp/2121\""),
        ("[alg]\nftp = true", ""),
    ] {
        let mut world = World::new(&text("", "").replace(old, new));
        let mut talk = outbound(&mut world);
        let line = "PORT 10,99,0,3,156,80\r\n";
        assert_eq!(talk.say(&mut world, Client, line), line);
        let syn = syn("192.0.2.9:20", "203.0.113.1:40016");
        assert_eq!(refused(&mut world, wan(), &syn), NotOffered);
        assert_eq!(did(&world), [0; 5]);
    }
}

#[test]
fn an_announcement_ends_after_a_minute_with_its_lease() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let before = world.engine.conntrack().leases();
    talk.say(&mut world, Client, "PORT 10,99,0,3,156,80\r\n");
    assert_eq!(world.engine.conntrack().leases(), before + 1);
    world.pass_time(Duration::from_secs(59));
    assert_eq!(world.engine.conntrack().controls().waiting(), 1);
    world.pass_time(Duration::from_secs(1));
    assert_eq!(world.engine.conntrack().controls().waiting(), 0);
    assert_eq!(world.engine.conntrack().leases(), before);
    let syn = syn("192.0.2.9:20", "203.0.113.1:40016");
    assert_eq!(refused(&mut world, wan(), &syn), NotOffered);
}

#[test]
fn an_announcement_ends_with_the_address_that_it_names() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    talk.say(&mut world, Client, "PORT 10,99,0,3,156,80\r\n");
    world.engine.set_address(wan(), None, None);
    let conntrack = world.engine.conntrack();
    let left = (
        conntrack.controls().len(),
        conntrack.controls().waiting(),
        conntrack.leases(),
        conntrack.mappings(),
    );
    assert_eq!(left, (0, 0, 0, 0));
}

#[test]
fn a_new_announcement_takes_the_place_of_the_one_before() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let before = world.engine.conntrack().leases();
    talk.say(&mut world, Client, "PORT 10,99,0,3,156,80\r\n");
    talk.say(&mut world, Client, "PORT 10,99,0,3,156,81\r\n");
    assert_eq!(world.engine.conntrack().leases(), before + 1);
    let old = syn("192.0.2.9:20", "203.0.113.1:40016");
    assert_eq!(refused(&mut world, wan(), &old), NotOffered);
    talk.say(&mut world, Client, "PASV\r\n");
    talk.say(&mut world, Server, "227 (192,0,2,9,195,80)\r\n");
    assert_eq!(world.engine.conntrack().leases(), before);
}

#[test]
fn with_its_control_connection_an_announcement_ends_and_a_data_connection_lives() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    talk.say(&mut world, Client, "PORT 10,99,0,3,156,80\r\n");
    let data = ("192.0.2.9:20", "203.0.113.1:40016");
    arrives(&mut world, wan(), data, ("192.0.2.9:20", "10.99.0.3:40016"));
    let ack = tcp(data.0, data.1, b"", |header| {
        header.ack = true;
        (header.sequence_number, header.acknowledgment_number) = (1001, 1);
    });
    world.pass(wan(), &ack);
    talk.say(&mut world, Client, "PORT 10,99,0,3,156,81\r\n");
    let reset = talk.built(Server, b"", |header| header.rst = true);
    world.pass(wan(), &reset);
    world.pass_time(Duration::from_secs(250));
    let conntrack = world.engine.conntrack();
    assert_eq!(conntrack.controls().len(), 0);
    assert_eq!((conntrack.flows(), conntrack.leases()), (1, 1));
    world.pass(wan(), &ack);
    let late = syn("192.0.2.9:20", "203.0.113.1:40017");
    assert_eq!(refused(&mut world, wan(), &late), NotOffered);
}

#[test]
fn new_rules_keep_data_connections_and_withdraw_what_is_announced() {
    let none = config(&text("", "").replace("tcp/21\", action", "tcp/22\", action"));
    let mut world = world();
    let mut talk = outbound(&mut world);
    talk.say(&mut world, Client, "PASV\r\n");
    talk.say(&mut world, Server, "227 (192,0,2,9,195,80)\r\n");
    let (sent, seen) = (
        ("10.99.0.3:40001", "192.0.2.9:50000"),
        ("203.0.113.1:40001", "192.0.2.9:50000"),
    );
    arrives(&mut world, dmz(), sent, seen);
    talk.say(&mut world, Client, "PASV\r\n");
    talk.say(&mut world, Server, "227 (192,0,2,9,195,81)\r\n");
    world.engine.replace_policy(&none);
    let data = tcp(sent.0, sent.1, b"data", |header| {
        (
            header.ack,
            header.sequence_number,
            header.acknowledgment_number,
        ) = (true, 1001, 1);
    });
    world.pass(dmz(), &data);
    let next = syn("10.99.0.3:40002", "192.0.2.9:50001");
    assert_eq!(refused(&mut world, dmz(), &next), PolicyWithdrawn);
    assert_eq!(refused(&mut world, dmz(), &next), PolicyDefault);
    assert_eq!(world.engine.conntrack().controls().len(), 0);
}

#[test]
fn only_a_first_segment_comes_by_an_announcement() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    talk.say(&mut world, Client, "PORT 10,99,0,3,156,80\r\n");
    let ack = tcp("192.0.2.9:20", "203.0.113.1:40016", b"", |header| {
        header.ack = true
    });
    assert_eq!(refused(&mut world, wan(), &ack), NatFiltered);
    assert_eq!(world.engine.conntrack().controls().waiting(), 1);
}

#[test]
fn a_host_with_an_address_of_its_own_is_told_by_that_and_keeps_its_ports() {
    let nat = "one_to_one = [{ inside = \"10.99.0.3\", outside = \"203.0.113.9\", to = \"wan\" }]";
    let mut world = World::new(&text(nat, ""));
    let mut talk = outbound(&mut world);
    let told = talk.say(&mut world, Client, "PORT 10,99,0,3,156,80\r\n");
    assert_eq!(told, "PORT 203,0,113,9,156,80\r\n");
    assert_eq!(world.engine.conntrack().leases(), 0);
    let (sent, seen) = (
        ("192.0.2.9:20", "203.0.113.9:40016"),
        ("192.0.2.9:20", "10.99.0.3:40016"),
    );
    arrives(&mut world, wan(), sent, seen);
    talk.say(&mut world, Client, "EPSV\r\n");
    talk.say(&mut world, Server, "229 (|||50000|)\r\n");
    let (sent, seen) = (
        ("10.99.0.3:40001", "192.0.2.9:50000"),
        ("203.0.113.9:40001", "192.0.2.9:50000"),
    );
    arrives(&mut world, dmz(), sent, seen);
}

#[test]
fn behind_every_kind_of_nat_active_and_passive_work() {
    for nat in [
        "preset = \"linux\"",
        "preset = \"linux\"\nport_overlapping = false",
        "filtering = \"endpoint-independent\"",
        "mapping = \"address-dependent\"\nport_parity = true",
        "port_preservation = false",
    ] {
        let mut world = World::new(&text(nat, ""));
        let mut talk = outbound(&mut world);
        let told = talk.say(&mut world, Client, "EPRT |1|10.99.0.3|40016|\r\n");
        let port = told.split('|').nth(3).expect("a port").to_owned();
        assert_eq!(told, format!("EPRT |1|203.0.113.1|{port}|\r\n"), "{nat}");
        let outside = format!("203.0.113.1:{port}");
        let seen = ("192.0.2.9:20", "10.99.0.3:40016");
        arrives(&mut world, wan(), ("192.0.2.9:20", &outside), seen);
        let mut talk = inbound(&mut world);
        talk.say(&mut world, Client, "EPSV\r\n");
        let told = talk.say(&mut world, Server, "229 (|||50000|)\r\n");
        let port = told.split('|').nth(3).expect("a port").to_owned();
        let outside = format!("203.0.113.1:{port}");
        let seen = ("192.0.2.10:42000", "10.99.0.2:50000");
        arrives(&mut world, wan(), ("192.0.2.10:42000", &outside), seen);
        world.pass_time(Duration::from_secs(6 * 24 * 3600));
        let conntrack = world.engine.conntrack();
        let left = (conntrack.flows(), conntrack.leases(), conntrack.mappings());
        assert_eq!(left, (0, 0, 0), "{nat}");
    }
}

#[test]
fn where_nothing_is_translated_nothing_is_changed_and_the_server_comes_through() {
    let text = three_zones(
        r#"rule = [{ name = "control", from = "lan", to = "dmz", service = "tcp/21", action = "accept" }]"#,
        "[alg]\nftp = true",
    );
    let mut world = World::new(&text);
    let talk = Talk::open(&mut world, (lan(), "10.98.0.3:40000"), NEAR_SERVER);
    let mut talk = greet(&mut world, talk);
    let line = "PORT 10,98,0,3,156,80\r\n";
    assert_eq!(talk.say(&mut world, Client, line), line);
    let data = world.pass(dmz(), &syn("10.99.0.2:20", "10.98.0.3:40016"));
    assert_eq!(
        (data.zone, data.packet.to().to_string()),
        (lan(), "10.98.0.3:40016".into())
    );
    let other = syn("10.99.0.2:20", "10.98.0.3:40017");
    assert_eq!(refused(&mut world, dmz(), &other), PolicyDefault);
}

#[test]
fn one_client_takes_no_more_than_a_quarter_of_the_table() {
    let mut world = world();
    let room = world.engine.conntrack().controls().capacity();
    for index in 0..room {
        let own = format!("10.99.0.3:{}", 41_000 + index);
        let talk = Talk::open(&mut world, (dmz(), &own), FAR_SERVER);
        greet(&mut world, talk);
    }
    assert_eq!(world.engine.conntrack().controls().len(), room / 4);
    assert_eq!(did(&world)[4] as usize, room - room / 4);
    let talk = Talk::open(&mut world, (dmz(), "10.99.0.4:40000"), FAR_SERVER);
    let mut talk = greet(&mut world, talk);
    let told = talk.say(&mut world, Client, "PORT 10,99,0,4,156,80\r\n");
    assert_eq!(told, "PORT 203,0,113,1,156,80\r\n");
}

#[test]
fn attack_ftp_injection_the_rest_of_a_line_and_unasked_replies_announce_nothing() {
    let mut world = world();
    let mut talk = inbound(&mut world);
    let line = "227 Entering Passive Mode (10,99,0,2,195,80)\r\n";
    assert_eq!(talk.say(&mut world, Server, line), line, "nobody asked");
    talk.say(&mut world, Client, "PASV\r\n");
    talk.say(&mut world, Server, "550 no such file: ");
    assert_eq!(talk.say(&mut world, Server, line), line, "of another line");
    assert_eq!(did(&world), [0, 0, 0, 1, 0]);
    let syn = syn("192.0.2.10:42000", "203.0.113.1:50000");
    assert_eq!(refused(&mut world, wan(), &syn), NotOffered);
}

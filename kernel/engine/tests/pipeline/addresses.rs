//! Outside addresses beside the zone's own: one to one for a host inside, and as the source of many.

use etherparse::IpNumber;
use sekisho_engine::DropReason;

use crate::support::ip::{Ip, arp, error, host, ping, pong, syn, tcp, udp};
use crate::support::setup::{config, three_zones};
use crate::support::world::{World, dmz, lan, mac_of, our_mac, wan};

const RULES: &str = r#"rule = [
    { name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" },
    { name = "web", from = ["wan", "lan"], to = "dmz", dst = "10.99.0.2", service = ["tcp/80", "udp/80", "proto/47"], action = "accept" },
    { name = "ping", from = "wan", to = "dmz", service = "icmp/8", action = "accept" },
]"#;
const NAT: &str = r#"[nat]
    one_to_one = [
        { inside = "10.99.0.2", outside = "203.0.113.9", to = "wan" },
        { inside = "10.99.0.16/28", outside = "198.51.100.32/28", to = "wan" },
    ]
    masquerade = [
        { from = "dmz", to = "wan" },
        { from = "lan", to = "wan", address = "203.0.113.7" },
    ]"#;

fn text(top: &str, nat: &str) -> String {
    three_zones(&format!("{RULES}\n{top}"), nat)
}

fn world() -> World {
    World::new(&text("", NAT))
}

fn syn_ack(from: &str, to: &str) -> Ip {
    tcp(from, to, b"", |header| {
        (header.syn, header.ack, header.acknowledgment_number) = (true, true, 1001);
    })
}

#[test]
fn a_host_with_an_outside_address_of_its_own_keeps_its_ports_outward() {
    let mut world = world();
    for (inside, outside) in [
        ("10.99.0.2:40000", "203.0.113.9:40000"),
        ("10.99.0.21:80", "198.51.100.37:80"),
    ] {
        let sent = world.pass(dmz(), &syn(inside, "192.0.2.9:443"));
        assert_eq!(sent.packet, syn(outside, "192.0.2.9:443").hop());
        let back = world.pass(wan(), &syn_ack("192.0.2.9:443", outside));
        assert_eq!(back.packet, syn_ack("192.0.2.9:443", inside).hop());
    }
    // Its neighbour is masqueraded like all others.
    let sent = world.pass(dmz(), &udp("10.99.0.3:40000", "192.0.2.9:53", b""));
    assert_eq!(sent.packet.src(), host("203.0.113.1"));
    assert_eq!(world.engine.conntrack().mappings(), 1);
    // Between inside zones it has its inside address.
    let across = syn("10.98.0.3:5", "10.99.0.2:80");
    assert_eq!(world.pass(lan(), &across).packet, across.hop());
}

#[test]
fn inward_the_rules_decide_and_see_the_inside_address() {
    let mut world = world();
    let client = "192.0.2.9:1000";
    let sent = world.pass(wan(), &syn(client, "203.0.113.9:80"));
    assert_eq!(
        (sent.zone, sent.packet),
        (dmz(), syn(client, "10.99.0.2:80").hop())
    );
    let back = world.pass(dmz(), &syn_ack("10.99.0.2:80", client));
    assert_eq!(back.packet, syn_ack("203.0.113.9:80", client).hop());
    for refused in [
        syn(client, "203.0.113.9:81"),
        syn(client, "198.51.100.33:80"),
    ] {
        assert_eq!(world.refuse(wan(), &refused), DropReason::PolicyDefault);
    }
    // Every protocol has both ways, with and without ports.
    let sent = world.pass(wan(), &ping("192.0.2.9", "198.51.100.34", 7));
    assert_eq!(sent.packet, ping("192.0.2.9", "10.99.0.18", 7).hop());
    let back = world.pass(dmz(), &pong("10.99.0.18", "192.0.2.9", 7));
    assert_eq!(back.packet, pong("198.51.100.34", "192.0.2.9", 7).hop());
    let gre = |src: &str, dst: &str| Ip::new(host(src), host(dst), IpNumber(47), vec![1; 24]);
    let sent = world.pass(wan(), &gre("192.0.2.9", "203.0.113.9"));
    assert_eq!(sent.packet, gre("192.0.2.9", "10.99.0.2").hop());
}

#[test]
fn a_new_policy_looks_at_flows_to_an_address_of_a_hosts_own() {
    let mut world = world();
    let query = udp("192.0.2.9:1000", "203.0.113.9:80", b"?");
    world.pass(wan(), &query);
    let stricter = text("", NAT).replace(
        "\"web\", from = [\"wan\", \"lan\"]",
        "\"web\", from = \"lan\"",
    );
    world.engine.replace_policy(&config(&stricter));
    assert_eq!(world.refuse(wan(), &query), DropReason::PolicyWithdrawn);
}

#[test]
fn errors_about_a_translated_flow_show_outside_addresses_only() {
    let mut world = world();
    world.pass(wan(), &udp("192.0.2.9:1000", "203.0.113.9:80", b"?"));
    let inside = udp("192.0.2.9:1000", "10.99.0.2:80", b"?").hop();
    let sent = world.pass(dmz(), &error("10.99.0.2", "192.0.2.9", [3, 3], &inside, 64));
    assert_eq!(sent.packet.src(), host("203.0.113.9"));
}

#[test]
fn rfc4787_req9_a_hairpin_to_and_from_an_address_of_a_hosts_own() {
    let mut world = world();
    // Within the zone: no rule is about it, as none could be.
    let sent = world.pass(dmz(), &syn("10.99.0.17:3000", "203.0.113.9:8080"));
    assert_eq!(sent.zone, dmz());
    assert_eq!(
        sent.packet,
        syn("198.51.100.33:3000", "10.99.0.2:8080").hop()
    );
    let back = world.pass(dmz(), &syn_ack("10.99.0.2:8080", "198.51.100.33:3000"));
    assert_eq!(
        back.packet,
        syn_ack("203.0.113.9:8080", "10.99.0.17:3000").hop()
    );
    // From another zone: rules decide, and the source is what that zone shows outside.
    let sent = world.pass(lan(), &syn("10.98.0.3:3000", "203.0.113.9:80"));
    assert_eq!(sent.packet, syn("203.0.113.7:3000", "10.99.0.2:80").hop());
    let refused = syn("10.98.0.3:3000", "203.0.113.9:81");
    assert_eq!(world.refuse(lan(), &refused), DropReason::PolicyDefault);

    let mut off = World::new(&text("", &format!("{NAT}\nhairpin = false")));
    let hairpin = syn("10.99.0.17:3000", "203.0.113.9:80");
    assert_eq!(off.refuse(dmz(), &hairpin), DropReason::HairpinOff);
}

#[test]
fn sources_become_a_given_address_whose_ports_are_its_own() {
    let forward =
        r#"forward = [{ name = "dns", from = "wan", service = "udp/53", to = "10.99.0.5" }]"#;
    let mut world = World::new(&text(forward, NAT));
    world.pass(dmz(), &udp("10.99.0.3:40000", "192.0.2.9:53", b""));
    let sent = world.pass(lan(), &udp("10.98.0.3:40000", "192.0.2.9:53", b"?"));
    assert_eq!(
        sent.packet,
        udp("203.0.113.7:40000", "192.0.2.9:53", b"?").hop(),
        "another address, the same port"
    );
    let back = world.pass(wan(), &udp("192.0.2.9:53", "203.0.113.7:40000", b"!"));
    assert_eq!(
        back.packet,
        udp("192.0.2.9:53", "10.98.0.3:40000", b"!").hop()
    );
    let stranger = udp("192.0.2.66:53", "203.0.113.7:40000", b"!");
    assert_eq!(world.refuse(wan(), &stranger), DropReason::NatFiltered);
    assert_eq!(world.engine.conntrack().leases(), 2);
    // A forward is at the zone's own address; there its port is free.
    let to_other = udp("192.0.2.9:7", "203.0.113.7:53", b"");
    assert_eq!(world.refuse(wan(), &to_other), DropReason::NotOffered);
    let sent = world.pass(lan(), &udp("10.98.0.3:53", "192.0.2.9:53", b""));
    assert_eq!(sent.packet.from().to_string(), "203.0.113.7:53");
    world.pass_time(std::time::Duration::from_secs(400));
    assert_eq!(world.engine.conntrack().leases(), 0);
}

#[test]
fn arp_is_answered_for_held_addresses_of_the_segment_and_for_no_others() {
    let mut world = world();
    let ask = |world: &mut World, who: &str, about: &str| {
        let question = arp(
            1,
            (mac_of(wan(), host(who)), host(who)),
            ([0; 6], host(about)),
        );
        world.questions.clear();
        world.send_frame(wan(), &question);
        let answers = world
            .questions
            .drain(..)
            .filter(|(_, bytes)| bytes[20..22] == [0, 2]);
        answers.map(|(_, bytes)| bytes).collect::<Vec<_>>()
    };
    for about in ["203.0.113.1", "203.0.113.9", "203.0.113.7"] {
        let answers = ask(&mut world, "203.0.113.254", about);
        assert_eq!(answers.len(), 1, "{about}");
        assert_eq!(answers[0][22..28], our_mac(wan()));
        assert_eq!(answers[0][28..32], host(about).octets());
    }
    for about in ["203.0.113.10", "198.51.100.33", "10.99.0.2"] {
        assert_eq!(
            ask(&mut world, "203.0.113.254", about),
            Vec::<Vec<u8>>::new(),
            "{about}"
        );
    }
    // Somebody else who claims such an address is not believed.
    let claim = arp(
        2,
        ([2, 9, 9, 9, 9, 9], host("203.0.113.9")),
        (our_mac(wan()), host("203.0.113.1")),
    );
    assert_eq!(world.refuse_frame(wan(), &claim), DropReason::ArpConflict);
}

#[test]
fn a_held_address_is_no_source_from_outside() {
    let mut world = world();
    for src in ["203.0.113.9:1", "198.51.100.40:1", "203.0.113.7:1"] {
        let spoofed = syn(src, "203.0.113.1:80");
        assert_eq!(
            world.refuse(wan(), &spoofed),
            DropReason::OwnSource,
            "{src}"
        );
    }
}

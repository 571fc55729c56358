//! RFC 1812, 2644, 6890: what is asked of a router, as far as no other module shows it.

use sekisho_engine::DropReason;

use crate::support::ip::{host, kind_of, ping, udp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{World, dmz, lan, wan};

#[test]
fn rfc1812_s4_3_2_3_an_error_quotes_as_much_as_576_bytes_hold() {
    for (len, quoted) in [(1, 29), (520, 548), (521, 548), (1400, 548)] {
        let packet = udp("10.99.0.2:5000", "10.98.0.3:53", &vec![7; len]).ttl(1);
        let (_, report) = routing().told(dmz(), &packet);
        assert_eq!(report.body.len(), 8 + quoted);
        assert_eq!(report.body[8..], packet.bytes()[..quoted]);
        assert!(report.header.total_len <= 576);
    }
}

#[test]
fn rfc1812_s4_3_2_4_an_error_comes_from_the_interface_that_it_leaves_by() {
    let answering = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "")
        .replace(".254\"", ".254\"\nanswer = [\"errors\"]");
    for (zone, src, own) in [
        (wan(), "192.0.2.9:5", "203.0.113.1"),
        (dmz(), "10.99.0.2:5", "10.99.0.1"),
        (lan(), "10.98.0.2:5", "10.98.0.1"),
    ] {
        let dst = if zone == dmz() {
            "10.98.0.3:5"
        } else {
            "10.99.0.3:5"
        };
        let packet = udp(src, dst, b"").ttl(1);
        let (_, report) = World::new(&answering).told(zone, &packet);
        assert_eq!((report.src(), report.dst()), (host(own), packet.src()));
    }
}

#[test]
fn rfc1812_s4_3_2_7_nobody_is_told_about_what_has_no_answerable_sender() {
    let mut world = routing();
    // Used up, so that an error is due; but to or from whom none may be.
    let cases = [
        ("10.99.0.2", "224.0.0.5"),
        ("10.99.0.2", "255.255.255.255"),
        ("10.99.0.2", "10.98.0.255"),
        ("0.0.0.0", "10.98.0.3"),
        ("127.0.0.1", "10.98.0.3"),
        ("240.0.0.1", "10.98.0.3"),
        ("224.0.0.1", "10.98.0.3"),
    ];
    for (src, dst) in cases {
        let packet = udp(&format!("{src}:5"), &format!("{dst}:5"), b"").ttl(1);
        world.refuse(dmz(), &packet);
    }
    let frame = |to: [u8; 6]| {
        let mut frame = world.frame(dmz(), &udp("10.99.0.2:5", "10.98.0.3:5", b"").ttl(1));
        frame[..6].copy_from_slice(&to);
        frame
    };
    let group_frames = [frame([0xff; 6]), frame([1, 0, 0x5e, 0, 0, 5])];
    for frame in group_frames {
        assert_eq!(
            world.refuse_frame(dmz(), &frame),
            DropReason::GroupDestination
        );
    }
}

#[test]
fn rfc1812_s5_3_8_a_source_must_live_behind_the_card_that_it_came_in_by() {
    let mut world = routing();
    for (zone, src) in [
        (wan(), "10.99.0.2"),
        (wan(), "10.98.0.2"),
        (dmz(), "10.98.0.2"),
        (dmz(), "192.0.2.9"),
        (lan(), "203.0.113.7"),
        (lan(), "10.99.0.2"),
    ] {
        let dst = if zone == dmz() {
            "10.98.0.3:9"
        } else {
            "10.99.0.3:9"
        };
        let spoofed = udp(&format!("{src}:9"), dst, b"");
        assert_eq!(
            world.refuse(zone, &spoofed),
            DropReason::ReversePath,
            "{src}"
        );
    }
    assert_eq!(world.engine.counters().drops(DropReason::ReversePath), 6);
}

#[test]
fn rfc2644_directed_broadcasts_are_not_forwarded() {
    let mut world = routing();
    for (zone, src) in [
        (wan(), "192.0.2.9"),
        (lan(), "10.98.0.2"),
        (dmz(), "10.99.0.2"),
    ] {
        for dst in ["10.99.0.255", "10.99.0.0"] {
            assert_eq!(
                world.refuse(zone, &ping(src, dst, 1)),
                DropReason::GroupDestination
            );
        }
    }
}

#[test]
fn rfc6890_documentation_networks_are_refused_by_a_rule_with_a_set() {
    let top = r#"rule = [
        { name = "no-examples", to = "wan", dst = "@documentation", action = "drop" },
        { name = "out", from = "dmz", action = "accept" },
    ]"#;
    let more = r#"[set]
        documentation = ["192.0.2.0/24", "198.51.100.0/24"]"#;
    let mut world = World::new(&three_zones(top, more));
    let example = udp("10.99.0.2:9", "198.51.100.7:9", b"");
    assert_eq!(world.refuse(dmz(), &example), DropReason::PolicyRule);
    assert_eq!(
        world
            .pass(dmz(), &udp("10.99.0.2:9", "8.8.8.8:9", b""))
            .zone,
        wan()
    );
}

#[test]
fn rfc6890_own_addresses_are_no_source() {
    let mut world = masquerading();
    for own in ["203.0.113.1", "10.99.0.1", "10.98.0.1"] {
        for zone in [wan(), dmz(), lan()] {
            let dst = if zone == dmz() {
                "10.98.0.3:9"
            } else {
                "10.99.0.3:9"
            };
            let spoofed = udp(&format!("{own}:9"), dst, b"");
            assert_eq!(world.refuse(zone, &spoofed), DropReason::OwnSource, "{own}");
        }
    }
}

#[test]
fn rfc6890_inside_addresses_are_no_source_on_the_wan() {
    let mut world = masquerading();
    let text = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "")
        .replace(".254\"", ".254\"\nallow_private_sources = true");
    let mut open = World::new(&text);
    for dst in ["10.99.0.3", "10.98.0.3", "203.0.113.1"] {
        for src in ["10.99.0.2", "10.98.0.2"] {
            let spoofed = ping(src, dst, 1);
            assert_eq!(world.refuse(wan(), &spoofed), DropReason::ReversePath);
            assert_eq!(open.refuse(wan(), &spoofed), DropReason::ReversePath);
        }
    }
    // The control: the same from where such a source may be.
    assert_eq!(
        kind_of(&open.pass(lan(), &ping("10.98.0.2", "10.99.0.3", 1)).packet),
        [8, 0]
    );
}

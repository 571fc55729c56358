//! Rules: which decides, what its sender hears, and what a new policy does to old flows.

use etherparse::TcpHeader;
use sekisho_config::model::Action;
use sekisho_engine::DropReason;
use sekisho_engine::key::Side;

use crate::support::ip::{Ip, host, icmp, kind_of, ping, pong, quote_of, syn, tcp, udp};
use crate::support::setup::{config, three_zones};
use crate::support::world::{World, dmz, lan, wan};

const RULES: &str = r#"rule = [
    { name = "bad-host", from = "lan", src = "10.98.0.66", action = "drop" },
    { name = "web", from = "lan", to = "dmz", service = ["tcp/80", "tcp/8000-8010"], action = "accept" },
    { name = "late", from = "lan", to = "dmz", service = "tcp/80", action = "drop" },
    { name = "ping", from = "lan", to = "dmz", service = "icmp/8", action = "accept" },
    { name = "no-printer", from = "lan", to = "dmz", dst = "10.99.0.9", action = "reject" },
    { name = "dns", from = ["dmz", "lan"], to = "wan", service = "udp/53", action = "accept", log = true },
    { name = "loud", from = "dmz", to = "lan", service = "udp/7", action = "drop", log = true },
]"#;

fn world() -> World {
    World::new(&three_zones(RULES, ""))
}

#[test]
fn the_first_rule_that_matches_decides_and_what_none_takes_is_dropped() {
    let accepted = [
        syn("10.98.0.3:4000", "10.99.0.2:80"),
        syn("10.98.0.3:4000", "10.99.0.2:8000"),
        syn("10.98.0.3:4000", "10.99.0.2:8010"),
        syn("10.98.0.3:4000", "10.99.0.9:80"),
        ping("10.98.0.3", "10.99.0.2", 1),
        udp("10.98.0.3:4000", "192.0.2.9:53", b"?"),
    ];
    for packet in accepted {
        assert_eq!(world().pass(lan(), &packet).packet, packet.hop());
    }
    let refused = [
        (
            syn("10.98.0.66:4000", "10.99.0.2:80"),
            DropReason::PolicyRule,
        ),
        (
            syn("10.98.0.3:4000", "10.99.0.2:81"),
            DropReason::PolicyDefault,
        ),
        (
            syn("10.98.0.3:4000", "10.99.0.2:7999"),
            DropReason::PolicyDefault,
        ),
        (
            syn("10.98.0.3:4000", "10.99.0.2:8011"),
            DropReason::PolicyDefault,
        ),
        (
            udp("10.98.0.3:4000", "10.99.0.2:80", b""),
            DropReason::PolicyDefault,
        ),
        (
            syn("10.98.0.3:4000", "192.0.2.9:53"),
            DropReason::PolicyDefault,
        ),
        (
            udp("10.98.0.3:4000", "192.0.2.9:54", b""),
            DropReason::PolicyDefault,
        ),
    ];
    for (packet, reason) in refused {
        let mut world = world();
        assert_eq!(world.refuse(lan(), &packet), reason, "{packet:?}");
        assert_eq!(
            world.engine.conntrack().flows(),
            0,
            "a drop leaves no state"
        );
        assert_eq!(world.questions, []);
    }
}

#[test]
fn the_reply_passes_without_a_rule_and_only_by_the_way_it_belongs_to() {
    let mut world = world();
    world.pass(lan(), &udp("10.98.0.3:4000", "192.0.2.9:53", b"?"));
    let reply = udp("192.0.2.9:53", "10.98.0.3:4000", b"!");
    let sent = world.pass(wan(), &reply);
    assert_eq!((sent.zone, sent.packet), (lan(), reply.hop()));
    for packet in [
        udp("192.0.2.9:54", "10.98.0.3:4000", b"!"),
        udp("192.0.2.9:53", "10.98.0.3:4001", b"!"),
        udp("192.0.2.8:53", "10.98.0.3:4000", b"!"),
        udp("192.0.2.9:53", "10.98.0.4:4000", b"!"),
    ] {
        assert_eq!(world.refuse(wan(), &packet), DropReason::PolicyDefault);
    }
    // The same bytes by another card are no reply.
    let spoofed = udp("192.0.2.9:53", "10.98.0.3:4000", b"!");
    assert_eq!(world.refuse(dmz(), &spoofed), DropReason::ReversePath);

    world.pass(lan(), &ping("10.98.0.3", "10.99.0.2", 7));
    let answer = pong("10.99.0.2", "10.98.0.3", 7);
    assert_eq!(world.pass(dmz(), &answer).packet, answer.hop());
    let unasked = pong("10.99.0.2", "10.98.0.3", 8);
    assert_eq!(world.refuse(dmz(), &unasked), DropReason::PolicyDefault);
}

fn tcp_of(packet: &Ip) -> TcpHeader {
    TcpHeader::from_slice(&packet.body).expect("a TCP header").0
}

#[test]
fn a_rejected_syn_hears_a_reset_that_it_believes() {
    let packet = syn("10.98.0.3:4000", "10.99.0.9:22");
    let (reason, reset) = world().told(lan(), &packet);
    assert_eq!(reason, DropReason::PolicyRule);
    assert_eq!((reset.from(), reset.to()), (packet.to(), packet.from()));
    let header = tcp_of(&reset);
    assert!(header.rst && header.ack && !header.syn && !header.fin);
    assert_eq!(
        (header.sequence_number, header.acknowledgment_number),
        (0, 1001)
    );

    let with_data = tcp("10.98.0.3:4000", "10.99.0.9:22", b"early", |header| {
        (header.syn, header.sequence_number) = (true, u32::MAX - 2);
    });
    let (_, reset) = world().told(lan(), &with_data);
    assert_eq!(
        tcp_of(&reset).acknowledgment_number,
        3,
        "SYN and data, over the end"
    );

    let in_the_middle = tcp("10.98.0.3:4000", "10.99.0.9:22", b"x", |header| {
        (header.ack, header.acknowledgment_number) = (true, 4321);
    });
    let (_, reset) = world().told(lan(), &in_the_middle);
    let header = tcp_of(&reset);
    assert!(header.rst && !header.ack);
    assert_eq!(header.sequence_number, 4321);
}

#[test]
fn a_reset_is_never_answered_with_a_reset() {
    let reset = tcp("10.98.0.3:4000", "10.99.0.9:22", b"", |header| {
        header.rst = true
    });
    assert_eq!(world().refuse(lan(), &reset), DropReason::PolicyRule);
}

#[test]
fn rfc1812_s5_2_7_1_what_is_rejected_hears_that_it_is_prohibited() {
    let packet = udp("10.98.0.3:4000", "10.99.0.9:22", b"let me in");
    let (reason, report) = world().told(lan(), &packet);
    assert_eq!(reason, DropReason::PolicyRule);
    assert_eq!(
        (report.src(), report.dst()),
        (host("10.98.0.1"), host("10.98.0.3"))
    );
    assert_eq!(kind_of(&report), [3, 13]);
    let (quoted, rest) = quote_of(&report);
    assert_eq!((quoted, rest), (packet.header, packet.body));
}

#[test]
fn rfc1812_s4_3_2_7_nobody_is_told_about_pieces_but_the_first() {
    let mut world = world();
    let pieces = udp("10.98.0.3:4000", "10.99.0.9:22", &[7; 100]).pieces(40);
    let told: Vec<_> = pieces
        .iter()
        .flat_map(|piece| world.send(lan(), piece))
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(quote_of(&told[0].packet).0, pieces[0].header);
    assert_eq!(world.engine.counters().drops(DropReason::PolicyRule), 3);
}

#[test]
fn tcp_flags_that_cannot_be_and_segments_without_a_flow_open_nothing() {
    type Flags = fn(&mut TcpHeader);
    let cases: [(Flags, DropReason); 9] = [
        (|_| {}, DropReason::TcpFlags),
        (|h| (h.syn, h.fin) = (true, true), DropReason::TcpFlags),
        (|h| (h.syn, h.rst) = (true, true), DropReason::TcpFlags),
        (|h| h.fin = true, DropReason::TcpFlags),
        (
            |h| (h.fin, h.psh, h.urg) = (true, true, true),
            DropReason::TcpFlags,
        ),
        (|h| h.ack = true, DropReason::TcpNoFlow),
        (|h| h.rst = true, DropReason::TcpNoFlow),
        (|h| (h.syn, h.ack) = (true, true), DropReason::TcpNoFlow),
        (|h| (h.fin, h.ack) = (true, true), DropReason::TcpNoFlow),
    ];
    for (index, (flags, reason)) in cases.into_iter().enumerate() {
        let mut world = world();
        let packet = tcp("10.98.0.3:4000", "10.99.0.2:80", b"", flags);
        assert_eq!(world.refuse(lan(), &packet), reason, "case {index}");
        assert_eq!(world.engine.conntrack().flows(), 0);
    }
}

#[test]
fn rfc5508_req11_what_is_neither_query_nor_error_is_never_passed() {
    let open = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "");
    for kind in [5, 9, 10, 15, 16, 17, 18, 30, 42, 255] {
        let other = etherparse::Icmpv4Type::Unknown {
            type_u8: kind,
            code_u8: 0,
            bytes5to8: [10, 98, 0, 9],
        };
        let packet = icmp("10.99.0.2", "10.98.0.3", other, &[0; 28]);
        assert_eq!(
            World::new(&open).refuse(dmz(), &packet),
            DropReason::IcmpType,
            "{kind}"
        );
    }
    let unasked = pong("10.99.0.2", "10.98.0.3", 7);
    assert_eq!(
        World::new(&open).refuse(dmz(), &unasked),
        DropReason::IcmpUnrelated
    );
    let broken = ping("10.99.0.2", "10.98.0.3", 7).spoiled(9);
    assert_eq!(
        World::new(&open).refuse(dmz(), &broken),
        DropReason::IcmpChecksum
    );
}

#[test]
fn rules_with_log_report_each_new_flow_once_with_its_names() {
    let mut world = world();
    for _ in 0..3 {
        world.pass(lan(), &udp("10.98.0.3:4000", "192.0.2.9:53", b"?"));
    }
    world.refuse(dmz(), &udp("10.99.0.2:4000", "10.98.0.3:7", b"?"));
    world.refuse(dmz(), &udp("10.99.0.2:4000", "10.98.0.3:8", b"?"));
    let seen: Vec<_> = world
        .records
        .iter()
        .map(|record| {
            (
                record.decision.action,
                record.key.side,
                record.to,
                record.reason,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Action::Accept, Side::zone(lan()), Side::zone(wan()), None),
            (
                Action::Drop,
                Side::zone(dmz()),
                Side::zone(lan()),
                Some(DropReason::PolicyRule)
            ),
        ]
    );
}

#[test]
fn a_new_policy_looks_at_old_flows_again_and_withdraws_what_it_does_not_allow() {
    let mut world = world();
    let dns = udp("10.98.0.3:4000", "192.0.2.9:53", b"?");
    let reply = udp("192.0.2.9:53", "10.98.0.3:4000", b"!");
    world.pass(lan(), &dns);
    let echo = ping("10.98.0.3", "10.99.0.2", 7);
    world.pass(lan(), &echo);

    let without_dns =
        r#"rule = [{ name = "ping", from = "lan", service = "icmp", action = "accept" }]"#;
    let new = config(&three_zones(without_dns, ""));
    world.engine.replace_policy(&new);
    assert_eq!(world.refuse(wan(), &reply), DropReason::PolicyWithdrawn);
    assert_eq!(world.engine.conntrack().flows(), 1);
    assert_eq!(world.refuse(lan(), &dns), DropReason::PolicyDefault);
    let answer = pong("10.99.0.2", "10.98.0.3", 7);
    assert_eq!(
        world.pass(dmz(), &answer).packet,
        answer.hop(),
        "still allowed"
    );
}

#[test]
fn attack_one_host_that_opens_everything_hurts_only_itself() {
    let limits = "[limits]\nflows = 64\nflows_per_source = 8\n";
    let mut world = World::new(&three_zones(RULES, limits));
    for port in 0..8 {
        world.pass(
            lan(),
            &udp(&format!("10.98.0.3:{}", 4000 + port), "192.0.2.9:53", b"?"),
        );
    }
    let ninth = udp("10.98.0.3:5000", "192.0.2.9:53", b"?");
    assert_eq!(world.told(lan(), &ninth).0, DropReason::SourceLimit);
    let other = udp("10.98.0.4:5000", "192.0.2.9:53", b"?");
    assert_eq!(world.pass(lan(), &other).packet, other.hop());
}

#[test]
fn a_forbidden_packet_hears_nothing_about_the_way_it_may_not_take() {
    let text = three_zones(RULES, "").replace("10.99.0.1/24\"", "10.99.0.1/24\"\nmtu = 600");
    let mut world = World::new(&text);
    let large = udp("192.0.2.9:4000", "10.99.0.2:80", &[7; 1000]).dont_fragment();
    assert_eq!(world.refuse(wan(), &large), DropReason::PolicyDefault);
    let late = udp("10.98.0.3:4000", "10.99.0.2:80", b"").ttl(1);
    assert_eq!(world.refuse(lan(), &late), DropReason::PolicyDefault);
}

#[test]
fn a_new_policy_leaves_what_a_forward_invited() {
    let top = format!(
        "{RULES}\n{}",
        r#"forward = [{ name = "www", from = "wan", service = "udp/80", to = "10.99.0.2" }]"#
    );
    let mut world = World::new(&three_zones(&top, ""));
    let packet = udp("192.0.2.9:1000", "203.0.113.1:80", b"?");
    world.pass(wan(), &packet);
    world.engine.replace_policy(&config(&three_zones("", "")));
    assert_eq!(world.pass(wan(), &packet).zone, dmz());
    let reply = udp("10.99.0.2:80", "192.0.2.9:1000", b"!");
    assert_eq!(world.pass(dmz(), &reply).packet.from(), packet.to());
}

//! Fragments: judged as the datagram they make, and sent on as they came.

use std::time::Duration;

use sekisho_engine::DropReason::{
    self, FragmentInvalid, FragmentTableFull, FragmentTimeout, PolicyDefault,
};

use crate::support::ip::{Ip, host, kind_of, ping, pong, syn, tcp, udp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{End, World, dmz, lan, wan};

fn datagram(len: usize) -> Ip {
    let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
    udp("10.99.0.2:4000", "10.98.0.3:53", &payload).id(0xf00d)
}

/// What leaves when pieces come in this order; all but the last are held.
fn offer(world: &mut World, pieces: &[Ip]) -> Vec<Ip> {
    world.ends.clear();
    let mut sent = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        sent.extend(world.send(dmz(), piece));
        let is_last = index + 1 == pieces.len();
        assert!(
            is_last || sent.is_empty(),
            "nothing leaves before all are there"
        );
    }
    sent.into_iter().map(|sent| sent.packet).collect()
}

fn hopped(pieces: &[Ip]) -> Vec<Ip> {
    pieces.iter().cloned().map(Ip::hop).collect()
}

#[test]
fn fragment_reassembly_pieces_in_any_order_leave_in_order_and_untouched() {
    let pieces = datagram(1000).pieces(256);
    assert_eq!(pieces.len(), 4);
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    for order in orders {
        for knows_neighbour in [false, true] {
            let mut world = routing();
            if knows_neighbour {
                world.pass(dmz(), &udp("10.99.0.2:1", "10.98.0.3:1", b""));
            }
            let shuffled = order.map(|index| pieces[index].clone());
            assert_eq!(offer(&mut world, &shuffled), hopped(&pieces), "{order:?}");
            assert_eq!(world.engine.counters().held(), 0);
        }
    }
}

#[test]
fn rfc4787_req14_a_masqueraded_datagrams_pieces_come_in_any_order() {
    let payload: Vec<u8> = (0..200).collect();
    let inside = udp("10.99.0.2:40000", "192.0.2.9:53", &payload).id(7);
    let mut world = masquerading();
    world.pass(lan(), &udp("10.98.0.9:40000", "192.0.2.1:1", b""));
    let sent = offer(&mut world, &inside.pieces(64));
    let port = sent[0].ports().0;
    assert_ne!(port, 40000);
    let outside = udp(&format!("203.0.113.1:{port}"), "192.0.2.9:53", &payload).id(7);
    assert_eq!(sent, hopped(&outside.pieces(64)));

    let back = udp("192.0.2.9:53", &format!("203.0.113.1:{port}"), &payload).id(8);
    let expected = udp("192.0.2.9:53", "10.99.0.2:40000", &payload).id(8);
    let mut sent = Vec::new();
    for piece in back.pieces(64).iter().rev() {
        sent.extend(world.send(wan(), piece).into_iter().map(|sent| sent.packet));
    }
    assert_eq!(sent, hopped(&expected.pieces(64)));
}

#[test]
fn fragment_nat_an_echo_request_is_translated_too() {
    let mut world = masquerading();
    let whole = ping("10.99.0.2", "192.0.2.9", 7);
    let sent = offer(&mut world, &whole.pieces(8));
    assert_eq!(sent, hopped(&ping("203.0.113.1", "192.0.2.9", 7).pieces(8)));
}

#[test]
fn rfc1812_s4_3_3_6_a_fragmented_echo_request_is_answered_in_pieces() {
    let mut world = masquerading();
    let asked = ping("10.99.0.2", "10.99.0.1", 7).pieces(8);
    let answer = pong("10.99.0.1", "10.99.0.2", 7).pieces(8);
    assert_eq!((asked.len(), answer.len()), (3, 3));
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let shuffled = order.map(|index| asked[index].clone());
        assert_eq!(offer(&mut world, &shuffled), answer, "{order:?}");
    }
    // One that is never complete is not.
    assert_eq!(offer(&mut world, &asked[..2]), []);
    assert_eq!(world.engine.counters().drops(DropReason::NotOffered), 0);
    assert_eq!(world.engine.conntrack().flows(), 0);
}

#[test]
fn fragment_overlap_drops_the_whole_datagram() {
    let whole = datagram(992);
    let pieces = whole.pieces(256);
    let overlaps = [
        whole.piece(128, 256, true),
        whole.piece(0, 264, true),
        whole.piece(0, 128, true),
        whole.piece(248, 16, true),
        whole.piece(8, 8, true),
    ];
    for overlap in overlaps {
        let mut world = routing();
        world.send(dmz(), &pieces[0]);
        assert_eq!(world.send(dmz(), &overlap), [], "{overlap:?}");
        for piece in &pieces[1..] {
            assert_eq!(world.refuse(dmz(), piece), FragmentInvalid, "poisoned");
        }
        let counters = world.engine.counters();
        assert_eq!((counters.held(), counters.drops(FragmentInvalid)), (0, 5));
        assert_eq!(world.engine.conntrack().flows(), 0);
        // Its name is usable again afterwards.
        world.pass_time(Duration::from_secs(31));
        assert_eq!(offer(&mut world, &pieces), hopped(&pieces));
    }
}

#[test]
fn fragment_duplicate_is_dropped_alone() {
    let pieces = datagram(500).pieces(256);
    let mut world = routing();
    world.send(dmz(), &pieces[0]);
    assert_eq!(world.refuse(dmz(), &pieces[0]), FragmentInvalid);
    let sent: Vec<Ip> = world
        .send(dmz(), &pieces[1])
        .into_iter()
        .map(|s| s.packet)
        .collect();
    assert_eq!(sent, hopped(&pieces));
}

#[test]
fn pieces_that_contradict_each_other_about_the_end_are_dropped() {
    let whole = datagram(992);
    let ended_at_512 = whole.piece(256, 256, false);
    let stories = [
        vec![ended_at_512.clone(), whole.piece(512, 8, true)],
        vec![ended_at_512.clone(), whole.piece(768, 232, false)],
        vec![
            whole.piece(0, 256, true),
            whole.piece(512, 256, true),
            ended_at_512,
        ],
    ];
    for story in stories {
        let mut world = routing();
        let (last, before) = story.split_last().expect("pieces");
        assert_eq!(offer(&mut world, before), []);
        assert_eq!(world.refuse(dmz(), last), FragmentInvalid);
        assert_eq!(world.engine.counters().held(), 0);
    }
}

#[test]
fn fragment_ping_of_death_and_other_impossible_pieces_are_dropped_at_once() {
    let whole = datagram(992);
    let ragged = whole.piece(256, 100, true);
    let mut beyond = whole.piece(0, 256, false);
    beyond.header.fragment_offset = etherparse::IpFragOffset::try_new(0x1fff).expect("13 bits");
    let mut empty = whole.piece(256, 8, true);
    empty.body.clear();
    for piece in [ragged, beyond.sealed(), empty.sealed()] {
        let mut world = routing();
        assert_eq!(world.refuse(dmz(), &piece), FragmentInvalid, "{piece:?}");
    }
}

#[test]
fn fragment_tiny_first_is_refused() {
    let mut short = datagram(100).pieces(40).remove(0);
    short.body[4..6].copy_from_slice(&[0, 7]);
    assert_eq!(
        routing().refuse(dmz(), &short),
        DropReason::TransportInvalid
    );
    let segment = tcp("10.99.0.2:4000", "10.98.0.3:80", &[0; 40], |header| {
        header.syn = true
    });
    for (whole, size) in [(segment, 8), (syn("10.99.0.2:4000", "10.98.0.3:80"), 16)] {
        let mut world = routing();
        let pieces = whole.pieces(size);
        assert_eq!(
            world.refuse(dmz(), &pieces[0]),
            DropReason::TransportInvalid
        );
    }
}

#[test]
fn fragment_alone_is_never_seen_outside_and_times_out() {
    let mut world = routing();
    let pieces = datagram(500).pieces(128);
    for piece in &pieces[1..] {
        assert_eq!(world.send(dmz(), piece), []);
    }
    assert_eq!(world.engine.counters().held(), 3);
    assert_eq!(world.pass_time(Duration::from_secs(29)), []);
    assert_eq!(world.engine.counters().held(), 3);
    assert_eq!(world.pass_time(Duration::from_secs(2)), []);
    assert_eq!(world.engine.counters().drops(FragmentTimeout), 3);
    assert_eq!(world.engine.counters().held(), 0);
}

#[test]
fn fragment_reassembly_the_rest_of_a_forbidden_datagram_is_forbidden_too() {
    let mut world = World::new(&three_zones(
        r#"rule = [{ name = "dns", from = "dmz", service = "udp/54", action = "accept" }]"#,
        "",
    ));
    for piece in datagram(500).pieces(128) {
        assert_eq!(world.send(dmz(), &piece), []);
    }
    assert_eq!(world.engine.counters().drops(PolicyDefault), 4);
    assert_eq!(world.engine.conntrack().flows(), 0);
}

#[test]
fn fragment_fairness_one_source_cannot_fill_the_table() {
    let mut world = routing();
    let first = |id: u16| datagram(500).id(id).pieces(128)[0].clone();
    for id in 0..16 {
        assert_eq!(world.send(dmz(), &first(id)), []);
    }
    assert_eq!(world.refuse(dmz(), &first(16)), FragmentTableFull);
    let other = udp("10.99.0.3:4000", "10.98.0.3:53", &[1; 500])
        .id(1)
        .pieces(256);
    assert_eq!(offer(&mut world, &other), hopped(&other));
}

#[test]
fn a_piece_that_comes_between_the_last_and_the_next_look_changes_nothing() {
    let whole = datagram(500);
    let pieces = whole.pieces(256);
    let overlap = whole.piece(8, 248, true).spoiled(3);
    let mut world = routing();
    // The flow exists, so nothing else would stop it.
    world.pass(dmz(), &datagram(1));
    world.ends.clear();
    // A burst is received before the engine is polled: the late piece finds the datagram complete.
    let burst = [
        pieces[0].clone(),
        pieces[1].clone(),
        overlap,
        pieces[1].clone(),
    ];
    let sent: Vec<Ip> = world
        .burst(dmz(), &burst)
        .into_iter()
        .map(|s| s.packet)
        .collect();
    assert_eq!(sent, hopped(&pieces));
    assert_eq!(
        world.ends(),
        [
            End::Held,
            End::Held,
            End::Dropped(FragmentInvalid),
            End::Dropped(FragmentInvalid),
            End::Forwarded,
            End::Forwarded,
        ]
    );
    assert_eq!(world.engine.counters().held(), 0);
}

#[test]
fn a_datagram_whose_neighbour_never_answers_is_given_up_with_one_report() {
    let mut world = routing();
    world.silent.insert(host("10.98.0.3"));
    let pieces = datagram(500).pieces(256);
    assert_eq!(offer(&mut world, &pieces), []);
    assert_eq!(world.engine.counters().held(), 2);
    let told = world.pass_time(Duration::from_secs(5));
    assert_eq!(told.len(), 1);
    assert_eq!(
        world
            .engine
            .counters()
            .drops(DropReason::NeighborUnreachable),
        2
    );
    assert_eq!(world.engine.counters().held(), 0);
}

#[test]
fn two_datagrams_at_once_do_not_mix() {
    let mut world = routing();
    let one = datagram(500).id(1).pieces(256);
    let two = datagram(500).id(2).pieces(256);
    world.send(dmz(), &one[1]);
    world.send(dmz(), &two[0]);
    let sent: Vec<Ip> = world
        .send(dmz(), &one[0])
        .into_iter()
        .map(|s| s.packet)
        .collect();
    assert_eq!(sent, hopped(&one));
    let sent: Vec<Ip> = world
        .send(dmz(), &two[1])
        .into_iter()
        .map(|s| s.packet)
        .collect();
    assert_eq!(sent, hopped(&two));
}

#[test]
fn a_fragmented_tcp_segment_keeps_its_connection_in_step() {
    let mut world = routing();
    let client = |seq: u32, ack: u32, payload: &[u8]| {
        tcp("10.99.0.2:4000", "10.98.0.3:80", payload, |header| {
            (
                header.ack,
                header.sequence_number,
                header.acknowledgment_number,
            ) = (true, seq, ack);
        })
    };
    world.pass(dmz(), &syn("10.99.0.2:4000", "10.98.0.3:80"));
    let answer = tcp("10.98.0.3:80", "10.99.0.2:4000", b"", |header| {
        (header.syn, header.ack) = (true, true);
        (header.sequence_number, header.acknowledgment_number) = (5000, 1001);
    });
    world.pass(lan(), &answer);
    world.pass(dmz(), &client(1001, 5001, b""));
    let large = client(1001, 5001, &[7; 400]).pieces(160);
    assert_eq!(offer(&mut world, &large), hopped(&large));
    let acknowledging = |number: u32| {
        tcp("10.98.0.3:80", "10.99.0.2:4000", b"", |header| {
            (header.ack, header.sequence_number) = (true, 5001);
            header.acknowledgment_number = number;
        })
    };
    let all = acknowledging(1401);
    assert_eq!(world.pass(lan(), &all).packet, all.hop());
    // Of the whole segment, and not a byte more.
    assert_eq!(
        world.refuse(lan(), &acknowledging(1402)),
        DropReason::TcpWindow
    );
    let next = client(1401, 5001, b"more");
    assert_eq!(world.pass(dmz(), &next).packet, next.hop());
}

#[test]
fn rfc4787_req13a_a_translated_datagram_that_is_cut_makes_the_translated_whole() {
    let text = three_zones(
        r#"rule = [{ name = "out", from = "dmz", action = "accept" }]"#,
        r#"[nat]
        masquerade = [{ from = "dmz", to = "wan" }]"#,
    );
    let mut world = World::new(&text.replace(".254\"", ".254\"\nmtu = 580"));
    let payload = vec![9; 1400];
    let sent = offer(
        &mut world,
        &[udp("10.99.0.2:40000", "192.0.2.9:53", &payload).id(3)],
    );
    let outside = udp("203.0.113.1:40000", "192.0.2.9:53", &payload).id(3);
    assert_eq!(sent, outside.hop().pieces(560));

    // Pieces that are still too large are cut again.
    let mut sent = offer(
        &mut world,
        &udp("10.99.0.2:40000", "192.0.2.9:53", &payload)
            .id(4)
            .pieces(1120),
    );
    sent.sort_by_key(|piece| piece.header.fragment_offset.value());
    let again = udp("203.0.113.1:40000", "192.0.2.9:53", &payload).id(4);
    assert_eq!(sent, again.hop().pieces(560));
}

#[test]
fn fragment_memory_is_bounded_whoever_sends() {
    let mut world = routing();
    for round in 0..2_000u16 {
        let src = format!("10.99.0.{}:4000", 2 + round % 250);
        let whole = udp(&src, "10.98.0.3:53", &[1; 1000]).id(round);
        // No head, no end: nothing is ever complete.
        for from in [128, 256, 384] {
            assert_eq!(world.send(dmz(), &whole.piece(from, 128, true)), []);
        }
        assert!(world.engine.counters().held() <= 128, "half of all places");
    }
    assert!(world.engine.counters().drops(FragmentTableFull) > 5_000);
    assert_eq!(world.engine.conntrack().flows(), 0);
    world.pass_time(Duration::from_secs(31));
    assert_eq!(world.engine.counters().held(), 0);
}

#[test]
fn fragment_time_is_bounded_and_a_late_piece_does_not_prolong_it() {
    let mut world = routing();
    let pieces = datagram(1000).pieces(128);
    for piece in &pieces[..3] {
        assert_eq!(world.send(dmz(), piece), []);
        world.pass_time(Duration::from_secs(9));
    }
    assert_eq!(world.engine.counters().held(), 3);
    world.pass_time(Duration::from_secs(4));
    assert_eq!(world.engine.counters().held(), 0);
    assert_eq!(world.engine.counters().drops(FragmentTimeout), 3);
    for piece in &pieces[3..] {
        assert_eq!(world.send(dmz(), piece), [], "the rest alone is nothing");
    }
}

#[test]
fn fragment_df_passes_as_it_is_and_is_respected() {
    for whole in [datagram(600), datagram(600).dont_fragment()] {
        let mut world = routing();
        let pieces = whole.pieces(256);
        let sent = offer(&mut world, &pieces);
        assert_eq!(sent, hopped(&pieces), "RFC 6864 section 4.1 allows both");
    }
    let text = three_zones(r#"rule = [{ name = "all", action = "accept" }]"#, "");
    let narrow = text.replace("10.98.0.1/24\"", "10.98.0.1/24\"\nmtu = 576");
    let mut world = World::new(&narrow);
    let pieces = datagram(1400).dont_fragment().pieces(800);
    world.send(dmz(), &pieces[0]);
    let sent = world.send(dmz(), &pieces[1]);
    assert_eq!(
        kind_of(&sent[0].packet),
        [3, 4],
        "of the first, and of it alone"
    );
    assert_eq!((sent.len(), sent[0].zone), (1, dmz()));
}

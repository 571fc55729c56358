//! The FTP gateway: lines that change their length, and every number behind them.

use etherparse::TcpOptionElement;
use sekisho_engine::DropReason::{AlgUnclear, TransportChecksum};
use sekisho_engine::frame::{Checksum, Offload, Segmentation, SegmentationKind};
use sekisho_engine::interface::Link;

use crate::ftp::{inbound, outbound, text, world};
use crate::support::check::{pseudo_header, sum};
use crate::support::ip::{Ip, error, host, quote_of};
use crate::support::talk::{Client, Peer, Server, Talk, blocks, read};
use crate::support::world::{End, Wire, World, dmz, wan};

const LINE: &str = "PORT 10,99,0,3,156,80\r\n";
const TOLD: &str = "PORT 203,0,113,1,156,80\r\n";
const SHORT: &str = "227 Entering (10,99,0,2,195,80).\r\n";

/// The client's numbers after its line arrived: the server's view of them is two ahead.
fn told() -> (World, Talk) {
    let mut world = world();
    let mut talk = outbound(&mut world);
    assert_eq!(talk.lose(&mut world, Client, LINE), TOLD);
    (world, talk)
}

/// The segment with the line of [`told`], as it was sent first.
fn line_again(talk: &Talk, more: &[u8]) -> Ip {
    let payload = [LINE.as_bytes(), more].concat();
    talk.built(Client, &payload, |header| {
        header.sequence_number = talk.ends[0].next.wrapping_sub(LINE.len() as u32);
    })
}

#[test]
fn lengths_add_up_over_many_transfers_in_both_directions() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    for (line, heard) in [
        ("PORT 10,99,0,3,4,1\r\n", "PORT 203,0,113,1,4,1\r\n"),
        ("TYPE I\r\n", "TYPE I\r\n"),
        (
            "EPRT |1|10.99.0.3|40016|\r\n",
            "EPRT |1|203.0.113.1|40016|\r\n",
        ),
        (
            "PORT 010,099,000,003,200,201\r\n",
            "PORT 203,0,113,1,200,201\r\n",
        ),
        (LINE, TOLD),
    ] {
        for _ in 0..4 {
            assert_eq!(talk.say(&mut world, Client, line), heard);
            assert_eq!(talk.say(&mut world, Server, "200 fine\r\n"), "200 fine\r\n");
        }
    }
    let mut talk = inbound(&mut world);
    for _ in 0..10 {
        talk.say(&mut world, Client, "PASV\r\n");
        assert_eq!(talk.say(&mut world, Server, SHORT).len(), SHORT.len() + 2);
        talk.say(&mut world, Client, "RETR x\r\n");
        talk.say(&mut world, Server, "226 done\r\n");
    }
    let fin = talk.built(Client, b"", |header| header.fin = true);
    let (header, _) = read(&world.pass(wan(), &fin).packet);
    assert_eq!(header.sequence_number, talk.ends[1].awaited);
    assert_eq!(header.acknowledgment_number, talk.ends[1].next);
}

#[test]
fn what_is_sent_again_is_changed_alike() {
    let (mut world, mut talk) = told();
    let first = world.send(dmz(), &line_again(&talk, b""));
    let again = world.send(dmz(), &line_again(&talk, b""));
    assert_eq!(first, again);
    // Together with what came after it.
    assert_eq!(talk.lose(&mut world, Client, "RETR x\r\n"), "RETR x\r\n");
    talk.ends[0].next = talk.ends[0].next.wrapping_sub(8);
    let both = world.send(dmz(), &line_again(&talk, b"RETR x\r\n"));
    talk.ends[0].next = talk.ends[0].next.wrapping_add(8);
    let (header, payload) = read(&both[0].packet);
    assert_eq!(payload, [TOLD, "RETR x\r\n"].concat().as_bytes());
    let (first, _) = read(&again[0].packet);
    assert_eq!(header.sequence_number, first.sequence_number);
    talk.acknowledge(&mut world, Server);
    // A late copy of what was acknowledged.
    talk.ends[0].next = talk.ends[0].next.wrapping_sub(8);
    let late = world.send(dmz(), &line_again(&talk, b""));
    assert_eq!(read(&late[0].packet).1, TOLD.as_bytes());
    assert_eq!(world.engine.conntrack().controls().waiting(), 1);
}

#[test]
fn a_part_of_a_changed_line_does_not_pass() {
    let (mut world, talk) = told();
    for (from, to) in [(0, 10), (6, 20), (8, 23)] {
        let part = talk.built(Client, &LINE.as_bytes()[from..to], |header| {
            let begin = talk.ends[0].next.wrapping_sub((LINE.len() - from) as u32);
            header.sequence_number = begin;
        });
        assert_eq!(world.refuse(dmz(), &part), AlgUnclear, "{from}..{to}");
    }
    assert_eq!(world.send(dmz(), &line_again(&talk, b"")).len(), 1);
}

#[test]
fn a_second_announcement_waits_until_the_first_has_arrived() {
    let (mut world, mut talk) = told();
    let second = "PORT 10,99,0,3,156,81\r\n";
    let segment = talk.segment(Client, second.as_bytes());
    assert_eq!(world.refuse(dmz(), &segment), AlgUnclear);
    // What the server has acknowledged so far lies inside the line that it was told.
    let half = talk.built(Server, b"", |header| {
        header.acknowledgment_number = header.acknowledgment_number.wrapping_sub(5);
    });
    let (header, _) = read(&world.pass(wan(), &half).packet);
    let begin = talk.ends[0].next.wrapping_sub(LINE.len() as u32 - 5);
    assert_eq!(
        header.acknowledgment_number, begin,
        "nothing of the old text"
    );
    assert_eq!(world.refuse(dmz(), &segment), AlgUnclear);
    talk.acknowledge(&mut world, Server);
    let heard = talk.say(&mut world, Client, second);
    assert_eq!(heard, "PORT 203,0,113,1,156,81\r\n");
}

#[test]
fn a_line_in_two_segments_passes_as_it_is_and_the_next_is_heard() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    for (one, two) in [LINE.split_at(1), LINE.split_at(12), LINE.split_at(22)] {
        assert_eq!(talk.say(&mut world, Client, one), one);
        assert_eq!(talk.say(&mut world, Client, two), two);
        assert_eq!(world.engine.conntrack().controls().waiting(), 0);
    }
    assert_eq!(talk.say(&mut world, Client, LINE), TOLD);
}

#[test]
fn two_announcements_in_one_segment_change_at_the_first() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let both = format!("{LINE}{LINE}");
    assert_eq!(talk.say(&mut world, Client, &both), format!("{TOLD}{LINE}"));
    assert_eq!(world.engine.conntrack().controls().waiting(), 1);
    let framed = format!("NOOP\r\n{LINE}NOOP\r\n");
    let heard = talk.say(&mut world, Client, &framed);
    assert_eq!(heard, format!("NOOP\r\n{TOLD}NOOP\r\n"));
}

#[test]
fn keep_alives_and_probes_bear_the_number_before() {
    let (mut world, talk) = told();
    talk.acknowledge(&mut world, Server);
    let probe = talk.built(Client, b"", |header| {
        header.sequence_number = header.sequence_number.wrapping_sub(1);
    });
    let (header, _) = read(&world.pass(dmz(), &probe).packet);
    assert_eq!(header.sequence_number, talk.ends[1].awaited.wrapping_sub(1));
}

#[test]
fn selective_acknowledgements_are_in_the_numbers_of_who_sent() {
    let (mut world, mut talk) = told();
    let start = talk.ends[1].awaited;
    assert_eq!(talk.lose(&mut world, Client, "RETR x\r\n"), "RETR x\r\n");
    let block = |talk: &Talk, left: u32, right: u32| {
        talk.built(Server, b"", |header| {
            header.acknowledgment_number = start.wrapping_sub(TOLD.len() as u32);
            let option = TcpOptionElement::SelectiveAcknowledgement((left, right), [None; 3]);
            header
                .set_options(&[TcpOptionElement::Noop, option])
                .expect("options");
        })
    };
    let after = block(&talk, start, start.wrapping_add(8));
    let (header, _) = read(&world.pass(wan(), &after).packet);
    let next = talk.ends[0].next;
    assert_eq!(blocks(&header), Some(vec![(next.wrapping_sub(8), next)]));
    // A block that begins inside the new text names only what is behind the old one.
    let across = block(&talk, start.wrapping_sub(4), start.wrapping_add(8));
    let (header, _) = read(&world.pass(wan(), &across).packet);
    let [(left, right)] = blocks(&header).expect("a block")[..] else {
        panic!("one block")
    };
    assert_eq!((left, right), (next.wrapping_sub(10), next));
    // One that lies inside is none.
    let inside = block(&talk, start.wrapping_sub(12), start.wrapping_sub(6));
    let (header, _) = read(&world.pass(wan(), &inside).packet);
    assert_eq!(blocks(&header), None);
}

#[test]
fn errors_about_changed_segments_find_their_way_back() {
    let (mut world, talk) = told();
    let sent = world.send(dmz(), &line_again(&talk, b"")).remove(0).packet;
    let report = error("198.51.100.1", "203.0.113.1", [3, 1], &sent, 28);
    let arrived = world.pass(wan(), &report).packet;
    assert_eq!(arrived.dst(), host("10.99.0.3"));
    let (_, quoted) = quote_of(&arrived);
    let begin = talk.ends[0].next.wrapping_sub(LINE.len() as u32);
    assert_eq!(quoted[4..8], begin.to_be_bytes());
    // About what came behind it, too.
    let more = talk.segment(Client, b"NOOP\r\n");
    let sent = world.pass(dmz(), &more).packet;
    let report = error("198.51.100.1", "203.0.113.1", [3, 1], &sent, 28);
    let (_, quoted) = quote_of(&world.pass(wan(), &report).packet);
    assert_eq!(quoted[4..8], talk.ends[0].next.to_be_bytes());
}

/// A frame whose checksum the sender's card left undone.
fn undone(world: &World, end: &Peer, packet: &Ip, segmentation: Option<Segmentation>) -> Wire {
    let mut packet = packet.clone();
    let begun = sum(&[&pseudo_header(&packet.header, packet.body.len())]);
    packet.body[16..18].copy_from_slice(&begun.to_be_bytes());
    let bytes = world.frame(end.zone, &packet);
    Wire {
        total_len: bytes.len(),
        bytes,
        offload: Offload {
            checksum: Checksum::Partial {
                start: 34,
                offset: 16,
            },
            segmentation,
        },
    }
}

fn cut_by_a_card(size: u16) -> Option<Segmentation> {
    Some(Segmentation {
        kind: SegmentationKind::Tcp4,
        size,
        ecn: false,
    })
}

#[test]
fn an_unfinished_checksum_is_finished_where_a_line_changes() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let frame = undone(
        &world,
        &talk.ends[0],
        &talk.segment(Client, LINE.as_bytes()),
        None,
    );
    let sent = world.send_wire(dmz(), frame);
    assert_eq!(talk.heard(Client, &sent), TOLD);
    assert_eq!(sent[0].frame.offload, Offload::default());
    talk.ends[0].next = talk.ends[0].next.wrapping_add(LINE.len() as u32);
    talk.ends[1].awaited = talk.ends[1].awaited.wrapping_add(TOLD.len() as u32);
    // And stays unfinished where none does.
    let frame = undone(
        &world,
        &talk.ends[0],
        &talk.segment(Client, b"NOOP\r\n"),
        None,
    );
    let sent = world.send_wire(dmz(), frame);
    assert_eq!(talk.heard(Client, &sent), "NOOP\r\n");
    assert!(matches!(
        sent[0].frame.offload.checksum,
        Checksum::Partial { .. }
    ));
}

#[test]
fn a_large_frame_keeps_its_text_and_gets_its_numbers() {
    let (mut world, mut talk) = told();
    talk.acknowledge(&mut world, Server);
    let large = [LINE.as_bytes(), &[b'x'; 3000]].concat();
    let segment = talk.segment(Client, &large);
    let frame = undone(&world, &talk.ends[0], &segment, cut_by_a_card(1400));
    let sent = world.send_wire(dmz(), frame);
    assert_eq!(talk.heard(Client, &sent).as_bytes(), large, "as it was");
    assert_eq!(sent[0].frame.offload.segmentation, cut_by_a_card(1400));
    talk.ends[0].next = talk.ends[0].next.wrapping_add(3000 + LINE.len() as u32);
    talk.ends[1].awaited = talk.ends[1].awaited.wrapping_add(3000 + LINE.len() as u32);
    assert_eq!(talk.say(&mut world, Client, "\r\n"), "\r\n");
    assert_eq!(talk.say(&mut world, Client, LINE), TOLD);
}

#[test]
fn a_segment_that_grows_beyond_the_mtu_leaves_as_two() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let filler = 1460 - LINE.len() - 2;
    let full = format!("{}\r\n{LINE}", "x".repeat(filler));
    assert_eq!(full.len(), 1460);
    let segment = talk.segment(Client, full.as_bytes()).dont_fragment();
    let sent = world.send(dmz(), &segment);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(world.ends().last(), Some(&End::Remade));
    let told = full.replace(LINE, TOLD);
    assert_eq!(talk.heard(Client, &sent), told);
    let flags = sent.iter().map(|sent| read(&sent.packet).0.psh);
    assert_eq!(flags.collect::<Vec<_>>(), [false, true]);
    talk.ends[0].next = talk.ends[0].next.wrapping_add(1460);
    talk.ends[1].awaited = talk.ends[1].awaited.wrapping_add(1462);
    talk.acknowledge(&mut world, Server);
}

#[test]
fn urgent_data_behind_a_changed_line_is_where_it_was() {
    let mut world = world();
    let talk = outbound(&mut world);
    for (pointer, expected) in [(LINE.len() as u16, TOLD.len() as u16), (2, 2)] {
        let mut world = World::new(&text("", ""));
        let talk = outbound(&mut world);
        let segment = talk.built(Client, LINE.as_bytes(), |header| {
            (header.urg, header.urgent_pointer) = (true, pointer);
        });
        let (header, _) = read(&world.send(dmz(), &segment)[0].packet);
        assert_eq!((header.urg, header.urgent_pointer), (true, expected));
    }
    drop(talk);
}

#[test]
fn a_line_with_a_wrong_checksum_is_not_believed() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let spoiled = talk.segment(Client, LINE.as_bytes()).spoiled(40);
    assert_eq!(world.refuse(dmz(), &spoiled), TransportChecksum);
    assert_eq!(talk.say(&mut world, Client, LINE), TOLD);
}

#[test]
fn a_line_outside_the_window_announces_nothing() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let far = talk.built(Client, LINE.as_bytes(), |header| {
        header.sequence_number = header.sequence_number.wrapping_add(1 << 20);
    });
    world.refuse(dmz(), &far);
    assert_eq!(world.engine.conntrack().controls().waiting(), 0);
    assert_eq!(talk.say(&mut world, Client, LINE), TOLD);
}

#[test]
fn a_line_that_waits_for_its_next_hop_is_changed_once_it_goes() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let router = host("203.0.113.254");
    world.silent.insert(router);
    for link in [Link::Down, Link::Up] {
        world.engine.set_link(wan(), link);
    }
    let segment = talk.segment(Client, LINE.as_bytes());
    world.ends();
    assert_eq!(world.send(dmz(), &segment), []);
    assert_eq!(world.ends(), [End::Held]);
    assert_eq!(world.engine.conntrack().controls().waiting(), 0);
    world.silent.remove(&router);
    let sent = world.pass_time(std::time::Duration::from_secs(2));
    assert_eq!(talk.heard(Client, &sent), TOLD);
    talk.ends[0].next = talk.ends[0].next.wrapping_add(LINE.len() as u32);
    talk.ends[1].awaited = talk.ends[1].awaited.wrapping_add(TOLD.len() as u32);
    talk.acknowledge(&mut world, Server);
}

#[test]
fn a_line_that_comes_late_behind_another_is_not_changed() {
    let mut world = world();
    let mut talk = outbound(&mut world);
    let late = talk.segment(Client, LINE.as_bytes());
    let next = talk.built(Client, b"NOOP\r\n", |header| {
        header.sequence_number = header.sequence_number.wrapping_add(LINE.len() as u32);
    });
    world.pass(dmz(), &next);
    let (header, payload) = read(&world.pass(dmz(), &late).packet);
    assert_eq!(
        (header.sequence_number, payload),
        (talk.ends[1].awaited, LINE.into())
    );
    for end in [(0, true), (1, false)] {
        let count = (LINE.len() + 6) as u32;
        let end_of = &mut talk.ends[end.0];
        match end.1 {
            true => end_of.next = end_of.next.wrapping_add(count),
            false => end_of.awaited = end_of.awaited.wrapping_add(count),
        }
    }
    assert_eq!(talk.say(&mut world, Client, LINE), TOLD);
}

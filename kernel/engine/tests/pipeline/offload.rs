//! Work left to the cards: checksums that the sending card completes, and frames that it cuts.

use etherparse::TcpHeader;
use sekisho_engine::DropReason::{OffloadInvalid, TooBig};
use sekisho_engine::frame::{Checksum, Offload, Segmentation, SegmentationKind};

use crate::support::check::{pseudo_header, sum};
use crate::support::ip::{Ip, kind_of, ping, syn, tcp, udp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{End, Sent, Wire, World, dmz, lan, wan};

/// Where the transport checksum lies in TCP and UDP.
const TCP: Checksum = partial(34, 16);
const UDP: Checksum = partial(34, 6);

const fn partial(start: u16, offset: u16) -> Checksum {
    Checksum::Partial { start, offset }
}

const fn segments_of(size: u16) -> Option<Segmentation> {
    Some(Segmentation {
        kind: SegmentationKind::Tcp4,
        size,
        ecn: false,
    })
}

/// A host's frame whose checksum its card left undone: the field holds the pseudo header's sum.
fn undone(
    world: &World,
    packet: &Ip,
    checksum: Checksum,
    segmentation: Option<Segmentation>,
) -> Wire {
    let mut packet = packet.clone();
    if let Checksum::Partial { offset, .. } = checksum {
        let begun = sum(&[&pseudo_header(&packet.header, packet.body.len())]);
        let at = usize::from(offset);
        packet.body[at..at + 2].copy_from_slice(&begun.to_be_bytes());
    }
    let bytes = world.frame(dmz(), &packet);
    Wire {
        total_len: bytes.len(),
        bytes,
        offload: Offload {
            checksum,
            segmentation,
        },
    }
}

/// The packet as the sending card puts it on the wire.
fn completed(sent: &Sent) -> Ip {
    let mut packet = sent.packet.clone();
    let Checksum::Partial { offset, .. } = sent.frame.offload.checksum else {
        return packet;
    };
    let at = usize::from(offset);
    let complete = !sum(&[&packet.body]);
    packet.body[at..at + 2].copy_from_slice(&complete.to_be_bytes());
    packet
}

fn data(src: &str, payload: &[u8]) -> Ip {
    tcp(src, "192.0.2.9:80", payload, |header| {
        (
            header.ack,
            header.sequence_number,
            header.acknowledgment_number,
        ) = (true, 1001, 5001);
    })
}

/// A masqueraded connection whose outside port differs from the inside one.
fn connection() -> (World, String) {
    let mut world = masquerading();
    world.pass(lan(), &syn("10.98.0.9:40000", "192.0.2.1:80"));
    let sent = world.pass(dmz(), &syn("10.99.0.2:40000", "192.0.2.9:80"));
    let seen = sent.packet.from().to_string();
    let answer = tcp("192.0.2.9:80", &seen, b"", |header| {
        (header.syn, header.ack) = (true, true);
        (header.sequence_number, header.acknowledgment_number) = (5000, 1001);
    });
    world.pass(wan(), &answer);
    world.pass(dmz(), &data("10.99.0.2:40000", b""));
    (world, seen)
}

#[test]
fn a_checksum_left_undone_comes_out_right_whatever_is_translated() {
    let (mut world, seen) = connection();
    let frame = undone(&world, &data("10.99.0.2:40000", b"payload"), TCP, None);
    let sent = world.send_wire(dmz(), frame).remove(0);
    assert_eq!(sent.frame.offload.checksum, TCP, "still the card's work");
    assert_eq!(completed(&sent), data(&seen, b"payload").hop());

    let mut world = masquerading();
    world.pass(lan(), &udp("10.98.0.9:40000", "192.0.2.1:53", b""));
    for payload in 0..=255u8 {
        let packet = udp("10.99.0.2:40000", "192.0.2.9:53", &[payload; 3]);
        let frame = undone(&world, &packet, UDP, None);
        let sent = world.send_wire(dmz(), frame).remove(0);
        let seen = sent.packet.from().to_string();
        assert_ne!(seen, "203.0.113.1:40000");
        assert_eq!(
            completed(&sent),
            udp(&seen, "192.0.2.9:53", &[payload; 3]).hop()
        );
    }
}

#[test]
fn a_syn_whose_checksum_is_undone_is_clamped_all_the_same() {
    let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
    let text = three_zones(rule, "").replace(".254\"", ".254\"\nmtu = 1400");
    let mut world = World::new(&text);
    let with_mss = |mss: u16| {
        tcp("10.99.0.2:40000", "192.0.2.9:80", b"", |header| {
            header.syn = true;
            let option = etherparse::TcpOptionElement::MaximumSegmentSize(mss);
            header.set_options(&[option]).expect("an option");
        })
    };
    // The second finds its neighbour known.
    for _ in 0..2 {
        let frame = undone(&world, &with_mss(1460), TCP, None);
        let sent = world.send_wire(dmz(), frame).remove(0);
        assert_eq!(completed(&sent), with_mss(1360).hop());
    }
}

#[test]
fn a_large_frame_goes_on_as_it_is_and_counts_with_all_its_bytes() {
    let (mut world, seen) = connection();
    let payload = vec![7; 20_000];
    let whole = data("10.99.0.2:40000", &payload);
    let mut frame = undone(&world, &whole, TCP, segments_of(1460));
    // The engine sees the first buffer only.
    frame.bytes.truncate(2048);
    let sent = world.send_wire(dmz(), frame.clone()).remove(0);
    assert_eq!(
        (sent.frame.total_len, sent.frame.offload),
        (frame.total_len, frame.offload)
    );
    assert_eq!(sent.packet.from().to_string(), seen);
    let expected = data(&seen, &payload).hop();
    assert_eq!(sent.packet.header, expected.header);

    let acknowledged = tcp("192.0.2.9:80", &seen, b"", |header| {
        (
            header.ack,
            header.sequence_number,
            header.acknowledgment_number,
        ) = (true, 5001, 21_001);
    });
    world.pass(wan(), &acknowledged);
    let too_much = tcp("192.0.2.9:80", &seen, b"", |header| {
        (
            header.ack,
            header.sequence_number,
            header.acknowledgment_number,
        ) = (true, 5001, 21_002);
    });
    assert_eq!(
        world.refuse(wan(), &too_much),
        sekisho_engine::DropReason::TcpWindow
    );
}

#[test]
fn segments_that_are_too_large_for_the_way_out_are_reported() {
    let (mut world, _) = connection();
    let whole = data("10.99.0.2:40000", &[7; 9000]).dont_fragment();
    let frame = undone(&world, &whole, TCP, segments_of(1461));
    let told = world.send_wire(dmz(), frame).remove(0);
    assert_eq!(kind_of(&told.packet), [3, 4]);
    assert_eq!(told.packet.body[4..8], [0, 0, 5, 220]);
    assert_eq!(world.dropped(), TooBig);
    let frame = undone(&world, &whole, TCP, segments_of(1460));
    assert_eq!(world.send_wire(dmz(), frame).len(), 1);
}

#[test]
fn a_packet_that_is_cut_has_its_checksum_completed_first() {
    let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
    let narrow = three_zones(rule, "").replace(".254\"", ".254\"\nmtu = 600");
    for len in [1300, 1301] {
        let mut world = World::new(&narrow);
        let whole = udp("10.99.0.2:40000", "192.0.2.9:53", &vec![0xa5; len]).id(9);
        let frame = undone(&world, &whole, UDP, None);
        let sent = world.send_wire(dmz(), frame);
        let pieces: Vec<Ip> = sent.into_iter().map(|sent| sent.packet).collect();
        assert_eq!(pieces, whole.hop().pieces(576));
    }
}

#[test]
fn what_a_card_cannot_have_meant_is_refused() {
    let segment = data("10.99.0.2:40000", b"payload");
    let datagram = udp("10.99.0.2:40000", "192.0.2.9:53", &[7; 64]);
    let piece = &datagram.pieces(32)[0];
    let cases = [
        (&segment, partial(34, 6), None),
        (&segment, partial(33, 16), None),
        (&segment, partial(14, 16), None),
        (&segment, partial(54, 16), None),
        (&datagram, partial(34, 16), None),
        (&datagram, UDP, segments_of(1000)),
        (piece, UDP, None),
        (&ping("10.99.0.2", "192.0.2.9", 7), partial(34, 2), None),
        (&segment, Checksum::Complete, segments_of(1460)),
        (&segment, Checksum::Verified, segments_of(1460)),
    ];
    for (index, (packet, checksum, segmentation)) in cases.into_iter().enumerate() {
        let mut world = routing();
        let mut frame = undone(&world, packet, Checksum::Complete, None);
        frame.offload = Offload {
            checksum,
            segmentation,
        };
        assert_eq!(world.send_wire(dmz(), frame), []);
        assert_eq!(world.dropped(), OffloadInvalid, "case {index}");
    }
}

#[test]
fn a_card_that_cuts_must_be_given_no_more_than_the_packet() {
    let (mut world, _) = connection();
    let whole = data("10.99.0.2:40000", &[7; 2000]);
    let mut frame = undone(&world, &whole, TCP, segments_of(1460));
    frame.bytes.extend([0x55; 100]);
    frame.total_len += 100;
    assert_eq!(world.send_wire(dmz(), frame), []);
    assert_eq!(world.dropped(), OffloadInvalid);
}

#[test]
fn bytes_behind_the_packet_are_not_sent_on() {
    let mut world = routing();
    let packet = udp("10.99.0.2:40000", "10.98.0.3:53", b"x");
    let mut padded = world.frame(dmz(), &packet);
    let len = padded.len();
    padded.resize(60, 0x55);
    world.pass(dmz(), &packet);
    let sent = world.send_frame(dmz(), &padded).remove(0);
    assert_eq!(sent.packet, packet.clone().hop());
    assert_eq!((sent.frame.bytes.len(), sent.frame.total_len), (len, len));
    // Not by way of a frame in several buffers, either.
    let mut behind = Wire {
        bytes: padded,
        total_len: 9000,
        offload: Offload::default(),
    };
    let sent = world.send_wire(dmz(), behind.clone()).remove(0);
    assert_eq!(sent.frame.total_len, len);
    // Nor in an answer of our own.
    behind.bytes = world.frame(dmz(), &ping("10.99.0.2", "10.99.0.1", 7));
    let len = behind.bytes.len();
    behind.bytes.resize(90, 0x55);
    behind.total_len = 90;
    let sent = world.send_wire(dmz(), behind).remove(0);
    assert_eq!(sent.frame.total_len, len);
}

#[test]
fn what_a_card_has_verified_is_not_verified_again_and_loses_that_mark_for_nobody() {
    let mut world = routing();
    world.wrong_checksums = true;
    let spoiled = ping("10.99.0.2", "10.98.0.3", 7).spoiled(10);
    let mut frame = undone(&world, &spoiled, Checksum::Verified, None);
    let sent = world.send_wire(dmz(), frame.clone()).remove(0);
    assert_eq!(sent.packet, spoiled.hop());
    frame.offload.checksum = Checksum::Complete;
    assert_eq!(world.send_wire(dmz(), frame), []);
    assert_eq!(world.dropped(), sekisho_engine::DropReason::IcmpChecksum);
}

#[test]
fn a_large_frame_waits_for_its_neighbour_with_all_that_its_card_said() {
    let mut world = routing();
    world
        .silent
        .insert("10.98.0.3".parse().expect("an address"));
    let opening = tcp(
        "10.99.0.2:40000",
        "10.98.0.3:80",
        &[7; 3000],
        |header: &mut TcpHeader| {
            header.syn = true;
        },
    );
    let frame = undone(&world, &opening, TCP, segments_of(1400));
    assert_eq!(world.send_wire(dmz(), frame.clone()), []);
    assert_eq!(world.ends(), [End::Held]);
    world.silent.clear();
    let sent = world.pass_time(std::time::Duration::from_secs(2)).remove(0);
    assert_eq!(sent.frame.offload, frame.offload);
    assert_eq!(completed(&sent), opening.hop());
}

#[test]
fn the_largest_frames_that_can_be_are_held_and_cut_without_overflow() {
    let mut world = routing();
    let mut largest = udp("10.99.0.2:40000", "10.98.0.3:53", &[7; 100]).piece(0, 104, true);
    largest.header.total_len = 65_532;
    largest.header.header_checksum = largest.header.calc_header_checksum();
    let bytes = world.frame(dmz(), &largest);
    let frame = Wire {
        total_len: 14 + 65_532,
        bytes,
        offload: Offload::default(),
    };
    assert_eq!(world.send_wire(dmz(), frame), []);
    assert_eq!(world.ends(), [End::Held]);
}

#[test]
fn rfc768_a_completed_udp_checksum_never_becomes_none_by_chance() {
    let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
    let mut world = World::new(&three_zones(rule, "").replace(".254\"", ".254\"\nmtu = 600"));
    let whole = |word: u16| {
        let mut payload = vec![0; 1000];
        payload[..2].copy_from_slice(&word.to_be_bytes());
        udp("10.99.0.2:40000", "192.0.2.9:53", &payload)
    };
    let word = (0..=u16::MAX)
        .find(|word| whole(*word).body[6..8] == [0xff, 0xff])
        .expect("one of all words");
    let frame = undone(&world, &whole(word), UDP, None);
    let head = world.send_wire(dmz(), frame).remove(0);
    assert_eq!(head.packet.body[6..8], [0xff, 0xff]);
}

#[test]
fn what_finds_no_room_is_not_cut_at_all() {
    let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
    let mut world = World::new(&three_zones(rule, "").replace(".254\"", ".254\"\nmtu = 600"));
    world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b""));
    let large = |id: u16| udp("10.99.0.2:40000", "192.0.2.9:53", &[7; 9000]).id(id);
    let burst: Vec<Ip> = (0..6).map(large).collect();
    let sent: Vec<Ip> = world
        .burst(dmz(), &burst)
        .into_iter()
        .map(|sent| sent.packet)
        .collect();
    // 64 frames find room: three datagrams of 16 pieces, and the fourth only just.
    let expected: Vec<Ip> = burst[..3]
        .iter()
        .flat_map(|whole| whole.clone().hop().pieces(576))
        .collect();
    assert_eq!(expected.len(), 48);
    assert_eq!(sent[..48], expected);
    assert!(sent.len() == 48 || sent.len() == 64, "whole datagrams only");
    let counters = world.engine.counters();
    let whole = 1 + sent.len() as u64 / 16;
    assert_eq!(counters.forwarded(), whole);
    assert_eq!(
        counters.drops(sekisho_engine::DropReason::TransmitFull),
        7 - whole
    );
}

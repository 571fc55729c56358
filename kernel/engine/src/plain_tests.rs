//! What is read here is what the parser reads, and what is written here is what the rewriter writes.

use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::ZoneId;
use crate::checksum::Sum;
use crate::frame::{Offload, Segmentation, SegmentationKind};
use crate::parse::{Parsed, parse};
use crate::rewrite::{Link, Rewrite, apply};

const OWN: Mac = [2, 0, 0, 0, 0, 1];
const NEXT: Mac = [2, 0, 0, 0, 0, 9];

fn side() -> Side {
    Side::zone(ZoneId::new(0).expect("a zone"))
}

/// A frame to our card with a right header checksum.
fn frame(protocol: Protocol, payload: &[u8], checksum: u16) -> Vec<u8> {
    let mut bytes = OWN.to_vec();
    bytes.extend([
        2, 0, 0, 0, 0, 7, 8, 0, 0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64,
    ]);
    bytes.extend([protocol.0, 0, 0, 10, 99, 0, 2, 192, 0, 2, 7]);
    bytes.extend([0x9c, 0x40, 0, 53]);
    match protocol {
        Protocol::TCP => {
            bytes.extend([0, 0, 3, 232, 0, 0, 19, 137, 0x60, 0x10, 0x20, 0]);
            bytes.extend(checksum.to_be_bytes());
            bytes.extend([0, 0, 1, 3, 3, 7]);
        }
        _ => {
            bytes.extend((8 + payload.len() as u16).to_be_bytes());
            bytes.extend(checksum.to_be_bytes());
        }
    }
    bytes.extend(payload);
    let ip_len = (bytes.len() - ETHERNET) as u16;
    bytes[LENGTH..LENGTH + 2].copy_from_slice(&ip_len.to_be_bytes());
    seal(&mut bytes);
    bytes
}

fn seal(bytes: &mut [u8]) {
    bytes[CHECKSUM..CHECKSUM + 2].fill(0);
    let sum = Sum::default().bytes(&bytes[NETWORK..TRANSPORT]).checksum();
    bytes[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum.to_be_bytes());
}

fn offload() -> impl Strategy<Value = Offload> {
    let segments = |size| Segmentation {
        kind: SegmentationKind::Tcp4,
        size,
        ecn: false,
    };
    let partial = |offset| Checksum::Partial { start: 34, offset };
    let checksum = prop::sample::select(std::vec![
        Checksum::Complete,
        Checksum::Verified,
        partial(6),
        partial(16),
        Checksum::Partial {
            start: 14,
            offset: 16
        },
    ]);
    let segmentation = prop::option::weighted(0.3, (1..2000_u16).prop_map(segments));
    (checksum, segmentation).prop_map(|(checksum, segmentation)| Offload {
        checksum,
        segmentation,
    })
}

prop_compose! {
    /// Frames of which most are plain, and some are nearly.
    fn frames()(
        is_tcp in any::<bool>(),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        checksum in prop_oneof![2 => any::<u16>(), 1 => Just(0)],
        changes in prop::collection::vec((0..TCP_END, any::<u8>()), 0..3),
        flags in prop::option::weighted(0.3, any::<u8>()),
        cut in prop::option::weighted(0.1, 0..60_usize),
        is_sealed in prop::bool::weighted(0.9),
        offload in offload(),
    ) -> (Vec<u8>, Offload) {
        let protocol = if is_tcp { Protocol::TCP } else { Protocol::UDP };
        let mut bytes = frame(protocol, &payload, checksum);
        if let Some(flags) = flags.filter(|_| is_tcp) {
            bytes[TRANSPORT + 13] = flags;
        }
        let reach = bytes.len();
        for (at, byte) in changes {
            bytes[at % reach] = byte;
        }
        if is_sealed {
            seal(&mut bytes);
        }
        bytes.truncate(cut.unwrap_or(reach));
        (bytes, offload)
    }
}

/// Whether the parser's descriptor is of a plain packet.
fn is_plain(packet: &Packet) -> bool {
    let is_content = matches!(packet.content, Content::Udp | Content::Tcp(_));
    is_content && !packet.fragment.is_piece()
}

#[test]
fn plain_packets_are_read() {
    for protocol in [Protocol::UDP, Protocol::TCP] {
        let mut bytes = frame(protocol, b"payload", 0x1234);
        assert!(read(&Frame::whole(&mut bytes), side(), &OWN).is_some());
        assert!(read(&Frame::whole(&mut bytes), side(), &NEXT).is_none());
    }
}

proptest! {
    #[test]
    fn a_packet_is_read_if_the_parser_finds_it_plain_and_then_alike(
        (mut bytes, offload) in frames()
    ) {
        let is_to_us = bytes.starts_with(&OWN);
        let frame = Frame { offload, ..Frame::whole(&mut bytes) };
        let expected = match parse(&frame, side()) {
            Ok(Parsed::Ip(packet)) if is_to_us && is_plain(&packet) => Some(packet),
            _ => None,
        };
        prop_assert_eq!(read(&frame, side(), &OWN), expected);
    }

    #[test]
    fn a_plain_packets_key_is_foreseen_from_its_head((mut bytes, offload) in frames()) {
        let foreseen = key(&bytes, side());
        let frame = Frame { offload, ..Frame::whole(&mut bytes) };
        if let Some(Packet { key, .. }) = read(&frame, side(), &OWN) {
            let ends = key.src.address.as_v4().zip(key.dst.address.as_v4());
            let (src, dst) = ends.expect("it is IPv4");
            prop_assert_eq!(foreseen, Some(KeyV4::new(&key, src, dst)));
        }
    }

    #[test]
    fn a_packet_is_written_as_the_rewriter_writes_it(
        (mut bytes, offload) in frames(),
        src in any::<(u32, u16)>(),
        dst in any::<(u32, u16)>(),
    ) {
        let (src, dst) = ((Ipv4Addr::from(src.0), src.1), (Ipv4Addr::from(dst.0), dst.1));
        let mut copy = bytes.clone();
        let mut long = Frame { offload, ..Frame::whole(&mut copy) };
        let mut short = Frame { offload, ..Frame::whole(&mut bytes) };
        let Some(packet) = read(&short, side(), &OWN).filter(|packet| packet.ttl > 0) else {
            return Ok(());
        };
        long.truncate(ETHERNET + usize::from(packet.ip_len));
        let rewrite = Rewrite {
            src: Endpoint::new(src.0, src.1),
            dst: Endpoint::new(dst.0, dst.1),
            numbers: None,
            link: Link::Out { to: NEXT, from: OWN, mtu: 1500 },
        };
        prop_assert_eq!(apply(&mut long, &packet, &rewrite), Ok(()));
        prop_assert_eq!(write(&mut short, &packet, (src, dst), (NEXT, OWN)), Some(()));
        prop_assert_eq!(&short.head, &long.head);
        prop_assert_eq!(short.total_len, long.total_len);
    }
}

//! One frame, and everything that reads or rewrites it without state.

use std::net::Ipv4Addr;

use sekisho_engine::frame::{Checksum, Frame, Offload, Segmentation, SegmentationKind};
use sekisho_engine::key::{Endpoint, Side};
use sekisho_engine::packet::{Content, Packet};
use sekisho_engine::parse::{ETHERNET, Parsed, parse};
use sekisho_engine::rewrite::{Link, Rewrite, apply};
use sekisho_engine::{ZoneId, icmp, quote};
use sekisho_replay::describe;

use crate::frames::repair;

/// The first byte says what the card says of the frame, the second how much of it is in the head; the frame follows.
pub fn run(data: &[u8]) {
    let [card, head, bytes @ ..] = data else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if card & 1 == 0 {
        repair(&mut bytes);
    }
    let _ = describe::frame(&bytes);
    let total_len = bytes.len() + usize::from(*head) * 16;
    let mut frame = Frame {
        total_len,
        head: &mut bytes,
        offload: offload(*card),
    };
    let side = Side::zone(ZoneId::new(usize::from(card & 7)).expect("a zone"));
    let Ok(Parsed::Ip(packet)) = parse(&frame, side) else {
        return;
    };
    holds(&packet, &frame);
    rewritten(&mut frame, &packet);
}

fn offload(card: u8) -> Offload {
    let checksum = match card >> 3 & 3 {
        0 => Checksum::Complete,
        1 => Checksum::Verified,
        2 => Checksum::Partial {
            start: 34,
            offset: 16,
        },
        _ => Checksum::Partial {
            start: 34,
            offset: 6,
        },
    };
    let segmentation = (card >> 5 == 7).then_some(Segmentation {
        kind: SegmentationKind::Tcp4,
        size: 1000,
        ecn: false,
    });
    Offload {
        checksum,
        segmentation,
    }
}

/// What all that comes after the parser relies on.
fn holds(packet: &Packet, frame: &Frame<'_>) {
    let (network, transport) = (usize::from(packet.network), usize::from(packet.transport));
    assert!(network == ETHERNET && transport == network + 20);
    assert!(usize::from(packet.ip_len) + ETHERNET <= frame.total_len);
    assert!(packet.key.src.address != packet.key.dst.address);
    let needs = match packet.content {
        Content::Tcp(segment) => {
            let headers = u32::from(packet.body_len()) - segment.payload_len;
            assert!(headers >= 20 && segment.window_scale.is_none_or(|scale| scale <= 14));
            headers as usize
        }
        Content::Udp | Content::IcmpQuery | Content::IcmpError { .. } | Content::IcmpOther => 8,
        Content::Other | Content::Piece => 0,
    };
    assert!(frame.head.len() >= transport + needs);
    assert_eq!(
        packet.fragment.offset != 0,
        packet.content == Content::Piece
    );
}

fn rewritten(frame: &mut Frame<'_>, packet: &Packet) {
    let end = |last, port| Endpoint::new(Ipv4Addr::new(198, 51, 100, last), port);
    let (src, dst) = (end(1, 40_000), end(2, 53));
    if let Content::IcmpError { .. } = packet.content
        && let Ok(quote) = quote::parse(frame, packet)
    {
        quote
            .translate(frame, packet, src, dst)
            .expect("the frame that was parsed");
    }
    let mut out = vec![0; 2048];
    let way = icmp::Way {
        from: [2; 6],
        own: Ipv4Addr::new(198, 51, 100, 1),
        to: [4; 6],
    };
    if icmp::may_tell(frame, packet) {
        let _ = icmp::write_error(&mut out, frame, packet, icmp::Error::HostUnreachable, way);
    }
    let link = Link::Out {
        to: [4; 6],
        from: [2; 6],
        mtu: 600,
    };
    apply(
        frame,
        packet,
        &Rewrite {
            src,
            dst,
            numbers: None,
            link,
        },
    )
    .expect("the frame that was parsed");
    if let Ok(Parsed::Ip(after)) = parse(frame, packet.key.side) {
        assert_eq!(after.key.src.address, src.address);
        assert_eq!(after.ttl, packet.ttl.saturating_sub(1));
        assert_eq!(
            (after.ip_len, after.fragment),
            (packet.ip_len, packet.fragment)
        );
    } else {
        panic!("a rewritten packet can no longer be read: {packet:?}");
    }
}

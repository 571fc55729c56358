//! What the pipeline cannot reach of fragmentation.

use super::*;
use crate::key::{Endpoint, FlowKey};
use crate::packet::Fragment;
use core::net::Ipv4Addr;

/// Headers, and so many bytes behind them.
fn packet(body: u16) -> Packet {
    Packet {
        key: FlowKey {
            src: Endpoint::new(Ipv4Addr::new(10, 99, 0, 2), 1),
            dst: Endpoint::new(Ipv4Addr::new(10, 98, 0, 3), 2),
            protocol: Protocol::UDP,
            side: Side::OWN,
        },
        network: ETHERNET as u16,
        transport: ETHERNET as u16 + 20,
        ip_len: 20 + body,
        ttl: 64,
        fragment: Fragment {
            dont: false,
            more: false,
            offset: 0,
            id: 7,
        },
        content: Content::Udp,
    }
}

fn pieces(bytes: &mut [u8], body: u16, mtu: u16) -> Option<usize> {
    let mut count = 0;
    split(&Frame::whole(bytes), &packet(body), mtu, |write| {
        let mut out = [0; 2000];
        count += 1;
        write(&mut out).is_some()
    })?;
    Some(count)
}

#[test]
fn a_packet_that_is_not_all_there_or_finds_no_room_is_not_split() {
    let mut bytes = [0x45; ETHERNET + 20 + 100];
    assert_eq!(pieces(&mut bytes, 100, 68), Some(3));
    assert_eq!(pieces(&mut bytes, 100, 28), Some(13), "eight bytes each");
    assert_eq!(pieces(&mut bytes, 100, 27), None, "no room for eight bytes");
    assert_eq!(pieces(&mut bytes, 101, 68), None, "more than there is");
    let refused = split(&Frame::whole(&mut bytes), &packet(100), 68, |write| {
        write(&mut [0; 20]).is_some()
    });
    assert_eq!(refused, None, "no room for a header");
}

#[test]
fn names_of_datagrams_are_many_but_their_places_few() {
    let (mut fragments, mut holds) = (Fragments::new(), Holds::default());
    let now = Instant::default();
    let mut held = 0;
    for source in 0..8u8 {
        for id in 0..16 {
            let mut piece = packet(8);
            piece.key.src = Endpoint::new(Ipv4Addr::new(10, 99, 0, source), 0);
            (piece.fragment.id, piece.fragment.more) = (id, true);
            let arrival = fragments.accept(&piece, Visit::First, now, &mut holds);
            held += usize::from(matches!(arrival, Ok(Arrival::Held(_))));
        }
    }
    // The oldest made room: their pieces are given up.
    assert_eq!((held, fragments.datagrams()), (128, DATAGRAMS));
    let full = Fate::GiveUp(DropReason::FragmentTableFull);
    let given_up = core::iter::from_fn(|| holds.pop());
    assert_eq!(given_up.filter(|(_, fate)| *fate == full).count(), 64);
}

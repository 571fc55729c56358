//! UDP through NAT, and its fragments.

use sekisho_tests::frames::Inner;
use sekisho_tests::rig::{DMZ, WAN, WAN_HOST};
use sekisho_tests::way::Way;

use crate::support::{STRANGER, WORLD, Wire, carries, icmp_of, packet, piece, without_df};

on_one_machine! {
    udp_on_the_wire:
        rfc4787_req1_one_outside_port_for_all_peers,
        rfc4787_req8_strangers_are_kept_out,
        rfc4787_req9_a_hairpin_has_the_outside_endpoint_as_source,
        rfc4787_req12_an_unreachable_reaches_the_host_and_the_mapping_stays,
        rfc4787_req13_too_large_with_df_is_reported,
        rfc4787_req13a_too_large_without_df_is_fragmented_in_order,
        rfc4787_req14_fragments_out_of_order_are_translated,
        rfc768_no_checksum_stays_none;
}

fn rfc4787_req1_one_outside_port_for_all_peers(wire: &Wire) {
    let first = wire.udp_out(41_000, (WORLD, 53));
    assert_eq!(first.0, WAN);
    for to in [(WORLD, 54), (STRANGER, 53), (WAN_HOST, 99)] {
        assert_eq!(wire.udp_out(41_000, to), first);
    }
}

fn rfc4787_req8_strangers_are_kept_out(wire: &Wire) {
    let (_, port) = wire.udp_out(41_001, (WORLD, 53));
    wire.wan()
        .send(&wire.from(STRANGER, WAN).udp(53, port, b"from a stranger"));
    wire.wan()
        .send(&wire.from(WORLD, WAN).udp(99, port, b"from whom it asked"));
    let arrived = wire.arrived(wire.dmz());
    assert_eq!(arrived.len(), 1, "{arrived:#?}");
    assert!(carries(&arrived[0], b"from whom it asked"));
}

fn rfc4787_req9_a_hairpin_has_the_outside_endpoint_as_source(wire: &Wire) {
    let (_, port) = wire.udp_out(41_002, (WORLD, 53));
    let (_, other) = wire.udp_out(41_003, (WORLD, 53));
    wire.dmz()
        .send(&wire.dmz().to(WAN).udp(41_003, port, b"hairpin"));
    let frame = wire
        .dmz()
        .expect("the hairpin", |frame| carries(frame, b"hairpin"));
    assert_eq!(frame.source(), Some(WAN));
    let expected = Inner::Udp {
        source: other,
        destination: 41_002,
        payload: b"hairpin".to_vec(),
    };
    assert_eq!(frame.inner(), Some(&expected));
}

fn rfc4787_req12_an_unreachable_reaches_the_host_and_the_mapping_stays(wire: &Wire) {
    let (_, port) = wire.udp_out(41_004, (WORLD, 53));
    let about = Way {
        from: WAN,
        ..wire.dmz().to(WORLD)
    }
    .udp(port, 53, b"?");
    wire.wan()
        .send(&wire.from(STRANGER, WAN).port_unreachable(packet(&about)));
    wire.dmz().expect("the error", |frame| frame.is_icmp(3));
    wire.wan()
        .send(&wire.from(WORLD, WAN).udp(53, port, b"still there"));
    wire.dmz()
        .expect("an answer", |frame| carries(frame, b"still there"));
}

fn rfc4787_req13_too_large_with_df_is_reported(wire: &Wire) {
    let large = wire.dmz().to(WORLD).udp(41_005, 53, &[7; 1300]);
    assert_eq!(large[20] & 0x40, 0x40, "DF");
    wire.dmz().send(&large);
    let report = wire.dmz().expect("an error", |frame| frame.is_icmp(3));
    let (kind, code, rest) = icmp_of(&report).expect("it is ICMP");
    assert_eq!((kind, code), (3, 4));
    assert_eq!(rest[2..4], 1280u16.to_be_bytes());
    assert_eq!(report.source(), Some(DMZ));
    assert_eq!(wire.arrived(wire.wan()), []);
}

fn rfc4787_req13a_too_large_without_df_is_fragmented_in_order(wire: &Wire) {
    let large = without_df(wire.dmz().to(WORLD).udp(41_006, 53, &[7; 1400]));
    wire.dmz().send(&large);
    let arrived = wire.arrived(wire.wan());
    assert_eq!(arrived.len(), 2, "{arrived:#?}");
    for frame in arrived {
        assert_eq!(
            (frame.source(), frame.inner()),
            (Some(WAN), Some(&Inner::Other))
        );
    }
}

fn rfc4787_req14_fragments_out_of_order_are_translated(wire: &Wire) {
    let whole = wire.dmz().to(WORLD).udp(41_007, 53, &[7; 600]);
    for (from, len) in [(400, 208), (200, 200), (0, 200)] {
        assert_eq!(wire.arrived(wire.wan()), [], "before all are there");
        wire.dmz().send(&piece(&whole, 7, from, len));
    }
    let arrived = wire.arrived(wire.wan());
    assert_eq!(arrived.len(), 3, "{arrived:#?}");
    assert!(arrived.iter().all(|frame| frame.source() == Some(WAN)));
}

fn rfc768_no_checksum_stays_none(wire: &Wire) {
    let mut none = wire.dmz().to(WORLD).udp(41_008, 53, b"unsummed");
    none[40..42].fill(0);
    wire.dmz().send(&none);
    // A frame is read only if its checksum is right, or none: had it been half computed, this would not be found.
    let frame = wire
        .wan()
        .expect("the datagram", |frame| carries(frame, b"unsummed"));
    assert_eq!(frame.source(), Some(WAN));
}

//! ICMP queries and errors.

use sekisho_tests::rig::{DMZ_HOST, WAN};
use sekisho_tests::way::Way;

use crate::support::{STRANGER, WORLD, Wire, carries, icmp_of, packet, with_type};

on_one_machine! {
    icmp_on_the_wire:
        rfc5508_req1_a_query_goes_out_and_comes_back,
        rfc5508_req3_a_wrong_checksum_is_dropped,
        rfc5508_req4_an_error_from_outside_is_translated,
        rfc5508_req5_an_error_from_inside_comes_from_our_address,
        rfc5508_req11_other_messages_do_not_pass;
}

fn rfc5508_req1_a_query_goes_out_and_comes_back(wire: &Wire) {
    wire.dmz()
        .send(&wire.dmz().to(WORLD).echo(43_000, 1, b"ping"));
    let request = wire.wan().expect("a request", |frame| frame.is_icmp(8));
    assert_eq!(request.source(), Some(WAN));
    let (_, _, rest) = icmp_of(&request).expect("it is ICMP");
    wire.wan().send(&wire.from(WORLD, WAN).echo_reply(rest));
    let reply = wire.dmz().expect("a reply", |frame| frame.is_icmp(0));
    assert_eq!(
        icmp_of(&reply).map(|(.., rest)| rest),
        Some(&b"\xa7\xf8\0\x01ping"[..])
    );
}

/// An error from outside about a datagram of this port, which has gone out.
fn outside_error(wire: &Wire, from: u16) -> Vec<u8> {
    let (_, port) = wire.udp_out(from, (WORLD, 53));
    let about = Way {
        from: WAN,
        ..wire.dmz().to(WORLD)
    }
    .udp(port, 53, b"?");
    wire.from(STRANGER, WAN).port_unreachable(packet(&about))
}

fn rfc5508_req3_a_wrong_checksum_is_dropped(wire: &Wire) {
    let mut error = outside_error(wire, 43_001);
    error[40] ^= 0x10;
    wire.wan().send(&error);
    assert_eq!(wire.arrived(wire.dmz()), []);
}

fn rfc5508_req4_an_error_from_outside_is_translated(wire: &Wire) {
    wire.wan().send(&outside_error(wire, 43_002));
    let error = wire.dmz().expect("the error", |frame| frame.is_icmp(3));
    let (kind, code, rest) = icmp_of(&error).expect("it is ICMP");
    assert_eq!((kind, code, error.source()), (3, 3, Some(STRANGER)));
    let quoted = &rest[4..];
    assert_eq!(quoted[12..20], [DMZ_HOST.octets(), WORLD.octets()].concat());
    assert_eq!(
        quoted[20..24],
        [43_002u16.to_be_bytes(), 53u16.to_be_bytes()].concat()
    );
}

fn rfc5508_req5_an_error_from_inside_comes_from_our_address(wire: &Wire) {
    wire.wan()
        .send(&wire.from(WORLD, WAN).udp(43_003, 7001, b"to a closed port"));
    wire.dmz()
        .expect("it", |frame| carries(frame, b"to a closed port"));
    let about = wire
        .from(WORLD, DMZ_HOST)
        .udp(43_003, 7001, b"to a closed port");
    wire.dmz()
        .send(&wire.dmz().to(WORLD).port_unreachable(packet(&about)));
    let error = wire.wan().expect("the error", |frame| frame.is_icmp(3));
    assert_eq!(error.source(), Some(WAN));
    let (.., rest) = icmp_of(&error).expect("it is ICMP");
    assert_eq!(rest[4 + 16..4 + 20], WAN.octets(), "the quoted destination");
}

fn rfc5508_req11_other_messages_do_not_pass(wire: &Wire) {
    for kind in [4, 5, 9, 10, 15, 17, 30, 42] {
        for (peer, way) in [
            (wire.wan(), wire.from(WORLD, WAN)),
            (wire.dmz(), wire.dmz().to(WORLD)),
        ] {
            let message = with_type(way.echo(1, 1, b"0123456789"), kind, 0);
            peer.send(&message);
        }
    }
    wire.silence();
}

//! TCP: connections, and what is kept out of them.

use sekisho_tests::frames::flag;
use sekisho_tests::rig::WAN;

use crate::support::{WORLD, Wire};

on_one_machine! {
    tcp_on_the_wire:
        tcp_states_a_connection_opens_talks_and_closes,
        rfc5382_req2_two_syns_that_cross_become_a_connection,
        rfc5382_req4_an_unsolicited_syn_is_met_with_silence,
        tcp_pickup_in_the_middle_is_refused,
        tcp_split_handshake_gets_no_connection,
        tcp_equation_1_data_beyond_the_window_does_not_arrive,
        tcp_retransmission_of_acknowledged_data_arrives,
        tcp_flags_that_cannot_be_do_not_arrive,
        rfc5961_s3_a_wrong_rst_ends_nothing,
        tcp_time_wait_makes_room_for_a_new_connection;
}

fn tcp_states_a_connection_opens_talks_and_closes(wire: &Wire) {
    wire.connected(42_000, 443);
    wire.segment_out((42_000, 443), flag::ACK, (1001, 5001), b"question");
    wire.segment_in((443, 42_000), flag::ACK, (5001, 1009), b"an answer");
    wire.segment_out((42_000, 443), flag::FIN | flag::ACK, (1009, 5010), b"");
    wire.segment_in((443, 42_000), flag::FIN | flag::ACK, (5010, 1010), b"");
    wire.segment_out((42_000, 443), flag::ACK, (1010, 5011), b"");
}

fn rfc5382_req2_two_syns_that_cross_become_a_connection(wire: &Wire) {
    let (there, back) = ((42_001, 443), (443, 42_001));
    wire.segment_out(there, flag::SYN, (1000, 0), b"");
    wire.segment_in(back, flag::SYN, (5000, 0), b"");
    wire.segment_out(there, flag::SYN | flag::ACK, (1000, 5001), b"");
    wire.segment_in(back, flag::SYN | flag::ACK, (5000, 1001), b"");
    wire.segment_out(there, flag::ACK, (1001, 5001), b"data");
}

fn rfc5382_req4_an_unsolicited_syn_is_met_with_silence(wire: &Wire) {
    let syn = wire
        .from(WORLD, WAN)
        .tcp((443, 42_002), flag::SYN, (5000, 0), b"");
    wire.wan().send(&syn);
    wire.silence();
    wire.segment_out((42_002, 443), flag::SYN, (1000, 0), b"");
    wire.segment_in((443, 42_002), flag::SYN, (5000, 0), b"");
}

fn tcp_pickup_in_the_middle_is_refused(wire: &Wire) {
    for flags in [
        flag::ACK,
        flag::FIN | flag::ACK,
        flag::SYN | flag::ACK,
        flag::RST,
    ] {
        wire.dmz()
            .send(&wire.dmz().to(WORLD).tcp((42_003, 443), flags, (1, 1), b""));
        wire.wan()
            .send(&wire.from(WORLD, WAN).tcp((42_003, 80), flags, (1, 1), b""));
    }
    wire.silence();
}

fn tcp_split_handshake_gets_no_connection(wire: &Wire) {
    let (there, back) = ((42_004, 443), (443, 42_004));
    wire.segment_out(there, flag::SYN, (1000, 0), b"");
    wire.segment_in(back, flag::SYN, (5000, 0), b"");
    wire.segment_out(there, flag::SYN | flag::ACK, (1000, 5001), b"");
    let before = wire.arrived(wire.dmz()).len();
    let way = wire.from(WORLD, WAN);
    wire.wan()
        .send(&way.tcp(back, flag::ACK, (5001, 1001), b""));
    wire.wan()
        .send(&way.tcp(back, flag::ACK, (5001, 1001), b"data"));
    assert_eq!(wire.arrived(wire.dmz()).len(), before);
}

fn tcp_equation_1_data_beyond_the_window_does_not_arrive(wire: &Wire) {
    wire.connected(42_005, 443);
    let before = wire.arrived(wire.dmz()).len();
    for seq in [5001 + 64_001, 0x4000_0000, 0x8000_0000] {
        wire.wan().send(
            &wire
                .from(WORLD, WAN)
                .tcp((443, 42_005), flag::ACK, (seq, 1001), b"x"),
        );
    }
    assert_eq!(wire.arrived(wire.dmz()).len(), before);
    wire.segment_in((443, 42_005), flag::ACK, (5001, 1001), b"inside the window");
}

fn tcp_retransmission_of_acknowledged_data_arrives(wire: &Wire) {
    wire.connected(42_006, 443);
    let mut seq = 5001;
    for _ in 0..100 {
        wire.segment_in((443, 42_006), flag::ACK, (seq, 1001), &[7; 1000]);
        seq += 1000;
        wire.segment_out((42_006, 443), flag::ACK, (1001, seq), b"");
    }
    wire.segment_in((443, 42_006), flag::ACK, (5002, 1001), &[7; 1000]);
}

fn tcp_flags_that_cannot_be_do_not_arrive(wire: &Wire) {
    wire.connected(42_007, 443);
    let before = [
        wire.arrived(wire.wan()).len(),
        wire.arrived(wire.dmz()).len(),
    ];
    for flags in [
        0,
        flag::FIN,
        flag::SYN | flag::FIN,
        flag::SYN | flag::RST,
        flag::RST | flag::FIN,
    ] {
        wire.dmz().send(
            &wire
                .dmz()
                .to(WORLD)
                .tcp((42_007, 443), flags, (1001, 5001), b""),
        );
        wire.wan().send(
            &wire
                .from(WORLD, WAN)
                .tcp((443, 42_007), flags, (5001, 1001), b""),
        );
        wire.wan()
            .send(&wire.from(WORLD, WAN).tcp((42_008, 80), flags, (1, 1), b""));
    }
    let after = [
        wire.arrived(wire.wan()).len(),
        wire.arrived(wire.dmz()).len(),
    ];
    assert_eq!(after, before);
}

fn rfc5961_s3_a_wrong_rst_ends_nothing(wire: &Wire) {
    wire.connected(42_009, 443);
    for seq in [4000, 5002, 6000, 0x4000_0000] {
        wire.wan().send(
            &wire
                .from(WORLD, WAN)
                .tcp((443, 42_009), flag::RST, (seq, 0), b""),
        );
    }
    wire.segment_in((443, 42_009), flag::ACK, (5001, 1001), b"still there");
    wire.segment_in((443, 42_009), flag::RST, (5012, 0), b"");
    // After the right one the next SYN begins anew.
    wire.segment_out((42_009, 443), flag::SYN, (77, 0), b"");
}

fn tcp_time_wait_makes_room_for_a_new_connection(wire: &Wire) {
    let (there, back) = ((42_010, 443), (443, 42_010));
    wire.connected(42_010, 443);
    wire.segment_out(there, flag::FIN | flag::ACK, (1001, 5001), b"");
    wire.segment_in(back, flag::FIN | flag::ACK, (5001, 1002), b"");
    wire.segment_out(there, flag::SYN, (90_000, 0), b"");
    wire.segment_in(back, flag::SYN | flag::ACK, (70_000, 90_001), b"");
    wire.segment_out(there, flag::ACK, (90_001, 70_001), b"a new conversation");
}

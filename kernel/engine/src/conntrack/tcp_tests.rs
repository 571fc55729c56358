//! Conversations, segment by segment.

use super::*;

const CLIENT: u32 = 1_000;
const SERVER: u32 = 50_000;

/// A connection and the table entry's parts that it needs.
struct Talk {
    state: State,
    windows: Windows,
    scales: Scales,
}

fn flags(names: &str) -> Flags {
    let bits = names.chars().map(|name| match name {
        'S' => Flags::SYN.0,
        'A' => Flags::ACK.0,
        'F' => Flags::FIN.0,
        'R' => Flags::RST.0,
        'P' => Flags::PSH.0,
        other => panic!("no flag {other}"),
    });
    Flags(bits.fold(0, |all, bit| all | bit))
}

fn segment(names: &str, seq: u32, ack: u32) -> Segment {
    Segment {
        seq,
        ack,
        window: 1_000,
        flags: flags(names),
        payload_len: 0,
        window_scale: None,
    }
}

fn data(seq: u32, ack: u32, payload_len: u32) -> Segment {
    Segment {
        payload_len,
        ..segment("PA", seq, ack)
    }
}

fn scaled(names: &str, seq: u32, ack: u32, shift: u8) -> Segment {
    Segment {
        window_scale: Some(shift),
        ..segment(names, seq, ack)
    }
}

impl Talk {
    fn opened_by(syn: Segment) -> Self {
        assert!(opens(&syn));
        let mut talk = Self {
            state: State::SynSent,
            windows: Windows::NEW,
            scales: Scales::NONE,
        };
        talk.windows.open(&mut talk.scales, &syn);
        talk
    }

    fn half_open() -> Self {
        Self::opened_by(segment("S", CLIENT, 0))
    }

    fn established() -> Self {
        let mut talk = Self::half_open();
        talk.tracked(Reply, segment("SA", SERVER, CLIENT + 1), State::SynReceived);
        talk.tracked(
            Original,
            segment("A", CLIENT + 1, SERVER + 1),
            State::Established,
        );
        talk
    }

    fn reset() -> Self {
        let mut talk = Self::established();
        talk.tracked(Original, segment("R", CLIENT + 1, 0), State::Reset);
        talk
    }

    fn take(&mut self, from: Direction, segment: Segment) -> Result<Effect, DropReason> {
        let mut connection = Connection {
            state: self.state,
            windows: &mut self.windows,
            scales: &mut self.scales,
        };
        let effect = connection.observe(from, &segment);
        if let Ok(Effect::Tracked(next)) = effect {
            self.state = next;
        }
        effect
    }

    #[track_caller]
    fn tracked(&mut self, from: Direction, segment: Segment, next: State) {
        assert_eq!(self.take(from, segment), Ok(Effect::Tracked(next)));
    }

    #[track_caller]
    fn ignored(&mut self, from: Direction, segment: Segment) {
        let before = (self.state, self.windows);
        assert_eq!(self.take(from, segment), Ok(Effect::Ignored));
        assert_eq!(before.0, self.state);
    }

    #[track_caller]
    fn refused(&mut self, from: Direction, segment: Segment, reason: DropReason) {
        let before = (self.state, self.windows);
        assert_eq!(self.take(from, segment), Err(reason));
        assert_eq!(
            before,
            (self.state, self.windows),
            "a refused segment changes nothing"
        );
    }
}

#[test]
fn tcp_states_from_handshake_to_both_fins() {
    let mut talk = Talk::established();
    talk.tracked(
        Original,
        data(CLIENT + 1, SERVER + 1, 100),
        State::Established,
    );
    talk.tracked(
        Reply,
        data(SERVER + 1, CLIENT + 101, 900),
        State::Established,
    );
    talk.tracked(
        Original,
        segment("FA", CLIENT + 101, SERVER + 901),
        State::HalfClosedByOriginal,
    );
    talk.tracked(
        Reply,
        data(SERVER + 901, CLIENT + 102, 50),
        State::HalfClosedByOriginal,
    );
    talk.tracked(
        Reply,
        segment("FA", SERVER + 951, CLIENT + 102),
        State::Closed,
    );
    talk.tracked(
        Original,
        segment("A", CLIENT + 102, SERVER + 952),
        State::Closed,
    );
}

#[test]
fn tcp_pickup_only_a_bare_syn_opens_a_connection() {
    for names in ["A", "SA", "FA", "R", "SF", "SR", "PA", ""] {
        assert!(!opens(&segment(names, 1, 1)), "{names}");
    }
}

/// A connection that was picked up at an ACK with these numbers.
fn picked_up(seq: u32, ack: u32) -> Talk {
    let segment = data(seq, ack, 100);
    assert!(continues(&segment) && !opens(&segment));
    let mut talk = Talk {
        state: State::PickedUp,
        windows: Windows::NEW,
        scales: Scales::NONE,
    };
    talk.windows.pick_up(&mut talk.scales, &segment);
    talk
}

#[test]
fn tcp_pickup_in_loose_mode_learns_the_numbers_from_both_peers() {
    let mut talk = picked_up(CLIENT, SERVER);
    // The opener goes on, with what may be retransmissions, until the other is heard.
    talk.tracked(Original, data(CLIENT + 100, SERVER, 100), State::PickedUp);
    // The other has acknowledged more than went by since, and has a window that is scaled, unknown how far.
    let window = Segment {
        window: 10,
        ..data(SERVER, CLIENT + 700, 50_000)
    };
    talk.tracked(Reply, window, State::Established);
    talk.tracked(
        Original,
        data(CLIENT + 700, SERVER + 50_000, 160_000),
        State::Established,
    );
    // However wide windows are taken to be, they have an end.
    talk.refused(
        Original,
        data(CLIENT + 170_000, SERVER + 50_000, 1_000),
        DropReason::TcpWindow,
    );
    talk.refused(
        Original,
        data(CLIENT.wrapping_add(1 << 31), SERVER, 1),
        DropReason::TcpWindow,
    );
    talk.tracked(
        Reply,
        segment("FA", SERVER + 50_000, CLIENT + 700),
        State::HalfClosedByReply,
    );
}

#[test]
fn tcp_pickup_in_loose_mode_believes_no_other_connections_segments() {
    let mut talk = picked_up(CLIENT, SERVER);
    let far = 1 << 31;
    for (seq, ack) in [
        (SERVER.wrapping_add(far), CLIENT),
        (SERVER, CLIENT.wrapping_add(far)),
    ] {
        talk.refused(Reply, data(seq, ack, 1), DropReason::TcpWindow);
        talk.refused(Reply, segment("FA", seq, ack), DropReason::TcpWindow);
    }
    talk.refused(Reply, segment("S", SERVER, 0), DropReason::TcpState);
    talk.refused(
        Reply,
        segment("SA", SERVER, CLIENT + 1),
        DropReason::TcpState,
    );
    talk.refused(
        Original,
        segment("SA", SERVER, CLIENT + 1),
        DropReason::TcpState,
    );
    talk.refused(Reply, segment("R", SERVER + 1, 0), DropReason::TcpWindow);
    talk.ignored(Original, segment("R", CLIENT, 0));
    // The endpoint knows nothing of it; or the opener begins anew.
    talk.tracked(Reply, segment("R", SERVER, 0), State::Reset);
    let mut talk = picked_up(CLIENT, SERVER);
    talk.tracked(Original, segment("S", 7, 0), State::SynSent);
}

#[test]
fn tcp_simultaneous_open_becomes_established() {
    let mut talk = Talk::half_open();
    talk.tracked(Reply, segment("S", SERVER, 0), State::SynCrossed);
    talk.tracked(
        Original,
        segment("SA", CLIENT, SERVER + 1),
        State::SynCrossed,
    );
    talk.tracked(Reply, segment("SA", SERVER, CLIENT + 1), State::Established);
    talk.tracked(
        Original,
        data(CLIENT + 1, SERVER + 1, 10),
        State::Established,
    );
}

#[test]
fn tcp_split_handshake_of_four_steps_is_refused() {
    let mut talk = Talk::half_open();
    talk.tracked(Reply, segment("S", SERVER, 0), State::SynCrossed);
    talk.tracked(
        Original,
        segment("SA", CLIENT, SERVER + 1),
        State::SynCrossed,
    );
    talk.refused(
        Reply,
        segment("A", SERVER + 1, CLIENT + 1),
        DropReason::TcpState,
    );
    talk.refused(
        Reply,
        data(SERVER + 1, CLIENT + 1, 10),
        DropReason::TcpState,
    );
}

#[test]
fn tcp_split_handshake_of_five_steps_is_refused() {
    let mut talk = Talk::half_open();
    talk.ignored(Reply, segment("A", SERVER, CLIENT + 1));
    talk.tracked(Reply, segment("S", SERVER, 0), State::SynCrossed);
    talk.tracked(
        Original,
        segment("SA", CLIENT, SERVER + 1),
        State::SynCrossed,
    );
    talk.refused(
        Reply,
        segment("A", SERVER + 1, CLIENT + 1),
        DropReason::TcpState,
    );
}

#[test]
fn a_syn_ack_must_acknowledge_the_syn() {
    let mut talk = Talk::half_open();
    talk.refused(Reply, segment("SA", SERVER, CLIENT), DropReason::TcpWindow);
    talk.refused(
        Reply,
        segment("SA", SERVER, CLIENT + 2),
        DropReason::TcpWindow,
    );
    talk.tracked(Reply, segment("SA", SERVER, CLIENT + 1), State::SynReceived);
}

#[test]
fn lost_handshake_segments_are_repeated() {
    let mut talk = Talk::half_open();
    talk.tracked(Original, segment("S", CLIENT, 0), State::SynSent);
    talk.tracked(Reply, segment("SA", SERVER, CLIENT + 1), State::SynReceived);
    talk.ignored(Original, segment("S", CLIENT, 0));
    talk.ignored(Reply, segment("SA", SERVER, CLIENT + 1));
    talk.tracked(
        Original,
        segment("A", CLIENT + 1, SERVER + 1),
        State::Established,
    );
    talk.ignored(Reply, segment("SA", SERVER, CLIENT + 1));
}

#[test]
fn rfc7413_data_comes_with_a_syn_and_is_acknowledged_or_not() {
    let syn = Segment {
        payload_len: 300,
        ..segment("S", CLIENT, 0)
    };
    for acked in [CLIENT + 1, CLIENT + 301] {
        let mut talk = Talk::opened_by(syn);
        talk.tracked(Reply, segment("SA", SERVER, acked), State::SynReceived);
        talk.tracked(Reply, data(SERVER + 1, acked, 200), State::SynReceived);
        talk.tracked(
            Original,
            segment("A", CLIENT + 301, SERVER + 201),
            State::Established,
        );
    }
}

#[test]
fn tcp_equation_1_data_beyond_the_offered_window_is_refused() {
    let mut talk = Talk::established();
    talk.refused(
        Original,
        data(CLIENT + 1, SERVER + 1, 1_001),
        DropReason::TcpWindow,
    );
    talk.tracked(
        Original,
        data(CLIENT + 1, SERVER + 1, 1_000),
        State::Established,
    );
}

#[test]
fn tcp_equation_2_data_older_than_a_window_is_refused_unless_all_of_it_was_acknowledged() {
    let mut talk = Talk::established();
    for step in 0..5 {
        let seq = CLIENT + 1 + step * 1_000;
        talk.tracked(Original, data(seq, SERVER + 1, 1_000), State::Established);
        talk.tracked(
            Reply,
            segment("A", SERVER + 1, seq + 1_000),
            State::Established,
        );
    }
    // Acknowledged, but the acknowledgement was lost behind us.
    talk.tracked(
        Original,
        data(CLIENT + 4_001, SERVER + 1, 1_000),
        State::Established,
    );
    // Acknowledged long ago.
    talk.ignored(Original, data(CLIENT + 2_001, SERVER + 1, 1_000));
    talk.ignored(Original, data(CLIENT + 1, SERVER + 1, 1_000));
    // From long ago into what was never sent, and from before all memory.
    talk.refused(
        Original,
        data(CLIENT + 2_001, SERVER + 1, 3_001),
        DropReason::TcpWindow,
    );
    talk.refused(
        Original,
        data(CLIENT.wrapping_sub(1 << 29), SERVER + 1, 1_000),
        DropReason::TcpWindow,
    );
}

#[test]
fn tcp_equation_3_an_acknowledgement_of_what_was_never_sent_is_refused() {
    let mut talk = Talk::established();
    talk.refused(
        Reply,
        segment("A", SERVER + 1, CLIENT + 2),
        DropReason::TcpWindow,
    );
    talk.tracked(
        Original,
        data(CLIENT + 1, SERVER + 1, 1),
        State::Established,
    );
    talk.tracked(
        Reply,
        segment("A", SERVER + 1, CLIENT + 2),
        State::Established,
    );
}

#[test]
fn tcp_equation_4_an_acknowledgement_older_than_the_slack_is_refused() {
    let mut talk = Talk::established();
    for step in 0..100 {
        let seq = CLIENT + 1 + step * 1_000;
        talk.tracked(Original, data(seq, SERVER + 1, 1_000), State::Established);
        talk.tracked(
            Reply,
            segment("A", SERVER + 1, seq + 1_000),
            State::Established,
        );
    }
    talk.tracked(
        Reply,
        segment("A", SERVER + 1, CLIENT + 50_001),
        State::Established,
    );
    talk.refused(
        Reply,
        segment("A", SERVER + 1, CLIENT + 30_001),
        DropReason::TcpWindow,
    );
}

#[test]
fn rfc7323_s2_2_windows_are_scaled_if_both_peers_offer_it() {
    let mut talk = Talk::opened_by(scaled("S", CLIENT, 0, 7));
    talk.tracked(
        Reply,
        scaled("SA", SERVER, CLIENT + 1, 9),
        State::SynReceived,
    );
    talk.tracked(
        Original,
        segment("A", CLIENT + 1, SERVER + 1),
        State::Established,
    );
    // 1,000 << 7 from the client's ACK; the SYN and ACK's own window is not scaled.
    talk.tracked(
        Reply,
        data(SERVER + 1, CLIENT + 1, 128_000),
        State::Established,
    );
    talk.refused(
        Reply,
        data(SERVER + 128_001, CLIENT + 1, 1),
        DropReason::TcpWindow,
    );
    talk.tracked(
        Original,
        data(CLIENT + 1, SERVER + 128_001, 512_000),
        State::Established,
    );
}

#[test]
fn rfc7323_s2_2_one_offer_alone_scales_nothing() {
    let mut talk = Talk::opened_by(scaled("S", CLIENT, 0, 7));
    talk.tracked(Reply, segment("SA", SERVER, CLIENT + 1), State::SynReceived);
    talk.tracked(
        Original,
        segment("A", CLIENT + 1, SERVER + 1),
        State::Established,
    );
    talk.refused(
        Reply,
        data(SERVER + 1, CLIENT + 1, 1_001),
        DropReason::TcpWindow,
    );
}

#[test]
fn rfc7323_s2_3_a_shift_above_14_counts_as_14() {
    let mut talk = Talk::opened_by(scaled("S", CLIENT, 0, 200));
    talk.tracked(
        Reply,
        scaled("SA", SERVER, CLIENT + 1, 200),
        State::SynReceived,
    );
    talk.tracked(
        Original,
        segment("A", CLIENT + 1, SERVER + 1),
        State::Established,
    );
    talk.tracked(
        Reply,
        data(SERVER + 1, CLIENT + 1, 1_000 << 14),
        State::Established,
    );
    talk.refused(
        Reply,
        data(SERVER + 1, CLIENT + 1, (1_000 << 14) + 1),
        DropReason::TcpWindow,
    );
}

#[test]
fn tcp_wrap_of_sequence_numbers() {
    let (client, server) = (u32::MAX - 3, u32::MAX - 500);
    let mut talk = Talk::opened_by(segment("S", client, 0));
    let (client, server_first) = (client.wrapping_add(1), server.wrapping_add(1));
    talk.tracked(Reply, segment("SA", server, client), State::SynReceived);
    talk.tracked(
        Original,
        segment("A", client, server_first),
        State::Established,
    );
    let mut seq = client;
    for _ in 0..20 {
        talk.tracked(Original, data(seq, server_first, 900), State::Established);
        seq = seq.wrapping_add(900);
        talk.tracked(Reply, segment("A", server_first, seq), State::Established);
    }
}

#[test]
fn a_closed_window_can_be_probed() {
    let mut talk = Talk::established();
    talk.tracked(
        Original,
        data(CLIENT + 1, SERVER + 1, 1_000),
        State::Established,
    );
    let closed = Segment {
        window: 0,
        ..segment("A", SERVER + 1, CLIENT + 1_001)
    };
    talk.tracked(Reply, closed, State::Established);
    talk.tracked(
        Original,
        segment("A", CLIENT + 1_000, SERVER + 1),
        State::Established,
    );
    talk.tracked(
        Original,
        data(CLIENT + 1_001, SERVER + 1, 1),
        State::Established,
    );
    talk.refused(
        Original,
        data(CLIENT + 1_001, SERVER + 1, 2),
        DropReason::TcpWindow,
    );
}

#[test]
fn a_keepalive_repeats_the_last_byte() {
    let mut talk = Talk::established();
    talk.tracked(
        Original,
        segment("A", CLIENT, SERVER + 1),
        State::Established,
    );
    talk.tracked(Reply, data(SERVER, CLIENT + 1, 1), State::Established);
}

#[test]
fn rfc5961_s3_only_the_exact_rst_ends_a_connection() {
    let mut talk = Talk::established();
    talk.ignored(Reply, segment("R", SERVER + 2, 0));
    talk.ignored(Reply, segment("R", SERVER + 900, 0));
    talk.refused(
        Reply,
        segment("R", SERVER + 1_002, 0),
        DropReason::TcpWindow,
    );
    talk.refused(Reply, segment("R", SERVER, 0), DropReason::TcpWindow);
    talk.tracked(Reply, segment("R", SERVER + 1, 0), State::Reset);
}

#[test]
fn a_rst_is_exact_at_the_end_of_lost_data_too() {
    let mut talk = Talk::established();
    talk.tracked(Reply, data(SERVER + 1, CLIENT + 1, 500), State::Established);
    talk.tracked(Reply, segment("RA", SERVER + 501, CLIENT + 1), State::Reset);
}

#[test]
fn rfc5961_s4_a_syn_on_a_living_connection_changes_nothing() {
    let mut talk = Talk::established();
    talk.ignored(Original, segment("S", CLIENT + 77, 0));
    talk.ignored(Original, segment("S", CLIENT.wrapping_add(1 << 30), 0));
    talk.refused(Reply, segment("S", SERVER + 77, 0), DropReason::TcpState);
    talk.refused(
        Reply,
        segment("SA", SERVER + 77, CLIENT + 1),
        DropReason::TcpState,
    );
    talk.tracked(Reply, data(SERVER + 1, CLIENT + 1, 10), State::Established);
}

#[test]
fn rfc9293_s3_5_1_an_opener_recovers_from_the_others_stale_connection() {
    let mut talk = Talk::half_open();
    // The other still has the old connection and says where it is; the opener resets that one, and tries again.
    talk.ignored(Reply, segment("A", 777, 42));
    talk.ignored(Original, segment("R", 42, 0));
    talk.tracked(Original, segment("S", CLIENT, 0), State::SynSent);
    talk.tracked(Reply, segment("SA", SERVER, CLIENT + 1), State::SynReceived);
}

#[test]
fn a_refused_connection_is_reset_only_by_a_rst_that_acknowledges_the_syn() {
    let mut talk = Talk::half_open();
    talk.refused(Reply, segment("R", 0, 0), DropReason::TcpWindow);
    talk.refused(Reply, segment("RA", 0, CLIENT), DropReason::TcpWindow);
    talk.tracked(Reply, segment("RA", 0, CLIENT + 1), State::Reset);
}

#[test]
fn data_before_the_handshake_is_refused() {
    let mut talk = Talk::half_open();
    talk.refused(
        Original,
        data(CLIENT + 1, SERVER + 1, 5),
        DropReason::TcpState,
    );
    talk.refused(Reply, data(SERVER + 1, CLIENT + 1, 5), DropReason::TcpState);
    talk.refused(
        Reply,
        segment("FA", SERVER + 1, CLIENT + 1),
        DropReason::TcpState,
    );
    talk.refused(
        Original,
        segment("SA", CLIENT, SERVER + 1),
        DropReason::TcpState,
    );
}

#[test]
fn after_a_rst_nothing_revives_the_connection() {
    let mut talk = Talk::reset();
    talk.ignored(Reply, data(SERVER + 1, CLIENT + 1, 10));
    talk.ignored(Reply, segment("FA", SERVER + 11, CLIENT + 1));
    assert_eq!(talk.state, State::Reset);
}

#[test]
fn tcp_flags_that_no_connection_can_hold_are_refused() {
    let mut talk = Talk::established();
    for names in ["", "F", "P", "FP"] {
        talk.refused(
            Original,
            segment(names, CLIENT + 1, 0),
            DropReason::TcpState,
        );
    }
}

#[test]
fn large_frames_of_an_offloading_card_are_whole_windows() {
    let mut talk = Talk::opened_by(scaled("S", CLIENT, 0, 7));
    talk.tracked(
        Reply,
        scaled("SA", SERVER, CLIENT + 1, 7),
        State::SynReceived,
    );
    talk.tracked(
        Original,
        segment("A", CLIENT + 1, SERVER + 1),
        State::Established,
    );
    for frame in 0..2 {
        let seq = SERVER + 1 + frame * 62_636;
        talk.tracked(Reply, data(seq, CLIENT + 1, 62_636), State::Established);
    }
}

#[test]
fn attack_blind_icmp_errors_can_only_be_about_what_is_on_its_way() {
    let mut talk = Talk::established();
    talk.tracked(
        Original,
        data(CLIENT + 1, SERVER + 1, 500),
        State::Established,
    );
    assert!(talk.windows.is_in_flight(Original, CLIENT + 1));
    assert!(talk.windows.is_in_flight(Original, CLIENT + 300));
    assert!(!talk.windows.is_in_flight(Original, CLIENT + 502));
    assert!(!talk.windows.is_in_flight(Original, CLIENT));
}

//! TCP connections through the box: what advances them, ends them, and is kept out of them.

use std::time::Duration;

use etherparse::{TcpHeader, TcpOptionElement};
use sekisho_engine::DropReason::{self, TcpNoFlow, TcpState, TcpWindow};

use crate::support::ip::{Ip, tcp};
use crate::support::setup::{masquerading, routing, three_zones};
use crate::support::world::{World, dmz, wan};

const CLIENT: &str = "10.99.0.2:40000";
const SEEN: &str = "203.0.113.1:40000";
const SERVER: &str = "192.0.2.9:80";

/// A connection from the dmz to a server outside, masqueraded.
struct Connection {
    world: World,
    /// Next sequence numbers of client and server.
    next: [u32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Client,
    Server,
}
use Peer::{Client, Server};

impl Connection {
    fn new(world: World) -> Self {
        Self {
            world,
            next: [1000, u32::MAX - 3],
        }
    }

    /// Through its handshake.
    fn open() -> Self {
        let mut connection = Self::new(masquerading());
        connection.handshake();
        connection
    }

    fn handshake(&mut self) {
        self.pass(Client, b"", |header| header.syn = true);
        self.pass(Server, b"", |header| {
            (header.syn, header.ack) = (true, true)
        });
        self.pass(Client, b"", |header| header.ack = true);
    }

    /// The segment as its sender sends it, and as its receiver must get it.
    fn segment(&self, from: Peer, payload: &[u8], build: impl Fn(&mut TcpHeader)) -> (Ip, Ip) {
        let [client, server] = self.next;
        let (seq, ack) = match from {
            Client => (client, server),
            Server => (server, client),
        };
        let header = |header: &mut TcpHeader| {
            header.sequence_number = seq;
            build(header);
            if header.ack && header.acknowledgment_number == 0 {
                header.acknowledgment_number = ack;
            }
        };
        match from {
            Client => (
                tcp(CLIENT, SERVER, payload, header),
                tcp(SEEN, SERVER, payload, header).hop(),
            ),
            Server => (
                tcp(SERVER, SEEN, payload, header),
                tcp(SERVER, CLIENT, payload, header).hop(),
            ),
        }
    }

    /// Sends the next segment, which must arrive, and counts what it takes of sequence space.
    fn pass(&mut self, from: Peer, payload: &[u8], build: impl Fn(&mut TcpHeader)) {
        let (sent, arrives) = self.segment(from, payload, &build);
        let zone = match from {
            Client => dmz(),
            Server => wan(),
        };
        assert_eq!(self.world.pass(zone, &sent).packet, arrives);
        let header = TcpHeader::from_slice(&sent.body).expect("a TCP header").0;
        let control = u32::from(header.syn) + u32::from(header.fin);
        let side = usize::from(from == Server);
        self.next[side] = self.next[side].wrapping_add(payload.len() as u32 + control);
    }

    /// Sends a segment that goes by without effect on the count.
    fn goes_by(&mut self, from: Peer, payload: &[u8], build: impl Fn(&mut TcpHeader)) {
        let next = self.next;
        self.pass(from, payload, build);
        self.next = next;
    }

    fn refused(
        &mut self,
        from: Peer,
        payload: &[u8],
        build: impl Fn(&mut TcpHeader),
    ) -> DropReason {
        let (sent, _) = self.segment(from, payload, build);
        let zone = match from {
            Client => dmz(),
            Server => wan(),
        };
        self.world.refuse(zone, &sent)
    }

    fn close(&mut self) {
        self.pass(Client, b"", |header| {
            (header.fin, header.ack) = (true, true)
        });
        self.pass(Server, b"", |header| {
            (header.fin, header.ack) = (true, true)
        });
        self.pass(Client, b"", ack);
    }

    fn flows(&self) -> usize {
        self.world.engine.conntrack().flows()
    }
}

fn ack(header: &mut TcpHeader) {
    header.ack = true;
}

/// An ACK so many bytes from the right place.
fn off_by(offset: u32) -> impl Fn(&mut TcpHeader) {
    move |header| {
        header.ack = true;
        header.sequence_number = header.sequence_number.wrapping_add(offset);
    }
}

#[test]
fn tcp_states_a_connection_opens_talks_both_ways_closes_and_is_forgotten() {
    let mut connection = Connection::open();
    connection.pass(Client, b"GET / HTTP/1.1\r\n\r\n", ack);
    for _ in 0..50 {
        connection.pass(Server, &[7; 1200], ack);
        connection.pass(Client, b"", ack);
    }
    connection.close();
    assert_eq!(connection.flows(), 1, "late segments still belong to it");
    connection.world.pass_time(Duration::from_secs(260));
    let conntrack = connection.world.engine.conntrack();
    assert_eq!((conntrack.flows(), conntrack.leases()), (0, 0));
    assert_eq!(connection.refused(Client, b"late", ack), TcpNoFlow);
}

#[test]
fn rfc5382_req5_an_established_connection_outlives_its_opening_timeout_and_a_half_open_one_does_not()
 {
    let mut half_open = Connection::new(masquerading());
    half_open.pass(Client, b"", |header| header.syn = true);
    half_open.world.pass_time(Duration::from_secs(260));
    assert_eq!(half_open.flows(), 0);

    let mut established = Connection::open();
    established
        .world
        .pass_time(Duration::from_secs(2 * 3600 + 180));
    established.pass(Server, b"still there", ack);
    established
        .world
        .pass_time(Duration::from_secs(2 * 3600 + 280));
    assert_eq!(established.flows(), 0);
}

#[test]
fn rfc5961_s3_only_an_exact_reset_ends_a_connection() {
    for from in [Client, Server] {
        let mut connection = Connection::open();
        connection.pass(Client, b"hello", ack);
        connection.pass(Server, b"hi", ack);
        let reset = |offset: u32| {
            move |header: &mut TcpHeader| {
                header.rst = true;
                header.sequence_number = header.sequence_number.wrapping_add(offset);
            }
        };
        for far in [0x4000_0000, 0x8000_0000, 200_000, u32::MAX - 100] {
            assert_eq!(
                connection.refused(from, b"", reset(far)),
                TcpWindow,
                "{far}"
            );
        }
        // RFC 5961 section 3.2: the endpoint answers this one with a challenge.
        connection.goes_by(from, b"", reset(10));
        connection.pass(Client, b"still open", ack);
        connection.pass(Server, b"yes", ack);
        connection.goes_by(from, b"", reset(0));
        connection.world.pass_time(Duration::from_secs(260));
        assert_eq!(connection.flows(), 0, "{from:?}");
    }
}

#[test]
fn segments_outside_the_window_never_arrive() {
    let mut connection = Connection::open();
    connection.pass(Client, b"hello", ack);
    connection.pass(Server, b"hi", ack);
    for from in [Client, Server] {
        for offset in [70_000, 0x4000_0000, 0x8000_0000, 0xe000_0000] {
            assert_eq!(
                connection.refused(from, b"x", off_by(offset)),
                TcpWindow,
                "{offset}"
            );
        }
        let acks_the_future = |header: &mut TcpHeader| {
            header.ack = true;
            header.acknowledgment_number = if from == Client { 50_000 } else { 90_000 };
        };
        assert_eq!(connection.refused(from, b"x", acks_the_future), TcpWindow);
        // A keep-alive repeats the byte before; a retransmission what was sent.
        connection.goes_by(from, b"", off_by(u32::MAX));
        connection.goes_by(from, b"x", off_by(u32::MAX));
    }
    connection.pass(Client, b"none of that did harm", ack);
}

#[test]
fn a_syn_ack_must_answer_the_syn() {
    let mut connection = Connection::new(masquerading());
    connection.pass(Client, b"", |header| header.syn = true);
    for number in [1000, 1002, 0x8000_0000, 1] {
        let reason = connection.refused(Server, b"", |header| {
            (header.syn, header.ack, header.acknowledgment_number) = (true, true, number);
        });
        assert_eq!(reason, TcpWindow, "{number}");
    }
    assert_eq!(connection.refused(Server, b"data", ack), TcpState);
    connection.pass(Server, b"", |header| {
        (header.syn, header.ack) = (true, true)
    });
    connection.pass(Client, b"", ack);
}

#[test]
fn tcp_time_wait_a_new_syn_takes_the_place_of_a_closed_connection() {
    let mut connection = Connection::open();
    connection.close();
    // One from within the old numbers is a late copy: it changes nothing.
    connection.goes_by(Client, b"", |header| {
        (header.syn, header.sequence_number) = (true, 1000);
    });
    connection.next = [70_000, 5];
    connection.handshake();
    connection.pass(Server, b"a new conversation", ack);
    assert_eq!(connection.flows(), 1);
    connection.world.pass_time(Duration::from_secs(600));
    assert_eq!(connection.flows(), 1, "established, not closing");
}

#[test]
fn rfc5961_s4_a_syn_in_a_living_connection_is_left_to_its_endpoint() {
    let mut connection = Connection::open();
    connection.pass(Client, b"hello", ack);
    connection.goes_by(Client, b"", |header| {
        (header.syn, header.sequence_number) = (true, 0x1234_5678);
    });
    // The challenge, and what goes on afterwards.
    connection.pass(Server, b"", ack);
    connection.pass(Client, b"undisturbed", ack);
    assert_eq!(
        connection.refused(Server, b"", |header| header.syn = true),
        TcpState
    );
}

#[test]
fn tcp_time_wait_any_syn_takes_the_place_after_a_minute_of_silence() {
    // A client's numbers go round in less than the four minutes that a closed connection is remembered.
    let lower = 1000u32.wrapping_sub(0x7000_0000);
    for (silence, is_new) in [(50, false), (62, true)] {
        let mut connection = Connection::open();
        connection.close();
        connection.world.pass_time(Duration::from_secs(silence));
        connection.next = [lower, 7];
        connection.pass(Client, b"", |header| header.syn = true);
        if is_new {
            connection.pass(Server, b"", |header| {
                (header.syn, header.ack) = (true, true)
            });
            connection.pass(Client, b"a new conversation", ack);
        } else {
            let reason = connection.refused(Server, b"", |header| {
                (header.syn, header.ack) = (true, true)
            });
            assert_eq!(reason, TcpState);
        }
    }
}

fn syn_with_mss(src: &str, dst: &str, options: &[TcpOptionElement]) -> Ip {
    tcp(src, dst, b"", |header| {
        (header.syn, header.sequence_number) = (true, 1000);
        header.set_options(options).expect("options");
    })
}

#[test]
fn a_syns_mss_is_lowered_to_the_way_out_and_never_raised() {
    use TcpOptionElement::{
        MaximumSegmentSize as Mss, Noop, SelectiveAcknowledgementPermitted, WindowScale,
    };
    let narrow = || {
        let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
        let text = three_zones(rule, "");
        World::new(&text.replace(".254\"", ".254\"\nmtu = 1400"))
    };
    let (src, dst) = ("10.99.0.2:40000", SERVER);
    let cases: [(&[TcpOptionElement], &[TcpOptionElement]); 7] = [
        (&[Mss(1460)], &[Mss(1360)]),
        (&[Mss(1361)], &[Mss(1360)]),
        (&[Mss(1360)], &[Mss(1360)]),
        (&[Mss(536)], &[Mss(536)]),
        (&[], &[]),
        // At an odd offset, where the checksum is easily got wrong.
        (
            &[Noop, Mss(1460), WindowScale(7)],
            &[Noop, Mss(1360), WindowScale(7)],
        ),
        (
            &[
                WindowScale(7),
                Mss(65_535),
                SelectiveAcknowledgementPermitted,
            ],
            &[WindowScale(7), Mss(1360), SelectiveAcknowledgementPermitted],
        ),
    ];
    for (offered, lowered) in cases {
        let mut world = narrow();
        // The first waits for the neighbour, the second has a flow and comes again, the third begins one at once.
        for src in [src, src, "10.99.0.2:40001"] {
            let sent = world.pass(dmz(), &syn_with_mss(src, dst, offered)).packet;
            assert_eq!(sent, syn_with_mss(src, dst, lowered).hop(), "{offered:?}");
        }
    }
    let unchanged = syn_with_mss(src, dst, &[Mss(1460)]);
    assert_eq!(routing().pass(dmz(), &unchanged).packet, unchanged.hop());
    // The answer's too.
    let mut world = narrow();
    let (src, dst) = (SERVER, "10.99.0.2:40000");
    world.pass(wan(), &syn_with_mss(src, dst, &[Mss(1460)]));
    let answer = |mss: u16| {
        tcp(dst, src, b"", |header| {
            (header.syn, header.ack, header.acknowledgment_number) = (true, true, 1001);
            header.set_options(&[Mss(mss)]).expect("options");
        })
    };
    assert_eq!(world.pass(dmz(), &answer(1460)).packet, answer(1360).hop());
}

#[test]
fn malformed_options_neither_pass_the_end_nor_stop_the_syn() {
    let rule = r#"rule = [{ name = "all", action = "accept" }]"#;
    let narrow = three_zones(rule, "").replace(".254\"", ".254\"\nmtu = 1400");
    for options in [
        [2, 4, 5, 0xb4, 3, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 2, 4],
        [2, 3, 5, 0xb4, 2, 4, 5, 0xb4],
        [9, 0, 2, 4, 5, 0xb4, 0, 0],
        [9, 1, 2, 4, 5, 0xb4, 0, 0],
        [9, 255, 2, 4, 5, 0xb4, 0, 0],
        [0, 2, 4, 5, 0xb4, 0, 0, 0],
    ] {
        let packet = tcp("10.99.0.2:40000", SERVER, b"", |header| {
            header.syn = true;
            header.set_options_raw(&options).expect("eight bytes");
        });
        let sent = World::new(&narrow).pass(dmz(), &packet).packet;
        assert_eq!(sent.body.len(), packet.body.len());
        assert_eq!(sent.body[..16], packet.body[..16]);
    }
}

#[test]
fn rfc7323_s2_2_scaling_opens_the_window_only_if_both_offered_it() {
    use TcpOptionElement::WindowScale;
    for (server_offers, passes) in [(true, true), (false, false)] {
        let mut connection = Connection::new(masquerading());
        let offer = |header: &mut TcpHeader| {
            header.set_options(&[WindowScale(4)]).expect("options");
        };
        connection.pass(Client, b"", |header| {
            header.syn = true;
            offer(header);
        });
        connection.pass(Server, b"", |header| {
            (header.syn, header.ack) = (true, true);
            if server_offers {
                offer(header);
            }
        });
        connection.pass(Client, b"", ack);
        let far = off_by(500_000);
        if passes {
            connection.goes_by(Server, b"far", far);
        } else {
            assert_eq!(connection.refused(Server, b"far", far), TcpWindow);
        }
    }
}

#[test]
fn rfc7857_s7_1_resets_that_go_on_keep_nothing_alive() {
    let mut connection = Connection::open();
    let reset = |header: &mut TcpHeader| header.rst = true;
    for _ in 0..4 {
        connection.goes_by(Server, b"", reset);
        connection.world.pass_time(Duration::from_secs(55));
    }
    assert_eq!(connection.flows(), 1);
    connection.goes_by(Server, b"", reset);
    connection.world.pass_time(Duration::from_secs(30));
    assert_eq!(connection.flows(), 0, "four minutes after the first");
}

#[test]
fn tcp_data_offset_that_cannot_be_is_refused() {
    let mut world = masquerading();
    let whole = tcp(CLIENT, SERVER, b"eight...", |header| header.syn = true);
    for words in (0..5).chain(8..16) {
        let mut packet = whole.clone();
        packet.body[12] = words << 4;
        let reason = world.refuse(dmz(), &packet);
        assert_eq!(reason, DropReason::TransportInvalid, "{words} words");
    }
    assert_eq!(world.engine.conntrack().flows(), 0);
    assert_eq!(world.pass(dmz(), &whole).zone, wan());
}

#[test]
fn tcp_flags_of_every_impossible_kind_are_refused_with_and_without_a_connection() {
    let mut connection = Connection::open();
    let mut fresh = masquerading();
    for flags in 0..64u8 {
        let [fin, syn, rst, push, ack, urgent] =
            [0, 1, 2, 3, 4, 5].map(|bit| flags >> bit & 1 == 1);
        let may_be = (syn || rst || ack) && !(syn && (fin || rst)) && !(fin && rst);
        if may_be {
            continue;
        }
        let build = move |header: &mut TcpHeader| {
            (header.fin, header.syn, header.rst) = (fin, syn, rst);
            (header.psh, header.ack, header.urg) = (push, ack, urgent);
        };
        let reason = connection.refused(Client, b"", build);
        assert_eq!(reason, DropReason::TcpFlags, "{flags:#08b}");
        let alone = tcp(CLIENT, SERVER, b"", build);
        assert_eq!(fresh.refuse(dmz(), &alone), DropReason::TcpFlags);
    }
    connection.pass(Client, b"none of that did harm", ack);
}

#[test]
fn tcp_retransmission_of_long_acknowledged_data_passes_and_changes_nothing() {
    let mut connection = Connection::open();
    let first = connection.next;
    for _ in 0..300 {
        connection.pass(Client, &[7; 1000], ack);
        connection.pass(Server, b"", ack);
    }
    // The very first segment, held up somewhere for long: it may bear the numbers of then, or of now.
    let late = tcp(CLIENT, SERVER, &[7; 1000], |header| {
        (header.ack, header.sequence_number) = (true, first[0]);
        header.acknowledgment_number = first[1];
    });
    assert_eq!(connection.world.pass(dmz(), &late).zone, wan());
    connection.goes_by(Client, &[7; 1000], off_by(0u32.wrapping_sub(300_000)));
    // Not data that the other has not yet acknowledged, nor what is older than any copy can be.
    let beyond = off_by(0u32.wrapping_sub(300_000));
    assert_eq!(
        connection.refused(Client, &[7; 1000][..], off_by(0xe000_0000)),
        TcpWindow
    );
    let future = |header: &mut TcpHeader| {
        beyond(header);
        header.acknowledgment_number = 90_000;
    };
    assert_eq!(connection.refused(Client, b"x", future), TcpWindow);
    connection.pass(Client, b"goes on", ack);
    connection.pass(Server, b"", ack);
}

#[test]
fn tcp_pickup_in_the_middle_needs_loose_mode_and_a_rule() {
    let text = |tcp: &str| {
        three_zones(
            r#"rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]"#,
            &format!("[nat]\nmasquerade = [{{ from = \"dmz\", to = \"wan\" }}]\n[tcp]\n{tcp}"),
        )
    };
    let mut strict = Connection::new(World::new(&text("loose = false")));
    assert_eq!(strict.refused(Client, b"middle", ack), TcpNoFlow);

    let mut loose = Connection::new(World::new(&text("loose = true")));
    for from_outside in [b"".as_slice(), b"data"] {
        assert_eq!(
            loose.refused(Server, from_outside, ack),
            DropReason::NotOffered
        );
    }
    assert_eq!(
        loose.refused(Client, b"", |header| header.rst = true),
        TcpNoFlow
    );
    loose.pass(Client, b"middle", ack);
    assert_eq!(loose.world.engine.conntrack().leases(), 1);
    loose.pass(Server, b"of a connection", ack);
    loose.pass(Client, b"that was there before", ack);
    loose.world.pass_time(Duration::from_secs(7_000));
    loose.pass(Server, b"still", ack);
    loose.close();
    loose.world.pass_time(Duration::from_secs(260));
    assert_eq!(loose.flows(), 0);
}

//! SYN cookies: forwards under a flood, and the connections that get through it.

use std::time::Duration;

use etherparse::{TcpHeader, TcpOptionElement};
use sekisho_engine::DropReason::{self, TcpNoFlow, TcpState, TcpWindow};
use sekisho_engine::frame::{Checksum, Offload, Segmentation, SegmentationKind};

use crate::support::ip::{Ip, error, quote_of, syn, tcp};
use crate::support::setup::three_zones;
use crate::support::world::{End, Wire, World, dmz, wan};

const CLIENT: &str = "192.0.2.9:40000";
const OUTSIDE: &str = "203.0.113.1:80";
const SERVER: &str = "10.99.0.2:80";
/// The first numbers of client and server, both soon to wrap.
const C: u32 = u32::MAX - 7;
const S: u32 = u32::MAX - 99;

fn text(cookies: &str) -> String {
    three_zones(
        r#"rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]
        forward = [{ name = "www", from = "wan", service = "tcp/80", to = "10.99.0.2" }]"#,
        &format!(
            "[nat]\nmasquerade = [{{ from = \"dmz\", to = \"wan\" }}]\n[limits]\nflows = 200\n{cookies}"
        ),
    )
}

/// Every connection to the forward begins with a cookie.
fn always() -> World {
    World::new(&text("syn_cookies = 0"))
}

fn numbers(packet: &Ip) -> TcpHeader {
    TcpHeader::from_slice(&packet.body).expect("a TCP header").0
}

/// A segment; `flags` are of "SAFR".
fn segment(src: &str, dst: &str, flags: &str, (seq, ack): (u32, u32), payload: &[u8]) -> Ip {
    tcp(src, dst, payload, |header| {
        header.syn = flags.contains('S');
        header.ack = flags.contains('A');
        header.fin = flags.contains('F');
        header.rst = flags.contains('R');
        (header.sequence_number, header.acknowledgment_number) = (seq, ack);
    })
}

fn offering(mss: u16) -> Ip {
    tcp(CLIENT, OUTSIDE, b"", |header| {
        (header.syn, header.sequence_number) = (true, C);
        let options = [
            TcpOptionElement::MaximumSegmentSize(mss),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
            TcpOptionElement::Timestamp(1, 0),
            TcpOptionElement::Noop,
            TcpOptionElement::WindowScale(7),
        ];
        header.set_options(&options).expect("options");
    })
}

/// The cookie that a SYN gets.
fn cookie(world: &mut World, syn: &Ip) -> u32 {
    let mut sent = world.send(wan(), syn);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let answer = sent.remove(0);
    assert_eq!(answer.zone, wan());
    assert_eq!(
        (answer.packet.from(), answer.packet.to()),
        (syn.to(), syn.from())
    );
    let header = numbers(&answer.packet);
    assert!(header.syn && header.ack && !header.rst);
    assert_eq!(
        header.acknowledgment_number,
        numbers(syn).sequence_number.wrapping_add(1)
    );
    assert_eq!(header.window_size, 0, "nothing yet, please");
    header.sequence_number
}

/// A connection through a cookie: the world, and what the server's numbers lack to be the client's.
struct Joined {
    world: World,
    cookie: u32,
}

impl Joined {
    fn new() -> Self {
        let mut world = always();
        let cookie = cookie(&mut world, &offering(1400));
        let ack = segment(
            CLIENT,
            OUTSIDE,
            "A",
            (C.wrapping_add(1), cookie.wrapping_add(1)),
            b"",
        );
        let knocked = world.pass(wan(), &ack);
        let header = numbers(&knocked.packet);
        assert_eq!(
            (knocked.zone, knocked.packet.from().to_string()),
            (dmz(), CLIENT.into())
        );
        assert_eq!(knocked.packet.to().to_string(), SERVER);
        assert!(header.syn && !header.ack && header.sequence_number == C);
        let options: Vec<_> = header
            .options_iterator()
            .map(|option| option.expect("one"))
            .collect();
        assert_eq!(options, [TcpOptionElement::MaximumSegmentSize(1400)]);

        let answer = segment(SERVER, CLIENT, "SA", (S, C.wrapping_add(1)), b"");
        let told = world.send(dmz(), &answer);
        let [for_server, for_client] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((for_server.zone, for_client.zone), (dmz(), wan()));
        let header = numbers(&for_server.packet);
        let expected = (C.wrapping_add(1), S.wrapping_add(1));
        assert_eq!(
            (header.sequence_number, header.acknowledgment_number),
            expected
        );
        let header = numbers(&for_client.packet);
        let expected = (cookie.wrapping_add(1), C.wrapping_add(1));
        assert_eq!(
            (header.sequence_number, header.acknowledgment_number),
            expected
        );
        assert_eq!(header.window_size, 65_000, "the server's");
        Self { world, cookie }
    }

    /// The server's number as the client sees it.
    fn seen(&self, number: u32) -> u32 {
        number.wrapping_add(self.cookie).wrapping_sub(S)
    }

    /// Sends from the client, whose acknowledgement of the server's `ack` arrives as that.
    fn there(&mut self, flags: &str, (seq, ack): (u32, u32), payload: &[u8]) {
        let sent = segment(CLIENT, OUTSIDE, flags, (seq, self.seen(ack)), payload);
        let arrives = segment(CLIENT, SERVER, flags, (seq, ack), payload).hop();
        assert_eq!(self.world.pass(wan(), &sent).packet, arrives);
    }

    /// Sends from the server.
    fn back(&mut self, flags: &str, (seq, ack): (u32, u32), payload: &[u8]) {
        let sent = segment(SERVER, CLIENT, flags, (seq, ack), payload);
        let arrives = segment(OUTSIDE, CLIENT, flags, (self.seen(seq), ack), payload).hop();
        assert_eq!(self.world.pass(dmz(), &sent).packet, arrives);
    }
}

const C1: u32 = C.wrapping_add(1);
const S1: u32 = S.wrapping_add(1);

#[test]
fn a_connection_that_begins_with_a_cookie_talks_both_ways_and_closes() {
    let mut joined = Joined::new();
    joined.there("A", (C1, S1), b"GET / HTTP/1.1\r\n\r\n");
    let mut seq = S1;
    for _ in 0..60 {
        joined.back("A", (seq, C1.wrapping_add(18)), &[7; 1000]);
        seq = seq.wrapping_add(1000);
        joined.there("A", (C1.wrapping_add(18), seq), b"");
    }
    // What the server sends again, and late copies of what was acknowledged, keep their numbers too.
    joined.back(
        "A",
        (seq.wrapping_sub(1000), C1.wrapping_add(18)),
        &[7; 1000],
    );
    joined.back("FA", (seq, C1.wrapping_add(18)), b"");
    joined.there("FA", (C1.wrapping_add(18), seq.wrapping_add(1)), b"");
    joined.back("A", (seq.wrapping_add(1), C1.wrapping_add(19)), b"");
    joined.world.pass_time(Duration::from_secs(260));
    assert_eq!(joined.world.engine.conntrack().flows(), 0);
}

#[test]
fn windows_and_resets_are_checked_in_the_numbers_of_whoever_sent_them() {
    let mut joined = Joined::new();
    let (seen, far) = (joined.seen(S1), 200_000);
    for (seq, ack) in [
        (C1.wrapping_add(far), seen),
        (C1, seen.wrapping_add(far)),
        (C1, S1),
    ] {
        let wrong = segment(CLIENT, OUTSIDE, "A", (seq, ack), b"x");
        assert_eq!(
            joined.world.refuse(wan(), &wrong),
            TcpWindow,
            "{seq}, {ack}"
        );
    }
    let wrong = segment(SERVER, CLIENT, "R", (S1.wrapping_add(far), 0), b"");
    assert_eq!(joined.world.refuse(dmz(), &wrong), TcpWindow);
    joined.back("A", (S1, C1), b"undisturbed");
    let reset = segment(SERVER, CLIENT, "R", (S1.wrapping_add(11), 0), b"");
    let sent = joined.world.pass(dmz(), &reset).packet;
    assert_eq!(
        numbers(&sent).sequence_number,
        joined.seen(S1.wrapping_add(11))
    );
}

#[test]
fn a_server_that_refuses_is_believed_by_the_client() {
    let mut world = always();
    let cookie = cookie(&mut world, &offering(1460));
    let ack = segment(CLIENT, OUTSIDE, "A", (C1, cookie.wrapping_add(1)), b"");
    world.pass(wan(), &ack);
    let blind = segment(SERVER, CLIENT, "RA", (0, C1.wrapping_add(9)), b"");
    assert_eq!(world.refuse(dmz(), &blind), TcpWindow);
    let refusal = segment(SERVER, CLIENT, "RA", (0, C1), b"");
    let sent = world.pass(dmz(), &refusal).packet;
    let expected = segment(OUTSIDE, CLIENT, "RA", (cookie.wrapping_add(1), C1), b"");
    assert_eq!(sent, expected.hop());
}

#[test]
fn what_gets_lost_on_the_servers_side_is_repeated_by_the_clients_probes() {
    let mut world = always();
    let cookie = cookie(&mut world, &offering(1460));
    let k1 = cookie.wrapping_add(1);
    // The ACK itself got lost; Linux probes with the number before, others with a byte.
    let probe = segment(CLIENT, OUTSIDE, "A", (C, k1), b"");
    assert!(numbers(&world.pass(wan(), &probe).packet).syn);
    for probe in [
        segment(CLIENT, OUTSIDE, "A", (C1, k1), b"G"),
        segment(CLIENT, OUTSIDE, "A", (C, k1), b""),
    ] {
        let again = world.pass(wan(), &probe).packet;
        assert!(numbers(&again).syn && numbers(&again).sequence_number == C);
    }
    for other in [
        segment(CLIENT, OUTSIDE, "A", (C1, k1.wrapping_add(1)), b""),
        segment(CLIENT, OUTSIDE, "R", (C1, 0), b""),
    ] {
        assert_eq!(world.refuse(wan(), &other), TcpState);
    }
    // An older connection of the server is told to go; then the next probe is a new beginning.
    let stale = segment(SERVER, CLIENT, "A", (77, 4242), b"");
    let reset = numbers(&world.pass(dmz(), &stale).packet);
    assert!(reset.rst && !reset.ack && reset.sequence_number == 4242);
    // The client may also begin anew itself.
    let anew = syn(CLIENT, OUTSIDE);
    let sent = world.pass(wan(), &anew);
    assert_eq!((sent.zone, world.engine.conntrack().flows()), (wan(), 0));
}

#[test]
fn only_a_cookie_that_was_made_for_it_opens_anything() {
    let mut world = always();
    let cookie = cookie(&mut world, &offering(1460));
    let k1 = cookie.wrapping_add(1);
    let other = "192.0.2.9:40001";
    for guess in [
        segment(CLIENT, OUTSIDE, "A", (C1, k1.wrapping_add(1)), b""),
        segment(CLIENT, OUTSIDE, "A", (C1.wrapping_add(1), k1), b""),
        segment(other, OUTSIDE, "A", (C1, k1), b""),
        segment(CLIENT, OUTSIDE, "SA", (C1, k1), b""),
        segment(CLIENT, OUTSIDE, "R", (C1, k1), b""),
    ] {
        assert_eq!(world.refuse(wan(), &guess), TcpNoFlow, "{guess:?}");
    }
    assert_eq!(world.engine.conntrack().flows(), 0);
    world.pass_time(Duration::from_secs(130));
    let late = segment(CLIENT, OUTSIDE, "A", (C1, k1), b"");
    assert_eq!(world.refuse(wan(), &late), TcpNoFlow);
}

#[test]
fn an_answer_is_never_longer_than_its_question_and_offers_what_can_be_kept() {
    let mut world = always();
    let mut answer = |syn: &Ip| {
        let sent = world.pass(wan(), syn).packet;
        assert!(sent.header.total_len <= syn.header.total_len);
        let options = numbers(&sent);
        let options = options
            .options_iterator()
            .map(|option| option.expect("one"));
        options.collect::<Vec<_>>()
    };
    let mss = TcpOptionElement::MaximumSegmentSize(1460);
    assert_eq!(answer(&offering(9000)), [mss]);
    assert_eq!(answer(&syn(CLIENT, OUTSIDE)), []);
}

#[test]
fn attack_syn_flood_makes_forwards_shake_hands_without_memory() {
    let mut world = World::new(&text("syn_cookies = 25"));
    for number in 0..50 {
        let from = format!("198.51.100.{}:1024", number + 1);
        assert_eq!(
            world.pass(wan(), &syn(&from, OUTSIDE)).zone,
            dmz(),
            "as usual"
        );
    }
    for number in 0..2_000u32 {
        let from = format!("198.51.{}.{}:1025", 101 + number / 250, number % 250 + 1);
        assert_eq!(
            world.pass(wan(), &syn(&from, OUTSIDE)).zone,
            wan(),
            "a cookie"
        );
    }
    assert_eq!(world.engine.conntrack().flows(), 50);
    // Who is there gets through.
    let cookie = cookie(&mut world, &offering(1460));
    let ack = segment(CLIENT, OUTSIDE, "A", (C1, cookie.wrapping_add(1)), b"");
    assert_eq!(world.pass(wan(), &ack).zone, dmz());
    // And what goes out is none of its business.
    let out = syn("10.99.0.2:5000", "192.0.2.9:443");
    assert_eq!(world.pass(dmz(), &out).zone, wan());
    // When it is over, all is as before.
    world.pass_time(Duration::from_secs(250));
    assert_eq!(
        world.pass(wan(), &syn("198.51.100.1:7", OUTSIDE)).zone,
        dmz()
    );
}

#[test]
fn an_error_quotes_the_numbers_that_its_receiver_knows() {
    let mut joined = Joined::new();
    joined.back("A", (S1, C1), &[7; 100]);
    let about = |seq: u32| segment(OUTSIDE, CLIENT, "A", (seq, C1), &[7; 100]);
    let blind = error("192.0.2.1", "203.0.113.1", [3, 1], &about(S1), 60);
    assert_eq!(
        joined.world.refuse(wan(), &blind),
        DropReason::IcmpUnrelated
    );
    let report = error(
        "192.0.2.1",
        "203.0.113.1",
        [3, 1],
        &about(joined.seen(S1)),
        60,
    );
    let sent = joined.world.pass(wan(), &report).packet;
    let (_, quoted) = quote_of(&sent);
    assert_eq!(quoted[4..8], S1.to_be_bytes());
    // The other way nothing is changed but the addresses.
    joined.there("A", (C1, S1), b"data");
    let about = segment(CLIENT, SERVER, "A", (C1, S1), b"data");
    let report = error("10.99.0.2", "192.0.2.9", [3, 13], &about, 28);
    let sent = joined.world.pass(dmz(), &report).packet;
    assert_eq!(quote_of(&sent).1[4..8], C1.to_be_bytes());
}

#[test]
fn a_checksum_left_undone_is_left_so() {
    let mut joined = Joined::new();
    let data = segment(SERVER, CLIENT, "A", (S1, C1), &[7; 3000]);
    let mut bytes = joined.world.frame(dmz(), &data);
    // The card is to complete the sum, of which the pseudo header's part is there.
    let pseudo = crate::support::check::pseudo_header(&data.header, data.body.len());
    let partial = crate::support::check::sum(&[&pseudo]);
    bytes[50..52].copy_from_slice(&partial.to_be_bytes());
    let frame = Wire {
        total_len: bytes.len(),
        bytes,
        offload: Offload {
            checksum: Checksum::Partial {
                start: 34,
                offset: 16,
            },
            segmentation: Some(Segmentation {
                kind: SegmentationKind::Tcp4,
                size: 1000,
                ecn: false,
            }),
        },
    };
    joined.world.ends.clear();
    let sent = joined.world.send_wire(dmz(), frame).remove(0);
    assert_eq!(joined.world.ends(), [End::Forwarded]);
    assert_eq!(numbers(&sent.packet).sequence_number, joined.seen(S1));
}

#[test]
fn several_servers_take_turns_in_connections_that_begin_with_a_cookie() {
    let two = text("syn_cookies = 0")
        .replace("to = \"10.99.0.2\"", "to = [\"10.99.0.2\", \"10.99.0.3\"]");
    let mut world = World::new(&two);
    let turns: Vec<String> = (1000..1004)
        .map(|port| {
            let client = format!("192.0.2.9:{port}");
            let cookie = cookie(&mut world, &syn(&client, OUTSIDE));
            let numbers = (1001, cookie.wrapping_add(1));
            let knock = world.pass(wan(), &segment(&client, OUTSIDE, "A", numbers, b""));
            knock.packet.dst().to_string()
        })
        .collect();
    assert_eq!(turns, ["10.99.0.2", "10.99.0.3", "10.99.0.2", "10.99.0.3"]);
}

//! Random traffic: hosts that talk, answer, report, repeat and lie, while cables, addresses and rules change.

use etherparse::{IpNumber, TcpHeader};
use proptest::prelude::*;
use proptest::sample::Index;

use sekisho_engine::interface::Link;
use sekisho_engine::{DropReason, ZoneId};

use crate::support::check;
use crate::support::ip::{Ip, arp, error, host, ping, pong, tcp, udp};
use crate::support::setup::{config, three_zones};
use crate::support::world::{World, mac_of, our_mac, wan};

/// Hosts, ourselves, strangers, and addresses that cannot be.
const ADDRESSES: [&str; 18] = [
    "10.99.0.2",
    "10.99.0.3",
    "10.98.0.2",
    "10.98.0.3",
    "10.98.0.77",
    "192.0.2.9",
    "192.0.2.10",
    "203.0.113.7",
    "203.0.113.254",
    "203.0.113.1",
    "10.99.0.1",
    "10.98.0.1",
    "198.51.100.5",
    "10.99.0.255",
    "255.255.255.255",
    "224.0.0.5",
    "127.0.0.1",
    "172.16.9.9",
];
/// Of those, who lives where.
const NEIGHBOURS: [[&str; 3]; 3] = [
    ["192.0.2.9", "192.0.2.10", "203.0.113.7"],
    ["10.99.0.2", "10.99.0.3", "10.99.0.9"],
    ["10.98.0.2", "10.98.0.3", "10.98.0.77"],
];
/// Of those, whom one may want to reach.
const SERVERS: [&str; 9] = [
    "203.0.113.9",
    "192.0.2.9",
    "192.0.2.9",
    "192.0.2.10",
    "203.0.113.1",
    "203.0.113.1",
    "10.99.0.2",
    "10.98.0.3",
    "10.98.0.1",
];
const PORTS: [u16; 6] = [53, 80, 5300, 22, 40_000, 40_001];

/// What most packets find; and two that withdraw much.
const RULES: [&str; 3] = [
    r#"rule = [
        { name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" },
        { name = "across", from = "lan", to = "dmz", action = "accept", log = true },
        { name = "no", from = "dmz", to = "lan", action = "reject" },
        { name = "own", from = "self", action = "accept" },
    ]"#,
    r#"rule = [{ name = "web", from = "lan", to = "wan", service = "tcp/80", action = "accept" }]"#,
    "",
];

/// Kinds of NAT; some of them are nobody's choice, but all must hold.
pub const KINDS: [&str; 6] = [
    "one_to_one = [{ inside = \"10.99.0.3\", outside = \"203.0.113.9\", to = \"wan\" }]",
    "",
    "preset = \"linux\"",
    "preset = \"linux\"\nport_overlapping = false\nhairpin = true",
    "mapping = \"address-dependent\"\nport_parity = true",
    "port_preservation = false\nfiltering = \"endpoint-independent\"",
];

fn text(rules: &str, kind: &str) -> String {
    let top = format!(
        r#"{rules}
        forward = [
            {{ name = "dns", from = "wan", service = "udp/5300", to = "10.99.0.2:53" }},
            {{ name = "www", from = "wan", service = "tcp/80", to = "10.98.0.3" }},
        ]"#
    );
    let more = format!(
        r#"[nat]
        masquerade = [{{ from = "dmz", to = "wan" }}, {{ from = "lan", to = "wan" }}]
        {kind}
        [alg]
        ftp = true
        ftp_service = ["tcp/80", "tcp/22"]
        [limits]
        flows = 64
        syn_cookies = 10
        icmp_errors_per_second = 20"#
    );
    three_zones(&top, &more).replace(
        "10.98.0.1/24\"",
        "10.98.0.1/24\"\nmtu = 600\nanswer = [\"echo\", \"errors\", \"refuse\"]",
    )
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Somebody says something new.
    Fresh {
        zone: usize,
        ends: [Index; 4],
        kind: u8,
        len: usize,
        ttl: u8,
        may_be_cut: bool,
    },
    /// The receiver of a packet that left answers it.
    Answer(Index, Manner),
    /// Somebody on its way reports a packet that left.
    Report(Index, [u8; 2], usize),
    /// A packet comes again.
    Repeat(Index),
    /// A packet comes again, in pieces and out of order.
    Pieces(Index, usize, Index),
    /// A host says where an address is.
    Claim(usize, Index, u8, bool),
    /// A host stops, or starts again, to answer ARP.
    Silence(Index),
    Time(u64),
    /// From now on frames come in bursts, or singly.
    Burst(bool),
    Cable(usize, bool),
    Address(Index),
    Rules(Index),
    Own(Index, Index),
    /// A client logs in by FTP, and a data connection is announced that comes or does not.
    Ftp(u8),
}

/// How a TCP segment is answered; nothing else has manners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// With what goes on.
    Plain,
    /// With a FIN.
    Closing,
    /// With a RST that is right.
    Refusing,
}

pub fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let index = any::<Index>;
    let fresh = (
        0..3usize,
        any::<[Index; 4]>(),
        any::<u8>(),
        prop_oneof![0..64usize, 500..1400usize],
        prop_oneof![4 => Just(64u8), 1 => 0..4u8],
        any::<bool>(),
    );
    let fresh = fresh.prop_map(|(zone, ends, kind, len, ttl, may_be_cut)| Step::Fresh {
        zone,
        ends,
        kind,
        len,
        ttl,
        may_be_cut,
    });
    let codes = prop::sample::select(vec![
        [3, 1],
        [3, 3],
        [3, 4],
        [11, 0],
        [12, 0],
        [4, 0],
        [5, 1],
    ]);
    let manner = prop_oneof![
        8 => Just(Manner::Plain),
        1 => Just(Manner::Closing),
        1 => Just(Manner::Refusing),
    ];
    let step = prop_oneof![
        12 => fresh,
        16 => (index(), manner).prop_map(|(which, manner)| Step::Answer(which, manner)),
        4 => (index(), codes, 20..80usize).prop_map(|(which, code, len)| Step::Report(which, code, len)),
        6 => index().prop_map(Step::Repeat),
        3 => (index(), 1..40usize, index()).prop_map(|(which, size, order)| Step::Pieces(which, 8 * size, order)),
        1 => (0..3usize, index(), 1..3u8, any::<bool>())
            .prop_map(|(zone, who, operation, lies)| Step::Claim(zone, who, operation, lies)),
        1 => index().prop_map(Step::Silence),
        2 => prop_oneof![12 => 0..3u64, 12 => 20..40u64, 12 => 300..400u64, 1 => 3_000..9_000u64].prop_map(Step::Time),
        1 => (0..3usize, prop::bool::weighted(0.8)).prop_map(|(zone, up)| Step::Cable(zone, up)),
        2 => any::<bool>().prop_map(Step::Burst),
        1 => index().prop_map(Step::Address),
        1 => index().prop_map(Step::Rules),
        1 => (index(), index()).prop_map(|(to, port)| Step::Own(to, port)),
        2 => any::<u8>().prop_map(Step::Ftp),
    ];
    prop::collection::vec(step, 1..count)
}

/// How a frame is distorted: bytes that change, where it is cut, and whether its header is made right again.
pub type Distortion = (Vec<(Index, u8)>, Option<Index>, bool);

/// For four in ten steps.
pub fn distortion() -> impl Strategy<Value = Option<Distortion>> {
    let bytes = prop::collection::vec((any::<Index>(), 1..=u8::MAX), 0..4);
    let cut = prop::option::weighted(0.1, any::<Index>());
    prop::option::weighted(0.4, (bytes, cut, any::<bool>()))
}

/// Distorts a frame.
pub fn distorted(frame: &mut Vec<u8>, (bytes, cut, repair): &Distortion) {
    for (at, change) in bytes {
        // Half of the changes are in the headers.
        let reach = if change % 2 == 0 { 42 } else { frame.len() };
        let at = at.index(reach.min(frame.len()));
        frame[at] ^= change;
    }
    if let Some(cut) = cut {
        frame.truncate(1 + cut.index(frame.len()));
    }
    if *repair && frame.len() >= 34 {
        frame[24..26].fill(0);
        let sum = !check::sum(&[&frame[14..34]]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
}

/// A world, and what went in and came out of it so far.
pub struct Story {
    pub world: World,
    kind: &'static str,
    bursts: bool,
    entered: Vec<(ZoneId, Ip)>,
    left: Vec<(ZoneId, Ip)>,
}

fn zone(index: usize) -> ZoneId {
    ZoneId::new(index).expect("a zone")
}

/// One of what there is, if there is any.
fn one<T: Clone>(index: &Index, of: &[T]) -> Option<T> {
    (!of.is_empty()).then(|| index.get(of).clone())
}

fn address_of(index: &Index) -> &'static str {
    ADDRESSES[index.index(ADDRESSES.len())]
}

fn rules_of(index: &Index) -> &'static str {
    RULES[index.index(6).saturating_sub(3)]
}

fn endpoint(address: &str, port: &Index) -> String {
    format!("{address}:{}", port.get(&PORTS))
}

fn spoken(zone: usize, kind: u8, [src, dst, from, to]: &[Index; 4], len: usize) -> Ip {
    // One in eight lies about where it is, another one goes nowhere sensible.
    let src = match kind / 32 {
        0 => address_of(src),
        _ => NEIGHBOURS[zone][src.index(3)],
    };
    let dst = match kind / 32 {
        1 => address_of(dst),
        _ => SERVERS[dst.index(SERVERS.len())],
    };
    let (src_end, dst_end) = (endpoint(src, from), endpoint(dst, to));
    let payload = vec![kind; len];
    match kind % 8 {
        0..3 => udp(&src_end, &dst_end, &payload),
        3..6 => tcp(&src_end, &dst_end, &payload[..len % 8], |header| {
            (header.syn, header.sequence_number) = (true, u32::from(kind) << 24);
        }),
        6 => ping(src, dst, 7),
        _ => Ip::new(host(src), host(dst), IpNumber(47), payload),
    }
}

/// What the receiver of a packet says to it; none if it cannot read it.
fn answer_to(packet: &Ip, manner: Manner) -> Option<Ip> {
    if packet.header.is_fragmenting_payload() || packet.body.len() < 8 {
        return None;
    }
    let (src, dst) = (packet.dst().to_string(), packet.src().to_string());
    let ends = || (packet.to().to_string(), packet.from().to_string());
    Some(match packet.header.protocol {
        IpNumber::UDP => udp(&ends().0, &ends().1, b"answer"),
        IpNumber::TCP => {
            let (asked, _) = TcpHeader::from_slice(&packet.body).ok()?;
            let control = u32::from(asked.syn) + u32::from(asked.fin);
            let payload = packet.body.len() - asked.header_len();
            let is_refused = manner == Manner::Refusing;
            tcp(&ends().0, &ends().1, b"", |header| {
                header.rst = is_refused;
                header.ack = !is_refused || !asked.ack;
                header.syn = asked.syn && !asked.ack && !is_refused;
                header.fin = manner == Manner::Closing && !asked.syn || asked.fin && !is_refused;
                header.sequence_number = asked.acknowledgment_number;
                header.acknowledgment_number =
                    asked.sequence_number.wrapping_add(payload as u32 + control);
            })
        }
        IpNumber::ICMP if packet.body[0] == 8 => pong(
            &src,
            &dst,
            u16::from_be_bytes([packet.body[4], packet.body[5]]),
        ),
        protocol => Ip::new(host(&src), host(&dst), protocol, packet.body.clone()),
    })
}

impl Story {
    /// At the start, behind one of [`KINDS`].
    pub fn new(kind: &'static str) -> Self {
        Self {
            world: World::new(&text(RULES[0], kind)),
            kind,
            bursts: false,
            entered: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Does a step; `distort` may change each frame on its way in.
    pub fn take(&mut self, step: &Step, distort: &mut impl FnMut(&mut Vec<u8>)) {
        let is_no_frame = matches!(
            step,
            Step::Silence(_)
                | Step::Burst(_)
                | Step::Time(_)
                | Step::Cable(..)
                | Step::Address(_)
                | Step::Rules(_)
                | Step::Own(..)
        );
        if is_no_frame {
            self.world.take_waiting();
        }
        match step {
            Step::Fresh {
                zone: from,
                ends,
                kind,
                len,
                ttl,
                may_be_cut,
            } => {
                let mut packet = spoken(*from, *kind, ends, *len).ttl(*ttl);
                if !may_be_cut {
                    packet = packet.dont_fragment();
                }
                self.enter(zone(*from), packet, distort);
            }
            Step::Answer(which, manner) => {
                if let Some((zone, packet)) = one(which, &self.left)
                    && let Some(answer) = answer_to(&packet, *manner)
                {
                    self.enter(zone, answer, distort);
                }
            }
            Step::Report(which, code, quoted) => {
                if let Some((zone, packet)) = one(which, &self.left) {
                    let (from, to) = (packet.dst().to_string(), packet.src().to_string());
                    let report = error(&from, &to, *code, &packet, *quoted);
                    self.enter(zone, report, distort);
                }
            }
            Step::Repeat(which) => {
                if let Some((zone, packet)) = one(which, &self.entered) {
                    self.enter(zone, packet, distort);
                }
            }
            Step::Pieces(which, size, order) => {
                let Some((zone, packet)) = one(which, &self.entered) else {
                    return;
                };
                if packet.header.is_fragmenting_payload() || packet.body.is_empty() {
                    return;
                }
                let mut pieces = packet.pieces(*size);
                let first = order.index(pieces.len());
                pieces.rotate_left(first);
                for piece in pieces.into_iter().take(60) {
                    self.enter(zone, piece, distort);
                }
            }
            Step::Claim(on, who, operation, lies) => {
                let (zone, address) = (zone(*on), host(address_of(who)));
                // Where nobody else answers, a liar is believed.
                self.world.made_up_cards |= lies;
                let mac = match lies {
                    true => [2, 0xba, 0xd0, 0, 0, 66],
                    false => mac_of(zone, address),
                };
                let ours = self.world.segment(zone).map_or(address, |net| net.addr());
                let mut frame = arp(*operation, (mac, address), (our_mac(zone), ours));
                distort(&mut frame);
                let sent = self.world.send_frame(zone, &frame);
                self.left
                    .extend(sent.into_iter().map(|sent| (sent.zone, sent.packet)));
            }
            Step::Silence(who) => {
                let address = host(address_of(who));
                if !self.world.silent.remove(&address) {
                    self.world.silent.insert(address);
                }
            }
            Step::Burst(bursts) => self.bursts = *bursts,
            Step::Time(seconds) => {
                let sent = self
                    .world
                    .pass_time(std::time::Duration::from_secs(*seconds));
                self.left
                    .extend(sent.into_iter().map(|sent| (sent.zone, sent.packet)));
            }
            Step::Cable(on, up) => {
                let link = if *up { Link::Up } else { Link::Down };
                self.world.engine.set_link(zone(*on), link);
            }
            Step::Address(which) => {
                let (address, gateway) = match which.index(8) {
                    0 => (None, None),
                    1 => (Some("198.51.100.5/24"), Some(host("198.51.100.1"))),
                    _ => (Some("203.0.113.1/24"), Some(host("203.0.113.254"))),
                };
                let address = address.map(|text| text.parse().expect("a prefix"));
                self.world.engine.set_address(wan(), address, gateway);
            }
            Step::Rules(which) => {
                let rules = config(&text(rules_of(which), self.kind));
                self.world.engine.replace_policy(&rules);
            }
            Step::Ftp(kind) => self.ftp(*kind, distort),
            Step::Own(to, port) => {
                let to = endpoint(address_of(to), port);
                let own = self.world.segment(wan()).map(|net| net.addr());
                if let Some(own) = own {
                    let packet = udp(&format!("{own}:123"), &to, b"own");
                    let sent = self.world.send_own(&packet);
                    self.left
                        .extend(sent.into_iter().map(|sent| (sent.zone, sent.packet)));
                }
            }
        }
    }

    /// A control connection, as far as it gets.
    fn ftp(&mut self, kind: u8, distort: &mut impl FnMut(&mut Vec<u8>)) {
        let (from, client, called) = match kind % 4 {
            0 => (0, "192.0.2.10:5300", "203.0.113.1:80"),
            1 => (2, "10.98.0.77:5300", "192.0.2.9:80"),
            2 => (1, "10.99.0.2:40001", "192.0.2.9:80"),
            _ => (1, "10.99.0.3:40001", "192.0.2.10:80"),
        };
        let first = u32::from(kind) << 24;
        let says = |ends: (&str, &str), (seq, ack): (u32, u32), text: &str| {
            tcp(ends.0, ends.1, text.as_bytes(), |header| {
                (header.syn, header.ack) = (ack == 0, ack != 0);
                (header.sequence_number, header.acknowledgment_number) = (seq, ack);
            })
        };
        let before = self.left.len();
        let syn = says((client, called), (first, 0), "");
        self.enter(zone(from), syn, distort);
        let Some((to, arrived)) = self.left.get(before).cloned() else {
            return;
        };
        if arrived.header.protocol != IpNumber::TCP || arrived.header.is_fragmenting_payload() {
            return;
        }
        let (server, seen) = (arrived.to().to_string(), arrived.from().to_string());
        let next = first.wrapping_add(1);
        if let Some(answer) = answer_to(&arrived, Manner::Plain) {
            self.enter(to, answer, distort);
        }
        self.enter(zone(from), says((client, called), (next, 1), ""), distort);
        let comma = |end: &str| {
            end.split(':')
                .next()
                .map(|address| address.replace('.', ","))
        };
        let (own, other) = (comma(client).expect("one"), comma(&server).expect("one"));
        let (asks, data) = match kind & 8 {
            0 => (
                format!("USER x\r\nPORT {own},19,136\r\n"),
                (to, &server, &seen),
            ),
            _ => (
                "USER x\r\nPASV\r\n".into(),
                (zone(from), &client.into(), &called.into()),
            ),
        };
        self.enter(
            zone(from),
            says((client, called), (next, 1), &asks),
            distort,
        );
        let heard = next.wrapping_add(asks.len() as u32);
        if kind & 8 != 0 {
            let told = format!("227 ({other},19,136)\r\n");
            self.enter(to, says((&server, &seen), (1, heard), &told), distort);
        }
        if kind & 16 != 0 {
            let at =
                |end: &str, port: u16| format!("{}:{port}", end.split(':').next().expect("one"));
            let (zone, src, dst) = data;
            let (src, dst) = (at(src, 2000), at(dst, 5000));
            self.enter(zone, says((&src, &dst), (7000, 0), ""), distort);
        }
    }

    /// Forgets all but what happened last, so that a long story needs no more memory than a short one.
    pub fn forget(&mut self) {
        const KEPT: usize = 64;
        for past in [&mut self.entered, &mut self.left] {
            past.drain(..past.len().saturating_sub(KEPT));
        }
        self.world.ends.clear();
        self.world.questions.clear();
        self.world.records.clear();
        self.world.notices.clear();
    }

    /// What left so far, and by which zone.
    pub fn left(&self) -> &[(ZoneId, Ip)] {
        &self.left
    }

    fn enter(&mut self, zone: ZoneId, packet: Ip, distort: &mut impl FnMut(&mut Vec<u8>)) {
        let mut frame = self.world.frame(zone, &packet);
        distort(&mut frame);
        self.entered.push((zone, packet));
        if self.bursts {
            return self.world.arrive_frame(zone, &frame);
        }
        let sent = self.world.send_frame(zone, &frame);
        self.left
            .extend(sent.into_iter().map(|sent| (sent.zone, sent.packet)));
    }

    /// How often frames were dropped for a reason, as the verdicts said.
    pub fn drops(&self, reason: DropReason) -> u64 {
        use crate::support::world::End;
        let ends = self.world.ends.iter();
        ends.filter(|end| **end == End::Dropped(reason)).count() as u64
    }
}

//! The whole engine under sequences of frames, time, cables, addresses and rules.

use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use sekisho_config::Config;
use sekisho_engine::conntrack::Sizing;
use sekisho_engine::frame::Frame;
use sekisho_engine::key::Side;
use sekisho_engine::parse::{Parsed, parse};
use sekisho_engine::{ZoneId, arp};
use sekisho_replay::machine::{Event, Machine, Sent, Setup};

use crate::frames::{self, Header, repair};

/// At most so many steps a run.
const STEPS: usize = 200;

const WAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Hosts of each zone, then whom anybody may want to reach.
const HOSTS: [[Ipv4Addr; 3]; 3] = [
    [
        Ipv4Addr::new(192, 0, 2, 9),
        Ipv4Addr::new(192, 0, 2, 10),
        Ipv4Addr::new(203, 0, 113, 7),
    ],
    [
        Ipv4Addr::new(10, 99, 0, 2),
        Ipv4Addr::new(10, 99, 0, 3),
        Ipv4Addr::new(10, 99, 0, 9),
    ],
    [
        Ipv4Addr::new(10, 98, 0, 2),
        Ipv4Addr::new(10, 98, 0, 3),
        Ipv4Addr::new(10, 98, 0, 77),
    ],
];
const PORTS: [u16; 8] = [53, 80, 5300, 22, 40_000, 40_001, 1023, 5000];

const COMMON: &str = r#"version = 1
rule = [
    { name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" },
    { name = "across", from = "lan", to = "dmz", action = "accept", log = true },
    { name = "no", from = "dmz", to = "lan", action = "reject" },
    { name = "own", from = "self", action = "accept" },
]
forward = [
    { name = "dns", from = "wan", service = "udp/5300", to = "10.99.0.2:53" },
    { name = "www", from = "wan", service = "tcp/80", to = "10.98.0.3" },
]
[zone.wan]
slot = 0
address = "203.0.113.1/24"
gateway = "203.0.113.254"
[zone.dmz]
slot = 1
address = "10.99.0.1/24"
answer = ["echo", "errors"]
[zone.lan]
slot = 2
address = "10.98.0.1/24"
mtu = 600
answer = ["echo", "errors", "refuse"]
dhcp = { range = "10.98.0.100-10.98.0.109" }
[limits]
flows = 64
flows_per_source = 20
[nat]
masquerade = [{ from = "dmz", to = "wan" }, { from = "lan", to = "wan" }]
"#;

/// The kinds of translation, and one that withdraws much.
static CONFIGS: LazyLock<Vec<Config>> = LazyLock::new(|| {
    let few = COMMON.replace("from = [\"dmz\", \"lan\"]", "from = \"lan\"");
    let texts = [
        COMMON.to_owned(),
        format!("{COMMON}preset = \"linux\"\n"),
        format!("{COMMON}filtering = \"endpoint-independent\"\nport_parity = true\n"),
        few,
    ];
    let parsed = texts.iter().map(|text| {
        sekisho_config::parse(text.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
    });
    parsed.collect()
});

/// What happens.
#[derive(Arbitrary, Debug)]
enum Step {
    /// A host sends something that can be read.
    Packet(Packet),
    /// The receiver of a frame that left answers it, with a change.
    Answer(Answer),
    /// A frame that came in or left comes in again by a zone.
    Again { which: u8, zone: u8, change: Change },
    /// Somebody reports an error about a frame that left.
    Report {
        which: u8,
        kind: u8,
        code: u8,
        mtu: u16,
        len: u8,
    },
    /// A host answers ARP questions about an address, or lies.
    Arp {
        zone: u8,
        host: u8,
        reply: bool,
        lies: bool,
    },
    /// Bytes.
    Raw {
        zone: u8,
        addressed: bool,
        bytes: Vec<u8>,
    },
    /// Time passes, in milliseconds, or in units of 16 seconds.
    Time { amount: u8, long: bool },
}

#[derive(Arbitrary, Debug)]
struct Packet {
    zone: u8,
    ends: u8,
    ports: u8,
    protocol: Kind,
    flags: u8,
    seq: u8,
    ttl: u8,
    fragment: u8,
    len: u8,
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Tcp,
    Udp,
    Echo,
    Other(u8),
}

#[derive(Arbitrary, Debug)]
struct Answer {
    which: u8,
    flags: u8,
    seq: i16,
    ack: i16,
    len: u8,
}

#[derive(Arbitrary, Debug)]
struct Change {
    at: u8,
    to: u8,
    repaired: bool,
}

struct Run {
    machine: Machine,
    config: &'static Config,
    seen: Vec<(ZoneId, Vec<u8>)>,
}

/// The first byte chooses the configuration; steps follow.
pub fn run(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let which: u8 = source.arbitrary().unwrap_or_default();
    let config = &CONFIGS[usize::from(which) % CONFIGS.len()];
    let setup = Setup {
        macs: (0..config.zones.len()).map(our_mac).collect(),
        sizing: Sizing::for_flows(64),
        seed: 1,
    };
    let mut run = Run {
        machine: Machine::new(config, setup),
        config,
        seen: Vec::new(),
    };
    for _ in 0..STEPS {
        let Ok(step) = Step::arbitrary(&mut source) else {
            break;
        };
        run.take(step);
        if source.is_empty() {
            break;
        }
    }
    run.finish();
}

fn our_mac(index: usize) -> [u8; 6] {
    [2, 0, 0, 0, 0, index as u8]
}

fn zone(number: u8) -> ZoneId {
    ZoneId::new(usize::from(number % 3)).expect("a zone")
}

fn mac_of(zone: ZoneId, host: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = host.octets();
    [6, zone.index() as u8, a, b, c, d]
}

impl Run {
    fn take(&mut self, step: Step) {
        match step {
            Step::Packet(packet) => self.packet(&packet),
            Step::Answer(answer) => self.answer(&answer),
            Step::Again {
                which,
                zone: to,
                change,
            } => self.again(which, zone(to), &change),
            Step::Report {
                which,
                kind,
                code,
                mtu,
                len,
            } => self.report(which, [kind, code], mtu, len),
            Step::Arp {
                zone: on,
                host,
                reply,
                lies,
            } => self.arp(zone(on), host, reply, lies),
            Step::Raw {
                zone: on,
                addressed,
                mut bytes,
            } => {
                let zone = zone(on);
                if addressed && bytes.len() >= 6 {
                    bytes[..6].copy_from_slice(&our_mac(zone.index()));
                }
                self.receive(zone, bytes);
            }
            Step::Time { amount, long } => {
                let unit = if long { 16_000 } else { 1 };
                self.pass(Duration::from_millis(u64::from(amount) * unit));
            }
        }
    }

    fn packet(&mut self, packet: &Packet) {
        let zone = zone(packet.zone);
        let src = HOSTS[zone.index()][usize::from(packet.ends & 3) % 3];
        let others: Vec<Ipv4Addr> = HOSTS.iter().flatten().copied().chain([WAN]).collect();
        let dst = others[usize::from(packet.ends >> 2) % others.len()];
        let port = |at: u8| PORTS[usize::from(at) % PORTS.len()].to_be_bytes();
        let (from, to) = (port(packet.ports), port(packet.ports >> 3));
        let payload = vec![packet.seq; usize::from(packet.len) * 8];
        let (protocol, body) = match packet.protocol {
            Kind::Tcp => {
                let seq = (u32::from(packet.seq) << 24).to_be_bytes();
                let flags = packet.flags;
                let head = [
                    &from[..],
                    &to,
                    &seq,
                    &[0; 4],
                    &[0x50, flags, 4, 0, 0, 0, 0, 0],
                ];
                (
                    6,
                    [&head.concat()[..], &payload[..payload.len() / 8]].concat(),
                )
            }
            Kind::Udp => {
                let len = (8 + payload.len() as u16).to_be_bytes();
                (17, [&from[..], &to, &len, &[0, 0], &payload].concat())
            }
            Kind::Echo => (
                1,
                [&[8, 0, 0, 0, 0, packet.ports, 0, 1], &payload[..]].concat(),
            ),
            Kind::Other(number) => (number, payload),
        };
        let header = Header {
            protocol,
            ttl: if packet.ttl < 8 { packet.ttl } else { 64 },
            id: u16::from(packet.seq),
            fragment: match packet.fragment {
                0..=127 => 0,
                128..=191 => 0x4000,
                other => u16::from(other & 31) | u16::from(other & 32) << 8,
            },
        };
        let macs = (mac_of(zone, src), our_mac(zone.index()));
        self.receive(zone, frames::ip(macs, (src, dst), header, &body));
    }

    /// Turns a frame that left round: ends, and TCP's numbers.
    fn answer(&mut self, answer: &Answer) {
        let Some((zone, frame)) = self.one(answer.which) else {
            return;
        };
        let Some((header, body)) = split(&frame) else {
            return;
        };
        if body.len() < 8 {
            return;
        }
        let (src, dst) = (address(&header, 16), address(&header, 12));
        let mut body = body;
        let protocol = header[9];
        match protocol {
            6 if body.len() >= 20 => {
                swap_ports(&mut body);
                let word = |at: usize| {
                    u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]])
                };
                let (seq, ack) = (word(4), word(8));
                let next = seq.wrapping_add(body.len() as u32 - 20 + u32::from(body[13] & 3 != 0));
                let (offset, change) = (i32::from(answer.seq), i32::from(answer.ack));
                let seq = ack.wrapping_add_signed(offset).to_be_bytes();
                let ack = next.wrapping_add_signed(change).to_be_bytes();
                body[4..8].copy_from_slice(&seq);
                body[8..12].copy_from_slice(&ack);
                body[13] = answer.flags;
                body.truncate(20);
                body.resize(20 + usize::from(answer.len), 1);
                body[12] = 0x50;
            }
            17 => swap_ports(&mut body),
            1 if body[0] == 8 => body[0] = 0,
            _ => {}
        }
        let header = Header {
            protocol,
            ttl: 64,
            id: 7,
            fragment: 0,
        };
        let from: [u8; 6] = frame[..6].try_into().unwrap_or_default();
        let macs = (from, our_mac(zone.index()));
        self.receive(zone, frames::ip(macs, (src, dst), header, &body));
    }

    fn again(&mut self, which: u8, zone: ZoneId, change: &Change) {
        let Some((_, mut frame)) = self.one(which) else {
            return;
        };
        let at = usize::from(change.at) % frame.len();
        frame[at] = change.to;
        frame[..6].copy_from_slice(&our_mac(zone.index()));
        if change.repaired {
            repair(&mut frame);
        }
        self.receive(zone, frame);
    }

    fn report(&mut self, which: u8, [kind, code]: [u8; 2], mtu: u16, len: u8) {
        let Some((zone, frame)) = self.one(which) else {
            return;
        };
        let Some((header, _)) = split(&frame) else {
            return;
        };
        let quoted = &frame[14..frame.len().min(14 + usize::from(len))];
        let mut body = vec![kind, code, 0, 0, 0, 0];
        body.extend(mtu.to_be_bytes());
        body.extend(quoted);
        let (src, dst) = (address(&header, 16), address(&header, 12));
        let from: [u8; 6] = frame[..6].try_into().unwrap_or_default();
        let header = Header {
            protocol: 1,
            ttl: 64,
            id: 9,
            fragment: 0,
        };
        let macs = (from, our_mac(zone.index()));
        self.receive(zone, frames::ip(macs, (src, dst), header, &body));
    }

    fn arp(&mut self, zone: ZoneId, host: u8, reply: bool, lies: bool) {
        let interface = self.machine.engine().interface(zone);
        let Some(own) = interface.and_then(|interface| interface.own()) else {
            return;
        };
        let host = match host & 3 {
            3 => Ipv4Addr::new(203, 0, 113, 254),
            other => HOSTS[zone.index()][usize::from(other)],
        };
        let mac = match lies {
            true => [2, 0xba, 0xd0, 0, 0, 1],
            false => mac_of(zone, host),
        };
        let our = our_mac(zone.index());
        let mut frame = [
            &our[..],
            &mac,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1 + u8::from(reply)],
            &mac,
        ]
        .concat();
        frame.extend(host.octets());
        frame.extend(our);
        frame.extend(own.octets());
        self.receive(zone, frame);
    }

    fn one(&self, which: u8) -> Option<(ZoneId, Vec<u8>)> {
        let count = self.seen.len();
        let back = usize::from(which) % count.max(1);
        self.seen.get(count.checked_sub(1 + back)?).cloned()
    }

    fn receive(&mut self, zone: ZoneId, bytes: Vec<u8>) {
        self.machine.receive(zone, &bytes);
        self.look();
    }

    fn pass(&mut self, duration: Duration) {
        self.machine.advance(self.machine.now().after(duration));
        self.look();
    }

    /// Every frame that left must be one that may.
    fn look(&mut self) {
        loop {
            let events = self.machine.take_events();
            if events.is_empty() {
                break;
            }
            for event in events {
                let Event::Sent(sent) = event else { continue };
                self.check(&sent);
                self.hear(&sent);
                if self.seen.len() < 256 {
                    self.seen.push((sent.zone, sent.bytes));
                }
            }
        }
        let counters = self.machine.counters();
        assert!(counters.conserved(), "{counters:?}");
    }

    fn check(&self, sent: &Sent) {
        assert_eq!(
            sent.bytes[6..12],
            our_mac(sent.zone.index()),
            "somebody else's card"
        );
        let mut copy = sent.bytes.clone();
        let frame = Frame::whole(&mut copy);
        let Some((header, body)) = split(&sent.bytes) else {
            assert_eq!(sent.bytes[12..14], [8, 6], "neither ARP nor IPv4");
            return;
        };
        assert_eq!(frames::sum(&[&header]), 0xffff, "a wrong header checksum");
        let fits = frame.head.len() <= 14 + 1500 || header[9] == 6;
        assert!(fits, "too large: {} bytes", frame.head.len());
        if sent.zone.index() == 0 {
            let is_inside = |address: Ipv4Addr| address.octets()[0] == 10;
            assert!(
                !is_inside(address(&header, 12)),
                "an inside source leaves by the wan"
            );
            let is_error = header[9] == 1 && matches!(body.first(), Some(3 | 11 | 12));
            let quoted = body
                .get(8..28)
                .filter(|_| is_error && header[6] & 0x3f == 0 && header[7] == 0);
            let hidden = quoted.is_some_and(|quoted| is_inside(address(quoted, 16)));
            assert!(!hidden, "an error shows an inside address on the wan");
        }
    }

    /// Neighbours answer.
    fn hear(&mut self, sent: &Sent) {
        let mut copy = sent.bytes.clone();
        let Ok(Parsed::Arp(asked)) = parse(&Frame::whole(&mut copy), Side::OWN) else {
            return;
        };
        if asked.operation == arp::Operation::Request && asked.sender != asked.target {
            let mac = mac_of(sent.zone, asked.target);
            // One host never answers.
            if asked.target.octets()[3] != 77 {
                arp::answer(&mut Frame::whole(&mut copy), &asked, mac, asked.target);
                self.machine.receive(sent.zone, &copy);
            }
        }
    }

    /// When all is over, nothing is left.
    fn finish(mut self) {
        for _ in 0..3 {
            self.pass(Duration::from_secs(6 * 24 * 3600));
        }
        let engine = self.machine.engine();
        let conntrack = engine.conntrack();
        let left = (conntrack.flows(), conntrack.mappings(), conntrack.leases());
        assert_eq!(
            left,
            (0, 0, 0),
            "flows, mappings, leases: {:?}",
            self.config.nat
        );
        assert_eq!(engine.counters().held(), 0);
    }
}

fn split(frame: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let header = frame.get(14..34).filter(|_| frame[12..14] == [8, 0])?;
    Some((header.to_vec(), frame[34..].to_vec()))
}

fn address(header: &[u8], at: usize) -> Ipv4Addr {
    [header[at], header[at + 1], header[at + 2], header[at + 3]].into()
}

fn swap_ports(body: &mut [u8]) {
    let (src, dst) = ([body[0], body[1]], [body[2], body[3]]);
    body[..2].copy_from_slice(&dst);
    body[2..4].copy_from_slice(&src);
}

//! The packet engine with frames made beforehand: what one packet costs, without cards and without a machine.
//!
//! * [`Scenario`]: which packet.
//! * [`Bench`]: an engine in the state that the scenario needs; [`Bench::step`] gives it one packet, or all of a connection.
//! * [`connection`](self::connection): the segments of one.
//!
//! Packets are given to it as the firewall's loop does: in groups, which it foresees, if its table is large ([`Engine::pace`]), else each by
//! itself.
//!
//! Time stands still, so nothing expires and no neighbour grows old.

mod connection;

use std::net::Ipv4Addr;

use sekisho_engine::conntrack::Sizing;
use sekisho_engine::engine::{Engine, Foreseen, GROUP, Pace, Seat, Secrets};
use sekisho_engine::frame::Frame;
use sekisho_engine::interface::Link;
use sekisho_engine::output::Output;
use sekisho_engine::verdict::HoldSlot;
use sekisho_engine::{DropReason, Instant, Tick, Verdict, ZoneId};
use sekisho_tests::frames::{Content, Mac, flag};
use sekisho_tests::way::{Way, arp_reply};

use crate::policy::configuration;
use connection::Segment;

/// A kind of packet, and what is there when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A datagram of one flow, over and over.
    Udp,
    /// A segment of one connection, over and over.
    Tcp,
    /// Datagrams of a million flows, in no order.
    Million,
    /// The first datagram of a flow.
    New,
    /// All packets of a short TCP connection through a forward.
    Connection,
    /// A datagram that no rule takes.
    Denied,
}

/// How many flows [`Scenario::Million`] has.
const MILLION: u32 = 1_000_000;
/// Room for flows: a third more than a million, since a table that is three quarters full gives up idle ones.
const FLOWS: usize = 1_400_000;
/// Room for flows where each packet begins one: soon the table is full, and the oldest goes.
const FEW_FLOWS: usize = 1 << 16;
/// Inside hosts that the flows share, and the ports of each.
const HOSTS: u32 = 128;
const PORTS: u32 = 8;

const WAN_MAC: Mac = [0x52, 0x54, 0, 0, 0, 1];
const DMZ_MAC: Mac = [0x52, 0x54, 0, 0, 0, 2];
const WAN_HOST_MAC: Mac = [2, 0, 0, 0, 0, 0xaa];
const DMZ_HOST_MAC: Mac = [2, 0, 0, 0, 0, 0xdd];

const WAN_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const WAN_HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const DMZ_HOST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);

/// Bytes of a buffer that takes each of the frames.
const FRAME: usize = 128;
/// Offsets in a frame: the ports are what one host's flows differ in.
const SOURCE_PORT: usize = 34;
const DESTINATION_PORT: usize = 36;

/// An engine and the packet that it gets.
pub struct Bench {
    engine: Engine,
    scenario: Scenario,
    /// The packet as each of the inside hosts sends it.
    templates: Vec<Vec<u8>>,
    /// The packets of a connection.
    segments: Vec<Segment>,
    buffer: Vec<u8>,
    next: u32,
    pace: Pace,
    group: Group,
}

/// Packets that came together, of which the engine has foreseen each.
struct Group {
    buffers: [Vec<u8>; GROUP],
    foreseen: Foreseen,
    /// Which of them is next.
    at: usize,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Udp,
        Self::Tcp,
        Self::Million,
        Self::New,
        Self::Connection,
        Self::Denied,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Million => "million",
            Self::New => "new",
            Self::Connection => "connection",
            Self::Denied => "denied",
        }
    }

    /// What it is, for tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::Udp => "established UDP flow, hot",
            Self::Tcp => "established TCP connection, hot",
            Self::Million => "a million UDP flows, at random",
            Self::New => "first packet of a UDP flow, and the end of another",
            Self::Connection => "a short TCP connection through a forward, all nine packets",
            Self::Denied => "packet that no rule takes",
        }
    }

    /// Where its packets come in.
    #[inline(always)]
    fn zone(self) -> ZoneId {
        match self {
            Self::Denied => wan(),
            Self::Udp | Self::Tcp | Self::Million | Self::New | Self::Connection => dmz(),
        }
    }

    /// Sees to it that a packet met what it should.
    #[inline(always)]
    fn expect(self, verdict: &Verdict) {
        match (self, verdict) {
            (Self::Denied, Verdict::Drop(DropReason::PolicyDefault)) => {}
            (Self::Denied, other) => panic!("a packet that no rule takes met {other:?}"),
            (_, Verdict::Forward(_)) => {}
            (scenario, other) => panic!("{scenario:?} met {other:?}"),
        }
    }
}

impl Bench {
    /// An engine with so many rules, ready for [`step`](Self::step).
    ///
    /// # Panics
    /// When the engine does not do what the scenario is about.
    pub fn new(scenario: Scenario, rules: u32) -> Self {
        let config = sekisho_config::parse(configuration(rules).as_bytes())
            .unwrap_or_else(|report| panic!("{report}"));
        let seats = [WAN_MAC, DMZ_MAC].map(|mac| Seat {
            mac,
            link: Link::Up,
        });
        let secrets = Secrets {
            flows: [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
            neighbors: 0x1357_9bdf_0246_8ace,
        };
        let flows = match scenario {
            Scenario::Million => FLOWS,
            Scenario::Udp
            | Scenario::Tcp
            | Scenario::New
            | Scenario::Connection
            | Scenario::Denied => FEW_FLOWS,
        };
        let engine = Engine::new(&config, &seats, Sizing::for_flows(flows), secrets);
        let templates: Vec<_> = (0..HOSTS).map(|host| template(scenario, host)).collect();
        let mut bench = Self {
            engine,
            scenario,
            buffer: vec![0; FRAME],
            group: Group {
                buffers: std::array::from_fn(|_| templates[0].clone()),
                foreseen: Foreseen::new(),
                at: 0,
            },
            pace: Pace::Each,
            templates,
            segments: connection::segments(),
            next: 0,
        };
        bench.prepare();
        bench.pace = bench.engine.pace();
        bench
    }

    /// Gives the engine one packet, or the packets of one connection.
    ///
    /// # Panics
    /// When the engine decides otherwise than the scenario is about.
    #[inline]
    pub fn step(&mut self) {
        match (self.scenario, self.pace) {
            (Scenario::Connection, _) => self.connect(),
            (_, Pace::Each) => {
                let flow = self.draw();
                self.offer(flow);
            }
            (_, Pace::Groups) => self.step_of_group(),
        }
    }

    /// The next packet's flow; `None`: there is only one.
    #[inline(always)]
    fn draw(&mut self) -> Option<u32> {
        let flow = match self.scenario {
            Scenario::Connection => {
                unreachable!("a connection is no single packet")
            }
            Scenario::Udp | Scenario::Tcp | Scenario::Denied => return None,
            // Weyl's sequence visits all in an order without pattern for a cache.
            Scenario::Million => scatter(self.next) % MILLION,
            Scenario::New => self.next,
        };
        self.next = self.next.wrapping_add(1);
        Some(flow)
    }

    fn offer(&mut self, flow: Option<u32>) {
        let buffer = &mut self.buffer[..self.templates[0].len()];
        fill(buffer, &self.templates, flow);
        let mut frame = Frame::whole(buffer);
        let verdict = self
            .engine
            .receive(self.scenario.zone(), &mut frame, tick());
        self.scenario.expect(&verdict);
    }

    /// Gives the engine the next packet of a group; before the first it foresees the group.
    fn step_of_group(&mut self) {
        if self.group.at == self.group.foreseen.len() {
            self.foresee();
        }
        let Group {
            buffers,
            foreseen,
            at,
        } = &mut self.group;
        let mut frame = Frame::whole(&mut buffers[*at]);
        let foresight = &foreseen[*at];
        *at += 1;
        let zone = self.scenario.zone();
        let verdict = self
            .engine
            .receive_foreseen(zone, &mut frame, foresight, tick());
        self.scenario.expect(&verdict);
    }

    fn foresee(&mut self) {
        for at in 0..GROUP {
            let flow = self.draw();
            fill(&mut self.group.buffers[at], &self.templates, flow);
        }
        let heads = self.group.buffers.iter().map(Vec::as_slice);
        self.group.foreseen = self.engine.foresee(self.scenario.zone(), heads);
        self.group.at = 0;
    }

    /// Opens, uses and ends one connection of a client that goes through its ports.
    fn connect(&mut self) {
        let port = connection::client_port(self.next);
        self.next = self.next.wrapping_add(1);
        for segment in &self.segments {
            let bytes = segment.write(port, &mut self.buffer);
            let verdict = self
                .engine
                .receive(segment.zone(), &mut Frame::whole(bytes), tick());
            assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
        }
    }

    /// Brings the engine to where the scenario begins: neighbours known, flows open.
    fn prepare(&mut self) {
        let mut datagram = template(Scenario::Udp, 0);
        self.pass(dmz(), &mut datagram);
        match self.scenario {
            Scenario::Udp | Scenario::Denied => {}
            Scenario::Tcp => self.shake_hands(),
            Scenario::New => (0..FEW_FLOWS).for_each(|_| self.step()),
            Scenario::Connection => {
                // The server is a neighbour that has to be known as well.
                let mut syn = self.segments[0].first();
                self.pass(wan(), &mut syn);
                (0..connection::CLIENT_PORTS).for_each(|_| self.step());
            }
            Scenario::Million => (0..MILLION).for_each(|flow| self.offer(Some(flow))),
        }
    }

    fn shake_hands(&mut self) {
        let mut syn = outward(0).tcp((40_000, 443), flag::SYN, (1000, 0), b"");
        self.pass(dmz(), &mut syn);
        let outside = u16::from_be_bytes([syn[SOURCE_PORT], syn[SOURCE_PORT + 1]]);
        let back = Way {
            to: WAN_ADDRESS,
            ..inward()
        };
        let mut answer = back.tcp((443, outside), flag::SYN | flag::ACK, (5000, 1001), b"");
        self.pass(wan(), &mut answer);
    }

    /// Gives the engine a packet that has to pass, and answers what it asks the hosts for.
    fn pass(&mut self, zone: ZoneId, bytes: &mut [u8]) {
        let mut verdict = self.engine.receive(zone, &mut Frame::whole(bytes), tick());
        if let Verdict::Held(_) = verdict {
            let slot = self.answer_questions();
            verdict = self.engine.resume(slot, &mut Frame::whole(bytes), tick());
        }
        assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
    }

    /// Answers the engine's ARP until a packet's wait is over.
    fn answer_questions(&mut self) -> HoldSlot {
        loop {
            let (zone, asked) = match self.engine.poll(tick()) {
                Some(Output::Resume { slot }) => return slot,
                Some(Output::Send { egress, frame }) => (egress.zone(), frame.to_vec()),
                Some(Output::Log(_) | Output::Notice(_)) => continue,
                Some(Output::GiveUp { .. }) | None => panic!("a neighbour was not asked for"),
            };
            let Content::ArpRequest { sender, target } =
                sekisho_tests::frames::Frame::read(&asked).content
            else {
                panic!("the engine sent something else than a question")
            };
            let (mac, ours) = match zone == wan() {
                true => (WAN_HOST_MAC, WAN_MAC),
                false => (DMZ_HOST_MAC, DMZ_MAC),
            };
            // An announcement of its own address is no question.
            if target != sender {
                let mut reply = arp_reply(mac, target, ours, sender);
                let frame = &mut Frame::whole(&mut reply);
                let _ = self.engine.receive(zone, frame, tick());
            }
        }
    }
}

/// Writes the packet of a flow.
#[inline(always)]
fn fill(buffer: &mut [u8], templates: &[Vec<u8>], flow: Option<u32>) {
    match flow {
        None => buffer.copy_from_slice(&templates[0]),
        Some(flow) => {
            buffer.copy_from_slice(&templates[(flow % HOSTS) as usize]);
            let source = 1024 + (flow / HOSTS % PORTS) as u16;
            let destination = 1 + (flow / (HOSTS * PORTS) % 65_535) as u16;
            buffer[SOURCE_PORT..][..2].copy_from_slice(&source.to_be_bytes());
            buffer[DESTINATION_PORT..][..2].copy_from_slice(&destination.to_be_bytes());
        }
    }
}

/// The packet of a scenario, from the inside host of this number if it comes from inside.
fn template(scenario: Scenario, host: u32) -> Vec<u8> {
    const PAYLOAD: [u8; 18] = [b'x'; 18];
    match scenario {
        Scenario::Udp | Scenario::Million | Scenario::New | Scenario::Connection => {
            outward(host).udp(1024, 53, &PAYLOAD)
        }
        Scenario::Tcp => outward(0).tcp((40_000, 443), flag::ACK, (1001, 5001), b"123456"),
        Scenario::Denied => inward().udp(1024, 53, &PAYLOAD),
    }
}

fn outward(host: u32) -> Way {
    Way {
        from_mac: DMZ_HOST_MAC,
        to_mac: DMZ_MAC,
        from: Ipv4Addr::from(u32::from(DMZ_HOST) + host),
        to: WAN_HOST,
    }
}

fn inward() -> Way {
    Way {
        from_mac: WAN_HOST_MAC,
        to_mac: WAN_MAC,
        from: WAN_HOST,
        to: DMZ_HOST,
    }
}

fn wan() -> ZoneId {
    ZoneId::new(0).expect("a zone")
}

fn dmz() -> ZoneId {
    ZoneId::new(1).expect("a zone")
}

fn tick() -> Tick {
    Tick {
        now: Instant::from_micros(1_000_000),
        random: 0x9e37_79b9_7f4a_7c15,
    }
}

/// A number that looks random and is different for each of the first 2³².
fn scatter(number: u32) -> u32 {
    let mixed = number.wrapping_mul(0x9e37_79b9);
    mixed ^ mixed >> 15
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{FEW, MANY};

    #[test]
    fn each_scenario_does_what_it_is_about() {
        for scenario in [
            Scenario::Udp,
            Scenario::Tcp,
            Scenario::New,
            Scenario::Connection,
            Scenario::Denied,
        ] {
            for rules in [FEW, MANY] {
                let mut bench = Bench::new(scenario, rules);
                let before = bench.engine.conntrack().flows();
                // `step` itself sees to it that each packet meets what it should.
                (0..1000).for_each(|_| bench.step());
                assert_eq!(bench.engine.conntrack().flows(), before, "{scenario:?}");
            }
        }
    }

    #[test]
    fn each_connection_takes_the_place_of_the_one_before_from_the_same_port() {
        let bench = Bench::new(Scenario::Connection, FEW);
        let clients = connection::CLIENT_PORTS as usize;
        // One more: the datagram that made the neighbours known.
        assert_eq!(bench.engine.conntrack().flows(), clients + 1);
        let forwarded = bench.engine.counters().forwarded();
        assert_eq!(forwarded, 9 * u64::from(connection::CLIENT_PORTS) + 2);
    }

    #[test]
    fn packets_are_given_as_the_loop_gives_them() {
        for (scenario, pace) in [
            (Scenario::Udp, Pace::Each),
            (Scenario::Tcp, Pace::Each),
            (Scenario::Denied, Pace::Each),
            (Scenario::New, Pace::Groups),
        ] {
            assert_eq!(Bench::new(scenario, FEW).pace, pace, "{scenario:?}");
        }
    }

    #[test]
    fn a_million_flows_are_a_million() {
        let mut bench = Bench::new(Scenario::Million, FEW);
        assert_eq!(bench.pace, Pace::Groups);
        let before = bench.engine.conntrack().flows();
        assert!(before >= MILLION as usize);
        (0..100_000).for_each(|_| bench.step());
        assert_eq!(bench.engine.conntrack().flows(), before);
    }
}

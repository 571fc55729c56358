//! The box without a kernel: engine and services, with frames and time under the caller's control.
//!
//! It does what the kernel's loop does, in the same order: a frame is judged, what the engine and the
//! services want done is done, and held frames are looked at again when their wait is over. Everything
//! that happens is an [`Event`]. The same frames at the same times with the same seed give the same events.

mod event;
mod seen;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sekisho_config::Config;
use sekisho_config::model::Addressing;
use sekisho_engine::checksum::pseudo_header;
use sekisho_engine::conntrack::Sizing;
use sekisho_engine::counters::Counters;
use sekisho_engine::engine::{Engine, Seat, Secrets};
use sekisho_engine::frame::{Checksum, Frame, Offload, Segmentation, SegmentationKind};
use sekisho_engine::interface::Link;
use sekisho_engine::key::Side;
use sekisho_engine::neighbor::Mac;
use sekisho_engine::output::{Output, Record};
use sekisho_engine::packet::{Content, Packet};
use sekisho_engine::parse::{Parsed, parse};
use sekisho_engine::verdict::{HOLD_SLOTS, HoldSlot};
use sekisho_engine::{Instant, Tick, Verdict, ZoneId};
use sekisho_services::datagram::Trust;
use sekisho_services::{Action, Services};

pub use event::{Age, End, Event, FlowSeen, Invited, Look, Number, Sent, Shape, Visit};
use seen::Seen;

/// When the machine starts; captures begin then.
pub const START: Instant = Instant::from_micros(1_000_000);

/// What must be known before the first frame.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The zones' cards, in the order of the zones.
    pub macs: Vec<Mac>,
    /// Table sizes.
    pub sizing: Sizing,
    /// All random numbers come from it.
    pub seed: u64,
}

impl Setup {
    /// Tables as in a machine with 64 MiB.
    #[must_use]
    pub fn new(macs: Vec<Mac>, seed: u64) -> Self {
        Self {
            macs,
            sizing: Sizing::for_memory(64 << 20),
            seed,
        }
    }
}

struct Held {
    number: Option<Number>,
    side: Side,
    wire: Wire,
}

/// A frame and what a card says of it.
struct Wire {
    bytes: Vec<u8>,
    len: usize,
    offload: Offload,
}

impl Wire {
    fn frame(&mut self) -> Frame<'_> {
        Frame {
            head: &mut self.bytes,
            total_len: self.len,
            offload: self.offload,
        }
    }
}

/// The engine, the services, and what waits.
pub struct Machine {
    engine: Engine,
    services: Services,
    setup: Setup,
    mtus: Vec<u16>,
    held: Vec<Option<Held>>,
    now: Instant,
    random: u64,
    received: Number,
    events: Vec<Event>,
}

impl Machine {
    /// A machine that has just booted.
    ///
    /// Every rule and forward logs, so that each decision is an event; nothing else differs from the
    /// configuration.
    #[must_use]
    pub fn new(config: &Config, setup: Setup) -> Self {
        let mut random = setup.seed;
        let secrets = Secrets {
            flows: [next(&mut random), next(&mut random)],
            neighbors: next(&mut random),
        };
        let seats: Vec<Seat> = setup
            .macs
            .iter()
            .map(|mac| Seat {
                mac: *mac,
                link: Link::Up,
            })
            .collect();
        let services = Services::new(&served(config), &setup.macs, || next(&mut random));
        let mut machine = Self {
            engine: Engine::new(&telling(config), &seats, setup.sizing, secrets),
            services,
            setup,
            mtus: config.zones.iter().map(|zone| zone.mtu).collect(),
            held: (0..HOLD_SLOTS).map(|_| None).collect(),
            now: START,
            random,
            received: 0,
            events: Vec::new(),
        };
        machine.settle();
        machine
    }

    /// Gives a zone the address that DHCP would.
    pub fn set_address(&mut self, zone: ZoneId, address: Ipv4Net, gateway: Option<Ipv4Addr>) {
        self.engine.set_address(zone, Some(address), gateway);
        self.settle();
    }

    /// Takes a frame that comes in by a zone's card; its number.
    pub fn receive(&mut self, zone: ZoneId, bytes: &[u8]) -> Number {
        let number = self.received;
        self.received += 1;
        let offload = self.offload(zone, bytes);
        let wire = Wire {
            bytes: bytes.to_vec(),
            len: bytes.len(),
            offload,
        };
        self.look(Some(number), Side::zone(zone), wire);
        self.settle();
        number
    }

    /// Lets time pass, with all that is due on the way. Time never runs backwards.
    pub fn advance(&mut self, to: Instant) {
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= to) {
            self.now = self.now.max(due);
            self.settle();
            if self.engine.next_deadline() == Some(due) {
                // Nothing moved it: it is looked at again when more time has passed.
                break;
            }
        }
        self.now = self.now.max(to);
        self.settle();
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The engine's counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        self.engine.counters()
    }

    /// The engine, to look at.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A card's address.
    #[must_use]
    pub fn mac(&self, zone: ZoneId) -> Mac {
        self.setup
            .macs
            .get(zone.index())
            .copied()
            .unwrap_or_default()
    }

    fn tick(&mut self) -> Tick {
        Tick {
            now: self.now,
            random: next(&mut self.random),
        }
    }

    /// A TCP frame larger than its segment allows is one that the sender's card was to cut; one whose checksum is the
    /// pseudo-header's sum is one that it was to finish.
    fn offload(&self, zone: ZoneId, bytes: &[u8]) -> Offload {
        let mtu = self.mtus.get(zone.index()).copied().unwrap_or(1500);
        let mut copy = bytes.to_vec();
        let packet = match parse(&Frame::whole(&mut copy), Side::zone(zone)) {
            Ok(Parsed::Ip(packet)) if !packet.fragment.is_piece() => packet,
            _ => return Offload::default(),
        };
        let Content::Tcp(segment) = packet.content else {
            return Offload::default();
        };
        let is_cut = packet.ip_len > mtu;
        if !is_cut && !is_unfinished(bytes, &packet) {
            return Offload::default();
        }
        let headers = u32::from(packet.ip_len).saturating_sub(segment.payload_len);
        let size = u32::from(mtu).saturating_sub(headers);
        Offload {
            checksum: Checksum::Partial {
                start: packet.transport,
                offset: 16,
            },
            segmentation: is_cut.then_some(Segmentation {
                kind: SegmentationKind::Tcp4,
                size: size.min(u32::from(u16::MAX)) as u16,
                ecn: false,
            }),
        }
    }

    fn look(&mut self, number: Option<Number>, side: Side, mut wire: Wire) {
        let tick = self.tick();
        let seen = Seen::before(&self.engine, side, &wire.frame());
        let verdict = judge(&mut self.engine, &mut wire, |engine, frame| {
            match side.as_zone() {
                Some(zone) => engine.receive(zone, frame, tick),
                None => engine.receive_own(frame, tick),
            }
        });
        self.end(number, side, (Visit::First, seen), (verdict, wire));
    }

    fn again(&mut self, slot: HoldSlot, held: Held) {
        let tick = self.tick();
        let Held {
            number,
            side,
            mut wire,
        } = held;
        let seen = Seen::before(&self.engine, side, &wire.frame());
        let verdict = judge(&mut self.engine, &mut wire, |engine, frame| {
            engine.resume(slot, frame, tick)
        });
        self.end(number, side, (Visit::Resumed, seen), (verdict, wire));
    }

    fn give_up(&mut self, slot: HoldSlot, held: Held) {
        let tick = self.tick();
        let Held {
            number,
            side,
            mut wire,
        } = held;
        let reason = judge(&mut self.engine, &mut wire, |engine, frame| {
            engine.give_up(slot, frame, tick)
        });
        self.events.push(Event::Looked(Look {
            at: self.now,
            number,
            side,
            visit: Visit::GivenUp,
            key: None,
            shape: Shape::Whole,
            flow: None,
            decision: None,
            told: None,
            end: End::Dropped(reason),
        }));
    }

    fn end(
        &mut self,
        number: Option<Number>,
        side: Side,
        (visit, seen): (Visit, Seen),
        (verdict, mut wire): (Verdict, Wire),
    ) {
        let end = match &verdict {
            Verdict::Forward(egress) => End::Forwarded(egress.zone()),
            Verdict::Fragmented(egress) => End::Fragmented(egress.zone()),
            Verdict::Remade(egress) => End::Remade(egress.zone()),
            Verdict::Answer(egress) => End::Answered(egress.zone()),
            Verdict::Local => End::Local,
            Verdict::Absorbed => End::Absorbed,
            Verdict::Held(_) => End::Held,
            Verdict::Drop(reason) => End::Dropped(*reason),
        };
        let told = self.engine.take_told();
        self.events.push(Event::Looked(Look {
            at: self.now,
            number,
            side,
            visit,
            told,
            key: seen.key,
            shape: seen.shape,
            flow: seen.after(&self.engine),
            decision: None,
            end,
        }));
        wire.bytes.truncate(wire.len);
        match verdict {
            Verdict::Forward(egress) => self.sent(egress.zone(), wire.bytes, number),
            Verdict::Answer(egress) => self.sent(egress.zone(), wire.bytes, None),
            Verdict::Held(slot) => self.held[slot.index()] = Some(Held { number, side, wire }),
            Verdict::Local => {
                if let Some(zone) = side.as_zone() {
                    self.services
                        .receive(zone, &wire.bytes, Trust::Verify, self.now);
                }
            }
            Verdict::Absorbed | Verdict::Fragmented(_) | Verdict::Remade(_) | Verdict::Drop(_) => {}
        }
    }

    fn sent(&mut self, zone: ZoneId, bytes: Vec<u8>, number: Option<Number>) {
        self.events.push(Event::Sent(Sent {
            at: self.now,
            zone,
            bytes,
            number,
        }));
    }

    /// Does what the engine and the services want done, until there is nothing more.
    fn settle(&mut self) {
        loop {
            self.poll();
            let Some(action) = self.services.poll(self.now) else {
                return;
            };
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::SendDirectly(zone, mut frame) => {
                // A full outbox loses it, as in the kernel's loop.
                let _ = self.engine.send_dhcp(zone, &mut frame);
            }
            Action::SendThrough(frame) => {
                let wire = Wire {
                    bytes: frame.to_vec(),
                    len: frame.len(),
                    offload: Offload::default(),
                };
                self.look(None, Side::OWN, wire);
            }
            // Without a client no lease comes or goes: addresses are set from outside.
            Action::Bound(..) | Action::Lost(_) | Action::Overlap(..) => {}
            Action::Served(zone, outcome) => self.events.push(Event::Served(zone, outcome)),
        }
    }

    fn poll(&mut self) {
        loop {
            let tick = self.tick();
            let (slot, over) = match self.engine.poll(tick) {
                None => return,
                Some(Output::Send { egress, frame }) => {
                    let bytes = frame.to_vec();
                    self.sent(egress.zone(), bytes, None);
                    continue;
                }
                Some(Output::Log(record)) => {
                    self.decided(&record);
                    continue;
                }
                Some(Output::Notice(notice)) => {
                    self.events.push(Event::Notice(notice));
                    continue;
                }
                Some(Output::Resume { slot }) => (slot, true),
                Some(Output::GiveUp { slot }) => (slot, false),
            };
            if let Some(held) = self.held[slot.index()].take() {
                if over {
                    self.again(slot, held);
                } else {
                    self.give_up(slot, held);
                }
            }
        }
    }

    /// Notes a decision beside the look that it was made in.
    fn decided(&mut self, record: &Record) {
        let looks = self
            .events
            .iter_mut()
            .rev()
            .filter_map(|event| match event {
                Event::Looked(look) => Some(look),
                Event::Sent(_) | Event::Notice(_) | Event::Served(..) => None,
            });
        let mut same = looks.filter(|look| look.key == Some(record.key));
        if let Some(look) = same.find(|look| look.decision.is_none()) {
            look.decision = Some(record.decision);
        }
    }
}

/// Whether a segment's checksum was left to the card of the host that recorded it. One that is right by chance as it was begun is
/// finished.
fn is_unfinished(bytes: &[u8], packet: &Packet) -> bool {
    let (src, dst) = (packet.key.src.address, packet.key.dst.address);
    let (Some(src), Some(dst)) = (src.as_v4(), dst.as_v4()) else {
        return false;
    };
    let from = usize::from(packet.transport);
    let Some(tcp) = bytes.get(from..from + usize::from(packet.body_len())) else {
        return false;
    };
    let begun = pseudo_header(src.octets(), dst.octets(), 6, packet.body_len());
    let field = tcp.get(16..).and_then(|rest| rest.first_chunk::<2>());
    field.is_some_and(|field| u16::from_be_bytes(*field) == begun.partial())
        && begun.bytes(tcp).partial() != 0xffff
}

fn judge<T>(
    engine: &mut Engine,
    wire: &mut Wire,
    decide: impl FnOnce(&mut Engine, &mut Frame<'_>) -> T,
) -> T {
    let mut frame = wire.frame();
    let decided = decide(engine, &mut frame);
    (wire.len, wire.offload) = (frame.total_len, frame.offload);
    decided
}

/// The configuration with a log record for each decision.
fn telling(config: &Config) -> Config {
    let mut config = config.clone();
    config.rules.iter_mut().for_each(|rule| rule.log = true);
    config.forwards.iter_mut().for_each(|rule| rule.log = true);
    config
}

/// The configuration that the services see: its DHCP clients are silent, because no capture holds answers to questions
/// that are asked only now. A zone by DHCP gets an address that nobody uses.
fn served(config: &Config) -> Config {
    let mut config = config.clone();
    for zone in &mut config.zones {
        if zone.address == Addressing::Dhcp {
            zone.address = Addressing::Static {
                address: Ipv4Net::default(),
                gateway: None,
            };
            zone.dhcp = None;
        }
    }
    config
}

/// The next random word (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte from a server, with a right checksum that is the pseudo-header's sum, too.
    const BOTH: [u8; 55] = [
        0x52, 0x54, 0, 0, 0, 2, 6, 1, 0, 0x63, 0, 2, 8, 0, 0x45, 0, 0, 0x29, 0xa4, 0x6e, 0x40, 0,
        0x40, 6, 0x52, 0x41, 10, 99, 0, 2, 45, 0, 12, 187, 0, 80, 0xb8, 0xe8, 0x65, 0x30, 0x1a,
        0x2c, 0x5f, 0x24, 0xdc, 0xc5, 0x50, 0x18, 0xfa, 0xf0, 0x44, 0x3b, 0, 0, 0xb8,
    ];

    fn unfinished(mut bytes: [u8; 55]) -> bool {
        let frame = bytes;
        match parse(
            &Frame::whole(&mut bytes),
            Side::zone(ZoneId::new(1).expect("a zone")),
        ) {
            Ok(Parsed::Ip(packet)) => is_unfinished(&frame, &packet),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_checksum_is_left_to_the_card_if_it_is_begun_and_wrong() {
        assert!(!unfinished(BOTH));
        let mut wrong = BOTH;
        wrong[54] ^= 1;
        assert!(unfinished(wrong));
        wrong[50] ^= 1;
        assert!(!unfinished(wrong));
    }
}

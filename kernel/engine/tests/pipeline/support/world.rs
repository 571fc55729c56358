//! An engine with hosts around it, and time under the test's control.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash};
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use sekisho_config::model::{Addressing, Config};
use sekisho_engine::conntrack::Sizing;
use sekisho_engine::engine::{Engine, Foresight, Seat, Secrets};
use sekisho_engine::frame::{Frame, Offload};
use sekisho_engine::interface::Link;
use sekisho_engine::neighbor::Mac;
use sekisho_engine::output::{Notice, Output, Record};
use sekisho_engine::verdict::HOLD_SLOTS;
use sekisho_engine::{DropReason, Instant, Tick, Verdict, ZoneId};

use super::bursts::Taking;
use super::check;
use super::ip::{Ip, arp};
use super::setup::config;

/// A frame on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    pub bytes: Vec<u8>,
    pub total_len: usize,
    pub offload: Offload,
}

/// A packet that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub zone: ZoneId,
    pub packet: Ip,
    pub frame: Wire,
}

/// What became of one frame, in the engine's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Forwarded,
    Fragmented,
    Remade,
    Answered,
    Local,
    Absorbed,
    Held,
    Dropped(DropReason),
}

/// The engine, its segments, and all that happened.
pub struct World {
    pub engine: Engine,
    pub config: Config,
    pub now: Instant,
    /// Hosts that do not answer ARP.
    pub silent: HashSet<Ipv4Addr>,
    /// ARP frames that the engine sent by itself.
    pub questions: Vec<(ZoneId, Vec<u8>)>,
    /// Log records.
    pub records: Vec<Record>,
    /// What a person should mend.
    pub notices: Vec<Notice>,
    /// How each frame ended since the last look, first looks and second ones alike.
    pub ends: Vec<End>,
    /// Frames with checksums that were wrong before: only the header's is verified.
    pub wrong_checksums: bool,
    /// Frames from cards that are not their senders': where answers go is not verified.
    pub made_up_cards: bool,
    /// Frames that went in so far.
    pub received: u64,
    /// All bytes that left so far.
    pub wire: DefaultHasher,
    /// How the frames of a burst are taken.
    pub taking: Taking,
    /// Those that wait for its end.
    pub(super) waiting: Vec<(ZoneId, Wire)>,
    /// What was foreseen of the frame before.
    pub(super) last: Option<Foresight>,
    random: u64,
    held: Vec<Option<Wire>>,
    sent: Vec<Sent>,
    arriving: VecDeque<(ZoneId, Wire)>,
}

/// The first zone.
pub fn wan() -> ZoneId {
    zone(0)
}

/// The second zone.
pub fn dmz() -> ZoneId {
    zone(1)
}

/// The third zone.
pub fn lan() -> ZoneId {
    zone(2)
}

fn zone(index: usize) -> ZoneId {
    ZoneId::new(index).expect("a zone")
}

/// Our card in a zone.
pub fn our_mac(zone: ZoneId) -> Mac {
    [2, 0, 0, 0, 0, zone.index() as u8]
}

/// The card of a host on a zone's segment.
pub fn mac_of(zone: ZoneId, address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [2 | (zone.index() as u8 + 1) << 2, a, b, c, d, 0]
}

impl World {
    /// A world with the engine of a configuration's text, whose addresses are announced already.
    pub fn new(text: &str) -> Self {
        let mut world = Self::unannounced(text);
        world.settle();
        world.questions.clear();
        world
    }

    /// The same before anything has left.
    pub fn unannounced(text: &str) -> Self {
        let config = config(text);
        let seats: Vec<Seat> = (0..config.zones.len())
            .map(|index| Seat {
                mac: our_mac(zone(index)),
                link: Link::Up,
            })
            .collect();
        let secrets = Secrets {
            flows: [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
            neighbors: 0x1357_9bdf_0246_8ace,
        };
        Self {
            engine: Engine::new(&config, &seats, Sizing::for_flows(1024), secrets),
            config,
            now: Instant::from_micros(1_000_000),
            silent: HashSet::new(),
            questions: Vec::new(),
            records: Vec::new(),
            notices: Vec::new(),
            ends: Vec::new(),
            wrong_checksums: false,
            made_up_cards: false,
            received: 0,
            wire: DefaultHasher::new(),
            taking: Taking::AtOnce,
            waiting: Vec::new(),
            last: None,
            random: 1,
            held: vec![None; HOLD_SLOTS],
            sent: Vec::new(),
            arriving: VecDeque::new(),
        }
    }

    /// Sends a packet into the box from a zone; what leaves.
    pub fn send(&mut self, zone: ZoneId, packet: &Ip) -> Vec<Sent> {
        let frame = self.frame(zone, packet);
        self.send_frame(zone, &frame)
    }

    /// Sends a packet that must leave as exactly one; that one.
    pub fn pass(&mut self, zone: ZoneId, packet: &Ip) -> Sent {
        self.ends.clear();
        let mut sent = self.send(zone, packet);
        assert_eq!(sent.len(), 1, "{sent:?}, {:?}", self.ends);
        sent.remove(0)
    }

    /// Sends a packet that must end here in silence; why it did.
    pub fn refuse(&mut self, zone: ZoneId, packet: &Ip) -> DropReason {
        let frame = self.frame(zone, packet);
        self.refuse_frame(zone, &frame)
    }

    /// The same for a whole frame.
    pub fn refuse_frame(&mut self, zone: ZoneId, bytes: &[u8]) -> DropReason {
        self.ends.clear();
        let sent = self.send_frame(zone, bytes);
        assert_eq!(sent, [], "it should have ended in silence");
        self.dropped()
    }

    /// Sends a packet that must end here, and whose sender is told: what it hears.
    pub fn told(&mut self, zone: ZoneId, packet: &Ip) -> (DropReason, Ip) {
        self.ends.clear();
        let mut sent = self.send(zone, packet);
        let reason = self.dropped();
        assert_eq!(sent.len(), 1, "{reason:?}: {sent:?}");
        let answer = sent.remove(0);
        assert_eq!(answer.zone, zone);
        (reason, answer.packet)
    }

    /// Sends bytes from the Ethernet header on; what leaves.
    pub fn send_frame(&mut self, zone: ZoneId, bytes: &[u8]) -> Vec<Sent> {
        self.send_wire(
            zone,
            Wire {
                bytes: bytes.to_vec(),
                total_len: bytes.len(),
                offload: Offload::default(),
            },
        )
    }

    /// Sends a frame with a card's own words about it; what leaves.
    pub fn send_wire(&mut self, zone: ZoneId, frame: Wire) -> Vec<Sent> {
        self.arriving.push_back((zone, frame));
        self.settle()
    }

    /// Sends a packet as one of the box's own services; what leaves.
    pub fn send_own(&mut self, packet: &Ip) -> Vec<Sent> {
        let mut bytes = vec![0; 12];
        bytes.extend([8, 0]);
        bytes.extend(packet.bytes());
        self.received += 1;
        let tick = self.tick();
        let mut frame = Wire {
            total_len: bytes.len(),
            bytes,
            offload: Offload::default(),
        };
        let verdict = self.look(&mut frame, |engine, frame| engine.receive_own(frame, tick));
        self.end(verdict, frame);
        self.settle()
    }

    /// Receives a burst without a poll between its frames, as the kernel does; what leaves.
    pub fn burst(&mut self, zone: ZoneId, packets: &[Ip]) -> Vec<Sent> {
        for packet in packets {
            self.arrive(zone, packet);
        }
        self.settle()
    }

    /// Receives a packet, without a poll afterwards.
    pub fn arrive(&mut self, zone: ZoneId, packet: &Ip) {
        let frame = self.frame(zone, packet);
        self.arrive_frame(zone, &frame);
    }

    /// The same for a whole frame.
    pub fn arrive_frame(&mut self, zone: ZoneId, bytes: &[u8]) {
        let frame = Wire {
            bytes: bytes.to_vec(),
            total_len: bytes.len(),
            offload: Offload::default(),
        };
        match self.taking {
            Taking::AtOnce => self.receive(zone, frame),
            Taking::Later | Taking::Foreseen | Taking::Misled => self.waiting.push((zone, frame)),
        }
    }

    /// Lets time pass, with a poll whenever the engine asks for one; what leaves.
    pub fn pass_time(&mut self, duration: Duration) -> Vec<Sent> {
        let end = self.now.after(duration);
        let mut sent = Vec::new();
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= end) {
            assert!(due >= self.now || self.engine.next_deadline().is_some());
            self.now = self.now.max(due);
            sent.extend(self.settle());
            assert_ne!(
                self.engine
                    .next_deadline()
                    .filter(|next| *next <= self.now && *next == due),
                Some(due),
                "a deadline that a poll does not move"
            );
        }
        self.now = end;
        sent.extend(self.settle());
        sent
    }

    /// How frames ended since the last look.
    pub fn ends(&mut self) -> Vec<End> {
        std::mem::take(&mut self.ends)
    }

    /// The only reason for which frames ended since the last look.
    pub fn dropped(&mut self) -> DropReason {
        let ends = self.ends();
        match ends.last() {
            Some(End::Dropped(reason)) => *reason,
            _ => panic!("not dropped: {ends:?}"),
        }
    }

    /// A packet in the frame of the host that it comes from, to our card.
    pub fn frame(&self, zone: ZoneId, packet: &Ip) -> Vec<u8> {
        let mut frame = our_mac(zone).to_vec();
        frame.extend(mac_of(zone, self.next_hop(zone, packet.src())));
        frame.extend([8, 0]);
        frame.extend(packet.bytes());
        frame
    }

    /// The time, and chance that is the same in every run.
    pub fn tick(&mut self) -> Tick {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Tick {
            now: self.now,
            random: self.random ^ self.random >> 29,
        }
    }

    /// The prefix of a zone's segment.
    pub fn segment(&self, zone: ZoneId) -> Option<Ipv4Net> {
        self.engine.interface(zone)?.address
    }

    fn next_hop(&self, zone: ZoneId, address: Ipv4Addr) -> Ipv4Addr {
        let on_link = self.segment(zone).is_some_and(|net| net.contains(&address));
        let gateway = self.engine.interface(zone).and_then(|own| own.gateway);
        match gateway {
            Some(gateway) if !on_link => gateway,
            _ => address,
        }
    }

    fn settle(&mut self) -> Vec<Sent> {
        self.take_waiting();
        loop {
            while let Some((zone, frame)) = self.arriving.pop_front() {
                self.take_together(zone, vec![frame]);
            }
            self.poll();
            if self.arriving.is_empty() {
                break;
            }
        }
        let counters = self.engine.counters();
        assert!(counters.conserved(), "{counters:?}");
        let waiting = self.held.iter().flatten().count();
        assert_eq!(counters.held(), waiting as u64);
        std::mem::take(&mut self.sent)
    }

    fn poll(&mut self) {
        loop {
            let tick = self.tick();
            let (slot, resume) = match self.engine.poll(tick) {
                None => return,
                Some(Output::Send { egress, frame }) => {
                    let (zone, bytes) = (egress.zone(), frame.to_vec());
                    self.leave(
                        zone,
                        Wire {
                            total_len: bytes.len(),
                            bytes,
                            offload: Offload::default(),
                        },
                    );
                    continue;
                }
                Some(Output::Log(record)) => {
                    self.records.push(record);
                    continue;
                }
                Some(Output::Notice(notice)) => {
                    self.notices.push(notice);
                    continue;
                }
                Some(Output::Resume { slot }) => (slot, true),
                Some(Output::GiveUp { slot }) => (slot, false),
            };
            let mut frame = self.held[slot.index()].take().expect("a frame that waits");
            if resume {
                let verdict =
                    self.look(&mut frame, |engine, frame| engine.resume(slot, frame, tick));
                self.end(verdict, frame);
            } else {
                let reason = self.look(&mut frame, |engine, frame| {
                    engine.give_up(slot, frame, tick)
                });
                self.ends.push(End::Dropped(reason));
            }
        }
    }

    pub(super) fn receive(&mut self, zone: ZoneId, mut frame: Wire) {
        self.received += 1;
        let tick = self.tick();
        let verdict = self.look(&mut frame, |engine, frame| {
            engine.receive(zone, frame, tick)
        });
        self.end(verdict, frame);
    }

    pub(super) fn look<T>(
        &mut self,
        wire: &mut Wire,
        decide: impl FnOnce(&mut Engine, &mut Frame<'_>) -> T,
    ) -> T {
        let mut frame = Frame {
            head: &mut wire.bytes,
            total_len: wire.total_len,
            offload: wire.offload,
        };
        let decided = decide(&mut self.engine, &mut frame);
        (wire.total_len, wire.offload) = (frame.total_len, frame.offload);
        decided
    }

    pub(super) fn end(&mut self, verdict: Verdict, frame: Wire) {
        let end = match verdict {
            Verdict::Forward(egress) => {
                self.leave(egress.zone(), frame);
                End::Forwarded
            }
            Verdict::Answer(egress) => {
                self.leave(egress.zone(), frame);
                End::Answered
            }
            Verdict::Held(slot) => {
                let before = self.held[slot.index()].replace(frame);
                assert_eq!(before, None, "one place, two frames");
                End::Held
            }
            Verdict::Fragmented(_) => End::Fragmented,
            Verdict::Remade(_) => End::Remade,
            Verdict::Local => End::Local,
            Verdict::Absorbed => End::Absorbed,
            Verdict::Drop(reason) => End::Dropped(reason),
        };
        self.ends.push(end);
    }

    /// A frame is on the wire: it must be one that may be.
    fn leave(&mut self, zone: ZoneId, mut frame: Wire) {
        let kept = frame.bytes.len().min(frame.total_len);
        frame.bytes.truncate(kept);
        (zone.index(), frame.total_len, &frame.bytes).hash(&mut self.wire);
        assert_eq!(frame.bytes[6..12], our_mac(zone), "somebody else's address");
        if frame.bytes[12..14] == [8, 6] {
            return self.hear_arp(zone, frame.bytes);
        }
        assert_eq!(frame.bytes[12..14], [8, 0]);
        let packet = Ip::read(&frame.bytes[14..]);
        let to = mac_of(zone, self.next_hop(zone, packet.dst()));
        let arrives = frame.bytes[..6] == to || self.made_up_cards;
        assert!(arrives, "to the wrong card: {packet:?}");
        self.check(zone, &packet, &frame);
        self.sent.push(Sent {
            zone,
            packet,
            frame,
        });
    }

    fn check(&self, zone: ZoneId, packet: &Ip, frame: &Wire) {
        check::header_checksum(&frame.bytes[14..34]);
        let is_whole = frame.bytes.len() == frame.total_len;
        if is_whole && !packet.header.is_fragmenting_payload() && !self.wrong_checksums {
            check::transport_checksum(packet, frame.offload);
        }
        let mtu = self.engine.interface(zone).map_or(0, |own| own.mtu);
        let fits = packet.header.total_len <= mtu || frame.offload.segmentation.is_some();
        assert!(fits, "too large: {packet:?}");
        for shown in check::shown_addresses(packet) {
            assert!(
                !self.is_hidden(zone, shown),
                "{shown} is seen in zone {}: {packet:?}",
                zone.index()
            );
        }
    }

    /// Whether an address is masqueraded into a zone, and so must not be seen there.
    fn is_hidden(&self, zone: ZoneId, address: Ipv4Addr) -> bool {
        let mut alone = self.config.nat.one_to_one.iter();
        if alone.any(|entry| entry.to == zone && entry.inside.contains(&address)) {
            return true;
        }
        let rules = self.config.nat.masquerade.iter();
        rules.filter(|rule| rule.to == zone).any(|rule| {
            match self.config.zones[rule.from.index()].address {
                Addressing::Static { address: net, .. } => net.contains(&address),
                Addressing::Dhcp => false,
            }
        })
    }

    /// Hosts answer questions about them.
    fn hear_arp(&mut self, zone: ZoneId, bytes: Vec<u8>) {
        let word = |at: usize| -> Ipv4Addr {
            [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]].into()
        };
        let (asker, asked) = (word(28), word(38));
        let is_question = bytes[20..22] == [0, 1];
        let lives = self.segment(zone).is_some_and(|net| net.contains(&asked));
        // Nobody lives at the address that the box announces.
        let lives = lives && asked != asker;
        if is_question && lives && !self.silent.contains(&asked) {
            let answer = arp(2, (mac_of(zone, asked), asked), (our_mac(zone), asker));
            self.arriving.push_back((
                zone,
                Wire {
                    total_len: answer.len(),
                    bytes: answer,
                    offload: Offload::default(),
                },
            ));
        }
        self.questions.push((zone, bytes));
    }
}

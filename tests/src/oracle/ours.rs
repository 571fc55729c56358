//! The engine, with neighbours that answer ARP at once.

use std::net::Ipv4Addr;
use std::time::Duration;

use sekisho_engine::conntrack::Sizing;
use sekisho_engine::frame::Frame;
use sekisho_engine::key;
use sekisho_engine::parse::{Parsed, parse};
use sekisho_engine::{DropReason, ZoneId, arp};
use sekisho_replay::machine::{End, Event, Machine, Setup};

use super::{CONFIG, Side};

/// How far time goes on with each frame: slow enough that no flow ends before its conversation, fast enough that
/// incomplete datagrams do not pile up.
const STEP: Duration = Duration::from_millis(8);

/// The engine under the trial's policy.
pub struct Ours {
    machine: Machine,
}

/// What became of a frame.
pub struct Did {
    /// How the engine ended with it; of pieces, with the last one to end.
    pub end: End,
    /// All that left.
    pub sent: Vec<(Side, Vec<u8>)>,
}

impl Ours {
    /// An engine that has just booted.
    ///
    /// # Panics
    /// When the configuration is refused.
    pub fn new(seed: u64) -> Ours {
        let config =
            sekisho_config::parse(CONFIG.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
        let setup = Setup {
            macs: Side::ALL.map(Side::mac).to_vec(),
            sizing: Sizing::for_flows(200_000),
            seed,
        };
        let mut machine = Machine::new(&config, setup);
        machine.take_events();
        Ours { machine }
    }

    /// Sends a frame into the engine; what became of it.
    ///
    /// # Panics
    /// When frames are no longer conserved.
    pub fn receive(&mut self, side: Side, frame: &[u8]) -> Did {
        self.machine.advance(self.machine.now().after(STEP));
        let mut did = Did {
            end: End::Absorbed,
            sent: Vec::new(),
        };
        // What time alone brought about, such as questions to neighbours, is not this frame's.
        self.answer(&mut did);
        did.sent.clear();
        self.machine.receive(zone(side), frame);
        self.answer(&mut did);
        assert!(self.machine.counters().conserved());
        did
    }

    /// Notes what happened, until no neighbour is asked any more.
    fn answer(&mut self, did: &mut Did) {
        loop {
            let events = self.machine.take_events();
            if events.is_empty() {
                return;
            }
            for event in events {
                match event {
                    Event::Looked(look) if look.end == End::Absorbed => {}
                    // Why a datagram ended says its first piece; the others share its end.
                    Event::Looked(look)
                        if look.end == End::Dropped(DropReason::FragmentInvalid)
                            && matches!(did.end, End::Dropped(_)) => {}
                    Event::Looked(look) => did.end = look.end,
                    Event::Sent(sent) => {
                        let side = Side::ALL[sent.zone.index()];
                        match answer_to(side, &sent.bytes) {
                            Some(answer) => {
                                self.machine.receive(sent.zone, &answer);
                            }
                            None => did.sent.push((side, sent.bytes)),
                        }
                    }
                    Event::Notice(_) | Event::Served(..) => {}
                }
            }
        }
    }
}

fn zone(side: Side) -> ZoneId {
    ZoneId::new(side.index()).expect("two zones")
}

/// Every host of the segment is there, and says so.
fn answer_to(side: Side, question: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = question.to_vec();
    let Ok(Parsed::Arp(asked)) = parse(&Frame::whole(&mut bytes), key::Side::OWN) else {
        return None;
    };
    if asked.operation != arp::Operation::Request {
        return None;
    }
    let host: Ipv4Addr = asked.target;
    arp::answer(
        &mut Frame::whole(&mut bytes),
        &asked,
        side.mac_of(host),
        host,
    );
    Some(bytes)
}

//! What became of each frame of a capture, and why.
//!
//! [`Replay`] feeds the machine and answers its ARP questions where that is asked for; its teller puts what happened
//! into words. A frame, in words:
//!
//! ```text
//! #3  0.001204  dmz  tcp 10.99.0.2:40000 > 198.51.100.7:80 SYN seq 1000 win 64240, 0 bytes, ttl 64
//!     new flow from dmz to wan: rule `out` accepts
//!     becomes 192.0.2.1:40000 > 198.51.100.7:80
//!     forwarded to wan
//! ```

mod teller;

use std::collections::HashSet;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use sekisho_config::Config;
use sekisho_config::model::Addressing;
use sekisho_engine::ZoneId;
use sekisho_engine::arp::{self, Operation};
use sekisho_engine::frame::Frame;
use sekisho_engine::key::Side;
use sekisho_engine::neighbor::Mac;
use sekisho_engine::parse::{Parsed, parse};

use crate::Error;
use crate::assign::{self, Input, Inputs, Zones};
use crate::capture::Writer;
use crate::machine::{Event, Machine, Number, START, Sent, Setup};
use crate::options::{Neighbors, Options};
use teller::Teller;

/// A machine, what it will receive, and what left it.
pub struct Replay {
    config: Config,
    machine: Machine,
    inputs: Inputs,
    neighbors: Neighbors,
    /// Answers to ARP that were made up, by number.
    assumed: HashSet<Number>,
    sent: Vec<Sent>,
}

/// A part of the story.
pub struct Step<'a> {
    /// The frame that came in; `None` where only time passed.
    pub input: Option<(&'a Input, Number)>,
    /// What happened.
    pub events: Vec<Event>,
}

impl Replay {
    /// Reads all files.
    ///
    /// # Errors
    /// Whatever cannot be read, or does not fit together.
    pub fn load(options: &Options) -> Result<Self, Error> {
        let text = fs::read(&options.config).map_err(|why| Error::Unreadable {
            path: options.config.clone(),
            why,
        })?;
        let config = sekisho_config::parse(&text).map_err(|report| Error::Refused {
            path: options.config.clone(),
            report,
        })?;
        let zones = Zones::new(&config, options)?;
        let inputs = assign::read(&options.captures, &zones)?;
        let mut machine = Machine::new(&config, Setup::new(zones.macs.clone(), options.seed));
        for given in &options.addresses {
            let zone = zones.named(&given.zone, &given.zone)?;
            machine.set_address(zone, given.address, given.gateway);
        }
        Ok(Self {
            machine,
            inputs,
            neighbors: options.neighbors,
            assumed: HashSet::new(),
            sent: Vec::new(),
            config,
        })
    }

    /// Feeds all frames; `tell` hears of each step.
    pub fn run(&mut self, mut tell: impl FnMut(&Step<'_>)) {
        let begin = self.begin();
        let frames = std::mem::take(&mut self.inputs.frames);
        let events = self.events();
        tell(&Step {
            input: None,
            events,
        });
        for input in &frames {
            let now = START.after(input.at.saturating_sub(begin));
            self.machine.advance(now);
            let events = self.events();
            if !events.is_empty() {
                tell(&Step {
                    input: None,
                    events,
                });
            }
            let number = self.machine.receive(input.zone, &input.bytes);
            let events = self.events();
            tell(&Step {
                input: Some((input, number)),
                events,
            });
        }
        self.inputs.frames = frames;
    }

    /// When the first frame came.
    fn begin(&self) -> Duration {
        let first = self.inputs.frames.first();
        first.map_or(Duration::ZERO, |frame| frame.at)
    }

    /// What left, as a pcapng file with one interface a zone; its time begins at the capture's first frame.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let names: Vec<&str> = self.config.zones.iter().map(|z| z.name.as_str()).collect();
        let mut writer = Writer::new(&names);
        let begin = self.begin();
        for sent in &self.sent {
            let at = begin + sent.at.since(START);
            writer.frame(sent.zone.index(), at, &sent.bytes);
        }
        writer.into_bytes()
    }

    /// What came in, in the same form.
    #[must_use]
    pub fn recorded(&self) -> Vec<u8> {
        let names: Vec<&str> = self.config.zones.iter().map(|z| z.name.as_str()).collect();
        let mut writer = Writer::new(&names);
        for input in &self.inputs.frames {
            writer.frame(input.zone.index(), input.at, &input.bytes);
        }
        writer.into_bytes()
    }

    /// Zones whose address nobody has told.
    pub fn without_address(&self) -> impl Iterator<Item = &str> {
        let zones = self.config.zones.iter().enumerate();
        zones.filter_map(|(index, zone)| {
            let interface = self.machine.engine().interface(ZoneId::new(index)?)?;
            let is_open = zone.address == Addressing::Dhcp && interface.own().is_none();
            is_open.then_some(zone.name.as_str())
        })
    }

    /// What happened since the last look, with ARP questions answered where that is assumed.
    fn events(&mut self) -> Vec<Event> {
        let mut events = self.machine.take_events();
        let mut at = 0;
        while let Some(event) = events.get(at) {
            at += 1;
            let Event::Sent(sent) = event else { continue };
            self.sent.push(sent.clone());
            let zone = sent.zone;
            if let Some(answer) = self.answer(zone, &sent.bytes) {
                let number = self.machine.receive(zone, &answer);
                self.assumed.insert(number);
                events.extend(self.machine.take_events());
            }
        }
        events
    }

    /// The answer of a neighbour that is assumed to be there.
    fn answer(&self, zone: ZoneId, question: &[u8]) -> Option<Vec<u8>> {
        if self.neighbors == Neighbors::Capture {
            return None;
        }
        let mut copy = question.to_vec();
        let Ok(Parsed::Arp(asked)) = parse(&Frame::whole(&mut copy), Side::OWN) else {
            return None;
        };
        // A question about the asker's own address is an announcement.
        if asked.operation != Operation::Request || asked.sender == asked.target {
            return None;
        }
        let mac = self.mac_of(zone, asked.target);
        arp::answer(&mut Frame::whole(&mut copy), &asked, mac, asked.target);
        Some(copy)
    }

    /// A host's card, as the capture shows it, else one made from its address.
    fn mac_of(&self, zone: ZoneId, address: Ipv4Addr) -> Mac {
        let [a, b, c, d] = address.octets();
        let made_up = [2, zone.index() as u8, a, b, c, d];
        let known = self.inputs.hosts.get(&(zone, address));
        known.copied().unwrap_or(made_up)
    }
}

/// Explains all that happens to the captures' frames.
///
/// # Errors
/// See [`Replay::load`].
pub fn explain(options: &Options) -> Result<(Replay, String), Error> {
    let mut replay = Replay::load(options)?;
    let config = replay.config.clone();
    let mut teller = Teller::new(&config, replay.begin());
    replay.run(|step| teller.step(step));
    teller.totals(&replay);
    Ok((replay, teller.text))
}

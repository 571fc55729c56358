//! What became of each frame of a capture, and why.
//!
//! [`Replay`] feeds the machine and answers its ARP questions where that is asked for; [`Teller`] puts what happened
//! into words. A frame, in words:
//!
//! ```text
//! #3  0.001204  dmz  tcp 10.99.0.2:40000 > 198.51.100.7:80 SYN seq 1000 win 64240, 0 bytes, ttl 64
//!     new flow from dmz to wan: rule `out` accepts
//!     becomes 192.0.2.1:40000 > 198.51.100.7:80
//!     forwarded to wan
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use sekisho_config::Config;
use sekisho_config::model::{Action, Addressing};
use sekisho_engine::arp::{self, Operation};
use sekisho_engine::flow::Direction;
use sekisho_engine::frame::Frame;
use sekisho_engine::key::{Protocol, Side};
use sekisho_engine::neighbor::Mac;
use sekisho_engine::output::Notice;
use sekisho_engine::parse::{Parsed, parse};
use sekisho_engine::policy::Decision;
use sekisho_engine::{DropReason, Instant, ZoneId};
use sekisho_services::server::Outcome;

use crate::Error;
use crate::assign::{self, Input, Inputs, Zones};
use crate::capture::Writer;
use crate::describe::{self, Hex};
use crate::machine::{
    Age, End, Event, FlowSeen, Look, Machine, Number, START, Sent, Setup, Shape, Visit,
};
use crate::options::{Neighbors, Options};

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
        let frames = std::mem::take(&mut self.inputs.frames);
        let begin = frames.first().map_or(Duration::ZERO, |frame| frame.at);
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

    /// What left, as a pcapng file with one interface a zone; its time begins at the capture's first frame.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let names: Vec<&str> = self.config.zones.iter().map(|z| z.name.as_str()).collect();
        let mut writer = Writer::new(&names);
        let begin = self
            .inputs
            .frames
            .first()
            .map_or(Duration::ZERO, |frame| frame.at);
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

/// Puts steps into words.
pub struct Teller<'a> {
    config: &'a Config,
    begin: Duration,
    text: String,
    /// Which frame of its file has which number.
    frames: HashMap<Number, (usize, ZoneId)>,
}

/// Explains all that happens to the captures' frames.
///
/// # Errors
/// See [`Replay::load`].
pub fn explain(options: &Options) -> Result<(Replay, String), Error> {
    let mut replay = Replay::load(options)?;
    let config = replay.config.clone();
    let mut teller = Teller {
        config: &config,
        begin: replay
            .inputs
            .frames
            .first()
            .map_or(Duration::ZERO, |frame| frame.at),
        text: String::new(),
        frames: HashMap::new(),
    };
    replay.run(|step| teller.step(step));
    teller.totals(&replay);
    Ok((replay, teller.text))
}

impl Teller<'_> {
    fn step(&mut self, step: &Step<'_>) {
        match step.input {
            Some((input, number)) => {
                self.frames.insert(number, (input.frame, input.zone));
                let time = input.at.saturating_sub(self.begin);
                let zone = self.zone(input.zone).to_owned();
                let what = describe::frame(&input.bytes);
                self.line(format_args!(
                    "#{}  {}  {zone}  {what}",
                    input.frame,
                    Seconds(time)
                ));
                self.events(Some(number), &step.events);
            }
            None => self.events(None, &step.events),
        }
    }

    fn events(&mut self, current: Option<Number>, events: &[Event]) {
        for event in events {
            match event {
                Event::Looked(look) => self.look(current, look),
                Event::Sent(sent) if sent.number.is_some() => {}
                Event::Sent(sent) => {
                    let zone = self.zone(sent.zone).to_owned();
                    let what = describe::frame(&sent.bytes);
                    self.note(current, sent.at, format_args!("sends to {zone}: {what}"));
                }
                Event::Notice(notice) => self.notice(notice),
                Event::Served(zone, outcome) => self.served(*zone, *outcome),
            }
        }
    }

    /// A line under the current frame, or of its own where only time passed.
    fn note(&mut self, current: Option<Number>, at: Instant, what: std::fmt::Arguments<'_>) {
        match current {
            Some(_) => self.line(format_args!("    {what}")),
            None => {
                let time = Seconds(at.since(START));
                self.line(format_args!("--  {time}  {what}"));
            }
        }
    }

    fn look(&mut self, current: Option<Number>, look: &Look) {
        // The box's own packets, and answers to ARP that are assumed, are told by what they bring about.
        let Some((frame, zone)) = look.number.and_then(|number| self.frames.get(&number)) else {
            return;
        };
        let whose = match look.number == current {
            true => String::new(),
            false => format!("#{frame} of {}: ", self.zone(*zone)),
        };
        match look.visit {
            Visit::First => self.flow(look),
            // It was said already that it waits.
            Visit::Resumed if look.end == End::Held => return,
            Visit::Resumed | Visit::GivenUp => {}
        }
        let end = self.end(look);
        self.note(current, look.at, format_args!("{whose}{end}"));
    }

    fn flow(&mut self, look: &Look) {
        let Some(flow) = &look.flow else {
            return;
        };
        let (from, to) = (self.side(flow.before.side), self.side(flow.after.2));
        let line = match flow.age {
            Age::New => format!("new flow from {from} to {to}: {}", self.reason(look)),
            Age::Known => format!("known flow, {} from {from} to {to}", direction(flow)),
            Age::Reported => format!(
                "about a known flow, {} > {}",
                describe::with_port(flow.before.protocol, flow.after.1),
                describe::with_port(flow.before.protocol, flow.after.0)
            ),
        };
        let goes_on = !matches!(look.end, End::Dropped(_));
        let changed = goes_on
            && flow.age != Age::Reported
            && (flow.before.src, flow.before.dst) != (flow.after.0, flow.after.1);
        let becomes = changed.then(|| ends(flow));
        self.line(format_args!("    {line}"));
        if let Some(becomes) = becomes {
            self.line(format_args!("    becomes {becomes}"));
        }
    }

    /// What let a new flow in.
    fn reason(&self, look: &Look) -> String {
        match &look.decision {
            Some(decision) => self.decision(decision),
            None if look.side == Side::OWN => "the firewall's own".into(),
            None => "invited by an inside host's mapping".into(),
        }
    }

    fn decision(&self, decision: &Decision) -> String {
        let verb = match decision.action {
            Action::Accept => "accepts",
            Action::Drop => "drops",
            Action::Reject => "rejects",
        };
        let rule = decision
            .rule
            .and_then(|rule| self.config.rules.get(usize::from(rule.0)))
            .map(|rule| format!("rule `{}`", rule.name));
        let forward = decision
            .forward
            .and_then(|forward| self.config.forwards.get(usize::from(forward.0)))
            .map(|forward| format!("forward `{}`", forward.name));
        let who = rule.or(forward).unwrap_or_else(|| "no rule".into());
        format!("{who} {verb}")
    }

    fn end(&self, look: &Look) -> String {
        match look.end {
            End::Forwarded(zone) => format!("forwarded to {}", self.zone(zone)),
            End::Fragmented(zone) => format!("forwarded to {} in pieces", self.zone(zone)),
            End::Answered(_) => "answered".into(),
            End::Local => "for a service of the firewall".into(),
            End::Absorbed => "noted by the firewall".into(),
            End::Held => match look.shape {
                Shape::Whole => "waits for its next hop to answer ARP".into(),
                Shape::Piece => "waits for the rest of its datagram, or for its next hop".into(),
            },
            End::Dropped(reason) => self.dropped(look, reason),
        }
    }

    fn dropped(&self, look: &Look, reason: DropReason) -> String {
        let line = format!("dropped: {}: {}", reason.name(), reason.meaning());
        match &look.decision {
            Some(decision) => format!("{line} ({})", self.decision(decision)),
            None => line,
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let line = match *notice {
            Notice::OneSegment {
                heard_by,
                spoken_by,
            } => format!(
                "zones {} and {} are on one segment",
                self.zone(heard_by),
                self.zone(spoken_by)
            ),
            Notice::AddressTaken { zone, by } => format!(
                "the host {} uses the firewall's own address in {}",
                Hex(by),
                self.zone(zone)
            ),
        };
        self.line(format_args!("    {line}"));
    }

    fn served(&mut self, zone: ZoneId, outcome: Outcome) {
        let zone = self.zone(zone);
        let line = match outcome {
            Outcome::Leased(mac, address) => format!("{address} leased to {} in {zone}", Hex(mac)),
            Outcome::Exhausted(mac) => format!("no address left for {} in {zone}", Hex(mac)),
            Outcome::Declined(mac, address) => {
                format!("{} found {address} in use in {zone}", Hex(mac))
            }
        };
        self.line(format_args!("    {line}"));
    }

    fn totals(&mut self, replay: &Replay) {
        let counters = replay.machine.counters();
        self.line(format_args!(
            "\nreceived {}  forwarded {}  local {}  waiting {}  dropped {}",
            counters.received(),
            counters.forwarded(),
            counters.local(),
            counters.held(),
            counters.dropped()
        ));
        for (zone, index) in self.config.zones.iter().zip(0..) {
            let Some(id) = ZoneId::new(index) else { break };
            self.line(format_args!(
                "{}: received {}  forwarded {}  sent by the firewall itself {}",
                zone.name,
                counters.received_from(Side::zone(id)),
                counters.forwarded_to(id),
                counters.originated_to(id)
            ));
        }
        for reason in DropReason::ALL {
            let count = counters.drops(*reason);
            if count > 0 {
                self.line(format_args!("dropped {}  {count}", reason.name()));
            }
        }
        let conntrack = replay.machine.engine().conntrack();
        self.line(format_args!(
            "flows {}  mappings {}",
            conntrack.flows(),
            conntrack.mappings()
        ));
        if !replay.assumed.is_empty() {
            let count = replay.assumed.len();
            self.line(format_args!(
                "{count} of the received are answers to ARP that were assumed"
            ));
        }
        if replay.inputs.own > 0 {
            let count = replay.inputs.own;
            self.line(format_args!(
                "{count} recorded frames were sent by the firewall then, and left out"
            ));
        }
        if replay.inputs.strange > 0 {
            let count = replay.inputs.strange;
            self.line(format_args!(
                "{count} recorded frames belong to no zone, and were left out"
            ));
        }
    }

    fn zone(&self, zone: ZoneId) -> &str {
        let zone = self.config.zones.get(zone.index());
        zone.map_or("?", |zone| zone.name.as_str())
    }

    fn side(&self, side: Side) -> &str {
        side.as_zone().map_or("self", |zone| self.zone(zone))
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }
}

fn direction(flow: &FlowSeen) -> &'static str {
    match flow.direction {
        Direction::Original => "original direction",
        Direction::Reply => "reply",
    }
}

/// Sender and receiver as they leave; a query's identifier stands with its asker.
fn ends(flow: &FlowSeen) -> String {
    let (src, dst, _) = flow.after;
    match (flow.before.protocol, flow.direction) {
        (Protocol::ICMP, Direction::Original) => {
            format!("{} > {}, id {}", src.address, dst.address, src.port)
        }
        (Protocol::ICMP, Direction::Reply) => {
            format!("{} > {}, id {}", src.address, dst.address, dst.port)
        }
        (protocol, _) => format!(
            "{} > {}",
            describe::with_port(protocol, src),
            describe::with_port(protocol, dst)
        ),
    }
}

/// Seconds with microseconds.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

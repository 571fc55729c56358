//! Puts what happened into words.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use sekisho_config::Config;
use sekisho_config::model::Action;
use sekisho_engine::counters::Ftp;
use sekisho_engine::flow::Direction;
use sekisho_engine::key::{Protocol, Side};
use sekisho_engine::output::{Notice, Told};
use sekisho_engine::policy::Decision;
use sekisho_engine::{DropReason, Instant, ZoneId};
use sekisho_services::server::Outcome;

use super::{Replay, Step};
use crate::describe::{self, Hex};
use crate::machine::{Age, End, Event, FlowSeen, Invited, Look, Number, START, Shape, Visit};

/// Puts steps into words.
pub(super) struct Teller<'a> {
    config: &'a Config,
    /// When the first frame came.
    begin: Duration,
    pub(super) text: String,
    /// Which frame of its file has which number.
    frames: HashMap<Number, (usize, ZoneId)>,
}

impl<'a> Teller<'a> {
    /// A teller in a configuration's names; time begins at `begin`.
    pub(super) fn new(config: &'a Config, begin: Duration) -> Self {
        Self {
            config,
            begin,
            text: String::new(),
            frames: HashMap::new(),
        }
    }

    /// Tells what came of a step.
    pub(super) fn step(&mut self, step: &Step<'_>) {
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
        if let Some(told) = &look.told {
            self.told(told);
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
            Age::New => format!("new flow from {from} to {to}: {}", self.reason(look, flow)),
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
    fn reason(&self, look: &Look, flow: &FlowSeen) -> String {
        match (&look.decision, flow.invited) {
            (Some(decision), _) => self.decision(decision),
            (None, _) if look.side == Side::OWN => "the firewall's own".into(),
            (None, Invited::ByMapping) => "invited by an inside host's mapping".into(),
            (None, Invited::ByFtp) => "announced on an FTP control connection".into(),
        }
    }

    /// What the FTP gateway made of a line.
    fn told(&mut self, told: &Told) {
        match told {
            Told::Expected {
                from,
                to,
                destination,
            } => {
                let (to, waits) = (
                    describe::with_port(Protocol::TCP, *to),
                    describe::with_port(Protocol::TCP, *destination),
                );
                self.line(format_args!(
                    "    ftp: announces {waits}, told as {to}: expects a connection from {from}"
                ));
            }
            Told::Refused => self.line(format_args!(
                "    ftp: announces what is not believed, or gets no port: nothing is expected"
            )),
            Told::Again => self.line(format_args!(
                "    ftp: a changed line came again, and is changed alike"
            )),
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
            End::Remade(zone) => format!("forwarded to {} with another text", self.zone(zone)),
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

    /// Tells what the counters say in the end.
    pub(super) fn totals(&mut self, replay: &Replay) {
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
        for what in Ftp::ALL {
            let count = counters.ftp(what);
            if count > 0 {
                self.line(format_args!("ftp {}  {count}", what.name()));
            }
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

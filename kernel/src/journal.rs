//! What happens while packets flow, as lines on the console.
//!
//! Lines that a host on the network can cause are limited to so many a second;
//! what was left out is counted and said.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sekisho_config::Config;
use sekisho_config::model::Action as Decided;
use sekisho_engine::icmp::RateLimit;
use sekisho_engine::key::{Endpoint, FlowKey, Protocol, Side};
use sekisho_engine::output::{Notice, Record};
use sekisho_engine::{Instant, ZoneId};
use sekisho_kernel::console;
use sekisho_services::Action;
use sekisho_services::server::Outcome;

/// What things are called, and how many lines may still be printed.
pub struct Journal {
    zones: Vec<String>,
    rules: Vec<String>,
    forwards: Vec<String>,
    limit: RateLimit,
    left_out: u64,
}

impl Journal {
    /// A journal in the configuration's names; takes all its memory now.
    pub fn new(config: &Config) -> Self {
        Self {
            zones: config.zones.iter().map(|zone| zone.name.clone()).collect(),
            rules: config.rules.iter().map(|rule| rule.name.clone()).collect(),
            forwards: config.forwards.iter().map(|f| f.name.clone()).collect(),
            limit: RateLimit::new(config.limits.log_lines_per_second),
            left_out: 0,
        }
    }

    /// A zone's name.
    pub fn zone(&self, zone: ZoneId) -> &str {
        self.zones.get(zone.index()).map_or("?", String::as_str)
    }

    /// A decision whose rule says `log`.
    pub fn decision(&mut self, record: &Record, now: Instant) {
        if !self.may_print(now) {
            return;
        }
        let decision = &record.decision;
        let what = match decision.action {
            Decided::Accept => "accept",
            Decided::Drop => "drop",
            Decided::Reject => "reject",
        };
        let by_rule = decision.rule.map(|rule| (&self.rules, rule.0));
        let by_forward = decision.forward.map(|forward| (&self.forwards, forward.0));
        let who = by_rule
            .or(by_forward)
            .and_then(|(names, index)| names.get(usize::from(index)))
            .map_or("no rule", String::as_str);
        let key = record.key;
        let (from, to) = (self.side(key.side), self.side(record.to));
        console!("log: {what} {who}: {from} to {to}: {}", Conversation(key));
    }

    /// A mistake in how the networks are put together.
    pub fn notice(&mut self, notice: &Notice, now: Instant) {
        if !self.may_print(now) {
            return;
        }
        match *notice {
            Notice::OneSegment {
                heard_by,
                spoken_by,
            } => console!(
                "sekisho: zones {} and {} are on one segment: nothing protects one from the other; \
                 connect the two cards to different switches",
                self.zone(heard_by),
                self.zone(spoken_by)
            ),
            Notice::AddressTaken { zone, by } => console!(
                "sekisho: {}: the host {} uses the firewall's own address: give one of the two another",
                self.zone(zone),
                Mac(by)
            ),
        }
    }

    /// Tells what the services did, where it matters to a person.
    pub fn service(&mut self, action: &Action, now: Instant) {
        match action {
            Action::SendDirectly(..) | Action::SendThrough(_) => {}
            Action::Bound(zone, lease) => {
                let zone = self.zone(*zone);
                let (address, server) = (lease.address, lease.server);
                match lease.gateway {
                    Some(gateway) => console!(
                        "sekisho: {zone}: address {address}, gateway {gateway}, by DHCP from {server}"
                    ),
                    None => console!(
                        "sekisho: {zone}: address {address}, no gateway, by DHCP from {server}"
                    ),
                }
            }
            Action::Lost(zone) => console!(
                "sekisho: {}: the DHCP lease is over: nothing is forwarded there until there is a new one",
                self.zone(*zone)
            ),
            Action::Overlap(zone, address, other) => console!(
                "sekisho: {}: DHCP offers {address}, which overlaps zone {}: not used; \
                 connect the two cards to different networks, or change the fixed prefix",
                self.zone(*zone),
                self.zone(*other)
            ),
            Action::Served(zone, outcome) => {
                if self.may_print(now) {
                    self.served(self.zone(*zone), *outcome);
                }
            }
        }
    }

    fn served(&self, zone: &str, outcome: Outcome) {
        match outcome {
            Outcome::Leased(mac, address) => {
                console!("sekisho: {zone}: {address} leased to {}", Mac(mac));
            }
            Outcome::Exhausted(mac) => console!(
                "sekisho: {zone}: no address left for {}: enlarge the range",
                Mac(mac)
            ),
            Outcome::Declined(mac, address) => console!(
                "sekisho: {zone}: {} found {address} in use by another host: avoided for ten minutes",
                Mac(mac)
            ),
        }
    }

    fn may_print(&mut self, now: Instant) -> bool {
        if !self.limit.take(now) {
            self.left_out += 1;
            return false;
        }
        let left_out = core::mem::take(&mut self.left_out);
        if left_out > 0 {
            console!("log: {left_out} lines left out (limit.log_lines_per_second)");
        }
        true
    }

    fn side(&self, side: Side) -> &str {
        side.as_zone().map_or("self", |zone| self.zone(zone))
    }
}

/// An Ethernet address as people write it.
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Who speaks with whom, and how.
struct Conversation(FlowKey);

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlowKey {
            protocol, src, dst, ..
        } = self.0;
        let with_port =
            |f: &mut fmt::Formatter<'_>, end: Endpoint| write!(f, "{}:{}", end.address, end.port);
        match protocol {
            Protocol::TCP | Protocol::UDP => {
                f.write_str(if protocol == Protocol::TCP {
                    "tcp "
                } else {
                    "udp "
                })?;
                with_port(f, src)?;
                f.write_str(" to ")?;
                with_port(f, dst)
            }
            Protocol::ICMP => write!(
                f,
                "icmp type {} {} to {}",
                dst.port, src.address, dst.address
            ),
            Protocol(number) => {
                write!(f, "protocol {number} {} to {}", src.address, dst.address)
            }
        }
    }
}

//! Addresses that the firewall holds outside beside its own: those that `one_to_one` and `masquerade` name.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ipnet::Ipv4Net;

use super::forward::Surroundings;
use crate::excerpt::quoted;
use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{OneToOne, ZoneId};
use crate::names::Names;
use crate::schema;
use crate::span::{Located, Span};
use crate::syntax::Value;
use crate::title::Title;
use crate::value::address::{edge_of, parse_prefix_v4};

/// The most entries of `one_to_one`; each is compared with all before it.
const MOST_ENTRIES: usize = 256;

/// Addresses that are taken already, and in which zone.
#[derive(Default)]
pub(crate) struct Held(Vec<(Ipv4Net, ZoneId)>);

impl Held {
    /// Takes note of addresses that hosts in a zone are to find at the firewall, if they can be that.
    pub fn take(&mut self, net: Ipv4Net, zone: ZoneId, around: &Surroundings) -> Result<(), Fault> {
        let elsewhere = around.segments.overlapping(net);
        if let Some(segment) = elsewhere.filter(|segment| segment.zone != zone) {
            let message = format!(
                "{} belongs to the network {}",
                show(net),
                segment.own.trunc()
            );
            return Err(Fault::new(message).help(
                "an outside address is in the network of `to`, or routed to the firewall there",
            ));
        }
        if let Some(segment) = elsewhere {
            check_segment(net, segment.own)?;
        }
        let server = around.zones.get(zone.index());
        if let Some(dhcp) = server.and_then(|zone| zone.dhcp.as_ref())
            && overlaps_range(net, dhcp.range)
        {
            let message = format!("the zone's DHCP server hands {} out", show(net));
            return Err(Fault::new(message).help("leave it out of the server's `range`"));
        }
        if let Some((other, _)) = self.0.iter().find(|(other, _)| overlap(*other, net)) {
            let message = format!("{} is in use already, by {}", show(net), show(*other));
            return Err(Fault::new(message).help("give each its own outside addresses"));
        }
        self.0.push((net, zone));
        Ok(())
    }
}

/// Reads `one_to_one`.
pub(crate) fn read_one_to_one(
    nat: &Fields,
    names: &Names,
    around: &Surroundings,
    held: &mut Held,
    findings: &mut Findings,
) -> Vec<OneToOne> {
    let list = nat.list("one_to_one", findings);
    if list.len() > MOST_ENTRIES {
        let fault = Fault::new(format!(
            "{} entries of `one_to_one` are too many",
            list.len()
        ));
        let help = format!("there can be {MOST_ENTRIES}; one may be for a whole prefix");
        findings.error(nat.key_at("one_to_one"), fault.help(help));
        return Vec::new();
    }
    let mut entries: Vec<OneToOne> = Vec::new();
    for value in list {
        let Some((inside_at, outside_at, entry)) = read_entry(value, names, around, findings)
        else {
            continue;
        };
        let rival = entries
            .iter()
            .find(|other| overlap(other.inside, entry.inside));
        if let Some(rival) = rival {
            let message = format!("{} has an outside address already", show(rival.inside));
            let fault = Fault::new(message).help("each inside address has one entry");
            findings.error(inside_at, fault);
            continue;
        }
        let taken = held.take(entry.outside, entry.to, around);
        if findings.take(outside_at, taken).is_some() {
            entries.push(entry);
        }
    }
    entries
}

fn read_entry(
    value: Value,
    names: &Names,
    around: &Surroundings,
    findings: &mut Findings,
) -> Option<(Span, Span, OneToOne)> {
    let title = Title::Words("a one_to_one entry");
    let fields = Fields::open_value(value, title, &schema::ONE_TO_ONE, findings)?;
    for (key, help) in [
        ("inside", "name the host: inside = \"10.99.0.2\""),
        (
            "outside",
            "name its outside address: outside = \"192.0.2.10\"",
        ),
        ("to", "name the zone outside: to = \"wan\""),
    ] {
        if !fields.has(key) {
            fields.missing(key, help, findings);
        }
    }
    let inside = fields.parsed("inside", parse_prefix_v4, findings);
    let outside = fields.parsed("outside", parse_prefix_v4, findings);
    let to = fields.string("to", findings);
    let to = to.and_then(|to| names.zone(to, findings));
    let (inside, outside, to) = (inside?, outside?, to?);
    let from = inside_zone(inside, to, around, findings)?;
    if inside.value.prefix_len() != outside.value.prefix_len() {
        let (one, two) = (show(inside.value), show(outside.value));
        let fault = Fault::new(format!("{two} is not as large as {one}"));
        let help = "both have the same prefix length: each address stands for one";
        findings.error(outside.at, fault.help(help));
        return None;
    }
    let entry = OneToOne {
        inside: inside.value,
        from,
        outside: outside.value,
        to,
    };
    Some((inside.at, outside.at, entry))
}

/// The zone that holds all of the inside addresses.
fn inside_zone(
    inside: Located<Ipv4Net>,
    to: ZoneId,
    around: &Surroundings,
    findings: &mut Findings,
) -> Option<ZoneId> {
    let net = inside.value;
    let [first, last] =
        [net.network(), net.broadcast()].map(|end| around.segments.leading_to(end, around.routes));
    let Some(from) = first.filter(|_| first == last) else {
        let message = format!("{} is in no zone's network", show(net));
        around.segments.refuse_stray(message, inside.at, findings);
        return None;
    };
    if from == to {
        let fault = Fault::new(format!(
            "{} is in the zone that the entry is for",
            show(net)
        ));
        let help = "`to` is the outside, such as the WAN; the hosts are in another zone";
        findings.error(inside.at, fault.help(help));
        return None;
    }
    if let Some(segment) = around.segments.overlapping(net) {
        findings.take(inside.at, check_segment(net, segment.own))?;
    }
    Some(from)
}

/// Addresses on a network of ours are hosts' addresses, and none of them is the firewall's own.
fn check_segment(net: Ipv4Net, own: Ipv4Net) -> Result<(), Fault> {
    let has = |address| net.contains(&address) && own.contains(&address);
    if has(own.addr()) {
        let message = format!("{} is the firewall's own address", own.addr());
        return Err(Fault::new(message)
            .help("name other addresses: that one is what `masquerade` and `forward` use"));
    }
    for edge in [own.network(), own.broadcast()] {
        if let Some(kind) = edge_of(own, edge).filter(|_| has(edge)) {
            let message = format!("{edge} is the {kind} address of {}", own.trunc());
            return Err(Fault::new(message).help("no host has it: name addresses between"));
        }
    }
    Ok(())
}

fn overlap(one: Ipv4Net, two: Ipv4Net) -> bool {
    one.contains(&two) || two.contains(&one)
}

fn overlaps_range(net: Ipv4Net, (first, last): (core::net::Ipv4Addr, core::net::Ipv4Addr)) -> bool {
    net.network() <= last && first <= net.broadcast()
}

/// One address without its length.
fn show(net: Ipv4Net) -> String {
    match net.prefix_len() {
        32 => quoted(&format!("{}", net.addr())),
        _ => quoted(&format!("{net}")),
    }
}

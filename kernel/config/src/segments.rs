//! Which zone an address belongs to, and what contradicts that between zones.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::excerpt::quoted;
use crate::findings::{Fault, Findings};
use crate::model::{Addressing, Card, Route, ZoneId};
use crate::read::zone::ZoneDraft;
use crate::span::{Located, Span};

/// One zone's fixed network, with the firewall's own address in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// The zone.
    pub zone: ZoneId,
    /// Own address and prefix length.
    pub own: Ipv4Net,
}

/// The fixed networks of all zones; a zone with DHCP has none yet.
pub(crate) struct Segments {
    known: Vec<Segment>,
    /// Zones whose address could not be read, which is an error noted elsewhere.
    unreadable: usize,
}

impl Segments {
    /// Collects them.
    pub fn of(zones: &[ZoneDraft]) -> Self {
        let segments = zones.iter().enumerate().filter_map(|(index, zone)| {
            Some(Segment {
                zone: ZoneId::new(index)?,
                own: zone.network()?,
            })
        });
        Self {
            known: segments.collect(),
            unreadable: zones.iter().filter(|zone| zone.address.is_none()).count(),
        }
    }

    /// The segment whose network holds the address.
    pub fn holding(&self, address: Ipv4Addr) -> Option<Segment> {
        let mut all = self.known.iter();
        all.find(|segment| segment.own.contains(&address)).copied()
    }

    /// The segment that has an address in common with a prefix.
    pub fn overlapping(&self, net: Ipv4Net) -> Option<Segment> {
        let mut all = self.known.iter();
        all.find(|segment| segment.own.trunc().contains(&net) || net.contains(&segment.own.trunc()))
            .copied()
    }

    /// The segment that has this network itself.
    pub fn with_network(&self, net: Ipv4Net) -> Option<Segment> {
        let mut all = self.known.iter();
        all.find(|segment| segment.own.trunc() == net).copied()
    }

    /// The zone that leads to the address, by its longest network or route.
    pub fn leading_to(&self, address: Ipv4Addr, routes: &[Route]) -> Option<ZoneId> {
        let own = self
            .known
            .iter()
            .map(|segment| (segment.own.trunc(), segment.zone));
        let routed = routes.iter().map(|route| (route.to, route.zone));
        own.chain(routed)
            .filter(|(net, _)| net.contains(&address))
            .max_by_key(|(net, _)| net.prefix_len())
            .map(|(_, zone)| zone)
    }

    /// An address on no zone's network; no error of its own while a zone's is unknown.
    pub fn refuse_stray(&self, message: String, at: Span, findings: &mut Findings) {
        if self.unreadable == 0 {
            let help = format!(
                "{}; a [[route]] adds what lies behind a router",
                self.list()
            );
            findings.error(at, Fault::new(message).help(help));
        }
    }

    /// The networks, for a message.
    fn list(&self) -> String {
        let nets: Vec<_> = self
            .known
            .iter()
            .map(|segment| format!("{}", segment.own.trunc()))
            .collect();
        if nets.is_empty() {
            return String::from("no zone has a fixed network");
        }
        format!("the zones' networks are {}", nets.join(", "))
    }
}

/// Refuses what cannot be true of several zones at once.
pub(crate) fn check(zones: &[ZoneDraft], findings: &mut Findings) {
    check_cards(zones, findings);
    check_overlap(zones, findings);
    check_default_route(zones, findings);
}

/// One card for each zone, and all named in the same way: else a slot and an
/// Ethernet address could turn out to be the same card.
fn check_cards(zones: &[ZoneDraft], findings: &mut Findings) {
    let mut earlier: Vec<(&str, Located<Card>)> = Vec::new();
    for zone in zones {
        let Some(card) = zone.card else { continue };
        for (name, other) in &earlier {
            findings.take(card.at, compare_cards(card.value, other.value, name));
        }
        earlier.push((zone.name.value, card));
    }
}

fn compare_cards(card: Card, other: Card, other_zone: &str) -> Result<(), Fault> {
    match (card, other) {
        (Card::Mac(one), Card::Mac(two)) if one != two => Ok(()),
        (Card::Slot(one), Card::Slot(two)) if one != two => Ok(()),
        (Card::Mac(_), Card::Mac(_)) | (Card::Slot(_), Card::Slot(_)) => {
            let message = format!("this is already the card of zone {}", quoted(other_zone));
            Err(Fault::new(message).help("each zone has a card of its own"))
        }
        (Card::Mac(_), Card::Slot(_)) | (Card::Slot(_), Card::Mac(_)) => {
            let message = format!(
                "zone {} names its card in the other way",
                quoted(other_zone)
            );
            Err(Fault::new(message).help(
                "use `card` in all zones or `slot` in all zones, else two could be the same card",
            ))
        }
    }
}

/// No address may be on two segments (RFC 4787 REQ-7 asks for a clear refusal).
fn check_overlap(zones: &[ZoneDraft], findings: &mut Findings) {
    for (index, zone) in zones.iter().enumerate() {
        let (Some(address), Some(net)) = (&zone.address, zone.network()) else {
            continue;
        };
        for other in zones.iter().take(index) {
            let Some(taken) = other.network() else {
                continue;
            };
            if net.contains(&taken.addr()) || taken.contains(&net.addr()) {
                let (net, taken) = (net.trunc(), taken.trunc());
                let other = quoted(other.name.value);
                let message = format!("the network {net} overlaps {taken} of zone {other}");
                let help = "give each zone a network of its own, else no reply finds its way";
                findings.error(address.at, Fault::new(message).help(help));
            }
        }
    }
}

/// At most one zone leads to the rest of the world.
fn check_default_route(zones: &[ZoneDraft], findings: &mut Findings) {
    let mut first: Option<&str> = None;
    for zone in zones {
        let Some(address) = zone.address else {
            continue;
        };
        let (at, how) = match address.value {
            Addressing::Dhcp => (address.at, "DHCP brings a default gateway"),
            Addressing::Static {
                gateway: Some(_), ..
            } => (
                zone.gateway_at.unwrap_or(address.at),
                "this is a default gateway",
            ),
            Addressing::Static { gateway: None, .. } => continue,
        };
        match first {
            None => first = Some(zone.name.value),
            Some(other) => {
                let message = format!("{how}, but zone {} has one already", quoted(other));
                findings.error(
                    at,
                    Fault::new(message).help(
                        "only one zone can lead to the rest of the world: give the other a fixed \
                     address without `gateway`, and a [[route]] to what lies behind it",
                    ),
                );
            }
        }
    }
}

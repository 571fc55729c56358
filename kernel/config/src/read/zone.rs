//! `[zone.NAME]`: a segment, its card and the firewall's address there.

use alloc::format;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::dhcp::{self, DhcpDraft};
use crate::excerpt::quoted;
use crate::fields::{Fields, Named};
use crate::findings::{Fault, Findings};
use crate::model::{Addressing, Answer, Card, MAX_ZONES, Zone};
use crate::schema;
use crate::span::{Located, Span};
use crate::suggest::nearest;
use crate::syntax::Kind;
use crate::title::Title;
use crate::value::address::{edge_of, parse_host, parse_interface};
use crate::value::{mac, name};

/// The IP MTU of a zone that does not say (RFC 894).
const DEFAULT_MTU: u16 = 1500;

/// The words of `answer`.
const ANSWERS: [&str; 3] = ["echo", "errors", "refuse"];

/// A zone as read, before it is compared with the others.
pub(crate) struct ZoneDraft<'a> {
    /// Its name.
    pub name: Located<&'a str>,
    /// Its card, if that could be read.
    pub card: Option<Located<Card>>,
    /// Its address, if that could be read.
    pub address: Option<Located<Addressing>>,
    /// Where the default gateway is written.
    pub gateway_at: Option<Span>,
    mtu: u16,
    allow_private_sources: bool,
    /// What it answers, if it says.
    pub answer: Option<Answer>,
    /// Its DHCP server, if it has one.
    pub dhcp: Option<DhcpDraft>,
}

/// Reads all zones in the order of the file.
pub(crate) fn read_all<'a>(
    root: &Fields,
    tables: &[Named<'a>],
    findings: &mut Findings,
) -> Vec<ZoneDraft<'a>> {
    let is_usable = root
        .value("zone")
        .is_none_or(|value| value.kind() == Kind::Table);
    if tables.is_empty() && is_usable {
        findings.error(
            root.key_at("zone"),
            Fault::new("there is no zone, so there is nothing to forward between")
                .help("add a table for each network card, such as [zone.wan] and [zone.dmz]"),
        );
    }
    if let Some(extra) = tables.get(MAX_ZONES) {
        findings.error(
            extra.name.at,
            Fault::new(format!("{} zones are too many", tables.len()))
                .help(format!("there can be {MAX_ZONES} zones at most")),
        );
    }
    let tables = tables.iter().take(MAX_ZONES);
    tables.map(|table| read(table, findings)).collect()
}

fn read<'a>(table: &Named<'a>, findings: &mut Findings) -> ZoneDraft<'a> {
    let name = table.name;
    findings.take(name.at, name::parse_zone(name.value));
    let title = Title::Zone(name.value);
    let fields = Fields::open_value(table.value, title, &schema::ZONE, findings);
    let Some(mut fields) = fields else {
        return ZoneDraft::unreadable(name);
    };
    fields.at = name.at;
    let address = read_address(&fields, findings);
    ZoneDraft {
        name,
        card: read_card(&fields, findings),
        gateway_at: fields.has("gateway").then(|| fields.key_at("gateway")),
        dhcp: dhcp::read(&fields, name.value, address.as_ref(), findings),
        address,
        mtu: read_mtu(&fields, findings),
        allow_private_sources: fields.boolean("allow_private_sources", false, findings),
        answer: read_answer(&fields, findings),
    }
}

fn read_card(fields: &Fields, findings: &mut Findings) -> Option<Located<Card>> {
    match (fields.has("card"), fields.has("slot")) {
        (true, true) => {
            let fault = Fault::new(format!("{} has both `card` and `slot`", fields.title))
                .help("one of them names the card; leave the other out");
            findings.error(fields.key_at("slot"), fault);
            None
        }
        (true, false) => fields.parsed("card", |text| mac::parse(text).map(Card::Mac), findings),
        (false, true) => {
            let slot = fields.number("slot", 0..=31, findings)?;
            // The bounds above keep it in a byte.
            let value = Card::Slot(u8::try_from(slot.value).ok()?);
            Some(Located::new(value, slot.at))
        }
        (false, false) => {
            let help = "name its Ethernet address, card = \"52:54:00:00:00:01\", \
                        or its position among the cards from 0, slot = 0";
            fields.missing("card", help, findings);
            None
        }
    }
}

fn read_address(fields: &Fields, findings: &mut Findings) -> Option<Located<Addressing>> {
    if !fields.has("address") {
        let help = "write \"dhcp\", or the firewall's own address there: \"10.99.0.1/24\"";
        fields.missing("address", help, findings);
        return None;
    }
    let text = fields.string("address", findings)?;
    if text.value == "dhcp" {
        refuse_gateway_of_dhcp(fields, findings);
        return Some(Located::new(Addressing::Dhcp, text.at));
    }
    let address = findings.take(text.at, parse_interface(text.value))?;
    let gateway = match fields.has("gateway") {
        true => Some(read_gateway(fields, address, findings)?),
        false => None,
    };
    Some(Located::new(
        Addressing::Static { address, gateway },
        text.at,
    ))
}

fn refuse_gateway_of_dhcp(fields: &Fields, findings: &mut Findings) {
    if fields.has("gateway") {
        let fault = Fault::new("`gateway` is set, but the address comes by DHCP")
            .help("the lease brings the gateway: leave `gateway` out");
        findings.error(fields.key_at("gateway"), fault);
    }
}

fn read_gateway(fields: &Fields, own: Ipv4Net, findings: &mut Findings) -> Option<Ipv4Addr> {
    let gateway = fields.parsed("gateway", parse_host, findings)?;
    findings.take(gateway.at, neighbour_on(own, gateway.value, "the gateway"))?;
    Some(gateway.value)
}

/// Checks that an address can be another host's on the firewall's own segment.
pub(crate) fn neighbour_on(own: Ipv4Net, address: Ipv4Addr, what: &str) -> Result<(), Fault> {
    let net = own.trunc();
    if !net.contains(&address) {
        let message = format!("{what} {address} is outside the zone's network {net}");
        return Err(Fault::new(message).help("it has to be a neighbour on the same segment"));
    }
    if address == own.addr() {
        let message = format!("{what} {address} is the firewall's own address");
        return Err(Fault::new(message).help("it has to be another host's"));
    }
    match edge_of(own, address) {
        None => Ok(()),
        Some(kind) => {
            let message = format!("{what} {address} is the {kind} address of {net}");
            Err(Fault::new(message).help("no host has it: choose an address between the two"))
        }
    }
}

fn read_mtu(fields: &Fields, findings: &mut Findings) -> u16 {
    let mtu = fields.number("mtu", 576..=9000, findings);
    mtu.and_then(|mtu| u16::try_from(mtu.value).ok())
        .unwrap_or(DEFAULT_MTU)
}

fn read_answer(fields: &Fields, findings: &mut Findings) -> Option<Answer> {
    fields.value("answer")?;
    let mut answer = Answer::default();
    for value in fields.list("answer", findings) {
        let Some(word) = crate::fields::string_of(value, &"each value of `answer`", findings)
        else {
            continue;
        };
        match word.value {
            "echo" => answer.echo = true,
            "errors" => answer.errors = true,
            "refuse" => answer.refuse = true,
            other => findings.error(word.at, unknown_answer(other)),
        }
    }
    Some(answer)
}

fn unknown_answer(word: &str) -> Fault {
    let fault = Fault::new(format!("`answer` does not know {}", quoted(word)));
    match nearest(word, ANSWERS) {
        Some(known) => fault.help(format!("did you mean \"{known}\"?")),
        None => fault.help("it takes \"echo\", \"errors\" and \"refuse\"; [] for silence"),
    }
}

impl<'a> ZoneDraft<'a> {
    /// Keeps the place in the list, so that the other zones keep their index.
    const fn unreadable(name: Located<&'a str>) -> Self {
        Self {
            name,
            card: None,
            address: None,
            gateway_at: None,
            mtu: DEFAULT_MTU,
            allow_private_sources: false,
            answer: None,
            dhcp: None,
        }
    }

    /// The prefix of a fixed address.
    pub fn network(&self) -> Option<Ipv4Net> {
        match self.address.as_ref()?.value {
            Addressing::Static { address, .. } => Some(address),
            Addressing::Dhcp => None,
        }
    }

    /// Whether the address comes by DHCP.
    pub fn is_dhcp(&self) -> bool {
        let address = self.address.as_ref().map(|address| address.value);
        address == Some(Addressing::Dhcp)
    }

    /// The zone, if everything that it needs could be read.
    pub fn into_zone(self, defaults: &Defaults) -> Option<Zone> {
        Some(Zone {
            name: self.name.value.into(),
            card: self.card?.value,
            address: self.address?.value,
            mtu: self.mtu,
            allow_private_sources: self.allow_private_sources,
            answer: self.answer.unwrap_or(defaults.answer),
            dhcp: self.dhcp.map(|dhcp| dhcp.into_server(defaults)),
        })
    }
}

/// What a zone gets where it says nothing, which depends on the rest of the file.
pub(crate) struct Defaults {
    /// See [`Zone::answer`].
    pub answer: Answer,
    /// See [`crate::model::DhcpServer::router`].
    pub router: crate::model::RouterOption,
    /// See [`crate::model::DhcpServer::dns`].
    pub dns: crate::model::DnsOption,
}

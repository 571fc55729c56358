//! `forward = [...]`: ports of the firewall's own address that lead to a server inside.

use alloc::format;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::IpNet;

use super::nat::one_of;
use super::rule::{Taken, read_name, read_prefixes};
use super::zone::{ZoneDraft, neighbour_on};
use crate::excerpt::quoted;
use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{Balance, Forward, MAX_SERVERS, PortRange, Route, Server, Service, ZoneId};
use crate::names::Names;
use crate::schema;
use crate::segments::Segments;
use crate::span::{Located, Span};
use crate::title::Title;
use crate::value::address::parse_target;

/// The most forwards; each is compared with all before it.
const MOST_FORWARDS: usize = 1024;

/// The port that a DHCP client listens on (RFC 2131 section 4.1).
const DHCP_CLIENT_PORT: u16 = 68;

/// The port that a DHCP server listens on (RFC 2131 section 4.1).
const DHCP_SERVER_PORT: u16 = 67;

/// What forwards are checked against.
pub(crate) struct Surroundings<'a> {
    /// The zones.
    pub zones: &'a [ZoneDraft<'a>],
    /// Their networks.
    pub segments: &'a Segments,
    /// The routes.
    pub routes: &'a [Route],
}

/// Reads all forwards.
pub(crate) fn read_all(
    root: &Fields,
    around: &Surroundings,
    names: &mut Names,
    taken: &mut Taken,
    findings: &mut Findings,
) -> Vec<Forward> {
    let list = root.list("forward", findings);
    if list.len() > MOST_FORWARDS {
        let fault = Fault::new(format!("{} forwards are too many", list.len())).help(format!(
            "there can be {MOST_FORWARDS}; one may hold a range of ports"
        ));
        findings.error(root.key_at("forward"), fault);
        return Vec::new();
    }
    let mut forwards: Vec<Forward> = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let title = Title::Entry("forward", index);
        let Some(fields) = Fields::open_value(value, title, &schema::FORWARD, findings) else {
            continue;
        };
        refuse_missing(&fields, findings);
        let Some(forward) = read(&fields, index, around, names, taken, findings) else {
            continue;
        };
        let at = fields
            .value("service")
            .map_or(fields.at, |value| value.at());
        findings.take(at, check_overlap(&forward, &forwards));
        forwards.push(forward);
    }
    forwards
}

fn refuse_missing(fields: &Fields, findings: &mut Findings) {
    for (key, help) in [
        (
            "from",
            "name the zone whose address is forwarded: from = \"wan\"",
        ),
        ("service", "name the ports: service = \"tcp/80\""),
        (
            "to",
            "name the server inside: to = \"10.99.0.2\" or \"10.99.0.2:8080\"",
        ),
    ] {
        if !fields.has(key) {
            fields.missing(key, help, findings);
        }
    }
}

fn read(
    fields: &Fields,
    index: usize,
    around: &Surroundings,
    names: &mut Names,
    taken: &mut Taken,
    findings: &mut Findings,
) -> Option<Forward> {
    let name = read_name(fields, format!("forward-{}", index + 1), taken, findings);
    let from = read_from(fields, names, findings);
    let sources = read_prefixes(fields, "sources", names, findings);
    let targets = fields.strings("to", findings);
    let balance = read_balance(fields, findings);
    let service = read_service(fields, names, findings);
    let log = fields.boolean("log", false, findings);
    let (targets, from) = (targets?, from?);
    let (service_at, service) = service?;
    let servers = read_servers(fields, &targets, (from, &service), around, findings)?;
    findings.take(
        service_at,
        check_own_services(&service, around.zones.get(from.index())?),
    )?;
    Some(Forward {
        name: name?,
        from,
        service,
        servers,
        balance,
        sources: sources?,
        log,
    })
}

/// The words of `balance`.
const BALANCES: [(&str, Balance); 2] = [
    ("round-robin", Balance::RoundRobin),
    ("source-hash", Balance::SourceHash),
];

fn read_balance(fields: &Fields, findings: &mut Findings) -> Balance {
    let grammar = |word| one_of("balance", word, &BALANCES);
    let balance = fields.parsed("balance", grammar, findings);
    balance.map_or(Balance::default(), |balance| balance.value)
}

fn read_servers(
    fields: &Fields,
    targets: &[Located<&str>],
    (from, service): (ZoneId, &[Service]),
    around: &Surroundings,
    findings: &mut Findings,
) -> Option<Vec<Server>> {
    if targets.len() > MAX_SERVERS {
        let fault = Fault::new(format!("{} servers are too many", targets.len()));
        let help = format!("a forward leads to {MAX_SERVERS} at the most");
        findings.error(fields.key_at("to"), fault.help(help));
        return None;
    }
    if let [_] = targets
        && fields.has("balance")
    {
        let fault = Fault::new("there is one server, and nothing to balance");
        let help = "name several, to = [\"10.99.0.2\", \"10.99.0.3\"], or leave `balance` out";
        findings.error(fields.key_at("balance"), fault.help(help));
        return None;
    }
    let mut servers: Vec<Server> = Vec::new();
    for target in targets {
        let (address, port) = findings.take(target.at, parse_target(target.value))?;
        let zone = zone_of(Located::new(address, target.at), from, around, findings)?;
        findings.take(target.at, check_changed_port(service, port))?;
        let server = Server {
            address,
            zone,
            port,
        };
        if servers.contains(&server) {
            let fault = Fault::new(format!("{} is named twice", quoted(target.value)));
            findings.error(target.at, fault.help("each server gets its share once"));
            return None;
        }
        servers.push(server);
    }
    Some(servers)
}

fn read_from(fields: &Fields, names: &Names, findings: &mut Findings) -> Option<ZoneId> {
    let word = fields.string("from", findings)?;
    if word.value == "self" {
        let fault = Fault::new("a forward is for packets that come from a zone, not from `self`");
        findings.error(
            word.at,
            fault.help("name the zone whose address is forwarded"),
        );
        return None;
    }
    names.zone(word, findings)
}

fn read_service(
    fields: &Fields,
    names: &mut Names,
    findings: &mut Findings,
) -> Option<(Span, Vec<Service>)> {
    let words = fields.strings("service", findings)?;
    let at = fields.value("service")?.at();
    let services = names.services.expand(&words, findings)?;
    for service in &services {
        findings.take(at, check_forwardable(*service))?;
    }
    Some((at, services))
}

fn check_forwardable(service: Service) -> Result<(), Fault> {
    let ports = match service {
        Service::Tcp(ports) | Service::Udp(ports) => ports,
        Service::Icmp(_) | Service::Protocol(_) => {
            return Err(Fault::new("a forward takes TCP and UDP ports only")
                .help("name ports: service = \"tcp/80\""));
        }
    };
    if ports.first == 0 {
        return Err(Fault::new("a forward of a whole protocol names its ports")
            .help("write \"tcp/1-65535\" if every port is really meant"));
    }
    Ok(())
}

/// The zone of the inside server, which is neither `from` nor the firewall itself.
fn zone_of(
    to: Located<Ipv4Addr>,
    from: ZoneId,
    around: &Surroundings,
    findings: &mut Findings,
) -> Option<ZoneId> {
    let Some(zone) = around.segments.leading_to(to.value, around.routes) else {
        let message = format!("the server {} is in no zone's network", to.value);
        around.segments.refuse_stray(message, to.at, findings);
        return None;
    };
    if let Some(segment) = around.segments.holding(to.value) {
        findings.take(to.at, neighbour_on(segment.own, to.value, "the server"))?;
    }
    if zone == from {
        let message = format!(
            "the server {} is in the zone that the forward is from",
            to.value
        );
        let help = "`from` is the outside, such as the WAN; the server is in another zone";
        findings.error(to.at, Fault::new(message).help(help));
        return None;
    }
    Some(zone)
}

/// A changed port has to be one port for one port.
fn check_changed_port(service: &[Service], to_port: Option<u16>) -> Result<(), Fault> {
    let Some(to_port) = to_port else {
        return Ok(());
    };
    let (mut tcp, mut udp) = (0_u32, 0_u32);
    for one in service {
        let ports = match one {
            Service::Tcp(ports) => {
                tcp += 1;
                ports
            }
            Service::Udp(ports) => {
                udp += 1;
                ports
            }
            Service::Icmp(_) | Service::Protocol(_) => continue,
        };
        if u32::from(to_port) + ports.count() - 1 > u32::from(u16::MAX) {
            let message = format!(
                "{} ports from {to_port} on go beyond port 65535",
                ports.count()
            );
            return Err(Fault::new(message).help("a range is mapped one to one: start lower"));
        }
    }
    if tcp > 1 || udp > 1 {
        return Err(
            Fault::new("several port ranges cannot all begin at the same inside port")
                .help("make a forward for each range, or leave the inside port out"),
        );
    }
    Ok(())
}

/// The firewall's own DHCP endpoints keep their ports.
fn check_own_services(service: &[Service], from: &ZoneDraft) -> Result<(), Fault> {
    let (port, what) = if from.is_dhcp() {
        (DHCP_CLIENT_PORT, "DHCP client")
    } else if from.dhcp.is_some() {
        (DHCP_SERVER_PORT, "DHCP server")
    } else {
        return Ok(());
    };
    for one in service {
        if matches!(one, Service::Udp(ports) if ports.contains(port)) {
            let message = format!("udp/{port} belongs to the firewall's own {what} there");
            return Err(Fault::new(message).help("forward other ports"));
        }
    }
    Ok(())
}

/// Which forward takes a packet must not depend on their order.
fn check_overlap(forward: &Forward, earlier: &[Forward]) -> Result<(), Fault> {
    if let Some((one, two)) = first_overlap(&forward.service, &forward.service, Scope::OneList) {
        return Err(
            Fault::new(format!("{} and {} overlap", show(one), show(two)))
                .help("name each port once"),
        );
    }
    let rivals = earlier.iter().filter(|other| other.from == forward.from);
    for other in rivals {
        let shared = first_overlap(&forward.service, &other.service, Scope::TwoLists);
        if let Some((one, _)) = shared
            && share_sources(&forward.sources, &other.sources)
        {
            let name = quoted(&other.name);
            let message = format!("{} is also taken by forward {name}", show(one));
            return Err(Fault::new(message).help(
                "forwards from one zone share ports only where both have `sources` that do not overlap",
            ));
        }
    }
    Ok(())
}

/// Whether two lists of services are the same one, whose entries are not compared with themselves.
#[derive(Clone, Copy)]
enum Scope {
    OneList,
    TwoLists,
}

fn first_overlap(left: &[Service], right: &[Service], scope: Scope) -> Option<(Service, Service)> {
    for (index, one) in left.iter().enumerate() {
        let skip = match scope {
            Scope::OneList => index + 1,
            Scope::TwoLists => 0,
        };
        if let Some(two) = right.iter().skip(skip).find(|two| overlap(*one, **two)) {
            return Some((*one, *two));
        }
    }
    None
}

const fn overlap(one: Service, two: Service) -> bool {
    match (one, two) {
        (Service::Tcp(one), Service::Tcp(two)) | (Service::Udp(one), Service::Udp(two)) => {
            ranges_overlap(one, two)
        }
        _ => false,
    }
}

const fn ranges_overlap(one: PortRange, two: PortRange) -> bool {
    one.first <= two.last && two.first <= one.last
}

/// Whether some address may use both; an empty list is everybody.
fn share_sources(one: &[IpNet], two: &[IpNet]) -> bool {
    if one.is_empty() || two.is_empty() {
        return true;
    }
    one.iter().any(|left| {
        two.iter()
            .any(|right| left.contains(right) || right.contains(left))
    })
}

fn show(service: Service) -> alloc::string::String {
    let (protocol, ports) = match service {
        Service::Tcp(ports) => ("tcp", ports),
        Service::Udp(ports) => ("udp", ports),
        Service::Icmp(_) => return "icmp".into(),
        Service::Protocol(number) => return format!("proto/{number}"),
    };
    if ports.first == ports.last {
        format!("{protocol}/{}", ports.first)
    } else {
        format!("{protocol}/{}-{}", ports.first, ports.last)
    }
}

//! `dhcp = { ... }` of a zone: the DHCP server's settings (RFC 2131).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use super::zone::{Defaults, neighbour_on};
use crate::excerpt::quoted;
use crate::fields::{Fields, strings_of};
use crate::findings::{Fault, Findings};
use crate::model::{Addressing, DhcpServer, DnsOption, Reservation, RouterOption};
use crate::schema;
use crate::span::{Located, Span};
use crate::syntax::{Kind, Value};
use crate::title::Title;
use crate::value::address::{parse_host, parse_range};
use crate::value::{duration, mac};
use ipnet::Ipv4Net;

/// The lease time of a server that does not say.
const DEFAULT_LEASE: Duration = Duration::from_secs(12 * 3600);

/// The shortest lease: below, clients do little else than renew.
const SHORTEST_LEASE: Duration = Duration::from_secs(60);

/// The most addresses that one server hands out.
const LARGEST_RANGE: u32 = 4096;

/// The most servers in a name server option, so that it always fits its packet.
const MOST_DNS_SERVERS: usize = 8;

/// The most fixed addresses of one zone.
const MOST_RESERVATIONS: usize = 1024;

/// A DHCP server as read; router and name servers may depend on the rest of the file.
pub(crate) struct DhcpDraft {
    /// The first and the last address that it hands out.
    pub range: (Ipv4Addr, Ipv4Addr),
    lease: Duration,
    router: Option<RouterOption>,
    /// The name servers, if it says.
    pub dns: Option<Located<DnsOption>>,
    reservations: Vec<Reservation>,
    domain: Option<String>,
}

impl DhcpDraft {
    /// The server, with what it does not say filled in.
    pub fn into_server(self, defaults: &Defaults) -> DhcpServer {
        let dns = self.dns.map(|dns| dns.value);
        DhcpServer {
            first: self.range.0,
            last: self.range.1,
            lease: self.lease,
            router: self.router.unwrap_or(defaults.router),
            dns: dns.unwrap_or_else(|| defaults.dns.clone()),
            reservations: self.reservations,
            domain: self.domain,
        }
    }
}

/// Reads a zone's `dhcp`, if it has one.
pub(crate) fn read(
    zone: &Fields,
    name: &str,
    address: Option<&Located<Addressing>>,
    findings: &mut Findings,
) -> Option<DhcpDraft> {
    let value = zone.value("dhcp")?;
    let fields = Fields::open_value(value, Title::Dhcp(name), &schema::DHCP, findings)?;
    let own = match address?.value {
        Addressing::Static { address, .. } => address,
        Addressing::Dhcp => {
            let fault = Fault::new("a zone whose address comes by DHCP cannot serve DHCP")
                .help("give the zone a fixed address, or leave `dhcp` out");
            findings.error(zone.key_at("dhcp"), fault);
            return None;
        }
    };
    read_server(&fields, own, findings)
}

fn read_server(fields: &Fields, own: Ipv4Net, findings: &mut Findings) -> Option<DhcpDraft> {
    let range = read_range(fields, own, findings);
    Some(DhcpDraft {
        lease: read_lease(fields, findings),
        router: read_router(fields, own, findings),
        dns: read_dns(fields, findings),
        reservations: read_reservations(fields, own, findings),
        domain: fields
            .parsed("domain", parse_domain, findings)
            .map(|domain| domain.value.into()),
        range: range?,
    })
}

fn read_range(
    fields: &Fields,
    own: Ipv4Net,
    findings: &mut Findings,
) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if !fields.has("range") {
        let help = "name the first and the last address: range = \"10.99.0.100-10.99.0.199\"";
        fields.missing("range", help, findings);
        return None;
    }
    let range = fields.parsed("range", parse_range, findings)?;
    findings.take(range.at, check_range(range.value, own))?;
    Some(range.value)
}

fn check_range((first, last): (Ipv4Addr, Ipv4Addr), own: Ipv4Net) -> Result<(), Fault> {
    neighbour_on(own, first, "the range's first address")?;
    neighbour_on(own, last, "the range's last address")?;
    if first <= own.addr() && own.addr() <= last {
        let message = format!("the range holds the firewall's own address {}", own.addr());
        return Err(Fault::new(message).help("let it begin behind that address or end before it"));
    }
    if u32::from(last) - u32::from(first) >= LARGEST_RANGE {
        return Err(Fault::new("the range is too large")
            .help(format!("it may hold {LARGEST_RANGE} addresses")));
    }
    Ok(())
}

fn read_lease(fields: &Fields, findings: &mut Findings) -> Duration {
    let Some(lease) = fields.parsed("lease", duration::parse, findings) else {
        return DEFAULT_LEASE;
    };
    if lease.value < SHORTEST_LEASE {
        let fault =
            Fault::new("the lease time is too short").help("leases go from \"1m\" to \"30d\"");
        findings.error(lease.at, fault);
    }
    lease.value
}

fn read_router(fields: &Fields, own: Ipv4Net, findings: &mut Findings) -> Option<RouterOption> {
    let text = fields.string("router", findings)?;
    match text.value {
        "self" => Some(RouterOption::Own),
        "none" => Some(RouterOption::None),
        other => {
            let fixed = findings.take(text.at, parse_router(other))?;
            if fixed == own.addr() {
                let fault = Fault::new(format!("{fixed} is the firewall's own address"))
                    .help("write \"self\"");
                findings.error(text.at, fault);
                return None;
            }
            findings.take(text.at, neighbour_on(own, fixed, "the router"))?;
            Some(RouterOption::Fixed(fixed))
        }
    }
}

fn parse_router(text: &str) -> Result<Ipv4Addr, Fault> {
    parse_host(text).map_err(|_| {
        Fault::new(format!("{} is no router", quoted(text)))
            .help("write \"self\" for the firewall, \"none\", or an address in the zone")
    })
}

fn read_dns(fields: &Fields, findings: &mut Findings) -> Option<Located<DnsOption>> {
    let value = fields.value("dns")?;
    let at = value.at();
    match value.kind() {
        Kind::Text("upstream") => Some(Located::new(DnsOption::Upstream, at)),
        Kind::List if value.items().next().is_none() => {
            Some(Located::new(DnsOption::Fixed(Vec::new()), at))
        }
        _ => {
            let words = strings_of(value, &"`dns`", findings)?;
            let servers = read_dns_servers(&words, at, findings);
            Some(Located::new(DnsOption::Fixed(servers), at))
        }
    }
}

fn read_dns_servers(words: &[Located<&str>], at: Span, findings: &mut Findings) -> Vec<Ipv4Addr> {
    if words.len() > MOST_DNS_SERVERS {
        let fault = Fault::new(format!("`dns` takes at most {MOST_DNS_SERVERS} servers"))
            .help("leave the others out: clients rarely ask more than three");
        findings.error(at, fault);
    }
    let servers = words.iter().filter_map(|word| {
        let server = parse_host(word.value).map_err(|_| {
            Fault::new(format!("{} is no name server", quoted(word.value)))
                .help("write \"upstream\", or a list of addresses; [] for none")
        });
        findings.take(word.at, server)
    });
    servers.collect()
}

fn read_reservations(fields: &Fields, own: Ipv4Net, findings: &mut Findings) -> Vec<Reservation> {
    let list = fields.list("reservations", findings);
    if list.len() > MOST_RESERVATIONS {
        let fault = Fault::new(format!("{} reservations are too many", list.len()))
            .help(format!("there can be {MOST_RESERVATIONS} in a zone"));
        findings.error(fields.key_at("reservations"), fault);
        return Vec::new();
    }
    let mut macs = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    let mut reservations = Vec::new();
    for value in list {
        let Some(read) = read_reservation(value, own, findings) else {
            continue;
        };
        let (mac, address) = read;
        if !macs.insert(mac.value) {
            let fault = Fault::new("this card has a reservation already");
            findings.error(mac.at, fault.help("a card gets one address in a zone"));
        }
        if !addresses.insert(address.value) {
            let fault = Fault::new(format!("{} is reserved already", address.value));
            findings.error(address.at, fault.help("each address belongs to one card"));
        }
        reservations.push(Reservation {
            mac: mac.value,
            address: address.value,
        });
    }
    reservations
}

fn read_reservation(
    value: Value,
    own: Ipv4Net,
    findings: &mut Findings,
) -> Option<(Located<[u8; 6]>, Located<Ipv4Addr>)> {
    let title = Title::Words("a reservation");
    let fields = Fields::open_value(value, title, &schema::RESERVATION, findings)?;
    for key in schema::RESERVATION.keys {
        if !fields.has(key) {
            let help = "write { mac = \"52:54:00:00:00:10\", address = \"10.99.0.10\" }";
            fields.missing(key, help, findings);
        }
    }
    let mac = fields.parsed("mac", mac::parse, findings);
    let address = fields.parsed("address", parse_host, findings)?;
    let neighbour = neighbour_on(own, address.value, "the reserved address");
    findings.take(address.at, neighbour)?;
    Some((mac?, address))
}

/// A domain name: labels of letters, digits and hyphens with dots between them (RFC 1123 section 2.1).
fn parse_domain(text: &str) -> Result<&str, Fault> {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let edges = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && label.len() <= 63 && !edges && label.bytes().all(plain)
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text);
    }
    Err(Fault::new(format!("{} is not a domain name", quoted(text)))
        .help("write lower-case labels with dots between them: \"dmz.example\""))
}

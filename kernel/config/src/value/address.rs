//! IP addresses, prefixes and ranges.

use alloc::format;
use core::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::decimal;
use super::service::port;
use crate::excerpt::quoted;
use crate::findings::Fault;

/// Reads an IPv4 address.
pub(crate) fn parse_v4(text: &str) -> Result<Ipv4Addr, Fault> {
    text.parse().map_err(|_| not_v4(text))
}

/// Reads an IPv4 address that a single host can have.
pub(crate) fn parse_host(text: &str) -> Result<Ipv4Addr, Fault> {
    let address = parse_v4(text)?;
    match not_a_hosts(address) {
        None => Ok(address),
        Some(kind) => Err(Fault::new(format!("{address} is {kind}"))
            .help("no single host has such an address: name a host's own")),
    }
}

/// Reads a set's or a rule's prefix, of either family; one address stands for itself.
pub(crate) fn parse_prefix(text: &str) -> Result<IpNet, Fault> {
    let net = match text.split_once('/') {
        None => text.parse().ok().map(|address: IpAddr| address.into()),
        Some((address, length)) => split_prefix(address, length),
    };
    let Some(net) = net else {
        return Err(
            Fault::new(format!("{} is neither address nor prefix", quoted(text))).help(
                "write \"192.0.2.7\", \"192.0.2.0/24\" or \"2001:db8::/32\"; @NAME for a set",
            ),
        );
    };
    if net.trunc() != net {
        return Err(
            Fault::new(format!("{net} has bits set behind the prefix length")).help(format!(
                "write \"{}\" for the network, \"{}\" for the one host",
                net.trunc(),
                net.addr()
            )),
        );
    }
    Ok(net)
}

fn split_prefix(address: &str, length: &str) -> Option<IpNet> {
    IpNet::new(address.parse().ok()?, decimal(length)?).ok()
}

/// Reads a route's destination, an IPv4 prefix.
pub(crate) fn parse_prefix_v4(text: &str) -> Result<Ipv4Net, Fault> {
    match parse_prefix(text)? {
        IpNet::V4(net) => Ok(net),
        IpNet::V6(_) => Err(not_v4(text)),
    }
}

/// Reads a zone's own address with its prefix length.
pub(crate) fn parse_interface(text: &str) -> Result<Ipv4Net, Fault> {
    let Some((address, length)) = text.split_once('/') else {
        return Err(match text.parse::<Ipv4Addr>() {
            Ok(address) => Fault::new(format!("{address} has no prefix length")).help(format!(
                "write \"{address}/24\" where the network has 24 bits"
            )),
            Err(_) => not_an_interface(text),
        });
    };
    match split_prefix(address, length) {
        Some(IpNet::V4(net)) => usable_interface(net),
        Some(IpNet::V6(_)) => Err(not_v4(text)),
        None => Err(not_an_interface(text)),
    }
}

fn usable_interface(net: Ipv4Net) -> Result<Ipv4Net, Fault> {
    if net.prefix_len() < 8 || net.prefix_len() > 31 {
        return Err(Fault::new(format!("{net} leaves no network for this card"))
            .help("prefix lengths go from /8 to /31"));
    }
    if let Some(kind) = not_a_hosts(net.addr()) {
        let message = format!("{} is {kind}", net.addr());
        return Err(Fault::new(message)
            .help("the firewall cannot have it: give an address from the zone's network"));
    }
    if let Some(kind) = edge_of(net, net.addr()) {
        let message = format!("{} is the {kind} address of {}", net.addr(), net.trunc());
        let first = Ipv4Addr::from(u32::from(net.network()).saturating_add(1));
        return Err(Fault::new(message).help(format!(
            "give the firewall's own address: \"{first}/{}\"",
            net.prefix_len()
        )));
    }
    Ok(net)
}

/// Whether the address is the network's first or last, which no host has; a /31 has neither (RFC 3021).
pub(crate) fn edge_of(net: Ipv4Net, address: Ipv4Addr) -> Option<&'static str> {
    if net.prefix_len() >= 31 {
        None
    } else if address == net.network() {
        Some("network")
    } else if address == net.broadcast() {
        Some("broadcast")
    } else {
        None
    }
}

/// What an address is that no host on a network of ours can have (RFC 6890, RFC 1112).
fn not_a_hosts(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets()[0] {
        0 => Some("an address of \"this network\""),
        127 => Some("a loopback address"),
        169 if address.is_link_local() => Some("a link-local address"),
        224..=239 => Some("a multicast address"),
        240..=255 => Some("a reserved address"),
        _ => None,
    }
}

/// Reads `FIRST-LAST`.
pub(crate) fn parse_range(text: &str) -> Result<(Ipv4Addr, Ipv4Addr), Fault> {
    let ends = text.split_once('-');
    let ends = ends.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match ends {
        Some((first, last)) if first <= last => Ok((first, last)),
        Some((first, last)) => Err(Fault::new(format!(
            "the range {} runs backwards",
            quoted(text)
        ))
        .help(format!("the lower address comes first: \"{last}-{first}\""))),
        None => Err(
            Fault::new(format!("{} is not a range of addresses", quoted(text)))
                .help("write the first and the last: \"10.99.0.100-10.99.0.199\""),
        ),
    }
}

/// Reads a forward's target: `ADDRESS` or `ADDRESS:PORT`.
pub(crate) fn parse_target(text: &str) -> Result<(Ipv4Addr, Option<u16>), Fault> {
    let Some((address, number)) = text.split_once(':') else {
        return Ok((parse_host(text)?, None));
    };
    // More than one colon is an IPv6 address rather than a port.
    if number.contains(':') {
        return Err(not_v4(text));
    }
    match port(number) {
        Some(port) => Ok((parse_host(address)?, Some(port))),
        None => Err(Fault::new(format!("{} has no usable port", quoted(text)))
            .help("ports go from 1 to 65535: \"10.99.0.2:22\"")),
    }
}

fn not_an_interface(text: &str) -> Fault {
    Fault::new(format!("{} is not a zone's address", quoted(text))).help(
        "write \"dhcp\", or the firewall's own address with the prefix length: \"10.99.0.1/24\"",
    )
}

fn not_v4(text: &str) -> Fault {
    let bare = text.split('/').next().unwrap_or(text);
    if bare
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_ipv6())
    {
        return Fault::new(format!(
            "{} is IPv6, which is not forwarded yet",
            quoted(text)
        ))
        .help("sets and rules may hold IPv6 prefixes; all else takes IPv4 for now");
    }
    Fault::new(format!("{} is not an IPv4 address", quoted(text)))
        .help("write four numbers from 0 to 255 without leading zeros: \"10.99.0.2\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_both_families_are_read() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.2.3", "10.0.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            let net = parse_prefix(text).map(|net| format!("{net}"));
            assert_eq!(net.ok().as_deref(), Some(shown));
        }
        for text in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0/8",
            "010.0.0.0",
            "2001:db8::1/32",
            "x",
        ] {
            assert!(parse_prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_interface_has_a_hosts_address_and_a_length() {
        assert!(parse_interface("10.99.0.1/24").is_ok());
        assert!(parse_interface("192.0.2.0/31").is_ok());
        for text in [
            "10.99.0.1",
            "10.99.0.0/24",
            "10.99.0.255/24",
            "10.99.0.1/32",
            "10.99.0.1/7",
            "127.0.0.1/8",
            "224.0.0.1/24",
            "0.0.0.1/24",
            "169.254.1.1/16",
            "fd00::1/64",
            "dhcpd",
            "10.99.0.1/",
        ] {
            assert!(parse_interface(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_may_carry_a_port() {
        let server = Ipv4Addr::new(10, 99, 0, 2);
        assert_eq!(parse_target("10.99.0.2").ok(), Some((server, None)));
        assert_eq!(parse_target("10.99.0.2:22").ok(), Some((server, Some(22))));
        for text in [
            "",
            "10.99.0.2:",
            "10.99.0.2:0",
            "10.99.0.2:65536",
            "fd00::2",
            "www",
            "255.255.255.255",
        ] {
            assert!(parse_target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_runs_upwards() {
        assert!(parse_range("10.0.0.1-10.0.0.1").is_ok());
        for text in ["", "10.0.0.1", "10.0.0.2-10.0.0.1", "10.0.0.1-20", "a-b"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }
}

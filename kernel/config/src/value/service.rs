//! Protocols and ports: `tcp/80`, `udp/1000-2000`, `tcp`, `icmp`, `icmp/8`, `proto/47`.

use alloc::format;

use super::decimal;
use crate::excerpt::quoted;
use crate::findings::Fault;
use crate::model::{PortRange, Service};

/// All ports, for `tcp` and `udp` without a number.
const ALL_PORTS: PortRange = PortRange {
    first: 0,
    last: u16::MAX,
};

/// Reads one service.
pub(crate) fn parse(text: &str) -> Result<Service, Fault> {
    let (protocol, number) = match text.split_once('/') {
        Some((protocol, number)) => (protocol, Some(number)),
        None => (text, None),
    };
    match (protocol, number) {
        ("tcp", None) => Ok(Service::Tcp(ALL_PORTS)),
        ("udp", None) => Ok(Service::Udp(ALL_PORTS)),
        ("icmp", None) => Ok(Service::Icmp(None)),
        ("tcp", Some(ports)) => Ok(Service::Tcp(port_range(text, ports)?)),
        ("udp", Some(ports)) => Ok(Service::Udp(port_range(text, ports)?)),
        ("icmp", Some(kind)) => icmp(text, kind),
        ("proto", Some(number)) => other(text, number),
        _ => Err(not_a_service(text)),
    }
}

fn port_range(text: &str, ports: &str) -> Result<PortRange, Fault> {
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (Some(first), Some(last)) = (port(first), port(last)) else {
        return Err(
            Fault::new(format!("{} has no usable port", quoted(text))).help(
                "ports go from 1 to 65535: \"tcp/80\", \"udp/1000-2000\"; all of them: \"tcp\"",
            ),
        );
    };
    if first > last {
        return Err(
            Fault::new(format!("the range {} runs backwards", quoted(text)))
                .help(format!("the lower port comes first: {last}-{first}")),
        );
    }
    Ok(PortRange { first, last })
}

/// A port; 0 is never one that anybody listens on (RFC 6335 section 6).
pub(crate) fn port(text: &str) -> Option<u16> {
    decimal(text).filter(|port| *port != 0)
}

fn icmp(text: &str, kind: &str) -> Result<Service, Fault> {
    match decimal(kind) {
        Some(kind) => Ok(Service::Icmp(Some(kind))),
        None => Err(
            Fault::new(format!("{} has no usable ICMP type", quoted(text)))
                .help("types go from 0 to 255: \"icmp/8\" is an echo request"),
        ),
    }
}

fn other(text: &str, number: &str) -> Result<Service, Fault> {
    let named = match decimal(number) {
        None => {
            return Err(
                Fault::new(format!("{} has no usable protocol number", quoted(text)))
                    .help("numbers go from 0 to 255: \"proto/47\" is GRE"),
            );
        }
        Some(1) => "icmp",
        Some(6) => "tcp",
        Some(17) => "udp",
        Some(number) => return Ok(Service::Protocol(number)),
    };
    Err(
        Fault::new(format!("{} has a name of its own", quoted(text)))
            .help(format!("write \"{named}\"")),
    )
}

fn not_a_service(text: &str) -> Fault {
    let fault = Fault::new(format!("{} is not a service", quoted(text)));
    match text.split_once('/').and_then(|(left, right)| {
        let swapped = ["tcp", "udp"].contains(&right) && port(left).is_some();
        swapped.then_some((left, right))
    }) {
        Some((port, protocol)) => fault.help(format!("write \"{protocol}/{port}\"")),
        None => fault.help(
            "write \"tcp/80\", \"udp/1000-2000\", \"tcp\", \"icmp\", \"icmp/8\" or \"proto/47\"; \
             @NAME for an entry of [service]",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(first: u16, last: u16) -> PortRange {
        PortRange { first, last }
    }

    #[test]
    fn each_kind_of_service_is_read() {
        for (text, expected) in [
            ("tcp/80", Service::Tcp(ports(80, 80))),
            ("udp/1000-2000", Service::Udp(ports(1000, 2000))),
            ("tcp/1-65535", Service::Tcp(ports(1, 65535))),
            ("tcp", Service::Tcp(ports(0, 65535))),
            ("icmp", Service::Icmp(None)),
            ("icmp/8", Service::Icmp(Some(8))),
            ("proto/47", Service::Protocol(47)),
        ] {
            assert_eq!(parse(text).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "80",
            "http",
            "TCP/80",
            "tcp/",
            "tcp/0",
            "tcp/65536",
            "tcp/080",
            "tcp/80-",
            "tcp/-80",
            "tcp/90-80",
            "tcp/80,443",
            "80/tcp",
            "icmp/256",
            "icmp/echo",
            "proto",
            "proto/6",
            "proto/256",
            "sctp/80",
            "tcp/80/81",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

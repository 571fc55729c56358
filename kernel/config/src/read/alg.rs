//! `[alg]`: protocols whose payload is read, because it names addresses.

use alloc::vec;
use alloc::vec::Vec;

use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{Alg, PortRange, Service};
use crate::names::Names;
use crate::schema;
use crate::title::Title;

/// The port of FTP's control connections (RFC 959 section 8).
const FTP: PortRange = PortRange {
    first: 21,
    last: 21,
};

/// The most values of `ftp_service`: each new TCP connection is compared with all of them.
const MOST: usize = 16;

/// Reads `[alg]`; without it, no payload is read.
pub(crate) fn read(root: &Fields, names: &mut Names, findings: &mut Findings) -> Alg {
    let Some(value) = root.value("alg") else {
        return Alg::default();
    };
    let title = Title::Words("[alg]");
    let Some(fields) = Fields::open_value(value, title, &schema::ALG, findings) else {
        return Alg::default();
    };
    let is_on = fields.boolean("ftp", false, findings);
    let ftp = match fields.has("ftp_service") {
        true => read_ports(&fields, names, findings).unwrap_or_default(),
        false => vec![FTP],
    };
    if !is_on && fields.has("ftp_service") && findings.errors() == 0 {
        let fault = Fault::new("`ftp_service` does nothing without `ftp = true`");
        let help = "write ftp = true, or leave `ftp_service` out";
        findings.warn(fields.key_at("ftp_service"), fault.help(help));
    }
    Alg {
        ftp: if is_on { ftp } else { Vec::new() },
    }
}

/// TCP ports, and not all of them: what is no FTP is not to be read.
fn read_ports(
    fields: &Fields,
    names: &mut Names,
    findings: &mut Findings,
) -> Option<Vec<PortRange>> {
    let words = fields.strings("ftp_service", findings)?;
    let at = fields.value("ftp_service")?.at();
    let services = names.services.expand(&words, findings)?;
    let ports = services.iter().map(|service| match service {
        Service::Tcp(ports) if ports.first > 0 => Ok(*ports),
        Service::Tcp(_) | Service::Udp(_) | Service::Icmp(_) | Service::Protocol(_) => Err(
            Fault::new("`ftp_service` takes TCP ports, and nothing else")
                .help("the control connections' own: \"tcp/21\""),
        ),
    });
    let ports: Result<Vec<PortRange>, Fault> = ports.collect();
    let ports = findings.take(at, ports)?;
    if ports.len() > MOST {
        let fault = Fault::new("these are too many services")
            .help("`ftp_service` takes 16; a range, \"tcp/2121-2130\", is one");
        findings.error(at, fault);
        return None;
    }
    Some(ports)
}

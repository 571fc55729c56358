//! `[nat]`: who is masqueraded, and how mappings behave (RFC 4787).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::excerpt::quoted;
use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{Filtering, Mapping, Masquerade, Nat, ZoneId};
use crate::names::Names;
use crate::schema;
use crate::suggest::nearest;
use crate::syntax::Value;

/// The words of `filtering`.
const FILTERINGS: [&str; 3] = [
    "endpoint-independent",
    "address-dependent",
    "address-and-port-dependent",
];

/// Reads `[nat]`; without it, nothing is translated but forwards.
pub(crate) fn read(root: &Fields, names: &Names, findings: &mut Findings) -> Nat {
    let defaults = Nat {
        masquerade: Vec::new(),
        mapping: Mapping::EndpointIndependent,
        filtering: Filtering::AddressDependent,
        hairpin: true,
    };
    let Some(value) = root.value("nat") else {
        return defaults;
    };
    let title = String::from("[nat]");
    let Some(fields) = Fields::open_value(value, title, &schema::NAT, findings) else {
        return defaults;
    };
    let mapping = fields.parsed("mapping", parse_mapping, findings);
    let filtering = fields.parsed("filtering", parse_filtering, findings);
    Nat {
        masquerade: read_masquerade(&fields, names, findings),
        mapping: mapping.map_or(defaults.mapping, |mapping| mapping.value),
        filtering: filtering.map_or(defaults.filtering, |filtering| filtering.value),
        hairpin: fields.boolean("hairpin", defaults.hairpin, findings),
    }
}

fn parse_mapping(text: &str) -> Result<Mapping, Fault> {
    if text == "endpoint-independent" {
        return Ok(Mapping::EndpointIndependent);
    }
    Err(Fault::new(format!("there is no mapping {}", quoted(text)))
        .help("\"endpoint-independent\" is the only one (RFC 4787 REQ-1)"))
}

fn parse_filtering(text: &str) -> Result<Filtering, Fault> {
    match text {
        "endpoint-independent" => Ok(Filtering::EndpointIndependent),
        "address-dependent" => Ok(Filtering::AddressDependent),
        "address-and-port-dependent" => Ok(Filtering::AddressAndPortDependent),
        other => {
            let fault = Fault::new(format!("there is no filtering {}", quoted(other)));
            Err(match nearest(other, FILTERINGS) {
                Some(known) => fault.help(format!("did you mean \"{known}\"?")),
                None => fault.help(format!("it is one of {}", FILTERINGS.join(", "))),
            })
        }
    }
}

fn read_masquerade(fields: &Fields, names: &Names, findings: &mut Findings) -> Vec<Masquerade> {
    let mut directions: Vec<Masquerade> = Vec::new();
    for value in fields.list("masquerade", findings) {
        let Some(direction) = read_direction(value, names, findings) else {
            continue;
        };
        if directions.contains(&direction) {
            let fault = Fault::new("this direction is masqueraded already");
            findings.error(value.at(), fault.help("leave one of them out"));
            continue;
        }
        directions.push(direction);
    }
    directions
}

fn read_direction(value: Value, names: &Names, findings: &mut Findings) -> Option<Masquerade> {
    let title = String::from("a masquerade entry");
    let fields = Fields::open_value(value, title, &schema::MASQUERADE, findings)?;
    let from = read_zone(&fields, "from", names, findings);
    let to = read_zone(&fields, "to", names, findings);
    let (from, to) = (from?, to?);
    if from == to {
        let fault = Fault::new("a zone cannot be masqueraded into itself")
            .help("`from` is the inside, `to` is the zone whose address hosts outside see");
        findings.error(value.at(), fault);
        return None;
    }
    Some(Masquerade { from, to })
}

fn read_zone(fields: &Fields, key: &str, names: &Names, findings: &mut Findings) -> Option<ZoneId> {
    if !fields.has(key) {
        let help = "write { from = \"dmz\", to = \"wan\" }";
        fields.missing(key, help, findings);
        return None;
    }
    let word = fields.string(key, findings)?;
    if word.value == "self" {
        let fault = Fault::new("the firewall's own packets carry its own address already");
        findings.error(word.at, fault.help("name two zones"));
        return None;
    }
    names.zone(word, findings)
}

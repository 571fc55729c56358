//! `[nat]`: who is masqueraded, and how mappings behave (RFC 4787).

use alloc::format;
use alloc::vec::Vec;

use super::forward::Surroundings;
use super::outside::{Held, read_one_to_one};
use crate::excerpt::quoted;
use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{Behavior, Filtering, Mapping, Masquerade, Nat, Preset, ZoneId};
use crate::names::Names;
use crate::schema;
use crate::suggest::nearest;
use crate::syntax::Value;
use crate::title::Title;
use crate::value::address::parse_host;

/// Reads `[nat]`; without it, nothing is translated but forwards.
pub(crate) fn read(
    root: &Fields,
    names: &Names,
    around: &Surroundings,
    findings: &mut Findings,
) -> Nat {
    let mut nat = Nat {
        preset: Preset::default(),
        masquerade: Vec::new(),
        one_to_one: Vec::new(),
        behavior: Preset::default().behavior(),
        port_overlapping: false,
    };
    let Some(value) = root.value("nat") else {
        return nat;
    };
    let title = Title::Words("[nat]");
    let Some(fields) = Fields::open_value(value, title, &schema::NAT, findings) else {
        return nat;
    };
    let preset = fields.parsed(
        "preset",
        |word| one_of("preset", word, &Preset::WORDS),
        findings,
    );
    nat.preset = preset.map_or(nat.preset, |preset| preset.value);
    nat.behavior = read_behavior(&fields, nat.preset.behavior(), findings);
    let mut held = Held::default();
    nat.one_to_one = read_one_to_one(&fields, names, around, &mut held, findings);
    nat.masquerade = read_masquerade(&fields, &nat, names, (around, &mut held), findings);
    nat.port_overlapping = read_overlapping(&fields, &nat, findings);
    nat
}

/// The keys that `[nat]` and each masquerade entry have in common.
fn read_behavior(fields: &Fields, default: Behavior, findings: &mut Findings) -> Behavior {
    let mapping = fields.parsed(
        "mapping",
        |word| one_of("mapping", word, &Mapping::WORDS),
        findings,
    );
    let filtering = fields.parsed(
        "filtering",
        |word| one_of("filtering", word, &Filtering::WORDS),
        findings,
    );
    let mut switch = |key: &str, default| fields.boolean(key, default, findings);
    Behavior {
        mapping: mapping.map_or(default.mapping, |mapping| mapping.value),
        filtering: filtering.map_or(default.filtering, |filtering| filtering.value),
        port_preservation: switch("port_preservation", default.port_preservation),
        port_parity: switch("port_parity", default.port_parity),
        hairpin: switch("hairpin", default.hairpin),
    }
}

/// Reads one of a key's words.
pub(crate) fn one_of<T: Copy>(key: &str, word: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = words.iter().find(|(known, _)| *known == word) {
        return Ok(*value);
    }
    let known = words.iter().map(|(known, _)| *known);
    let fault = Fault::new(format!("there is no {key} {}", quoted(word)));
    Err(match nearest(word, known.clone()) {
        Some(known) => fault.help(format!("did you mean \"{known}\"?")),
        None => {
            let known: Vec<_> = known.collect();
            fault.help(format!("it is one of {}", known.join(", ")))
        }
    })
}

/// Ports may only be shared where nothing comes in but by a flow, which knows its peer.
fn read_overlapping(fields: &Fields, nat: &Nat, findings: &mut Findings) -> bool {
    let entries = nat.masquerade.iter().map(|entry| entry.behavior);
    let is_sound = entries.chain([nat.behavior]).all(|behavior| {
        behavior.mapping == Mapping::AddressAndPortDependent
            && behavior.filtering == Filtering::AddressAndPortDependent
    });
    let default = nat.preset == Preset::Linux && is_sound;
    let overlapping = fields.boolean("port_overlapping", default, findings);
    if overlapping && !is_sound {
        let fault = Fault::new("ports cannot be shared with this mapping and filtering").help(
            "`port_overlapping` needs both to be \"address-and-port-dependent\", in every masquerade entry too",
        );
        findings.error(fields.key_at("port_overlapping"), fault);
    }
    overlapping
}

fn read_masquerade(
    fields: &Fields,
    nat: &Nat,
    names: &Names,
    (around, held): (&Surroundings, &mut Held),
    findings: &mut Findings,
) -> Vec<Masquerade> {
    let mut directions: Vec<Masquerade> = Vec::new();
    for value in fields.list("masquerade", findings) {
        let Some(direction) = read_direction(value, nat.behavior, names, findings) else {
            continue;
        };
        let is_same = |other: &Masquerade| (other.from, other.to) == (direction.from, direction.to);
        if directions.iter().any(is_same) {
            let fault = Fault::new("this direction is masqueraded already");
            findings.error(value.at(), fault.help("leave one of them out"));
            continue;
        }
        // Directions into one zone may have their address in common.
        let shares =
            |other: &Masquerade| (other.address, other.to) == (direction.address, direction.to);
        if let Some(address) = direction.address
            && !directions.iter().any(shares)
        {
            let at = value
                .get("address")
                .map_or(value.at(), |address| address.at());
            findings.take(at, held.take(address.into(), direction.to, around));
        }
        directions.push(direction);
    }
    directions
}

fn read_direction(
    value: Value,
    default: Behavior,
    names: &Names,
    findings: &mut Findings,
) -> Option<Masquerade> {
    let title = Title::Words("a masquerade entry");
    let fields = Fields::open_value(value, title, &schema::MASQUERADE, findings)?;
    let from = read_zone(&fields, "from", names, findings);
    let to = read_zone(&fields, "to", names, findings);
    let address = fields.parsed("address", parse_host, findings);
    let behavior = read_behavior(&fields, default, findings);
    let (from, to) = (from?, to?);
    if from == to {
        let fault = Fault::new("a zone cannot be masqueraded into itself")
            .help("`from` is the inside, `to` is the zone whose address hosts outside see");
        findings.error(value.at(), fault);
        return None;
    }
    Some(Masquerade {
        from,
        to,
        address: address.map(|address| address.value),
        behavior,
    })
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

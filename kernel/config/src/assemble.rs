//! The order in which a file is read, and what its parts tell each other.

use alloc::vec::Vec;

use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{
    Action, Answer, Config, DnsOption, Forward, Nat, Place, RouterOption, Rule, Zone, ZoneId,
};
use crate::names::Names;
use crate::read::forward::Surroundings;
use crate::read::rule::Taken;
use crate::read::zone::{Defaults, ZoneDraft};
use crate::read::{alg, bounds, forward, nat, route, rule, zone};
use crate::schema;
use crate::segments::{self, Segments};
use crate::span::Span;
use crate::syntax::{Kind, Value};
use crate::title::Title;

/// The version of the language that this crate reads.
const VERSION: u32 = 1;

/// Reads a parsed file. `None` where an error was found.
pub(crate) fn assemble(table: Value, findings: &mut Findings) -> Option<Config> {
    check_version(table, findings)?;
    let title = Title::Words("the configuration");
    let root = Fields::open(table, title, Span::default(), &schema::ROOT, findings);
    let tables = root.named("zone", findings);
    let mut names = Names::read(&root, &tables, findings);
    let zones = zone::read_all(&root, &tables, findings);
    segments::check(&zones, findings);
    check_dns(&zones, findings);
    let segments = Segments::of(&zones);
    let routes = route::read_all(&root, &segments, findings);
    let mut taken = Taken::new();
    let rules = rule::read_all(&root, &mut names, &mut taken, findings);
    let around = Surroundings {
        zones: &zones,
        segments: &segments,
        routes: &routes,
    };
    let forwards = forward::read_all(&root, &around, &mut names, &mut taken, findings);
    let nat = nat::read(&root, &names, &around, findings);
    let alg = alg::read(&root, &mut names, findings);
    let tcp_pickup = bounds::read_tcp(&root, findings);
    let timeouts = bounds::read_timeouts(&root, nat.preset, findings);
    let limits = bounds::read_limits(&root, findings);
    if findings.errors() > 0 {
        return None;
    }
    names.sets.warn_unused(findings);
    names.services.warn_unused(findings);
    Some(Config {
        zones: finish_zones(zones, &rules, &forwards, &nat)?,
        rules,
        forwards,
        routes,
        nat,
        alg,
        tcp_pickup,
        timeouts,
        limits,
    })
}

/// Another version's file is not read at all: its other errors would be noise.
fn check_version(table: Value, findings: &mut Findings) -> Option<()> {
    let Some(value) = table.get("version") else {
        let fault = Fault::new("the configuration does not say its version")
            .help("begin the file with: version = 1");
        findings.error(Span::default(), fault);
        return None;
    };
    if value.kind() == Kind::Number(Some(VERSION)) {
        return Some(());
    }
    let fault = Fault::new("this version of the language is not known here")
        .help("this firewall reads version = 1");
    findings.error(value.at(), fault);
    None
}

/// Passing on upstream's name servers needs an upstream.
fn check_dns(zones: &[ZoneDraft], findings: &mut Findings) {
    if zones.iter().any(ZoneDraft::is_dhcp) {
        return;
    }
    let servers = zones
        .iter()
        .filter_map(|zone| zone.dhcp.as_ref()?.dns.as_ref());
    for dns in servers.filter(|dns| dns.value == DnsOption::Upstream) {
        let fault = Fault::new("\"upstream\" needs a zone with address = \"dhcp\"")
            .help("no zone learns name servers by DHCP: list their addresses");
        findings.error(dns.at, fault);
    }
}

/// Fills in what depends on the whole file.
fn finish_zones(
    drafts: Vec<ZoneDraft>,
    rules: &[Rule],
    forwards: &[Forward],
    nat: &Nat,
) -> Option<Vec<Zone>> {
    let has_upstream = drafts.iter().any(ZoneDraft::is_dhcp);
    let mut zones = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        let id = ZoneId::new(index)?;
        let defaults = Defaults {
            answer: default_answer(&draft, id, forwards, nat),
            router: default_router(id, rules),
            dns: if has_upstream {
                DnsOption::Upstream
            } else {
                DnsOption::Fixed(Vec::new())
            },
        };
        zones.push(draft.into_zone(&defaults)?);
    }
    Some(zones)
}

/// Silence outside, echo and proper errors inside. Outside is where the default
/// route leads, what is masqueraded into, and where forwards come from.
fn default_answer(draft: &ZoneDraft, id: ZoneId, forwards: &[Forward], nat: &Nat) -> Answer {
    let leads_out = draft.is_dhcp() || draft.gateway_at.is_some();
    let hides_others = nat.masquerade.iter().any(|direction| direction.to == id)
        || nat.one_to_one.iter().any(|entry| entry.to == id);
    let is_forwarded = forwards.iter().any(|forward| forward.from == id);
    if leads_out || hides_others || is_forwarded {
        return Answer::default();
    }
    Answer {
        echo: true,
        errors: true,
        refuse: false,
    }
}

/// The firewall is the router of a zone that some rule lets out.
fn default_router(id: ZoneId, rules: &[Rule]) -> RouterOption {
    let zone = Place::Zone(id);
    let lets_out = |rule: &Rule| {
        let from_here = rule.from.is_empty() || rule.from.contains(&zone);
        let elsewhere = |place: &Place| *place != zone && *place != Place::Own;
        let to_others = rule.to.is_empty() || rule.to.iter().any(elsewhere);
        rule.action == Action::Accept && from_here && to_others
    };
    if rules.iter().any(lets_out) {
        RouterOption::Own
    } else {
        RouterOption::None
    }
}

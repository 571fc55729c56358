//! `rule = [...]`: the filter.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ipnet::IpNet;

use crate::excerpt::quoted;
use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{Action, Place, Rule};
use crate::names::Names;
use crate::schema;
use crate::span::Span;
use crate::suggest::nearest;
use crate::title::Title;
use crate::value::name;

/// The words of `action`.
const ACTIONS: [&str; 3] = ["accept", "drop", "reject"];

/// Names that rules and forwards have taken.
pub(crate) type Taken = BTreeSet<String>;

/// Reads all rules in their order.
pub(crate) fn read_all(
    root: &Fields,
    names: &mut Names,
    taken: &mut Taken,
    findings: &mut Findings,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut broad: Vec<Rule> = Vec::new();
    for (index, value) in root.list("rule", findings).into_iter().enumerate() {
        let title = Title::Entry("rule", index);
        let Some(fields) = Fields::open_value(value, title, &schema::RULE, findings) else {
            continue;
        };
        let Some(rule) = read(&fields, index, names, taken, findings) else {
            continue;
        };
        warn_if_hidden(&rule, &broad, fields.at, findings);
        if is_broad(&rule) && !broad.iter().any(|earlier| covers(earlier, &rule)) {
            broad.push(rule.clone());
        }
        rules.push(rule);
    }
    rules
}

fn read(
    fields: &Fields,
    index: usize,
    names: &mut Names,
    taken: &mut Taken,
    findings: &mut Findings,
) -> Option<Rule> {
    let name = read_name(fields, format!("rule-{}", index + 1), taken, findings);
    let from = read_places(fields, "from", names, findings);
    let to = read_places(fields, "to", names, findings);
    let src = read_prefixes(fields, "src", names, findings);
    let dst = read_prefixes(fields, "dst", names, findings);
    let service = match fields.strings("service", findings) {
        Some(words) => names.services.expand(&words, findings),
        None => (!fields.has("service")).then(Vec::new),
    };
    let action = read_action(fields, findings);
    let log = fields.boolean("log", false, findings);
    let rule = Rule {
        name: name?,
        from: from?,
        to: to?,
        src: src?,
        dst: dst?,
        service: service?,
        action: action?,
        log,
    };
    findings.take(fields.at, check_can_match(&rule))?;
    Some(rule)
}

/// The name of a rule or forward, or `default`; refuses one that is taken.
pub(crate) fn read_name(
    fields: &Fields,
    default: String,
    taken: &mut Taken,
    findings: &mut Findings,
) -> Option<String> {
    let (name, at) = if fields.has("name") {
        let name = fields.parsed("name", name::parse, findings)?;
        (String::from(name.value), name.at)
    } else {
        (default, fields.at)
    };
    if !taken.insert(name.clone()) {
        let fault = Fault::new(format!("the name {} is taken", quoted(&name)))
            .help("counters and the log tell rules and forwards apart by name: choose another");
        findings.error(at, fault);
        return None;
    }
    Some(name)
}

fn read_places(
    fields: &Fields,
    key: &str,
    names: &Names,
    findings: &mut Findings,
) -> Option<Vec<Place>> {
    let Some(words) = fields.strings(key, findings) else {
        return (!fields.has(key)).then(Vec::new);
    };
    let mut places = Vec::new();
    let mut complete = true;
    for word in words {
        match names.place(word, findings) {
            None => complete = false,
            Some(place) if places.contains(&place) => {
                let message = format!("{} is listed twice", quoted(word.value));
                findings.error(word.at, Fault::new(message).help("name each zone once"));
            }
            Some(place) => places.push(place),
        }
    }
    complete.then_some(places)
}

/// The prefixes of a key; absent is the empty list, which matches every address.
pub(crate) fn read_prefixes(
    fields: &Fields,
    key: &str,
    names: &mut Names,
    findings: &mut Findings,
) -> Option<Vec<IpNet>> {
    match fields.strings(key, findings) {
        Some(words) => names.sets.expand(&words, findings),
        None => (!fields.has(key)).then(Vec::new),
    }
}

fn read_action(fields: &Fields, findings: &mut Findings) -> Option<Action> {
    if !fields.has("action") {
        let help = "write action = \"accept\", \"drop\" or \"reject\"";
        fields.missing("action", help, findings);
        return None;
    }
    let parsed = fields.parsed("action", parse_action, findings)?;
    Some(parsed.value)
}

fn parse_action(text: &str) -> Result<Action, Fault> {
    match text {
        "accept" => Ok(Action::Accept),
        "drop" => Ok(Action::Drop),
        "reject" => Ok(Action::Reject),
        "allow" | "pass" | "permit" => Err(unknown_action(text).help("write \"accept\"")),
        "deny" | "block" => Err(unknown_action(text).help("write \"drop\" or \"reject\"")),
        other => Err(match nearest(other, ACTIONS) {
            Some(known) => unknown_action(text).help(format!("did you mean \"{known}\"?")),
            None => unknown_action(text).help("actions are \"accept\", \"drop\" and \"reject\""),
        }),
    }
}

fn unknown_action(text: &str) -> Fault {
    Fault::new(format!("there is no action {}", quoted(text)))
}

fn check_can_match(rule: &Rule) -> Result<(), Fault> {
    let never = |why: &str| {
        Fault::new(format!(
            "rule {} can never match: {why}",
            quoted(&rule.name)
        ))
    };
    if let ([from], [to]) = (rule.from.as_slice(), rule.to.as_slice())
        && from == to
    {
        return Err(never("it goes from a zone to the same zone")
            .help("hosts of one zone reach each other without passing the firewall"));
    }
    if is_one_family(&rule.src, &rule.dst) {
        return Ok(());
    }
    Err(never("source and destination are of different families")
        .help("IPv4 and IPv6 hosts do not talk to each other: make it two rules"))
}

/// Whether some source and some destination are of the same family.
fn is_one_family(src: &[IpNet], dst: &[IpNet]) -> bool {
    let is_v4 = |net: &IpNet| matches!(net, IpNet::V4(_));
    let both = |family: bool| {
        let has = |nets: &[IpNet]| nets.is_empty() || nets.iter().any(|net| is_v4(net) == family);
        has(src) && has(dst)
    };
    both(true) || both(false)
}

/// A rule about places alone, which takes everything between them.
fn is_broad(rule: &Rule) -> bool {
    rule.src.is_empty() && rule.dst.is_empty() && rule.service.is_empty()
}

/// Whether a broad rule takes everything that the later one could.
fn covers(broad: &Rule, later: &Rule) -> bool {
    let holds = |outer: &[Place], inner: &[Place]| {
        let some = !inner.is_empty() && inner.iter().all(|place| outer.contains(place));
        outer.is_empty() || some
    };
    holds(&broad.from, &later.from) && holds(&broad.to, &later.to)
}

fn warn_if_hidden(rule: &Rule, broad: &[Rule], at: Span, findings: &mut Findings) {
    if let Some(earlier) = broad.iter().find(|earlier| covers(earlier, rule)) {
        let (name, earlier) = (quoted(&rule.name), quoted(&earlier.name));
        let fault = Fault::new(format!("rule {name} is never reached")).help(format!(
            "the first match wins, and rule {earlier} above takes all of it"
        ));
        findings.warn(at, fault);
    }
}

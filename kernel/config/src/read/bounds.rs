//! `[tcp]`, `[timeout]` and `[limits]`: how flows begin, how long they live and how many there may be.

use alloc::format;
use core::time::Duration;

use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{Limits, Preset, TcpPickup, Timeouts};
use crate::schema;
use crate::title::Title;
use crate::value::duration;

/// The fewest flows that `flows` takes.
const FEWEST_FLOWS: u32 = 64;

/// The most flows that `flows` takes.
const MOST_FLOWS: u32 = 16_777_216;

/// The highest rate, a second, of what the firewall makes by itself.
const HIGHEST_RATE: u32 = 100_000;

/// The most new flows, a second, that a source's limit can be.
const MOST_NEW_FLOWS: u32 = 1_000_000;

/// Above this, in percent, adaptive times change nothing any more.
const MOST_ADAPTIVE: u32 = 1_000;

/// The times that an RFC asks for at least, as they are written and in seconds.
const MINIMA: [(&str, &str, u64, &str); 4] = [
    ("udp", "2m", 120, "RFC 4787 REQ-5"),
    ("udp_unanswered", "2m", 120, "RFC 4787 REQ-5"),
    ("tcp_established", "2h4m", 7_440, "RFC 5382 REQ-5"),
    ("icmp", "60s", 60, "RFC 5508 REQ-2"),
];

/// Reads `[tcp]`.
pub(crate) fn read_tcp(root: &Fields, findings: &mut Findings) -> TcpPickup {
    let Some(value) = root.value("tcp") else {
        return TcpPickup::Syn;
    };
    let title = Title::Words("[tcp]");
    let Some(fields) = Fields::open_value(value, title, &schema::TCP, findings) else {
        return TcpPickup::Syn;
    };
    match fields.boolean("loose", false, findings) {
        true => TcpPickup::Anywhere,
        false => TcpPickup::Syn,
    }
}

/// Reads `[timeout]`, over the defaults of a preset.
pub(crate) fn read_timeouts(root: &Fields, preset: Preset, findings: &mut Findings) -> Timeouts {
    let defaults = preset.timeouts();
    let Some(value) = root.value("timeout") else {
        return defaults;
    };
    let title = Title::Words("[timeout]");
    let Some(fields) = Fields::open_value(value, title, &schema::TIMEOUT, findings) else {
        return defaults;
    };
    let mut time = |key: &str, default: Duration| {
        let Some(time) = fields.parsed(key, duration::parse, findings) else {
            return default;
        };
        if let Some(warning) = below_minimum(key, time.value) {
            findings.warn(time.at, warning);
        }
        time.value
    };
    let udp = time("udp", defaults.udp);
    // Who sets one time for UDP means all of it, unless the preset tells the two apart.
    let unanswered = match preset {
        Preset::Rfc => udp,
        Preset::Linux => defaults.udp_unanswered,
    };
    Timeouts {
        udp,
        udp_unanswered: time("udp_unanswered", unanswered),
        tcp_opening: time("tcp_opening", defaults.tcp_opening),
        tcp_established: time("tcp_established", defaults.tcp_established),
        tcp_closing: time("tcp_closing", defaults.tcp_closing),
        icmp: time("icmp", defaults.icmp),
        other: time("other", defaults.other),
    }
}

fn below_minimum(key: &str, time: Duration) -> Option<Fault> {
    let (_, least, seconds, source) = MINIMA.iter().find(|(name, ..)| *name == key)?;
    (time < Duration::from_secs(*seconds)).then(|| {
        Fault::new(format!("`{key}` is shorter than {source} asks for")).help(format!(
            "idle connections may break; at least \"{least}\" is safe"
        ))
    })
}

/// Reads `[limits]`.
pub(crate) fn read_limits(root: &Fields, findings: &mut Findings) -> Limits {
    let defaults = Limits::default();
    let Some(value) = root.value("limits") else {
        return defaults;
    };
    let title = Title::Words("[limits]");
    let Some(fields) = Fields::open_value(value, title, &schema::LIMITS, findings) else {
        return defaults;
    };
    let flows = fields.number("flows", FEWEST_FLOWS..=MOST_FLOWS, findings);
    let per_source = fields.number("flows_per_source", 1..=MOST_FLOWS, findings);
    if let (Some(flows), Some(per_source)) = (flows, per_source)
        && per_source.value > flows.value
    {
        let message = format!("`flows_per_source` is more than all {} flows", flows.value);
        findings.error(
            per_source.at,
            Fault::new(message).help("half of `flows` is a good start"),
        );
    }
    let new_flows = fields.number(
        "new_flows_per_second_per_source",
        1..=MOST_NEW_FLOWS,
        findings,
    );
    let adaptive = read_adaptive(&fields, defaults, findings);
    let syn_cookies = fields.number("syn_cookies", 0..=100, findings);
    let mut rate = |key: &str, default: u32| {
        let rate = fields.number(key, 0..=HIGHEST_RATE, findings);
        rate.map_or(default, |rate| rate.value)
    };
    Limits {
        flows: flows.map(|flows| flows.value),
        flows_per_source: per_source.map(|flows| flows.value),
        new_flows_per_second_per_source: new_flows.map(|flows| flows.value),
        adaptive_start: adaptive.0,
        adaptive_end: adaptive.1,
        syn_cookies: syn_cookies.map_or(defaults.syn_cookies, |percent| percent.value),
        icmp_errors_per_second: rate("icmp_errors_per_second", defaults.icmp_errors_per_second),
        log_lines_per_second: rate("log_lines_per_second", defaults.log_lines_per_second),
    }
}

/// When half-open and closed flows begin to live shorter, and when they would not live at all.
fn read_adaptive(fields: &Fields, defaults: Limits, findings: &mut Findings) -> (u32, u32) {
    let start = fields.number("adaptive_start", 0..=100, findings);
    let end = fields.number("adaptive_end", 1..=MOST_ADAPTIVE, findings);
    let at = end.as_ref().or(start.as_ref()).map(|number| number.at);
    let start = start.map_or(defaults.adaptive_start, |start| start.value);
    let end = end.map_or(defaults.adaptive_end, |end| end.value);
    if let Some(at) = at
        && start >= end
        && start < 100
    {
        let message = format!("`adaptive_end`, {end}, is not above `adaptive_start`, {start}");
        let help =
            "half-open flows live shorter from `adaptive_start` on; 100 there switches that off";
        findings.error(at, Fault::new(message).help(help));
    }
    (start, end)
}

//! `[[route]]`: networks behind another router.

use alloc::format;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::zone::neighbour_on;
use crate::fields::Fields;
use crate::findings::{Fault, Findings};
use crate::model::{Route, ZoneId};
use crate::schema;
use crate::segments::Segments;
use crate::span::Located;
use crate::title::Title;
use crate::value::address::{parse_host, parse_prefix_v4};

/// The most routes.
const MOST_ROUTES: usize = 256;

/// Reads all routes.
pub(crate) fn read_all(root: &Fields, segments: &Segments, findings: &mut Findings) -> Vec<Route> {
    let list = root.list("route", findings);
    if list.len() > MOST_ROUTES {
        let fault = Fault::new(format!("{} routes are too many", list.len()))
            .help(format!("there can be {MOST_ROUTES}"));
        findings.error(root.key_at("route"), fault);
        return Vec::new();
    }
    let mut routes: Vec<Route> = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let title = Title::Entry("route", index);
        let fields = Fields::open_value(value, title, &schema::ROUTE, findings);
        let route = fields.and_then(|fields| read(&fields, segments, &routes, findings));
        routes.extend(route);
    }
    routes
}

fn read(
    fields: &Fields,
    segments: &Segments,
    earlier: &[Route],
    findings: &mut Findings,
) -> Option<Route> {
    for (key, help) in [
        (
            "to",
            "name the network behind the other router: to = \"10.50.0.0/16\"",
        ),
        (
            "via",
            "name the other router's address: via = \"10.99.0.254\"",
        ),
    ] {
        if !fields.has(key) {
            fields.missing(key, help, findings);
        }
    }
    let to = fields.parsed("to", parse_prefix_v4, findings);
    let via = fields.parsed("via", parse_host, findings);
    let (to, via) = (to?, via?);
    findings.take(to.at, check_destination(to.value, segments, earlier))?;
    let zone = zone_of(via, segments, findings)?;
    Some(Route {
        to: to.value,
        via: via.value,
        zone,
    })
}

fn check_destination(to: Ipv4Net, segments: &Segments, earlier: &[Route]) -> Result<(), Fault> {
    if to.prefix_len() == 0 {
        return Err(Fault::new("a default route is not written as a route")
            .help("set `gateway` in the zone that leads out"));
    }
    if segments.with_network(to).is_some() {
        return Err(Fault::new(format!("{to} is a zone's own network"))
            .help("hosts there are reached directly: leave the route out"));
    }
    if earlier.iter().any(|route| route.to == to) {
        return Err(Fault::new(format!("there is a route to {to} already"))
            .help("a network is reached in one way"));
    }
    Ok(())
}

fn zone_of(via: Located<Ipv4Addr>, segments: &Segments, findings: &mut Findings) -> Option<ZoneId> {
    let Some(segment) = segments.holding(via.value) else {
        let message = format!("the router {} is on no zone's network", via.value);
        segments.refuse_stray(message, via.at, findings);
        return None;
    };
    findings.take(via.at, neighbour_on(segment.own, via.value, "the router"))?;
    Some(segment.zone)
}

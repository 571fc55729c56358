//! A packet's way, from the card it came by to the card it leaves by.
//!
//! ```text
//! receive ─ parse ─┬─ ARP ──────────────────────────────── neighbours
//!                  ├─ DHCP of our own ───────────────────── Local
//!                  └─ IP ─ reassemble ─┬─ ICMP error ─────── quoted flow ─┐
//!                                      └─ lookup ─┬─ known ─ observe ─────┤
//!                                                 └─ new ─── admit ───────┤
//!                                              forward: TTL, MTU, neighbour, rewrite
//! ```
//!
//! Each step is a function of a module of its own and is called from here, never
//! sideways: [`crate::parse`], [`crate::fragment`], [`crate::conntrack`],
//! [`admit`](mod@self::admit), [`forward`](mod@self::forward), [`gateway`](mod@self::gateway),
//! [`own`](mod@self::own), [`proxy`](mod@self::proxy), [`related`](mod@self::related).
//!
//! Before all that, plain packets are offered a shorter way, [`entry`](mod@self::entry) and [`short`](mod@self::short); and before
//! their turn comes, packets of a burst are looked at together if the flow table is large, [`foresight`](mod@self::foresight).

mod admit;
mod entry;
mod foresight;
mod forward;
mod gateway;
mod own;
mod proxy;
mod related;
mod short;

pub use foresight::{Foreseen, Foresight, GROUP, Pace};

use admit::Admission;
use short::ShortWay;

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sekisho_config::Config;

use crate::conntrack::{Conntrack, Sizing};
use crate::cookie::Cookies;
use crate::counters::Counters;
use crate::flow::{Direction, FlowId};
use crate::fragment::{Arrival, Fragments, Visit};
use crate::frame::Frame;
use crate::hash::Hasher;
use crate::holds::{Fate, Holds};
use crate::icmp::{self, RateLimit};
use crate::interface::{Interfaces, Link};
use crate::key::{Endpoint, Side};
use crate::nat::plan::Plan;
use crate::neighbor::{Mac, Neighbors, Question};
use crate::outbox::Outbox;
use crate::output::{Notice, Output, Record, Told};
use crate::packet::{Content, Packet};
use crate::parse::{ETHERNET, Parsed, parse};
use crate::policy::{Generation, Policy};
use crate::route::{NextHop, Route, Routes};
use crate::verdict::{DropReason, Egress, HOLD_SLOTS, HoldSlot, Verdict};
use crate::{Instant, Tick, ZoneId};

/// What the kernel knows of a card before the engine starts.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The card's Ethernet address.
    pub mac: Mac,
    /// Whether its cable is plugged in.
    pub link: Link,
}

/// Random numbers that must not be guessed from outside.
#[derive(Clone, Copy, Debug)]
pub struct Secrets {
    /// Key of the flow table's hash.
    pub flows: [u64; 2],
    /// Key of the neighbour table's hash.
    pub neighbors: u64,
}

/// The packet engine of one machine.
#[derive(Debug)]
pub struct Engine {
    interfaces: Interfaces,
    fixed_routes: Vec<Route>,
    routes: Routes,
    policy: Policy,
    conntrack: Conntrack,
    fragments: Fragments,
    neighbors: Neighbors,
    holds: Holds,
    /// Where each held frame came in.
    came_by: [Side; HOLD_SLOTS],
    outbox: Outbox,
    nat: Plan,
    /// Why each held frame was given up.
    gave_up: [DropReason; HOLD_SLOTS],
    records: heapless::Deque<Record, RECORDS>,
    notices: heapless::Deque<Notice, NOTICES>,
    errors: RateLimit,
    cookies: Cookies,
    counters: Counters,
    short_way: ShortWay,
    /// What the FTP gateway last heard, for who wants to tell of it.
    told: Option<Told>,
}

/// How many log records wait for the caller.
const RECORDS: usize = 32;
/// How many notices do.
const NOTICES: usize = 4;

/// How far a frame has come: a verdict, or the reason why it ends here.
type Step<T> = Result<T, DropReason>;

impl Engine {
    /// An engine for a checked configuration; `seats` are the zones' cards in the same order.
    ///
    /// All memory that the engine ever uses is taken here.
    #[must_use]
    pub fn new(config: &Config, seats: &[Seat], sizing: Sizing, secrets: Secrets) -> Self {
        let interfaces = Interfaces::new(config, seats);
        let zones = config.zones.len();
        let fixed_routes: Vec<Route> = config.routes.iter().map(fixed_route).collect();
        let mut routes = Routes::with_capacity(fixed_routes.len() + 2 * config.zones.len());
        routes.rebuild(interfaces.routes().chain(fixed_routes.iter().copied()));
        let mut engine = Self {
            outbox: Outbox::new(interfaces.largest_mtu()),
            policy: Policy::new(config, Generation::default()),
            conntrack: Conntrack::new(config, sizing, secrets.flows),
            fragments: Fragments::new(),
            neighbors: Neighbors::new(secrets.neighbors),
            holds: Holds::default(),
            came_by: [Side::OWN; HOLD_SLOTS],
            nat: Plan::new(config),
            gave_up: [DropReason::NeighborUnreachable; HOLD_SLOTS],
            records: heapless::Deque::new(),
            notices: heapless::Deque::new(),
            errors: RateLimit::new(config.limits.icmp_errors_per_second),
            cookies: Cookies::new(Hasher::new(secrets.flows)),
            counters: Counters::default(),
            short_way: ShortWay::Open,
            told: None,
            interfaces,
            fixed_routes,
            routes,
        };
        (0..zones)
            .filter_map(ZoneId::new)
            .for_each(|zone| engine.announce(zone));
        engine
    }

    /// Takes a frame that one of the box's own services made, with room for an Ethernet header.
    pub fn receive_own(&mut self, frame: &mut Frame<'_>, tick: Tick) -> Verdict {
        self.counters.arrived(Side::OWN);
        let step = self.process(Side::OWN, frame, Visit::First, tick);
        self.decide(step)
    }

    /// Looks again at a frame whose wait is over ([`Output::Resume`]).
    pub fn resume(&mut self, slot: HoldSlot, frame: &mut Frame<'_>, tick: Tick) -> Verdict {
        self.holds.free(slot);
        self.counters.resumed();
        let step = self.process(self.came_by[slot.index()], frame, Visit::Again, tick);
        self.decide(step)
    }

    /// Drops a frame whose wait was in vain ([`Output::GiveUp`]); its sender may be told.
    pub fn give_up(&mut self, slot: HoldSlot, frame: &mut Frame<'_>, tick: Tick) -> DropReason {
        self.holds.free(slot);
        self.counters.resumed();
        let reason = self.gave_up[slot.index()];
        if let (DropReason::NeighborUnreachable, Ok(Parsed::Ip(packet))) =
            (reason, parse(frame, self.came_by[slot.index()]))
        {
            self.tell(frame, &packet, icmp::Error::HostUnreachable, tick);
        }
        self.counters.decided(&Verdict::Drop(reason));
        reason
    }

    /// A frame came in whose card contradicted itself about it; it went no further.
    pub fn refused_by_card(&mut self, ingress: ZoneId) {
        self.counters.arrived(Side::zone(ingress));
        self.counters
            .decided(&Verdict::Drop(DropReason::OffloadInvalid));
    }

    /// A frame with a [`Verdict::Forward`] could not be sent after all.
    pub fn not_sent(&mut self, zone: ZoneId, reason: DropReason) {
        self.counters.not_sent(zone, reason);
    }

    /// A frame of the engine's own, an [`Output::Send`] or a [`Verdict::Answer`], could not be sent after all.
    pub fn own_not_sent(&mut self, zone: ZoneId) {
        self.counters.not_originated(zone);
    }

    /// The next thing to do; call it until there is none.
    pub fn poll(&mut self, tick: Tick) -> Option<Output<'_>> {
        if let Some(over) = self.over() {
            return Some(over);
        }
        if let Some(record) = self.records.pop_front() {
            return Some(Output::Log(record));
        }
        if let Some(notice) = self.notices.pop_front() {
            return Some(Output::Notice(notice));
        }
        self.age(tick);
        // What has just run out of time is given up in this round: no deadline would call for another.
        if let Some(over) = self.over() {
            return Some(over);
        }
        let Self {
            outbox, counters, ..
        } = self;
        let (zone, frame) = outbox.pop()?;
        counters.originated(zone);
        Some(Output::Send {
            egress: Egress::granted(zone),
            frame,
        })
    }

    /// Whether the frames so far gave [`poll`](Self::poll) something to do at once.
    #[must_use]
    #[inline]
    pub fn has_output(&self) -> bool {
        self.holds.any_over()
            || !self.outbox.is_empty()
            || !self.records.is_empty()
            || !self.notices.is_empty()
    }

    /// When [`poll`](Self::poll) has something to do by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.neighbors.due(),
            self.fragments.due(),
            self.conntrack.due(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// A zone's address came, changed or went; mappings on an address that is gone go with it.
    pub fn set_address(
        &mut self,
        zone: ZoneId,
        address: Option<Ipv4Net>,
        gateway: Option<Ipv4Addr>,
    ) {
        let Some(interface) = self.interfaces.get_mut(zone) else {
            return;
        };
        let old = interface.own();
        interface.address = address;
        interface.gateway = gateway;
        if old.is_some() && old != interface.own() {
            self.outbox.discard(zone);
            if let Some(old) = old {
                self.conntrack.forget_address(old.into());
            }
            self.neighbors.flush(zone, &mut self.holds);
        }
        self.routes.rebuild(
            self.interfaces
                .routes()
                .chain(self.fixed_routes.iter().copied()),
        );
        self.announce(zone);
    }

    /// A zone's cable was plugged in or pulled out.
    pub fn set_link(&mut self, zone: ZoneId, link: Link) {
        let Some(interface) = self.interfaces.get_mut(zone) else {
            return;
        };
        let was = core::mem::replace(&mut interface.link, link);
        match link {
            Link::Down => {
                self.outbox.discard(zone);
                self.neighbors.flush(zone, &mut self.holds);
            }
            Link::Up if was == Link::Down => self.announce(zone),
            Link::Up => {}
        }
    }

    /// Replaces the rules; flows are looked at again when their next packet comes.
    pub fn replace_policy(&mut self, config: &Config) {
        self.policy = Policy::new(config, self.policy.generation().next());
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the FTP gateway has heard since the last call.
    pub fn take_told(&mut self) -> Option<Told> {
        self.told.take()
    }

    /// The flow table, to look at.
    #[must_use]
    pub fn conntrack(&self) -> &Conntrack {
        &self.conntrack
    }

    /// How many datagrams are remembered that are not whole, or were refused.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.fragments.datagrams()
    }

    /// How often a tick's random word was looked at.
    #[must_use]
    #[inline]
    pub fn drawn(&self) -> u64 {
        self.conntrack.drawn()
    }

    /// One interface, to look at.
    #[must_use]
    pub fn interface(&self, zone: ZoneId) -> Option<&crate::interface::Interface> {
        self.interfaces.get(zone)
    }

    fn decide(&mut self, step: Step<Verdict>) -> Verdict {
        let verdict = step.unwrap_or_else(Verdict::Drop);
        self.counters.decided(&verdict);
        verdict
    }

    fn process(
        &mut self,
        side: Side,
        frame: &mut Frame<'_>,
        visit: Visit,
        tick: Tick,
    ) -> Step<Verdict> {
        let reception = own::reception(&self.interfaces, side, frame)?;
        let packet = match parse(frame, side)? {
            Parsed::Arp(_) if self.is_down(side) => return Err(DropReason::EgressDown),
            Parsed::Arp(arp) => return self.arp(side, frame, &arp, tick),
            Parsed::Ip(packet) => packet,
        };
        frame.truncate(ETHERNET + usize::from(packet.ip_len));
        if self.is_own_dhcp(&packet) {
            return Ok(Verdict::Local);
        }
        if self.is_down(side) {
            return Err(DropReason::EgressDown);
        }
        own::require_unicast(reception)?;
        match packet.content {
            Content::IcmpError { .. } => self.related(frame, &packet, tick),
            Content::IcmpOther => Err(DropReason::IcmpType),
            _ => self.ip(frame, packet, visit, tick),
        }
    }

    /// Whether nothing but DHCP may pass on a side: its cable is out, or the segment behind it is not known again yet.
    fn is_down(&self, side: Side) -> bool {
        let zone = side.as_zone().and_then(|zone| self.interfaces.get(zone));
        zone.is_some_and(|interface| interface.link == Link::Down)
    }

    fn ip(
        &mut self,
        frame: &mut Frame<'_>,
        packet: Packet,
        visit: Visit,
        tick: Tick,
    ) -> Step<Verdict> {
        let packet = if packet.fragment.is_piece() {
            let arrival = self
                .fragments
                .accept(&packet, visit, tick.now, &mut self.holds)?;
            match arrival {
                Arrival::Held(slot) => return Ok(self.held(slot, packet.key.side)),
                Arrival::Ready(whole) => whole,
            }
        } else {
            packet
        };
        match self.conntrack.lookup(&packet) {
            Some(flow) => self.known(frame, &packet, flow, tick),
            None => self.first(frame, &packet, tick),
        }
    }

    /// A packet of a known flow.
    fn known(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, direction): (FlowId, Direction),
        tick: Tick,
    ) -> Step<Verdict> {
        self.review(id)?;
        if let (_, _, Some(zone)) = self.leaving(id, direction) {
            self.check_transit(frame, packet, zone, tick)?;
        }
        if !self.conntrack.flow(id).is_attended() {
            self.conntrack.observe(id, direction, packet, tick.now)?;
            return self.forward(frame, packet, (id, direction), tick);
        }
        let mut packet = *packet;
        if let Some(ended) = self.attend(frame, &mut packet, (id, direction), tick)? {
            return Ok(ended);
        }
        self.conntrack.observe(id, direction, &packet, tick.now)?;
        self.forward(frame, &packet, (id, direction), tick)
    }

    /// A packet that belongs to no flow.
    fn first(&mut self, frame: &mut Frame<'_>, packet: &Packet, tick: Tick) -> Step<Verdict> {
        match self.admit(frame, packet, tick)? {
            Admission::Flow(id) => self.forward(frame, packet, (id, Direction::Original), tick),
            Admission::Ended(verdict) => Ok(verdict),
        }
    }

    /// The few flows whose segments are more than looked up: their sides count differently, or their lines are read.
    /// What it ends is observed already.
    fn attend(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &mut Packet,
        (id, direction): (FlowId, Direction),
        tick: Tick,
    ) -> Step<Option<Verdict>> {
        if self.conntrack.flow(id).is_renumbered()
            && let Some(ended) = self.mediate(frame, packet, (id, direction), tick)?
        {
            return Ok(Some(ended));
        }
        match self.conntrack.flow(id).is_read() {
            true => self.gateway(frame, packet, (id, direction), tick),
            false => Ok(None),
        }
    }

    /// How a flow's packets of one direction look when they leave, and by which zone.
    fn leaving(&self, id: FlowId, direction: Direction) -> (Endpoint, Endpoint, Option<ZoneId>) {
        let (src, dst, side) = self.conntrack.flow(id).rewritten(direction);
        (src, dst, side.as_zone())
    }

    /// A frame whose wait is over.
    fn over<'a>(&mut self) -> Option<Output<'a>> {
        let (slot, fate) = self.holds.pop()?;
        Some(match fate {
            Fate::Resume => Output::Resume { slot },
            Fate::GiveUp(reason) => {
                self.gave_up[slot.index()] = reason;
                Output::GiveUp { slot }
            }
        })
    }

    /// Lets time pass: questions are repeated, flows and fragments expire.
    fn age(&mut self, tick: Tick) {
        let Self {
            neighbors,
            holds,
            outbox,
            interfaces,
            ..
        } = self;
        neighbors.poll(tick.now, holds, &mut |question| {
            ask(outbox, interfaces, question)
        });
        self.fragments.expire(tick.now, &mut self.holds);
        self.conntrack.expire(tick.now);
    }

    /// Keeps a frame waiting.
    fn held(&mut self, slot: HoldSlot, side: Side) -> Verdict {
        self.came_by[slot.index()] = side;
        Verdict::Held(slot)
    }

    fn notice(&mut self, notice: Notice) {
        // One of a kind is enough: the same mistake is heard again and again.
        if !self.notices.iter().any(|known| *known == notice) {
            let _ = self.notices.push_back(notice);
        }
    }

    fn log(&mut self, record: Record) {
        // A full queue loses the newest: the console could not keep up anyway, and the counters are exact.
        let _ = self.records.push_back(record);
    }
}

fn fixed_route(route: &sekisho_config::model::Route) -> Route {
    Route {
        to: route.to,
        hop: NextHop {
            zone: route.zone,
            via: Some(route.via),
        },
    }
}

/// Writes an ARP request; none where we have no address to ask with (RFC 5227's probes are another matter).
fn ask(outbox: &mut Outbox, interfaces: &Interfaces, question: Question) {
    let Some(interface) = interfaces.get(question.zone) else {
        return;
    };
    let Some(own) = interface.own() else { return };
    if interface.link == Link::Down {
        return;
    }
    outbox.push(question.zone, |bytes| {
        crate::arp::request(bytes, interface.mac, own, question)
    });
}

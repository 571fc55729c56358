//! A flow's first packet: un-NAT, route, reverse path, filter, NAT, commit.
//!
//! Nothing is kept of a packet that is turned away: the flow lives on the stack
//! until every check has passed.

use core::net::Ipv4Addr;

use sekisho_config::model::Action;

use crate::conntrack::{Inbound, NewFlow, Source, tcp};
use crate::counters::Ftp;
use crate::engine::{Engine, Step};
use crate::flow::{Direction, FlowId};
use crate::frame::Frame;
use crate::ftp::controls::ControlId;
use crate::icmp;
use crate::interface::{Interface, Standing};
use crate::key::{Endpoint, FlowKey, Side};
use crate::martian;
use crate::output::Record;
use crate::packet::{Content, Packet};
use crate::policy::{Decision, ForwardId};
use crate::route::NextHop;
use crate::verdict::{DropReason, Verdict};
use crate::{Tick, ZoneId};

/// What becomes of a packet that belongs to no flow.
pub(super) enum Admission {
    /// It opened a flow.
    Flow(FlowId),
    /// The box itself dealt with it.
    Ended(Verdict),
}

/// Why a packet may go where it goes, before any rule is asked.
enum Entry {
    /// Its destination is a host's own address, or one that the host has for itself: rules decide.
    Routed,
    /// A forward invites it.
    Forward(Decision),
    /// An inside endpoint's mapping invites it (RFC 4787 section 5).
    Mapping,
}

impl Entry {
    const fn forward(&self) -> Option<ForwardId> {
        match self {
            Self::Forward(decision) => decision.forward,
            Self::Routed | Self::Mapping => None,
        }
    }
}

/// A new packet's way through the box.
struct Way {
    entry: Entry,
    destination: Endpoint,
    egress: ZoneId,
    source: Source,
}

impl Engine {
    /// Decides on a packet that belongs to no flow.
    pub(super) fn admit(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        tick: Tick,
    ) -> Step<Admission> {
        let key = &packet.key;
        let (Some(src), Some(dst)) = (key.src.address.as_v4(), key.dst.address.as_v4()) else {
            return Err(DropReason::Ipv6);
        };
        self.check_source(key.side, src)?;
        let standing = self.interfaces.standing(dst);
        check_destination(dst, standing)?;
        if let Some(expected) = self.expected(packet)? {
            return self.admit_expected(frame, packet, expected, tick);
        }
        let way = match standing {
            Standing::Broadcast | Standing::Other => match self.routed(key, dst) {
                Err(DropReason::NoRoute) => {
                    self.tell(frame, packet, icmp::Error::NetworkUnreachable, tick);
                    return Err(DropReason::NoRoute);
                }
                routed => routed?,
            },
            Standing::Ours(owner) => match self.invited(packet, owner)? {
                Some(way) => way,
                None => {
                    return self
                        .for_us(frame, packet, owner, tick)
                        .map(Admission::Ended);
                }
            },
        };
        // Rules first: who may not pass learns nothing of the way, neither its length nor its MTU.
        self.filter(frame, packet, &way, tick)?;
        self.check_transit(frame, packet, way.egress, tick)?;
        let new = NewFlow {
            original: *key,
            destination: way.destination,
            egress: Side::zone(way.egress),
            source: way.source,
            generation: self.policy.generation(),
            forward: way.entry.forward(),
        };
        if matches!(way.entry, Entry::Forward(_))
            && way.source == Source::Keep
            && let Some(ended) = self.greet(frame, packet, &new, tick)?
        {
            return Ok(Admission::Ended(ended));
        }
        self.conntrack
            .admit(&new, packet, tick)
            .map(Admission::Flow)
            .inspect_err(|reason| self.tell_if_denied(frame, packet, *reason, tick))
    }

    /// The control connection that announced what a packet opens, if that connection may still be.
    fn expected(&mut self, packet: &Packet) -> Step<Option<(ControlId, NewFlow)>> {
        let Content::Tcp(segment) = &packet.content else {
            return Ok(None);
        };
        let generation = self.policy.generation();
        let found = self.conntrack.announced(&packet.key, generation);
        let Some((control, new)) = found.filter(|_| tcp::opens(segment)) else {
            return Ok(None);
        };
        if let Some(control) = self.conntrack.controls().get(control) {
            self.review(control.flow)?;
        }
        Ok(Some((control, new)))
    }

    /// Lets in what a control connection announced, whatever the rules say of it.
    fn admit_expected(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (control, new): (ControlId, NewFlow),
        tick: Tick,
    ) -> Step<Admission> {
        let egress = new.egress.as_zone().ok_or(DropReason::EgressDown)?;
        self.check_transit(frame, packet, egress, tick)?;
        let id = self
            .conntrack
            .admit_announced(control, &new, packet, tick)
            .inspect_err(|reason| self.tell_if_denied(frame, packet, *reason, tick))?;
        self.counters.did(Ftp::Opened);
        Ok(Admission::Flow(id))
    }

    /// Whoever cannot have a flow for want of room, a port or a share of either hears so (RFC 5508 REQ-8).
    fn tell_if_denied(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        reason: DropReason,
        tick: Tick,
    ) {
        let is_denied = matches!(
            reason,
            DropReason::FlowTableFull
                | DropReason::FlowClash
                | DropReason::SourceLimit
                | DropReason::SourceRate
                | DropReason::NatPortsExhausted
        );
        if is_denied {
            self.tell(frame, packet, icmp::Error::Prohibited, tick);
        }
    }

    /// A source must be one that can be there, and a private one must be expected.
    fn check_source(&self, side: Side, src: Ipv4Addr) -> Step<()> {
        let Some(zone) = side.as_zone() else {
            return Ok(());
        };
        let hop = self.check_origin(zone, src)?;
        if hop.via.is_none() || !martian::is_private(src) {
            return Ok(());
        }
        let stranger =
            |interface: &Interface| !interface.allow_private_sources && !interface.is_on_link(src);
        let by_default_route = self.interfaces.get(zone).is_some_and(stranger);
        let fixed = self
            .fixed_routes
            .iter()
            .any(|route| route.hop.zone == zone && route.to.contains(&src));
        match by_default_route && !fixed {
            true => Err(DropReason::MartianSource),
            false => Ok(()),
        }
    }

    /// A source must exist, must not be ours, and must live where the packet came from (RFC 3704).
    pub(super) fn check_origin(&self, zone: ZoneId, src: Ipv4Addr) -> Step<NextHop> {
        let standing = self.interfaces.standing(src);
        if !martian::is_source(src) || standing == Standing::Broadcast {
            return Err(DropReason::MartianSource);
        }
        if standing != Standing::Other {
            return Err(DropReason::OwnSource);
        }
        self.routes
            .lookup(src)
            .filter(|hop| hop.zone == zone)
            .ok_or(DropReason::ReversePath)
    }

    /// The way of a packet whose destination is not ours.
    fn routed(&self, key: &FlowKey, dst: Ipv4Addr) -> Step<Way> {
        let hop = self.routes.lookup(dst).ok_or(DropReason::NoRoute)?;
        if key.side == Side::zone(hop.zone) {
            return Err(DropReason::SameZone);
        }
        let own = self
            .interfaces
            .get(hop.zone)
            .and_then(Interface::own)
            .ok_or(DropReason::EgressDown)?;
        let is_translated = match key.side.as_zone() {
            Some(from) => {
                let src = key.src.address.as_v4();
                self.nat.masquerade(from, hop.zone).is_some()
                    || src.is_some_and(|src| self.nat.outside_of(src, hop.zone).is_some())
            }
            None => true,
        };
        Ok(Way {
            entry: Entry::Routed,
            destination: key.dst,
            egress: hop.zone,
            source: match is_translated {
                true => self.translated(key, hop.zone, own),
                false => Source::Keep,
            },
        })
    }

    /// What a source becomes in zone `owner`, where our own address is `own`.
    fn translated(&self, key: &FlowKey, owner: ZoneId, own: Ipv4Addr) -> Source {
        let src = key.src.address.as_v4();
        if let Some(outside) = src.and_then(|src| self.nat.outside_of(src, owner)) {
            return Source::OneToOne(outside.into());
        }
        let entry = key
            .side
            .as_zone()
            .and_then(|from| self.nat.masquerade(from, owner));
        let address = entry.and_then(|entry| entry.address).unwrap_or(own);
        Source::Masquerade {
            owner,
            address: address.into(),
            behavior: self.nat.behavior(key.side, owner),
        }
    }

    /// The way of a packet to one of our own addresses, if a forward, a mapping or an address of an inside host's own invites it in.
    ///
    /// From another zone than the address's this is a hairpin: the source becomes an outside
    /// address too (RFC 4787 REQ-9), so that the answer comes back through us.
    fn invited(&mut self, packet: &Packet, owner: ZoneId) -> Step<Option<Way>> {
        let key = &packet.key;
        let outside = Side::zone(owner);
        let Some((entry, destination)) = self.invitation(key, owner)? else {
            return Ok(None);
        };
        let hop = destination
            .address
            .as_v4()
            .and_then(|dst| self.routes.lookup(dst));
        let egress = hop.ok_or(DropReason::NoRoute)?.zone;
        let source = if key.side == outside {
            Source::Keep
        } else if self.nat.behavior(key.side, owner).hairpin {
            let own = self.interfaces.get(owner).and_then(Interface::own);
            self.translated(key, owner, own.ok_or(DropReason::EgressDown)?)
        } else {
            return Err(DropReason::HairpinOff);
        };
        // Hosts of one zone reach each other without us: no rule is about them.
        let entry = match entry {
            Entry::Routed if key.side == Side::zone(egress) => Entry::Mapping,
            other => other,
        };
        Ok(Some(Way {
            entry,
            destination,
            egress,
            source,
        }))
    }

    /// Whom a packet to one of our addresses in zone `owner` is really for, and why it may get there.
    fn invitation(&mut self, key: &FlowKey, owner: ZoneId) -> Step<Option<(Entry, Endpoint)>> {
        let dst = key.dst.address.as_v4();
        if let Some(inside) = dst.and_then(|dst| self.nat.inside_of(dst)) {
            let destination = Endpoint {
                address: inside.into(),
                ..key.dst
            };
            return Ok(Some((Entry::Routed, destination)));
        }
        let own = self.interfaces.get(owner).and_then(Interface::own);
        if own == dst
            && let Some(found) = self.conntrack.forward(owner, key)
        {
            return Ok(Some((Entry::Forward(found.decision), found.inside)));
        }
        match self.conntrack.inbound(Side::zone(owner), key) {
            Inbound::Admitted(inside) => Ok(Some((Entry::Mapping, inside))),
            Inbound::Filtered => Err(DropReason::NatFiltered),
            Inbound::Unmapped => Ok(None),
        }
    }

    fn filter(&mut self, frame: &Frame<'_>, packet: &Packet, way: &Way, tick: Tick) -> Step<()> {
        let to = Side::zone(way.egress);
        let inside = FlowKey {
            dst: way.destination,
            ..packet.key
        };
        let decision = match way.entry {
            Entry::Routed if self.is_own_renewal(packet, way.egress) => return Ok(()),
            Entry::Routed => self.policy.decide(&inside, to),
            Entry::Forward(decision) => decision,
            Entry::Mapping => return Ok(()),
        };
        let verdict = match decision.action {
            Action::Accept => Ok(()),
            Action::Drop | Action::Reject => Err(match decision.rule {
                Some(_) => DropReason::PolicyRule,
                None => DropReason::PolicyDefault,
            }),
        };
        if decision.log {
            self.log(Record {
                decision,
                key: packet.key,
                to,
                reason: verdict.err(),
            });
        }
        if decision.action == Action::Reject {
            self.refuse(frame, packet, icmp::Error::Prohibited, tick);
        }
        verdict
    }

    /// A newer policy looks at a flow that an older one let in.
    pub(super) fn review(&mut self, id: FlowId) -> Step<()> {
        let flow = self.conntrack.flow(id);
        let generation = self.policy.generation();
        if flow.generation() == generation {
            return Ok(());
        }
        let (key, to) = flow.as_filtered();
        let dst = flow.key(Direction::Original).dst.address.as_v4();
        // An address of a host's own invites nobody, but for hosts of the same zone.
        let by_rule = key.side != to && dst.is_some_and(|dst| self.nat.inside_of(dst).is_some());
        let invited = self.conntrack.is_invited(id) && !by_rule;
        if !invited && self.policy.decide(&key, to).action != Action::Accept {
            self.conntrack.revoke(id);
            return Err(DropReason::PolicyWithdrawn);
        }
        self.conntrack.confirm(id, generation);
        Ok(())
    }
}

fn check_destination(dst: Ipv4Addr, standing: Standing) -> Step<()> {
    if martian::is_group(dst) || standing == Standing::Broadcast {
        return Err(DropReason::GroupDestination);
    }
    if !martian::is_destination(dst) {
        return Err(DropReason::MartianDestination);
    }
    Ok(())
}

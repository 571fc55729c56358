//! What is for the box itself: ARP, DHCP, echo requests, and closed ports.

use crate::arp::{self, ArpPacket, Operation};
use crate::engine::{Engine, Step, ask};
use crate::frame::Frame;
use crate::icmp;
use crate::interface::{Dhcp, Interface, Interfaces};
use crate::key::{Protocol, Side};
use crate::neighbor::{Mac, Question};
use crate::output::Notice;
use crate::packet::{Content, Packet};
use crate::parse::{Parsed, parse};
use crate::verdict::{DropReason, Egress, Verdict};
use crate::{Tick, ZoneId};

/// UDP ports of DHCP (RFC 2131 section 4.1).
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;

/// How a frame was addressed on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reception {
    /// To our card.
    Unicast,
    /// To all, or to a group.
    Group,
}

/// Reads the Ethernet destination: ours, a group's, or none of our business.
pub(super) fn reception(interfaces: &Interfaces, side: Side, frame: &Frame<'_>) -> Step<Reception> {
    let Some(zone) = side.as_zone() else {
        return Ok(Reception::Unicast);
    };
    let interface = interfaces.get(zone).ok_or(DropReason::EthernetNotForUs)?;
    let dst = frame
        .head
        .first_chunk::<6>()
        .ok_or(DropReason::EthernetTooShort)?;
    match dst {
        mac if *mac == interface.mac => Ok(Reception::Unicast),
        [first, ..] if first & 1 == 1 => Ok(Reception::Group),
        _ => Err(DropReason::EthernetNotForUs),
    }
}

/// No packet that came to a group is forwarded or answered (RFC 1812 section 5.3.4).
pub(super) fn require_unicast(reception: Reception) -> Step<()> {
    match reception {
        Reception::Unicast => Ok(()),
        Reception::Group => Err(DropReason::GroupDestination),
    }
}

impl Engine {
    /// ARP belongs to the engine alone: it answers for our addresses and hears who lives where.
    pub(super) fn arp(
        &mut self,
        side: Side,
        frame: &mut Frame<'_>,
        arp: &ArpPacket,
        tick: Tick,
    ) -> Step<Verdict> {
        let zone = side.as_zone().ok_or(DropReason::ArpInvalid)?;
        self.check_segment(zone, arp.sender_mac)?;
        let interface = self.interfaces.get(zone).ok_or(DropReason::ArpInvalid)?;
        interface.own().ok_or(DropReason::EgressDown)?;
        if interface.holds(arp.sender) {
            self.notice(Notice::AddressTaken {
                zone,
                by: arp.sender_mac,
            });
            return Err(DropReason::ArpConflict);
        }
        // A sender at 0.0.0.0 probes whether an address is taken (RFC 5227); it is answered, not learned.
        let is_probe = arp.sender.is_unspecified();
        if !is_probe && !interface.is_on_link(arp.sender) {
            return Err(DropReason::ArpInvalid);
        }
        let mac = interface.mac;
        // What we hold and is not of this segment is routed to us: nobody asks for it by ARP.
        let is_ours = interface.holds(arp.target) && interface.is_on_link(arp.target);
        if !is_probe {
            let Self {
                neighbors,
                holds,
                outbox,
                interfaces,
                ..
            } = self;
            let mut ask = |question| ask(outbox, interfaces, question);
            neighbors.heard(zone, arp.sender, arp.sender_mac, tick.now, holds, &mut ask)?;
        }
        match arp.operation {
            Operation::Request if is_ours => {
                arp::answer(frame, arp, mac, arp.target);
                Ok(Verdict::Answer(Egress::granted(zone)))
            }
            Operation::Request | Operation::Reply => Ok(Verdict::Absorbed),
        }
    }

    /// What one of our cards says is heard by another only if both are on one segment.
    fn check_segment(&mut self, heard_by: ZoneId, sender: Mac) -> Step<()> {
        let speaks = |other: &&Interface| other.mac == sender && other.zone != heard_by;
        let speaker = self.interfaces.iter().find(speaks).map(|other| other.zone);
        let Some(spoken_by) = speaker else {
            return Ok(());
        };
        self.notice(Notice::OneSegment {
            heard_by,
            spoken_by,
        });
        Err(DropReason::EthernetOwnSource)
    }

    /// Says whose address ours is, to whoever has an older answer, and to a card of ours on the same segment.
    pub(super) fn announce(&mut self, zone: ZoneId) {
        let Some(address) = self.interfaces.get(zone).and_then(Interface::own) else {
            return;
        };
        let question = Question {
            zone,
            address,
            owner: None,
        };
        ask(&mut self.outbox, &self.interfaces, question);
    }

    /// Whether the packet is DHCP for the box, which takes it before it has an address.
    pub(super) fn is_own_dhcp(&self, packet: &Packet) -> bool {
        let Some(interface) = packet
            .key
            .side
            .as_zone()
            .and_then(|zone| self.interfaces.get(zone))
        else {
            return false;
        };
        let Some(dst) = packet.key.dst.address.as_v4() else {
            return false;
        };
        let (from, to) = (packet.key.src.port, packet.key.dst.port);
        if packet.key.protocol != Protocol::UDP || packet.fragment.is_piece() {
            return false;
        }
        let ours = dst.is_broadcast() || interface.own() == Some(dst);
        match interface.dhcp {
            // The server may answer to the address that it offers, which is not ours yet.
            Dhcp::Client => {
                from == DHCP_SERVER && to == DHCP_CLIENT && (ours || interface.own().is_none())
            }
            Dhcp::Server => to == DHCP_SERVER && ours,
            Dhcp::Silent => false,
        }
    }

    /// Sends a DHCP message of the box as it is, to a host that may have no address yet, or none that we know.
    ///
    /// It is the one packet that leaves without a look into the rules, so it must be what it says:
    /// a zone with a DHCP role, that role's UDP ports, and our own address or none as the source.
    pub fn send_dhcp(&mut self, zone: ZoneId, bytes: &mut [u8]) -> bool {
        let Some(interface) = self.interfaces.get(zone) else {
            return false;
        };
        let (role, own) = (interface.dhcp, interface.own());
        let Ok(Parsed::Ip(packet)) = parse(&Frame::whole(bytes), Side::OWN) else {
            return false;
        };
        let ports = (packet.key.src.port, packet.key.dst.port);
        let is_role = match role {
            Dhcp::Client => ports == (DHCP_CLIENT, DHCP_SERVER),
            Dhcp::Server => ports == (DHCP_SERVER, DHCP_CLIENT),
            Dhcp::Silent => false,
        };
        let src = packet.key.src.address.as_v4();
        let is_ours = src.is_some_and(|src| src.is_unspecified() || Some(src) == own);
        packet.key.protocol == Protocol::UDP
            && is_role
            && is_ours
            && self.outbox.push(zone, |out| {
                out.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some(bytes.len())
            })
    }

    /// Whether a packet of the box itself is its DHCP client's to the server that granted the lease (RFC 2131 section 4.4.5).
    pub(super) fn is_own_renewal(&self, packet: &Packet, egress: ZoneId) -> bool {
        let ports = (packet.key.src.port, packet.key.dst.port);
        packet.key.side == Side::OWN
            && packet.key.protocol == Protocol::UDP
            && ports == (DHCP_CLIENT, DHCP_SERVER)
            && self
                .interfaces
                .get(egress)
                .is_some_and(|interface| interface.dhcp == Dhcp::Client)
    }

    /// A packet to one of our own addresses that belongs to no flow, forward or mapping.
    pub(super) fn for_us(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        owner: ZoneId,
        tick: Tick,
    ) -> Step<Verdict> {
        let zone = packet.key.side.as_zone().ok_or(DropReason::NotOffered)?;
        let interface = self.interfaces.get(zone).ok_or(DropReason::NotOffered)?;
        // Strong host model (RFC 1122 section 3.3.4.2): only by the address of this card.
        if owner != zone {
            return Err(DropReason::NotOffered);
        }
        if is_echo_request(packet) && interface.answer.echo {
            return match icmp::answer_echo(frame, packet) {
                Ok(()) => Ok(Verdict::Answer(Egress::granted(zone))),
                Err(reason) => Err(reason),
            };
        }
        if interface.answer.refuse {
            self.refuse(frame, packet, icmp::Error::PortUnreachable, tick);
        }
        Err(DropReason::NotOffered)
    }
}

impl Engine {
    /// Tells a packet's sender what became of it, if it may be told here and not too often.
    ///
    /// "Fragmentation needed" goes out in any case, else path MTU discovery breaks (RFC 5508 REQ-8 lets the rest be muted).
    pub(super) fn tell(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        error: icmp::Error,
        tick: Tick,
    ) {
        let Some(interface) = packet
            .key
            .side
            .as_zone()
            .and_then(|zone| self.interfaces.get(zone))
        else {
            return;
        };
        let always = matches!(error, icmp::Error::FragmentationNeeded { .. });
        if always || interface.answer.errors {
            self.send_refusal(frame, packet, tick, |out, way| {
                icmp::write_error(out, frame, packet, error, way)
            });
        }
    }

    /// Refuses a packet: TCP gets a reset, all else `error`.
    pub(super) fn refuse(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        error: icmp::Error,
        tick: Tick,
    ) {
        self.send_refusal(frame, packet, tick, |out, way| match packet.content {
            Content::Tcp(segment) => icmp::write_reset(out, packet, &segment, way),
            _ => icmp::write_error(out, frame, packet, error, way),
        });
    }

    fn send_refusal(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        tick: Tick,
        write: impl FnOnce(&mut [u8], icmp::Way) -> Option<usize>,
    ) {
        let Some(interface) = packet
            .key
            .side
            .as_zone()
            .and_then(|zone| self.interfaces.get(zone))
        else {
            return;
        };
        let (Some(own), Some(&to)) = (
            interface.own(),
            frame.head.get(6..).and_then(|rest| rest.first_chunk::<6>()),
        ) else {
            return;
        };
        if !icmp::may_tell(frame, packet) || !self.errors.take(tick.now) {
            return;
        }
        let way = icmp::Way {
            from: interface.mac,
            own,
            to,
        };
        self.outbox.push(interface.zone, |out| write(out, way));
    }
}

fn is_echo_request(packet: &Packet) -> bool {
    let (src, dst) = (packet.key.src.port, packet.key.dst.port);
    let is_query = match packet.content {
        Content::IcmpQuery => true,
        // The rest of one, unless it may as well be the rest of a reply with this identifier.
        Content::Piece => packet.key.protocol == Protocol::ICMP && src != dst,
        _ => false,
    };
    is_query && dst == u16::from(icmp::ECHO_REQUEST)
}

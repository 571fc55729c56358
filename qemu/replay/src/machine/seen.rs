//! What a packet is to the flows, told from before and after the engine looked at it.

use sekisho_engine::engine::Engine;
use sekisho_engine::flow::{Direction, FlowId};
use sekisho_engine::frame::Frame;
use sekisho_engine::key::{FlowKey, Side};
use sekisho_engine::packet::{Content, Packet};
use sekisho_engine::parse::{Parsed, parse};
use sekisho_engine::quote;

use super::event::{Age, FlowSeen, Invited, Shape};

/// What is known of a packet before the engine looks at it.
pub(super) struct Seen {
    pub(super) key: Option<FlowKey>,
    flow: Option<(FlowId, Direction)>,
    quoted: Option<FlowKey>,
    pub(super) shape: Shape,
}

impl Seen {
    pub(super) fn before(engine: &Engine, side: Side, frame: &Frame<'_>) -> Self {
        let Ok(Parsed::Ip(packet)) = parse(frame, side) else {
            return Self {
                key: None,
                flow: None,
                quoted: None,
                shape: Shape::Whole,
            };
        };
        let quoted = quoted(frame, &packet);
        let flow = engine.conntrack().find(&quoted.unwrap_or(packet.key));
        Self {
            key: Some(packet.key),
            flow,
            quoted,
            shape: match packet.fragment.is_piece() {
                true => Shape::Piece,
                false => Shape::Whole,
            },
        }
    }

    pub(super) fn after(&self, engine: &Engine) -> Option<FlowSeen> {
        let before = self.quoted.or(self.key)?;
        let (id, direction) = engine.conntrack().find(&before)?;
        let age = match (self.quoted, self.flow) {
            (Some(_), _) => Age::Reported,
            (None, Some(known)) if known == (id, direction) => Age::Known,
            (None, _) => Age::New,
        };
        let flow = engine.conntrack().flow(id);
        Some(FlowSeen {
            age,
            invited: match flow.is_announced() {
                true => Invited::ByFtp,
                false => Invited::ByMapping,
            },
            direction,
            before,
            after: flow.rewritten(direction),
        })
    }
}

/// The flow that an ICMP error is about, as its packets come in on the error's side.
fn quoted(frame: &Frame<'_>, packet: &Packet) -> Option<FlowKey> {
    let Content::IcmpError { .. } = packet.content else {
        return None;
    };
    let quote = quote::parse(frame, packet).ok()?;
    Some(quote.incoming(packet.key.side))
}

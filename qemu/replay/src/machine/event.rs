//! What happens in a machine, one thing at a time.

use sekisho_engine::flow::Direction;
use sekisho_engine::key::{Endpoint, FlowKey, Side};
use sekisho_engine::output::{Notice, Told};
use sekisho_engine::policy::Decision;
use sekisho_engine::{DropReason, Instant, ZoneId};
use sekisho_services::server::Outcome;

/// A received frame's number, from 0 in the order of arrival.
pub type Number = u64;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The engine looked at a frame.
    Looked(Look),
    /// A frame left.
    Sent(Sent),
    /// Something that a person should mend.
    Notice(Notice),
    /// What a DHCP server of ours did.
    Served(ZoneId, Outcome),
}

/// One look at one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// Which frame; `None` for one of our own services.
    pub number: Option<Number>,
    /// Where it came in.
    pub side: Side,
    /// The first look, or one after a wait.
    pub visit: Visit,
    /// Its key as it came in, if it is an IP packet that can be read.
    pub key: Option<FlowKey>,
    /// Whether it is a whole datagram.
    pub shape: Shape,
    /// The flow it belongs to, opened, or is an error about.
    pub flow: Option<FlowSeen>,
    /// What the policy said, if it was asked and a rule or a forward took the packet.
    pub decision: Option<Decision>,
    /// What the FTP gateway heard in it.
    pub told: Option<Told>,
    /// How the look ended.
    pub end: End,
}

/// Which look it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// The frame had just come in.
    First,
    /// What it waited for came.
    Resumed,
    /// What it waited for did not come.
    GivenUp,
}

/// Whether a packet is a whole datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It is, or no IP packet at all.
    Whole,
    /// It is a fragment.
    Piece,
}

/// A flow as a packet of it finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSeen {
    /// Whether the packet opened it.
    pub age: Age,
    /// What let it in, where no rule and no forward did.
    pub invited: Invited,
    /// Which way the packet goes.
    pub direction: Direction,
    /// The packet's key as it came in; for an ICMP error, that of the flow's packets on its side.
    pub before: FlowKey,
    /// Sender and receiver as they leave, and by which side.
    pub after: (Endpoint, Endpoint, Side),
}

/// Who lets a flow in that neither a rule nor a forward does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invited {
    /// An inside host's mapping.
    ByMapping,
    /// An FTP control connection that announced it.
    ByFtp,
}

/// What a packet is to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It opened the flow.
    New,
    /// The flow was there.
    Known,
    /// It is an ICMP error about the flow.
    Reported,
}

/// How a look at a frame ended: a verdict that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Went on, out of a zone.
    Forwarded(ZoneId),
    /// Went on in pieces.
    Fragmented(ZoneId),
    /// Went on with another text in it.
    Remade(ZoneId),
    /// The box's answer went back.
    Answered(ZoneId),
    /// For one of the box's services.
    Local,
    /// Used up by the engine.
    Absorbed,
    /// Waits.
    Held,
    /// Ended here.
    Dropped(DropReason),
}

/// A frame that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// By which card.
    pub zone: ZoneId,
    /// The whole frame.
    pub bytes: Vec<u8>,
    /// The received frame that it is; `None` if the box made it.
    pub number: Option<Number>,
}

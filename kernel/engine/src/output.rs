//! What the engine wants done beside the verdict on a frame.

use crate::ZoneId;
use crate::address::Address;
use crate::key::{Endpoint, FlowKey, Side};
use crate::neighbor::Mac;
use crate::policy::Decision;
use crate::verdict::{DropReason, Egress, HoldSlot};

/// One thing to do; taken from the engine until there is none.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send a frame that the engine made (ARP, ICMP, a service's packet, a fragment).
    Send {
        /// Leave to send it.
        egress: Egress,
        /// The whole frame, from the Ethernet header on, checksums complete.
        frame: &'a [u8],
    },
    /// What a frame waited for is there: hand it to `Engine::resume`.
    Resume {
        /// Which frame.
        slot: HoldSlot,
    },
    /// What a frame waited for will not come: hand it to `Engine::give_up`, then free it.
    GiveUp {
        /// Which frame.
        slot: HoldSlot,
    },
    /// A decision whose rule says `log`.
    Log(Record),
    /// Something that a person should mend.
    Notice(Notice),
}

/// A mistake in how the networks are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A card hears another one of ours: both are on one segment, and nothing stands between the two zones.
    OneSegment {
        /// Which zone's card heard it.
        heard_by: ZoneId,
        /// Whose card spoke.
        spoken_by: ZoneId,
    },
    /// Another host says that our address is its own.
    AddressTaken {
        /// On which segment.
        zone: ZoneId,
        /// Who says so.
        by: Mac,
    },
}

/// One line for the console.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// What was decided, and by which rule or forward.
    pub decision: Decision,
    /// The flow's key before any translation.
    pub key: FlowKey,
    /// Where it would have gone, or goes.
    pub to: Side,
    /// Why it was dropped, if it was.
    pub reason: Option<DropReason>,
}

/// What the FTP gateway heard on a control connection, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A data connection is expected.
    Expected {
        /// From whom.
        from: Address,
        /// Where to, as its sender sees it: what the announcement says now.
        to: Endpoint,
        /// Where it really goes.
        destination: Endpoint,
    },
    /// The announcement is not believed, or there is no port for it.
    Refused,
    /// A segment that was changed came again, and was changed alike.
    Again,
}

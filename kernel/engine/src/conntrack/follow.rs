//! What nearly every packet of a known flow changes: numbers and time.

use crate::Instant;
use crate::conntrack::Conntrack;
use crate::conntrack::state::State;
use crate::conntrack::tcp::Phase;
use crate::engine::{Foreseen, Foresight};
use crate::flow::{Direction, FlowId};
use crate::hash::KeyV4;
use crate::key::FlowKey;
use crate::packet::{Content, Packet};
use crate::stamp::Stamp;

impl Conntrack {
    /// The flow that a plain packet belongs to; the hash of its key may have been foreseen.
    #[inline(always)]
    pub fn find_plain(
        &self,
        key: &FlowKey,
        foresight: Option<&Foresight>,
    ) -> Option<(FlowId, Direction)> {
        self.table.find_v4(key, foresight)
    }

    /// The hash of a plain packet's key.
    #[inline(always)]
    pub fn hash_of(&self, key: KeyV4) -> u64 {
        self.table.hash_of(key)
    }

    /// Reads ahead what the lookups of a group's packets will read.
    pub fn fetch(&self, group: &Foreseen) {
        self.table.fetch(group);
    }

    /// Takes a packet of a known flow if it changes no state; `None`: nothing has happened, [`observe`](Self::observe) decides.
    #[inline(always)]
    pub fn follow(
        &mut self,
        id: FlowId,
        from: Direction,
        packet: &Packet,
        now: Instant,
    ) -> Option<()> {
        let flow = self.table.get_mut(id);
        let refreshes = match (&packet.content, flow.state) {
            (Content::Tcp(segment), State::Tcp(state)) => {
                let is_plain = segment.flags.only_acknowledges()
                    && state.phase() == Phase::Established
                    && flow.windows.admit(flow.scales, from, segment);
                if !is_plain {
                    return None;
                }
                flow.windows.note(flow.scales, from, segment);
                true
            }
            (Content::Udp, State::Answered) => flow.is_outbound(from),
            (Content::Udp, State::Unanswered) if from == Direction::Original => {
                flow.is_outbound(from)
            }
            _ => return None,
        };
        if refreshes {
            flow.touch(Stamp::of(now));
        }
        Some(())
    }
}

//! FTP's control connections among the flows, and the data connections that they announce ([`crate::ftp`]).
//!
//! An expected connection holds a lease of its own until it has come, its time is over, its control connection
//! announces another one, or that ends.

use sekisho_config::model::{Behavior, Filtering};

use crate::address::Address;
use crate::conntrack::state::State;
use crate::conntrack::{Conntrack, NewFlow, Source, tcp};
use crate::flow::{Direction, FlowId, Reading};
use crate::ftp::control::{Control, Expected, Progress};
use crate::ftp::controls::{ControlId, Controls, PATIENCE};
use crate::ftp::text::Text;
use crate::key::{Endpoint, FlowKey, Protocol, Side};
use crate::mapping::{MappingId, Peers};
use crate::nat::mappings::Inside;
use crate::packet::Packet;
use crate::policy::Generation;
use crate::time::Tick;
use crate::verdict::DropReason;
use crate::{Instant, ZoneId};

/// What a control connection has announced, with all names resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Who waits, where it really is.
    pub waits: Endpoint,
    /// Behind which side.
    pub side: Side,
    /// The address that the other peer knows it by.
    pub known_by: Address,
    /// The other peer: who may come.
    pub from: Address,
    /// Behind which side.
    pub from_side: Side,
    /// What becomes of its source.
    pub source: Source,
}

/// How an announced endpoint gets its outside port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has that port for itself.
    Own,
    /// It leases one of an address of a zone, by a mapping with this behaviour.
    Leased(ZoneId, Behavior),
}

impl Conntrack {
    /// The table of control connections, to look at.
    #[must_use]
    pub const fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What is kept of a control connection.
    #[must_use]
    pub fn control(&self, id: FlowId) -> Option<&Control> {
        self.controls.get(self.flow(id).control()?)
    }

    /// Begins to read a control connection of which no payload has gone by; `false` if there is no room: then it is
    /// never read.
    pub fn begin_reading(&mut self, id: FlowId) -> bool {
        let flow = self.table.get(id);
        let original = flow.key(Direction::Original);
        let control = Control {
            flow: id,
            client: (original.src.address, original.side),
            progress: Progress::new(flow.windows.next()),
            shifts: [Direction::Original, Direction::Reply].map(|sender| self.shift(id, sender)),
            texts: [const { Text::new() }; 2],
            expected: None,
        };
        let place = self.controls.enter(control);
        let flow = self.table.get_mut(id);
        match place {
            Some(place) => flow.set_control(place),
            None => flow.set_reading(Reading::Nothing),
        }
        place.is_some()
    }

    /// Notes how far a control connection was read. If nothing more of it is to be read, and nothing of it was changed,
    /// it is a flow like any other from now on.
    pub fn note_progress(&mut self, id: FlowId, progress: Progress) {
        let Some(place) = self.flow(id).control() else {
            return;
        };
        let Some(control) = self.controls.get_mut(place) else {
            return;
        };
        control.progress = progress;
        let is_unchanged = control.shifts.iter().all(|shift| shift.is_none());
        // What was changed may have to be repeated.
        if progress.is_over() && is_unchanged && control.expected.is_none() {
            self.leave(place);
            let flow = self.table.get_mut(id);
            flow.forget_control();
            flow.set_reading(Reading::Nothing);
        }
    }

    /// Whether both peers have shaken hands.
    #[must_use]
    pub fn is_established(&self, id: FlowId) -> bool {
        match self.flow(id).state {
            State::Tcp(state) => state != tcp::State::Reset && state.phase() != tcp::Phase::Opening,
            State::Unanswered | State::Answered => false,
        }
    }

    /// Forgets a text in `sender`'s stream that numbers cannot be compared with much longer.
    pub fn forget_far_text(&mut self, id: FlowId, sender: Direction, seq: u32) {
        let place = self.flow(id).control();
        if let Some(control) = place.and_then(|place| self.controls.get_mut(place)) {
            let shift = &mut control.shifts[sender.index()];
            *shift = shift.without_text_far_behind(seq);
        }
    }

    /// Whether all that `sender` sent before this number is acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self, id: FlowId, sender: Direction, before: u32) -> bool {
        self.flow(id).windows.is_acknowledged(sender, before)
    }

    /// A text in `sender`'s stream has been replaced: `old` bytes from the number `start` on.
    pub fn note_text(
        &mut self,
        id: FlowId,
        sender: Direction,
        (start, old): (u32, u16),
        text: Text,
    ) {
        let place = self.flow(id).control();
        if let Some(control) = place.and_then(|place| self.controls.get_mut(place)) {
            let shift = &mut control.shifts[sender.index()];
            *shift = shift.with_text(start, old, text.len() as u16);
            control.texts[sender.index()] = text;
        }
    }

    /// Expects the connection that a control connection has announced: the endpoint that the other peer is to be told.
    pub fn expect(
        &mut self,
        id: FlowId,
        announced: &Announced,
        place: Place,
        tick: Tick,
    ) -> Result<Endpoint, DropReason> {
        let control = self.flow(id).control().ok_or(DropReason::TcpState)?;
        let (to, lease) = match place {
            Place::Own => {
                let port = announced.waits.port;
                let address = announced.known_by;
                (Endpoint { address, port }, None)
            }
            Place::Leased(owner, behavior) => {
                let lease = self.lease(announced, owner, behavior, tick.random)?;
                let mapping = self
                    .mappings
                    .get(lease)
                    .ok_or(DropReason::NatPortsExhausted)?;
                (mapping.outside, Some(lease))
            }
        };
        let expected = Expected {
            from: announced.from,
            side: announced.from_side,
            to,
            destination: announced.waits,
            egress: announced.side,
            source: announced.source,
            lease,
            until: tick.now.after(PATIENCE),
        };
        let before = self.controls.expect(control, expected);
        self.release(before);
        Ok(to)
    }

    /// The control connection that announced what a packet of no flow opens, and how it is translated.
    #[must_use]
    pub fn announced(&self, key: &FlowKey, generation: Generation) -> Option<(ControlId, NewFlow)> {
        let control = self.controls.find(key)?;
        let expected = self.controls.get(control)?.expected?;
        let new = NewFlow {
            original: *key,
            destination: expected.destination,
            egress: expected.egress,
            source: expected.source,
            generation,
            forward: None,
        };
        Some((control, new))
    }

    /// Enters a connection that was announced: from then on no other one is expected in its place.
    pub fn admit_announced(
        &mut self,
        control: ControlId,
        new: &NewFlow,
        packet: &Packet,
        tick: Tick,
    ) -> Result<FlowId, DropReason> {
        let expected = self.controls.take(control).ok_or(DropReason::TcpNoFlow)?;
        // Room for it may cost the control connection its place.
        let flow = self.controls.get(control).map(|control| control.flow);
        let admitted = self.admit(new, packet, tick);
        let lives = self.controls.get(control).map(|control| control.flow) == flow;
        match admitted {
            Ok(id) => {
                self.table.get_mut(id).set_announced();
                self.release(expected.lease);
            }
            // It may try again.
            Err(_) if lives => {
                let before = self.controls.expect(control, expected);
                self.release(before);
            }
            Err(_) => self.release(expected.lease),
        }
        admitted
    }

    /// Ends a control connection's part of the table.
    pub(super) fn leave(&mut self, control: ControlId) {
        let lease = self.controls.leave(control);
        self.release(lease);
    }

    /// Ends what was expected for too long; how many were.
    pub(super) fn stop_expecting(&mut self, now: Instant) -> usize {
        let mut seen = 0;
        while let Some(over) = self.controls.pop_due(now) {
            self.release(over.lease);
            seen += 1;
        }
        seen
    }

    fn lease(
        &mut self,
        announced: &Announced,
        owner: ZoneId,
        behavior: Behavior,
        random: u64,
    ) -> Result<MappingId, DropReason> {
        self.drawn += 1;
        let peer = Endpoint {
            address: announced.from,
            port: 0,
        };
        let inside = Inside {
            protocol: Protocol::TCP,
            side: announced.side,
            endpoint: announced.waits,
            peers: Peers::with(peer, behavior.mapping),
        };
        // It waits for one peer, whoever else may send to the mappings of that NAT.
        let behavior = Behavior {
            filtering: Filtering::AddressAndPortDependent,
            ..behavior
        };
        let address = announced.known_by;
        let id = self
            .mappings
            .obtain(&inside, owner, address, &behavior, random)?;
        self.mappings.hold(id);
        Ok(id)
    }

    fn release(&mut self, lease: Option<MappingId>) {
        if let Some(lease) = lease {
            self.mappings.release(lease);
        }
    }
}

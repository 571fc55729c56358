//! What is kept of flows that began with a cookie ([`crate::cookie`]): how differently their two sides count.

use sekisho_config::Config;

use crate::conntrack::Conntrack;
use crate::conntrack::state::{Life, State};
use crate::conntrack::tcp;
use crate::flow::{Direction, FlowId};
use crate::packet::Segment;
use crate::shift::Shift;

/// When cookies are made.
#[derive(Clone, Copy, Debug)]
pub struct Mediated {
    /// How many half-open connections are too many; `None`: any number is borne.
    flood: Option<usize>,
}

impl Mediated {
    /// For a table with `capacity` places.
    #[must_use]
    pub fn new(config: &Config, capacity: usize) -> Self {
        let percent = config.limits.syn_cookies;
        let may_be = !config.forwards.is_empty() && percent < 100;
        let flood = (capacity as u64 * u64::from(percent) / 100) as usize;
        Self {
            flood: may_be.then_some(flood),
        }
    }
}

impl Conntrack {
    /// Whether so many connections are half-open that those to forwards begin with a cookie.
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        let half_open = self.timers.count(Life::TcpOpening);
        self.mediated.flood.is_some_and(|flood| half_open >= flood)
    }

    /// The number kept for a mediated flow: its cookie, and once the server has answered what is added to the server's numbers.
    #[must_use]
    pub fn number(&self, id: FlowId) -> u32 {
        self.flow(id).number()
    }

    /// Keeps a number for a flow, which is a mediated one from now on.
    pub fn set_number(&mut self, id: FlowId, number: u32) {
        self.table.get_mut(id).set_number(number);
    }

    /// Whether the server of a flow has not answered yet.
    #[must_use]
    pub fn is_opening(&self, id: FlowId) -> bool {
        self.flow(id).state == State::Tcp(tcp::State::SynSent)
    }

    /// Number and window of a flow's SYN.
    #[must_use]
    pub fn opening(&self, id: FlowId) -> (u32, u16) {
        self.flow(id).windows.opening()
    }

    /// Whether a segment acknowledges the flow's SYN.
    #[must_use]
    pub fn acknowledges_syn(&self, id: FlowId, segment: &Segment) -> bool {
        self.flow(id).windows.acknowledges_syn(segment)
    }

    /// How one peer's numbers are counted on the other side.
    #[must_use]
    pub fn shift(&self, id: FlowId, sender: Direction) -> Shift {
        let flow = self.flow(id);
        if let Some(control) = flow.control() {
            let control = self.controls.get(control);
            return control.map_or(Shift::NONE, |control| control.shifts[sender.index()]);
        }
        match sender {
            // Both count what the client sends alike: its SYN reached the server with its own number.
            Direction::Original => Shift::NONE,
            Direction::Reply => Shift::by(flow.number()),
        }
    }
}

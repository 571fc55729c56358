//! When flows end: a wheel for each kind of life, so that each wheel is in order of age.

use core::time::Duration;

use sekisho_config::model::Timeouts;

use crate::Instant;
use crate::conntrack::pressure::Pressure;
use crate::conntrack::state::{LIVES, Life, spans};
use crate::flow::FlowId;
use crate::stamp::{Span, Stamp};
use crate::table::Table;
use crate::wheel::Wheel;

/// How many flows one call of `expire` looks at.
pub const AT_ONCE: usize = 256;
/// How many refreshed flows the search for the oldest puts back before it gives up.
const TRIES: usize = 16;

/// The timers of all flows.
#[derive(Debug)]
pub struct Timers {
    wheels: [Wheel; LIVES],
    spans: [Span; LIVES],
    counts: [usize; LIVES],
    pressure: Pressure,
    /// The latest time that we were told.
    now: Instant,
}

/// What came of a flow whose slot has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Its time has come.
    Expired(FlowId),
    /// It was refreshed in the meantime, and waits again.
    Refreshed,
}

impl Timers {
    /// No timers.
    #[must_use]
    pub fn new(timeouts: &Timeouts, pressure: Pressure) -> Self {
        Self {
            wheels: core::array::from_fn(|_| Wheel::new()),
            spans: spans(timeouts),
            counts: [0; LIVES],
            pressure,
            now: Instant::default(),
        }
    }

    /// How many flows are half-open or closed.
    #[must_use]
    pub fn transient(&self) -> usize {
        Life::TRANSIENT
            .iter()
            .map(|life| self.counts[*life as usize])
            .sum()
    }

    /// How many flows live one kind of life.
    #[must_use]
    pub const fn count(&self, life: Life) -> usize {
        self.counts[life as usize]
    }

    /// A flow, stamped already, begins.
    pub fn start(&mut self, id: FlowId, now: Instant, table: &mut Table) {
        self.hear(now);
        let life = table.get(id).life();
        self.put(id, life, table);
        self.counts[life as usize] += 1;
    }

    /// A flow ends.
    pub fn stop(&mut self, id: FlowId, life: Life, table: &mut Table) {
        self.wheels[life as usize].remove(id.0, table.links());
        self.counts[life as usize] -= 1;
    }

    /// A flow's life has changed from one kind to another.
    pub fn change(&mut self, id: FlowId, before: Life, after: Life, table: &mut Table) {
        self.stop(id, before, table);
        self.put(id, after, table);
        self.counts[after as usize] += 1;
    }

    /// Takes the next flow whose slot has passed.
    pub fn pop_due(&mut self, now: Instant, table: &mut Table) -> Option<Due> {
        self.hear(now);
        let stamp = Stamp::of(now);
        let wheels = self.wheels.iter_mut();
        let index = wheels
            .map(|wheel| wheel.pop_due(stamp, table.links()))
            .find_map(|item| item)?;
        let id = FlowId(index);
        let life = table.get(id).life();
        self.put(id, life, table);
        match stamp.is_before(self.deadline(id, life, table)) {
            true => Some(Due::Refreshed),
            false => Some(Due::Expired(id)),
        }
    }

    /// A half-open or closed flow that is older than such flows may be while the table is this full.
    pub fn early(&mut self, now: Instant, table: &mut Table) -> Option<FlowId> {
        let share = self.pressure.share(table.len())?;
        let stamp = Stamp::of(now);
        Life::TRANSIENT.into_iter().find_map(|life| {
            let id = self.oldest(life, table)?;
            let span = self.pressure.shortened(self.spans[life as usize], share);
            let deadline = table.get(id).stamp().after(span);
            (!stamp.is_before(deadline)).then_some(id)
        })
    }

    /// The oldest flow that is half-open or closed.
    pub fn oldest_transient(&mut self, table: &mut Table) -> Option<FlowId> {
        let mut oldest: Option<FlowId> = None;
        for life in Life::TRANSIENT {
            let Some(id) = self.oldest(life, table) else {
                continue;
            };
            let is_older = |than: FlowId| table.get(id).stamp().is_before(table.get(than).stamp());
            if oldest.is_none_or(is_older) {
                oldest = Some(id);
            }
        }
        oldest
    }

    /// Whether so much time has passed since a flow was last refreshed.
    #[must_use]
    pub fn has_passed(&self, since: Stamp, long: Duration) -> bool {
        !Stamp::of(self.now).is_before(since.after(Span::at_least(long)))
    }

    /// When a slot next passes.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let dues = self.wheels.iter().filter_map(Wheel::due);
        dues.map(|stamp| stamp.instant(self.now)).min()
    }

    /// The oldest flow of one life; flows refreshed since they were put there are put back.
    fn oldest(&mut self, life: Life, table: &mut Table) -> Option<FlowId> {
        if self.counts[life as usize] == 0 {
            return None;
        }
        for _ in 0..TRIES {
            let (oldest, due) = self.wheels[life as usize].oldest_and_due()?;
            let id = FlowId(oldest);
            if !due.is_before(self.deadline(id, life, table)) {
                return Some(id);
            }
            self.wheels[life as usize].remove(id.0, table.links());
            self.put(id, life, table);
        }
        self.wheels[life as usize].oldest().map(FlowId)
    }

    fn put(&mut self, id: FlowId, life: Life, table: &mut Table) {
        let deadline = self.deadline(id, life, table);
        self.wheels[life as usize].insert(id.0, deadline, table.links());
    }

    fn deadline(&self, id: FlowId, life: Life, table: &Table) -> Stamp {
        table.get(id).stamp().after(self.spans[life as usize])
    }

    fn hear(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}

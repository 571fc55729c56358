//! The loop: cards, engine, services, in turn, without end.

use alloc::vec::Vec;

use sekisho_config::Config;
use sekisho_config::model::Zone;
use sekisho_engine::conntrack::Sizing;
use sekisho_engine::engine::{Engine, GROUP, Pace, Seat, Secrets};
use sekisho_engine::frame::{Checksum, Frame};
use sekisho_engine::interface::Link;
use sekisho_engine::output::Output;
use sekisho_engine::verdict::{DropReason, HOLD_SLOTS, HoldSlot, Verdict};
use sekisho_engine::{Instant, Tick, ZoneId};
use sekisho_kernel::card::Card;
use sekisho_kernel::hw::{apic, clock, entropy::Random, power};
use sekisho_kernel::net::{BURST, Net, from_card, to_card};
use sekisho_kernel::{boot, console};
use sekisho_nic::{Group, Offload, Packet, RxError, gather};
use sekisho_services::datagram::Trust;
use sekisho_services::{Action, Services};

use crate::journal::Journal;
use crate::prompt::{Command, Prompt};
use crate::seating::link_of;
use crate::{LOOK_US, leave, report};

/// How often a busy machine asks the engine what it has to do by itself, in microseconds: what expires, and questions
/// to repeat. Before it sleeps it always asks.
const POLL_EVERY_US: u64 = 1000;

/// The machine at work.
pub struct Firewall {
    net: Net,
    engine: Engine,
    services: Services,
    /// When the services have something to do by themselves, in microseconds.
    services_due: u64,
    random: Random,
    /// The random word that the engine gets next, and how many it had looked at when this one was drawn.
    word: u64,
    drawn: u64,
    /// When the engine is asked again what it has to do by itself, in microseconds.
    poll_due: u64,
    journal: Journal,
    zones: Vec<Zone>,
    prompt: Prompt,
    held: [Option<Packet>; HOLD_SLOTS],
    links: Vec<Link>,
}

/// What to do with a frame that waits.
enum Wait {
    Over(HoldSlot),
    InVain(HoldSlot),
}

impl Firewall {
    /// Everything that the loop needs; it takes no memory afterwards.
    pub fn new(
        config: &Config,
        net: Net,
        seats: &[Seat],
        mut random: Random,
        memory_bytes: usize,
    ) -> Self {
        let secrets = Secrets {
            flows: [random.word(), random.word()],
            neighbors: random.word(),
        };
        let macs: Vec<_> = seats.iter().map(|seat| seat.mac).collect();
        let services = Services::new(config, &macs, || random.word());
        let journal = Journal::new(config);
        Self {
            net,
            engine: Engine::new(config, seats, Sizing::for_memory(memory_bytes), secrets),
            services,
            services_due: 0,
            word: random.word(),
            drawn: 0,
            random,
            poll_due: 0,
            journal,
            zones: config.zones.clone(),
            prompt: Prompt::default(),
            held: [const { None }; HOLD_SLOTS],
            links: seats.iter().map(|seat| seat.link).collect(),
        }
    }

    /// Forwards for ever.
    pub fn run(mut self) -> ! {
        let mut look = clock::now_us() + LOOK_US;
        loop {
            let cards = 0..self.net.cards.len();
            let moved: usize = cards.map(|index| self.receive(index)).sum();
            let now = clock::now_us();
            if now >= self.services_due {
                self.serve(Instant::from_micros(now));
            }
            if now >= self.poll_due || self.engine.has_output() {
                self.poll(Instant::from_micros(now));
            }
            let engine = &mut self.engine;
            self.net.turn(|card| {
                if let Some(zone) = ZoneId::new(card) {
                    engine.not_sent(zone, DropReason::TransmitFull);
                }
            });
            if now >= look || boot::take_pending(apic::SERIAL) {
                look = now + LOOK_US;
                self.net.cards.iter_mut().for_each(Card::remind);
                self.follow_links();
                self.obey();
            }
            if self.net.is_tired(moved, now) {
                self.poll(Instant::from_micros(now));
                let engine = self.engine.next_deadline().map(Instant::as_micros);
                let due = engine.map_or(self.services_due, |due| due.min(self.services_due));
                self.net.sleep(due.min(look));
            }
        }
    }

    /// The time, and a random word that was never looked at: making one for each packet costs more than forwarding it.
    fn tick(&mut self, now: Instant) -> Tick {
        let drawn = self.engine.drawn();
        if self.drawn != drawn {
            (self.drawn, self.word) = (drawn, self.random.word());
        }
        Tick {
            now,
            random: self.word,
        }
    }

    /// Takes a burst from one card.
    fn receive(&mut self, index: usize) -> usize {
        let Some(zone) = ZoneId::new(index) else {
            return 0;
        };
        match self.engine.pace() {
            Pace::Each => self.receive_each(zone),
            Pace::Groups => self.receive_groups(zone),
        }
    }

    /// Takes a burst, frame by frame.
    fn receive_each(&mut self, zone: ZoneId) -> usize {
        let (mut moved, mut now) = (0, None);
        while moved < BURST
            && let Some(received) = self.net.receive(zone.index())
        {
            moved += 1;
            match received {
                Ok(packet) => {
                    // A burst takes less than a millisecond, and the engine counts in larger units.
                    let now = *now.get_or_insert_with(|| Instant::from_micros(clock::now_us()));
                    let tick = self.tick(now);
                    let judged = self.judge(Some(zone), packet, |engine, frame| {
                        engine.receive(zone, frame, tick)
                    });
                    if let Some(packet) = judged {
                        self.deliver(zone, &packet, tick.now);
                    }
                }
                Err(error) => self.not_received(zone, error),
            }
        }
        moved
    }

    /// The same, a group at a time, so that the engine can look ahead: for a flow table that no cache holds.
    fn receive_groups(&mut self, zone: ZoneId) -> usize {
        let (mut moved, mut now) = (0, None);
        loop {
            let (group, error) = gather(BURST - moved, || self.net.receive(zone.index()));
            let took = group.len() + usize::from(error.is_some());
            if took == 0 {
                return moved;
            }
            moved += took;
            let now = *now.get_or_insert_with(|| Instant::from_micros(clock::now_us()));
            self.take_group(zone, group, now);
            if let Some(error) = error {
                self.not_received(zone, error);
            }
        }
    }

    /// Takes frames in their order.
    fn take_group(&mut self, zone: ZoneId, group: Group<GROUP>, now: Instant) {
        let foreseen = self.engine.foresee(zone, group.iter().map(Packet::head));
        for (packet, foresight) in group.into_iter().zip(&foreseen) {
            let tick = self.tick(now);
            let judged = self.judge(Some(zone), packet, |engine, frame| {
                engine.receive_foreseen(zone, frame, foresight, tick)
            });
            if let Some(packet) = judged {
                self.deliver(zone, &packet, now);
            }
        }
    }

    /// A frame could not be taken from its card.
    #[cold]
    fn not_received(&mut self, zone: ZoneId, error: RxError) {
        match error {
            RxError::Frame(_) => self.engine.refused_by_card(zone),
            RxError::Device(fault) => {
                defmt::error!(
                    "card {=usize}: {}",
                    zone.index(),
                    defmt::Display2Format(&fault)
                );
                let name = self.journal.zone(zone);
                console!("sekisho: {name}: the card is out of use: {fault}");
            }
        }
    }

    /// Does what the engine says of a frame; gives it back if it is for the box itself. `from` is where it came from
    /// just now.
    fn judge(
        &mut self,
        from: Option<ZoneId>,
        mut packet: Packet,
        decide: impl FnOnce(&mut Engine, &mut Frame<'_>) -> Verdict,
    ) -> Option<Packet> {
        let offload = from_card(packet.offload());
        let mut frame = Frame {
            total_len: packet.total_len(),
            head: packet.head_mut(),
            offload,
        };
        let verdict = decide(&mut self.engine, &mut frame);
        let (len, left) = (frame.total_len, frame.offload);
        if left != offload {
            packet.set_offload(to_card(left));
        }
        match verdict {
            Verdict::Forward(egress) => {
                // Without the padding that it may have come with.
                packet.truncate(len);
                let zone = egress.zone();
                if !self
                    .net
                    .forward(from.map(ZoneId::index), zone.index(), packet)
                {
                    self.engine.not_sent(zone, DropReason::TransmitFull);
                }
            }
            Verdict::Answer(egress) => {
                packet.truncate(len);
                let zone = egress.zone();
                if self.net.cards[zone.index()].transmit_own(packet).is_err() {
                    self.engine.own_not_sent(zone);
                }
            }
            Verdict::Held(slot) => self.held[slot.index()] = Some(packet),
            Verdict::Local => return Some(packet),
            Verdict::Absorbed | Verdict::Fragmented(_) | Verdict::Remade(_) | Verdict::Drop(_) => {}
        }
        None
    }

    /// Hands a frame to the services; they are looked after in the loop's next turn.
    fn deliver(&mut self, zone: ZoneId, packet: &Packet, now: Instant) {
        let trust = match from_card(packet.offload()).checksum {
            Checksum::Complete => Trust::Verify,
            Checksum::Verified | Checksum::Partial { .. } => Trust::Verified,
        };
        self.services.receive(zone, packet.head(), trust, now);
        self.services_due = 0;
    }

    /// Lets the services do what they have to.
    fn serve(&mut self, now: Instant) {
        while let Some(action) = self.services.poll(now) {
            self.act(action);
        }
        let due = self.services.next_deadline(now);
        self.services_due = due.map_or(u64::MAX, Instant::as_micros);
    }

    fn act(&mut self, action: Action) {
        self.journal
            .service(&action, Instant::from_micros(clock::now_us()));
        match action {
            Action::SendDirectly(zone, mut frame) => {
                // A full outbox loses it, as a full wire would: clients and servers ask again.
                let _ = self.engine.send_dhcp(zone, &mut frame);
            }
            Action::SendThrough(frame) => {
                if let Some(packet) = self.net.pool.packet(&frame, Offload::NONE) {
                    let tick = self.tick(Instant::from_micros(clock::now_us()));
                    self.judge(None, packet, |engine, frame| {
                        engine.receive_own(frame, tick)
                    });
                }
            }
            Action::Bound(zone, lease) => {
                self.engine
                    .set_address(zone, Some(lease.address), lease.gateway);
                self.engine.set_link(zone, self.links[zone.index()]);
            }
            Action::Lost(zone) | Action::Overlap(zone, ..) => {
                self.engine.set_address(zone, None, None);
                self.engine.set_link(zone, self.links[zone.index()]);
            }
            Action::Served(..) => {}
        }
    }

    /// Does what the engine wants done.
    fn poll(&mut self, now: Instant) {
        self.poll_due = now.as_micros() + POLL_EVERY_US;
        loop {
            let tick = self.tick(now);
            let wait = match self.engine.poll(tick) {
                None => return,
                Some(Output::Send { egress, frame }) => {
                    // A full ring loses it, as a full wire would: ARP asks again, and errors are only hints.
                    let zone = egress.zone();
                    let card = &mut self.net.cards[zone.index()];
                    if card.transmit_copy(frame, Offload::NONE).is_err() {
                        self.engine.own_not_sent(zone);
                    }
                    continue;
                }
                Some(Output::Log(record)) => {
                    self.journal.decision(&record, tick.now);
                    continue;
                }
                Some(Output::Notice(notice)) => {
                    self.journal.notice(&notice, tick.now);
                    continue;
                }
                Some(Output::Resume { slot }) => Wait::Over(slot),
                Some(Output::GiveUp { slot }) => Wait::InVain(slot),
            };
            self.end_wait(&wait, tick);
        }
    }

    fn end_wait(&mut self, wait: &Wait, tick: Tick) {
        match *wait {
            Wait::Over(slot) => {
                if let Some(packet) = self.held[slot.index()].take() {
                    self.judge(None, packet, |engine, frame| {
                        engine.resume(slot, frame, tick)
                    });
                }
            }
            Wait::InVain(slot) => {
                if let Some(mut packet) = self.held[slot.index()].take() {
                    let offload = from_card(packet.offload());
                    let mut frame = Frame {
                        total_len: packet.total_len(),
                        head: packet.head_mut(),
                        offload,
                    };
                    self.engine.give_up(slot, &mut frame, tick);
                }
            }
        }
    }

    /// Does what is typed on the console, or asked for by the power button.
    fn obey(&mut self) {
        while let Some(command) = self.prompt.poll() {
            match command {
                Command::Counters => self.count(),
                Command::Status => self.tell_status(),
                Command::PowerOff => {
                    self.count();
                    leave(power::off)
                }
                Command::Reboot => {
                    self.count();
                    leave(power::reboot)
                }
            }
        }
    }

    fn count(&self) {
        report::counters(self.engine.counters(), &self.zones);
    }

    fn tell_status(&self) {
        for (zone, index) in self.zones.iter().zip(0..) {
            let interface = ZoneId::new(index).and_then(|zone| self.engine.interface(zone));
            if let Some(interface) = interface {
                report::interface(&zone.name, interface);
            }
        }
        report::patience(self.net.patience());
        report::tables(self.engine.conntrack(), self.net.pool);
    }

    fn follow_links(&mut self) {
        for index in 0..self.net.cards.len() {
            let link = link_of(&mut self.net.cards[index]);
            let Some(zone) = ZoneId::new(index) else {
                continue;
            };
            if core::mem::replace(&mut self.links[index], link) != link {
                let up = link == Link::Up;
                defmt::info!("card {=usize}: link up {=bool}", index, up);
                let state = if up { "up" } else { "down" };
                console!("sekisho: {}: link {state}", self.journal.zone(zone));
                let now = Instant::from_micros(clock::now_us());
                self.services.set_link(zone, up, now);
                self.services_due = 0;
                // Behind a cable that was out, the segment may be another one: DHCP looks first.
                if !up || self.services.is_settled(zone) {
                    self.engine.set_link(zone, link);
                }
            }
        }
    }
}

//! The loop: cards, engine, services, in turn, without end.

use alloc::string::String;
use alloc::vec::Vec;

use sekisho_config::Config;
use sekisho_engine::conntrack::Sizing;
use sekisho_engine::engine::{Engine, Seat, Secrets};
use sekisho_engine::frame::Frame;
use sekisho_engine::interface::Link;
use sekisho_engine::output::Output;
use sekisho_engine::verdict::{DropReason, Egress, HOLD_SLOTS, HoldSlot, Verdict};
use sekisho_engine::{Instant, Tick, ZoneId};
use sekisho_kernel::console;
use sekisho_kernel::hw::{clock, entropy::Random};
use sekisho_kernel::net::{BURST, Net, POLL_US, from_card, to_card};
use sekisho_nic::{Offload, Packet, RxError};

use crate::seating::link_of;

/// The machine at work.
pub struct Firewall {
    net: Net,
    engine: Engine,
    random: Random,
    names: Vec<String>,
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
        Self {
            net,
            engine: Engine::new(config, seats, Sizing::for_memory(memory_bytes), secrets),
            random,
            names: config.zones.iter().map(|zone| zone.name.clone()).collect(),
            held: [const { None }; HOLD_SLOTS],
            links: seats.iter().map(|seat| seat.link).collect(),
        }
    }

    /// Forwards for ever.
    pub fn run(mut self) -> ! {
        let mut busy = clock::now_us();
        loop {
            let cards = 0..self.net.cards.len();
            let moved: usize = cards.map(|index| self.receive(index)).sum();
            self.poll();
            self.net.turn();
            let now = clock::now_us();
            if moved > 0 {
                busy = now;
            } else if now - busy > POLL_US {
                self.net
                    .sleep(self.engine.next_deadline().map(Instant::as_micros));
                self.follow_links();
                busy = clock::now_us();
            }
        }
    }

    fn tick(&mut self) -> Tick {
        Tick {
            now: Instant::from_micros(clock::now_us()),
            random: self.random.word(),
        }
    }

    /// Takes a burst from one card.
    fn receive(&mut self, index: usize) -> usize {
        let Some(zone) = ZoneId::new(index) else {
            return 0;
        };
        let mut moved = 0;
        while moved < BURST
            && let Some(received) = self.net.cards[index].receive()
        {
            moved += 1;
            match received {
                Ok(packet) => {
                    let tick = self.tick();
                    self.judge(packet, |engine, frame| engine.receive(zone, frame, tick));
                }
                Err(RxError::Frame(_)) => self.engine.refused_by_card(zone),
                Err(RxError::Device(fault)) => {
                    let name = &self.names[index];
                    console!("sekisho: {name}: the card is out of use: {fault}");
                }
            }
        }
        moved
    }

    fn judge(
        &mut self,
        mut packet: Packet,
        decide: impl FnOnce(&mut Engine, &mut Frame<'_>) -> Verdict,
    ) {
        let offload = from_card(packet.offload());
        let mut frame = Frame {
            total_len: packet.total_len(),
            head: packet.head_mut(),
            offload,
        };
        let verdict = decide(&mut self.engine, &mut frame);
        let left = frame.offload;
        if left != offload {
            packet.set_offload(to_card(left));
        }
        match verdict {
            Verdict::Forward(egress) | Verdict::Answer(egress) => self.transmit(&egress, packet),
            Verdict::Held(slot) => self.held[slot.index()] = Some(packet),
            Verdict::Local | Verdict::Absorbed | Verdict::Fragmented(_) | Verdict::Drop(_) => {}
        }
    }

    fn transmit(&mut self, egress: &Egress, packet: Packet) {
        let zone = egress.zone();
        if self.net.cards[zone.index()].transmit(packet).is_err() {
            self.engine.not_sent(zone, DropReason::TransmitFull);
        }
    }

    /// Does what the engine wants done.
    fn poll(&mut self) {
        loop {
            let tick = self.tick();
            let wait = match self.engine.poll(tick) {
                None => return,
                Some(Output::Send { egress, frame }) => {
                    // A full ring loses it, as a full wire would: ARP asks again, and errors are only hints.
                    let card = &mut self.net.cards[egress.zone().index()];
                    let _ = card.transmit_copy(frame, Offload::NONE);
                    continue;
                }
                Some(Output::Log(record)) => {
                    console!("log: {record:?}");
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
                    self.judge(packet, |engine, frame| engine.resume(slot, frame, tick));
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

    fn follow_links(&mut self) {
        for index in 0..self.net.cards.len() {
            let link = link_of(&mut self.net.cards[index]);
            let Some(zone) = ZoneId::new(index) else {
                continue;
            };
            if core::mem::replace(&mut self.links[index], link) != link {
                let name = &self.names[index];
                match link {
                    Link::Up => console!("sekisho: {name}: link up"),
                    Link::Down => console!("sekisho: {name}: link down"),
                }
                self.engine.set_link(zone, link);
            }
        }
    }
}

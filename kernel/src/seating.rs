//! Which card is which zone's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sekisho_config::Config;
use sekisho_config::model::{Card as Wanted, Zone};
use sekisho_engine::engine::Seat;
use sekisho_engine::interface::Link;
use sekisho_kernel::card::Card;
use sekisho_kernel::console;
use sekisho_kernel::hw::cards::{CardSeat, Devices};
use sekisho_kernel::net::Net;
use sekisho_nic::Accepted;

use crate::journal::Mac;

/// Gives each zone its card and brings the cards up, in the order of the zones.
///
/// # Errors
/// In words: a zone without a card, a card without a zone, a card that only speaks legacy virtio, …
pub fn seat(
    config: &Config,
    devices: Devices,
    memory_bytes: usize,
) -> Result<(Net, Vec<Seat>), String> {
    let mut cards: Vec<Option<CardSeat>> = devices.cards.into_iter().map(Some).collect();
    let there = cards.len();
    let mut seats = Vec::new();
    for zone in &config.zones {
        let index = cards
            .iter()
            .enumerate()
            .position(|(index, card)| is_wanted(zone, index, card.as_ref()));
        let seat = index.and_then(|index| cards[index].take());
        seats.push(seat.ok_or_else(|| missing(zone, there))?);
    }
    if let Some(extra) = cards.iter().flatten().next() {
        let mac = Mac(extra.mac());
        return Err(format!(
            "sekisho: {there} cards for {} zones: the card {mac} at {} belongs to no zone; give it one, or take it out",
            config.zones.len(),
            extra.place()
        ));
    }
    for (zone, seat) in config.zones.iter().zip(&seats) {
        check_mtu(zone, seat)?;
    }
    let places: Vec<_> = seats.iter().map(|seat| seat.place().clone()).collect();
    let macs: Vec<_> = seats.iter().map(CardSeat::mac).collect();
    let mut net = Net::bring_up(seats, memory_bytes)?;
    let mut result = Vec::new();
    for (index, mac) in macs.into_iter().enumerate() {
        let card = &mut net.cards[index];
        let link = link_of(card);
        defmt::info!(
            "card {=usize}: features {=u64:#x}",
            index,
            card.accepted().map_or(0, Accepted::bits)
        );
        console!(
            "sekisho: {}: card {} at {}, link {}, {}",
            config.zones[index].name,
            Mac(mac),
            places[index],
            match link {
                Link::Up => "up",
                Link::Down => "down",
            },
            card.offloads()
        );
        result.push(Seat { mac, link });
    }
    Ok((net, result))
}

fn is_wanted(zone: &Zone, index: usize, card: Option<&CardSeat>) -> bool {
    match (zone.card, card) {
        (_, None) => false,
        (Wanted::Mac(mac), Some(card)) => card.mac() == mac,
        (Wanted::Slot(slot), Some(_)) => usize::from(slot) == index,
    }
}

fn missing(zone: &Zone, there: usize) -> String {
    let which = match zone.card {
        Wanted::Mac(mac) => format!("with the address {}", Mac(mac)),
        Wanted::Slot(slot) => format!("in slot {slot}"),
    };
    format!(
        "sekisho: zone {} has no card: the machine has {there} network cards, and none {which}; \
         add one (QEMU: -device virtio-net-pci,mac=…) or change the zone's card",
        zone.name
    )
}

/// Whether a card's cable is plugged in.
pub fn link_of(card: &mut Card) -> Link {
    match card.link() {
        sekisho_nic::Link::Up => Link::Up,
        sekisho_nic::Link::Down => Link::Down,
    }
}

/// Intel's cards take no jumbo frames in.
fn check_mtu(zone: &Zone, seat: &CardSeat) -> Result<(), String> {
    match seat {
        CardSeat::Intel(seat) if zone.mtu > 1500 => Err(format!(
            "sekisho: zone {}: the e1000 card at {} carries packets of 1500 bytes at the most, not {}; \
             lower the zone's mtu, or give it a virtio card",
            zone.name, seat.place, zone.mtu
        )),
        CardSeat::Intel(_) | CardSeat::Virtio(_) => Ok(()),
    }
}

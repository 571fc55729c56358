//! Which card is which zone's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sekisho_config::Config;
use sekisho_config::model::{Card as Wanted, Zone};
use sekisho_engine::engine::Seat;
use sekisho_engine::interface::Link;
use sekisho_kernel::console;
use sekisho_kernel::hw::cards::{CardSeat, Devices, Registers};
use sekisho_kernel::net::Net;
use sekisho_nic::{Accepted, Card, feature};

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
    for place in &devices.legacy {
        console!(
            "sekisho: the virtio device at {place} speaks only the legacy protocol: give it disable-legacy=on (PCI) \
             or start QEMU with -global virtio-mmio.force-legacy=off (microvm)"
        );
    }
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
            extra.place
        ));
    }
    let places: Vec<_> = seats.iter().map(|seat| seat.place.clone()).collect();
    let macs: Vec<_> = seats.iter().map(CardSeat::mac).collect();
    let mut net = Net::bring_up(seats, memory_bytes)?;
    let mut result = Vec::new();
    for (index, mac) in macs.into_iter().enumerate() {
        let card = &mut net.cards[index];
        let link = link_of(card);
        defmt::info!(
            "card {=usize}: features {=u64:#x}",
            index,
            card.accepted().bits()
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
            offloads(card.accepted())
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
        "sekisho: zone {} has no card: the machine has {there} virtio network cards, and none {which}; \
         add one (QEMU: -device virtio-net-pci,mac=…) or change the zone's card",
        zone.name
    )
}

/// Whether a card's cable is plugged in.
pub fn link_of(card: &mut Card<Registers>) -> Link {
    match card.link() {
        sekisho_nic::Link::Up => Link::Up,
        sekisho_nic::Link::Down => Link::Down,
    }
}

fn offloads(accepted: Accepted) -> &'static str {
    let tso = accepted.has(feature::GUEST_TSO4);
    let checksum = accepted.has(feature::GUEST_CSUM);
    match (checksum, tso) {
        (_, true) => "checksums and segmentation passed through",
        (true, false) => "checksums passed through",
        (false, false) => "no offloads",
    }
}

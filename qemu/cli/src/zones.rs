//! The machine's cards, from the configuration's zones and the networks given for them.

use sekisho_config::model::{Card, Zone};
use sekisho_qemu::{Network, Nic};

use crate::failure::Failure;
use crate::spec::ZoneNetwork;

/// The cards in bus order: by slot where the zones name slots, else in the order of the file.
///
/// # Errors
/// A zone without a network, a network without a zone, two for one, or a slot beyond the last card.
pub fn cards(zones: &[Zone], networks: &[ZoneNetwork]) -> Result<Vec<Nic>, Failure> {
    let card = |(zone, network): (&Zone, &Network)| {
        let mac = match zone.card {
            Card::Mac(mac) => mac,
            Card::Slot(slot) => slot_mac(slot),
        };
        Nic::new(mac, network.clone())
    };
    Ok(in_bus_order(zones, networks)?
        .into_iter()
        .map(card)
        .collect())
}

/// Zones with their networks, in the order in which their cards have to be on the bus.
///
/// # Errors
/// A zone without a network, a network without a zone, two for one, or a slot beyond the last card.
pub fn in_bus_order<'a, N>(
    zones: &'a [Zone],
    networks: &'a [ZoneNetwork<N>],
) -> Result<Vec<(&'a Zone, &'a N)>, Failure> {
    refuse_strangers(zones, networks)?;
    let mut cards = Vec::new();
    for (number, zone) in zones.iter().enumerate() {
        // A configuration names slots in all zones or in none.
        let position = match zone.card {
            Card::Mac(_) => number,
            Card::Slot(slot) => checked_slot(zone, slot, zones.len())?,
        };
        cards.push((position, zone, network(zone, networks)?));
    }
    cards.sort_by_key(|(position, ..)| *position);
    let cards = cards.into_iter();
    Ok(cards.map(|(_, zone, network)| (zone, network)).collect())
}

fn checked_slot(zone: &Zone, slot: u8, cards: usize) -> Result<usize, Failure> {
    let position = usize::from(slot);
    if position < cards {
        return Ok(position);
    }
    Err(Failure::SlotBeyondCards {
        zone: zone.name.clone(),
        slot,
        cards,
    })
}

/// An Ethernet address for a card that is only known by its slot, in the block of QEMU's own.
fn slot_mac(slot: u8) -> [u8; 6] {
    [0x52, 0x54, 0x00, 0x5e, 0x00, slot]
}

fn network<'a, N>(zone: &Zone, networks: &'a [ZoneNetwork<N>]) -> Result<&'a N, Failure> {
    let mut own = networks.iter().filter(|given| given.zone == zone.name);
    match (own.next(), own.next()) {
        (None, _) => Err(Failure::ZoneWithoutNetwork(zone.name.clone())),
        (Some(_), Some(_)) => Err(Failure::ZoneTwice(zone.name.clone())),
        (Some(given), None) => Ok(&given.network),
    }
}

fn refuse_strangers<N>(zones: &[Zone], networks: &[ZoneNetwork<N>]) -> Result<(), Failure> {
    let known = |given: &&ZoneNetwork<N>| zones.iter().any(|zone| zone.name == given.zone);
    match networks.iter().find(|given| !known(given)) {
        None => Ok(()),
        Some(stranger) => Err(Failure::UnknownZone {
            zone: stranger.zone.clone(),
            zones: zones.iter().map(|zone| zone.name.clone()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(wan: &str, dmz: &str) -> Vec<Zone> {
        let text = format!(
            "version = 1\n[zone.wan]\n{wan}\naddress = \"dhcp\"\n[zone.dmz]\n{dmz}\naddress = \"10.99.0.1/24\"\n"
        );
        let config = sekisho_config::parse(text.as_bytes());
        config.unwrap_or_else(|report| panic!("{report}")).zones
    }

    fn macs() -> Vec<Zone> {
        zones(
            "card = \"52:54:00:00:00:01\"",
            "card = \"52:54:00:00:00:02\"",
        )
    }

    fn given(texts: &[&str]) -> Vec<ZoneNetwork> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn tap(name: &str) -> Network {
        Network::Tap { name: name.into() }
    }

    #[test]
    fn a_card_has_the_address_of_its_zone() {
        let cards = cards(&macs(), &given(&["dmz=tap:d", "wan=tap:w"])).unwrap();
        assert_eq!(
            cards,
            [
                Nic::new([0x52, 0x54, 0, 0, 0, 1], tap("w")),
                Nic::new([0x52, 0x54, 0, 0, 0, 2], tap("d")),
            ]
        );
    }

    #[test]
    fn a_zone_with_a_slot_gets_that_place_on_the_bus() {
        let zones = zones("slot = 1", "slot = 0");
        let cards = cards(&zones, &given(&["dmz=tap:d", "wan=tap:w"])).unwrap();
        assert_eq!(
            cards,
            [
                Nic::new(slot_mac(0), tap("d")),
                Nic::new(slot_mac(1), tap("w")),
            ]
        );
    }

    #[test]
    fn what_does_not_fit_names_the_zone() {
        let error =
            |zones: &[Zone], texts: &[&str]| cards(zones, &given(texts)).unwrap_err().to_string();
        let missing = error(&macs(), &["wan=user"]);
        assert!(
            missing.starts_with("zone dmz has no network; add --net dmz="),
            "{missing}"
        );
        let twice = error(&macs(), &["wan=user", "dmz=user", "dmz=tap:d"]);
        assert!(twice.starts_with("zone dmz has two networks"), "{twice}");
        let unknown = error(&macs(), &["wan=user", "dmz=user", "lan=user"]);
        assert!(
            unknown.ends_with("has no zone lan; it has wan, dmz"),
            "{unknown}"
        );
        let beyond = zones("slot = 0", "slot = 5");
        let beyond = error(&beyond, &["wan=user", "dmz=user"]);
        assert!(
            beyond.contains("zone dmz wants the card in slot 5"),
            "{beyond}"
        );
    }
}

//! By which card a recorded frame came in, and who lives where.
//!
//! A capture of a segment holds frames in both directions. What was sent to the firewall is what it received;
//! what its own card sent is left out, because the engine says anew what leaves.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ipnet::Ipv4Net;
use sekisho_config::Config;
use sekisho_config::model::{Addressing, Card};
use sekisho_engine::ZoneId;
use sekisho_engine::neighbor::Mac;

use crate::Error;
use crate::capture::{self, Recorded};
use crate::options::{Capture, Options};

/// A frame that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// When, since 1970.
    pub at: Duration,
    /// By which card.
    pub zone: ZoneId,
    /// Its number in its file, from 1.
    pub frame: usize,
    /// The whole frame.
    pub bytes: Vec<u8>,
}

/// All captures together.
#[derive(Debug, Default)]
pub struct Inputs {
    /// What came in, in the order of time.
    pub frames: Vec<Input>,
    /// Frames that the firewall's own cards sent then.
    pub own: usize,
    /// Frames that belong to no zone.
    pub strange: usize,
    /// Who lives where, as the captures show.
    pub hosts: HashMap<(ZoneId, Ipv4Addr), Mac>,
}

/// The zones as captures see them.
pub struct Zones<'a> {
    names: Vec<&'a str>,
    /// The cards.
    pub macs: Vec<Mac>,
    /// The segments, where they are known.
    prefixes: Vec<Option<Ipv4Net>>,
}

impl<'a> Zones<'a> {
    /// The zones of a configuration, with what the options add.
    ///
    /// # Errors
    /// A zone that is not there, or has no card.
    pub fn new(config: &'a Config, options: &Options) -> Result<Self, Error> {
        let names: Vec<&str> = config.zones.iter().map(|zone| zone.name.as_str()).collect();
        let mut macs: Vec<Option<Mac>> = config
            .zones
            .iter()
            .map(|zone| match zone.card {
                Card::Mac(mac) => Some(mac),
                Card::Slot(_) => None,
            })
            .collect();
        for card in &options.cards {
            let index = find(&names, &card.zone, &format!("--card {}=...", card.zone))?;
            macs[index] = Some(card.mac);
        }
        let mut prefixes: Vec<Option<Ipv4Net>> = config
            .zones
            .iter()
            .map(|zone| match zone.address {
                Addressing::Static { address, .. } => Some(address),
                Addressing::Dhcp => None,
            })
            .collect();
        for given in &options.addresses {
            let index = find(
                &names,
                &given.zone,
                &format!("--address {}=...", given.zone),
            )?;
            if prefixes[index].is_some() {
                return Err(Error::FixedAddress(given.zone.clone()));
            }
            prefixes[index] = Some(given.address);
        }
        let with_name = |(mac, name): (Option<Mac>, &&str)| {
            mac.ok_or_else(|| Error::NoCard((*name).to_owned()))
        };
        let macs: Vec<Mac> = macs
            .into_iter()
            .zip(&names)
            .map(with_name)
            .collect::<Result<_, _>>()?;
        for (index, mac) in macs.iter().enumerate() {
            if let Some(first) = macs[..index].iter().position(|other| other == mac) {
                return Err(Error::CardTwice(names[first].into(), names[index].into()));
            }
        }
        Ok(Self {
            names,
            macs,
            prefixes,
        })
    }

    /// A zone by its name.
    ///
    /// # Errors
    /// There is none; `option` says where it was named.
    pub fn named(&self, name: &str, option: &str) -> Result<ZoneId, Error> {
        find(&self.names, name, option).map(zone)
    }

    /// The prefix of a zone's segment, if it is known.
    #[must_use]
    pub fn prefix(&self, zone: ZoneId) -> Option<Ipv4Net> {
        self.prefixes.get(zone.index()).copied().flatten()
    }

    fn by_mac(&self, mac: Mac) -> Option<ZoneId> {
        self.macs.iter().position(|own| *own == mac).map(zone)
    }

    fn by_address(&self, address: Ipv4Addr) -> Option<ZoneId> {
        let holds = |prefix: &Option<Ipv4Net>| prefix.is_some_and(|net| net.contains(&address));
        self.prefixes.iter().position(holds).map(zone)
    }
}

fn zone(index: usize) -> ZoneId {
    ZoneId::new(index).expect("a configuration has no more zones than there can be")
}

fn find(names: &[&str], name: &str, option: &str) -> Result<usize, Error> {
    let index = names.iter().position(|known| *known == name);
    index.ok_or_else(|| Error::UnknownZone {
        option: option.into(),
        zone: name.into(),
        zones: names.iter().map(|name| (*name).to_owned()).collect(),
    })
}

/// Reads all captures and gives their frames to the zones.
///
/// # Errors
/// A capture that cannot be read, or of which no frame can be given to a zone.
pub fn read(captures: &[Capture], zones: &Zones<'_>) -> Result<Inputs, Error> {
    let mut inputs = Inputs::default();
    for capture in captures {
        let frames = capture::read(&capture.path)?;
        match &capture.zone {
            Some(name) => {
                let option = format!("{name}={}", capture.path.display());
                let zone = zones.named(name, &option)?;
                inputs.take(zones, frames, |_| Some(zone));
            }
            None => {
                let known = Told::by(zones, &frames);
                known_somewhere(&capture.path, &frames, zones, &known)?;
                inputs.take(zones, frames, |frame| known.zone(zones, frame));
            }
        }
    }
    if inputs.frames.is_empty() && inputs.own == 0 && inputs.strange == 0 {
        return Err(Error::Empty);
    }
    // Frames of one file stay in its order where their times are equal.
    inputs.frames.sort_by_key(|input| input.at);
    Ok(inputs)
}

fn known_somewhere(
    path: &Path,
    frames: &[Recorded],
    zones: &Zones<'_>,
    known: &Told,
) -> Result<(), Error> {
    let mut all = frames.iter();
    let is_known = |frame: &Recorded| {
        known.zone(zones, frame).is_some() || zones.by_mac(mac(&frame.bytes, 6)).is_some()
    };
    match frames.is_empty() || all.any(is_known) {
        true => Ok(()),
        false => Err(Error::Unassigned(path.into())),
    }
}

impl Inputs {
    fn take(
        &mut self,
        zones: &Zones<'_>,
        frames: Vec<Recorded>,
        zone_of: impl Fn(&Recorded) -> Option<ZoneId>,
    ) {
        for (index, frame) in frames.into_iter().enumerate() {
            let sender = zones.by_mac(mac(&frame.bytes, 6));
            let zone = zone_of(&frame);
            if sender.is_some() && (sender == zone || zone.is_none()) {
                self.own += 1;
                continue;
            }
            let Some(zone) = zone else {
                self.strange += 1;
                continue;
            };
            self.learn(zones, zone, &frame.bytes);
            self.frames.push(Input {
                at: frame.at,
                zone,
                frame: index + 1,
                bytes: frame.bytes,
            });
        }
    }

    /// Notes whose card a frame came from.
    fn learn(&mut self, zones: &Zones<'_>, zone: ZoneId, bytes: &[u8]) {
        let (Some(source), Some(prefix)) = (source(bytes), zones.prefix(zone)) else {
            return;
        };
        if prefix.contains(&source) && source != prefix.addr() {
            self.hosts
                .entry((zone, source))
                .or_insert_with(|| mac(bytes, 6));
        }
    }
}

/// What a file without a zone tells of its cards: who spoke to which of ours.
struct Told {
    zones: HashMap<Mac, ZoneId>,
}

impl Told {
    fn by(zones: &Zones<'_>, frames: &[Recorded]) -> Self {
        let spoken = frames.iter().filter_map(|frame| {
            let zone = zones.by_mac(mac(&frame.bytes, 0))?;
            Some((mac(&frame.bytes, 6), zone))
        });
        Self {
            zones: spoken.collect(),
        }
    }

    /// By the recording card's name, the firewall's card, the sender's other frames, or its address.
    fn zone(&self, zones: &Zones<'_>, frame: &Recorded) -> Option<ZoneId> {
        let named = frame.card.as_deref().and_then(|card| {
            let index = zones.names.iter().position(|name| *name == card)?;
            Some(zone(index))
        });
        let (to, from) = (mac(&frame.bytes, 0), mac(&frame.bytes, 6));
        let to_all = to[0] & 1 == 1 && zones.by_mac(from).is_none();
        named.or_else(|| zones.by_mac(to)).or_else(|| {
            let heard = to_all.then(|| self.zones.get(&from).copied()).flatten();
            heard.or_else(|| {
                let source = to_all.then(|| source(&frame.bytes)).flatten()?;
                zones.by_address(source)
            })
        })
    }
}

fn mac(bytes: &[u8], at: usize) -> Mac {
    bytes
        .get(at..at + 6)
        .and_then(|mac| mac.try_into().ok())
        .unwrap_or_default()
}

/// The sender's address, of IPv4 or ARP.
fn source(bytes: &[u8]) -> Option<Ipv4Addr> {
    let at = match bytes.get(12..14)? {
        [8, 0] => 26,
        [8, 6] => 28,
        _ => return None,
    };
    let address: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(address.into())
}

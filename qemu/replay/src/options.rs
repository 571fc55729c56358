//! What a capture does not say: which card is whose, addresses by DHCP, who answers ARP.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use ipnet::Ipv4Net;
use sekisho_engine::neighbor::Mac;

/// A configuration, captures, and how they belong together.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The configuration
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,

    /// Captures (pcap or pcapng), merged by time: FILE, whose frames are told apart by the firewall's cards, or
    /// ZONE=FILE, recorded on the segment of that zone
    #[arg(value_name = "[ZONE=]FILE", required = true)]
    pub captures: Vec<Capture>,

    /// The Ethernet address of a zone's card, if it differs from the configuration's, or that finds it by slot
    #[arg(long = "card", value_name = "ZONE=MAC")]
    pub cards: Vec<ZoneCard>,

    /// The address that a zone has by DHCP, and its gateway
    #[arg(long = "address", value_name = "ZONE=ADDRESS/LENGTH[,GATEWAY]")]
    pub addresses: Vec<ZoneAddress>,

    /// Who answers the firewall's ARP questions
    #[arg(long, value_enum, default_value_t = Neighbors::Assume)]
    pub neighbors: Neighbors,

    /// Where the firewall's random numbers start (ports, identifications)
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Who answers ARP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Neighbors {
    /// Every host on a segment answers at once, even if its answer is not in the capture
    Assume,
    /// Only answers in the capture count
    Capture,
}

/// A capture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The zone on whose segment it was recorded, if it was given.
    pub zone: Option<String>,
    /// The file.
    pub path: PathBuf,
}

impl FromStr for Capture {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (zone, path) = match text.split_once('=') {
            // A path may hold a `=`; a zone's name holds no slash and no dot.
            Some((zone, path)) if !zone.contains(['/', '.']) => (Some(zone.to_owned()), path),
            _ => (None, text),
        };
        if path.is_empty() || zone.as_deref() == Some("") {
            return Err("write FILE or ZONE=FILE".into());
        }
        Ok(Self {
            zone,
            path: path.into(),
        })
    }
}

/// A zone's card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneCard {
    /// The zone's name.
    pub zone: String,
    /// Its card's address.
    pub mac: Mac,
}

impl FromStr for ZoneCard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('=')
            .and_then(|(zone, mac)| Some((zone, parse_mac(mac)?)));
        match parsed {
            Some((zone, mac)) if mac[0] & 1 == 0 => Ok(Self {
                zone: zone.into(),
                mac,
            }),
            Some(_) => Err("that is the address of a group; a card's first byte is even".into()),
            None => Err("write ZONE=MAC, for instance wan=52:54:00:00:00:01".into()),
        }
    }
}

fn parse_mac(text: &str) -> Option<Mac> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|byte| match byte.len() {
            2 => u8::from_str_radix(byte, 16).ok(),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}

/// A zone's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneAddress {
    /// The zone's name.
    pub zone: String,
    /// The firewall's address and its segment's prefix.
    pub address: Ipv4Net,
    /// The default route's next hop.
    pub gateway: Option<Ipv4Addr>,
}

impl FromStr for ZoneAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write ZONE=ADDRESS/LENGTH or ZONE=ADDRESS/LENGTH,GATEWAY, for instance \
                            wan=198.51.100.5/24,198.51.100.1";
        let (zone, rest) = text.split_once('=').ok_or(FORM)?;
        let (address, gateway) = match rest.split_once(',') {
            Some((address, gateway)) => (address, Some(gateway)),
            None => (rest, None),
        };
        let address: Ipv4Net = address.parse().map_err(|_| FORM)?;
        let gateway = gateway
            .map(|gateway| gateway.parse::<Ipv4Addr>().map_err(|_| FORM))
            .transpose()?;
        if gateway.is_some_and(|gateway| !address.contains(&gateway) || gateway == address.addr()) {
            return Err(format!(
                "the gateway is no neighbour in {}",
                address.trunc()
            ));
        }
        Ok(Self {
            zone: zone.into(),
            address,
            gateway,
        })
    }
}

//! Recorded traffic of real programs, as it comes to each router.
//!
//! `tests/recordings` holds what came in by each card of a Linux router with [`super::RULES`], which stood between the
//! programs ([`super::lab`] makes it). Two households play each recording at once: they have hosts of their own, but talk to the same
//! servers from the same ports, so that the routers must draw ports for the second. Where a frame names such a port,
//! each router gets its own.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use sekisho_replay::capture;

use super::packet::{self, ICMP, TCP, UDP, address, word};
use super::script::Injection;
use super::talk::framed;
use super::tcp;
use super::trial::Source;
use super::{FORWARDS, SERVERS, Side};

/// What each recorded frame is meant to be.
pub const RECORDED: &str = "recorded";
/// What the pieces of a datagram are whose first does not hold its transport header.
pub const TINY: &str = "tiny piece";

/// The inside host whose programs were recorded; the second household's differs in the third byte.
pub const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 9);
/// The outside host whose programs came in.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(45, 1, 0, 9);

const HOUSEHOLDS: u8 = 2;

/// The recordings, sorted by name.
///
/// # Panics
/// Without any.
pub fn all() -> Vec<PathBuf> {
    let folder = folder();
    let listed = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|is| is == "pcapng"));
    paths.sort();
    assert!(!paths.is_empty(), "no recordings in {}", folder.display());
    paths
}

/// Where they are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings")
}

/// The packets of a recording, and by which card each came in.
///
/// # Panics
/// When it is none.
pub fn read(path: &Path) -> Vec<(Side, Vec<u8>)> {
    let frames = capture::read(path).unwrap_or_else(|error| panic!("{error}"));
    let packet = |frame: capture::Recorded| {
        let card = frame.card.as_deref();
        let side = Side::ALL
            .into_iter()
            .find(|side| Some(side.name()) == card)
            .unwrap_or_else(|| panic!("{}: a frame of neither card", path.display()));
        (side, frame.bytes[14..].to_vec())
    };
    frames.into_iter().map(packet).collect()
}

/// A flow of a household, as its packets show it on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    household: u8,
    protocol: u8,
    peer: (Ipv4Addr, u16),
    /// The inside host's port, or its query's identifier.
    port: u16,
}

/// Whose pieces belong together: household, addresses, identification.
type Datagram = (u8, Vec<u8>, u16);

fn datagram(household: u8, packet: &[u8]) -> Datagram {
    (household, packet[12..20].to_vec(), word(packet, 4))
}

/// Whether it is a first piece that ends before its transport header does (RFC 1858 section 3).
fn is_tiny(packet: &[u8]) -> bool {
    word(packet, 6) & 0x3fff == 0x2000 && packet[9] == TCP && packet.len() < 40
}

struct Flow {
    /// The ports that the routers drew; a forward's is what it is.
    outside: [Option<u16>; 2],
    is_over: bool,
}

/// A recording on its way through both routers.
pub struct Recording {
    packets: VecDeque<(u8, Side, Vec<u8>)>,
    keys: HashMap<Key, u64>,
    flows: Vec<Flow>,
    /// Whose pieces a datagram's are: by addresses and identification.
    datagrams: HashMap<Datagram, u64>,
    tiny: HashSet<Datagram>,
    /// Frames of flows that a difference had ended.
    pub left_out: usize,
}

impl Recording {
    /// Reads one.
    ///
    /// # Panics
    /// When it is none.
    pub fn open(path: &Path) -> Recording {
        let packets = read(path).into_iter().flat_map(|(side, packet)| {
            (0..HOUSEHOLDS).map(move |household| (household, side, packet.clone()))
        });
        Recording {
            packets: packets.collect(),
            keys: HashMap::new(),
            flows: Vec::new(),
            datagrams: HashMap::new(),
            tiny: HashSet::new(),
            left_out: 0,
        }
    }

    /// The number of the flow that a packet belongs to.
    fn flow(&mut self, household: u8, side: Side, packet: &[u8]) -> u64 {
        let datagram = datagram(household, packet);
        if word(packet, 6) & 0x1fff != 0 {
            // A piece without ports; one whose first piece did not come is a flow of its own.
            let known = self.datagrams.get(&datagram).copied();
            return known.unwrap_or_else(|| self.add());
        }
        let number = match key(household, side, packet) {
            None => self.add(),
            Some(key) => match self.keys.get(&key) {
                Some(number) => *number,
                None => {
                    let number = self.add();
                    self.keys.insert(key, number);
                    number
                }
            },
        };
        self.datagrams.insert(datagram, number);
        number
    }

    fn add(&mut self) -> u64 {
        self.flows.push(Flow {
            outside: [None; 2],
            is_over: false,
        });
        self.flows.len() as u64 - 1
    }

    /// A packet as it comes to a router that drew this port for its flow.
    fn adapted(household: u8, side: Side, packet: &[u8], outside: Option<u16>) -> Vec<u8> {
        let mut packet = packet.to_vec();
        for at in [12, 16] {
            move_address(&mut packet, at, household);
        }
        let is_first = word(&packet, 6) & 0x1fff == 0;
        if let Some(quote) = quote_at(&packet).filter(|_| is_first) {
            let before = packet[quote..].to_vec();
            for at in [12, 16] {
                move_address(&mut packet[quote..], at, household);
            }
            if side == Side::Wan && address(&packet, quote + 12) == Side::Wan.address() {
                set_port(&mut packet[quote..], End::Source, outside);
            }
            // The error's own checksum is over the quote.
            amend(&mut packet, 22, &before, quote);
        } else if side == Side::Wan && is_first && address(&packet, 16) == Side::Wan.address() {
            set_port(&mut packet, End::Destination, outside);
        }
        packet
    }
}

impl Source for Recording {
    fn inject(&mut self) -> Option<Injection> {
        loop {
            let (household, side, packet) = self.packets.pop_front()?;
            let talk = self.flow(household, side, &packet);
            let datagram = datagram(household, &packet);
            if is_tiny(&packet) {
                self.tiny.insert(datagram.clone());
            }
            let is_tiny = self.tiny.contains(&datagram);
            let flow = &mut self.flows[talk as usize];
            // Its checksum is in another piece than the address that differs: only the household that was recorded sends it.
            flow.is_over |= is_tiny && household > 0;
            if flow.is_over {
                self.left_out += 1;
                continue;
            }
            let frames = flow.outside.map(|outside| {
                framed(side, &Recording::adapted(household, side, &packet, outside))
            });
            return Some(Injection {
                side,
                frames,
                talk,
                what: if is_tiny { TINY } else { RECORDED },
            });
        }
    }

    fn outside(&self, talk: u64) -> [Option<u16>; 2] {
        self.flows[talk as usize].outside
    }

    fn heard(&mut self, injection: &Injection, sent: [&[(Side, Vec<u8>)]; 2]) {
        let came = &injection.frames[0][14..];
        let is_reply = SERVERS.contains(&address(came, 12));
        if injection.side != Side::Dmz || is_reply || quote_at(came).is_some() {
            return;
        }
        // A connection that begins again may be given another port.
        let begins = came[9] == TCP && came.get(33).is_some_and(|flags| tcp::opens(*flags));
        let flow = &mut self.flows[injection.talk as usize];
        for (router, sent) in sent.iter().enumerate() {
            let left = sent.iter().find(|(side, frame)| {
                *side == Side::Wan && frame.len() >= 42 && word(frame, 20) & 0x1fff == 0
            });
            if let Some((_, frame)) = left
                && (begins || flow.outside[router].is_none())
            {
                flow.outside[router] =
                    port_at(&frame[14..], End::Source).map(|at| word(&frame[14..], at));
            }
        }
    }

    fn end(&mut self, talk: u64) {
        self.flows[talk as usize].is_over = true;
    }
}

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Where a packet of ours has the port of an end; a query's identifier is its asker's.
fn port_at(packet: &[u8], end: End) -> Option<usize> {
    let at = match (packet[9], end, packet.get(20)?) {
        (TCP | UDP, End::Source, _) => 20,
        (TCP | UDP, End::Destination, _) => 22,
        (ICMP, End::Source, 8 | 13) | (ICMP, End::Destination, 0 | 14) => 24,
        _ => return None,
    };
    (packet.len() >= at + 2).then_some(at)
}

/// Where an ICMP error's quote begins, if the packet is one and it shows ports.
fn quote_at(packet: &[u8]) -> Option<usize> {
    let is_error = packet[9] == ICMP && matches!(packet.get(20), Some(3 | 11 | 12));
    (is_error && packet.len() >= 28 + 28).then_some(28)
}

/// The flow that a whole packet or a first piece belongs to, or which it reports about.
fn key(household: u8, side: Side, packet: &[u8]) -> Option<Key> {
    // An error comes from where its quote was going to.
    let (shown, inside, peer) = match (quote_at(packet), side) {
        (Some(at), Side::Wan) => (&packet[at..], End::Source, End::Destination),
        (Some(at), Side::Dmz) => (&packet[at..], End::Destination, End::Source),
        (None, Side::Wan) => (packet, End::Destination, End::Source),
        (None, Side::Dmz) => (packet, End::Source, End::Destination),
    };
    let host = |end| address(shown, if end == End::Source { 12 } else { 16 });
    let port = |end| port_at(shown, end).map(|at| word(shown, at));
    let protocol = shown[9];
    let inside_port = match protocol {
        // Whose query it is, an echo request from outside has no inside host.
        ICMP => port(inside)?,
        _ => server_port(protocol, host(inside), port(inside)?),
    };
    Some(Key {
        household,
        protocol,
        peer: (host(peer), port(peer).unwrap_or_default()),
        port: inside_port,
    })
}

/// A forward's port, as the server has it.
fn server_port(protocol: u8, host: Ipv4Addr, port: u16) -> u16 {
    let is_ours = host == Side::Wan.address();
    let mut forwards = FORWARDS.iter();
    let leads = forwards.find(|forward| is_ours && (forward.0, forward.1) == (protocol, port));
    leads.map_or(port, |forward| forward.3)
}

/// Makes a household's host of the one that was recorded.
fn move_address(packet: &mut [u8], at: usize, household: u8) {
    if [INSIDE, OUTSIDE].contains(&address(packet, at)) {
        change(packet, at + 2, household);
    }
}

/// Changes a byte of both addresses' words, and the checksums that cover it.
fn change(packet: &mut [u8], at: usize, value: u8) {
    let (old, new) = (
        word(packet, at),
        u16::from(value) << 8 | u16::from(packet[at + 1]),
    );
    packet[at] = value;
    correct(packet, 10, old, new);
    if packet[9] != ICMP && word(packet, 6) & 0x1fff == 0 {
        correct_transport(packet, old, new);
    }
}

/// Puts the port of a flow that a router drew it for into a packet.
fn set_port(packet: &mut [u8], end: End, outside: Option<u16>) {
    let (Some(at), Some(port)) = (port_at(packet, end), outside) else {
        return;
    };
    let old = word(packet, at);
    packet[at..at + 2].copy_from_slice(&port.to_be_bytes());
    correct_transport(packet, old, port);
}

fn correct_transport(packet: &mut [u8], old: u16, new: u16) {
    match packet[9] {
        ICMP => correct(packet, 22, old, new),
        TCP => correct(packet, 36, old, new),
        // Without a checksum it stays so.
        UDP if word(packet, 26) != 0 => {
            correct(packet, 26, old, new);
            if word(packet, 26) == 0 && packet.len() >= 28 {
                packet[26..28].fill(0xff);
            }
        }
        _ => {}
    }
}

/// Amends a checksum for a word that has changed (RFC 1624), so that a wrong one stays wrong.
fn correct(packet: &mut [u8], at: usize, old: u16, new: u16) {
    let Some(field) = packet.get_mut(at..at + 2) else {
        return;
    };
    let check = !packet::sum(&[
        &[!field[0], !field[1]],
        &(!old).to_be_bytes(),
        &new.to_be_bytes(),
    ]);
    field.copy_from_slice(&check.to_be_bytes());
}

/// Amends an ICMP error's checksum for a quote that has changed.
fn amend(packet: &mut [u8], at: usize, before: &[u8], quote: usize) {
    let now = packet[quote..].to_vec();
    for (old, new) in before.chunks(2).zip(now.chunks(2)) {
        let word = |pair: &[u8]| {
            u16::from(pair[0]) << 8 | u16::from(pair.get(1).copied().unwrap_or_default())
        };
        if old != new {
            correct(packet, at, word(old), word(new));
        }
    }
}

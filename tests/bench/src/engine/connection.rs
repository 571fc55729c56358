//! The packets of a connection as `load/connections.rs` makes them between two Linux hosts.
//!
//! ```text
//! client                                                        server
//!        SYN ─▶   ◀─ SYN+ACK   ACK ─▶   "q" ─▶   ◀─ ACK
//!        ◀─ "ok"   ACK ─▶   ◀─ FIN   RST ─▶
//! ```

use sekisho_engine::ZoneId;
use sekisho_tests::frames::flag;
use sekisho_tests::way::Way;

use super::{DESTINATION_PORT, SOURCE_PORT, WAN_ADDRESS, dmz, inward, outward, wan};

/// How many ports the client uses one after the other: Linux takes the even ones of 32,768 to 60,999.
pub(super) const CLIENT_PORTS: u32 = 14_116;
const FIRST_CLIENT_PORT: u16 = 32_768;
/// The server's, to which a forward leads.
const SERVER_PORT: u16 = 7000;

/// MSS, SACK permitted, timestamps and window scale, as Linux offers them.
const OFFER: [u8; 20] = [
    2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
];
/// Timestamps.
const STAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1];

/// Who sends a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
}

/// One packet of a connection, but for the client's port.
pub(super) struct Segment {
    sender: Sender,
    bytes: Vec<u8>,
}

impl Segment {
    /// Where it comes in.
    pub(super) fn zone(&self) -> ZoneId {
        match self.sender {
            Sender::Client => wan(),
            Sender::Server => dmz(),
        }
    }

    /// The packet of the first connection.
    pub(super) fn first(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Writes it as a packet of the connection from that port.
    pub(super) fn write<'a>(&self, port: u16, buffer: &'a mut [u8]) -> &'a mut [u8] {
        let bytes = &mut buffer[..self.bytes.len()];
        bytes.copy_from_slice(&self.bytes);
        let at = match self.sender {
            Sender::Client => SOURCE_PORT,
            Sender::Server => DESTINATION_PORT,
        };
        bytes[at..][..2].copy_from_slice(&port.to_be_bytes());
        bytes
    }
}

/// The client's port for its connection of this number.
pub(super) fn client_port(number: u32) -> u16 {
    FIRST_CLIENT_PORT + 2 * (number % CLIENT_PORTS) as u16
}

/// All packets of a connection, in order.
pub(super) fn segments() -> Vec<Segment> {
    const CLIENT: u32 = 1_000;
    const SERVER: u32 = 5_000;
    let ack = flag::ACK;
    vec![
        client(flag::SYN, (CLIENT, 0), &OFFER, b""),
        server(flag::SYN | ack, (SERVER, CLIENT + 1), &OFFER, b""),
        client(ack, (CLIENT + 1, SERVER + 1), &STAMPS, b""),
        client(ack, (CLIENT + 1, SERVER + 1), &STAMPS, b"q"),
        server(ack, (SERVER + 1, CLIENT + 2), &STAMPS, b""),
        server(ack, (SERVER + 1, CLIENT + 2), &STAMPS, b"ok"),
        client(ack, (CLIENT + 2, SERVER + 3), &STAMPS, b""),
        server(flag::FIN | ack, (SERVER + 3, CLIENT + 2), &STAMPS, b""),
        client(flag::RST | ack, (CLIENT + 2, SERVER + 3), &STAMPS, b""),
    ]
}

fn client(flags: u8, numbers: (u32, u32), options: &[u8], payload: &[u8]) -> Segment {
    let way = Way {
        to: WAN_ADDRESS,
        ..inward()
    };
    let ports = (FIRST_CLIENT_PORT, SERVER_PORT);
    Segment {
        sender: Sender::Client,
        bytes: way.tcp_with_options(ports, flags, numbers, options, payload),
    }
}

fn server(flags: u8, numbers: (u32, u32), options: &[u8], payload: &[u8]) -> Segment {
    let ports = (SERVER_PORT, FIRST_CLIENT_PORT);
    Segment {
        sender: Sender::Server,
        bytes: outward(0).tcp_with_options(ports, flags, numbers, options, payload),
    }
}

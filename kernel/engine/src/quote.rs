//! The packet that an ICMP error quotes (RFC 792, RFC 5508 section 4).
//!
//! An error from outside about a masqueraded flow, before and after:
//!
//! ```text
//! outer  198.51.100.1 → 192.0.2.1            198.51.100.1 → 10.99.0.2
//! inner  192.0.2.1:62000 → 198.51.100.7:53   10.99.0.2:40000 → 198.51.100.7:53
//! ```

use core::net::Ipv4Addr;

use crate::checksum::{Change, Sum};
use crate::frame::Frame;
use crate::key::{Endpoint, FlowKey, Protocol, Side};
use crate::packet::Packet;
use crate::parse::ETHERNET;
use crate::verdict::DropReason;

/// A quoted packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its addresses and ports as they stand in the quote; the side is the one the error came in by.
    pub key: FlowKey,
    /// Its TCP sequence number.
    pub sequence: Option<u32>,
    /// What its sequence number becomes, where the two ends count differently.
    pub renumbered: Option<u32>,
    /// Bytes of the whole packet, as its header says.
    pub ip_len: u16,
    network: usize,
    transport: usize,
}

/// Reads the packet that an error quotes.
///
/// # Errors
/// [`DropReason::IcmpUnrelated`] if it is not the beginning of an IPv4 packet with its ports, or (RFC 5508
/// REQ-3a) its header checksum is wrong.
pub fn parse(frame: &Frame<'_>, error: &Packet) -> Result<Quote, DropReason> {
    const BAD: DropReason = DropReason::IcmpUnrelated;
    let network = usize::from(error.transport) + 8;
    let end = ETHERNET + usize::from(error.ip_len);
    let bytes = frame.head.get(network..end).ok_or(BAD)?;
    let header = bytes.first_chunk::<20>().ok_or(BAD)?;
    let header_len = usize::from(header[0] & 0xf) * 4;
    let whole = bytes.get(..header_len).ok_or(BAD)?;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    if header[0] >> 4 != 4
        || header_len < 20
        || fragment != 0
        || Sum::default().bytes(whole).partial() != 0xffff
    {
        return Err(BAD);
    }
    let transport = bytes
        .get(header_len..)
        .and_then(|rest| rest.first_chunk::<8>())
        .ok_or(BAD)?;
    let protocol = Protocol(header[9]);
    let word = |at: usize| u16::from_be_bytes([transport[at], transport[at + 1]]);
    let (src, dst) = match (protocol, transport[0]) {
        (Protocol::TCP | Protocol::UDP, _) => (word(0), word(2)),
        (Protocol::ICMP, 8 | 13) => (word(4), u16::from(transport[0])),
        (Protocol::ICMP, 0) => (8, word(4)),
        (Protocol::ICMP, 14) => (13, word(4)),
        (Protocol::ICMP, _) => return Err(BAD),
        _ => (0, 0),
    };
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let sequence = u32::from_be_bytes([transport[4], transport[5], transport[6], transport[7]]);
    Ok(Quote {
        key: FlowKey {
            src: Endpoint::new(address(12), src),
            dst: Endpoint::new(address(16), dst),
            protocol,
            side: error.key.side,
        },
        sequence: (protocol == Protocol::TCP).then_some(sequence),
        renumbered: None,
        ip_len: u16::from_be_bytes([header[2], header[3]]),
        network,
        transport: network + header_len,
    })
}

impl Quote {
    /// Puts other endpoints into the quote, and the error's checksum right again.
    ///
    /// The quoted transport checksum follows its addresses and ports where it is quoted at all;
    /// it is not verified (RFC 5508 REQ-3c).
    ///
    /// # Errors
    /// Only if the frame is not the one that was parsed.
    pub fn translate(
        &self,
        frame: &mut Frame<'_>,
        error: &Packet,
        src: Endpoint,
        dst: Endpoint,
    ) -> Result<(), DropReason> {
        let (Some(src_address), Some(dst_address)) = (src.address.as_v4(), dst.address.as_v4())
        else {
            return Err(DropReason::Ipv6);
        };
        let message = usize::from(error.transport);
        let end = ETHERNET + usize::from(error.ip_len);
        let bytes = frame
            .head
            .get_mut(message..end)
            .ok_or(DropReason::IcmpUnrelated)?;
        let (network, transport) = (self.network - message, self.transport - message);
        replace(bytes, network + 12, &src_address.octets());
        replace(bytes, network + 16, &dst_address.octets());
        let (old_src, old_dst) = (self.key.src, self.key.dst);
        let octets = |endpoint: Endpoint| {
            endpoint
                .address
                .as_v4()
                .unwrap_or(Ipv4Addr::UNSPECIFIED)
                .octets()
        };
        let addresses = Change::default()
            .address(octets(old_src), src_address.octets())
            .address(octets(old_dst), dst_address.octets());
        update(bytes, network + 10, |sum| addresses.apply(sum));
        let ports = Change::default()
            .word(old_src.port, src.port)
            .word(old_dst.port, dst.port);
        match self.key.protocol {
            Protocol::TCP | Protocol::UDP => {
                replace(bytes, transport, &src.port.to_be_bytes());
                replace(bytes, transport + 2, &dst.port.to_be_bytes());
                let numbers = match (self.sequence, self.renumbered) {
                    (Some(old), Some(new)) => {
                        replace(bytes, transport + 4, &new.to_be_bytes());
                        Change::default().address(old.to_be_bytes(), new.to_be_bytes())
                    }
                    _ => Change::default(),
                };
                let at = transport
                    + if self.key.protocol == Protocol::TCP {
                        16
                    } else {
                        6
                    };
                let none =
                    self.key.protocol == Protocol::UDP && bytes.get(at..at + 2) == Some(&[0, 0]);
                if !none {
                    update(bytes, at, |sum| {
                        numbers.apply(ports.apply(addresses.apply(sum)))
                    });
                }
            }
            Protocol::ICMP => {
                let is_request = matches!(bytes.get(transport), Some(8 | 13));
                let id = if is_request { src.port } else { dst.port };
                replace(bytes, transport + 4, &id.to_be_bytes());
                update(bytes, transport + 2, |sum| ports.apply(sum));
            }
            _ => {}
        }
        // Many words changed, some maybe at odd offsets: the error is short, so its sum is made anew.
        replace(bytes, 2, &[0, 0]);
        let sum = Sum::default().bytes(bytes).checksum();
        replace(bytes, 2, &sum.to_be_bytes());
        Ok(())
    }

    /// The key of the flow's packets that come in by the side the error came in by.
    #[must_use]
    pub fn incoming(&self, side: Side) -> FlowKey {
        self.key.reversed(side)
    }
}

fn replace(bytes: &mut [u8], at: usize, new: &[u8]) {
    if let Some(field) = bytes.get_mut(at..at + new.len()) {
        field.copy_from_slice(new);
    }
}

fn update(bytes: &mut [u8], at: usize, change: impl FnOnce(u16) -> u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        let new = change(u16::from_be_bytes([field[0], field[1]]));
        field.copy_from_slice(&new.to_be_bytes());
    }
}

//! ARP for IPv4 over Ethernet (RFC 826): reading, asking, answering.

use core::net::Ipv4Addr;

use crate::frame::Frame;
use crate::neighbor::{Mac, Question};
use crate::verdict::DropReason;

/// Bytes of an Ethernet header and an ARP packet.
pub const FRAME_BYTES: usize = 42;
/// Ethernet, IPv4, and their address lengths.
const PREAMBLE: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ETHERTYPE: [u8; 2] = [8, 6];
const BROADCAST: Mac = [0xff; 6];

/// What an ARP packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpPacket {
    /// Question or answer.
    pub operation: Operation,
    /// Who says it.
    pub sender_mac: Mac,
    /// The address that is the sender's; unspecified in probes (RFC 5227).
    pub sender: Ipv4Addr,
    /// The address it is about.
    pub target: Ipv4Addr,
}

/// The operation field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has it?
    Request,
    /// I have it.
    Reply,
}

/// Reads the ARP packet behind an Ethernet header.
///
/// # Errors
/// [`DropReason::ArpInvalid`] unless it is a request or reply for IPv4 over Ethernet whose sender is
/// the frame's own.
pub fn parse(frame: &[u8]) -> Result<ArpPacket, DropReason> {
    let bytes = frame
        .first_chunk::<FRAME_BYTES>()
        .ok_or(DropReason::ArpInvalid)?;
    let operation = match bytes[20..22] {
        [0, 1] => Operation::Request,
        [0, 2] => Operation::Reply,
        _ => return Err(DropReason::ArpInvalid),
    };
    let sender_mac = mac_at(bytes, 22);
    let sender_is_group = sender_mac[0] & 1 == 1;
    if bytes[14..20] != PREAMBLE || sender_mac != mac_at(bytes, 6) || sender_is_group {
        return Err(DropReason::ArpInvalid);
    }
    Ok(ArpPacket {
        operation,
        sender_mac,
        sender: address_at(bytes, 28),
        target: address_at(bytes, 38),
    })
}

/// Writes a question into `bytes` and says its length.
#[must_use]
pub fn request(bytes: &mut [u8], mac: Mac, own: Ipv4Addr, question: Question) -> Option<usize> {
    let bytes = bytes.first_chunk_mut::<FRAME_BYTES>()?;
    let to = question.owner.unwrap_or(BROADCAST);
    write(
        bytes,
        Operation::Request,
        (mac, own),
        (to, question.address),
    );
    if question.owner.is_none() {
        bytes[32..38].fill(0);
    }
    Some(FRAME_BYTES)
}

/// Turns a question into its answer, in place.
pub fn answer(frame: &mut Frame<'_>, asked: &ArpPacket, mac: Mac, own: Ipv4Addr) {
    if let Some(bytes) = frame.head.first_chunk_mut::<FRAME_BYTES>() {
        write(
            bytes,
            Operation::Reply,
            (mac, own),
            (asked.sender_mac, asked.sender),
        );
    }
}

fn write(
    bytes: &mut [u8; FRAME_BYTES],
    operation: Operation,
    from: (Mac, Ipv4Addr),
    to: (Mac, Ipv4Addr),
) {
    bytes[0..6].copy_from_slice(&to.0);
    bytes[6..12].copy_from_slice(&from.0);
    bytes[12..14].copy_from_slice(&ETHERTYPE);
    bytes[14..20].copy_from_slice(&PREAMBLE);
    bytes[20..22].copy_from_slice(match operation {
        Operation::Request => &[0, 1],
        Operation::Reply => &[0, 2],
    });
    bytes[22..28].copy_from_slice(&from.0);
    bytes[28..32].copy_from_slice(&from.1.octets());
    bytes[32..38].copy_from_slice(&to.0);
    bytes[38..42].copy_from_slice(&to.1.octets());
}

fn mac_at(bytes: &[u8; FRAME_BYTES], at: usize) -> Mac {
    core::array::from_fn(|i| bytes[at + i])
}

fn address_at(bytes: &[u8; FRAME_BYTES], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ZoneId;

    const OURS: (Mac, Ipv4Addr) = ([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 99, 0, 1));
    const HOST: (Mac, Ipv4Addr) = ([2, 0, 0, 0, 0, 2], Ipv4Addr::new(10, 99, 0, 2));

    fn question(owner: Option<Mac>) -> [u8; FRAME_BYTES] {
        let mut bytes = [0xaa; FRAME_BYTES];
        let zone = ZoneId::new(0).expect("a zone");
        let written = request(
            &mut bytes,
            HOST.0,
            HOST.1,
            Question {
                zone,
                address: OURS.1,
                owner,
            },
        );
        assert_eq!(written, Some(FRAME_BYTES));
        bytes
    }

    #[test]
    fn a_question_is_turned_into_its_answer_in_place() {
        let mut bytes = question(None);
        assert_eq!(bytes[..6], BROADCAST);
        let asked = parse(&bytes).expect("a question");
        assert_eq!(
            (asked.operation, asked.sender, asked.target),
            (Operation::Request, HOST.1, OURS.1)
        );

        answer(&mut Frame::whole(&mut bytes), &asked, OURS.0, OURS.1);
        assert_eq!(bytes[..6], HOST.0);
        let answered = parse(&bytes).expect("an answer");
        let said = (
            answered.operation,
            answered.sender_mac,
            answered.sender,
            answered.target,
        );
        assert_eq!(said, (Operation::Reply, OURS.0, OURS.1, HOST.1));
    }

    #[test]
    fn a_known_owner_is_asked_directly() {
        assert_eq!(question(Some(OURS.0))[..6], OURS.0);
    }

    #[test]
    fn malformed_arp_is_refused() {
        let refused = Err(DropReason::ArpInvalid);
        assert_eq!(parse(&question(None)[..41]), refused, "cut short");
        for (at, value, what) in [
            (15, 6, "hardware type"),
            (16, 0x86, "protocol"),
            (18, 8, "length"),
            (21, 3, "operation"),
            (22, 9, "sender"),
        ] {
            let mut bytes = question(None);
            bytes[at] = value;
            assert_eq!(parse(&bytes), refused, "{what}");
        }
    }
}

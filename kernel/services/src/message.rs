//! A DHCP client's message, as far as a server must know it (RFC 2131 section 2, RFC 2132).

use core::hash::Hasher;
use core::net::Ipv4Addr;

use siphasher::sip::SipHasher24;
use smoltcp::wire::{DhcpFlags, DhcpMessageType, DhcpOpCode, DhcpPacket};

use crate::Mac;

/// RFC 1497's magic cookie.
const COOKIE: u32 = 0x6382_5363;
const REQUESTED_ADDRESS: u8 = 50;
const MESSAGE_TYPE: u8 = 53;
const SERVER_IDENTIFIER: u8 = 54;
const CLIENT_IDENTIFIER: u8 = 61;

/// Who a client is: a keyed hash of its identifier, or of its Ethernet address if it has none (RFC 2131 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKey(u64);

impl ClientKey {
    /// The key of an identifier.
    #[must_use]
    pub fn new(secret: u64, kind: u8, identifier: &[u8]) -> Self {
        let mut hasher = SipHasher24::new_with_keys(secret, 0);
        hasher.write_u8(kind);
        hasher.write(identifier);
        Self(hasher.finish())
    }

    /// A number to choose an address by.
    #[must_use]
    pub const fn spread(self) -> u64 {
        self.0
    }
}

/// A client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it wants.
    pub kind: DhcpMessageType,
    /// `xid`: which conversation.
    pub transaction: u32,
    /// `secs`: how long it has been asking.
    pub seconds: u16,
    /// The broadcast flag: it cannot take unicast yet.
    pub broadcast: bool,
    /// `ciaddr`: the address that it uses now.
    pub current: Option<Ipv4Addr>,
    /// `giaddr`: the relay that handed the message on.
    pub relay: Option<Ipv4Addr>,
    /// `chaddr`.
    pub mac: Mac,
    /// Option 50: the address that it would like.
    pub requested: Option<Ipv4Addr>,
    /// Option 54: which server it means.
    pub server: Option<Ipv4Addr>,
    /// Option 61, as it came, to be echoed (RFC 6842).
    pub identifier: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads a message; `None` if it is none, or not from an Ethernet client.
    #[must_use]
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        const ETHERNET: (u8, u8) = (1, 6);
        let packet = DhcpPacket::new_checked(payload).ok()?;
        let hardware = (*payload.get(1)?, packet.hardware_len());
        if packet.opcode() != DhcpOpCode::Request
            || packet.magic_number() != COOKIE
            || hardware != ETHERNET
        {
            return None;
        }
        let mut message = Self {
            kind: DhcpMessageType::Unknown(0),
            transaction: packet.transaction_id(),
            seconds: packet.secs(),
            broadcast: packet.flags().contains(DhcpFlags::BROADCAST),
            current: named(packet.client_ip()),
            relay: named(packet.relay_agent_ip()),
            mac: packet.client_hardware_address().0,
            requested: None,
            server: None,
            identifier: None,
        };
        let mut rest = payload.get(240..)?;
        while let Some((kind, data, next)) = option(rest) {
            rest = next;
            match (kind, data) {
                (MESSAGE_TYPE, &[kind]) => message.kind = DhcpMessageType::from(kind),
                (REQUESTED_ADDRESS, _) => message.requested = address(data),
                (SERVER_IDENTIFIER, _) => message.server = address(data),
                // RFC 2132 section 9.14: its minimum length is 2.
                (CLIENT_IDENTIFIER, [_, _, ..]) => message.identifier = Some(data),
                _ => {}
            }
        }
        let is_group = message.mac[0] & 1 == 1 || message.mac == [0; 6];
        (!is_group).then_some(message)
    }

    /// Who sent it.
    #[must_use]
    pub fn client(&self, secret: u64) -> ClientKey {
        match self.identifier {
            Some(identifier) => ClientKey::new(secret, 61, identifier),
            None => ClientKey::new(secret, 1, &self.mac),
        }
    }
}

/// The next option: its number, its data, and what follows.
fn option(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    const PAD: u8 = 0;
    const END: u8 = 255;
    let start = bytes.iter().position(|&byte| byte != PAD)?;
    match &bytes[start..] {
        [END, ..] => None,
        [kind, len, rest @ ..] => {
            let (data, rest) = rest.split_at_checked(usize::from(*len))?;
            Some((*kind, data, rest))
        }
        _ => None,
    }
}

fn address(data: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = data.try_into().ok()?;
    named(octets.into())
}

fn named(address: Ipv4Addr) -> Option<Ipv4Addr> {
    (!address.is_unspecified()).then_some(address)
}

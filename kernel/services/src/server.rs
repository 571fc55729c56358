//! DHCP server of one zone (RFC 2131 section 4.3), the only one on its segment.
//!
//! It is authoritative: an address that a client may not have is refused at
//! once, so that guests of another network find their way in seconds. After a
//! restart it knows no leases; a client that still uses an address which is free
//! keeps it.

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sekisho_config::model::{DhcpServer, DnsOption, RouterOption};
use sekisho_engine::Instant;
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};

use crate::Mac;
use crate::datagram::{self, Route};
use crate::leases::{Client, Leases};
use crate::message::Message;

/// UDP ports (RFC 2131 section 4.1).
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
const BROADCAST_MAC: Mac = [0xff; 6];
/// Bytes of the shortest message: older clients expect BOOTP's size (RFC 1542 section 2.1).
const SHORTEST: usize = 300;
/// Bytes of the longest message that each client must take (RFC 2131 section 2).
const LONGEST: usize = 548;

/// Option numbers (RFC 2132).
mod option {
    pub const DNS: u8 = 6;
    pub const DOMAIN: u8 = 15;
    pub const MTU: u8 = 26;
    pub const BROADCAST: u8 = 28;
    pub const MESSAGE: u8 = 56;
    pub const RENEWAL: u8 = 58;
    pub const REBINDING: u8 = 59;
    pub const CLIENT_IDENTIFIER: u8 = 61;
}

/// The server of one zone.
#[derive(Debug)]
pub struct Server {
    own: Ipv4Net,
    mac: Mac,
    mtu: u16,
    settings: DhcpServer,
    leases: Leases,
    secret: u64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A client has an address that it did not have before.
    Leased(Mac, Ipv4Addr),
    /// No address is left.
    Exhausted(Mac),
    /// A client found its address in use.
    Declined(Mac, Ipv4Addr),
}

/// What to answer.
enum Answer {
    Offer(Ipv4Addr),
    Acknowledge(Ipv4Addr),
    /// To INFORM: settings without an address.
    Inform(Ipv4Addr),
    Refuse(&'static str),
}

impl Server {
    /// A server with all addresses free; takes all its memory now.
    #[must_use]
    pub fn new(settings: &DhcpServer, own: Ipv4Net, mac: Mac, mtu: u16, secret: u64) -> Self {
        Self {
            own,
            mac,
            mtu,
            leases: Leases::new(settings),
            settings: settings.clone(),
            secret,
        }
    }

    /// Takes a client's message; writes the answer, if there is one, as a frame and says its length.
    pub fn receive(
        &mut self,
        (route, payload): (&Route, &[u8]),
        upstream: &[Ipv4Addr],
        now: Instant,
        frame: &mut [u8],
    ) -> (Option<usize>, Option<Outcome>) {
        // A relay speaks for another segment, of which this server has no addresses.
        let message = Message::read(payload).filter(|message| message.relay.is_none());
        let Some(message) = message.filter(|_| route.ports.1 == SERVER) else {
            return (None, None);
        };
        let (answer, outcome) = self.decide(&message, now);
        let len = answer.and_then(|answer| self.write(&message, &answer, upstream, frame));
        (len, outcome)
    }

    fn decide(&mut self, message: &Message<'_>, now: Instant) -> (Option<Answer>, Option<Outcome>) {
        let client = Client {
            key: message.client(self.secret),
            mac: message.mac,
        };
        match message.kind {
            DhcpMessageType::Discover => match self.leases.offer(client, message.requested, now) {
                Some(address) => (Some(Answer::Offer(address)), None),
                None => (None, Some(Outcome::Exhausted(message.mac))),
            },
            DhcpMessageType::Request => self.request(message, client, now),
            DhcpMessageType::Decline => {
                let declined = message.requested.filter(|_| self.is_meant(message));
                if let Some(address) = declined {
                    self.leases.decline(client, address, now);
                }
                let outcome = declined.map(|address| Outcome::Declined(message.mac, address));
                (None, outcome)
            }
            DhcpMessageType::Release => {
                if let Some(address) = message.current.filter(|_| self.is_meant(message)) {
                    self.leases.release(client, address);
                }
                (None, None)
            }
            DhcpMessageType::Inform => {
                let ours = message.current.filter(|address| self.own.contains(address));
                (ours.map(Answer::Inform), None)
            }
            _ => (None, None),
        }
    }

    /// REQUEST, in the four states that a client can be in (RFC 2131 section 4.3.2).
    fn request(
        &mut self,
        message: &Message<'_>,
        client: Client,
        now: Instant,
    ) -> (Option<Answer>, Option<Outcome>) {
        if !self.is_meant(message) {
            self.leases.withdraw(client);
            return (None, None);
        }
        // SELECTING and INIT-REBOOT name the address in an option, RENEWING and REBINDING in `ciaddr`.
        let Some(address) = message.requested.or(message.current) else {
            return (Some(Answer::Refuse("no address named")), None);
        };
        match self.leases.bind(client, address, now) {
            Ok(is_new) => {
                let outcome = is_new.then_some(Outcome::Leased(message.mac, address));
                (Some(Answer::Acknowledge(address)), outcome)
            }
            Err(_) => (Some(Answer::Refuse("this address is not yours")), None),
        }
    }

    /// Whether the message names no other server.
    fn is_meant(&self, message: &Message<'_>) -> bool {
        message
            .server
            .is_none_or(|server| server == self.own.addr())
    }

    fn write(
        &self,
        message: &Message<'_>,
        answer: &Answer,
        upstream: &[Ipv4Addr],
        frame: &mut [u8],
    ) -> Option<usize> {
        let own = self.own.addr();
        let seconds = u32::try_from(self.leases.lease().as_secs()).unwrap_or(u32::MAX);
        let (renewal, rebinding) = (seconds / 2, seconds - seconds / 8);
        let (renewal, rebinding) = (renewal.to_be_bytes(), rebinding.to_be_bytes());
        let (mtu, broadcast) = (self.mtu.to_be_bytes(), self.own.broadcast().octets());
        let dns = self.dns(upstream);

        let mut options = heapless::Vec::<DhcpOption<'_>, 8>::new();
        let mut add = |kind, data| {
            let _ = options.push(DhcpOption { kind, data });
        };
        if let Some(identifier) = message.identifier {
            add(option::CLIENT_IDENTIFIER, identifier);
        }
        if let Answer::Refuse(why) = answer {
            add(option::MESSAGE, why.as_bytes());
        } else {
            if let Answer::Offer(_) | Answer::Acknowledge(_) = answer {
                add(option::RENEWAL, &renewal);
                add(option::REBINDING, &rebinding);
            }
            add(option::BROADCAST, &broadcast);
            if self.mtu != 1500 {
                add(option::MTU, &mtu);
            }
            if !dns.is_empty() {
                add(option::DNS, &dns);
            }
            if let Some(domain) = &self.settings.domain {
                add(option::DOMAIN, domain.as_bytes());
            }
        }
        let (kind, your) = match *answer {
            Answer::Offer(address) => (DhcpMessageType::Offer, Some(address)),
            Answer::Acknowledge(address) => (DhcpMessageType::Ack, Some(address)),
            Answer::Inform(_) => (DhcpMessageType::Ack, None),
            Answer::Refuse(_) => (DhcpMessageType::Nak, None),
        };
        let grants = !matches!(answer, Answer::Refuse(_));
        let reply = DhcpRepr {
            message_type: kind,
            transaction_id: message.transaction,
            secs: 0,
            client_hardware_address: EthernetAddress(message.mac),
            client_ip: match answer {
                Answer::Acknowledge(_) | Answer::Inform(_) => message.current,
                Answer::Offer(_) | Answer::Refuse(_) => None,
            }
            .unwrap_or(Ipv4Addr::UNSPECIFIED),
            your_ip: your.unwrap_or(Ipv4Addr::UNSPECIFIED),
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: self.router().filter(|_| grants),
            subnet_mask: grants.then(|| self.own.netmask()),
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: message.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(own),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: your.map(|_| seconds),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &options,
        };
        let route = self.way_back(message, answer);
        let len = reply.buffer_len().max(SHORTEST);
        let len = Some(len).filter(|len| *len <= LONGEST)?;
        datagram::write(frame, &route, len, |payload| {
            payload.fill(0);
            reply.emit(&mut DhcpPacket::new_unchecked(payload)).ok()
        })
    }

    /// Where the answer goes (RFC 2131 section 4.1).
    fn way_back(&self, message: &Message<'_>, answer: &Answer) -> Route {
        let to = match *answer {
            Answer::Refuse(_) => None,
            Answer::Inform(address) => Some(address),
            Answer::Offer(address) | Answer::Acknowledge(address) => match message.current {
                Some(current) => Some(current),
                None => Some(address).filter(|_| !message.broadcast),
            },
        };
        let (mac, address) = match to {
            Some(address) => (message.mac, address),
            None => (BROADCAST_MAC, Ipv4Addr::BROADCAST),
        };
        Route {
            macs: (self.mac, mac),
            addresses: (self.own.addr(), address),
            ports: (SERVER, CLIENT),
        }
    }

    fn router(&self) -> Option<Ipv4Addr> {
        match self.settings.router {
            RouterOption::Own => Some(self.own.addr()),
            RouterOption::Fixed(address) => Some(address),
            RouterOption::None => None,
        }
    }

    fn dns(&self, upstream: &[Ipv4Addr]) -> heapless::Vec<u8, 32> {
        let servers = match &self.settings.dns {
            DnsOption::Upstream => upstream,
            DnsOption::Fixed(servers) => servers,
        };
        servers.iter().take(8).flat_map(|s| s.octets()).collect()
    }
}

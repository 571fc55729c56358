//! DHCP client of one zone (RFC 2131), on smoltcp's.
//!
//! smoltcp's socket keeps the protocol's states and timers. This module gives it
//! a wire of its own: ARP is answered here, because addresses of neighbours are the
//! packet engine's business, and what the socket sends is handed on as frames.

use alloc::boxed::Box;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sekisho_engine::{Instant, martian};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4;
use smoltcp::time::{Duration, Instant as WireInstant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DHCP_MAX_DNS_SERVER_COUNT, EthernetAddress, EthernetFrame,
    EthernetProtocol, EthernetRepr, HardwareAddress, IpCidr,
};

use crate::Mac;
use crate::datagram::LONGEST;

/// DHCP option of the routers (RFC 2132 section 3.5).
const ROUTERS: u8 = 3;
/// The neighbour that the socket believes to be everybody; the engine writes the real one.
const ANYBODY: Mac = [0x02, 0, 0, 0, 0, 0x01];
/// How long a lease that was valid before the cable was pulled may take to be confirmed.
const CONFIRM: core::time::Duration = core::time::Duration::from_secs(10);

/// What a DHCP server granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Our address and its segment's prefix.
    pub address: Ipv4Net,
    /// The first router on the segment.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: heapless::Vec<Ipv4Addr, DHCP_MAX_DNS_SERVER_COUNT>,
    /// Who granted it.
    pub server: Ipv4Addr,
}

/// What happened to the zone's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A lease: new, changed, or confirmed after the cable was plugged in again.
    Bound(Lease),
    /// The lease is over: nothing may leave with its address any more.
    Lost,
}

/// The client of one zone.
pub struct Client {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    wire: Wire,
    lease: Option<Lease>,
    standing: Standing,
}

/// What is known of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The socket says all.
    Plain,
    /// The cable is out.
    Unplugged,
    /// The cable is in again; until then the old lease may be confirmed.
    Confirming(Instant),
}

impl Client {
    /// A client that asks for an address as soon as it is polled; takes all its memory now.
    #[must_use]
    pub fn new(mac: Mac, mtu: u16, random: u64) -> Self {
        let mut wire = Wire::new(mac, mtu);
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        config.random_seed = random;
        let interface = Interface::new(config, &mut wire, WireInstant::ZERO);
        let mut socket = dhcpv4::Socket::new();
        let mut retries = dhcpv4::RetryConfig::default();
        retries.discover_timeout = Duration::from_secs(4);
        retries.initial_request_timeout = Duration::from_secs(4);
        socket.set_retry_config(retries);
        // The whole answer is needed: of several routers smoltcp tells none.
        socket.set_receive_packet_buffer(Box::leak(alloc::vec![0; LONGEST].into_boxed_slice()));
        let mut sockets = SocketSet::new(alloc::vec::Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self {
            interface,
            sockets,
            handle,
            wire,
            lease: None,
            standing: Standing::Plain,
        }
    }

    /// The lease that is valid now.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Whether the lease is certain; it is not between the cable's return and the server's answer.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.standing == Standing::Plain
    }

    /// Takes a frame whose checksums are known to be right.
    pub fn receive(&mut self, frame: &[u8], now: Instant) {
        let _ = self.wire.incoming.push_back(kept(frame));
        self.turn(now);
    }

    /// The cable was plugged in or pulled out.
    pub fn set_link(&mut self, up: bool, now: Instant) {
        if !up {
            self.standing = Standing::Unplugged;
            return;
        }
        self.socket().reset();
        self.standing = if self.lease.is_some() {
            Standing::Confirming(now.after(CONFIRM))
        } else {
            Standing::Plain
        };
    }

    /// Lets time pass and says what became of the address; call it until there is nothing more.
    pub fn poll(&mut self, now: Instant) -> Option<Change> {
        if self.standing == Standing::Unplugged {
            return None;
        }
        self.turn(now);
        let heard = match self.socket().poll() {
            Some(dhcpv4::Event::Configured(config)) => Some(lease_of(&config)),
            Some(dhcpv4::Event::Deconfigured) => Some(None),
            None => None,
        };
        match heard {
            Some(Some(lease)) => self.bound(lease),
            Some(None) if self.standing == Standing::Plain => self.lost(),
            _ if matches!(self.standing, Standing::Confirming(until) if until <= now) => {
                self.standing = Standing::Plain;
                self.lost()
            }
            _ => None,
        }
    }

    /// When [`poll`](Self::poll) has something to do by itself.
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let timer = self.interface.poll_at(wire_time(now), &self.sockets);
        let timer = timer.map(|at| Instant::from_micros(at.total_micros().max(0) as u64));
        match self.standing {
            Standing::Unplugged => None,
            Standing::Plain => timer,
            Standing::Confirming(until) => Some(timer.map_or(until, |timer| timer.min(until))),
        }
    }

    /// The next frame to send. Its Ethernet destination is right only where it is a broadcast.
    pub fn outgoing(&mut self) -> Option<Kept> {
        self.wire.outgoing.pop_front()
    }

    fn turn(&mut self, now: Instant) {
        let Self {
            interface,
            sockets,
            wire,
            ..
        } = self;
        // Each round may answer ARP for itself, which lets the next one send.
        while interface.poll(wire_time(now), wire, sockets) == PollResult::SocketStateChanged
            || !wire.incoming.is_empty()
        {}
    }

    fn socket(&mut self) -> &mut dhcpv4::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn bound(&mut self, lease: Lease) -> Option<Change> {
        let confirmed = core::mem::replace(&mut self.standing, Standing::Plain);
        if self.lease.as_ref() == Some(&lease) && confirmed == Standing::Plain {
            return None;
        }
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            let own = IpCidr::new(lease.address.addr().into(), lease.address.prefix_len());
            let _ = addresses.push(own);
        });
        // Whoever the server is, the engine finds the way: to the socket all is one hop away.
        let _ = self
            .interface
            .routes_mut()
            .add_default_ipv4_route(lease.gateway.unwrap_or(lease.server));
        self.lease = Some(lease.clone());
        Some(Change::Bound(lease))
    }

    fn lost(&mut self) -> Option<Change> {
        self.interface.update_ip_addrs(heapless::Vec::clear);
        self.interface.routes_mut().remove_default_ipv4_route();
        self.lease.take().map(|_| Change::Lost)
    }
}

/// Reads what was granted; `None` if no host can live with it.
fn lease_of(config: &dhcpv4::Config<'_>) -> Option<Lease> {
    let address = Ipv4Net::new(config.address.address(), config.address.prefix_len()).ok()?;
    let (host, server) = (address.addr(), config.server.identifier);
    let is_edge = |of: Ipv4Addr| {
        address.prefix_len() < 31 && (of == address.network() || of == address.broadcast())
    };
    let is_host = |of: Ipv4Addr| martian::is_source(of) && !is_edge(of);
    if !is_host(host) || host.is_link_local() || address.prefix_len() == 0 {
        return None;
    }
    // The server is asked again by this address, and smoltcp asserts that its next hop is a host.
    if !martian::is_source(server) {
        return None;
    }
    let routers = config.packet.as_ref().and_then(|packet| {
        let mut options = packet.options();
        let option = options.find(|option| option.kind == ROUTERS)?;
        option.data.first_chunk::<4>().copied().map(Ipv4Addr::from)
    });
    let gateway = config.router.or(routers);
    Some(Lease {
        address,
        gateway: gateway.filter(|via| address.contains(via) && *via != host && is_host(*via)),
        dns: config.dns_servers.clone(),
        server,
    })
}

fn wire_time(now: Instant) -> WireInstant {
    WireInstant::from_micros(now.as_micros().min(i64::MAX as u64) as i64)
}

/// A frame that waits.
pub type Kept = heapless::Vec<u8, LONGEST>;

fn kept(frame: &[u8]) -> Kept {
    Kept::from_slice(frame).unwrap_or_default()
}

/// The socket's end of the world.
struct Wire {
    mac: Mac,
    mtu: u16,
    incoming: heapless::Deque<Kept, 4>,
    outgoing: heapless::Deque<Kept, 4>,
}

impl Wire {
    const fn new(mac: Mac, mtu: u16) -> Self {
        Self {
            mac,
            mtu,
            incoming: heapless::Deque::new(),
            outgoing: heapless::Deque::new(),
        }
    }

    /// Takes what the socket sends: ARP is answered, the rest is kept.
    fn send(&mut self, frame: Kept) {
        match self.arp_answer(&frame) {
            Some(answer) => {
                let _ = self.incoming.push_back(answer);
            }
            None if is_ip(&frame) => {
                let _ = self.outgoing.push_back(frame);
            }
            None => {}
        }
    }

    fn arp_answer(&self, frame: &[u8]) -> Option<Kept> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Arp {
            return None;
        }
        let question = ArpRepr::parse(&ArpPacket::new_checked(ethernet.payload()).ok()?).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = question
        else {
            return None;
        };
        if source_protocol_addr == target_protocol_addr {
            return None;
        }
        let answer = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(ANYBODY),
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: EthernetAddress(self.mac),
            target_protocol_addr: source_protocol_addr,
        };
        let header = EthernetRepr {
            src_addr: EthernetAddress(ANYBODY),
            dst_addr: EthernetAddress(self.mac),
            ethertype: EthernetProtocol::Arp,
        };
        let mut bytes = Kept::new();
        bytes.resize(14 + answer.buffer_len(), 0).ok()?;
        header.emit(&mut EthernetFrame::new_unchecked(&mut bytes[..]));
        answer.emit(&mut ArpPacket::new_unchecked(&mut bytes[14..]));
        Some(bytes)
    }
}

fn is_ip(frame: &[u8]) -> bool {
    EthernetFrame::new_checked(frame)
        .is_ok_and(|ethernet| ethernet.ethertype() == EthernetProtocol::Ipv4)
}

impl Device for Wire {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: WireInstant) -> Option<(Incoming, Outgoing<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((Incoming(frame), Outgoing(self)))
    }

    fn transmit(&mut self, _: WireInstant) -> Option<Outgoing<'_>> {
        (!self.outgoing.is_full()).then_some(Outgoing(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = (14 + usize::from(self.mtu)).min(LONGEST);
        // A card may hand over a checksum that it never completed, because the frame crossed no wire.
        capabilities.checksum.udp = Checksum::Tx;
        capabilities
    }
}

/// A frame for the socket.
struct Incoming(Kept);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Leave to send one frame.
struct Outgoing<'a>(&'a mut Wire);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = Kept::new();
        let _ = frame.resize(len.min(LONGEST), 0);
        let result = f(&mut frame);
        self.0.send(frame);
        result
    }
}

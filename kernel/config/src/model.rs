//! The checked configuration.
//!
//! Names are resolved, sets and services are expanded, contradictions are
//! refused: whoever holds a [`Config`] need not check it again. Order is kept
//! where it matters (rules: first match wins).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use ipnet::{IpNet, Ipv4Net};

/// The most zones, and so cards, that one configuration can name.
pub const MAX_ZONES: usize = 8;

/// A whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// One to [`MAX_ZONES`] zones; [`ZoneId`] is the index.
    pub zones: Vec<Zone>,
    /// Filter rules; the first that matches decides, what none takes is dropped.
    pub rules: Vec<Rule>,
    /// Port forwards; each implies its accept.
    pub forwards: Vec<Forward>,
    /// Static routes beside the zones' own prefixes and gateways.
    pub routes: Vec<Route>,
    /// Address translation.
    pub nat: Nat,
    /// Protocols whose payload is read.
    pub alg: Alg,
    /// Which TCP segments begin a flow.
    pub tcp_pickup: TcpPickup,
    /// How long an idle flow lives.
    pub timeouts: Timeouts,
    /// Bounds that keep one host from using up what all share.
    pub limits: Limits,
}

/// A zone's index in [`Config::zones`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(u8);

impl ZoneId {
    /// The zone with this index, if there can be one.
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        if index < MAX_ZONES {
            Some(Self(index as u8))
        } else {
            None
        }
    }

    /// The index in [`Config::zones`], below [`MAX_ZONES`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One network segment and the card on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// `[a-z][a-z0-9-]*`, unique, never `self` or `any`.
    pub name: String,
    /// Which card is the zone's.
    pub card: Card,
    /// The firewall's own address there.
    pub address: Addressing,
    /// Largest IP packet in bytes, 576 to 9000.
    pub mtu: u16,
    /// Accept RFC 1918 and RFC 6598 sources from this zone although they are not its own prefix.
    pub allow_private_sources: bool,
    /// What the firewall itself answers to hosts in this zone.
    pub answer: Answer,
    /// A DHCP server on this zone.
    pub dhcp: Option<DhcpServer>,
}

/// How a zone finds its card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// By Ethernet address.
    Mac([u8; 6]),
    /// By position among the cards in bus order, from 0.
    Slot(u8),
}

/// Where a zone's own address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// From a DHCP server on the segment.
    Dhcp,
    /// Fixed: host address with prefix length, and the default gateway if this zone leads out.
    Static {
        /// The firewall's address and the segment's prefix.
        address: Ipv4Net,
        /// The next hop of the default route.
        gateway: Option<Ipv4Addr>,
    },
}

/// What the firewall itself answers to hosts of one zone; silence by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Reply to ICMP echo requests (key `"echo"`).
    pub echo: bool,
    /// Send ICMP errors (time exceeded, unreachable, fragmentation needed) into the zone (key `"errors"`).
    /// Fragmentation needed about a flow that exists is always sent, else path MTU discovery breaks.
    pub errors: bool,
    /// Refuse what comes to closed ports of the firewall's own address: TCP with a RST, all else with ICMP 3/3
    /// (key `"refuse"`). A rule that says `reject` always answers.
    pub refuse: bool,
}

/// A DHCP server's settings (RFC 2131).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpServer {
    /// First address handed out, inside the zone's prefix.
    pub first: Ipv4Addr,
    /// Last address handed out, inclusive.
    pub last: Ipv4Addr,
    /// Lease time.
    pub lease: Duration,
    /// The router option.
    pub router: RouterOption,
    /// The name server option.
    pub dns: DnsOption,
    /// Fixed addresses by Ethernet address; may lie outside the range but inside the prefix.
    pub reservations: Vec<Reservation>,
    /// Domain name option.
    pub domain: Option<String>,
}

/// DHCP option 3, as the server gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterOption {
    /// The zone's own address (the default where traffic may leave the zone).
    Own,
    /// Another router on the segment.
    Fixed(Ipv4Addr),
    /// No router: clients get no default route.
    None,
}

/// DHCP option 6, as the server gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsOption {
    /// What the DHCP client of an upstream zone was told; none until it was.
    Upstream,
    /// These servers; empty for none.
    Fixed(Vec<Ipv4Addr>),
}

/// A fixed DHCP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The client's Ethernet address.
    pub mac: [u8; 6],
    /// The address it always gets.
    pub address: Ipv4Addr,
}

/// One end of a rule: a zone of the network, or the firewall's own endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Hosts behind a card.
    Zone(ZoneId),
    /// The firewall itself, `self` in the language.
    Own,
}

/// A filter rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique among rules and forwards.
    pub name: String,
    /// Where the packet comes from; empty matches every place.
    pub from: Vec<Place>,
    /// Where it goes to; empty matches every place.
    pub to: Vec<Place>,
    /// Source prefixes; empty matches every address.
    pub src: Vec<IpNet>,
    /// Destination prefixes (after forwards: the inside address); empty matches every address.
    pub dst: Vec<IpNet>,
    /// Protocols and destination ports; empty matches all.
    pub service: Vec<Service>,
    /// What happens.
    pub action: Action,
    /// Print each decision on the console (rate-limited).
    pub log: bool,
}

/// What a rule does with a new flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it in.
    Accept,
    /// Drop it silently.
    Drop,
    /// Drop it and tell the sender: TCP gets a RST, all else ICMP 3/13.
    Reject,
}

/// Protocol and, where it has them, destination ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// TCP to these ports.
    Tcp(PortRange),
    /// UDP to these ports.
    Udp(PortRange),
    /// ICMP; `None` is every type. Errors about flows pass by themselves and need no rule.
    Icmp(Option<u8>),
    /// Another IP protocol by number.
    Protocol(u8),
}

/// Ports from `first` to `last`, both included; `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

impl PortRange {
    /// How many ports, 1 to 65,536.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.last as u32 - self.first as u32 + 1
    }

    /// Whether the port lies inside.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// A port forward: destination NAT of what arrives for the zone's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Unique among rules and forwards.
    pub name: String,
    /// The zone whose own address is forwarded.
    pub from: ZoneId,
    /// The outside ports; only [`Service::Tcp`] and [`Service::Udp`].
    pub service: Vec<Service>,
    /// The inside servers, one to [`MAX_SERVERS`]; all of them offer the same.
    pub servers: Vec<Server>,
    /// Which of several servers gets a flow.
    pub balance: Balance,
    /// Who may use it; empty for everybody.
    pub sources: Vec<IpNet>,
    /// Print each new flow on the console (rate-limited).
    pub log: bool,
}

/// The most servers of one forward.
pub const MAX_SERVERS: usize = 64;

/// A server behind a forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its own address.
    pub address: Ipv4Addr,
    /// The zone that holds it, by its prefix or a route.
    pub zone: ZoneId,
    /// First inside port; `None` keeps the outside port. A range maps one to one from here.
    pub port: Option<u16>,
}

/// Which of a forward's servers gets a new flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The next one.
    #[default]
    RoundRobin,
    /// Always the same for one client address.
    SourceHash,
}

/// A static route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: Ipv4Net,
    /// The next hop, on the prefix of a zone.
    pub via: Ipv4Addr,
    /// The zone whose prefix holds `via`.
    pub zone: ZoneId,
}

/// Address translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// What the other settings and the timeouts default to.
    pub preset: Preset,
    /// From which zone into which zone sources become an address of ours there.
    pub masquerade: Vec<Masquerade>,
    /// Inside addresses with an outside address each for themselves; they come before masquerading.
    pub one_to_one: Vec<OneToOne>,
    /// What holds where no masquerade entry does: for hairpins from zones that are not masqueraded.
    pub behavior: Behavior,
    /// Flows to different peers may share an outside port (RFC 7857 section 3). Only where every
    /// mapping and filtering is address- and port-dependent, for else an inbound packet would belong to two.
    pub port_overlapping: bool,
}

/// A set of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// What RFC 4787, RFC 5382, RFC 5508 and RFC 7857 ask for.
    #[default]
    Rfc,
    /// What Linux's netfilter does.
    Linux,
}

impl Preset {
    /// Each with its word in the configuration.
    pub const WORDS: [(&str, Self); 2] = [("rfc", Self::Rfc), ("linux", Self::Linux)];

    /// How this preset's NAT behaves.
    #[must_use]
    pub const fn behavior(self) -> Behavior {
        match self {
            Self::Rfc => Behavior {
                mapping: Mapping::EndpointIndependent,
                filtering: Filtering::AddressDependent,
                port_preservation: true,
                port_parity: false,
                hairpin: true,
            },
            Self::Linux => Behavior {
                mapping: Mapping::AddressAndPortDependent,
                filtering: Filtering::AddressAndPortDependent,
                port_preservation: true,
                port_parity: false,
                hairpin: false,
            },
        }
    }

    /// Its idle times; netfilter's are those of `net.netfilter.nf_conntrack_*_timeout*` as the kernel sets them.
    #[must_use]
    pub fn timeouts(self) -> Timeouts {
        match self {
            Self::Rfc => Timeouts::default(),
            Self::Linux => Timeouts {
                udp_unanswered: Duration::from_secs(30),
                udp: Duration::from_secs(120),
                tcp_opening: Duration::from_secs(120),
                tcp_established: Duration::from_secs(5 * 24 * 3600),
                tcp_closing: Duration::from_secs(120),
                icmp: Duration::from_secs(30),
                other: Duration::from_secs(600),
            },
        }
    }
}

/// One masquerading direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masquerade {
    /// The inside.
    pub from: ZoneId,
    /// The outside.
    pub to: ZoneId,
    /// What the source becomes; `None` for the firewall's own address in `to`.
    pub address: Option<Ipv4Addr>,
    /// How mappings from there to here behave.
    pub behavior: Behavior,
}

/// Static NAT: each address of a prefix stands for the one with the same bits behind another prefix of the same length.
///
/// Outside, the firewall holds these addresses beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneToOne {
    /// The hosts' own addresses.
    pub inside: Ipv4Net,
    /// The zone that holds them.
    pub from: ZoneId,
    /// What they are called outside.
    pub outside: Ipv4Net,
    /// The zone in which they are called that.
    pub to: ZoneId,
}

/// How a NAT behaves (RFC 4787 sections 4 to 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behavior {
    /// RFC 4787 section 4.1.
    pub mapping: Mapping,
    /// RFC 4787 section 5.
    pub filtering: Filtering,
    /// A mapping gets the inside port if it is free; else each is random (RFC 6056).
    pub port_preservation: bool,
    /// Even ports get even ones and odd ports odd ones (RFC 4787 REQ-4).
    pub port_parity: bool,
    /// Inside hosts reach forwards and each other's mappings by the outside address (RFC 4787 section 6).
    pub hairpin: bool,
}

/// How outside ports are shared between an inside endpoint's peers (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// One outside port for an inside endpoint, whoever the peer is.
    EndpointIndependent,
    /// One for each address that it sends to.
    AddressDependent,
    /// One for each address and port that it sends to ("symmetric").
    AddressAndPortDependent,
}

impl Mapping {
    /// Each with its word in the configuration.
    pub const WORDS: [(&str, Self); 3] = [
        ("endpoint-independent", Self::EndpointIndependent),
        ("address-dependent", Self::AddressDependent),
        ("address-and-port-dependent", Self::AddressAndPortDependent),
    ];
}

/// Who outside may send to a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    /// Anybody.
    EndpointIndependent,
    /// Addresses that the inside endpoint has sent to.
    AddressDependent,
    /// Addresses and ports that the inside endpoint has sent to.
    AddressAndPortDependent,
}

impl Filtering {
    /// Each with its word in the configuration.
    pub const WORDS: [(&str, Self); 3] = [
        ("endpoint-independent", Self::EndpointIndependent),
        ("address-dependent", Self::AddressDependent),
        ("address-and-port-dependent", Self::AddressAndPortDependent),
    ];
}

/// Application-level gateways: protocols that tell each other addresses inside their payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alg {
    /// TCP ports of FTP servers, at which control connections are read; none: no FTP gateway.
    pub ftp: Vec<PortRange>,
}

/// Idle times after which a flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// UDP (RFC 4787 REQ-5: at least 2 min, 5 min by default).
    pub udp: Duration,
    /// UDP that nobody has answered yet.
    pub udp_unanswered: Duration,
    /// TCP before the handshake is done (RFC 7857 section 2.1).
    pub tcp_opening: Duration,
    /// TCP, established (RFC 5382 REQ-5: at least 2 h 4 min).
    pub tcp_established: Duration,
    /// TCP after a FIN in both directions or a RST (RFC 7857 sections 2.1 and 2.2).
    pub tcp_closing: Duration,
    /// ICMP queries (RFC 5508 REQ-2: at least 60 s).
    pub icmp: Duration,
    /// Other protocols.
    pub other: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            udp: Duration::from_secs(300),
            udp_unanswered: Duration::from_secs(300),
            tcp_opening: Duration::from_secs(240),
            tcp_established: Duration::from_secs(2 * 3600 + 240),
            tcp_closing: Duration::from_secs(240),
            icmp: Duration::from_secs(60),
            other: Duration::from_secs(600),
        }
    }
}

/// Which TCP segments begin a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcpPickup {
    /// A SYN and nothing else.
    #[default]
    Syn,
    /// Those in the middle of a connection too, as after a restart of the firewall.
    Anywhere,
}

/// Bounds that keep one host from using up what all share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Flows in the table; `None`: as many as the memory holds.
    pub flows: Option<u32>,
    /// Flows that one source address may have open; `None`: half the table.
    pub flows_per_source: Option<u32>,
    /// Flows that one source address may begin in a second; `None`: as many as it likes.
    pub new_flows_per_second_per_source: Option<u32>,
    /// How full the table is, in percent, when half-open and closed flows begin to live shorter.
    pub adaptive_start: u32,
    /// How full it would be if they lived no time at all.
    pub adaptive_end: u32,
    /// How many half-open connections, in percent of the table, make forwards answer SYNs with cookies; 100: none ever do.
    pub syn_cookies: u32,
    /// ICMP errors and RSTs that the firewall makes in a second, over all zones.
    pub icmp_errors_per_second: u32,
    /// Console lines for rules that say `log`, in a second.
    pub log_lines_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: None,
            flows_per_source: None,
            new_flows_per_second_per_source: None,
            adaptive_start: 50,
            adaptive_end: 100,
            syn_cookies: 25,
            icmp_errors_per_second: 100,
            log_lines_per_second: 10,
        }
    }
}

//! How a frame ends.

use crate::ZoneId;

/// What becomes of one frame. Each received frame gets exactly one.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The frame, rewritten in place, goes out.
    Forward(Egress),
    /// The packet was too large for its way out; its fragments go out by [`Output::Send`](crate::output::Output::Send).
    Fragmented(Egress),
    /// A text in the segment was replaced by one of another length; it goes out by
    /// [`Output::Send`](crate::output::Output::Send).
    Remade(Egress),
    /// The frame was for the box itself and now holds the answer (ARP reply, echo reply), which goes out.
    Answer(Egress),
    /// The frame is for one of the box's own services.
    Local,
    /// The frame was for the engine itself and is used up (an ARP reply, say).
    Absorbed,
    /// The frame waits, for a neighbour or for the rest of its datagram: keep it as it is
    /// under this number until an [`Output`](crate::output::Output) names it.
    Held(HoldSlot),
    /// The frame ends here; the reason is already counted.
    Drop(DropReason),
}

/// Leave to transmit: only the engine's last check makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Egress {
    zone: ZoneId,
}

impl Egress {
    /// Called once, after every check has passed.
    pub(crate) const fn granted(zone: ZoneId) -> Self {
        Self { zone }
    }

    /// The zone whose card sends the frame.
    #[must_use]
    pub const fn zone(&self) -> ZoneId {
        self.zone
    }
}

/// How many frames can wait at once, over all zones.
pub const HOLD_SLOTS: usize = 256;

/// A place in the caller's array of waiting frames, below [`HOLD_SLOTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldSlot(pub(crate) u8);

impl HoldSlot {
    /// The index in the caller's array.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])* $variant:ident => $name:literal,)*) => {
        /// Why a frame was not sent on; each has one counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])* $variant,)* }

        impl DropReason {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that people see.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim(),)* }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than an Ethernet header, or its head does not hold the headers.
    EthernetTooShort => "ethernet-too-short",
    /// Neither to this card's address nor to a group.
    EthernetNotForUs => "ethernet-not-for-us",
    /// A source address that is a group address.
    EthernetBadSource => "ethernet-bad-source",
    /// From another card of ours: two zones are on one segment.
    EthernetOwnSource => "ethernet-own-source",
    /// An 802.1Q or 802.1ad tag.
    VlanTagged => "vlan-tagged",
    /// An EtherType that nobody here speaks.
    EthertypeUnknown => "ethertype-unknown",
    /// IPv6, until it is built.
    Ipv6 => "ipv6",
    /// A malformed ARP packet, or one not for this segment.
    ArpInvalid => "arp-invalid",
    /// ARP that claims our own address.
    ArpConflict => "arp-conflict",
    /// ARP that would change a fresh entry (RFC 826; spoofing).
    ArpRefused => "arp-refused",
    /// Version, header length or total length do not fit (RFC 1812 section 5.2.2).
    IpHeaderInvalid => "ip-header-invalid",
    /// Wrong header checksum (RFC 1812 section 5.2.2).
    IpChecksum => "ip-checksum",
    /// IP options: source routes and all others.
    IpOptions => "ip-options",
    /// TTL would reach 0 (RFC 1812 section 5.3.1).
    TtlExceeded => "ttl-exceeded",
    /// A source that cannot be (RFC 1812 section 5.3.7, RFC 6890).
    MartianSource => "martian-source",
    /// A destination that is never forwarded (RFC 6890).
    MartianDestination => "martian-destination",
    /// A source that does not live behind the card it came in by (RFC 3704).
    ReversePath => "reverse-path",
    /// Our own address as a source.
    OwnSource => "own-source",
    /// To a broadcast or multicast group that no service of ours listens to.
    GroupDestination => "group-destination",
    /// No route to the destination.
    NoRoute => "no-route",
    /// It would leave by the zone it came in by.
    SameZone => "same-zone",
    /// The way out has no address, or its link is down.
    EgressDown => "egress-down",
    /// The neighbour does not answer ARP.
    NeighborUnreachable => "neighbor-unreachable",
    /// Too many frames wait for that neighbour, or for all.
    NeighborQueueFull => "neighbor-queue-full",
    /// Larger than the way out allows, with DF set (RFC 1191).
    TooBig => "too-big",
    /// A fragment that overlaps another, or overruns 65,535 bytes (RFC 5722's rule, for IPv4 too).
    FragmentInvalid => "fragment-invalid",
    /// A fragment whose first part never came.
    FragmentTimeout => "fragment-timeout",
    /// No room to track more fragments.
    FragmentTableFull => "fragment-table-full",
    /// A transport header that is cut short or contradicts itself.
    TransportInvalid => "transport-invalid",
    /// Wrong transport checksum where the engine must know.
    TransportChecksum => "transport-checksum",
    /// TCP flags that cannot be (null, Xmas, SYN+FIN …).
    TcpFlags => "tcp-flags",
    /// TCP without a flow that is not a SYN.
    TcpNoFlow => "tcp-no-flow",
    /// A TCP segment outside the window (van Rooij's equations).
    TcpWindow => "tcp-window",
    /// A TCP segment that the flow's state does not allow.
    TcpState => "tcp-state",
    /// An ICMP error that belongs to no flow, or quotes what was never sent.
    IcmpUnrelated => "icmp-unrelated",
    /// ICMP with a wrong checksum (RFC 5508 REQ-3).
    IcmpChecksum => "icmp-checksum",
    /// An ICMP type that is never passed (redirect, router advertisement …).
    IcmpType => "icmp-type",
    /// A rule says drop or reject.
    PolicyRule => "policy-rule",
    /// No rule takes it.
    PolicyDefault => "policy-default",
    /// A service of the box that is not offered to this zone.
    NotOffered => "not-offered",
    /// To a mapping from a peer that the filtering behaviour does not admit (RFC 4787 section 5).
    NatFiltered => "nat-filtered",
    /// No outside port left (RFC 7857 section 4).
    NatPortsExhausted => "nat-ports-exhausted",
    /// Hairpinning is switched off.
    HairpinOff => "hairpin-off",
    /// The table is full of established flows.
    FlowTableFull => "flow-table-full",
    /// Another flow looks the same on one side, and no port can tell them apart.
    FlowClash => "flow-clash",
    /// The source has all the flows it may have.
    SourceLimit => "source-limit",
    /// The source begins more flows in a second than it may.
    SourceRate => "source-rate",
    /// The policy that let the flow in has been replaced by one that does not.
    PolicyWithdrawn => "policy-withdrawn",
    /// A segment of an FTP control connection that cannot be changed now: it holds a part of a line that was changed, or
    /// an announcement before the one before was acknowledged. It comes again.
    AlgUnclear => "alg-unclear",
    /// The card could not take it: its ring was full.
    TransmitFull => "transmit-full",
    /// The card contradicted itself about this frame (checksum or segmentation fields).
    OffloadInvalid => "offload-invalid",
}

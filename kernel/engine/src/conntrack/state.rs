//! In which state a flow is, and what follows for its timer.

use core::time::Duration;

use sekisho_config::model::Timeouts;

use crate::conntrack::tcp;
use crate::key::Protocol;
use crate::stamp::Span;

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not TCP; nobody has answered yet.
    Unanswered,
    /// Not TCP; both sides have sent.
    Answered,
    /// TCP.
    Tcp(tcp::State),
}

/// A class of flows with a timeout, and so a wheel, of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Life {
    /// TCP before its handshake is done.
    TcpOpening,
    /// TCP after a FIN in both directions or a RST.
    TcpClosing,
    /// UDP without an answer.
    UdpUnanswered,
    /// ICMP queries without an answer.
    IcmpUnanswered,
    /// Another protocol without an answer.
    OtherUnanswered,
    /// TCP in use.
    TcpEstablished,
    /// UDP in both directions.
    Udp,
    /// ICMP queries that were answered.
    Icmp,
    /// Another protocol in both directions.
    Other,
}

/// How many lives there are.
pub const LIVES: usize = 9;

impl Life {
    /// Half-open and closed flows: what is given up under pressure (RFC 7857 section 2.2).
    pub const TRANSIENT: [Self; 5] = [
        Self::TcpOpening,
        Self::TcpClosing,
        Self::UdpUnanswered,
        Self::IcmpUnanswered,
        Self::OtherUnanswered,
    ];

    /// The class of a flow.
    #[must_use]
    pub const fn of(protocol: Protocol, state: State) -> Self {
        match (state, protocol) {
            (State::Tcp(state), _) => match state.phase() {
                tcp::Phase::Opening => Self::TcpOpening,
                tcp::Phase::Established => Self::TcpEstablished,
                tcp::Phase::Closing => Self::TcpClosing,
            },
            (State::Unanswered, Protocol::UDP) => Self::UdpUnanswered,
            (State::Unanswered, Protocol::ICMP | Protocol::ICMPV6) => Self::IcmpUnanswered,
            (State::Unanswered, _) => Self::OtherUnanswered,
            (State::Answered, Protocol::UDP) => Self::Udp,
            (State::Answered, Protocol::ICMP | Protocol::ICMPV6) => Self::Icmp,
            (State::Answered, _) => Self::Other,
        }
    }

    /// Whether such flows are given up under pressure.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        (self as usize) < Self::TRANSIENT.len()
    }

    const fn timeout(self, timeouts: &Timeouts) -> Duration {
        match self {
            Self::TcpOpening => timeouts.tcp_opening,
            Self::TcpClosing => timeouts.tcp_closing,
            Self::TcpEstablished => timeouts.tcp_established,
            Self::UdpUnanswered => timeouts.udp_unanswered,
            Self::Udp => timeouts.udp,
            Self::IcmpUnanswered | Self::Icmp => timeouts.icmp,
            Self::OtherUnanswered | Self::Other => timeouts.other,
        }
    }

    const ALL: [Self; LIVES] = [
        Self::TcpOpening,
        Self::TcpClosing,
        Self::UdpUnanswered,
        Self::IcmpUnanswered,
        Self::OtherUnanswered,
        Self::TcpEstablished,
        Self::Udp,
        Self::Icmp,
        Self::Other,
    ];
}

/// How long a flow of each life stays without being refreshed.
pub fn spans(timeouts: &Timeouts) -> [Span; LIVES] {
    Life::ALL.map(|life| Span::at_least(life.timeout(timeouts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_life_has_its_own_place() {
        for (index, life) in Life::ALL.into_iter().enumerate() {
            assert_eq!(life as usize, index);
        }
        assert!(Life::TRANSIENT.iter().all(|life| life.is_transient()));
        assert!(!Life::TcpEstablished.is_transient());
    }
}

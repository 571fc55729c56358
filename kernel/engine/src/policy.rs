//! What may pass: a checked configuration, ready for decisions.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use ipnet::IpNet;
use sekisho_config::Config;
use sekisho_config::model::{Action, Rule, Service};

use crate::address::Address;
use crate::key::{FlowKey, Protocol, Side};

/// Which policy looked at a flow; each reload gets the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Generation(u16);

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A rule's index in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(pub u16);

/// A forward's index in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardId(pub u16);

/// What the policy says of a new flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The rule that decided; without a rule and a forward none matched, and the flow is dropped.
    pub rule: Option<RuleId>,
    /// The forward that decided.
    pub forward: Option<ForwardId>,
    /// What happens.
    pub action: Action,
    /// Whether the decision is printed.
    pub log: bool,
}

impl Decision {
    /// No rule took it.
    pub const DEFAULT: Self = Self {
        rule: None,
        forward: None,
        action: Action::Drop,
        log: false,
    };

    /// A forward lets it in.
    #[must_use]
    pub const fn by_forward(forward: ForwardId, log: bool) -> Self {
        Self {
            rule: None,
            forward: Some(forward),
            action: Action::Accept,
            log,
        }
    }
}

/// A configuration's rules, of one generation.
#[derive(Clone, Debug)]
pub struct Policy {
    generation: Generation,
    rules: Vec<Rule>,
}

impl Policy {
    /// Takes the rules of a checked configuration.
    #[must_use]
    pub fn new(config: &Config, generation: Generation) -> Self {
        Self {
            generation,
            rules: config.rules.clone(),
        }
    }

    /// Which policy this is.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Decides on a new flow: `key` after destination NAT and before source NAT, on its way to side `to`.
    #[must_use]
    pub fn decide(&self, key: &FlowKey, to: Side) -> Decision {
        let found = self.rules.iter().position(|rule| matches(rule, key, to));
        match found {
            Some(index) => Decision {
                rule: Some(RuleId(index as u16)),
                forward: None,
                action: self.rules[index].action,
                log: self.rules[index].log,
            },
            None => Decision::DEFAULT,
        }
    }
}

fn matches(rule: &Rule, key: &FlowKey, to: Side) -> bool {
    (rule.from.is_empty() || rule.from.contains(&key.side.place()))
        && (rule.to.is_empty() || rule.to.contains(&to.place()))
        && holds(&rule.src, key.src.address)
        && holds(&rule.dst, key.dst.address)
        && (rule.service.is_empty() || rule.service.iter().any(|service| serves(*service, key)))
}

fn holds(nets: &[IpNet], address: Address) -> bool {
    nets.is_empty() || nets.iter().any(|net| contains(net, address))
}

fn contains(net: &IpNet, address: Address) -> bool {
    match (net, address.as_v4()) {
        (IpNet::V4(net), Some(v4)) => net.contains(&v4),
        (IpNet::V6(net), None) => net.contains(&Ipv6Addr::from(address.octets())),
        (IpNet::V4(_), None) | (IpNet::V6(_), Some(_)) => false,
    }
}

fn serves(service: Service, key: &FlowKey) -> bool {
    match service {
        Service::Tcp(ports) => key.protocol == Protocol::TCP && ports.contains(key.dst.port),
        Service::Udp(ports) => key.protocol == Protocol::UDP && ports.contains(key.dst.port),
        Service::Icmp(None) => key.protocol == Protocol::ICMP,
        Service::Icmp(Some(kind)) => {
            key.protocol == Protocol::ICMP && key.dst.port == u16::from(kind)
        }
        Service::Protocol(number) => key.protocol == Protocol(number),
    }
}

//! What may pass: a checked configuration, ready for decisions.
//!
//! The rules are compiled ([`classifier`]): a decision costs about the same with five
//! rules and with five thousand, whether one matches or none does.

mod classifier;
mod intervals;
mod pairs;

use alloc::vec::Vec;

use sekisho_config::Config;
use sekisho_config::model::{Action, Rule};

use crate::key::{FlowKey, Side};
use crate::policy::classifier::Classifier;

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
    classifier: Classifier,
    outcomes: Vec<Outcome>,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    action: Action,
    log: bool,
}

impl Policy {
    /// Compiles the rules of a checked configuration.
    #[must_use]
    pub fn new(config: &Config, generation: Generation) -> Self {
        Self {
            generation,
            classifier: Classifier::new(&config.rules),
            outcomes: config.rules.iter().map(outcome).collect(),
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
        let Some(rule) = self.classifier.first_match(key, to) else {
            return Decision::DEFAULT;
        };
        let outcome = self.outcomes[usize::from(rule)];
        Decision {
            rule: Some(RuleId(rule)),
            forward: None,
            action: outcome.action,
            log: outcome.log,
        }
    }
}

fn outcome(rule: &Rule) -> Outcome {
    Outcome {
        action: rule.action,
        log: rule.log,
    }
}

#[cfg(test)]
mod tests;

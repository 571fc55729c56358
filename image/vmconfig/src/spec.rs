//! A network as it is typed: `KIND` or `KIND:NAME`. Which kinds there are, each hypervisor says itself.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A kind of network, with a name where one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    kind: String,
    name: Option<String>,
}

impl Spec {
    /// Kind and name; an empty name is none.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        (&self.kind, name)
    }
}

impl FromStr for Spec {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            Some((kind, name)) => Self {
                kind: kind.into(),
                name: Some(name.into()),
            },
            None => Self {
                kind: text.into(),
                name: None,
            },
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}:{name}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

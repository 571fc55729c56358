//! `ZONE=SPEC`: which network a zone is on, as it is typed.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use sekisho_qemu::{HostForward, Network, Protocol, StreamRole};

/// What can be typed, for help and for errors.
pub const FORMS: &str = "tap:NAME, bridge:NAME, user[,hostfwd=tcp:[ADDRESS:]PORT-[ADDRESS]:PORT]..., \
    socket:OURS,THEIRS, listen:PATH or connect:PATH";

/// One `--net`, with the network in words of type `N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneNetwork<N = Network> {
    /// The zone's name.
    pub zone: String,
    /// Its network.
    pub network: N,
}

/// Why a `--net` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// There is no `=` with a zone before it.
    NoZone,
    /// No known kind of network.
    UnknownKind(String),
    /// A kind of network without its name or path.
    Incomplete(String),
    /// `user,` and then something else than forwards.
    UnknownOption(String),
    /// A forward that cannot be read.
    Forward(String),
}

impl std::error::Error for SpecError {}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZone => write!(f, "write ZONE=SPEC, where SPEC is {FORMS}"),
            Self::UnknownKind(kind) => {
                write!(f, "there is no kind of network `{kind}`; SPEC is {FORMS}")
            }
            Self::Incomplete(spec) => write!(f, "`{spec}` lacks a name or path; SPEC is {FORMS}"),
            Self::UnknownOption(option) => write!(
                f,
                "`{option}` is no option of the user network; it has hostfwd=tcp:8080-:80"
            ),
            Self::Forward(forward) => write!(
                f,
                "`{forward}` is no forward; write tcp:8080-:80, or tcp:127.0.0.1:8080-10.0.2.15:80"
            ),
        }
    }
}

impl FromStr for ZoneNetwork {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (zone, spec) = zone_and_spec(text).ok_or(SpecError::NoZone)?;
        Ok(Self {
            zone: zone.into(),
            network: network(spec)?,
        })
    }
}

/// Parts a `--net` at its first `=`.
pub fn zone_and_spec(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(zone, _)| !zone.is_empty())
}

/// Reads a SPEC.
///
/// # Errors
/// If it is none of [`FORMS`].
pub fn network(spec: &str) -> Result<Network, SpecError> {
    let incomplete = || SpecError::Incomplete(spec.into());
    let given = |text: &str| match text {
        "" => Err(incomplete()),
        text => Ok(text.to_owned()),
    };
    let stream = |path: &str, role| {
        given(path).map(|path| Network::Stream {
            path: path.into(),
            role,
        })
    };
    match spec.split_once([':', ',']).unwrap_or((spec, "")) {
        ("user", options) if !spec.starts_with("user:") => user(options),
        ("tap", name) => given(name).map(|name| Network::Tap { name }),
        ("bridge", name) => given(name).map(|name| Network::Bridge { name }),
        ("listen", path) => stream(path, StreamRole::Listen),
        ("connect", path) => stream(path, StreamRole::Connect),
        ("socket", paths) => {
            let (local, remote) = paths.split_once(',').ok_or_else(incomplete)?;
            Ok(Network::Datagram {
                local: given(local)?.into(),
                remote: given(remote)?.into(),
            })
        }
        (kind, _) => Err(SpecError::UnknownKind(kind.into())),
    }
}

fn user(options: &str) -> Result<Network, SpecError> {
    let options = options.split(',').filter(|option| !option.is_empty());
    let forwards = options.map(|option| {
        let forward = option
            .strip_prefix("hostfwd=")
            .ok_or_else(|| SpecError::UnknownOption(option.into()))?;
        host_forward(forward).ok_or_else(|| SpecError::Forward(forward.into()))
    });
    Ok(Network::User {
        forwards: forwards.collect::<Result<_, _>>()?,
    })
}

/// `tcp:[ADDRESS:]PORT-[ADDRESS]:PORT`; the host's side is the loopback unless an address says more.
fn host_forward(text: &str) -> Option<HostForward> {
    let (protocol, ends) = text.split_once(':')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (host, guest) = ends.split_once('-')?;
    let host = match host.parse() {
        Ok(port) => SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
        Err(_) => host.parse().ok()?,
    };
    let guest = match guest.strip_prefix(':') {
        Some(port) => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port.parse().ok()?),
        None => guest.parse().ok()?,
    };
    let ports_are_real = host.port() != 0 && guest.port() != 0;
    ports_are_real.then_some(HostForward {
        protocol,
        host,
        guest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Network, SpecError> {
        text.parse::<ZoneNetwork>().map(|given| {
            assert_eq!(given.zone, "wan");
            given.network
        })
    }

    fn forwards(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(Network::User { forwards }) => forwards.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_and_paths() {
        assert_eq!(
            parse("wan=tap:tap0"),
            Ok(Network::Tap {
                name: "tap0".into()
            })
        );
        assert_eq!(
            parse("wan=bridge:br0"),
            Ok(Network::Bridge { name: "br0".into() })
        );
        assert_eq!(
            parse("wan=socket:/run/a,/run/b"),
            Ok(Network::Datagram {
                local: "/run/a".into(),
                remote: "/run/b".into()
            })
        );
        assert_eq!(
            parse("wan=listen:/run/a=b"),
            Ok(Network::Stream {
                path: "/run/a=b".into(),
                role: StreamRole::Listen
            })
        );
        assert_eq!(
            parse("wan=connect:/run/a"),
            Ok(Network::Stream {
                path: "/run/a".into(),
                role: StreamRole::Connect
            })
        );
    }

    #[test]
    fn forwards_listen_on_the_loopback_unless_told_more() {
        assert!(forwards("wan=user").is_empty());
        assert_eq!(
            forwards("wan=user,hostfwd=tcp:8080-:80,hostfwd=udp:0.0.0.0:53-10.0.2.15:5353"),
            ["tcp:127.0.0.1:8080-:80", "udp::53-10.0.2.15:5353"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_for_its_reason() {
        for (text, error) in [
            ("tap:tap0", SpecError::NoZone),
            ("=tap:tap0", SpecError::NoZone),
            ("wan=", SpecError::UnknownKind(String::new())),
            ("wan=vde:x", SpecError::UnknownKind("vde".into())),
            ("wan=user:x", SpecError::UnknownKind("user".into())),
            ("wan=tap", SpecError::Incomplete("tap".into())),
            ("wan=tap:", SpecError::Incomplete("tap:".into())),
            ("wan=socket:/a", SpecError::Incomplete("socket:/a".into())),
            ("wan=socket:,/a", SpecError::Incomplete("socket:,/a".into())),
            (
                "wan=user,restrict=on",
                SpecError::UnknownOption("restrict=on".into()),
            ),
            (
                "wan=user,hostfwd=8080-:80",
                SpecError::Forward("8080-:80".into()),
            ),
            (
                "wan=user,hostfwd=sctp:80-:80",
                SpecError::Forward("sctp:80-:80".into()),
            ),
            (
                "wan=user,hostfwd=tcp:80",
                SpecError::Forward("tcp:80".into()),
            ),
            (
                "wan=user,hostfwd=tcp:99999-:80",
                SpecError::Forward("tcp:99999-:80".into()),
            ),
            (
                "wan=user,hostfwd=tcp:0-:80",
                SpecError::Forward("tcp:0-:80".into()),
            ),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}

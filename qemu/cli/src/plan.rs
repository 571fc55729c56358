//! What `sekisho run --config FILE` boots, and whether this host has what it takes.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::path::Path;

use sekisho_config::Config;
use sekisho_qemu::{HostForward, Network, Protocol};
use sekisho_vmconfig::shell_word;

use crate::failure::Failure;

/// Reads and checks a configuration; warnings go to the standard error.
///
/// # Errors
/// If it cannot be read, or the firewall would refuse it.
pub fn configuration(path: &Path) -> Result<Config, Failure> {
    let bytes = fs::read(path).map_err(|why| Failure::Unreadable {
        path: path.into(),
        why,
    })?;
    let checked = sekisho_config::check(&bytes).map_err(|report| Failure::Refused {
        path: path.into(),
        report,
    })?;
    for warning in &checked.warnings {
        eprintln!("sekisho: configuration ({}):\n{warning}", path.display());
    }
    Ok(checked.config)
}

/// Looks for what QEMU would only complain about in its own words: devices that are not there and ports that are taken.
///
/// # Errors
/// The first thing that is missing.
pub fn host_has(network: &Network) -> Result<(), Failure> {
    match network {
        Network::User { forwards } => forwards.iter().try_for_each(free),
        Network::Tap { name } => match Path::new("/sys/class/net")
            .join(name)
            .join("tun_flags")
            .exists()
        {
            true => Ok(()),
            false => Err(Failure::NoTap(name.clone())),
        },
        Network::Bridge { name } => match Path::new("/sys/class/net")
            .join(name)
            .join("bridge")
            .exists()
        {
            true => Ok(()),
            false => Err(Failure::NoBridge(name.clone())),
        },
        Network::Hub(members) => members.iter().try_for_each(host_has),
        Network::Datagram { .. } | Network::Stream { .. } => Ok(()),
    }
}

fn free(forward: &HostForward) -> Result<(), Failure> {
    let tried = match forward.protocol {
        Protocol::Tcp => TcpListener::bind(forward.host).map(drop),
        Protocol::Udp => UdpSocket::bind(forward.host).map(drop),
    };
    tried.map_err(|why| port_failure(forward.host, why))
}

/// Why a port of the host cannot be had.
pub fn port_failure(address: SocketAddrV4, why: io::Error) -> Failure {
    match why.kind() {
        io::ErrorKind::AddrInUse => Failure::PortTaken(address),
        _ => Failure::PortRefused { address, why },
    }
}

/// A command line that a shell reads back as it is.
pub fn shell_line(words: &[OsString]) -> String {
    let quoted = words.iter().map(|word| shell_word(&word.to_string_lossy()));
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn user(port: u16) -> Network {
        let forward = HostForward {
            protocol: Protocol::Tcp,
            host: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
            guest: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 80),
        };
        Network::Hub(vec![Network::User {
            forwards: vec![forward],
        }])
    }

    #[test]
    fn a_taken_port_is_found_and_a_free_one_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let failure = host_has(&user(port)).unwrap_err();
        assert!(matches!(failure, Failure::PortTaken(_)), "{failure}");
        drop(listener);
        host_has(&user(port)).unwrap();
    }

    #[test]
    fn devices_that_are_not_there_are_named() {
        let tap = host_has(&Network::Tap {
            name: "no-such-tap".into(),
        })
        .unwrap_err();
        assert!(
            tap.to_string().starts_with("there is no tap no-such-tap"),
            "{tap}"
        );
        let bridge = host_has(&Network::Bridge { name: "lo".into() }).unwrap_err();
        assert!(
            bridge.to_string().starts_with("there is no bridge lo"),
            "{bridge}"
        );
    }

    #[test]
    fn a_shell_reads_the_words_back() {
        let words = ["-append", "seed=1 quiet", "it's", ""].map(OsString::from);
        assert_eq!(shell_line(&words), r"-append 'seed=1 quiet' 'it'\''s' ''");
    }
}

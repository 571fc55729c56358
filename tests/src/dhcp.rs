//! Hosts that give and take addresses by DHCP, with the programs that Linux has for it.
//!
//! * [`Upstream`]: dnsmasq, as a provider's or an office's server.
//! * [`Client`]: dhclient, as a guest has it.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::program::Program;

const LIMIT: Duration = Duration::from_secs(60);

/// What dhclient runs instead of Debian's script, which would write the real host's name servers.
const SCRIPT: &str = r#"#!/bin/sh
case $reason in
  BOUND|RENEW|REBIND|REBOOT)
    ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface"
    for router in $new_routers; do ip route replace default via "$router"; break; done
    echo "LEASE address=$new_ip_address routers=$new_routers names=$new_domain_name_servers seconds=$new_dhcp_lease_time" ;;
  EXPIRE|RELEASE|STOP|FAIL)
    ip address flush dev "$interface"
    echo "LOST" ;;
  PREINIT) ip link set "$interface" up ;;
esac
"#;

/// A DHCP server upstream of the firewall. Dropping it stops it.
pub struct Upstream {
    program: Program,
    _folder: TempDir,
}

impl Upstream {
    /// Serves addresses from `first` to `last` on `eth0` of a host, with that host's choice of router and name server.
    ///
    /// # Panics
    /// When dnsmasq does not start.
    #[track_caller]
    pub fn start(host: &Namespace, first: &str, last: &str, router: &str, names: &str) -> Upstream {
        let folder = tempfile::tempdir().expect("a folder for leases");
        let leases = folder.path().join("leases");
        let program = host.start(&format!(
            "dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --log-facility=- --log-dhcp \
             --port=0 --interface=eth0 --bind-interfaces --dhcp-authoritative --no-ping --dhcp-leasefile={} \
             --dhcp-range={first},{last},1h --dhcp-option=3,{router} --dhcp-option=6,{names}",
            leases.display()
        ));
        program.wait_for(|line| line.contains("DHCP, IP range"), LIMIT);
        Upstream {
            program,
            _folder: folder,
        }
    }

    /// Waits until it has given out an address, and returns it.
    ///
    /// # Panics
    /// When nobody asks.
    #[track_caller]
    pub fn leased(&self) -> Ipv4Addr {
        let line = self
            .program
            .wait_for(|line| line.contains("DHCPACK"), LIMIT);
        line.split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("no address in: {line}"))
    }
}

/// What a client was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its address.
    pub address: Ipv4Addr,
    /// The default routers, the best first.
    pub routers: Vec<Ipv4Addr>,
    /// The name servers, the best first.
    pub names: Vec<Ipv4Addr>,
    /// For how long, in seconds.
    pub seconds: u64,
}

/// A running DHCP client. Dropping it stops it; the address stays.
pub struct Client {
    program: Program,
    _folder: TempDir,
}

impl Client {
    /// Asks for an address for `eth0` of a host, and uses what comes.
    ///
    /// # Panics
    /// When dhclient cannot be started.
    #[track_caller]
    pub fn start(host: &Namespace) -> Client {
        let folder = tempfile::tempdir().expect("a folder for dhclient");
        let path = folder.path();
        let script = path.join("script");
        fs::write(&script, SCRIPT).expect("the folder is ours");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        let program = host.start(&format!(
            "dhclient -4 -1 -d -v -cf /dev/null -sf {} -lf {} -pf {} eth0",
            script.display(),
            path.join("leases").display(),
            path.join("pid").display()
        ));
        Client {
            program,
            _folder: folder,
        }
    }

    /// Waits for the lease.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn lease(&self) -> Lease {
        Lease::read(
            &self
                .program
                .wait_for(|line| line.starts_with("LEASE "), LIMIT),
        )
    }
}

impl Lease {
    fn read(line: &str) -> Lease {
        let field = |name: &str, end: &str| {
            let (_, rest) = line
                .split_once(name)
                .unwrap_or_else(|| panic!("no {name} in: {line}"));
            rest.split(end).next().unwrap_or("").trim().to_owned()
        };
        let addresses = |text: String| {
            text.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect()
        };
        Lease {
            address: field("address=", " ")
                .parse()
                .expect("dhclient got an address"),
            routers: addresses(field("routers=", "names=")),
            names: addresses(field("names=", "seconds=")),
            seconds: field("seconds=", " ").parse().expect("a lease has an end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip;

    #[test]
    fn a_guest_gets_what_the_server_has() {
        if skip::without_root("network namespaces") {
            return;
        }
        let (server, guest) = (Namespace::new("server"), Namespace::new("guest"));
        server.cable("eth0", &guest, "eth0");
        server.ip("address add 198.51.100.1/24 dev eth0");
        let upstream = Upstream::start(
            &server,
            "198.51.100.50",
            "198.51.100.50",
            "198.51.100.1",
            "198.51.100.53",
        );
        let client = Client::start(&guest);
        let address = Ipv4Addr::new(198, 51, 100, 50);
        let expected = Lease {
            address,
            routers: vec![Ipv4Addr::new(198, 51, 100, 1)],
            names: vec![Ipv4Addr::new(198, 51, 100, 53)],
            seconds: 3600,
        };
        assert_eq!(client.lease(), expected);
        assert_eq!(upstream.leased(), address);
        guest
            .run("ping -c 1 -W 10 198.51.100.1", LIMIT)
            .expect_success();
    }
}

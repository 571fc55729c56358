//! What a STUN client behind the booted firewall finds out about it is what was configured (RFC 5780).
//!
//! coturn's server has two addresses and two ports on the WAN; its `turnutils_natdiscovery` asks from the DMZ.

use std::time::Duration;

use sekisho_tests::firewall::{Firewall, Setup, example};
use sekisho_tests::namespace::Namespace;
use sekisho_tests::program::Program;
use sekisho_tests::site::Site;
use sekisho_tests::skip;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(90);
const KINDS: [&str; 3] = [
    "endpoint-independent",
    "address-dependent",
    "address-and-port-dependent",
];

/// A STUN server outside, a client inside, and a NAT of a kind between them.
struct Stun {
    client: Namespace,
    firewall: Firewall,
    _server: Program,
    _wan: Namespace,
    _site: Site,
    _folder: TempDir,
}

impl Stun {
    /// Behind a firewall with these lines in `[nat]`.
    fn behind(nat: &str) -> Stun {
        let site = Site::new(&["wan", "dmz"]);
        let wan = site.host_at("wan", "192.0.2.2/24", None);
        wan.ip("address add 192.0.2.3/24 dev eth0");
        let client = site.host_at("dmz", "10.99.0.2/24", Some("10.99.0.1"));
        let folder = tempfile::tempdir().expect("a folder for the server");
        let server = wan.start(&format!(
            "turnserver -n --stun-only --no-auth --no-tls --no-dtls --no-cli --no-tcp --simple-log --log-file stdout \
             --listening-ip 192.0.2.2 --listening-ip 192.0.2.3 --listening-port 3478 --alt-listening-port 3479 \
             --pidfile {folder}/pid --db {folder}/db",
            folder = folder.path().display()
        ));
        server.wait_for(|line| line.contains("SQLite DB connection success"), LIMIT);
        let firewall = site.boot(
            &Setup::default(),
            &format!("{}{nat}\n", example("lab.toml")),
        );
        Stun {
            client,
            firewall,
            _server: server,
            _wan: wan,
            _site: site,
            _folder: folder,
        }
    }

    /// What the client says of the NAT from a port of its own, in the test that an option stands for.
    fn discover(&self, option: &str, port: u16) -> String {
        let line = format!("turnutils_natdiscovery {option} -L 10.99.0.2 -l {port} 192.0.2.2");
        self.client.run(&line, LIMIT).expect_success().text
    }

    /// The outside endpoints that the client was seen with, in the order of the server's answers.
    fn seen(text: &str) -> Vec<String> {
        let lines = text.lines();
        let endpoints = lines.filter_map(|line| line.split_once("UDP reflexive addr: "));
        endpoints
            .map(|(_, endpoint)| endpoint.trim().to_owned())
            .collect()
    }
}

/// The last of the client's conclusions about `what`, in the words of our configuration.
fn conclusion(text: &str, what: &str) -> String {
    let end = format!(" {what}!");
    let mut found = text.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("NAT with ")?;
        line.strip_suffix(end.as_str())
    });
    let found = found
        .next_back()
        .unwrap_or_else(|| panic!("no conclusion:\n{text}"));
    found.to_lowercase().replace(' ', "-")
}

/// A STUN client sees this mapping with each filtering.
fn sees(mapping: &str) {
    if skip::without_root("real hosts need network namespaces") {
        return;
    }
    for filtering in KINDS {
        let kind = format!("mapping = \"{mapping}\"\nfiltering = \"{filtering}\"");
        let stun = Stun::behind(&kind);
        let text = stun.discover("-m", 40_000);
        assert_eq!(conclusion(&text, "Mapping"), mapping, "{kind}\n{text}");
        let seen = Stun::seen(&text);
        assert_eq!(
            seen[0], "192.0.2.1:40000",
            "the port is kept while it is free\n{text}"
        );
        let text = stun.discover("-f", 41_000);
        assert_eq!(conclusion(&text, "Filtering"), filtering, "{kind}\n{text}");
        stun.firewall.power_off().expect_conserved();
    }
}

#[test]
fn rfc4787_req1_a_stun_client_sees_endpoint_independent_mapping_with_each_filtering() {
    sees("endpoint-independent");
}

#[test]
fn a_stun_client_sees_address_dependent_mapping_with_each_filtering() {
    sees("address-dependent");
}

#[test]
fn a_stun_client_sees_address_and_port_dependent_mapping_with_each_filtering() {
    sees("address-and-port-dependent");
}

#[test]
fn rfc6056_a_stun_client_sees_random_ports_without_preservation() {
    if skip::without_root("real hosts need network namespaces") {
        return;
    }
    let stun = Stun::behind("port_preservation = false\nport_parity = true");
    let text = stun.discover("-m", 40_001);
    let seen = Stun::seen(&text);
    let port: u16 = seen[0]
        .strip_prefix("192.0.2.1:")
        .and_then(|port| port.parse().ok())
        .unwrap_or_else(|| panic!("{text}"));
    assert!(port != 40_001 && port % 2 == 1 && port >= 1024, "{text}");
    assert!(seen.iter().all(|endpoint| *endpoint == seen[0]), "{text}");
}

#[test]
fn rfc7857_s3_a_stun_client_behind_the_linux_preset_sees_its_own_port_and_strict_filtering() {
    if skip::without_root("real hosts need network namespaces") {
        return;
    }
    let stun = Stun::behind("preset = \"linux\"");
    // Netfilter's mapping depends on the peer, but where no other host has the port it looks as if it did not.
    let text = stun.discover("-m", 40_000);
    let seen = Stun::seen(&text);
    assert!(
        seen.len() >= 2 && seen.iter().all(|endpoint| endpoint == "192.0.2.1:40000"),
        "{text}"
    );
    let text = stun.discover("-f", 41_000);
    assert_eq!(
        conclusion(&text, "Filtering"),
        "address-and-port-dependent",
        "{text}"
    );
}

#[test]
fn rfc4787_req9_a_stun_client_sees_whether_hairpins_work() {
    if skip::without_root("real hosts need network namespaces") {
        return;
    }
    for (hairpin, expected) in [(true, true), (false, false)] {
        let stun = Stun::behind(&format!("hairpin = {hairpin}"));
        let text = stun.discover("-H", 40_000);
        let works = text.contains("successful hairpinning");
        assert_eq!(works, expected, "{text}");
    }
}

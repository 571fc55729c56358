//! Real Linux hosts on either side of the booted firewall, with `examples/lab.toml`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use sekisho_qemu::{Kind, Offloads};
use sekisho_tests::capture::{Capture, Recording};
use sekisho_tests::firewall::{Firewall, Setup, example};
use sekisho_tests::namespace::Namespace;
use sekisho_tests::program::Program;
use sekisho_tests::site::Site;
use sekisho_tests::skip;
use sekisho_tests::traffic::{Server, Service, bytes, crowd};

const LIMIT: Duration = Duration::from_secs(120);
const WAN: &str = "192.0.2.1";
const WAN_HOST: &str = "192.0.2.2";
const DMZ: &str = "10.99.0.1";
const DMZ_HOST: &str = "10.99.0.2";

/// What may never leave on the WAN: whatever tells an inside address, in IPv4 or in ARP.
const INSIDE: &str = "src net 10.99.0.0/24";

/// The firewall, a host on the WAN and one in the DMZ, and a recording of all that crosses the WAN since power-on.
struct Lab {
    firewall: Firewall,
    wan: Namespace,
    dmz: Namespace,
    recording: Capture,
    _site: Site,
}

impl Lab {
    fn new(setup: &Setup) -> Lab {
        Lab::with(setup, "")
    }

    /// With more lines at the end of the configuration.
    fn with(setup: &Setup, lines: &str) -> Lab {
        let site = Site::new(&["wan", "dmz"]);
        let recording = site.record("wan");
        let wan = site.host_at("wan", "192.0.2.2/24", None);
        let dmz = site.host_at("dmz", "10.99.0.2/24", Some(DMZ));
        let firewall = site.boot(setup, &format!("{}\n{lines}", example("lab.toml")));
        Lab {
            firewall,
            wan,
            dmz,
            recording,
            _site: site,
        }
    }

    /// Switches the firewall off, adds its counters up, and looks at all that crossed the WAN. Its host does not lie,
    /// so nothing from inside may be there.
    #[track_caller]
    fn finish(self) -> Recording {
        let totals = self.firewall.power_off();
        totals.expect_conserved();
        let recording = self.recording.finish();
        let came_out = recording.count("ether src 52:54:00:00:00:01") as u64;
        let sent = totals.of_zone("wan", "forwarded") + totals.of_zone("wan", "originated");
        assert_eq!(came_out, sent, "{totals:?}");
        assert!(sent > 0, "something was tried");
        assert_eq!(
            recording.lines(INSIDE),
            [""; 0],
            "an inside source left on the WAN"
        );
        recording
    }
}

fn needs_root() -> bool {
    skip::without_root("real hosts need network namespaces")
}

fn socket(address: &str, port: u16) -> SocketAddr {
    let address: Ipv4Addr = address.parse().expect("an address");
    (address, port).into()
}

#[test]
fn ping_and_traceroute_work_and_inside_stays_hidden() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(&Setup::default());
    lab.dmz
        .run("ping -c 3 -i 0.2 -W 10 192.0.2.2", LIMIT)
        .expect_success();
    lab.dmz
        .run("ping -c 2 -i 0.2 -W 10 -s 1472 -M do 192.0.2.2", LIMIT)
        .expect_success();
    lab.dmz
        .run("ping -c 2 -i 0.2 -W 10 -s 9000 192.0.2.2", LIMIT)
        .expect_success();
    lab.wan
        .run("ping -c 3 -i 0.2 -W 10 192.0.2.1", LIMIT)
        .expect_success();
    lab.dmz
        .run("ping -c 3 -i 0.2 -W 10 10.99.0.1", LIMIT)
        .expect_success();
    // The way inside is closed, even for one who has a route.
    lab.wan.ip("route add 10.99.0.0/24 via 192.0.2.1");
    for closed in [DMZ_HOST, DMZ] {
        let ping = lab
            .wan
            .run(&format!("ping -c 2 -i 0.2 -W 1 {closed}"), LIMIT);
        assert_eq!(ping.status.code(), Some(1), "{}", ping.text);
    }
    for probe in ["-I", "", "-T -p 443"] {
        let trace = lab
            .dmz
            .run(&format!("traceroute -n -q 1 -w 5 {probe} 192.0.2.2"), LIMIT)
            .expect_success();
        let hops: Vec<&str> = trace
            .text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        assert_eq!(hops, [DMZ, WAN_HOST], "{}", trace.text);
    }
    lab.finish();
}

#[test]
fn curl_reads_pages_both_ways() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(&Setup::default());
    let _inside = Server::start(&lab.dmz, 80, Service::WhoAmI);
    let _outside = Server::start(&lab.wan, 80, Service::WhoAmI);
    let curl = |host: &Namespace, server: &str| {
        let limit = "--connect-timeout 20 --max-time 60";
        host.run(&format!("curl -sS {limit} http://{server}/"), LIMIT)
            .expect_success()
            .text
    };
    assert_eq!(
        curl(&lab.wan, WAN),
        WAN_HOST,
        "the server sees the client as it is"
    );
    assert_eq!(curl(&lab.dmz, WAN_HOST), WAN, "the world sees the firewall");
    lab.finish();
}

#[test]
fn iperf3_runs_both_ways() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(&Setup::default());
    let inside = lab.dmz.start("iperf3 -s -p 5201 --forceflush");
    let outside = lab.wan.start("iperf3 -s -p 5301 --forceflush");
    let into = "iperf3 -c 192.0.2.1 -p 5201";
    let out = "iperf3 -c 192.0.2.2 -p 5301";
    let ways = [
        "",
        "-R",
        "-P 4",
        "-u -b 20M -l 1400",
        "-u -b 20M -l 1400 -R",
    ];
    for (host, server, client) in [(&lab.wan, &inside, into), (&lab.dmz, &outside, out)] {
        for (before, way) in ways.iter().enumerate() {
            wait_for_iperf3(server, before);
            let command = format!("{client} -t 2 --connect-timeout 20000 -J {way}");
            let report = host.run(&command, LIMIT).expect_success();
            let received = received_bytes(&report.text);
            assert!(received > 1_000_000, "`{command}`: {}", report.text);
            let lost = lost_percent(&report.text);
            assert!(lost < 5.0, "`{command}` lost {lost} %\n{}", report.text);
        }
    }
    lab.finish();
}

/// Every connection to a forward begins with a cookie, while a flood of SYNs from addresses where nobody lives goes on.
#[test]
fn attack_syn_flood_curl_and_iperf3_get_through_by_cookies() {
    if needs_root() {
        return;
    }
    let lab = Lab::with(&Setup::default(), "[limits]\nflows = 1000\nsyn_cookies = 0");
    let _inside = Server::start(&lab.dmz, 80, Service::WhoAmI);
    let iperf = lab.dmz.start("iperf3 -s -p 5201 --forceflush");
    let flood = "nping --tcp --flags syn -p 80 -g 0 --source-ip 192.0.2.77 --rate 2000 -c 10000000 -q -H -N --send-eth --dest-mac 52:54:00:00:00:01";
    let flood = lab.wan.start(&format!("{flood} {WAN}"));
    flood.wait_for(|line| line.contains("Starting Nping"), LIMIT);
    for _ in 0..20 {
        let curl = format!("curl -sS --connect-timeout 20 --max-time 60 http://{WAN}/");
        let page = lab.wan.run(&curl, LIMIT).expect_success().text;
        assert_eq!(page, WAN_HOST, "the server sees the client as it is");
    }
    for (before, way) in ["", "-R", "-P 4"].iter().enumerate() {
        wait_for_iperf3(&iperf, before);
        let client = format!("iperf3 -c {WAN} -p 5201 -t 2 --connect-timeout 20000 -J {way}");
        let report = lab.wan.run(&client, LIMIT).expect_success();
        let received = received_bytes(&report.text);
        assert!(received > 1_000_000, "`{client}`: {}", report.text);
    }
    drop(flood);
    let recording = lab.finish();
    let flooded = recording.count("src host 192.0.2.77 and tcp[tcpflags] == tcp-syn");
    assert!(flooded > 2_000, "{flooded} SYNs are no flood");
}

/// Waits until the server, which has had `before` clients, takes the next one: until it says so, it refuses one as busy.
fn wait_for_iperf3(server: &Program, before: usize) {
    server.wait_for_nth(|line| line.contains("Server listening"), before, LIMIT);
}

/// The bytes that arrived, from iperf3's report in JSON, which is also where it says that it failed (it then ends with 0).
fn received_bytes(report: &str) -> u64 {
    let report: serde_json::Value = serde_json::from_str(report).expect("iperf3 -J");
    assert_eq!(report["error"], serde_json::Value::Null);
    let end = &report["end"];
    let bytes = &end["sum_received"]["bytes"];
    let bytes = if bytes.is_null() {
        &end["sum"]["bytes"]
    } else {
        bytes
    };
    bytes
        .as_u64()
        .unwrap_or_else(|| panic!("no bytes in {end}"))
}

/// The share of datagrams that got lost; 0 for TCP.
fn lost_percent(report: &str) -> f64 {
    let report: serde_json::Value = serde_json::from_str(report).expect("iperf3 -J");
    report["end"]["sum"]["lost_percent"].as_f64().unwrap_or(0.0)
}

#[test]
fn nmap_finds_the_forwards_and_nothing_else() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(&Setup::default());
    let _inside = [80, 5201, 7000].map(|port| Server::start(&lab.dmz, port, Service::Echo));
    // Ports that the server inside offers, but no rule.
    let _hidden = [22, 8080].map(|port| Server::start(&lab.dmz, port, Service::Echo));
    let scan = |scan: &str| {
        let command = format!("nmap -n -Pn --min-rate 8000 --max-retries 2 -oG - {scan} {WAN}");
        let text = lab
            .wan
            .run(&command, Duration::from_secs(200))
            .expect_success()
            .text;
        let mut found: Vec<String> = text
            .lines()
            .filter_map(|line| line.split_once("Ports: "))
            .flat_map(|(_, ports)| ports.split("\t").next().unwrap_or("").split(", "))
            .filter(|port| !port.contains("/filtered/"))
            .filter_map(|port| port.split('/').next())
            .map(|port| port.trim().to_owned())
            .collect();
        found.sort();
        found
    };
    assert_eq!(scan("-sS -p-"), ["5201", "7000", "80"]);
    // Segments that begin nothing get no answer, not even from a port that is forwarded.
    for odd in ["-sA", "-sF", "-sX", "-sN", "-sM", "-sW"] {
        let command = format!("nmap -n -Pn {odd} -p 22,79-81,5201,7000,8080 --reason -oN - {WAN}");
        let text = lab.wan.run(&command, LIMIT).expect_success().text;
        let silent = text
            .lines()
            .filter(|line| line.contains("/tcp") && line.ends_with("no-response"));
        assert_eq!(silent.count(), 7, "{odd}: {text}");
    }
    lab.finish();
}

#[test]
fn nmap_learns_nothing_more_by_udp_protocols_fragments_and_fingerprints() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(&Setup::default());
    let _inside = Server::start(&lab.dmz, 80, Service::WhoAmI);
    let nmap = |scan: &str| {
        let command = format!("nmap -n -Pn --max-retries 1 --reason {scan} {WAN}");
        lab.wan.run(&command, LIMIT).expect_success().text
    };
    let ends = |text: &str, end: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains(end));
        let ports = lines.filter_map(|line| line.split(['/', ' ']).next());
        ports.map(str::to_owned).collect()
    };
    // The inside host itself says that nobody listens on the forwarded ports.
    let text = nmap("-sU -p 53,67,68,123,161,500,5201,5353,7001,7002");
    assert_eq!(
        ends(&text, "port-unreach"),
        ["5201", "7001", "7002"],
        "{text}"
    );
    assert_eq!(ends(&text, "no-response").len(), 7, "{text}");
    // The firewall answers echo requests here, and speaks no protocol.
    let text = nmap("-sO -p 1,2,6,17,41,47,50,132");
    assert_eq!(ends(&text, "echo-reply"), ["1"], "{text}");
    assert_eq!(ends(&text, "no-response").len(), 7, "{text}");
    // What is cut within the TCP header never comes together, not even for a port that is forwarded.
    let text = nmap("-sS -f -p 22,80,5201,8080");
    assert_eq!(ends(&text, "no-response").len(), 4, "{text}");
    // The server is what can be found out.
    let text = nmap("-sV --version-light -p 80,81");
    assert!(text.contains("80/tcp open     http"), "{text}");
    assert_eq!(ends(&text, "no-response"), ["81"], "{text}");
    // Only what opens a connection is answered: none of the strange segments and datagrams of a fingerprint.
    let text = nmap("-O -d -p 80,81");
    for silent in ["T2(R=N)", "T3(R=N)", "T4(R=N)", "U1(R=N)"] {
        assert!(text.contains(silent), "{silent}: {text}");
    }
    lab.finish();
}

#[test]
fn a_thousand_connections_at_once_keep_their_bytes_apart() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(&Setup::default());
    let inside = Server::start(&lab.dmz, 7000, Service::Echo);
    let outside = Server::start(&lab.wan, 7000, Service::Echo);
    assert_eq!(crowd(&lab.wan, socket(WAN, 7000), 1000, 20_000), [""; 0]);
    assert_eq!(
        crowd(&lab.dmz, socket(WAN_HOST, 7000), 1000, 20_000),
        [""; 0]
    );
    assert_eq!((inside.accepted(), outside.accepted()), (1000, 1000));
    lab.finish();
}

/// 200 MB through the firewall both ways, compared by their hash.
fn download(kind: Kind, offloads: Offloads) {
    let lab = Lab::new(&Setup {
        kind,
        offloads,
        ..Setup::default()
    });
    let folder = tempfile::tempdir().expect("a folder for 200 MB");
    let original = folder.path().join("original");
    fs::write(&original, bytes(200, 200_000_000)).expect("space for 200 MB");
    let wanted = hash(&original);
    let _inside = Server::start(&lab.dmz, 80, Service::File(original.clone()));
    let _outside = Server::start(&lab.wan, 80, Service::File(original));
    for (host, server) in [(&lab.wan, WAN), (&lab.dmz, WAN_HOST)] {
        let copy = folder.path().join("copy");
        let curl = format!(
            "curl -sS --max-time 100 -o {} http://{server}/",
            copy.display()
        );
        host.run(&curl, LIMIT).expect_success();
        assert_eq!(
            hash(&copy),
            wanted,
            "from {server} with {offloads:?} offloads on {kind:?}"
        );
    }
    lab.finish();
}

fn hash(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("sha256sum is there");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("sha256sum prints text");
    text.split_whitespace().next().expect("a hash").to_owned()
}

#[test]
fn a_large_download_arrives_whole_with_offloads() {
    if needs_root() {
        return;
    }
    download(Kind::Q35, Offloads::All);
}

#[test]
fn a_large_download_arrives_whole_without_offloads() {
    if needs_root() {
        return;
    }
    download(Kind::Q35, Offloads::None);
}

#[test]
fn a_large_download_arrives_whole_on_microvm() {
    if needs_root() {
        return;
    }
    download(Kind::Microvm, Offloads::All);
}

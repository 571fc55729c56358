//! Records real programs for the comparison with Linux anew, into `tests/recordings`.
//!
//! `cargo build -p sekisho-tests --bin record && sudo target/debug/record [NAME]...`: all of them, or those with these names.
//! Needs root, nftables, ethtool, tcpdump, and the programs themselves (Debian: curl wget iperf3 iputils-ping traceroute nmap
//! bind9-dnsutils dnsmasq-base coturn openssh-server openssh-client).

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use sekisho_tests::namespace::Namespace;
use sekisho_tests::oracle::{lab::Lab, recorded};
use sekisho_tests::program::{Finished, Program};
use sekisho_tests::traffic::{Server, Service, bytes};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(120);

/// A recording: its name, and what runs.
type Scene = (&'static str, fn(&Lab));

const SCENES: [Scene; 10] = [
    ("curl", curl),
    ("dig", dig),
    ("iperf3", iperf3),
    ("loss", loss),
    ("nmap-from-inside", nmap_from_inside),
    ("nmap-from-outside", nmap_from_outside),
    ("ping", ping),
    ("ssh", ssh),
    ("traceroute", traceroute),
    ("turn", turn),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let names = SCENES.map(|(name, _)| name);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        eprintln!(
            "record: there is no `{unknown}`; there are {}",
            names.join(", ")
        );
        return ExitCode::from(2);
    }
    fs::create_dir_all(recorded::folder()).expect("a folder for the recordings");
    for (name, programs) in SCENES {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            // Each in a lab of its own, whose ports are all free.
            let path = recorded::folder().join(format!("{name}.pcapng"));
            Lab::new().record(&path, programs);
            let len = fs::metadata(&path).map_or(0, |file| file.len());
            println!(
                "{name}: {} packets, {len} bytes",
                recorded::read(&path).len()
            );
        }
    }
    ExitCode::SUCCESS
}

fn run(host: &Namespace, line: &str) -> Finished {
    host.run(line, LIMIT)
}

fn works(host: &Namespace, line: &str) {
    run(host, line).expect_success();
}

/// A file of a web server, with its folder.
fn page(len: usize) -> (TempDir, Service) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("page");
    fs::write(&path, bytes(7, len)).expect("a page");
    (folder, Service::File(path))
}

/// Pages both ways, by curl and wget; a refused connection, one where nobody answers, and one that is broken off.
fn curl(lab: &Lab) {
    let (_folder, pages) = page(4_000);
    let (_large, large) = page(20_000);
    let _servers = [
        Server::start(&lab.inside, 80, pages.clone()),
        Server::start(&lab.outside, 80, pages.clone()),
        Server::start(&lab.far, 80, pages),
    ];
    let _large = Server::start(&lab.outside, 81, large);
    for address in ["45.1.0.2", "45.9.0.1"] {
        works(
            &lab.inside,
            &format!("curl -sS -o /dev/null http://{address}/"),
        );
        works(
            &lab.inside,
            &format!("wget -q -O /dev/null http://{address}/"),
        );
    }
    works(&lab.outside, "curl -sS -o /dev/null http://192.0.2.1/");
    works(&lab.outside, "wget -q -O /dev/null http://192.0.2.1/");
    let fails = |line: &str, code: i32| {
        let ended = run(&lab.inside, line);
        assert_eq!(ended.status.code(), Some(code), "{}", ended.text);
    };
    fails("curl -sS http://45.1.0.2:82/", 7);
    fails("curl -sS http://45.8.0.1/", 7);
    fails("curl -sS --connect-timeout 2 http://45.1.0.2:25/", 28);
    fails("curl -sS --max-filesize 100 http://45.1.0.2:81/", 63);
}

/// Through losses both ways: repeated segments, selective acknowledgements.
fn loss(lab: &Lab) {
    let (_folder, pages) = page(25_000);
    {
        let _server = Server::start(&lab.outside, 8080, pages);
        works(&lab.inside, "curl -sS -o /dev/null http://45.1.0.2:8080/");
    }
    let server = lab.outside.start("iperf3 -s -p 8080 --forceflush");
    server.wait_for(|line| line.contains("Server listening"), LIMIT);
    works(&lab.inside, "iperf3 -c 45.1.0.2 -p 8080 -l 2K -n 60K");
}

/// TCP and UDP both ways, with datagrams larger than a frame; to a host beyond a link with a small MTU.
fn iperf3(lab: &Lab) {
    for (server, client, bound, address, port) in [
        (&lab.outside, &lab.inside, "-B 45.1.0.2", "45.1.0.2", 5201),
        (&lab.far, &lab.inside, "", "45.9.0.1", 5201),
        (&lab.inside, &lab.outside, "", "192.0.2.1", 80),
    ] {
        let server = server.start(&format!("iperf3 -s {bound} -p {port} --forceflush"));
        let ready = |line: &str| line.contains("Server listening");
        let mut ways = vec!["-l 2K -n 8K", "-l 2K -n 8K -R"];
        if port != 80 {
            ways.extend([
                "-u -l 1000 -n 6K",
                "-u -l 4000 -n 12K -R",
                "-u -l 4000 -n 12K",
            ]);
        }
        for (before, way) in ways.iter().enumerate() {
            server.wait_for_nth(ready, before, LIMIT);
            works(client, &format!("iperf3 -c {address} -p {port} {way}"));
        }
    }
}

fn names(host: &Namespace, address: &str) -> Program {
    let text: Vec<String> = (0..12).map(|part| format!(",{part:0>250}")).collect();
    let server = host.start(&format!(
        "dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --log-facility=- --no-resolv --no-hosts \
         --listen-address={address} --bind-interfaces --edns-packet-max=4096 --address=/www.example/45.1.0.2 \
         --txt-record=long.example{}",
        text.concat()
    ));
    server.wait_for(|line| line.contains("started, version"), LIMIT);
    server
}

/// Short answers, one in fragments, one by TCP; a port where nobody listens; a server inside.
fn dig(lab: &Lab) {
    let _servers = [
        names(&lab.outside, "45.1.0.2"),
        names(&lab.inside, "10.99.0.2"),
    ];
    let ask = "dig +tries=2 +time=5 +noall +answer";
    works(&lab.inside, &format!("{ask} @45.1.0.2 www.example"));
    works(&lab.inside, &format!("{ask} @45.1.0.2 none.example AAAA"));
    works(
        &lab.inside,
        &format!("{ask} +bufsize=4096 +ignore @45.1.0.2 long.example TXT"),
    );
    works(&lab.inside, &format!("{ask} @45.1.0.2 long.example TXT"));
    works(&lab.inside, &format!("{ask} +tcp @45.1.0.2 www.example"));
    works(
        &lab.outside,
        &format!("{ask} -p 5300 @192.0.2.1 www.example"),
    );
    works(
        &lab.outside,
        &format!("{ask} +bufsize=4096 +ignore -p 5300 @192.0.2.1 long.example TXT"),
    );
    let refused = run(
        &lab.inside,
        "dig +tries=1 +time=2 -p 5999 @45.1.0.2 www.example",
    );
    assert!(!refused.status.success(), "{}", refused.text);
}

/// Echoes short, long, too long and without an answer; the router's own.
fn ping(lab: &Lab) {
    let ping = "ping -i 0.2 -W 2";
    works(&lab.inside, &format!("{ping} -c 3 45.1.0.2"));
    works(&lab.inside, &format!("{ping} -c 2 -s 5000 45.1.0.2"));
    works(&lab.inside, &format!("{ping} -c 2 10.99.0.1"));
    works(&lab.outside, &format!("{ping} -c 2 192.0.2.1"));
    works(&lab.outside, &format!("{ping} -c 1 -s 4000 192.0.2.1"));
    // Too long for the router's own card, for a link beyond, and then not any more.
    for (size, address) in [(1400, "45.1.0.2"), (1360, "45.9.0.1"), (1200, "45.9.0.1")] {
        run(
            &lab.inside,
            &format!("{ping} -c 2 -M do -s {size} {address}"),
        );
    }
    for address in ["45.8.0.1", "45.8.0.2", "45.9.0.77"] {
        run(&lab.inside, &format!("{ping} -c 1 {address}"));
    }
}

/// Each of its methods, to a far host and from outside.
fn traceroute(lab: &Lab) {
    for method in ["", "-I", "-T -p 80", "-U", "-U -p 5300"] {
        works(
            &lab.inside,
            &format!("traceroute -n -q 1 -w 2 -m 5 {method} 45.9.0.1"),
        );
    }
    works(&lab.inside, "traceroute -n -q 1 -w 2 -m 5 --mtu 45.9.0.1");
    for method in ["-I", "-T -p 80", "-T -p 81", "-U -p 5300", "-F -U -p 5300"] {
        let size = if method.starts_with("-F") { "1500" } else { "" };
        works(
            &lab.outside,
            &format!("traceroute -n -q 1 -w 1 -m 3 {method} 192.0.2.1 {size}"),
        );
    }
}

/// What a doubtful neighbour does: every kind of scan.
fn nmap_from_outside(lab: &Lab) {
    let _server = Server::start(&lab.inside, 80, Service::WhoAmI);
    let nmap = "nmap -n -Pn --max-retries 1 -T5";
    for kind in [
        "-sS", "-sA", "-sF", "-sX", "-sN", "-sM", "-sW", "-sS -f", "-sT",
    ] {
        works(
            &lab.outside,
            &format!("{nmap} {kind} -p 21-23,25,79-81,443,2222,8080 192.0.2.1"),
        );
    }
    works(
        &lab.outside,
        &format!("{nmap} -sU -p 53,67,123,161,500,5300 192.0.2.1"),
    );
    works(
        &lab.outside,
        &format!("{nmap} -sO -p 1,2,6,17,41,47,50,132 192.0.2.1"),
    );
    works(&lab.outside, &format!("{nmap} -O -p 79,80 192.0.2.1"));
    works(
        &lab.outside,
        &format!("{nmap} -sV --version-light -p 80 192.0.2.1"),
    );
}

/// The same from inside, where much is answered.
fn nmap_from_inside(lab: &Lab) {
    let _server = Server::start(&lab.outside, 80, Service::WhoAmI);
    let nmap = "nmap -n -Pn --max-retries 1 -T5";
    for kind in ["-sS", "-sA", "-sF", "-sT", "-sS -f"] {
        works(
            &lab.inside,
            &format!("{nmap} {kind} -p 21-25,79-81,443 45.1.0.2"),
        );
    }
    works(&lab.inside, &format!("{nmap} -sU -p 53,123,161 45.1.0.2"));
    works(&lab.inside, &format!("{nmap} -O -p 79,80 45.1.0.2"));
    works(&lab.inside, "nmap -n -PE -PP -PS80 -PA80 -sn 45.1.0.2");
}

/// A session through a forward to another port.
fn ssh(lab: &Lab) {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path().display();
    for key in ["host", "user"] {
        let line = format!("ssh-keygen -q -t ed25519 -f {at}/{key} -N");
        Program::start(lab.inside.command(&line).arg(""))
            .finish(LIMIT)
            .expect_success();
    }
    fs::copy(
        folder.path().join("user.pub"),
        folder.path().join("authorized"),
    )
    .expect("a key");
    fs::create_dir_all("/run/sshd").expect("sshd's folder");
    let server = lab.inside.start(&format!(
        "/usr/sbin/sshd -D -e -f /dev/null -p 22 -h {at}/host -o ListenAddress=10.99.0.3 -o AuthorizedKeysFile={at}/authorized \
         -o StrictModes=no -o PermitRootLogin=yes -o UsePAM=no -o PidFile=none"
    ));
    server.wait_for(|line| line.contains("Server listening"), LIMIT);
    works(
        &lab.outside,
        &format!(
            "ssh -F /dev/null -i {at}/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p 2222 root@192.0.2.1 \
             seq 1 3000"
        ),
    );
}

/// Relayed datagrams and a STUN client's questions.
fn turn(lab: &Lab) {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path().display();
    let server = lab.outside.start(&format!(
        "turnserver -n --no-auth --no-tls --no-dtls --no-cli --simple-log --log-file stdout --listening-ip 45.1.0.2 --relay-ip 45.1.0.2 \
         --listening-port 3478 --allow-loopback-peers --pidfile {at}/pid --db {at}/db"
    ));
    server.wait_for(|line| line.contains("SQLite DB connection success"), LIMIT);
    works(&lab.inside, "turnutils_stunclient 45.1.0.2");
    works(
        &lab.inside,
        "turnutils_uclient -y -n 3 -m 1 -l 100 -e 45.1.0.2 45.1.0.2",
    );
    works(
        &lab.inside,
        "turnutils_uclient -t -y -n 3 -m 1 -l 100 -e 45.1.0.2 45.1.0.2",
    );
}

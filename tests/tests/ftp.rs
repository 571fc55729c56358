//! FTP through the firewall, with the clients and servers that people use: active and passive, from inside and from
//! outside, with `[alg] ftp` and without.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_tests::capture::Capture;
use sekisho_tests::firewall::{Firewall, Setup, example};
use sekisho_tests::namespace::Namespace;
use sekisho_tests::program::{Finished, Program};
use sekisho_tests::site::Site;
use sekisho_tests::skip;
use sekisho_tests::traffic::bytes;

const LIMIT: Duration = Duration::from_secs(120);
const WAN: &str = "192.0.2.1";
const WAN_HOST: &str = "192.0.2.2";
/// The host inside: its address is longer than the outside one, so that lines get shorter, or shorter.
const LONGER: &str = "10.99.0.102";
const SHORTER: &str = "10.9.0.2";

/// What a file of each transfer holds; the last is larger than any window.
const SIZES: [usize; 3] = [1, 70_000, 3_000_000];

/// How curl is told to get its data connection, and what it then says or asks for. It believes the address of a reply.
const MANNERS: [(&str, &str); 4] = [
    ("-P -", "EPRT"),
    ("-P - --disable-eprt", "PORT"),
    ("--ftp-pasv", "EPSV"),
    ("--ftp-pasv --disable-epsv --no-ftp-skip-pasv-ip", "PASV"),
];

/// Which program serves.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Connects from any port, and says `229` and `227` in its own words.
    Pyftpdlib,
    /// Connects from port 20.
    Vsftpd,
}

/// A folder with files to get, and one in it to put files into.
struct Shared {
    folder: tempfile::TempDir,
}

impl Shared {
    fn new() -> Shared {
        let folder = tempfile::tempdir().expect("a folder");
        let shared = Shared { folder };
        open(shared.folder.path(), 0o755);
        for name in ["inbox", "empty"] {
            fs::create_dir(shared.path(name)).expect("a folder in it");
        }
        open(&shared.path("inbox"), 0o777);
        for (seed, size) in (1..).zip(SIZES) {
            let file = shared.path(&format!("file{seed}"));
            fs::write(&file, bytes(seed, size)).expect("a file in it");
            open(&file, 0o644);
        }
        shared
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a server for it.
    fn serve(&self, host: &Namespace, kind: Kind) -> Program {
        let root = self.folder.path().display();
        match kind {
            Kind::Pyftpdlib => {
                let line = format!("/usr/bin/python3 -m pyftpdlib -p 21 -w -d {root}");
                let server = host.start(&line);
                server.wait_for(|line| line.contains("starting FTP server"), LIMIT);
                server
            }
            Kind::Vsftpd => {
                let settings = tempfile_of(&self.path("vsftpd.conf"), &vsftpd(&root.to_string()));
                let server = host.start(&format!("/usr/sbin/vsftpd {settings}"));
                host.run(
                    "curl -sS --retry 50 --retry-delay 1 --retry-connrefused ftp://127.0.0.1/file1 -o /dev/null",
                    LIMIT,
                )
                .expect_success();
                server
            }
        }
    }
}

fn vsftpd(root: &str) -> String {
    format!(
        "listen=YES\nbackground=NO\nlisten_ipv6=NO\nanonymous_enable=YES\nlocal_enable=NO\nwrite_enable=YES\n\
         anon_upload_enable=YES\nanon_other_write_enable=YES\nanon_umask=022\nno_anon_password=YES\nanon_root={root}\n\
         secure_chroot_dir={root}/empty\nconnect_from_port_20=YES\nseccomp_sandbox=NO\nxferlog_enable=NO\n\
         anon_world_readable_only=NO\nrun_as_launching_user=NO\n"
    )
}

fn tempfile_of(path: &Path, text: &str) -> String {
    fs::write(path, text).expect("a file");
    path.display().to_string()
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// The firewall with a host on either side, and recordings of both.
struct Lab {
    inside: String,
    firewall: Firewall,
    wan: Namespace,
    dmz: Namespace,
    on_wan: Capture,
    on_dmz: Capture,
    _site: Site,
}

impl Lab {
    /// Rules let only control connections out, and a forward leads them in.
    fn new(inside: &str, lines: &str) -> Lab {
        Lab::with(inside, lines, |text| text)
    }

    /// The same with another configuration.
    fn with(inside: &str, lines: &str, change: impl FnOnce(String) -> String) -> Lab {
        let (network, _) = inside.rsplit_once('.').expect("an address");
        let text = example("lab.toml")
            .replace("10.99.0.2", inside)
            .replace("10.99.0.", &format!("{network}."))
            .replace(
                "to = \"wan\", action",
                "to = \"wan\", service = \"tcp/21\", action",
            )
            .replace("generator = [", "generator = [\"tcp/21\", ");
        assert_eq!(text.matches("tcp/21\"").count(), 2, "{text}");
        let text = change(text);
        let site = Site::new(&["wan", "dmz"]);
        let [on_wan, on_dmz] = ["wan", "dmz"].map(|segment| site.record(segment));
        let wan = site.host_at("wan", "192.0.2.2/24", None);
        let gateway = format!("{network}.1");
        let dmz = site.host_at("dmz", &format!("{inside}/24"), Some(&gateway));
        let firewall = site.boot(&Setup::default(), &format!("{text}\n{lines}"));
        Lab {
            inside: inside.to_owned(),
            firewall,
            wan,
            dmz,
            on_wan,
            on_dmz,
            _site: site,
        }
    }
}

const ON: &str = "[alg]\nftp = true";

fn needs_root() -> bool {
    skip::without_root("real hosts need network namespaces")
}

/// Gets each file and puts it back, all over one control connection, and compares every byte.
#[track_caller]
fn transfer(client: &Namespace, server: &str, shared: &Shared, manner: &str) {
    let here = tempfile::tempdir().expect("a folder");
    let mut line = format!("curl -sSv --max-time 60 {manner}");
    for (number, _) in (1..).zip(SIZES) {
        let to = here.path().join(format!("got{number}"));
        line += &format!(" ftp://{server}/file{number} -o {}", to.display());
    }
    let got = client.run(&line, LIMIT).expect_success();
    let connects = got.text.matches("220 ").count();
    assert_eq!(connects, 1, "one control connection: {}", got.text);
    let mut line = format!("curl -sSv --max-time 60 {manner}");
    for (number, _) in (1..).zip(SIZES) {
        let from = here.path().join(format!("got{number}"));
        line += &format!(" -T {} ftp://{server}/inbox/put{number}", from.display());
    }
    client.run(&line, LIMIT).expect_success();
    for (seed, size) in (1..).zip(SIZES) {
        let expected = bytes(seed, size);
        for file in [
            here.path().join(format!("got{seed}")),
            shared.path(&format!("inbox/put{seed}")),
        ] {
            let found = fs::read(&file).expect("it was transferred");
            assert!(found == expected, "{} differs, by {manner}", file.display());
            fs::remove_file(&file).expect("it is ours");
        }
    }
}

/// All manners, between a client and a server that it calls by an address.
fn all_manners(client: &Namespace, (host, server): (&Namespace, &str), kind: Kind) {
    let shared = Shared::new();
    let serving = shared.serve(host, kind);
    for (manner, _) in MANNERS {
        transfer(client, server, &shared, manner);
    }
    drop(serving);
}

/// As many expected as opened, and nothing refused.
fn expect_all_opened(lab: Lab) {
    let totals = lab.firewall.power_off();
    totals.expect_conserved();
    let count = |what: &str| totals.ftp(what);
    // Each of six transfers of each manner has its own data connection, for the servers that there were.
    assert!(count("expected") >= 24, "{totals:?}");
    assert_eq!(count("expected"), count("opened"), "{totals:?}");
    assert_eq!((count("refused"), count("no-room")), (0, 0), "{totals:?}");
    let recording = lab.on_wan.finish();
    assert_eq!(
        recording.lines(&format!("src host {}", lab.inside)),
        [""; 0]
    );
    for (_, command) in MANNERS {
        let said = recording.lines("tcp port 21");
        let said: Vec<_> = said.iter().filter(|line| line.contains(command)).collect();
        assert!(!said.is_empty(), "nobody said {command}");
    }
    let comma = lab.inside.replace('.', ",");
    let inside = |line: &String| line.contains(&comma) || line.contains(&lab.inside);
    let shown: Vec<_> = recording.lines("").into_iter().filter(inside).collect();
    assert_eq!(shown, [""; 0], "an inside address was told outside");
}

#[test]
fn clients_inside_use_servers_outside_actively_and_passively() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(LONGER, ON);
    for kind in [Kind::Pyftpdlib, Kind::Vsftpd] {
        all_manners(&lab.dmz, (&lab.wan, WAN_HOST), kind);
    }
    expect_all_opened(lab);
}

#[test]
fn clients_outside_use_a_server_inside_actively_and_passively() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(SHORTER, ON);
    for kind in [Kind::Pyftpdlib, Kind::Vsftpd] {
        all_manners(&lab.wan, (&lab.dmz, WAN), kind);
    }
    expect_all_opened(lab);
}

/// The servers differ in the address alone, and the first of them is the one that the lab's host has.
#[test]
fn clients_outside_use_several_servers_whose_connections_begin_with_a_cookie() {
    if needs_root() {
        return;
    }
    let lines = format!("{ON}\n[limits]\nsyn_cookies = 0");
    let lab = Lab::with(SHORTER, &lines, |text| {
        text.replace("to = \"10.9.0.2\"", "to = [\"10.9.0.2\", \"10.9.0.103\"]")
    });
    lab.dmz.ip("address add 10.9.0.103/24 dev eth0");
    all_manners(&lab.wan, (&lab.dmz, WAN), Kind::Pyftpdlib);
    let totals = lab.firewall.power_off();
    totals.expect_conserved();
    assert!(totals.ftp("expected") >= 24, "{totals:?}");
    assert_eq!(totals.ftp("expected"), totals.ftp("opened"), "{totals:?}");
    assert_eq!(totals.ftp("refused"), 0, "{totals:?}");
    let recording = lab.on_dmz.finish();
    for server in ["10.9.0.2", "10.9.0.103"] {
        let greetings = recording.lines(&format!("src host {server} and tcp src port 21"));
        assert!(!greetings.is_empty(), "{server} served nobody");
    }
}

#[test]
fn other_clients_list_and_get_in_one_session() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(SHORTER, ON);
    let shared = Shared::new();
    let _serving = shared.serve(&lab.wan, Kind::Pyftpdlib);
    let here = tempfile::tempdir().expect("a folder");
    for passive in ["on", "off"] {
        let script = here.path().join("lftp");
        let text = format!(
            "set net:max-retries 1\nset net:timeout 30\nset ftp:passive-mode {passive}\nset xfer:clobber on\nlcd {}\n\
             open {WAN_HOST}\nls\nget file1\nrels\nget file2\nget file3\nbye\n",
            here.path().display()
        );
        let script = tempfile_of(&script, &text);
        let ended = lab.dmz.run(&format!("lftp -f {script}"), LIMIT);
        expect_files(&ended.expect_success(), here.path());
    }
    for mode in ["-p", "-A"] {
        let url = |number| format!("ftp://{WAN_HOST}/file{number}");
        for number in 1..=SIZES.len() {
            let to = here.path().join(format!("file{number}"));
            let line = format!("tnftp {mode} -o {} {}", to.display(), url(number));
            lab.dmz.run(&line, LIMIT).expect_success();
        }
        for (seed, size) in (1..).zip(SIZES) {
            let found = fs::read(here.path().join(format!("file{seed}"))).expect("it was got");
            assert!(found == bytes(seed, size), "file{seed}, tnftp {mode}");
        }
    }
    let totals = lab.firewall.power_off();
    assert!(totals.ftp("opened") >= 16, "{totals:?}");
    assert_eq!(totals.ftp("refused"), 0, "{totals:?}");
}

#[track_caller]
fn expect_files(ended: &Finished, folder: &Path) {
    for (seed, size) in (1..).zip(SIZES) {
        let file = folder.join(format!("file{seed}"));
        let found = fs::read(&file).unwrap_or_else(|error| panic!("{error}: {}", ended.text));
        assert!(found == bytes(seed, size), "file{seed}: {}", ended.text);
        fs::remove_file(file).expect("it is ours");
    }
}

#[test]
fn without_the_gateway_nothing_is_changed_and_only_the_control_connection_works() {
    if needs_root() {
        return;
    }
    let lab = Lab::new(LONGER, "");
    let shared = Shared::new();
    let _serving = shared.serve(&lab.wan, Kind::Pyftpdlib);
    for (manner, _) in MANNERS {
        let line = format!(
            "curl -sSv --connect-timeout 3 --max-time 6 {manner} ftp://{WAN_HOST}/file1 -o /dev/null"
        );
        let ended = lab.dmz.run(&line, LIMIT);
        assert!(ended.text.contains("230 "), "logged in: {}", ended.text);
        assert!(!ended.status.success(), "{manner}: {}", ended.text);
    }
    let totals = lab.firewall.power_off();
    totals.expect_conserved();
    assert_eq!(totals.ftp("expected"), 0);
    let recording = lab.on_wan.finish();
    let said = recording.lines("tcp dst port 21");
    let inside = LONGER.replace('.', ",");
    for said_inside in [format!("EPRT |1|{LONGER}|"), format!("PORT {inside},")] {
        let found = said.iter().any(|line| line.contains(&said_inside));
        assert!(found, "{said_inside} is not in {said:#?}");
    }
}

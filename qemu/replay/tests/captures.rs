//! Captures as people have them, and as they break.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use sekisho_replay::capture::{self, Writer};
use sekisho_replay::explain::explain;
use sekisho_replay::options::Options;
use tempfile::TempDir;

const WAN: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const DMZ: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];
const SERVER: [u8; 6] = [2, 0, 0, 0, 9, 2];
const PEER: [u8; 6] = [2, 0, 0, 0, 1, 7];

const CONFIG: &str = r#"version = 1
rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]
[zone.wan]
card = "52:54:00:00:00:01"
address = "192.0.2.1/24"
[zone.dmz]
card = "52:54:00:00:00:02"
address = "10.99.0.1/24"
[nat]
masquerade = [{ from = "dmz", to = "wan" }]
"#;

/// A folder with a configuration.
struct Desk(TempDir);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

impl Desk {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("c.toml"), config).expect("a file");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file");
    }

    /// Explains; `@` in an argument is the folder.
    fn explain(&self, arguments: &str) -> Result<String, String> {
        let folder = format!("{}/", self.0.path().display());
        let words = arguments.split_whitespace();
        let words = words.map(|word| word.replace('@', &folder));
        let line = ["explain".into(), format!("{folder}c.toml")]
            .into_iter()
            .chain(words);
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        let told = explain(&line.options).map(|(_, text)| text);
        told.map_err(|error| error.to_string().replace(&folder, "@"))
    }
}

/// A datagram in a frame; checksum 0 is none.
fn udp(macs: ([u8; 6], [u8; 6]), src: ([u8; 4], u16), dst: ([u8; 4], u16), len: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(src.1.to_be_bytes());
    body.extend(dst.1.to_be_bytes());
    body.extend((8 + len as u16).to_be_bytes());
    body.extend([0, 0]);
    body.resize(8 + len, 7);
    ip(macs, 17, (src.0, dst.0), &body)
}

fn ip(
    (from, to): ([u8; 6], [u8; 6]),
    protocol: u8,
    (src, dst): ([u8; 4], [u8; 4]),
    body: &[u8],
) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + body.len() as u16).to_be_bytes());
    header.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
    header.extend(src);
    header.extend(dst);
    let words = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&to[..], &from, &[8, 0], &header, body].concat()
}

fn question() -> Vec<u8> {
    udp(
        (SERVER, DMZ),
        ([10, 99, 0, 2], 4000),
        ([192, 0, 2, 7], 53),
        20,
    )
}

fn answer() -> Vec<u8> {
    udp(
        (PEER, WAN),
        ([192, 0, 2, 7], 53),
        ([192, 0, 2, 1], 4000),
        30,
    )
}

/// A classic pcap file, little-endian with microseconds.
fn pcap(link: u32, frames: &[(u32, &[u8], usize)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 262_144, link] {
        file.extend(word.to_le_bytes());
    }
    for (ms, bytes, of) in frames {
        for word in [7, ms * 1000, bytes.len() as u32, *of as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(*bytes);
    }
    file
}

fn whole(ms: u32, bytes: &[u8]) -> (u32, &[u8], usize) {
    (ms, bytes, bytes.len())
}

#[test]
fn one_file_a_zone_is_merged_by_time() {
    let desk = Desk::new(CONFIG);
    desk.put("wan.pcap", &pcap(1, &[whole(20, &answer())]));
    desk.put("dmz.pcap", &pcap(1, &[whole(10, &question())]));
    let told = desk.explain("wan=@wan.pcap dmz=@dmz.pcap").expect("told");
    let asked = told.find("#1  0.000000  dmz  udp 10.99.0.2:4000 > 192.0.2.7:53");
    let answered = told.find("#1  0.010000  wan  udp 192.0.2.7:53 > 192.0.2.1:4000");
    assert!(asked.is_some() && asked < answered, "{told}");
    assert!(
        told.contains("new flow from dmz to wan: rule `out` accepts"),
        "{told}"
    );
    assert!(
        told.contains("becomes 192.0.2.1:4000 > 192.0.2.7:53"),
        "{told}"
    );
    assert!(told.contains("known flow, reply from wan to dmz"), "{told}");
    assert!(
        told.contains("becomes 192.0.2.7:53 > 10.99.0.2:4000"),
        "{told}"
    );
    assert!(
        told.contains("forwarded 2  local 2  waiting 0  dropped 0"),
        "{told}"
    );
}

#[test]
fn frames_of_one_file_are_told_apart_by_the_firewalls_cards() {
    let desk = Desk::new(CONFIG);
    let sent = udp(
        (WAN, PEER),
        ([192, 0, 2, 1], 4000),
        ([192, 0, 2, 7], 53),
        20,
    );
    let strange = udp((PEER, SERVER), ([192, 0, 2, 7], 1), ([192, 0, 2, 8], 1), 0);
    let mut arp = vec![0xff; 6];
    arp.extend(SERVER);
    arp.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.extend(SERVER);
    arp.extend([10, 99, 0, 2, 0, 0, 0, 0, 0, 0, 10, 99, 0, 1]);
    let frames = [arp, question(), sent, strange, answer()];
    let frames: Vec<_> = frames.iter().map(|frame| whole(1, frame)).collect();
    desk.put("all.pcap", &pcap(1, &frames));
    let told = desk.explain("@all.pcap").expect("told");
    assert!(
        told.contains("#1  0.000000  dmz  arp who has 10.99.0.1?"),
        "{told}"
    );
    assert!(told.contains("#2  0.000000  dmz  udp"), "{told}");
    assert!(told.contains("#5  0.000000  wan  udp"), "{told}");
    assert!(
        told.contains("1 recorded frames were sent by the firewall then"),
        "{told}"
    );
    assert!(
        told.contains("1 recorded frames belong to no zone"),
        "{told}"
    );
}

#[test]
fn interfaces_of_a_pcapng_file_that_are_called_like_zones_are_those() {
    let desk = Desk::new(CONFIG);
    let mut writer = Writer::new(&["wan", "dmz"]);
    let group = udp((SERVER, [0xff; 6]), ([10, 99, 0, 2], 1), ([255; 4], 1), 0);
    writer.frame(1, Duration::from_micros(1_000_005), &group);
    let file = writer.into_bytes();
    desk.put("both.pcapng", &file);
    let frames = capture::read(&desk.path("both.pcapng")).expect("frames");
    assert_eq!(frames[0].at, Duration::from_micros(1_000_005));
    assert_eq!(frames[0].card.as_deref(), Some("dmz"));
    let told = desk.explain("@both.pcapng").expect("told");
    assert!(
        told.contains("dmz  udp 10.99.0.2:1 > 255.255.255.255:1"),
        "{told}"
    );
    assert!(told.contains("dropped: group-destination"), "{told}");
}

#[test]
fn the_same_capture_is_explained_in_the_same_words() {
    let desk = Desk::new(CONFIG);
    desk.put("dmz.pcap", &pcap(1, &[whole(10, &question())]));
    let once = desk.explain("dmz=@dmz.pcap");
    assert_eq!(once, desk.explain("dmz=@dmz.pcap"));
}

#[test]
fn a_frame_that_the_senders_card_was_to_cut_passes() {
    let desk = Desk::new(CONFIG);
    let segment = |flags: u8, len: usize| {
        let mut body = vec![
            0x0f, 0xa0, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
        ];
        body.resize(20 + len, 1);
        ip((SERVER, DMZ), 6, ([10, 99, 0, 2], [192, 0, 2, 7]), &body)
    };
    let (syn, large) = (segment(2, 0), segment(16, 20_000));
    desk.put("dmz.pcap", &pcap(1, &[whole(1, &syn), whole(2, &large)]));
    let told = desk.explain("dmz=@dmz.pcap").expect("told");
    assert!(
        !told.contains("too-big") && !told.contains("in pieces"),
        "{told}"
    );
}

#[test]
fn a_zone_by_dhcp_gets_the_address_that_is_given() {
    let config = CONFIG.replace("address = \"192.0.2.1/24\"", "address = \"dhcp\"");
    let desk = Desk::new(&config);
    desk.put("dmz.pcap", &pcap(1, &[whole(10, &question())]));
    let told = desk.explain("dmz=@dmz.pcap").expect("told");
    assert!(told.contains("dropped: no-route"), "{told}");
    let told = desk.explain("dmz=@dmz.pcap --address wan=198.51.100.5/24,198.51.100.1");
    let told = told.expect("told");
    assert!(
        told.contains("becomes 198.51.100.5:4000 > 192.0.2.7:53"),
        "{told}"
    );
    let fixed = desk.explain("dmz=@dmz.pcap --address dmz=10.99.0.9/24");
    assert!(fixed.unwrap_err().contains("zone dmz has a fixed address"));
}

#[test]
fn only_answers_in_the_capture_count_where_that_is_asked_for() {
    let desk = Desk::new(CONFIG);
    desk.put("dmz.pcap", &pcap(1, &[whole(10, &question())]));
    let told = desk
        .explain("dmz=@dmz.pcap --neighbors capture")
        .expect("told");
    assert!(told.contains("forwarded 0  local 0  waiting 1"), "{told}");
}

#[test]
fn what_cannot_be_explained_is_said_in_one_line() {
    let desk = Desk::new(CONFIG);
    let cut = question();
    desk.put(
        "cut.pcap",
        &pcap(1, &[whole(1, &question()), (2, &cut[..40], cut.len())]),
    );
    desk.put("any.pcap", &pcap(113, &[whole(1, &question())]));
    desk.put("empty.pcap", &pcap(1, &[]));
    desk.put("text.pcap", b"1 0.0 10.99.0.2 > 192.0.2.7");
    let good = pcap(1, &[whole(1, &question()), whole(2, &question())]);
    desk.put("half.pcap", &good[..good.len() - 5]);
    desk.put("good.pcap", &good);
    let other = udp((PEER, SERVER), ([192, 0, 2, 7], 1), ([192, 0, 2, 8], 1), 0);
    desk.put("other.pcap", &pcap(1, &[whole(1, &other)]));
    for (arguments, says) in [
        (
            "dmz=@missing.pcap",
            "cannot read @missing.pcap: No such file",
        ),
        (
            "dmz=@text.pcap",
            "@text.pcap is neither a pcap nor a pcapng file",
        ),
        ("dmz=@half.pcap", "@half.pcap cannot be read beyond frame 1"),
        (
            "dmz=@cut.pcap",
            "of frame 2 only 40 of 62 bytes were recorded",
        ),
        (
            "dmz=@any.pcap",
            "@any.pcap has LINUX_SLL frames, not Ethernet",
        ),
        ("dmz=@empty.pcap", "the captures hold no frame"),
        (
            "lan=@good.pcap",
            "the configuration has no zone lan; it has wan, dmz",
        ),
        (
            "@other.pcap",
            "no frame of @other.pcap is to or from a card of the firewall",
        ),
        (
            "dmz=@good.pcap --card lan=52:54:00:00:00:01",
            "--card lan=...: the configuration has no zone lan",
        ),
        (
            "dmz=@good.pcap --card dmz=52:54:00:00:00:01",
            "zones wan and dmz have the same card",
        ),
        ("dmz=@good.pcap --card dmz=1:2", "write ZONE=MAC"),
        (
            "dmz=@good.pcap --card dmz=01:00:00:00:00:01",
            "the address of a group",
        ),
        (
            "dmz=@good.pcap --address wan=10.0.0.1",
            "write ZONE=ADDRESS/LENGTH",
        ),
        (
            "dmz=@good.pcap --address wan=10.0.0.1/24,10.0.1.1",
            "the gateway is no neighbour in 10.0.0.0/24",
        ),
        ("=@good.pcap", "write FILE or ZONE=FILE"),
    ] {
        let said = desk.explain(arguments).expect_err(arguments);
        assert!(said.contains(says), "{arguments}: {said}");
    }
    let slots = CONFIG
        .replace("card = \"52:54:00:00:00:01\"", "slot = 0")
        .replace("card = \"52:54:00:00:00:02\"", "slot = 1");
    let desk = Desk::new(&slots);
    desk.put("good.pcap", &good);
    let said = desk.explain("dmz=@good.pcap").expect_err("no card");
    assert!(
        said.contains("say which address the card had, --card wan=MAC"),
        "{said}"
    );
    let cards = "--card wan=52:54:00:00:00:01 --card dmz=52:54:00:00:00:02";
    desk.explain(&format!("dmz=@good.pcap {cards}"))
        .expect("cards");
}

#[test]
fn a_wrong_configuration_is_refused_in_the_usual_words() {
    let desk = Desk::new("version = 1\n");
    desk.put("good.pcap", &pcap(1, &[whole(1, &question())]));
    let said = desk.explain("dmz=@good.pcap").expect_err("refused");
    let usual = sekisho_config::parse(b"version = 1\n").expect_err("refused");
    assert!(said.ends_with(&usual.to_string()), "{said}");
}

//! Linux as the judge: random frames through the engine and through a Linux router with the equivalent policy.
//!
//! `SEKISHO_ORACLE_FRAMES` and `SEKISHO_ORACLE_SEED` say how many frames, and which; see docs/linux.md.

use sekisho_tests::oracle::differences;
use std::collections::HashSet;

use sekisho_tests::oracle::packet;
use sekisho_tests::oracle::recorded::{self, Recording};
use sekisho_tests::oracle::trial::{self, Findings};
use sekisho_tests::skip;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

fn expect_explained(title: &str, findings: &Findings) {
    println!(
        "{title}: {} frames, {} forwarded by both alike",
        findings.frames, findings.forwarded
    );
    for (why, count) in &findings.meant {
        println!("{count:7}  {why}");
    }
    for (what, (count, first)) in &findings.unexplained {
        println!(
            "\nUNEXPLAINED {count} times: {what}\n  {}",
            first.join("\n  ")
        );
    }
    assert!(
        findings.unexplained.is_empty(),
        "{title}: {} kinds of differences that docs/linux.md does not list",
        findings.unexplained.len()
    );
}

#[test]
fn the_engine_does_what_linux_does_but_for_what_is_listed() {
    if skip::without_root("a Linux router beside ours") {
        return;
    }
    let frames = number("SEKISHO_ORACLE_FRAMES", 120_000) as usize;
    let seed = number("SEKISHO_ORACLE_SEED", 1);
    let findings = trial::run(seed, frames);
    expect_explained(&format!("seed {seed}"), &findings);
    assert!(
        findings.forwarded * 3 > findings.frames,
        "the frames are too bad to show much"
    );
    // Some are rare.
    if frames >= 1_000_000 {
        for row in differences::read() {
            assert!(
                findings.meant.contains_key(&row.why),
                "no frame shows this difference any more: {}",
                row.why
            );
        }
    }
}

#[test]
fn real_programs_get_from_the_engine_what_they_get_from_linux() {
    if skip::without_root("a Linux router beside ours") {
        return;
    }
    let (mut frames, mut forwarded, mut adapted, mut left_out) = (0, 0, 0, 0);
    for path in recorded::all() {
        let title = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut recording = Recording::open(&path);
        let findings = trial::play(&mut recording);
        expect_explained(&title, &findings);
        frames += findings.frames;
        forwarded += findings.forwarded;
        adapted += findings.adapted;
        left_out += recording.left_out;
    }
    println!("{frames} frames, {forwarded} forwarded, {adapted} adapted, {left_out} left out");
    assert!(
        forwarded * 3 > frames * 2,
        "{forwarded} of {frames} show little"
    );
    assert!(
        adapted > 100,
        "{adapted} frames name a port that a router drew"
    );
    assert!(
        left_out * 20 < frames,
        "{left_out} frames of {frames} are left out"
    );
}

/// How many packets of all recordings are like this.
fn count(is_like: impl Fn(&[u8]) -> bool) -> usize {
    let packets = recorded::all()
        .into_iter()
        .flat_map(|path| recorded::read(&path));
    packets.filter(|(_, packet)| is_like(packet)).count()
}

/// The flags of a TCP packet that begins with its header, and the first of its options' kinds.
fn segment(packet: &[u8]) -> Option<(u8, Vec<u8>)> {
    let is_piece = packet::word(packet, 6) & 0x1fff != 0;
    if packet[9] != packet::TCP || is_piece || packet.len() < 40 {
        return None;
    }
    let end = 20 + usize::from(packet[32] >> 4) * 4;
    let mut options = packet.get(40..end)?;
    let mut kinds = Vec::new();
    while let Some(kind) = options.first() {
        kinds.push(*kind);
        let len = match kind {
            0 | 1 => 1,
            _ => usize::from(*options.get(1)?).max(2),
        };
        options = options.get(len..).unwrap_or_default();
    }
    Some((packet[33], kinds))
}

#[test]
fn the_recordings_hold_what_real_traffic_is_made_of() {
    let has_option = |option: u8| {
        count(|packet| segment(packet).is_some_and(|(_, kinds)| kinds.contains(&option)))
    };
    for (name, option) in [("window scale", 3), ("SACK", 5), ("timestamps", 8)] {
        assert!(has_option(option) >= 5, "{name}: {}", has_option(option));
    }
    let resets = count(|packet| segment(packet).is_some_and(|(flags, _)| flags & 4 != 0));
    assert!(resets >= 10, "{resets} resets");
    let pieces = |protocol: u8| {
        count(|packet| packet[9] == protocol && packet::word(packet, 6) & 0x3fff != 0)
    };
    for protocol in [packet::ICMP, packet::TCP, packet::UDP] {
        assert!(pieces(protocol) >= 4, "pieces of protocol {protocol}");
    }
    // Unreachable, prohibited, fragmentation needed, time exceeded.
    for (kind, code) in [(3, 1), (3, 3), (3, 4), (3, 13), (11, 0)] {
        let told = count(|packet| packet[9] == packet::ICMP && packet[20..22] == [kind, code]);
        assert!(told > 0, "no ICMP error {kind}/{code}");
    }
    let again = repeated();
    assert!(again >= 5, "{again} repeated segments");
}

/// How many segments carry data that one before them carried.
fn repeated() -> usize {
    let mut seen = HashSet::new();
    let packets = recorded::all()
        .into_iter()
        .flat_map(|path| recorded::read(&path));
    let carry_data = packets.filter(|(_, packet)| {
        segment(packet).is_some() && packet.len() > 20 + usize::from(packet[32] >> 4) * 4
    });
    // Addresses, ports and sequence number.
    carry_data
        .filter(|(_, packet)| !seen.insert(packet[12..28].to_vec()))
        .count()
}

//! The FTP gateway in the booted machine: every byte of a line, and the numbers behind it.

use sekisho_tests::frames::{Frame, Inner, flag};
use sekisho_tests::rig::{DMZ_HOST, WAN};

use crate::support::{CONFIG, WORLD, Wire, is_tcp};

const DATA: u8 = flag::ACK;
const LINE: &[u8] = b"PORT 10,99,0,2,156,64\r\n";

fn says(frame: &Frame, wanted: &[u8]) -> bool {
    matches!(frame.inner(), Some(Inner::Tcp { payload, .. }) if payload == wanted)
}

/// A client in the DMZ that is logged in at WORLD; its next numbers are 1009 and 5001.
fn logged_in(config: &str) -> Wire {
    let mut wire = Wire::boot_with(config);
    wire.settle();
    wire.connected(42_000, 21);
    wire.segment_out((42_000, 21), DATA, (1001, 5001), b"USER x\r\n");
    wire.segment_in((21, 42_000), DATA, (5001, 1009), b"");
    let line = wire
        .dmz()
        .to(WORLD)
        .tcp((42_000, 21), DATA, (1009, 5001), LINE);
    wire.dmz().send(&line);
    wire
}

#[test]
fn ftp_on_the_wire_tells_our_address_and_lets_the_server_in() {
    let wire = logged_in(&format!("{CONFIG}[alg]\nftp = true\n"));
    let told = b"PORT 192,0,2,1,156,64\r\n";
    assert_eq!(told.len(), LINE.len());
    let frame = wire.wan().expect("the line", |frame| says(frame, told));
    assert!(is_tcp(&frame, (42_000, 21), DATA, (1009, 5001)));
    assert_eq!(frame.source(), Some(WAN));
    // A port of fewer digits: the line gets shorter, and what follows is counted so.
    wire.segment_in((21, 42_000), DATA, (5001, 1032), b"");
    let line = b"PORT 010,099,000,002,156,065\r\n";
    let way = wire.dmz().to(WORLD);
    wire.dmz()
        .send(&way.tcp((42_000, 21), DATA, (1032, 5001), line));
    let told = b"PORT 192,0,2,1,156,65\r\n";
    wire.wan()
        .expect("the second line", |frame| says(frame, told));
    let end = 1032 + told.len() as u32;
    let acknowledged = (5001, 1032 + line.len() as u32);
    let ack = wire
        .from(WORLD, WAN)
        .tcp((21, 42_000), DATA, (5001, end), b"");
    wire.wan().send(&ack);
    wire.dmz().expect("its acknowledgement", |frame| {
        is_tcp(frame, (21, 42_000), DATA, acknowledged)
    });
    let more = way.tcp((42_000, 21), DATA, (acknowledged.1, 5001), b"NOOP\r\n");
    wire.dmz().send(&more);
    wire.wan().expect("what follows", |frame| {
        is_tcp(frame, (42_000, 21), DATA, (end, 5001)) && says(frame, b"NOOP\r\n")
    });

    // The port announced before is nobody's any more, the one announced last WORLD's alone.
    for port in [40_000, 40_001] {
        let syn = wire
            .from(WORLD, WAN)
            .tcp((20, port), flag::SYN, (7000, 0), b"");
        wire.wan().send(&syn);
    }
    let syn = |frame: &Frame| is_tcp(frame, (20, 40_001), flag::SYN, (7000, 0));
    let frame = wire.dmz().expect("the data connection", syn);
    assert_eq!(frame.source(), Some(WORLD));
    let others = wire.arrived(wire.dmz());
    let is_other = |frame: &&Frame| is_tcp(frame, (20, 40_000), flag::SYN, (7000, 0));
    assert_eq!(others.iter().find(is_other), None);
    let totals = wire.rig.firewall.power_off();
    totals.expect_conserved();
    let counts = ["expected", "opened", "changed", "refused"].map(|what| totals.ftp(what));
    assert_eq!(counts, [2, 1, 2, 0]);
}

#[test]
fn ftp_on_the_wire_stays_as_it_is_by_default() {
    let wire = logged_in(CONFIG);
    let frame = wire.wan().expect("the line", |frame| says(frame, LINE));
    assert!(is_tcp(&frame, (42_000, 21), DATA, (1009, 5001)));
    let syn = wire
        .from(WORLD, WAN)
        .tcp((20, 40_000), flag::SYN, (7000, 0), b"");
    wire.wan().send(&syn);
    let arrived = wire.arrived(wire.dmz());
    let is_syn = |frame: &&Frame| is_tcp(frame, (20, 40_000), flag::SYN, (7000, 0));
    assert_eq!(arrived.iter().find(is_syn), None, "{DMZ_HOST} heard of it");
    let totals = wire.rig.firewall.power_off();
    totals.expect_conserved();
    assert_eq!(totals.ftp("expected"), 0);
}

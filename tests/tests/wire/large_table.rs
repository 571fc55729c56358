//! More flows than a cache holds: then frames are taken from a card in groups, and nobody may notice.

use sekisho_tests::firewall::Setup;
use sekisho_tests::frames::{Frame, Inner};
use sekisho_tests::rig::{DMZ, Rig, WAN_HOST};
use sekisho_tests::way::arp_request;

/// From so many flows on, frames are taken in groups.
const LARGE: u64 = 16_384;
/// So many are there, of this many sources' ports.
const FLOWS: usize = 17_000;
const PORTS: usize = 500;
/// How many frames are sent before the firewall has dealt with them, so that no ring overflows: a whole burst of the loop, and some more.
const PACE: usize = 100;
const BURSTS: usize = 20;

const CONFIG: &str = r#"version = 1
rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]
forward = [{ name = "marker", from = "wan", service = "udp/7001", to = "10.99.0.2" }]
[zone.wan]
card = "52:54:00:00:00:01"
address = "192.0.2.1/24"
[zone.dmz]
card = "52:54:00:00:00:02"
address = "10.99.0.1/24"
answer = ["echo"]
[nat]
masquerade = [{ from = "dmz", to = "wan" }]
"#;

/// A datagram of one of the flows.
fn datagram(rig: &Rig, flow: usize, number: usize) -> Vec<u8> {
    let (source, destination) = (20_000 + flow % PORTS, 1_000 + flow / PORTS);
    let payload = format!("number {number}");
    rig.dmz
        .to(WAN_HOST)
        .udp(source as u16, destination as u16, payload.as_bytes())
}

/// The number that a datagram carries.
fn number_of(frame: &Frame) -> Option<usize> {
    let Some(Inner::Udp { payload, .. }) = frame.inner() else {
        return None;
    };
    let text = std::str::from_utf8(payload).ok()?;
    text.strip_prefix("number ")?.parse().ok()
}

#[test]
fn bursts_through_a_large_table_arrive_whole_and_in_order() {
    let rig = Rig::ready(&Setup::default(), CONFIG);
    // Everybody's card is known from here on: nothing has to wait.
    rig.settle_from_wan();
    rig.settle_from_dmz();
    for flow in 0..FLOWS {
        rig.dmz.send(&datagram(&rig, flow, flow));
        if flow % PACE == PACE - 1 {
            rig.settle_from_dmz();
        }
    }
    rig.settle_from_dmz();
    let there = rig.firewall.tables().flows;
    assert!(there > LARGE, "{there} flows: nothing was taken in groups");

    // In each burst known flows in no order, new ones, questions, and what ends here.
    let (mut number, mut strange, mut asked) = (FLOWS, 0, 0);
    for burst in 0..BURSTS {
        for place in 0..PACE {
            match place % 10 {
                3 => {
                    asked += 1;
                    rig.dmz.send(&rig.dmz.to(DMZ).echo(1, asked, b"there?"));
                }
                6 => rig.dmz.send(&arp_request(rig.dmz.mac, rig.dmz.ip, DMZ)),
                7 => {
                    strange += 1;
                    let mut frame = datagram(&rig, place, 0);
                    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
                    rig.dmz.send(&frame);
                }
                9 => {
                    rig.dmz.send(&datagram(&rig, number, number));
                    number += 1;
                }
                _ => {
                    let flow = (burst * PACE + place) * 7_919 % FLOWS;
                    rig.dmz.send(&datagram(&rig, flow, number));
                    number += 1;
                }
            }
        }
        rig.settle_from_dmz();
    }
    let arrived = rig.wan.seen(|frame| number_of(frame).is_some());
    let numbers: Vec<_> = arrived.iter().filter_map(number_of).collect();
    let wanted: Vec<_> = (0..number).collect();
    assert!(numbers == wanted, "{numbers:?}");
    rig.settle_from_wan();
    let echoes = rig.dmz.seen(|frame| frame.is_icmp(0));
    assert_eq!(echoes.len(), usize::from(asked));

    let totals = rig.firewall.power_off();
    totals.expect_conserved();
    assert_eq!(totals.dropped, strange, "{totals:?}");
    assert_eq!(totals.drop("ethertype-unknown"), strange);
    assert_eq!(totals.of_zone("dmz", "received"), rig.dmz.sent());
}

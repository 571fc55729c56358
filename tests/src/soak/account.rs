//! Where each frame and each datagram has gone.
//!
//! Between two programs there are six places where counters stand, and between each two of them nothing may get lost
//! without one: what was sent is what went on and what a counter calls dropped, to the last frame.
//!
//! ```text
//!  program → socket → IP → tap, taken by QEMU → firewall → tap, given by QEMU → IP → socket → program
//! ```
//!
//! * [`Account`]: the lines of this bill, from the counters at the beginning and at the end.

use super::ledger::{Datagrams, Ledger};
use super::snapshot::{Host, Snapshot};

/// Reasons for which frames of hosts that do nothing wrong may be dropped: no room, or too late for their flow.
const HONEST: [&str; 6] = [
    "transmit-full",
    "neighbor-queue-full",
    "tcp-no-flow",
    "tcp-state",
    "nat-filtered",
    "not-offered",
];

/// So many buffers are now on a ring and now free: each of the two cards' receive rings is filled up when an eighth of it, 32 buffers,
/// is empty.
const BETWEEN: u64 = 64;

/// Two numbers that have to be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is counted, on both sides.
    pub what: String,
    /// What went in.
    pub before: u64,
    /// What came out, and what was counted as dropped.
    pub after: u64,
}

/// Datagrams of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Which.
    pub name: &'static str,
    /// Handed to the sender's kernel.
    pub sent: u64,
    /// Read by the receiver.
    pub received: u64,
    /// Dropped before the firewall: the queue of the sender's card was full.
    pub before: u64,
    /// Dropped behind it: no room in the receiver's socket.
    pub behind: u64,
}

/// The whole bill.
#[derive(Clone, Debug)]
pub struct Account {
    /// What must be equal.
    pub lines: Vec<Line>,
    /// Datagrams, each way.
    pub ways: [Way; 2],
    /// What the firewall dropped, by its reasons.
    pub drops: Vec<(String, u64)>,
}

impl Account {
    /// Draws it up.
    pub fn new(ledger: &Ledger, start: &Snapshot, end: &Snapshot) -> Self {
        let sides = [
            ("dmz", &ledger.dmz, &start.dmz, &end.dmz),
            ("wan", &ledger.wan, &start.wan, &end.wan),
        ];
        let mut lines = Vec::new();
        for (zone, ledger, start_host, end_host) in sides {
            lines.extend(host_lines(zone, ledger, &end_host.since(start_host)));
        }
        let of_zone =
            |zone, name| end.firewall.of_zone(zone, name) - start.firewall.of_zone(zone, name);
        for (zone, _, start_host, end_host) in sides {
            let host = end_host.since(start_host);
            lines.push(Line {
                what: format!(
                    "{zone}: frames QEMU took from the tap = frames the firewall received"
                ),
                before: host.taken,
                after: of_zone(zone, "received"),
            });
            lines.push(Line {
                what: format!("{zone}: frames the firewall sent = frames in the tap"),
                before: of_zone(zone, "forwarded") + of_zone(zone, "originated"),
                after: host.given + host.not_given,
            });
        }
        lines.extend(firewall_lines(start, end));
        Self {
            lines,
            ways: [
                way(
                    "dmz to wan",
                    sides[0].1,
                    &end.dmz.since(&start.dmz),
                    sides[1].1,
                    &end.wan.since(&start.wan),
                ),
                way(
                    "wan to dmz",
                    sides[1].1,
                    &end.wan.since(&start.wan),
                    sides[0].1,
                    &end.dmz.since(&start.dmz),
                ),
            ],
            drops: drops(start, end),
        }
    }

    /// What does not add up, in words.
    pub fn complaints(&self) -> Vec<String> {
        let unequal = self.lines.iter().filter(|line| line.before != line.after);
        let mut complaints: Vec<String> = unequal
            .map(|line| format!("{}: {} and {}", line.what, line.before, line.after))
            .collect();
        for (reason, count) in &self.drops {
            if !HONEST.contains(&reason.as_str()) {
                complaints.push(format!(
                    "the firewall dropped {count} frames of honest hosts as {reason}"
                ));
            }
        }
        let dropped: u64 = self.drops.iter().map(|(_, count)| count).sum();
        for way in &self.ways {
            // TCP's frames are among the others' drops, so they may be more.
            let explained = way.before + dropped + way.behind;
            let lost = way.sent.checked_sub(way.received);
            if lost.is_none_or(|lost| lost > explained) {
                complaints.push(format!("{way:?}: {explained} losses are explained"));
            }
        }
        complaints
    }
}

/// A host's programs, kernel and card.
fn host_lines(zone: &str, programs: &Datagrams, host: &Host) -> [Line; 3] {
    // What the card gave and IP did not count is the firewall's ARP, of which each request is answered once.
    let arp = host.given.saturating_sub(host.ip_received);
    [
        Line {
            what: format!("{zone}: datagrams programs sent = sent or refused by the kernel"),
            before: programs.sent.get(),
            after: host.udp_sent + host.udp_refused,
        },
        Line {
            what: format!(
                "{zone}: IP packets and ARP answers = frames taken or dropped at the tap"
            ),
            before: host.ip_sent + arp,
            after: host.taken + host.tap_full,
        },
        Line {
            what: format!("{zone}: datagrams the kernel delivered = read by programs"),
            before: host.udp_received,
            after: programs.received.get(),
        },
    ]
}

fn firewall_lines(start: &Snapshot, end: &Snapshot) -> [Line; 6] {
    let line = |what: &str, before, after| Line {
        what: format!("firewall: {what}"),
        before,
        after,
    };
    let totals = &end.firewall;
    let fewer = (start.tables.free_buffers).saturating_sub(end.tables.free_buffers);
    let lost = if fewer > BETWEEN { fewer } else { 0 };
    [
        line(
            "received = forwarded, local, held and dropped",
            totals.received,
            totals.forwarded + totals.local + totals.held + totals.dropped,
        ),
        line(
            "dropped = sum of the reasons",
            totals.dropped,
            totals.drops.values().sum(),
        ),
        line("frames held at the end", totals.held, 0),
        line("flows at the end", end.tables.flows, 0),
        line("mappings, so leases, at the end", end.tables.mappings, 0),
        line("buffers lost", lost, 0),
    ]
}

fn way(
    name: &'static str,
    from: &Datagrams,
    sender: &Host,
    to: &Datagrams,
    receiver: &Host,
) -> Way {
    Way {
        name,
        sent: from.sent.get(),
        received: to.received.get(),
        before: sender.udp_refused + sender.tap_full,
        behind: receiver.udp_lost + receiver.not_given,
    }
}

fn drops(start: &Snapshot, end: &Snapshot) -> Vec<(String, u64)> {
    let during =
        |(reason, count): (&String, &u64)| (reason.clone(), count - start.firewall.drop(reason));
    let drops = end.firewall.drops.iter().map(during);
    drops.filter(|(_, count)| *count > 0).collect()
}

impl Host {
    /// What was counted since then.
    fn since(&self, start: &Self) -> Self {
        Self {
            ip_sent: self.ip_sent - start.ip_sent,
            ip_received: self.ip_received - start.ip_received,
            udp_sent: self.udp_sent - start.udp_sent,
            udp_refused: self.udp_refused - start.udp_refused,
            udp_received: self.udp_received - start.udp_received,
            udp_lost: self.udp_lost - start.udp_lost,
            taken: self.taken - start.taken,
            tap_full: self.tap_full - start.tap_full,
            given: self.given - start.given,
            not_given: self.not_given - start.not_given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::Totals;
    use crate::tables::Tables;

    /// Ten datagrams out, of which one was lost in each place where one can be.
    fn world() -> (Ledger, Snapshot, Snapshot) {
        let ledger = Ledger::default();
        ledger.dmz.sent.add(10);
        ledger.wan.received.add(6);
        let console = [
            "counters: received 8 forwarded 7 local 0 held 0 dropped 1",
            "counters: zone wan received 0 forwarded 7 originated 0 unsent 0",
            "counters: zone dmz received 8 forwarded 0 originated 0 unsent 0",
            "counters: drop transmit-full 1",
        ];
        let start = Snapshot {
            wan: Host::default(),
            dmz: Host::default(),
            firewall: Totals::read(&[
                "counters: received 0 forwarded 0 local 0 held 0 dropped 0".into(),
                "counters: zone wan received 0 forwarded 0 originated 0 unsent 0".into(),
                "counters: zone dmz received 0 forwarded 0 originated 0 unsent 0".into(),
            ]),
            tables: Tables::default(),
        };
        let mut end = start.clone();
        end.firewall = Totals::read(&console.map(str::to_owned));
        end.dmz = Host {
            ip_sent: 9,
            udp_sent: 9,
            udp_refused: 1,
            taken: 8,
            tap_full: 1,
            ..Host::default()
        };
        end.wan = Host {
            ip_received: 7,
            udp_received: 6,
            udp_lost: 1,
            given: 7,
            ..Host::default()
        };
        (ledger, start, end)
    }

    #[test]
    fn what_counters_explain_is_no_complaint() {
        let (ledger, start, end) = world();
        let account = Account::new(&ledger, &start, &end);
        assert_eq!(account.complaints(), [""; 0]);
        assert_eq!(account.ways[0].sent - account.ways[0].received, 4);
    }

    #[test]
    fn one_frame_too_few_is_a_complaint_wherever_it_is_missing() {
        let break_it: [fn(&mut Snapshot); 6] = [
            |end| end.dmz.udp_refused -= 1,
            |end| end.dmz.tap_full -= 1,
            |end| end.dmz.taken += 1,
            |end| end.wan.given -= 1,
            |end| end.wan.udp_received += 1,
            |end| end.tables.flows += 1,
        ];
        for (place, break_it) in break_it.into_iter().enumerate() {
            let (ledger, start, mut end) = world();
            break_it(&mut end);
            let complaints = Account::new(&ledger, &start, &end).complaints();
            assert!(!complaints.is_empty(), "place {place}");
        }
    }

    #[test]
    fn more_lost_datagrams_than_drops_and_drops_that_honest_hosts_do_not_cause_are_complaints() {
        let (ledger, start, mut end) = world();
        end.firewall.drops = [("transport-checksum".to_owned(), 1)].into();
        let complaints = Account::new(&ledger, &start, &end).complaints();
        assert!(
            complaints[0].contains("transport-checksum"),
            "{complaints:?}"
        );
        ledger.dmz.sent.add(5);
        end.dmz.udp_sent += 5;
        let complaints = Account::new(&ledger, &start, &end).complaints();
        assert!(
            complaints.iter().any(|text| text.contains("are explained")),
            "{complaints:?}"
        );
    }
}

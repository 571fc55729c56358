//! All counters at one moment: of both hosts' kernels, of their cards, and of the firewall.

use std::collections::BTreeMap;
use std::time::Duration;

use sekisho_qemu::Vm;
use serde_json::Value;

use crate::firewall::Totals;
use crate::namespace::Namespace;
use crate::tables::Tables;

/// How long the console may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// All counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The host in the WAN.
    pub wan: Host,
    /// The host in the DMZ.
    pub dmz: Host,
    /// The firewall's counters.
    pub firewall: Totals,
    /// How full its tables are.
    pub tables: Tables,
}

/// One host: its kernel's counters and its tap's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// IP packets that its kernel sent.
    pub ip_sent: u64,
    /// IP packets that its kernel received.
    pub ip_received: u64,
    /// Datagrams that left the sockets.
    pub udp_sent: u64,
    /// Datagrams that the queue before the card refused.
    pub udp_refused: u64,
    /// Datagrams that programs have read.
    pub udp_received: u64,
    /// Datagrams that found no room in their socket, no socket, or were broken.
    pub udp_lost: u64,
    /// Frames that QEMU took from the tap.
    pub taken: u64,
    /// Frames that the tap or the queue before it dropped, as QEMU did not take them in time.
    pub tap_full: u64,
    /// Frames that QEMU put into the tap.
    pub given: u64,
    /// Frames that the tap dropped on their way into the host.
    pub not_given: u64,
}

impl Snapshot {
    /// Reads all of them.
    ///
    /// # Errors
    /// When the firewall does not answer.
    pub fn take(vm: &Vm, wan: (&Namespace, &str), dmz: (&Namespace, &str)) -> Result<Self, String> {
        let first = vm.lines().len();
        let tables = Tables::ask(vm, "counters\rstatus\r", ANSWER)?;
        Ok(Self {
            wan: Host::read(wan.0, wan.1),
            dmz: Host::read(dmz.0, dmz.1),
            firewall: Totals::read(&vm.lines_from(first)),
            tables,
        })
    }
}

impl Host {
    fn read(host: &Namespace, tap: &str) -> Self {
        // The thread's own namespace, not the process's.
        let text = host
            .enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))
            .expect("Linux has it");
        let protocols = protocols(&text);
        let of = |protocol: &str, name: &str| {
            let key = (protocol.to_owned(), name.to_owned());
            protocols.get(&key).copied().unwrap_or(0)
        };
        let link: Value = serde_json::from_str(&host.ip(&format!("-s -j link show {tap}")))
            .expect("iproute2 writes JSON");
        let card = |way: &str, name: &str| {
            let value = &link[0]["stats64"][way][name];
            value.as_u64().expect("each card has it")
        };
        Self {
            ip_sent: of("Ip", "OutRequests"),
            ip_received: of("Ip", "InReceives"),
            udp_sent: of("Udp", "OutDatagrams"),
            udp_refused: of("Udp", "SndbufErrors"),
            udp_received: of("Udp", "InDatagrams"),
            udp_lost: of("Udp", "InErrors") + of("Udp", "NoPorts"),
            taken: card("tx", "packets"),
            tap_full: card("tx", "dropped") + queue_drops(host, tap),
            given: card("rx", "packets"),
            not_given: card("rx", "dropped"),
        }
    }
}

/// Frames that the queue before a card dropped.
fn queue_drops(host: &Namespace, tap: &str) -> u64 {
    let line = format!("tc -s -j qdisc show dev {tap}");
    let finished = host.run(&line, ANSWER).expect_success();
    let queues: Value = serde_json::from_str(finished.text.trim()).expect("iproute2 writes JSON");
    let drops = queues.as_array().into_iter().flatten();
    drops.filter_map(|queue| queue["drops"].as_u64()).sum()
}

/// The table of `/proc/net/snmp`: a line of names and a line of numbers for each protocol.
fn protocols(text: &str) -> BTreeMap<(String, String), u64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut all = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        let [names, numbers] = [pair[0], pair[1]].map(|line| line.split_whitespace());
        let mut cells = names.zip(numbers);
        let Some((protocol, _)) = cells.next() else {
            continue;
        };
        let protocol = protocol.trim_end_matches(':');
        for (name, number) in cells {
            // Some, as Tcp's MaxConn, are -1.
            if let Ok(number) = number.parse() {
                all.insert((protocol.to_owned(), name.to_owned()), number);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_counters_are_read() {
        let all = protocols("Ip: Forwarding InReceives\nIp: 2 7\nUdp: NoPorts\nUdp: 3\n");
        let get = |a: &str, b: &str| all[&(a.to_owned(), b.to_owned())];
        assert_eq!((get("Ip", "InReceives"), get("Udp", "NoPorts")), (7, 3));
    }
}

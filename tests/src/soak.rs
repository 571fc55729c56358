//! The firewall under full load for a long time, with every byte verified and every frame accounted for; needs root.
//!
//! * [`Plan`]: on what machine, how long, how many flows.
//! * [`run`]: boots it between two hosts, lets all loads work at once, waits until everything has expired, and draws up
//!   the account.
//! * [`Report`]: what came of it.
//! * [`transfers`], [`datagrams`], [`flows`]: the loads; [`stream`]: their bytes; [`ledger`]: what they count.
//! * [`snapshot`], [`account`]: all other counters, and whether they agree.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sekisho_qemu::{Model, Network, Offloads};

use crate::firewall::{Firewall, Setup, card};
use crate::namespace::Namespace;
use account::Account;
use ledger::Ledger;
use snapshot::Snapshot;
use transfers::{Size, Way};

pub mod account;
pub mod datagrams;
pub mod flows;
pub mod ledger;
pub mod snapshot;
pub mod stream;
pub mod transfers;

const WAN_HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PUBLISHED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TAPS: [&str; 2] = ["tap-wan", "tap-dmz"];

/// Numbered datagrams a second, each way.
const DATAGRAMS: f64 = 4000.0;
/// Clients each way whose transfers are long, and those whose transfers are short: most of these wait, since what fills the
/// queues stands before them.
const LONG: usize = 2;
const SHORT: usize = 16;
/// How long the longest timeout of the configuration leaves a flow, and some time for what is under way.
const EXPIRY: Duration = Duration::from_secs(120);
/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(200);

/// Short timeouts, so that a million flows come and go; but under full load some frames are lost, and TCP asks again after 0.2, 0.4, …
/// 12.8 seconds: a connection that is opened or closed must outlive that.
const CONFIG: &str = r#"version = 1
rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]
forward = [{ name = "loads", from = "wan", service = "@loads", to = "10.99.0.2" }]
[zone.wan]
card = "52:54:00:00:00:01"
address = "192.0.2.1/24"
gateway = "192.0.2.2"
[zone.dmz]
card = "52:54:00:00:00:02"
address = "10.99.0.1/24"
[service]
loads = ["tcp/5201", "udp/7001"]
[nat]
masquerade = [{ from = "dmz", to = "wan" }]
[timeout]
udp = "5s"
udp_unanswered = "2s"
tcp_opening = "30s"
tcp_established = "60s"
tcp_closing = "20s"
"#;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// On what machine.
    pub setup: Setup,
    /// For how long there is load.
    pub length: Duration,
    /// UDP flows that are opened meanwhile.
    pub flows: u64,
}

/// What came of it.
pub struct Report {
    /// What the hosts' programs have seen.
    pub ledger: Arc<Ledger>,
    /// Where all frames have gone.
    pub account: Account,
    /// For how long there was load.
    pub took: Duration,
    /// What is wrong; nothing, if all is well.
    pub complaints: Vec<String>,
}

/// The machine and its hosts.
struct Bed {
    firewall: Firewall,
    wan: Namespace,
    dmz: Namespace,
    _machine: Namespace,
}

/// Does it; `progress` gets a line now and then.
///
/// # Errors
/// When the machine does not come up, or goes away.
pub fn run(plan: &Plan, progress: impl FnMut(&str)) -> Result<Report, String> {
    let bed = Bed::new(&plan.setup);
    let start = bed.at_rest()?;
    let ledger = Arc::new(Ledger::default());
    let began = Instant::now();
    work(&bed, plan, &ledger, progress)?;
    let took = began.elapsed();
    bed.wait_until_expired()?;
    let end = bed.at_rest()?;
    let account = Account::new(&ledger, &start, &end);
    let mut complaints = ledger.complaints();
    complaints.extend(account.complaints());
    complaints.extend(bed.faults());
    Ok(Report {
        ledger,
        account,
        took,
        complaints,
    })
}

/// All loads at once, for as long as is planned.
fn work(
    bed: &Bed,
    plan: &Plan,
    ledger: &Arc<Ledger>,
    mut progress: impl FnMut(&str),
) -> Result<(), String> {
    const KEYS: [u64; 2] = [0x006f_7574, 0x696e];
    // Whoever receives is there before, and is dropped after, whoever sends.
    let _servers = [
        transfers::Servers::start(&bed.wan, Way::Out, ledger),
        transfers::Servers::start(&bed.dmz, Way::In, ledger),
    ];
    let _sinks = [
        datagrams::Sink::start(&bed.wan, KEYS[0], ledger, |ledger| &ledger.wan.received),
        datagrams::Sink::start(&bed.dmz, KEYS[1], ledger, |ledger| &ledger.dmz.received),
    ];
    let near = flows::Near::start(&bed.dmz, ledger);
    let _far = flows::Far::start(&bed.wan, ledger);
    thread::scope(|scope| {
        let clients = [(Size::Long, LONG), (Size::Short, SHORT)];
        let sizes = clients.map(|(size, clients)| std::iter::repeat_n(size, clients));
        for (key, size) in (0_u64..).zip(sizes.into_iter().flatten()) {
            scope.spawn(move || transfers::client(&bed.dmz, Way::Out, WAN_HOST, size, key, ledger));
            scope
                .spawn(move || transfers::client(&bed.wan, Way::In, PUBLISHED, size, !key, ledger));
        }
        let (dmz, wan) = (&ledger.dmz.sent, &ledger.wan.sent);
        scope.spawn(move || datagrams::send(&bed.dmz, WAN_HOST, KEYS[0], DATAGRAMS, ledger, dmz));
        scope.spawn(move || datagrams::send(&bed.wan, PUBLISHED, KEYS[1], DATAGRAMS, ledger, wan));
        let rate = plan.flows as f64 / plan.length.as_secs_f64();
        let near = &near;
        scope.spawn(move || near.open(rate, ledger));
        watch(bed, plan, ledger, &mut progress);
        ledger.end();
    });
    bed.is_there()?;
    // What is still under way arrives while somebody is there to read it.
    bed.at_rest().map(drop)
}

/// Waits for the end, and says every ten seconds how far it is.
fn watch(bed: &Bed, plan: &Plan, ledger: &Ledger, progress: &mut impl FnMut(&str)) {
    const SAY: Duration = Duration::from_secs(10);
    let began = Instant::now();
    let mut next = SAY;
    while began.elapsed() < plan.length && !ledger.is_over() && bed.is_there().is_ok() {
        thread::sleep(LOOK.min(plan.length));
        if began.elapsed() >= next {
            next += SAY;
            progress(&format!(
                "{:.0} of {:.0} s: {:.1} GB verified, {} connections, {} UDP flows",
                began.elapsed().as_secs_f64(),
                plan.length.as_secs_f64(),
                (ledger.bytes_out.get() + ledger.bytes_in.get()) as f64 / 1e9,
                ledger.connections.get(),
                ledger.udp_flows.get(),
            ));
        }
    }
}

impl Bed {
    fn new(setup: &Setup) -> Self {
        let (machine, wan, dmz) = (
            Namespace::new("machine"),
            Namespace::new("wan"),
            Namespace::new("dmz"),
        );
        TAPS.iter().for_each(|tap| machine.tap(tap));
        let networks = TAPS.map(|tap| Network::Tap { name: tap.into() }).to_vec();
        let config = Some(CONFIG.as_bytes());
        let firewall = machine.enter(|| Firewall::boot(setup, config, networks));
        for (zone, (host, prefix, gateway)) in [
            (&wan, "192.0.2.2/24", "192.0.2.1"),
            (&dmz, "10.99.0.2/24", "10.99.0.1"),
        ]
        .into_iter()
        .enumerate()
        {
            let tap = TAPS[zone];
            machine.ip(&format!("link set {tap} netns {}", host.name()));
            host.ip(&format!("address add {prefix} dev {tap}"));
            host.ip(&format!("link set {tap} up"));
            // Then the host asks nobody, and its frames are IP packets and answers.
            let mac = sekisho_qemu::mac_text(card(zone));
            host.ip(&format!(
                "neighbour replace {gateway} lladdr {mac} dev {tap} nud permanent"
            ));
            if !has_offloads(setup) {
                // Else the host's kernel cuts packets that IP has counted as one.
                host.ip(&format!("link set {tap} gso_max_segs 1"));
            }
            // Thousands of short connections in a row.
            host.set("net.ipv4.ip_local_port_range", "10000 65000");
            host.set("net.ipv4.tcp_tw_reuse", "1");
        }
        dmz.ip("route add default via 10.99.0.1");
        wan.ip(&format!("route add local {} dev lo", flows::NETWORK));
        Self {
            firewall: firewall.ready(),
            wan,
            dmz,
            _machine: machine,
        }
    }

    fn is_there(&self) -> Result<(), String> {
        let vm = self.firewall.vm();
        match vm.status() {
            None => Ok(()),
            Some(status) => Err(format!(
                "QEMU ended with {status}; the console:\n{}",
                vm.lines().join("\n")
            )),
        }
    }

    fn snapshot(&self) -> Result<Snapshot, String> {
        let (wan, dmz) = ((&self.wan, TAPS[0]), (&self.dmz, TAPS[1]));
        Snapshot::take(self.firewall.vm(), wan, dmz)
    }

    /// All counters when nothing changes them any more.
    fn at_rest(&self) -> Result<Snapshot, String> {
        let began = Instant::now();
        let mut last = self.snapshot()?;
        while began.elapsed() < EXPIRY {
            thread::sleep(LOOK);
            let now = self.snapshot()?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        Err(format!("it does not come to rest: {last:?}"))
    }

    /// Waits until the tables are empty; if that does not happen, the account will say so.
    fn wait_until_expired(&self) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < EXPIRY {
            let tables = self.snapshot()?.tables;
            if (tables.flows, tables.mappings) == (0, 0) {
                break;
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// What the console says of faults, and of a second start.
    fn faults(&self) -> Vec<String> {
        let lines = self.firewall.vm().lines();
        let bad = |line: &&String| {
            line.contains("fault") || line.contains("panic") || line.contains("out of use")
        };
        lines.iter().filter(bad).cloned().collect()
    }
}

/// Whether large segments cross the cards whole.
fn has_offloads(setup: &Setup) -> bool {
    let is_virtio = |model: &Model| matches!(model, Model::Virtio | Model::VirtioTransitional);
    setup.offloads == Offloads::All && setup.models.iter().all(is_virtio)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = &self.ledger;
        let seconds = self.took.as_secs_f64();
        writeln!(
            f,
            "{seconds:.0} s of load: {:.2} GB verified in the WAN, {:.2} GB in the DMZ ({:.2} Gbit/s)",
            ledger.bytes_out.get() as f64 / 1e9,
            ledger.bytes_in.get() as f64 / 1e9,
            (ledger.bytes_out.get() + ledger.bytes_in.get()) as f64 * 8.0 / 1e9 / seconds,
        )?;
        writeln!(
            f,
            "{} flows opened and expired: {} TCP connections, {} UDP flows",
            ledger.flows(),
            ledger.connections.get(),
            ledger.udp_flows.get(),
        )?;
        for way in &self.account.ways {
            writeln!(
                f,
                "datagrams {}: {} sent, {} verified, {} lost; at the tap {} frames were dropped, in the receiver {}",
                way.name,
                way.sent,
                way.received,
                way.sent.saturating_sub(way.received),
                way.before,
                way.behind,
            )?;
        }
        writeln!(f, "datagrams out of order: {}", ledger.late.get())?;
        for (reason, count) in &self.account.drops {
            writeln!(f, "dropped by the firewall: {reason} {count}")?;
        }
        for line in &self.account.lines {
            let sign = if line.before == line.after {
                "="
            } else {
                "≠"
            };
            writeln!(f, "{} {sign} {}  {}", line.before, line.after, line.what)?;
        }
        match self.complaints.is_empty() {
            true => write!(f, "All bytes are right, and every frame is accounted for."),
            false => write!(f, "FAILED:\n  {}", self.complaints.join("\n  ")),
        }
    }
}

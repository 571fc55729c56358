//! One router's numbers, while it runs.
//!
//! * [`Sample`]: numbers of one round.
//! * [`group`]: measures what belongs together.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sekisho_tests::namespace::Namespace;

use crate::lab::{Lab, PUBLISHED, WAN_HOST};
use crate::load::Counter;
use crate::load::bulk::Bulk;
use crate::load::connections::Connections;
use crate::load::datagrams::{Datagrams, Rate};
use crate::load::echo::Echo;
use crate::metric::Metric;
use crate::options::Group;
use crate::statistics::quantile;

/// The numbers of one round.
pub type Sample = BTreeMap<Metric, f64>;

/// Payload of the smallest Ethernet frame.
const SMALL: usize = 18;
/// How long a load runs before it is measured.
pub const WARM_UP: Duration = Duration::from_millis(400);
/// How long nothing is sent before the first packet after idle.
pub const SILENCE: Duration = Duration::from_secs(1);

/// Steps of the overload, about: from 20,000 a second by a quarter each until no more arrives.
pub const OVERLOAD_STEPS: f64 = 13.0;
/// Datagrams a second of a light load.
const LIGHT: f64 = 1000.0;

/// Which way a load goes.
#[derive(Clone, Copy)]
enum Way {
    /// From the DMZ to the WAN, masqueraded.
    Out,
    /// From the WAN through a forward.
    In,
}

/// What came of a window.
struct Window {
    amount: f64,
    seconds: f64,
    cpu: f64,
}

impl Window {
    fn rate(&self) -> f64 {
        self.amount / self.seconds
    }

    /// Processor time for `unit` of what arrived, in seconds.
    fn cpu_per(&self, unit: f64) -> f64 {
        self.cpu / (self.amount / unit)
    }
}

/// Measures a group on a running router; each window is `seconds` long.
///
/// # Errors
/// What went wrong: nothing arrived, connections failed.
///
/// # Panics
/// When the router is gone.
pub fn group(group: Group, lab: &Lab, seconds: f64) -> Result<Sample, String> {
    match group {
        Group::Tcp => tcp(lab, seconds),
        Group::Udp => udp(lab, seconds),
        Group::Connections => connections(lab, seconds),
        Group::Rtt => round_trips(lab, seconds),
        Group::Idle => idle(lab, seconds),
        Group::Rules => {
            let mut sample = udp(lab, seconds)?;
            sample.extend(connections(lab, seconds)?);
            Ok(sample)
        }
        Group::Overload => overload(lab, seconds / 2.0),
        Group::Boot | Group::Memory | Group::Engine => Ok(Sample::new()),
    }
}

fn tcp(lab: &Lab, seconds: f64) -> Result<Sample, String> {
    let mut sample = Sample::new();
    for (metric, way, streams) in [
        (Metric::TcpOut, Way::Out, 1),
        (Metric::TcpIn, Way::In, 1),
        (Metric::TcpOutFour, Way::Out, 4),
        (Metric::TcpInFour, Way::In, 4),
    ] {
        let (from, to, address) = ends(lab, way);
        let load = Bulk::start(from, to, address, streams);
        let window = window(lab, load.received(), seconds)
            .map_err(|error| format!("{}: {error}", metric.title()))?;
        sample.insert(metric, window.rate() * 8.0 / 1e9);
        if metric == Metric::TcpOut {
            sample.insert(Metric::TcpCpu, window.cpu_per(1e9));
        }
    }
    Ok(sample)
}

fn udp(lab: &Lab, seconds: f64) -> Result<Sample, String> {
    let out = datagrams(lab, Way::Out, seconds)?;
    let back = datagrams(lab, Way::In, seconds)?;
    Ok(Sample::from([
        (Metric::UdpOut, out.rate() / 1e3),
        (Metric::UdpCpu, out.cpu_per(1.0) * 1e6),
        (Metric::UdpIn, back.rate() / 1e3),
    ]))
}

fn datagrams(lab: &Lab, way: Way, seconds: f64) -> Result<Window, String> {
    let (from, to, address) = ends(lab, way);
    let load = Datagrams::start(from, to, address, SMALL, Rate::Most);
    let title = match way {
        Way::Out => Metric::UdpOut.title(),
        Way::In => Metric::UdpIn.title(),
    };
    window(lab, load.received(), seconds).map_err(|error| format!("{title}: {error}"))
}

fn connections(lab: &Lab, seconds: f64) -> Result<Sample, String> {
    let (from, to, address) = ends(lab, Way::In);
    let load = Connections::start(from, to, address);
    let window = window(lab, load.done(), seconds)
        .map_err(|error| format!("{}: {error}", Metric::Connections.title()))?;
    let failed = load.failed().get();
    if failed as f64 > window.amount * 0.01 {
        let done = window.amount;
        return Err(format!("{failed} connections failed while {done} did not"));
    }
    Ok(Sample::from([
        (Metric::Connections, window.rate()),
        (Metric::ConnectionCpu, window.cpu_per(1.0) * 1e6),
    ]))
}

fn round_trips(lab: &Lab, seconds: f64) -> Result<Sample, String> {
    let (from, to, address) = ends(lab, Way::In);
    let echo = Echo::start(from, to, address);
    let free = times_of(&echo, seconds)?;
    let bound = lab.on_one_processor()?;
    let on_one = times_of(&echo, seconds)?;
    drop(bound);
    Ok(Sample::from([
        (Metric::RttMedian, quantile(&free, 0.5)),
        (Metric::RttHigh, quantile(&free, 0.99)),
        (Metric::RttOnOne, quantile(&on_one, 0.5)),
    ]))
}

/// Round trips in microseconds, one after the other.
fn times_of(echo: &Echo, seconds: f64) -> Result<Vec<f64>, String> {
    warm(echo);
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed().as_secs_f64() < seconds {
        times.extend(echo.ask().map(|time| time.as_secs_f64() * 1e6));
    }
    match times.is_empty() {
        true => Err("round trips: no datagram came back".into()),
        false => Ok(times),
    }
}

/// Neighbours known, flow there, code translated.
fn warm(echo: &Echo) {
    let started = Instant::now();
    while started.elapsed() < WARM_UP {
        let _ = echo.ask();
    }
}

fn idle(lab: &Lab, seconds: f64) -> Result<Sample, String> {
    const TIMES: usize = 3;
    let (from, to, address) = ends(lab, Way::In);
    let echo = Echo::start(from, to, address);
    let mut firsts = Vec::new();
    for _ in 0..TIMES {
        warm(&echo);
        sleep(SILENCE);
        firsts.extend(echo.ask().map(|time| time.as_secs_f64() * 1e6));
    }
    if firsts.is_empty() {
        return Err("idle: no datagram came back after a silence".into());
    }
    drop(echo);
    sleep(SILENCE);
    let idle = cpu_share(lab, seconds);
    let load = Datagrams::start(from, to, address, SMALL, Rate::PerSecond(LIGHT));
    sleep(WARM_UP);
    let light = cpu_share(lab, seconds);
    if load.received().get() == 0 {
        return Err("light load: no datagram arrived".into());
    }
    Ok(Sample::from([
        (Metric::Idle, idle),
        (Metric::Light, light),
        (Metric::FirstAfterIdle, quantile(&firsts, 0.5)),
    ]))
}

/// Raises the load until no more arrives, then offers three times the load that gave the best.
/// The share of a processor that QEMU takes, in percent, over so many seconds.
fn cpu_share(lab: &Lab, seconds: f64) -> f64 {
    let (before, started) = (lab.cpu_seconds(), Instant::now());
    sleep(Duration::from_secs_f64(seconds));
    (lab.cpu_seconds() - before) / started.elapsed().as_secs_f64() * 100.0
}

fn overload(lab: &Lab, seconds: f64) -> Result<Sample, String> {
    const FIRST: f64 = 20_000.0;
    const STEP: f64 = 1.25;
    /// So many steps without a new best, and the best is found.
    const PATIENCE: usize = 3;
    let (mut best, mut since) = (Offered::default(), 0);
    let (mut load, mut best_load) = (FIRST, FIRST);
    while since < PATIENCE {
        let offered = offer(lab, load, seconds);
        if offered.arrived > best.arrived * 1.02 {
            (best, best_load, since) = (offered, load, 0);
        } else {
            since += 1;
        }
        load *= STEP;
    }
    let over = offer(lab, best_load * 3.0, seconds);
    if best.arrived == 0.0 {
        return Err("overload: nothing arrived at any load".into());
    }
    Ok(Sample::from([
        (Metric::Peak, best.arrived / 1e3),
        (Metric::PeakCpu, best.cpu),
        (Metric::Offered, over.sent / 1e3),
        (Metric::Overload, over.arrived / 1e3),
        (Metric::OverloadCpu, over.cpu),
        (Metric::Kept, over.arrived / best.arrived * 100.0),
    ]))
}

/// What became of a load.
#[derive(Clone, Copy, Default)]
struct Offered {
    /// Datagrams a second that the sender got rid of.
    sent: f64,
    /// Those that arrived.
    arrived: f64,
    /// The share of a processor that QEMU had, in percent.
    cpu: f64,
}

/// Offers so many datagrams a second.
fn offer(lab: &Lab, rate: f64, seconds: f64) -> Offered {
    let (from, to, address) = ends(lab, Way::Out);
    let load = Datagrams::start(from, to, address, SMALL, Rate::PerSecond(rate));
    sleep(WARM_UP);
    let (sent, arrived, started) = (load.sent().get(), load.received().get(), Instant::now());
    let cpu = cpu_share(lab, seconds);
    let seconds = started.elapsed().as_secs_f64();
    let rate = |before: u64, after: u64| (after - before) as f64 / seconds;
    Offered {
        sent: rate(sent, load.sent().get()),
        arrived: rate(arrived, load.received().get()),
        cpu,
    }
}

/// Sender, receiver, and what the first calls the second.
fn ends(lab: &Lab, way: Way) -> (&Namespace, &Namespace, Ipv4Addr) {
    match way {
        Way::Out => (&lab.dmz, &lab.wan, WAN_HOST),
        Way::In => (&lab.wan, &lab.dmz, PUBLISHED),
    }
}

/// Lets the load warm up, then counts for a while.
fn window(lab: &Lab, counter: &Counter, seconds: f64) -> Result<Window, String> {
    sleep(WARM_UP);
    let (amount, cpu, started) = (counter.get(), lab.cpu_seconds(), Instant::now());
    sleep(Duration::from_secs_f64(seconds));
    let window = Window {
        amount: (counter.get() - amount) as f64,
        cpu: lab.cpu_seconds() - cpu,
        seconds: started.elapsed().as_secs_f64(),
    };
    match window.amount > 0.0 {
        true => Ok(window),
        false => Err(format!("nothing arrived within {seconds} s")),
    }
}

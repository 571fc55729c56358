//! From QEMU's start to the first frame that it forwards.
//!
//! A frame is offered on one tap each millisecond, from before QEMU is started; the clock stops when one
//! comes out of the other. The WAN host's ARP answers come from this process, at once.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender};
use sekisho_qemu::Machine;
use sekisho_tests::firewall::card;
use sekisho_tests::frames::Mac;
use sekisho_tests::namespace::Namespace;
use sekisho_tests::way::{Way, arp_reply};

use crate::contender::{Contender, Subject};
use crate::lab::{TAPS, WAN_HOST};
use crate::metric::BootBoard;
use crate::options::{CardModel, Options};

/// How often a frame is offered.
const OFFER_EVERY: Duration = Duration::from_millis(1);
const WAN_MAC: Mac = [2, 0, 0, 0, 0, 0xaa];
const DMZ_MAC: Mac = [2, 0, 0, 0, 0, 0xdd];
const PORT: u16 = 7;

/// QEMU, which ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The board's machine, or `None` if this router does not run on it.
pub fn machine(
    contender: Contender,
    board: BootBoard,
    options: &Options,
    folder: &std::path::Path,
) -> Option<Machine> {
    let is_there = match (contender, board) {
        // Debian's cloud kernel takes no devices from its command line, and needs a BIOS that qboot is not.
        (Contender::Linux, BootBoard::Microvm | BootBoard::Qboot) => false,
        (_, BootBoard::Microvm) => options.card == CardModel::Virtio,
        (_, BootBoard::Q35 | BootBoard::Pc | BootBoard::Qboot) => true,
    };
    let subject: Subject = contender.plain();
    let machine = subject.machine_on(board.board(), options.memory, options, folder, TAPS);
    let machine = match board {
        BootBoard::Qboot => machine.extra_args(["-bios", "qboot.rom"]),
        BootBoard::Q35 | BootBoard::Pc | BootBoard::Microvm => machine,
    };
    is_there.then_some(machine)
}

/// Starts the machine, and says how long the first forwarded frame takes; `None` if none comes within `limit`.
///
/// # Panics
/// When QEMU or the taps cannot be had.
pub fn first_frame(machine: &Machine, limit: Duration) -> Option<Duration> {
    let host = Namespace::new("boot");
    TAPS.iter().for_each(|tap| host.tap(tap));
    host.enter(|| {
        let (wan, dmz) = (open(TAPS[0]), open(TAPS[1]));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| offer(dmz.0, &done));
            let started = Instant::now();
            let line = machine.command();
            let child = Command::new(&line[0])
                .args(&line[1..])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("QEMU does not start: {error}"));
            let running = Running(child);
            let came = wait(wan, started + limit).map(|at| at - started);
            done.store(true, Ordering::Relaxed);
            drop(running);
            came
        })
    })
}

/// The same with what a router may take at the most.
pub fn measure(contender: Contender, machine: &Machine) -> Option<Duration> {
    let limit = match contender {
        Contender::Linux => Duration::from_secs(60),
        Contender::Wire | Contender::Ours | Contender::Before => Duration::from_secs(10),
    };
    first_frame(machine, limit)
}

type Ends = (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>);

/// A tap's other side, frame by frame.
fn open(tap: &str) -> Ends {
    let interface = pnet_datalink::interfaces()
        .into_iter()
        .find(|interface| interface.name == tap)
        .expect("it was just made");
    let config = Config {
        read_timeout: Some(Duration::from_millis(20)),
        ..Config::default()
    };
    match pnet_datalink::channel(&interface, config) {
        Ok(Channel::Ethernet(sender, receiver)) => (sender, receiver),
        Ok(_) => panic!("{tap} carries no Ethernet"),
        Err(error) => panic!("cannot open {tap}: {error}"),
    }
}

fn offer(mut sender: Box<dyn DataLinkSender>, done: &AtomicBool) {
    let way = Way {
        from_mac: DMZ_MAC,
        to_mac: card(1),
        from: "10.99.0.2".parse().expect("an address"),
        to: WAN_HOST,
    };
    let frame = way.udp(9, PORT, b"is it up?");
    while !done.load(Ordering::Relaxed) {
        // Nobody is on the other end yet.
        let _ = sender.send_to(&frame, None);
        std::thread::sleep(OFFER_EVERY);
    }
}

/// Waits for an offered frame on the WAN's tap, and answers for the host there.
fn wait((mut sender, mut receiver): Ends, deadline: Instant) -> Option<Instant> {
    const ARP: [u8; 2] = [8, 6];
    const REQUEST: [u8; 2] = [0, 1];
    while Instant::now() < deadline {
        let Ok(frame) = receiver.next() else { continue };
        let at = Instant::now();
        if frame.get(12..14) == Some(&ARP)
            && frame.get(20..22) == Some(&REQUEST)
            && frame.get(38..42) == Some(&WAN_HOST.octets())
        {
            let asker: Mac = frame[22..28].try_into().expect("six bytes");
            let [a, b, c, d] = frame[28..32] else {
                continue;
            };
            let reply = arp_reply(WAN_MAC, WAN_HOST, asker, [a, b, c, d].into());
            let _ = sender.send_to(&reply, None);
        } else if is_offered(frame) {
            return Some(at);
        }
    }
    None
}

/// UDP to the WAN host's port.
fn is_offered(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0])
        && frame.get(23) == Some(&17)
        && frame.get(30..34) == Some(&WAN_HOST.octets())
        && frame.get(36..38) == Some(&PORT.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_offered_frame_stops_the_clock() {
        let way = Way {
            from_mac: DMZ_MAC,
            to_mac: card(1),
            from: "10.99.0.2".parse().expect("an address"),
            to: WAN_HOST,
        };
        assert!(is_offered(&way.udp(9, PORT, b"")));
        assert!(!is_offered(&way.udp(9, PORT + 1, b"")));
        let elsewhere = Way {
            to: way.from,
            ..way
        };
        assert!(!is_offered(&elsewhere.udp(9, PORT, b"")));
        assert!(!is_offered(&[0; 20]));
    }
}

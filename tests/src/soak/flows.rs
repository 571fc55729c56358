//! One UDP flow after the other: a datagram to an address and port that had none, and its answer.
//!
//! The sources are some hundred sockets of the DMZ's host, used in turn: each sends to [`IN_A_ROW`] addresses, then rests until
//! its mapping has expired, so mappings come and go as flows do. The far ends are the addresses of a whole network, all of them on
//! the WAN's host, each with a socket of its own that answers.
//!
//! * [`Far`]: the far ends. Dropping it reads what is left.
//! * [`Near`]: the sources.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::datagrams::{Seen, read, write};
use super::ledger::Ledger;
use crate::namespace::Namespace;

/// The network of the far ends.
pub const NETWORK: &str = "198.51.100.0/24";

const PORT: u16 = 7002;
const FAR: u64 = 254;
const NEAR: u64 = 256;
/// Flows that one source opens before it rests.
const IN_A_ROW: u64 = 64;
/// The series of the datagrams there, and of the answers.
const THERE: u64 = 0x0074_6865_7265;
const BACK: u64 = 0x6261_636b;
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Sockets of which one thread reads whichever has something.
struct Group {
    poll: OwnedFd,
    sockets: Vec<UdpSocket>,
}

impl Group {
    fn new(sockets: Vec<UdpSocket>) -> Self {
        let poll = epoll::create(CreateFlags::CLOEXEC).expect("a descriptor");
        for (index, socket) in sockets.iter().enumerate() {
            socket.set_nonblocking(true).expect("a socket");
            let mark = EventData::new_u64(index as u64);
            epoll::add(&poll, socket, mark, EventFlags::IN).expect("it is open and new");
        }
        Self { poll, sockets }
    }

    /// Hands on what comes until told to stop, and then what is left.
    fn read(&self, stop: &AtomicBool, mut each: impl FnMut(&UdpSocket, &[u8], SocketAddrV4)) {
        let mut events: Vec<Event> = Vec::with_capacity(64);
        let mut buffer = [0; 2048];
        loop {
            let is_last = stop.load(Ordering::Relaxed);
            events.clear();
            // Interrupted: then nothing happened.
            let _ = epoll::wait(
                &self.poll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&LOOK),
            );
            if events.is_empty() && is_last {
                return;
            }
            for event in &events {
                let socket = &self.sockets[event.data.u64() as usize];
                while let Ok((length, std::net::SocketAddr::V4(from))) =
                    socket.recv_from(&mut buffer)
                {
                    each(socket, &buffer[..length], from);
                }
            }
        }
    }
}

/// A thread that reads a group.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(work: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self {
            stop,
            thread: Some(thread::spawn(move || work(&stopped))),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is dropped once");
        // A panic there has been reported by its thread.
        let _ = thread.join();
    }
}

/// The far ends, which answer.
pub struct Far(#[expect(dead_code, reason = "it reads until it is dropped")] Reader);

impl Far {
    /// Listens on all addresses of the network.
    ///
    /// # Panics
    /// When the host does not have them.
    pub fn start(host: &Namespace, ledger: &Arc<Ledger>) -> Self {
        let listen = |index| UdpSocket::bind((far(index), PORT));
        let sockets: std::io::Result<_> = host.enter(|| (0..FAR).map(listen).collect());
        let group = Group::new(sockets.expect("the host has the whole network"));
        let ledger = Arc::clone(ledger);
        Self(Reader::start(move |stop| {
            let (mut seen, mut answer) = (Seen::default(), Vec::new());
            group.read(stop, |socket, bytes, from| {
                ledger.wan.received.add(1);
                match read(THERE, bytes) {
                    Ok(which) if seen.mark(which) => {
                        ledger.udp_flows.add(1);
                        write(BACK, which, &mut answer);
                        if socket.send_to(&answer, from).is_ok() {
                            ledger.wan.sent.add(1);
                        }
                    }
                    Ok(which) => ledger.complain(format_args!("flow {which} came twice")),
                    Err(complaint) => ledger.complain(complaint),
                }
            });
        }))
    }
}

/// The sources.
pub struct Near {
    sockets: Vec<UdpSocket>,
    _reader: Reader,
}

impl Near {
    /// Makes them, and verifies the answers that they get.
    ///
    /// # Panics
    /// When there are too few ports.
    pub fn start(host: &Namespace, ledger: &Arc<Ledger>) -> Self {
        let make = |_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
        let sockets: std::io::Result<Vec<_>> = host.enter(|| (0..NEAR).map(make).collect());
        let sockets = sockets.expect("there are ports");
        let clones: std::io::Result<_> = sockets.iter().map(UdpSocket::try_clone).collect();
        let group = Group::new(clones.expect("there are descriptors"));
        let ledger = Arc::clone(ledger);
        let reader = Reader::start(move |stop| {
            let mut seen = Seen::default();
            group.read(stop, |_, bytes, _| {
                ledger.dmz.received.add(1);
                match read(BACK, bytes) {
                    Ok(which) if seen.mark(which) => {}
                    Ok(which) => ledger.complain(format_args!("answer {which} came twice")),
                    Err(complaint) => ledger.complain(complaint),
                }
            });
        });
        Self {
            sockets,
            _reader: reader,
        }
    }

    /// Opens flows at `rate` a second until the soak is over.
    pub fn open(&self, rate: f64, ledger: &Ledger) {
        let (started, mut buffer) = (Instant::now(), Vec::new());
        for which in 0.. {
            let due = Duration::from_secs_f64(which as f64 / rate);
            thread::sleep(due.saturating_sub(started.elapsed()));
            if ledger.is_over() {
                return;
            }
            let (source, to) = ends(which);
            write(THERE, which, &mut buffer);
            let to = SocketAddrV4::new(to, PORT);
            // What the kernel refuses was never sent.
            if self.sockets[source].send_to(&buffer, to).is_ok() {
                ledger.dmz.sent.add(1);
            }
        }
    }
}

fn far(index: u64) -> Ipv4Addr {
    let last = u8::try_from(index + 1).expect("the network is a /24");
    Ipv4Addr::new(198, 51, 100, last)
}

/// Source and destination of a flow.
fn ends(which: u64) -> (usize, Ipv4Addr) {
    let (turn, place) = (which / IN_A_ROW, which % IN_A_ROW);
    let round = turn / NEAR;
    (
        (turn % NEAR) as usize,
        far((round * IN_A_ROW + place) % FAR),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_flows_within_three_rounds_are_the_same() {
        let flows = 3 * NEAR * IN_A_ROW;
        let different: HashSet<_> = (0..flows).map(ends).collect();
        assert_eq!(different.len() as u64, flows);
    }
}

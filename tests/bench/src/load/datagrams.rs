//! UDP datagrams, as many as go or at a given rate.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use sekisho_tests::namespace::Namespace;

use super::{Counter, Crew, port};

/// Datagrams handed to the kernel at once.
const BATCH: usize = 32;
/// Sockets, so flows, that take turns.
const FLOWS: usize = 16;
/// So many of the first are answered: then every flow has been seen in both directions.
const ANSWERED: u64 = 2000;
/// How often a sink that gets nothing looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Room for bursts while the sink is not scheduled.
const SINK_BYTES: usize = 8 << 20;

/// How many are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As many as the sender can.
    Most,
    /// So many a second.
    PerSecond(f64),
}

/// Running senders and their sink.
pub struct Datagrams {
    sent: Counter,
    received: Counter,
    _crew: Crew,
}

impl Datagrams {
    /// Sends datagrams of `len` bytes from one host to another, which the first calls `address`.
    ///
    /// # Panics
    /// When the sockets cannot be made.
    pub fn start(
        from: &Namespace,
        to: &Namespace,
        address: Ipv4Addr,
        len: usize,
        rate: Rate,
    ) -> Self {
        let sink = to
            .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port::DATAGRAMS)))
            .expect("the port is free");
        sink.set_read_timeout(Some(LOOK)).expect("it is not zero");
        // What does not fit is lost, as anywhere.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&sink, SINK_BYTES);
        let target = SocketAddrV4::new(address, port::DATAGRAMS);
        let sources = from.enter(|| (0..FLOWS).map(|_| source(target)).collect::<Vec<_>>());
        let (sent, received) = (Counter::default(), Counter::default());
        let mut crew = Crew::default();
        let counter = received.clone();
        crew.hire(move |stop| receive(&sink, &counter, stop));
        let counter = sent.clone();
        crew.hire(move |stop| send(&sources, len, rate, &counter, stop));
        Self {
            sent,
            received,
            _crew: crew,
        }
    }

    /// Datagrams that the sender's kernel has taken.
    pub fn sent(&self) -> &Counter {
        &self.sent
    }

    /// Datagrams that have arrived.
    pub fn received(&self) -> &Counter {
        &self.received
    }
}

fn source(target: SocketAddrV4) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    socket.connect(target).expect("there is a route");
    socket
}

fn send(sources: &[UdpSocket], len: usize, rate: Rate, sent: &Counter, stop: &AtomicBool) {
    let payload = vec![b'x'; len];
    let slices = [[IoSlice::new(&payload)]; BATCH];
    let addresses: [Option<SockaddrIn>; BATCH] = [None; BATCH];
    let mut headers = MultiHeaders::preallocate(BATCH, None);
    let started = Instant::now();
    for source in sources.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let batch = match rate {
            Rate::Most => BATCH,
            // Small batches at low rates, so that they do not come in bursts of their own.
            Rate::PerSecond(rate) => {
                wait_for_turn(started, sent.get() as f64 / rate);
                ((rate / 5000.0) as usize).clamp(1, BATCH)
            }
        };
        let slices = &slices[..batch];
        // A full queue refuses some, which then are not sent.
        if let Ok(taken) = sendmmsg(
            source.as_raw_fd(),
            &mut headers,
            slices,
            &addresses[..batch],
            [],
            MsgFlags::empty(),
        ) {
            sent.add(taken.count() as u64);
        }
    }
}

/// Lets the others run until `due` seconds have passed since the start.
fn wait_for_turn(started: Instant, due: f64) {
    let ahead = due - started.elapsed().as_secs_f64();
    if ahead > 0.0 {
        std::thread::sleep(Duration::from_secs_f64(ahead));
    }
}

fn receive(sink: &UdpSocket, received: &Counter, stop: &AtomicBool) {
    const ROOM: usize = 2048;
    const BATCH: usize = 64;
    let mut buffers = vec![[0_u8; ROOM]; BATCH];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    while !stop.load(Ordering::Relaxed) {
        let mut slices: Vec<_> = buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let came = recvmmsg(
            sink.as_raw_fd(),
            &mut headers,
            slices.iter_mut(),
            MsgFlags::MSG_WAITFORONE,
            None,
        );
        // Nothing within the timeout.
        let Ok(came) = came else { continue };
        let mut count = 0;
        for message in came {
            count += 1;
            if let Some(peer) = message.address.filter(|_| received.get() < ANSWERED) {
                let _ = sink.send_to(b"!", SocketAddrV4::new(peer.ip(), peer.port()));
            }
        }
        received.add(count);
    }
}

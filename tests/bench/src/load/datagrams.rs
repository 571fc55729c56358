//! UDP datagrams, as many as go or at a given rate.

use std::io::{self, IoSlice, IoSliceMut};
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
/// What the first datagram of a flow begins with, which is answered; all others do not.
const QUESTION: u8 = b'?';
/// How long one waits for that answer before it asks again, and how often it does.
const ANSWER: Duration = Duration::from_millis(100);
const QUESTIONS: usize = 50;
/// How often a sink that gets nothing looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How long a sink that has taken all there was lets more come. One that each datagram wakes takes the processor from
/// QEMU's thread each time, if the host's scheduler has put them on the same: that decided what was measured.
const REST: Duration = Duration::from_millis(1);
/// Room for what comes while the sink rests or is not scheduled.
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
    /// Sends datagrams of `len` bytes from one host to another, which the first calls `address`; at first one of each
    /// flow, which is answered: then all neighbours are known, and every flow has been seen in both directions.
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
        // Who gets no answer is measured all the same.
        let _ = sources.iter().try_for_each(open);
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

/// Opens a flow.
fn open(source: &UdpSocket) -> io::Result<()> {
    source.set_read_timeout(Some(ANSWER))?;
    let mut last = Ok(());
    for _ in 0..QUESTIONS {
        source.send(&[QUESTION])?;
        match source.recv(&mut [0; 8]) {
            Ok(_) => return Ok(()),
            Err(error) => last = Err(error),
        }
    }
    last
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
        let (mut count, mut questions) = (0, 0);
        for message in came {
            count += 1;
            let is_question =
                message.iovs().next().and_then(|data| data.first()) == Some(&QUESTION);
            if let Some(peer) = message.address.filter(|_| is_question) {
                questions += 1;
                let _ = sink.send_to(b"!", SocketAddrV4::new(peer.ip(), peer.port()));
            }
        }
        received.add(count - questions);
        if questions == 0 && count < BATCH as u64 {
            std::thread::sleep(REST);
        }
    }
}

//! Numbered datagrams at a steady rate, in several flows and of many sizes.
//!
//! A datagram says which it is; all its other bytes follow from that. None may arrive twice, or changed.
//!
//! * [`Sink`]: verifies them. It must have been told to stop, and dropped, before the account is drawn up: what still
//!   lies in its socket is read then.
//! * [`send`]: the other end.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ledger::{Count, Ledger};
use super::stream::{Stream, number};
use crate::namespace::Namespace;

/// The sinks' port in both zones; a forward leads to the DMZ's.
pub const PORT: u16 = 7001;

/// Flows that take turns.
const FLOWS: u64 = 16;
/// Sent in a row, so that queues fill.
const BURST: u64 = 32;
/// Bytes that say which datagram this is.
const HEAD: usize = 16;
/// The largest that needs no fragments.
const MOST: usize = 1472;
/// How often a sink that gets nothing looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Room for bursts while the sink is not scheduled.
const SINK_BYTES: usize = 8 << 20;

/// Datagram `number` of the series `key`.
pub fn write(key: u64, which: u64, buffer: &mut Vec<u8>) {
    let length = HEAD + number(!key, which) as usize % (MOST - HEAD + 1);
    buffer.resize(length, 0);
    buffer[..8].copy_from_slice(&key.to_le_bytes());
    buffer[8..HEAD].copy_from_slice(&which.to_le_bytes());
    Stream::new(number(key, which)).fill(&mut buffer[HEAD..]);
}

/// Which datagram of the series `key` this is.
///
/// # Errors
/// What is wrong with it.
pub fn read(key: u64, bytes: &[u8]) -> Result<u64, String> {
    let word = |at: usize| {
        let word = bytes.get(at..at + 8)?.try_into().expect("eight bytes");
        Some(u64::from_le_bytes(word))
    };
    let (Some(series), Some(which)) = (word(0), word(8)) else {
        return Err(format!("a datagram of {} bytes", bytes.len()));
    };
    if series != key {
        return Err(format!("a datagram of the series {series:#x}"));
    }
    let length = HEAD + number(!key, which) as usize % (MOST - HEAD + 1);
    if bytes.len() != length {
        let got = bytes.len();
        return Err(format!(
            "datagram {which} has {got} bytes instead of {length}"
        ));
    }
    Stream::new(number(key, which))
        .verify(&bytes[HEAD..])
        .map_err(|wrong| format!("datagram {which} has a wrong byte: {wrong:?}"))?;
    Ok(which)
}

/// Which of a series have come.
#[derive(Default)]
pub struct Seen(Vec<u64>);

impl Seen {
    /// Marks one; `false` if it had come before.
    pub fn mark(&mut self, which: u64) -> bool {
        let (word, bit) = ((which / 64) as usize, 1 << (which % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}

/// A socket whose datagrams are verified. Dropping it reads what is left, and ends it.
pub struct Sink {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Expects the series `key` on a host; `received` counts.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn start(
        host: &Namespace,
        key: u64,
        ledger: &Arc<Ledger>,
        received: fn(&Ledger) -> &Count,
    ) -> Self {
        let socket = host
            .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))
            .expect("nothing else listens there");
        roomy(&socket);
        socket.set_read_timeout(Some(LOOK)).expect("not zero");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, ledger) = (Arc::clone(&stop), Arc::clone(ledger));
        let thread =
            thread::spawn(move || verify(&socket, key, &ledger, received(&ledger), &stopped));
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is dropped once");
        // A panic there has been reported by its thread.
        let _ = thread.join();
    }
}

/// Gives a socket room for bursts. What does not fit is lost, and counted by the host's kernel.
pub fn roomy(socket: &UdpSocket) {
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, SINK_BYTES);
}

fn verify(socket: &UdpSocket, key: u64, ledger: &Ledger, received: &Count, stop: &AtomicBool) {
    let mut seen = Seen::default();
    let mut newest = [None; FLOWS as usize];
    let mut buffer = [0; 2048];
    loop {
        let Ok(length) = socket.recv(&mut buffer) else {
            // Nothing is left.
            if stop.load(Ordering::Relaxed) {
                return;
            }
            continue;
        };
        match read(key, &buffer[..length]) {
            Ok(which) if seen.mark(which) => {
                let newest = &mut newest[flow_of(which)];
                if newest.is_some_and(|newest| newest > which) {
                    ledger.late.add(1);
                }
                *newest = (*newest).max(Some(which));
            }
            Ok(which) => ledger.complain(format_args!("datagram {which} came twice")),
            Err(complaint) => ledger.complain(complaint),
        }
        received.add(1);
    }
}

/// A burst goes into one flow.
fn flow_of(which: u64) -> usize {
    (which / BURST % FLOWS) as usize
}

/// Sends the series `key` from a host at `rate` a second, until the soak is over; `sent` counts.
pub fn send(host: &Namespace, to: Ipv4Addr, key: u64, rate: f64, ledger: &Ledger, sent: &Count) {
    let sockets: Vec<UdpSocket> = host.enter(|| {
        let socket = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(SocketAddrV4::new(to, PORT))?;
            Ok(socket)
        };
        let sockets: std::io::Result<_> = (0..FLOWS).map(socket).collect();
        sockets.expect("there are ports and a route")
    });
    let (started, mut which, mut buffer) = (Instant::now(), 0, Vec::new());
    while !ledger.is_over() {
        let due = Duration::from_secs_f64(which as f64 / rate);
        thread::sleep(due.saturating_sub(started.elapsed()));
        for _ in 0..BURST {
            write(key, which, &mut buffer);
            // What the kernel refuses was never sent.
            if sockets[flow_of(which)].send(&buffer).is_ok() {
                sent.add(1);
            }
            which += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_says_which_it_is_and_any_other_byte_is_noticed() {
        let mut buffer = Vec::new();
        for which in 0..200 {
            write(9, which, &mut buffer);
            assert_eq!(read(9, &buffer), Ok(which));
            assert!(read(8, &buffer).is_err());
            assert!(read(9, &buffer[..buffer.len() - 1]).is_err());
            *buffer.last_mut().expect("not empty") ^= 1;
            assert!(read(9, &buffer).is_err());
        }
    }

    #[test]
    fn what_comes_twice_is_noticed() {
        let mut seen = Seen::default();
        assert!(seen.mark(100) && seen.mark(3));
        assert!(!seen.mark(100) && !seen.mark(3) && seen.mark(64));
    }
}

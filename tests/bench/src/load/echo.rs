//! One datagram at a time, there and back.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sekisho_tests::namespace::Namespace;

use super::{Crew, port};

const LOOK: Duration = Duration::from_millis(50);
/// An answer that takes longer is lost.
const LOST: Duration = Duration::from_millis(200);
const BYTES: usize = 64;

/// A host that sends everything back, and one that asks it.
pub struct Echo {
    socket: UdpSocket,
    _crew: Crew,
}

impl Echo {
    /// `asker` will call `answerer` by `address`.
    ///
    /// # Panics
    /// When the sockets cannot be made.
    pub fn start(asker: &Namespace, answerer: &Namespace, address: Ipv4Addr) -> Self {
        let server = answerer
            .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port::ECHO)))
            .expect("the port is free");
        server.set_read_timeout(Some(LOOK)).expect("it is not zero");
        let mut crew = Crew::default();
        crew.hire(move |stop| {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((len, from)) = server.recv_from(&mut buffer) {
                    let _ = server.send_to(&buffer[..len], from);
                }
            }
        });
        let socket = asker
            .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))
            .expect("a socket");
        socket
            .connect((address, port::ECHO))
            .expect("there is a route");
        socket.set_read_timeout(Some(LOST)).expect("it is not zero");
        Self {
            socket,
            _crew: crew,
        }
    }

    /// How long one round trip takes; `None` if it is lost.
    pub fn ask(&self) -> Option<Duration> {
        let started = Instant::now();
        self.socket.send(&[b'?'; BYTES]).ok()?;
        self.socket.recv(&mut [0; BYTES]).ok()?;
        Some(started.elapsed())
    }
}

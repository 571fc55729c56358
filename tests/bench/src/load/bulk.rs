//! TCP streams as fast as they go.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use sekisho_tests::namespace::Namespace;

use super::{Counter, Crew, port};

/// What is handed to the kernel at once, as iperf3 does.
const CHUNK: usize = 128 * 1024;

/// Running streams.
pub struct Bulk {
    streams: Vec<TcpStream>,
    received: Counter,
    _crew: Crew,
}

impl Bulk {
    /// Opens `streams` streams from one host to another, which the first calls `address`.
    ///
    /// # Panics
    /// When they cannot be opened.
    pub fn start(from: &Namespace, to: &Namespace, address: Ipv4Addr, streams: usize) -> Self {
        let listener = to
            .enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port::BULK)))
            .expect("the port is free");
        let received = Counter::default();
        let (mut crew, mut ends) = (Crew::default(), Vec::new());
        for _ in 0..streams {
            let target = SocketAddrV4::new(address, port::BULK);
            let out = from
                .enter(|| TcpStream::connect(target))
                .unwrap_or_else(|error| panic!("no TCP stream to {target}: {error}"));
            let (into, _) = listener.accept().expect("it was connected");
            ends.extend([&out, &into].map(|stream| stream.try_clone().expect("a descriptor")));
            let counter = received.clone();
            crew.hire(move |_| receive(into, &counter));
            crew.hire(move |stop| send(out, stop));
        }
        Self {
            streams: ends,
            received,
            _crew: crew,
        }
    }

    /// Bytes that have arrived.
    pub fn received(&self) -> &Counter {
        &self.received
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self._crew.tell_to_stop();
        for stream in &self.streams {
            // Ends whoever waits for it; it may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn send(mut stream: TcpStream, stop: &AtomicBool) {
    let chunk = vec![b'x'; CHUNK];
    while !stop.load(Ordering::Relaxed) && stream.write_all(&chunk).is_ok() {}
}

fn receive(mut stream: TcpStream, received: &Counter) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(len @ 1..) = stream.read(&mut chunk) {
        received.add(len as u64);
    }
}

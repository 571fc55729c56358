//! Servers and clients whose every byte is checked.
//!
//! * [`Server`]: listens in a namespace until it is dropped. What it serves is a [`Service`].
//! * [`crowd`]: many connections at a time, each with bytes of its own.
//! * [`bytes`]: what flows, reproducible from a seed.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::namespace::Namespace;

/// How long a connection may wait for its peer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// What a server does with each connection.
#[derive(Clone, Debug)]
pub enum Service {
    /// Sends back all that it gets.
    Echo,
    /// Answers any request of HTTP with the file.
    File(PathBuf),
    /// Answers any request of HTTP with the client's address, as it looks from here.
    WhoAmI,
}

/// A TCP server. Dropping it stops it.
pub struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    listener: Option<thread::JoinHandle<()>>,
    namespace: String,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Server {
    /// Listens on all addresses of a host.
    ///
    /// # Panics
    /// When the port is taken.
    #[track_caller]
    pub fn start(host: &Namespace, port: u16, service: Service) -> Server {
        let listener = host
            .enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
            .unwrap_or_else(|error| {
                panic!("cannot listen on port {port} of {}: {error}", host.name())
            });
        // The standard library's 128 waiting connections are too few for a crowd; Linux takes the new number.
        rustix::net::listen(&listener, BACKLOG).expect("it listens already");
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicUsize::new(0));
        let handle = listener.try_clone().expect("there are descriptors left");
        let thread = {
            let (stop, accepted) = (Arc::clone(&stop), Arc::clone(&accepted));
            thread::spawn(move || accept(&listener, &service, &stop, &accepted))
        };
        let wake = Box::new(move || {
            // Ends a blocking accept, which fails from then on.
            let _ = rustix::net::shutdown(&handle, rustix::net::Shutdown::Both);
        });
        Server {
            port,
            stop,
            accepted,
            listener: Some(thread),
            namespace: host.name().to_owned(),
            wake,
        }
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        (self.wake)();
        let thread = self.listener.take().expect("a server is dropped once");
        if thread.join().is_err() {
            eprintln!(
                "the server on port {} of {} panicked",
                self.port, self.namespace
            );
        }
    }
}

fn accept(listener: &TcpListener, service: &Service, stop: &AtomicBool, accepted: &AtomicUsize) {
    while let Ok((stream, peer)) = listener.accept() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        accepted.fetch_add(1, Ordering::SeqCst);
        let service = service.clone();
        // A client that leaves in the middle is the client's affair; tests look at what clients saw.
        thread::spawn(move || serve(stream, peer, &service));
    }
}

fn serve(mut stream: TcpStream, peer: SocketAddr, service: &Service) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match service {
        Service::Echo => {
            let mut reader = stream.try_clone()?;
            io::copy(&mut reader, &mut stream)?;
            stream.shutdown(Shutdown::Write)
        }
        Service::File(path) => {
            let mut file = std::fs::File::open(path)?;
            let length = file.metadata()?.len();
            answer(&mut stream, length)?;
            io::copy(&mut file, &mut stream).map(drop)
        }
        Service::WhoAmI => {
            let body = peer.ip().to_string();
            answer(&mut stream, body.len() as u64)?;
            stream.write_all(body.as_bytes())
        }
    }
}

/// Reads a request to its empty line and writes the head of the answer.
fn answer(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

/// Reproducible bytes (xorshift64*), different for each seed.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Opens `connections` connections from a host to an echo server, all of them before the first byte, then sends
/// `length` bytes through each and compares what comes back. Returns the complaints of those that failed.
pub fn crowd(
    host: &Namespace,
    server: SocketAddr,
    connections: usize,
    length: usize,
) -> Vec<String> {
    let open = host.enter(|| {
        let attempts: Vec<_> = (0..connections).collect();
        in_threads(attempts, |number| {
            let stream = TcpStream::connect_timeout(&server, PATIENCE)
                .map_err(|error| format!("connection {number} was not made: {error}"))?;
            Ok((number, stream))
        })
    });
    let mut complaints = Vec::new();
    let mut streams = Vec::new();
    for attempt in open {
        match attempt {
            Ok(stream) => streams.push(stream),
            Err(complaint) => complaints.push(complaint),
        }
    }
    let outcomes = in_threads(streams, |(number, stream)| {
        exchange(stream, &bytes(number as u64, length))
            .map_err(|error| format!("connection {number}: {error}"))
    });
    complaints.extend(outcomes.into_iter().filter_map(Result::err));
    complaints
}

fn exchange(mut stream: TcpStream, sent: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = stream.try_clone()?;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            stream.write_all(sent)?;
            stream.shutdown(Shutdown::Write)
        });
        let mut received = Vec::with_capacity(sent.len());
        reader.read_to_end(&mut received)?;
        writer.join().expect("writers do not panic")?;
        if received == sent {
            return Ok(());
        }
        let same = received
            .iter()
            .zip(sent)
            .take_while(|(a, b)| a == b)
            .count();
        let detail = format!(
            "{} of {} bytes came back, equal up to {same}",
            received.len(),
            sent.len()
        );
        Err(io::Error::new(ErrorKind::InvalidData, detail))
    })
}

/// Does the same to each item, all at once.
fn in_threads<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the work does not panic"))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip;

    fn here(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    #[test]
    fn a_crowd_gets_its_bytes_back() {
        if skip::without_root("network namespaces") {
            return;
        }
        let host = Namespace::new("h");
        let server = Server::start(&host, 7, Service::Echo);
        assert_eq!(crowd(&host, here(7), 50, 100_000), [""; 0]);
        assert_eq!(server.accepted(), 50);
        drop(server);
        assert_eq!(
            crowd(&host, here(7), 3, 1).len(),
            3,
            "nobody listens any more"
        );
    }

    #[test]
    fn bytes_differ_by_seed_and_repeat() {
        assert_eq!(bytes(1, 13), bytes(1, 13));
        assert_ne!(bytes(1, 13), bytes(2, 13));
        assert_eq!(bytes(3, 13).len(), 13);
    }

    #[test]
    fn a_wrong_byte_is_noticed() {
        let listener = TcpListener::bind(here(0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let liar = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the test connects");
            let mut got = Vec::new();
            stream.read_to_end(&mut got).expect("the test sends");
            got[5] ^= 1;
            stream.write_all(&got).expect("the test reads");
        });
        let stream = TcpStream::connect(address).expect("it listens");
        let error = exchange(stream, &bytes(1, 100)).expect_err("one byte is wrong");
        assert!(error.to_string().ends_with("equal up to 5"), "{error}");
        liar.join().expect("the liar is done");
    }
}

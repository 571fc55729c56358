//! TCP connections of which both ends verify every byte.
//!
//! A client says which stream it wants and how much of it each way; both ends send at the same time. When the server
//! has seen all and found it right, it says so by the last eight bytes.
//!
//! * [`Servers`]: accept until they are told to stop.
//! * [`client`]: one transfer after the other, each on a new connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::ledger::{Count, Ledger};
use super::stream::{Stream, number};
use crate::namespace::Namespace;

/// The servers' port in both zones; a forward leads to the DMZ's.
pub const PORT: u16 = 5201;

const CHUNK: usize = 128 * 1024;
/// How long a transfer may stand still. Longer than TCP's first seven repetitions.
const PATIENCE: Duration = Duration::from_secs(50);
const BACKLOG: i32 = 4096;

/// Where a load's data ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The client is in the DMZ.
    Out,
    /// The client is in the WAN.
    In,
}

/// How much a transfer is, at the most and each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Some hundred large frames.
    Long,
    /// A few frames, or one byte.
    Short,
}

impl Size {
    /// A size between one byte and this one's most, by `word`.
    fn pick(self, word: u64) -> u64 {
        let most = match self {
            Self::Long => 64 << 20,
            Self::Short => 32 << 10,
        };
        1 + word % most
    }
}

/// One transfer, as the client announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    key: u64,
    up: u64,
    down: u64,
}

impl Order {
    const BYTES: usize = 24;

    fn write(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, value) in bytes
            .chunks_exact_mut(8)
            .zip([self.key, self.up, self.down])
        {
            place.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn read(bytes: [u8; Self::BYTES]) -> Self {
        let [key, up, down] = [0, 8, 16].map(|at| {
            let word = bytes[at..at + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(word)
        });
        Self { key, up, down }
    }

    /// What the client sends, and what the server sends.
    const fn streams(self) -> (Stream, Stream) {
        (Stream::new(self.key), Stream::new(!self.key))
    }
}

/// A listening server. Dropping it stops it when the transfers under way are done.
pub struct Servers {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    /// Listens on a host; `way` says whose data ends there.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn start(host: &Namespace, way: Way, ledger: &Arc<Ledger>) -> Self {
        let listener = host
            .enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))
            .expect("nothing else listens there");
        rustix::net::listen(&listener, BACKLOG).expect("it listens already");
        let (clone, ledger) = (listener.try_clone(), Arc::clone(ledger));
        let accepting = clone.expect("a descriptor");
        let thread = thread::spawn(move || accept(&accepting, way, &ledger));
        Self {
            listener,
            thread: Some(thread),
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Ends the blocking accept, which fails from then on.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        let thread = self.thread.take().expect("it is dropped once");
        // A panic there has been reported by its thread.
        let _ = thread.join();
    }
}

fn accept(listener: &TcpListener, way: Way, ledger: &Ledger) {
    thread::scope(|scope| {
        while let Ok((stream, peer)) = listener.accept() {
            scope.spawn(move || {
                if let Err(error) = serve(stream, arrived(ledger, way)) {
                    ledger.complain(format_args!("server, transfer from {peer}: {error}"));
                }
            });
        }
    });
}

/// Where bytes are counted that a client of this way sends.
fn arrived(ledger: &Ledger, way: Way) -> &Count {
    match way {
        Way::Out => &ledger.bytes_out,
        Way::In => &ledger.bytes_in,
    }
}

fn serve(stream: TcpStream, received: &Count) -> io::Result<()> {
    patient(&stream)?;
    let mut head = [0; Order::BYTES];
    (&stream)
        .read_exact(&mut head)
        .map_err(|error| during("waiting for the order", &error))?;
    let order = Order::read(head);
    let (theirs, ours) = order.streams();
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(&stream, ours, order.down));
        receive(&stream, theirs, order.up, received)?;
        sender.join().expect("senders do not panic")
    })?;
    expect_end(&stream)?;
    (&stream).write_all(&order.up.to_le_bytes())?;
    stream.shutdown(Shutdown::Write)
}

/// One transfer after the other until the soak is over, all from one thread of the host.
pub fn client(host: &Namespace, way: Way, to: Ipv4Addr, size: Size, key: u64, ledger: &Ledger) {
    host.enter(|| {
        let mut count = 0;
        while !ledger.is_over() {
            let order = Order {
                key: number(key, 3 * count),
                up: size.pick(number(key, 3 * count + 1)),
                down: size.pick(number(key, 3 * count + 2)),
            };
            count += 1;
            match transfer(to, order, way, ledger) {
                Ok(()) => ledger.connections.add(1),
                // Every port is taken, or closed a moment ago: none of the router's doing.
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(error) => ledger.complain(format_args!("client, {order:?}: {error}")),
            }
        }
    });
}

fn transfer(to: Ipv4Addr, order: Order, way: Way, ledger: &Ledger) -> io::Result<()> {
    let stream = TcpStream::connect(SocketAddrV4::new(to, PORT))
        .map_err(|error| during("connecting", &error))?;
    patient(&stream)?;
    (&stream).write_all(&order.write())?;
    let (ours, theirs) = order.streams();
    let received = arrived(
        ledger,
        match way {
            Way::Out => Way::In,
            Way::In => Way::Out,
        },
    );
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            send(&stream, ours, order.up)?;
            stream.shutdown(Shutdown::Write)
        });
        receive(&stream, theirs, order.down, received)?;
        sender.join().expect("senders do not panic")
    })?;
    let mut verdict = [0; 8];
    (&stream)
        .read_exact(&mut verdict)
        .map_err(|error| during("waiting for the server's word", &error))?;
    if verdict != order.up.to_le_bytes() {
        return Err(io::Error::other("the server counted other bytes"));
    }
    expect_end(&stream)
}

fn patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

fn send(mut to: &TcpStream, mut stream: Stream, length: u64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK.min(length as usize)];
    let mut left = length;
    while left > 0 {
        let piece = &mut chunk[..CHUNK.min(left as usize)];
        stream.fill(piece);
        to.write_all(piece)
            .map_err(|error| during(&format!("sending, {left} of {length} bytes left"), &error))?;
        left -= piece.len() as u64;
    }
    Ok(())
}

fn receive(
    mut from: &TcpStream,
    mut stream: Stream,
    length: u64,
    received: &Count,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK.min(length as usize)];
    while stream.at() < length {
        let room = CHUNK.min((length - stream.at()) as usize);
        let came = from.read(&mut chunk[..room]).map_err(|error| {
            let stage = format!("receiving, {} of {length} bytes are there", stream.at());
            during(&stage, &error)
        })?;
        if came == 0 {
            let text = format!("it ended after {} of {length} bytes", stream.at());
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        stream
            .verify(&chunk[..came])
            .map_err(|wrong| io::Error::other(format!("a wrong byte: {wrong:?} of {length}")))?;
        received.add(came as u64);
    }
    Ok(())
}

/// The same error with what was under way; the kind stays.
fn during(stage: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{stage}: {error}"))
}

fn expect_end(mut stream: &TcpStream) -> io::Result<()> {
    let came = stream
        .read(&mut [0])
        .map_err(|error| during("waiting for the end", &error))?;
    match came {
        0 => Ok(()),
        _ => Err(io::Error::other("more came than was announced")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_given() {
        let order = Order {
            key: 1 << 60,
            up: 2,
            down: 3 << 33,
        };
        assert_eq!(Order::read(order.write()), order);
    }

    /// A client and a server, and between them somebody who may change what the client sends.
    fn through(change: impl Fn(&mut [u8]) + Send) -> (io::Result<()>, io::Result<()>) {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let (front, back) = (listen(), listen());
        let (first, second) = (front.local_addr(), back.local_addr());
        let order = Order {
            key: 5,
            up: 100_000,
            down: 0,
        };
        thread::scope(|scope| {
            let server = scope.spawn(|| {
                let (stream, _) = back.accept()?;
                serve(stream, &Count::default())
            });
            scope.spawn(move || {
                let (mut from, _) = front.accept().expect("the client connects");
                let mut to = TcpStream::connect(second.expect("bound")).expect("it listens");
                let mut sent = vec![0; Order::BYTES + order.up as usize];
                from.read_exact(&mut sent).expect("the client sends");
                change(&mut sent);
                let _ = to.write_all(&sent);
                let _ = to.shutdown(Shutdown::Write);
                // Until the server has said what it has to say.
                let _ = to.read_to_end(&mut Vec::new());
            });
            let stream = TcpStream::connect(first.expect("bound")).expect("it listens");
            let (ours, _) = order.streams();
            let sent = (&stream)
                .write_all(&order.write())
                .and_then(|()| send(&stream, ours, order.up));
            (sent, server.join().expect("servers do not panic"))
        })
    }

    #[test]
    fn a_server_accepts_what_is_right_and_finds_one_wrong_byte() {
        let (sent, served) = through(|_| {});
        assert!(sent.is_ok() && served.is_ok(), "{sent:?} {served:?}");
        let (_, served) = through(|bytes| bytes[Order::BYTES + 70_000] ^= 1);
        let error = served.expect_err("one byte is wrong").to_string();
        assert!(error.contains("at: 70000"), "{error}");
    }
}

//! Short TCP connections: open, one byte, an answer, closed.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use sekisho_tests::namespace::Namespace;

use super::{Counter, Crew, port};

/// How many are under way at once.
const AT_ONCE: usize = 64;
/// How long one thread waits for something to happen before it looks whether it is to stop.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// The listener's mark among the descriptors.
const LISTENER: u64 = u64::MAX;
const BACKLOG: i32 = 4096;

/// Running client and server.
pub struct Connections {
    done: Counter,
    failed: Counter,
    _crew: Crew,
}

impl Connections {
    /// `client` opens connections to `server`, which it calls `address`.
    ///
    /// # Panics
    /// When the sockets cannot be made.
    pub fn start(client: &Namespace, server: &Namespace, address: Ipv4Addr) -> Self {
        let listener = server
            .enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port::CONNECTIONS)))
            .expect("the port is free");
        rustix::net::listen(&listener, BACKLOG).expect("it listens already");
        listener.set_nonblocking(true).expect("a socket");
        let (done, failed) = (Counter::default(), Counter::default());
        let mut crew = Crew::default();
        crew.hire(move |stop| serve(&listener, stop));
        let (ok, bad) = (done.clone(), failed.clone());
        let target = SocketAddrV4::new(address, port::CONNECTIONS);
        // Sockets belong to the namespace of the thread that makes them.
        let host = client.handle();
        crew.hire(move |stop| host.enter(|| open(target, &ok, &bad, stop)));
        Self {
            done,
            failed,
            _crew: crew,
        }
    }

    /// Connections that got their answer.
    pub fn done(&self) -> &Counter {
        &self.done
    }

    /// Connections that did not.
    pub fn failed(&self) -> &Counter {
        &self.failed
    }
}

/// Descriptors that are waited for.
struct Poll(OwnedFd);

impl Poll {
    fn new() -> Self {
        Self(epoll::create(CreateFlags::CLOEXEC).expect("a descriptor"))
    }

    fn add(&self, what: &impl std::os::fd::AsFd, mark: u64, flags: EventFlags) {
        epoll::add(&self.0, what, EventData::new_u64(mark), flags).expect("it is open and new");
    }

    fn wait(&self, events: &mut Vec<Event>) {
        events.clear();
        // Interrupted: then nothing happened.
        let _ = epoll::wait(&self.0, rustix::buffer::spare_capacity(events), Some(&LOOK));
    }
}

fn serve(listener: &TcpListener, stop: &AtomicBool) {
    let poll = Poll::new();
    poll.add(listener, LISTENER, EventFlags::IN);
    let mut open: HashMap<u64, TcpStream> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    while !stop.load(Ordering::Relaxed) {
        poll.wait(&mut events);
        for event in &events {
            let mark = event.data.u64();
            if mark == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).expect("a socket");
                    let mark = mark_of(stream.as_raw_fd());
                    poll.add(&stream, mark, EventFlags::IN);
                    open.insert(mark, stream);
                }
            } else if let Some(mut stream) = open.remove(&mark)
                && let Ok(1..) = stream.read(&mut [0; 64])
            {
                // The client may be gone; closing ends it either way.
                let _ = stream.write_all(b"ok");
            }
        }
    }
}

/// The client's connections under way.
struct Client<'a> {
    target: SocketAddrV4,
    poll: Poll,
    open: HashMap<u64, TcpStream>,
    done: &'a Counter,
    failed: &'a Counter,
}

fn open(target: SocketAddrV4, done: &Counter, failed: &Counter, stop: &AtomicBool) {
    let mut client = Client {
        target,
        poll: Poll::new(),
        open: HashMap::new(),
        done,
        failed,
    };
    let mut events = Vec::with_capacity(256);
    while !stop.load(Ordering::Relaxed) {
        while client.open.len() < AT_ONCE && client.begin() {}
        client.poll.wait(&mut events);
        events.iter().for_each(|event| client.go_on(event));
    }
}

impl Client<'_> {
    /// Begins one; `false` if no port is free just now.
    fn begin(&mut self) -> bool {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
            .expect("a descriptor");
        // Closing sends a reset: no port is kept waiting for what can come no more.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).expect("a socket");
        match connect(&socket, &self.target) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(_) => return false,
        }
        let stream = TcpStream::from(socket);
        let mark = mark_of(stream.as_raw_fd());
        self.poll.add(&stream, mark, EventFlags::OUT);
        self.open.insert(mark, stream);
        true
    }

    fn go_on(&mut self, event: &Event) {
        let mark = event.data.u64();
        let Some(stream) = self.open.get_mut(&mark) else {
            return;
        };
        let flags = event.flags;
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            self.failed.add(1);
        } else if flags.contains(EventFlags::OUT) {
            let asked = stream.write_all(b"q").is_ok();
            let next = epoll::modify(
                &self.poll.0,
                &*stream,
                EventData::new_u64(mark),
                EventFlags::IN,
            );
            if asked && next.is_ok() {
                return;
            }
            self.failed.add(1);
        } else {
            let counter = match stream.read(&mut [0; 64]) {
                Ok(1..) => self.done,
                Ok(0) | Err(_) => self.failed,
            };
            counter.add(1);
        }
        self.open.remove(&mark);
    }
}

fn mark_of(descriptor: RawFd) -> u64 {
    u64::try_from(descriptor).expect("open descriptors are positive")
}

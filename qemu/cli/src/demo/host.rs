//! A host on a cable: an address, a way out, perhaps a web server, on a thread of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sekisho_qemu::Port;

use super::cable::Cable;
use super::packet::Packet;
use super::stack::Stack;

/// How long a host waits for frames before it looks for tasks.
const STEP: Duration = Duration::from_millis(20);

/// Who a host is.
#[derive(Clone, Copy)]
pub struct Identity {
    /// Its card's address.
    pub mac: [u8; 6],
    /// Its address, in a /24.
    pub address: Ipv4Addr,
    /// Where it sends what is not for its /24.
    pub gateway: Ipv4Addr,
}

/// What became of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connected {
    /// The connection was made, and closed again.
    Yes,
    /// Somebody refused it.
    Refused,
    /// Nothing came in time.
    Silence,
}

enum Task {
    Connect {
        to: SocketAddrV4,
        limit: Duration,
        reply: Sender<Connected>,
    },
    Datagram {
        to: SocketAddrV4,
        payload: Vec<u8>,
    },
    Frame(Vec<u8>),
    Seen(Sender<Vec<Packet>>),
}

/// A running host. Dropping it takes it off its cable.
pub struct Host {
    tasks: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Puts a host on a cable.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn start(port: Port, identity: Identity, server: Server) -> io::Result<Self> {
        let (tasks, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("host".into())
            .spawn(move || live(Stack::new(Cable::new(port), identity, server), &receiver))?;
        Ok(Self {
            tasks: Some(tasks),
            thread: Some(thread),
        })
    }

    /// Tries a TCP connection.
    pub fn connect(&self, to: SocketAddrV4, limit: Duration) -> Connected {
        let (reply, answer) = mpsc::channel();
        self.give(Task::Connect { to, limit, reply });
        answer.recv().unwrap_or(Connected::Silence)
    }

    /// Sends a UDP datagram.
    pub fn send_datagram(&self, to: SocketAddrV4, payload: &[u8]) {
        self.give(Task::Datagram {
            to,
            payload: payload.into(),
        });
    }

    /// Sends a frame as it is.
    pub fn send_frame(&self, frame: Vec<u8>) {
        self.give(Task::Frame(frame));
    }

    /// The packets that came to its card so far.
    pub fn seen(&self) -> Vec<Packet> {
        let (reply, answer) = mpsc::channel();
        self.give(Task::Seen(reply));
        answer.recv().unwrap_or_default()
    }

    /// Waits for a packet, which may have come already.
    pub fn sees(&self, wanted: impl Fn(&Packet) -> bool, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            if self.seen().iter().any(&wanted) {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(STEP);
        }
    }

    fn give(&self, task: Task) {
        // The thread ends only with the handle.
        let _ = self.tasks.as_ref().map(|tasks| tasks.send(task));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether a host serves the demonstration's page on port 80.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// It does.
    Web,
    /// It serves nothing.
    None,
}

/// A connection that is being tried.
struct Attempt {
    socket: smoltcp::iface::SocketHandle,
    deadline: Instant,
    reply: Sender<Connected>,
}

/// The host's thread: frames, tasks and attempts in turn, until nobody can give tasks any more.
fn live(mut stack: Stack, tasks: &Receiver<Task>) {
    let mut attempts: Vec<Attempt> = Vec::new();
    loop {
        stack.step(STEP);
        loop {
            match tasks.try_recv() {
                Ok(task) => begin(&mut stack, task, &mut attempts),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        attempts.retain(|attempt| !settled(&mut stack, attempt));
    }
}

fn begin(stack: &mut Stack, task: Task, attempts: &mut Vec<Attempt>) {
    match task {
        Task::Connect { to, limit, reply } => attempts.push(Attempt {
            socket: stack.connect(to),
            deadline: Instant::now() + limit,
            reply,
        }),
        Task::Datagram { to, payload } => stack.send_datagram(to, &payload),
        Task::Frame(frame) => stack.cable.send(&frame),
        // Nobody waits for the answer only when the whole command is being ended.
        Task::Seen(reply) => drop(reply.send(stack.cable.seen())),
    }
}

/// Whether an attempt has an outcome, which is then told.
fn settled(stack: &mut Stack, attempt: &Attempt) -> bool {
    let late = Instant::now() > attempt.deadline;
    let outcome = stack.outcome(attempt.socket);
    let Some(outcome) = outcome.or(late.then_some(Connected::Silence)) else {
        return false;
    };
    stack.forget(attempt.socket);
    let _ = attempt.reply.send(outcome);
    true
}

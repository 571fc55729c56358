//! What the hosts send, and how much of it arrives.
//!
//! * [`bulk`]: TCP streams as fast as they go.
//! * [`datagrams`]: small UDP datagrams, as many as go or at a given rate.
//! * [`connections`]: short TCP connections.
//! * [`echo`]: one datagram at a time, there and back.
//!
//! All of them run until they are stopped; [`Counter`] says how far they are. So whoever measures chooses
//! the window, in which nothing begins or ends.

pub mod bulk;
pub mod connections;
pub mod datagrams;
pub mod echo;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// The ports that the routers forward to the DMZ.
pub mod port {
    /// Bulk TCP.
    pub const BULK: u16 = 5201;
    /// Short connections.
    pub const CONNECTIONS: u16 = 7000;
    /// Datagrams.
    pub const DATAGRAMS: u16 = 7001;
    /// Echoes.
    pub const ECHO: u16 = 7002;
}

/// How much has arrived so far.
#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// So much.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// Threads that work until they are told to stop.
#[derive(Default)]
struct Crew {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Sets a thread to work; it asks the flag that it is given whether to stop.
    fn hire(&mut self, work: impl FnOnce(&AtomicBool) + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        self.threads.push(std::thread::spawn(move || work(&stop)));
    }

    fn tell_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.tell_to_stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() && !std::thread::panicking() {
                panic!("a load generator failed");
            }
        }
    }
}

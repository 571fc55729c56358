//! A Linux host in a network namespace of its own.
//!
//! * [`Namespace`]: made, given cards, addresses and routes, and removed when it is
//!   dropped, with every program that still runs in it.
//!
//! Everything here needs root and iproute2. Names carry the process id, so that tests
//! run side by side, and what a killed test left behind can be told from what is in use.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::program::{Finished, Program};

/// How long a program that only sets something up may take.
const SETUP: Duration = Duration::from_secs(20);

const PREFIX: &str = "sekisho-";

/// A network namespace, seen as a host.
pub struct Namespace {
    name: String,
}

/// The way into a namespace.
#[derive(Clone, Debug)]
pub struct Handle {
    path: PathBuf,
}

impl Namespace {
    /// Makes one with a working loopback and without IPv6, whose unasked-for frames
    /// would spoil every count.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    pub fn new(role: &str) -> Namespace {
        static SWEPT: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        SWEPT.call_once(sweep);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{role}", std::process::id());
        Program::start(Command::new("ip").args(["netns", "add", &name]))
            .finish(SETUP)
            .expect_success();
        let namespace = Namespace { name };
        namespace.set("net.ipv6.conf.all.disable_ipv6", "1");
        namespace.set("net.ipv6.conf.default.disable_ipv6", "1");
        namespace.ip("link set lo up");
        namespace
    }

    /// Its name, as `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` in it, with arguments parted by blanks.
    ///
    /// # Panics
    /// When `ip` refuses.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        let mut command = Command::new("ip");
        command
            .args(["-n", &self.name])
            .args(arguments.split_whitespace());
        Program::start(&mut command)
            .finish(SETUP)
            .expect_success()
            .text
    }

    /// Sets a kernel variable of its network.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[track_caller]
    pub fn set(&self, variable: &str, value: &str) {
        let path = Path::new("/proc/sys").join(variable.replace('.', "/"));
        // The kernel shows the variables of the thread's own namespace.
        self.enter(|| fs::write(&path, value))
            .unwrap_or_else(|error| panic!("cannot set {variable} to {value}: {error}"));
    }

    /// Joins a card here to a card of `other`, as a cable would.
    ///
    /// # Panics
    /// When a card of that name exists.
    #[track_caller]
    pub fn cable(&self, card: &str, other: &Namespace, other_card: &str) {
        self.ip(&format!(
            "link add {card} type veth peer name {other_card} netns {}",
            other.name
        ));
        self.ip(&format!("link set {card} up"));
        other.ip(&format!("link set {other_card} up"));
    }

    /// Makes a bridge without an address, on which `cards` are ports.
    ///
    /// # Panics
    /// When a card is missing.
    #[track_caller]
    pub fn bridge(&self, bridge: &str, cards: &[&str]) {
        self.ip(&format!("link add {bridge} type bridge mcast_snooping 0"));
        self.ip(&format!("link set {bridge} up"));
        for card in cards {
            self.ip(&format!("link set {card} master {bridge}"));
            self.ip(&format!("link set {card} up"));
        }
    }

    /// Makes a tap card.
    ///
    /// # Panics
    /// When a card of that name exists.
    #[track_caller]
    pub fn tap(&self, card: &str) {
        self.ip(&format!("tuntap add dev {card} mode tap vnet_hdr"));
        self.ip(&format!("link set {card} up"));
    }

    /// Runs `work` as a program of this host would: its sockets belong to this namespace,
    /// and so do the programs it starts.
    ///
    /// # Panics
    /// When `work` does.
    #[track_caller]
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.handle().enter(work)
    }

    /// The way in, for a thread that may outlive this value; the namespace itself does not.
    pub fn handle(&self) -> Handle {
        Handle {
            path: Path::new("/run/netns").join(&self.name),
        }
    }

    /// A command that will run in this namespace; `line` is parted by blanks.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .args(line.split_whitespace());
        command
    }

    /// Starts a program here.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn start(&self, line: &str) -> Program {
        Program::start(&mut self.command(line))
    }

    /// Runs a program here to its end.
    ///
    /// # Panics
    /// When it still runs after `limit`.
    #[track_caller]
    pub fn run(&self, line: &str, limit: Duration) -> Finished {
        self.start(line).finish(limit)
    }
}

impl Handle {
    /// As [`Namespace::enter`].
    ///
    /// # Panics
    /// When `work` does, or the namespace is gone.
    #[track_caller]
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let result = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let file = File::open(&self.path).unwrap_or_else(|error| {
                        panic!("cannot open {}: {error}", self.path.display())
                    });
                    // Only this thread moves, and it ends with the work.
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                        .unwrap_or_else(|error| {
                            panic!("cannot enter {}: {error}", self.path.display())
                        });
                    work()
                })
                .join()
        });
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Ends what runs in a namespace and removes it. What is gone already is not missed.
fn remove(name: &str) {
    if let Ok(output) = Command::new("ip").args(["netns", "pids", name]).output() {
        String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
            .for_each(|pid| {
                // It may have ended by itself, which is as good.
                let _ = kill_process(pid, Signal::KILL);
            });
    }
    let _ = Command::new("ip").args(["netns", "delete", name]).output();
}

/// Removes the namespaces of test processes that were killed before they could do so.
fn sweep() {
    let Ok(names) = fs::read_dir("/run/netns") else {
        return; // nobody made a namespace yet
    };
    for name in names
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn two_hosts_on_a_bridge_reach_each_other_and_nobody_else() {
        if skip::without_root("network namespaces") {
            return;
        }
        let (left, right, switch) = (
            Namespace::new("l"),
            Namespace::new("r"),
            Namespace::new("s"),
        );
        left.cable("eth0", &switch, "left");
        right.cable("eth0", &switch, "right");
        switch.bridge("br0", &["left", "right"]);
        left.ip("address add 198.51.100.1/24 dev eth0");
        right.ip("address add 198.51.100.2/24 dev eth0");
        left.run("ping -c 1 -W 10 198.51.100.2", LIMIT)
            .expect_success();
        let answer = switch.run("ping -c 1 -W 1 198.51.100.2", LIMIT);
        assert!(!answer.status.success(), "{}", answer.text);
    }

    #[test]
    fn sockets_made_inside_belong_to_the_namespace() {
        if skip::without_root("network namespaces") {
            return;
        }
        let host = Namespace::new("h");
        let listener = host
            .enter(|| std::net::TcpListener::bind("127.0.0.1:0"))
            .expect("loopback is up");
        let address = listener.local_addr().expect("it is bound");
        assert!(std::net::TcpStream::connect(address).is_err());
        host.enter(|| std::net::TcpStream::connect(address))
            .expect("the same host");
    }

    #[test]
    fn a_dropped_namespace_takes_its_programs_along() {
        if skip::without_root("network namespaces") {
            return;
        }
        let host = Namespace::new("h");
        let program = host.start("ping 127.0.0.1");
        program.wait_for(|line| line.contains("bytes from"), LIMIT);
        let path = Path::new("/run/netns").join(host.name());
        assert!(path.exists());
        drop(host);
        assert!(!path.exists());
        assert!(!program.finish(LIMIT).status.success());
    }
}

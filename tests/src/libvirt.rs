//! libvirt's daemon, all to itself: `qemu:///system` in a namespace of its own, without systemd.
//!
//! * [`Daemon`]: started in a host's namespace; a machine's own libvirt, where one runs, is neither seen nor touched.
//! * [`Pty`]: the console of a domain.
//!
//! The daemon has its own `/etc/libvirt`, `/var/lib/libvirt` and so on, by mounts that only it sees, and its bridges are in the host's
//! network namespace. Whatever it starts is in there as well and ends with the [`Namespace`].

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::firewall::LIMIT;
use crate::namespace::Namespace;
use crate::program::{Finished, Program};

/// Folders of the system that the daemon sees as its own, under names in its folder.
const FOLDERS: [(&str, &str); 5] = [
    ("etc", "/etc/libvirt"),
    ("run", "/run/libvirt"),
    ("lib", "/var/lib/libvirt"),
    ("cache", "/var/cache/libvirt"),
    ("log", "/var/log/libvirt"),
];

/// Who may connect: whoever can open the socket.
const DAEMON: &str =
    "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nunix_sock_group = \"root\"\n";

/// Machines run as root, whom everything here belongs to, without helpers that are not there.
const MACHINES: &str = "user = \"root\"\ngroup = \"root\"\nstdio_handler = \"file\"\nsecurity_driver = \"none\"\n\
    namespaces = []\ncgroup_controllers = []\nremember_owner = 0\n";

/// A user that libvirt looks up in any case, and that only a larger package makes.
const USER: &str = "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "libvirt-qemu:x:64055:\n";

/// A running daemon. Dropping it ends it; its machines end with the namespace.
pub struct Daemon {
    _program: Program,
    folder: TempDir,
}

impl Daemon {
    /// Starts it in a host's namespace and waits until it serves.
    ///
    /// # Panics
    /// When it does not, with its log.
    #[track_caller]
    pub fn start(host: &Namespace) -> Daemon {
        let folder = TempDir::new().expect("a folder");
        let notify = folder.path().join("notify");
        let ready = UnixDatagram::bind(&notify).expect("a socket");
        ready.set_read_timeout(Some(LIMIT)).expect("a time limit");
        write_files(folder.path());
        let script = folder.path().join("start");
        let mut command = host.command("unshare --mount sh");
        command.arg(&script).env("NOTIFY_SOCKET", &notify);
        let program = Program::start(&mut command);
        let mut message = [0; 64];
        let came = ready.recv(&mut message);
        assert!(
            came.is_ok_and(|length| message[..length].starts_with(b"READY=1")),
            "libvirtd does not serve:\n{}",
            program.text()
        );
        Daemon {
            _program: program,
            folder,
        }
    }

    /// Runs `virsh` with arguments parted by blanks.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn virsh(&self, arguments: &str) -> String {
        self.try_virsh(arguments).expect_success().text
    }

    /// The same, where it may fail.
    pub fn try_virsh(&self, arguments: &str) -> Finished {
        let socket = self.folder.path().join("run/libvirt-sock");
        let mut command = Command::new("virsh");
        command
            .arg("--connect")
            .arg(format!("qemu+unix:///system?socket={}", socket.display()))
            .args(arguments.split_whitespace());
        Program::start(&mut command).finish(LIMIT)
    }
}

fn write_files(folder: &Path) {
    let put =
        |name: &str, text: &str| fs::write(folder.join(name), text).expect("the folder is ours");
    for (name, _) in FOLDERS {
        fs::create_dir(folder.join(name)).expect("the folder is ours");
    }
    // The daemon makes the other folders itself.
    fs::create_dir(folder.join("log/qemu")).expect("the folder is ours");
    put("etc/libvirtd.conf", DAEMON);
    put("etc/qemu.conf", MACHINES);
    for (name, line) in [("passwd", USER), ("group", GROUP)] {
        let mut text =
            fs::read_to_string(Path::new("/etc").join(name)).expect("every system has it");
        if !text.contains("libvirt-qemu:") {
            text += line;
        }
        put(name, &text);
    }
    put("start", &script(folder));
}

fn script(folder: &Path) -> String {
    let folder = folder.display();
    let mut script = String::from("set -e\nmount --make-rprivate /\n");
    for (name, seen) in FOLDERS {
        script += &format!("mkdir -p {seen}\nmount --bind {folder}/{name} {seen}\n");
    }
    for name in ["passwd", "group"] {
        script += &format!("mount --bind {folder}/{name} /etc/{name}\n");
    }
    // Its usual place may be another daemon's.
    script + "exec libvirtd --pid-file /run/libvirt/libvirtd.pid\n"
}

/// The lines that a domain prints to its console.
pub struct Pty {
    console: Arc<Console>,
    path: PathBuf,
}

#[derive(Default)]
struct Console {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    /// How many have been looked at.
    seen: usize,
}

impl Pty {
    /// Follows the console of a running domain. What it printed before is lost.
    ///
    /// # Panics
    /// When it has none.
    #[track_caller]
    pub fn open(daemon: &Daemon, domain: &str) -> Pty {
        let path = PathBuf::from(daemon.virsh(&format!("ttyconsole {domain}")).trim());
        let file = File::open(&path)
            .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
        let console = Arc::new(Console::default());
        let follower = Arc::clone(&console);
        // The thread ends with the domain, whose end is an error to read.
        thread::spawn(move || {
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                let mut lines = follower.lines.lock().expect("nobody panics");
                lines.all.push(line.trim_end().to_owned());
                follower.grown.notify_all();
            }
        });
        Pty { console, path }
    }

    /// Types a line.
    ///
    /// # Panics
    /// When the domain is gone.
    #[track_caller]
    pub fn type_line(&self, line: &str) {
        let mut file = File::options()
            .write(true)
            .open(&self.path)
            .expect("the console");
        write!(file, "{line}\r").expect("the console");
    }

    /// Waits for a line after the last one that was waited for.
    ///
    /// # Panics
    /// When it does not come, with all that came instead.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&str) -> bool, limit: Duration) {
        let find = |lines: &Lines| lines.all[lines.seen..].iter().position(|line| wanted(line));
        let lines = self.console.lines.lock().expect("nobody panics");
        let (mut lines, _) = self
            .console
            .grown
            .wait_timeout_while(lines, limit, |lines| find(lines).is_none())
            .expect("nobody panics");
        match find(&lines) {
            Some(position) => lines.seen += position + 1,
            None => {
                let all = lines.all.join("\n");
                drop(lines);
                panic!("the console shows:\n{all}")
            }
        }
    }
}

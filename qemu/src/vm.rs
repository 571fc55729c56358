//! A running machine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{self, Wiring};
use crate::console::Console;
use crate::process::Process;
use crate::qmp::Monitor;
use crate::{Error, Machine};

/// How long QEMU may take to come up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often it is looked whether QEMU has connected or ended.
const START_STEP: Duration = Duration::from_millis(2);

/// A machine in QEMU. Dropping it ends QEMU and removes its files.
pub struct Vm {
    process: Process,
    console: Console,
    keys: UnixStream,
    monitor: Mutex<Monitor>,
    _folder: TempDir,
}

impl Vm {
    pub(crate) fn start(machine: &Machine) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("sekisho-vm-")
            .tempdir()
            .map_err(Error::system("making a temporary folder"))?;
        let console_path = folder.path().join("console");
        let monitor_path = folder.path().join("monitor");
        let output_path = folder.path().join("output");

        let console = listen(&console_path)?;
        let monitor = listen(&monitor_path)?;
        let output = File::create(&output_path).map_err(Error::system("making a file"))?;
        let wiring = Wiring::Sockets {
            console: console_path,
            monitor: monitor_path,
        };
        let process =
            Process::start(command::line(machine, &wiring), output).map_err(|error| match error
                .kind()
            {
                io::ErrorKind::NotFound => Error::QemuMissing,
                _ => Error::system("starting QEMU")(error),
            })?;

        let starting = Starting {
            process,
            output: &output_path,
            deadline: Instant::now() + START_LIMIT,
        };
        let keys = starting.accept(&console)?;
        let stream = starting.accept(&monitor)?;
        let console = keys
            .try_clone()
            .and_then(Console::follow)
            .map_err(Error::system("following the console"))?;
        let monitor = match Monitor::greet(stream) {
            Ok(monitor) => Mutex::new(monitor),
            // It connects before it has looked at its networks and files: most complaints come here.
            Err(_) => return Err(starting.failed()),
        };
        Ok(Self {
            process: starting.process,
            console,
            keys,
            monitor,
            _folder: folder,
        })
    }

    /// QEMU's process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The complete lines on the console so far.
    pub fn lines(&self) -> Vec<String> {
        self.console.lines_from(0)
    }

    /// The complete lines on the console from number `first` on, counted from zero.
    pub fn lines_from(&self, first: usize) -> Vec<String> {
        self.console.lines_from(first)
    }

    /// Waits for a line, which may have been printed already, and gives it.
    ///
    /// # Errors
    /// When `limit` is over or the machine has ended, with the console so far.
    pub fn wait_for(
        &self,
        wanted: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> Result<String, Error> {
        self.wait_from(0, wanted, limit)
    }

    /// The same, among the lines from number `first` on: `vm.lines().len()` taken before an action waits for what follows it.
    ///
    /// # Errors
    /// When `limit` is over or the machine has ended, with the console so far.
    pub fn wait_from(
        &self,
        first: usize,
        wanted: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> Result<String, Error> {
        self.console.wait_from(first, wanted, limit)
    }

    /// Types into the serial console.
    ///
    /// # Errors
    /// If QEMU has ended.
    pub fn type_keys(&self, bytes: &[u8]) -> Result<(), Error> {
        (&self.keys)
            .write_all(bytes)
            .map_err(Error::system("typing into the console"))
    }

    /// Runs a command of QEMU's monitor and gives what it returns.
    ///
    /// # Errors
    /// If QEMU refuses it or has ended.
    pub fn qmp(&self, command: &str, arguments: &Value) -> Result<Value, Error> {
        self.monitor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .run(command, arguments)
    }

    /// Plugs the cable of card `nic`, counted from zero, in or out.
    ///
    /// # Errors
    /// If there is no such card, or QEMU has ended.
    pub fn set_link(&self, nic: usize, up: bool) -> Result<(), Error> {
        let arguments = json!({ "name": command::card_name(nic), "up": up });
        self.qmp("set_link", &arguments).map(drop)
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// If QEMU has ended.
    pub fn power_down(&self) -> Result<(), Error> {
        self.qmp("system_powerdown", &json!({})).map(drop)
    }

    /// Pulls the plug: QEMU is gone when this returns.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// QEMU's exit status, if it has ended.
    pub fn status(&self) -> Option<ExitStatus> {
        self.process.status()
    }

    /// Waits until QEMU ends.
    ///
    /// # Errors
    /// When `limit` is over, with the console so far.
    pub fn wait_exit(&self, limit: Duration) -> Result<ExitStatus, Error> {
        self.process.wait(limit).ok_or_else(|| Error::StillRunning {
            waited: limit,
            console: self.console.whole(),
        })
    }
}

/// QEMU between its start and its first answer.
struct Starting<'a> {
    process: Process,
    output: &'a Path,
    deadline: Instant,
}

impl Starting<'_> {
    /// Waits for QEMU to connect; there is nothing to wait on that would also tell its end.
    fn accept(&self, listener: &UnixListener) -> Result<UnixStream, Error> {
        loop {
            // Asked before the socket: a QEMU that connects and ends at once has connected.
            let ended = self.process.status().is_some();
            match listener.accept() {
                Ok((stream, _)) => {
                    return stream
                        .set_nonblocking(false)
                        .map(|()| stream)
                        .map_err(Error::system("connecting to QEMU"));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Error::system("connecting to QEMU")(error)),
            }
            if ended || Instant::now() > self.deadline {
                return Err(self.failed());
            }
            thread::sleep(START_STEP);
        }
    }

    /// How it ended and what it printed; a QEMU that hangs is killed.
    fn failed(&self) -> Error {
        // Its sockets close a moment before its process is gone.
        let status = self.process.wait(Duration::from_secs(10));
        self.process.kill();
        Error::NotStarted {
            status,
            output: fs::read_to_string(self.output).unwrap_or_default(),
        }
    }
}

fn listen(path: &Path) -> Result<UnixListener, Error> {
    let listener = UnixListener::bind(path).map_err(Error::system("making a socket"))?;
    listener
        .set_nonblocking(true)
        .map_err(Error::system("making a socket"))?;
    Ok(listener)
}

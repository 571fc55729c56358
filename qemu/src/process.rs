//! One child process, and a thread that keeps it.
//!
//! The thread starts the child, waits for its end and takes its status. It lives as long as the child, which
//! matters: a child that asked to die with its parent dies with the thread that started it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// A running or ended child. Dropping it ends it.
pub(crate) struct Process {
    pid: Pid,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    status: Mutex<Option<ExitStatus>>,
    ended: Condvar,
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Starts `line`, with what it prints going to `output`.
    pub(crate) fn start(line: Vec<OsString>, output: File) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let (started, start) = mpsc::channel();
        thread::Builder::new()
            .name("process".into())
            .spawn(move || keep(&line, output, &started, &ours))?;
        let pid = start
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended early")))?;
        Ok(Self { pid, shared })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Its status, if it has ended.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        *self.shared.status()
    }

    /// Its status, if it ends within `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut status = self.shared.status();
        while status.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.shared.ended.wait_timeout(status, left);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *status
    }

    /// Ends it, if it still runs, and waits until it is gone.
    pub(crate) fn kill(&self) {
        let mut status = self.shared.status();
        if status.is_none() {
            // The lock is held: the number still belongs to the child, for nobody else has taken its status.
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        }
        while status.is_none() {
            let waited = self.shared.ended.wait(status);
            status = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The keeper's whole life.
fn keep(line: &[OsString], output: File, started: &mpsc::Sender<io::Result<Pid>>, shared: &Shared) {
    let mut child = match spawn(line, output) {
        Ok(child) => child,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let pid = Pid::from_child(&child);
    let _ = started.send(Ok(pid));
    // Waits without taking the status, so that the number stays the child's until the lock is held.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
    let mut status = shared.status();
    // A status that cannot be had is no success.
    *status = Some(child.wait().unwrap_or_else(|_| failure()));
    shared.ended.notify_all();
}

fn failure() -> ExitStatus {
    std::os::unix::process::ExitStatusExt::from_raw(1 << 8)
}

/// Starts the child so that it ends with this process even if this process is killed, where `setpriv` is installed.
fn spawn(line: &[OsString], output: File) -> io::Result<Child> {
    let (program, arguments) = line
        .split_first()
        .ok_or_else(|| io::Error::other("no program to start"))?;
    let program = find(program)?;
    let guard = find(&"setpriv".into());
    let mut command = match guard {
        Ok(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        Err(_) => Command::new(program),
    };
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // A group of its own: Ctrl-C on the terminal is for this process, which presses the power button.
        .process_group(0)
        .spawn()
}

/// A program's place on the `PATH`, so that "not found" is about it and not about the program that would start it.
fn find(program: &OsString) -> io::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .map(OsString::from)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn start(words: &[&str]) -> io::Result<Process> {
        let line = words.iter().map(OsString::from).collect();
        Process::start(line, tempfile::tempfile().unwrap())
    }

    #[test]
    fn the_status_of_an_ended_child_is_kept() {
        let process = start(&["sh", "-c", "exit 7"]).unwrap();
        assert_eq!(process.wait(LONG).unwrap().code(), Some(7));
        assert_eq!(process.status().unwrap().code(), Some(7));
        process.kill();
    }

    #[test]
    fn a_killed_child_is_gone() {
        let process = start(&["sleep", "1000"]).unwrap();
        assert_eq!(process.wait(Duration::from_millis(10)), None);
        process.kill();
        assert!(!std::path::Path::new(&format!("/proc/{}", process.pid())).exists());
    }

    #[test]
    fn a_missing_program_is_not_found() {
        let error = start(&["no-such-program-at-all"]).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

//! Shows a machine's console until the machine ends, or somebody ends it.

use std::io::{self, Write};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use sekisho_qemu::{Error, FAULT_STATUS, Symbols, Vm};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Failure;

/// Ctrl-C, and what supervisors and closing terminals send.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// How long the machine may take to switch itself off.
const POWER_DOWN_LIMIT: Duration = Duration::from_secs(3);

/// How long a console is waited for at a time; firewalls can be quiet.
const QUIET: Duration = Duration::from_secs(3600);

/// Something that ends a run.
pub enum Event {
    /// Ctrl-C, or what a supervisor sends.
    Signal,
    /// The machine has ended.
    Ended,
}

/// The events of this process, from before there is a machine: a signal never ends it without the machine.
pub struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// Takes signals from now on.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn catch() -> Result<Self, Failure> {
        let mut signals = Signals::new(SIGNALS).map_err(no_signals)?;
        let (sender, receiver) = mpsc::channel();
        let sink = sender.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for _ in signals.forever() {
                    if sink.send(Event::Signal).is_err() {
                        break;
                    }
                }
            })
            .map_err(no_signals)?;
        Ok(Self { sender, receiver })
    }
}

/// Whether somebody asked for the end, for work that can stop between two steps.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes signals from now on.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn catch() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(no_signals)?;
        }
        Ok(Self(flag))
    }

    /// Whether one has come.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn no_signals(why: io::Error) -> Failure {
    Failure::System {
        doing: "catching signals",
        why,
    }
}

/// Prints the console, with names for the addresses in fault reports. A signal presses the power button; a second
/// one pulls the plug.
///
/// # Errors
/// If QEMU closes the console and stays.
pub fn follow(vm: &Vm, events: &Events, symbols: Option<&Symbols>) -> Result<ExitCode, Failure> {
    let ended = events.sender.clone();
    thread::scope(|scope| {
        scope.spawn(move || {
            print(vm, symbols);
            // The receiver lives as long as `events`.
            let _ = ended.send(Event::Ended);
        });
        let asked = match events.receiver.recv() {
            Ok(Event::Signal) => {
                switch_off(vm, &events.receiver);
                true
            }
            Ok(Event::Ended) | Err(_) => false,
        };
        let status = vm.wait_exit(POWER_DOWN_LIMIT)?;
        Ok(if asked {
            ExitCode::SUCCESS
        } else {
            verdict(status)
        })
    })
}

/// Prints lines as they come, until the console ends.
fn print(vm: &Vm, symbols: Option<&Symbols>) {
    let mut next = 0;
    loop {
        if let Err(Error::Console { ended: true, .. }) = vm.wait_from(next, |_| true, QUIET) {
            break;
        }
        let lines = vm.lines_from(next);
        next += lines.len();
        let mut out = io::stdout().lock();
        for line in lines {
            let line = symbols.and_then(|s| s.annotate(&line)).unwrap_or(line);
            // Nobody reads any more: the machine runs on, and Ctrl-C still ends it.
            let _ = writeln!(out, "{line}");
        }
        let _ = out.flush();
    }
}

fn switch_off(vm: &Vm, events: &Receiver<Event>) {
    let asked = vm.power_down();
    match asked.map(|()| events.recv_timeout(POWER_DOWN_LIMIT)) {
        Ok(Ok(Event::Ended)) => {}
        Ok(Ok(Event::Signal) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected))
        | Err(_) => vm.kill(),
    }
}

/// What a machine that ended by itself is worth.
fn verdict(status: ExitStatus) -> ExitCode {
    if status.success() {
        return ExitCode::SUCCESS;
    }
    match status.code() {
        Some(FAULT_STATUS) => eprintln!("sekisho: the firewall stopped on a fault, reported above"),
        _ => eprintln!("sekisho: QEMU ended with {status}"),
    }
    ExitCode::FAILURE
}

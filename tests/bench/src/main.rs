//! `./bench`: the firewall, a Linux guest and the bare driver, measured in turn on one machine.
//!
//! * [`options`]: what a person may ask for.
//! * [`contender`]: the three routers, as machines.
//! * [`lab`]: one of them between two hosts.
//! * [`load`]: what the hosts send.
//! * [`metric`], [`measure`]: what is measured, and how.
//! * [`boot`], [`memory`]: what is measured before a machine runs.
//! * [`plan`]: the sections of a run, and the rounds; [`progress`]: how far it is.
//! * [`alone`]: the engine without a machine.
//! * [`soak`]: full load for minutes, with an account of every frame.
//! * [`results`], [`statistics`], [`report`]: what comes of the numbers.
#![forbid(unsafe_code)]

mod alone;
mod boot;
mod contender;
mod cpu;
mod lab;
mod load;
mod measure;
mod memory;
mod metric;
mod options;
mod plan;
mod progress;
mod report;
mod results;
mod soak;
mod statistics;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    // What the helpers of the tests find wrong they say by a panic: here it is a message, without a place in a source file.
    // QEMU ends with this process, and the next run removes the namespaces.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("bench: {}", info.payload_as_str().unwrap_or("it failed"));
        std::process::exit(1);
    }));
    match run(&options) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, String> {
    if options.readme {
        return report::publish(&options.output).map(|()| ExitCode::SUCCESS);
    }
    if options.needs_machines() {
        require(options)?;
    }
    say_when_interrupted(&options.output)?;
    if let Some(minutes) = options.soak {
        return soak::run(options, minutes);
    }
    let results = plan::run(options)?;
    report::write(&results, &options.output)?;
    Ok(match results.is_whole() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// On Ctrl-C: what was measured is written down already. QEMU ends with this process, and the next run removes the namespaces.
fn say_when_interrupted(folder: &Path) -> Result<(), String> {
    const INTERRUPTED: i32 = 130;
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| error.to_string())?;
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            let folder = folder.display();
            eprintln!("bench: interrupted; what was measured is in {folder}");
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

/// What must be there before anything starts.
fn require(options: &Options) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("this makes network namespaces and taps: run it as root".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err(
            "there is no /dev/net/tun, so there are no taps: load the module (modprobe tun), or give the container \
             the device (--device /dev/net/tun)"
                .into(),
        );
    }
    options.accelerator.require()?;
    for contender in options.contenders() {
        contender.require(options)?;
    }
    Ok(())
}

//! `./bench`: the firewall, a Linux guest and the bare driver, measured in turn on one machine.
//!
//! * [`options`]: what a person may ask for.
//! * [`contender`]: the three routers, as machines.
//! * [`lab`]: one of them between two hosts.
//! * [`load`]: what the hosts send.
//! * [`metric`], [`measure`]: what is measured, and how.
//! * [`boot`], [`memory`]: what is measured before a machine runs.
//! * [`plan`]: the sections of a run, and the rounds.
//! * [`alone`]: the engine without a machine.
//! * [`statistics`], [`report`]: what comes of the numbers.
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
mod report;
mod statistics;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    // What the helpers of the tests find wrong they say by a panic: here it is a message, without a place in a source file.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("bench: {}", info.payload_as_str().unwrap_or("it failed"));
    }));
    let result = std::panic::catch_unwind(|| run(&options));
    match result {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(message)) => {
            eprintln!("bench: {message}");
            ExitCode::from(2)
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.engine {
        return alone::run(&options.output);
    }
    require(options)?;
    let results = plan::run(options)?;
    report::write(&results, &options.output)
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

//! The `sekisho` command: runs the firewall in QEMU, and looks over its configuration.
//!
//! Exit codes: 0 when all is well; 1 when what was asked did not hold (a refused configuration, a firewall
//! that stopped on a fault, a failed smoke test); 2 when it could not be tried (usage, files, ports, no QEMU).
#![forbid(unsafe_code)]

mod check;
mod demo;
mod explain;
mod failure;
mod follow;
mod image;
mod init;
mod kernel;
mod logs;
mod nat;
mod plan;
mod run;
mod spec;
mod stored;
mod vmconfig;
mod zones;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A firewall that is a virtual machine of its own.
#[derive(Parser)]
#[command(name = "sekisho", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look over configuration files, in the words the firewall itself uses
    Check(check::Arguments),
    /// Write a commented starting file
    Init(init::Arguments),
    /// Say what the firewall does with each packet of a capture, and why
    Explain(explain::Arguments),
    /// Boot the firewall in QEMU; without --config, between a demonstration WAN and DMZ
    Run(run::Arguments),
    /// Boot a NAT of a chosen kind between two networks, to try programs behind it
    Nat(nat::Arguments),
    /// Make bootable disks
    Image(image::Arguments),
    /// Print the engineer's log, which the firewall writes to its second serial port
    Logs(logs::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(arguments) => Ok(check::check(&arguments)),
        Command::Init(arguments) => init::init(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Nat(arguments) => nat::nat(&arguments),
        Command::Image(arguments) => image::image(&arguments),
        Command::Logs(arguments) => logs::logs(&arguments),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("sekisho: {failure}");
        failure.exit_code()
    })
}

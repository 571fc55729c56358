//! `sekisho image`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use sekisho_image::disk::Contents;
use sekisho_image::{Existing, Format};

use crate::failure::Failure;
use crate::{kernel, stored, vmconfig};

/// What to do with disks.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a bootable disk with a configuration on it
    Build(Build),
    /// Put another configuration onto a disk that is there
    SetConfig(stored::Set),
    /// Show the configuration that is on a disk
    GetConfig(stored::Get),
    /// Write a virtual machine's configuration for a hypervisor and the networks that you name
    Vmconfig(vmconfig::Arguments),
}

/// What goes onto the disk, and where the disk goes.
#[derive(clap::Args)]
struct Build {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// The kernel; by default the one that was built beside this program
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// The folder for the images
    #[arg(long, value_name = "FOLDER", default_value = "target/images")]
    out: PathBuf,

    /// Words for the kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "")]
    append: String,

    /// Replace images that are there
    #[arg(long)]
    force: bool,
}

/// Does what is asked.
///
/// # Errors
/// Whatever keeps the images from being made.
pub fn image(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Build(arguments) => build(arguments),
        Command::SetConfig(arguments) => stored::set(arguments),
        Command::GetConfig(arguments) => stored::get(arguments),
        Command::Vmconfig(arguments) => vmconfig::vmconfig(arguments),
    }
}

fn build(arguments: &Build) -> Result<ExitCode, Failure> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|why| Failure::Unreadable {
            path: path.clone(),
            why,
        })
    };
    let config = read(&arguments.config)?;
    let kernel = read(&kernel::path(arguments.kernel.as_deref())?)?;
    let contents = Contents {
        kernel: &kernel,
        config: &config,
        words: &arguments.append,
    };
    let build = sekisho_image::build_id(&kernel).map_err(Failure::Image)?;
    println!("kernel: build {build}");
    let existing = if arguments.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    sekisho_image::build(
        &contents,
        &Format::ALL,
        &arguments.out,
        existing,
        |path, bytes| println!("{}  {} KiB", path.display(), bytes.div_ceil(1024)),
    )
    .map_err(Failure::Image)?;
    Ok(ExitCode::SUCCESS)
}

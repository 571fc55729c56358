//! `sekisho image`

mod progress;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sekisho_image::disk::Contents;
use sekisho_image::{Existing, Image};

use crate::failure::Failure;
use crate::{kernel, stored, vmconfig};

use progress::Report;

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

    /// Which images to make; by default all
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = named())]
    format: Vec<Image>,

    /// Replace images that are there
    #[arg(long)]
    force: bool,
}

/// An image by its name.
fn named() -> impl TypedValueParser<Value = Image> {
    PossibleValuesParser::new(Image::ALL.map(Image::name)).map(|name| {
        let mut all = Image::ALL.into_iter();
        all.find(|image| image.name() == name)
            .expect("the parser takes only these names")
    })
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
    let existing = if arguments.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let images = if arguments.format.is_empty() {
        Image::ALL.to_vec()
    } else {
        arguments.format.clone()
    };
    let mut report = Report::new();
    sekisho_image::build(&contents, &images, &arguments.out, existing, |progress| {
        report.show(progress)
    })
    .map_err(Failure::Image)?;
    Ok(ExitCode::SUCCESS)
}

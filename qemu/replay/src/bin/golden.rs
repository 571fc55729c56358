//! Makes and renews golden cases; they are run by `cargo test -p sekisho-replay --test golden`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sekisho_replay::golden;
use sekisho_replay::options::Options;

/// Makes and renews golden cases.
#[derive(Parser)]
#[command(name = "golden", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a case from a configuration and captures
    Add {
        /// The case's name: small letters, digits and hyphens
        name: String,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Keep what the engine does now as what it must do; look at the difference before you commit it
    Bless {
        /// The cases; all of them if none is named
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    match act(Arguments::parse().command) {
        Ok(cases) => {
            cases.iter().for_each(|case| println!("{}", case.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("golden: {error}");
            ExitCode::from(2)
        }
    }
}

fn act(command: Command) -> Result<Vec<PathBuf>, sekisho_replay::Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    match command {
        Command::Add { name, options } => Ok(vec![golden::add(&folder, &name, &options)?]),
        Command::Bless { names } => {
            let cases = match names.is_empty() {
                true => golden::cases(&folder)?,
                false => names.iter().map(|name| folder.join(name)).collect(),
            };
            cases.iter().try_for_each(|case| golden::bless(case))?;
            Ok(cases)
        }
    }
}

//! Cases kept as files: a configuration and a capture in; the frames that leave, and what became of each, out.
//!
//! A case is a folder:
//!
//! | file | is |
//! |---|---|
//! | `config.toml` | the configuration |
//! | `in.pcapng` | what comes in, one interface a zone |
//! | `options` | the options of `sekisho explain` that it needs, one a line; often empty |
//! | `out.pcapng` | what leaves |
//! | `way.txt` | each frame's way, and the counters at the end |
//!
//! The last two are what the engine must give again, byte by byte.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use crate::Error;
use crate::describe::Hex;
use crate::explain::explain;
use crate::options::Options;

/// The options of a case as a command line has them.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// What the engine makes of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The content of `out.pcapng`.
    pub out: Vec<u8>,
    /// The content of `way.txt`.
    pub way: String,
}

/// Makes a case from captures, with what the engine makes of it now.
///
/// # Errors
/// A name that is taken or no name, and all that keeps the captures from being explained.
pub fn add(cases: &Path, name: &str, options: &Options) -> Result<PathBuf, Error> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(Error::CaseName(name.into()));
    }
    let case = cases.join(name);
    if case.exists() {
        return Err(Error::Exists(case));
    }
    let (replay, _) = explain(options)?;
    let config = fs::read(&options.config).map_err(|why| Error::Unreadable {
        path: options.config.clone(),
        why,
    })?;
    fs::create_dir_all(&case).map_err(|why| Error::Unwritable {
        path: case.clone(),
        why,
    })?;
    write(&case, "config.toml", &config)?;
    write(&case, "in.pcapng", &replay.recorded())?;
    write(&case, "options", line(options).as_bytes())?;
    bless(&case)?;
    Ok(case)
}

/// Keeps what the engine makes of a case now as what it must make.
///
/// # Errors
/// A case that cannot be read or written.
pub fn bless(case: &Path) -> Result<(), Error> {
    let result = run(case)?;
    write(case, "out.pcapng", &result.out)?;
    write(case, "way.txt", result.way.as_bytes())
}

/// What the engine makes of a case now.
///
/// # Errors
/// A case that cannot be read.
pub fn run(case: &Path) -> Result<Outcome, Error> {
    if !case.is_dir() {
        return Err(Error::NoCase(case.into()));
    }
    let (replay, way) = explain(&options(case)?)?;
    Ok(Outcome {
        out: replay.written(),
        way,
    })
}

/// What a case must give.
///
/// # Errors
/// A case that cannot be read.
pub fn expected(case: &Path) -> Result<Outcome, Error> {
    let way = read(case, "way.txt")?;
    Ok(Outcome {
        out: read(case, "out.pcapng")?,
        way: String::from_utf8_lossy(&way).into_owned(),
    })
}

/// The folders of all cases, sorted.
///
/// # Errors
/// A folder that cannot be read.
pub fn cases(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |why| Error::Unreadable {
        path: folder.into(),
        why,
    };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(unreadable)?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}

fn options(case: &Path) -> Result<Options, Error> {
    let lines = read(case, "options")?;
    let lines = String::from_utf8_lossy(&lines).into_owned();
    let files = [
        "explain".into(),
        case.join("config.toml"),
        case.join("in.pcapng"),
    ];
    let words = lines.split_whitespace().map(PathBuf::from);
    let parsed = Line::try_parse_from(files.into_iter().chain(words));
    let line = parsed.map_err(|error| Error::Unreadable {
        path: case.join("options"),
        why: std::io::Error::other(error.to_string()),
    })?;
    Ok(line.options)
}

/// Options as a command line has them, without the files.
fn line(options: &Options) -> String {
    let cards = options
        .cards
        .iter()
        .map(|card| format!("--card {}={}\n", card.zone, Hex(card.mac)));
    let addresses = options.addresses.iter().map(|given| {
        let gateway = given.gateway.map(|gateway| format!(",{gateway}"));
        let gateway = gateway.unwrap_or_default();
        format!("--address {}={}{gateway}\n", given.zone, given.address)
    });
    let neighbors = options.neighbors.to_possible_value();
    let neighbors = neighbors.map(|value| format!("--neighbors {}\n", value.get_name()));
    let seed = format!("--seed {}\n", options.seed);
    cards
        .chain(addresses)
        .chain(neighbors)
        .chain([seed])
        .collect()
}

fn read(case: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let path = case.join(name);
    fs::read(&path).map_err(|why| Error::Unreadable { path, why })
}

fn write(case: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = case.join(name);
    fs::write(&path, bytes).map_err(|why| Error::Unwritable { path, why })
}

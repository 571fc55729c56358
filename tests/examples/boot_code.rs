//! Counts the instructions that run while the firewall starts, each of them once, by where they come from: an emulator has to
//! translate each before it first runs, and that is most of a start's time there.
//!
//! ```sh
//! kernel/build.sh
//! cargo run -p sekisho-tests --example boot_code                # on microvm
//! cargo run -p sekisho-tests --example boot_code -- q35         # also: pc
//! cargo run -p sekisho-tests --example boot_code -- pc ELF      # another build of the kernel
//! ```

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use addr2line::Loader;
use sekisho_qemu::Kind;
use sekisho_tests::firewall::{Boots, Setup, example};
use sekisho_tests::kernel;
use sekisho_tests::rig::Rig;

/// The function in which the firewall works once it is ready, as symbols spell it.
const LOOP: &str = "8Firewall3run";

/// Distinct instructions: until the firewall was ready, and from then on until the first frame had passed.
#[derive(Clone, Copy, Default)]
struct Count {
    ready: usize,
    frame: usize,
}

fn main() {
    let mut words = std::env::args().skip(1);
    let kind = match words.next().as_deref() {
        None | Some("microvm") => Kind::Microvm,
        Some("q35") => Kind::Q35,
        Some("pc") => Kind::Pc,
        Some(other) => panic!("there is no board {other}: microvm, q35 or pc"),
    };
    let kernel = words.next().map_or_else(kernel::firewall, PathBuf::from);
    let addresses = boot(kind, &kernel);
    let symbols = Loader::new(&kernel).unwrap_or_else(|error| panic!("{kernel:?}: {error}"));
    let counts = count(&addresses, &symbols);
    let mut sum = Count::default();
    println!("{:>7} {:>12}", "ready", "first frame");
    for (part, count) in by_size(counts) {
        println!("{:7} {:12}  {part}", count.ready, count.frame);
        sum.ready += count.ready;
        sum.frame += count.frame;
    }
    println!("{:7} {:12}  in all", sum.ready, sum.frame);
}

/// Boots, lets one frame through, and gives the addresses of all instructions in the order in which they were translated.
fn boot(kind: Kind, kernel: &Path) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let option: &'static str = log.to_str().expect("a path of text").to_owned().leak();
    let setup = Setup {
        kind,
        boots: Boots::Kernel(kernel.into()),
        arguments: vec!["-d", "in_asm", "-D", option],
        ..Setup::default()
    };
    let rig = Rig::ready(&setup, &example("lab.toml"));
    rig.settle_from_dmz();
    drop(rig);
    let log = std::fs::read_to_string(&log).expect("QEMU's log");
    log.lines().filter_map(address).collect()
}

/// Of a line such as `0x00100050:  fa                       cli`.
fn address(line: &str) -> Option<u64> {
    let (digits, _) = line.strip_prefix("0x")?.split_once(':')?;
    u64::from_str_radix(digits, 16).ok()
}

fn count(addresses: &[u64], symbols: &Loader) -> BTreeMap<String, Count> {
    let mut seen = HashSet::new();
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut is_ready = false;
    for &address in addresses {
        is_ready |= symbols
            .find_symbol(address)
            .is_some_and(|symbol| symbol.contains(LOOP));
        if seen.insert(address) {
            let count = counts.entry(part(address, symbols)).or_default();
            match is_ready {
                false => count.ready += 1,
                true => count.frame += 1,
            }
        }
    }
    assert!(is_ready, "{LOOP} never ran: is this the firewall's kernel?");
    counts
}

/// The folder or package that an instruction comes from. The standard library's code counts for whoever it is inlined into.
fn part(address: u64, symbols: &Loader) -> String {
    let mut frames = symbols.find_frames(address).expect("debug information");
    while let Ok(Some(frame)) = frames.next() {
        if let Some(part) = frame.location.and_then(|at| of_file(at.file?)) {
            return part;
        }
    }
    match symbols.find_symbol(address) {
        Some(_) => "core, alloc, assembly".into(),
        None => "firmware".into(),
    }
}

/// Files are named as `kernel/build.sh` has them named.
fn of_file(file: &str) -> Option<String> {
    if let Some(file) = file.strip_prefix("/sekisho/source/") {
        let (folder, _) = file.split_once("/src/")?;
        return Some(folder.into());
    }
    let (package, _) = file.strip_prefix("/sekisho/packages/")?.split_once('/')?;
    Some(package.into())
}

fn by_size(counts: BTreeMap<String, Count>) -> Vec<(String, Count)> {
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_by_key(|(_, count)| std::cmp::Reverse(count.ready + count.frame));
    list
}

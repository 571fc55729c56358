//! Tests that need root.
//!
//! Such a test begins with
//!
//! ```no_run
//! # fn a_test() {
//! if sekisho_tests::skip::without_root("real hosts need network namespaces") {
//!     return;
//! }
//! # }
//! ```
//!
//! A skipped test counts as passed for the harness, so it leaves a line in the file
//! that the variable [`LIST`] names; `./check` counts those lines.

use std::fs::OpenOptions;
use std::io::Write;

/// The environment variable with the path of the list of skipped tests.
pub const LIST: &str = "SEKISHO_SKIPPED";

/// Whether this test has to be skipped; if so, that is printed and listed.
/// As root nothing is ever skipped.
pub fn without_root(reason: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return false;
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    println!("SKIPPED: {name}: {reason}");
    if let Some(path) = std::env::var_os(LIST) {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut list| writeln!(list, "{name}: {reason}"))
            .unwrap_or_else(|error| {
                panic!(
                    "cannot note in {} that {name} is skipped: {error}",
                    path.display()
                )
            });
    }
    true
}

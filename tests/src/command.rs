//! The command `sekisho`, built from the sources that are being tested.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::kernel;

/// The program, which cargo brings up to date first.
///
/// # Panics
/// When it cannot be built.
pub fn path() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let built = Command::new("cargo")
            .args(["build", "--quiet", "--bin", "sekisho"])
            .current_dir(kernel::repository())
            .output()
            .expect("cargo");
        assert!(built.status.success(), "{}", said(&built));
        let test = std::env::current_exe().expect("a test is a file");
        let target = test.ancestors().nth(3).expect("target/PROFILE/deps/TEST");
        target.join("debug/sekisho")
    };
    BUILT.get_or_init(build).clone()
}

/// Runs it to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    let mut command = Command::new(path());
    command.args(arguments).output().expect("it starts")
}

/// What a program printed, both ways.
pub fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    text.concat()
}

/// Panics unless a program ended well.
#[track_caller]
pub fn expect_success(output: &Output) {
    assert!(
        output.status.success(),
        "{:?}: {}",
        output.status,
        said(output)
    );
}

//! Where the kernel's ELF files are.

use std::path::PathBuf;

/// The environment variable with the folder of the kernel's ELF files, where it is not the usual one.
pub const FOLDER: &str = "SEKISHO_KERNELS";

/// The repository's top folder.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is a folder of the repository")
        .to_owned()
}

/// The firewall.
///
/// # Panics
/// When it has not been built, with the command that does it.
pub fn firewall() -> PathBuf {
    built("sekisho-kernel")
}

/// The same driver without the engine, for measuring.
///
/// # Panics
/// When it has not been built, with the command that does it.
pub fn wire() -> PathBuf {
    built("sekisho-wire")
}

fn built(name: &str) -> PathBuf {
    let folder = std::env::var_os(FOLDER).map_or_else(
        || repository().join("target/x86_64-unknown-linux-gnu/kernel"),
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "there is no {}; build it: ./run --build-only",
        path.display()
    );
    path
}

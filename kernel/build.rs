//! Links the kernel as a freestanding ELF with its own memory layout.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rerun-if-changed=kernel.ld");
    // How much of the log is compiled in.
    println!("cargo:rustc-env=DEFMT_LOG=info");
    for arg in [
        "-nostdlib",
        "-nostartfiles",
        "-static",
        "-no-pie",
        "-Wl,--build-id=sha1",
        "-Wl,-z,noexecstack",
        "-Wl,-z,max-page-size=4096",
        "-Wl,--no-dynamic-linker",
        &format!("-Wl,-T{dir}/kernel.ld"),
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}

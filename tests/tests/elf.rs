//! The kernel's ELF files need nobody: no loader, no operating system; and no page of them
//! can be both written and executed.

use std::fs;
use std::path::{Path, PathBuf};

use sekisho_tests::elf::Audit;
use sekisho_tests::kernel;

const NOTHING: [String; 0] = [];

fn audit(audit: &Audit) {
    assert_eq!(audit.needs_of_a_loader(), NOTHING, "it is static");
    assert_eq!(audit.relocations(), NOTHING);
    assert_eq!(audit.undefined_symbols(), NOTHING);
    assert_eq!(
        audit.loose_permissions(),
        NOTHING,
        "text is not writable, data not executable"
    );
    assert_eq!(audit.shared_pages(), NOTHING);
    assert!(audit.code_bytes() > 10_000, "there is code to look at");
    assert_eq!(audit.system_calls(), NOTHING);
    let entry = audit.pvh_entry().expect("a PVH note");
    assert!(
        audit.is_code(entry),
        "PVH enters at {entry:#x}, which is no code"
    );
}

#[test]
fn the_firewall_stands_alone() {
    audit(&Audit::read(&kernel::firewall()));
}

#[test]
fn nothing_in_them_says_where_they_were_built() {
    let home = |variable, below: &str| {
        let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(below));
        std::env::var_os(variable).map(PathBuf::from).or(home)
    };
    let folders = [
        Some(kernel::repository()),
        home("CARGO_HOME", ".cargo"),
        home("RUSTUP_HOME", ".rustup"),
        home("HOME", ""),
    ];
    for kernel in [kernel::firewall(), kernel::wire()] {
        let bytes = fs::read(&kernel).expect("the kernel");
        let says = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(says(b"/sekisho/source"), "the source's folder has a name");
        for folder in folders.iter().flatten() {
            let begins = folder.join("").into_os_string().into_encoded_bytes();
            assert!(
                begins.len() < 3 || !says(&begins),
                "{} contains {}; build it with kernel/build.sh",
                kernel.display(),
                folder.display()
            );
        }
    }
}

#[test]
fn the_wire_stands_alone() {
    audit(&Audit::read(&kernel::wire()));
}

#[test]
fn the_cards_barriers_are_some_under_qemu_as_well() {
    for kernel in [kernel::firewall(), kernel::wire()] {
        let barriers = Audit::read(&kernel).barriers();
        assert!(
            barriers.len() > 3,
            "{}: only {barriers:?}",
            kernel.display()
        );
    }
    // The firewall has some of another kind: of a crate that reads drives, and waits for each answer.
    assert_eq!(Audit::read(&kernel::wire()).weak_barriers(), NOTHING);
}

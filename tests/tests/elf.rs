//! The kernel's ELF files need nobody: no loader, no operating system; and no page of them
//! can be both written and executed.

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
fn the_wire_stands_alone() {
    audit(&Audit::read(&kernel::wire()));
}

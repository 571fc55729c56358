//! A short soak: `./bench --soak` does the same for as long as one likes.

use std::time::Duration;

use sekisho_qemu::{Model, Offloads};
use sekisho_tests::firewall::Setup;
use sekisho_tests::skip;
use sekisho_tests::soak::{Plan, run};

fn soak(setup: Setup) {
    if skip::without_root("real hosts need network namespaces") {
        return;
    }
    let plan = Plan {
        setup,
        length: Duration::from_secs(4),
        flows: 4000,
    };
    let report = run(&plan, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.complaints.is_empty(), "{report}");
    let ledger = &report.ledger;
    let counts = [
        ledger.bytes_out.get(),
        ledger.bytes_in.get(),
        ledger.connections.get(),
        ledger.udp_flows.get(),
        ledger.wan.received.get(),
        ledger.dmz.received.get(),
    ];
    assert!(counts.iter().all(|count| *count > 0), "{report}");
}

#[test]
fn under_full_load_every_byte_is_right_and_every_frame_is_accounted_for() {
    soak(Setup::default());
}

#[test]
fn without_offloads_too() {
    soak(Setup {
        offloads: Offloads::None,
        ..Setup::default()
    });
}

#[test]
fn with_cards_of_intels_too() {
    soak(Setup {
        models: vec![Model::E1000],
        ..Setup::default()
    });
}

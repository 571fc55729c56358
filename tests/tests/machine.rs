//! The machine around the firewall: its cards, links, memory, power, clock and faults; no root.

use std::fs;
use std::time::{Duration, Instant};

use sekisho_qemu::{FAULT_STATUS, Kind, Model, Network};
use sekisho_tests::firewall::{Boots, Firewall, Handover, Setup, card, example};
use sekisho_tests::frames::Content;
use sekisho_tests::kernel;
use sekisho_tests::peer::Peer;
use sekisho_tests::rig::{DMZ_HOST, Rig, WAN, WAN_HOST};
use sekisho_tests::way::{arp_reply, arp_request};

const STOPPED: &str = "sekisho: stopped, nothing is forwarded";
const ALL_KINDS: [Kind; 4] = [Kind::Q35, Kind::Pc, Kind::Microvm, Kind::MicrovmAcpi];

fn on(kind: Kind) -> Setup {
    Setup {
        kind,
        ..Setup::default()
    }
}

/// Boots `examples/lab.toml` with as many cards, and returns the console up to where it stopped.
fn stopped(setup: &Setup, cards: usize) -> String {
    let nothing = (0..cards).map(|_| Network::Hub(Vec::new())).collect();
    let firewall = Firewall::boot(setup, Some(example("lab.toml").as_bytes()), nothing);
    firewall.console(|line| line == STOPPED);
    firewall.vm().lines().join("\n")
}

#[track_caller]
fn expect_says(console: &str, words: &str) {
    assert!(console.contains(words), "no \"{words}\" in:\n{console}");
}

#[test]
fn a_missing_card_is_named_with_its_zone() {
    for kind in ALL_KINDS {
        let none = stopped(&on(kind), 0);
        expect_says(
            &none,
            "zone wan has no card: the machine has 0 network cards",
        );
        let one = stopped(&on(kind), 1);
        expect_says(
            &one,
            "zone dmz has no card: the machine has 1 network cards",
        );
        expect_says(&one, "52:54:00:00:00:02");
    }
}

#[test]
fn the_console_begins_with_the_build() {
    let kernel = fs::read(kernel::firewall()).expect("the kernel");
    let build = sekisho_image::build_id(&kernel).expect("a build ID");
    for kind in ALL_KINDS {
        let begins = format!("sekisho {} build {build}: ", env!("CARGO_PKG_VERSION"));
        expect_says(&stopped(&on(kind), 0), &begins);
    }
}

#[test]
fn a_card_too_many_is_named() {
    for kind in ALL_KINDS {
        let console = stopped(&on(kind), 3);
        expect_says(
            &console,
            "3 cards for 2 zones: the card 52:54:00:00:00:03 at ",
        );
    }
}

#[test]
fn a_legacy_card_is_told_how_to_be_modern() {
    let setup = Setup {
        arguments: vec![
            "-netdev",
            "hubport,id=old,hubid=9",
            "-device",
            "virtio-net-pci,netdev=old,disable-modern=on,disable-legacy=off,mac=52:54:00:00:00:02",
        ],
        ..Setup::default()
    };
    expect_says(&stopped(&setup, 1), "disable-legacy=on");
    let setup = Setup {
        arguments: vec!["-global", "virtio-mmio.force-legacy=on"],
        ..on(Kind::Microvm)
    };
    expect_says(&stopped(&setup, 2), "-global virtio-mmio.force-legacy=off");
}

#[test]
fn cards_are_found_by_slot_where_the_configuration_says_so() {
    let text = example("lab.toml")
        .replace("card = \"52:54:00:00:00:01\"", "slot = 0")
        .replace("card = \"52:54:00:00:00:02\"", "slot = 1");
    assert!(text.contains("slot = 1"), "the example has changed");
    for kind in ALL_KINDS {
        let rig = Rig::ready(&on(kind), &text);
        rig.settle_from_wan();
        rig.settle_from_dmz();
    }
}

#[test]
fn cards_that_the_firmware_gave_no_place_get_one() {
    // qboot leaves PCI as it is.
    for kind in [Kind::Q35, Kind::Pc] {
        let setup = Setup {
            arguments: vec!["-bios", "qboot.rom"],
            ..on(kind)
        };
        let rig = Rig::ready(&setup, &example("lab.toml"));
        rig.settle_from_wan();
        rig.settle_from_dmz();
    }
}

#[test]
fn the_configuration_comes_by_the_firmware_device_too() {
    for kind in ALL_KINDS {
        let setup = Setup {
            handover: Handover::FwCfg,
            ..on(kind)
        };
        let rig = Rig::ready(&setup, &example("lab.toml"));
        rig.settle_from_wan();
    }
}

#[test]
fn two_zones_on_one_segment_are_noticed() {
    let rig = Rig::ready(&Setup::default(), &example("lab.toml"));
    // The test is the cable: what the WAN's card says is heard by the DMZ's card.
    rig.dmz.send(&arp_request(card(0), WAN, WAN_HOST));
    rig.firewall.console(|line| {
        line.contains("zones dmz and wan are on one segment")
            || line.contains("zones wan and dmz are on one segment")
    });
}

#[test]
fn a_host_with_the_firewalls_address_is_noticed() {
    let rig = Rig::ready(&Setup::default(), &example("lab.toml"));
    rig.wan
        .send(&arp_reply(rig.wan.mac, WAN, rig.wan.gateway, WAN_HOST));
    rig.firewall.console(|line| {
        line.contains("wan: the host 02:00:00:00:00:aa uses the firewall's own address")
    });
}

#[test]
fn a_link_that_goes_and_comes_is_followed() {
    for kind in ALL_KINDS {
        let rig = Rig::ready(&on(kind), &example("lab.toml"));
        rig.settle_from_dmz();
        let vm = rig.firewall.vm();
        vm.set_link(0, false).expect("the monitor answers");
        rig.firewall
            .console(|line| line == "sekisho: wan: link down");
        // The DMZ is served on.
        rig.dmz
            .send(&rig.dmz.to(WAN_HOST).udp(5, 5, b"into the dark"));
        rig.dmz.send(
            &rig.dmz
                .to(sekisho_tests::rig::DMZ)
                .echo(1, 1, b"still there?"),
        );
        rig.dmz.expect("an echo", |frame| frame.is_icmp(0));
        vm.set_link(0, true).expect("the monitor answers");
        rig.firewall.console(|line| line == "sekisho: wan: link up");
        rig.settle_from_dmz();
        rig.settle_from_wan();
        let totals = rig.firewall.power_off();
        totals.expect_conserved();
        assert_eq!(totals.drop("egress-down"), 1, "{totals:?}");
    }
}

#[test]
fn memory_from_16_mib_to_4_gib_and_four_processors_work() {
    /// Flows that each size has to hold at least.
    const SIZES: [(u32, u64); 3] = [(16, 16_384), (256, 1_000_000), (4096, 4_000_000)];
    let machines = ALL_KINDS
        .into_iter()
        .flat_map(|kind| SIZES.map(|size| (kind, size)));
    for (kind, (memory_mib, flows)) in machines {
        let setup = Setup {
            memory_mib,
            arguments: vec!["-smp", "4"],
            ..on(kind)
        };
        let rig = Rig::ready(&setup, &example("lab.toml"));
        rig.settle_from_wan();
        rig.settle_from_dmz();
        let tables = rig.firewall.tables();
        assert!(
            tables.room >= flows,
            "{memory_mib} MiB on {kind:?}: {tables:?}"
        );
        rig.firewall.power_off().expect_conserved();
    }
}

#[test]
fn without_random_numbers_nothing_is_forwarded() {
    let without = vec!["-cpu", "qemu64,-rdrand,-rdseed"];
    for kind in ALL_KINDS {
        let setup = Setup {
            seed: None,
            arguments: without.clone(),
            ..on(kind)
        };
        expect_says(&stopped(&setup, 2), "no source of random numbers");
        let device = match kind {
            Kind::Q35 | Kind::Pc => "virtio-rng-pci,disable-legacy=on",
            Kind::Microvm | Kind::MicrovmAcpi => "virtio-rng-device",
        };
        let with_device = [without.clone(), vec!["-device", device]].concat();
        let setup = Setup {
            seed: None,
            arguments: with_device,
            ..on(kind)
        };
        Rig::ready(&setup, &example("lab.toml")).settle_from_dmz();
        let setup = Setup {
            seed: None,
            ..on(kind)
        };
        Rig::ready(&setup, &example("lab.toml")).settle_from_dmz();
    }
}

#[test]
fn an_idle_machine_leaves_the_processor_alone() {
    const WATCHED: Duration = Duration::from_secs(2);
    for kind in ALL_KINDS {
        let rig = Rig::ready(&on(kind), &example("lab.toml"));
        rig.settle_from_dmz();
        let pid = rig.firewall.vm().pid();
        let (before, begin) = (processor_time(pid), Instant::now());
        // Nothing is awaited here: this is the time that is measured.
        std::thread::sleep(WATCHED);
        let share = (processor_time(pid) - before).as_secs_f64() / begin.elapsed().as_secs_f64();
        assert!(
            share < 0.1,
            "idle on {kind:?}, it takes {:.1} % of a processor",
            share * 100.0
        );
    }
}

/// The processor time that a process has taken so far.
fn processor_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("it runs");
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    assert!(!text.is_empty());
    let nanoseconds: u64 = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(nanoseconds)
}

#[test]
fn the_console_takes_commands() {
    let rig = Rig::ready(&Setup::default(), &example("lab.toml"));
    rig.settle_from_wan();
    let vm = rig.firewall.vm();
    for (typed, answer) in [
        ("status\r", "status: zone wan link up address 192.0.2.1/24"),
        ("status\r", "status: looks for work "),
        ("counters\r", "counters: received "),
        (
            "conters\x7f\r",
            "commands: counters, status, poweroff, reboot, help",
        ),
        (
            "help\n",
            "commands: counters, status, poweroff, reboot, help",
        ),
    ] {
        let first = vm.lines().len();
        vm.type_keys(typed.as_bytes()).expect("the console is open");
        vm.wait_from(first, |line| line.contains(answer), Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("after {typed:?}: {error}"));
    }
    // QEMU is told to end where a machine would restart.
    vm.type_keys(b"reboot\r").expect("the console is open");
    rig.firewall.wait_for_end();
}

/// What must be caught, and what the report calls it.
const FAULTS: [(&str, &str); 10] = [
    ("fault=write-text", "page fault, write"),
    ("fault=write-constant", "page fault, write"),
    ("fault=execute-data", "page fault, execution"),
    ("fault=read-ring0", "page fault, read"),
    ("fault=null", "page fault, read"),
    ("fault=stack-overflow", "page fault, write"),
    ("fault=privileged", "general protection"),
    ("fault=port", "general protection"),
    ("fault=panic", "panic: on purpose"),
    ("fault=allocate", "panic: "),
];

#[test]
fn each_fault_is_reported_and_ends_the_machine() {
    for kind in ALL_KINDS {
        for (word, name) in FAULTS {
            let setup = Setup {
                words: vec![word],
                ..on(kind)
            };
            let (wan, dmz) = (
                Peer::new([2; 6], WAN_HOST, card(0)),
                Peer::new([2; 6], DMZ_HOST, card(1)),
            );
            let networks = vec![wan.network(), dmz.network()];
            let firewall = Firewall::boot(&setup, Some(example("lab.toml").as_bytes()), networks);
            firewall.console(|line| line.contains(name));
            firewall.console(|line| line == "sekisho: stopped, nothing is forwarded; leaving");
            let status = firewall
                .vm()
                .wait_exit(Duration::from_secs(30))
                .expect("it leaves");
            assert_eq!(status.code(), Some(FAULT_STATUS), "{word} on {kind:?}");
        }
    }
}

#[test]
fn after_a_fault_the_machine_restarts_if_not_told_otherwise() {
    let setup = Setup {
        words: vec!["fault=null"],
        exit_on_fault: false,
        ..Setup::default()
    };
    let nothing = vec![Network::Hub(Vec::new()), Network::Hub(Vec::new())];
    let firewall = Firewall::boot(&setup, Some(example("lab.toml").as_bytes()), nothing);
    firewall
        .console(|line| line == "sekisho: stopped, nothing is forwarded; restarting in 3 seconds");
    // QEMU ends where a machine would restart.
    let status = firewall
        .vm()
        .wait_exit(Duration::from_secs(30))
        .expect("it ends");
    assert!(status.success(), "{status}");
}

#[test]
fn the_wire_carries_frames_as_they_are() {
    let virtio = ALL_KINDS.map(|kind| (kind, Model::Virtio));
    for (kind, model) in virtio.into_iter().chain([(Kind::Q35, Model::E1000)]) {
        let setup = Setup {
            boots: Boots::Kernel(kernel::wire()),
            models: vec![model],
            ..on(kind)
        };
        let rig = Rig::boot(&setup, None);
        rig.firewall.console(|line| line == "sekisho-wire: ready");
        let (wan, dmz) = (&rig.wan, &rig.dmz);
        for (from, to) in [(wan, dmz), (dmz, wan)] {
            from.send(&arp_request(from.mac, from.ip, to.ip));
            let frame = to.expect("the request", |frame| {
                matches!(frame.content, Content::ArpRequest { .. })
            });
            assert_eq!(
                (frame.source_mac, frame.destination_mac),
                (from.mac, [0xff; 6])
            );
            // Hosts on one segment speak to each other, not to the card between them.
            to.send(&arp_reply(to.mac, to.ip, from.mac, from.ip));
            let frame = from.expect("the answer", |frame| {
                matches!(frame.content, Content::ArpReply { .. })
            });
            assert_eq!(
                (frame.source_mac, frame.destination_mac),
                (to.mac, from.mac)
            );
        }
    }
}

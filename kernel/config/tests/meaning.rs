//! What a configuration means where it says nothing, and what is worth a warning.
//!
//! A template holds a valid file; each test changes one thing.

use std::time::Duration;

use sekisho_config::model::{
    Answer, Behavior, Card, DnsOption, Filtering, Limits, Mapping, Nat, Place, PortRange, Preset,
    RouterOption, Service, Timeouts, ZoneId,
};
use sekisho_config::{Checked, check};

/// Two zones with fixed addresses, and whatever a test adds before and after them.
struct File<'a> {
    top: &'a str,
    wan: &'a str,
    dmz: &'a str,
    tables: &'a str,
}

const FILE: File = File {
    top: "",
    wan: "address = \"192.0.2.1/24\"",
    dmz: "",
    tables: "",
};

const SILENT: Answer = Answer {
    echo: false,
    errors: false,
    refuse: false,
};

const INSIDE: Answer = Answer {
    echo: true,
    errors: true,
    refuse: false,
};

impl File<'_> {
    fn checked(&self) -> Checked {
        let Self {
            top,
            wan,
            dmz,
            tables,
        } = self;
        let text = format!(
            "version = 1\n{top}\n[zone.wan]\nslot = 0\n{wan}\n\
             [zone.dmz]\nslot = 1\naddress = \"10.99.0.1/24\"\n{dmz}\n{tables}\n"
        );
        check(text.as_bytes()).unwrap_or_else(|report| panic!("{text}\n{report}"))
    }

    fn answers(&self) -> [Answer; 2] {
        let zones = self.checked().config.zones;
        [zones[0].answer, zones[1].answer]
    }

    fn warnings(&self) -> Vec<String> {
        let warnings = self.checked().warnings;
        warnings
            .into_iter()
            .map(|warning| warning.message)
            .collect()
    }
}

fn zone(index: usize) -> Place {
    Place::Zone(ZoneId::new(index).expect("the index is small"))
}

#[test]
fn a_file_of_zones_alone_lets_nothing_through_and_has_every_default() {
    let Checked { config, warnings } = FILE.checked();
    assert!(config.rules.is_empty() && config.forwards.is_empty() && config.routes.is_empty());
    assert!(config.nat.masquerade.is_empty());
    assert_eq!(config.nat.behavior, Preset::Rfc.behavior());
    assert!(!config.nat.port_overlapping);
    assert_eq!(config.timeouts, Timeouts::default());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.zones[0].mtu, 1500);
    assert!(!config.zones[0].allow_private_sources);
    assert!(warnings.is_empty());
}

#[test]
fn zones_keep_the_order_of_the_file() {
    let zones = FILE.checked().config.zones;
    let names: Vec<_> = zones
        .iter()
        .map(|zone| (zone.name.as_str(), zone.card))
        .collect();
    assert_eq!(names, [("wan", Card::Slot(0)), ("dmz", Card::Slot(1))]);
}

#[test]
fn only_zones_inside_answer_by_default() {
    assert_eq!(FILE.answers(), [INSIDE, INSIDE]);
    let dhcp = File {
        wan: "address = \"dhcp\"",
        ..FILE
    };
    assert_eq!(dhcp.answers(), [SILENT, INSIDE]);
    let gateway = File {
        wan: "address = \"192.0.2.1/24\"\ngateway = \"192.0.2.2\"",
        ..FILE
    };
    assert_eq!(gateway.answers(), [SILENT, INSIDE]);
    let masquerade = "[nat]\nmasquerade = [{ from = \"dmz\", to = \"wan\" }]";
    assert_eq!(
        File {
            tables: masquerade,
            ..FILE
        }
        .answers(),
        [SILENT, INSIDE]
    );
    let forward = "forward = [{ from = \"wan\", service = \"tcp/80\", to = \"10.99.0.2\" }]";
    assert_eq!(
        File {
            top: forward,
            ..FILE
        }
        .answers(),
        [SILENT, INSIDE]
    );
}

#[test]
fn what_a_zone_says_about_answers_holds() {
    let refuse = Answer {
        refuse: true,
        ..SILENT
    };
    let file = File {
        wan: "address = \"dhcp\"\nanswer = [\"refuse\"]",
        dmz: "answer = []",
        ..FILE
    };
    assert_eq!(file.answers(), [refuse, SILENT]);
}

#[test]
fn clients_get_a_router_only_where_a_rule_lets_them_out() {
    let dmz = "dhcp = { range = \"10.99.0.100-10.99.0.199\" }";
    for (top, router) in [
        ("", RouterOption::None),
        (
            "rule = [{ from = \"dmz\", to = \"wan\", action = \"accept\" }]",
            RouterOption::Own,
        ),
        ("rule = [{ action = \"accept\" }]", RouterOption::Own),
        (
            "rule = [{ from = \"dmz\", to = \"wan\", action = \"drop\" }]",
            RouterOption::None,
        ),
        (
            "rule = [{ from = \"dmz\", to = \"self\", action = \"accept\" }]",
            RouterOption::None,
        ),
        (
            "rule = [{ from = \"wan\", action = \"accept\" }]",
            RouterOption::None,
        ),
    ] {
        let config = File { top, dmz, ..FILE }.checked().config;
        let dhcp = config.zones[1].dhcp.as_ref().expect("the zone has DHCP");
        assert_eq!(dhcp.router, router, "{top}");
        assert_eq!(dhcp.lease, Duration::from_secs(12 * 3600));
    }
}

#[test]
fn clients_get_the_name_servers_of_an_upstream_if_there_is_one() {
    let dmz = "dhcp = { range = \"10.99.0.100-10.99.0.199\" }";
    for (wan, dns) in [
        ("address = \"dhcp\"", DnsOption::Upstream),
        (FILE.wan, DnsOption::Fixed(vec![])),
    ] {
        let config = File { wan, dmz, ..FILE }.checked().config;
        let dhcp = config.zones[1].dhcp.as_ref().expect("the zone has DHCP");
        assert_eq!(dhcp.dns, dns);
    }
}

#[test]
fn rules_without_a_name_are_called_by_their_position() {
    let top = "rule = [{ name = \"first\", from = \"dmz\", to = \"wan\", action = \"drop\" }, { action = \"drop\" }]";
    let rules = File { top, ..FILE }.checked().config.rules;
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["first", "rule-2"]);
}

#[test]
fn a_rule_takes_one_value_or_several() {
    let top = "rule = [{ from = [\"dmz\", \"self\"], to = \"wan\", src = [\"10.99.0.2\", \"@s\"], \
               service = [\"tcp\", \"@w\"], action = \"reject\" }]";
    let tables = "[set]\ns = \"2001:db8::/32\"\n[service]\nw = [\"udp/1-2\", \"icmp\"]";
    let config = File {
        top,
        tables,
        ..FILE
    }
    .checked()
    .config;
    let rule = &config.rules[0];
    assert_eq!(rule.from, [zone(1), Place::Own]);
    assert_eq!(rule.to, [zone(0)]);
    let src: Vec<_> = rule.src.iter().map(ToString::to_string).collect();
    assert_eq!(src, ["10.99.0.2/32", "2001:db8::/32"]);
    let ports = |first, last| PortRange { first, last };
    let expected = [
        Service::Tcp(ports(0, 65_535)),
        Service::Udp(ports(1, 2)),
        Service::Icmp(None),
    ];
    assert_eq!(rule.service, expected);
    assert!(rule.dst.is_empty());
}

#[test]
fn forwards_share_a_port_where_their_sources_are_apart() {
    let top = "forward = [\
        { name = \"a\", from = \"wan\", service = \"tcp/22\", to = \"10.99.0.2\", sources = \"198.51.100.0/25\" },\
        { name = \"b\", from = \"wan\", service = \"tcp/22\", to = \"10.99.0.3\", sources = \"198.51.100.128/25\" },\
        { name = \"c\", from = \"wan\", service = \"udp/22\", to = \"10.99.0.4:2222\" }]";
    let forwards = File { top, ..FILE }.checked().config.forwards;
    assert_eq!(forwards.len(), 3);
    assert_eq!(forwards[2].servers[0].port, Some(2222));
}

#[test]
fn a_forward_may_lead_behind_a_router() {
    let top = "forward = [{ from = \"wan\", service = \"tcp/80\", to = \"10.50.1.2\" }]";
    let tables = "[[route]]\nto = \"10.50.0.0/16\"\nvia = \"10.99.0.254\"";
    let config = File {
        top,
        tables,
        ..FILE
    }
    .checked()
    .config;
    assert_eq!(Place::Zone(config.forwards[0].servers[0].zone), zone(1));
    assert_eq!(Place::Zone(config.routes[0].zone), zone(1));
}

#[test]
fn times_below_what_an_rfc_asks_for_get_a_warning() {
    let low = "[timeout]\nudp = \"1m59s\"\ntcp_established = \"2h\"\nicmp = \"59s\"\ntcp_opening = \"30s\"";
    assert_eq!(
        File {
            tables: low,
            ..FILE
        }
        .warnings(),
        [
            "`udp` is shorter than RFC 4787 REQ-5 asks for",
            "`tcp_established` is shorter than RFC 5382 REQ-5 asks for",
            "`icmp` is shorter than RFC 5508 REQ-2 asks for",
        ]
    );
    let right = "[timeout]\nudp = \"2m\"\ntcp_established = \"2h4m\"\nicmp = \"60s\"";
    assert!(
        File {
            tables: right,
            ..FILE
        }
        .warnings()
        .is_empty()
    );
}

fn nat(lines: &str) -> Nat {
    let tables = format!("[nat]\n{lines}");
    File {
        tables: &tables,
        ..FILE
    }
    .checked()
    .config
    .nat
}

const ONE: &str = "masquerade = [{ from = \"dmz\", to = \"wan\" }]";

#[test]
fn a_masquerade_entry_takes_what_it_does_not_say_from_nat() {
    let nat = nat("mapping = \"address-dependent\"\nport_parity = true\n\
        masquerade = [{ from = \"dmz\", to = \"wan\", filtering = \"endpoint-independent\", hairpin = false }]");
    let expected = Behavior {
        mapping: Mapping::AddressDependent,
        port_parity: true,
        ..Preset::Rfc.behavior()
    };
    assert_eq!(nat.behavior, expected);
    let entry = Behavior {
        filtering: Filtering::EndpointIndependent,
        hairpin: false,
        ..expected
    };
    assert_eq!(nat.masquerade[0].behavior, entry);
}

#[test]
fn the_linux_preset_is_netfilters_and_explicit_keys_override_it() {
    let linux = nat(&format!("preset = \"linux\"\n{ONE}"));
    assert_eq!(linux.preset, Preset::Linux);
    let symmetric = Behavior {
        mapping: Mapping::AddressAndPortDependent,
        filtering: Filtering::AddressAndPortDependent,
        port_preservation: true,
        port_parity: false,
        hairpin: false,
    };
    assert_eq!(
        (linux.behavior, linux.masquerade[0].behavior),
        (symmetric, symmetric)
    );
    assert!(linux.port_overlapping);
    let alone = nat(&format!(
        "preset = \"linux\"\nport_overlapping = false\n{ONE}"
    ));
    assert!(!alone.port_overlapping);
    // Where another mapping or filtering makes sharing unsound, the preset does not insist on it.
    let cone = nat(&format!(
        "preset = \"linux\"\nmapping = \"endpoint-independent\"\nhairpin = true\n{ONE}"
    ));
    assert!(!cone.port_overlapping && cone.behavior.hairpin);
    assert_eq!(cone.behavior.filtering, Filtering::AddressAndPortDependent);
}

#[test]
fn outside_addresses_may_be_shared_by_masquerading_and_are_outside() {
    let tables = "[zone.lan]\nslot = 2\naddress = \"10.98.0.1/24\"\n[nat]\nmasquerade = [\
        { from = \"dmz\", to = \"wan\", address = \"192.0.2.7\" },\
        { from = \"lan\", to = \"wan\", address = \"192.0.2.7\" }]";
    let nat = File { tables, ..FILE }.checked().config.nat;
    let seven = Some(std::net::Ipv4Addr::new(192, 0, 2, 7));
    assert!(nat.masquerade.iter().all(|entry| entry.address == seven));
    let alone = "[nat]\none_to_one = [{ inside = \"10.99.0.2\", outside = \"198.51.100.1\", to = \"wan\" }]";
    let file = File {
        tables: alone,
        ..FILE
    };
    assert_eq!(file.answers(), [SILENT, INSIDE]);
    let entry = file.checked().config.nat.one_to_one[0];
    assert_eq!(
        (Place::Zone(entry.from), Place::Zone(entry.to)),
        (zone(1), zone(0))
    );
}

#[test]
fn idle_times_default_to_the_presets() {
    let times = |tables| File { tables, ..FILE }.checked().config.timeouts;
    let linux = times("[nat]\npreset = \"linux\"\n[timeout]\ntcp_established = \"3h\"");
    let seconds = Duration::from_secs;
    assert_eq!(
        (linux.udp_unanswered, linux.udp),
        (seconds(30), seconds(120))
    );
    assert_eq!(
        (linux.tcp_opening, linux.tcp_closing),
        (seconds(120), seconds(120))
    );
    assert_eq!((linux.icmp, linux.other), (seconds(30), seconds(600)));
    assert_eq!(linux.tcp_established, seconds(10_800));
    let default = times("[nat]\npreset = \"linux\"").tcp_established;
    assert_eq!(default, seconds(432_000));
    // One time for UDP is for all of it.
    let one = times("[timeout]\nudp = \"3m\"");
    assert_eq!((one.udp_unanswered, one.udp), (seconds(180), seconds(180)));
    let two = times("[timeout]\nudp = \"3m\"\nudp_unanswered = \"2m\"");
    assert_eq!((two.udp_unanswered, two.udp), (seconds(120), seconds(180)));
}

#[test]
fn what_nothing_refers_to_gets_a_warning() {
    let tables = "[set]\nspare = \"10.0.0.0/8\"\n[service]\nweb = \"tcp/80\"";
    let expected = [
        "the set `spare` is not used",
        "the service `web` is not used",
    ];
    assert_eq!(File { tables, ..FILE }.warnings(), expected);
}

#[test]
fn a_rule_behind_one_that_takes_its_traffic_gets_a_warning() {
    let hidden = "rule = [{ name = \"all\", from = \"dmz\", action = \"accept\" },\
                  { name = \"late\", from = \"dmz\", to = \"wan\", service = \"tcp/25\", action = \"drop\" }]";
    assert_eq!(
        File {
            top: hidden,
            ..FILE
        }
        .warnings(),
        ["rule `late` is never reached"]
    );
    let reached = "rule = [{ name = \"all\", from = \"dmz\", to = \"wan\", action = \"accept\" },\
                   { name = \"late\", to = \"wan\", action = \"drop\" }]";
    assert!(
        File {
            top: reached,
            ..FILE
        }
        .warnings()
        .is_empty()
    );
}

#[test]
fn thousands_of_rules_fit_into_the_largest_file() {
    let rule = |number: usize| {
        let (high, low) = (number / 250, number % 250 + 1);
        let port = 1000 + number;
        format!("{{src=\"203.0.{high}.{low}\",service=\"tcp/{port}\",action=\"drop\"}},\n")
    };
    let rules: String = (0..4800).map(rule).collect();
    let last = "{ from = \"dmz\", to = \"wan\", action = \"accept\" }";
    let config = File {
        top: &format!("rule = [\n{rules}{last}]"),
        ..FILE
    }
    .checked()
    .config;
    assert_eq!(config.rules.len(), 4801);
}

#[test]
fn ftp_is_read_only_where_it_is_switched_on() {
    let ports = |first, last| PortRange { first, last };
    let read = |tables| {
        let file = File { tables, ..FILE };
        (file.checked().config.alg.ftp, file.warnings().len())
    };
    assert_eq!(read(""), (vec![], 0));
    assert_eq!(read("[alg]"), (vec![], 0));
    assert_eq!(read("[alg]\nftp = false"), (vec![], 0));
    assert_eq!(read("[alg]\nftp = true"), (vec![ports(21, 21)], 0));
    let named = "[alg]\nftp = true\nftp_service = [\"@ftp\", \"tcp/2100-2110\"]\n[service]\nftp = \"tcp/2021\"";
    assert_eq!(read(named), (vec![ports(2021, 2021), ports(2100, 2110)], 0));
    assert_eq!(read("[alg]\nftp_service = \"tcp/21\""), (vec![], 1));
}

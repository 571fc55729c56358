//! The names of all keys, once: the readers refuse every other, and the
//! reference in `docs/configuration.md` is tested to describe each of them.

/// A table of the language and the keys that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// As a person writes it, for messages: `[zone.NAME]`.
    pub title: &'static str,
    /// All keys.
    pub keys: &'static [&'static str],
}

/// The top of the file.
pub const ROOT: Schema = Schema {
    title: "the top of the file",
    keys: &[
        "version", "zone", "set", "service", "rule", "forward", "route", "nat", "alg", "tcp",
        "timeout", "limits",
    ],
};

/// One zone.
pub const ZONE: Schema = Schema {
    title: "[zone.NAME]",
    keys: &[
        "card",
        "slot",
        "address",
        "gateway",
        "mtu",
        "allow_private_sources",
        "answer",
        "dhcp",
    ],
};

/// A zone's DHCP server.
pub const DHCP: Schema = Schema {
    title: "dhcp = { ... }",
    keys: &["range", "lease", "router", "dns", "reservations", "domain"],
};

/// A fixed DHCP address.
pub const RESERVATION: Schema = Schema {
    title: "reservations = [{ ... }]",
    keys: &["mac", "address"],
};

/// A filter rule.
pub const RULE: Schema = Schema {
    title: "rule = [{ ... }]",
    keys: &[
        "name", "from", "to", "src", "dst", "service", "action", "log",
    ],
};

/// A port forward.
pub const FORWARD: Schema = Schema {
    title: "forward = [{ ... }]",
    keys: &["name", "from", "service", "to", "balance", "sources", "log"],
};

/// A static route.
pub const ROUTE: Schema = Schema {
    title: "[[route]]",
    keys: &["to", "via"],
};

/// Address translation.
pub const NAT: Schema = Schema {
    title: "[nat]",
    keys: &[
        "preset",
        "masquerade",
        "one_to_one",
        "mapping",
        "filtering",
        "port_preservation",
        "port_parity",
        "port_overlapping",
        "hairpin",
    ],
};

/// One direction of masquerading.
pub const MASQUERADE: Schema = Schema {
    title: "masquerade = [{ ... }]",
    keys: &[
        "from",
        "to",
        "address",
        "mapping",
        "filtering",
        "port_preservation",
        "port_parity",
        "hairpin",
    ],
};

/// Static translation.
pub const ONE_TO_ONE: Schema = Schema {
    title: "one_to_one = [{ ... }]",
    keys: &["inside", "outside", "to"],
};

/// Application-level gateways.
pub const ALG: Schema = Schema {
    title: "[alg]",
    keys: &["ftp", "ftp_service"],
};

/// How strictly TCP is tracked.
pub const TCP: Schema = Schema {
    title: "[tcp]",
    keys: &["loose"],
};

/// Idle times.
pub const TIMEOUT: Schema = Schema {
    title: "[timeout]",
    keys: &[
        "udp",
        "udp_unanswered",
        "tcp_opening",
        "tcp_established",
        "tcp_closing",
        "icmp",
        "other",
    ],
};

/// Bounds.
pub const LIMITS: Schema = Schema {
    title: "[limits]",
    keys: &[
        "flows",
        "flows_per_source",
        "new_flows_per_second_per_source",
        "adaptive_start",
        "adaptive_end",
        "syn_cookies",
        "icmp_errors_per_second",
        "log_lines_per_second",
    ],
};

/// Every table with fixed keys; `[set]` and `[service]` take names of your choice.
pub const ALL: [Schema; 14] = [
    ROOT,
    ZONE,
    DHCP,
    RESERVATION,
    RULE,
    FORWARD,
    ROUTE,
    NAT,
    MASQUERADE,
    ONE_TO_ONE,
    ALG,
    TCP,
    TIMEOUT,
    LIMITS,
];

//! Configurations that many tests start from.

use sekisho_config::model::Config;

use super::world::World;

/// The usual three zones (wan, dmz, lan) with `more` behind them; `top` comes first.
pub fn three_zones(top: &str, more: &str) -> String {
    format!(
        r#"version = 1
{top}
[zone.wan]
slot = 0
address = "203.0.113.1/24"
gateway = "203.0.113.254"
[zone.dmz]
slot = 1
address = "10.99.0.1/24"
[zone.lan]
slot = 2
address = "10.98.0.1/24"
{more}
"#
    )
}

/// Masquerading from both inside zones, everything from inside allowed.
pub fn masquerading() -> World {
    World::new(&three_zones(
        r#"rule = [
            { name = "out", from = ["dmz", "lan"], to = "wan", action = "accept" },
            { name = "across", from = "lan", to = "dmz", action = "accept" },
        ]"#,
        r#"[nat]
        masquerade = [{ from = "dmz", to = "wan" }, { from = "lan", to = "wan" }]"#,
    ))
}

/// No translation, every way allowed.
pub fn routing() -> World {
    World::new(&three_zones(
        r#"rule = [{ name = "all", action = "accept" }]"#,
        "",
    ))
}

/// A checked configuration.
pub fn config(text: &str) -> Config {
    sekisho_config::parse(text.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
}

//! The policies that are measured.

/// How many rules the usual policy has.
pub const FEW: u32 = 5;
/// How many the large one has.
pub const MANY: u32 = 5000;

/// The firewall's configuration: `rules` rules, of which the last lets the DMZ out and the others match nothing.
pub fn configuration(rules: u32) -> String {
    let others: String = (0..rules - 1)
        .map(|n| {
            let (high, low) = (n / 250, n % 250);
            format!("{{name=\"r{n}\",dst=\"203.{high}.{low}.1\",action=\"drop\"}},\n")
        })
        .collect();
    format!(
        r#"version = 1
rule = [
{others}{{ name = "out", from = "dmz", to = "wan", action = "accept" }},
]
forward = [{{ name = "generator", from = "wan", service = "@generator", to = "10.99.0.2" }}]
[zone.wan]
card = "52:54:00:00:00:01"
address = "192.0.2.1/24"
[zone.dmz]
card = "52:54:00:00:00:02"
address = "10.99.0.1/24"
[service]
generator = ["tcp/7000", "tcp/5201", "udp/7001", "udp/7002"]
[nat]
masquerade = [{{ from = "dmz", to = "wan" }}]
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_policies_are_valid_and_have_as_many_rules_as_they_should() {
        for rules in [FEW, MANY] {
            let config = sekisho_config::parse(configuration(rules).as_bytes())
                .unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(config.rules.len(), rules as usize);
        }
    }
}

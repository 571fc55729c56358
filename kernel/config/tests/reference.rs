//! `docs/configuration.md` describes the language as it is: every key in its
//! section, and examples that are accepted.

use sekisho_config::schema::{ALL, Schema};
use sekisho_config::{Diagnostic, check, parse};

const REFERENCE: &str = include_str!("../../../docs/configuration.md");

/// The text from a heading to the next.
fn section(title: &str) -> Option<String> {
    let mut lines = REFERENCE.lines();
    let heading = |line: &str| {
        line.starts_with('#')
            .then(|| line.trim_start_matches('#').trim().to_owned())
    };
    lines.find(|line| heading(line).is_some_and(|found| found.eq_ignore_ascii_case(title)))?;
    let body = lines.take_while(|line| heading(line).is_none());
    Some(body.collect::<Vec<_>>().join("\n"))
}

/// The blocks of the reference in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    let parts = REFERENCE.split(opening.as_str()).skip(1);
    parts.filter_map(|part| part.split("```").next()).collect()
}

/// Cells of a row of four: key, default, meaning, what a wrong value gets.
fn row<'a>(section: &'a str, key: &str) -> Option<Vec<&'a str>> {
    let start = format!("| `{key}` |");
    let line = section.lines().find(|line| line.starts_with(&start))?;
    Some(line.trim_matches('|').split(" | ").map(str::trim).collect())
}

#[test]
fn every_key_has_its_row_with_default_and_meaning() {
    for Schema { title, keys } in ALL {
        let section = section(title).unwrap_or_else(|| panic!("no section {title}"));
        for key in keys {
            let cells = row(&section, key).unwrap_or_else(|| panic!("`{key}` is not in {title}"));
            assert_eq!(cells.len(), 4, "`{key}` in {title}: {cells:?}");
            assert!(
                !cells[1].is_empty() && !cells[2].is_empty(),
                "`{key}` in {title}"
            );
        }
    }
}

#[test]
fn no_section_has_a_row_for_a_key_that_does_not_exist() {
    for Schema { title, keys } in ALL {
        let section = section(title).unwrap_or_default();
        for line in section.lines() {
            let key = line
                .strip_prefix("| `")
                .and_then(|line| line.split('`').next());
            assert!(key.is_none_or(|key| keys.contains(&key)), "{title}: {line}");
        }
    }
}

#[test]
fn the_whole_example_is_accepted_without_a_warning() {
    let whole = blocks("toml");
    let whole = whole.iter().find(|block| block.starts_with("version"));
    let checked = check(whole.expect("there is one").as_bytes());
    let checked = checked.unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(checked.warnings, Vec::<Diagnostic>::new());
}

#[test]
fn the_examples_of_the_sections_make_one_file() {
    let parts = blocks("toml");
    let parts: Vec<_> = parts
        .iter()
        .filter(|block| !block.starts_with("version"))
        .copied()
        .collect();
    // Lists at the top of a file stand before its tables.
    let (tops, tables): (Vec<&str>, Vec<&str>) =
        parts.into_iter().partition(|block| !block.starts_with('['));
    let rest = "[zone.dmz]\ncard = \"52:54:00:00:00:02\"\naddress = \"10.99.0.1/24\"\n\
                [zone.lan]\ncard = \"52:54:00:00:00:03\"\naddress = \"192.168.8.1/24\"\n";
    let tops: String = tops.concat();
    let tables: String = tables
        .concat()
        .replace("[set]\n", "[set]\nresolvers = \"192.0.2.53\"\n");
    let tables = tables.replace("[service]\n", "[service]\ndns = \"udp/53\"\n");
    let text = format!("version = 1\n{tops}\n{rest}\n{tables}");
    if let Err(report) = parse(text.as_bytes()) {
        panic!("{text}\n{report}");
    }
}

#[test]
fn the_error_that_is_shown_is_what_one_gets() {
    let whole = blocks("toml");
    let whole = whole.iter().find(|block| block.starts_with("version"));
    let broken = whole
        .expect("there is one")
        .replace("address = \"10.99", "adress = \"10.99");
    let report = parse(broken.as_bytes())
        .expect_err("the key is wrong")
        .to_string();
    let shown = blocks("text").concat();
    assert!(report.contains(&shown), "{report}");
}

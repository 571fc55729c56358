//! Commands and replies, sound and unsound.

use super::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

fn seen(line: &str) -> Option<(String, u16)> {
    let announcement = match (command(line.as_bytes()), reply(line.as_bytes())) {
        (Command::Announces(announcement), _)
        | (_, Reply::Passive(announcement) | Reply::ExtendedPassive(announcement)) => announcement,
        _ => return None,
    };
    let text = line[announcement.place.clone()].into();
    if let Some(address) = announcement.address {
        let again = announcement.notation.write(address, announcement.port);
        let plain = |text: &str| text.replace(",0", ",").replace('0', "");
        assert_eq!(plain(&again), plain(&line[announcement.place]), "{line}");
    }
    Some((text, announcement.port))
}

#[test]
fn announcements_are_found_where_they_are() {
    for (line, text, port) in [
        ("PORT 10,99,0,2,156,64", "10,99,0,2,156,64", 40_000),
        ("port   10,99,0,2,4,0  ", "10,99,0,2,4,0", 1024),
        (
            "PORT 010,099,000,002,156,064",
            "010,099,000,002,156,064",
            40_000,
        ),
        ("EPRT |1|10.99.0.2|40000|", "10.99.0.2|40000", 40_000),
        ("eprt !1!10.99.0.2!65535!", "10.99.0.2!65535", 65_535),
        (
            "227 Entering Passive Mode (192,0,2,7,195,80)",
            "192,0,2,7,195,80",
            50_000,
        ),
        (
            "227 Entering Passive Mode (192,0,2,7,195,80).",
            "192,0,2,7,195,80",
            50_000,
        ),
        ("227 =192,0,2,7,195,80", "192,0,2,7,195,80", 50_000),
        ("227 192,0,2,7,195,80 is it", "192,0,2,7,195,80", 50_000),
        (
            "229 Entering Extended Passive Mode (|||6446|)",
            "6446",
            6446,
        ),
        ("229 Extended (!!!50000!)", "50000", 50_000),
    ] {
        assert_eq!(seen(line), Some((text.into(), port)), "{line}");
    }
}

#[test]
fn broken_announcements_are_unsound() {
    for line in [
        "PORT 10,99,0,2,156",
        "PORT 10,99,0,2,156,64,1",
        "PORT 10,99,0,256,156,64",
        "PORT 10,99,0,2,256,64",
        "PORT 10,99,0,2,0,0",
        "PORT 10,99,0,2,3,255",
        "PORT 10,99,0,2,0156,64",
        "PORT 10,99,0,2,,64",
        "PORT 10, 99,0,2,156,64",
        "PORT -10,99,0,2,156,64",
        "PORT 10.99.0.2:40000",
        "PORT 10,99,0,2,156,64 x",
        "PORT ",
        "EPRT |1|10.99.0.2|40000",
        "EPRT |1|10.99.0.2|65536|",
        "EPRT |1|10.99.0.2|1023|",
        "EPRT |1|10.99.0.2|0|",
        "EPRT |1|10.99.0|40000|",
        "EPRT |1|10.99.0.2!40000|",
        "EPRT |2|2001:db8::1|40000|",
        "EPRT 11110.99.0.2140000",
        "EPRT |",
    ] {
        assert_eq!(command(line.as_bytes()), Command::Unsound, "{line}");
    }
    for line in [
        "227 Entering Passive Mode",
        "227 ",
        "227 Entering Passive Mode (192,0,2,7,195)",
        "227 Entering Passive Mode (192,0,2,7,195,80,1)",
        "227 Entering Passive Mode (192,0,2,7,195,801)",
        "227 Entering Passive Mode (192,0,2,7,3,255)",
        "227 Entering 2 Passive Mode (192,0,2,7,195,80)",
        "229 Entering Extended Passive Mode",
        "229 (||6446|)",
        "229 (|||6446)",
        "229 (|||6446|",
        "229 (||!6446|)",
        "229 (|1|192.0.2.7|6446|)",
        "229 (|||99999|)",
        "229 (|||80|)",
        "229 (1116446 1)",
    ] {
        assert_eq!(reply(line.as_bytes()), Reply::Unsound, "{line}");
    }
}

#[test]
fn what_only_looks_alike_is_none() {
    for line in [
        "XPORT 10,99,0,2,156,64",
        "PORTS 10,99,0,2,156,64",
        " PORT 10,99,0,2,156,64",
        "PORT",
        "SITE PORT 10,99,0,2,156,64",
        "EPRT\t|1|10.99.0.2|40000|",
        "",
    ] {
        assert_eq!(command(line.as_bytes()), Command::Other, "{line}");
    }
    for line in [
        "227-Entering (192,0,2,7,195,80)",
        "2270 x",
        " 227 (192,0,2,7,195,80)",
        "227",
        "",
    ] {
        assert_eq!(reply(line.as_bytes()), Reply::Other, "{line}");
    }
    let mut long = String::from("PORT 10,99,0,2,156,64");
    long.push_str(&" ".repeat(LONGEST));
    assert_eq!(command(long.as_bytes()), Command::Other, "overlong");
    let long = long.replace("PORT ", "227 (");
    assert_eq!(reply(long.as_bytes()), Reply::Other, "overlong");
}

#[test]
fn other_lines_that_matter_are_told_apart() {
    for (line, expected) in [
        ("PASV", Command::Passive),
        ("pasv ", Command::Passive),
        ("PASV now", Command::Other),
        ("EPSV", Command::ExtendedPassive),
        ("EPSV 1", Command::ExtendedPassive),
        ("EPSV ALL", Command::Other),
        ("USER anonymous", Command::First),
        ("auth TLS", Command::First),
        ("FEAT", Command::First),
        ("POST / HTTP/1.1", Command::Other),
        ("GET /", Command::Other),
        ("USER\0x", Command::Other),
        ("RETR x", Command::Other),
    ] {
        assert_eq!(command(line.as_bytes()), expected, "{line}");
    }
    assert_eq!(reply(b"234 Proceed"), Reply::Encrypted);
    assert_eq!(reply(b"234"), Reply::Encrypted);
    assert_eq!(reply(b"230 Logged in"), Reply::Other);
}

#[test]
fn only_whole_lines_are_lines() {
    let lines = |text: &str, begins| -> Vec<String> {
        let found = whole(text.as_bytes(), begins);
        found.map(|range| text[range].into()).collect()
    };
    assert_eq!(lines("a\r\nb\nc", true), ["a", "b"]);
    assert_eq!(lines("a\r\nb\r\n", false), ["b"]);
    assert_eq!(lines("a", true), [""; 0]);
    assert_eq!(lines("\r\n\n", true), ["", ""]);
    assert_eq!(lines("", true), [""; 0]);
    let ends = ["", "a", "a\n", "a\nb", "\n\n"].map(|text| last_begin(text.as_bytes()));
    assert_eq!(vec![None, None, Some(2), Some(2), Some(2)], ends);
}

//! Ethernet addresses: six pairs of hexadecimal digits with colons.

use alloc::format;
use alloc::string::String;

use crate::excerpt::quoted;
use crate::findings::Fault;

/// The bit of the first byte that marks a group address (IEEE 802.3 section 3.2.3).
const GROUP_BIT: u8 = 0x01;

/// Reads the address of one card: no group address, not all zeros.
pub(crate) fn parse(text: &str) -> Result<[u8; 6], Fault> {
    let Some(mac) = six_pairs(text) else {
        return Err(not_a_mac(text));
    };
    if mac[0] & GROUP_BIT != 0 {
        return Err(
            Fault::new(format!("{} is a group address, not a card's", quoted(text)))
                .help("the second digit of a card's address is even"),
        );
    }
    if mac == [0; 6] {
        return Err(Fault::new("no card has the address 00:00:00:00:00:00")
            .help("give the card's own address, as the virtual machine's monitor sets it"));
    }
    Ok(mac)
}

fn six_pairs(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next()?;
        let two_digits = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(part, 16).ok().filter(|_| two_digits)?;
    }
    parts.next().is_none().then_some(mac)
}

/// Other spellings of twelve digits get the right one as advice.
fn not_a_mac(text: &str) -> Fault {
    let fault = Fault::new(format!("{} is not a card's address", quoted(text)));
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let others = text
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || b"-.:".contains(&byte));
    if digits != 12 || !others {
        return fault.help("write six pairs of digits: \"52:54:00:00:00:01\"");
    }
    let mut right = String::new();
    for digit in text.chars().filter(char::is_ascii_hexdigit) {
        if right.len() % 3 == 2 {
            right.push(':');
        }
        right.push(digit.to_ascii_lowercase());
    }
    fault.help(format!("write \"{right}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_colons_are_an_address() {
        let mac = parse("52:54:00:AB:cd:01").ok();
        assert_eq!(mac, Some([0x52, 0x54, 0, 0xab, 0xcd, 1]));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "52:54:00:00:00",
            "52:54:00:00:00:01:02",
            "52-54-00-00-00-01",
            "5254.0000.0001",
            "52:54:0:0:0:1",
            "52:54:00:00:00:+1",
            "52:54:00:00:00:0g",
            "53:54:00:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

//! Addresses that no router passes on (RFC 6890, RFC 1812 section 5.3.7).

use core::net::Ipv4Addr;

/// Whether a packet can come from this address at all.
#[must_use]
pub fn is_source(address: Ipv4Addr) -> bool {
    !never_forwarded(address) && !address.is_multicast()
}

/// Whether a packet can be forwarded to this address; groups are told apart with [`is_group`].
#[must_use]
pub fn is_destination(address: Ipv4Addr) -> bool {
    !never_forwarded(address)
}

/// Multicast, or the limited broadcast address.
#[must_use]
pub const fn is_group(address: Ipv4Addr) -> bool {
    address.is_multicast() || address.is_broadcast()
}

/// RFC 1918, and the shared space of RFC 6598: on the WAN only by option.
#[must_use]
pub const fn is_private(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || (a == 100 && b & 0xc0 == 64)
}

/// RFC 6890's blocks with "Forwardable: False", and class E.
const fn never_forwarded(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 127, ..] | [169, 254, ..] | [192, 0, 0, _] => true,
        [first, ..] => first >= 240,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn rfc6890_blocks_are_neither_source_nor_destination() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "192.0.0.8",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_source(address(text)), "{text}");
            assert!(!is_destination(address(text)), "{text}");
        }
    }

    #[test]
    fn rfc6890_multicast_is_no_source() {
        assert!(!is_source(address("224.0.0.1")));
        assert!(is_group(address("239.255.255.250")));
        assert!(is_group(address("255.255.255.255")));
    }

    #[test]
    fn ordinary_addresses_pass() {
        for text in [
            "8.8.8.8",
            "10.0.0.1",
            "192.0.2.1",
            "198.51.100.7",
            "223.255.255.1",
        ] {
            assert!(
                is_source(address(text)) && is_destination(address(text)),
                "{text}"
            );
        }
    }

    #[test]
    fn private_space_includes_shared_space() {
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.254",
        ] {
            assert!(is_private(address(text)), "{text}");
        }
        for text in ["100.63.255.255", "100.128.0.1", "172.32.0.1", "8.8.8.8"] {
            assert!(!is_private(address(text)), "{text}");
        }
    }
}

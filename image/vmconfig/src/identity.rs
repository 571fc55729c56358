//! Numbers that have to be unique, drawn from names, so that the same machine has the same ones each time.

use sha2::{Digest, Sha256};

/// The Ethernet address of a zone's card, for a zone that finds its card by its slot; in QEMU's block `52:54:00`.
#[must_use]
pub fn card_address(machine: &str, zone: &str) -> [u8; 6] {
    let hash = hash("card", &[machine, zone]);
    [0x52, 0x54, 0x00, hash[0], hash[1], hash[2]]
}

/// The machine's UUID, of version 8 (RFC 9562 section 5.8: what is in it is the writer's own affair).
pub(crate) fn uuid(machine: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash("machine", &[machine])[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// Names cannot run into one another: none has a zero byte.
fn hash(purpose: &str, names: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix("sekisho ");
    hash.update(purpose);
    for name in names {
        hash.update([0]);
        hash.update(name);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_numbers_that_stay() {
        assert_eq!(uuid("sekisho"), uuid("sekisho"));
        assert_ne!(uuid("sekisho"), uuid("sekisho2"));
        let uuid = uuid("sekisho");
        let version_and_variant = (&uuid[14..15], "89ab".contains(&uuid[19..20]));
        assert_eq!((uuid.len(), version_and_variant), (36, ("8", true)));
    }

    #[test]
    fn each_zone_of_each_machine_has_a_card_of_its_own() {
        let addresses = [("a", "wan"), ("a", "dmz"), ("b", "wan"), ("aw", "an")]
            .map(|(machine, zone)| card_address(machine, zone));
        for (number, address) in addresses.iter().enumerate() {
            assert!(!addresses[..number].contains(address));
            assert_eq!(address[..3], [0x52, 0x54, 0x00]);
        }
    }
}

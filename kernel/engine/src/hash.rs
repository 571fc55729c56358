//! Keyed hashing: SipHash-1-3 under a key made at boot, so that nobody outside can choose collisions.

use core::net::Ipv4Addr;

use siphasher::sip::SipHasher13;

use crate::address::Address;
use crate::key::{Endpoint, FlowKey, Protocol, Side};

/// A secret key.
#[derive(Clone, Copy)]
pub struct Hasher {
    keys: [u64; 2],
}

/// A key of two IPv4 addresses, in short: two are equal if, and only if, their keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyV4([u64; 2]);

impl KeyV4 {
    /// What no packet has: neither addresses nor ports.
    pub const NONE: Self = Self([0; 2]);

    /// The key in short; its addresses are given besides.
    #[inline(always)]
    pub fn new(key: &FlowKey, src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        let ends = u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits());
        let ports = u32::from(key.src.port) << 16 | u32::from(key.dst.port);
        Self::of(ends, ports, key.protocol, key.side)
    }

    /// A key whose addresses, source first, and ports are given as they follow each other in a packet.
    #[inline(always)]
    pub const fn of(addresses: u64, ports: u32, protocol: Protocol, side: Side) -> Self {
        let rest = (ports as u64) << 16 | (protocol.0 as u64) << 8 | side.raw() as u64;
        Self([addresses, rest])
    }
}

impl core::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hasher(secret)")
    }
}

impl Hasher {
    /// Hashes under these 128 secret bits.
    #[must_use]
    pub const fn new(keys: [u64; 2]) -> Self {
        Self { keys }
    }

    /// The hash of a flow's key; IPv4's short addresses are hashed as they are, which takes half the time.
    #[must_use]
    pub fn flow(&self, key: &FlowKey) -> u64 {
        match (key.src.address.as_v4(), key.dst.address.as_v4()) {
            (Some(src), Some(dst)) => self.flow_v4(key, src, dst),
            (Some(_), None) | (None, Some(_)) | (None, None) => self.flow_v6(key),
        }
    }

    /// The hash of a key of two IPv4 addresses, which are given besides.
    #[inline(always)]
    pub fn flow_v4(&self, key: &FlowKey, src: Ipv4Addr, dst: Ipv4Addr) -> u64 {
        self.key_v4(KeyV4::new(key, src, dst))
    }

    /// The same of a key in short.
    #[inline(always)]
    pub const fn key_v4(&self, KeyV4(words): KeyV4) -> u64 {
        self.two_words(words)
    }

    /// SipHash-1-3 of sixteen bytes, as two numbers: what [`bytes`](Self::bytes) would say, without its loops.
    #[inline(always)]
    const fn two_words(&self, words: [u64; 2]) -> u64 {
        const LENGTH: u64 = 16 << 56;
        let [k0, k1] = self.keys;
        let state = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let [a, b, c, d] = compress(compress(compress(state, words[0]), words[1]), LENGTH);
        let [a, b, c, d] = sip_round(sip_round(sip_round([a, b, c ^ 0xff, d])));
        a ^ b ^ c ^ d
    }

    fn flow_v6(&self, key: &FlowKey) -> u64 {
        let mut bytes = [0; 38];
        bytes[..18].copy_from_slice(&endpoint(&key.src));
        bytes[18..36].copy_from_slice(&endpoint(&key.dst));
        bytes[36] = key.protocol.0;
        bytes[37] = key.side.raw();
        self.bytes(&bytes)
    }

    /// The hash of an endpoint in one of several spaces.
    #[must_use]
    pub fn endpoint(&self, at: &Endpoint, space: [u8; 4]) -> u64 {
        if let Some(address) = at.address.as_v4() {
            let space = u64::from(u32::from_ne_bytes(space));
            let at = u64::from(address.to_bits()) << 32 | u64::from(at.port);
            return self.two_words([at, space]);
        }
        let mut bytes = [0; 22];
        bytes[..18].copy_from_slice(&endpoint(at));
        bytes[18..].copy_from_slice(&space);
        self.bytes(&bytes)
    }

    /// The hash of an address and a number.
    #[must_use]
    pub fn address(&self, address: Address, number: u32) -> u64 {
        if let Some(address) = address.as_v4() {
            return self.two_words([address.to_bits().into(), number.into()]);
        }
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&address.octets());
        bytes[16..].copy_from_slice(&number.to_ne_bytes());
        self.bytes(&bytes)
    }

    /// The hash of three numbers.
    #[must_use]
    pub fn numbers(&self, numbers: [u64; 3]) -> u64 {
        let mut bytes = [0; 24];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        self.bytes(&bytes)
    }

    /// Two places of a source among `length`, one in each of two rows.
    #[must_use]
    pub fn two_places(&self, source: Address, side: Side, length: usize) -> [usize; 2] {
        let hash = self.address(source, side.raw().into());
        let (high, low) = (hash >> 32, hash & 0xFFFF_FFFF);
        [high, low].map(|half| ((half * length as u64) >> 32) as usize)
    }

    #[inline]
    fn bytes(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.keys[0], self.keys[1]).hash(bytes)
    }
}

/// Takes in one word.
#[inline(always)]
const fn compress([a, b, c, d]: [u64; 4], word: u64) -> [u64; 4] {
    let [a, b, c, d] = sip_round([a, b, c, d ^ word]);
    [a ^ word, b, c, d]
}

/// One round (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, section 2).
#[inline(always)]
const fn sip_round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32).wrapping_add(d);
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    d = d.rotate_left(21) ^ a;
    [a, b, c.rotate_left(32), d]
}

fn endpoint(at: &Endpoint) -> [u8; 18] {
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&at.address.octets());
    bytes[16..].copy_from_slice(&at.port.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ZoneId;
    use std::vec::Vec;

    /// What an attacker can vary: the port, and the last bytes of its address.
    fn key(number: u32) -> FlowKey {
        let [_, a, b, c] = number.to_be_bytes();
        FlowKey {
            src: Endpoint::new(Ipv4Addr::new(100, 0, a, b), u16::from(c) + 1),
            dst: Endpoint::new(Ipv4Addr::new(192, 0, 2, 1), 80),
            protocol: Protocol::TCP,
            side: Side::zone(ZoneId::new(0).expect("a zone")),
        }
    }

    #[test]
    fn two_words_are_hashed_as_their_bytes_are() {
        let hasher = Hasher::new([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        for number in 0..1000_u64 {
            let words = [number.wrapping_mul(0x9e37_79b9_7f4a_7c15), !number];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(hasher.two_words(words), hasher.bytes(&bytes));
        }
    }

    #[test]
    fn keys_in_short_differ_if_any_part_does() {
        let short = |key: &FlowKey| {
            let (src, dst) = (key.src.address.as_v4(), key.dst.address.as_v4());
            KeyV4::new(key, src.expect("it is IPv4"), dst.expect("it is IPv4"))
        };
        let one = key(0x0102_0304);
        let other = Ipv4Addr::new(100, 0, 2, 4);
        let mut changed = [one; 6];
        changed[0].src = Endpoint::new(other, one.src.port);
        changed[1].dst = Endpoint::new(other, one.dst.port);
        changed[2].src.port ^= 1;
        changed[3].dst.port ^= 1;
        changed[4].protocol = Protocol::UDP;
        changed[5].side = Side::zone(ZoneId::new(1).expect("a zone"));
        assert_eq!(short(&one), short(&key(0x0102_0304)));
        for changed in changed {
            assert_ne!(short(&one), short(&changed), "{changed:?}");
        }
    }

    fn bucket(hash: u64) -> u64 {
        hash >> 54
    }

    #[test]
    fn attack_hash_collisions_under_one_key_are_spread_under_another() {
        let (known, secret) = (Hasher::new([1, 2]), Hasher::new([1, 3]));
        let chosen: Vec<FlowKey> = (0..400_000)
            .map(key)
            .filter(|key| bucket(known.flow(key)) == 7)
            .collect();
        assert!(chosen.len() > 300, "one in 1,024 by chance");
        let mut loads = [0; 1024];
        for key in &chosen {
            loads[bucket(secret.flow(key)) as usize] += 1;
        }
        let fullest = loads.iter().max().expect("buckets");
        assert!(*fullest < 10, "{fullest} of {} in one bucket", chosen.len());
    }
}

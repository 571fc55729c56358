//! SYN cookies: a handshake without memory (RFC 4987 section 3.6).
//!
//! The number that our SYN and ACK begins with says all that has to be remembered of the SYN:
//!
//! ```text
//! 31    27 26  24 23                    0
//! │ when  │ MSS  │ keyed hash of the SYN │
//! ```
//!
//! Who sends it back, plus one, has received it, so the source is real. A cookie is good for one to two minutes.
//!
//! Neighbour: [`crate::engine`], module `proxy`, which opens the server's side then.

use core::time::Duration;

use crate::Instant;
use crate::hash::Hasher;
use crate::key::FlowKey;

/// The MSS that a cookie can say; the client's is rounded down. The least is what is assumed without one (RFC 9293
/// section 3.7.1), the others are those of common links.
const SIZES: [u16; 8] = [536, 1024, 1220, 1360, 1400, 1440, 1452, 1460];
/// Seconds in which the same cookie is made, as a power of two.
const SLOT_SHIFT: u32 = 6;
const SLOTS: u64 = 32;
const HASH: u32 = (1 << 24) - 1;
/// How long after the last cookie one may come back.
const GOOD: Duration = Duration::from_secs(2 << SLOT_SHIFT);

/// Makes and reads cookies.
#[derive(Debug)]
pub struct Cookies {
    hasher: Hasher,
    /// When the last one was made: otherwise none can come back, and guesses need not be looked at.
    last: Option<Instant>,
}

impl Cookies {
    /// Cookies under a secret key.
    #[must_use]
    pub const fn new(hasher: Hasher) -> Self {
        Self { hasher, last: None }
    }

    /// The cookie for a SYN with this sequence number; `mss` is what it offers.
    pub fn make(&mut self, key: &FlowKey, seq: u32, mss: u16, now: Instant) -> u32 {
        self.last = Some(now);
        let size = SIZES.iter().rposition(|size| *size <= mss).unwrap_or(0);
        self.cookie(key, seq, slot(now), size)
    }

    /// What the SYN offered as MSS, if this is the cookie that was made for it lately.
    #[must_use]
    pub fn read(&self, key: &FlowKey, seq: u32, cookie: u32, now: Instant) -> Option<u16> {
        if now.since(self.last?) > GOOD {
            return None;
        }
        let (when, size) = (u64::from(cookie >> 27), (cookie >> 24 & 7) as usize);
        let age = slot(now).wrapping_sub(when) % SLOTS;
        let made = slot(now).checked_sub(age).filter(|_| age <= 1)?;
        (self.cookie(key, seq, made, size) == cookie).then_some(SIZES[size])
    }

    fn cookie(&self, key: &FlowKey, seq: u32, slot: u64, size: usize) -> u32 {
        let said = slot << 3 | size as u64;
        let hash = self
            .hasher
            .numbers([self.hasher.flow(key), u64::from(seq), said]);
        ((slot % SLOTS) as u32) << 27 | (size as u32) << 24 | hash as u32 & HASH
    }
}

/// The MSS that a cookie says.
#[must_use]
pub const fn mss(cookie: u32) -> u16 {
    SIZES[(cookie >> 24 & 7) as usize]
}

const fn slot(now: Instant) -> u64 {
    (now.as_micros() / 1_000_000) >> SLOT_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ZoneId;
    use crate::key::{Endpoint, Protocol, Side};
    use core::net::Ipv4Addr;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn key(port: u16) -> FlowKey {
        FlowKey {
            src: Endpoint::new(Ipv4Addr::new(198, 51, 100, 7), port),
            dst: Endpoint::new(Ipv4Addr::new(192, 0, 2, 1), 80),
            protocol: Protocol::TCP,
            side: Side::zone(ZoneId::new(0).expect("a zone")),
        }
    }

    #[test]
    fn a_cookie_says_the_mss_rounded_down() {
        let mut cookies = Cookies::new(Hasher::new([1, 2]));
        for (offered, said) in [
            (0, 536),
            (536, 536),
            (1459, 1452),
            (1460, 1460),
            (9000, 1460),
        ] {
            let cookie = cookies.make(&key(5), 77, offered, at(1_000));
            assert_eq!(cookies.read(&key(5), 77, cookie, at(1_001)), Some(said));
        }
    }

    #[test]
    fn a_cookie_is_good_for_its_syn_alone_and_for_one_to_two_minutes() {
        let mut cookies = Cookies::new(Hasher::new([1, 2]));
        let cookie = cookies.make(&key(5), 77, 1460, at(1_000));
        assert_eq!(cookies.read(&key(6), 77, cookie, at(1_000)), None);
        assert_eq!(cookies.read(&key(5), 78, cookie, at(1_000)), None);
        for bit in 0..32 {
            assert_eq!(
                cookies.read(&key(5), 77, cookie ^ 1 << bit, at(1_000)),
                None,
                "{bit}"
            );
        }
        let good = (1_000..1_200).take_while(|second| {
            cookies.make(&key(9), 1, 1460, at(*second));
            cookies.read(&key(5), 77, cookie, at(*second)).is_some()
        });
        assert!((64..=128).contains(&good.count()));
        let other = Cookies::new(Hasher::new([1, 3]));
        assert_eq!(other.read(&key(5), 77, cookie, at(1_000)), None);
    }

    #[test]
    fn where_none_was_made_lately_none_is_believed() {
        let mut cookies = Cookies::new(Hasher::new([1, 2]));
        let cookie = cookies.make(&key(5), 77, 1460, at(1_000));
        let unasked = Cookies::new(Hasher::new([1, 2]));
        assert_eq!(unasked.read(&key(5), 77, cookie, at(1_000)), None);
    }
}

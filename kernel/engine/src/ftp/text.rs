//! How an endpoint is written in a line.

use core::fmt::Write;
use core::net::Ipv4Addr;

/// The longest: `255,255,255,255,255,255`.
pub const LONGEST: usize = 23;

/// A short text.
pub type Text = heapless::String<LONGEST>;

/// Which way an announcement writes its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `h1,h2,h3,h4,p1,p2` (RFC 959 section 4.1.2).
    Bytes,
    /// `address|port`, with a delimiter of the sender's choice (RFC 2428 section 2).
    Extended(u8),
    /// `port` alone: the address is the control connection's (RFC 2428 section 3).
    Port,
}

impl Notation {
    /// Writes an endpoint.
    #[must_use]
    pub fn write(self, address: Ipv4Addr, port: u16) -> Text {
        let mut text = Text::new();
        let [a, b, c, d] = address.octets();
        let [high, low] = port.to_be_bytes();
        let written = match self {
            Self::Bytes => write!(text, "{a},{b},{c},{d},{high},{low}"),
            Self::Extended(delimiter) => write!(text, "{address}{}{port}", char::from(delimiter)),
            Self::Port => write!(text, "{port}"),
        };
        debug_assert!(written.is_ok(), "the longest fits");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_endpoints_fit() {
        let all = Ipv4Addr::BROADCAST;
        assert_eq!(Notation::Bytes.write(all, 65_535).len(), LONGEST);
        let extended = Notation::Extended(b'|').write(all, 65_535);
        assert_eq!(extended, "255.255.255.255|65535");
        assert_eq!(Notation::Port.write(all, 1024), "1024");
    }
}

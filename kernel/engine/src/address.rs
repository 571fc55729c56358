//! Addresses of either family in one type.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv6 address, or an IPv4 address in its mapped form (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2).
///
/// Mapped addresses never stand in real IPv6 headers (RFC 6890 forbids
/// forwarding them), so both families share one space without collisions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 16]);

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

impl Address {
    /// The unspecified IPv4 address.
    pub const UNSPECIFIED_V4: Self = Self::v4(Ipv4Addr::UNSPECIFIED);

    /// An IPv4 address.
    #[must_use]
    pub const fn v4(address: Ipv4Addr) -> Self {
        Self(address.to_ipv6_mapped().octets())
    }

    /// An IPv6 address.
    #[must_use]
    pub const fn v6(address: Ipv6Addr) -> Self {
        Self(address.octets())
    }

    /// The IPv4 address, if it is one.
    #[must_use]
    #[inline]
    pub const fn as_v4(self) -> Option<Ipv4Addr> {
        // As numbers: compared byte by byte this is a tenth of a packet's whole way.
        let number = u128::from_le_bytes(self.0);
        match (number as u64, (number >> 64) as u32) {
            (0, 0xffff_0000) => {
                let [.., a, b, c, d] = self.0;
                Some(Ipv4Addr::new(a, b, c, d))
            }
            _ => None,
        }
    }

    /// Which family it belongs to.
    #[must_use]
    pub fn family(self) -> Family {
        match self.as_v4() {
            Some(_) => Family::V4,
            None => Family::V6,
        }
    }

    /// Sixteen bytes, IPv4 in mapped form.
    #[must_use]
    pub const fn octets(self) -> [u8; 16] {
        self.0
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self::v4(address)
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4),
            IpAddr::V6(v6) => Self::v6(v6),
        }
    }
}

impl core::fmt::Debug for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.as_v4() {
            Some(v4) => v4.fmt(f),
            None => Ipv6Addr::from(self.0).fmt(f),
        }
    }
}

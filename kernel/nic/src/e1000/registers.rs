//! The registers that the driver uses ("PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual", 317453-005, chapter 13), by their offsets in bytes.

/// A card's registers.
///
/// Nothing that they return is trusted.
pub trait Registers {
    /// Reads a register.
    fn read(&self, register: usize) -> u32;

    /// Writes a register.
    fn write(&mut self, register: usize, value: u32);
}

/// Device control.
pub const CTRL: usize = 0x0000;
/// Device status.
pub const STATUS: usize = 0x0008;
/// Interrupt causes; reading clears them.
pub const ICR: usize = 0x00c0;
/// Sets interrupt enable bits.
pub const IMS: usize = 0x00d0;
/// Clears them.
pub const IMC: usize = 0x00d8;
/// Receive control.
pub const RCTL: usize = 0x0100;
/// Transmit control.
pub const TCTL: usize = 0x0400;
/// Gaps between frames on the wire.
pub const TIPG: usize = 0x0410;
/// Receive ring: address, length, first entry of the card, first entry of the driver.
pub const RDBAL: usize = 0x2800;
/// The address's upper half.
pub const RDBAH: usize = 0x2804;
/// Bytes of the ring.
pub const RDLEN: usize = 0x2808;
/// Head.
pub const RDH: usize = 0x2810;
/// Tail.
pub const RDT: usize = 0x2818;
/// The same for the transmit ring.
pub const TDBAL: usize = 0x3800;
/// The address's upper half.
pub const TDBAH: usize = 0x3804;
/// Bytes of the ring.
pub const TDLEN: usize = 0x3808;
/// Head.
pub const TDH: usize = 0x3810;
/// Tail.
pub const TDT: usize = 0x3818;
/// Group addresses to take in, 128 words.
pub const MTA: usize = 0x5200;
/// Our Ethernet address: the first four bytes.
pub const RAL0: usize = 0x5400;
/// The last two, and whether they count.
pub const RAH0: usize = 0x5404;

/// Bits of [`CTRL`].
pub mod control {
    /// Find the speed by itself.
    pub const AUTO_SPEED: u32 = 1 << 5;
    /// Bring the link up.
    pub const LINK_UP: u32 = 1 << 6;
    /// Reset everything.
    pub const RESET: u32 = 1 << 26;
}

/// Bits of [`STATUS`].
pub mod status {
    /// The link is up.
    pub const LINK_UP: u32 = 1 << 1;
}

/// Bits of the interrupt registers.
pub mod cause {
    /// The link changed.
    pub const LINK: u32 = 1 << 2;
    /// Few receive descriptors are left.
    pub const RECEIVE_LOW: u32 = 1 << 4;
    /// A frame was lost for want of them.
    pub const RECEIVE_OVERRUN: u32 = 1 << 6;
    /// A frame came.
    pub const RECEIVED: u32 = 1 << 7;
}

/// Bits of [`RCTL`].
pub mod receive {
    /// Receive.
    pub const ENABLE: u32 = 1 << 1;
    /// Take in what is for other cards.
    pub const ALL_UNICAST: u32 = 1 << 3;
    /// Take broadcasts in.
    pub const BROADCAST: u32 = 1 << 15;
    /// Leave the FCS away.
    pub const STRIP_FCS: u32 = 1 << 26;
}

/// Bits of [`TCTL`].
pub mod transmit {
    /// Send.
    pub const ENABLE: u32 = 1 << 1;
    /// Lengthen short frames.
    pub const PAD: u32 = 1 << 3;
    /// Collision threshold and distance as the manual says (section 13.4.33).
    pub const COLLISIONS: u32 = 0x0f << 4 | 0x40 << 12;
}

//! What goes wrong: with a frame, with a device, and at the start.

use core::fmt;

/// One of a card's two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Queue 0, the device writes.
    Receive,
    /// Queue 1, the device reads.
    Transmit,
}

impl Queue {
    /// Its number (virtio 1.2 section 5.1.2).
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Receive => 0,
            Self::Transmit => 1,
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Transmit => "transmit",
        })
    }
}

/// The device broke its contract. The card is down for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFault {
    /// The used index moved on by more than was outstanding.
    UsedIndexJump {
        /// Where.
        queue: Queue,
        /// By how many entries.
        by: u16,
        /// Chains the device had.
        outstanding: u16,
    },
    /// A used descriptor number past the end of the table.
    UsedIdOutOfRange {
        /// Where.
        queue: Queue,
        /// The number.
        id: u32,
    },
    /// A used descriptor that is not with the device: never offered, or handed back twice.
    UsedIdNotOffered {
        /// Where.
        queue: Queue,
        /// The number.
        id: u32,
    },
    /// More bytes written than the buffer holds.
    LengthOverBuffer {
        /// Bytes, as the device says.
        len: u32,
        /// Bytes the buffer holds.
        capacity: u32,
    },
    /// Not even the virtio-net header was written.
    LengthUnderHeader {
        /// Bytes, as the device says.
        len: u32,
    },
    /// A further buffer of a frame without a byte in it.
    EmptyPart,
    /// A frame in no buffers at all.
    NoBuffers,
    /// A frame said to be in more buffers than were handed back.
    MissingBuffers {
        /// Buffers of the frame, as its header says.
        said: u16,
        /// Buffers that came.
        came: u16,
    },
    /// The device asks to be reset.
    NeedsReset,
    /// The configuration kept changing while it was read.
    ConfigUnstable,
}

impl fmt::Display for DeviceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UsedIndexJump {
                queue,
                by,
                outstanding,
            } => {
                write!(
                    f,
                    "the {queue} queue handed back {by} buffers, it had {outstanding}"
                )
            }
            Self::UsedIdOutOfRange { queue, id } => {
                write!(
                    f,
                    "the {queue} queue handed back descriptor {id}, past the end"
                )
            }
            Self::UsedIdNotOffered { queue, id } => {
                write!(
                    f,
                    "the {queue} queue handed back descriptor {id}, which it did not have"
                )
            }
            Self::LengthOverBuffer { len, capacity } => {
                write!(f, "{len} bytes written into a buffer of {capacity}")
            }
            Self::LengthUnderHeader { len } => write!(f, "{len} bytes are too few for a header"),
            Self::EmptyPart => f.write_str("a frame with an empty buffer in it"),
            Self::NoBuffers => f.write_str("a frame in 0 buffers"),
            Self::MissingBuffers { said, came } => {
                write!(f, "a frame in {said} buffers, of which {came} came")
            }
            Self::NeedsReset => f.write_str("the device asks to be reset"),
            Self::ConfigUnstable => f.write_str("the device configuration does not hold still"),
        }
    }
}

/// A frame that cannot be taken; the card goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameFault {
    /// Shorter than an Ethernet header.
    Runt,
    /// Longer than the largest frame ([`crate::MAX_FRAME_BYTES`]).
    TooLong,
    /// A partial checksum, which was not negotiated.
    ChecksumNotNegotiated,
    /// A partial checksum that lies outside the first buffer.
    ChecksumOutside,
    /// A large frame of a kind that was not negotiated.
    SegmentsNotNegotiated,
    /// A large frame of an unknown kind.
    SegmentsUnknown,
    /// A large frame without partial checksum, with one that is not TCP's, or with segments of 0 bytes.
    SegmentsContradict,
}

impl FrameFault {
    /// How many kinds there are.
    pub const COUNT: usize = 7;

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Runt,
        Self::TooLong,
        Self::ChecksumNotNegotiated,
        Self::ChecksumOutside,
        Self::SegmentsNotNegotiated,
        Self::SegmentsUnknown,
        Self::SegmentsContradict,
    ];

    /// Its name in counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runt => "runt",
            Self::TooLong => "too-long",
            Self::ChecksumNotNegotiated => "checksum-not-negotiated",
            Self::ChecksumOutside => "checksum-outside",
            Self::SegmentsNotNegotiated => "segments-not-negotiated",
            Self::SegmentsUnknown => "segments-unknown",
            Self::SegmentsContradict => "segments-contradict",
        }
    }
}

/// Why [`crate::Card::receive`] has no packet to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RxError {
    /// This frame was dropped and counted.
    Frame(FrameFault),
    /// The card is down from now on.
    Device(DeviceFault),
}

impl From<FrameFault> for RxError {
    fn from(fault: FrameFault) -> Self {
        Self::Frame(fault)
    }
}

impl From<DeviceFault> for RxError {
    fn from(fault: DeviceFault) -> Self {
        Self::Device(fault)
    }
}

/// Why a card cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It speaks only the protocol from before virtio 1.0.
    Legacy,
    /// It did not come out of reset.
    NoReset,
    /// It turned the chosen features down.
    FeaturesRefused,
    /// A queue is missing or its size is no power of two of at least 2.
    QueueSize {
        /// Which.
        queue: Queue,
        /// Its largest size, as the device says.
        size: u16,
    },
    /// The memory for the rings is too small or not aligned to a page.
    RingMemory {
        /// Bytes needed.
        needed: usize,
    },
    /// The configuration kept changing while it was read.
    ConfigUnstable,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Legacy => f.write_str("the device is legacy only (no VIRTIO_F_VERSION_1)"),
            Self::NoReset => f.write_str("the device does not come out of reset"),
            Self::FeaturesRefused => f.write_str("the device turns our features down"),
            Self::QueueSize { queue, size } => {
                write!(f, "the {queue} queue has a size of {size}")
            }
            Self::RingMemory { needed } => write!(f, "the rings need {needed} bytes, page aligned"),
            Self::ConfigUnstable => f.write_str("the device configuration does not hold still"),
        }
    }
}

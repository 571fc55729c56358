//! A frame as a card hands it over.

/// One Ethernet frame, rewritten in place.
///
/// A large frame may lie in several buffers; the engine sees the first, which
/// holds all headers, and the length of the whole.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The frame's first bytes, from the Ethernet header on, without FCS.
    pub head: &'a mut [u8],
    /// Bytes of the whole frame; at least `head.len()`.
    pub total_len: usize,
    /// What the card left undone or already did.
    pub offload: Offload,
}

impl<'a> Frame<'a> {
    /// A frame in one piece with nothing left undone.
    #[must_use]
    pub fn whole(bytes: &'a mut [u8]) -> Self {
        Self {
            total_len: bytes.len(),
            head: bytes,
            offload: Offload::default(),
        }
    }

    /// Leaves out what lies behind the first `len` bytes: padding, which is nobody's to forward.
    pub fn truncate(&mut self, len: usize) {
        self.total_len = self.total_len.min(len);
        if self.head.len() > len {
            let head = core::mem::take(&mut self.head);
            self.head = &mut head[..len];
        }
    }

    /// Whether the head is the whole frame.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.total_len == self.head.len()
    }
}

/// Checksum and segmentation work shared with the cards (virtio 1.2 section 5.1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// The transport checksum.
    pub checksum: Checksum,
    /// Segmentation that the sending card must do.
    pub segmentation: Option<Segmentation>,
}

/// State of the transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// Stands in the packet, not verified.
    #[default]
    Complete,
    /// Stands in the packet, and the card has verified it.
    Verified,
    /// The field holds the pseudo-header's sum only; the sending card completes it.
    ///
    /// Such a field is updated for addresses, never for ports.
    Partial {
        /// Where summing starts, in bytes from the Ethernet header.
        start: u16,
        /// Where the field lies, in bytes from `start`.
        offset: u16,
    },
}

/// TCP segmentation offload: the frame stands for several segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// Which headers are repeated.
    pub kind: SegmentationKind,
    /// Payload bytes in each segment.
    pub size: u16,
    /// CWR is set in the first segment only (RFC 3168).
    pub ecn: bool,
}

/// What is segmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentationKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
}

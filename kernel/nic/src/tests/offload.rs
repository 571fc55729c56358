//! Headers in and out, and checksums completed in software.

use super::fake::{ALL, BARE, Fake};
use super::memory::pool;
use super::{PLAIN, frame};
use crate::{Checksum, Ecn, FrameFault, Gso, HEADER_BYTES, Offload, RxError, TxError, feature};
use proptest::prelude::*;

/// A header saying these things.
fn header(flags: u8, gso: u8, size: u16, start: u16, offset: u16) -> [u8; HEADER_BYTES] {
    let mut header = PLAIN;
    header[..2].copy_from_slice(&[flags, gso]);
    header[4..6].copy_from_slice(&size.to_le_bytes());
    header[6..8].copy_from_slice(&start.to_le_bytes());
    header[8..10].copy_from_slice(&offset.to_le_bytes());
    header
}

/// What a card makes of such a header on a frame of 3000 bytes.
fn received(features: u64, header: [u8; HEADER_BYTES]) -> Result<Offload, RxError> {
    let fake = Fake::new(features, 64);
    let mut card = fake.start(pool(64, 4096));
    let _ = fake.deliver(header, &frame(3000, 1));
    card.receive()
        .expect("a frame")
        .map(|packet| packet.offload())
}

const PARTIAL: Checksum = Checksum::Partial {
    start: 34,
    offset: 16,
};

#[test]
fn checksum_states_are_told_apart() {
    let state = |flags| received(ALL, header(flags, 0, 0, 34, 16)).map(|offload| offload.checksum);
    assert_eq!(state(0), Ok(Checksum::None));
    assert_eq!(state(1), Ok(PARTIAL));
    assert_eq!(state(2), Ok(Checksum::Valid));
    assert_eq!(state(3), Ok(PARTIAL));
}

#[test]
fn large_frames_are_told_apart() {
    let gso = |kind| received(ALL, header(1, kind, 1448, 34, 16)).map(|offload| offload.gso);
    assert_eq!(
        gso(1),
        Ok(Gso::Tcp4 {
            size: 1448,
            ecn: Ecn::Absent
        })
    );
    assert_eq!(
        gso(0x81),
        Ok(Gso::Tcp4 {
            size: 1448,
            ecn: Ecn::Present
        })
    );
    assert_eq!(
        gso(4),
        Ok(Gso::Tcp6 {
            size: 1448,
            ecn: Ecn::Absent
        })
    );
    assert_eq!(
        gso(0x84),
        Ok(Gso::Tcp6 {
            size: 1448,
            ecn: Ecn::Present
        })
    );
}

#[track_caller]
fn dropped(features: u64, header: [u8; HEADER_BYTES], fault: FrameFault) {
    assert_eq!(received(features, header), Err(RxError::Frame(fault)));
}

#[test]
fn partial_checksum_that_was_not_negotiated_is_dropped() {
    dropped(
        BARE,
        header(1, 0, 0, 34, 16),
        FrameFault::ChecksumNotNegotiated,
    );
}

#[test]
fn valid_checksum_that_was_not_negotiated_means_nothing() {
    assert_eq!(received(BARE, header(2, 0, 0, 0, 0)), Ok(Offload::NONE));
}

#[test]
fn device_offload_checksum_outside_the_frame_is_dropped() {
    for (start, offset) in [
        (2983, 16),
        (34, 2965),
        (u16::MAX, u16::MAX),
        (13, 16),
        (0, 0),
    ] {
        dropped(
            ALL,
            header(1, 0, 0, start, offset),
            FrameFault::ChecksumOutside,
        );
    }
    assert!(received(ALL, header(1, 0, 0, 2982, 16)).is_ok());
}

#[test]
fn large_frame_of_a_kind_not_negotiated_is_dropped() {
    let features = ALL & !feature::HOST_TSO6;
    dropped(
        features,
        header(1, 4, 1448, 34, 16),
        FrameFault::SegmentsNotNegotiated,
    );
    let features = ALL & !feature::HOST_ECN;
    dropped(
        features,
        header(1, 0x81, 1448, 34, 16),
        FrameFault::SegmentsNotNegotiated,
    );
}

#[test]
fn large_frame_of_an_unknown_kind_is_dropped() {
    for kind in [2, 3, 5, 0x80, 0x7f, 0xff] {
        dropped(
            ALL,
            header(1, kind, 1448, 34, 16),
            FrameFault::SegmentsUnknown,
        );
    }
}

#[test]
fn device_offload_large_frame_that_contradicts_itself_is_dropped() {
    dropped(
        ALL,
        header(0, 1, 1448, 34, 16),
        FrameFault::SegmentsContradict,
    );
    dropped(
        ALL,
        header(2, 1, 1448, 34, 16),
        FrameFault::SegmentsContradict,
    );
    dropped(ALL, header(1, 1, 0, 34, 16), FrameFault::SegmentsContradict);
    dropped(
        ALL,
        header(1, 1, 1448, 34, 6),
        FrameFault::SegmentsContradict,
    );
}

/// The header a card sends a frame of 3000 bytes with.
fn sent(features: u64, offload: Offload) -> Result<[u8; HEADER_BYTES], TxError> {
    let fake = Fake::new(features, 64);
    let mut card = fake.start(pool(128, 2048));
    let mut frame = frame(3000, 1);
    frame[34 + 12] = 8 << 4;
    card.transmit_copy(&frame, offload)?;
    card.publish();
    Ok(fake.send()[0].0)
}

#[test]
fn partial_checksum_is_handed_to_the_card() {
    let offload = Offload {
        checksum: PARTIAL,
        gso: Gso::None,
    };
    assert_eq!(sent(ALL, offload), Ok(header(1, 0, 0, 34, 16)));
}

#[test]
fn valid_checksum_is_never_sent() {
    let offload = Offload {
        checksum: Checksum::Valid,
        gso: Gso::None,
    };
    assert_eq!(sent(ALL, offload), Ok(PLAIN));
}

#[test]
fn large_frame_is_sent_with_the_length_of_its_headers() {
    let gso = Gso::Tcp4 {
        size: 1448,
        ecn: Ecn::Present,
    };
    let mut expected = header(1, 0x81, 1448, 34, 16);
    expected[2..4].copy_from_slice(&(34_u16 + 32).to_le_bytes());
    assert_eq!(
        sent(
            ALL,
            Offload {
                checksum: PARTIAL,
                gso
            }
        ),
        Ok(expected)
    );
}

#[test]
fn large_frame_the_card_cannot_cut_is_refused() {
    let gso = Gso::Tcp4 {
        size: 1448,
        ecn: Ecn::Absent,
    };
    let refused = Err(TxError::Unsendable);
    assert_eq!(
        sent(
            BARE,
            Offload {
                checksum: PARTIAL,
                gso
            }
        ),
        refused
    );
    assert_eq!(
        sent(
            ALL,
            Offload {
                checksum: Checksum::None,
                gso
            }
        ),
        refused
    );
    let gso = Gso::Tcp4 {
        size: 0,
        ecn: Ecn::Absent,
    };
    assert_eq!(
        sent(
            ALL,
            Offload {
                checksum: PARTIAL,
                gso
            }
        ),
        refused
    );
    let gso = Gso::Tcp4 {
        size: 1448,
        ecn: Ecn::Present,
    };
    assert_eq!(
        sent(
            ALL & !feature::HOST_ECN,
            Offload {
                checksum: PARTIAL,
                gso
            }
        ),
        refused
    );
}

/// The ones' complement sum of all words, computed the slow way.
fn reference(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        u32::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or(0),
        ]))
    });
    words.fold(0_u32, |sum, word| (sum + word) % 0xffff) as u16
}

#[test]
fn card_without_checksums_gets_complete_ones() {
    let fake = Fake::new(BARE, 64);
    let mut card = fake.start(pool(128, 2048));
    let frame = frame(3001, 7);
    card.transmit_copy(
        &frame,
        Offload {
            checksum: PARTIAL,
            gso: Gso::None,
        },
    )
    .expect("room");
    card.publish();
    let (header, sent) = fake.send().remove(0);
    assert_eq!(header, PLAIN);
    assert_eq!((&sent[..50], &sent[52..]), (&frame[..50], &frame[52..]));
    let sum = u16::from_be_bytes([sent[50], sent[51]]);
    assert_eq!(u32::from(!sum) % 0xffff, u32::from(reference(&frame[34..])));
}

#[test]
fn udp_checksum_of_zero_becomes_all_ones() {
    let udp = Checksum::Partial {
        start: 14,
        offset: 6,
    };
    let mut bytes = [0; 22];
    bytes[14..16].copy_from_slice(&[0xff, 0xff]);
    let mut packet = pool(1, 2048)
        .packet(
            &bytes,
            Offload {
                checksum: udp,
                gso: Gso::None,
            },
        )
        .expect("a buffer");
    packet.complete_checksum();
    assert_eq!(packet.head()[20..22], [0xff, 0xff]);
    assert_eq!(packet.offload(), Offload::NONE);
}

proptest! {
    #[test]
    fn completed_checksum_is_right_wherever_buffers_end(
        len in 60_usize..9000, start in 14_u16..40, seed: u32, tail in 0_usize..3,
    ) {
        let bytes = frame(len + tail, seed);
        let partial = Checksum::Partial { start, offset: 16 };
        let mut packet = pool(8, 2048)
            .packet(&bytes, Offload { checksum: partial, gso: Gso::None })
            .expect("buffers");
        packet.truncate(len);
        packet.complete_checksum();
        let done = super::bytes(&packet);
        let at = usize::from(start) + 16;
        let sum = u16::from_be_bytes([done[at], done[at + 1]]);
        prop_assert_eq!(u32::from(!sum) % 0xffff, u32::from(reference(&bytes[start.into()..len])));
    }

    #[test]
    fn device_offload_of_any_header_stays_inside_the_frame(random: [u8; HEADER_BYTES]) {
        let mut header = random;
        header[10..].copy_from_slice(&[1, 0]);
        if let Ok(offload) = received(ALL, header)
            && let Checksum::Partial { start, offset } = offload.checksum
        {
            prop_assert!(usize::from(start) + usize::from(offset) + 2 <= 3000);
        }
    }
}

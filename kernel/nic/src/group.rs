//! Frames that are taken from a card together, because whoever looks at them is faster so.

use crate::fault::RxError;
use crate::packet::Packet;

/// Frames of one card, in the order in which they came.
pub type Group<const N: usize> = heapless::Vec<Packet, N>;

/// Takes frames as a card's `receive` gives them: as many as are there, `N` or `most` of them at the most.
///
/// One that could not be taken ends the group, and came behind it.
#[inline]
pub fn gather<const N: usize>(
    most: usize,
    mut receive: impl FnMut() -> Option<Result<Packet, RxError>>,
) -> (Group<N>, Option<RxError>) {
    let mut group = Group::new();
    while group.len() < most.min(N)
        && let Some(received) = receive()
    {
        match received {
            Ok(packet) => {
                // There is room: it was asked for.
                let _ = group.push(packet);
            }
            Err(error) => return (group, Some(error)),
        }
    }
    (group, None)
}

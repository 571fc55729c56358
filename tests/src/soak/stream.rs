//! Bytes that only their place in their stream explains.
//!
//! Each eight of them are one number of SplitMix64 (Steele, Lea, Flood 2014) counted from the stream's key, so that
//! both ends make them at several gigabytes a second, and a byte that is lost, repeated, exchanged or taken from
//! another stream is noticed where it happens.

/// A stream and how far it has come.
#[derive(Clone, Debug)]
pub struct Stream {
    key: u64,
    at: u64,
}

/// The first wrong byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its place in the stream.
    pub at: u64,
    /// What it should have been.
    pub wanted: u8,
    /// What it was.
    pub got: u8,
}

/// One well mixed number for each key and place.
pub fn number(key: u64, place: u64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = key.wrapping_add(place.wrapping_add(1).wrapping_mul(STEP));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream of this key, from its beginning.
    pub const fn new(key: u64) -> Self {
        Self { key, at: 0 }
    }

    /// The next bytes, as many as the buffer takes.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        let (head, body) = buffer.split_at_mut(self.to_next_number(buffer.len()));
        head.iter_mut().for_each(|byte| *byte = self.next());
        let mut words = body.chunks_exact_mut(8);
        for word in &mut words {
            word.copy_from_slice(&number(self.key, self.at / 8).to_le_bytes());
            self.at += 8;
        }
        let tail = words.into_remainder();
        tail.iter_mut().for_each(|byte| *byte = self.next());
    }

    /// Compares what came with the next bytes.
    ///
    /// # Errors
    /// The first that differs.
    pub fn verify(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        let (head, body) = bytes.split_at(self.to_next_number(bytes.len()));
        self.verify_slowly(head)?;
        let mut words = body.chunks_exact(8);
        for word in &mut words {
            if word != number(self.key, self.at / 8).to_le_bytes() {
                self.verify_slowly(word)?;
            }
            self.at += 8;
        }
        self.verify_slowly(words.remainder())
    }

    /// How far it has come.
    pub const fn at(&self) -> u64 {
        self.at
    }

    fn verify_slowly(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        for &got in bytes {
            let (at, wanted) = (self.at, self.next());
            if got != wanted {
                return Err(Wrong { at, wanted, got });
            }
        }
        Ok(())
    }

    fn next(&mut self) -> u8 {
        let byte = number(self.key, self.at / 8).to_le_bytes()[(self.at % 8) as usize];
        self.at += 1;
        byte
    }

    /// Bytes until a whole number begins, `most` at the most.
    fn to_next_number(&self, most: usize) -> usize {
        ((8 - self.at % 8) as usize % 8).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(key: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        Stream::new(key).fill(&mut buffer);
        buffer
    }

    #[test]
    fn pieces_of_any_length_are_the_same_stream() {
        let whole = bytes(7, 1000);
        let (mut filled, mut sender, mut receiver) = (Vec::new(), Stream::new(7), Stream::new(7));
        for length in [1, 7, 8, 9, 0, 3, 100, 13, 859] {
            let mut piece = vec![0; length];
            sender.fill(&mut piece);
            assert_eq!(receiver.verify(&piece), Ok(()));
            filled.extend(piece);
        }
        assert_eq!(filled, whole);
        assert_eq!(receiver.at(), 1000);
    }

    #[test]
    fn one_wrong_bit_is_found_where_it_is() {
        for at in [0, 5, 8, 500, 998, 999] {
            let mut sent = bytes(7, 1000);
            sent[at] ^= 0x10;
            let wrong = Stream::new(7).verify(&sent).expect_err("a bit is wrong");
            assert_eq!((wrong.at, wrong.got), (at as u64, sent[at]));
            assert_eq!(wrong.wanted, wrong.got ^ 0x10);
        }
    }

    #[test]
    fn what_is_moved_repeated_or_of_another_stream_is_wrong() {
        let sent = bytes(7, 64);
        assert!(Stream::new(7).verify(&sent[8..]).is_err());
        assert!(Stream::new(8).verify(&sent).is_err());
        let twice = [&sent[..16], &sent[8..]].concat();
        let wrong = Stream::new(7).verify(&twice).expect_err("eight came twice");
        assert!((16..24).contains(&wrong.at), "{wrong:?}");
    }
}

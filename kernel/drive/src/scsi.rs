//! CD-ROM drives and disks that speak SCSI commands, whatever carries them: ATAPI or virtio-scsi.
//!
//! SPC-4 for sense data and inquiry, SBC-3 for disks, MMC-6 for discs; the few commands used are the same in all of them.

use alloc::vec::Vec;

use crate::medium::{CHUNK, Fault, Medium};

/// A command, padded to the length that ATAPI sends.
pub type Command = [u8; 12];

/// What carries commands to a drive.
pub trait Carrier {
    /// Sends a command and takes its answer, which may be shorter than `answer`; gives its length.
    ///
    /// # Errors
    /// The drive failed the command, or nothing of it can be understood.
    fn command(&mut self, command: &Command, answer: &mut [u8]) -> Result<usize, Failed>;

    /// Waits ten milliseconds.
    fn wait(&mut self);
}

/// Why a command has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The drive ended it with CHECK CONDITION; here is its sense data if it came along.
    Check(Option<Sense>),
    /// The carrier failed.
    Fault(Fault),
}

/// Why a drive did not do something (SPC-4 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    key: u8,
    code: u8,
}

impl Sense {
    const NOT_READY: u8 = 0x2;
    const UNIT_ATTENTION: u8 = 0x6;
    const BECOMING_READY: u8 = 0x04;
    const NO_DISC: u8 = 0x3a;

    /// Reads sense data in the fixed or the descriptor format; `None` if it is neither.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        let (key, code) = match *data.first()? & 0x7f {
            0x70 | 0x71 => (*data.get(2)?, data.get(12).copied().unwrap_or(0)),
            0x72 | 0x73 => (*data.get(1)?, data.get(2).copied().unwrap_or(0)),
            _ => return None,
        };
        Some(Self {
            key: key & 0xf,
            code,
        })
    }

    const fn fault(self) -> Fault {
        match (self.key, self.code) {
            (Self::NOT_READY, Self::NO_DISC) => Fault::NoMedium,
            (key, code) => Fault::Refused((key as u32) << 8 | code as u32),
        }
    }
}

/// A drive with something in it.
pub struct Drive<C> {
    carrier: C,
    block_bytes: usize,
    blocks: u64,
}

const TEST_UNIT_READY: u8 = 0x00;
const REQUEST_SENSE: u8 = 0x03;
const INQUIRY: u8 = 0x12;
const READ_CAPACITY: u8 = 0x25;
const READ: u8 = 0x28;
const REPORT_LUNS: u8 = 0xa0;

/// How often a drive may say that something has changed.
const ATTENTIONS: u32 = 8;
/// How often a drive is asked again that becomes ready: a second.
const WAITS: u32 = 100;

impl<C: Carrier> Drive<C> {
    /// Waits until the drive is ready, and asks how large its medium is.
    ///
    /// # Errors
    /// [`Fault::NoMedium`] if nothing is in it; else what it did.
    pub fn open(mut carrier: C) -> Result<Self, Fault> {
        ready(&mut carrier)?;
        let mut answer = [0; 8];
        let len = ask(&mut carrier, &command(READ_CAPACITY), &mut answer)?;
        let [last, bytes] = [0, 4].map(|at| u32::from_be_bytes(field(&answer, at)));
        let possible = bytes.is_power_of_two() && (512..=CHUNK as u32).contains(&bytes);
        if len < answer.len() || !possible {
            return Err(Fault::Nonsense);
        }
        Ok(Self {
            carrier,
            block_bytes: bytes as usize,
            // A disk too large for this command says so with all ones; what lies behind does not matter here.
            blocks: u64::from(last) + 1,
        })
    }
}

impl<C: Carrier> Medium for Drive<C> {
    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), Fault> {
        let first = u32::try_from(block).map_err(|_| Fault::Nonsense)?;
        let blocks = (into.len() / self.block_bytes) as u16;
        let mut read = command(READ);
        read[2..6].copy_from_slice(&first.to_be_bytes());
        read[7..9].copy_from_slice(&blocks.to_be_bytes());
        let len = ask(&mut self.carrier, &read, into)?;
        if len == into.len() {
            Ok(())
        } else {
            Err(Fault::Nonsense)
        }
    }
}

/// What stands at a logical unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A disk or a CD-ROM drive.
    Blocks,
    /// Something else, or nothing.
    Other,
}

/// Asks a logical unit what it is.
///
/// # Errors
/// It does not answer.
pub fn inquire(carrier: &mut impl Carrier) -> Result<Unit, Fault> {
    const DISK: u8 = 0x00;
    const DISC: u8 = 0x05;
    let mut answer = [0xff; 36];
    let mut inquiry = command(INQUIRY);
    inquiry[4] = answer.len() as u8;
    ask(carrier, &inquiry, &mut answer)?;
    // The three top bits say whether something is connected.
    Ok(match answer[0] {
        DISK | DISC => Unit::Blocks,
        _ => Unit::Other,
    })
}

/// How many logical units of a target are looked at.
pub const UNITS: usize = 16;

/// Asks a target for its logical units (SPC-4 section 6.33), in the numbers that a carrier addresses them by.
///
/// # Errors
/// There is no such target, or it does not answer.
pub fn units(carrier: &mut impl Carrier) -> Result<Vec<u16>, Fault> {
    let mut answer = [0; 8 + 8 * UNITS];
    let mut report = command(REPORT_LUNS);
    report[6..10].copy_from_slice(&(answer.len() as u32).to_be_bytes());
    let len = ask(carrier, &report, &mut answer)?;
    let listed = answer
        .first_chunk()
        .map_or(0, |len| u32::from_be_bytes(*len)) as usize;
    let entries = answer[8..len.max(8)].chunks_exact(8).take(listed / 8);
    // Peripheral and flat addresses (SAM-5 section 4.7.7); others are none of a simple disk's.
    let numbers = entries.filter(|entry| entry[0] & 0x80 == 0);
    Ok(numbers
        .map(|entry| u16::from_be_bytes([entry[0] & 0x3f, entry[1]]))
        .collect())
}

const fn command(code: u8) -> Command {
    let mut command = [0; 12];
    command[0] = code;
    command
}

/// Waits until a drive is ready, as long as it says that it will be.
fn ready(carrier: &mut impl Carrier) -> Result<(), Fault> {
    let mut waits = 0;
    loop {
        match try_once(carrier, &command(TEST_UNIT_READY), &mut []) {
            Ok(_) => return Ok(()),
            Err(Told::Sense(Sense {
                key: Sense::NOT_READY,
                code: Sense::BECOMING_READY,
            })) if waits < WAITS => {
                waits += 1;
                carrier.wait();
            }
            Err(told) => return Err(told.fault()),
        }
    }
}

fn ask(carrier: &mut impl Carrier, command: &Command, answer: &mut [u8]) -> Result<usize, Fault> {
    try_once(carrier, command, answer).map_err(Told::fault)
}

/// What a drive told instead of an answer.
enum Told {
    Sense(Sense),
    Fault(Fault),
}

impl Told {
    const fn fault(self) -> Fault {
        match self {
            Self::Sense(sense) => sense.fault(),
            Self::Fault(fault) => fault,
        }
    }
}

/// One command, sent again when the drive only wanted to say that it was switched on, or that its disc is another.
fn try_once(
    carrier: &mut impl Carrier,
    command: &Command,
    answer: &mut [u8],
) -> Result<usize, Told> {
    for _ in 0..ATTENTIONS {
        let sense = match carrier.command(command, answer) {
            Ok(len) => return Ok(len.min(answer.len())),
            Err(Failed::Fault(fault)) => return Err(Told::Fault(fault)),
            Err(Failed::Check(Some(sense))) => sense,
            Err(Failed::Check(None)) => sense_of(carrier)?,
        };
        if sense.key != Sense::UNIT_ATTENTION {
            return Err(Told::Sense(sense));
        }
    }
    Err(Told::Fault(Fault::Nonsense))
}

fn sense_of(carrier: &mut impl Carrier) -> Result<Sense, Told> {
    let mut answer = [0; 18];
    let mut request = command(REQUEST_SENSE);
    request[4] = answer.len() as u8;
    match carrier.command(&request, &mut answer) {
        Ok(_) => Sense::read(&answer).ok_or(Told::Fault(Fault::Nonsense)),
        Err(Failed::Fault(fault)) => Err(Told::Fault(fault)),
        Err(Failed::Check(_)) => Err(Told::Fault(Fault::Nonsense)),
    }
}

fn field(answer: &[u8; 8], at: usize) -> [u8; 4] {
    core::array::from_fn(|index| answer[at + index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Answers in the order in which they are given, and remembers the commands.
    #[derive(Default)]
    struct Script {
        answers: VecDeque<Result<Vec<u8>, Failed>>,
        commands: Vec<u8>,
        waits: u32,
    }

    impl Script {
        fn new(answers: impl IntoIterator<Item = Result<Vec<u8>, Failed>>) -> Self {
            Self {
                answers: answers.into_iter().collect(),
                ..Self::default()
            }
        }
    }

    impl Carrier for &mut Script {
        fn command(&mut self, command: &Command, answer: &mut [u8]) -> Result<usize, Failed> {
            self.commands.push(command[0]);
            let data = (self.answers.pop_front()).unwrap_or(Err(Failed::Fault(Fault::Silent)))?;
            let len = data.len().min(answer.len());
            answer[..len].copy_from_slice(&data[..len]);
            Ok(data.len())
        }

        fn wait(&mut self) {
            self.waits += 1;
        }
    }

    fn check(key: u8, code: u8) -> Result<Vec<u8>, Failed> {
        Err(Failed::Check(Some(Sense { key, code })))
    }

    fn capacity(last: u32, bytes: u32) -> Result<Vec<u8>, Failed> {
        Ok([last.to_be_bytes(), bytes.to_be_bytes()].concat())
    }

    fn opened(
        answers: impl IntoIterator<Item = Result<Vec<u8>, Failed>>,
    ) -> Result<(usize, u64), Fault> {
        let mut script = Script::new(answers);
        Drive::open(&mut script).map(|drive| (drive.block_bytes(), drive.blocks()))
    }

    #[test]
    fn a_drive_with_a_disc_says_how_large_it_is() {
        assert_eq!(
            opened([Ok(Vec::new()), capacity(182, 2048)]),
            Ok((2048, 183))
        );
        assert_eq!(
            opened([Ok(Vec::new()), capacity(u32::MAX, 512)]),
            Ok((512, 1 << 32))
        );
    }

    #[test]
    fn what_only_tells_of_a_change_is_asked_again() {
        let news = || check(6, 0x29);
        assert_eq!(
            opened([news(), news(), Ok(Vec::new()), news(), capacity(0, 2048)]),
            Ok((2048, 1))
        );
        let for_ever = (0..1000).map(|_| news());
        assert_eq!(opened(for_ever), Err(Fault::Nonsense));
    }

    #[test]
    fn an_empty_tray_is_told_at_once() {
        let mut script = Script::new([check(2, 0x3a)]);
        assert_eq!(Drive::open(&mut script).err(), Some(Fault::NoMedium));
        assert_eq!((script.commands.len(), script.waits), (1, 0));
    }

    #[test]
    fn a_drive_that_spins_up_is_waited_for_a_second() {
        let spins = || check(2, 0x04);
        let soon = [spins(), spins(), Ok(Vec::new()), capacity(0, 512)];
        assert_eq!(opened(soon), Ok((512, 1)));
        let mut script = Script::new((0..1000).map(|_| spins()));
        assert_eq!(Drive::open(&mut script).err(), Some(Fault::Refused(0x204)));
        assert_eq!(script.waits, WAITS);
    }

    #[test]
    fn sense_data_that_does_not_come_along_is_asked_for() {
        let mut sense = std::vec![0x70, 0, 2, 0, 0, 0, 0, 10];
        sense.resize(18, 0);
        sense[12] = 0x3a;
        let mut script = Script::new([Err(Failed::Check(None)), Ok(sense)]);
        assert_eq!(Drive::open(&mut script).err(), Some(Fault::NoMedium));
        assert_eq!(script.commands, [TEST_UNIT_READY, REQUEST_SENSE]);
        let answers = [Err(Failed::Check(None)), Err(Failed::Check(None))];
        assert_eq!(opened(answers), Err(Fault::Nonsense));
    }

    #[test]
    fn sense_data_is_read_in_both_formats() {
        let descriptor = Sense::read(&[0x72, 0x05, 0x64, 0, 0, 0, 0, 0]);
        assert_eq!(descriptor, Some(Sense { key: 5, code: 0x64 }));
        assert_eq!(Sense::read(&[0x70, 0]), None);
        assert_eq!(Sense::read(&[]), None);
        assert_eq!(Sense::read(&[0; 18]), None);
    }

    #[test]
    fn impossible_blocks_and_short_answers_are_refused() {
        for bytes in [0, 1, 256, 1000, 2352, 8192, 1 << 31, u32::MAX] {
            assert_eq!(
                opened([Ok(Vec::new()), capacity(9, bytes)]),
                Err(Fault::Nonsense),
                "{bytes}"
            );
        }
        let short = Ok(std::vec![0, 0, 0, 9, 0, 0, 8]);
        assert_eq!(opened([Ok(Vec::new()), short]), Err(Fault::Nonsense));
    }

    #[test]
    fn blocks_are_asked_for_by_number_and_must_all_come() {
        let mut script = Script::new([Ok(Vec::new()), capacity(99, 2048), Ok(std::vec![7; 4096])]);
        let mut drive = Drive::open(&mut script).unwrap();
        let mut into = [0; 4096];
        assert_eq!(drive.read(5, &mut into), Ok(()));
        assert_eq!(into, [7; 4096]);
        assert_eq!(drive.read(5, &mut into), Err(Fault::Silent));
        let mut script = Script::new([Ok(Vec::new()), capacity(99, 2048), Ok(std::vec![7; 2048])]);
        let mut drive = Drive::open(&mut script).unwrap();
        assert_eq!(drive.read(5, &mut into), Err(Fault::Nonsense));
    }

    #[test]
    fn a_target_lists_its_units() {
        let list = |answer: Vec<u8>| units(&mut &mut Script::new([Ok(answer)]));
        let mut answer = std::vec![0, 0, 0, 24, 0, 0, 0, 0];
        for lun in [[0, 0], [0, 7], [0x41, 2]] {
            answer.extend_from_slice(&[lun[0], lun[1], 0, 0, 0, 0, 0, 0]);
        }
        assert_eq!(list(answer.clone()), Ok(std::vec![0, 7, 0x102]));
        assert_eq!(list(answer[..16].to_vec()), Ok(std::vec![0]));
        assert_eq!(list(std::vec![0xff; 3]), Ok(std::vec![]));
        answer[..4].fill(0xff);
        answer.resize(4096, 0);
        assert_eq!(list(answer).map(|luns| luns.len()), Ok(UNITS));
    }

    #[test]
    fn only_disks_and_disc_drives_are_looked_at() {
        let kind = |first: u8| {
            let mut script = Script::new([Ok(std::vec![first; 36])]);
            inquire(&mut &mut script)
        };
        assert_eq!([kind(0), kind(5)], [Ok(Unit::Blocks), Ok(Unit::Blocks)]);
        assert_eq!([kind(1), kind(0x7f)], [Ok(Unit::Other), Ok(Unit::Other)]);
    }
}

//! IDE drives at the old ports, by programmed I/O (ACS-4; ATAPI: MMC-6 annex A, formerly SFF-8020i).

use sekisho_drive::ata::{Geometry, IDENTITY_BYTES};
use sekisho_drive::scsi::{self, Carrier, Command, Failed};
use sekisho_drive::{Fault, Medium};

use super::{LIMIT_US, Visitor, place};
use crate::hw::clock;
use crate::hw::port::{read8, read16s, write8, write16};

/// Each channel's name, first port, and control port.
const CHANNELS: [(&str, u16, u16); 2] = [("primary", 0x1f0, 0x3f6), ("secondary", 0x170, 0x376)];
const DRIVES: [(&str, u8); 2] = [("master", 0xe0), ("slave", 0xf0)];

/// Ports of a channel, from its first.
const DATA: u16 = 0;
const FEATURES: u16 = 1;
const COUNT: u16 = 2;
const LOW: u16 = 3;
const MIDDLE: u16 = 4;
const HIGH: u16 = 5;
const SELECT: u16 = 6;
const STATUS: u16 = 7;

/// Bits of the status.
const ERROR: u8 = 0x01;
const DATA_REQUEST: u8 = 0x08;
const DEVICE_FAULT: u8 = 0x20;
const BUSY: u8 = 0x80;

const NO_INTERRUPTS: u8 = 0x02;

/// How long a drive may be busy before it was ever asked for something.
const FIRST_LIMIT_US: u64 = 100_000;

/// Shows all drives to a visitor.
#[cold]
pub fn visit(visitor: &mut Visitor<'_>) {
    for (channel, base, control) in CHANNELS {
        // Where no drive is connected the lines float, or the controller answers with zeros.
        if matches!(read8(base + STATUS), 0 | 0xff) && !answers(base) {
            continue;
        }
        write8(control, NO_INTERRUPTS);
        for (name, select) in DRIVES {
            let drive = Drive {
                base,
                select,
                state: State::Answering,
            };
            drive.show(&place(format_args!("ide {channel} {name}")), visitor);
        }
    }
}

/// Whether there are registers that keep what is written.
fn answers(base: u16) -> bool {
    write8(base + SELECT, DRIVES[0].1);
    write8(base + LOW, 0x55);
    read8(base + LOW) == 0x55
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Answering,
    /// A command did not end: nothing else can be asked.
    Lost,
}

struct Drive {
    base: u16,
    select: u8,
    state: State,
}

/// What IDENTIFY DEVICE finds.
enum Kind {
    Nothing,
    Disk(Geometry),
    Packets,
}

impl Drive {
    fn show(mut self, place: &str, visitor: &mut Visitor<'_>) {
        match self.identify() {
            Ok(Kind::Nothing) => {}
            Ok(Kind::Disk(geometry)) => visitor(
                &place,
                Ok(&mut Disk {
                    drive: self,
                    geometry,
                }),
            ),
            Ok(Kind::Packets) => match scsi::Drive::open(self) {
                Ok(mut drive) => visitor(&place, Ok(&mut drive as &mut dyn Medium)),
                Err(fault) => visitor(&place, Err(fault)),
            },
            Err(fault) => visitor(&place, Err(fault)),
        }
    }

    fn status(&self) -> u8 {
        read8(self.base + STATUS)
    }

    fn write(&self, register: u16, value: u8) {
        write8(self.base + register, value);
    }

    /// Lets the 400 ns pass after which the status counts.
    fn linger(&self) {
        for _ in 0..4 {
            let _ = self.status();
        }
    }

    /// Addresses the drive; the others of its channel keep quiet from here on.
    fn select(&self, limit: u64) -> bool {
        self.write(SELECT, self.select);
        self.linger();
        clock::within(limit, || self.status() & (BUSY | DATA_REQUEST) == 0)
    }

    /// Waits until the command has ended, or data can be transferred.
    fn settle(&mut self) -> Result<u8, Fault> {
        self.linger();
        if clock::within(LIMIT_US, || self.status() & BUSY == 0) {
            Ok(self.status())
        } else {
            self.state = State::Lost;
            Err(Fault::Silent)
        }
    }

    fn identify(&mut self) -> Result<Kind, Fault> {
        const IDENTIFY: u8 = 0xec;
        let is_free = self.select(FIRST_LIMIT_US);
        if matches!(self.status(), 0 | 0xff) {
            return Ok(Kind::Nothing);
        }
        if !is_free {
            return Err(Fault::Silent);
        }
        for register in [COUNT, LOW, MIDDLE, HIGH] {
            self.write(register, 0);
        }
        self.write(STATUS, IDENTIFY);
        let status = self.settle()?;
        let signature = [MIDDLE, HIGH].map(|register| read8(self.base + register));
        match (status, signature) {
            (0 | 0xff, _) => Ok(Kind::Nothing),
            (_, [0x14, 0xeb]) => Ok(Kind::Packets),
            (status, _) if status & (ERROR | DEVICE_FAULT) == 0 && status & DATA_REQUEST != 0 => {
                let mut identity = [0; IDENTITY_BYTES];
                self.take(&mut identity);
                Geometry::read(&identity).map(Kind::Disk)
            }
            // Some drives answer for a neighbour that is not there.
            _ => Ok(Kind::Nothing),
        }
    }

    /// Takes data from the drive; an even number of bytes.
    fn take(&self, into: &mut [u8]) {
        let mut words = [0; 256];
        for part in into.chunks_mut(2 * words.len()) {
            let words = &mut words[..part.len() / 2];
            read16s(self.base + DATA, words);
            for (bytes, word) in part.chunks_exact_mut(2).zip(words) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
    }

    /// Takes what nobody wants.
    fn drain(&self, mut bytes: usize) {
        let mut words = [0; 256];
        while bytes > 0 {
            let part = (bytes / 2).clamp(1, words.len());
            read16s(self.base + DATA, &mut words[..part]);
            bytes = bytes.saturating_sub(2 * part);
        }
    }

    /// Sends a packet and takes what comes, in as many parts as the drive likes.
    fn packet(&mut self, command: &Command, answer: &mut [u8]) -> Result<usize, Failed> {
        const PACKET: u8 = 0xa0;
        let fault = Failed::Fault;
        let most = (answer.len().max(2) as u16).to_le_bytes();
        self.write(FEATURES, 0);
        self.write(MIDDLE, most[0]);
        self.write(HIGH, most[1]);
        self.write(STATUS, PACKET);
        let status = self.settle().map_err(fault)?;
        if status & (ERROR | DEVICE_FAULT) != 0 {
            return Err(Failed::Check(None));
        }
        if status & DATA_REQUEST == 0 {
            return Err(fault(Fault::Nonsense));
        }
        for word in command.chunks_exact(2) {
            write16(self.base + DATA, u16::from_le_bytes([word[0], word[1]]));
        }
        let mut taken = 0;
        // Parts have two bytes at least.
        for _ in 0..=answer.len() / 2 {
            let status = self.settle().map_err(fault)?;
            if status & (ERROR | DEVICE_FAULT) != 0 {
                return Err(Failed::Check(None));
            }
            if status & DATA_REQUEST == 0 {
                return Ok(taken);
            }
            let [low, high] = [MIDDLE, HIGH].map(|register| read8(self.base + register));
            let offered = usize::from(u16::from_le_bytes([low, high]));
            let part = (offered & !1).min((answer.len() - taken) & !1);
            self.take(&mut answer[taken..taken + part]);
            self.drain(offered - part);
            taken += part;
        }
        self.state = State::Lost;
        Err(fault(Fault::Nonsense))
    }
}

impl Carrier for Drive {
    fn command(&mut self, command: &Command, answer: &mut [u8]) -> Result<usize, Failed> {
        if self.state == State::Lost || !self.select(LIMIT_US) {
            self.state = State::Lost;
            return Err(Failed::Fault(Fault::Silent));
        }
        self.packet(command, answer)
    }

    fn wait(&mut self) {
        clock::pause(10_000);
    }
}

/// A disk.
struct Disk {
    drive: Drive,
    geometry: Geometry,
}

impl Medium for Disk {
    fn block_bytes(&self) -> usize {
        self.geometry.block_bytes
    }

    fn blocks(&self) -> u64 {
        self.geometry.blocks
    }

    fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), Fault> {
        const READ_SECTORS_EXT: u8 = 0x24;
        const READ_SECTORS: u8 = 0x20;
        let drive = &mut self.drive;
        if drive.state == State::Lost || !drive.select(LIMIT_US) {
            drive.state = State::Lost;
            return Err(Fault::Silent);
        }
        let count = (into.len() / self.geometry.block_bytes) as u8;
        let [b0, b1, b2, b3, b4, b5, ..] = block.to_le_bytes();
        // Old disks know 28 bits only; the upper four are written beside the drive's number.
        let command = if block >> 28 == 0 {
            drive.write(SELECT, drive.select | b3);
            READ_SECTORS
        } else {
            for (register, value) in [(COUNT, 0), (LOW, b3), (MIDDLE, b4), (HIGH, b5)] {
                drive.write(register, value);
            }
            READ_SECTORS_EXT
        };
        for (register, value) in [(COUNT, count), (LOW, b0), (MIDDLE, b1), (HIGH, b2)] {
            drive.write(register, value);
        }
        drive.write(STATUS, command);
        for part in into.chunks_mut(self.geometry.block_bytes) {
            let status = drive.settle()?;
            if status & (ERROR | DEVICE_FAULT) != 0 || status & DATA_REQUEST == 0 {
                return Err(Fault::Refused(status.into()));
            }
            drive.take(part);
        }
        Ok(())
    }
}

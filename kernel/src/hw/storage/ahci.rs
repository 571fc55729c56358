//! AHCI controllers: SATA disks and discs (Serial ATA AHCI 1.3.1).

use sekisho_drive::ata::{Geometry, IDENTITY_BYTES};
use sekisho_drive::scsi::{self, Carrier, Command, Failed};
use sekisho_drive::{Fault, Medium};
use virtio_drivers::transport::pci::bus::DeviceFunction;

use super::{LIMIT_US, Place, Visitor, place};
use crate::hw::dma::Shared;
use crate::hw::{clock, pci};

/// Registers of the controller (section 3.1).
const GLOBAL_CONTROL: usize = 0x04;
const PORTS: usize = 0x0c;
const AHCI_ENABLE: u32 = 1 << 31;

/// Registers of a port (section 3.3), from its first.
const LIST: usize = 0x00;
const RECEIVED: usize = 0x08;
const INTERRUPTS: usize = 0x10;
const INTERRUPT_ENABLE: usize = 0x14;
const COMMAND: usize = 0x18;
const TASK_FILE: usize = 0x20;
const SIGNATURE: usize = 0x24;
const SATA_STATUS: usize = 0x28;
const SATA_ERROR: usize = 0x30;
const ISSUE: usize = 0x38;

/// Bits of a port's command register: start, receive, and whether both are running.
const START: u32 = 1 << 0;
const RECEIVE: u32 = 1 << 4;
const RECEIVING: u32 = 1 << 14;
const RUNNING: u32 = 1 << 15;

/// Bits of the task file, and the interrupt for an error in it.
const ERROR: u32 = 1 << 0;
const DATA_REQUEST: u32 = 1 << 3;
const DEVICE_FAULT: u32 = 1 << 5;
const BUSY: u32 = 1 << 7;
const TASK_FILE_ERROR: u32 = 1 << 30;

/// Where the parts lie in the shared memory: the list of commands, what is received, the one command's table, its data.
const LIST_AT: usize = 0;
const RECEIVED_AT: usize = 1024;
const TABLE_AT: usize = 2048;
const DATA_AT: usize = 4096;
const DATA_BYTES: usize = sekisho_drive::medium::CHUNK;
const BYTES: usize = DATA_AT + DATA_BYTES;

/// How long a drive may be busy before it was ever asked for something.
const FIRST_LIMIT_US: u64 = 500_000;

/// Shows all drives to a visitor.
#[cold]
pub fn visit(
    controller: &Place,
    function: DeviceFunction,
    registers: usize,
    visitor: &mut Visitor<'_>,
) {
    const PRESENT: u32 = 3;
    let global = Registers(registers);
    if global.read(GLOBAL_CONTROL) & AHCI_ENABLE == 0 {
        global.write(GLOBAL_CONTROL, AHCI_ENABLE);
    }
    let implemented = global.read(PORTS);
    for number in (0..32).filter(|number| implemented & 1 << number != 0) {
        let registers = Registers(registers + 0x100 + 0x80 * number);
        if registers.read(SATA_STATUS) & 0xf != PRESENT {
            continue;
        }
        pci::allow_dma(function);
        let place = place(format_args!("{controller} port {number}"));
        match Port::start(registers) {
            Ok(mut port) => {
                port.show(&place, visitor);
                port.close();
            }
            Err(fault) => visitor(&place, Err(fault)),
        }
    }
}

/// A window of 32-bit registers.
#[derive(Clone, Copy)]
struct Registers(usize);

impl Registers {
    fn read(self, register: usize) -> u32 {
        // SAFETY: registers of a controller that was found, in device memory that stays mapped.
        unsafe { ((self.0 + register) as *const u32).read_volatile() }
    }

    fn write(self, register: usize, value: u32) {
        // SAFETY: as for reading.
        unsafe { ((self.0 + register) as *mut u32).write_volatile(value) }
    }
}

/// A port with a drive.
struct Port {
    registers: Registers,
    memory: Shared,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Answering,
    /// A command did not end: nothing else can be asked.
    Lost,
}

impl Port {
    /// Stops what the firmware left running, and starts again with memory of our own.
    fn start(registers: Registers) -> Result<Self, Fault> {
        if !stop(registers) {
            return Err(Fault::Silent);
        }
        let mut port = Self {
            registers,
            memory: Shared::new(BYTES),
            state: State::Answering,
        };
        match port.run() {
            Ok(()) => Ok(port),
            Err(fault) => {
                port.close();
                Err(fault)
            }
        }
    }

    /// The order is section 10.1.2's.
    fn run(&mut self) -> Result<(), Fault> {
        let registers = self.registers;
        for (register, at) in [(LIST, LIST_AT), (RECEIVED, RECEIVED_AT)] {
            registers.write(register, self.memory.address(at));
            registers.write(register + 4, 0);
        }
        registers.write(INTERRUPT_ENABLE, 0);
        registers.write(SATA_ERROR, u32::MAX);
        registers.write(INTERRUPTS, u32::MAX);
        registers.write(COMMAND, registers.read(COMMAND) | RECEIVE);
        let is_free = clock::within(FIRST_LIMIT_US, || {
            registers.read(TASK_FILE) & (BUSY | DATA_REQUEST) == 0
        });
        if !is_free {
            return Err(Fault::Silent);
        }
        registers.write(COMMAND, registers.read(COMMAND) | START);
        Ok(())
    }

    fn show(&mut self, place: &str, visitor: &mut Visitor<'_>) {
        const DISK: u32 = 0x0000_0101;
        const PACKETS: u32 = 0xeb14_0101;
        match self.registers.read(SIGNATURE) {
            PACKETS => match scsi::Drive::open(&mut *self) {
                Ok(mut drive) => visitor(&place, Ok(&mut drive as &mut dyn Medium)),
                Err(fault) => visitor(&place, Err(fault)),
            },
            DISK => match self.identify() {
                Ok(geometry) => visitor(
                    &place,
                    Ok(&mut Disk {
                        port: self,
                        geometry,
                    }),
                ),
                Err(fault) => visitor(&place, Err(fault)),
            },
            // Port multipliers and enclosures.
            _ => {}
        }
    }

    fn identify(&mut self) -> Result<Geometry, Fault> {
        const IDENTIFY: u8 = 0xec;
        let mut identity = [0; IDENTITY_BYTES];
        let len = self.ask(&Question::ata(IDENTIFY, 0, 0), &mut identity)?;
        if len < identity.len() {
            return Err(Fault::Nonsense);
        }
        Geometry::read(&identity)
    }

    /// Sends one command, and takes its answer.
    fn ask(&mut self, question: &Question, answer: &mut [u8]) -> Result<usize, Fault> {
        if self.state == State::Lost {
            return Err(Fault::Silent);
        }
        let registers = self.registers;
        self.lay_out(question, answer.len());
        registers.write(INTERRUPTS, u32::MAX);
        registers.write(ISSUE, 1);
        let has_failed = || registers.read(INTERRUPTS) & TASK_FILE_ERROR != 0;
        let has_ended = clock::within(LIMIT_US, || registers.read(ISSUE) & 1 == 0 || has_failed());
        if !has_ended {
            self.state = State::Lost;
            return Err(Fault::Silent);
        }
        let task_file = registers.read(TASK_FILE);
        if has_failed() || task_file & (ERROR | DEVICE_FAULT) != 0 {
            // A port stops at an error, and has to be started again (section 6.2.2.1).
            if !stop(registers) || self.run().is_err() {
                self.state = State::Lost;
            }
            return Err(Fault::Refused(task_file & 0xffff));
        }
        let mut count = [0; 4];
        self.memory.read(LIST_AT + 4, &mut count);
        self.memory.read(DATA_AT, answer);
        Ok((u32::from_le_bytes(count) as usize).min(answer.len()))
    }

    /// Writes the command's header, its table, and the one entry for its data (sections 4.2.2 and 4.2.3).
    fn lay_out(&mut self, question: &Question, len: usize) {
        const FIS_WORDS: u32 = 5;
        const PACKET: u32 = 1 << 5;
        const ONE_RANGE: u32 = 1 << 16;
        let packet = question.packet.map_or(0, |_| PACKET);
        let ranges = if len > 0 { ONE_RANGE } else { 0 };
        let header = [
            FIS_WORDS | packet | ranges,
            0,
            self.memory.address(TABLE_AT),
            0,
        ];
        let range = [
            self.memory.address(DATA_AT),
            0,
            0,
            len.saturating_sub(1) as u32,
        ];
        self.write_words(LIST_AT, header);
        self.write_words(TABLE_AT + 128, range);
        self.memory.write(TABLE_AT, &question.fis);
        if let Some(packet) = question.packet {
            self.memory.write(TABLE_AT + 64, &packet);
        }
    }

    fn write_words(&mut self, at: usize, words: [u32; 4]) {
        for (index, word) in words.into_iter().enumerate() {
            self.memory.write(at + 4 * index, &word.to_le_bytes());
        }
    }

    /// Stops the port; its memory is given back if it says that it has stopped.
    fn close(self) {
        if stop(self.registers) {
            // SAFETY: a port that neither runs nor receives touches no memory (section 3.3.7).
            unsafe { self.memory.give_back() }
        }
    }
}

/// Whether the port has stopped running and receiving.
fn stop(registers: Registers) -> bool {
    let clear = |bit: u32, still: u32| {
        registers.write(COMMAND, registers.read(COMMAND) & !bit);
        clock::within(FIRST_LIMIT_US, || registers.read(COMMAND) & still == 0)
    };
    clear(START, RUNNING) && clear(RECEIVE, RECEIVING)
}

/// A command as it is sent: a register FIS, and a packet.
struct Question {
    fis: [u8; 20],
    packet: Option<Command>,
}

impl Question {
    /// A command with a 48-bit address.
    fn ata(command: u8, block: u64, count: u16) -> Self {
        const TO_DEVICE: u8 = 0x27;
        const IS_COMMAND: u8 = 0x80;
        const LBA: u8 = 0x40;
        let [b0, b1, b2, b3, b4, b5, ..] = block.to_le_bytes();
        let [low, high] = count.to_le_bytes();
        let mut fis = [0; 20];
        fis[..4].copy_from_slice(&[TO_DEVICE, IS_COMMAND, command, 0]);
        fis[4..12].copy_from_slice(&[b0, b1, b2, LBA, b3, b4, b5, 0]);
        fis[12..14].copy_from_slice(&[low, high]);
        Self { fis, packet: None }
    }

    /// A packet whose answer comes by DMA.
    fn packet(packet: &Command, len: usize) -> Self {
        const PACKET: u8 = 0xa0;
        const BY_DMA: u8 = 1;
        let mut question = Self::ata(PACKET, 0, 0);
        let [low, high] = (len as u16).to_le_bytes();
        question.fis[3] = if len > 0 { BY_DMA } else { 0 };
        question.fis[5..7].copy_from_slice(&[low, high]);
        question.packet = Some(*packet);
        question
    }
}

impl Carrier for &mut Port {
    fn command(&mut self, command: &Command, answer: &mut [u8]) -> Result<usize, Failed> {
        let question = Question::packet(command, answer.len());
        self.ask(&question, answer).map_err(|fault| match fault {
            Fault::Refused(_) if self.state == State::Answering => Failed::Check(None),
            fault => Failed::Fault(fault),
        })
    }

    fn wait(&mut self) {
        clock::pause(10_000);
    }
}

/// A disk.
struct Disk<'p> {
    port: &'p mut Port,
    geometry: Geometry,
}

impl Medium for Disk<'_> {
    fn block_bytes(&self) -> usize {
        self.geometry.block_bytes
    }

    fn blocks(&self) -> u64 {
        self.geometry.blocks
    }

    fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), Fault> {
        const READ_DMA_EXT: u8 = 0x25;
        let count = (into.len() / self.geometry.block_bytes) as u16;
        let len = (self.port).ask(&Question::ata(READ_DMA_EXT, block, count), into)?;
        if len == into.len() {
            Ok(())
        } else {
            Err(Fault::Nonsense)
        }
    }
}

//! Virtio disks (virtio 1.2 section 5.2).

use sekisho_drive::{Fault, Medium};
use virtio_drivers::transport::SomeTransport;

use super::virtio::Requests;
use super::{Place, Visitor};

const QUEUE: u16 = 0;
/// The device tells the size of its blocks.
const BLOCK_SIZE: u64 = 1 << 6;
/// What all addresses count, in bytes.
const SECTOR: u64 = 512;

/// Shows the disk to a visitor.
#[cold]
pub fn visit(place: &Place, transport: SomeTransport<'static>, visitor: &mut Visitor<'_>) {
    match Requests::open(transport, BLOCK_SIZE, QUEUE) {
        Ok(mut requests) => {
            match size(&mut requests) {
                Ok((block_bytes, blocks)) => {
                    let mut disk = Disk {
                        requests: &mut requests,
                        block_bytes,
                        blocks,
                    };
                    visitor(place, Ok(&mut disk));
                }
                Err(fault) => visitor(place, Err(fault)),
            }
            requests.close();
        }
        Err(fault) => visitor(place, Err(fault)),
    }
}

struct Disk<'r> {
    requests: &'r mut Requests,
    block_bytes: usize,
    blocks: u64,
}

/// Bytes of a block, and how many there are.
fn size(requests: &mut Requests) -> Result<(usize, u64), Fault> {
    const CAPACITY: usize = 0;
    const BLOCK_BYTES: usize = 20;
    let [low, high] = [CAPACITY, CAPACITY + 4].map(|at| requests.configuration(at));
    let sectors = u64::from(low?) | u64::from(high?) << 32;
    let bytes = match requests.offers(BLOCK_SIZE) {
        true => u64::from(requests.configuration(BLOCK_BYTES)?),
        false => SECTOR,
    };
    let possible = bytes.is_power_of_two() && (512..=4096).contains(&bytes);
    // No sector's number times its bytes leaves 64 bits.
    if !possible || sectors > u64::MAX / SECTOR {
        return Err(Fault::Nonsense);
    }
    Ok((bytes as usize, sectors / (bytes / SECTOR)))
}

impl Medium for Disk<'_> {
    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), Fault> {
        const READ: u32 = 0;
        const DATA: usize = 0;
        const STATUS: usize = 1;
        let sector = block * (self.block_bytes as u64 / SECTOR);
        let mut request = [0; 16];
        request[..4].copy_from_slice(&READ.to_le_bytes());
        request[8..].copy_from_slice(&sector.to_le_bytes());
        self.requests.ask(&request, [into.len(), 1])?;
        let mut status = [0];
        self.requests.answer(STATUS, &mut status);
        match status {
            [0] => {
                self.requests.answer(DATA, into);
                Ok(())
            }
            [code] => Err(Fault::Refused(code.into())),
        }
    }
}

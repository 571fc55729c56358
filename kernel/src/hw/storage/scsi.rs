//! Virtio SCSI controllers (virtio 1.2 section 5.6).

use sekisho_drive::scsi::{self, Carrier, Command, Failed, Sense, Unit};
use sekisho_drive::{Fault, Medium};
use virtio_drivers::transport::SomeTransport;

use super::virtio::Requests;
use super::{Place, Visitor, place};
use crate::hw::clock;

/// The queue for requests; those for control and events are not used.
const QUEUE: u16 = 2;
/// How many targets are looked at: as many as anybody numbers drives.
const TARGETS: u8 = 32;

/// Shows all disks and discs to a visitor.
#[cold]
pub fn visit(controller: &Place, transport: SomeTransport<'static>, visitor: &mut Visitor<'_>) {
    let mut requests = match Requests::open(transport, 0, QUEUE) {
        Ok(requests) => requests,
        Err(fault) => return visitor(controller, Err(fault)),
    };
    for target in 0..TARGETS {
        let luns = scsi::units(&mut LogicalUnit {
            requests: &mut requests,
            target,
            lun: 0,
        });
        for lun in luns.unwrap_or_default() {
            let mut unit = LogicalUnit {
                requests: &mut requests,
                target,
                lun,
            };
            let place = place(format_args!("{controller} target {target} lun {lun}"));
            match scsi::inquire(&mut unit) {
                Ok(Unit::Blocks) => match scsi::Drive::open(unit) {
                    Ok(mut drive) => visitor(&place, Ok(&mut drive as &mut dyn Medium)),
                    Err(fault) => visitor(&place, Err(fault)),
                },
                Ok(Unit::Other) => {}
                Err(fault) => visitor(&place, Err(fault)),
            }
        }
    }
    requests.close();
}

/// Carries commands to one logical unit.
struct LogicalUnit<'r> {
    requests: &'r mut Requests,
    target: u8,
    lun: u16,
}

impl Carrier for LogicalUnit<'_> {
    fn command(&mut self, command: &Command, answer: &mut [u8]) -> Result<usize, Failed> {
        const REQUEST_BYTES: usize = 51;
        const RESPONSE_BYTES: usize = 108;
        const GOOD: u8 = 0;
        const CHECK_CONDITION: u8 = 2;
        let [high, low] = self.lun.to_be_bytes();
        let mut request = [0; REQUEST_BYTES];
        request[..4].copy_from_slice(&[1, self.target, 0x40 | high, low]);
        request[19..31].copy_from_slice(command);
        let lengths = [RESPONSE_BYTES, answer.len()];
        self.requests
            .ask(&request, lengths)
            .map_err(Failed::Fault)?;
        let mut response = [0; RESPONSE_BYTES];
        self.requests.answer(0, &mut response);
        let number = |at: usize| {
            let field = core::array::from_fn(|index| response[at + index]);
            u32::from_le_bytes(field) as usize
        };
        let (sense_len, residual) = (number(0), number(4));
        match (response[11], response[10]) {
            (0, GOOD) => {
                self.requests.answer(1, answer);
                Ok(answer.len().saturating_sub(residual))
            }
            (0, CHECK_CONDITION) => {
                let sense = &response[12..12 + sense_len.min(96)];
                Err(Failed::Check(Sense::read(sense)))
            }
            (0, status) => Err(Failed::Fault(Fault::Refused(u32::from(status) << 16))),
            (response, _) => Err(Failed::Fault(Fault::Refused(response.into()))),
        }
    }

    fn wait(&mut self) {
        clock::pause(10_000);
    }
}

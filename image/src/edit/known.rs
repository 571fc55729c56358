//! The numbers by which a hypervisor knows a disk again: VirtualBox starts no machine whose disk has another one.

use crate::Format;

/// `uuidCreate` of a VDI's header (VirtualBox, `VDICore.h`).
const VDI: std::ops::Range<usize> = 0x188..0x198;
/// What the lines of a VMDK's descriptor begin with that VirtualBox added.
const VMDK: &str = "ddb.uuid.";
const BLOCK: u64 = 512;

/// Gives a disk that was written anew the number that it had.
pub fn keep(format: Format, old: &[u8], new: &mut [u8]) {
    match format {
        Format::Vdi => {
            if let (Some(old), Some(new)) = (old.get(VDI), new.get_mut(VDI)) {
                new.copy_from_slice(old);
            }
        }
        Format::Vmdk | Format::VmdkStream => keep_lines(old, new),
        Format::Raw | Format::Qcow2 | Format::Vhdx => {}
    }
}

fn keep_lines(old: &[u8], new: &mut [u8]) {
    let (Some(from), Some(to)) = (descriptor(old), descriptor(new)) else {
        return;
    };
    let text = String::from_utf8_lossy(&old[from]).into_owned();
    let lines = text.lines().filter(|line| line.starts_with(VMDK));
    let kept: String = lines.map(|line| format!("{line}\n")).collect();
    let room = &mut new[to];
    let end = room
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    if let Some(room) = room[end..].get_mut(..kept.len()) {
        room.copy_from_slice(kept.as_bytes());
    }
}

/// Where a VMDK has its descriptor, by its header (VMware, "Virtual Disk Format 5.0").
fn descriptor(file: &[u8]) -> Option<std::ops::Range<usize>> {
    let field = |at: usize| Some(u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?));
    let start = field(28)?.checked_mul(BLOCK)?;
    let end = start.checked_add(field(36)?.checked_mul(BLOCK)?)?;
    let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
    file.get(range.clone()).map(|_| range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_of_virtualbox_keeps_its_number() {
        let disk = vec![0; 1 << 20];
        for (format, at) in [(Format::Vdi, VDI.start), (Format::Vdi, VDI.end - 1)] {
            let mut old = format.encode(&disk).expect("a disk");
            old[at] ^= 0xff;
            let plain = format.encode(&disk).expect("a disk");
            let mut new = plain.clone();
            keep(format, &old, &mut new);
            assert_eq!(new, old);
        }
    }

    #[test]
    fn a_disk_of_vmware_keeps_the_number_that_virtualbox_gave_it() {
        let line = b"ddb.uuid.image=\"0e2b8e7c\"\n";
        for format in [Format::Vmdk, Format::VmdkStream] {
            let plain = format.encode(&vec![0; 1 << 20]).expect("a disk");
            let mut old = plain.clone();
            let text = descriptor(&plain).expect("a descriptor");
            let used = plain[text.clone()].iter().rposition(|&byte| byte != 0);
            let end = text.start + used.expect("text") + 1;
            old[end..end + line.len()].copy_from_slice(line);
            let mut new = plain.clone();
            keep(format, &old, &mut new);
            assert!(new == old);
            let mut again = plain.clone();
            keep(format, &plain, &mut again);
            assert!(again == plain, "nothing to keep");
        }
    }
}

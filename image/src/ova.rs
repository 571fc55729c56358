//! The appliance that VMware and VirtualBox import: a `tar` file with a description in OVF (DMTF's DSP0243, version 1.1),
//! the hashes of its files, and the disk.

mod description;

use std::io;

use sha2::{Digest, Sha256};

use crate::Error;

/// The disk's name in it.
pub const DISK: &str = "sekisho-disk1.vmdk";
/// The description's name in it.
pub const DESCRIPTION: &str = "sekisho.ovf";
/// The hashes' name in it.
pub const HASHES: &str = "sekisho.mf";

/// The first second that FAT knows, as on the disk.
const DATE: u64 = 315_532_800;

/// The whole file with a disk of `capacity` bytes in the form that streams, and one card for each zone.
///
/// # Errors
/// When the configuration is invalid.
pub fn make(disk: &[u8], capacity: usize, config: &[u8], notice: &str) -> Result<Vec<u8>, Error> {
    let checked =
        sekisho_config::check(config).map_err(|report| Error::Config(report.to_string()))?;
    let description = description::text(&checked.config.zones, [disk.len(), capacity], notice);
    let hashes = [(DESCRIPTION, description.as_bytes()), (DISK, disk)]
        .map(|(name, bytes)| format!("SHA256({name})= {}\n", crate::hex(&Sha256::digest(bytes))))
        .concat();
    // In the order that lets a reader check while it reads (DSP0243, 6.1).
    let files = [
        (DESCRIPTION, description.as_bytes()),
        (HASHES, hashes.as_bytes()),
        (DISK, disk),
    ];
    Ok(packed(&files).expect("memory takes all that is written"))
}

fn packed(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(DATE);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, name, *bytes)?;
    }
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_hashes_are_those_of_the_other_files_and_the_description_comes_first() {
        let config = sekisho_config::TEMPLATE.as_bytes();
        let ova = make(b"a disk", 1 << 24, config, "a notice").expect("a valid configuration");
        let mut archive = tar::Archive::new(&ova[..]);
        let mut files = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("a whole entry");
            let path = entry.path().expect("a path").display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a whole entry");
            files.push((path, bytes));
        }
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [DESCRIPTION, HASHES, DISK]);
        assert_eq!(files[2].1, b"a disk");
        let line = |(name, bytes): &(String, Vec<u8>)| {
            format!("SHA256({name})= {}\n", crate::hex(&Sha256::digest(bytes)))
        };
        let hashes = String::from_utf8_lossy(&files[1].1);
        assert_eq!(hashes, line(&files[0]) + &line(&files[2]));
    }

    #[test]
    fn a_broken_configuration_is_refused() {
        let error = make(b"", 0, b"version = 2", "").expect_err("it would not boot");
        assert!(matches!(error, Error::Config(_)), "{error}");
    }
}

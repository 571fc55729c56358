//! What stands on every image about itself: what is on it, Secure Boot, licences.

use crate::tool::GRUB_MKIMAGE;
use crate::{CONFIG, Error, KERNEL};

/// The text, in lines that end as every system can show them.
///
/// # Errors
/// When GRUB is not installed.
pub fn text() -> Result<String, Error> {
    let version = GRUB_MKIMAGE.run(["--version"])?;
    let grub = version
        .trim()
        .rsplit(' ')
        .next()
        .filter(|version| version.starts_with(|first: char| first.is_ascii_digit()))
        .unwrap_or("as installed where this image was made");
    Ok(format!(
        "Sekisho: a firewall and router that is a virtual machine of its own.

{KERNEL}       the kernel
{CONFIG}  its configuration: replace it and restart the machine

Secure Boot: nothing here is signed for it. Switch it off in the machine's firmware.

Licences: Sekisho is licensed under the MIT licence or the Apache License 2.0, as you like.
The boot loader is GRUB, version {grub}, under the GNU General Public License, version 3
or later. Its source is the Debian source package grub2 of that version:
https://snapshot.debian.org/package/grub2/ (on a Debian system: apt source grub2).
Whoever passes this image on has to pass that source on as well, or say where it is.
"
    )
    .replace('\n', "\r\n"))
}

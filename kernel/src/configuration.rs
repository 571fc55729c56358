//! Where the configuration comes from: a drive, else the boot module, else QEMU's file.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sekisho_config::{Config, NO_CONFIGURATION, check};
use sekisho_kernel::boot::info::BootInfo;
use sekisho_kernel::console;
use sekisho_kernel::hw::fw_cfg;
use sekisho_kernel::hw::storage::Controller;

use crate::drives;

/// QEMU's name for it: `-fw_cfg name=opt/org.sekisho/config,file=…`.
const FW_CFG: &str = "opt/org.sekisho/config";

/// Finds and checks the configuration. What a drive holds counts before all else, and never gives way: if it is wrong, so
/// is everything.
///
/// # Errors
/// What is wrong with it, in the words that `sekisho check` uses; or with the drives.
pub fn load(info: &BootInfo, drives: Vec<Controller>) -> Result<Config, String> {
    let (bytes, origin) = find(info, drives)?;
    let checked =
        check(&bytes).map_err(|report| format!("sekisho: configuration ({origin}):\n{report}"))?;
    for warning in &checked.warnings {
        console!("{warning}");
    }
    let config = checked.config;
    console!(
        "sekisho: configuration of {} bytes from {origin}: {} zones, {} rules, {} forwards",
        bytes.len(),
        config.zones.len(),
        config.rules.len(),
        config.forwards.len()
    );
    Ok(config)
}

/// The configuration's bytes, and where they come from.
fn find(info: &BootInfo, drives: Vec<Controller>) -> Result<(Cow<'static, [u8]>, String), String> {
    if let Some((bytes, origin)) = drives::configuration(drives)? {
        let other = match info.module {
            Some(_) => Some("the boot module"),
            None => fw_cfg::read(FW_CFG).map(|_| "fw_cfg"),
        };
        if let Some(other) = other {
            console!(
                "sekisho: the configuration of the drive takes the place of that from {other}"
            );
        }
        return Ok((Cow::Owned(bytes), origin));
    }
    match info.module {
        Some(module) => Ok((Cow::Borrowed(module), "the boot module".into())),
        None => match fw_cfg::read(FW_CFG) {
            Some(file) => Ok((Cow::Owned(file), "fw_cfg".into())),
            None => Err(NO_CONFIGURATION.into()),
        },
    }
}

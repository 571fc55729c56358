//! Where the configuration comes from.

use alloc::borrow::Cow;
use alloc::string::String;

use sekisho_config::{Config, NO_CONFIGURATION, check};
use sekisho_kernel::boot::info::BootInfo;
use sekisho_kernel::console;
use sekisho_kernel::hw::fw_cfg;

/// QEMU's name for it: `-fw_cfg name=opt/org.sekisho/config,file=…`.
const FW_CFG: &str = "opt/org.sekisho/config";

/// Finds and checks the configuration: the boot module, else QEMU's file.
///
/// # Errors
/// What is wrong with it, in the words that `sekisho check` uses.
pub fn load(info: &BootInfo) -> Result<Config, String> {
    let (bytes, origin) = match info.module {
        Some(module) => (Cow::Borrowed(module), "boot module"),
        None => match fw_cfg::read(FW_CFG) {
            Some(file) => (Cow::Owned(file), "fw_cfg"),
            None => return Err(NO_CONFIGURATION.into()),
        },
    };
    let checked = check(&bytes)
        .map_err(|report| alloc::format!("sekisho: configuration ({origin}):\n{report}"))?;
    for warning in &checked.warnings {
        console!("{warning}");
    }
    let config = checked.config;
    console!(
        "sekisho: configuration of {} bytes from the {origin}: {} zones, {} rules, {} forwards",
        bytes.len(),
        config.zones.len(),
        config.rules.len(),
        config.forwards.len()
    );
    Ok(config)
}

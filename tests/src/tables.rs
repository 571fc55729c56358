//! How full the firewall's tables are, as its console says.

use std::time::Duration;

use sekisho_qemu::Vm;

/// How full they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Flows.
    pub flows: u64,
    /// How many flows there is room for.
    pub room: u64,
    /// Mappings, each with its lease of a port.
    pub mappings: u64,
    /// Buffers that are neither on a card's ring nor under way.
    pub free_buffers: u64,
}

impl Tables {
    /// Types commands, of which the last is `status`, and reads its answer.
    ///
    /// # Errors
    /// When the firewall does not answer in time, or something else.
    pub fn ask(vm: &Vm, commands: &str, within: Duration) -> Result<Self, String> {
        let first = vm.lines().len();
        let line = vm
            .type_keys(commands.as_bytes())
            .and_then(|()| vm.wait_from(first, |line| line.starts_with("status: flows "), within))
            .map_err(|error| error.to_string())?;
        Self::read(&line).ok_or_else(|| format!("cannot understand the status: {line}"))
    }

    fn read(line: &str) -> Option<Self> {
        let number = |before: &str| {
            let (_, rest) = line.split_once(before)?;
            rest.split([' ', ',']).next()?.parse().ok()
        };
        Some(Self {
            flows: number("flows ")?,
            room: number(" of ")?,
            mappings: number("mappings ")?,
            free_buffers: number("buffers free ")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read() {
        let line = "status: flows 12 of 4096, mappings 3, buffers free 100 of 1344";
        let expected = Tables {
            flows: 12,
            room: 4096,
            mappings: 3,
            free_buffers: 100,
        };
        assert_eq!(Tables::read(line), Some(expected));
        assert_eq!(Tables::read("status: flows many"), None);
        assert_eq!(Tables::read("status: flows"), None);
    }
}

//! What a person types on the console.

use sekisho_kernel::console;
use sekisho_kernel::hw::{power, serial};

/// The longest line; what is typed beyond it is ignored.
const LONGEST: usize = 32;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print the counters.
    Counters,
    /// Print addresses, links and tables.
    Status,
    /// Switch the machine off.
    PowerOff,
    /// Restart the machine.
    Reboot,
}

/// The line that is being typed.
#[derive(Default)]
pub struct Prompt {
    line: heapless::String<LONGEST>,
}

impl Prompt {
    /// The next command: typed, or the power button's.
    pub fn poll(&mut self) -> Option<Command> {
        while let Some(byte) = serial::read() {
            match byte {
                b'\r' | b'\n' if self.line.is_empty() => {}
                b'\r' | b'\n' => {
                    let command = understand(self.line.trim());
                    self.line.clear();
                    if command.is_some() {
                        return command;
                    }
                }
                // Backspace and delete.
                0x08 | 0x7f => drop(self.line.pop()),
                b' '..=b'~' => drop(self.line.push(byte.into())),
                _ => {}
            }
        }
        power::button_pressed().then(|| {
            console!("sekisho: power button");
            Command::PowerOff
        })
    }
}

fn understand(line: &str) -> Option<Command> {
    match line {
        "counters" => Some(Command::Counters),
        "status" => Some(Command::Status),
        "poweroff" => Some(Command::PowerOff),
        "reboot" => Some(Command::Reboot),
        _ => {
            if line != "help" {
                console!("sekisho: {line}: no such command");
            }
            console!("sekisho: commands: counters, status, poweroff, reboot, help");
            None
        }
    }
}

//! The kernel's log: defmt frames, decoded by the texts in its ELF.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use defmt_decoder::{DecodeError, Table};

use crate::Error;

/// The texts of one kernel's log.
pub struct Log {
    table: Table,
}

impl Log {
    /// Reads the texts from the very ELF that runs; it must not be stripped.
    ///
    /// # Errors
    /// It cannot be read, or it has no log.
    pub fn of(kernel: &Path) -> Result<Self, Error> {
        let refused = |why: String| Error::Kernel {
            path: PathBuf::from(kernel),
            why,
        };
        let bytes = std::fs::read(kernel).map_err(|why| refused(why.to_string()))?;
        let table = Table::parse(&bytes).map_err(|why| refused(why.to_string()))?;
        let table = table.ok_or_else(|| refused("it has no log texts (is it stripped?)".into()))?;
        Ok(Self { table })
    }

    /// Decodes all that can be read, line by line; gives the number of damaged frames, which are left out.
    ///
    /// # Errors
    /// Reading or writing fails.
    pub fn decode(&self, mut from: impl Read, mut to: impl Write) -> std::io::Result<usize> {
        let mut decoder = self.table.new_stream_decoder();
        let mut buffer = [0; 4096];
        let mut damaged = 0;
        loop {
            let len = match from.read(&mut buffer) {
                Ok(0) => return Ok(damaged),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            decoder.received(&buffer[..len]);
            loop {
                match decoder.decode() {
                    Ok(frame) => writeln!(to, "{}", frame.display(false))?,
                    Err(DecodeError::UnexpectedEof) => break,
                    Err(DecodeError::Malformed) => damaged += 1,
                }
            }
            to.flush()?;
        }
    }
}

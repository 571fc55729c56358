//! The serial console, line by line.

use std::io::{self, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// What a machine has printed. A thread adds to it until the machine ends.
#[derive(Clone, Default)]
pub(crate) struct Console(Arc<Shared>);

#[derive(Default)]
struct Shared {
    text: Mutex<Text>,
    grown: Condvar,
}

#[derive(Default)]
struct Text {
    /// Complete lines, without their ends.
    lines: Vec<String>,
    /// The line that is being printed.
    partial: Vec<u8>,
    ended: bool,
}

impl Text {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&self.partial);
                self.lines.push(line.trim_end_matches('\r').to_owned());
                self.partial.clear();
            } else {
                self.partial.push(byte);
            }
        }
    }

    fn whole(&self) -> String {
        let mut whole = self.lines.join("\n");
        if !self.partial.is_empty() {
            whole += "\n";
            whole += &String::from_utf8_lossy(&self.partial);
        }
        whole
    }
}

impl Console {
    /// Follows `source` until it ends.
    pub(crate) fn follow(source: impl Read + Send + 'static) -> io::Result<Self> {
        let console = Self::default();
        let ours = console.clone();
        thread::Builder::new()
            .name("console".into())
            .spawn(move || ours.read(source))?;
        Ok(console)
    }

    fn read(&self, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut bytes = [0; 4096];
        loop {
            match source.read(&mut bytes) {
                Ok(count @ 1..) => self.change(|text| text.add(&bytes[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break self.change(|text| text.ended = true),
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Text)) {
        change(&mut self.text());
        self.0.grown.notify_all();
    }

    fn text(&self) -> std::sync::MutexGuard<'_, Text> {
        self.0.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The complete lines from number `first` on.
    pub(crate) fn lines_from(&self, first: usize) -> Vec<String> {
        self.text().lines.get(first..).unwrap_or_default().to_vec()
    }

    /// Everything so far.
    pub(crate) fn whole(&self) -> String {
        self.text().whole()
    }

    /// Waits until a line from number `first` on is as wanted.
    pub(crate) fn wait_from(
        &self,
        first: usize,
        wanted: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> Result<String, Error> {
        let deadline = Instant::now() + limit;
        let mut next = first;
        let mut text = self.text();
        loop {
            while let Some(line) = text.lines.get(next) {
                if wanted(line) {
                    return Ok(line.clone());
                }
                next += 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if text.ended || left.is_zero() {
                return Err(Error::Console {
                    waited: limit,
                    ended: text.ended,
                    console: text.whole(),
                });
            }
            let waited = self.0.grown.wait_timeout(text, left);
            text = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    const LONG: Duration = Duration::from_secs(20);

    fn console() -> (Console, UnixStream) {
        let (source, machine) = UnixStream::pair().unwrap();
        (Console::follow(source).unwrap(), machine)
    }

    #[test]
    fn a_line_printed_before_or_after_the_wait_is_found() {
        let (console, mut machine) = console();
        machine.write_all(b"one\r\ntwo\r\n").unwrap();
        assert_eq!(
            console.wait_from(0, |line| line == "two", LONG).unwrap(),
            "two"
        );
        let printer = thread::spawn(move || {
            machine.write_all(b"thr").unwrap();
            machine.write_all(b"ee\n").unwrap();
            machine
        });
        assert_eq!(console.wait_from(2, |_| true, LONG).unwrap(), "three");
        assert_eq!(console.lines_from(1), ["two", "three"]);
        drop(printer.join().unwrap());
    }

    #[test]
    fn an_incomplete_line_is_no_line_but_part_of_the_report() {
        let (console, mut machine) = console();
        machine.write_all(b"one\nhalf").unwrap();
        drop(machine);
        let error = console
            .wait_from(0, |line| line.contains("half"), LONG)
            .unwrap_err();
        let Error::Console { ended, console, .. } = error else {
            panic!("{error}");
        };
        assert!(ended);
        assert_eq!(console, "one\nhalf");
    }

    #[test]
    fn a_wait_has_a_limit() {
        let (console, _machine) = console();
        let limit = Duration::from_millis(10);
        let error = console.wait_from(0, |_| true, limit).unwrap_err();
        assert!(
            matches!(error, Error::Console { ended: false, .. }),
            "{error}"
        );
    }

    #[test]
    fn lines_that_do_not_exist_yet_are_none() {
        let (console, _machine) = console();
        assert!(console.lines_from(5).is_empty());
    }
}

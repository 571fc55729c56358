//! QEMU's monitor protocol: one JSON object a line, commands and their answers, events in between.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Error;

/// How long an answer may take. QEMU answers at once unless the host is overloaded.
const LIMIT: Duration = Duration::from_secs(60);

/// A connection to the monitor, ready for commands.
pub(crate) struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// Greets the monitor. Its answer says that QEMU has made all devices and is in its main loop.
    pub(crate) fn greet(stream: UnixStream) -> Result<Self, Error> {
        stream
            .set_read_timeout(Some(LIMIT))
            .map_err(Error::system("setting up QEMU's monitor"))?;
        let mut monitor = Self {
            stream: BufReader::new(stream),
        };
        monitor.run("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Runs one command and gives what it returned.
    pub(crate) fn run(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        self.exchange(command, arguments)
            .unwrap_or_else(|error| Err(error.to_string()))
            .map_err(|why| Error::Monitor {
                command: command.into(),
                why,
            })
    }

    fn exchange(&mut self, command: &str, arguments: &Value) -> io::Result<Result<Value, String>> {
        let request = json!({ "execute": command, "arguments": arguments });
        self.stream
            .get_mut()
            .write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::Error::other("QEMU has ended"));
            }
            let mut answer: Value = serde_json::from_str(&line)?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(Ok(value.take()));
            }
            if let Some(error) = answer.get("error") {
                let why = error.get("desc").and_then(Value::as_str);
                return Ok(Err(why.unwrap_or("refused without a reason").into()));
            }
            // The greeting, or an event.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A monitor that answers each request with the next of `answers`.
    fn fake(answers: &'static [&'static str]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut requests = BufReader::new(theirs);
            requests.get_mut().write_all(b"{\"QMP\": {}}\n").unwrap();
            for answer in answers {
                requests.read_line(&mut String::new()).unwrap();
                requests.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        ours
    }

    #[test]
    fn events_are_passed_over() {
        let stream = fake(&[
            "{\"return\": {}}\n",
            "{\"event\": \"RESUME\"}\n{\"return\": 5}\n",
        ]);
        let mut monitor = Monitor::greet(stream).unwrap();
        assert_eq!(monitor.run("number", &json!({})).unwrap(), json!(5));
    }

    #[test]
    fn a_refusal_is_an_error_with_its_reason() {
        let stream = fake(&[
            "{\"return\": {}}\n",
            "{\"error\": {\"class\": \"X\", \"desc\": \"no such card\"}}\n",
        ]);
        let mut monitor = Monitor::greet(stream).unwrap();
        let error = monitor.run("set_link", &json!({})).unwrap_err();
        assert_eq!(error.to_string(), "QEMU's monitor, set_link: no such card");
    }

    #[test]
    fn an_end_is_an_error() {
        let error = Monitor::greet(fake(&[])).err().unwrap();
        assert!(matches!(error, Error::Monitor { .. }), "{error}");
    }
}

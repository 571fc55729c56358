//! A program that runs beside a test, with its output followed line by line.
//!
//! * [`Program`]: started, awaited by what it prints or by its end, and killed when it is dropped.
//! * [`Finished`]: how it ended and what it had printed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How often a program that prints nothing is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// A running program. Dropping it kills and reaps it.
pub struct Program {
    child: Child,
    title: String,
    output: Arc<Output>,
    readers: Vec<thread::JoinHandle<()>>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub title: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed to standard output and standard error, in the order of arrival.
    pub text: String,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Program {
    /// Starts it with no standard input.
    ///
    /// # Panics
    /// When it cannot be started, which names the program.
    #[track_caller]
    pub fn start(command: &mut Command) -> Program {
        Program::start_with_input(command, Stdio::null())
    }

    /// Starts it with this standard input.
    ///
    /// # Panics
    /// When it cannot be started, which names the program.
    #[track_caller]
    pub fn start_with_input(command: &mut Command, input: Stdio) -> Program {
        let title = title_of(command);
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{title}`: {error}"));
        let output = Arc::new(Output::default());
        let readers = vec![
            follow(child.stdout.take().expect("piped above"), &output),
            follow(child.stderr.take().expect("piped above"), &output),
        ];
        Program {
            child,
            title,
            output,
            readers,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn text(&self) -> String {
        self.output.lines().join("\n")
    }

    /// Waits until it has printed a line that satisfies `wanted`, and returns that line.
    ///
    /// # Panics
    /// When none came within `limit`, with all that it printed instead.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&str) -> bool, limit: Duration) -> String {
        self.wait_for_nth(wanted, 0, limit)
    }

    /// The same for the line after the first `before` of its kind.
    ///
    /// # Panics
    /// When it did not come within `limit`, with all that it printed instead.
    #[track_caller]
    pub fn wait_for_nth(
        &self,
        wanted: impl Fn(&str) -> bool,
        before: usize,
        limit: Duration,
    ) -> String {
        let find = |lines: &[String]| {
            lines
                .iter()
                .filter(|line| wanted(line))
                .nth(before)
                .cloned()
        };
        let lines = self.output.lines();
        let (lines, _) = self
            .output
            .grown
            .wait_timeout_while(lines, limit, |lines| find(lines).is_none())
            .expect("no reader panics");
        find(&lines).unwrap_or_else(|| {
            panic!(
                "`{}` did not print what was awaited within {limit:?}; it printed:\n{}",
                self.title,
                lines.join("\n")
            )
        })
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself; whoever waits for what the signal brings will notice.
        let _ = rustix::process::kill_process(pid, signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `limit`.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Finished {
        let deadline = Instant::now() + limit;
        let status = loop {
            match self.child.try_wait().expect("it is our own child") {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!(
                    "`{}` still runs after {limit:?}; it printed:\n{}",
                    self.title,
                    self.text()
                ),
                None => thread::sleep(ASK_EVERY),
            }
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("readers do not panic");
        }
        Finished {
            title: self.title.clone(),
            status,
            text: self.text(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a child that has been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// The same, if it ended with 0.
    ///
    /// # Panics
    /// When it failed, with all that it printed.
    #[track_caller]
    pub fn expect_success(self) -> Finished {
        assert!(
            self.status.success(),
            "`{}` failed ({}):\n{}",
            self.title,
            self.status,
            self.text
        );
        self
    }
}

impl Output {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().expect("no reader panics")
    }
}

fn follow(stream: impl Read + Send + 'static, output: &Arc<Output>) -> thread::JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        // A stream that cannot be read any more has nothing more to say.
        while stream
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            output.lines().push(text);
            output.grown.notify_all();
            line.clear();
        }
    })
}

fn title_of(command: &Command) -> String {
    let mut title = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        title.push(' ');
        title.push_str(&argument.to_string_lossy());
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn both_streams_and_the_end_are_seen() {
        let program =
            Program::start(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        program.wait_for(|line| line == "err", SOON);
        let finished = program.finish(SOON);
        assert_eq!(finished.status.code(), Some(3));
        assert!(finished.text.contains("out"), "{}", finished.text);
    }

    #[test]
    #[should_panic(expected = "still runs")]
    fn a_program_that_does_not_end_is_reported() {
        Program::start(Command::new("sleep").arg("60")).finish(Duration::from_millis(50));
    }

    #[test]
    fn a_dropped_program_is_gone() {
        let program = Program::start(Command::new("sleep").arg("60"));
        let pid = program.pid();
        drop(program);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}

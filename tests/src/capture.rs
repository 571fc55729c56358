//! What crosses a card, recorded from before the first frame.
//!
//! * [`Capture`]: a running tcpdump.
//! * [`Recording`]: what it saw, counted by tcpdump's filter expressions.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::program::Program;

const LIMIT: Duration = Duration::from_secs(60);

/// Enough for Ethernet, IPv4 and TCP with all their options.
const HEADERS: &[&str] = &["-s", "160"];

/// Whole frames.
const WHOLE: &[&str] = &["-s", "65535"];

/// A recording that goes on.
pub struct Capture {
    program: Program,
    folder: TempDir,
}

/// A recording that has ended.
pub struct Recording {
    folder: TempDir,
}

impl Capture {
    /// Records both directions on `card` of `host`; returns when no frame can be missed any more.
    ///
    /// # Panics
    /// When tcpdump cannot record there.
    #[track_caller]
    pub fn start(host: &Namespace, card: &str) -> Capture {
        Capture::with(host, card, HEADERS)
    }

    /// The same, with all of each frame.
    ///
    /// # Panics
    /// When tcpdump cannot record there.
    #[track_caller]
    pub fn whole(host: &Namespace, card: &str) -> Capture {
        Capture::with(host, card, WHOLE)
    }

    #[track_caller]
    fn with(host: &Namespace, card: &str, what: &[&str]) -> Capture {
        let folder = tempfile::tempdir().expect("a folder for the recording");
        // Without a filter: libpcap would lose the first frame that the filter lets through.
        let mut command = host.command("tcpdump -n -U -Z root -B 65536 --immediate-mode");
        command
            .args(what)
            .args(["-i", card, "-w"])
            .arg(folder.path().join("frames.pcap"));
        let program = Program::start(&mut command);
        program.wait_for(|line| line.contains("listening on"), LIMIT);
        Capture { program, folder }
    }

    /// Ends it, once all that the card has carried so far is written.
    ///
    /// # Panics
    /// When frames were missed, since nothing could be concluded from the rest.
    #[track_caller]
    pub fn finish(self) -> Recording {
        let deadline = Instant::now() + LIMIT;
        for report in 0.. {
            self.program.signal(Signal::USR1);
            let totals = self.program.wait_for_nth(is_report, report, LIMIT);
            let [captured, received, dropped] = numbers(&totals);
            assert_eq!(dropped, 0, "the recording has gaps: {totals}");
            if captured == received {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "tcpdump does not keep up: {totals}"
            );
        }
        self.program.signal(Signal::INT);
        self.program.finish(LIMIT).expect_success();
        Recording {
            folder: self.folder,
        }
    }
}

/// Whether a line is what tcpdump prints on SIGUSR1.
fn is_report(line: &str) -> bool {
    line.starts_with("tcpdump: ") && line.contains("packets captured")
}

/// The numbers of such a line: captured, received by the filter, dropped by the kernel.
fn numbers(report: &str) -> [u64; 3] {
    let mut numbers = report
        .split_whitespace()
        .filter_map(|word| word.parse().ok());
    std::array::from_fn(|_| {
        numbers
            .next()
            .unwrap_or_else(|| panic!("three numbers in: {report}"))
    })
}

impl Recording {
    /// The file with its frames.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("frames.pcap")
    }

    /// How many frames match a filter expression; the empty one matches all.
    ///
    /// # Panics
    /// When the expression is none.
    #[track_caller]
    pub fn count(&self, filter: &str) -> usize {
        self.lines(filter).len()
    }

    /// The frames that match a filter expression, as tcpdump prints them.
    ///
    /// # Panics
    /// When the expression is none.
    #[track_caller]
    pub fn lines(&self, filter: &str) -> Vec<String> {
        let output = Command::new("tcpdump")
            .args(["-n", "-e", "-Z", "root", "-r"])
            .arg(self.path())
            .arg(filter)
            .output()
            .expect("tcpdump has run before");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tcpdump '{filter}': {complaint}");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip;

    #[test]
    fn frames_are_recorded_and_told_apart() {
        if skip::without_root("network namespaces") {
            return;
        }
        let (left, right) = (Namespace::new("l"), Namespace::new("r"));
        left.cable("eth0", &right, "eth0");
        left.ip("address add 198.51.100.1/24 dev eth0");
        right.ip("address add 198.51.100.2/24 dev eth0");
        let capture = Capture::start(&left, "eth0");
        left.run("ping -c 2 -i 0.2 -W 10 198.51.100.2", LIMIT)
            .expect_success();
        let recording = capture.finish();
        assert_eq!(recording.count("icmp and src host 198.51.100.1"), 2);
        assert_eq!(recording.count("icmp"), 4);
        assert!(recording.count("arp") >= 2);
        assert_eq!(recording.count("tcp"), 0);
    }
}

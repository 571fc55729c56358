//! The WAN segment of the smoke test: a switch in this process.
//!
//! QEMU's own hub will not do: it gives every frame to everybody, and QEMU's user network takes all that it is
//! given, so it would answer in the firewall's place and connect to the host's real networks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sekisho_qemu::Port;

/// How long a switch that nobody needs any more may take to notice.
const STEP: Duration = Duration::from_millis(50);

/// The switch's ports, and who is where.
pub struct Ports {
    /// The firewall's card.
    pub firewall: Port,
    /// The way to everything that is not on this segment.
    pub uplink: Port,
    /// The stranger, who is also shown all that the firewall sends.
    pub stranger: Port,
    /// The card behind `firewall`.
    pub firewall_card: [u8; 6],
    /// The card behind `stranger`.
    pub stranger_card: [u8; 6],
}

impl Ports {
    /// Where a frame from one of the ports goes.
    fn ways(&self, from: &Port, frame: &[u8]) -> Vec<&Port> {
        let all = [&self.firewall, &self.uplink, &self.stranger];
        let others = all.into_iter().filter(|port| !std::ptr::eq(*port, from));
        let to = frame.get(..6).unwrap_or_default();
        let wanted = |port: &&Port| {
            let home = if to == self.firewall_card {
                &self.firewall
            } else if to == self.stranger_card {
                &self.stranger
            } else {
                &self.uplink
            };
            let to_group = to.first().is_some_and(|first| first & 1 == 1);
            let shown = std::ptr::eq(*port, &self.stranger) && std::ptr::eq(from, &self.firewall);
            to_group || shown || std::ptr::eq(*port, home)
        };
        others.filter(wanted).collect()
    }

    fn forward(&self, from: &Port, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let Some(frame) = from.receive(STEP) else {
                continue;
            };
            for port in self.ways(from, &frame) {
                // Whoever is gone gets nothing.
                let _ = port.send(&frame);
            }
        }
    }
}

/// A running switch. Dropping it ends it.
pub struct Switch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Switch {
    /// Joins the ports.
    ///
    /// # Errors
    /// If the system has no thread for each.
    pub fn start(ports: Ports) -> io::Result<Self> {
        let ports = Arc::new(ports);
        let mut switch = Self {
            stop: Arc::default(),
            threads: Vec::new(),
        };
        let choices: [fn(&Ports) -> &Port; 3] = [
            |ports| &ports.firewall,
            |ports| &ports.uplink,
            |ports| &ports.stranger,
        ];
        for choose in choices {
            let ports = Arc::clone(&ports);
            let stop = Arc::clone(&switch.stop);
            let thread = thread::Builder::new()
                .name("switch".into())
                .spawn(move || ports.forward(choose(&ports), &stop))?;
            switch.threads.push(thread);
        }
        Ok(switch)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// The far ends of the three cables.
    fn switch() -> (Switch, [Port; 3]) {
        let [firewall, uplink, stranger] = [(); 3].map(|()| Port::pair().unwrap());
        let ports = Ports {
            firewall: firewall.0,
            uplink: uplink.0,
            stranger: stranger.0,
            firewall_card: [2; 6],
            stranger_card: [4; 6],
        };
        let switch = Switch::start(ports).unwrap();
        (switch, [firewall.1, uplink.1, stranger.1])
    }

    fn frame(to: [u8; 6], mark: u8) -> Vec<u8> {
        [&to[..], &[mark; 54]].concat()
    }

    /// Sends a frame, then one to all: what a port gets before the second is what it gets of the first.
    fn reached(from: usize, to: [u8; 6]) -> [bool; 3] {
        let (_switch, ends) = switch();
        ends[from].send(&frame(to, 1)).unwrap();
        ends[from].send(&frame([0xff; 6], 2)).unwrap();
        [0, 1, 2].map(|end| end != from && ends[end].receive(LONG).unwrap()[6] == 1)
    }

    #[test]
    fn a_frame_goes_to_its_card_only() {
        assert_eq!(reached(2, [2; 6]), [true, false, false]);
        assert_eq!(reached(1, [2; 6]), [true, false, false]);
        assert_eq!(reached(1, [4; 6]), [false, false, true]);
        assert_eq!(reached(2, [6; 6]), [false, true, false]);
    }

    #[test]
    fn the_stranger_is_shown_what_the_firewall_sends() {
        assert_eq!(reached(0, [6; 6]), [false, true, true]);
    }

    #[test]
    fn a_frame_to_a_group_goes_to_all_others() {
        assert_eq!(reached(2, [0xff; 6]), [true, true, false]);
    }
}

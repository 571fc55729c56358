//! An Ethernet port in this process, at the other end of a card's cable.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Error, Network};

/// The longest frame that is taken: a whole 64 KiB segment and its headers.
const MAX_FRAME: usize = 65_536 + 64;

/// How long QEMU may take to make room for a frame before sending it counts as failed.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// One end of an Ethernet cable; the other is a card of a machine, or a port of its hub.
///
/// What comes is taken off the cable at once and kept in order, however late it is asked for, so that
/// a slow reader never makes the machine wait.
pub struct Port {
    socket: UnixDatagram,
    frames: Mutex<Receiver<Vec<u8>>>,
    local: PathBuf,
    remote: PathBuf,
    /// Holds both sockets; goes with the port.
    _folder: TempDir,
}

impl Port {
    /// A port with nothing on the other end yet.
    ///
    /// # Errors
    /// If its socket cannot be made, for instance because the temporary folder's path is too long for one.
    pub fn new() -> Result<Self, Error> {
        Self::make().map_err(Error::system("making an Ethernet port"))
    }

    /// Two ports with a cable between them and no machine.
    ///
    /// # Errors
    /// As [`Port::new`].
    pub fn pair() -> Result<(Self, Self), Error> {
        let mut one = Self::new()?;
        let mut other = Self::new()?;
        one.remote.clone_from(&other.local);
        other.remote.clone_from(&one.local);
        Ok((one, other))
    }

    fn make() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sekisho-port-").tempdir()?;
        let local = folder.path().join("port");
        let remote = folder.path().join("qemu");
        let socket = UnixDatagram::bind(&local)?;
        socket.set_write_timeout(Some(SEND_LIMIT))?;
        let reader = socket.try_clone()?;
        let (sender, frames) = mpsc::channel();
        thread::Builder::new()
            .name("port".into())
            .spawn(move || collect(&reader, &sender))?;
        Ok(Self {
            socket,
            frames: Mutex::new(frames),
            local,
            remote,
            _folder: folder,
        })
    }

    /// The other end, for a card or a hub.
    pub fn network(&self) -> Network {
        Network::Datagram {
            local: self.remote.clone(),
            remote: self.local.clone(),
        }
    }

    /// Sends one frame, from its destination address to the end of its payload, and waits until there is room for it.
    ///
    /// # Errors
    /// If there is no machine on the other end, or it takes nothing any more.
    pub fn send(&self, frame: &[u8]) -> Result<(), Error> {
        self.socket
            .send_to(frame, &self.remote)
            .map(drop)
            .map_err(Error::system("sending a frame to the machine"))
    }

    /// The next frame, if one is there or comes within `limit`.
    pub fn receive(&self, limit: Duration) -> Option<Vec<u8>> {
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.recv_timeout(limit).ok()
    }

    /// The next frame that is as `wanted` within `limit`; frames before it are thrown away.
    pub fn receive_matching(
        &self,
        wanted: impl Fn(&[u8]) -> bool,
        limit: Duration,
    ) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = self.receive(left)?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // Ends the reader's wait.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// Takes frames until the port is closed.
fn collect(socket: &UnixDatagram, frames: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; MAX_FRAME];
    loop {
        match socket.recv(&mut buffer) {
            // A datagram without a byte is no frame: this is the end.
            Ok(0) => break,
            Ok(length) => {
                if frames.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// What QEMU would have on the other end.
    fn machine(port: &Port) -> UnixDatagram {
        let socket = UnixDatagram::bind(&port.remote).unwrap();
        socket.connect(&port.local).unwrap();
        socket
    }

    #[test]
    fn frames_cross_in_both_directions_in_order() {
        let port = Port::new().unwrap();
        let machine = machine(&port);
        for number in 0..2000_u16 {
            machine.send(&number.to_be_bytes()).unwrap();
        }
        for number in 0..2000_u16 {
            assert_eq!(port.receive(LONG).unwrap(), number.to_be_bytes());
        }
        port.send(b"back").unwrap();
        let mut buffer = [0; 9];
        assert_eq!(machine.recv(&mut buffer).unwrap(), 4);
    }

    #[test]
    fn a_wanted_frame_is_found_behind_others() {
        let port = Port::new().unwrap();
        let machine = machine(&port);
        for frame in [b"one", b"two", b"six"] {
            machine.send(frame).unwrap();
        }
        assert_eq!(
            port.receive_matching(|frame| frame == b"two", LONG)
                .unwrap(),
            b"two"
        );
        assert_eq!(port.receive(LONG).unwrap(), b"six");
        let none = port.receive_matching(|_| true, Duration::from_millis(10));
        assert_eq!(none, None);
    }

    #[test]
    fn two_ports_can_have_a_cable_of_their_own() {
        let (one, other) = Port::pair().unwrap();
        one.send(b"there").unwrap();
        other.send(b"back").unwrap();
        assert_eq!(other.receive(LONG).unwrap(), b"there");
        assert_eq!(one.receive(LONG).unwrap(), b"back");
    }

    #[test]
    fn a_cable_without_a_machine_is_an_error() {
        let error = Port::new().unwrap().send(b"frame").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("sending a frame to the machine: "),
            "{error}"
        );
    }

    #[test]
    fn a_port_leaves_no_files() {
        let port = Port::new().unwrap();
        let path = port.local.clone();
        assert!(path.exists());
        drop(port);
        assert!(!path.exists());
    }
}

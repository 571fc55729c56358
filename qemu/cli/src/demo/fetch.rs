//! Fetches the demonstration's page as a browser would.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::web::MARK;

/// How long one attempt may take: QEMU takes connections before the firewall forwards them, and those are lost.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Time between attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Tries until the page comes, for at most `limit`, and gives it.
///
/// # Errors
/// Why the last attempt failed, or that `stop` ended it.
pub fn page(url: SocketAddrV4, limit: Duration, stop: impl Fn() -> bool) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    loop {
        let why = match attempt(url) {
            Ok(answer) if answer.contains(MARK) => return Ok(answer),
            Ok(answer) => format!("an answer of {} bytes without the page", answer.len()),
            Err(error) => error.to_string(),
        };
        if stop() {
            return Err("interrupted".into());
        }
        if Instant::now() > deadline {
            return Err(why);
        }
        thread::sleep(PAUSE);
    }
}

fn attempt(url: SocketAddrV4) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(url), ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.set_write_timeout(Some(ATTEMPT))?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {url}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

//! The demonstration's web page.

use std::net::SocketAddr;

/// The longest request that is read before it is answered.
pub const MAX_REQUEST: usize = 4096;

/// A sentence of the page by which a smoke test knows it.
pub const MARK: &str = "This page came through the firewall.";

/// Whether a request is complete: its blank line is there, or it is longer than any that is welcome.
pub fn complete(request: &[u8]) -> bool {
    request.len() >= MAX_REQUEST || request.windows(4).any(|end| end == b"\r\n\r\n")
}

/// The whole answer to a request of `from`.
pub fn answer(request: &[u8], from: SocketAddr) -> Vec<u8> {
    let line = request.split(|&byte| byte == b'\r').next();
    let (status, page) = match line.unwrap_or_default() {
        line if line.starts_with(b"GET / ") => ("200 OK", page(from)),
        line if line.starts_with(b"GET /") => ("404 Not Found", String::from("Not found\n")),
        _ => ("405 Method Not Allowed", String::from("GET only\n")),
    };
    let length = page.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{page}"
    )
    .into_bytes()
}

fn page(from: SocketAddr) -> String {
    format!(
        "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Sekisho</title>
<style>body {{ font: 1.1em/1.5 sans-serif; max-width: 42em; margin: 3em auto; padding: 0 1em }}</style>
<h1>Sekisho</h1>
<p>{MARK}</p>
<p>It stands on a server in a DMZ, 10.99.0.2. The firewall is a virtual machine of its own with one card on the WAN and
one on the DMZ switch; it lets the world reach port 80 of this server and nothing else, and keeps the server away from
the private networks around the WAN and from the machine that runs both.</p>
<p>To this server, you are {from}.</p>
</html>
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(request: &str) -> String {
        let from = SocketAddr::from(([192, 0, 2, 7], 4711));
        String::from_utf8(answer(request.as_bytes(), from)).unwrap()
    }

    #[test]
    fn the_page_names_its_reader() {
        let answer = answered("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("192.0.2.7:4711"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
    }

    #[test]
    fn other_requests_are_refused() {
        assert!(answered("GET /favicon.ico HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(answered("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(answered("").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn a_request_ends_with_a_blank_line_or_is_too_long() {
        assert!(!complete(b"GET / HTTP/1.1\r\n"));
        assert!(complete(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(complete(&[b'x'; MAX_REQUEST]));
    }
}

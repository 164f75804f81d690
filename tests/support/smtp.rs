//! A byte-exact SMTP client: it sends what it is told, lawful or not, and gives back the replies.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::wait::PATIENCE;

/// A session with a server.
pub(crate) struct Smtp {
    stream: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects, and says EHLO.
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap_or_else(|e| panic!("port {port}: {e}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut session = Self { stream: BufReader::new(stream) };
        let greeting = session.reply();
        assert!(greeting.starts_with("220"), "{greeting}");
        session.expect("EHLO client.example", "250");
        session
    }

    /// Sets what Postfix gives as `{auth_authen}`, by XCLIENT; the session begins anew.
    pub(crate) fn login(&mut self, login: &str) {
        // xtext (RFC 3461 section 4).
        let login: String = login.bytes().map(xtext).collect();
        self.expect(&format!("XCLIENT LOGIN={login}"), "220");
        self.expect("EHLO client.example", "250");
    }

    /// Sends one command and gives back the whole reply, its lines joined by LF.
    pub(crate) fn command(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.reply()
    }

    /// Sends one command that must be answered so.
    pub(crate) fn expect(&mut self, command: &str, code: &str) -> String {
        let reply = self.command(command);
        assert!(reply.starts_with(code), "{command}: {reply}");
        reply
    }

    /// DATA and the message, with dots stuffed; nothing else is changed.
    pub(crate) fn data(&mut self, message: &[u8]) -> String {
        let go_ahead = self.command("DATA");
        if !go_ahead.starts_with("354") {
            return go_ahead;
        }
        self.send(&stuffed(message));
        self.send(if message.ends_with(b"\r\n") { b".\r\n" } else { b"\r\n.\r\n" });
        self.reply()
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap_or_else(|error| panic!("the server hung up: {error}"));
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).unwrap_or_else(|error| panic!("no reply: {error}"));
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                return lines.join("\n");
            }
        }
    }
}

fn xtext(byte: u8) -> String {
    match byte {
        b'!'..=b'~' if byte != b'+' && byte != b'=' => char::from(byte).to_string(),
        _ => format!("+{byte:02X}"),
    }
}

/// RFC 5321 section 4.5.2: a dot at the beginning of a line is doubled. A line ends with CRLF, for Postfix also with
/// LF alone.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let lines = message.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| [if line.starts_with(b".") { &b"."[..] } else { b"" }, line].concat()).collect()
}

//! An IMAP client (RFC 3501): what stands in a mailbox.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::wait::PATIENCE;

/// A session of somebody who has logged in.
pub(crate) struct Imap {
    stream: BufReader<TcpStream>,
}

/// A message in a mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    /// Its flags, without `\Recent`, in order.
    pub(crate) flags: Vec<String>,
    pub(crate) octets: Vec<u8>,
}

impl Imap {
    pub(crate) fn login(port: u16, login: &str, password: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap_or_else(|e| panic!("port {port}: {e}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut imap = Self { stream: BufReader::new(stream) };
        let greeting = imap.line();
        assert!(greeting.starts_with("* OK"), "{greeting}");
        assert!(imap.command(&format!("LOGIN {login} {password}")).1, "LOGIN {login}");
        imap
    }

    /// The messages of a mailbox; none without it. To look leaves no mark: `\Seen` stays as it is.
    pub(crate) fn messages(&mut self, mailbox: &str) -> Vec<Stored> {
        let (lines, exists) = self.command(&format!("EXAMINE \"{mailbox}\""));
        if !exists || lines.iter().any(|line| line.0 == "* 0 EXISTS") {
            return Vec::new();
        }
        let (lines, fetched) = self.command("FETCH 1:* (FLAGS BODY.PEEK[])");
        assert!(fetched, "{lines:?}");
        lines
            .into_iter()
            .filter(|(line, _)| line.contains(" FETCH "))
            .map(|(line, octets)| stored(&line, octets))
            .collect()
    }

    /// The mailboxes.
    pub(crate) fn mailboxes(&mut self) -> Vec<String> {
        let (lines, _) = self.command("LIST \"\" *");
        let names = lines
            .iter()
            .filter_map(|(line, _)| line.rsplit(' ').next())
            .map(|name| name.trim_matches('"').to_owned());
        names.collect()
    }

    /// The answers to a command with the octets of a literal in each, and whether it succeeded.
    fn command(&mut self, command: &str) -> (Vec<(String, Vec<u8>)>, bool) {
        self.stream.get_mut().write_all(format!("a {command}\r\n").as_bytes()).unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = self.line();
            if let Some(result) = line.strip_prefix("a ") {
                return (lines, result.starts_with("OK"));
            }
            let mut octets = Vec::new();
            let length = line
                .strip_suffix('}')
                .and_then(|line| line.rsplit_once('{'))
                .map(|(_, n)| n.parse().unwrap());
            if let Some(length) = length {
                octets.resize(length, 0);
                self.stream.read_exact(&mut octets).unwrap();
                line.push_str(&self.line());
            }
            lines.push((line, octets));
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap_or_else(|error| panic!("no answer: {error}"));
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }
}

fn stored(line: &str, octets: Vec<u8>) -> Stored {
    let flags =
        line.split_once("FLAGS (").and_then(|(_, rest)| rest.split_once(')')).map_or("", |(flags, _)| flags);
    let mut flags: Vec<_> =
        flags.split_whitespace().filter(|flag| *flag != "\\Recent").map(str::to_owned).collect();
    flags.sort();
    Stored { flags, octets }
}

//! The server that Postfix delivers to: takes everything, offers every extension whose parameters matter, and keeps
//! the envelope and the bytes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::message::Delivery;
use super::wait::PATIENCE;

/// A running server; it ends with the process.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    deliveries: Mutex<Vec<Delivery>>,
    more: Condvar,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self { address: listener.local_addr().unwrap(), kept: Arc::default() };
        let kept = sink.kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    // A client that hangs up in the middle has delivered nothing.
                    let _ = serve(&stream, &kept);
                });
            }
        });
        sink
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came for `recipient` so far.
    pub(crate) fn have(&self, recipient: &str) -> Vec<Delivery> {
        select(&self.kept.deliveries.lock().unwrap(), recipient)
    }

    /// Waits for what comes for `recipient`.
    pub(crate) fn wait_for(&self, recipient: &str) -> Delivery {
        let deliveries = self.kept.deliveries.lock().unwrap();
        let missing = |deliveries: &mut Vec<Delivery>| select(deliveries, recipient).is_empty();
        let (deliveries, waited) = self.kept.more.wait_timeout_while(deliveries, PATIENCE, missing).unwrap();
        assert!(!waited.timed_out(), "nothing came for {recipient} within {} s", PATIENCE.as_secs());
        select(&deliveries, recipient).remove(0)
    }

    /// Waits at most so long for what comes for `recipient`, and keeps it no longer.
    pub(crate) fn take(&self, recipient: &str, patience: Duration) -> Option<Delivery> {
        let path = format!("<{recipient}>");
        let place = |deliveries: &[Delivery]| {
            deliveries.iter().position(|delivery| delivery.recipients.iter().any(|to| to.starts_with(&path)))
        };
        let deliveries = self.kept.deliveries.lock().unwrap();
        let missing = |deliveries: &mut Vec<Delivery>| place(deliveries).is_none();
        let (mut deliveries, _) = self.kept.more.wait_timeout_while(deliveries, patience, missing).unwrap();
        place(&deliveries).map(|place| deliveries.remove(place))
    }

    /// How many deliveries it keeps.
    pub(crate) fn count(&self) -> usize {
        self.kept.deliveries.lock().unwrap().len()
    }
}

fn select(deliveries: &[Delivery], recipient: &str) -> Vec<Delivery> {
    let path = format!("<{recipient}>");
    let meant = |delivery: &&Delivery| delivery.recipients.iter().any(|to| to.starts_with(&path));
    deliveries.iter().filter(meant).cloned().collect()
}

/// One SMTP session (RFC 5321).
fn serve(stream: &TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut reply = |text: &str| writer.write_all(format!("{text}\r\n").as_bytes());
    let (mut mail, mut recipients) = (String::new(), Vec::new());
    reply("220 sink.example ESMTP")?;
    loop {
        let line = String::from_utf8_lossy(&read_line(&mut lines)?).trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let argument = line.split_once(':').map(|(_, argument)| argument.to_owned()).unwrap_or_default();
        match verb.as_str() {
            "EHLO" => reply("250-sink.example\r\n250-SIZE\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8")?,
            "MAIL" => {
                (mail, recipients) = (argument, Vec::new());
                reply("250 2.1.0 Ok")?;
            }
            "RCPT" => {
                recipients.push(argument);
                reply("250 2.1.5 Ok")?;
            }
            "DATA" => {
                reply("354 Go ahead")?;
                let data = read_data(&mut lines)?;
                let delivery =
                    Delivery { mail: mail.clone(), recipients: std::mem::take(&mut recipients), data };
                // Kept before it is acknowledged: what Postfix has delivered can be seen.
                kept.deliveries.lock().unwrap().push(delivery);
                kept.more.notify_all();
                reply("250 2.0.0 Ok")?;
            }
            "QUIT" => return reply("221 2.0.0 Bye"),
            "RSET" | "NOOP" => reply("250 2.0.0 Ok")?,
            _ => reply("500 5.5.1 not known here")?,
        }
    }
}

fn read_line(lines: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    match lines.read_until(b'\n', &mut line)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

/// The message up to the single dot, without the dots that were stuffed (RFC 5321 section 4.5.2).
fn read_data(lines: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let line = read_line(lines)?;
        match line.strip_prefix(b".") {
            Some(b"\r\n") => return Ok(data),
            Some(stuffed) => data.extend_from_slice(stuffed),
            None => data.extend_from_slice(&line),
        }
    }
}

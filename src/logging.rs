//! Where log lines go: standard error as text or JSON, or the journal (`[log]`).
//!
//! Who writes an event escapes what comes from a message or a directory ([`printable`]). Whatever was forgotten there,
//! an event is one line of printable ASCII here, and nobody can make it look like two, or reach the terminal behind it.
//! In the journal's protocol each field has its length, or ends at the line end that it cannot hold.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tracing::error;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{Level, Log, LogFormat};
use crate::reply::{is_printable, printable};

/// Whether events go to the journal.
static JOURNAL: AtomicBool = AtomicBool::new(false);

/// Whether events without a message are seen by nobody: journalctl(1) passes over entries that have no MESSAGE.
pub(crate) fn needs_message() -> bool {
    JOURNAL.load(Relaxed)
}

/// Starts logging as configured, panics included. The error is the journal's, where there is none.
pub fn start(log: &Log) -> io::Result<()> {
    let level = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // Our own events alone. A library knows nothing of secrets: indymilter tells every packet at "trace", with subject
    // and body.
    let own = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    let registry = tracing_subscriber::registry().with(own);
    // A line that cannot be written, on a full disk, is lost; complaining about it would be a panic in the message.
    let text = fmt::layer().with_target(false).log_internal_errors(false).with_ansi(false);
    let text = text.with_writer(|| OneLine { to: io::stderr(), escape: as_text });
    // Who started logging before us, a test perhaps, keeps it.
    let _ = match log.format {
        LogFormat::Text => tracing::subscriber::set_global_default(registry.with(text)),
        LogFormat::Json => {
            let json = fmt::layer().json().flatten_event(true).with_target(false).log_internal_errors(false);
            let json = json.with_writer(|| OneLine { to: io::stderr(), escape: as_json });
            tracing::subscriber::set_global_default(registry.with(json))
        }
        LogFormat::Journald => {
            let journal = tracing_journald::layer()?.with_field_prefix(None);
            JOURNAL.store(true, Relaxed);
            tracing::subscriber::set_global_default(registry.with(journal))
        }
    };
    std::panic::set_hook(Box::new(tell));
    Ok(())
}

/// A panic takes a message or a connection with it, which is deferred or opened anew; that is told where it is caught.
fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let what = panic.payload_as_str().unwrap_or("no reason given");
    error!(place, what = printable(what), "a part of the program panicked");
}

/// Writes an event as one line of printable ASCII.
struct OneLine<W> {
    to: W,
    /// Appends a character that is not printable ASCII.
    escape: fn(char, &mut String),
}

impl<W: Write> Write for OneLine<W> {
    /// `event`: all of it, which is how the formats write, with its line end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if event.split_last().is_some_and(|(end, line)| *end == b'\n' && is_printable(line)) {
            return self.to.write_all(event).map(|()| event.len());
        }
        let text = String::from_utf8_lossy(event);
        let mut line = String::with_capacity(text.len());
        for c in text.strip_suffix('\n').unwrap_or(&text).chars() {
            match c {
                ' '..='~' => line.push(c),
                c => (self.escape)(c, &mut line),
            }
        }
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn as_text(c: char, line: &mut String) {
    line.extend(c.escape_default());
}

/// RFC 8259 section 7: as UTF-16. What may not stand in a string as it is, the format has escaped.
fn as_json(c: char, line: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string does not fail.
        let _ = write!(line, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str, escape: fn(char, &mut String)) -> String {
        let mut to = Vec::new();
        OneLine { to: &mut to, escape }.write_all(event.as_bytes()).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn an_event_is_one_line() {
        for (event, text) in [
            ("plain\n", "plain\n"),
            ("two\nlines\r\n", "two\\nlines\\r\n"),
            ("\x1b[2J\0\u{9b}31m", "\\u{1b}[2J\\u{0}\\u{9b}31m\n"),
            ("\u{202e}\u{2028}\u{85}é\n", "\\u{202e}\\u{2028}\\u{85}\\u{e9}\n"),
        ] {
            assert_eq!(line(event, as_text), text, "{event:?}");
        }
    }

    #[test]
    fn json_says_the_same_in_ascii() {
        let value = serde_json::json!({ "a\u{2028}": "é\u{202e}𝒳\u{85}\n\u{1b}\"" });
        let line = line(&format!("{value}\n"), as_json);
        assert!(line.trim_end_matches('\n').bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}

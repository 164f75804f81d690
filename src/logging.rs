//! Where log lines go: standard error as text or JSON, or the journal (`[log]`).

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing::error;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{Level, Log, LogFormat};
use crate::reply::printable;

/// Starts logging as configured, panics included. The error is the journal's, where there is none.
pub fn start(log: &Log) -> io::Result<()> {
    let level = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let registry = tracing_subscriber::registry().with(level);
    let colour = io::stderr().is_terminal();
    // A line that cannot be written, on a full disk, is lost; complaining about it would be a panic in the message.
    let text =
        fmt::layer().with_writer(io::stderr).with_target(false).log_internal_errors(false).with_ansi(colour);
    // Who started logging before us, a test perhaps, keeps it.
    let _ = match log.format {
        LogFormat::Text => tracing::subscriber::set_global_default(registry.with(text)),
        LogFormat::Json => {
            let json = fmt::layer().json().flatten_event(true).with_writer(io::stderr).with_target(false);
            let json = json.log_internal_errors(false);
            tracing::subscriber::set_global_default(registry.with(json))
        }
        LogFormat::Journald => {
            let journal = tracing_journald::layer()?.with_field_prefix(None);
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

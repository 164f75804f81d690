//! HTTP as a client speaks it, and pages of metrics as they are read.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::wait::PATIENCE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

/// Gets a page of 127.0.0.1.
pub(crate) fn get(port: u16, path: &str) -> Page {
    ask(port, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// Sends a request and reads its answer to the end.
pub(crate) fn ask(port: u16, request: &str) -> Page {
    try_to_ask(port, request).unwrap_or_else(|| panic!("no answer to {request:?}"))
}

/// The same; none if nobody answers.
pub(crate) fn try_to_ask(port: u16, request: &str) -> Option<Page> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // What is refused before it was read whole may end with a reset.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Page { status, head: head.to_ascii_lowercase(), text: text.to_owned() })
}

/// The values of a page of metrics, each by its name and labels as they stand there.
pub(crate) fn values(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap_or_else(|error| panic!("{line}: {error}")))
        })
        .collect()
}

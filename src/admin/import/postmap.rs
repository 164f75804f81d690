//! postmap(1): Postfix's own program reads the tables, of whichever type, with its own rules for keys.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::admin::check::postfix::postconf;
use crate::admin::progress::Progress;
use crate::reply;

/// How long one run may take: a table may be a database far away.
const LIMIT: Duration = Duration::from_secs(60);

/// How many keys one run is asked for.
const BATCH: usize = 1_000;

/// The most octets that are read of what one run says.
const MOST: u64 = 256 << 20;

/// The longest complaint that is shown, in octets.
const SHOWN: usize = 800;

/// Why a table was not read.
#[derive(Debug, thiserror::Error)]
pub enum PostmapError {
    /// The program is not there, or cannot be run.
    #[error("{} cannot be run: {error}; run this where Postfix is installed", .program.display())]
    Program {
        /// What was tried last.
        program: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It says that something is wrong.
    #[error("{}: {said}", reply::printable(.table))]
    Fails {
        /// The table.
        table: String,
        /// What it says, with the line where it is one's.
        said: String,
    },
    /// It takes too long.
    #[error("{}: postmap gave no answer within {} seconds: is what the table asks out of reach?", reply::printable(.0), LIMIT.as_secs())]
    Slow(String),
    /// It says too much.
    #[error("{}: the table has more than {} MiB", reply::printable(.0), MOST >> 20)]
    TooLong(String),
}

/// Whether a word can be the type of a table: it becomes part of a command.
pub(super) fn is_kind(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Tables of one Postfix.
pub(super) struct Postmap<'a> {
    /// Where `main.cf` is.
    pub(super) directory: &'a Path,
    /// What postmap warned of, each once.
    pub(super) warnings: Vec<String>,
    told: HashSet<String>,
}

impl<'a> Postmap<'a> {
    /// Of the Postfix with this directory.
    pub(super) fn new(directory: &'a Path) -> Self {
        Self { directory, warnings: Vec::new(), told: HashSet::new() }
    }

    /// Every key of a table that can be listed, with what it has for it. Sorted: a table in memory lists itself in
    /// another order each time.
    pub(super) fn list(&mut self, table: &str) -> Result<Vec<(String, String)>, PostmapError> {
        let mut pairs: Vec<_> =
            self.run(table, &["-s", table], Vec::new())?.lines().filter_map(pair).collect();
        pairs.sort_unstable();
        Ok(pairs)
    }

    /// What a table has for each of these keys that it has.
    pub(super) fn ask(
        &mut self,
        table: &str,
        keys: &[String],
    ) -> Result<HashMap<String, String>, PostmapError> {
        let mut found = HashMap::new();
        let mut progress = Progress::of("keys looked up");
        for keys in keys.chunks(BATCH) {
            let input = keys.iter().flat_map(|key| [key.as_bytes(), b"\n"]).collect::<Vec<_>>().concat();
            found.extend(self.run(table, &["-q", "-", table], input)?.lines().filter_map(pair));
            progress.steps(keys.len());
        }
        Ok(found)
    }

    fn run(&mut self, table: &str, words: &[&str], input: Vec<u8>) -> Result<String, PostmapError> {
        let piped = |command: &mut Command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        };
        let mut child = postconf::start("postmap", self.directory, words, piped)
            .map_err(|(program, error)| PostmapError::Program { program, error })?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that fails at once does not read.
            thread::spawn(move || stdin.write_all(&input).ok());
        }
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let out = match out.recv_timeout(LIMIT) {
            Ok(out) => out,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                end(child);
                return Err(PostmapError::Slow(table.to_owned()));
            }
        };
        if out.len() as u64 >= MOST {
            end(child);
            return Err(PostmapError::TooLong(table.to_owned()));
        }
        let status =
            child.wait().map_err(|error| PostmapError::Program { program: "postmap".into(), error })?;
        let said = String::from_utf8_lossy(&err.recv_timeout(LIMIT).unwrap_or_default()).into_owned();
        // postmap(1): status 1 is for "not found" too, of which it says nothing; what is wrong with a table is fatal.
        if !status.success() && said.contains("fatal:") {
            let said = said.lines().map(reply::printable).collect::<Vec<_>>().join("; ");
            return Err(PostmapError::Fails {
                table: table.to_owned(),
                said: reply::printable_within(&said, SHOWN),
            });
        }
        for line in said.lines().map(|line| reply::printable_within(line, SHOWN)) {
            if self.told.insert(line.clone()) {
                self.warnings.push(line);
            }
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

/// Ends one of which nothing more is wanted.
fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads a pipe to its end, in a thread of its own.
fn reader(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut octets = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(MOST).read_to_end(&mut octets);
        }
        let _ = sender.send(octets);
    });
    receiver
}

/// `key<TAB>value`
fn pair(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('\t')?;
    Some((key.to_owned(), value.to_owned()))
}

//! The logs: files, as they are or compressed by gzip(1), and standard input. Line by line; a line that is far longer
//! than any of ours is not kept.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::ReportError;

/// The longest line that is looked at, in octets. Ours have at most some thousand; an entry of the journal has the
/// fields of a process besides.
const MAX_LINE: usize = 1 << 18;
/// RFC 1952 section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Which files were opened: one that is named twice, or by two names, is read once.
#[derive(Default)]
pub(super) struct Sources {
    seen: HashSet<(u64, u64)>,
}

impl Sources {
    /// Opens a log, `-` for standard input; none if it was opened before.
    pub(super) fn open(&mut self, path: &Path) -> Result<Option<Lines>, ReportError> {
        let failed = |error| ReportError::Read(path.to_owned(), error);
        if path == Path::new("-") {
            let first = self.seen.insert((0, 0));
            return first.then(|| Lines::new(path, io::stdin().lock())).transpose().map_err(failed);
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        if !self.seen.insert(identity(&metadata)) {
            return Ok(None);
        }
        Lines::new(path, BufReader::with_capacity(1 << 17, file)).map(Some).map_err(failed)
    }
}

/// Whether a file is one of the logs, by whatever name.
pub(super) fn has(logs: &[PathBuf], file: &Path) -> bool {
    let of = |path: &Path| path.metadata().ok().filter(Metadata::is_file).map(|found| identity(&found));
    let own = of(file);
    own.is_some() && logs.iter().any(|log| of(log) == own)
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The lines of a log.
pub(super) struct Lines {
    pub(super) path: PathBuf,
    /// The number of the last line that was read, from 1.
    pub(super) number: u64,
    from: Box<dyn BufRead>,
}

impl Lines {
    fn new(path: &Path, mut from: impl BufRead + 'static) -> io::Result<Self> {
        let from: Box<dyn BufRead> = if from.fill_buf()?.starts_with(&GZIP) {
            Box::new(BufReader::with_capacity(1 << 17, MultiGzDecoder::new(from)))
        } else {
            Box::new(from)
        };
        Ok(Self { path: path.to_owned(), number: 0, from })
    }

    /// Reads the next line in place of what is in `line`; none at the end. Whether all of it is there.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> Result<Option<bool>, ReportError> {
        line.clear();
        let read = read_line(&mut *self.from, line);
        self.number += 1;
        read.map_err(|error| ReportError::Read(self.path.clone(), error))
    }
}

fn read_line(from: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let read = from.take(MAX_LINE as u64).read_until(b'\n', line)?;
    if read < MAX_LINE || line.ends_with(b"\n") {
        return Ok((read > 0).then_some(true));
    }
    from.skip_until(b'\n')?;
    Ok(Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let text = [&vec![b'x'; 3 * MAX_LINE][..], b"\nshort\n", b"last"].concat();
        let (mut from, mut line) = (&text[..], Vec::new());
        let mut next = || {
            line.clear();
            (read_line(&mut from, &mut line).unwrap(), line.len())
        };
        assert_eq!(next(), (Some(false), MAX_LINE));
        assert_eq!(next(), (Some(true), 6));
        assert_eq!(next(), (Some(true), 4));
        assert_eq!(next(), (None, 0));
    }
}

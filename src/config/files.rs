//! Files that the configuration names: there and readable when it is read, so that a slip shows at once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::fault::{Fault, quoted, why};

/// What a file must be, in words that follow "allowed".
const READABLE: &str = "is a file that this user may read";

/// What a password file must be, in words that follow "allowed".
const ONE_PASSWORD: &str = "is a file with the password in one line, and nothing else";

/// The path, if a file is there that this user may read.
pub(super) fn readable(path: PathBuf) -> Result<PathBuf, Fault> {
    match problem(&path) {
        Some(why) => Err(Fault::File { found: quoted(&path.to_string_lossy()), why, allowed: READABLE }),
        None => Ok(path),
    }
}

/// The path, if the file holds a password.
pub(super) fn with_password(path: PathBuf) -> Result<PathBuf, Fault> {
    let path = readable(path)?;
    match read_password(&path) {
        Ok(_) => Ok(path),
        Err(error) => {
            let (found, why) = (quoted(&path.to_string_lossy()), error.to_string());
            Err(Fault::File { found, why, allowed: ONE_PASSWORD })
        }
    }
}

/// Why the file cannot be read, in words that follow its name.
fn problem(path: &Path) -> Option<String> {
    // Asked first, because opening a named pipe would wait for a writer.
    match fs::metadata(path) {
        Ok(found) if found.is_file() => File::open(path).err().map(|error| why(&error)),
        Ok(_) => Some("is no file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Some("is no path".to_owned()),
        Err(error) => Some(why(&error)),
    }
}

/// A password, which no log shows and whose memory is overwritten when it is dropped.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// What somebody typed; nothing is no password.
    pub fn typed(text: String) -> Result<Self, PasswordError> {
        password(Zeroizing::new(text).as_bytes())
    }

    /// The password, for the bind request alone. Not empty; no NUL, no line end.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl Eq for Password {}

/// Why there is no password, in words that follow the file's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The file holds nothing, or an empty line. A bind with a name and without a password succeeds on many servers
    /// and proves nothing (RFC 4513 section 5.1.2).
    #[error("holds no password")]
    Empty,
    /// Text follows the first line.
    #[error("has more than one line")]
    Lines,
    /// No password that can be typed has one.
    #[error("holds a NUL")]
    Nul,
    /// Passwords are sent as UTF-8 (RFC 4513 section 5.1.2).
    #[error("is not UTF-8")]
    NotUtf8,
}

/// Reads the password from the file named by `directory.bind_password_file`: all of it, but for one line end (LF or
/// CRLF) at its end. It is read at every bind, so that a new password counts without a reload.
///
/// # Errors
///
/// The file cannot be read, or does not hold one password alone.
pub fn read_password(path: &Path) -> Result<Password, PasswordError> {
    if let Some(why) = problem(path) {
        return Err(PasswordError::Unreadable(why));
    }
    let octets = fs::read(path).map_err(|error| PasswordError::Unreadable(why(&error)))?;
    password(&Zeroizing::new(octets))
}

fn password(octets: &[u8]) -> Result<Password, PasswordError> {
    let text = std::str::from_utf8(octets).map_err(|_| PasswordError::NotUtf8)?;
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(PasswordError::Empty);
    }
    match line.chars().find(|c| matches!(c, '\0' | '\r' | '\n')) {
        Some('\0') => Err(PasswordError::Nul),
        Some(_) => Err(PasswordError::Lines),
        None => Ok(Password(line.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        for (octets, expected) in [
            (&b"secret"[..], Ok("secret")),
            (b"secret\n", Ok("secret")),
            (b"secret\r\n", Ok("secret")),
            (b" with spaces \n", Ok(" with spaces ")),
            ("pässword\n".as_bytes(), Ok("pässword")),
            (b"", Err(PasswordError::Empty)),
            (b"\n", Err(PasswordError::Empty)),
            (b"\r\n", Err(PasswordError::Empty)),
            (b"secret\n\n", Err(PasswordError::Lines)),
            (b"secret\r", Err(PasswordError::Lines)),
            (b"secret\r\r\n", Err(PasswordError::Lines)),
            (b"\nsecret", Err(PasswordError::Lines)),
            (b"one\ntwo\n", Err(PasswordError::Lines)),
            (b"sec\0ret\n", Err(PasswordError::Nul)),
            (b"secret\n\0", Err(PasswordError::Lines)),
            (b"p\xe4ssword", Err(PasswordError::NotUtf8)),
        ] {
            let read = password(octets);
            assert_eq!(read.as_ref().map(Password::reveal), expected.as_deref(), "{octets:?}");
        }
    }

    #[test]
    fn files_that_hold_no_password() {
        for (path, why) in [("/", "is no file"), ("/nowhere", "does not exist"), ("/\0", "is no path")] {
            let error = read_password(Path::new(path)).expect_err(path);
            assert_eq!(error, PasswordError::Unreadable(why.to_owned()));
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let read = password(b"secret");
        assert_eq!(format!("{read:?}"), "Ok(Password(SecretBox<str>([REDACTED])))");
    }
}

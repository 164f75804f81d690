//! The harness of the whole-program tests: the milter as a process, a private Postfix in front of it, a byte-exact SMTP
//! client on one side and a server that keeps what is delivered on the other.
//!
//! Nothing here sleeps: what takes time is waited for, by a condition and with a bound ([`wait`]). Nothing is skipped:
//! where Postfix, Dovecot, slapd, Samba or miltertest is missing, a test fails and says what to install.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::print_stderr, reason = "a test that fails shows the logs")]

pub(crate) mod calendars;
pub(crate) mod decisions;
pub(crate) mod findings;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod imap;
pub(crate) mod mail_system;
pub(crate) mod message;
pub(crate) mod milter;
pub(crate) mod parts;
pub(crate) mod prometheus;
pub(crate) mod relay;
pub(crate) mod samba;
pub(crate) mod scheduling;
pub(crate) mod sink;
pub(crate) mod slapd;
pub(crate) mod smtp;
pub(crate) mod submission;
pub(crate) mod text;
pub(crate) mod wait;
pub(crate) mod wire;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A number that no other caller in this process gets.
pub(crate) fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A path that nobody else uses, below the directory for temporary files. Short: the sockets below it must fit into
/// the 107 octets of a socket's address.
pub(crate) fn unused_path() -> PathBuf {
    std::env::temp_dir().join(format!("dm-{}-{}", std::process::id(), unique()))
}

/// A directory that is removed with all that is in it. Postfix's user may look into it.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = unused_path();
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

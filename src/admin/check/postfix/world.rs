//! This machine: its files, users and Postfix's tables.

use std::ffi::CString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{self, Group};

use super::{Stat, User, World, postconf};

/// Tables that answer out of a file or by themselves; others may ask somebody far away, or write.
const ASKED: [&str; 9] = ["regexp", "pcre", "static", "inline", "texthash", "hash", "btree", "lmdb", "cdb"];

/// The machine on which this runs.
pub(super) struct Machine<'a> {
    directory: &'a Path,
}

impl<'a> Machine<'a> {
    /// With the Postfix in this directory.
    pub(super) fn new(directory: &'a Path) -> Self {
        Self { directory }
    }
}

impl World for Machine<'_> {
    fn lookup(&self, table: &str, key: &str) -> Result<Option<String>, String> {
        if !table.split_once(':').is_some_and(|(kind, _)| ASKED.contains(&kind)) {
            return Err("tables of this kind are not asked here".to_owned());
        }
        let output = postconf::command("postmap", self.directory, &["-q", key, table])
            .map_err(|(program, error)| format!("{}: {error}", program.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        // postmap(1): status 1 is for "not found" too, which it does not talk about.
        match (output.status.success(), text(&output.stderr)) {
            (true, _) => Ok(Some(text(&output.stdout))),
            (false, silence) if silence.is_empty() => Ok(None),
            (false, error) => Err(error),
        }
    }

    fn real(&self, path: &Path) -> PathBuf {
        if let Ok(path) = path.canonicalize() {
            return path;
        }
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self.real(parent).join(name),
            _ => path.to_owned(),
        }
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>, String> {
        let stat = |file: Metadata| Stat {
            uid: file.uid(),
            gid: file.gid(),
            mode: file.mode() & 0o7777,
            is_socket: file.file_type().is_socket(),
        };
        match std::fs::metadata(path) {
            Ok(file) => Ok(Some(stat(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn user(&self, name: &str) -> Option<User> {
        let user = unistd::User::from_name(name).ok().flatten()?;
        let groups = unistd::getgrouplist(&CString::new(name).ok()?, user.gid).ok()?;
        Some(User { uid: user.uid.as_raw(), gids: groups.into_iter().map(unistd::Gid::as_raw).collect() })
    }

    fn group(&self, name: &str) -> Option<u32> {
        Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    }
}

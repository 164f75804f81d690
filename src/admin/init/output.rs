//! The file that is written: never over one that somebody made, unless told, and never half.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::Group;

use super::template::SHIPPED;
use super::{InitError, Request};

/// The group that the package makes for the service, which must read the file.
const GROUP: &str = "delegation-milter";

/// For the owner and the service alone; where there is no such group, for everybody: no password is in it.
const FOR_THE_GROUP: u32 = 0o640;
const FOR_ALL: u32 = 0o644;

fn is_standard_output(request: &Request) -> bool {
    request.output == Path::new("-")
}

/// Says so before anything is asked.
pub(super) fn refuse_to_replace(request: &Request) -> Result<(), InitError> {
    let is_there = !is_standard_output(request) && request.output.symlink_metadata().is_ok();
    if is_there && !replaces(request) { Err(InitError::Exists(request.output.clone())) } else { Ok(()) }
}

/// The file as the package ships it says nothing yet that anybody would miss.
fn replaces(request: &Request) -> bool {
    request.force || fs::read(&request.output).is_ok_and(|text| text == SHIPPED.as_bytes())
}

/// Writes the file; none if it goes to standard output.
pub(super) fn write(request: &Request, text: &str) -> Result<Option<PathBuf>, InitError> {
    if is_standard_output(request) {
        return Ok(None);
    }
    let file = &request.output;
    let replace = replaces(request);
    match put(file, text, replace) {
        Ok(()) => Ok(Some(file.clone())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !replace => {
            Err(InitError::Exists(file.clone()))
        }
        Err(error) => Err(InitError::Write { file: file.clone(), error }),
    }
}

/// A file that is there, and is to be replaced, keeps its owner and permissions.
fn put(file: &Path, text: &str, replace: bool) -> io::Result<()> {
    let there = fs::metadata(file).ok().filter(|_| replace);
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return Err(io::Error::other("it is there, and is no regular file"));
    }
    // Where a link leads is what is replaced.
    let file =
        if replace { file.canonicalize().unwrap_or_else(|_| file.to_owned()) } else { file.to_owned() };
    let group = Group::from_name(GROUP).ok().flatten();
    let (mode, owner, group) = match (&there, group) {
        (Some(there), _) => (there.mode() & 0o7777, Some(there.uid()), Some(there.gid())),
        (None, Some(group)) => (FOR_THE_GROUP, None, Some(group.gid.as_raw())),
        (None, None) => (FOR_ALL, None, None),
    };
    let target = beside(&file);
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target)?;
    let mut finish = || -> io::Result<()> {
        written.write_all(text.as_bytes())?;
        // Somebody else than root may be in the group, or keeps the own one; the service must read it all the same.
        let is_given = chown(&target, owner, group).is_ok();
        let mode = if is_given || there.is_some() { mode } else { FOR_ALL };
        fs::set_permissions(&target, Permissions::from_mode(mode))?;
        written.sync_all()?;
        // rename(2) replaces what is there, link(2) does not.
        if replace { fs::rename(&target, &file) } else { fs::hard_link(&target, &file) }
    };
    let finished = finish();
    // There is one only if it failed, or was linked.
    let _ = fs::remove_file(&target);
    finished
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    file.with_file_name(name)
}

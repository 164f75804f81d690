//! Whether smtpd(8), as the user that it is and in its chroot, can open our socket.

use std::path::{Path, PathBuf};

use super::milters::{Milter, real, seen};
use super::settings::Service;
use super::{Case, Found, Stat, User};
use crate::config::Listen;

/// Permission bits (chmod(1)), for the owner; those of the group are three bits lower, of others six.
const WRITE: u32 = 0o200;
const SEARCH: u32 = 0o100;

/// Whether a user has a permission.
fn may(user: &User, file: Stat, bit: u32) -> bool {
    let shift = if user.uid == file.uid {
        0
    } else if user.gids.contains(&file.gid) {
        3
    } else {
        6
    };
    user.uid == 0 || file.mode & (bit >> shift) != 0
}

/// Directories first, then the socket; nothing for inet, which everybody on this machine may open.
pub(super) fn can_be_opened(case: &Case<'_>, service: &Service, milter: &Milter) -> Option<Found> {
    let Listen::Unix { group, mode, .. } = &case.ours.listen else { return None };
    let (_, path) = milter.endpoint.split_once(':')?;
    let owner = case.settings.main.get("mail_owner");
    let Some(user) = case.world.user(owner) else {
        return Some(Found::note(format!(
            "mail_owner = {owner}: no such user; whether it can open the socket is not known"
        )));
    };
    let path = real(&seen(path, service, case), case.world);
    let visit = Visit { case, owner, user: &user };
    let stopped = directories(&path, service, case).iter().find_map(|directory| visit.directory(directory));
    stopped.or_else(|| visit.socket(&path, group.as_deref(), *mode))
}

/// What is passed on the way to the socket. A process works in the queue's directory, whatever is above.
fn directories(path: &Path, service: &Service, case: &Case<'_>) -> Vec<PathBuf> {
    let queue = real(case.settings.queue(), case.world);
    let below = path.starts_with(&queue) || service.chroot;
    let above = |directory: &&Path| !below || directory.starts_with(&queue);
    let mut all: Vec<_> = path.ancestors().skip(1).filter(above).map(Path::to_owned).collect();
    all.reverse();
    all
}

struct Visit<'a> {
    case: &'a Case<'a>,
    owner: &'a str,
    user: &'a User,
}

impl Visit<'_> {
    fn directory(&self, directory: &Path) -> Option<Found> {
        let (owner, name) = (self.owner, directory.display());
        match self.case.world.stat(directory) {
            Ok(Some(stat)) if may(self.user, stat, SEARCH) => None,
            Ok(Some(stat)) => {
                let text =
                    format!("{owner}, as whom smtpd runs, may not enter {name} (mode {:04o})", stat.mode);
                Some(Found::error(text, format!("chgrp {owner} {name} && chmod g+x {name}")))
            }
            Ok(None) => {
                let text = format!("the directory {name}, where the socket is to be, does not exist");
                let make = format!("install -d -m 2770 -g {owner} {name}");
                Some(Found::error(text, format!("make it, for a milter that runs with this group: {make}")))
            }
            Err(error) => Some(unseen(directory, &error)),
        }
    }

    fn socket(&self, path: &Path, group: Option<&str>, mode: u32) -> Option<Found> {
        let (owner, name) = (self.owner, path.display());
        let advice = format!("set socket_group = \"{owner}\" and socket_mode = \"0660\"");
        match self.case.world.stat(path) {
            Ok(Some(stat)) if !stat.is_socket => {
                Some(Found::error(format!("{name} is no socket"), "remove it, and start this program anew"))
            }
            Ok(Some(stat)) if may(self.user, stat, WRITE) => {
                Some(Found::ok(format!("{owner}, as whom smtpd runs, can open {name}")))
            }
            Ok(Some(stat)) => {
                let text =
                    format!("{owner}, as whom smtpd runs, may not open {name} (mode {:04o})", stat.mode);
                Some(Found::error(text, format!("{advice}, and start this program anew")))
            }
            Ok(None) => {
                let found = self.to_come(group, mode).map(|what| Found::warning(what, advice));
                Some(found.unwrap_or_else(|| {
                    Found::note(format!("{name} is not there yet: this program is not running; {owner} will be able to open it"))
                }))
            }
            Err(error) => Some(unseen(path, &error)),
        }
    }

    /// Why the socket will not open once it is there, as far as the configuration says.
    fn to_come(&self, group: Option<&str>, mode: u32) -> Option<String> {
        let others = mode & (WRITE >> 6) != 0;
        let members = mode & (WRITE >> 3) != 0;
        let group_known = group.and_then(|group| self.case.world.group(group));
        let belongs = members && group_known.is_some_and(|gid| self.user.gids.contains(&gid));
        (!others && !belongs).then(|| {
            let group = group.map_or("none".to_owned(), |group| format!("\"{group}\""));
            format!(
                "socket_mode = \"{mode:04o}\" and socket_group = {group}: {}, as whom smtpd runs, may not open the socket",
                self.owner
            )
        })
    }
}

fn unseen(path: &Path, error: &str) -> Found {
    Found::note(format!(
        "whether smtpd can open the socket is not known: {}: {error}; ask as root",
        path.display()
    ))
}

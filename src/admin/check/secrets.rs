//! Whether secrets are for the milter alone: who else may read the files that hold them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::report::Report;
use crate::config::{Bind, ClientFiles, Server, Transport};
use crate::reply::printable;

const SECRETS: &str = "secrets";

/// Permissions of everybody (inode(7)).
const OTHERS: u32 = 0o007;

/// Warns of files with a password or a key that everybody may read or change. All servers have the same ones.
pub(super) fn check(servers: &[Server], report: &mut Report) {
    let Some(server) = servers.first() else { return };
    let password = match &server.bind {
        Bind::Simple { password_file, .. } => Some(("bind_password_file", password_file)),
        Bind::Anonymous | Bind::Typed { .. } | Bind::External => None,
    };
    let client = servers.iter().find_map(|server| client_files(&server.transport));
    let key = client.map(|client| ("client_key_file", &client.key));
    for (name, file) in password.into_iter().chain(key) {
        look_at(name, file, report);
    }
}

/// A file that is not there any more is told by whoever needs it.
fn look_at(key: &str, file: &Path, report: &mut Report) {
    let Ok(found) = fs::metadata(file) else { return };
    let shown = printable(&file.to_string_lossy());
    let mode = found.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return report
            .ok(SECRETS, format!("directory.{key}: {shown} is not for everybody (mode {mode:04o})"));
    }
    let text = format!("directory.{key}: everybody on this machine may use {shown} (mode {mode:04o})");
    report.warning(SECRETS, text, "chmod o= it, and give it to the user or the group of the milter");
}

fn client_files(transport: &Transport) -> Option<&ClientFiles> {
    match transport {
        Transport::StartTls { tls, .. } | Transport::Ldaps { tls, .. } => tls.client.as_ref(),
        Transport::Plain { .. } | Transport::Ldapi { .. } => None,
    }
}

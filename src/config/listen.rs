//! `listen`, `socket_group`, `socket_mode`: where Postfix finds us.

use std::fmt;
use std::path::PathBuf;

use super::fault::Fault;
use super::table::Table;
use super::value::{GROUP, LISTEN, SOCKET_MODE};

/// Where the milter listens, unless systemd hands it a socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// `inet:HOST:PORT`
    Inet {
        /// A host name or an IP address, without brackets.
        host: String,
        /// From 1 to 65535.
        port: u16,
    },
    /// `unix:/PATH`
    Unix {
        /// Absolute; at most 107 octets.
        path: PathBuf,
        /// `socket_group`: the group that the socket is given to; without it, the one of the process.
        group: Option<String>,
        /// `socket_mode`: permission bits, at most 0o777.
        mode: u32,
    },
}

impl Listen {
    /// The permissions of a socket if `socket_mode` does not say otherwise: owner and group may connect.
    pub const MODE: u32 = 0o660;
}

impl Default for Listen {
    fn default() -> Self {
        Self::Inet { host: "127.0.0.1".to_owned(), port: 9931 }
    }
}

/// As the configuration has it, so that messages can name it.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet { host, port } if host.contains(':') => write!(f, "inet:[{host}]:{port}"),
            Self::Inet { host, port } => write!(f, "inet:{host}:{port}"),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

pub(super) fn read(root: &Table<'_>) -> Listen {
    let group = root.text("socket_group", &GROUP);
    let mode = root.text("socket_mode", &SOCKET_MODE).unwrap_or(Listen::MODE);
    let listen = match root.text("listen", &LISTEN) {
        // What it should have been is not known, so nothing can contradict it.
        None if root.has("listen") => return Listen::default(),
        listen => listen.unwrap_or_default(),
    };
    match listen {
        Listen::Inet { .. } => {
            ["socket_group", "socket_mode"].iter().for_each(|key| refuse_for_inet(root, key, &listen));
            listen
        }
        Listen::Unix { path, .. } => Listen::Unix { path, group, mode },
    }
}

fn refuse_for_inet(root: &Table<'_>, key: &str, listen: &Listen) {
    if root.has(key) {
        let what = format!("it is for a socket of listen = \"unix:/PATH\", and listen is \"{listen}\"");
        root.complain(key, Fault::Contradiction { what, remedy: "remove it, or listen on a unix: socket" });
    }
}

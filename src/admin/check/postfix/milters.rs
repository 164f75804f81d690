//! `smtpd_milters` and its like: lists of milters, each with options of its own (MILTER_README), and which one is this
//! program.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use super::settings::{Service, in_braces, words};
use super::{Case, World};
use crate::config::Listen;

/// One milter of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Milter {
    /// `inet:HOST:PORT`, `unix:PATH` or `local:PATH`
    pub(super) endpoint: String,
    options: Vec<(String, String)>,
}

impl Milter {
    /// The milters of a list, in the order in which they are asked.
    pub(super) fn list(text: &str) -> Vec<Self> {
        words(text).into_iter().filter_map(Self::read).collect()
    }

    fn read(word: &str) -> Option<Self> {
        let mut words = words(in_braces(word).unwrap_or(word)).into_iter();
        let endpoint = words.next()?.to_owned();
        let pair = |word: &str| {
            let (name, value) = in_braces(word).unwrap_or(word).split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        Some(Self { endpoint, options: words.filter_map(pair).collect() })
    }

    /// What holds for this milter: its own option, else the parameter `milter_NAME` of the service.
    pub(super) fn setting<'a>(&'a self, name: &str, service: &'a Service) -> &'a str {
        let own = self.options.iter().find(|(own, _)| own == name);
        own.map_or_else(|| service.values.get(&format!("milter_{name}")), |(_, value)| value.as_str())
    }

    /// How to set it: where it stands now.
    pub(super) fn line(&self, name: &str, value: &str, service: &Service) -> String {
        if self.options.iter().any(|(own, _)| own == name) {
            return format!("write {name}={value} in the braces of {} in smtpd_milters", self.endpoint);
        }
        service.line(&format!("milter_{name}"), value)
    }
}

/// Whether a milter is this program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    /// It is ours.
    Ours,
    /// It seems to be meant for us, and leads elsewhere: to this path or host.
    Missed(String),
    /// Another program.
    Other,
}

/// What a milter of a service's list is to us.
pub(super) fn whose(milter: &Milter, service: &Service, case: &Case<'_>) -> Whose {
    // milter8.c: "local" is the same as "unix" on everything but very old systems.
    match milter.endpoint.split_once(':') {
        Some(("unix" | "local", path)) => match &case.ours.listen {
            Listen::Unix { path: own, .. } => by_path(path, own, service, case),
            Listen::Inet { .. } => Whose::Other,
        },
        Some(("inet", address)) => match &case.ours.listen {
            Listen::Inet { host, port } => by_address(address, host, *port),
            Listen::Unix { .. } => Whose::Other,
        },
        _ => Whose::Other,
    }
}

fn by_path(path: &str, own: &Path, service: &Service, case: &Case<'_>) -> Whose {
    let seen = seen(path, service, case);
    let own_real = real(own, case.world);
    if real(&seen, case.world) == own_real {
        return Whose::Ours;
    }
    let named = Path::new(path);
    let relative = named.strip_prefix("/").unwrap_or(named);
    let meant = clean(named) == clean(own) || real(named, case.world) == own_real || own.ends_with(relative);
    // A file name alone, such as milter.sock, may be anybody's.
    if meant && relative.components().count() > 1 {
        Whose::Missed(seen.display().to_string())
    } else {
        Whose::Other
    }
}

/// Where a process of the service looks for a path of its settings: below its working directory, which is the queue's,
/// and in a chroot also its root.
pub(super) fn seen(path: &str, service: &Service, case: &Case<'_>) -> PathBuf {
    let queue = case.settings.queue();
    let path = if service.chroot { path.trim_start_matches('/') } else { path };
    queue.join(path)
}

/// How smtpd_milters must name our socket for this service; none if it cannot.
pub(super) fn name_for(service: &Service, case: &Case<'_>) -> Option<String> {
    let path = match &case.ours.listen {
        Listen::Inet { .. } => return Some(reached(&case.ours.listen)),
        Listen::Unix { path, .. } => path,
    };
    let queue = real(case.settings.queue(), case.world);
    match real(path, case.world).strip_prefix(&queue) {
        Ok(relative) => Some(format!("unix:{}", relative.display())),
        Err(_) if service.chroot => None,
        Err(_) => Some(format!("unix:{}", path.display())),
    }
}

/// An address that connects: nobody connects to "all addresses".
fn reached(listen: &Listen) -> String {
    match listen {
        Listen::Inet { host, port } if is_any(host) => format!("inet:127.0.0.1:{port}"),
        other @ (Listen::Inet { .. } | Listen::Unix { .. }) => other.to_string(),
    }
}

fn by_address(address: &str, own: &str, own_port: u16) -> Whose {
    let Some((host, port)) = address.rsplit_once(':') else { return Whose::Other };
    if port.parse() != Ok(own_port) {
        return Whose::Other;
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match (host.parse::<IpAddr>(), own.parse::<IpAddr>()) {
        // A name may stand for any address.
        (Err(_), _) | (_, Err(_)) => Whose::Ours,
        (Ok(one), Ok(other)) if one == other || is_any(own) => Whose::Ours,
        (Ok(_), Ok(_)) => Whose::Missed(address.to_owned()),
    }
}

fn is_any(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

/// A path without symbolic links, `.` and doubled slashes.
pub(super) fn real(path: &Path, world: &dyn World) -> PathBuf {
    clean(&world.real(path))
}

fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

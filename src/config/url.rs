//! The elements of `directory.urls`: a file, or an LDAP server. Of RFC 4516 section 2 only the scheme, the host and
//! the port are taken: what else such a URL can hold has keys of its own.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::value::{SOCKET_PATH, Wrong, host, host_port, plain};

/// What an element names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Location {
    /// `file:PATH`, the path as it was written.
    File(String),
    /// `ldap://HOST:PORT`
    Ldap { host: String, port: u16 },
    /// `ldaps://HOST:PORT`
    Ldaps { host: String, port: u16 },
    /// `ldapi://PATH`
    Ldapi { path: PathBuf },
}

/// Where OpenLDAP has its socket (ldap.conf(5), `LDAPI_SOCK`).
const DEFAULT_SOCKET: &str = "/var/run/slapd/ldapi";

/// The ports without which none is named: RFC 4516 section 2, and IANA's list for `ldaps`.
const LDAP_PORT: u16 = 389;
const LDAPS_PORT: u16 = 636;

const SOCKETS: &str = "the path of a socket has %2F for every slash: ldapi://%2Frun%2Fslapd%2Fldapi";

pub(super) fn read(text: &str) -> Result<Location, Wrong> {
    plain(text, |_| true)?;
    if let Some(path) = text.strip_prefix("file:") {
        return if path.is_empty() { Err(Wrong::Form) } else { Ok(Location::File(path.to_owned())) };
    }
    let (scheme, rest) = text.split_once("://").ok_or(Wrong::Form)?;
    // RFC 3986 section 3.2
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let more = !matches!(after, "" | "/");
    // RFC 3986 section 3.1: schemes are the same in either case.
    match scheme.to_ascii_lowercase().as_str() {
        "ldapi" if more && authority.is_empty() => Err(because(SOCKETS)),
        "ldap" | "ldaps" | "ldapi" if more => Err(because(
            "what follows the server has keys of its own: base_dn, [directory.attributes], [directory.filters]",
        )),
        "ldap" => server(authority, LDAP_PORT).map(|(host, port)| Location::Ldap { host, port }),
        "ldaps" => server(authority, LDAPS_PORT).map(|(host, port)| Location::Ldaps { host, port }),
        "ldapi" => socket(authority).map(|path| Location::Ldapi { path }),
        _ => Err(Wrong::Form),
    }
}

fn because(why: &str) -> Wrong {
    Wrong::Because(why.to_owned())
}

/// `HOST` or `HOST:PORT`
fn server(authority: &str, default: u16) -> Result<(String, u16), Wrong> {
    if authority.is_empty() {
        return Err(because("it names no host"));
    }
    if authority.contains('@') {
        return Err(because("whom to log in as is said by bind_dn"));
    }
    if authority.matches(':').count() > 1 && !authority.starts_with('[') {
        return Err(because("an IPv6 address stands in brackets: ldap://[::1]"));
    }
    let has_port = authority.contains(':') && !authority.ends_with(']');
    if has_port { host_port(authority) } else { Ok((host(authority)?, default)) }
}

/// The path of a socket, `%2Frun%2Fslapd%2Fldapi`.
fn socket(encoded: &str) -> Result<PathBuf, Wrong> {
    if encoded.is_empty() {
        return Ok(DEFAULT_SOCKET.into());
    }
    // RFC 3986 section 2.1; the decoder lets other percent signs stand.
    let mut escapes = encoded.split('%').skip(1).map(|rest| rest.get(..2));
    if !escapes.all(|digits| digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))) {
        return Err(because("a percent sign begins two hexadecimal digits"));
    }
    let path = percent_decode_str(encoded).decode_utf8().map_err(|_| because("its path is not UTF-8"))?;
    let path = plain(&path, |_| true)?;
    if !path.starts_with('/') {
        return Err(because(SOCKETS));
    }
    if path.len() > SOCKET_PATH {
        return Err(Wrong::Because(format!("the path of a socket has at most {SOCKET_PATH} octets")));
    }
    Ok(path.into())
}

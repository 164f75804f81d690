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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::server::{TlsFiles, Transport};
    use super::*;

    fn ldap(host: &str, port: u16) -> Option<Location> {
        Some(Location::Ldap { host: host.to_owned(), port })
    }

    fn ldapi(path: &str) -> Option<Location> {
        Some(Location::Ldapi { path: path.into() })
    }

    #[test]
    fn locations() {
        for (text, location) in [
            ("file:directory.ldif", Some(Location::File("directory.ldif".to_owned()))),
            ("file:///srv/directory.ldif", Some(Location::File("///srv/directory.ldif".to_owned()))),
            ("ldap://a", ldap("a", 389)),
            ("ldap://A.example./", None),
            ("ldap://a:1/", ldap("a", 1)),
            ("LDAP://[::FFFF:127.0.0.1]", ldap("::ffff:127.0.0.1", 389)),
            ("LDAPS://a", Some(Location::Ldaps { host: "a".to_owned(), port: 636 })),
            ("ldap://a:", None),
            ("ldap://:389", None),
            ("ldap://a:65536", None),
            ("ldap://a:389:389", None),
            ("ldap://[::1", None),
            ("ldap://[::1]389", None),
            ("ldap://[a]", None),
            ("ldap://a b", None),
            ("ldap://a%2Eb", None),
            ("ldap://a//", None),
            ("ldap://a/dc=org", None),
            ("ldap://a#b", None),
            ("ldap://a?", None),
            ("ldap:", None),
            ("ldap:///", None),
            ("ldap://", None),
            (" ldap://a", None),
            ("ldap://a\n", None),
            ("cldap://a", None),
            ("ldapi://%2Frun%2fa%3A1", ldapi("/run/a:1")),
            ("ldapi://%2Fa%2520b", ldapi("/a%20b")),
            ("ldapi://%2Fa%00", None),
            ("ldapi://%2Fa%0A", None),
            ("ldapi://%2Fa%FF", None),
            ("ldapi://%2Fa%2", None),
            ("ldapi://%2Fa%+1", None),
            ("ldapi://%2Fa/b", None),
            ("ldapi://%2Fa%20", None),
            ("ldapi:///%2Fa", None),
        ] {
            assert_eq!(read(text).ok(), location, "{text:?}");
        }
        let longest = "x".repeat(106);
        assert_eq!(read(&format!("ldapi://%2F{longest}")).ok(), ldapi(&format!("/{longest}")));
        assert_eq!(read(&format!("ldapi://%2F{longest}x")).ok(), None);
    }

    /// What a configuration makes of it; none of a file.
    fn transport(location: Location) -> Option<Transport> {
        let tls = TlsFiles { ca_file: "ca.pem".into(), client: None };
        match location {
            Location::File(_) => None,
            Location::Ldap { host, port } => Some(Transport::Plain { host, port }),
            Location::Ldaps { host, port } => Some(Transport::Ldaps { host, port, tls }),
            Location::Ldapi { path } => Some(Transport::Ldapi { path }),
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>(), scheme in "(file:|ldap://|ldaps://|ldapi://)") {
            let _ = (read(&text), read(&format!("{scheme}{text}")));
        }

        #[test]
        fn servers_read_back(
            text in "ldaps?://([a-zü]{1,3}(\\.[a-z0-9-]{1,2})?|\\[::[0-9a-f]{1,4}\\]|127(\\.[0-9]{1,3}){3})(:[0-9]{1,5})?/?"
        ) {
            if let Ok(location) = read(&text) {
                let name = transport(location.clone()).map(|transport| transport.to_string());
                prop_assert_eq!(name.and_then(|name| read(&name).ok()), Some(location));
            }
        }

        #[test]
        fn sockets_read_back(path in "/\\PC{0,25}") {
            let name = Transport::Ldapi { path: path.clone().into() }.to_string();
            prop_assert!(name.is_ascii());
            // White space at the end and characters that mislead are refused, as everywhere.
            let expected = plain(&path, |_| true).ok().map(|path| Location::Ldapi { path: path.into() });
            prop_assert_eq!(read(&name).ok(), expected);
        }
    }
}

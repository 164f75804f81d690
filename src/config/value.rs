//! The kinds of text that keys hold: how each is read, and what messages say of it.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::Listen;
use super::credential;
use super::url::{self, Location};
use crate::address::{AddressError, Pattern, canonical_domain};
use crate::directory::filter::{Filter, is_description};
use crate::dn::Dn;
use crate::policy::{CopyForm, CopyFormError};

/// How one kind of text is read.
pub(super) struct Kind<T> {
    /// What is allowed, in words that follow "allowed are".
    pub(super) allowed: &'static str,
    /// Reads it.
    pub(super) read: fn(&str) -> Result<T, Wrong>,
}

/// Why a text is not of a kind.
pub(super) enum Wrong {
    /// To say what is allowed is enough.
    Form,
    /// For this reason.
    Because(String),
}

impl From<AddressError> for Wrong {
    fn from(error: AddressError) -> Self {
        Self::Because(error.to_string())
    }
}

pub(super) static LISTEN: Kind<Listen> =
    Kind { allowed: r#""inet:HOST:PORT", "inet:[::1]:PORT", "unix:/PATH""#, read: listen };
pub(super) static GROUP: Kind<String> = Kind {
    allowed: r#"names of groups, such as "postfix""#,
    read: |text| plain(text, |c| !c.is_whitespace() && c != ':'),
};
pub(super) static SOCKET_MODE: Kind<u32> =
    Kind { allowed: r#"octal digits in quotes, from "0000" to "0777""#, read: socket_mode };
pub(super) static HOST_PORT: Kind<(String, u16)> =
    Kind { allowed: r#""HOST:PORT", "[::1]:PORT""#, read: host_port };
pub(super) static URL: Kind<Location> = Kind {
    allowed: r#""file:PATH", "ldap://HOST:PORT", "ldaps://HOST:PORT", "ldapi://%2FPATH" (a port may be left out)"#,
    read: url::read,
};
pub(super) static FILE: Kind<PathBuf> =
    Kind { allowed: r#"paths of files, and "credential:NAME" of systemd"#, read: credential::file };
pub(super) static DN: Kind<Dn> =
    Kind { allowed: r#"names of entries, such as "dc=example,dc=org""#, read: dn };
pub(super) static ATTRIBUTE: Kind<String> =
    Kind { allowed: r#"names of attributes, such as "mail""#, read: attribute };
pub(super) static FILTER: Kind<Filter> =
    Kind { allowed: r#"filters of RFC 4515, such as "(objectClass=person)""#, read: filter };
/// Filters that a file is searched with.
pub(super) static EVALUABLE_FILTER: Kind<Filter> = Kind { allowed: FILTER.allowed, read: evaluable };
pub(super) static REALM: Kind<String> = Kind {
    allowed: r#"realms without "@", such as "example.org""#,
    read: |text| plain(text, |c| !c.is_whitespace() && c != '@'),
};
pub(super) static NAME: Kind<String> =
    Kind { allowed: "texts of one line, not empty", read: |text| plain(text, |_| true) };
pub(super) static DOMAIN: Kind<String> = Kind { allowed: r#"domains, such as "example.org""#, read: domain };
pub(super) static PATTERN: Kind<Pattern> =
    Kind { allowed: r#""local@domain", "*@domain", "*""#, read: pattern };
pub(super) static DELIMITERS: Kind<String> = Kind {
    allowed: r#""" for none, and any of the characters + - . = _ # ! $ % & * / ? ^ { | } ~"#,
    read: delimiters,
};
pub(super) static CONTACT: Kind<String> = Kind {
    allowed: "texts of at most 200 printable ASCII characters, for they go into SMTP replies",
    read: contact,
};
pub(super) static COPY_ADDRESS: Kind<CopyForm> = Kind {
    allowed: r#"addresses with "{local}" and perhaps "{domain}", such as "{local}+Sent@{domain}""#,
    read: copy_address,
};
pub(super) static BODY_SIZE: Kind<u64> = Kind {
    allowed: r#"sizes from "1 KiB" to "64 MiB", such as "10 MiB" (units B, KiB, MiB)"#,
    read: |text| within(size(text), 1 << 10, 64 << 20),
};
pub(super) static TTL: Kind<Duration> = Kind {
    allowed: r#"times from "1s" to "1d", such as "5m" (units s, m, h, d)"#,
    read: |text| within(duration(text), SECOND, DAY),
};
pub(super) static NEGATIVE_TTL: Kind<Duration> = Kind {
    allowed: r#"times from "0s" to "1d", such as "30s" (units s, m, h, d)"#,
    read: |text| within(duration(text), Duration::ZERO, DAY),
};
pub(super) static STALE: Kind<Duration> = Kind {
    allowed: r#"times from "0s" (off) to "30d", such as "1h" (units s, m, h, d)"#,
    read: |text| within(duration(text), Duration::ZERO, DAY * 30),
};
pub(super) static TIMEOUT: Kind<Duration> = Kind {
    allowed: r#"times from "1s" to "25s", such as "5s" (unit s)"#,
    read: |text| within(duration(text), SECOND, SECOND * 25),
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// The longest path of a socket, in octets: `sun_path` holds 108, one of them the closing NUL (unix(7)).
pub(super) const SOCKET_PATH: usize = 107;

/// The longest `denied.contact`, in octets: a line of an SMTP reply holds 512 (RFC 5321 section 4.5.3.1.5), and the
/// address comes before it.
const LONGEST_CONTACT: usize = 200;

fn listen(text: &str) -> Result<Listen, Wrong> {
    if let Some(rest) = text.strip_prefix("inet:") {
        let (host, port) = host_port(rest)?;
        return Ok(Listen::Inet { host, port });
    }
    let path = text.strip_prefix("unix:").filter(|path| path.starts_with('/')).ok_or(Wrong::Form)?;
    let path = plain(path, |_| true)?;
    if path.len() > SOCKET_PATH {
        return Err(Wrong::Because(format!("the path of a socket has at most {SOCKET_PATH} octets")));
    }
    Ok(Listen::Unix { path: path.into(), group: None, mode: Listen::MODE })
}

/// `HOST:PORT`, where an IPv6 address stands in brackets (RFC 3986 section 3.2.2).
pub(super) fn host_port(text: &str) -> Result<(String, u16), Wrong> {
    let (host, port) = text.rsplit_once(':').ok_or(Wrong::Form)?;
    let port = whole_number(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let port = port.ok_or_else(|| Wrong::Because("ports go from 1 to 65535".to_owned()))?;
    Ok((self::host(host)?, port))
}

/// A name or an IP address, where an IPv6 address stands in brackets.
pub(super) fn host(host: &str) -> Result<String, Wrong> {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let address: Ipv6Addr =
            inner.parse().map_err(|_| Wrong::Because("it is no IPv6 address".to_owned()))?;
        return Ok(address.to_string());
    }
    let all_numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if all_numeric && host.parse::<IpAddr>().is_err() {
        return Err(Wrong::Because("it is no IPv4 address".to_owned()));
    }
    domain(host)
}

fn socket_mode(text: &str) -> Result<u32, Wrong> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or(Wrong::Form)
}

fn dn(text: &str) -> Result<Dn, Wrong> {
    let dn = Dn::parse(text).map_err(|error| Wrong::Because(error.to_string()))?;
    // The empty name is the root above all entries, which nobody means when they write "".
    if dn.depth() > 0 { Ok(dn) } else { Err(Wrong::Because("it is empty".to_owned())) }
}

/// A domain in canonical form; an address literal is none.
fn domain(text: &str) -> Result<String, Wrong> {
    let domain = canonical_domain(text).map_err(|_| Wrong::Form)?;
    if domain.starts_with('[') { Err(Wrong::Form) } else { Ok(domain) }
}

fn attribute(text: &str) -> Result<String, Wrong> {
    if is_description(text) { Ok(text.to_owned()) } else { Err(Wrong::Form) }
}

fn filter(text: &str) -> Result<Filter, Wrong> {
    Filter::parse(text).map_err(|error| Wrong::Because(error.to_string()))
}

/// A filter that can be evaluated on a file; servers know more rules than we do.
fn evaluable(text: &str) -> Result<Filter, Wrong> {
    let filter = filter(text)?;
    filter.evaluable().map(|()| filter).map_err(|error| Wrong::Because(error.to_string()))
}

/// Only what can stand in a dot-atom can part an extension from it; letters, digits and quotes are refused because
/// they would cut ordinary names.
fn delimiters(text: &str) -> Result<String, Wrong> {
    let fits = |c: char| "+-.=_#!$%&*/?^{|}~".contains(c);
    match text.chars().find(|c| !fits(*c)) {
        Some(c) => Err(Wrong::Because(format!(
            "{} cannot part an extension from a name",
            super::fault::quoted(c.encode_utf8(&mut [0; 4]))
        ))),
        None => Ok(text.to_owned()),
    }
}

/// RFC 5321 section 4.2 `textstring`: the text of a reply is printable ASCII.
fn contact(text: &str) -> Result<String, Wrong> {
    let fits = text.len() <= LONGEST_CONTACT && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if fits { Ok(text.trim().to_owned()) } else { Err(Wrong::Form) }
}

/// An asterisk in a longer local part would be taken for itself, which nobody means who writes one.
fn pattern(text: &str) -> Result<Pattern, Wrong> {
    match Pattern::parse(text)? {
        Pattern::Address(address) if address.local().contains('*') => {
            Err(Wrong::Because("an asterisk stands for a whole local part only".to_owned()))
        }
        pattern @ (Pattern::Any | Pattern::Domain(_) | Pattern::Address(_)) => Ok(pattern),
    }
}

fn copy_address(text: &str) -> Result<CopyForm, Wrong> {
    CopyForm::parse(text).map_err(|error| match error {
        CopyFormError::Places => Wrong::Form,
        CopyFormError::Address(_) | CopyFormError::NoDifference => Wrong::Because(error.to_string()),
    })
}

/// A text that is not empty, on one line, without white space around it.
pub(super) fn plain(text: &str, fits: impl Fn(char) -> bool) -> Result<String, Wrong> {
    let plain = !text.is_empty() && text.trim() == text && !text.chars().any(crate::address::is_forbidden);
    if plain && text.chars().all(fits) { Ok(text.to_owned()) } else { Err(Wrong::Form) }
}

/// A value that was read and is not out of range.
fn within<T: PartialOrd>(value: Option<T>, least: T, most: T) -> Result<T, Wrong> {
    value.filter(|value| (least..=most).contains(value)).ok_or(Wrong::Form)
}

/// A whole number and a unit of time: s, m, h or d.
fn duration(text: &str) -> Option<Duration> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    number_with_unit(text, &units).map(Duration::from_secs)
}

/// A whole number and a unit of size in octets: B, KiB, MiB or GiB.
fn size(text: &str) -> Option<u64> {
    number_with_unit(text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
}

/// The number times its unit. One space may stand between them; a number without a unit is none.
fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    whole_number(number)?.checked_mul(*factor)
}

/// Digits alone: no sign, no separators.
fn whole_number(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;

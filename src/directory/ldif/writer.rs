//! Writes lines of LDIF (RFC 2849), for people and for ldapmodify(1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// An attribute and a value, without a line end. Section 4: what is no SAFE-STRING is written in base64; trailing spaces and
/// what a terminal does not show as it is, too.
pub(crate) fn line(attribute: &str, value: &[u8]) -> String {
    let is_safe = value.iter().all(|octet| (b' '..=b'~').contains(octet))
        && !value.starts_with(b" ")
        && !value.starts_with(b":")
        && !value.starts_with(b"<")
        && !value.ends_with(b" ");
    if is_safe {
        format!("{attribute}: {}", String::from_utf8_lossy(value))
    } else {
        format!("{attribute}:: {}", STANDARD.encode(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_cannot_hold_is_base64() {
        for (value, expected) in [
            (&b"uid=anna,dc=org"[..], "x: uid=anna,dc=org"),
            (b"", "x: "),
            (b" a", "x:: IGE="),
            (b"a ", "x:: YSA="),
            (b":a", "x:: OmE="),
            (b"<a", "x:: PGE="),
            (b"a\nb", "x:: YQpi"),
            (b"\xe9", "x:: 6Q=="),
        ] {
            assert_eq!(line("x", value), expected);
        }
    }
}

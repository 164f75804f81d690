//! Every kind of text, as tables of what is read and what is refused.

use proptest::prelude::*;

use super::*;

fn accepts<T>(kind: &Kind<T>, texts: &[&str]) {
    for text in texts {
        assert!((kind.read)(text).is_ok(), "{text:?} is one of the {}", kind.allowed);
    }
}

fn refuses<T>(kind: &Kind<T>, texts: &[&str]) {
    for text in texts {
        assert!((kind.read)(text).is_err(), "{text:?} is none of the {}", kind.allowed);
    }
}

#[test]
fn times() {
    for (text, seconds) in [
        ("0s", Some(0)),
        ("30s", Some(30)),
        ("5m", Some(300)),
        ("5 m", Some(300)),
        ("1h", Some(3_600)),
        ("2d", Some(172_800)),
        ("007s", Some(7)),
        ("", None),
        ("s", None),
        ("5", None),
        ("5M", None),
        ("5min", None),
        ("5  m", None),
        (" 5m", None),
        ("5m ", None),
        ("+5m", None),
        ("-5m", None),
        ("1.5h", None),
        ("1h30m", None),
        ("٣s", None),
        ("18446744073709551616s", None),
        ("18446744073709551615d", None),
    ] {
        assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text:?}");
    }
}

#[test]
fn sizes() {
    for (text, octets) in [
        ("0B", Some(0)),
        ("512 B", Some(512)),
        ("1KiB", Some(1_024)),
        ("10 MiB", Some(10_485_760)),
        ("2 GiB", Some(2_147_483_648)),
        ("10", None),
        ("10 MB", None),
        ("10 mib", None),
        ("10M", None),
        ("MiB", None),
        ("-1 MiB", None),
        ("99999999999 GiB", None),
    ] {
        assert_eq!(size(text), octets, "{text:?}");
    }
}

#[test]
fn ranges_include_their_ends() {
    accepts(&TTL, &["1s", "1d", "24h"]);
    refuses(&TTL, &["0s", "2d", "86401s"]);
    accepts(&NEGATIVE_TTL, &["0s", "1d"]);
    refuses(&NEGATIVE_TTL, &["86401s"]);
    accepts(&STALE, &["0s", "30d"]);
    refuses(&STALE, &["31d"]);
    accepts(&TIMEOUT, &["1s", "25s"]);
    refuses(&TIMEOUT, &["0s", "26s"]);
    accepts(&BODY_SIZE, &["1 KiB", "64 MiB"]);
    refuses(&BODY_SIZE, &["1023 B", "65 MiB", "67108865 B"]);
}

#[test]
fn places_to_listen() {
    let inet = |host: &str, port| Some(Listen::Inet { host: host.to_owned(), port });
    let unix = |path: &str| Some(Listen::Unix { path: path.into(), group: None, mode: 0o660 });
    for (text, listen) in [
        ("inet:127.0.0.1:9931", inet("127.0.0.1", 9931)),
        ("inet:Mail.Example.ORG:1", inet("mail.example.org", 1)),
        ("inet:localhost:65535", inet("localhost", 65535)),
        ("inet:[::1]:9931", inet("::1", 9931)),
        ("inet:[2001:DB8:0::1]:9931", inet("2001:db8::1", 9931)),
        ("unix:/run/milter.sock", unix("/run/milter.sock")),
        ("unix:/a path/with: colon", unix("/a path/with: colon")),
        ("inet::9931", None),
        ("inet:127.0.0.1", None),
        ("inet:127.0.0.1:", None),
        ("inet:127.0.0.1:x", None),
        ("inet:127.0.0.1:+1", None),
        ("inet:127.0.1:9931", None),
        ("inet:[127.0.0.1]:9931", None),
        ("inet:[::1:9931", None),
        ("inet:9931@127.0.0.1", None),
        ("INET:127.0.0.1:9931", None),
        ("unix:run/milter.sock", None),
        ("unix:", None),
        ("unix:/run/milter.sock ", None),
        ("unix:/run/\u{0}", None),
        ("local:/run/milter.sock", None),
        ("", None),
    ] {
        assert_eq!((LISTEN.read)(text).ok(), listen, "{text:?}");
    }
    assert!((LISTEN.read)(&format!("unix:/{}", "x".repeat(106))).is_ok());
    assert!((LISTEN.read)(&format!("unix:/{}", "x".repeat(107))).is_err());
}

#[test]
fn names_and_words() {
    accepts(&ATTRIBUTE, &["mail", "x-121-address", "givenName;lang-de", "2.5.4.3"]);
    refuses(
        &ATTRIBUTE,
        &["", "mail address", "2mail", "2", "2..5", "2.05", ".5", "mail;", "mail=", "mail_old", "é"],
    );
    accepts(&REALM, &["example.org", "EXAMPLE", "a_b"]);
    refuses(&REALM, &["", "@example.org", "example org", "a\u{0}"]);
    accepts(&GROUP, &["postfix", "mail-admins", "107"]);
    refuses(&GROUP, &["", "post fix", "postfix:mail"]);
    accepts(&NAME, &["scanner", "anna@example.org", "Acme Ltd."]);
    refuses(&NAME, &["", " scanner", "a\nb", "a\u{202e}b"]);
    accepts(&DOMAIN, &["example.org", "localhost", "BÜCHER.example"]);
    refuses(&DOMAIN, &["", "example..org", "example.org.", "a@example.org", "[127.0.0.1]", "*.example.org"]);
    accepts(&PATTERN, &["*", "*@example.org", "a@example.org"]);
    refuses(&PATTERN, &["", "a", "a*@example.org", "*.example.org"]);
    accepts(&DN, &["dc=org", "ou=a+l=b,dc=example,dc=org"]);
    refuses(&DN, &["", " ", "example.org", "dc=org,"]);
    accepts(&COPY_ADDRESS, &["{local}+Sent@{domain}", "sent.{local}@archive.example.org"]);
    refuses(&COPY_ADDRESS, &["", "a@example.org", "{local}", "{local}@{host}", "{local}@{domain"]);
    accepts(&CONTACT, &["", "helpdesk@example.org", "https://example.org/help (room 7, 100% there)"]);
    refuses(&CONTACT, &["a\r\nb", "a\tb", "für", &"x".repeat(201)]);
}

#[test]
fn delimiters_are_what_a_dot_atom_may_hold() {
    accepts(&DELIMITERS, &["", "+", "+-", ".", "+=_#"]);
    refuses(
        &DELIMITERS,
        &["@", " ", "\t", "\"", "'", "`", "a", "7", "(", ",", ";", "<", "[", "\\", "\u{0}", "ü"],
    );
}

#[test]
fn permissions() {
    for (text, mode) in [
        ("0660", Some(0o660)),
        ("660", Some(0o660)),
        ("0777", Some(0o777)),
        ("0000", Some(0)),
        ("", None),
        ("6", None),
        ("1777", None),
        ("0688", None),
        ("+660", None),
        ("0o660", None),
        ("00660", None),
    ] {
        assert_eq!((SOCKET_MODE.read)(text).ok(), mode, "{text:?}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in any::<String>()) {
        let _ = (duration(&text), size(&text));
        let _ = ((LISTEN.read)(&text), (HOST_PORT.read)(&text), (SOCKET_MODE.read)(&text));
        let _ = ((ATTRIBUTE.read)(&text), (DELIMITERS.read)(&text), (COPY_ADDRESS.read)(&text));
    }

    #[test]
    fn places_to_listen_read_back(text in "(inet:([a-z]{1,3}|\\[::[0-9a-f]{1,4}\\]|[0-9.]{7,9}):[0-9]{1,5}|unix:/\\PC{0,20})") {
        if let Ok(listen) = (LISTEN.read)(&text) {
            prop_assert_eq!((LISTEN.read)(&listen.to_string()).ok(), Some(listen));
        }
    }

    #[test]
    fn numbers_keep_their_units(number in 0..u64::from(u32::MAX)) {
        for (unit, factor) in [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)] {
            prop_assert_eq!(duration(&format!("{number}{unit}")), Some(Duration::from_secs(number * factor)));
        }
        for (unit, factor) in [("B", 1), ("KiB", 1_024), ("MiB", 1_048_576)] {
            prop_assert_eq!(size(&format!("{number} {unit}")), Some(number * factor));
        }
    }
}

#![allow(clippy::string_slice, reason = "a panic is a failed test")]

use super::*;
use crate::calendar::Edit;

/// Replaces `from` by `to` in what the encoded octets mean; the encoded octets that come of it.
fn edited(transfer: Transfer, encoded: &str, changes: &[(&str, &str)]) -> String {
    let decoded = transfer.decode(encoded.as_bytes()).unwrap().into_owned();
    let find = |from: &str| decoded.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
    let edits: Vec<_> = changes
        .iter()
        .map(|(from, to)| Edit { range: find(from)..find(from) + from.len(), with: to.as_bytes().to_vec() })
        .collect();
    let splices = transfer.splices(encoded.as_bytes(), &decoded, edits.clone(), b"\r\n");
    let result = super::super::spliced(encoded.as_bytes(), &splices);
    let expected = super::edited(&decoded, 0, &edits);
    assert_eq!(transfer.decode(&result).as_deref(), Some(expected.as_slice()), "{encoded:?}");
    String::from_utf8(result).unwrap()
}

#[test]
fn names() {
    for (name, transfer) in [
        (None, Some(Transfer::Identity)),
        (Some("8bit"), Some(Transfer::Identity)),
        (Some("quoted-printable"), Some(Transfer::QuotedPrintable)),
        (Some("base64"), Some(Transfer::Base64)),
        (Some("x-uuencode"), None),
        (Some(""), None),
    ] {
        assert_eq!(Transfer::named(name), transfer);
    }
}

#[test]
fn quoted_printable_is_decoded() {
    for (encoded, decoded) in [
        ("a=3Db=3db", Some("a=b=b")),
        ("a=\r\nb=\nc= \t\r\nd", Some("abcd")),
        ("a \t\r\nb\t\nc ", Some("a\r\nb\nc")),
        ("a b  c", Some("a b  c")),
        ("a=20\r\n", Some("a \r\n")),
        ("a=", Some("a")),
        ("a= ", Some("a")),
        ("=0D=0A", Some("\r\n")),
        ("a=4", None),
        ("a=b", None),
        ("==", None),
        ("=\r", None),
        ("= x", None),
    ] {
        let read = Transfer::QuotedPrintable.decode(encoded.as_bytes());
        assert_eq!(read.as_deref(), decoded.map(str::as_bytes), "{encoded:?}");
    }
}

#[test]
fn quoted_printable_changes_little() {
    let long = "1234567890".repeat(7);
    for (encoded, from, to, after) in [
        (
            "A:1=\r\n2\r\nB=3Ab\r\nC:=\r\n3 \r\n",
            "B:b",
            "B:c=\u{e4}",
            "A:1=\r\n2\r\nB:c=3D=C3=A4\r\nC:=\r\n3 \r\n",
        ),
        ("A\nB:b  \nC\n", "B:b", "B:b c ", "A\nB:b c=20  \nC\n"),
        ("A\r\nB=\r\n:b=\r\n\r\nC", "B:b", "X\r\n Y", "A\r\nX\r\n Y=\r\n\r\nC"),
        // Line ends that are encoded, as of programs that take text for binary data.
        ("A=0D=0AB=0D=0AC", "B", "X\r\n Y", "A=0D=0AX=0D=0A Y=0D=0AC"),
        ("A=0AB", "B", "X\n Y", "A=0AX\n Y"),
        // What no longer fits goes on the next line.
        (
            &format!("{long}\r\nB\r\n"),
            &long,
            &format!("{long}1234567"),
            &format!("{long}12345=\r\n67\r\nB\r\n"),
        ),
        ("A=0D=0AB=0D=0AC=0D=0A", "B", &long, &format!("A=0D=0A{}=\r\n90=0D=0AC=0D=0A", &long[..68])),
        // A soft break makes no line that a delimiter could be.
        ("A:1\r\n", "1", &format!("{long}12----a"), &format!("A:{long}12-=\r\n=2D--a\r\n")),
    ] {
        let result = edited(Transfer::QuotedPrintable, encoded, &[(from, to)]);
        assert_eq!(result, after, "{encoded:?}");
        assert!(result.lines().all(|line| line.len() <= 76), "{result:?}");
    }
}

#[test]
fn quoted_printable_twice_on_a_line() {
    let encoded = "A:1=0D=0AB:2=0D=0AC:3=0D=0AD:4=0D=0A";
    let long = "x".repeat(60);
    let result = edited(Transfer::QuotedPrintable, encoded, &[("A:1", &long), ("B:2", "ab"), ("C:3", &long)]);
    assert!(result.lines().all(|line| line.len() <= 76), "{result:?}");
    let result =
        edited(Transfer::QuotedPrintable, encoded, &[("A:1", &long), ("B:2", &"x".repeat(7)), ("C:3", "y")]);
    assert!(result.lines().all(|line| line.len() <= 76), "{result:?}");
    let result = edited(Transfer::QuotedPrintable, encoded, &[("A:1", &"x".repeat(30)), ("B:2", &long)]);
    assert!(result.lines().all(|line| line.len() <= 76), "{result:?}");
}

#[test]
fn base64_is_decoded() {
    for (encoded, decoded) in [
        ("QUJD", Some("ABC")),
        ("QU\r\n JD \r\nRA==\r\n\r\n", Some("ABCD")),
        ("RB==", Some("D")),
        ("", Some("")),
        ("RA", None),
        ("RA=", None),
        ("RA==QUJD", None),
        ("QU-D", None),
        ("QUJD\r\n-- list", None),
    ] {
        let read = Transfer::Base64.decode(encoded.as_bytes());
        assert_eq!(read.as_deref(), decoded.map(str::as_bytes), "{encoded:?}");
    }
}

#[test]
fn base64_changes_from_the_quantum_on() {
    for (encoded, from, to, after) in [
        // ABCDEFGHI
        ("QUJDREVGR0hJ\r\n", "E", "X", "QUJDRFhGR0hJ\r\n"),
        ("QUJD\r\nREVG\r\nR0hJ\r\n \r\n", "E", "XYZ", "QUJD\r\nRFhZ\r\nWkZH\r\nSEk=\r\n \r\n"),
        ("QUJD\nREVG\nR0hJ\n", "I", "", "QUJD\nREVG\nR0g=\n"),
        ("QUJDR\nEVGR0\nhJ", "EF", "XY", "QUJDR\nFhZR0\nhJ"),
        ("QUJDREVG\r\nR0hJ", "I", "1234567", "QUJDREVG\r\nR0gxMjM0\r\nNTY3"),
        (" QUJD\r\n REVG\r\n", "F", "XXXX", " QUJD\r\n REVY\r\nWFhY\r\n"),
    ] {
        assert_eq!(edited(Transfer::Base64, encoded, &[(from, to)]), after, "{encoded:?}");
    }
    let one_line = "QUJD".repeat(30);
    let result = edited(Transfer::Base64, &one_line, &[("ABC", "XYZABC")]);
    assert_eq!(result.len(), one_line.len() + 4);
    assert!(!result.contains('\n'));
    let short = edited(Transfer::Base64, "QUJD\r\n", &[("ABC", &"x".repeat(90))]);
    assert_eq!(short.lines().map(str::len).collect::<Vec<_>>(), [76, 44]);
}

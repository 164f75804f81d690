#![allow(clippy::string_slice, reason = "a panic is a failed test")]

use mail_parser::{MessageParser, PartType};
use proptest::prelude::*;

use super::*;

fn fields(content_type: &str) -> Fields {
    Fields { content_type: Some(content_type.as_bytes().to_vec()), ..Fields::default() }
}

/// The kinds of the parts and what stands in those that have no parts, as `kind=text`; faults by their name.
fn shown(content_type: &str, body: &str) -> (Vec<String>, bool) {
    let tree = walk(&fields(content_type), body.as_bytes()).unwrap();
    let show = |part: &Part| match &part.entity {
        Ok(entity) if entity.is_multipart() => entity.kind.clone(),
        Ok(entity) => format!("{}={}", entity.kind, &body[part.body.clone()]),
        Err(fault) => format!("{fault:?}"),
    };
    (tree.parts.iter().map(show).collect(), tree.clear)
}

#[test]
fn parts() {
    for (content_type, body, parts, clear) in [
        ("text/plain", "--a\n\nx", vec!["text/plain=--a\n\nx"], true),
        ("Multipart/Mixed; Boundary=a", "--a\n\nx\n--a--", vec!["multipart/mixed", "text/plain=x"], true),
        (
            "multipart/mixed; boundary=\"a b\"",
            "--a b\r\n\r\nx\r\n--a b--\r\n",
            vec!["multipart/mixed", "text/plain=x"],
            true,
        ),
        (
            "multipart/x; boundary=a",
            "pre\r\n--a  \r\n\r\nx\r\n\r\n--a\t\r\n\r\n--a-- \r\npost\r\n--a\r\n",
            vec!["multipart/x", "text/plain=x\r\n", "text/plain="],
            false,
        ),
        (
            "multipart/x; boundary=a",
            "--a\ncontent-TYPE: text/HTML\n\nx\n--a\nX: y\n\n\n--a--",
            vec!["multipart/x", "text/html=x", "text/plain="],
            true,
        ),
        // RFC 2046 section 5.1.5
        (
            "multipart/digest; boundary=a",
            "--a\n\nx\n--a\nContent-Type: text/plain\n\ny\n--a--",
            vec!["multipart/digest", "message/rfc822=x", "text/plain=y"],
            true,
        ),
        // Boundaries that begin with each other.
        (
            "multipart/x; boundary=abc",
            "--abc\nContent-Type: multipart/y; boundary=abcd\n\n--abcd\n\nx\n--abcd--\n--abc--",
            vec!["multipart/x", "multipart/y", "text/plain=x"],
            false,
        ),
        (
            "multipart/x; boundary=abcd",
            "--abcd\nContent-Type: multipart/y; boundary=abc\n\n--abc\n\nx\n--abc--\n--abcd--",
            vec!["multipart/x", "multipart/y", "text/plain=x"],
            true,
        ),
        (
            "multipart/x; boundary=abcd",
            "--abcd\nContent-Type: multipart/y; boundary=abc\n\n--abc\n\nx\n--abcd--",
            vec!["multipart/x", "multipart/y", "text/plain=x"],
            false,
        ),
        (
            "multipart/x; boundary=a",
            "--a\n\nx\n--ab\n--a--",
            vec!["multipart/x", "text/plain=x\n--ab"],
            false,
        ),
        (
            "multipart/x; boundary=a",
            "--a\n\nx\n--a--b\n--a--",
            vec!["multipart/x", "text/plain=x\n--a--b"],
            false,
        ),
        (
            "multipart/x; boundary=a",
            "--a\n\nx --a\n --a\n---a\n--a--",
            vec!["multipart/x", "text/plain=x --a\n --a\n---a"],
            true,
        ),
        // An outer delimiter ends what is within.
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: multipart/y; boundary=b\n\n--b\n\nx\n--a\n\ny\n--b\n--a--",
            vec!["multipart/x", "multipart/y", "text/plain=x", "text/plain=y\n--b"],
            false,
        ),
        ("multipart/x; boundary=a", "--a\n\nx\n", vec!["multipart/x", "text/plain=x\n"], false),
        ("multipart/x; boundary=a", "--a", vec!["multipart/x", "text/plain="], false),
        ("multipart/x; boundary=a", "--a\nX: y\n--a--", vec!["multipart/x", "text/plain="], false),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: multipart/y; boundary=b\n\n--b\n--a--",
            vec!["multipart/x", "multipart/y", "text/plain="],
            false,
        ),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: multipart/y; boundary=b\n\n--b\nContent-Type: multipart/z; boundary=c\n--a--",
            vec!["multipart/x", "multipart/y", "NoParts"],
            false,
        ),
        // A message is not entered.
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: message/rfc822\n\nContent-Type: multipart/y; boundary=b\n\n--b\n\nx\n--b--\n--a--",
            vec!["multipart/x", "message/rfc822=Content-Type: multipart/y; boundary=b\n\n--b\n\nx\n--b--"],
            true,
        ),
        // Faults of one part.
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: a/b\nContent-type : c/d\n\nx\n--a--",
            vec!["multipart/x", "Header"],
            true,
        ),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: a/b\nContent-type: c/d\n\nx\n--a--",
            vec!["multipart/x", "Repeated"],
            true,
        ),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\n\nx\n--a--",
            vec!["multipart/x", "Repeated"],
            true,
        ),
        (
            "multipart/x; boundary=a",
            "--a\nno field\nContent-Type: a/b\n\nx\n--a--",
            vec!["multipart/x", "Header"],
            true,
        ),
        ("multipart/x; boundary=a", "--a\n X: y\n\nx\n--a--", vec!["multipart/x", "Header"], true),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: multipart/y; boundary=a\n\nx\n--a--",
            vec!["multipart/x", "SameBoundary"],
            true,
        ),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: multipart/y\n\nx\n--a--",
            vec!["multipart/x", "Boundary"],
            true,
        ),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: multipart/y; boundary=b\n\nx\n--a--",
            vec!["multipart/x", "NoParts"],
            false,
        ),
        (
            "multipart/x; boundary=a",
            "--a\nContent-Type: multipart/y; boundary=b\nContent-Transfer-Encoding: base64\n\nx\n--a--",
            vec!["multipart/x", "EncodedMultipart"],
            true,
        ),
        ("multipart/x; boundary=a", "no parts", vec!["NoParts"], false),
        ("multipart/x; boundary=a", "--a--", vec!["NoParts"], true),
        ("multipart/x; boundary=\"\u{e4}\"", "--a--", vec!["Boundary"], true),
    ] {
        let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        assert_eq!(shown(content_type, body), (parts, clear), "{content_type} {body:?}");
        assert_in_order(&walk(&fields(content_type), body.as_bytes()).unwrap(), body.len());
    }
}

#[test]
fn what_fields_say() {
    let reader = HeaderReader::new();
    for (block, kind, boundary, charset, method, encoding, attachment, clear) in [
        ("", "text/plain", None, None, None, None, false, true),
        (
            "Content-Type: TEXT/Calendar; Method=REQUEST;\r\n charset=\"UTF-8\"; x=\"a;b\"\r\n",
            "text/calendar",
            None,
            Some("UTF-8"),
            Some("REQUEST"),
            None,
            false,
            true,
        ),
        (
            "Content-Type: text/calendar;charset=utf-8;\n",
            "text/calendar",
            None,
            Some("utf-8"),
            None,
            None,
            false,
            true,
        ),
        (
            "Content-Type: multipart/mixed; boundary=----=_Part_1.2\n",
            "multipart/mixed",
            Some("----=_Part_1.2"),
            None,
            None,
            None,
            false,
            true,
        ),
        (
            "Content-Type: multipart/mixed; boundary*0=\"a\"; boundary*1=\"b\"\n",
            "multipart/mixed",
            Some("ab"),
            None,
            None,
            None,
            false,
            false,
        ),
        (
            "Content-Type: text/calendar (a; method=x); method=REPLY\n",
            "text/calendar",
            None,
            None,
            Some("REPLY"),
            None,
            false,
            false,
        ),
        (
            "Content-Type: text/calendar; method=REPLY; method=REQUEST\n",
            "text/calendar",
            None,
            None,
            Some("REPLY"),
            None,
            false,
            false,
        ),
        (
            "Content-Type: text/calendar; method=\"RE\\PLY\"\n",
            "text/calendar",
            None,
            None,
            Some("REPLY"),
            None,
            false,
            false,
        ),
        ("Content-Type: nonsense\n", "nonsense/", None, None, None, None, false, true),
        ("Content-Type:\n", "text/plain", None, None, None, None, false, false),
        ("Content-Transfer-Encoding: Base64\n", "text/plain", None, None, None, Some("base64"), false, true),
        ("Content-Transfer-Encoding:\n", "text/plain", None, None, None, Some("?"), false, true),
        (
            "Content-Disposition: Attachment; filename=\"a (1).ics\"\n",
            "text/plain",
            None,
            None,
            None,
            None,
            true,
            true,
        ),
        ("Content-Disposition: inline\nSubject: x\n", "text/plain", None, None, None, None, false, true),
        ("Content-Type: text/html\n \n", "text/html", None, None, None, None, false, false),
        ("X: \u{e4}\n", "text/plain", None, None, None, None, false, false),
    ] {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let expected = Entity {
            kind: kind.to_owned(),
            boundary: owned(boundary),
            charset: owned(charset),
            method: owned(method),
            encoding: owned(encoding),
            attachment,
            taken_for_other: block.contains(".ics"),
            clear,
        };
        assert_eq!(reader.part(block.as_bytes(), false), Ok(expected), "{block:?}");
    }
}

/// Multiparts within each other, each with a text.
fn nested(depth: usize) -> String {
    let mut body = String::new();
    for level in 1..=depth {
        body += &format!(
            "--{}\n\nx\n--{}\nContent-Type: multipart/mixed; boundary={level}\n\n",
            level - 1,
            level - 1
        );
    }
    body += &format!("--{depth}\n\nx\n");
    (0..=depth).rev().for_each(|level| body += &format!("--{level}--\n"));
    body
}

#[test]
fn bounds() {
    let mixed = fields("multipart/mixed; boundary=0");
    let part = |header: &str| format!("--0\n{header}\n");
    let all = |parts: String| walk(&mixed, format!("{parts}--0--").as_bytes()).map(|tree| tree.parts.len());
    let header = |length: usize| format!("X: {}\n", "a".repeat(length - 4));
    assert_eq!(all(nested(MAX_DEPTH - 1)), Ok(2 * MAX_DEPTH));
    assert_eq!(all(nested(MAX_DEPTH)), Err(Fault::TooDeep));
    assert_eq!(all(part("").repeat(MAX_PARTS - 1)), Ok(MAX_PARTS));
    assert_eq!(all(part("").repeat(MAX_PARTS)), Err(Fault::TooManyParts));
    assert_eq!(all(part(&header(MAX_HEADER))), Ok(2));
    assert_eq!(all(part(&header(MAX_HEADER + 1))), Err(Fault::HeaderTooLong));
    assert_eq!(all(part(&header(MAX_HEADER)).repeat(MAX_HEADERS / MAX_HEADER)), Ok(33));
    assert_eq!(
        all(part(&header(MAX_HEADER)).repeat(MAX_HEADERS / MAX_HEADER + 1)),
        Err(Fault::HeaderTooLong)
    );
    let boundary = "a".repeat(MAX_BOUNDARY + 1);
    let tree = walk(&fields(&format!("multipart/mixed; boundary={boundary}")), b"").unwrap();
    assert_eq!(tree.parts[0].entity, Err(Fault::Boundary));
    assert_eq!(walk(&Fields { repeated: true, ..mixed }, b"").unwrap().parts[0].entity, Err(Fault::Repeated));
}

/// A part and all within it, with boundaries that begin with each other.
fn any_part(depth: u32) -> impl Strategy<Value = String> {
    let leaf = ("(text/plain|image/png|text/calendar)", "([a-z -]{0,9}\r\n){0,3}[a-z-]{1,9}")
        .prop_map(|(kind, text)| format!("Content-Type: {kind}\r\n\r\n{text}"));
    leaf.prop_recursive(depth, 16, 4, |inner| {
        (prop::collection::vec(inner, 1..4), "[a-z0-9]{1,3}", "[a-z ]{0,9}")
            .prop_map(|(parts, boundary, around)| multipart(&parts, &boundary, &around))
    })
}

fn multipart(parts: &[String], boundary: &str, around: &str) -> String {
    // Unlike any within, and not the head of one.
    let boundary = format!("{boundary}{}{boundary}", parts.iter().map(String::len).sum::<usize>());
    let parts: String = parts.iter().map(|part| format!("\r\n--={boundary}=\r\n{part}")).collect();
    format!(
        "Content-Type: multipart/mixed; boundary=\"={boundary}=\"\r\n\r\n{around}{parts}\r\n--={boundary}=--\r\n{around}"
    )
}

proptest! {
    /// mail-parser finds the same parts at the same offsets.
    #[test]
    fn the_second_reader_agrees(message in any_part(4)) {
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        let tree = walk(&fields(header.strip_prefix("Content-Type: ").unwrap()), body.as_bytes()).unwrap();
        let own: Vec<_> = tree.parts.iter()
            .filter(|part| !part.entity.as_ref().unwrap().is_multipart())
            .map(|part| body[part.body.clone()].to_owned())
            .collect();
        let parsed = MessageParser::new().with_mime_headers().parse(&message).unwrap();
        let theirs: Vec<_> = parsed.parts.iter()
            .filter(|part| !matches!(part.body, PartType::Multipart(_)))
            .map(|part| message[part.offset_body as usize..part.offset_end as usize].to_owned())
            .collect();
        prop_assert_eq!(own, theirs);
        prop_assert!(tree.clear);
    }

    #[test]
    fn any_octets_are_walked(body in "(--a|--ab|--a--|\r?\n|Content-Type: multipart/x; boundary=ab?|[a-z: -]){0,60}") {
        if let Ok(tree) = walk(&fields("multipart/x; boundary=a"), body.as_bytes()) {
            assert_in_order(&tree, body.len());
        }
    }
}

/// Parts lie within their parents, one behind the other.
fn assert_in_order(tree: &Tree, length: usize) {
    let mut ends = vec![0; tree.parts.len()];
    for (index, part) in tree.parts.iter().enumerate() {
        assert!(part.body.start <= part.body.end && part.body.end <= length);
        if let Some(parent) = part.parent {
            assert!(parent < index);
            assert!(
                tree.parts[parent].body.start <= part.body.start
                    && part.body.end <= tree.parts[parent].body.end
            );
            assert!(ends[parent] <= part.body.start);
            ends[parent] = part.body.end;
        }
    }
}

//! For any calendar, charset, transfer encoding and nesting: what changes is SENT-BY, and nothing else does.
#![allow(clippy::string_slice, reason = "a panic is a failed test")]

use base64::Engine;
use proptest::prelude::*;

use super::*;
use crate::mime::walk;

/// A calendar as text: properties of people in any order, folds anywhere, any kind of line ends.
fn calendar() -> impl Strategy<Value = String> {
    let name = "[A-Za-z \u{e4}\u{f6}\u{20ac}\u{65e5}\u{1f4c5}.:;,=-]{0,60}";
    let parameter = prop_oneof![
        name.prop_map(|name| format!(";CN=\"{name}\"")),
        Just(";PARTSTAT=ACCEPTED".to_owned()),
        Just(";SENT-BY=\"mailto:anna@x.org\"".to_owned()),
        Just(";sent-by=mailto:eve@x.org".to_owned()),
        Just(";SENT-BY=\"mailto:a@x.org\",\"mailto:b@x.org\"".to_owned()),
    ];
    let person = (
        prop_oneof![Just("ORGANIZER"), Just("ATTENDEE"), Just("Attendee")],
        prop::collection::vec(parameter, 0..3),
        prop_oneof![
            Just("mailto:boss@x.org"),
            Just("MAILTO:%62oss@x.org"),
            Just("mailto:carl@x.org"),
            Just("urn:x")
        ],
    )
        .prop_map(|(name, parameters, value)| format!("{name}{}:{value}|", parameters.concat()));
    let other = prop_oneof![
        name.prop_map(|text| format!("DESCRIPTION:{text}|")),
        Just("BEGIN:VALARM|ATTENDEE:mailto:boss@x.org|END:VALARM|".to_owned()),
        Just("|".to_owned()),
    ];
    let lines = prop::collection::vec(prop_oneof![3 => person, 2 => other], 0..8);
    let components = prop::collection::vec(lines.prop_map(|lines| lines.concat()), 0..3);
    let method = prop_oneof![
        Just("METHOD:REQUEST|"),
        Just("method:reply|"),
        Just("METHOD:CANCEL|"),
        Just("METHOD:COUNTER|"),
        Just("METHOD:X-OWN|"),
        Just(""),
    ];
    let object = (method, components).prop_map(|(method, components)| {
        let components: String =
            components.iter().map(|lines| format!("BEGIN:VEVENT|{lines}END:VEVENT|")).collect();
        format!("BEGIN:VCALENDAR|VERSION:2.0|{method}{components}END:VCALENDAR|")
    });
    (prop::collection::vec(object, 1..3), 5..90_usize, any::<[bool; 3]>()).prop_map(
        |(objects, width, [fold, lf, mixed])| {
            let text = objects.concat();
            let folded = if fold { folded(&text, width) } else { text };
            let mut ends = ["\r\n", "\n"].into_iter().cycle();
            let end = if lf { "\n" } else { "\r\n" };
            folded
                .split_inclusive('|')
                .map(|line| line.replace('|', if mixed { ends.next().unwrap() } else { end }))
                .collect()
        },
    )
}

fn folded(text: &str, width: usize) -> String {
    let mut folded = String::new();
    let mut column = 0;
    for c in text.chars() {
        if c != '|' && column == width {
            folded += "| ";
            column = 0;
        }
        column = if c == '|' { 0 } else { column + 1 };
        folded.push(c);
    }
    folded
}

/// Charsets that hold all of the text, or whatever of it they hold.
fn charset() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "utf-8",
        "us-ascii",
        "iso-8859-1",
        "windows-1252",
        "koi8-r",
        "shift_jis",
        "gbk",
        "gb18030",
        "big5",
        "euc-jp",
        "euc-kr",
        "iso-2022-jp",
        "utf-16le",
        "utf-16be",
    ])
}

fn in_charset(text: &str, charset: &str) -> Vec<u8> {
    match charset {
        "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "us-ascii" => text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect(),
        // Characters that it does not hold become references, which would be longer than any name.
        label => text
            .split_inclusive(|_: char| true)
            .flat_map(|c| match encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(c) {
                (octets, _, false) => octets.into_owned(),
                (_, _, true) => b"?".to_vec(),
            })
            .collect(),
    }
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Identity,
    Quoted { text: bool },
    Base64 { length: usize },
}

fn encoding() -> impl Strategy<Value = Encoding> {
    prop_oneof![
        Just(Encoding::Identity),
        any::<bool>().prop_map(|text| Encoding::Quoted { text }),
        prop_oneof![Just(76), Just(72), Just(4), 5..80_usize, Just(100_000)]
            .prop_map(|length| Encoding::Base64 { length }),
    ]
}

fn encoded(octets: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Identity => octets.to_vec(),
        Encoding::Quoted { text } => quoted(octets, text),
        Encoding::Base64 { length } => {
            let encoded = base64::prelude::BASE64_STANDARD.encode(octets);
            encoded.as_bytes().chunks(length).collect::<Vec<_>>().join(&b"\r\n"[..])
        }
    }
}

fn quoted(octets: &[u8], text: bool) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut column = 0;
    for (index, octet) in octets.iter().enumerate() {
        let line_end = octets[index..].starts_with(b"\r\n") || *octet == b'\n';
        if text && line_end {
            column = 0;
            encoded.push(*octet);
            continue;
        }
        let token = match octet {
            b'!'..=b'<' | b'>'..=b'~' => vec![*octet],
            _ => format!("={octet:02x}").into_bytes(),
        };
        if column + token.len() > 75 {
            encoded.extend(b"=\r\n");
            column = 0;
        }
        column += token.len();
        encoded.extend(token);
    }
    encoded
}

/// The part with its fields, in some multiparts with other parts.
fn nested(fields: &Fields, body: &[u8], depth: usize) -> (Fields, Vec<u8>) {
    let mut fields = fields.clone();
    let mut body = body.to_vec();
    for level in 0..depth {
        let boundary = format!("b{}", "x".repeat(level));
        let mut outer =
            format!("preamble\r\n--{boundary}\r\n\r\nORGANIZER:mailto:boss@x.org\r\n--{boundary}\r\n")
                .into_bytes();
        for (name, value) in
            [("Content-Type", &fields.content_type), ("Content-Transfer-Encoding", &fields.transfer_encoding)]
        {
            outer.extend(value.iter().flat_map(|value| [name.as_bytes(), b": ", value, b"\r\n"].concat()));
        }
        outer.extend(b"\r\n");
        outer.extend(body);
        outer.extend(format!("\r\n--{boundary}--\r\n").bytes());
        body = outer;
        fields = super::fields(&format!("multipart/mixed; boundary={boundary}"), None);
    }
    (fields, body)
}

/// A body, with the charset and the encoding of the calendar in it.
fn message() -> impl Strategy<Value = (Fields, Vec<u8>, &'static str, Encoding)> {
    (calendar(), charset(), encoding(), 0..4_usize).prop_map(|(calendar, charset, encoding, depth)| {
        let name = match encoding {
            Encoding::Identity => "8bit",
            Encoding::Quoted { .. } => "Quoted-Printable",
            Encoding::Base64 { .. } => "BASE64",
        };
        let fields = fields(&format!("text/calendar; charset={charset}"), Some(name));
        let (fields, body) = nested(&fields, &encoded(&in_charset(&calendar, charset), encoding), depth);
        (fields, body, charset, encoding)
    })
}

/// The octets of the calendar in a body.
fn decoded(fields: &Fields, body: &[u8]) -> Vec<u8> {
    let tree = walk(fields, body).unwrap();
    let part = tree.parts.iter().find(|part| part.entity.as_ref().unwrap().kind == "text/calendar").unwrap();
    let transfer = Transfer::named(part.entity.as_ref().unwrap().encoding.as_deref()).unwrap();
    transfer.decode(&body[part.body.clone()]).unwrap().into_owned()
}

/// The lines of the normal form; a property of the boss without its SENT-BY.
fn without_sent_by(octets: &[u8], charset: &str) -> Vec<String> {
    let normal = Text::new(octets, Some(charset)).unwrap().normal();
    let lines = match charset {
        "utf-16le" => decode_wide(&normal, u16::from_le_bytes),
        "utf-16be" => decode_wide(&normal, u16::from_be_bytes),
        _ => normal.iter().map(|octet| char::from(*octet)).collect(),
    };
    let strip = |line: &str| {
        let of_boss = line.ends_with("boss@x.org") || line.ends_with("%62oss@x.org");
        if !of_boss {
            return line.to_owned();
        }
        let mut line = line.to_owned();
        while let Some(start) = line.to_ascii_uppercase().find(";SENT-BY=") {
            let unquoted = |rest: &str| rest[";SENT-BY=mailto:".len()..].find([':', ';']).map(|end| end + 16);
            let quoted = |rest: &str| {
                let mut inside = false;
                rest.find(|c| {
                    inside ^= c == '"';
                    !inside && c == ':' || !inside && c == ';' && !rest.starts_with(c)
                })
            };
            let rest = &line[start..];
            let end = if rest[9..].starts_with('"') {
                quoted(&rest[1..]).map(|end| end + 1)
            } else {
                unquoted(rest)
            };
            line.replace_range(start..start + end.unwrap(), "");
        }
        line
    };
    lines.split('\n').map(strip).collect()
}

/// The normal form of UTF-16 has line ends of one octet.
fn decode_wide(normal: &[u8], number: fn([u8; 2]) -> u16) -> String {
    let mut units = Vec::new();
    let mut rest = normal;
    while let [first, behind @ ..] = rest {
        // A line feed of two octets is no part of any content.
        if *first == b'\n'
            && (behind.is_empty()
                || number([0, 1]) == 1 && behind[0] == 0
                || number([0, 1]) != 1 && behind[0] != 0)
        {
            units.push(10);
            rest = behind;
        } else {
            units.push(number([*first, behind[0]]));
            rest = &behind[1..];
        }
    }
    String::from_utf16_lossy(&units)
}

fn undone(body: &[u8], splices: &[Splice], changed: &[u8]) -> Vec<u8> {
    let mut back = Vec::new();
    let mut shift = 0_isize;
    for Splice { range, with } in splices {
        let start = range.start.checked_add_signed(shift).unwrap();
        back.push(Splice { range: start..start + with.len(), with: body[range.clone()].to_vec() });
        shift += isize::try_from(with.len()).unwrap() - isize::try_from(range.len()).unwrap();
    }
    spliced(changed, &back)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn only_sent_by_changes((fields, body, charset, encoding) in message(), remove in any::<bool>()) {
        let boss = address("boss@x.org");
        let delegate = address("\"zo\u{eb}, the delegate\"@x.org");
        let change = if remove { SentBy::Remove } else { SentBy::Set(delegate.clone()) };
        let changes = [(boss.clone(), change)];
        let before = read(&fields, &body);
        prop_assert_eq!(before.unread(), []);
        let splices = before.mark(&body, &changes);
        let changed = spliced(&body, &splices);

        // Undone, it is what it was.
        prop_assert_eq!(&undone(&body, &splices, &changed), &body);
        // It says what it should, and there is nothing left to do.
        let after = read(&fields, &changed);
        prop_assert_eq!(after.unread(), []);
        prop_assert_eq!(after.mark(&changed, &changes), []);
        let expected: Vec<_> = before.components().map(|component| expected(component, &boss, &delegate, remove)).collect();
        prop_assert_eq!(after.components().cloned().collect::<Vec<_>>(), expected);
        // But for SENT-BY, nothing reads differently.
        let [old, new] = [&body, &changed].map(|body| decoded(&fields, body));
        prop_assert_eq!(without_sent_by(&old, charset), without_sent_by(&new, charset));
        // No line is too long that was not, but for those that cannot be folded.
        let cuttable = encoding_rs::Encoding::for_label(charset.as_bytes())
            .is_some_and(|known| known == encoding_rs::UTF_8 || known.is_single_byte());
        if cuttable {
            let old_lines: Vec<_> = old.split(|c| *c == b'\n').collect();
            for line in new.split(|c| *c == b'\n').filter(|line| !old_lines.contains(line)) {
                prop_assert!(line.strip_suffix(b"\r").unwrap_or(line).len() <= 75);
            }
        }
        if let Encoding::Quoted { .. } = encoding {
            let longest = |body: &[u8]| body.split(|c| *c == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).len()).max();
            prop_assert!(longest(&changed) <= longest(&body).max(Some(76)));
        }
    }
}

fn expected(component: &Component, boss: &Address, delegate: &Address, remove: bool) -> Component {
    use crate::calendar::Actor;
    let mut expected = component.clone();
    let acts = |parties: &[Party]| parties.iter().any(|party| party.address.as_ref() == Some(boss));
    let (organizers, attendees) = match component.method.actor() {
        _ if remove => (true, true),
        Some(Actor::Organizer) => (acts(&component.organizers), acts(&component.organizers)),
        Some(Actor::Attendee) => (false, acts(&component.attendees)),
        None => (false, false),
    };
    let sent_by = if remove { vec![] } else { vec![Some(delegate.clone())] };
    for (due, parties) in [(organizers, &mut expected.organizers), (attendees, &mut expected.attendees)] {
        for party in parties.iter_mut().filter(|party| due && party.address.as_ref() == Some(boss)) {
            party.sent_by.clone_from(&sent_by);
        }
    }
    expected
}

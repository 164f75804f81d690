use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Properties of one event in a calendar with a METHOD; `|` stands for a line end.
fn event(method: &str, properties: &str) -> String {
    format!("BEGIN:VCALENDAR|METHOD:{method}|BEGIN:VEVENT|{properties}|END:VEVENT|END:VCALENDAR|")
        .replace('|', "\r\n")
}

fn changed(octets: &[u8], charset: Option<&str>, changes: &[(Address, SentBy)]) -> Vec<u8> {
    let text = Text::new(octets, charset).unwrap();
    let edits = Calendar::read(&text, None).unwrap().edits(&text, changes);
    let mut changed = Vec::new();
    let mut from = 0;
    for Edit { range, with } in edits {
        changed.extend_from_slice(&octets[from..range.start]);
        changed.extend(with);
        from = range.end;
    }
    changed.extend_from_slice(&octets[from..]);
    changed
}

fn set(octets: &[u8], charset: Option<&str>) -> Vec<u8> {
    changed(octets, charset, &[(address("boss@x.org"), SentBy::Set(address("anna@x.org")))])
}

fn set_text(text: &str) -> String {
    String::from_utf8(set(text.as_bytes(), None)).unwrap()
}

fn removed_text(text: &str) -> String {
    String::from_utf8(changed(text.as_bytes(), None, &[(address("boss@x.org"), SentBy::Remove)])).unwrap()
}

fn components(text: &str) -> Result<Vec<Component>, CalendarError> {
    let text = Text::new(text.as_bytes(), None).unwrap();
    Ok(Calendar::read(&text, None)?.into_components().collect())
}

#[test]
fn methods_and_their_actors() {
    use Actor::{Attendee, Organizer};
    for (name, method, actor) in [
        ("PUBLISH", Method::Publish, Some(Organizer)),
        ("request", Method::Request, Some(Organizer)),
        (" Add ", Method::Add, Some(Organizer)),
        ("CANCEL", Method::Cancel, Some(Organizer)),
        ("DeclineCounter", Method::DeclineCounter, Some(Organizer)),
        ("REPLY", Method::Reply, Some(Attendee)),
        ("refresh", Method::Refresh, Some(Attendee)),
        ("COUNTER", Method::Counter, Some(Attendee)),
        ("X-OTHER", Method::Other, None),
        ("", Method::Other, None),
    ] {
        assert_eq!(Method::parse(name), method, "{name}");
        assert_eq!(method.actor(), actor, "{name}");
        let read = components(&event(name, "UID:1")).unwrap();
        assert_eq!(read.iter().map(|c| c.method).collect::<Vec<_>>(), [method], "{name}");
    }
}

#[test]
fn one_property() {
    for (before, after) in [
        ("ORGANIZER:mailto:boss@x.org", "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org"),
        (
            "ORGANIZER;CN=Boss:MAILTO:Boss@X.org",
            "ORGANIZER;CN=Boss;SENT-BY=\"mailto:anna@x.org\":MAILTO:Boss@X.org",
        ),
        ("organizer:mailto:boss@x.org", "organizer;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org"),
        ("ORGANIZER:mailto:%62oss@x.org ", "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":mailto:%62oss@x.org "),
        ("ORGANIZER: mailto:boss@x.org", "ORGANIZER;SENT-BY=\"mailto:anna@x.org\": mailto:boss@x.org"),
        (
            "ORGANIZER;CN=\"B: mailto:eve@x.org;,\":mailto:boss@x.org",
            "ORGANIZER;CN=\"B: mailto:eve@x.org;,\";SENT-BY=\"mailto:anna@x.org\":mailto:bos|  s@x.org",
        ),
        (
            "ORGANIZER;SENT-BY=\"mailto:eve@x.org\";CN=B:mailto:boss@x.org",
            "ORGANIZER;SENT-BY=\"mailto:anna@x.org\";CN=B:mailto:boss@x.org",
        ),
        (
            "ORGANIZER;sent-by=mailto:anna@x.org;CN=B:mailto:boss@x.org",
            "ORGANIZER;SENT-BY=\"mailto:anna@x.org\";CN=B:mailto:boss@x.org",
        ),
        (
            "ORGANIZER;SENT-BY=mailto:anna@x.org:mailto:boss@x.org",
            "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org",
        ),
        ("ORGANIZER;SENT-BY=mailto:boss@x.org", "ORGANIZER;SENT-BY=mailto:boss@x.org"),
        (
            "ORGANIZER;SENT-BY=\"mailto:eve@x.org\",\"mailto:anna@x.org\":mailto:boss@x.org",
            "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org",
        ),
        (
            "ORGANIZER;SENT-BY=\"mailto:eve@x.org\";CN=B;SENT-BY=eve:mailto:boss@x.org",
            "ORGANIZER;SENT-BY=\"mailto:anna@x.org\";CN=B:mailto:boss@x.org",
        ),
        (
            "ORGANIZER;SENT-BY=\"MAILTO:Anna@x.org\":mailto:boss@x.org",
            "ORGANIZER;SENT-BY=\"MAILTO:Anna@x.org\":mailto:boss@x.org",
        ),
        ("ORGANIZER;SENT-BY=:mailto:boss@x.org", "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org"),
        ("ORGANIZER;SENT-BY=mailto:boss@x.org;x,y", "ORGANIZER;SENT-BY=mailto:boss@x.org;x,y"),
        // Not legal, and read as the grammar has it.
        (
            "ORGANIZER;CN=B\"oss; the\";X;SENT-BY=eve:mailto:boss@x.org",
            "ORGANIZER;CN=B\"oss; the\";X;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org",
        ),
        (
            "ORGANIZER;SENT-BY;X=1:mailto:boss@x.org",
            "ORGANIZER;SENT-BY=\"mailto:anna@x.org\";X=1:mailto:boss@x.org",
        ),
        ("ORGANIZER:boss@x.org", "ORGANIZER:boss@x.org"),
        ("ORGANIZER:mailto:boss@x.org?cc=eve@x.org", "ORGANIZER:mailto:boss@x.org?cc=eve@x.org"),
        ("ORGANIZER:mailto:boss@x.org,eve@x.org", "ORGANIZER:mailto:boss@x.org,eve@x.org"),
        ("ORGANIZER:urn:uuid:boss@x.org", "ORGANIZER:urn:uuid:boss@x.org"),
        ("X-ORGANIZER:mailto:boss@x.org", "X-ORGANIZER:mailto:boss@x.org"),
        ("COMMENT:x\\nORGANIZER:mailto:boss@x.org", "COMMENT:x\\nORGANIZER:mailto:boss@x.org"),
        // Folds within the name, within a word, and one that is a tab.
        (
            "ORGA| NIZER;CN=Bo|\tss:mai| lto:boss@x.org",
            "ORGANIZER;CN=Boss;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org",
        ),
        (
            "ORGANIZER;X-NUM-GUESTS=0;CUTYPE=INDIVIDUAL;CN=A Rather Long Name:mailto:boss@x.org",
            "ORGANIZER;X-NUM-GUESTS=0;CUTYPE=INDIVIDUAL;CN=A Rather Long Name;SENT-BY=\"m|  ailto:anna@x.org\":mailto:boss@x.org",
        ),
    ] {
        let after = after.replace("|  ", "| ");
        assert_eq!(set_text(&event("REQUEST", before)), event("REQUEST", &after), "{before}");
    }
}

#[test]
fn removed() {
    for (before, after) in [
        ("ORGANIZER;SENT-BY=\"mailto:a@x.org\":mailto:boss@x.org", "ORGANIZER:mailto:boss@x.org"),
        (
            "ATTENDEE;SENT-BY=\"mailto:a@x.org\";CN=B;SENT-BY=mailto:a@x.org:mailto:boss@x.org",
            "ATTENDEE;CN=B:mailto:boss@x.org",
        ),
        (
            "ATTENDEE;SENT-BY=\"mailto:a@x.org\":mailto:other@x.org",
            "ATTENDEE;SENT-BY=\"mailto:a@x.org\":mailto:other@x.org",
        ),
        ("ORGANIZER;CN=B| oss:mailto:boss@x.org", "ORGANIZER;CN=B| oss:mailto:boss@x.org"),
    ] {
        for method in ["REQUEST", "REPLY", "X-OWN"] {
            assert_eq!(removed_text(&event(method, before)), event(method, after), "{before}");
        }
    }
}

#[test]
fn a_principal_with_two_addresses() {
    let changes = ["boss@x.org", "chief@x.org"].map(|own| (address(own), SentBy::Set(address("anna@x.org"))));
    let marked = ";SENT-BY=\"mailto:anna@x.org\"";
    for (method, before, after) in [
        (
            "REQUEST",
            "ORGANIZER:mailto:boss@x.org|ATTENDEE:mailto:chief@x.org|ATTENDEE:mailto:carl@x.org",
            format!(
                "ORGANIZER{marked}:mailto:boss@x.org|ATTENDEE{marked}:mailto:chief@x.org|ATTENDEE:mailto:carl@x.org"
            ),
        ),
        (
            "REPLY",
            "ORGANIZER:mailto:boss@x.org|ATTENDEE:mailto:chief@x.org",
            format!("ORGANIZER:mailto:boss@x.org|ATTENDEE{marked}:mailto:chief@x.org"),
        ),
        (
            "REQUEST",
            "ORGANIZER:mailto:carl@x.org|ATTENDEE:mailto:chief@x.org",
            "ORGANIZER:mailto:carl@x.org|ATTENDEE:mailto:chief@x.org".to_owned(),
        ),
    ] {
        let octets = changed(event(method, before).as_bytes(), None, &changes);
        assert_eq!(String::from_utf8(octets).unwrap(), event(method, &after), "{before}");
    }
}

#[test]
fn which_properties_change() {
    let boss = "SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org";
    for (method, before, after) in [
        (
            "REQUEST",
            "ORGANIZER:mailto:boss@x.org|ATTENDEE:mailto:boss@x.org|ATTENDEE:mailto:carl@x.org",
            format!("ORGANIZER;{boss}|ATTENDEE;{boss}|ATTENDEE:mailto:carl@x.org"),
        ),
        // Forwarded: another organizer's.
        (
            "REQUEST",
            "ORGANIZER:mailto:carl@x.org|ATTENDEE:mailto:boss@x.org",
            "ORGANIZER:mailto:carl@x.org|ATTENDEE:mailto:boss@x.org".to_owned(),
        ),
        ("REQUEST", "ATTENDEE:mailto:boss@x.org", "ATTENDEE:mailto:boss@x.org".to_owned()),
        (
            "REPLY",
            "ORGANIZER:mailto:carl@x.org|ATTENDEE;PARTSTAT=ACCEPTED:mailto:boss@x.org",
            format!("ORGANIZER:mailto:carl@x.org|ATTENDEE;PARTSTAT=ACCEPTED;{boss}"),
        ),
        (
            "COUNTER",
            "ORGANIZER:mailto:boss@x.org|ATTENDEE:mailto:boss@x.org",
            format!("ORGANIZER:mailto:boss@x.org|ATTENDEE;{boss}"),
        ),
        (
            "REPLY",
            "ORGANIZER:mailto:boss@x.org|ATTENDEE:mailto:carl@x.org",
            "ORGANIZER:mailto:boss@x.org|ATTENDEE:mailto:carl@x.org".to_owned(),
        ),
        ("X-OWN", "ORGANIZER:mailto:boss@x.org", "ORGANIZER:mailto:boss@x.org".to_owned()),
        (
            "CANCEL",
            "ORGANIZER:mailto:boss@x.org|BEGIN:VALARM|ACTION:EMAIL|ATTENDEE:mailto:boss@x.org|END:VALARM",
            format!("ORGANIZER;{boss}|BEGIN:VALARM|ACTION:EMAIL|ATTENDEE:mailto:boss@x.org|END:VALARM"),
        ),
        // An override of one recurrence is a component of its own.
        (
            "REQUEST",
            "ORGANIZER:mailto:boss@x.org|END:VEVENT|BEGIN:VEVENT|RECURRENCE-ID:20300101|ORGANIZER:mailto:carl@x.org|ATTENDEE:mailto:boss@x.org",
            format!(
                "ORGANIZER;{boss}|END:VEVENT|BEGIN:VEVENT|RECURRENCE-ID:20300101|ORGANIZER:mailto:carl@x.org|ATTENDEE:mailto:boss@x.org"
            ),
        ),
        // The properties may stand ahead of what decides about them.
        (
            "PUBLISH",
            "ATTENDEE:mailto:boss@x.org|ORGANIZER:mailto:boss@x.org|END:VEVENT|BEGIN:VTODO|ORGANIZER:mailto:boss@x.org|END:VTODO|BEGIN:X-OWN|UID:1",
            format!(
                "ATTENDEE;{boss}|ORGANIZER;{boss}|END:VEVENT|BEGIN:VTODO|ORGANIZER;{boss}|END:VTODO|BEGIN:X-OWN|UID:1"
            ),
        ),
    ] {
        let before = before.replace("VTODO|UID:1|END:VEVENT", "");
        let (before, after) = if before.ends_with("X-OWN|UID:1") {
            (format!("{before}|END:X-OWN|BEGIN:VEVENT"), format!("{after}|END:X-OWN|BEGIN:VEVENT"))
        } else {
            (before, after)
        };
        assert_eq!(set_text(&event(method, &before)), event(method, &after), "{method} {before}");
    }
}

#[test]
fn several_objects() {
    let organizer = |method: &str| event(method, "ORGANIZER:mailto:boss@x.org");
    let marked = event("REQUEST", "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":mailto:boss@x.org");
    let without = organizer("REQUEST").replace("METHOD:REQUEST\r\n", "");
    let late = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nORGANIZER:mailto:boss@x.org\nEND:VEVENT\nMETHOD:REQUEST\nEND:VCALENDAR";
    assert_eq!(
        set_text(&[&without, &organizer("REQUEST"), "\r\n", &organizer("REPLY"), late].concat()),
        [
            &without,
            &marked,
            "\r\n",
            &organizer("REPLY"),
            &late.replace("ORGANIZER:", "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":"),
        ]
        .concat()
    );
    let read = components(&[without, organizer("REQUEST")].concat()).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].organizers[0].address, Some(address("boss@x.org")));
}

#[test]
fn what_counts_as_a_component() {
    let zone = "BEGIN:VTIMEZONE|TZID:X|BEGIN:STANDARD|DTSTART:19700101|END:STANDARD|END:VTIMEZONE";
    let text = event("REQUEST", &format!("UID:1|END:VEVENT|{zone}|begin:vtodo|UID:2|end:Vtodo|BEGIN:VEVENT"));
    assert_eq!(components(&text).unwrap().len(), 3);
    assert_eq!(components("BEGIN:VCALENDAR\nMETHOD:REPLY\nEND:VCALENDAR").unwrap(), []);
}

#[test]
fn parties() {
    for (property, own, sent_by) in [
        ("ATTENDEE:mailto:zo%C3%AB@x.org", Some("zo\u{eb}@x.org"), vec![]),
        ("ATTENDEE:mailto:zo\u{eb}@x.org", Some("zo\u{eb}@x.org"), vec![]),
        ("ATTENDEE:mailto:%22a%20b%22@x.org", Some("\"a b\"@x.org"), vec![]),
        ("ATTENDEE:mailto:%FF@x.org", None, vec![]),
        ("ATTENDEE:", None, vec![]),
        (
            "ATTENDEE;SENT-BY=\"mailto:a@x.org\",\"b@x.org\":mailto:c@x.org",
            Some("c@x.org"),
            vec![Some("a@x.org"), None],
        ),
        ("ATTENDEE;SENT-BY=\" mailto:a@x.org\":mailto:c@x.org", Some("c@x.org"), vec![Some("a@x.org")]),
        ("ATTENDEE;DELEGATED-FROM=\"mailto:a@x.org\":mailto:c@x.org", Some("c@x.org"), vec![]),
    ] {
        let read = components(&event("REQUEST", property)).unwrap();
        let expected = Party {
            address: own.map(address),
            sent_by: sent_by.into_iter().map(|one| one.map(address)).collect(),
        };
        assert_eq!(read[0].attendees, [expected], "{property}");
    }
}

#[test]
fn malformed() {
    use CalendarError::*;
    for (text, error) in [
        ("", NoCalendar),
        ("\r\n \r\n", NoCalendar),
        ("hello", Outside),
        ("BEGIN:VEVENT|END:VEVENT", Outside),
        ("UID:1|BEGIN:VCALENDAR|END:VCALENDAR", Outside),
        ("BEGIN:VCALENDAR|END:VCALENDAR|-- |list", Outside),
        ("BEGIN:VCALENDAR", Unbalanced),
        ("END:VCALENDAR", Unbalanced),
        ("BEGIN:VCALENDAR|BEGIN:VEVENT|END:VCALENDAR|END:VEVENT", Unbalanced),
        ("BEGIN:VCALENDAR|BEGIN:VCALENDAR|END:VCALENDAR|END:VCALENDAR", Unbalanced),
        ("BEGIN:VCALENDAR|METHOD:REPLY|METHOD:REPLY|END:VCALENDAR", TwoMethods),
        ("BEGIN:VCALENDAR|METHOD;X=\"a:REPLY|END:VCALENDAR", Quotes),
        ("BEGIN:VCALENDAR|BEGIN:VEVENT|ORGANIZER;CN=\"a:b|END:VEVENT|END:VCALENDAR", Quotes),
        ("BEGIN:VCALENDAR|BEGIN:VEVENT|ORGANIZER;CN=a|END:VEVENT|END:VCALENDAR", NoColon),
        ("BEGIN:VCALENDAR|BEGIN:VEVENT|ORGANIZER;CN|END:VEVENT|END:VCALENDAR", NoColon),
        ("BEGIN:VCALENDAR|BEGIN:VEVENT|ORGANIZER;CN=\"a\"|END:VEVENT|END:VCALENDAR", NoColon),
    ] {
        assert_eq!(components(&text.replace('|', "\r\n")), Err(error), "{text}");
    }
    assert_eq!(components(&format!("{}{}", "BEGIN:A\n".repeat(9), "")), Err(Outside));
    assert_eq!(components(&format!("BEGIN:VCALENDAR\n{}", "BEGIN:A\n".repeat(9))), Err(TooDeep));
    assert_eq!(components(&event("REPLY", &format!("ATTENDEE:{}", "a".repeat(70_000)))), Err(TooLong));
    assert_eq!(components(&event("REPLY", &"ATTENDEE:x|".repeat(100_001))), Err(TooMany));
    let with_many = format!("ATTENDEE;SENT-BY={}:x|", "a,".repeat(20_000));
    assert_eq!(components(&event("REPLY", &with_many.repeat(6))), Err(TooMany));
}

#[test]
fn tolerated() {
    for lines in ["rubbish", "", "a.ORGANIZER:x", "rub\"bish;=", "X-A;B=\"c:d", "\u{feff}UID:1"] {
        let text = event("REQUEST", &format!("ORGANIZER:mailto:boss@x.org|{lines}"));
        assert_eq!(components(&text).unwrap()[0].organizers.len(), 1, "{lines}");
    }
}

#[test]
fn clear_to_every_reader() {
    for (lines, clear) in [
        ("ORGANIZER;CN=\"a;b\":mailto:a@x.org", true),
        ("|", true),
        ("BEGIN:VALARM|ATTENDEE:mailto:a@x.org|END:VALARM", true),
        ("DESCRIPTION:a|  b|\tc", true),
        ("rubbish", false),
        ("a.ORGANIZER:mailto:a@x.org", false),
        ("DESCRIPTION:a| |ORGANIZER:x", true),
        ("|ORGANIZER:x|", true),
        ("UID:1\rORGANIZER:mailto:a@x.org", false),
        ("UID:1\u{b}ORGANIZER:mailto:a@x.org", false),
        ("METHOD:REPLY", false),
        ("BEGIN:X-OWN|ORGANIZER:mailto:a@x.org|END:X-OWN", false),
        ("ORGANIZER;CN=a\"b\":mailto:a@x.org", false),
        ("ORGANIZER;CN=\"a\"b:mailto:a@x.org", false),
        ("ORGANIZER;CN:mailto:a@x.org", false),
        ("ORGANIZER;SENT-BY=mailto:a@x.org:mailto:a@x.org", false),
    ] {
        let text = event("REQUEST", lines);
        let read = Calendar::read(&Text::new(text.as_bytes(), None).unwrap(), None).unwrap();
        assert_eq!(read.is_clear(), clear, "{lines}");
    }
    let wide: Vec<u8> = event("REQUEST", "UID:1").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let read = Calendar::read(&Text::new(&wide, Some("utf-16le")).unwrap(), None).unwrap();
    assert!(!read.is_clear(), "hidden from readers that take it for ASCII");
    let folded_onto_nothing = "BEGIN:VCALENDAR\r\n\r\n METHOD:REQUEST\r\nEND:VCALENDAR\r\n";
    let read = Calendar::read(&Text::new(folded_onto_nothing.as_bytes(), None).unwrap(), None).unwrap();
    assert_eq!((read.is_clear(), read.methods().collect::<Vec<_>>()), (false, vec![Some(Method::Request)]));
}

#[test]
fn line_ends_stay() {
    let marked = "ORGANIZER;CN=A Name That Is Long Enough To Be Folded;SENT-BY=\"mailto:anna@x";
    for (before, after) in [
        (
            "ORGANIZER;CN=A Name That Is Long Enough To Be Folded:mailto:boss@x.org\nUID:1\r\n",
            "\n .org\":mailto:boss@x.org\nUID:1\r\n",
        ),
        (
            "ORGANIZER;CN=A Name That\n  Is Long Enough To Be Folded:mailto:boss@x.org\r\nUID:1\n",
            "\n .org\":mailto:boss@x.org\r\nUID:1\n",
        ),
        (
            "ORGANIZER;CN=A Name That\r\n  Is Long Enough To Be Folded:mailto:boss@x.org\nUID:1\n",
            "\r\n .org\":mailto:boss@x.org\nUID:1\n",
        ),
    ] {
        let around = |event: &str| {
            format!("BEGIN:VCALENDAR\nMETHOD:REQUEST\r\nBEGIN:VEVENT\n{event}END:VEVENT\r\nEND:VCALENDAR")
        };
        assert_eq!(set_text(&around(before)), around(&format!("{marked}{after}")), "{before:?}");
    }
}

#[test]
fn delegates_are_written_as_uris() {
    for (delegate, uri) in [
        ("anna+cal@x.org", "mailto:anna+cal@x.org"),
        ("zo\u{eb}@b\u{fc}cher.example", "mailto:zo%C3%AB@xn--bcher-kva.example"),
        ("\"a b\"@x.org", "mailto:%22a%20b%22@x.org"),
        ("\"a@b\"@x.org", "mailto:%22a%40b%22@x.org"),
        ("a%b&c=d?e/f@x.org", "mailto:a%25b%26c%3Dd%3Fe%2Ff@x.org"),
        ("a@[192.0.2.1]", "mailto:a@%5B192.0.2.1%5D"),
    ] {
        let text = event("REPLY", "ATTENDEE:mailto:boss@x.org");
        let after =
            changed(text.as_bytes(), None, &[(address("boss@x.org"), SentBy::Set(address(delegate)))]);
        let unfolded = String::from_utf8(after).unwrap().replace("\r\n ", "");
        assert_eq!(
            unfolded,
            event("REPLY", &format!("ATTENDEE;SENT-BY=\"{uri}\":mailto:boss@x.org")),
            "{delegate}"
        );
        assert_eq!(components(&unfolded).unwrap()[0].attendees[0].sent_by, [Some(address(delegate))]);
    }
}

/// A calendar whose organizer is named by some octets, and the same with a delegate, unfolded.
fn named(name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let [before, after] = ["", ";SENT-BY=\"mailto:anna@x.org\""].map(|sent_by| {
        let text = event("REQUEST", &format!("ORGANIZER;CN=@{sent_by}:mailto:boss@x.org"));
        let at = text.find('@').unwrap();
        [&text.as_bytes()[..at], name, &text.as_bytes()[at + 1..]].concat()
    });
    (before, after)
}

fn unfolded(octets: &[u8]) -> Vec<u8> {
    let mut unfolded = octets.to_vec();
    while let Some(at) = unfolded.windows(3).position(|three| three == b"\r\n ") {
        unfolded.drain(at..at + 3);
    }
    unfolded
}

#[test]
fn charsets() {
    for (charset, character, width) in [
        ("utf-8", &b"\xC3\xA4"[..], 2),
        ("UTF-8", b"\xF0\x9F\x93\x85", 4),
        ("us-ascii", b"\xE4", 1),
        ("iso-8859-1", b"\xA9", 1),
        ("windows-1252", b"\xE4", 1),
        ("koi8-r", b"\xA3", 1),
    ] {
        for count in [1, 30, 100] {
            let (before, after) = named(&character.repeat(count));
            let marked = set(&before, Some(charset));
            assert_eq!(unfolded(&marked), after, "{charset} {count}");
            for line in marked.split(|c| *c == b'\n') {
                assert!(line.strip_suffix(b"\r").unwrap_or(line).len() <= 75, "{charset} {count}");
                let high = line.iter().filter(|c| !c.is_ascii()).count();
                assert_eq!(high % width, 0, "{charset} {count}: cut within a character");
            }
        }
    }
    // Second octets in the range of ASCII, and four octets to a character.
    for (charset, character) in [
        ("shift_jis", &b"\x83\x5C"[..]),
        ("gbk", b"\x81\x7C"),
        ("big5", b"\xA5\x5C"),
        ("gb18030", b"\x81\x30\x81\x30"),
        ("euc-jp", b"\xB4\xC1"),
        ("iso-2022-jp", b"\x1B$B\"+:;\x1B(Bxx"),
    ] {
        for count in [1, 30, 100] {
            let (before, after) = named(&[&character.repeat(count)[..], b" and more"].concat());
            let marked = set(&before, Some(charset));
            assert_eq!(unfolded(&marked), after, "{charset} {count}");
            let whole = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap();
            for line in marked.split(|c| *c == b'\n') {
                assert!(!whole.decode(line).2, "{charset} {count}: cut within a character");
            }
        }
    }
}

#[test]
fn sixteen_bits() {
    let (before, after) = named("Zoë 📅 and a name that goes on and on, beyond the end".as_bytes());
    let wide = |text: &[u8], encode: fn(u16) -> [u8; 2]| {
        std::str::from_utf8(text).unwrap().encode_utf16().flat_map(encode).collect::<Vec<u8>>()
    };
    for (charset, encode, mark) in [
        ("utf-16le", u16::to_le_bytes as fn(u16) -> [u8; 2], &b""[..]),
        ("utf-16be", u16::to_be_bytes, b""),
        ("utf-16", u16::to_be_bytes, b""),
        ("utf-16", u16::to_le_bytes, b""),
        ("utf-16", u16::to_be_bytes, b"\xFE\xFF"),
        ("utf-16", u16::to_le_bytes, b"\xFF\xFE"),
    ] {
        let marked = set(&[mark, &wide(&before, encode)].concat(), Some(charset));
        let encoding = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap();
        let text = match (mark, encode(0x0A)) {
            (b"", [0, _]) => encoding_rs::UTF_16BE.decode(&marked).0.into_owned(),
            _ => encoding.decode(&marked).0.into_owned(),
        };
        assert_eq!(unfolded(text.as_bytes()), after, "{charset}");
        assert!(text.lines().all(|line| line.encode_utf16().count() * 2 <= 75), "{charset} {text}");
        assert!(marked.starts_with(mark), "{charset}");
    }
    assert!(Text::new(b"a\0b", Some("utf-16le")).is_none());
    // Between the two halves of a character.
    for shift in 0..2 {
        let (before, after) = named(format!("{}{}", "a".repeat(shift), "📅".repeat(40)).as_bytes());
        let marked = set(&wide(&before, u16::to_le_bytes), Some("utf-16le"));
        assert_eq!(unfolded(encoding_rs::UTF_16LE.decode(&marked).0.as_bytes()), after);
    }
}

#[test]
fn charsets_that_are_not_read() {
    for charset in ["utf-7", "utf-32", "iso-2022-kr", "hz-gb-2312", "ibm037", "", "x-unknown", "utf-8\0"] {
        assert!(Text::new(b"BEGIN:VCALENDAR", Some(charset)).is_none(), "{charset}");
    }
    assert!(Text::new(b"a\x1B$Bab\r\n \x1B(B", Some("iso-2022-jp")).is_none());
    for charset in [None, Some("utf-8"), Some(" UTF8 ")] {
        let (before, after) = named(b"B");
        let [before, after] = [before, after].map(|text| [&b"\xEF\xBB\xBF"[..], &text].concat());
        assert_eq!(unfolded(&set(&before, charset)), after);
    }
}

#[test]
fn octets_that_are_not_valid_stay() {
    for (charset, name) in [
        ("utf-8", &b"\xFF\xC3 \x80\x80"[..]),
        ("utf-8", &[0x80; 200]),
        ("shift_jis", b"\x83\xFF\x83"),
        ("iso-2022-jp", b"\xFF\x1B"),
    ] {
        let (before, after) = named(name);
        assert_eq!(unfolded(&set(&before, Some(charset))), after, "{charset}");
    }
    // A fold within a character, as those fold who count octets.
    let (before, after) = named(b"Zo\xC3\r\n \xAB");
    assert_eq!(unfolded(&set(&before, None)), unfolded(&after));
}

/// Properties as programs write them, from their documented forms.
#[test]
fn as_programs_write_them() {
    let sent_by = "SENT-BY=\"mailto:anna@x.org\"";
    for (program, before, after) in [
        (
            "Exchange and Outlook",
            "ORGANIZER;CN=Boss, Bea:mailto:boss@x.org|ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Carl:mailto:carl@x.org",
            format!("ORGANIZER;CN=Boss, Bea;{sent_by}:mailto:boss@x.org|ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Carl:mailto:carl@x.org"),
        ),
        (
            "Google",
            "ORGANIZER;CN=Bea Boss:mailto:boss@x.org|ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=TRUE| ;CN=boss@x.org;X-NUM-GUESTS=0:mailto:boss@x.org",
            format!("ORGANIZER;CN=Bea Boss;{sent_by}:mailto:boss@x.org|ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=TRUE;CN=| boss@x.org;X-NUM-GUESTS=0;{sent_by}:mailto:boss@x.org").replace("RSVP=TRUE;CN=| boss", "RSVP=TRUE;CN=b| oss"),
        ),
        (
            "Apple",
            "ATTENDEE;CN=\"Bea Boss\";CUTYPE=INDIVIDUAL;EMAIL=\"boss@x.org\";PARTSTAT=ACCEPTED;RO| LE=CHAIR:mailto:boss@x.org|ORGANIZER;CN=\"Bea Boss\";EMAIL=\"boss@x.org\":mailto:boss@x.org",
            format!("ATTENDEE;CN=\"Bea Boss\";CUTYPE=INDIVIDUAL;EMAIL=\"boss@x.org\";PARTSTAT=ACCEPTED;RO| LE=CHAIR;{sent_by}:mailto:boss@x.org|ORGANIZER;CN=\"Bea Boss\";EMAIL=\"boss@x.org\";{sent_by}:ma| ilto:boss@x.org"),
        ),
        (
            "Thunderbird",
            "ORGANIZER;RSVP=TRUE;CN=Bea Boss;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:boss@x| .org",
            format!("ORGANIZER;RSVP=TRUE;CN=Bea Boss;PARTSTAT=ACCEPTED;ROLE=CHAIR;{}\"mai| lto:anna@x.org\":mailto:boss@x.org", "SENT-BY="),
        ),
        (
            "Open-Xchange, which names the secretary itself",
            "ORGANIZER;CN=\"Boss, Bea\";EMAIL=boss@x.org;SENT-BY=\"mailto:eve@x.org\":mailto:boss@x.org",
            format!("ORGANIZER;CN=\"Boss, Bea\";EMAIL=boss@x.org;{sent_by}:mailto:boss@x| .org"),
        ),
    ] {
        let after = event("REQUEST", &after);
        let marked = set_text(&event("REQUEST", before));
        assert_eq!(marked.replace("\r\n ", ""), after.replace("\r\n ", ""), "{program}");
        let changed = |line: &&str| !before.split('|').any(|old| old == *line);
        assert!(marked.lines().filter(changed).all(|line| line.len() <= 75), "{program}: {marked}");
    }
}

use super::*;
use crate::calendar::Party;

mod doubtful;

mod any;
mod hostile;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn fields(content_type: &str, encoding: Option<&str>) -> Fields {
    Fields {
        content_type: Some(content_type.as_bytes().to_vec()),
        transfer_encoding: encoding.map(|encoding| encoding.as_bytes().to_vec()),
        repeated: false,
    }
}

fn boss_by_anna() -> Vec<(Address, SentBy)> {
    vec![(address("boss@x.org"), SentBy::Set(address("anna@x.org")))]
}

/// What `text` becomes as a body, each `|` a line end.
fn lines(text: &str) -> String {
    text.replace('|', "\r\n")
}

fn marked(fields: &Fields, body: &str) -> String {
    let read = read(fields, body.as_bytes());
    let splices = read.mark(body.as_bytes(), &boss_by_anna());
    String::from_utf8(spliced(body.as_bytes(), &splices)).unwrap()
}

/// A calendar with METHOD:REQUEST, organized by the boss.
const REQUEST: &str = "BEGIN:VCALENDAR|METHOD:REQUEST|BEGIN:VEVENT|UID:1|ORGANIZER:mailto:boss@x.org|\
                       ATTENDEE:mailto:carl@x.org|END:VEVENT|END:VCALENDAR|";

const SENT_BY: &str = "ORGANIZER;SENT-BY=\"mailto:anna@x.org\":";

#[test]
fn a_calendar_alone() {
    let fields = fields("text/calendar; method=REQUEST; charset=utf-8", None);
    let body = lines(REQUEST);
    let read = read(&fields, body.as_bytes());
    assert!(!read.is_empty());
    assert_eq!(read.shape(), Shape::Invitation);
    assert_eq!(read.unread(), []);
    let boss = Party { address: Some(address("boss@x.org")), sent_by: vec![] };
    assert_eq!(read.components().map(|c| c.organizers.clone()).collect::<Vec<_>>(), [[boss]]);
    assert_eq!(marked(&fields, &body), body.replace("ORGANIZER:", SENT_BY));
}

#[test]
fn which_parts_are_calendars() {
    for (content_type, method, is_empty) in [
        ("text/calendar", "REQUEST", false),
        ("TEXT/Calendar", "REQUEST", false),
        ("application/ics; name=\"a;b.ics\"", "REQUEST", false),
        ("text/plain", "REQUEST", true),
        ("text/calendarx", "REQUEST", true),
        ("message/rfc822", "REQUEST", true),
        ("text/calendar", "", true),
        ("text/calendar; method=REQUEST", "", false),
    ] {
        let method_line = if method.is_empty() { String::new() } else { format!("METHOD:{method}|") };
        let body = lines(&REQUEST.replace("METHOD:REQUEST|", &method_line));
        assert_eq!(read(&fields(content_type, None), body.as_bytes()).is_empty(), is_empty, "{content_type}");
    }
    assert!(read(&Fields::default(), lines(REQUEST).as_bytes()).is_empty());
}

/// A part with its header fields; `|` stands for a line end.
fn part(header: &str, body: &str) -> String {
    format!("{header}||{body}")
}

/// Parts between delimiter lines.
fn parts(boundary: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("|--{boundary}|{part}")).collect();
    format!("{parts}|--{boundary}--|")
}

const TEXT: &str = "Content-Type: text/plain; charset=utf-8||You are invited.";
const HTML: &str = "Content-Type: text/html||<p>You are invited.</p>";
const CALENDAR: &str = "Content-Type: text/calendar; method=REQUEST; charset=\"utf-8\"";
const FILE: &str =
    "Content-Type: application/ics; name=invite.ics|Content-Disposition: attachment; filename=invite.ics";

fn alternative() -> String {
    let calendar = part(CALENDAR, REQUEST);
    part("Content-Type: multipart/alternative; boundary=in", &parts("in", &[TEXT, HTML, &calendar]))
}

#[test]
fn shapes() {
    use Shape::{Invitation, Other};
    let calendar = part(CALENDAR, REQUEST);
    let file = part(FILE, REQUEST);
    let other_file = part(FILE, &REQUEST.replace("UID:1", "UID:2"));
    let folded_file = part(FILE, &REQUEST.replace("UID:1", "UI|\tD:1"));
    let encoded_file = part(&format!("{FILE}|Content-Transfer-Encoding: base64"), &base64_of(REQUEST));
    let latin = "BEGIN:VCALENDAR|METHOD:REQUEST|BEGIN:VEVENT|END:VEVENT|END:VCALENDAR|";
    let pdf = "Content-Type: application/pdf; name=\"agenda (1).pdf\"||%PDF";
    let named = "Content-Type: application/pdf; name*=utf-8''%C3%A4.pdf|Content-Disposition: attachment; filename*=utf-8''%C3%A4.pdf||%PDF";
    let text_file = "Content-Type: text/plain|Content-Disposition: attachment||notes";
    let nested_text = part(
        "Content-Type: multipart/related; boundary=r",
        &parts("r", &[HTML, "Content-Type: image/png||x"]),
    );
    let message = "Content-Type: message/rfc822||Subject: x||y";
    let inner = alternative();
    let mixed = |list: &[&str]| ("multipart/mixed; boundary=\"out\"", parts("out", list));
    let alternatives = |list: &[&str]| ("multipart/alternative; boundary=\"out\"", parts("out", list));
    for (name, (content_type, body), shape) in [
        ("alone", ("text/calendar; method=request", REQUEST.to_owned()), Invitation),
        ("without parameter", ("text/calendar", REQUEST.to_owned()), Invitation),
        ("as a file alone", ("application/ics", REQUEST.to_owned()), Other),
        ("parameter disagrees", ("text/calendar; method=REPLY", REQUEST.to_owned()), Other),
        ("parameter alone", ("text/calendar; method=REQUEST", REQUEST.replace("METHOD:REQUEST|", "")), Other),
        ("method of nobody", ("text/calendar", REQUEST.replace("METHOD:REQUEST", "METHOD:X-OWN")), Other),
        (
            "second object without",
            ("text/calendar", [REQUEST, &REQUEST.replace("METHOD:REQUEST|", "")].concat()),
            Other,
        ),
        ("rubbish in it", ("text/calendar", REQUEST.replace("UID:1", "UID")), Other),
        ("parameter twice", ("text/calendar; method=REQUEST; method=REQUEST", REQUEST.to_owned()), Other),
        ("parameter in pieces", ("text/calendar; method*0=REQ; method*1=UEST", REQUEST.to_owned()), Other),
        ("comment", ("text/calendar (x); method=REQUEST", REQUEST.to_owned()), Other),
        ("empty", ("text/calendar", latin.to_owned()), Invitation),
        ("alternative", alternatives(&[TEXT, HTML, &calendar]), Invitation),
        ("alternative of one", alternatives(&[&calendar]), Invitation),
        ("alternative without", alternatives(&[TEXT, HTML]), Other),
        ("alternative, twice", alternatives(&[TEXT, &calendar, &calendar]), Other),
        ("alternative, file", alternatives(&[TEXT, &file]), Other),
        ("alternative, picture", alternatives(&[TEXT, "Content-Type: image/png||x", &calendar]), Other),
        ("alternative, attachment", alternatives(&[text_file, &calendar]), Other),
        ("alternative, related", alternatives(&[TEXT, &nested_text, &calendar]), Other),
        ("mixed", mixed(&[&inner]), Invitation),
        ("mixed, calendar first", mixed(&[&calendar, pdf]), Invitation),
        ("mixed, text first", mixed(&[TEXT, &calendar]), Other),
        ("mixed, file", mixed(&[&inner, &file]), Invitation),
        ("mixed, folded file", mixed(&[&inner, &folded_file, pdf]), Invitation),
        ("mixed, encoded file", mixed(&[&inner, &encoded_file]), Invitation),
        ("mixed, other file", mixed(&[&inner, &other_file]), Other),
        ("mixed, file names", mixed(&[&inner, pdf, named]), Invitation),
        ("mixed, text file", mixed(&[&inner, text_file]), Invitation),
        ("mixed, text", mixed(&[&inner, TEXT]), Other),
        ("mixed, calendar again", mixed(&[&inner, &calendar]), Other),
        ("mixed, message", mixed(&[&inner, message]), Other),
        (
            "mixed, attached message",
            mixed(&[&inner, "Content-Type: message/rfc822|Content-Disposition: attachment||x"]),
            Other,
        ),
        (
            "mixed in mixed",
            mixed(&[&part("Content-Type: multipart/mixed; boundary=m", &parts("m", &[&inner]))]),
            Other,
        ),
        ("related", ("multipart/related; boundary=out", parts("out", &[&calendar])), Other),
        (
            "preamble and epilogue",
            ("multipart/mixed; boundary=out", format!("hello|{}|bye|", parts("out", &[&inner]))),
            Invitation,
        ),
        (
            "no end",
            ("multipart/mixed; boundary=out", parts("out", &[&inner]).replace("|--out--|", "|")),
            Other,
        ),
        (
            "no inner end",
            ("multipart/mixed; boundary=out", parts("out", &[&inner]).replace("|--in--|", "|")),
            Other,
        ),
        (
            "nearly a delimiter",
            (
                "multipart/mixed; boundary=out",
                parts("out", &[&inner]).replace("invited.", "invited.|--outer"),
            ),
            Other,
        ),
        (
            "repeated field",
            mixed(&[
                &inner,
                "Content-Type: text/plain|Content-Type: text/plain|Content-Disposition: attachment||x",
            ]),
            Other,
        ),
    ] {
        let read = read(&fields(content_type, None), lines(&body).as_bytes());
        assert_eq!(read.shape(), shape, "{name}: {:?}", read.unread());
    }
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    let encoded = base64::prelude::BASE64_STANDARD.encode(lines(text));
    encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("|")
}

#[test]
fn all_copies_are_marked() {
    let file = part(FILE, REQUEST);
    let message = part("Content-Type: message/rfc822", &format!("{CALENDAR}||{REQUEST}"));
    let body = lines(&parts("out", &[&alternative(), &file, &message]));
    let fields = fields("multipart/mixed; boundary=out", None);
    let marked = marked(&fields, &body);
    assert_eq!(marked, body.replacen("ORGANIZER:", SENT_BY, 2));
    assert_eq!(read(&fields, body.as_bytes()).components().count(), 2);
}

#[test]
fn nothing_to_change() {
    let fields = fields("text/calendar", None);
    for body in [
        REQUEST.replace("boss@", "carl@"),
        REQUEST.replace("METHOD:REQUEST|", ""),
        REQUEST.replace("ORGANIZER:", "ORGANIZER;SENT-BY=\"mailto:Anna@X.org\":"),
    ] {
        let body = lines(&body);
        assert_eq!(read(&fields, body.as_bytes()).mark(body.as_bytes(), &boss_by_anna()), [], "{body}");
    }
}

#[test]
fn what_is_not_read() {
    use Unread::*;
    let calendar = part(CALENDAR, REQUEST);
    let signed = parts("s", &[&calendar, "Content-Type: application/pkcs7-signature||x"]);
    let signed_within = parts("s", &[&alternative(), "Content-Type: application/pgp-signature||x"]);
    let encrypted = parts(
        "s",
        &["Content-Type: application/pgp-encrypted||Version: 1", "Content-Type: application/octet-stream||x"],
    );
    let broken = parts("s", &[TEXT, "Content-Type: text/plain|Content-Type: text/calendar||x"]);
    for (content_type, encoding, body, unread, components) in [
        ("text/calendar", Some("x-uuencode"), REQUEST, Encoding, 0),
        ("text/calendar", Some("base64"), REQUEST, Encoding, 0),
        ("text/calendar", Some("base64"), "QkVHSU4=QkVHSU4=", Encoding, 0),
        ("text/calendar", Some("quoted-printable"), "BEGIN:VCALENDAR=|a=b", Encoding, 0),
        ("text/calendar; charset=utf-7", None, REQUEST, Charset, 0),
        ("text/calendar", None, "hello", Malformed(CalendarError::Outside), 0),
        ("multipart/signed; boundary=s", None, &signed, Protected, 1),
        ("multipart/signed; boundary=s", None, &signed_within, Protected, 1),
        ("multipart/encrypted; boundary=s", None, &encrypted, Hidden, 0),
        ("application/pkcs7-mime; smime-type=signed-data", Some("base64"), "AAAA", Hidden, 0),
        ("multipart/mixed; boundary=s", None, &broken, Structure(Fault::Repeated), 0),
        ("multipart/mixed", None, &broken, Structure(Fault::Boundary), 0),
        ("multipart/mixed; boundary=t", None, &broken, Structure(Fault::NoParts), 0),
        ("multipart/mixed; boundary=s", Some("base64"), &broken, Structure(Fault::EncodedMultipart), 0),
    ] {
        let body = lines(body);
        let read = read(&fields(content_type, encoding), body.as_bytes());
        assert_eq!(read.unread(), [unread], "{content_type}");
        assert_eq!(read.components().count(), components, "{content_type}");
        assert_eq!(read.shape(), Shape::Other, "{content_type}");
        assert_eq!(read.mark(body.as_bytes(), &boss_by_anna()), [], "{content_type}");
    }
    let repeated = Fields { repeated: true, ..fields("text/calendar", None) };
    assert_eq!(read(&repeated, lines(REQUEST).as_bytes()).unread(), [Structure(Fault::Repeated)]);
}

#[test]
fn nothing_protected_is_touched() {
    let calendar = part(CALENDAR, REQUEST);
    for kind in ["signed", "encrypted"] {
        let inner =
            part(&format!("Content-Type: multipart/{kind}; boundary=s"), &parts("s", &[&alternative()]));
        let body = lines(&parts("out", &[&inner, &calendar]));
        let fields = fields("multipart/mixed; boundary=out", None);
        let read = read(&fields, body.as_bytes());
        assert!(read.unread().contains(&Unread::Protected), "{kind}");
        assert_eq!(read.components().count(), 2, "{kind}");
        let last = body.rfind("ORGANIZER:").unwrap();
        let (before, after) = body.split_at(last);
        assert_eq!(
            marked(&fields, &body),
            format!("{before}{}", after.replace("ORGANIZER:", SENT_BY)),
            "{kind}"
        );
    }
}

#[test]
fn what_is_read_beside_what_is_not() {
    let broken = "Content-Type: text/plain|Content-Type: text/plain||x";
    let body = lines(&parts("out", &[&alternative(), broken]));
    let fields = fields("multipart/mixed; boundary=out", None);
    assert_eq!(marked(&fields, &body), body.replace("ORGANIZER:", SENT_BY));
    assert_eq!(read(&fields, body.as_bytes()).unread(), [Unread::Structure(Fault::Repeated)]);
}

#[test]
fn not_too_much_is_kept() {
    let many = REQUEST.replace("UID:1|", &"ATTENDEE:x|".repeat(12_000));
    let parts: Vec<String> = (0..3).map(|_| part(CALENDAR, &many)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let body = lines(&self::parts("out", &parts));
    let read = read(&fields("multipart/mixed; boundary=out", None), body.as_bytes());
    assert_eq!(read.unread(), [Unread::Malformed(CalendarError::TooMany)]);
    assert_eq!(read.components().count(), 2);
}

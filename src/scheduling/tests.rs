use super::*;
use crate::calendar::Party;

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

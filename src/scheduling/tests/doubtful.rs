//! What some reader may show as something else than the invitation that it is for others is none.

use super::*;

fn shape_of((content_type, encoding): (&str, Option<&str>), body: &str) -> Shape {
    read(&fields(content_type, encoding), lines(body).as_bytes()).shape()
}

const ALTERNATIVE: (&str, Option<&str>) = ("multipart/alternative; boundary=b", None);
const MIXED: (&str, Option<&str>) = ("multipart/mixed; boundary=b", None);
const CALENDAR: (&str, Option<&str>) = ("text/calendar", None);

const TEXT: &str = "Content-Type: text/plain||You are invited.";

const REPLY: &str = "BEGIN:VCALENDAR|METHOD:REPLY|BEGIN:VEVENT|UID:1|ATTENDEE:mailto:boss@x.org|END:VEVENT|\
                     END:VCALENDAR|";

fn two(first: &str, second: &str) -> String {
    format!("--b|{first}|--b|{second}|--b--|")
}

fn calendar() -> String {
    format!("Content-Type: text/calendar||{REQUEST}")
}

#[test]
fn parts() {
    let calendar = calendar();
    let nested = |outer: &str, inner: &str| {
        format!(
            "--{outer}|Content-Type: multipart/alternative; boundary={inner}||--{inner}|{TEXT}|--{inner}|{calendar}|\
             --{inner}--||--{outer}--|"
        )
    };
    let with = |header: &str| two(TEXT, &calendar).replacen("Content-Type: text/plain", header, 1);
    let trailing = ("multipart/alternative; boundary=\"b \"", None);
    for (name, top, body, shape) in [
        ("control", ALTERNATIVE, two(TEXT, &calendar), Shape::Invitation),
        ("carriage return in a field", ALTERNATIVE, with("X-A: b\rContent-Type: text/html"), Shape::Other),
        ("carriage return in a type", ALTERNATIVE, with("Content-Type: text/plain\r; x=y"), Shape::Other),
        (
            "carriage return, delimiter",
            ALTERNATIVE,
            two(&format!("{TEXT}\r--b\r\rx"), &calendar),
            Shape::Other,
        ),
        ("boundary ends in a space", trailing, two(TEXT, &calendar), Shape::Other),
        ("boundary in another", MIXED, nested("b", "ab"), Shape::Invitation),
        ("boundary begins as outer", MIXED, nested("b", "bb"), Shape::Other),
        ("text behind", ALTERNATIVE, two(TEXT, &calendar) + "--a|x|", Shape::Invitation),
        ("part behind", ALTERNATIVE, two(TEXT, &calendar) + "--b|" + TEXT, Shape::Other),
        ("part behind inner", MIXED, nested("b", "ab").replace("--ab--|", "--ab--|--ab|"), Shape::Other),
        ("calendar first", ALTERNATIVE, two(&calendar, TEXT), Shape::Other),
    ] {
        assert_eq!(shape_of(top, &body), shape, "{name}");
    }
}

#[test]
fn encodings_are_not_decoded_twice() {
    let top = ("text/calendar", Some("=?us-ascii?q?quoted-printable?="));
    assert_eq!(shape_of(top, REQUEST), Shape::Other);
    assert_eq!(shape_of(("text/calendar", Some(" Quoted-Printable ")), REQUEST), Shape::Invitation);
}

/// Gmail and Roundcube know calendars by the names of files, and Outlook reads TNEF in place of the message.
#[test]
fn files_that_are_calendars_or_messages_for_others() {
    let calendar = calendar();
    for (header, shape) in [
        ("application/pdf; name=agenda.pdf", Shape::Invitation),
        ("application/octet-stream; name=\"=?utf-8?q?agenda.pdf?=\"", Shape::Invitation),
        ("application/octet-stream; name=x.ics", Shape::Other),
        ("application/octet-stream; name=\"=?utf-8?q?x=2Eics?=\"", Shape::Other),
        ("application/octet-stream; name*=utf-8''x%2Eics", Shape::Other),
        ("application/octet-stream; name*0=x.i; name*1=cs", Shape::Other),
        ("application/octet-stream|Content-Disposition: attachment; filename=\"x.ICS\"", Shape::Other),
        ("application/octet-stream|Content-Disposition: attachment; filename=x.vcs", Shape::Other),
        ("text/x-vcalendar|Content-Disposition: attachment", Shape::Other),
        ("application/x-ics", Shape::Other),
        ("application/ms-tnef", Shape::Other),
        ("application/octet-stream; name=winmail.dat", Shape::Other),
    ] {
        let body = two(&calendar, &format!("Content-Type: {header}||x"));
        assert_eq!(shape_of(MIXED, &body), shape, "{header}");
    }
    let beside = two("Content-Type: text/x-vcalendar||x", &calendar);
    assert_eq!(shape_of(ALTERNATIVE, &beside), Shape::Other);
}

#[test]
fn calendars() {
    let carl = "ATTENDEE;PARTSTAT=ACCEPTED:mailto:carl@x.org";
    for (name, body, shape) in [
        ("alarm", format!("BEGIN:VALARM|{carl}|END:VALARM|"), Shape::Invitation),
        // For ical.js such a line is no BEGIN.
        ("parameter", format!("BEGIN;X=Y:VALARM|{carl}|END;X=Y:VALARM|"), Shape::Other),
        ("white space", format!("BEGIN: VALARM|{carl}|END: VALARM|"), Shape::Other),
        ("event in event", format!("BEGIN:VEVENT|{carl}|END:VEVENT|"), Shape::Other),
        ("anything in event", format!("BEGIN:X-OWN|{carl}|END:X-OWN|"), Shape::Other),
        ("participant (RFC 9073)", "BEGIN:PARTICIPANT|UID:2|END:PARTICIPANT|".to_owned(), Shape::Invitation),
    ] {
        assert_eq!(shape_of(CALENDAR, &REPLY.replace("UID:1|", &format!("UID:1|{body}"))), shape, "{name}");
    }
    for (parameter, shape) in [
        (";EMAIL=boss@x.org", Shape::Invitation),
        (";EMAIL=\"Boss@X.org\"", Shape::Invitation),
        (";EMAIL=carl@x.org", Shape::Other),
        (";email=boss@x.org,carl@x.org", Shape::Other),
    ] {
        assert_eq!(
            shape_of(CALENDAR, &REPLY.replace("ATTENDEE", &format!("ATTENDEE{parameter}"))),
            shape,
            "{parameter}"
        );
    }
    let request = REQUEST.replace("ATTENDEE", "ATTENDEE;EMAIL=dora@x.org");
    assert_eq!(shape_of(CALENDAR, &request), Shape::Invitation);
    let request = REQUEST.replace("ORGANIZER", "ORGANIZER;EMAIL=dora@x.org");
    assert_eq!(shape_of(CALENDAR, &request), Shape::Other);
}

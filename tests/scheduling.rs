//! Scheduling mail (RFC 5545, 5546, 6047) for others: which is let through, and what it says when it is delivered.
//!
//! Tables of messages through a real Postfix; `tests/support/scheduling.rs` says what a row is. Whoever reads a delivered
//! calendar here is not the program: `tests/support/parts.rs` splits and decodes, calcard says who acts for whom, and
//! every byte that is not SENT-BY is compared. The people are those of `tests/fixtures/scheduling/directory.ldif`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use support::calendars::{fault_of, marks};
use support::decisions::without_sender;
use support::mail_system::mail_system;
use support::scheduling::{Row, check, setup};
use support::text::escape;

/// RFC 5546 section 1.4: the organizer speaks in PUBLISH, REQUEST, ADD, CANCEL and DECLINECOUNTER, an attendee in REPLY,
/// REFRESH and COUNTER.
const METHODS: &str = "
    carl | bea | request                  | none | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request as Request       | none | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | publish                  | none | single | on behalf | ORGANIZER bea by carl
    carl | bea | request as ADD           | none | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request as CANCEL        | none | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request as DECLINECOUNTER | none | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | reply                    | none | single | on behalf | ATTENDEE bea by carl
    carl | bea | reply as REFRESH         | none | single | on behalf | ATTENDEE bea by carl
    carl | bea | reply as COUNTER         | none | single | on behalf | ATTENDEE bea by carl
    carl | bea | request as X-INVITE      | none | single | on behalf | -
    carl | bea | request as none          | none | single | on behalf | -
";

/// Who acts in it: the principal, by whichever address, or somebody else, whose message is passed on as it is.
const ACTORS: &str = "
    carl | bea  | addresses               | none | single | on behalf | ORGANIZER b.brandt by carl, ORGANIZER bea+calendar by carl, ORGANIZER b%65a%40example.org by carl, ORGANIZER BEA@EXAMPLE.ORG by carl
    carl | b.brandt | publish             | none | single | on behalf | ORGANIZER b.brandt by carl
    carl | bea  | forwarded               | none | single | on behalf | -
    carl | bea  | request of boss         | base64 | mixed | on behalf | 2 x -
    carl | bea  | reply-of-another        | none | single | on behalf | -
    carl | bea  | reply-two               | none | single | on behalf | ATTENDEE bea by carl
    carl | bea  | reply-to-assistant      | none | single | on behalf | ORGANIZER zed@elsewhere.example by assistant@elsewhere.example, ATTENDEE bea by carl
    anna | anna | request                 | none | single | as sent   | -
    anna | anna | forwarded               | base64 | mixed | as sent  | 2 x -
    anna | anna | reply-to-assistant      | base64 | alternative | as sent | ORGANIZER zed@elsewhere.example by assistant@elsewhere.example
    anna | anna | sent-by-wrong           | none | single | as sent   | ORGANIZER anna by anna
";

/// RFC 5545: components, objects, lines, names and parameters in every lawful form.
const CALENDARS: &str = "
    carl | bea | recurrence      | none   | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl, ORGANIZER bea by carl
    carl | bea | components      | none   | single | on behalf | VTODO ORGANIZER bea by carl
    carl | bea | freebusy        | none   | single | on behalf | VFREEBUSY ORGANIZER bea by carl
    carl | bea | objects         | none   | single | on behalf | ORGANIZER bea by carl
    carl | bea | objects-own     | base64 | single | on behalf | ORGANIZER bea by carl, ORGANIZER bea by carl
    carl | bea | cases           | none   | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | cases           | base64 lf | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | names           | 8bit   | single | on behalf | ORGANIZER bea by carl
    carl | bea | names           | base64 | single | on behalf | ORGANIZER bea by carl
    carl | bea | names           | quoted-printable | single | on behalf | ORGANIZER bea by carl
    carl | bea | latin1          | 8bit   | single | on behalf | ORGANIZER bea by carl
    carl | bea | latin1          | quoted-printable | single | on behalf | ORGANIZER bea by carl
";

/// RFC 5545 section 3.2.18: a SENT-BY that is there already.
const SENT_BY: &str = "
    carl | bea | sent-by-right   | none   | single | on behalf | ORGANIZER bea by carl
    carl | bea | sent-by-right   | base64 | single | on behalf | ORGANIZER bea by carl
    carl | bea | sent-by-alias   | none   | single | on behalf | ORGANIZER bea by carl
    carl | bea | sent-by-wrong   | none   | single | on behalf | ORGANIZER bea by carl
    carl | bea | sent-by-upper   | none   | single | on behalf | ORGANIZER bea by carl
    carl | bea | sent-by-bare    | none   | single | on behalf | ORGANIZER bea by carl
    carl | bea | sent-by-twice   | none   | single | on behalf | ORGANIZER bea by carl
    carl | bea | sent-by-others  | base64 | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl, ATTENDEE you@elsewhere.example by somebody@elsewhere.example
";

/// RFC 2045 section 6.
const ENCODINGS: &str = "
    carl | bea | request | 7bit                  | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | 8bit                  | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | names   | 7bit                  | alternative | on behalf | ORGANIZER bea by carl
    carl | bea | request | binary                | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | 7bit cut              | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | quoted-printable      | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | Quoted-Printable/30   | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | quoted-printable lf   | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64                | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64/60             | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64/4              | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | publish | base64/900            | alternative | on behalf | ORGANIZER bea by carl
    carl | bea | request | BASE64                | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64 lf             | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64 cut            | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64 bom            | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | x-uuencode            | alternative | on behalf | -
    carl | bea | request | base64 utf-16         | alternative | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
";

/// RFC 2046 section 5, RFC 1847, RFC 6047 section 2.
const NESTING: &str = "
    carl | bea | request | base64 | single-upper   | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64 | application    | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | none   | mixed          | on behalf | 2 x ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | none   | mixed-two      | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl / -
    carl | bea | request | none   | html-beside    | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | quoted-printable | related | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | 8bit   | deep           | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64 | unclosed       | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64 | attached       | on behalf | no calendar
    carl | bea | request | none   | attached       | on behalf | no calendar
    carl | bea | request | none   | invited-and-attached | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | base64 | signed         | on behalf | no calendar
    carl | bea | request | none   | signed-inside  | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea | request | none   | encrypted      | on behalf | no calendar
    carl | bea | request | none   | two-types      | on behalf | -
    carl | bea | request | none   | text           | on behalf | no calendar
    carl | bea | request | none   | text-parts     | on behalf | no calendar
";

/// What programs really send.
const PROGRAMS: &str = "
    carl | bea  | outlook      | none | outlook      | on behalf | ORGANIZER bea by carl
    carl | bea  | outlook-imap | 7bit | outlook-imap | on behalf | ORGANIZER bea by carl
    carl | bea  | google       | none | google       | on behalf | 2 x ORGANIZER bea by carl, ATTENDEE bea by carl
    carl | bea  | apple        | none | apple        | on behalf | ATTENDEE bea by carl, ORGANIZER bea by carl
    carl | bea  | thunderbird  | none | thunderbird  | on behalf | 2 x ORGANIZER bea by carl
    carl | bea  | open-xchange | none | open-xchange | on behalf | 2 x ATTENDEE bea by carl, ORGANIZER bea by carl
    carl | bea  | reply        | none | outlook      | on behalf | ATTENDEE bea by carl
    carl | bea  | reply        | none | google       | on behalf | 2 x ATTENDEE bea by carl
    carl | bea  | reply        | none | thunderbird  | on behalf | 2 x ATTENDEE bea by carl
    carl | hana | outlook      | none | outlook      | on behalf | ORGANIZER hana by carl
    carl | hana | outlook-imap | 7bit | outlook-imap | on behalf | ORGANIZER hana by carl
    carl | hana | google       | none | google       | on behalf | 2 x ORGANIZER hana by carl, ATTENDEE hana by carl
    carl | hana | apple        | none | apple        | on behalf | ATTENDEE hana by carl, ORGANIZER hana by carl
    carl | hana | thunderbird  | none | thunderbird  | on behalf | 2 x ORGANIZER hana by carl
    carl | hana | open-xchange | none | open-xchange | on behalf | 2 x ATTENDEE hana by carl, ORGANIZER hana by carl
    carl | hana | request as CANCEL | none | google  | on behalf | 2 x ORGANIZER hana by carl, ATTENDEE hana by carl
    carl | hana | reply        | none | apple        | on behalf | ATTENDEE hana by carl
";

const SEND_AS: &str = "
    carl | dora  | request        | base64 | alternative | send-as | -
    carl | dora  | sent-by-right  | base64 | alternative | send-as | -
    carl | dora  | sent-by-wrong  | none   | single      | send-as | -
    carl | dora  | sent-by-bare   | none   | single      | send-as | -
    carl | dora  | sent-by-twice  | quoted-printable | single | send-as | -
    carl | dora  | sent-by-others | none   | mixed       | send-as | 2 x ATTENDEE you@elsewhere.example by somebody@elsewhere.example
    carl | dora  | reply-to-assistant | none | single    | send-as | ORGANIZER zed@elsewhere.example by assistant@elsewhere.example
    carl | dora  | sent-by-wrong  | none   | signed      | send-as | no calendar
    carl | paula | sent-by-wrong  | none   | single      | send-as | -
    carl | paula | request        | none   | text        | send-as | no calendar
";

/// The right to schedule: messages of these forms in which the principal acts, and nothing else.
const SCHEDULE: &str = "
    carl | hana | request            | none   | single        | on behalf | ORGANIZER hana by carl, ATTENDEE hana by carl
    carl | hana, MAIL FROM hana | request | none | single     | on behalf | ORGANIZER hana by carl, ATTENDEE hana by carl
    carl | hana | publish            | base64 | single-upper  | on behalf | ORGANIZER hana by carl
    carl | hana | request as CANCEL  | 8bit   | alternative   | on behalf | ORGANIZER hana by carl, ATTENDEE hana by carl
    carl | hana | request as ADD     | quoted-printable | mixed | on behalf | 2 x ORGANIZER hana by carl, ATTENDEE hana by carl
    carl | hana | request as DECLINECOUNTER | none | alternative | on behalf | ORGANIZER hana by carl, ATTENDEE hana by carl
    carl | hana | reply              | base64 | alternative   | on behalf | ATTENDEE hana by carl
    carl | hana | reply as COUNTER   | none   | mixed         | on behalf | 2 x ATTENDEE hana by carl
    carl | hana | reply as REFRESH   | none   | single        | on behalf | ATTENDEE hana by carl
    carl | hana | reply-to-assistant | none   | single        | on behalf | ORGANIZER zed@elsewhere.example by assistant@elsewhere.example, ATTENDEE hana by carl
    carl | hana | sent-by-wrong      | none   | single        | on behalf | ORGANIZER hana by carl
    carl | hana | objects-own        | none   | single        | on behalf | ORGANIZER hana by carl, ORGANIZER hana by carl
    carl | h.holm | publish          | none   | single        | on behalf | ORGANIZER h.holm by carl
    carl | hana | request            | base64 utf-16 | single | 550 5.7.1 …
    carl | nina | request            | none   | alternative   | on behalf | ORGANIZER nina by carl, ATTENDEE nina by carl
    carl | olaf | request            | none   | alternative   | on behalf | ORGANIZER olaf by carl, ATTENDEE olaf by carl
    carl | olaf | request            | none   | text          | on behalf | no calendar
    carl | frida | request           | none   | single        | on behalf | ORGANIZER frida by carl, ATTENDEE frida by carl
    carl | hana | request            | none   | text          | 550 5.7.1 <hana@example.org>: you may not send as or on behalf of this address
    carl | nina | request            | none   | text-parts    | 550 5.7.1 <nina@example.org>: you may not send as or on behalf of this address
    carl | hana | request as none    | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request as X-INVITE | none  | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | forwarded          | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request of boss    | none   | alternative   | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | reply-of-another   | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | reply-two          | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | components         | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | objects            | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | html-beside   | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | related       | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | mixed-two     | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | attached      | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | invited-and-attached | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | signed        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | signed-inside | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | encrypted     | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | deep          | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | unclosed      | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | two-types     | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | none   | another-method | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | two-methods        | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | two-organizers     | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | no-organizer       | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | one-of-nobody      | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | reply-of-nobody    | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | no-component       | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | text-behind        | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | base64 cr | single     | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | base64 broken | single | 550 5.7.1 <hana@example.org>: you may not …
    carl | hana | request            | x-uuencode | single    | 550 5.7.1 <hana@example.org>: you may not …
    carl | gero | request            | none   | single        | 550 5.7.1 <gero@example.org>: you may not …
    carl | boss | request            | none   | single        | 550 5.7.1 <boss@example.org>: you may not …
    anna | hana | request            | none   | single        | 550 5.7.1 <hana@example.org>: you may not …
    carl | carl, MAIL FROM hana | request | none | text       | 550 5.7.1 <hana@example.org>: you may not send as or on behalf of this address (in MAIL FROM)
";

#[test]
fn scheduling_mail() {
    let table =
        [METHODS, ACTORS, CALENDARS, SENT_BY, ENCODINGS, NESTING, PROGRAMS, SEND_AS, SCHEDULE].concat();
    check(&mail_system(), "", &table);
}

/// Nothing is read, so nothing is known of calendars: nobody is shown in them, and the right to schedule lets nothing pass.
#[test]
fn scheduling_enabled() {
    check(
        &mail_system(),
        "scheduling.enabled = false",
        "
        carl | bea  | request       | base64 | mixed  | on behalf | 2 x -
        carl | bea  | sent-by-wrong | none   | single | on behalf | ORGANIZER bea by anna
        carl | dora | sent-by-wrong | none   | single | send-as   | ORGANIZER dora by anna
        carl | hana | request       | none   | single | 550 5.7.1 <hana@example.org>: you may not …
        anna | anna | request       | none   | single | as sent   | -
        ",
    );
}

#[test]
fn scheduling_max_body() {
    let larger = "
        carl | bea  | request       | none   | large  | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
        carl | hana | request       | base64 | large  | on behalf | ORGANIZER hana by carl, ATTENDEE hana by carl
    ";
    check(&mail_system(), "scheduling.max_body = \"200 KiB\"", larger);
    let smaller = "
        carl | bea  | request       | none   | large  | on behalf | -
        carl | bea  | request       | base64 | single | on behalf | ORGANIZER bea by carl, ATTENDEE bea by carl
        carl | dora | sent-by-wrong | none   | large  | send-as   | ORGANIZER dora by anna
        carl | bea  | request       | none   | large-text | on behalf | no calendar
        carl | hana | request       | none   | large  | 552 5.3.4 …
        carl | hana | request       | base64 | single | on behalf | ORGANIZER hana by carl, ATTENDEE hana by carl
        carl | hana | request       | none   | large-text | 550 5.7.1 <hana@example.org>: you may not …
        anna | anna | request       | none   | large  | as sent   | -
    ";
    check(&mail_system(), "scheduling.max_body = \"100 KiB\"", smaller);
}

/// One's own messages, in which somebody else acts who is in the directory and allowed nothing.
#[test]
fn scheduling_check_own() {
    let table = |refused: &str| {
        let table = "
        anna | anna | reply-of-another                   | none | single | {}
        anna | anna | reply-of-another as REFRESH        | none | single | {}
        anna | anna | reply-of-another as COUNTER        | base64 | mixed | {2}
        anna | anna | request of boss as CANCEL          | none | alternative | {}
        anna | anna | request of boss as ADD             | none | single | {}
        anna | anna | request of boss as DECLINECOUNTER  | none | single | {}
        anna | anna | request of bea as CANCEL           | none | single | {}
        anna | anna | request of boss as CANCEL          | base64 lf | deep | {}
        anna | anna | request of boss as CANCEL          | quoted-printable/30 | related | {}
        anna | anna | request of boss as CANCEL          | base64 utf-16 | unclosed | {}
        anna | anna | objects-own of boss as CANCEL      | none | application | {}
        anna | anna | recurrence of boss as CANCEL       | base64 | html-beside | {}
        anna | anna | recurrence of b.brandt as CANCEL   | 8bit | single-upper | {}
        carl | carl | request of gero as CANCEL          | none | single | {}
        anna | anna | sent-by-right of boss              | none | single | {by anna}
        anna | anna | sent-by-right of boss as REQUEST   | none | single | {by anna}
        anna | anna | sent-by-right of boss as CANCEL    | none | single | {by anna}
        carl | carl | sent-by-alias of boss              | none | single | {by c.clausen}
        ";
        let passed =
            |marks: &str| if refused.is_empty() { format!("as sent | {marks}") } else { refused.to_owned() };
        table
            .replace("{}", &passed("-"))
            .replace("{2}", &passed("2 x -"))
            .replace("{by anna}", &passed("ORGANIZER boss by anna"))
            .replace("{by c.clausen}", &passed("ORGANIZER boss by c.clausen"))
    };
    let lawful = "
        anna | anna | request                            | none | mixed  | as sent | 2 x -
        anna | anna | request as CANCEL                  | none | single | as sent | -
        anna | anna | reply                              | none | single | as sent | -
        anna | anna | reply of a.adams                   | base64 | single | as sent | -
        anna | anna | reply-to-assistant                 | none | single | as sent | ORGANIZER zed@elsewhere.example by assistant@elsewhere.example
        anna | anna | request of boss                    | none | single | as sent | -
        anna | anna | publish of boss                    | none | single | as sent | -
        anna | anna | sent-by-alias of boss              | none | single | as sent | ORGANIZER boss by c.clausen
        anna | anna | forwarded                          | none | single | as sent | -
        anna | anna | forwarded as CANCEL                | none | single | as sent | -
        anna | anna | components as CANCEL               | none | single | as sent | -
        anna | anna | request of boss as X-INVITE        | none | single | as sent | -
        anna | anna | request of boss as CANCEL          | none | attached | as sent | no calendar
        carl | carl | request of bea as CANCEL           | none | single | as sent | -
        carl | carl | request of dora as CANCEL          | none | single | as sent | -
        carl | carl | request of hana as CANCEL          | none | single | as sent | -
        carl | carl | reply of olaf                      | none | single | as sent | -
        carl | carl | sent-by-right of bea               | none | single | as sent | ORGANIZER bea by carl
        carl | carl | sent-by-right of hana as REQUEST   | none | single | as sent | ORGANIZER hana by carl
        anna | anna | request                            | none | text   | as sent | no calendar
        anna | anna | request                            | none | text-parts | as sent | no calendar
        carl | bea  | request                            | none | mixed  | on behalf | 2 x ORGANIZER bea by carl, ATTENDEE bea by carl
    ";
    let mail = mail_system();
    check(&mail, "", &[&table(""), lawful].concat());
    check(&mail, "scheduling.check_own = true", &[&table("550 5.7.1 …"), lawful].concat());
}

#[test]
fn policy_mode_observe() {
    check(
        &mail_system(),
        "policy.mode = \"observe\"\nscheduling.check_own = true\nscheduling.max_body = \"100 KiB\"",
        "
        carl | bea  | request          | base64 | mixed  | as sent | 2 x -
        carl | dora | sent-by-wrong    | none   | single | as sent | ORGANIZER dora by anna
        carl | hana | request          | none   | single | as sent | -
        carl | hana | request          | none   | text   | as sent | no calendar
        carl | hana | request          | none   | large  | as sent | -
        anna | anna | reply-of-another | none   | single | as sent | -
        ",
    );
}

#[test]
fn policy_prefer() {
    let mail = mail_system();
    for (prefer, frida) in
        [("send-on-behalf", "on behalf | ORGANIZER frida by carl"), ("send-as", "send-as | -")]
    {
        let table = format!(
            "
            carl | frida | sent-by-wrong | none   | single | {frida}
            carl | bea   | sent-by-wrong | none   | single | on behalf | ORGANIZER bea by carl
            carl | dora  | sent-by-wrong | none   | single | send-as | -
            carl | paula | sent-by-wrong | none   | single | send-as | -
            carl | hana  | sent-by-wrong | none   | single | on behalf | ORGANIZER hana by carl
            "
        );
        check(&mail, &format!("policy.prefer = \"{prefer}\""), &table);
    }
}

/// SENT-BY is the address that Sender shows. Where it is not ASCII, it is percent-encoded (RFC 6068 section 2).
#[test]
fn sent_by_is_who_sender_shows() {
    let mail = mail_system();
    let _milter = setup(&mail, "").start();
    let row = Row::parse("carl | bea | publish | none | single | on behalf | ");
    let sent = [b"Sender: c.clausen@example.org\r\n", &row.message[..]].concat();
    let delivered = mail.message("carl", "<carl@example.org>", &sent);
    assert_eq!(delivered.delivery().field("Sender"), ["c.clausen@example.org"]);
    assert_eq!(marks(&delivered.delivery().message()), "ORGANIZER bea by c.clausen");

    let delivered = mail.message("uma", "<uma.m\u{fc}@example.org> SMTPUTF8", &row.message);
    assert_eq!(delivered.delivery().field("Sender"), ["\"Uma Mu\" <uma.m\u{fc}@example.org>"]);
    assert_eq!(marks(&delivered.delivery().message()), "ORGANIZER bea by uma.m%C3%BC");
    assert_eq!(fault_of(&row.message, &without_sender(&delivered.delivery().message())), None);
}

/// From names two principals, each of whom acts in a calendar of its own.
#[test]
fn two_authors() {
    let mail = mail_system();
    let _milter = setup(&mail, "").start();
    let send = |authors: &str, second: &str| {
        let row = Row::parse("carl | bea | objects | none | single | on behalf | ");
        let text = String::from_utf8(row.message).unwrap();
        let text = text.replace("The Principal <bea@example.org>", authors);
        let text = text.replace("zed@elsewhere.example", second);
        mail.message("carl", "<carl@example.org>", text.as_bytes())
    };
    for (authors, second, expected) in [
        (
            "bea@example.org, olaf@example.org",
            "olaf@example.org",
            "ORGANIZER bea by carl, ORGANIZER olaf by carl",
        ),
        ("carl@example.org, bea@example.org", "carl@example.org", "ORGANIZER bea by carl"),
        ("olaf@example.org, carl@example.org", "olaf@example.org", "ORGANIZER olaf by carl"),
    ] {
        let outcome = send(authors, second);
        assert_eq!(outcome.delivery().field("Sender"), ["\"Carl Clausen\" <carl@example.org>"]);
        assert_eq!(marks(&outcome.delivery().message()), expected, "{authors}");
    }
    // The calendars would have to be Hana's, all of them.
    let outcome = send("bea@example.org, hana@example.org", "hana@example.org");
    assert!(outcome.reply.starts_with("550 5.7.1 <hana@example.org>: you may not "), "{}", outcome.reply);
}

/// Bytes that do not survive everywhere: what is delivered is what Postfix delivers of the same message without us, but
/// for SENT-BY.
#[test]
fn bytes_that_survive_badly() {
    let mail = mail_system();
    let _milter = setup(&mail, "").start();
    let row = Row::parse("carl | bea | request | 8bit | mixed | on behalf | ");
    let marked = "2 x ORGANIZER bea by carl, ATTENDEE bea by carl";
    let every_octet: Vec<u8> = (1..=255).filter(|octet| !b"\r\n".contains(octet)).collect();
    for (what, text) in [
        ("nothing", &b""[..]),
        ("a line of 998 octets", &[b'x'; 998]),
        ("a line of 5000 octets", &[b'x'; 5000]),
        ("every octet", &every_octet),
        ("dots", b".\r\n..\r\n...\r\n. .\r\n.x"),
        ("bare LF", b"one\ntwo\n\nthree"),
        ("bare CR", b"one\rtwo\r\r\nthree\r"),
        ("empty lines", b"\r\n\r\n\r\n"),
        ("white space at the end of a line", b"one \r\ntwo\t\r\n \r\n"),
        ("From at the beginning of a line", b"From here\r\n>From there"),
        ("no more than a chunk", &[b'x'; 65_535]),
    ] {
        // In the middle of the first part, in the preamble and behind the last line.
        let message = insert(&row.message, b"Budget, at ten.", text);
        let message = insert(&message, b"\r\n\r\n", &[text, b"\r\n"].concat());
        let message = [&message, text].concat();
        let delivered = |service| {
            let outcome = mail.message_over(service, Some("carl"), "<carl@example.org>", &message);
            outcome.delivered.unwrap_or_else(|| panic!("{what}: {}", outcome.reply)).message()
        };
        let (bare, ours) = (delivered("bare"), without_sender(&delivered("submission")));
        assert_eq!(fault_of(&bare, &ours), None, "{what}");
        assert_eq!(marks(&ours), marked, "{what}");
    }
}

/// Puts text behind the first place where `after` stands.
fn insert(message: &[u8], after: &[u8], text: &[u8]) -> Vec<u8> {
    let at = message.windows(after.len()).position(|window| window == after);
    let (before, behind) =
        message.split_at(at.unwrap_or_else(|| panic!("no {}", escape(after))) + after.len());
    [before, text, behind].concat()
}

/// What is not done is logged with the message: a calendar that is signed, or too large.
#[test]
fn what_is_left_alone_is_logged() {
    let mail = mail_system();
    let milter = setup(&mail, "scheduling.max_body = \"100 KiB\"").start();
    for row in [
        "carl | bea | request | none | signed    | on behalf | no calendar",
        "carl | bea | request | none | encrypted | on behalf | no calendar",
        "carl | bea | request | none | large     | on behalf | -",
    ] {
        let outcome = Row::parse(row).send(&mail);
        let queue_id = outcome.reply.rsplit(' ').next().unwrap().to_owned();
        let line = milter.wait_for_log(&queue_id);
        assert!(line.contains("calendar"), "{row}\n{line}");
    }
}

/// The judge of these tables is no good if it lets everything pass: every change that must not be is seen.
#[test]
fn the_judge_sees_every_other_change() {
    let row = Row::parse("carl | bea | names | base64 | mixed | on behalf | ");
    let sent = String::from_utf8_lossy;
    let plain = Row::parse("carl | bea | publish | none | single | on behalf | ").message;
    let with = |what: &str, by: &str| sent(&plain).replacen(what, by, 1).into_bytes();
    let marked = |line: &str| with("ORGANIZER:mailto:bea@example.org", line);
    let good = marked("ORGANIZER;SENT-BY=\"mailto:carl@example.org\":mailto:bea@example.org");
    assert_eq!(fault_of(&plain, &good), None);
    assert_eq!(marks(&good), "ORGANIZER bea by carl");
    assert_eq!(fault_of(&plain, &plain), None);
    for (changed, fault) in [
        (marked("ORGANIZER;SENT-BY=mailto:carl@example.org:mailto:bea@example.org"), "quoted"),
        (marked("ORGANIZER;SENT-BY=\"mailto:a@x\";SENT-BY=\"mailto:a@x\":mailto:bea@example.org"), "once"),
        (marked("ORGANIZER;SENT-BY=\"mailto:carl@example.org\":MAILTO:bea@example.org"), "more than SENT-BY"),
        (
            marked("ORGANIZER;X=1;SENT-BY=\"mailto:carl@example.org\":mailto:bea@example.org"),
            "more than SENT-BY",
        ),
        (marked("organizer;SENT-BY=\"mailto:carl@example.org\":mailto:bea@example.org"), "more than SENT-BY"),
        (
            marked("ORGANIZER;SENT-BY=\"mailto:carl@example.org\"\n :mailto:bea@example.org"),
            "end in another way",
        ),
        (
            marked(&format!(
                "ORGANIZER;SENT-BY=\"mailto:{}@example.org\":mailto:bea@example.org",
                "c".repeat(60)
            )),
            "75 octets",
        ),
        (marked("ORGANIZER:mailto:bea@exam\r\n ple.org"), "written anew"),
        (with("SUMMARY:Open day", "SUMMARY:Open da\r\n y"), "written anew"),
        (with("SUMMARY:Open day", "SUMMARY:Open door"), "more than SENT-BY"),
        (with("SUMMARY:Open day\r\n", ""), "content lines"),
        (with("Subject: Budget", "Subject: budget"), "not to be changed"),
    ] {
        let found = fault_of(&plain, &changed).unwrap_or_default();
        assert!(found.contains(fault), "{fault:?} in {found:?}: {}", sent(&changed));
    }
    // The encoding of what did not change.
    let apple = Row::parse("carl | bea | apple | none | apple | on behalf | ").message;
    let marked = "ORGANIZER;SENT-BY=3D\"mailto:carl@example.org\"\r\n ;CN";
    let good = sent(&apple).replace("ORGANIZER;CN", marked);
    assert_eq!(fault_of(&apple, good.as_bytes()), None);
    for (old, new) in [("=e2=80=93", "=E2=80=93"), ("END:VEVENT", "END:VEVEN=54")] {
        let anew = good.replacen(old, new, 1).into_bytes();
        let fault = fault_of(&apple, &anew).unwrap_or_default();
        assert!(fault.contains("encoded anew"), "{fault:?} for {new}");
    }
    // The attachment, a delimiter, the width of the base64 lines.
    for (what, by) in [("agenda.pdf", "agenda.pdg"), ("JVBERi0x", "JVBERi0y"), ("--mixed--", "--mixed-- ")] {
        let changed = sent(&row.message).replace(what, by).into_bytes();
        assert!(fault_of(&row.message, &changed).is_some(), "{what}");
    }
    let anew =
        sent(&row.message).replacen("QkVHSU46VkNBTEVOREFS", "QkVHSU46\r\nVkNBTEVOREFS", 1).into_bytes();
    assert!(fault_of(&row.message, &anew).unwrap().contains("encoded anew"));
}

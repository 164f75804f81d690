//! Lines as the program and other loggers write them, and as they arrive when something goes wrong.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const AT: &str = "2026-11-22T17:00:00.123456Z";
const FIELDS: &str = "queue_id=\"4Xq\" client=\"192.0.2.1\" login=\"carl\" mail_from=\"<carl@example.org>\" \
                      from=\"boss@example.org\" verdict=\"refuse\" rule=\"author\" body=false \
                      address=\"boss@example.org\" reply=\"550 5.7.1 <boss@example.org>: \\\"no\\\"\" ms=0.123";

fn event() -> String {
    format!("{AT}  INFO {FIELDS}")
}

fn message(line: &str) -> Message<'_> {
    match Line::read(line) {
        Line::Message(message) => *message,
        other @ (Line::Other | Line::Foreign | Line::Damaged(_)) => panic!("{line}: {other:?}"),
    }
}

fn check(line: &str, at: &str) {
    let message = message(line);
    let fields = &message.fields;
    assert_eq!((message.at, message.verdict), (at.parse().unwrap(), Verdict::Refuse), "{line}");
    assert_eq!(fields.ms, Some(0.123), "{line}");
    let found = [&fields.queue_id, &fields.client, &fields.login, &fields.from, &fields.rule, &fields.reply];
    let expected =
        ["4Xq", "192.0.2.1", "carl", "boss@example.org", "author", "550 5.7.1 <boss@example.org>: \"no\""];
    assert_eq!(found.map(|value| value.as_deref().unwrap()), expected, "{line}");
}

#[test]
fn text_behind_whatever_stands_in_front() {
    for prefix in [
        "",
        "Nov 22 17:00:00 host delegation-milter[123]: ",
        "Nov  2 17:00:00 host.example.org delegation-milter: ",
        "2026-11-22T17:00:00+0000 host delegation-milter[123]: ",
        "2026-11-22T18:00:00.123456+01:00 host delegation-milter[123]: ",
    ] {
        check(&format!("{prefix}{}", event()), AT);
        check(&format!("{prefix}{}\r\n", event()), AT);
        check(&format!("{prefix}{}", json_line()), AT);
    }
}

fn values() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("queue_id", json!("4Xq")),
        ("client", json!("192.0.2.1")),
        ("login", json!("carl")),
        ("from", json!("boss@example.org")),
        ("verdict", json!("refuse")),
        ("rule", json!("author")),
        ("body", json!(false)),
        ("reply", json!("550 5.7.1 <boss@example.org>: \"no\"")),
        ("ms", json!(0.123)),
    ]
}

fn json_line() -> String {
    let mut object = json!({ "timestamp": AT, "level": "INFO" });
    values().into_iter().for_each(|(name, value)| object[name] = value);
    object.to_string()
}

/// As journalctl(1) has it, with each value as `shown` writes it.
fn entry(shown: fn(String) -> serde_json::Value) -> serde_json::Value {
    let mut object = json!({
        "__REALTIME_TIMESTAMP": "1795366800123456",
        "_HOSTNAME": "host",
        "_UID": "998",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "delegation-milter",
        "TARGET": "delegation_milter::session::log",
        "MESSAGE": "queue_id=\"4Xq\" verdict=\"refuse\" rule=\"author\"",
    });
    for (name, value) in values() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        object[name.to_ascii_uppercase()] = shown(text);
    }
    object
}

#[test]
fn entries_of_the_journal() {
    check(&entry(serde_json::Value::String).to_string(), AT);
    check(&entry(|text| json!(text.as_bytes())).to_string(), AT);
    // Standard error in the journal: text or JSON of ours.
    for text in [event(), json_line()] {
        let mut entry = json!({ "__REALTIME_TIMESTAMP": "1", "SYSLOG_IDENTIFIER": "delegation-milter" });
        entry["MESSAGE"] = json!(text);
        check(&entry.to_string(), AT);
        entry["MESSAGE"] = json!(text.as_bytes());
        check(&entry.to_string(), AT);
    }
    let mut other = entry(serde_json::Value::String);
    other["SYSLOG_IDENTIFIER"] = json!("postfix/smtpd");
    assert_eq!(Line::read(&other.to_string()), Line::Foreign);
    let mut twice = entry(serde_json::Value::String);
    twice["VERDICT"] = json!(["accept", "refuse"]);
    assert_eq!(Line::read(&twice.to_string()), Line::Damaged(Damage::Twice));
    let mut long = entry(serde_json::Value::String);
    long["REPLY"] = json!(null);
    assert_eq!(message(&long.to_string()).fields.reply, None);
}

/// Without a time of ours, that of the journal or of syslogd counts.
#[test]
fn the_gist_has_the_time_that_stands_in_front() {
    let gist = "queue_id=\"4Xq\" login=\"carl\" verdict=\"accept\" rule=\"own\"";
    for (stamp, at) in [
        ("2026-11-22T17:00:00Z", "2026-11-22T17:00:00Z"),
        ("2026-11-22T18:00:00+0100", "2026-11-22T17:00:00Z"),
        ("2026-11-22T17:00:00.5+00:00", "2026-11-22T17:00:00.5Z"),
    ] {
        let line = format!("{stamp} host delegation-milter[1]: {gist}");
        assert_eq!(message(&line).at, at.parse().unwrap(), "{line}");
    }
    assert_eq!(
        Line::read(&format!("yesterday host delegation-milter[1]: {gist}")),
        Line::Damaged(Damage::Torn)
    );
    let line = format!("2026-99-22T17:00:00Z host delegation-milter[1]: {gist}");
    assert_eq!(Line::read(&line), Line::Damaged(Damage::NoTime));
}

#[test]
fn other_lines() {
    for (line, expected) in [
        ("", Line::Foreign),
        ("Nov 22 17:00:00 host postfix/smtpd[1]: connect from x[192.0.2.1]", Line::Foreign),
        ("Nov 22 17:00:00 host kernel: x", Line::Foreign),
        ("{}", Line::Foreign),
        ("{\"timestamp\":\"x\"}", Line::Foreign),
        ("{\"verdict\":\"accept\"}", Line::Foreign),
        ("{x", Line::Foreign),
        ("-- Journal begins at Sun 2026-11-22 17:00:00 UTC. --", Line::Foreign),
        ("2026-11-22T17:00:00.123456Z  INFO ready", Line::Other),
        ("2026-11-22T17:00:00.123456Z  WARN the directory is away reason=\"x\"", Line::Other),
        ("2026-11-22T17:00:00.123456Z ERROR place=\"x\" what=\"y\"", Line::Other),
        ("Nov 22 17:00:00 host delegation-milter[1]: started", Line::Other),
        ("{\"timestamp\":\"2026-11-22T17:00:00Z\",\"level\":\"INFO\",\"message\":\"ready\"}", Line::Other),
    ] {
        assert_eq!(Line::read(line), expected, "{line}");
    }
    // What another program says of us is not ours.
    for tag in ["postfix/smtpd[1]", "delegation-milter-x[1]", "x: delegation-milter[1]", "logger"] {
        let line = format!("Nov 22 17:00:00 host {tag}: {}", event());
        assert_eq!(Line::read(&line), Line::Foreign, "{line}");
    }
}

#[test]
fn damage_is_told() {
    let event = event();
    let swapped = |from: &str, to: &str| event.replace(from, to);
    for (line, expected) in [
        (swapped("verdict=\"refuse\"", "verdict=\"perhaps\""), Damage::Verdict),
        (swapped(" rule=\"author\"", ""), Damage::NoRule),
        (swapped("rule=", "by="), Damage::NoRule),
        (swapped("body=false", "login=\"dora\""), Damage::Twice),
        (swapped("body=false", "BODY=false"), Damage::Torn),
        (swapped("body=false", "body=\"false\"x"), Damage::Torn),
        (swapped("body=false", "body="), Damage::Torn),
        (swapped("ms=0.123", "ms=NaN"), Damage::Torn),
        (swapped("ms=0.123", "ms=-1"), Damage::Torn),
        (swapped("4Xq", "4Xq\\q"), Damage::Torn),
        (swapped("4Xq", "4Xq\\u{110000}"), Damage::Torn),
        (format!("{} {event}", event.get(..120).unwrap()), Damage::Torn),
        (event.get(60..).unwrap().to_owned(), Damage::Torn),
        (format!("Nov 22 17:00:00 host delegation-milter[1]: {}", event.get(60..).unwrap()), Damage::Torn),
        (json_line().replace('}', ""), Damage::Torn),
        (json_line().replace("\"body\"", "\"login\""), Damage::Twice),
        (json_line().replace("2026-11", "2026-99"), Damage::NoTime),
    ] {
        assert_eq!(Line::read(&line), Line::Damaged(expected), "{line}");
    }
}

/// Wherever a line ends too early: it is damaged, or what is left is right.
#[test]
fn a_line_that_is_cut_off_says_nothing_else() {
    for whole in [event(), json_line(), entry(serde_json::Value::String).to_string()] {
        for end in 0..whole.len() {
            match Line::read(whole.get(..end).unwrap()) {
                Line::Message(message) => {
                    assert_eq!(message.verdict, Verdict::Refuse);
                    assert_eq!(message.fields.rule.as_deref(), Some("author"));
                }
                Line::Damaged(_) | Line::Foreign | Line::Other => (),
            }
        }
    }
    let verdict_ends = event().find(" body=").unwrap();
    for end in event().find("verdict=\"").unwrap() + 9..verdict_ends {
        let cut = event();
        assert!(matches!(Line::read(cut.get(..end).unwrap()), Line::Damaged(_)), "{end}");
    }
}

proptest! {
    /// As tracing writes them: whatever the values are, they come back, each as its own.
    #[test]
    fn values_come_back(login in ".{0,40}", reply in "[\"\\\\ ={}n u]{0,20}|.{0,40}", queue_id in "\\PC{0,20}") {
        let text = format!(
            "{AT}  INFO queue_id={queue_id:?} login={login:?} verdict=\"would refuse\" rule=\"from\" reply={reply:?} ms=1.5"
        );
        let json = json!({
            "timestamp": AT, "level": "INFO", "queue_id": queue_id, "login": login, "verdict": "would refuse",
            "rule": "from", "reply": reply, "ms": 1.5,
        });
        let entry = json!({
            "__REALTIME_TIMESTAMP": "1795366800123456", "SYSLOG_IDENTIFIER": "delegation-milter",
            "QUEUE_ID": queue_id.as_bytes(), "LOGIN": login, "VERDICT": "would refuse", "RULE": "from",
            "REPLY": reply.as_bytes(), "MS": "1.5",
        });
        for line in [text, json.to_string(), entry.to_string()] {
            let message = message(&line);
            prop_assert_eq!(message.at, AT.parse::<Timestamp>().unwrap());
            prop_assert_eq!(message.verdict, Verdict::WouldRefuse);
            prop_assert_eq!(message.fields.queue_id.as_deref(), Some(&*queue_id));
            prop_assert_eq!(message.fields.login.as_deref(), Some(&*login));
            prop_assert_eq!(message.fields.reply.as_deref(), Some(&*reply));
            prop_assert_eq!(message.fields.ms, Some(1.5));
            prop_assert_eq!(message.fields.from, None);
        }
    }

    #[test]
    fn any_line_is_something(line in "\\PC{0,200}", tail in "[ \"\\\\=a-z{}0-9:,.]{0,60}") {
        for line in [line, format!("{AT}  INFO {tail}"), format!("{{{tail}"), format!("{}{tail}", event())] {
            let _ = Line::read(&line);
        }
        // What follows a whole line within it is never taken for a part of it unless it is a field.
        if let Line::Message(message) = Line::read(&format!("{} {tail}", event())) {
            prop_assert_eq!(message.fields.login.as_deref(), Some("carl"));
            prop_assert_eq!(message.verdict, Verdict::Refuse);
        }
    }
}

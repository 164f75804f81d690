//! What stands in the log, and what never does: one line for a message, whatever is in it; addresses, and nothing else
//! of a message; no secret, at any level.

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

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use delegation_milter::config::Config;
use nix::sys::signal::Signal;
use support::TempDir;
use support::milter::{Milter, Setup};
use support::slapd::{SUFFIX, Slapd};
use support::wait::wait_until;
use support::wire::{ACTIONS, Packet, STEPS, Wire};

/// Stands in what must not be logged.
const PRIVATE: &str = "Kuckucksei";
/// Stands in what a forged line would begin with, or a forged field be.
const FORGED: &str = "FORGED";

/// What a client may try, to be put where it writes.
fn payloads() -> Vec<String> {
    let mut payloads: Vec<_> = [
        "x\r\nFORGED INFO login=\"boss\" verdict=\"accept\"",
        "x\nFORGED",
        "x\rFORGED",
        "\x1b[2J\x1b]0;FORGED\x07\u{9b}31m\x7f\x08\x08",
        "\u{2028}FORGED\u{2029}FORGED\u{85}FORGED\u{b}\u{c}",
        "\u{202e}FORGED\u{2066}\u{200b}\u{feff}",
        "\" verdict=\"FORGED\" x=\"",
        "\\\" verdict=\\\"FORGED\\\" x=\\\"",
        "\",\"verdict\":\"FORGED\",\"x\":\"",
        "x verdict=FORGED",
        "x\nVERDICT=FORGED\nMESSAGE=FORGED\n",
        "\u{e9}\u{1f642}\u{fffd} %s %n {} {0} \\n \\u0022",
    ]
    .map(str::to_owned)
    .into();
    payloads.push(format!("{}FORGED", "long ".repeat(20_000)));
    payloads
}

/// A message as a client that means harm sends it.
struct Hostile {
    login: String,
    queue_id: String,
    mail_from: String,
    fields: Vec<(String, String)>,
}

impl Hostile {
    fn new() -> Self {
        let fields = [
            ("From", " \"Kuckucksei\" <carl@example.org>"),
            ("Subject", " Kuckucksei"),
            ("X-Kuckucksei", " Kuckucksei"),
        ];
        Self {
            login: "carl".into(),
            queue_id: "4Xq".into(),
            mail_from: "<carl@example.org>".into(),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    /// With the payload in each place that a client or Postfix fills, one at a time.
    fn all(payload: &str) -> Vec<Self> {
        let field = |name: &str, value: String| {
            let mut hostile = Self::new();
            hostile.fields.retain(|(own, _)| own != name);
            hostile.fields.push((name.to_owned(), value));
            hostile
        };
        vec![
            Self { login: payload.into(), ..Self::new() },
            Self { queue_id: payload.into(), ..Self::new() },
            Self { mail_from: format!("<{payload}>"), ..Self::new() },
            Self { mail_from: format!("<\"{payload}\"@example.org>"), ..Self::new() },
            field("From", payload.into()),
            field("From", format!(" <boss{payload}@example.org>")),
            field("From", format!(" <boss@example.org{payload}>")),
            field("From", format!(" \"{payload}\" <boss@example.org>")),
            field("From", format!(" {payload} boss@example.org <carl@example.org>")),
            field("Sender", format!(" {payload} <boss@example.org>")),
            field("Resent-From", format!(" {payload} <boss@example.org>")),
            field("Subject", format!(" {payload}")),
            field("Content-Type", format!(" text/calendar; {payload}")),
            field(payload, " x".into()),
        ]
    }

    /// Sends it, and gives back the replies.
    fn send(&self, milter: &Milter) -> Vec<Packet> {
        let (mut wire, _) = Wire::negotiate(milter.socket(), ACTIONS, STEPS);
        let login = ["{auth_authen}", &self.login, "{mail_addr}", "x", "{client_addr}", "192.0.2.1"];
        wire.macros('M', &login);
        wire.send_strings('M', &[&self.mail_from]);
        wire.macros('L', &["i", &self.queue_id]);
        for (name, value) in &self.fields {
            wire.send_strings('L', &[name, value]);
        }
        wire.macros('N', &["i", &self.queue_id]);
        wire.send('N', b"");
        wire.send('B', PRIVATE.as_bytes());
        wire.macros('E', &["i", &self.queue_id]);
        wire.send('E', b"");
        wire.finish()
    }
}

/// Sends a message for each payload and place; how many there were. No reply breaks a line either.
fn attack(milter: &Milter) -> usize {
    let messages: Vec<_> = payloads().iter().flat_map(|payload| Hostile::all(payload)).collect();
    for message in &messages {
        for Packet(letter, body) in message.send(milter) {
            let text = body.strip_suffix(b"\0").unwrap_or(&body);
            assert!(letter != 'y' || is_plain(text), "{}", String::from_utf8_lossy(text));
            assert!(text.len() <= 512, "a reply has 512 octets (RFC 5321 section 4.5.3.1.5)");
        }
    }
    messages.len()
}

fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|b| (b' '..=b'~').contains(b))
}

/// The fields of a line of the format "text", after the time and the level; panics if it is not written as such.
fn fields_of(line: &str) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    let (_, mut rest) = line.split_once("  INFO ").or_else(|| line.split_once("  WARN ")).expect(line);
    while let Some((name, value)) = rest.split_once('=') {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name:?}: {line}");
        let end = if value.starts_with('"') {
            let mut escaped = false;
            let closing = |(_, c): &(usize, char)| {
                let closes = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            };
            value.char_indices().skip(1).find(closing).expect(line).0 + 1
        } else {
            value.find(' ').unwrap_or(value.len())
        };
        let twice = fields.insert(name.to_owned(), value[..end].trim_matches('"').to_owned());
        assert_eq!(twice, None, "{name}: {line}");
        rest = value[end..].strip_prefix(' ').unwrap_or(&value[end..]);
    }
    assert_eq!(rest, "", "{line}");
    fields
}

/// The names that a line about a message may have.
const NAMES: [&str; 21] = [
    "queue_id",
    "client",
    "login",
    "mail_from",
    "from",
    "verdict",
    "rule",
    "address",
    "grant",
    "body",
    "sender",
    "display_name",
    "envelope",
    "copies",
    "no_copies",
    "calendar",
    "ms",
    "reply",
    "no_report",
    "report",
    "reason",
];

fn check_fields(fields: &HashMap<String, String>) {
    for (name, value) in fields {
        assert!(NAMES.contains(&name.as_str()), "{name}: {fields:?}");
        assert!(is_plain(value.as_bytes()), "{fields:?}");
        assert!(value.len() < 1000, "{fields:?}");
    }
    let verdict = fields.get("verdict").map(String::as_str);
    assert!(matches!(verdict, Some("accept" | "refuse")), "{fields:?}");
}

/// Attacks a milter that logs as much as it can in this format to standard error, ends it, and gives back what it
/// logged, and of how many messages.
fn log_of_an_attack(format: &str) -> (String, usize) {
    let files = TempDir::new();
    let knobs = format!("[log]\nformat = \"{format}\"\nlevel = \"trace\"");
    let mut milter = Setup::unix(&files.path("milter.sock"), "company.ldif").knobs(&knobs).start();
    let messages = attack(&milter);
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    (milter.log(), messages)
}

fn lines(log: &str) -> Vec<&str> {
    assert!(!log.contains(PRIVATE), "{log}");
    let lines: Vec<_> = log.split_terminator('\n').collect();
    for line in &lines {
        assert!(is_plain(line.as_bytes()) && !line.starts_with(FORGED), "{line:?}");
    }
    lines
}

#[test]
fn text_is_one_line_for_a_message() {
    let (log, messages) = log_of_an_attack("text");
    let lines: Vec<_> = lines(&log).into_iter().filter(|line| line.contains("verdict")).collect();
    lines.iter().for_each(|line| check_fields(&fields_of(line)));
    assert_eq!(lines.len(), messages);
}

#[test]
fn json_is_one_object_for_a_message() {
    let (log, messages) = log_of_an_attack("json");
    let mut found = 0;
    for line in lines(&log) {
        // The text of a key that is there twice would be lost here.
        assert!(line.matches("\"verdict\":").count() <= 1, "{line}");
        let object: HashMap<String, serde_json::Value> = serde_json::from_str(line).expect(line);
        if object.contains_key("verdict") {
            let text =
                |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let own = object.iter().filter(|(name, _)| !["timestamp", "level"].contains(&name.as_str()));
            check_fields(&own.map(|(name, value)| (name.clone(), text(value))).collect());
            found += 1;
        }
    }
    assert_eq!(found, messages);
}

/// The fields of an entry in the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).
fn entry(mut octets: &[u8]) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    while !octets.is_empty() {
        let end = octets.iter().position(|b| *b == b'\n').unwrap();
        let line = std::str::from_utf8(&octets[..end]).unwrap();
        octets = &octets[end + 1..];
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let (length, rest) = octets.split_at(8);
                let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
                let (value, rest) = rest.split_at(length);
                octets = rest.strip_prefix(b"\n").unwrap();
                (line, String::from_utf8(value.to_owned()).unwrap())
            }
        };
        assert_eq!(fields.insert(name.to_ascii_lowercase(), value), None, "{name} twice");
    }
    fields
}

/// Runs the rest of its words where the directory `$1` is the journal's, in a name space of its own (unshare(1)).
const WITH_JOURNAL: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal \
     && mount --bind \"$1\" /run/systemd/journal && shift && exec \"$@\"";

#[test]
fn the_journal_gets_one_entry_for_a_message() {
    let files = TempDir::new();
    let journal = UnixDatagram::bind(files.path("socket")).unwrap();
    let directory = files.path("").display().to_string();
    let words =
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", WITH_JOURNAL, "sh", &directory];
    let knobs = "[log]\nformat = \"journald\"\nlevel = \"trace\"";
    let milter = Setup::unix(&files.path("milter.sock"), "company.ldif").knobs(knobs).through(&words);
    let mut milter = milter.launch();
    wait_until("the milter listens", || {
        assert!(milter.is_alive(), "{}", milter.log());
        milter.connects()
    });
    let reading = std::thread::spawn(move || {
        let (mut entries, mut octets) = (Vec::new(), vec![0; 1 << 20]);
        loop {
            let length = journal.recv(&mut octets).unwrap();
            // It begins with nothing, to see whether somebody is there.
            let entry = entry(&octets[..length]);
            let ended = entry.get("message").is_some_and(|message| message == "ended");
            entries.push(entry);
            if ended {
                return entries;
            }
        }
    });
    let messages = attack(&milter);
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    let mut found = 0;
    for entry in reading.join().unwrap() {
        assert!(!format!("{entry:?}").contains(PRIVATE), "{entry:?}");
        // journalctl(1) shows no entry without one, nor what is behind a line end as part of it.
        let message = entry.get("message").map_or("", String::as_str);
        assert!(entry.is_empty() || (!message.is_empty() && is_plain(message.as_bytes())), "{entry:?}");
        if entry.contains_key("verdict") {
            let shown = fields_of(&format!("  INFO {message}"));
            let quoted = |name: &str| format!("{:?}", entry[name]).trim_matches('"').to_owned();
            for name in ["queue_id", "client", "login", "verdict", "rule"] {
                assert_eq!(shown[name], quoted(name), "{entry:?}");
            }
            let of_the_journal =
                ["priority", "target", "code_file", "code_line", "syslog_identifier", "message"];
            let own = entry.into_iter().filter(|(name, _)| !of_the_journal.contains(&name.as_str()));
            check_fields(&own.collect());
            found += 1;
        }
    }
    assert_eq!(found, messages);
}

/// A server that refuses the login with these words, in one answer (RFC 4511 section 4.2.2).
fn refuses_with(words: &str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let length = |length: usize| [&[0x84][..], &u32::try_from(length).unwrap().to_be_bytes()].concat();
    let tagged = move |tag: u8, body: &[u8]| [&[tag][..], &length(body.len()), body].concat();
    // invalidCredentials, no name, the words.
    let result = [&[0x0a, 1, 49, 0x04, 0][..], &tagged(0x04, words.as_bytes())].concat();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1024];
            // LDAPMessage, with the short length of an anonymous bind: 30 length 02 01 messageID.
            if stream.read(&mut request).is_ok_and(|length| length > 4) {
                let answer = [&[0x02, 1, request[4]][..], &tagged(0x61, &result)].concat();
                let _ = stream.write_all(&tagged(0x30, &answer));
            }
            // Until the other side has hung up.
            std::thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    port
}

/// The directory's words: in the line about the directory, and in that about the message that is deferred.
#[test]
fn what_a_server_says_is_one_line() {
    std::thread::scope(|scope| {
        for payload in payloads() {
            scope.spawn(move || check_words(&format!("{payload}\0")));
        }
    });
}

fn check_words(words: &str) {
    let files = TempDir::new();
    let source = format!(
        "directory.urls = [\"ldap://127.0.0.1:{}\"]\ndirectory.base_dn = \"{SUFFIX}\"\n",
        refuses_with(words)
    );
    let milter = Setup::unix(&files.path("milter.sock"), "company.ldif").source(&source).start();
    Hostile::new().send(&milter);
    let line = milter.wait_for_log("verdict=\"defer\"");
    assert!(fields_of(&line)["reason"].contains("invalidCredentials (49)"), "{line}");
    milter.wait_for_log("the directory is not available; trying again");
    lines(&milter.log());
}

/// A configuration with mistakes, at a reload: a line for each.
#[test]
fn mistakes_of_the_configuration_are_a_line_each() {
    let files = TempDir::new();
    let milter = Setup::unix(&files.path("milter.sock"), "company.ldif").start();
    milter.reconfigure("unauthenticated = \"\\u001b[2J\\r\\n\u{e9}\"\npolicy.mode = \"x\"\n\n");
    milter.reload();
    milter.wait_for_log("policy.mode");
    let log = milter.log();
    let mistakes = lines(&log).into_iter().filter(|line| line.contains("not reloaded")).count();
    assert_eq!(mistakes, 2, "{log}");
}

/// The password of the milter's account, right and wrong, at the level that shows most: in no line, no answer of a
/// command, no value that is printed for a developer.
#[test]
fn the_password_is_shown_nowhere() {
    let secrets = ["Zwetschgen-4711-right", "Zwetschgen-4711-wrong"];
    let slapd = Slapd::start(&["--tls"]);
    slapd.modify(&format!(
        "dn: cn=delegation-milter,{SUFFIX}\nchangetype: modify\nreplace: userPassword\nuserPassword: {}\n",
        secrets[0]
    ));
    let files = TempDir::new();
    for (secret, expected) in secrets.iter().zip(["connected to the directory", "invalidCredentials (49)"]) {
        let password = files.write("password", format!("{secret}\n"));
        let knobs = "[log]\nlevel = \"trace\"";
        let source = format!(
            "directory.urls = [\"{}\"]\ndirectory.ca_file = \"{}\"\ndirectory.base_dn = \"{SUFFIX}\"\n\
             directory.bind_dn = \"cn=delegation-milter,{SUFFIX}\"\ndirectory.bind_password_file = \"{}\"\n",
            slapd.uri("ldaps"),
            slapd.path("tls/ca.pem").display(),
            password.display()
        );
        let setup = Setup::unix(&files.path("milter.sock"), "company.ldif").source(&source).knobs(knobs);
        let milter = setup.start();
        Hostile::new().send(&milter);
        milter.wait_for_log(expected);
        let config = milter.config();
        let mut said = vec![format!("{:?}", Config::load(&config).unwrap()), milter.reload(), milter.log()];
        let password = password.display().to_string();
        let account = format!("cn=delegation-milter,{SUFFIX}");
        for words in [
            &["check"][..],
            &["check", "--json"],
            &["explain", "carl", "bea@example.org"],
            &["explain", "carl", "bea@example.org", "--json"],
            &["list", "bea@example.org"],
            &[
                "grant",
                "send-as",
                "--for",
                "uid=bea,dc=example,dc=org",
                "--to",
                "uid=carl,dc=example,dc=org",
                "--bind-dn",
                &account,
                "--bind-password-file",
                &password,
            ],
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_delegation-milter"))
                .arg("--config")
                .arg(&config)
                .args(words)
                .env("RUST_LOG", "trace")
                .output()
                .unwrap();
            said.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
        }
        for text in said {
            assert!(!text.is_empty() && !text.contains(secret), "{text}");
        }
    }
}

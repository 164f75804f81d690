use std::sync::Arc;

use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

use super::*;
use crate::dn::Dn;
use crate::grant::{Account, Entry};
use crate::message::Recipient;

const NOW: i64 = 1_700_000_000;

const REPLY: &str = "550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn submitter(addresses: &[&str]) -> Submitter {
    let entry = Entry {
        dn: Dn::parse("uid=anna,dc=example,dc=org").unwrap(),
        name: None,
        mail: addresses.iter().map(|text| address(text)).collect(),
        aliases: Default::default(),
        logins_but_mail: ["anna"].into_iter().collect(),
        mail_logs_in: false,
        numbers: Default::default(),
        enabled: None,
        grants: Default::default(),
        security: None,
        is_group: false,
    };
    Submitter { login: "anna".into(), entry: Some(Arc::new(entry)), ..Submitter::default() }
}

/// Each is a path and its parameters.
fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
    let mut arguments = sender.split(' ').map(str::as_bytes);
    let mut envelope = Envelope::read(&mut arguments);
    envelope.recipients =
        recipients.iter().map(|text| Recipient::read(text.split(' ').map(str::as_bytes))).collect();
    envelope
}

fn original(fields: &[(&str, &str)]) -> Original {
    let mut original = Original::default();
    fields.iter().for_each(|(name, body)| original.add(name.as_bytes(), body.as_bytes()));
    original
}

/// A message that is refused, and may be reported on.
struct Scene {
    submitter: Submitter,
    envelope: Envelope,
    original: Original,
    refused: (Role, Address),
    contact: &'static str,
    local_domains: Vec<String>,
    aliases: AddressRules,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            submitter: submitter(&["anna@example.org"]),
            envelope: envelope("<anna@example.org>", &["<to@sink.example>"]),
            original: original(&[("From", " boss@example.org"), ("Message-ID", " <1@client.example>")]),
            refused: (Role::Author, address("boss@example.org")),
            contact: "",
            local_domains: Vec::new(),
            aliases: AddressRules::default(),
        }
    }
}

/// A report like any other.
pub(in crate::bounce) fn any_draft() -> Draft {
    Scene::default().draft().unwrap()
}

impl Scene {
    fn draft(&self) -> Result<Draft, NoReport> {
        let refused = Refused {
            submitter: &self.submitter,
            envelope: &self.envelope,
            original: &self.original,
            queue_id: "4QID",
            address: (self.refused.0, &self.refused.1),
            reply: REPLY,
            contact: self.contact,
        };
        draft(refused, Locality { domains: &self.local_domains, addresses: &self.aliases })
    }

    fn report(&self) -> Report {
        self.draft().unwrap().compose(Some("mail.example.org"), NOW)
    }

    fn read(&self) -> Read {
        read(&self.report())
    }
}

/// A report as mail-parser reads it.
#[derive(Debug)]
struct Read {
    /// The fields at its top.
    top: Vec<(String, String)>,
    report_type: String,
    text: String,
    /// The type and the text of the part for programs, in groups of lines.
    status_type: String,
    groups: Vec<Vec<String>>,
    header_type: String,
    header: Vec<u8>,
}

impl Read {
    fn top(&self, name: &str) -> &str {
        let values: Vec<_> = self.top.iter().filter(|(key, _)| key == name).collect();
        assert_eq!(values.len(), 1, "{name} in {:?}", self.top);
        &values[0].1
    }

    fn recipients(&self) -> Vec<&str> {
        let lines = self.groups[1..].iter().flatten();
        lines.filter_map(|line| line.strip_prefix("Final-Recipient: ")).collect()
    }
}

/// Reads a report, and makes sure that it is one: three parts, and no more.
fn read(report: &Report) -> Read {
    let message = MessageParser::new().parse(&report.octets).unwrap();
    let root = message.root_part();
    let kind = root.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
    let PartType::Multipart(parts) = &root.body else { panic!("{root:?}") };
    let [text, status, header] = parts.as_slice() else { panic!("{parts:?}") };
    let part = |id: &u32| {
        let part = message.part(*id).unwrap();
        let kind = part.content_type().unwrap();
        (format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()), part)
    };
    // What mail-parser takes for a nested message is looked at as it stands.
    let raw = |part: &mail_parser::MessagePart<'_>| {
        let range = usize::try_from(part.offset_body).unwrap()..usize::try_from(part.offset_end).unwrap();
        report.octets[range].to_vec()
    };
    let ((text_type, text), (status_type, status), (header_type, header)) =
        (part(text), part(status), part(header));
    assert_eq!(text_type, "text/plain");
    let status = String::from_utf8(raw(status)).unwrap();
    let groups =
        status.trim_end().split("\r\n\r\n").map(|group| group.lines().map(str::to_owned).collect()).collect();
    let header = match header_type.as_str() {
        "text/rfc822-headers" => header.contents().to_vec(),
        _ => raw(header),
    };
    let top = message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Read {
        top,
        report_type: kind.attribute("report-type").unwrap_or_default().to_owned(),
        text: text.text_contents().unwrap().to_owned(),
        status_type,
        groups,
        header_type,
        header,
    }
}

#[test]
fn a_report() {
    let scene = Scene { contact: "it@example.org", ..Scene::default() };
    let report = scene.report();
    assert_eq!(report.to, address("anna@example.org"));
    let read = read(&report);
    assert_eq!(read.top("From"), "\"Mail Delivery System\" <MAILER-DAEMON@example.org>");
    assert_eq!(read.top("To"), "<anna@example.org>");
    assert_eq!(read.top("Auto-Submitted"), "auto-replied");
    assert_eq!(read.top("Date"), "Tue, 14 Nov 2023 22:13:20 +0000");
    assert_eq!(read.top("Message-ID"), format!("<{}>", report.message_id));
    assert_eq!(
        (read.top("In-Reply-To"), read.top("References")),
        ("<1@client.example>", "<1@client.example>")
    );
    assert_eq!(read.top("MIME-Version"), "1.0");
    assert_eq!(
        (read.report_type.as_str(), read.status_type.as_str()),
        ("delivery-status", "message/delivery-status")
    );
    assert_eq!(
        read.groups,
        [
            vec!["Reporting-MTA: dns; mail.example.org", "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000"],
            vec![
                "Final-Recipient: rfc822; to@sink.example",
                "Action: failed",
                "Status: 5.7.1",
                &format!("Diagnostic-Code: smtp; {REPLY}"),
            ],
        ]
    );
    assert_eq!(read.header_type, "text/rfc822-headers");
    assert_eq!(read.header, b"From: boss@example.org\r\nMessage-ID: <1@client.example>\r\n");
    assert_eq!(
        read.text.replace("\r\n", "\n"),
        format!(
            "Your message was not sent. It has in the From field the address\n\n    <boss@example.org>\n\n\
             and you may not send as or on behalf of this address.\n\
             If you should be allowed to, ask it@example.org.\n\n\
             None of these recipients got it:\n\n    to@sink.example\n\n\
             The server said:\n\n    {REPLY}\n\nThe header of your message is attached.\n"
        )
    );
}

#[test]
fn no_report_but_the_reply() {
    let scene = Scene::default;
    let field = |name, body| original(&[("From", " boss@example.org"), (name, body)]);
    let accounts = |may_send| Submitter {
        account: Some(Arc::new(Account {
            login: "scanner".into(),
            may_send,
            envelope: Vec::new(),
            mode: None,
        })),
        ..Submitter::default()
    };
    let many: Vec<_> = (0..=MAX_LISTED).map(|number| format!("<{number}@sink.example>")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let from = |recipients: &[&str]| envelope("<anna@example.org>", recipients);
    let local = |domains: &[&str]| domains.iter().map(|domain| (*domain).to_owned()).collect::<Vec<_>>();
    for (why, scene) in [
        (NoReport::NullSender, Scene { envelope: envelope("<>", &["<to@sink.example>"]), ..scene() }),
        (NoReport::Automatic, Scene { original: field("Auto-Submitted", " auto-replied"), ..scene() }),
        (NoReport::Automatic, Scene { original: field("Auto-Submitted", " auto-generated"), ..scene() }),
        (NoReport::Report, Scene { original: field("Content-Type", " multipart/report; x=y"), ..scene() }),
        (NoReport::Nobody, Scene { envelope: from(&[]), ..scene() }),
        (NoReport::Nobody, Scene { envelope: from(&["<to@sink.example> NOTIFY=NEVER"]), ..scene() }),
        (NoReport::Nobody, Scene { envelope: from(&["<to@sink.example> notify=success,delay"]), ..scene() }),
        (NoReport::ManyRecipients, Scene { envelope: from(&many), ..scene() }),
        (NoReport::NoMailbox, Scene { submitter: submitter(&[]), ..scene() }),
        (NoReport::NoMailbox, Scene { submitter: accounts(vec![crate::address::Pattern::Any]), ..scene() }),
        (
            NoReport::NotLocal(address("anna@example.org")),
            Scene { local_domains: local(&["example.net"]), ..scene() },
        ),
        (
            NoReport::NotLocal(address("anna@elsewhere.example")),
            Scene {
                submitter: submitter(&["anna@elsewhere.example", "anna@example.org"]),
                local_domains: local(&["example.org"]),
                ..scene()
            },
        ),
        (
            NoReport::NotLocal(address("anna@[192.0.2.1]")),
            Scene { submitter: submitter(&["anna@[192.0.2.1]"]), ..scene() },
        ),
    ] {
        assert_eq!(scene.draft().map(|draft| draft.compose(None, NOW)), Err(why));
    }
    // And where there is one all the same.
    let alias = AddressRules::new("+", [("example.net", "example.org")]).unwrap();
    for scene in [
        scene(),
        Scene { original: field("Auto-Submitted", " no"), ..scene() },
        Scene { local_domains: local(&["example.net", "example.org"]), ..scene() },
        Scene {
            submitter: submitter(&["anna@example.net"]),
            local_domains: local(&["example.org"]),
            aliases: alias,
            ..scene()
        },
        Scene {
            submitter: accounts(vec![crate::address::Pattern::Address(address("scanner@example.org"))]),
            local_domains: local(&["example.org"]),
            ..scene()
        },
    ] {
        assert!(scene.draft().is_ok(), "{:?}", scene.draft());
    }
}

#[test]
fn a_group_for_each_recipient_that_wants_a_report() {
    let recipients = [
        "<a@sink.example>",
        "<b@sink.example> NOTIFY=NEVER",
        "<c@sink.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;c+2Bx@list.example",
        "<d@sink.example> NOTIFY=SUCCESS",
        "<e@sink.example> ORCPT=rfc822;e+0D+0AAction:+20delivered",
        "<f@sink.example> ORCPT=x400;/c=de/s=f/",
        "<postmaster>",
        "<\"g@h\"@sink.example>",
        "<i@sink.example> notify=failure ORCPT=nonsense",
    ];
    let scene = Scene {
        envelope: envelope("<anna@example.org> ENVID=QQ+2B1 RET=HDRS", &recipients),
        ..Scene::default()
    };
    let read = scene.read();
    assert_eq!(read.groups[0][0], "Original-Envelope-Id: QQ+1");
    assert_eq!(
        read.groups[1..].iter().map(|group| group[..group.len() - 3].join("|")).collect::<Vec<_>>(),
        [
            "Final-Recipient: rfc822; a@sink.example",
            "Original-Recipient: rfc822; c+x@list.example|Final-Recipient: rfc822; c@sink.example",
            "Final-Recipient: rfc822; e@sink.example",
            "Original-Recipient: x400; /c=de/s=f/|Final-Recipient: rfc822; f@sink.example",
            "Final-Recipient: rfc822; postmaster",
            "Final-Recipient: rfc822; \"g@h\"@sink.example",
            "Final-Recipient: rfc822; i@sink.example",
        ]
    );
    assert!(read.groups[1..].iter().all(|group| group.contains(&"Action: failed".to_owned())));
}

#[test]
fn many_recipients_are_all_named_to_programs() {
    let recipients: Vec<_> = (0..MAX_LISTED).map(|number| format!("<{number}@sink.example>")).collect();
    let recipients: Vec<_> = recipients.iter().map(String::as_str).collect();
    let read = Scene { envelope: envelope("<anna@example.org>", &recipients), ..Scene::default() }.read();
    assert_eq!(read.recipients().len(), MAX_LISTED);
    assert!(read.text.contains("    19@sink.example\r\n    and 1980 more\r\n"), "{}", read.text);
}

#[test]
fn international_addresses() {
    for (own, to, recipient, types, header) in [
        // Nothing is international.
        (&["anna@example.org"][..], "anna@example.org", "to@sink.example", "message/delivery-status", "a"),
        // A recipient; the header too.
        (
            &["anna@example.org"],
            "anna@example.org",
            "jürgen@sink.example",
            "message/global-delivery-status",
            "ü",
        ),
        // The domain alone: it goes as A-labels.
        (
            &["anna@bücher.example"],
            "anna@xn--bcher-kva.example",
            "to@sink.example",
            "message/delivery-status",
            "a",
        ),
        // The submitter, with an alias that every store takes, and without.
        (
            &["änna@example.org", "anna@example.org"],
            "anna@example.org",
            "to@sink.example",
            "message/delivery-status",
            "a",
        ),
        (&["änna@example.org"], "änna@example.org", "to@sink.example", "message/global-delivery-status", "a"),
    ] {
        let scene = Scene {
            submitter: submitter(own),
            envelope: envelope("<x@example.org> SMTPUTF8", &[&format!("<{recipient}>")]),
            original: original(&[("Subject", &format!(" {header}"))]),
            ..Scene::default()
        };
        let (report, read) = (scene.report(), scene.read());
        assert_eq!(report.to.to_string(), to);
        assert_eq!(read.status_type, types, "{own:?}");
        assert_eq!(read.report_type, types.strip_prefix("message/").unwrap());
        let kind = if recipient.is_ascii() { "rfc822" } else { "utf-8" };
        assert_eq!(read.recipients(), [format!("{kind}; {recipient}")]);
        let header_type = if header.is_ascii() { "text/rfc822-headers" } else { "message/global-headers" };
        assert_eq!(
            (read.header_type.as_str(), read.header),
            (header_type, format!("Subject: {header}\r\n").into())
        );
        let top = report.octets.split(|octet| *octet == b'\n').take_while(|line| *line != b"\r");
        assert_eq!(top.flatten().all(u8::is_ascii), to.is_ascii(), "only the address itself needs SMTPUTF8");
    }
    let orcpt = "<ü@sink.example> ORCPT=utf-8;\\x{FC}\\x{2B}@list.example";
    let read = Scene { envelope: envelope("<x@example.org> SMTPUTF8", &[orcpt]), ..Scene::default() }.read();
    assert_eq!(read.groups[1][0], "Original-Recipient: utf-8; \\x{FC}\\x{2B}@list.example");
}

#[test]
fn a_header_that_cannot_go_as_it_is_is_encoded() {
    for body in [&b" caf\xe9"[..], &[b' '; 1500], &b" \xff\xfe"[..]] {
        let mut original = Original::default();
        original.add(b"Subject", body);
        let read = Scene { original, ..Scene::default() }.read();
        assert_eq!(read.header_type, "text/rfc822-headers");
        let lossy = String::from_utf8_lossy(&[&b"Subject:"[..], body, b"\r\n"].concat()).into_owned();
        assert_eq!(String::from_utf8_lossy(&read.header), lossy);
    }
}

#[test]
fn the_envelope_sender_is_named_as_such() {
    let scene = Scene { refused: (Role::EnvelopeSender, address("boss@example.org")), ..Scene::default() };
    assert!(
        scene.read().text.starts_with("Your message was not sent. It has as the envelope sender the address")
    );
}

#[test]
fn the_same_message_gives_the_same_message_id() {
    let scene = Scene::default();
    let first = scene.report();
    let later = scene.draft().unwrap().compose(Some("other.example.org"), NOW + 3600);
    assert_eq!(later.message_id, first.message_id);
    assert_ne!(later.octets, first.octets);
    for other in [
        Scene { envelope: envelope("<anna@example.org>", &["<other@sink.example>"]), ..Scene::default() },
        Scene { envelope: envelope("<alias@example.org>", &["<to@sink.example>"]), ..Scene::default() },
        Scene { original: original(&[("From", " boss@example.org")]), ..Scene::default() },
    ] {
        assert_ne!(other.report().message_id, first.message_id);
    }
}

#[test]
fn without_a_name_the_domain_stands_for_the_server() {
    let report = Scene::default().draft().unwrap().compose(None, NOW);
    assert_eq!(read(&report).groups[0][0], "Reporting-MTA: dns; example.org");
}

/// A field that tries what it can.
fn field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let names = prop_oneof![
        Just(b"Subject".to_vec()),
        Just(b"--=_boundary".to_vec()),
        Just(b"Content-Type".to_vec()),
        Just(b"Message-ID".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let bodies = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[ -~]{0,40}(\n|\r\n|\r|\n\n)--[ -~]{0,40}(\n|\r\n){0,3}Content-Type: message/delivery-status\n\nAction: delivered".prop_map(String::into_bytes),
        "\\PC{0,60}".prop_map(String::into_bytes),
        Just(vec![b'x'; 1200]),
    ];
    (names, bodies)
}

proptest! {
    #[test]
    fn whatever_the_header_holds_there_is_one_report(
        fields in prop::collection::vec(field(), 0..12),
        recipients in prop::collection::vec("[a-zü]{1,8}@[a-z]{1,8}\\.example", 1..6),
        parameters in "(NOTIFY|ORCPT|ENVID|X)=[!-~ü\r\n]{0,40}",
        contact in prop_oneof![Just(""), Just("ask --me--")],
    ) {
        let mut original = Original::default();
        fields.iter().for_each(|(name, body)| original.add(name, body));
        let mut envelope = envelope("<anna@example.org>", &[]);
        for to in &recipients {
            envelope.recipients.push(Recipient::read([format!("<{to}>").as_bytes()].into_iter()));
        }
        envelope.parameters.push(parameters.clone());
        if let Some(first) = envelope.recipients.first_mut() {
            first.parameters.push(parameters);
        }
        let scene = Scene { envelope, original, contact, ..Scene::default() };
        if let Ok(draft) = scene.draft() {
            let report = draft.compose(Some("mail.example.org"), NOW);
            let read = read(&report);
            let wanted = recipients.len() - read.recipients().len();
            prop_assert!(wanted <= 1, "only the first may be left out: {:?}", read.groups);
            prop_assert_eq!(read.groups.len(), 1 + read.recipients().len());
            for group in &read.groups[1..] {
                let of = |name: &str| group.iter().filter(|line| line.starts_with(name)).count();
                prop_assert_eq!((of("Action: failed"), of("Action:"), of("Final-Recipient: "), of("Status: ")), (1, 1, 1, 1));
                prop_assert!(group.len() <= 5);
            }
            // Lines that SMTP takes, and no end of data among them.
            for line in report.octets.split_inclusive(|octet| *octet == b'\n') {
                prop_assert!(line.ends_with(b"\r\n") && line.len() <= 1000);
                prop_assert!(!line[..line.len() - 2].contains(&b'\r'));
            }
        }
    }
}

#[test]
fn who_logs_in_by_another_name_is_still_the_same() {
    let scene = |login: &str| {
        let mut submitter = submitter(&["anna@example.org", "a.adams@example.org"]);
        submitter.login = login.into();
        Scene { submitter, ..Scene::default() }.draft().unwrap()
    };
    for (login, to) in [
        ("anna", "anna@example.org"),
        ("ANNA@example.org", "anna@example.org"),
        ("a.adams@example.org", "a.adams@example.org"),
    ] {
        assert_eq!(scene(login).to(), &address(to));
        assert_eq!(scene(login).counted(), "anna@example.org", "{login}");
    }
}

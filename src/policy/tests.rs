//! The decision table of the specification, row by row, on plain values.

use super::*;
use crate::address::Pattern;
use crate::calendar::{Component, Method, Party};
use crate::dn::Dn;
use crate::grant::{Account, Context, DecidedBy, Delegate, Grant, Owners, Right, Submitter};
use crate::message::{Envelope, Header, Recipient};

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn dn(name: &str) -> Dn {
    Dn::parse(&format!("uid={name},dc=example,dc=org")).unwrap()
}

/// Somebody at example.org whose grants are pairs of a right and a name.
pub(super) fn entry(name: &str, grants: &[(Right, &str)]) -> Entry {
    let grant = |(right, to): &(Right, &str)| Grant { right: *right, delegate: Delegate::Dn(dn(to)) };
    Entry {
        dn: dn(name),
        name: Some(name.into()),
        mail: [address(&format!("{name}@example.org"))].into(),
        aliases: Default::default(),
        logins_but_mail: [name.to_owned()].into_iter().collect(),
        mail_logs_in: false,
        numbers: Default::default(),
        is_group: false,
        enabled: None,
        security: None,
        grants: grants.iter().map(grant).collect(),
    }
}

/// A company in which anna writes: `behalf`, `as`, `both`, `cal` and `none` are named for what they granted her.
fn company() -> Vec<Entry> {
    use Right::*;
    let mut anna = entry("anna", &[]);
    anna.aliases = [address("a.adams@example.org"), address("\u{e4}nna@example.org")].into();
    let mut boss = entry("behalf", &[(SendOnBehalf, "anna")]);
    boss.aliases = [address("chief@example.org")].into();
    let mut none = entry("none", &[(SendAs, "carl")]);
    none.aliases = [address("bounces+held@example.org")].into();
    let mut utf8 = entry("utf", &[(SendAs, "anna")]);
    utf8.mail = [address("ütf@example.org")].into();
    vec![
        anna,
        boss,
        entry("as", &[(SendAs, "anna")]),
        entry("both", &[(SendOnBehalf, "anna"), (SendAs, "anna")]),
        entry("cal", &[(Schedule, "anna")]),
        entry("group", &[(SendOnBehalf, "team")]),
        none,
        utf8,
    ]
}

pub(crate) fn rules() -> Rules {
    Rules {
        addresses: AddressRules::new("+", [("example.net", "example.org")]).unwrap(),
        grants: GrantRules {
            enabled: true,
            decided_by: DecidedBy::Principal,
            contexts: Vec::<Context>::new(),
            group_members: None,
        },
        prefer: Prefer::SendOnBehalf,
        unknown_author: Choice::Refuse,
        unknown_submitter: Choice::Refuse,
        redirect: Choice::Refuse,
        display_name_address: Choice::Refuse,
        local_domains: vec![],
        on_behalf_display: OnBehalfDisplay::None,
        envelope: EnvelopeRules { check: true, on_behalf: Return::Keep, send_as: Return::Principal },
        sent_copy: None,
        scheduling: SchedulingRules { enabled: false, check_own: false },
    }
}

/// What a table says: header lines, the envelope sender, and what comes of them.
pub(super) struct Scene {
    pub(super) rules: Rules,
    pub(super) company: Vec<Entry>,
    submitter: Submitter,
    pub(super) parameters: &'static [&'static str],
    pub(super) recipients: &'static [&'static str],
    body: Body,
}

impl Scene {
    fn new() -> Self {
        let entry = Arc::new(company().swap_remove(0));
        let groups = vec![Arc::new(entry_of_team())];
        let submitter =
            Submitter { login: "anna".into(), entry: Some(entry), account: None, groups: groups.into() };
        let (company, body) = (company(), Body::Unread);
        Self { rules: rules(), company, submitter, parameters: &[], recipients: &[], body }
    }

    pub(super) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = Self::new();
        change(&mut scene);
        scene
    }

    pub(super) fn answer(&self, header: &str, mail_from: &str) -> Answer {
        let mut fields = Header::default();
        for line in header.lines() {
            let (name, body) = line.split_once(':').unwrap();
            fields.add(name.as_bytes(), body.as_bytes());
        }
        let path = format!("<{mail_from}>");
        let arguments = std::iter::once(path.as_bytes()).chain(self.parameters.iter().map(|p| p.as_bytes()));
        let mut envelope = Envelope::read(arguments);
        let read = |path: &&str| Recipient::read(std::iter::once(path.as_bytes()));
        self.recipients.iter().map(read).for_each(|recipient| envelope.add_recipient(recipient));
        let message = Message::new(self.submitter.login.clone(), envelope, &fields);
        let mut asked: Vec<Address> = message.addresses().into_iter().cloned().collect();
        asked.extend(shown_addresses(&message, &self.submitter, &self.rules));
        // Those of the submitter need not be known.
        asked.retain(|address| !self.submitter.owns(address));
        let mut facts = Facts { submitter: self.submitter.clone(), owners: self.owners(asked) };
        let acting = acting_addresses(&facts, &self.rules, &self.body);
        facts.owners.append(self.owners(acting));
        decide(&message, &facts, &self.rules, &self.body)
    }

    fn owners(&self, addresses: Vec<Address>) -> Owners {
        let mut owners = Owners::default();
        for address in addresses {
            let forms = self.rules.addresses.candidates(&address);
            let holds = |entry: &Entry| forms.iter().any(|form| entry.has(form));
            owners.insert(
                address,
                self.company.iter().filter(|entry| holds(entry)).cloned().map(Arc::new).collect(),
            );
        }
        owners
    }

    /// The answer in the words of the tables: what by, then the Sender, then the envelope.
    fn says(&self, header: &str, mail_from: &str) -> String {
        match self.answer(header, mail_from) {
            Answer::Decided(Verdict::Refuse(refusal)) => format!("{refusal:?}"),
            Answer::Decided(Verdict::Accept(accepted)) => show(&accepted),
            Answer::NeedsBody(question) => format!("body {:?} {}", question.only_scheduling, question.mark),
        }
    }
}

fn entry_of_team() -> Entry {
    entry("team", &[])
}

fn show(accepted: &Accepted) -> String {
    let by = accepted.authors.iter().map(Author::rule).collect::<Vec<_>>().join("+");
    let sender = match &accepted.sender {
        SenderChange::Keep => "keep".to_owned(),
        SenderChange::Remove => "remove".to_owned(),
        SenderChange::Set(SenderMailbox { name, address }) => {
            format!("{} <{address}>", name.as_deref().unwrap_or("-"))
        }
    };
    match &accepted.envelope {
        EnvelopeChange::Keep => format!("{by}; {sender}"),
        EnvelopeChange::Set(address) => format!("{by}; {sender}; {address}"),
    }
}

pub(super) const OWN: &str = "anna@example.org";

#[track_caller]
fn table(scene: &Scene, rows: &[(&str, &str)]) {
    for (header, expected) in rows {
        assert_eq!(scene.says(header, OWN), *expected, "{header}");
    }
}

#[test]
fn own_authors() {
    table(
        &Scene::new(),
        &[
            ("From: anna@example.org", "own; keep"),
            ("From: a.adams@example.org", "own; keep"),
            ("From: anna+x@example.net", "own; keep"),
            ("From: anna@example.org\nSender: anna@example.org", "own; keep"),
            ("From: anna@example.org\nSender: anna <a.adams@example.org>", "own; keep"),
            ("From: anna@example.org\nSender: a.adams@example.org (anna)", "own; keep"),
            ("From: anna@example.org\nSender: =?utf-8?q?anna?= <anna@example.org>", "own; keep"),
            ("From: anna@example.org\nSender: Boss <anna@example.org>", "own; remove"),
            ("From: anna@example.org\nSender: anna@example.org (Boss)", "own; remove"),
            ("From: anna@example.org\nSender: none@example.org", "own; remove"),
            ("From: anna@example.org\nSender: junk", "own; remove"),
            ("From: anna@example.org\nSender: anna@example.org\nSender: anna@example.org", "own; remove"),
            ("From: anna@example.org, a.adams@example.org", "own+own; anna <anna@example.org>"),
            ("From: anna@example.org, a.adams@example.org\nSender: a.adams@example.org", "own+own; keep"),
            (
                "From: anna@example.org, a.adams@example.org\nSender: Boss <a.adams@example.org>",
                "own+own; anna <a.adams@example.org>",
            ),
        ],
    );
}

#[test]
fn authors_who_granted_something() {
    table(
        &Scene::new(),
        &[
            ("From: behalf@example.org", "on-behalf; anna <anna@example.org>"),
            ("From: chief@example.org", "on-behalf; anna <anna@example.org>"),
            ("From: behalf+x@example.net", "on-behalf; anna <anna@example.org>"),
            ("From: group@example.org", "on-behalf; anna <anna@example.org>"),
            ("From: behalf@example.org\nSender: anna@example.org", "on-behalf; keep"),
            ("From: behalf@example.org\nSender: anna <a.adams@example.org>", "on-behalf; keep"),
            (
                "From: behalf@example.org\nSender: X <a.adams@example.org>",
                "on-behalf; anna <a.adams@example.org>",
            ),
            ("From: behalf@example.org\nSender: behalf@example.org", "on-behalf; anna <anna@example.org>"),
            ("From: behalf@example.org\nSender: a@b\nSender: a@b", "on-behalf; anna <anna@example.org>"),
            ("From: as@example.org", "send-as; keep; as@example.org"),
            ("From: as@example.org\nSender: anna@example.org", "send-as; remove; as@example.org"),
            ("From: both@example.org", "on-behalf; anna <anna@example.org>"),
            ("From: as@example.org, anna@example.org", "send-as+own; as <as@example.org>; as@example.org"),
            ("From: anna@example.org, as@example.org", "own+send-as; as <as@example.org>; as@example.org"),
            (
                "From: anna@example.org, as@example.org\nSender: as@example.org",
                "own+send-as; keep; as@example.org",
            ),
            (
                "From: anna@example.org, as@example.org\nSender: anna <as@example.org>",
                "own+send-as; as <as@example.org>; as@example.org",
            ),
            ("From: as@example.org, behalf@example.org", "send-as+on-behalf; anna <anna@example.org>"),
        ],
    );
}

#[test]
fn refused_authors() {
    table(
        &Scene::new(),
        &[
            ("From: none@example.org", "NotAllowed(Author, <none@example.org>)"),
            ("From: cal@example.org", "NotAllowed(Author, <cal@example.org>)"),
            ("From: nobody@example.org", "NotAllowed(Author, <nobody@example.org>)"),
            ("From: x@foreign.example", "NotAllowed(Author, <x@foreign.example>)"),
            ("From: anna@[192.0.2.1]", "NotAllowed(Author, <anna@[192.0.2.1]>)"),
            ("From: anna@example.org, none@example.org", "NotAllowed(Author, <none@example.org>)"),
            ("From: as@example.org, none@example.org", "NotAllowed(Author, <none@example.org>)"),
            ("From: none@example.org\nSender: anna@example.org", "NotAllowed(Author, <none@example.org>)"),
            (
                "From: none@example.org\nResent-From: anna@example.org",
                "NotAllowed(Author, <none@example.org>)",
            ),
            ("To: x", "From(Missing)"),
            ("From: anna@example.org\nFrom: anna@example.org", "From(Repeated(2))"),
            ("From: junk <", "From(Malformed(Unpaired))"),
        ],
    );
}

#[test]
fn senders_without_end() {
    let with = |count| format!("From: anna@example.org\n{}", "Sender: anna@example.org\n".repeat(count));
    table(&Scene::new(), &[(&with(32), "own; remove"), (&with(33), "Senders(33)")]);
}

#[test]
fn preferring_send_as() {
    let scene = Scene::with(|scene| scene.rules.prefer = Prefer::SendAs);
    table(
        &scene,
        &[
            ("From: both@example.org", "send-as; keep; both@example.org"),
            ("From: behalf@example.org", "on-behalf; anna <anna@example.org>"),
        ],
    );
}

#[test]
fn delegation_not_enabled() {
    let scene = Scene::with(|scene| scene.rules.grants.enabled = false);
    table(
        &scene,
        &[
            ("From: behalf@example.org", "NotAllowed(Author, <behalf@example.org>)"),
            ("From: both@example.org", "send-as; keep; both@example.org"),
        ],
    );
}

#[test]
fn unknown_authors() {
    let scene = Scene::with(|scene| scene.rules.unknown_author = Choice::Accept);
    table(
        &scene,
        &[
            ("From: nobody@example.org", "unknown; keep"),
            ("From: x@foreign.example\nSender: x@foreign.example", "unknown; remove"),
            ("From: x@foreign.example, anna@example.org", "unknown+own; anna <anna@example.org>"),
            ("From: none@example.org", "NotAllowed(Author, <none@example.org>)"),
        ],
    );
}

#[test]
fn redirected_mail() {
    let scene = Scene::with(|scene| scene.rules.redirect = Choice::Accept);
    table(
        &scene,
        &[
            ("From: x@foreign.example\nResent-From: anna@example.org", "unknown; keep"),
            ("From: x@foreign.example", "NotAllowed(Author, <x@foreign.example>)"),
            (
                "From: x@foreign.example\nSender: y@foreign.example\nResent-From: anna@example.org",
                "unknown; keep",
            ),
            (
                "From: x@foreign.example, y@foreign.example\nResent-From: anna@example.org",
                "unknown+unknown; keep",
            ),
            (
                "From: x@foreign.example\nSender: a@b.example\nSender: a@b.example\nResent-From: anna@example.org",
                "unknown; remove",
            ),
            (
                "From: x@foreign.example, behalf@example.org\nResent-From: anna@example.org",
                "unknown+on-behalf; anna <anna@example.org>",
            ),
            (
                "From: anna@example.org\nSender: x@foreign.example\nResent-From: anna@example.org",
                "own; remove",
            ),
            (
                "From: none@example.org\nResent-From: anna@example.org",
                "NotAllowed(Author, <none@example.org>)",
            ),
            (
                "From: x@foreign.example\nResent-From: behalf@example.org",
                "NotAllowed(Author, <x@foreign.example>)",
            ),
        ],
    );
    table(
        &Scene::new(),
        &[
            ("From: anna@example.org\nResent-From: behalf@example.org", "own; keep"),
            (
                "From: anna@example.org\nResent-From: none@example.org",
                "NotAllowed(Resender, <none@example.org>)",
            ),
            ("From: anna@example.org\nResent-From: x@y.example", "NotAllowed(Resender, <x@y.example>)"),
            ("From: anna@example.org\nResent-From: junk <", "ResentFrom(Unpaired)"),
        ],
    );
}

#[test]
fn display_text() {
    table(
        &Scene::new(),
        &[
            ("From: \"anna@example.org\" <anna@example.org>", "own; keep"),
            ("From: \"'a.adams@example.org'\" <anna@example.org>", "own; keep"),
            ("From: \"behalf@example.org\" <anna@example.org>", "own; keep"),
            ("From: \"x@foreign.example\" <anna@example.org>", "own; keep"),
            ("From: \"none@example.org\" <anna@example.org>", "Shown(\"none@example.org\")"),
            ("From: \"nobody@example.net\" <anna@example.org>", "Shown(\"nobody@example.net\")"),
            ("From: \"a..b@example.org\" <anna@example.org>", "Shown(\"a..b@example.org\")"),
            ("From: anna@example.org (none@example.org)", "Shown(\"none@example.org\")"),
            ("From: =?utf-8?q?none=40example.org?= <anna@example.org>", "From(Malformed(HiddenAddress))"),
            ("From: none\"@example.org\" <anna@example.org>", "Shown(\"none@example.org\")"),
            ("From: \"none\\\"@example.org\" <anna@example.org>", "From(Malformed(Backslash))"),
            ("From: =?utf-8?q?none=00=40example.org?= <anna@example.org>", "From(Malformed(HiddenAddress))"),
            ("From: \"a\u{202e}b\" <anna@example.org>", "Misdirecting"),
            ("From: =?utf-8?B?YeKArmI=?= <anna@example.org>", "Misdirecting"),
            (
                "From: anna@example.org\nResent-From: \"none@example.org\" <anna@example.org>",
                "Shown(\"none@example.org\")",
            ),
        ],
    );
    let accepting = Scene::with(|scene| scene.rules.display_name_address = Choice::Accept);
    table(
        &accepting,
        &[
            ("From: \"none@example.org\" <anna@example.org>", "own; keep"),
            ("From: \"a\u{202e}b\" <anna@example.org>", "Misdirecting"),
        ],
    );
    let local = Scene::with(|scene| scene.rules.local_domains = vec!["foreign.example".into()]);
    table(&local, &[("From: \"x@foreign.example\" <anna@example.org>", "Shown(\"x@foreign.example\")")]);
    let many = (0..40).map(|i| format!("anna+{i}@example.org")).collect::<Vec<_>>().join(" ");
    // More than are looked up count as not allowed.
    table(
        &Scene::new(),
        &[(&format!("From: \"{many}\" <anna@example.org>"), "Shown(\"anna+16@example.org\")")],
    );
}

#[test]
fn envelope_senders() {
    for (from, mail_from, expected) in [
        ("anna", "", "own; keep"),
        ("anna", "a.adams+x@example.org", "own; keep"),
        ("anna", "@relay.example:anna@example.org", "own; keep"),
        ("anna", "behalf@example.org", "own; keep"),
        ("anna", "none@example.org", "NotAllowed(EnvelopeSender, <none@example.org>)"),
        ("anna", "cal@example.org", "NotAllowed(EnvelopeSender, <cal@example.org>)"),
        ("anna", "x@foreign.example", "NotAllowed(EnvelopeSender, <x@foreign.example>)"),
        ("anna", "plain", "ReversePath(\"plain\")"),
        ("none", "", "NotAllowed(Author, <none@example.org>)"),
        ("as", "", "send-as; keep"),
        ("as", "as+x@example.net", "send-as; keep"),
        ("as", "behalf@example.org", "send-as; keep; as@example.org"),
    ] {
        assert_eq!(
            Scene::new().says(&format!("From: {from}@example.org"), mail_from),
            expected,
            "{from} {mail_from}"
        );
    }
    let unchecked = Scene::with(|scene| scene.rules.envelope.check = false);
    assert_eq!(unchecked.says("From: anna@example.org", "none@example.org"), "own; keep");
    assert_eq!(unchecked.says("From: anna@example.org", "plain"), "own; keep");
    assert_eq!(unchecked.says("From: as@example.org", "plain"), "send-as; keep; as@example.org");
}

#[test]
fn envelope_rewriting() {
    use Return::*;
    for (on_behalf, send_as, from, mail_from, envelope) in [
        (Delegate, Keep, "behalf", "behalf@example.org", "; anna@example.org"),
        (Delegate, Keep, "behalf", "a.adams@example.org", ""),
        (Delegate, Keep, "behalf", "", ""),
        (Principal, Keep, "behalf", "anna@example.org", "; behalf@example.org"),
        (Principal, Keep, "behalf", "chief@example.org", ""),
        (Keep, Keep, "behalf", "anna@example.org", ""),
        (Principal, Keep, "as", "anna@example.org", ""),
        (Keep, Principal, "as", "anna@example.org", "; as@example.org"),
    ] {
        let scene = Scene::with(|scene| {
            scene.rules.envelope.on_behalf = on_behalf;
            scene.rules.envelope.send_as = send_as;
        });
        let says = scene.says(&format!("From: {from}@example.org"), mail_from);
        let start = if from == "as" { "send-as; keep" } else { "on-behalf; anna <anna@example.org>" };
        assert_eq!(says, format!("{start}{envelope}"), "{on_behalf:?} {send_as:?} {from} {mail_from}");
    }
}

#[test]
fn addresses_that_are_not_ascii() {
    let utf8_anna = |parameters| {
        Scene::with(|scene| {
            let mut entry = company().swap_remove(0);
            entry.mail = [address("\u{e4}nna@example.org")].into();
            scene.submitter.entry = Some(Arc::new(entry));
            scene.parameters = parameters;
        })
    };
    let from = "From: behalf@example.org";
    assert_eq!(utf8_anna(&["SMTPUTF8"]).says(from, ""), "on-behalf; anna <\u{e4}nna@example.org>");
    assert_eq!(utf8_anna(&[]).says(from, ""), "on-behalf; anna <a.adams@example.org>");
    assert_eq!(Scene::new().says("From: ütf@example.org", ""), "send-as; keep");
    assert_eq!(Scene::new().says("From: ütf@example.org", OWN), "NeedsSmtpUtf8(<\u{fc}tf@example.org>)");
}

#[test]
fn accounts() {
    let account = |may_send: &[&str], envelope: &[&str]| {
        let patterns = |list: &[&str]| list.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        Some(Arc::new(Account {
            login: "scanner".into(),
            may_send: patterns(may_send),
            envelope: patterns(envelope),
            mode: None,
        }))
    };
    let scanner = |may_send: &[&str], envelope: &[&str]| {
        Scene::with(|scene| {
            scene.submitter = Submitter {
                login: "scanner".into(),
                account: account(may_send, envelope),
                ..Default::default()
            }
        })
    };
    let strict = scanner(&["scanner@example.org", "*@tickets.example"], &[]);
    for (from, mail_from, expected) in [
        ("scanner@example.org", "scanner@example.org", "own; keep"),
        ("scanner+x@example.net", "", "own; keep"),
        ("a@tickets.example", "b@tickets.example", "own; keep"),
        ("none@example.org", "", "NotAllowed(Author, <none@example.org>)"),
        ("scanner@example.org", "none@example.org", "NotAllowed(EnvelopeSender, <none@example.org>)"),
        ("a@tickets.example, scanner@example.org", "", "own+own; - <scanner@example.org>"),
        ("\"none@tickets.example\" <a@tickets.example>", "", "own; keep"),
        ("\"none@example.org\" <a@tickets.example>", "", "Shown(\"none@example.org\")"),
    ] {
        assert_eq!(strict.says(&format!("From: {from}"), mail_from), expected, "{from} {mail_from}");
    }
    let open = scanner(&["*"], &["*"]);
    assert_eq!(open.says("From: none@example.org", "x@foreign.example"), "own; keep");
    assert_eq!(open.says("From: a@b.example, c@d.example", ""), "NoAddress");
    let besides =
        Scene::with(|scene| scene.submitter.account = account(&["list@example.org"], &["*@bounce.example"]));
    assert_eq!(besides.says("From: list@example.org", "x@bounce.example"), "own; keep");
    let list = scanner(&["list@example.org"], &["bounces@example.org", "*@[192.0.2.1]"]);
    for (mail_from, expected) in [
        ("bounces+bea=x.example@example.org", "own; keep"),
        ("bounces+bea=x.example@example.net", "own; keep"),
        ("bounces@[192.0.2.1]", "own; keep"),
        ("bounces+held@example.org", "NotAllowed(EnvelopeSender, <bounces+held@example.org>)"),
        ("none@example.org", "NotAllowed(EnvelopeSender, <none@example.org>)"),
    ] {
        assert_eq!(list.says("From: list@example.org", mail_from), expected, "{mail_from}");
    }
    assert_eq!(besides.says("From: behalf@example.org", ""), "on-behalf; anna <anna@example.org>");
}

#[test]
fn unknown_logins() {
    let nobody = |choice| {
        Scene::with(|scene| {
            scene.submitter = Submitter { login: "nobody".into(), ..Default::default() };
            scene.rules.unknown_submitter = choice;
        })
    };
    assert_eq!(nobody(Choice::Refuse).says("From: x@foreign.example", ""), "UnknownLogin(\"nobody\")");
    let accepted = nobody(Choice::Accept);
    assert_eq!(accepted.says("From: behalf@example.org", ""), "NotAllowed(Author, <behalf@example.org>)");
    assert_eq!(accepted.says("From: x@foreign.example", ""), "NotAllowed(Author, <x@foreign.example>)");
}

/// A calendar component: its method, ORGANIZER and ATTENDEEs, each an address or `address by delegate`.
fn component(method: Method, organizer: &str, attendees: &[&str]) -> Component {
    let party = |text: &str| {
        let (who, delegate) = text.split_once(" by ").unwrap_or((text, ""));
        let sent_by = (!delegate.is_empty()).then(|| Address::parse(delegate).ok()).into_iter().collect();
        Party { address: Address::parse(who).ok(), sent_by }
    };
    let organizers = if organizer.is_empty() { vec![] } else { vec![party(organizer)] };
    Component { method, organizers, attendees: attendees.iter().map(|text| party(text)).collect() }
}

fn invitation(components: &[Component]) -> Body {
    Body::Read(Reading { is_invitation: true, components: components.to_vec(), unread: None })
}

fn scheduling_scene(check_own: bool, body: Body) -> Scene {
    Scene::with(|scene| {
        scene.rules.scheduling = SchedulingRules { enabled: true, check_own };
        scene.body = body;
    })
}

fn calendar(from: &str) -> String {
    format!("From: {from}@example.org\nContent-Type: text/calendar; method=REQUEST")
}

const FOREIGN: &str = "x@foreign.example";

#[test]
fn what_the_body_decides() {
    let plain = |from: &str| format!("From: {from}@example.org\nContent-Type: text/plain");
    for (header, unread, too_long) in [
        (calendar("anna"), "own; keep", "own; keep"),
        (calendar("behalf"), "body [] true", "on-behalf; anna <anna@example.org>"),
        (calendar("as"), "body [] true", "send-as; keep; as@example.org"),
        (calendar("cal"), "body [<cal@example.org>] true", "BodyTooLong"),
        (
            calendar("none"),
            "NotAllowed(Author, <none@example.org>)",
            "NotAllowed(Author, <none@example.org>)",
        ),
        (plain("behalf"), "on-behalf; anna <anna@example.org>", "on-behalf; anna <anna@example.org>"),
        (plain("cal"), "NotAllowed(Author, <cal@example.org>)", "NotAllowed(Author, <cal@example.org>)"),
    ] {
        assert_eq!(
            scheduling_scene(false, Body::Unread).says(&header, "anna@example.org"),
            unread,
            "{header}"
        );
        assert_eq!(
            scheduling_scene(false, Body::TooLong).says(&header, "anna@example.org"),
            too_long,
            "{header}"
        );
    }
    let granted_only = scheduling_scene(false, Body::Unread);
    assert_eq!(granted_only.says(&calendar("anna"), "cal@example.org"), "body [<cal@example.org>] false");
    let checked = |body| scheduling_scene(true, body).says(&calendar("anna"), "");
    assert_eq!(
        (checked(Body::Unread), checked(Body::TooLong)),
        ("body [] false".into(), "BodyTooLong".into())
    );
    assert_eq!(scheduling_scene(true, Body::Unread).says(&plain("anna"), ""), "own; keep");
}

#[test]
fn the_right_schedule() {
    use Method::*;
    let cal = "cal@example.org";
    let two = |second| vec![component(Request, cal, &[FOREIGN]), second];
    for (components, allowed) in [
        (vec![component(Request, cal, &[FOREIGN])], true),
        (vec![component(Publish, cal, &[])], true),
        (vec![component(Cancel, "CAL@EXAMPLE.ORG", &[])], true),
        (vec![component(Add, "cal+work@example.org", &[])], true),
        (vec![component(Reply, FOREIGN, &[cal])], true),
        (vec![component(Refresh, FOREIGN, &[cal])], true),
        (vec![component(Counter, FOREIGN, &[cal, "y@foreign.example"])], true),
        (two(component(Request, cal, &[])), true),
        (two(component(Request, "none@example.org", &[])), false),
        (two(component(Request, "", &[])), false),
        (vec![], false),
        (vec![component(Other, cal, &[cal])], false),
        (vec![component(Request, "none@example.org", &[cal])], false),
        (vec![component(Request, "anna@example.org", &[cal])], false),
        (vec![component(Reply, cal, &[FOREIGN])], false),
        (vec![component(Reply, cal, &[])], false),
        (vec![component(Reply, FOREIGN, &[cal, "none@example.org"])], false),
        (vec![component(Refresh, FOREIGN, &[cal, cal])], false),
        (vec![component(Counter, cal, &[FOREIGN])], false),
        (vec![component(Request, "mailto", &[cal])], false),
    ] {
        let expected = if allowed {
            "schedule; anna <anna@example.org>"
        } else {
            "NotAllowed(Author, <cal@example.org>)"
        };
        let body = invitation(&components);
        assert_eq!(
            scheduling_scene(false, body.clone()).says(&calendar("cal"), "anna@example.org"),
            expected,
            "{components:?}"
        );
        // In the envelope it counts for the same messages.
        let own = scheduling_scene(false, body).says(&calendar("anna"), cal);
        assert_eq!(own == "own; keep", allowed, "{own}");
        let other = Body::Read(Reading { is_invitation: false, components, unread: None });
        assert_eq!(
            scheduling_scene(false, other).says(&calendar("cal"), ""),
            "NotAllowed(Author, <cal@example.org>)"
        );
    }
    let mut disabled = scheduling_scene(false, invitation(&[component(Request, cal, &[])]));
    disabled.rules.scheduling.enabled = false;
    assert_eq!(disabled.says(&calendar("cal"), ""), "NotAllowed(Author, <cal@example.org>)");
}

#[test]
fn whose_properties_are_marked() {
    use Method::*;
    let anna = "SENT-BY anna@example.org";
    for (from, components, marks) in [
        (
            "behalf",
            vec![component(Request, "behalf@example.org", &[FOREIGN, "behalf@example.org"])],
            format!("behalf@example.org {anna}"),
        ),
        (
            "behalf",
            vec![component(Request, "chief@example.org", &["behalf@example.org"])],
            format!("chief@example.org {anna}, behalf@example.org {anna}"),
        ),
        (
            "behalf",
            vec![component(Request, "behalf+x@example.org", &[])],
            format!("behalf+x@example.org {anna}"),
        ),
        ("behalf", vec![component(Request, FOREIGN, &[FOREIGN])], String::new()),
        ("behalf", vec![component(Request, "none@example.org", &["anna@example.org"])], String::new()),
        (
            "as",
            vec![component(Request, "as@example.org by anna@example.org", &[])],
            "as@example.org removed".into(),
        ),
        ("cal", vec![component(Reply, FOREIGN, &["cal@example.org"])], format!("cal@example.org {anna}")),
        ("anna", vec![component(Request, "anna@example.org by anna@example.org", &[])], String::new()),
    ] {
        let scene = scheduling_scene(false, invitation(&components));
        let Answer::Decided(Verdict::Accept(accepted)) = scene.answer(&calendar(from), "") else {
            panic!("{from}")
        };
        let said: Vec<_> = accepted
            .sent_by
            .iter()
            .map(|(address, change)| match change {
                SentBy::Set(delegate) => format!("{address} SENT-BY {delegate}"),
                SentBy::Remove => format!("{address} removed"),
            })
            .collect();
        assert_eq!(said.join(", "), marks, "{from}");
    }
}

#[test]
fn sent_by_names_the_sender_that_recipients_see() {
    let body = || invitation(&[component(Method::Request, "behalf@example.org", &[])]);
    for (sender, expected) in [
        ("", "anna@example.org"),
        ("\nSender: a.adams@example.org", "a.adams@example.org"),
        ("\nSender: none@example.org", "anna@example.org"),
        ("\nSender: anna <anna@example.org>", "anna@example.org"),
    ] {
        let header = format!("{}{sender}", calendar("behalf"));
        let Answer::Decided(Verdict::Accept(accepted)) = scheduling_scene(false, body()).answer(&header, "")
        else {
            panic!("{header}")
        };
        assert_eq!(
            accepted.sent_by,
            [(address("behalf@example.org"), SentBy::Set(address(expected)))],
            "{header}"
        );
    }
}

#[test]
fn checked_actors() {
    use Method::*;
    let (none, refused) = ("none@example.org", "NotActor(<none@example.org>)");
    for (components, expected) in [
        (vec![component(Request, none, &[])], "own; keep"),
        (vec![component(Publish, none, &[])], "own; keep"),
        (vec![component(Request, "none@example.org by anna@example.org", &[])], refused),
        (vec![component(Request, "none@example.org by x@foreign.example", &[])], "own; keep"),
        (
            vec![component(Publish, "x@foreign.example by anna+a@example.org", &[])],
            "NotActor(<x@foreign.example>)",
        ),
        (vec![component(Cancel, none, &[])], refused),
        (vec![component(Add, none, &[])], refused),
        (vec![component(DeclineCounter, none, &[])], refused),
        (vec![component(Cancel, FOREIGN, &[])], "own; keep"),
        (vec![component(Cancel, "anna@example.org", &[none])], "own; keep"),
        (vec![component(Cancel, "behalf@example.org", &[])], "own; keep"),
        (vec![component(Request, "behalf@example.org by anna@example.org", &[])], "own; keep"),
        (vec![component(Reply, FOREIGN, &[none])], refused),
        (vec![component(Reply, none, &["anna@example.org"])], "own; keep"),
        (vec![component(Reply, FOREIGN, &["anna@example.org", none])], refused),
        (vec![component(Refresh, FOREIGN, &[none])], refused),
        (vec![component(Counter, FOREIGN, &[none])], refused),
        (vec![component(Counter, FOREIGN, &["anna@example.org", none])], "own; keep"),
        (vec![component(Counter, FOREIGN, &["behalf@example.org", none])], "own; keep"),
        (vec![component(Other, none, &[none])], "own; keep"),
        (vec![component(Reply, FOREIGN, &["mailto"])], "own; keep"),
        (vec![component(Request, FOREIGN, &[]), component(Cancel, none, &[])], refused),
    ] {
        assert_eq!(
            scheduling_scene(true, invitation(&components)).says(&calendar("anna"), ""),
            expected,
            "{components:?}"
        );
        assert_eq!(scheduling_scene(false, invitation(&components)).says(&calendar("anna"), ""), "own; keep");
    }
    let unread = Body::Read(Reading { unread: Some("it is a test".into()), ..Reading::default() });
    assert_eq!(
        scheduling_scene(true, unread.clone()).says(&calendar("anna"), ""),
        "Calendar(\"it is a test\")"
    );
    assert_eq!(scheduling_scene(false, unread).says(&calendar("anna"), ""), "own; keep");
}

#[test]
fn whom_nobody_looked_up_may_not_act() {
    let many: Vec<String> = (0..40).map(|n| format!("n{n}@foreign.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let scene = scheduling_scene(true, invitation(&[component(Method::Reply, "", &many)]));
    assert_eq!(scene.says(&calendar("anna"), ""), "NotActor(<n32@foreign.example>)");
}

/// With one look at all of them for each, this took half a minute.
#[test]
fn the_largest_calendar_is_decided_on_at_once() {
    const MANY: usize = crate::calendar::MAX_SIZE / 2;
    let cal: Vec<_> =
        (0..MANY).map(|n| component(Method::Cancel, &format!("cal+{n}@example.org"), &[])).collect();
    let start = std::time::Instant::now();
    let scene = scheduling_scene(true, invitation(&cal));
    assert_eq!(scene.says(&calendar("cal"), "cal@example.org"), "NotAllowed(Author, <cal@example.org>)");
    let cal = vec![component(Method::Cancel, "cal@example.org", &["cal@example.org"]); MANY];
    let scene = scheduling_scene(true, invitation(&cal));
    assert_eq!(scene.says(&calendar("cal"), "cal@example.org"), "schedule; anna <anna@example.org>");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn what_was_never_asked_is_not_allowed() {
    let mut header = Header::default();
    header.add(b"From", b"behalf@example.org");
    let message = Message::new("anna".into(), Envelope::read([&b"<>"[..]].into_iter()), &header);
    let facts = Facts { submitter: Scene::new().submitter, owners: Owners::default() };
    let refused = Refusal::NotAllowed(Role::Author, address("behalf@example.org"));
    assert_eq!(decide(&message, &facts, &rules(), &Body::Unread), Answer::Decided(Verdict::Refuse(refused)));
}

#[test]
fn names_fit_to_be_shown() {
    let named = |name: &str| {
        let scene = Scene::with(|scene| {
            let mut entry = company().swap_remove(0);
            entry.name = Some(name.into());
            scene.submitter.entry = Some(Arc::new(entry));
        });
        scene.says("From: behalf@example.org", "")
    };
    for (name, shown) in [
        ("Anna Adams", "Anna Adams"),
        (" Anna\r\n\u{202e}Adams ", "AnnaAdams"),
        ("boss@example.org", "-"),
        ("boss\u{ff20}example.org", "-"),
        ("=?utf-8?q?boss=40example.org?=", "-"),
        ("=?utf-8?q?boss=EF=BC=A0example.org?=", "-"),
        ("", "-"),
        (&"ä".repeat(100), &*"ä".repeat(64)),
    ] {
        assert_eq!(named(name), format!("on-behalf; {shown} <anna@example.org>"));
    }
}

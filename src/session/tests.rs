//! Dialogues with a session, over a directory that does what a test wants.

use futures_util::FutureExt;

use super::*;
use crate::address::Address;
use crate::config::Accounts;
use crate::directory::lookup::{Forms, LookupRules, Resolver};
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::grant::{Account, Delegate, Entry, Grant, Right, Sid};
use crate::policy;

/// What the directory does when it is asked.
#[derive(Clone, Copy, Debug)]
enum Directed {
    Answer,
    Fail,
    Panic,
}

/// What answers it.
type Found = Resolver<Company>;

/// A directory in which boss lets anna write on behalf, and chair schedule.
#[derive(Clone, Debug)]
struct Company(Directed);

impl Company {
    fn ask(&self) -> Result<[Arc<Entry>; 3], Failure> {
        let company = [
            entry("anna", None),
            entry("boss", Some(Right::SendOnBehalf)),
            entry("chair", Some(Right::Schedule)),
        ];
        match self.0 {
            Directed::Answer => Ok(company.map(Arc::new)),
            Directed::Fail => Err(Failure::Unavailable("it is a test".into())),
            Directed::Panic => panic!("it is a test"),
        }
    }
}

fn dn(name: &str) -> Dn {
    Dn::parse(&format!("uid={name}")).unwrap()
}

/// Somebody who gives anna this right.
fn entry(name: &str, right: Option<Right>) -> Entry {
    let grant = |right| Grant { right, delegate: Delegate::Dn(dn("anna")) };
    Entry {
        dn: dn(name),
        name: None,
        mail: [Address::parse(&format!("{name}@example.org")).unwrap()].into(),
        aliases: Default::default(),
        logins_but_mail: [name].into_iter().collect(),
        mail_logs_in: false,
        numbers: Default::default(),
        is_group: false,
        enabled: None,
        security: None,
        grants: right.into_iter().map(grant).collect(),
    }
}

impl Directory for Company {
    async fn by_login(&self, login: &str, _: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        Ok(self.ask()?.into_iter().find(|entry| entry.logins().any(|own| own == login)))
    }

    async fn by_address(&self, addresses: &[Address], _: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        Ok(self.ask()?.into_iter().filter(|entry| addresses.iter().any(|a| entry.has(a))).collect())
    }

    async fn groups_of(&self, _: &[Arc<Entry>], _: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        self.ask().map(|_| Vec::new())
    }

    async fn by_dn(&self, dn: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        Ok(self.ask()?.into_iter().find(|entry| entry.dn == *dn))
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<Arc<Entry>>, Failure> {
        Ok(self.ask()?.into_iter().find(|entry| entry.sid() == Some(sid)))
    }
}

fn site(directed: Directed, mode: Mode) -> Site<Found> {
    let watched =
        Account { login: "watched".into(), may_send: vec![], envelope: vec![], mode: Some(Mode::Observe) };
    let mut rules = policy::tests::rules();
    rules.scheduling.enabled = true;
    let lookup = LookupRules {
        forms: Forms { realms: vec![], addresses: rules.addresses.clone() },
        group_depth: 16,
        grants: rules.grants.clone(),
    };
    Site {
        lookup: Resolver::new(Company(directed), lookup),
        rules,
        accounts: Accounts::from_iter([watched]),
        mode,
        unauthenticated: Choice::Accept,
        contact: String::new(),
        bounces: None,
        max_body: 1 << 20,
        metrics: Arc::default(),
    }
}

/// All that an MTA can send.
const STEPS: Steps = Steps { recipients: true, body: true };

fn session(site: Site<Found>) -> (Session<Found>, watch::Sender<Arc<Site<Found>>>, Transactions) {
    let (sender, receiver) = watch::channel(Arc::new(site));
    let transactions = Transactions::default();
    (Session::new(receiver, transactions.clone(), STEPS), sender, transactions)
}

fn mail(session: &mut Session<Found>, login: Option<&str>) -> Outcome {
    let envelope = Envelope::read([&b"<anna@example.org>"[..]].into_iter());
    session.mail(login.map(str::to_owned), envelope)
}

async fn message(session: &mut Session<Found>, login: &str, from: &str) -> Outcome {
    assert_eq!(mail(session, Some(login)), Outcome::Continue);
    session.header(b"From", from.as_bytes());
    session.end_of_header("4QID").await
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Accept => "accept",
        Outcome::Continue => "continue",
        Outcome::Discard => "discard",
        Outcome::Refuse(reply) => reply.code,
    }
}

#[tokio::test]
async fn verdicts() {
    for (directed, mode, login, from, expected) in [
        (Directed::Answer, Mode::Enforce, "anna", "anna@example.org", "accept"),
        (Directed::Answer, Mode::Enforce, "anna", "boss@example.org", "continue"),
        (Directed::Answer, Mode::Enforce, "boss", "anna@example.org", "550"),
        (Directed::Answer, Mode::Enforce, "", "anna@example.org", "550"),
        (Directed::Answer, Mode::Enforce, "anna", "junk <", "554"),
        (Directed::Answer, Mode::Observe, "anna", "boss@example.org", "accept"),
        (Directed::Answer, Mode::Observe, "boss", "anna@example.org", "accept"),
        (Directed::Answer, Mode::Enforce, "WATCHED", "anna@example.org", "accept"),
        (Directed::Fail, Mode::Enforce, "anna", "anna@example.org", "451"),
        (Directed::Fail, Mode::Observe, "anna", "anna@example.org", "accept"),
        (Directed::Panic, Mode::Enforce, "anna", "anna@example.org", "451"),
        (Directed::Panic, Mode::Observe, "anna", "anna@example.org", "accept"),
    ] {
        let (mut session, _sender, _) = session(site(directed, mode));
        let outcome = message(&mut session, login, from).await;
        assert_eq!(code(&outcome), expected, "{directed:?} {mode:?} {login} {from}");
    }
}

#[tokio::test]
async fn modifications_are_due_once() {
    let (mut session, _sender, _) = session(site(Directed::Answer, Mode::Enforce));
    assert_eq!(message(&mut session, "anna", "boss@example.org").await, Outcome::Continue);
    let End { outcome, modifications, .. } = session.end_of_message("4QID").await;
    assert_eq!(outcome, Outcome::Accept);
    assert!(
        matches!(&modifications[..], [Modification::AddSender(body)] if body.as_str() == "<anna@example.org>")
    );
    assert_eq!(code(&session.end_of_message("4QID").await.outcome), "451");
}

#[tokio::test]
async fn nothing_of_one_message_reaches_the_next() {
    let (mut session, _sender, _) = session(site(Directed::Answer, Mode::Enforce));
    assert_eq!(message(&mut session, "anna", "boss@example.org").await, Outcome::Continue);
    assert_eq!(code(&message(&mut session, "boss", "anna@example.org").await), "550");
    assert_eq!(code(&session.end_of_message("4QID").await.outcome), "451");
    mail(&mut session, Some("anna"));
    session.header(b"From", b"anna@example.org");
    session.abort();
    assert_eq!(code(&session.end_of_header("").await), "451");
    assert_eq!(message(&mut session, "anna", "anna@example.org").await, Outcome::Accept);
}

#[tokio::test]
async fn without_a_login() {
    let (mut accepting, _sender, _) = session(site(Directed::Fail, Mode::Enforce));
    assert_eq!(mail(&mut accepting, None), Outcome::Accept);
    let refuse = Site { unauthenticated: Choice::Refuse, ..site(Directed::Fail, Mode::Enforce) };
    let (mut refusing, _sender, _) = session(refuse);
    assert_eq!(code(&mail(&mut refusing, None)), "530");
    let watch = Site { unauthenticated: Choice::Refuse, ..site(Directed::Fail, Mode::Observe) };
    let (mut watching, _sender, _) = session(watch);
    assert_eq!(mail(&mut watching, None), Outcome::Accept);
}

#[tokio::test]
async fn a_header_without_a_message_is_deferred() {
    let (mut session, _sender, _) = session(site(Directed::Answer, Mode::Enforce));
    session.header(b"From", b"anna@example.org");
    assert_eq!(code(&session.end_of_header("").await), "451");
    assert_eq!(code(&session.end_of_message("4QID").await.outcome), "451");
}

/// Which step comes first behind the header is for the MTA and the negotiation to say.
#[tokio::test]
async fn the_verdict_is_the_same_wherever_the_header_ends() {
    let (mut session, _sender, transactions) = session(site(Directed::Answer, Mode::Enforce));
    for (login, from, expected, changes) in [
        ("anna", "anna@example.org", "accept", 0),
        ("anna", "boss@example.org", "accept", 1),
        ("boss", "anna@example.org", "550", 0),
    ] {
        for (steps, shown) in [("NBE", 'N'), ("BE", 'B'), ("NE", 'N'), ("E", 'E'), ("NNBBE", 'N')] {
            mail(&mut session, Some(login));
            session.header(b"From", from.as_bytes());
            let (mut outcome, mut at, mut modifications) = (Outcome::Continue, 'M', Vec::new());
            for step in steps.chars() {
                if outcome != Outcome::Continue {
                    break;
                }
                at = step;
                outcome = match step {
                    'N' => session.end_of_header("4QID").await,
                    'B' => match session.body(b"text", "4QID").await {
                        Next::End(outcome) => outcome,
                        Next::Skip => Outcome::Continue,
                        Next::More => panic!("the body is not needed"),
                    },
                    _ => {
                        let end = session.end_of_message("4QID").await;
                        modifications = end.modifications;
                        end.outcome
                    }
                };
            }
            let said_at = if changes == 0 { shown } else { 'E' };
            assert_eq!(
                (code(&outcome), modifications.len(), at),
                (expected, changes, said_at),
                "{steps} {from}"
            );
        }
    }
    assert_eq!(transactions.counts().0, 15);
}

#[tokio::test]
async fn a_message_keeps_the_configuration_with_which_it_began() {
    let (mut session, sender, _) = session(site(Directed::Answer, Mode::Enforce));
    mail(&mut session, Some("anna"));
    session.header(b"From", b"anna@example.org");
    sender.send_replace(Arc::new(site(Directed::Fail, Mode::Enforce)));
    assert_eq!(session.end_of_header("").await, Outcome::Accept);
    assert_eq!(code(&message(&mut session, "anna", "anna@example.org").await), "451");
}

#[tokio::test]
async fn at_the_end_open_messages_finish_and_new_ones_wait() {
    let (mut first, sender, transactions) = session(site(Directed::Answer, Mode::Enforce));
    let mut second = Session::new(sender.subscribe(), transactions.clone(), STEPS);
    mail(&mut first, Some("anna"));
    transactions.end();
    assert_eq!(code(&mail(&mut second, Some("anna"))), "451");
    assert!(transactions.closed().now_or_never().is_none());
    first.header(b"From", b"boss@example.org");
    assert_eq!(first.end_of_header("").await, Outcome::Continue);
    let due = first.end_of_message("4QID").await;
    assert!(transactions.closed().now_or_never().is_none());
    drop(due);
    assert!(transactions.closed().now_or_never().is_some());
}

/// An invitation from this organizer, in two pieces.
fn invitation(organizer: &str) -> [String; 2] {
    let head = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nORGANI";
    [head.to_owned(), format!("ZER:mailto:{organizer}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")]
}

/// Begins a message with a calendar.
async fn begin(session: &mut Session<Found>, login: &str, from: &str) -> Outcome {
    assert_eq!(mail(session, Some(login)), Outcome::Continue);
    session.header(b"From", from.as_bytes());
    session.header(b"Content-Type", b" text/calendar; method=REQUEST");
    session.end_of_header("4QID").await
}

/// Sends an invitation from its author to the end.
async fn invite(session: &mut Session<Found>, login: &str, from: &str) -> End {
    assert_eq!(begin(session, login, from).await, Outcome::Continue);
    for piece in invitation(from) {
        assert_eq!(session.body(piece.as_bytes(), "4QID").await, Next::More);
    }
    session.end_of_message("4QID").await
}

#[tokio::test]
async fn a_calendar_on_behalf_is_marked() {
    let (mut session, _sender, _) = session(site(Directed::Answer, Mode::Enforce));
    for from in ["boss@example.org", "chair@example.org"] {
        let End { outcome, modifications, .. } = invite(&mut session, "anna", from).await;
        assert_eq!(outcome, Outcome::Accept);
        let marked =
            invitation(from).concat().replace("ORGANIZER:", "ORGANIZER;SENT-BY=\"mailto:anna@example.org\":");
        let [Modification::AddSender(_), Modification::ReplaceBody(body)] = &modifications[..] else {
            panic!("{modifications:?}")
        };
        assert_eq!(String::from_utf8_lossy(body).replace("\r\n ", ""), marked);
    }
    let (mut watched, _sender, _) = self::session(site(Directed::Answer, Mode::Observe));
    let End { outcome, modifications, .. } = invite(&mut watched, "anna", "boss@example.org").await;
    assert_eq!((outcome, modifications), (Outcome::Accept, vec![]));
}

#[tokio::test]
async fn a_long_body_is_judged_as_any_other() {
    let (mut session, _sender, _) = session(site(Directed::Answer, Mode::Enforce));
    let text = "X-TEXT:as long as it gets\r\n".repeat(LONG / 20);
    let long = |organizer| invitation(organizer).concat().replace("END:VEVENT", &format!("{text}END:VEVENT"));
    for (organizer, code, changes) in [("chair@example.org", "accept", 2), ("boss@example.org", "550", 0)] {
        assert_eq!(begin(&mut session, "anna", "chair@example.org").await, Outcome::Continue);
        assert_eq!(session.body(long(organizer).as_bytes(), "4QID").await, Next::More);
        let End { outcome, modifications, .. } = session.end_of_message("4QID").await;
        assert_eq!((self::code(&outcome), modifications.len()), (code, changes), "{organizer}");
    }
}

#[tokio::test]
async fn the_right_to_schedule_is_for_the_principals_invitations() {
    let (mut session, _sender, _) = session(site(Directed::Answer, Mode::Enforce));
    assert_eq!(begin(&mut session, "anna", "chair@example.org").await, Outcome::Continue);
    let text = invitation("boss@example.org").concat();
    assert_eq!(session.body(text.as_bytes(), "4QID").await, Next::More);
    let End { outcome, modifications, .. } = session.end_of_message("4QID").await;
    assert_eq!((code(&outcome), modifications), ("550", vec![]));
}

#[tokio::test]
async fn a_body_that_is_too_long_stays_unread() {
    let (mut session, _sender, _) = session(site(Directed::Answer, Mode::Enforce));
    for (from, expected, changes) in [("boss@example.org", "accept", 1), ("chair@example.org", "552", 0)] {
        assert_eq!(begin(&mut session, "anna", from).await, Outcome::Continue);
        assert_eq!(session.body(&vec![b'a'; 1 << 20], "4QID").await, Next::More);
        assert_eq!(session.body(b"a", "4QID").await, Next::Skip);
        assert_eq!(session.body(b"a", "4QID").await, Next::Skip);
        let End { outcome, modifications, .. } = session.end_of_message("4QID").await;
        assert_eq!((code(&outcome), modifications.len()), (expected, changes), "{from}");
    }
}

#[tokio::test]
async fn without_room_for_the_body_the_message_is_deferred() {
    let mut site = site(Directed::Answer, Mode::Enforce);
    site.max_body = crate::bodies::MAX_HELD;
    let (mut first, sender, transactions) = session(site);
    let mut second = Session::new(sender.subscribe(), transactions.clone(), STEPS);
    assert_eq!(begin(&mut first, "anna", "boss@example.org").await, Outcome::Continue);
    assert_eq!(first.body(&vec![b'a'; crate::bodies::MAX_HELD], "4QID").await, Next::More);
    assert_eq!(begin(&mut second, "anna", "boss@example.org").await, Outcome::Continue);
    let Next::End(outcome) = second.body(b"a", "4QID").await else { panic!("there is room") };
    assert_eq!(code(&outcome), "451");
    assert_eq!(code(&second.end_of_message("4QID").await.outcome), "451");
    first.abort();
    assert_eq!(invite(&mut second, "anna", "boss@example.org").await.outcome, Outcome::Accept);
    assert_eq!(transactions.counts(), (3, 3));
}

#[tokio::test]
async fn what_the_mta_was_not_asked_for_is_not_missed_in_silence() {
    let (sender, receiver) = watch::channel(Arc::new(site(Directed::Answer, Mode::Enforce)));
    let mut session = Session::new(receiver, Transactions::default(), Steps { body: false, ..STEPS });
    assert_eq!(code(&begin(&mut session, "anna", "boss@example.org").await), "451");
    assert_eq!(begin(&mut session, "anna", "anna@example.org").await, Outcome::Accept);
    drop(sender);
}

/// A slow relay would else keep everybody's calendars out.
#[tokio::test]
async fn the_body_is_let_go_before_the_report_is_sent() {
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut site = site(Directed::Answer, Mode::Enforce);
    let port = relay.local_addr().unwrap().port();
    let silent = crate::bounce::relay::Relay::new("127.0.0.1", port);
    site.bounces = Some(Arc::new(crate::bounce::Bounces::new(silent, None)));
    let (mut session, _sender, transactions) = session(site);
    assert_eq!(mail(&mut session, Some("anna")), Outcome::Continue);
    session.recipient(Recipient::read([&b"<to@sink.example>"[..]].into_iter()));
    session.header(b"From", b"chair@example.org");
    session.header(b"Content-Type", b" text/calendar; method=REQUEST");
    assert_eq!(session.end_of_header("4QID").await, Outcome::Continue);
    let text = invitation("boss@example.org").concat();
    assert_eq!(session.body(text.as_bytes(), "4QID").await, Next::More);
    let mut end = std::pin::pin!(session.end_of_message("4QID"));
    let _connection = tokio::select! {
        end = &mut end => panic!("{end:?}"),
        connection = relay.accept() => connection.unwrap(),
    };
    let mut body = transactions.open().unwrap().bodies().begin();
    assert!(body.push(&vec![b'a'; crate::bodies::MAX_HELD]).is_ok());
}

#[test]
fn the_address_of_the_client() {
    for (text, address) in [
        ("192.0.2.1", Some("192.0.2.1")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("IPv6:2001:db8::1", Some("2001:db8::1")),
        ("unknown", None),
        ("", None),
        ("192.0.2.1\n", None),
    ] {
        assert_eq!(client_address(text).map(|address| address.to_string()).as_deref(), address, "{text}");
    }
}

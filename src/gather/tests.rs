//! What is asked for a message, and when.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::*;
use crate::config::Accounts;
use crate::directory::lookup::Holders;
use crate::dn::Dn;
use crate::grant::{Entry, Mode, Texts};
use crate::message::{Envelope, Header};
use crate::policy::{self, Choice};

/// A directory in which everybody who logs in is anna, and nobody else has an address.
#[derive(Default)]
struct Asked {
    questions: Mutex<Vec<String>>,
    /// Whether there is an answer about people at once; else when this is notified.
    is_known: bool,
    answered: Notify,
}

impl Asked {
    fn note(&self, question: &str) {
        self.questions.lock().unwrap().push(question.to_owned());
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.questions.lock().unwrap())
    }
}

impl Lookup for Asked {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        self.note(login);
        if !self.is_known {
            self.answered.notified().await;
        }
        let entry = Entry {
            dn: Dn::parse("uid=anna").unwrap(),
            name: None,
            mail: ["anna@example.org", "adams@example.org"].map(|mail| Address::parse(mail).unwrap()).into(),
            aliases: Box::default(),
            logins_but_mail: Texts::default(),
            mail_logs_in: false,
            numbers: Texts::default(),
            is_group: false,
            enabled: None,
            grants: Box::default(),
            security: None,
        };
        Ok(Some(Person { entry: Arc::new(entry), groups: [].into() }))
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        self.note(&address.to_string());
        Ok(Holders::default())
    }
}

fn site(is_known: bool) -> Site<Asked> {
    Site {
        lookup: Asked { is_known, ..Asked::default() },
        rules: policy::tests::rules(),
        accounts: Accounts::from_iter([]),
        mode: Mode::Enforce,
        unauthenticated: Choice::Accept,
        contact: String::new(),
        bounces: None,
        max_body: 1 << 20,
        metrics: Arc::default(),
    }
}

fn message(login: &str, sender: &str, from: &str) -> Message {
    let path = format!("<{sender}>");
    let envelope = Envelope::read(std::iter::once(path.as_bytes()));
    let mut header = Header::default();
    header.add(b"From", format!(" {from}").as_bytes());
    Message::new(login.to_owned(), envelope, &header)
}

#[test]
fn nobody_is_asked_about_what_is_own_and_nobody_waits_longer_than_they_must() {
    // What is asked at once while anna must be looked up, and what then; what is asked if she is remembered.
    for (login, sender, from, at_once, then, remembered) in [
        ("anna", "anna@example.org", "anna@example.org", &[][..], &[][..], &[][..]),
        ("Anna@EXAMPLE.org", "anna@example.org", "Anna <anna@example.org>", &[], &[], &[]),
        // Nothing tells that it is her own, until she is known.
        ("anna", "anna@example.org", "adams@example.org", &["adams@example.org"], &[], &[]),
        ("anna", "anna@example.org", "bea@example.org", &["bea@example.org"], &[], &["bea@example.org"]),
        // It has her name, and is somebody else's.
        (
            "anna",
            "anna@example.org",
            "anna@acme.example",
            &[],
            &["anna@acme.example"],
            &["anna@acme.example"],
        ),
        ("anna", "bea@example.org", "anna@example.org", &[], &["bea@example.org"], &["bea@example.org"]),
        (
            "anna",
            "bea@example.org",
            "bea@example.org, anna@example.org, carl@example.org",
            &["bea@example.org", "carl@example.org"],
            &[],
            &["bea@example.org", "carl@example.org"],
        ),
        (
            "anna",
            "anna@example.org",
            "\"bea@example.org\" <anna@example.org>",
            &[],
            &["bea@example.org"],
            &["bea@example.org"],
        ),
    ] {
        let message = message(login, sender, from);
        let questions = |asked: &[&str]| asked.iter().map(|asked| (*asked).to_owned()).collect::<Vec<_>>();
        let new = site(false);
        let mut facts = Box::pin(facts(&new, &message));
        assert!(facts.as_mut().now_or_never().is_none());
        assert_eq!(new.lookup.taken(), questions(&[&[login], at_once].concat()), "{login}, {from}");
        new.lookup.answered.notify_one();
        let found = facts.now_or_never().unwrap().unwrap();
        assert_eq!(new.lookup.taken(), questions(then), "{login}, {from}");
        for address in message.addresses() {
            assert!(found.submitter.owns(address) || found.owners.get(address).is_some(), "{address}");
        }
        let known = site(true);
        super::facts(&known, &message).now_or_never().unwrap().unwrap();
        assert_eq!(known.lookup.taken(), questions(&[&[login], remembered].concat()), "{login}, {from}");
    }
}

use super::*;
use crate::address::Address;
use crate::bodies::Full;
use crate::bounce::concerns;
use crate::bounce::relay::RelayError;
use crate::directory::Failure;
use crate::judge::Trouble;
use crate::mailbox::FieldError;
use crate::message::FromError;
use crate::policy::{Refusal, Role};

#[test]
fn what_took_how_long() {
    let histogram = Histogram::default();
    for took in [0, 25, 26, 999, 10_000_000, 10_000_001] {
        histogram.observe(Duration::from_micros(took));
    }
    let shown = histogram.shown();
    assert_eq!(shown.count, 6);
    let within = |bound: f64| shown.buckets.iter().find(|(known, _)| *known == bound).unwrap().1;
    assert_eq!((within(0.000_025), within(0.000_05), within(0.001), within(10.0)), (2, 3, 4, 5));
    assert!((shown.sum - 20.001_051).abs() < 1e-9, "{}", shown.sum);
    assert!(shown.buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
}

#[test]
fn words_of_a_closed_list() {
    let words = Words::new(&["one", "two"]);
    words.of("two").one();
    assert_eq!(words.all().collect::<Vec<_>>(), [("one", 0), ("two", 1)]);
    words.of("three").one();
    words.of("four").one();
    assert_eq!(words.all().collect::<Vec<_>>(), [("one", 0), ("two", 1), ("other", 2)]);
}

#[test]
fn several_authors_count_as_the_furthest() {
    for (rules, furthest) in [
        (&["own"][..], "own"),
        (&["own", "on-behalf"], "on-behalf"),
        (&["schedule", "on-behalf", "own"], "schedule"),
        (&["unknown", "own"], "unknown"),
        (&[], "own"),
    ] {
        assert_eq!(Messages::furthest(rules.iter().copied()), furthest, "{rules:?}");
    }
}

#[test]
fn an_open_connection() {
    let metrics = Arc::new(Metrics::default());
    let open = || (metrics.connections.total.get(), metrics.connections.open.get());
    let first = Connected::new(Arc::clone(&metrics));
    let second = Connected::new(Arc::clone(&metrics));
    drop(first);
    assert_eq!(open(), (2, 1));
    drop(second);
    assert_eq!(open(), (2, 0));
}

/// Each refusal after another: whoever adds one meets this match.
fn next(refusal: Option<&Refusal>) -> Option<Refusal> {
    let address = || Address::parse("a@example.org").unwrap();
    Some(match refusal {
        None => Refusal::UnknownLogin(String::new()),
        Some(Refusal::UnknownLogin(_)) => Refusal::From(FromError::Missing),
        Some(Refusal::From(_)) => Refusal::ResentFrom(FieldError::Empty),
        Some(Refusal::ResentFrom(_)) => Refusal::Senders(33),
        Some(Refusal::Senders(_)) => Refusal::NotAllowed(Role::Author, address()),
        Some(Refusal::NotAllowed(Role::Author, _)) => Refusal::NotAllowed(Role::Resender, address()),
        Some(Refusal::NotAllowed(Role::Resender, _)) => Refusal::NotAllowed(Role::EnvelopeSender, address()),
        Some(Refusal::NotAllowed(Role::EnvelopeSender, _)) => Refusal::ReversePath(String::new()),
        Some(Refusal::ReversePath(_)) => Refusal::Recipients,
        Some(Refusal::Recipients) => Refusal::Shown(String::new()),
        Some(Refusal::Shown(_)) => Refusal::Misdirecting,
        Some(Refusal::Misdirecting) => Refusal::NeedsSmtpUtf8(address()),
        Some(Refusal::NeedsSmtpUtf8(_)) => Refusal::NoAddress,
        Some(Refusal::NoAddress) => Refusal::BodyTooLong,
        Some(Refusal::BodyTooLong) => Refusal::NotActor(address()),
        Some(Refusal::NotActor(_)) => Refusal::Calendar(String::new()),
        Some(Refusal::Calendar(_)) => return None,
    })
}

/// The same for what defers.
fn next_trouble(trouble: Option<&Trouble>) -> Option<Trouble> {
    let text = String::new;
    Some(match trouble {
        None => Trouble::Directory(Failure::Unavailable(text())),
        Some(Trouble::Directory(Failure::Unavailable(_))) => Trouble::Directory(Failure::BadAnswer(text())),
        Some(Trouble::Directory(Failure::BadAnswer(_))) => {
            Trouble::Directory(Failure::AmbiguousLogin(Vec::new()))
        }
        Some(Trouble::Directory(Failure::AmbiguousLogin(_))) => Trouble::Full(Full),
        Some(Trouble::Full(_)) => Trouble::Reloaded,
        Some(Trouble::Reloaded) => Trouble::Relay(RelayError::Slow { relay: text() }),
        Some(Trouble::Relay(_)) => Trouble::Fault(text()),
        Some(Trouble::Fault(_)) => return None,
    })
}

#[test]
fn every_rule_has_its_count() {
    let messages = Messages::default();
    let refusals: Vec<_> = std::iter::successors(next(None), |before| next(Some(before))).collect();
    for refusal in &refusals {
        messages.verdict("refuse", refusal.rule());
        messages.verdict("would refuse", refusal.rule());
        if concerns(refusal).is_some() {
            messages.verdict("bounce", refusal.rule());
        }
    }
    let troubles: Vec<_> =
        std::iter::successors(next_trouble(None), |before| next_trouble(Some(before))).collect();
    for trouble in &troubles {
        messages.verdict("defer", trouble.rule());
    }
    messages.verdict("refuse", "unauthenticated");
    messages.verdict("no verdict", "own");
    let counted: Vec<_> = messages
        .verdicts()
        .map(|(verdict, rules)| (verdict, rules.all().map(|(_, count)| count).collect::<Vec<_>>()))
        .collect();
    let all = |of: u64, rules: &[&str]| vec![of; rules.len()];
    let mut observed = all(1, REFUSED);
    observed[REFUSED.iter().position(|rule| *rule == "unauthenticated").unwrap()] = 0;
    assert_eq!(
        counted,
        [
            ("accept", all(0, ACCEPTED)),
            ("refuse", all(1, REFUSED)),
            ("bounce", all(1, REPORTED)),
            ("defer", all(1, DEFERRED)),
            ("would change", all(0, ACCEPTED)),
            ("would refuse", observed),
            ("would defer", all(0, DEFERRED)),
        ]
    );
    assert_eq!((refusals.len(), troubles.len()), (REFUSED.len() - 1, DEFERRED.len()));
}

//! What we accept as From means the same authors to every reader, and what RFC 5322 derives is accepted.
//!
//! Field bodies are written from the grammar, taken from the corpus, and mutated. For each that our strict reader accepts,
//! every other reader that accepts it too must read the same mailboxes, or differ in a way that is listed with the reason
//! why nobody is misled (`judge::EXCEPTIONS`). Each that a literal grammar derives must be accepted, or refused for a
//! reason that is listed (`judge::refused`) and there.
//!
//! `contrib/bench/readers` runs the same over more values and prints the table: `READERS_VALUES` says how many,
//! `READERS_SEED` which, `READERS_PROGRAMS` names further readers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

#[path = "readers/grammar.rs"]
mod grammar;
#[path = "readers/judge.rs"]
mod judge;
#[path = "readers/others.rs"]
mod others;
#[path = "readers/tally.rs"]
mod tally;
#[path = "support/text.rs"]
#[allow(dead_code, reason = "the corpus needs one of its functions")]
mod text;
#[path = "readers/values.rs"]
mod values;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, thread};

use delegation_milter::address::Address;
use delegation_milter::mailbox;
use fastrand::Rng;
use tally::Tally;
use values::Value;

/// Values of the short form.
const VALUES: usize = 20_000;
const SEED: usize = 0x5322_2047_6532;
/// Values in one round of questions to the programs.
const BATCH: usize = 5_000;

#[test]
fn every_reader_reads_the_same_authors() {
    let (values, seed) = (number("READERS_VALUES", VALUES), number("READERS_SEED", SEED));
    let programs = programs();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            if batch * BATCH >= values {
                return tally;
            }
            tally.add(judged(&batch_of(batch, seed), &programs));
        }
    };
    // Two: beside each of them a program reads.
    let tallies = thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.map(|worker| worker.join().unwrap())
    });
    let mut tally = judged(&values::corpus(), &programs);
    tallies.into_iter().for_each(|part| tally.add(part));
    println!("seed {seed}\n{tally}");
    assert!(tally.accepted > values / 4, "only {} of {values} values are accepted", tally.accepted);
    assert!(tally.failures.is_empty(), "{}", tally.shown_failures(20));
}

fn number(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// The programs that read, each with its arguments: Python, and those named in the environment, between semicolons.
fn programs() -> Vec<Vec<String>> {
    let python = format!("python3 {}/tests/readers/read_from.py", env!("CARGO_MANIFEST_DIR"));
    let more = env::var("READERS_PROGRAMS").unwrap_or_default();
    let all = [python].into_iter().chain(more.split(';').map(str::to_owned));
    all.map(|program| program.split_whitespace().map(str::to_owned).collect())
        .filter(|program: &Vec<String>| !program.is_empty())
        .collect()
}

/// Half of the values as the grammar has them, half mutated: those, and the corpus.
fn batch_of(number: usize, seed: usize) -> Vec<Value> {
    let mut random = Rng::with_seed(u64::try_from(seed + number).unwrap());
    let corpus = values::corpus();
    let one = |n| {
        let written = values::written(&mut random);
        match n % 8 {
            0..4 => written,
            4..7 => values::mutated(&mut random, &written.body),
            _ => {
                let from = random.usize(..corpus.len());
                values::mutated(&mut random, &corpus[from].body)
            }
        }
    };
    (0..BATCH).map(one).collect()
}

/// Reads values in all ways, and compares.
fn judged(values: &[Value], programs: &[Vec<String>]) -> Tally {
    let mut tally = Tally::default();
    tally.values = values.len();
    let accepted: Vec<_> = values.iter().filter_map(|value| read(value, &mut tally)).collect();
    tally.accepted = accepted.len();
    let bodies: Vec<&str> = accepted.iter().map(|(body, _)| *body).collect();
    for ((body, authors), readings) in accepted.iter().zip(others::read(&bodies, programs)) {
        for (reader, reading) in readings {
            let judgement = reading.as_ref().map(|shown| judge::judge(&reader, body, authors, shown));
            tally.count(&reader, body, reading.as_deref().unwrap_or_default(), judgement.as_ref());
        }
    }
    tally
}

/// Reads a value as we do, against what it was written to mean and what the grammar derives.
fn read<'v>(value: &'v Value, tally: &mut Tally) -> Option<(&'v str, Vec<Address>)> {
    let derived = grammar::mailbox_list(&value.body, false);
    tally.derived += usize::from(derived.is_some());
    if let Some(meant) = &value.meant {
        let specs = derived.iter().flat_map(|derived| &derived.mailboxes);
        if !specs
            .map(|spec| (&spec.local, &spec.domain))
            .eq(meant.iter().map(|(local, domain)| (local, domain)))
        {
            tally.fail("grammar", format!("{:?} means {meant:?}, is read {derived:?}", value.body));
        }
    }
    match (mailbox::read(value.body.as_bytes()), derived) {
        (Ok(mailboxes), _) => {
            Some((&value.body, mailboxes.into_iter().map(|mailbox| mailbox.address).collect()))
        }
        (Err(error), Some(derived)) => {
            tally.refuse(judge::refused(error, &value.body, &derived).ok_or(error), &value.body);
            None
        }
        (Err(_), None) => None,
    }
}

//! The other readers: libraries, and programs that get a line of hexadecimal octets and answer a line of JSON.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

use super::grammar;

/// The addresses that a reader takes for authors, as it shows them; none if it refuses the field.
pub(crate) type Reading = Option<Vec<String>>;
/// By the name of the reader.
pub(crate) type Readings = BTreeMap<String, Reading>;

/// What all readers make of each body.
pub(crate) fn read(bodies: &[&str], programs: &[Vec<String>]) -> Vec<Readings> {
    let mut all = vec![Readings::new(); bodies.len()];
    for program in programs {
        for (readings, of_program) in all.iter_mut().zip(ask(program, bodies)) {
            readings.extend(of_program);
        }
    }
    for (readings, body) in all.iter_mut().zip(bodies) {
        let decoded = readings.remove("decoded").flatten().and_then(|text| text.into_iter().next());
        libraries(readings, "", body);
        if let Some(text) = decoded {
            libraries(readings, "decoded, ", &text.replace(['\r', '\n'], " "));
        }
    }
    all
}

fn libraries(readings: &mut Readings, before: &str, body: &str) {
    let mut add = |name: &str, reading: Reading| readings.insert(format!("{before}{name}"), reading);
    add("grammar", derived(body, false));
    add("grammar, opaque", derived(body, true));
    add("mail-parser", mail_parser(body));
    add("lettre", lettre(body));
}

fn derived(body: &str, opaque: bool) -> Reading {
    let mailboxes = grammar::mailbox_list(body, opaque)?.mailboxes;
    Some(mailboxes.into_iter().map(|spec| format!("{}@{}", spec.local, spec.domain)).collect())
}

fn mail_parser(body: &str) -> Reading {
    let message = format!("From:{}\r\n\r\n", body.replace("\r\n", "\n").replace('\n', "\r\n"));
    let parsed = mail_parser::MessageParser::new().parse(message.as_bytes())?;
    let shown: Vec<_> = parsed.from()?.iter().filter_map(|m| m.address().map(str::to_owned)).collect();
    (!shown.is_empty()).then_some(shown)
}

fn lettre(body: &str) -> Reading {
    let mailboxes: lettre::message::Mailboxes = body.replace(['\r', '\n'], "").parse().ok()?;
    Some(mailboxes.into_iter().map(|mailbox| mailbox.email.to_string()).collect())
}

/// What a program answers: for each body an object, by name of a way to read it the addresses or null.
fn ask(program: &[String], bodies: &[&str]) -> Vec<Readings> {
    let mut child = Command::new(&program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program[0]));
    let mut input = std::io::BufWriter::new(child.stdin.take().unwrap());
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<Readings> = thread::scope(|scope| {
        scope.spawn(move || {
            for body in bodies {
                let hex: String = body.bytes().map(|byte| format!("{byte:02x}")).collect();
                writeln!(input, "{hex}").unwrap();
            }
        });
        output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    });
    assert!(child.wait().unwrap().success(), "{program:?} failed");
    assert_eq!(answers.len(), bodies.len(), "{program:?} did not answer all");
    answers
}

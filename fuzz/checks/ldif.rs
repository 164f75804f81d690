//! Any octets as a directory in a file: an error that names a line of it, or entries, which are the same however the
//! file is folded, commented and encoded, and which the directory finds by all that they have.

use std::collections::BTreeSet;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delegation_milter::address::is_forbidden;
use delegation_milter::directory::ldif::{LdifDirectory, LdifError, parse};
use delegation_milter::directory::record::Record;
use delegation_milter::directory::schema::Schema;
use delegation_milter::directory::{Directory, Failure};
use delegation_milter::dn::Dn;
use delegation_milter::grant::Entry;

const NAME: &str = "test.ldif";

/// Longer is no message that anybody reads.
const LONGEST: usize = 2048;

/// Checks a file.
pub(crate) fn check(octets: &[u8]) {
    let schema = Schema::preset("delegation").unwrap();
    let lines = octets.split(|octet| *octet == b'\n').count();
    let records = match parse(Path::new(NAME), octets, &schema, None) {
        Ok(records) => records,
        Err(error) => return check_error(&error, lines),
    };
    let attributes = attributes(octets, &schema);
    let values: usize =
        records.iter().flat_map(|one| attributes.iter().map(|name| one.values(name).count())).sum();
    // Nobody writes superclasses, of which there are four at most.
    assert!(records.len() + values <= lines + 4 * records.len());
    let expected = content(&records, &attributes);
    for same in [crlf(octets), folded(octets), commented(octets), encoded(&records, &attributes)] {
        let again = parse(Path::new(NAME), &same, &schema, None);
        let again = again.unwrap_or_else(|error| panic!("{:?}: {error}", String::from_utf8_lossy(&same)));
        assert_eq!(content(&again, &attributes), expected, "{:?}", String::from_utf8_lossy(&same));
    }
    check_base(octets, &schema, &records);
    check_directory(octets, &schema, &records, lines);
}

fn check_error(error: &LdifError, lines: usize) {
    match error {
        LdifError::Line { line, .. } => assert!((1..=lines).contains(line), "{error}"),
        LdifError::NoEntries { .. } => {}
        LdifError::Read { .. } | LdifError::Filter { .. } => panic!("{error}"),
    }
    let said = error.to_string();
    assert!(said.len() <= LONGEST && !said.chars().any(is_forbidden), "{said:?}");
}

/// The names of the attributes that the schema or the file has.
fn attributes(octets: &[u8], schema: &Schema) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(octets);
    let written = text.split('\n').filter_map(|line| Some(line.split_once(':')?.0));
    let plain = |name: &str| name.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let written = written.filter(|name| name.is_ascii() && !name.contains(['#', ' '])).map(plain);
    let all: BTreeSet<_> = written.chain(schema.attributes().map(plain)).collect();
    all.into_iter().filter(|name| !["", "dn", "version"].contains(&name.as_str())).collect()
}

type Content = Vec<(String, Vec<Vec<Vec<u8>>>)>;

fn content(records: &[Record], attributes: &BTreeSet<String>) -> Content {
    let values = |record: &Record, name: &String| -> Vec<Vec<u8>> {
        let values = record.values(name).map(<[u8]>::to_vec);
        // Superclasses are added, even where they are.
        if name == "objectclass" {
            values.collect::<BTreeSet<_>>().into_iter().collect()
        } else {
            values.collect()
        }
    };
    let all = |record| attributes.iter().map(|name| values(record, name)).collect();
    records.iter().map(|record| (record.dn.to_string(), all(record))).collect()
}

fn crlf(octets: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        // The last one may end without: then a CR of its own is no part of a line end that would be written twice.
        match line.strip_suffix(b"\n") {
            Some(line) => text.extend([line.strip_suffix(b"\r").unwrap_or(line), b"\r\n"].concat()),
            None => text.extend_from_slice(line),
        }
    }
    text
}

/// With every line folded in its middle.
fn folded(octets: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let middle = line.len() / 2;
        let (before, after) = line.split_at(middle);
        let splits_mark = before.len() < 3 && line.starts_with(b"\xEF\xBB\xBF");
        let folds = !before.is_empty() && !before.ends_with(b"\r") && after != b"\n" && after != b"\r\n";
        text.extend_from_slice(before);
        if folds && !splits_mark {
            text.extend_from_slice(b"\n ");
        }
        text.extend_from_slice(after);
    }
    text
}

/// With comments in front of whatever is no continuation.
fn commented(octets: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for (number, line) in octets.split_inclusive(|octet| *octet == b'\n').enumerate() {
        if number > 0 && !line.starts_with(b" ") {
            text.extend_from_slice(b"# comment\n  of two lines\n");
        }
        text.extend_from_slice(line);
    }
    text
}

/// The records anew, every value in base64.
fn encoded(records: &[Record], attributes: &BTreeSet<String>) -> Vec<u8> {
    let mut text = String::from("version: 1\n");
    for record in records {
        text += &format!("\ndn:: {}\n", STANDARD.encode(record.dn.as_str()));
        for name in attributes {
            let lines = record.values(name).map(|value| format!("{name}:: {}\n", STANDARD.encode(value)));
            text.extend(lines);
        }
    }
    text.into_bytes()
}

/// Below a base are the records that are within it.
fn check_base(octets: &[u8], schema: &Schema, records: &[Record]) {
    let Some(base) = records.first().map(|record| &record.dn) else { return };
    let within = parse(Path::new(NAME), octets, schema, Some(base)).unwrap();
    let names: Vec<_> = within.iter().map(|record| &record.dn).collect();
    let expected: Vec<_> = records.iter().map(|record| &record.dn).filter(|dn| dn.is_within(base)).collect();
    assert_eq!(names, expected);
}

fn check_directory(octets: &[u8], schema: &Schema, records: &[Record], lines: usize) {
    let directory = LdifDirectory::parse(Path::new(NAME), octets, schema, None).unwrap();
    assert!(directory.doubtful().len() <= 3 * lines);
    for doubt in directory.doubtful() {
        let said = doubt.to_string();
        assert!(said.len() <= LONGEST && !said.chars().any(is_forbidden), "{said:?}");
    }
    for record in records {
        let entry = ready(directory.by_dn(&record.dn)).unwrap().expect("every record is an entry");
        assert_eq!(entry.dn.as_str(), record.dn.as_str());
        check_entry(&directory, &entry, schema.principal.matches(record));
    }
    let unknown = Dn::parse("uid=nobody,dc=nowhere,dc=invalid").unwrap();
    assert!(
        records.iter().any(|one| one.dn == unknown) || ready(directory.by_dn(&unknown)).unwrap().is_none()
    );
}

/// It is found by its addresses if it is a principal, and by its logins, or not alone.
fn check_entry(directory: &LdifDirectory, entry: &Entry, is_principal: bool) {
    for address in entry.addresses() {
        let owners = ready(directory.by_address(std::slice::from_ref(address), None)).unwrap();
        assert_eq!(owners.iter().any(|owner| owner.dn == entry.dn), is_principal, "{address:?}");
        assert!(owners.iter().all(|owner| owner.addresses().any(|own| own == address)), "{address:?}");
    }
    for login in entry.logins() {
        match ready(directory.by_login(login, None)) {
            // Another has it in an attribute that comes first.
            Ok(found) => assert!(found.is_some(), "{login:?}"),
            Err(Failure::AmbiguousLogin(names)) => assert!(names.len() > 1, "{login:?}"),
            Err(failure) => panic!("{login:?}: {failure:?}"),
        }
    }
}

/// What a file answers at once.
fn ready<T>(question: impl Future<Output = T>) -> T {
    match pin!(question).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a file has nothing to wait for"),
    }
}

//! Any text as a filter: what is read is written and read again, by us and by the library that sends it, and is
//! evaluated by the laws of logic. Any octets as a value: whatever they are, they are that value and nothing else.

use delegation_milter::directory::filter::{
    Comparison, Extensible, Filter, FilterError, MAX_DEPTH, Substrings, escape,
};
use delegation_milter::directory::record::Record;
use delegation_milter::dn::Dn;
use ldap3::asn1::{PL, StructureTag, TagClass};
use ldap3::parse_filter;

/// Checks octets as a value, and as text: a filter on the first line, an entry on the others.
pub(crate) fn check(octets: &[u8]) {
    check_value(octets);
    let Ok(text) = str::from_utf8(octets) else { return };
    let (filter, entry) = text.split_once('\n').unwrap_or((text, ""));
    match Filter::parse(filter) {
        Ok(filter) => {
            check_written(&filter);
            check_logic(&filter, &record(entry));
        }
        Err(FilterError::Syntax { position, .. }) => {
            assert!((1..=filter.chars().count() + 1).contains(&position), "{position} in {filter:?}");
        }
        Err(error @ FilterError::NotEvaluable(_)) => panic!("{error}"),
    }
}

/// No value becomes a part of a filter's structure.
fn check_value(value: &[u8]) {
    let written = format!("(&(cn={})(sn>={1})(ou={1}*{1}))", escape(value), escape(value));
    let parts = Substrings { initial: value.to_vec(), any: Vec::new(), last: value.to_vec() };
    let parts = if value.is_empty() { Filter::present("ou") } else { Filter::Substrings("ou".into(), parts) };
    let at_least = Filter::Compare("sn".to_owned(), Comparison::AtLeast, value.to_vec());
    let meant = Filter::and([Filter::equal("cn", value), at_least, parts]);
    assert_eq!(Filter::parse(&written).as_ref(), Ok(&meant));
    assert_sent(&written, &meant);

    let mut entry = Record::new(Dn::parse("uid=anna,dc=org").unwrap());
    entry.push("cn", value.to_vec());
    assert!(Filter::equal("cn", value).matches(&entry), "{value:?}");
}

fn check_written(filter: &Filter) {
    let written = filter.to_string();
    assert_eq!(Filter::parse(&written).as_ref(), Ok(filter), "{written:?}");
    assert!(depth(filter) <= MAX_DEPTH);
    assert_sent(&written, filter);
}

/// The library that sends filters reads what we write as what we mean (RFC 4511 section 4.5.1).
fn assert_sent(written: &str, filter: &Filter) {
    let sent = parse_filter(written).unwrap_or_else(|()| panic!("ldap3 does not read {written:?}"));
    assert_eq!(ldap3::asn1::ASNTag::into_structure(sent), structure(filter), "{written:?}");
}

fn check_logic(filter: &Filter, entry: &Record) {
    let matches = filter.matches(entry);
    let opposite = Filter::negate(filter.clone());
    assert!(!(matches && opposite.matches(entry)));
    assert_eq!(Filter::negate(opposite.clone()).matches(entry), matches);
    assert_eq!(Filter::and([filter.clone()]).matches(entry), matches);
    assert_eq!(Filter::or([filter.clone()]).matches(entry), matches);
    assert!(!Filter::and([filter.clone(), opposite]).matches(entry));
    assert!(Filter::or([filter.clone(), Filter::and([])]).matches(entry));
    assert!(!Filter::and([filter.clone(), Filter::or([])]).matches(entry));
}

fn depth(filter: &Filter) -> usize {
    1 + match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().map(depth).max().unwrap_or_default(),
        Filter::Not(filter) => depth(filter),
        Filter::Present(_) | Filter::Compare(..) | Filter::Substrings(..) | Filter::Extensible(_) => 0,
    }
}

/// An entry with the attributes and values of lines such as `cn=Anna`.
fn record(lines: &str) -> Record {
    let mut record = Record::new(Dn::parse("uid=anna,dc=org").unwrap());
    for (attribute, value) in lines.split('\n').take(16).filter_map(|line| line.split_once('=')) {
        record.push(attribute, value.into());
    }
    record
}

fn structure(filter: &Filter) -> StructureTag {
    match filter {
        Filter::And(filters) => list(0, filters),
        Filter::Or(filters) => list(1, filters),
        Filter::Not(filter) => constructed(2, vec![structure(filter)]),
        Filter::Present(attribute) => primitive(7, attribute),
        Filter::Compare(attribute, by, value) => {
            let id = match by {
                Comparison::Equal => 3,
                Comparison::AtLeast => 5,
                Comparison::AtMost => 6,
                Comparison::Approximate => 8,
            };
            constructed(id, vec![text(attribute), text(value)])
        }
        Filter::Substrings(attribute, parts) => constructed(4, vec![text(attribute), substrings(parts)]),
        Filter::Extensible(extensible) => match_rule(extensible),
    }
}

fn substrings(Substrings { initial, any, last }: &Substrings) -> StructureTag {
    let any = any.iter().map(|part| (1, part));
    let parts = [(0, initial)].into_iter().chain(any).chain([(2, last)]).filter(|(_, part)| !part.is_empty());
    let parts = parts.map(|(id, part)| primitive(id, part)).collect();
    StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(parts) }
}

fn match_rule(Extensible { attribute, dn, rule, value }: &Extensible) -> StructureTag {
    let rule = rule.as_ref().map(|rule| primitive(1, rule));
    let attribute = attribute.as_ref().map(|attribute| primitive(2, attribute));
    let dn = dn.then(|| primitive(4, [0xFF]));
    let parts = [rule, attribute, Some(primitive(3, value)), dn].into_iter().flatten().collect();
    constructed(9, parts)
}

fn list(id: u64, filters: &[Filter]) -> StructureTag {
    constructed(id, filters.iter().map(structure).collect())
}

fn constructed(id: u64, parts: Vec<StructureTag>) -> StructureTag {
    StructureTag { class: TagClass::Context, id, payload: PL::C(parts) }
}

fn primitive(id: u64, octets: impl AsRef<[u8]>) -> StructureTag {
    StructureTag { class: TagClass::Context, id, payload: PL::P(octets.as_ref().to_vec()) }
}

fn text(octets: impl AsRef<[u8]>) -> StructureTag {
    StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(octets.as_ref().to_vec()) }
}

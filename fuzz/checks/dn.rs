//! Any lines as names of entries: each is one however its values are escaped, spaced and cased, and it lies below the
//! parent that it names, and nowhere else. Any lines as values: none of them becomes a part of a name's structure.

use std::collections::HashSet;

use delegation_milter::dn::Dn;

/// Checks lines of text.
pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let lines: Vec<_> = text.split('\n').take(8).collect();
    let names: Vec<_> = lines.iter().filter_map(|line| Some((*line, Dn::parse(line).ok()?))).collect();
    for (line, name) in &names {
        check_written(line, name);
        check_parent(name);
    }
    check_order(&names.iter().map(|(_, name)| name).collect::<Vec<_>>());
    check_values(&lines);
}

fn check_written(line: &str, name: &Dn) {
    assert_eq!(Dn::parse(name.as_str()).as_ref(), Ok(name), "{line:?}");
    assert_eq!(Dn::parse(&format!("  {line}  ")).as_ref(), Ok(name), "{line:?}");
    assert_eq!(Dn::parse(&line.to_ascii_uppercase()).as_ref(), Ok(name), "{line:?}");
    assert!(name.depth() <= line.len());
    assert_eq!(name.depth() == 0, line.trim().is_empty());
}

/// The name is its first relative name in front of its parent, and within what that is within.
fn check_parent(name: &Dn) {
    let text = name.as_str();
    let mut escaped = false;
    let separator = text.find(|c| {
        let found = !escaped && matches!(c, ',' | ';');
        escaped = c == '\\' && !escaped;
        found
    });
    let Some(at) = separator else { return assert!(name.depth() <= 1, "{text:?}") };
    let (child, parent) = (read(&text[..at]), read(&text[at + 1..]));
    assert_eq!((child.depth(), parent.depth() + 1), (1, name.depth()), "{text:?}");
    assert!(name.is_within(&parent) && !parent.is_within(name), "{text:?}");
    assert_eq!(read(&format!("{} ; {}", child.as_str(), parent.as_str())), *name);
}

/// Equality, order, hash and "within" say the same.
fn check_order(names: &[&Dn]) {
    for one in names {
        assert!(one.is_within(one) && one.is_within(&Dn::default()));
        for other in names {
            assert_eq!(one == other, one.cmp(other).is_eq(), "{one:?} {other:?}");
            assert_eq!(one == other, HashSet::from([*one]).contains(other), "{one:?} {other:?}");
            assert_eq!(one.cmp(other), other.cmp(one).reverse());
            assert_eq!(one == other, one.is_within(other) && other.is_within(one), "{one:?} {other:?}");
            assert!(!one.is_within(other) || one.depth() >= other.depth());
            for third in names {
                let chain = one.is_within(other) && other.is_within(third);
                assert!(!chain || one.is_within(third), "{one:?} {other:?} {third:?}");
            }
        }
    }
}

/// RFC 4514 section 2.4: whatever the values are, escaped they are values, in each of the two ways to escape.
fn check_values(values: &[&str]) {
    let hexadecimal: Vec<_> = values.iter().map(|value| format!("cn={}", hex(value))).collect();
    let pairs: Vec<_> =
        values.iter().map(|value| format!(" CN = {} ", pairs(&value.to_ascii_uppercase()))).collect();
    let name = read(&hexadecimal.join(","));
    assert_eq!(name.depth(), values.len());
    assert_eq!(read(&pairs.join(",")), name);
    for (one, value) in hexadecimal.iter().zip(values) {
        for (other, beside) in pairs.iter().zip(values) {
            // What equal means beyond ASCII is not for this check to say.
            if value.is_ascii() && beside.is_ascii() {
                assert_eq!(read(one) == read(other), folded(value) == folded(beside), "{value:?} {beside:?}");
            }
        }
    }
}

fn read(text: &str) -> Dn {
    Dn::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn folded(value: &str) -> String {
    value.to_ascii_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn hex(value: &str) -> String {
    value.bytes().map(|octet| format!("\\{octet:02x}")).collect()
}

fn pairs(value: &str) -> String {
    let pair = |c| match c {
        '\0' => "\\00".to_owned(),
        ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => format!("\\{c}"),
        c => c.to_string(),
    };
    value.chars().map(pair).collect()
}

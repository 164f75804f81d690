//! Any lines as addresses: what is read is written and read again, one address equals another as its canonical form
//! does, and no rule of the site makes it an address of a domain that is not its own.

use std::collections::HashSet;

use delegation_milter::address::{Address, AddressRules, MAX_ADDRESS, Pattern, is_forbidden};

/// Checks lines of text.
pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let rules =
        AddressRules::new("+-", [("alias.example", "x.org"), ("b\u{fc}cher.example", "x.org")]).unwrap();
    let mut addresses = Vec::new();
    for line in text.split('\n').take(8) {
        let Ok(address) = Address::parse(line) else { continue };
        check_written(&address);
        check_spelled(line, &address);
        check_extension(&address);
        check_candidates(&address, &rules);
        addresses.push(address);
    }
    check_equality(&addresses, &rules);
}

fn check_written(address: &Address) {
    let written = address.to_string();
    assert!(written.len() <= MAX_ADDRESS && !written.chars().any(is_forbidden), "{written:?}");
    let again = Address::parse(&written).unwrap_or_else(|error| panic!("{written:?}: {error}"));
    assert_eq!((&again, again.to_string()), (address, written));
    assert_eq!(again.key(), format!("{}@{}", address.local().to_ascii_lowercase(), address.domain()));
    assert!(address.domain().is_ascii() && !address.domain().contains('@'));
    for spelling in address.spellings() {
        assert_eq!(Address::parse(&spelling).as_ref(), Ok(address), "{spelling:?}");
    }
    assert!(matches!(Pattern::parse(&format!("*@{}", address.domain())), Ok(p) if p.matches(address)));
}

/// Quotation marks, backslashes and the case of ASCII letters mean nothing.
fn check_spelled(line: &str, address: &Address) {
    let pairs: String = address.local().chars().flat_map(|c| ['\\', c]).collect();
    let quoted = format!("\"{pairs}\"@{}", address.domain());
    if quoted.len() <= MAX_ADDRESS {
        assert_eq!(Address::parse(&quoted).as_ref(), Ok(address), "{quoted:?}");
    }
    // What is composed of an ASCII letter and a mark has a case of its own.
    if line.is_ascii() {
        assert_eq!(Address::parse(&line.to_ascii_uppercase()).as_ref(), Ok(address), "{line:?}");
    }
    assert_eq!(Address::from_parts(address.local(), address.domain()).as_ref(), Ok(address));
}

fn check_extension(address: &Address) {
    for delimiters in ["", "+", "+-", "."] {
        let Some(base) = address.without_extension(delimiters) else { continue };
        assert_eq!(base.domain(), address.domain());
        let extension = address.local().strip_prefix(base.local()).unwrap();
        assert!(!base.local().is_empty() && extension.starts_with(|c| delimiters.contains(c)), "{address:?}");
        assert_eq!(base.without_extension(delimiters), None);
        assert!(!address.to_string().starts_with('"'), "no extension where quotation marks are needed");
    }
}

fn check_candidates(address: &Address, rules: &AddressRules) {
    let candidates = rules.candidates(address);
    assert_eq!(candidates.is_empty(), address.is_literal());
    assert!(candidates.first().is_none_or(|first| first == address));
    let base = address.without_extension("+-");
    for candidate in &candidates {
        let own = [address.domain(), rules.mapped(address.domain())];
        assert!(own.contains(&candidate.domain()), "{candidate:?} of {address:?}");
        let meant = [Some(address), base.as_ref()];
        assert!(
            meant.iter().flatten().any(|meant| rules.same(meant, candidate)),
            "{candidate:?} of {address:?}"
        );
    }
}

fn check_equality(addresses: &[Address], rules: &AddressRules) {
    for one in addresses {
        assert!(rules.same(one, one));
        for other in addresses {
            let same = one.to_string().eq_ignore_ascii_case(&other.to_string());
            assert_eq!(one == other, same, "{one:?} {other:?}");
            assert_eq!(HashSet::from([one]).contains(other), same);
            assert!(!same || rules.same(one, other));
            assert_eq!(rules.same(one, other), rules.same(other, one));
            let mapped = rules.mapped(one.domain()) == rules.mapped(other.domain());
            let local = one.local().eq_ignore_ascii_case(other.local());
            assert_eq!(rules.same(one, other), mapped && local, "{one:?} {other:?}");
        }
    }
}

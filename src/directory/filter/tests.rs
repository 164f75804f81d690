use proptest::prelude::*;

use super::*;
use crate::directory::record::Record;
use crate::dn::Dn;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn substrings(initial: &str, any: &[&str], last: &str) -> Filter {
    let any = any.iter().map(|part| part.as_bytes().to_vec()).collect();
    Filter::Substrings("cn".to_owned(), Substrings { initial: initial.into(), any, last: last.into() })
}

fn extensible(attribute: Option<&str>, dn: bool, rule: Option<&str>, value: &str) -> Filter {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Filter::Extensible(Extensible { attribute: owned(attribute), dn, rule: owned(rule), value: value.into() })
}

fn compare(attribute: &str, by: Comparison, value: &str) -> Filter {
    Filter::Compare(attribute.to_owned(), by, value.into())
}

#[test]
fn read() {
    let anna = || Filter::equal("cn", "anna");
    for (text, expected) in [
        ("(cn=anna)", anna()),
        ("(cn=)", Filter::equal("cn", "")),
        ("(cn= anna )", Filter::equal("cn", " anna ")),
        ("(cn;lang-de=anna)", Filter::equal("cn;lang-de", "anna")),
        ("(2.5.4.3=anna)", Filter::equal("2.5.4.3", "anna")),
        ("(cn=a=b&c|d!e<f>g~h)", Filter::equal("cn", "a=b&c|d!e<f>g~h")),
        ("(cn=Ä\u{1F600})", Filter::equal("cn", "Ä\u{1F600}")),
        ("(cn=*)", Filter::present("cn")),
        ("(cn=**)", Filter::present("cn")),
        ("(cn=a*)", substrings("a", &[], "")),
        ("(cn=*a)", substrings("", &[], "a")),
        ("(cn=*a*)", substrings("", &["a"], "")),
        ("(cn=a*b*c*d)", substrings("a", &["b", "c"], "d")),
        ("(cn=a**b)", substrings("a", &[], "b")),
        ("(cn~=anna)", compare("cn", Comparison::Approximate, "anna")),
        ("(cn>=anna)", compare("cn", Comparison::AtLeast, "anna")),
        ("(cn<=anna)", compare("cn", Comparison::AtMost, "anna")),
        ("(cn:=anna)", extensible(Some("cn"), false, None, "anna")),
        ("(cn:dn:=anna)", extensible(Some("cn"), true, None, "anna")),
        ("(cn:2.5.13.5:=anna)", extensible(Some("cn"), false, Some("2.5.13.5"), "anna")),
        ("(cn:DN:caseExactMatch:=anna)", extensible(Some("cn"), true, Some("caseExactMatch"), "anna")),
        ("(entryDN:dnSubtreeMatch:=o)", extensible(Some("entryDN"), false, Some("DNSubtreeMatch"), "o")),
        ("(:dn:2.5.13.5:=anna)", extensible(None, true, Some("2.5.13.5"), "anna")),
        ("(:2.5.13.5:=anna)", extensible(None, false, Some("2.5.13.5"), "anna")),
        ("(&)", Filter::and([])),
        ("(|)", Filter::or([])),
        ("(!(cn=anna))", Filter::negate(anna())),
        ("(&(cn=anna)(cn=*))", Filter::and([anna(), Filter::present("cn")])),
        ("(|(cn=anna)(!(&)))", Filter::or([anna(), Filter::negate(Filter::and([]))])),
        (" (& \n (cn=anna)\n (cn=*) ) ", Filter::and([anna(), Filter::present("cn")])),
        // RFC 4515 section 4.
        ("(o=Parens R Us \\28for all your parenthetical needs\\29)", {
            Filter::equal("o", "Parens R Us (for all your parenthetical needs)")
        }),
        ("(cn=*\\2A*)", substrings("", &["*"], "")),
        ("(filename=C:\\5cMyFile)", Filter::equal("filename", "C:\\MyFile")),
        ("(bin=\\00\\00\\00\\04)", Filter::equal("bin", [0, 0, 0, 4])),
        ("(sn=Lu\\c4\\8di\\c4\\87)", Filter::equal("sn", "Lučić")),
        ("(1.3.6.1.4.1.1466.0=\\04\\02\\48\\69)", Filter::equal("1.3.6.1.4.1.1466.0", b"\x04\x02Hi")),
    ] {
        assert_eq!(filter(text), expected, "{text}");
    }
}

#[test]
fn refused() {
    use Problem::*;
    for (text, position, problem) in [
        ("", 1, Open),
        ("cn=anna", 1, Open),
        ("(cn=anna", 9, Close),
        ("(&(cn=anna)", 12, Close),
        ("(!(cn=a)(cn=b))", 9, Close),
        ("(cn=anna))", 10, Trailing),
        ("(cn=anna)(cn=bea)", 10, Trailing),
        ("(&cn=anna)", 3, Open),
        ("(=anna)", 2, Attribute),
        ("(cn;=anna)", 2, Attribute),
        ("(c.n=anna)", 2, Attribute),
        ("(2.05=anna)", 2, Attribute),
        ("(2=anna)", 2, Attribute),
        ("(-cn=anna)", 2, Attribute),
        ("()", 2, Attribute),
        ("((cn=anna))", 2, Attribute),
        ("( cn=anna)", 2, Attribute),
        ("(cn)", 4, Operator),
        ("(c n=anna)", 3, Operator),
        ("(cn~anna)", 4, Operator),
        ("(cn!=anna)", 4, Operator),
        ("(cn:anna)", 9, Operator),
        ("(cn::=anna)", 5, Rule),
        ("(:=anna)", 4, Rule),
        ("(:dn:=anna)", 7, Rule),
        ("(cn:a:b:=anna)", 8, Rule),
        ("(cn:a:dn:=anna)", 9, Rule),
        ("(cn=a(b)", 6, Unescaped),
        ("(cn=ä\u{0})", 6, Unescaped),
        ("(cn=a\\)", 6, Escape),
        ("(cn=a\\2)", 6, Escape),
        ("(cn=a\\zz)", 6, Escape),
        ("(cn=ÄÖ\\é0)", 7, Escape),
        ("(cn>=a*)", 7, Asterisk),
        ("(cn~=*)", 6, Asterisk),
        ("(cn:=a*b)", 7, Asterisk),
    ] {
        assert_eq!(Filter::parse(text), Err(FilterError::Syntax { position, problem }), "{text}");
    }
}

#[test]
fn refused_in_plain_english() {
    let error = Filter::parse("(&(objectClass=person)(uid=anna)").unwrap_err();
    assert_eq!(error.to_string(), "it is not a filter (RFC 4515): `)` is missing, at character 33");
    let error = filter("(cn:caseExactMatch:=Anna)").evaluable().unwrap_err().to_string();
    assert!(error.starts_with("`(cn:caseExactMatch:=Anna)` cannot be evaluated on a file"), "{error}");
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels| format!("{}(cn=anna){}", "(!".repeat(levels), ")".repeat(levels));
    assert!(Filter::parse(&nested(MAX_DEPTH - 1)).is_ok());
    for levels in [MAX_DEPTH, 100_000] {
        let position = 2 * MAX_DEPTH + 1;
        assert_eq!(
            Filter::parse(&nested(levels)),
            Err(FilterError::Syntax { position, problem: Problem::Depth })
        );
    }
}

#[test]
fn escaped_in_one_place() {
    for (value, text) in [
        (&b"anna"[..], "anna"),
        (b"*", "\\2a"),
        (b"(a)", "\\28a\\29"),
        (b"C:\\x", "C:\\5cx"),
        (b"\0", "\\00"),
        ("ä".as_bytes(), "ä"),
        (b"a\xffb", "a\\ffb"),
        (b"\xc3", "\\c3"),
        (b"*)(uid=*", "\\2a\\29\\28uid=\\2a"),
    ] {
        assert_eq!(escape(value).to_string(), text);
        assert_eq!(filter(&format!("(cn={text})")), Filter::equal("cn", value));
    }
    assert_eq!(escape("a*").to_string(), "a\\2a");
}

/// An entry with every sort of value.
fn anna() -> Record {
    let mut record = Record::new(Dn::parse("uid=anna,ou=people,dc=org").unwrap());
    for (attribute, value) in [
        ("objectClass", &b"inetOrgPerson"[..]),
        ("cn", b"Anna  Adams"),
        ("cn;lang-de", "\u{c4}nne".as_bytes()),
        ("mail", b"anna@example.org"),
        ("mail", b"a.adams@example.org"),
        ("member", b"UID=bea , ou=People,dc=org"),
        ("description", b"a=b"),
        ("uidNumber", b"1000"),
        ("flags", b"514"),
        ("groupType", b"-2147483646"),
        ("shadowMax", b"never"),
        ("photo", b"\xff\xd8"),
        ("empty", b""),
    ] {
        record.push(attribute, value.to_vec());
    }
    record
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

fn evaluates(rows: &[(&str, Option<bool>)]) {
    for (text, result) in rows {
        assert_eq!(filter(text).evaluate(&anna()), *result, "{text}");
        assert_eq!(filter(text).matches(&anna()), *result == YES, "{text}");
    }
}

#[test]
fn text_without_regard_to_case_and_space() {
    evaluates(&[
        ("(cn=*)", YES),
        ("(empty=*)", YES),
        ("(sn=*)", NO),
        ("(OBJECTCLASS=INETORGPERSON)", YES),
        ("(cn=anna adams)", YES),
        ("(cn= ANNA   ADAMS )", YES),
        ("(cn=annaadams)", NO),
        ("(cn=\u{e4}NNE)", YES),
        ("(cn=A\\cc\\88nne)", YES),
        ("(cn;lang-fr=anna adams)", YES),
        ("(mail=a.adams@example.org)", YES),
        ("(mail=bea@example.org)", NO),
        ("(sn=adams)", NO),
        ("(photo=\\ff\\d8)", YES),
        ("(photo=\\ff)", NO),
        ("(photo=anna)", NO),
        ("(cn=\\ff)", NO),
        ("(empty=)", YES),
        ("(cn~=ANNA ADAMS)", YES),
    ]);
}

#[test]
fn names_as_names() {
    evaluates(&[
        ("(member=uid=bea,ou=people,dc=org)", YES),
        ("(member=uid=be\\5c61,ou=people,dc=org)", YES),
        ("(member=uid=anna,ou=people,dc=org)", NO),
        ("(description=A = B)", YES),
    ]);
}

#[test]
fn substrings_between_words() {
    evaluates(&[
        ("(cn=anna*)", YES),
        ("(cn=anna *)", YES),
        ("(cn=annaa*)", NO),
        ("(cn=*adams)", YES),
        ("(cn=* adams)", YES),
        ("(cn=*nadams)", NO),
        ("(cn=*na ad*)", YES),
        ("(cn=a* * *s)", YES),
        ("(cn=a*a*a*s)", YES),
        ("(cn=anna adams*s)", NO),
        ("(cn=anna*anna adams)", NO),
        ("(mail=*@EXAMPLE.org)", YES),
        ("(mail=*example*example*)", NO),
        ("(sn=a*)", NO),
        ("(photo=a*)", None),
        ("(cn=a*\\ff*)", None),
    ]);
}

#[test]
fn order_of_numbers_and_of_text() {
    evaluates(&[
        ("(uidNumber>=1000)", YES),
        ("(uidNumber>=999)", YES),
        ("(uidNumber>=1001)", NO),
        ("(uidNumber<=1000)", YES),
        ("(uidNumber<=0999)", NO),
        ("(uidNumber>=many)", None),
        ("(shadowMax<=7)", None),
        ("(cn>=anna)", YES),
        ("(cn>=b)", YES), // Änne
        ("(mail>=b)", NO),
        ("(mail<=A.ADAMS@example.org)", YES),
        ("(sn>=a)", NO),
        ("(photo>=a)", None),
    ]);
}

#[test]
fn flags_by_the_rules_of_active_directory() {
    evaluates(&[
        ("(flags:1.2.840.113556.1.4.803:=2)", YES),
        ("(flags:1.2.840.113556.1.4.803:=514)", YES),
        ("(flags:1.2.840.113556.1.4.803:=3)", NO),
        ("(flags:1.2.840.113556.1.4.804:=3)", YES),
        ("(flags:1.2.840.113556.1.4.804:=1)", NO),
        ("(groupType:1.2.840.113556.1.4.803:=2147483648)", YES),
        ("(sn:1.2.840.113556.1.4.803:=1)", NO),
        ("(cn:1.2.840.113556.1.4.803:=1)", None),
        ("(flags:1.2.840.113556.1.4.803:=one)", None),
        ("(flags:dn:1.2.840.113556.1.4.803:=2)", None),
    ]);
}

#[test]
fn other_rules_are_undefined() {
    evaluates(&[("(cn:caseExactMatch:=Anna  Adams)", None), ("(cn:=Anna Adams)", None)]);
}

#[test]
fn lists() {
    evaluates(&[
        ("(&)", YES),
        ("(|)", NO),
        ("(&(cn=*)(mail=*))", YES),
        ("(&(cn=*)(sn=*))", NO),
        ("(|(sn=*)(cn=*))", YES),
        ("(!(sn=*))", YES),
        ("(!(cn=*))", NO),
    ]);
}

#[test]
fn undefined_spreads_as_rfc_4511_section_4_5_1_7_has_it() {
    evaluates(&[
        ("(!(photo>=a))", None),
        ("(&(cn=*)(photo>=a))", None),
        ("(&(sn=*)(photo>=a))", NO),
        ("(&(photo>=a)(sn=*))", NO),
        ("(|(cn=*)(photo>=a))", YES),
        ("(|(photo>=a)(cn=*))", YES),
        ("(|(sn=*)(photo>=a))", None),
        ("(!(&(cn=*)(photo>=a)))", None),
    ]);
}

#[test]
fn what_a_file_can_evaluate() {
    for (text, evaluable) in [
        ("(&(cn=*)(|(cn=a)(!(cn~=b)))(cn>=c)(cn<=d)(cn=e*))", true),
        ("(groupType:1.2.840.113556.1.4.803:=2147483648)", true),
        ("(flags:1.2.840.113556.1.4.804:=1)", true),
        ("(flags:dn:1.2.840.113556.1.4.804:=1)", false),
        ("(:1.2.840.113556.1.4.803:=1)", false),
        ("(memberOf:1.2.840.113556.1.4.1941:=cn=staff,dc=org)", false),
        ("(cn:=anna)", false),
        ("(cn:caseExactMatch:=Anna)", false),
        ("(|(cn=a)(!(&(cn:caseExactMatch:=Anna))))", false),
    ] {
        assert_eq!(filter(text).evaluable().is_ok(), evaluable, "{text}");
    }
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12),
        "[*()\\\\\0 aä]{0,8}".prop_map(String::into_bytes)
    ]
}

pub(crate) fn any_filter() -> impl Strategy<Value = Filter> {
    let attribute = "([a-zA-Z][a-zA-Z0-9-]{0,6}|[0-2](\\.(0|[1-9][0-9]{0,3})){1,3})(;[a-z0-9-]{1,4}){0,2}";
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::Approximate),
        Just(Comparison::AtLeast),
        Just(Comparison::AtMost)
    ];
    let part = any_value().prop_filter("an empty part demands nothing", |part| !part.is_empty());
    let parts = (any_value(), proptest::collection::vec(part, 0..3), any_value());
    let parts = parts.prop_filter("asterisks alone are presence", |(initial, any, last)| {
        !(initial.is_empty() && any.is_empty() && last.is_empty())
    });
    let rule = "[a-zA-CE-Z][a-zA-Z0-9-]{2,8}|2(\\.(0|[1-9][0-9]{0,3})){1,3}";
    let leaf = prop_oneof![
        attribute.prop_map(Filter::Present),
        (attribute, comparison, any_value()).prop_map(|(name, by, value)| Filter::Compare(name, by, value)),
        (attribute, parts).prop_map(|(name, (initial, any, last))| {
            Filter::Substrings(name, Substrings { initial, any, last })
        }),
        (proptest::option::of(attribute), any::<bool>(), rule, any_value()).prop_map(
            |(attribute, dn, rule, value)| {
                Filter::Extensible(Extensible { attribute, dn, rule: Some(rule), value })
            }
        ),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(Filter::negate),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(filter in any_filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn a_value_never_leaves_its_place(value in any_value()) {
        let text = format!("(&(objectClass=person)(uid={}))", escape(&value));
        let expected = Filter::and([Filter::equal("objectClass", "person"), Filter::equal("uid", &value)]);
        prop_assert_eq!(Filter::parse(&text), Ok(expected));
    }

    #[test]
    fn anything_may_come(text in "[(&|!=~<>:*)\\\\a-c2d. ä\\PC]{0,40}") {
        if let Ok(filter) = Filter::parse(&text) {
            let _ = filter.evaluate(&anna());
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }

    #[test]
    fn a_negation_turns_every_answer_round(filter in any_filter()) {
        let negated = Filter::negate(filter.clone()).evaluate(&anna());
        prop_assert_eq!(negated, filter.evaluate(&anna()).map(|matches| !matches));
    }

    #[test]
    fn every_cut_of_a_value_is_found(value in "[a-c]{1,4}( [a-c]{1,4}){0,2}", cuts in (0_usize..11, 0_usize..11)) {
        let at = (cuts.0.min(cuts.1).min(value.len()), cuts.0.max(cuts.1).min(value.len()));
        let parts = Substrings {
            initial: value.as_bytes()[..at.0].into(),
            any: vec![value.as_bytes()[at.0..at.1].into()],
            last: value.as_bytes()[at.1..].into(),
        };
        let mut record = anna();
        record.push("sn", value.into_bytes());
        prop_assume!(!parts.any[0].is_empty());
        prop_assert!(Filter::Substrings("sn".to_owned(), parts).matches(&record));
    }
}

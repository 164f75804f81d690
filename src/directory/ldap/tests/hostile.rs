//! Nothing that a client or the directory says becomes part of a filter, a log line or a header.

use ldap3::asn1::{ASNTag, PL, StructureTag};
use ldap3::parse_filter;
use ldap3_proto::proto::LdapOp;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::actions::Modification;
use crate::config::Config;
use crate::directory::entry::{Doubt, Doubtful};
use crate::directory::filter::tests::any_filter;
use crate::directory::filter::{Comparison, Extensible, Substrings};
use crate::health::Health;
use crate::message::Envelope;
use crate::open;
use crate::session::{Outcome, Session, Steps};
use crate::transactions::Transactions;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Text with all that means something somewhere.
fn hostile() -> impl Strategy<Value = String> {
    let special = prop_oneof![
        Just("*"),
        Just("("),
        Just(")"),
        Just("\\"),
        Just("\0"),
        Just("\r\n"),
        Just("\n "),
        Just("\x1b[2J"),
        Just("&"),
        Just("|"),
        Just("!"),
        Just("="),
        Just("\\2a"),
        Just(")(uid=*"),
        Just("\u{202e}"),
        Just("\u{2028}"),
        Just("\""),
        Just("<"),
        Just(">"),
        Just("@"),
        Just(","),
        Just("%"),
        Just("=?utf-8?q?=0d=0a?="),
        Just("\u{e4}"),
        Just("Bcc: a@b.org"),
    ];
    let mixed = proptest::collection::vec(prop_oneof![special.prop_map(str::to_owned), "\\PC{0,4}"], 0..12);
    prop_oneof![
        mixed.clone().prop_map(|parts| parts.concat()),
        (mixed, 0..3_usize).prop_map(|(parts, n)| [parts.concat(), "a*(\r\n\0\\)".repeat(n * 220)].concat()),
    ]
}

// -------------------------------------------------------------------------------------------------------- filters

fn parts(tag: StructureTag) -> Vec<StructureTag> {
    tag.expect_constructed().unwrap()
}

fn octets_of(tag: StructureTag) -> Vec<u8> {
    tag.expect_primitive().unwrap()
}

fn text_of(tag: StructureTag) -> String {
    String::from_utf8(octets_of(tag)).unwrap()
}

/// What is sent (RFC 4511 section 4.5.1.7), read back.
fn sent(tag: StructureTag) -> Filter {
    let compare = |tag, by| {
        let [attribute, value] = parts(tag).try_into().unwrap();
        Filter::Compare(text_of(attribute), by, octets_of(value))
    };
    match tag.id {
        0 => Filter::And(parts(tag).into_iter().map(sent).collect()),
        1 => Filter::Or(parts(tag).into_iter().map(sent).collect()),
        2 => Filter::negate(sent(parts(tag).remove(0))),
        3 => compare(tag, Comparison::Equal),
        4 => substrings(tag),
        5 => compare(tag, Comparison::AtLeast),
        6 => compare(tag, Comparison::AtMost),
        7 => Filter::Present(text_of(tag)),
        8 => compare(tag, Comparison::Approximate),
        9 => extensible(tag),
        other => panic!("{other}"),
    }
}

fn substrings(tag: StructureTag) -> Filter {
    let [attribute, pieces] = parts(tag).try_into().unwrap();
    let mut substrings = Substrings { initial: vec![], any: vec![], last: vec![] };
    for piece in parts(pieces) {
        match piece.id {
            0 => substrings.initial = octets_of(piece),
            1 => substrings.any.push(octets_of(piece)),
            2 => substrings.last = octets_of(piece),
            other => panic!("{other}"),
        }
    }
    Filter::Substrings(text_of(attribute), substrings)
}

fn extensible(tag: StructureTag) -> Filter {
    let mut extensible = Extensible { attribute: None, dn: false, rule: None, value: vec![] };
    for part in parts(tag) {
        match part.id {
            1 => extensible.rule = Some(text_of(part)),
            2 => extensible.attribute = Some(text_of(part)),
            3 => extensible.value = octets_of(part),
            4 => extensible.dn = matches!(&part.payload, PL::P(value) if value != &[0]),
            other => panic!("{other}"),
        }
    }
    Filter::Extensible(extensible)
}

/// What a server gets, in its own reading of it.
fn received(filter: &LdapFilter) -> Filter {
    match filter {
        LdapFilter::And(filters) => Filter::And(filters.iter().map(received).collect()),
        LdapFilter::Or(filters) => Filter::Or(filters.iter().map(received).collect()),
        LdapFilter::Not(filter) => Filter::negate(received(filter)),
        LdapFilter::Equality(attribute, value) => Filter::equal(attribute, value),
        LdapFilter::Present(attribute) => Filter::present(attribute),
        other => panic!("our filters have none: {other:?}"),
    }
}

proptest! {
    #[test]
    fn a_filter_is_sent_as_it_was_built(filter in any_filter()) {
        let tag = parse_filter(filter.to_string()).map_err(|()| TestCaseError::fail(filter.to_string()))?;
        prop_assert_eq!(sent(tag.into_structure()), filter);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_login_or_address_becomes_part_of_a_filter(login in hostile(), local in hostile()) {
        let local: String = local.chars().take(200).collect();
        runtime().block_on(async {
            let server = FakeServer::start();
            let directory = directory(&server);
            directory.by_login(&login, None).await.unwrap();
            let has = any_of(schema().login.iter(), &Login::of(&login).spellings());
            let filter = Filter::and([schema().person, has]);
            assert_eq!(received(&asked(&server).filter), filter);

            if let Ok(address) = Address::from_parts(&local, "example.org") {
                directory.by_address(std::slice::from_ref(&address), None).await.unwrap();
                let schema = schema();
                let has = any_of(schema.address.iter().chain(&schema.alias), &address.spellings());
                assert_eq!(received(&asked(&server).filter), Filter::and([schema.principal, has]));
            }

            let member = [Arc::new(member("uid=a\\2a\\29\\28,dc=org", &[&login]))];
            directory.groups_of(&member, Groups::Security).await.unwrap();
            let filter = Filter::and([schema().security_group, directory.has_members(&member)]);
            assert_eq!(received(&asked(&server).filter), filter);
        });
    }
}

/// What the reader of filters in ldap3 cannot read would be no failure of the directory's, but ours.
#[tokio::test]
async fn a_filter_from_the_configuration_is_sent() {
    let server = FakeServer::start();
    for text in [
        "(&)",
        "(|)",
        "(a;lang-de;x-b=*)",
        "(!(cn=a*b*c))",
        "(:dn:2.5.13.5:=a\\00)",
        "(entryDN:dnSubtreeMatch:=ou=x)",
        "(1.2.3:=\\ff)",
    ] {
        let schema = Schema { person: Filter::parse(text).unwrap(), ..schema() };
        let answer = with_schema(&server, schema).by_login("anna", None).await;
        // ldap3_proto, with which the server reads, does not know values that are not UTF-8: it hangs up.
        if text.contains("ff") {
            assert!(matches!(answer, Err(Failure::Unavailable(_))), "{text}: {answer:?}");
        } else {
            answer.unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }
    let searches: Vec<_> = server.searches().into_iter().map(LdapOp::SearchRequest).collect();
    assert_eq!(searches.len(), 6);
}

// ----------------------------------------------------------------------------------------------------------- logs

/// Fit for a log line: printable, and not without an end.
fn fit(text: &str) -> bool {
    text.len() < 2000 && text.bytes().all(|octet| (b' '..=b'~').contains(&octet))
}

/// A text as a value of a name (RFC 4514 section 2.4), raw where that is legal.
fn in_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        match c {
            '\0' => name.push_str("\\00"),
            ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => name.extend(['\\', c]),
            c => name.push(c),
        }
    }
    name
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_that_a_server_says_breaks_a_line(text in hostile(), code in 1..200_u32) {
        runtime().block_on(async {
            let server = FakeServer::start();
            let directory = directory(&server);
            let name = format!("uid={},dc=org", in_name(&text));

            let diagnostic = text.clone();
            server.on_search(move |_| vec![Act::Say(result(0x65, code, &diagnostic, &[]))]);
            let failure = directory.by_login("anna", None).await.unwrap_err().to_string();
            assert!(fit(&failure), "{failure:?}");

            let twin = |n: &str| entry::<&str>(format!("ou={n}{name}"), &[("uid", &["anna"])]);
            server.holds(&[twin("a,"), twin("b,")]);
            let failure = directory.by_login("anna", None).await.unwrap_err();
            assert!(matches!(failure, Failure::AmbiguousLogin(_)), "{failure:?}");
            assert!(fit(&failure.to_string()), "{failure}");

            // Names and options of attributes are the server's too.
            let ranged = format!("uid;{};range=1-1", text.replace(';', ""));
            server.holds(&[entry(&name, &[(ranged.as_str(), &["anna"])])]);
            let failure = directory.by_login("anna", None).await.unwrap_err().to_string();
            assert!(fit(&failure), "{failure:?}");
            server.holds(&[entry::<&str>(format!("{name},ou=elsewhere"), &[])]);
            let failure = directory.by_login("anna", None).await.unwrap_err().to_string();
            assert!(fit(&failure), "{failure:?}");

            let refusing = FakeServer::start();
            let diagnostic = text.clone();
            refusing.on_bind(move |_| vec![Act::Say(bind_response(code, &diagnostic))]);
            let error = with_schema(&refusing, schema()).trouble().await.unwrap().to_string();
            assert!(fit(&error), "{error:?}");

            let dn = Dn::parse(&name).unwrap();
            let doubt = Doubt { dn, attribute: "mail".into(), value: text, reason: Doubtful::NotText };
            assert!(fit(&doubt.to_string()), "{doubt}");
        });
    }
}

// -------------------------------------------------------------------------------------------------------- headers

/// A message from anna as boss, who lets her, through a whole site on that server.
async fn sender_field(server: &FakeServer) -> String {
    let url = format!("ldapi://{}", server.path().display().to_string().replace('/', "%2F"));
    let text =
        format!("[directory]\nurls = [\"{url}\"]\nbase_dn = \"dc=org\"\n[delegation]\nenabled = true\n");
    let config = Config::parse(&text, std::path::Path::new("/test.toml")).unwrap();
    let site = open::site(config, None, &Health::default()).unwrap();
    let (_sender, receiver) = tokio::sync::watch::channel(Arc::new(site));
    let mut session = Session::new(receiver, Transactions::default(), Steps::default());
    session.mail(Some("anna".to_owned()), Envelope::read([&b"<anna@example.org>"[..]].into_iter()));
    session.header(b"From", b"boss@example.org");
    assert_eq!(session.end_of_header("4QID").await, Outcome::Continue);
    let modifications = session.end_of_message("4QID").await.modifications;
    match modifications.as_slice() {
        [Modification::AddSender(body)] => body.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_display_name_breaks_the_header(name in hostile(), broken in proptest::collection::vec(any::<u8>(), 0..40)) {
        for name in [name.into_bytes(), broken] {
            let field = runtime().block_on(async {
                let server = FakeServer::start();
                let class: &[&[u8]] = &[b"person"];
                let anna = entry("uid=anna,dc=org", &[
                    ("objectClass", class),
                    ("uid", &[b"anna"]),
                    ("mail", &[b"anna@example.org"]),
                    ("displayName", &[name.as_slice()]),
                ]);
                let boss = entry("uid=boss,dc=org", &[
                    ("objectClass", class),
                    ("mail", &[b"boss@example.org"]),
                    ("delegationSendOnBehalf", &[b"uid=anna,dc=org"]),
                ]);
                server.on_search(move |request| {
                    let asks = |attribute, value: &str| values(&request.filter, attribute).iter().any(|own| own == value);
                    let found = [(asks("uid", "anna"), &anna), (asks("mail", "boss@example.org"), &boss)];
                    let found = found.into_iter().filter(|(asked, _)| *asked).map(|(_, entry)| entry.clone());
                    found.chain([done(0)]).map(Act::Say).collect()
                });
                sender_field(&server).await
            });
            let folded = field.split('\n').skip(1).all(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
            prop_assert!(folded, "{field:?}");
            prop_assert!(!field.bytes().any(|octet| octet != b'\n' && octet != b'\t' && octet < b' '), "{field:?}");
            let read = crate::mailbox::read(field.as_bytes()).unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].address.to_string(), "anna@example.org");
        }
    }
}

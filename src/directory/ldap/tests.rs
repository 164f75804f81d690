//! Questions to a server that says whatever a test wants.
#![allow(clippy::wildcard_enum_match_arm, reason = "what a test does not expect fails it")]

use ldap3_proto::proto::{LdapBindCred, LdapFilter, LdapSearchRequest, LdapSearchScope};

use super::*;
use crate::config::{Bind, Transport};
use crate::directory::filter::Filter;
use crate::directory::schema::Member;

mod active_directory;
mod connection;
mod hostile;
mod keeper;
mod server;

use server::{Act, FakeServer, bind_response, done, entry, octets, reference, result, tlv};

/// How long an answer may take where it comes: only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn schema() -> Schema {
    Schema::preset("delegation").unwrap()
}

fn reached(server: &FakeServer, bind: Bind, timeout: Duration) -> Server {
    Server { transport: Transport::Ldapi { path: server.path().to_owned() }, bind, timeout }
}

fn with_schema(server: &FakeServer, schema: Schema) -> LdapDirectory {
    LdapDirectory::open(
        &[reached(server, Bind::Anonymous, PATIENCE)],
        schema,
        dn("dc=org"),
        Arc::default(),
        false,
        &Health::default(),
    )
    .unwrap()
}

fn directory(server: &FakeServer) -> LdapDirectory {
    with_schema(server, schema())
}

/// A person of which only a test's own attributes matter.
fn person(name: &str, more: &[(&str, &[&str])]) -> Vec<u8> {
    let class: (&str, &[&str]) = ("objectClass", &["inetOrgPerson", "person"]);
    entry(format!("uid={name},dc=org"), &[&[class], more].concat())
}

fn group(name: &str) -> Vec<u8> {
    entry::<&str>(format!("cn={name},dc=org"), &[("objectClass", &["groupOfNames"]), ("cn", &[name])])
}

/// The first relative name of each entry.
fn names(entries: &[Arc<Entry>]) -> Vec<&str> {
    entries.iter().map(|entry| entry.dn.as_str().split(',').next().unwrap()).collect()
}

/// One of each question.
async fn questions(directory: &LdapDirectory) -> [(&'static str, Result<usize, Failure>); 5] {
    let member = [Arc::new(anna())];
    [
        ("by_login", directory.by_login("anna", None).await.map(|found| found.iter().count())),
        (
            "by_address",
            directory.by_address(&[address("anna@example.org")], None).await.map(|found| found.len()),
        ),
        ("security groups", directory.groups_of(&member, Groups::Security).await.map(|found| found.len())),
        ("other groups", directory.groups_of(&member, Groups::Others).await.map(|found| found.len())),
        ("by_dn", directory.by_dn(&dn("uid=anna,dc=org")).await.map(|found| found.iter().count())),
    ]
}

fn anna() -> Entry {
    member("uid=anna,dc=org", &["anna", "anna@example.org"])
}

fn member(name: &str, logins: &[&str]) -> Entry {
    Entry {
        dn: dn(name),
        name: None,
        mail: Default::default(),
        aliases: Default::default(),
        logins_but_mail: logins.iter().map(|&login| login.to_owned()).collect(),
        mail_logs_in: false,
        numbers: Default::default(),
        is_group: false,
        enabled: None,
        security: None,
        grants: Default::default(),
    }
}

// -------------------------------------------------------------------------------------------- failure and absence

#[tokio::test]
async fn any_result_but_success_is_a_failure() {
    let server = FakeServer::start();
    let directory = directory(&server);
    let codes = (1..=123).chain([255, 4096, 16654, u32::MAX]);
    for code in codes {
        server.on_search(move |_| vec![Act::Say(result(0x65, code, "because", &[]))]);
        for (question, answer) in questions(&directory).await {
            match answer {
                Err(Failure::BadAnswer(why) | Failure::Unavailable(why)) => {
                    assert!(why.contains(&format!("({code}): because")), "{question}: {why}");
                }
                // RFC 4511 appendix A.2: it is not there. Only who asks for one entry by its name learns that from it.
                Ok(0) => assert_eq!((question, code), ("by_dn", 32)),
                other => panic!("{question} {code}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn entries_before_a_failure_do_not_count() {
    let server = FakeServer::start();
    let directory = directory(&server);
    let found = person("anna", &[("uid", &["anna"]), ("mail", &["anna@example.org"])]);
    // sizeLimitExceeded: there may be another anna.
    let acts = [found, done(4)].map(Act::Say).to_vec();
    server.on_search(move |_| acts.clone());
    for (question, answer) in questions(&directory).await {
        assert!(matches!(answer, Err(Failure::BadAnswer(_))), "{question}: {answer:?}");
    }
}

/// A server that does not keep to the limit it is given, or sends more than anybody has.
#[tokio::test]
async fn endless_answers_are_a_failure() {
    let server = FakeServer::start();
    let large = person("anna", &[("uid", &["anna", &"a".repeat(12 << 20)])]);
    let small = (0..=root::MAX_ENTRIES).map(|number| group(&number.to_string())).collect();
    for answers in [vec![large; 3], small] {
        server.holds(&answers);
        match directory(&server).by_login("anna", None).await {
            Err(Failure::Unavailable(why)) => assert!(why.contains("more than 10000 entries"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert!(server.searches().iter().all(|search| search.sizelimit == root::MAX_ENTRIES));
    }
}

#[tokio::test]
async fn what_another_server_knows_is_a_failure() {
    let server = FakeServer::start();
    let directory = directory(&server);
    let found = person("anna", &[("uid", &["anna"]), ("mail", &["anna@example.org"])]);
    for acts in [
        vec![found.clone(), reference("ldap://other/dc=org"), done(0)],
        vec![reference("ldap://other/dc=org"), found.clone(), done(0)],
        vec![found, result(0x65, 0, "", &["ldap://other/dc=org"])],
    ] {
        let acts: Vec<_> = acts.into_iter().map(Act::Say).collect();
        server.on_search(move |_| acts.clone());
        for (question, answer) in questions(&directory).await {
            match answer {
                Err(Failure::BadAnswer(why)) => assert!(why.contains("other servers"), "{question}: {why}"),
                other => panic!("{question}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn nothing_found_is_an_absence() {
    let server = FakeServer::start();
    for (question, answer) in questions(&directory(&server)).await {
        assert_eq!(answer.unwrap(), 0, "{question}");
    }
}

#[tokio::test]
async fn an_intermediate_response_is_passed_over() {
    let server = FakeServer::start();
    // RFC 4511 section 4.13
    let acts =
        [tlv(0x79, &tlv(0x80, b"1.2.3")), person("anna", &[("uid", &["anna"])]), done(0)].map(Act::Say);
    server.on_search(move |_| acts.to_vec());
    assert!(directory(&server).by_login("anna", None).await.unwrap().is_some());
}

#[tokio::test]
async fn entries_that_cannot_be_read_are_a_failure() {
    let server = FakeServer::start();
    let directory = directory(&server);
    let attributes = |content: &[u8]| tlv(0x64, &[octets("uid=anna,dc=org"), content.to_vec()].concat());
    let attribute = |parts: &[Vec<u8>]| attributes(&tlv(0x30, &tlv(0x30, &parts.concat())));
    for (what, bad) in [
        ("a name that is none", entry::<&str>("anna", &[])),
        ("a name with a quote", entry::<&str>("uid=\"anna,dc=org", &[])),
        ("a name that is not UTF-8", entry::<&str>(b"uid=ann\xe4,dc=org", &[])),
        ("a name that is not a string", tlv(0x64, &[tlv(0x30, b""), tlv(0x30, b"")].concat())),
        ("nothing", tlv(0x64, b"")),
        ("a string", tlv(0x44, b"anna")),
        ("no attributes", tlv(0x64, &octets("uid=anna,dc=org"))),
        ("attributes that are a string", attributes(&octets("uid"))),
        ("an attribute that is a string", attributes(&tlv(0x30, &octets("uid")))),
        ("an attribute without a name", attribute(&[])),
        ("an attribute without values", attribute(&[octets("uid")])),
        ("an attribute whose name is not UTF-8", attribute(&[octets(b"\xff"), tlv(0x31, b"")])),
        ("values that are a string", attribute(&[octets("uid"), octets("anna")])),
        ("a value that is a list", attribute(&[octets("uid"), tlv(0x31, &tlv(0x30, b""))])),
        ("a range without an end", person("anna", &[("mail;range=0-", &["a@x.org"])])),
        ("a range that is no number", person("anna", &[("mail;range=0-x", &["a@x.org"])])),
        ("a range without numbers", person("anna", &[("mail;range=", &["a@x.org"])])),
        ("a range that goes back", person("anna", &[("mail;range=5-3", &["a@x.org"])])),
        (
            "a range that cannot be followed",
            person("anna", &[("mail;range=0-18446744073709551615", &["a@x.org"])]),
        ),
        ("two ranges of one", person("anna", &[("mail;range=0-1;range=2-3", &["a@x.org"])])),
    ] {
        let acts = [person("anna", &[("uid", &["anna"])]), bad, done(0)].map(Act::Say);
        server.on_search(move |_| acts.to_vec());
        for (question, answer) in questions(&directory).await {
            assert!(matches!(answer, Err(Failure::BadAnswer(_))), "{what}: {question}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn entries_outside_of_the_subtree_are_a_failure() {
    let server = FakeServer::start();
    server.holds(&[person("anna", &[("uid", &["anna"]), ("mail", &["anna@example.org"])])]);
    let directory = directory(&server);
    let base = dn("ou=people,dc=org");
    let by_login = directory.by_login("anna", Some(&base)).await;
    assert!(matches!(by_login, Err(Failure::BadAnswer(_))), "{by_login:?}");
    let by_address = directory.by_address(&[address("anna@example.org")], Some(&base)).await;
    assert!(matches!(by_address, Err(Failure::BadAnswer(_))), "{by_address:?}");
    assert!(directory.by_login("anna", Some(&dn("DC = Org"))).await.unwrap().is_some());
}

// --------------------------------------------------------------------------------------------------------- values

#[tokio::test]
async fn values_of_any_kind() {
    let server = FakeServer::start();
    let mut aliases: Vec<Vec<u8>> = (0..5000).map(|n| format!("alias{n}@example.org").into_bytes()).collect();
    aliases.extend([b"\xff\xfe".to_vec(), b"".to_vec(), vec![0; 100_000], b"last@example.org".to_vec()]);
    let values: Vec<&[u8]> = aliases.iter().map(Vec::as_slice).collect();
    let many = entry::<&[u8]>(
        "uid=anna,dc=org",
        &[("uid", &[b"anna", b"\xff"]), ("MAIL", &[b"anna@example.org"]), ("delegationAlias", &values)],
    );
    server.holds(&[many]);
    let directory = directory(&server);
    let found = directory.by_address(&[address("last@example.org")], None).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].aliases.len(), 5001);
    assert_eq!(
        directory.by_login("anna", None).await.unwrap().unwrap().logins().collect::<Vec<_>>(),
        ["anna", "anna@example.org"]
    );
}

/// Answers a question for the values of `delegationAlias` as Active Directory does.
fn in_ranges(step: u64, last: u64) -> impl Fn(&LdapSearchRequest) -> Vec<Act> {
    move |request| {
        let asked = request.attrs.iter().find_map(|name| name.strip_prefix("delegationAlias;range="));
        let first: u64 = asked.map_or(0, |range| range.split('-').next().unwrap().parse().unwrap());
        let end = (first + step - 1).min(last);
        let shown = if end == last { "*".to_owned() } else { end.to_string() };
        let name = format!("delegationAlias;Range={first}-{shown}");
        let values: Vec<_> = (first..=end).map(|n| format!("alias{n}@example.org")).collect();
        let found = entry(
            "uid=anna,dc=org",
            &[
                ("delegationAlias", &[]),
                (name.as_str(), values.as_slice()),
                ("uid", &["anna".to_owned()]),
                ("objectClass", &["person".to_owned()]),
            ],
        );
        [found, done(0)].map(Act::Say).to_vec()
    }
}

#[tokio::test]
async fn ranges_are_fetched_whole() {
    let server = FakeServer::start();
    let directory = directory(&server);
    for (step, last, searches) in [(2, 0, 1), (2, 1, 1), (2, 2, 2), (2, 9, 5), (1500, 4000, 3)] {
        server.on_search(in_ranges(step, last));
        let found = directory.by_login("anna", None).await.unwrap().unwrap();
        let expected: HashSet<_> = (0..=last).map(|n| address(&format!("alias{n}@example.org"))).collect();
        assert_eq!(found.aliases.len(), expected.len(), "{step} {last}");
        assert_eq!(found.aliases.iter().cloned().collect::<HashSet<_>>(), expected, "{step} {last}");
        let asked = server.searches();
        assert_eq!(asked.len(), searches, "{step} {last}");
        for (n, request) in (1..).zip(&asked[1..]) {
            assert_eq!((request.base.as_str(), &request.scope), ("uid=anna,dc=org", &LdapSearchScope::Base));
            assert_eq!(request.attrs, [format!("delegationAlias;range={}-*", step * n)]);
        }
    }
}

#[tokio::test]
async fn ranges_without_an_end_are_a_failure() {
    let server = FakeServer::start();
    server.on_search(in_ranges(1, u64::MAX));
    match directory(&server).by_login("anna", None).await {
        Err(Failure::BadAnswer(why)) => assert!(why.contains("have no end"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn values_that_are_missing_from_ranges_are_a_failure() {
    let server = FakeServer::start();
    let directory = directory(&server);
    let of = |name: &str, range: &str| {
        let attribute = format!("delegationAlias{range}");
        person(name, &[("uid", &["anna"]), (attribute.as_str(), &["a@x.org"])])
    };
    let first = of("anna", ";range=0-0");
    for (what, first, then) in [
        ("it begins late", of("anna", ";range=1-*"), vec![done(0)]),
        ("the entry is gone", first.clone(), vec![done(0)]),
        ("noSuchObject", first.clone(), vec![done(32)]),
        ("the attribute is gone", first.clone(), vec![person("anna", &[]), done(0)]),
        ("it is given without a range", first.clone(), vec![of("anna", ""), done(0)]),
        ("a gap", first.clone(), vec![of("anna", ";range=2-*"), done(0)]),
        ("the same again", first.clone(), vec![of("anna", ";range=0-0"), done(0)]),
        ("another entry", first.clone(), vec![of("bea", ";range=1-*"), done(0)]),
        ("two entries", first.clone(), vec![of("anna", ";range=1-*"), of("bea", ";range=1-*"), done(0)]),
        (
            "another attribute",
            first.clone(),
            vec![person("anna", &[("mail;range=1-*", &["b@x.org"])]), done(0)],
        ),
    ] {
        server.on_search(move |request| {
            let more = request.attrs.iter().any(|name| name.contains("range="));
            let acts = if more { then.clone() } else { vec![first.clone(), done(0)] };
            acts.into_iter().map(Act::Say).collect()
        });
        let answer = directory.by_login("anna", None).await;
        assert!(matches!(answer, Err(Failure::BadAnswer(_))), "{what}: {answer:?}");
    }
}

// ---------------------------------------------------------------------------------------------- our own comparison

#[tokio::test]
async fn an_address_counts_only_by_our_comparison() {
    let server = FakeServer::start();
    server.holds(&[
        person("d-loose", &[("mail", &["\u{ff42}oss@example.org"])]),
        person("b-alias", &[("mailLocalAddress", &["\"boss\"@example.ORG"])]),
        person("a-mail", &[("mail", &["BOSS@example.org"])]),
        person("e-folded", &[("mail", &["bo\u{df}@example.org", "boss@example.org.", "boss@example.org\0"])]),
    ]);
    let directory = directory(&server);
    let found = directory.by_address(&[address("boss@example.org")], None).await.unwrap();
    assert_eq!(names(&found), ["uid=a-mail", "uid=b-alias"]);
    assert!(directory.by_address(&[], None).await.unwrap().is_empty());
}

/// The server searched what it does not show: what counts cannot be told, and is no absence.
#[tokio::test]
async fn entries_without_what_they_were_found_by_are_a_failure() {
    let server = FakeServer::start();
    let directory = directory(&server);
    for hidden in [
        person("anna", &[("cn", &["Anna"])]),
        person("anna", &[("rfc822Mailbox", &["anna@example.org"]), ("userid", &["anna"])]),
        person("anna", &[("mail", &[]), ("uid", &[])]),
        person("anna", &[("mail", &["anna@example.organisation", "annas@example.org"]), ("uid", &["annas"])]),
    ] {
        server.holds(&[person("other", &[("uid", &["ANNA"]), ("mail", &["Anna@example.org"])]), hidden]);
        let by_login = directory.by_login("anna", None).await.map(|found| found.iter().count());
        let by_address =
            directory.by_address(&[address("anna@example.org")], None).await.map(|found| found.len());
        for (found, attributes) in
            [(by_login, "uid, mail"), (by_address, "mail, delegationAlias, mailAlternateAddress, ")]
        {
            match found {
                Err(Failure::BadAnswer(why)) => {
                    let says = format!(
                        "uid=anna,dc=org is found, but what it is found by is not shown; may the account read {attributes}"
                    );
                    assert!(why.contains(&says), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn logins_in_the_order_of_the_attributes() {
    let server = FakeServer::start();
    let directory = directory(&server);
    let by_uid = || person("by-uid", &[("uid", &["Anna@example.org"])]);
    let by_mail = || person("by-mail", &[("mail", &["anna@EXAMPLE.org"])]);
    let loose =
        || person("loose", &[("uid", &["\u{e5}nna@example.org"]), ("mail", &["\u{ff41}nna@example.org"])]);
    for (entries, expected) in [
        (vec![], None),
        (vec![loose()], None),
        (vec![by_mail(), loose()], Some("uid=by-mail,dc=org")),
        (vec![by_mail(), by_uid()], Some("uid=by-uid,dc=org")),
        (vec![by_uid(), by_mail(), by_mail()], Some("uid=by-uid,dc=org")),
    ] {
        server.holds(&entries);
        let found = directory.by_login("anna@example.org", None).await.unwrap();
        assert_eq!(found.as_ref().map(|entry| entry.dn.as_str()), expected);
    }
    server.holds(&[by_mail(), loose(), person("twin", &[("mail", &["ANNA@example.org"])])]);
    match directory.by_login("anna@example.org", None).await {
        Err(Failure::AmbiguousLogin(dns)) => {
            assert_eq!(dns, ["uid=by-mail,dc=org", "uid=twin,dc=org"].map(dn));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_entry_of_a_name_has_that_name() {
    let server = FakeServer::start();
    server.holds(&[person("bea", &[])]);
    let directory = directory(&server);
    assert!(directory.by_dn(&dn("uid=anna,dc=org")).await.unwrap().is_none());
    assert!(directory.by_dn(&dn("UID = Bea, DC = org")).await.unwrap().is_some());
    server.searches();
    assert!(directory.by_dn(&dn("uid=bea,dc=com")).await.unwrap().is_none());
    assert_eq!(server.searches(), [], "it is outside of directory.base_dn");
}

// ------------------------------------------------------------------------------------------------- what is asked

/// The one search since the last.
fn asked(server: &FakeServer) -> LdapSearchRequest {
    let mut searches = server.searches();
    assert_eq!(searches.len(), 1, "{searches:?}");
    searches.remove(0)
}

fn values(filter: &LdapFilter, attribute: &str) -> Vec<String> {
    match filter {
        LdapFilter::And(filters) | LdapFilter::Or(filters) => {
            filters.iter().flat_map(|filter| values(filter, attribute)).collect()
        }
        LdapFilter::Equality(name, value) if name == attribute => vec![value.clone()],
        _ => vec![],
    }
}

#[tokio::test]
async fn a_login_is_asked_for_in_every_spelling() {
    let server = FakeServer::start();
    let directory = directory(&server);
    for (login, spellings) in [
        ("Anna", &["anna"][..]),
        ("Zo\u{eb}", &["zo\u{eb}"]),
        ("anna@Example.org", &["anna@example.org"]),
        ("\"anna\"@example.org", &["anna@example.org"]),
        ("\"a b\"@example.org", &["\"a b\"@example.org"]),
        ("zoe\u{308}@example.org", &["zo\u{eb}@example.org"]),
        ("anna@B\u{fc}cher.example", &["anna@xn--bcher-kva.example", "anna@b\u{fc}cher.example"]),
        ("anna@xn--bcher-kva.example", &["anna@xn--bcher-kva.example", "anna@b\u{fc}cher.example"]),
        ("*)(uid=*", &["*)(uid=*"]),
    ] {
        directory.by_login(login, None).await.unwrap();
        let filter = asked(&server).filter;
        for attribute in ["uid", "mail"] {
            assert_eq!(values(&filter, attribute), spellings, "{login}");
        }
    }
}

#[tokio::test]
async fn an_address_is_asked_for_in_every_attribute_and_spelling() {
    let server = FakeServer::start();
    let addresses = ["a+x@b\u{fc}cher.example", "a@b\u{fc}cher.example"].map(address);
    directory(&server).by_address(&addresses, None).await.unwrap();
    let filter = asked(&server).filter;
    for attribute in
        ["mail", "delegationAlias", "mailAlternateAddress", "mailLocalAddress", "gosaMailAlternateAddress"]
    {
        let spellings = ["a+x@xn--bcher-kva.example", "a+x@b\u{fc}cher.example"];
        let base = ["a@xn--bcher-kva.example", "a@b\u{fc}cher.example"];
        assert_eq!(values(&filter, attribute), [spellings, base].concat(), "{attribute}");
    }
}

#[tokio::test]
async fn where_questions_look() {
    let server = FakeServer::start();
    let directory = directory(&server);
    let context = dn("ou=a,dc=org");
    for (base, expected) in [(None, "dc=org"), (Some(&context), "ou=a,dc=org")] {
        directory.by_login("anna", base).await.unwrap();
        directory.by_address(&[address("a@x.org")], base).await.unwrap();
        for request in server.searches() {
            assert_eq!((request.base.as_str(), request.scope), (expected, LdapSearchScope::Subtree));
        }
    }
    directory.groups_of(&[Arc::new(anna())], Groups::Security).await.unwrap();
    assert_eq!(asked(&server).base, "dc=org");
    directory.by_dn(&dn("uid=anna,dc=org")).await.unwrap();
    let request = asked(&server);
    assert_eq!((request.base.as_str(), request.scope), ("uid=anna,dc=org", LdapSearchScope::Base));
}

#[tokio::test]
async fn no_search_asks_for_members() {
    let members = ["member", "uniquemember", "memberuid"];
    let cases = [
        ("as it is", schema()),
        ("people are told by groups", Schema { person: Filter::present("MemberUid;x-a"), ..schema() }),
        ("principals are told by members", Schema { principal: Filter::present("member"), ..schema() }),
        (
            "groups are told by members",
            Schema { security_group: Filter::present("uniqueMember"), ..schema() },
        ),
        ("a login is a member", Schema { login: vec!["MEMBERUID".into(), "uid".into()], ..schema() }),
        ("nothing else is read", {
            let only = || vec!["member;x-a".to_owned()];
            Schema {
                login: only(),
                address: only(),
                alias: only(),
                display_name: only(),
                send_as: only(),
                send_on_behalf: only(),
                schedule: only(),
                enabled: only(),
                person: Filter::present("member"),
                ..schema()
            }
        }),
    ];
    for (what, schema) in cases {
        let server = FakeServer::start();
        for (question, answer) in questions(&with_schema(&server, schema)).await {
            answer.unwrap_or_else(|error| panic!("{what}: {question}: {error}"));
        }
        let searches = server.searches();
        assert_eq!(searches.len(), 6, "{what}");
        for request in searches {
            assert!(!request.attrs.is_empty(), "{what}: no attribute means all");
            for attribute in &request.attrs {
                assert!(!members.contains(&key(attribute).as_str()), "{what}: {attribute}");
                assert!(!["*", "+"].contains(&attribute.as_str()), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn members_by_the_form_of_their_attribute() {
    let server = FakeServer::start();
    let members = ["uid=a,dc=org", "cn=g,dc=org"].map(dn);
    let [person, list] = [("uid=a,dc=org", &["a", "a@x.org"][..]), ("cn=g,dc=org", &[])]
        .map(|(name, logins)| Arc::new(member(name, logins)));
    directory(&server).groups_of(&[person, list], Groups::Security).await.unwrap();
    let filter = asked(&server).filter;
    for attribute in ["member", "uniqueMember"] {
        assert_eq!(values(&filter, attribute), members.each_ref().map(Dn::as_str), "{attribute}");
    }
    assert_eq!(values(&filter, "memberUid"), ["a", "a@x.org"]);
}

#[tokio::test]
async fn who_can_be_no_member_is_not_asked_for() {
    let server = FakeServer::start();
    let by_login = Schema { member: vec![Member::of("memberUid")], ..schema() };
    let directory = with_schema(&server, by_login);
    let list = [Arc::new(member("cn=g,dc=org", &[]))];
    for kind in [Groups::Security, Groups::Others] {
        assert!(directory.groups_of(&list, kind).await.unwrap().is_empty());
    }
    assert_eq!(server.searches(), []);
}

#[tokio::test]
async fn a_batch_of_members_is_one_search() {
    let server = FakeServer::start();
    let members: Vec<_> = (0..crate::directory::MEMBERS_A_SEARCH)
        .map(|n| Arc::new(member(&format!("uid=member{n},ou=people,dc=org"), &[&format!("member{n}")])))
        .collect();
    directory(&server).groups_of(&members, Groups::Security).await.unwrap();
    let filter = asked(&server).filter;
    let dns: Vec<_> = members.iter().map(|member| member.dn.to_string()).collect();
    assert_eq!(values(&filter, "member"), dns);
    assert_eq!(values(&filter, "memberUid").len(), members.len());
}

#[tokio::test]
async fn other_groups_are_all_but_the_security_groups() {
    let server = FakeServer::start();
    let all = [group("c"), group("a"), group("b")];
    server.on_search(move |request| {
        let security = values(&request.filter, "objectClass").contains(&"posixGroup".to_owned());
        let found = if security { &all[1..2] } else { &all[..] };
        found.iter().cloned().chain([done(0)]).map(Act::Say).collect()
    });
    let directory = directory(&server);
    let member = [Arc::new(anna())];
    for (kind, expected) in [(Groups::Security, &["cn=a"][..]), (Groups::Others, &["cn=b", "cn=c"])] {
        assert_eq!(names(&directory.groups_of(&member, kind).await.unwrap()), expected, "{kind:?}");
    }
}

/// Servers keep superclasses to themselves: that a person is found as one is all that tells it.
#[tokio::test]
async fn the_question_says_who_is_a_person() {
    let server = FakeServer::start();
    let anna = entry::<&str>(
        "uid=anna,dc=org",
        &[("objectClass", &["inetOrgPerson"]), ("uid", &["anna"]), ("mail", &["anna@example.org"])],
    );
    server.holds(&[anna]);
    let directory = directory(&server);
    let person = directory.by_login("anna", None).await.unwrap().unwrap();
    assert_eq!(person.logins().collect::<Vec<_>>(), ["anna", "anna@example.org"]);
    // As a group it is a member of nothing by its logins.
    let groups = directory.groups_of(&[person], Groups::Security).await.unwrap();
    assert_eq!(groups[0].logins().count(), 0);
}

// ---------------------------------------------------------------------------------------------------------- binds

fn password(text: &str) -> (tempfile::File, std::path::PathBuf) {
    let file = tempfile::File::new(text);
    let path = file.path.clone();
    (file, path)
}

/// A file that is removed with its test.
mod tempfile {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    pub(super) struct File {
        pub(super) path: PathBuf,
    }

    impl File {
        pub(super) fn new(text: &str) -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let name = format!("dm-password-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            Self { path }
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn opened(server: &FakeServer, bind: Bind) -> LdapDirectory {
    LdapDirectory::open(
        &[reached(server, bind, PATIENCE)],
        schema(),
        dn("dc=org"),
        Arc::default(),
        false,
        &Health::default(),
    )
    .unwrap()
}

fn simple(password_file: &std::path::Path) -> Bind {
    Bind::Simple { dn: "cn=milter,dc=org".to_owned(), password_file: password_file.to_owned() }
}

#[tokio::test]
async fn how_it_logs_in() {
    let (_file, path) = password("secret*()\\\u{e4} \n");
    for (bind, name, credentials) in [
        (Bind::Anonymous, "", LdapBindCred::Simple(String::new())),
        (simple(&path), "cn=milter,dc=org", LdapBindCred::Simple("secret*()\\\u{e4} ".to_owned())),
    ] {
        let server = FakeServer::start();
        assert!(opened(&server, bind).trouble().await.is_none());
        let binds = server.binds();
        assert_eq!(binds.len(), 1);
        assert_eq!((binds[0].version, binds[0].dn.as_str()), (3, name));
        assert!(binds[0].cred == credentials, "{:?}", binds[0]);
    }
    let server = FakeServer::start();
    assert!(opened(&server, Bind::External).trouble().await.is_none());
    match &server.binds()[0].cred {
        LdapBindCred::SASL(sasl) => {
            assert_eq!((sasl.mechanism.as_str(), sasl.credentials.as_slice()), ("EXTERNAL", &b""[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_login_that_is_refused() {
    let hostile = format!("no\r\n\x1b[31m\u{202e}{}", "x".repeat(4096));
    let (_file, path) = password("secret");
    for (code, name) in [
        (48, "inappropriateAuthentication"),
        (49, "invalidCredentials"),
        (53, "unwillingToPerform"),
        (14, "result code"),
    ] {
        let server = FakeServer::start();
        let text = hostile.clone();
        server.on_bind(move |_| vec![Act::Say(bind_response(code, &text))]);
        let directory = opened(&server, simple(&path));
        let error = directory.trouble().await.unwrap();
        assert_eq!(error.step(), Step::Bind);
        let text = error.to_string();
        let says = format!("refuses the login of cn=milter,dc=org: {name} ({code}): no\\r\\n\\u{{1b}}[31m");
        assert!(text.contains(&says), "{text}");
        assert!(text.len() < 600 && text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text:?}");
        match directory.by_login("anna", None).await {
            Err(Failure::Unavailable(why)) => assert_eq!(why, text),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_password_that_is_gone() {
    let (file, path) = password("secret");
    drop(file);
    let server = FakeServer::start();
    let directory = opened(&server, simple(&path));
    let error = directory.trouble().await.unwrap();
    assert!(matches!(&error, ConnectError::Password { file, .. } if *file == path), "{error:?}");
    assert!(error.to_string().starts_with("directory.bind_password_file: /"), "{error}");
    assert_eq!(server.binds(), [], "nobody logs in without the password that was meant");
    // Put back, it is used without a restart.
    std::fs::write(&path, "secret").unwrap();
    connection::in_the_end("it logs in", async || directory.by_login("anna", None).await.ok()).await;
    std::fs::remove_file(&path).unwrap();
}

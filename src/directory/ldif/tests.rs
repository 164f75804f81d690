use std::collections::HashSet;

use base64::Engine;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::directory::entry::MAX_GRANTS;
use crate::grant::{Delegate, Grant, Right, Texts};

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn schema() -> Schema {
    Schema::preset("delegation").unwrap()
}

fn read(text: &str, base: Option<&str>) -> Result<LdifDirectory, LdifError> {
    LdifDirectory::parse(Path::new("demo.ldif"), text.as_bytes(), &schema(), base.map(dn).as_ref())
}

fn directory(text: &str) -> LdifDirectory {
    read(text, None).unwrap_or_else(|error| panic!("{error}"))
}

/// The answer, which an LDIF file has at once.
fn now<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    future.now_or_never().expect("a file answers at once")
}

/// The first relative name of each entry.
fn names(entries: &[Arc<Entry>]) -> Vec<&str> {
    entries.iter().map(|entry| entry.dn.as_str().split(',').next().unwrap()).collect()
}

/// The values of `cn` of the first entry.
fn values_of_cn(file: &[u8]) -> Vec<String> {
    let found = reader::records(file, &["cn".to_owned()].into()).unwrap_or_else(|l| panic!("{}", l.problem));
    let values = found.first().into_iter().flat_map(|found| found.record.values("cn"));
    values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

#[test]
fn values_however_written() {
    for (lines, values) in [
        ("cn: anna", vec!["anna"]),
        ("cn:anna", vec!["anna"]),
        ("cn:    anna", vec!["anna"]),
        ("cn: anna ", vec!["anna "]),
        ("CN: anna\ncn: bea", vec!["anna", "bea"]),
        ("cn;lang-de: anna", vec!["anna"]),
        ("cn:", vec![""]),
        ("cn: a: b", vec!["a: b"]),
        ("cn: #anna", vec!["#anna"]),
        ("cn: <anna>", vec!["<anna>"]),
        ("cn: Ä", vec!["Ä"]),
        ("cn:: w4Q=", vec!["Ä"]),
        ("cn::w4Q=", vec!["Ä"]),
        ("cn::   w4Q= ", vec!["Ä"]),
        ("cn::", vec![""]),
        ("cn:: IGEKYiA=", vec![" a\nb "]),
        ("cn: an\n na", vec!["anna"]),
        ("cn: an\n  na", vec!["an na"]),
        ("cn: an\n n\n a", vec!["anna"]),
        ("c\n n\n : anna", vec!["anna"]),
        ("cn:: w4\n Q=", vec!["Ä"]),
        ("# comment\n folded\ncn: anna\n#cn: bea", vec!["anna"]),
        ("cn: an\n#comment\n na", vec!["an"]),
        ("description: x\n \ncn: anna", vec!["anna"]),
    ] {
        for (start, end) in [("", "\n"), ("version: 1\n", ""), ("\u{feff}# c\n\nversion:1\n\n", "\n\n\n")] {
            let file = format!("{start}dn: cn=x\n{lines}{end}");
            assert_eq!(values_of_cn(file.as_bytes()), values, "{file}");
            assert_eq!(values_of_cn(file.replace('\n', "\r\n").as_bytes()), values, "CRLF: {file}");
        }
    }
}

#[test]
fn a_fold_may_split_a_character() {
    assert_eq!(values_of_cn(b"dn: cn=x\ncn: \xc3\n \x84"), ["Ä"]);
}

#[test]
fn names_however_written() {
    for line in [
        "dn: cn=Ä,dc=org",
        "dn:cn=Ä,dc=org",
        "DN: cn=\\c3\\84, DC=org",
        "dn:: Y249w4QsZGM9b3Jn",
        "dn: cn=\n Ä,dc=org",
    ] {
        let directory = directory(&format!("{line}\ncn: x\n"));
        assert!(now(directory.by_dn(&dn("CN=ä,dc=org"))).unwrap().is_some(), "{line}");
    }
}

#[test]
fn octets_are_kept_where_no_text_is_needed() {
    let file = "dn: cn=x\njpegPhoto:: /9j/\n";
    assert_eq!(reader::records(file.as_bytes(), &HashSet::new()).ok().unwrap().len(), 1);
    assert!(read(file, None).is_ok());
}

#[test]
fn refused_with_the_line() {
    use Problem::*;
    for (file, line, problem) in [
        (" dn: cn=x", 1, Continuation),
        ("dn: cn=x\ncn: x\n\n cn: y", 4, Continuation),
        ("version: 2\ndn: cn=x", 1, Version),
        ("cn: x\ndn: cn=x", 1, NoName("cn".to_owned())),
        ("dn: cn=x\ncn: x\n\n# numResponses\nsearch: 2", 5, NoName("search".to_owned())),
        ("dn: cn=x\n\nversion: 1", 3, NoName("version".to_owned())),
        ("dn: cn=x\ncn: x\ndn: cn=y", 3, SecondName),
        ("dn: cn=x\ncn: x\n \ndn: cn=y", 4, SecondName),
        ("dn: cn=x\nchangetype: add\ncn: x", 2, Change),
        ("dn: cn=x\ncontrol: 1.2.3 true\nchangetype: delete", 2, Change),
        ("dn: cn=x\ncn: x\n-", 3, NoColon),
        ("dn: cn=x\nthis is\n folded\nnothing", 2, NoColon),
        ("dn: cn=x\n: x", 2, Attribute),
        ("dn: cn=x\nc n: x", 2, Attribute),
        ("dn: cn=x\ncn;: x", 2, Attribute),
        ("dn: cn=x\ncn:: w4Q", 2, Base64),
        ("dn: cn=x\ncn:: w4 Q=", 2, Base64),
        ("dn: cn=x\ncn:: *", 2, Base64),
        ("dn: cn=x\ncn:< file:///etc/passwd", 2, Url),
        ("dn: cn=x\ncn:: xA==", 2, NotText),
        ("dn: cn=x\nCN;lang-de:: xA==", 2, NotText),
        ("dn: cn=x\ncn: a\0b", 2, NotText),
        ("dn:: xA==", 1, NotText),
        ("\n\ndn: anna", 3, Name("anna".to_owned())),
        ("dn:", 1, Name(String::new())),
        ("dn: cn=x,dc=org\n\n# c\ndn: CN=X, dc=org", 4, Again(dn("cn=x,dc=org"), 1)),
    ] {
        match read(file, None) {
            Err(LdifError::Line { line: found, problem: what, .. }) => {
                assert_eq!((found, what), (line, problem), "{file}");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
    let latin1 = LdifDirectory::parse(Path::new("x"), b"dn: cn=x\nsn: \xc4", &schema(), None).unwrap_err();
    assert!(matches!(latin1, LdifError::Line { line: 2, problem: NotText, .. }));
}

#[test]
fn refused_in_plain_english() {
    let error = |text, base| read(text, base).unwrap_err().to_string();
    assert_eq!(
        error("dn: cn=x\n\ndn: CN=X\n", None),
        "demo.ldif, line 3: CN=X is already on line 1; remove one of the two entries, or join them"
    );
    // `dn:: YQoJYg==` is a line end and a tab: a terminal or a log must not see them.
    assert_eq!(
        error("dn:: YQoJYg==\n", None),
        "demo.ldif, line 1: `a\\n\\tb` is not the name of an entry, such as uid=anna,ou=people,dc=example,dc=org (RFC 4514)"
    );
    assert_eq!(error("# nothing\n", None), "demo.ldif: there is no entry");
    assert_eq!(
        error("dn: cn=x,dc=org\n", Some("dc=net")),
        "demo.ldif: there is no entry in or below directory.base_dn, dc=net"
    );
    let mut schema = schema();
    schema.person = crate::directory::filter::Filter::parse("(cn:caseExactMatch:=x)").unwrap();
    let error = LdifDirectory::parse(Path::new("x"), b"dn: cn=x", &schema, None).unwrap_err().to_string();
    assert!(error.starts_with("directory.filters.person: `(cn:caseExactMatch:=x)` cannot be"), "{error}");
    let error =
        LdifDirectory::load(Path::new("/nowhere/x.ldif"), &self::schema(), None).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/x.ldif: cannot be read: "), "{error}");
}

/// An entry with the class of a person and these lines.
fn person(name: &str, lines: &str) -> String {
    format!("dn: {name},dc=org\nobjectClass: inetOrgPerson\n{lines}\n\n")
}

fn entry(text: &str) -> Arc<Entry> {
    directory(text).entries[0].entry.clone()
}

#[test]
fn the_primary_address_comes_first() {
    for (lines, mail) in [
        ("mail: anna@example.org", vec!["anna@example.org"]),
        ("mail: b@example.org\nmail: a@example.org", vec!["a@example.org", "b@example.org"]),
        ("mail: a@example.org\nmail: B@example.org", vec!["B@example.org", "a@example.org"]),
        (
            "uid: b@example.org\nmail: a@example.org\nmail: b@example.org",
            vec!["b@example.org", "a@example.org"],
        ),
        (
            "uid: B@Example.ORG\nmail: a@example.org\nmail: b@example.org",
            vec!["b@example.org", "a@example.org"],
        ),
        (
            "uid: c@example.org\nmail: b@example.org\nmail: a@example.org",
            vec!["a@example.org", "b@example.org"],
        ),
        ("mail: a@bücher.example", vec!["a@xn--bcher-kva.example"]),
        ("mail: anna@example.org \nmail;x-old: a@example.org", vec!["a@example.org", "anna@example.org"]),
        ("mail: none", vec![]),
        ("mailLocalAddress: a@example.org", vec![]),
    ] {
        let entry = entry(&person("uid=x", lines));
        assert_eq!(entry.mail.iter().map(Address::to_string).collect::<Vec<_>>(), mail, "{lines}");
    }
}

#[test]
fn an_entry_with_aliases_alone_is_known_by_one_of_them_whatever_their_order() {
    for (lines, addresses) in [
        (
            "delegationAlias: b@example.org\ndelegationAlias: a@example.org",
            ["a@example.org", "b@example.org"],
        ),
        (
            "delegationAlias: b@example.org\nmailLocalAddress: a@example.org",
            ["a@example.org", "b@example.org"],
        ),
        ("delegationAlias: b@example.org\nmail: c@example.org", ["c@example.org", "b@example.org"]),
        (
            "uid: b@example.org\ndelegationAlias: a@example.org\ndelegationAlias: b@example.org",
            ["b@example.org", "a@example.org"],
        ),
        (
            "delegationAlias: ü@example.org\ndelegationAlias: z@example.org",
            ["z@example.org", "ü@example.org"],
        ),
    ] {
        let entry = entry(&person("uid=x", lines));
        assert_eq!(entry.addresses().cloned().collect::<Vec<_>>(), addresses.map(address), "{lines}");
        assert_eq!(entry.primary(), Some(&address(addresses[0])), "{lines}");
    }
}

#[test]
fn an_entry_from_its_attributes() {
    let entry = entry(&person(
        "uid=bea",
        "UID: bea\ncn: Beate Boss\ndisplayName: \ndisplayName;lang-de: B\u{e9}a Boss\nmail: bea@example.org\n\
         mailLocalAddress: b1@example.org\ndelegationAlias: b2@example.org\ndelegationEnabled: true\n\
         delegationSchedule: carl\ndelegationSendOnBehalf: carl@example.org\n\
         delegationSendAs: uid=anna,dc=org\ndelegationSendAs: uid=carl,dc=org",
    ));
    let grant = |right, delegate| Grant { right, delegate };
    let expected = Entry {
        dn: dn("uid=bea,dc=org"),
        name: Some("B\u{e9}a Boss".into()),
        mail: [address("bea@example.org")].into(),
        aliases: [address("b1@example.org"), address("b2@example.org")].into(),
        logins_but_mail: ["bea"].into_iter().collect(),
        mail_logs_in: true,
        numbers: Texts::default(),
        enabled: Some(true),
        is_group: false,
        security: None,
        grants: [
            grant(Right::SendAs, Delegate::Dn(dn("uid=anna,dc=org"))),
            grant(Right::SendAs, Delegate::Dn(dn("uid=carl,dc=org"))),
            grant(Right::SendOnBehalf, Delegate::Address(address("carl@example.org"))),
            grant(Right::Schedule, Delegate::Login("carl".to_owned())),
        ]
        .into(),
    };
    assert_eq!(*entry, expected);
}

#[test]
fn the_name_is_the_first_that_says_something() {
    for (lines, name) in [
        ("cn: Anna", Some("Anna")),
        ("cn: Anna\ndisplayName: Anna Adams", Some("Anna Adams")),
        ("cn: Anna\ndisplayName:", Some("Anna")),
        ("cn;lang-de: Ännchen\ncn: Anna", Some("Anna")),
        ("cn;lang-de: Ännchen", Some("Ännchen")),
        ("sn: Adams", None),
    ] {
        assert_eq!(entry(&person("uid=x", lines)).name.as_deref(), name, "{lines}");
    }
}

#[test]
fn booleans() {
    for (lines, enabled) in [
        ("cn: x", None),
        ("delegationEnabled: TRUE", Some(true)),
        ("delegationEnabled: FALSE", Some(false)),
        ("delegationEnabled: false ", Some(false)),
        ("delegationEnabled: 1", None),
        ("delegationEnabled: TRUE\ndelegationEnabled: FALSE", Some(false)),
        ("delegationEnabled: FALSE\ndelegationEnabled: TRUE", Some(false)),
    ] {
        assert_eq!(entry(&person("uid=x", lines)).enabled, enabled, "{lines}");
    }
}

#[test]
fn doubtful_values_are_left_out_and_told() {
    let directory = directory(
        "dn: uid=b,dc=org\nmail: boss\nmail: b@example.org\ndelegationAlias:\ndelegationEnabled: yes\n\n\
         dn: cn=a,dc=org\nmember: anna\nmember: uid=b,dc=org\nuniqueMember: uid=b,\n",
    );
    assert_eq!(
        directory.doubtful().iter().map(Doubt::to_string).collect::<Vec<_>>(),
        [
            "member of cn=a,dc=org has a value that is not used: \"anna\": it is not a distinguished name (RFC 4514)",
            "uniqueMember of cn=a,dc=org has a value that is not used: \"uid=b,\": it is not a distinguished name (RFC 4514)",
            "mail of uid=b,dc=org has a value that is not used: \"boss\": it is not a mail address: it has no domain",
            "delegationAlias of uid=b,dc=org has a value that is not used: \"\": it is not a mail address: it has no domain",
            "delegationEnabled of uid=b,dc=org has a value that is not used: \"yes\": it is neither TRUE nor FALSE",
        ]
    );
}

/// A person writes its own grants, as many as it likes.
#[test]
fn grants_without_number() {
    let grants: String =
        (0..=MAX_GRANTS).map(|number| format!("delegationSendOnBehalf: uid={number},dc=org\n")).collect();
    let directory = directory(&format!("dn: uid=b,dc=org\nuid: b\n{grants}"));
    let entry = now(directory.by_dn(&dn("uid=b,dc=org"))).unwrap().unwrap();
    assert_eq!(entry.grants.len(), MAX_GRANTS);
    let doubts = directory.doubtful();
    assert_eq!(doubts.len(), 1);
    assert!(
        doubts[0].to_string().ends_with("it comes after 5000 others; name a group that they are in"),
        "{}",
        doubts[0]
    );
}

/// What each product says in its own way becomes the same kind of grant; what is malformed is told once.
#[test]
fn grants_of_the_products() {
    let univention = Schema::preset("univention").unwrap();
    let text = "dn: uid=bea\nobjectClass: posixAccount\nuid: bea\nuidNumber: 0042\nmailPrimaryAddress: b@example.org\n\
                mail: boss@example.org\nkopanoSendAsPrivilege: 1001\noxDeputyPermissionGivenTo: uid=anna\n\
                oxDeputyPermissionGivenTo: uid=carl |:$:| 02400 |:$:| 02440 |:$:| 1\n\n\
                dn: cn=printer\nobjectClass: device\ncn: printer\nuidNumber: 42\n";
    let directory = LdifDirectory::parse(Path::new("x"), text.as_bytes(), &univention, None).unwrap();
    let entry = |name| now(directory.by_dn(&dn(name))).unwrap().unwrap();
    let carl = || Delegate::Dn(dn("uid=carl"));
    let grants = [
        Grant { right: Right::SendAs, delegate: Delegate::Number("1001".to_owned()) },
        Grant { right: Right::SendOnBehalf, delegate: carl() },
        Grant { right: Right::Schedule, delegate: carl() },
    ];
    assert_eq!(*entry("uid=bea").grants, grants);
    assert_eq!(*entry("uid=bea").mail, [address("b@example.org")]);
    assert_eq!(entry("uid=bea").numbers, ["42"]);
    // Only people are named by number.
    assert_eq!(entry("cn=printer").numbers, [""; 0]);
    let [doubt] = directory.doubtful() else { panic!("{:?}", directory.doubtful()) };
    assert_eq!((doubt.attribute.as_str(), doubt.value.as_str()), ("oxDeputyPermissionGivenTo", "uid=anna"));
}

#[test]
fn by_login() {
    let directory = directory(
        &[
            person("uid=anna,ou=a", "uid: anna\nmail: anna@example.org\nmail: a@bücher.example"),
            person("uid=anna,ou=b", "uid: anna\nmail: anna@acme.example"),
            person("uid=bea,ou=a", "uid: bea\nuid: BEA\nuid: Beate\nmail: shared@example.org"),
            person("uid=carl,ou=a", "uid: carl\nmail: bea\nmail: shared@example.org"),
            person("uid=odd,ou=a", "uid: anna@example.org"),
            "dn: cn=staff,ou=a,dc=org\nobjectClass: groupOfNames\nuid: staff\nmail: staff@example.org\n"
                .to_owned(),
        ]
        .concat(),
    );
    let (a, b) = (Some("ou=a,dc=org"), Some("ou=b,dc=org"));
    for (login, base, expected) in [
        ("bea", None, Ok(Some("uid=bea,ou=a,dc=org"))),
        ("BEA", None, Ok(Some("uid=bea,ou=a,dc=org"))),
        ("beate", a, Ok(Some("uid=bea,ou=a,dc=org"))),
        ("bea", b, Ok(None)),
        ("nobody", None, Ok(None)),
        ("", None, Ok(None)),
        // A file holds one name in several subtrees.
        ("anna", a, Ok(Some("uid=anna,ou=a,dc=org"))),
        ("anna", b, Ok(Some("uid=anna,ou=b,dc=org"))),
        ("anna", None, Err(vec!["uid=anna,ou=a,dc=org", "uid=anna,ou=b,dc=org"])),
        // uid comes before mail: the first attribute with a hit decides, though the second would have one too.
        ("anna@example.org", None, Ok(Some("uid=odd,ou=a,dc=org"))),
        ("Anna@ACME.example", None, Ok(Some("uid=anna,ou=b,dc=org"))),
        ("A@XN--BCHER-KVA.example", None, Ok(Some("uid=anna,ou=a,dc=org"))),
        ("a@BÜCHER.example", None, Ok(Some("uid=anna,ou=a,dc=org"))),
        ("\"anna\"@acme.example", None, Ok(Some("uid=anna,ou=b,dc=org"))),
        ("shared@example.org", None, Err(vec!["uid=bea,ou=a,dc=org", "uid=carl,ou=a,dc=org"])),
        // Groups do not log in.
        ("staff", None, Ok(None)),
        ("staff@example.org", None, Ok(None)),
    ] {
        let answer = match now(directory.by_login(login, base.map(dn).as_ref())) {
            Ok(entry) => Ok(entry.map(|entry| entry.dn.clone())),
            Err(Failure::AmbiguousLogin(names)) => Err(names),
            Err(other) => panic!("{login}: {other}"),
        };
        let expected = expected.map(|name| name.map(dn)).map_err(|names| names.into_iter().map(dn).collect());
        assert_eq!(answer, expected, "{login} in {base:?}");
    }
}

#[test]
fn by_address() {
    let directory = directory(
        &[
            person("uid=carl,ou=b", "mail: shared@example.org"),
            person(
                "uid=bea,ou=a",
                "mail: bea@example.org\ndelegationAlias: shared@example.org\nmail: BEA@example.org",
            ),
            "dn: cn=staff,ou=a,dc=org\nobjectClass: groupOfNames\nmail: staff@example.org\n\n".to_owned(),
            "dn: cn=alias,ou=a,dc=org\nmail: classless@example.org\n".to_owned(),
        ]
        .concat(),
    );
    for (addresses, base, expected) in [
        (vec!["bea@example.org"], None, vec!["uid=bea"]),
        (vec!["Bea@EXAMPLE.org", "bea@example.org"], None, vec!["uid=bea"]),
        (vec!["shared@example.org"], None, vec!["uid=bea", "uid=carl"]),
        (vec!["shared@example.org"], Some("ou=b,dc=org"), vec!["uid=carl"]),
        (vec!["staff@example.org", "shared@example.org"], None, vec!["cn=staff", "uid=bea", "uid=carl"]),
        (vec!["bea+x@example.org"], None, vec![]),
        (vec!["classless@example.org"], None, vec![]),
        (vec![], None, vec![]),
    ] {
        let asked: Vec<_> = addresses.iter().map(|text| address(text)).collect();
        let found = now(directory.by_address(&asked, base.map(dn).as_ref())).unwrap();
        assert_eq!(names(&found), expected, "{addresses:?} in {base:?}");
    }
}

/// Groups of every kind, and the people in them.
fn groups() -> LdifDirectory {
    let group = |name: &str, class: &str, lines: &str| {
        format!("dn: cn={name},dc=org\nobjectClass: {class}\n{lines}\n\n")
    };
    directory(
        &[
            person("uid=anna", "uid: anna\nmail: anna@example.org"),
            person("uid=bea", "uid: bea"),
            person("uid=carl", "uid: carl"),
            group("dn", "groupOfNames", "member: UID=Anna, dc=org\nmember: uid=carl,dc=org"),
            group(
                "uid",
                "groupOfUniqueNames",
                "uniqueMember: uid=anna,dc=org\nuniqueMember: uid=bea,dc=org#'01'B",
            ),
            group("login", "posixGroup", "memberUid: anna\nmemberUid: BEA\nmemberUid: login"),
            group("mail", "posixGroup", "memberUid: anna@example.org"),
            group("nested", "groupOfNames", "member: cn=dn,dc=org\nmember: cn=list,dc=org"),
            group("list", "groupOfNames", "member: uid=anna,dc=org\nmail: list@example.org"),
            group(
                "no",
                "groupOfNames",
                "member: uid=anna,dc=org\nmail: n@example.org\ndelegationSecurityGroup: FALSE",
            ),
            group(
                "both",
                "groupOfNames",
                "member: uid=bea,dc=org\nmail: b@example.org\ndelegationSecurityGroup: TRUE",
            ),
            group("class", "organizationalRole", "member: uid=bea,dc=org"),
            // Its login is not a person's: the group is no member of `login`, nor is it a member of itself by it.
            group("fake", "posixGroup", "uid: anna\nmail: fake@example.org\ndelegationSecurityGroup: TRUE"),
        ]
        .concat(),
    )
}

#[test]
fn groups_of() {
    let directory = groups();
    use Groups::{Others, Security};
    for (members, kind, expected) in [
        (vec!["uid=anna"], Security, vec!["cn=dn", "cn=login", "cn=mail", "cn=uid"]),
        (vec!["uid=anna"], Others, vec!["cn=list", "cn=no"]),
        (vec!["uid=bea"], Security, vec!["cn=both"]),
        (vec!["uid=bea"], Others, vec!["cn=class"]),
        (vec!["uid=carl", "uid=anna"], Security, vec!["cn=dn", "cn=login", "cn=mail", "cn=uid"]),
        (vec!["cn=dn"], Security, vec!["cn=nested"]),
        (vec!["cn=list"], Security, vec!["cn=nested"]),
        (vec!["cn=login"], Security, vec![]),
        (vec!["cn=fake"], Security, vec![]),
        (vec!["cn=nested"], Security, vec![]),
        (vec![], Security, vec![]),
    ] {
        let entry = |name| now(directory.by_dn(&dn(&format!("{name},dc=org")))).unwrap().unwrap();
        let asked: Vec<_> = members.iter().map(entry).collect();
        assert_eq!(names(&now(directory.groups_of(&asked, kind)).unwrap()), expected, "{members:?} {kind:?}");
    }
}

#[test]
fn outside_of_the_base_nothing_is_known() {
    let text =
        [person("uid=in,ou=a", "uid: in"), person("uid=out,ou=b", "uid: out\nmail: nonsense")].concat();
    let directory = read(&text, Some("OU=a,dc=org")).unwrap();
    assert!(now(directory.by_login("in", None)).unwrap().is_some());
    assert!(now(directory.by_login("out", None)).unwrap().is_none());
    assert!(now(directory.by_dn(&dn("uid=out,ou=b,dc=org"))).unwrap().is_none());
    assert_eq!(directory.doubtful(), []);
}

#[test]
fn superclasses_are_there_whether_written_or_not() {
    for (class, filter, matches) in [
        ("inetOrgPerson", "(objectClass=person)", true),
        ("INETORGPERSON", "(objectClass=organizationalPerson)", true),
        ("organizationalPerson", "(objectClass=person)", true),
        ("person", "(objectClass=organizationalPerson)", false),
        ("groupOfNames", "(objectClass=top)", true),
        ("groupOfNames", "(objectClass=person)", false),
    ] {
        let text = format!("dn: cn=x\nobjectClass: {class}\n");
        let records = records(text.as_bytes(), &schema()).ok().unwrap();
        let filter = crate::directory::filter::Filter::parse(filter).unwrap();
        assert_eq!(filter.matches(&records[0]), matches, "{class} {filter}");
    }
    let records = records(b"dn: cn=x\ncn: x\n", &schema()).ok().unwrap();
    assert_eq!(records[0].values("objectClass").count(), 0);
}

/// A value written as RFC 2849 allows: plain if it can be, else in base64; folded at any width.
fn written(value: &str, encode: bool, width: usize, end: &str) -> String {
    let safe = !value.starts_with([' ', ':', '<']) && !value.contains(['\n', '\r', '\0']);
    let line = if safe && !encode {
        format!("cn: {value}")
    } else {
        format!("cn:: {}", base64::engine::general_purpose::STANDARD.encode(value))
    };
    let chars: Vec<char> = line.chars().collect();
    let folds: Vec<String> = chars.chunks(width).map(|part| part.iter().collect()).collect();
    folds.join(&format!("{end} "))
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        values in proptest::collection::vec(("[ -~äß\u{1F600}\n]{0,40}", any::<bool>(), 1_usize..20), 0..5),
        crlf in any::<bool>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut file = format!("version: 1{end}{end}# comment{end}dn: cn=x{end}");
        for (value, encode, width) in &values {
            file.push_str(&written(value, *encode, *width, end));
            file.push_str(&format!("{end}#{end} folded comment{end}"));
        }
        let expected: Vec<_> = values.into_iter().map(|(value, ..)| value).collect();
        prop_assert_eq!(values_of_cn(file.as_bytes()), expected);
    }

    #[test]
    fn anything_may_come(file in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = LdifDirectory::parse(Path::new("x"), &file, &schema(), None);
    }

    #[test]
    fn anything_like_it_may_come(file in "((dn|cn|mail|member|version|objectClass|#)?:{0,2} {0,2}[a-c=,@<]{0,6}[ \r]?\n){0,8}") {
        let _ = LdifDirectory::parse(Path::new("x"), file.as_bytes(), &schema(), None);
    }
}

mod demo {
    use super::*;
    use crate::address::AddressRules;
    use crate::directory::security_groups;
    use crate::grant::{Context, DecidedBy, Facts, GrantRules, Owners, Place, Relation, Submitter, relation};

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/demo.ldif");

    fn load() -> LdifDirectory {
        LdifDirectory::load(Path::new(FILE), &schema(), Some(&dn("dc=example,dc=org"))).unwrap()
    }

    fn rules(contexts: &[&str]) -> GrantRules {
        let context = |base: &&str| Context {
            name: (*base).to_owned(),
            base: dn(base),
            domains: vec![],
            enabled: None,
        };
        let contexts = contexts.iter().map(context).collect();
        GrantRules { enabled: true, decided_by: DecidedBy::Principal, contexts, group_members: None }
    }

    /// What the login may do with the address, in the words of the file.
    fn may(directory: &LdifDirectory, rules: &GrantRules, login: &str, author: &str) -> &'static str {
        let addresses = AddressRules::new("+", []).unwrap();
        let author = address(author);
        let entry =
            now(directory.by_login(login, None)).unwrap().unwrap_or_else(|| panic!("{login} is missing"));
        let place = rules.place(&entry.dn);
        let admits = |dn: &Dn| place != Place::Outside && rules.place(dn) == place;
        let groups = now(security_groups(directory, &entry, 16, 200, admits)).unwrap();
        let groups = groups.into_iter().map(|membership| membership.group).collect();
        let submitter = Submitter { login: login.to_owned(), entry: Some(entry), account: None, groups };
        let mut owners = Owners::default();
        let entries = now(directory.by_address(&addresses.candidates(&author), None)).unwrap();
        owners.insert(author.clone(), entries.into());
        match relation(&author, &Facts { submitter, owners }, &addresses, rules).unwrap() {
            Relation::Own => "own",
            Relation::Unknown => "unknown",
            Relation::Others(others) if others.rights.send_on_behalf => "on behalf",
            Relation::Others(others) if others.rights.send_as => "send-as",
            Relation::Others(others) if others.rights.schedule => "schedule",
            Relation::Others(_) => "none",
        }
    }

    #[test]
    fn the_table_at_the_top_is_true() {
        let (directory, rules) = (load(), rules(&[]));
        let file = std::fs::read_to_string(FILE).unwrap();
        let rows = file.lines().filter_map(|line| line.strip_prefix("# |")).skip(2);
        let mut checked = 0;
        for row in rows {
            let [login, author, expected, ..] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("{row}")
            };
            assert_eq!(may(&directory, &rules, login, author), expected, "{row}");
            checked += 1;
        }
        assert!(checked > 30, "{checked}");
    }

    #[test]
    fn contexts_keep_the_companies_apart() {
        let both = rules(&["dc=example,dc=org", "ou=acme,dc=example,dc=org"]);
        for (login, author, expected) in [
            ("alice", "ceo@acme.example", "on behalf"),
            ("carl", "ceo@acme.example", "none"),
            ("emil", "info@acme.example", "none"),
            ("carl", "bea@example.org", "on behalf"),
            ("lena", "info@example.org", "send-as"),
        ] {
            assert_eq!(may(&load(), &both, login, author), expected, "{login} {author}");
        }
        let one = rules(&["ou=acme,dc=example,dc=org"]);
        assert_eq!(may(&load(), &one, "carl", "bea@example.org"), "none");
        assert_eq!(may(&load(), &one, "alice", "ceo@acme.example"), "on behalf");
    }

    #[test]
    fn every_entry_says_what_it_shows_and_every_value_is_used() {
        assert_eq!(load().doubtful(), []);
        let file = std::fs::read_to_string(FILE).unwrap();
        let lines: Vec<_> = file.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].starts_with("dn:")) {
            assert!(pair[0].starts_with("# "), "{}", pair[1]);
        }
    }

    #[test]
    fn primaries_and_names() {
        let directory = load();
        for (login, primary, name) in [
            ("anna", "anna@example.org", "Anna Adams"),
            ("bea", "bea@example.org", "Bea Brandt"),
            ("carl", "carl@example.org", "Carl Clausen"),
            ("ines", "i.iversen@example.org", "Ines Iversen"),
            ("jo@example.org", "jo@example.org", "Jo Jansen"),
            ("zoe", "zoe@example.org", "Zoë Zündel"),
            ("juergen", "juergen@example.org", "Jürgen Jung"),
        ] {
            let entry = now(directory.by_login(login, None)).unwrap().unwrap();
            assert_eq!(entry.primary(), Some(&address(primary)), "{login}");
            assert_eq!(entry.name.as_deref(), Some(name), "{login}");
        }
    }
}

#[test]
fn logins_that_are_the_mail_addresses_stand_once() {
    for (attributes, logins, texts) in [
        ("uid: bea\nmail: bea@example.org", "bea bea@example.org", "bea"),
        (
            "uid: bea\nmail: b@example.org\nmail: a@example.org",
            "bea b@example.org a@example.org",
            "bea b@example.org a@example.org",
        ),
        ("uid: bea\nmail: a@example.org\nmail: b@example.org", "bea a@example.org b@example.org", "bea"),
        ("uid: bea\nmail: Bea@EXAMPLE.org", "bea Bea@EXAMPLE.org", "bea Bea@EXAMPLE.org"),
        ("uid: bea\nmail: Bea@example.org", "bea Bea@example.org", "bea"),
        ("uid: bea\nmail: none\nmail: a@example.org", "bea none a@example.org", "bea none"),
        ("uid: bea\nmail: a@example.org\nmail: none", "bea a@example.org none", "bea a@example.org none"),
        ("uid: bea", "bea", "bea"),
        ("uid: bea\ndelegationAlias: bea@example.org", "bea", "bea"),
    ] {
        let entry = entry(&person("uid=bea", attributes));
        assert_eq!(entry.logins().collect::<Vec<_>>().join(" "), logins, "{attributes}");
        assert_eq!(entry.logins_but_mail.iter().collect::<Vec<_>>().join(" "), texts, "{attributes}");
    }
}

//! `delegation-milter check`: what it finds on a real slapd and in a file, as text and as JSON, and with which status.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use support::TempDir;
use support::findings::assert_findings;
use support::slapd::Slapd;

/// A company in which nothing is doubtful.
const GOOD: &str = "\
dn: dc=example,dc=org
objectClass: organization
objectClass: dcObject
dc: example
o: Example

dn: uid=anna,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
uid: anna
cn: Anna Adams
sn: Adams
mail: anna@example.org
userPassword: secret
delegationSendOnBehalf: uid=bea,dc=example,dc=org
delegationSendAs: cn=office,dc=example,dc=org

dn: uid=bea,dc=example,dc=org
objectClass: inetOrgPerson
uid: bea
cn: Bea Brandt
sn: Brandt
mail: bea@example.org

dn: cn=office,dc=example,dc=org
objectClass: groupOfNames
cn: office
member: uid=bea,dc=example,dc=org
";

/// What a finding says: its level, what it is about, and its text with the advice.
type Finding = (String, String, String);

struct Site {
    files: TempDir,
}

impl Site {
    fn new() -> Self {
        Self { files: TempDir::new() }
    }

    /// A configuration with these lines under `[directory]`, and more.
    fn configuration(&self, directory: &str, more: &str) -> String {
        let text = format!("[directory]\n{directory}\n{more}\n");
        self.files.write("milter.toml", text).display().to_string()
    }

    fn with_slapd(&self, slapd: &Slapd, url: &str, lines: &str, more: &str) -> String {
        let given = |key: &str| lines.contains(key);
        let mut text = format!("urls = [\"{url}\"]\n{lines}\n");
        for (key, value) in [
            ("base_dn", "dc=example,dc=org".to_owned()),
            ("bind_dn", "cn=delegation-milter,dc=example,dc=org".to_owned()),
            ("bind_password_file", slapd.path("milter.password").display().to_string()),
        ] {
            let needless = key.starts_with("bind") && lines.contains("external");
            if !given(key) && !needless {
                text.push_str(&format!("{key} = \"{value}\"\n"));
            }
        }
        self.configuration(&text, &format!("{more}\n[delegation]\nenabled = true"))
    }
}

fn check(config: &str, more: &[&str]) -> Output {
    let arguments = [&["--config", config, "check"], more].concat();
    Command::new(env!("CARGO_BIN_EXE_delegation-milter")).args(arguments).output().unwrap()
}

/// The text without seconds since 1970 and the like: of two answers, the second may come in the next second.
fn timeless(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_digit());
    words.filter(|word| word.len() >= 9).fold(text.to_owned(), |text, seconds| text.replace(seconds, "N"))
}

/// The status and the findings, which are the same in both forms.
fn found(config: &str) -> (i32, Vec<Finding>) {
    let json = check(config, &["--json"]);
    let text = check(config, &[]);
    assert_eq!(json.status, text.status);
    assert_eq!(String::from_utf8_lossy(&json.stderr), "");
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&json.stdout).unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    let mut lines = text.lines();
    let mut found = Vec::new();
    for finding in findings {
        let field = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let (level, about, mut said) = (field("level"), field("about"), field("text"));
        if let Some(advice) = finding["advice"].as_str() {
            said = format!("{said}; {advice}");
        }
        let line = format!("{level:8} {about}: {said}");
        assert_eq!(lines.next().map(timeless), Some(timeless(&line)), "{text}");
        found.push((level, about, said));
    }
    let count = |level: &str| found.iter().filter(|(own, ..)| own == level).count();
    let summary = text.lines().last().unwrap();
    assert!(summary.starts_with(&format!("{} error", count("error"))), "{text}");
    assert!(summary.contains(&format!(", {} warning", count("warning"))), "{text}");
    (json.status.code().unwrap(), found)
}

/// That there are findings with these beginnings of `level about: text`, and no other warnings or errors.
#[track_caller]
fn finds(config: &str, status: i32, expected: &[&str]) {
    let (code, found) = found(config);
    let lines: Vec<_> = found.iter().map(|(level, about, text)| format!("{level} {about}: {text}")).collect();
    assert_findings(code, &lines, status, expected);
}

fn slapd(options: &[&str], ldif: &str) -> Slapd {
    let files = TempDir::new();
    let file = files.write("entries.ldif", ldif);
    Slapd::start(&[options, &[&format!("--ldif={}", file.display())]].concat())
}

const ALL_GOOD: [&str; 8] = [
    "ok configuration: ",
    "ok base_dn: \"dc=example,dc=org\" is there",
    "ok schema: the server knows all",
    "ok indexes: all that are needed are there",
    "ok watch: the server tells of changes in 5 entries (RFC 4533)",
    "ok passwords: the account reads no password",
    "ok search: 5 entries",
    "ok entries: none is doubtful",
];

#[test]
fn all_is_well() {
    let (site, slapd) = (Site::new(), slapd(&["--tls"], GOOD));
    let tls = |lines: &str| format!("ca_file = \"{}\"\n{lines}", slapd.path("tls/ca.pem").display());
    let lenient = "[directory.attributes]\nalias = [\"delegationAlias\"]";
    for (url, lines, expected) in [
        (slapd.uri("ldap"), String::new(), "ok tls: none, and not needed"),
        (slapd.uri("ldap"), tls("start_tls = true"), "ok tls: StartTLS"),
        (slapd.uri("ldaps"), tls(""), "ok tls: ldaps"),
        // The same machine, by an address that does not say so.
        (
            slapd.uri("ldap").replace("127.0.0.1", "0.0.0.0"),
            "allow_plaintext = true".to_owned(),
            "warning tls: none: what is said can be read",
        ),
        (slapd.uri("ldapi"), String::new(), "ok tls: none, and not needed"),
        (slapd.uri("ldapi"), "bind = \"external\"".to_owned(), "ok tls: none, and not needed"),
    ] {
        let config = site.with_slapd(&slapd, &url, &lines, lenient);
        finds(&config, 0, &[&ALL_GOOD[..], &[expected, "ok login: as \"dn:cn=delegation-milter,"]].concat());
    }
    // What servers of other kinds have is no fault of this one.
    let config = site.with_slapd(&slapd, &slapd.uri("ldap"), "", "");
    finds(&config, 0, &["note schema: the server does not know the attribute mailAlternateAddress"]);
}

#[test]
fn what_keeps_the_directory_from_answering() {
    let (site, slapd) = (Site::new(), slapd(&["--tls"], GOOD));
    let ca = |name: &str| format!("ca_file = \"{}\"\nstart_tls = true", slapd.path(name).display());
    let wrong = site.files.write("wrong.password", "wrong\n");
    std::fs::set_permissions(&wrong, PermissionsExt::from_mode(0o600)).unwrap();
    let after = ["note base_dn: not checked", "note entries: not checked"];
    for (certificate, lines, expected) in [
        (
            "server",
            ca("tls/other-ca.pem"),
            "error tls: no TLS with ldap://127.0.0.1:PORT: the server's certificate comes from an authority that directory.ca_file does not hold",
        ),
        (
            "wrong-name",
            ca("tls/ca.pem"),
            "error tls: no TLS with ldap://127.0.0.1:PORT: the server's certificate is for another name than the one in directory.urls",
        ),
        (
            "expired",
            ca("tls/ca.pem"),
            "error tls: no TLS with ldap://127.0.0.1:PORT: the server's certificate has expired",
        ),
        (
            "server",
            format!("bind_password_file = \"{}\"", wrong.display()),
            "error login: ldap://127.0.0.1:PORT refuses the login of cn=delegation-milter,dc=example,dc=org: invalidCredentials",
        ),
    ] {
        slapd.present(certificate);
        let url = slapd.uri("ldap");
        let config = site.with_slapd(&slapd, &url, &lines, "");
        let expected = expected.replace("PORT", &slapd.port("ldap").to_string());
        finds(&config, 2, &[&[expected.as_str(), "ok connection: "][..], &after].concat());
    }
    let config = site.with_slapd(&slapd, &slapd.uri("ldap"), "", "");
    slapd.stop();
    let not_done = ["note tls: not checked", "note login: not checked"];
    finds(&config, 75, &[&["error connection: ldap://127.0.0.1:"][..], &not_done, &after].concat());
}

#[test]
fn what_the_server_lacks() {
    let site = Site::new();
    let bare = ["--without=indexes", "--without=syncprov"];
    let slapd = slapd(&bare, GOOD);
    let config = site.with_slapd(&slapd, &slapd.uri("ldap"), "", "");
    let indexes = "warning indexes: each question reads every entry: there is no index of mail, delegationAlias, uniqueMember; add them";
    let watch = "warning watch: the server does not tell of changes (RFC 4533): unavailableCriticalExtension (12): critical extension is not recognized: changes count when cache.ttl has passed; turn it on; for OpenLDAP the changes are below";
    finds(&config, 0, &[indexes, watch]);
    // What it prints is what ldapmodify(1) takes.
    let text = String::from_utf8(check(&config, &[]).stdout).unwrap();
    let ldif =
        &text[text.find("\ndn: olcDatabase={1}mdb,cn=config\n").expect("changes")..text.rfind('\n').unwrap()];
    slapd.configure(ldif.trim_end().rsplit_once("\n\n").expect("a summary").0);
    finds(
        &config,
        0,
        &["ok indexes: all that are needed are there", "ok watch: the server tells of changes in 5 entries"],
    );
    let off = site.with_slapd(&slapd, &slapd.uri("ldap"), "", "[cache]\nwatch = false");
    finds(&off, 0, &["note watch: off: changes count when cache.ttl has passed"]);
    let lines = "base_dn = \"dc=example,dc=com\"";
    let config = site.with_slapd(&slapd, &slapd.uri("ldap"), lines, "");
    let error = "error base_dn: \"dc=example,dc=com\" does not exist, or the account may not see it; the server has \"dc=example,dc=org\";";
    let indexes = "note indexes: not checked, for no database in the server's configuration has \"dc=example,dc=com\"; needed";
    finds(&config, 2, &[error, indexes, "note entries: not checked"]);
}

/// What is configured, the status, and what is found.
const UNKNOWN: &[(&str, i32, &[&str])] = &[
    (
        "attributes.send_as = [\"delegationSendAss\"]",
        2,
        &[
            "error schema: the server does not know the attribute delegationSendAss (directory.attributes.send_as): nobody can grant send-as; load contrib/ldap/delegation.ldif",
        ],
    ),
    (
        "attributes.login = [\"kopanoLogin\"]",
        2,
        &[
            "error schema: the server does not know the attribute kopanoLogin (directory.attributes.login): nobody is found by the login; load the schema that has it",
        ],
    ),
    (
        "attributes.login = [\"uid\", \"kopanoLogin\"]",
        0,
        &["note schema: the server does not know the attribute kopanoLogin"],
    ),
    (
        "attributes.enabled = [\"enabled\"]",
        0,
        &[
            "warning schema: the server does not know the attribute enabled (directory.attributes.enabled): no entry can say",
        ],
    ),
    (
        "filters.security_group = \"(&(objectClass=groupOfNames)(kind=1))\"",
        0,
        &[
            "warning schema: the server does not know kind: the part of directory.filters.security_group never matches",
            "warning entries: delegationSendAs of \"uid=anna,dc=example,dc=org\" names \"cn=office,dc=example,dc=org\", which is neither",
        ],
    ),
    (
        "filters.person = \"(|(objectClass=inetOrgPerson)(objectClass=kopano-user))\"",
        0,
        &[
            "note schema: the server does not know the class kopano-user, which directory.filters.person names",
        ],
    ),
    (
        "filters.person = \"(objectClass=kopano-user)\"",
        0,
        &[
            "warning schema: the server does not know the class kopano-user, which directory.filters.person names; load",
            "warning entries: people: 0, ",
            "warning entries: delegationSendOnBehalf of \"uid=anna,dc=example,dc=org\" names \"uid=bea,dc=example,dc=org\", which is neither",
        ],
    ),
];

#[test]
fn attributes_and_classes_that_the_server_does_not_know() {
    let (site, slapd) = (Site::new(), slapd(&[], GOOD));
    for (more, status, expected) in UNKNOWN {
        let config = site.with_slapd(&slapd, &slapd.uri("ldap"), more, "");
        finds(&config, *status, expected);
    }
}

/// The directories of tests/presets.rs: a preset, whether the server has the product's schema, the status, and what is
/// found of the schema.
const PRODUCTS: &[(&str, bool, i32, &[&str])] = &[
    ("kopano", true, 0, &["ok schema: "]),
    (
        "kopano",
        false,
        2,
        &[
            "note schema: the server does not know the attribute kopanoAliases",
            "error schema: the server does not know the attribute kopanoSendAsPrivilege (directory.attributes.send_as): nobody can grant send-as; load the schema that has it, or name another one in directory.attributes.send_as; directory.attributes.send_as = [] does without it",
            "warning schema: the server does not know kopanoSharedStoreOnly: the part of directory.filters.person never matches",
            "warning schema: the server does not know kopanoSecurityGroup: the part of directory.filters.security_group never",
            "warning schema: the server does not know the class kopano-group, which directory.filters.security_group names",
        ],
    ),
    ("kolab", true, 0, &["ok schema: "]),
    (
        "kolab",
        false,
        2,
        &[
            "note schema: the server does not know the attribute alias (directory.attributes.login)",
            "note schema: the server does not know the attribute alias (directory.attributes.alias)",
            "error schema: the server does not know the attribute kolabDelegate (directory.attributes.send_on_behalf): nobody can grant send-on-behalf; load the schema that has it",
            "warning schema: the server does not know the attribute kolabDelegate (directory.attributes.schedule): nobody can grant schedule",
            "note schema: the server does not know the class kolabGroupOfUniqueNames",
        ],
    ),
    (
        "univention",
        true,
        0,
        &["note schema: the server does not know the attribute kopano4ucsSendAsPrivilege"],
    ),
    (
        "univention",
        false,
        2,
        &[
            "note schema: the server does not know the attribute mailPrimaryAddress (directory.attributes.login)",
            "error schema: the server does not know the attribute mailPrimaryAddress (directory.attributes.address): nobody has an address",
            "note schema: the server does not know the attribute mailAlternativeAddress",
            "error schema: the server does not know the attribute kopano4ucsSendAsPrivilege",
            "error schema: the server does not know the attribute kopanoSendAsPrivilege",
            "error schema: the server does not know the attribute oxDeputyPermissionGivenTo (directory.attributes.send_on_behalf)",
            "warning schema: the server does not know the attribute oxDeputyPermissionGivenTo (directory.attributes.schedule)",
            "warning schema: the server does not know mailPrimaryAddress: the part of directory.filters.security_group",
            "warning schema: the server does not know the class univentionGroup",
        ],
    ),
];

#[test]
fn presets_with_the_schema_of_the_product_and_without() {
    let site = Site::new();
    for (preset, has_schema, status, expected) in PRODUCTS {
        let path = |end: &str| support::project("tests/fixtures/presets").join(format!("{preset}.{end}"));
        let schema = format!("--schema={}", path("schema.ldif").display());
        let ldif = std::fs::read_to_string(path("ldif")).unwrap();
        let slapd = if *has_schema { slapd(&[&schema], &ldif) } else { slapd(&[], GOOD) };
        let preset = format!("preset = \"{preset}\"");
        let (code, found) = found(&site.with_slapd(&slapd, &slapd.uri("ldap"), &preset, ""));
        let of_schema: Vec<_> = found.into_iter().filter(|(_, about, _)| about == "schema").collect();
        let said = |(level, about, text): &Finding| format!("{level} {about}: {text}");
        let as_expected = of_schema.len() == expected.len()
            && of_schema.iter().zip(*expected).all(|(finding, start)| said(finding).starts_with(start));
        assert!(as_expected && code == *status, "{preset}: {code} {of_schema:#?}");
    }
}

/// Who is named by a number that two people have, or by a login.
#[test]
fn grants_that_several_share() {
    let site = Site::new();
    let person = |name: &str, lines: &str| {
        format!(
            "dn: uid={name}\nobjectClass: posixAccount\nobjectClass: kopano-user\nuid: {name}\nmail: {name}@x.example\n{lines}\n"
        )
    };
    let ldif = person("a", "uidNumber: 7\n")
        + &person("b", "uidNumber: 007\n")
        + &person(
            "boss",
            "uidNumber: 8\nkopanoSendAsPrivilege: 7\nkopanoSendAsPrivilege: 9\nkopanoSendAsPrivilege: 8\n",
        );
    let file = site.files.write("directory.ldif", ldif);
    let directory = format!("urls = [\"file:{}\"]\npreset = \"kopano\"", file.display());
    finds(
        &site.configuration(&directory, "[delegation]\nenabled = true"),
        0,
        &[
            "warning entries: kopanoSendAsPrivilege of \"uid=boss\" names \"8\", the entry itself",
            "warning entries: kopanoSendAsPrivilege of \"uid=boss\" names \"9\", who is not in the directory",
            "warning entries: kopanoSendAsPrivilege of \"uid=boss\" names \"7\", which is \"uid=a\" and \"uid=b\"; it counts for each",
        ],
    );
}

/// Without the rules of `contrib/ldap`: the account sees what Debian lets everybody see.
#[test]
fn what_the_account_may_see() {
    let site = Site::new();
    let people: String = (0..600)
        .map(|n| format!("\ndn: uid=u{n},dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: u{n}\ncn: u\nsn: u\nmail: u{n}@example.org\n"))
        .collect();
    let slapd = slapd(&["--without=access", "--without=limits"], &(GOOD.to_owned() + &people));
    let config = site.with_slapd(&slapd, &slapd.uri("ldap"), "", "");
    let needed = "note indexes: not checked, for the server's configuration cannot be read; needed, for equality, are objectClass, uid, mail, delegationAlias, member, uniqueMember, memberUid";
    let limit =
        "warning search: the server gives 500 entries and no more: sizeLimitExceeded (4); lift the limit";
    let watch = "warning watch: the server does not tell of changes: sizeLimitExceeded (4): changes count when cache.ttl has passed; lift the limit for the account";
    finds(&config, 0, &[needed, "ok passwords: ", limit, watch, "note entries: not checked"]);
    slapd.configure(
        "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nadd: olcAccess\nolcAccess: {0}to * by * read\n",
    );
    let readable = "warning passwords: the account reads passwords: userPassword of \"uid=anna,dc=example,dc=org\"; forbid it";
    finds(&config, 0, &[readable, limit, watch]);
}

/// A part of the directory that is on another server fails every question (RFC 4511 section 4.5.3).
#[test]
fn a_directory_that_goes_on_elsewhere() {
    let referral = "\ndn: ou=x,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\nou: x\nref: ldap://127.0.0.1:1/\n";
    let (site, slapd) = (Site::new(), slapd(&[], &(GOOD.to_owned() + referral)));
    let config = site.with_slapd(&slapd, &slapd.uri("ldap"), "", "");
    let error = "error search: the directory gave an answer that cannot be used: ldap://127.0.0.1:";
    finds(&config, 2, &[error, "note entries: not checked"]);
}

/// What is hidden from the account looks as if nobody had it.
#[test]
fn what_the_account_may_not_see() {
    let (site, slapd) = (Site::new(), slapd(&["--without=access"], GOOD));
    let config = site.with_slapd(&slapd, &slapd.uri("ldap"), "", "");
    let found_missing = |config: &str| {
        let notes = found(config).1;
        notes
            .into_iter()
            .find_map(|(_, _, text)| Some(text.strip_prefix("no entry has a value of ")?.to_owned()))
    };
    assert_eq!(found_missing(&config), None);
    slapd.configure(
        "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nadd: olcAccess\n\
         olcAccess: {0}to attrs=mail,delegationSendAs by * none\n",
    );
    let hidden = "mail, delegationSendAs; may the account read these attributes?";
    assert_eq!(found_missing(&config).as_deref(), Some(hidden));
    let file = site.files.write("directory.ldif", GOOD);
    let lines =
        format!("urls = [\"file:{}\"]\n[directory.attributes]\nsend_as = [\"sendAss\"]", file.display());
    assert_eq!(found_missing(&site.configuration(&lines, "")).as_deref(), Some("sendAss"));
}

/// A company in which much is doubtful. Names stand as slapd writes them.
const DOUBTFUL: &str = "\
dn: dc=example,dc=org
objectClass: organization
objectClass: dcObject
dc: example
o: Example

dn: ou=a,dc=example,dc=org
objectClass: organizationalUnit
ou: a

dn: ou=b,dc=example,dc=org
objectClass: organizationalUnit
ou: b

dn: uid=anna,ou=a,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
uid: anna
cn: Anna
sn: Adams
mail: anna@example.org
mail: a.adams@example.org
delegationAlias: no address
delegationAlias: shared@example.org
delegationSendAs: UID=anna, ou=A,dc=example,dc=org
delegationSendOnBehalf: uid=ghost,ou=a,dc=example,dc=org
delegationSendOnBehalf: cn=list,ou=a,dc=example,dc=org
delegationSendOnBehalf: uid=mute,ou=a,dc=example,dc=org
delegationSendAs: uid=mute,ou=a,dc=example,dc=org
delegationSendOnBehalf: uid=bea,ou=b,dc=example,dc=org
delegationSendOnBehalf: cn=staff,ou=a,dc=example,dc=org

dn: uid=anna,ou=b,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
uid: anna
cn: Anna
sn: Other
mail: other@example.org
delegationAlias: SHARED@example.org

dn: uid=bea,ou=b,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
uid: bea
cn: Bea
sn: Brandt
mail: bea@example.org
delegationEnabled: FALSE
delegationSendOnBehalf: uid=anna,ou=b,dc=example,dc=org
delegationSendAs: uid=anna,ou=b,dc=example,dc=org

dn: uid=mute,ou=a,dc=example,dc=org
objectClass: inetOrgPerson
uid: mute
cn: Mute
sn: Mute

dn: uid=evil,ou=a,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
uid: evil
cn: Evil
sn: Evil
delegationAlias: evil@example.org
delegationAlias:: YUB4DQpvayAgICAgICBsb2dpbjogG1szMW3igK4=

dn: cn=list,ou=a,dc=example,dc=org
objectClass: groupOfNames
objectClass: delegationGroup
cn: list
mail: list@example.org
member: uid=anna,ou=a,dc=example,dc=org

dn: cn=staff,ou=a,dc=example,dc=org
objectClass: groupOfNames
cn: staff
member: uid=mute,ou=a,dc=example,dc=org
";

/// What is said of it, in a file as on a server.
const DOUBTS: [&str; 10] = [
    "warning entries: the login \"anna\" is that of \"uid=anna,ou=a,dc=example,dc=org\" and \"uid=anna,ou=b,dc=example,dc=org\"; all mail of this login is deferred (451)",
    "warning entries: the address \"shared@example.org\" is that of \"uid=anna,ou=a,dc=example,dc=org\" and \"uid=anna,ou=b,dc=example,dc=org\"; a right counts only if all of them grant it",
    "warning entries: \"uid=anna,ou=a,dc=example,dc=org\": delegationAlias has \"no address\": it is not a mail address: it has no domain; it does not count",
    "warning entries: \"uid=evil,ou=a,dc=example,dc=org\": delegationAlias has \"a@x\\r\\nok       login: \\u{1b}[31m\\u{202e}\": it is not",
    "warning entries: \"uid=anna,ou=a,dc=example,dc=org\": mail has \"a.adams@example.org\" and \"anna@example.org\", none of them a login; the smallest by bytes",
    "warning entries: \"uid=evil,ou=a,dc=example,dc=org\" has addresses in delegationAlias",
    "warning entries: delegationSendAs of \"uid=anna,ou=a,dc=example,dc=org\" names \"",
    "warning entries: delegationSendOnBehalf of \"uid=anna,ou=a,dc=example,dc=org\" names \"uid=ghost,ou=a,dc=example,dc=org\", who is not in the directory; it grants nothing",
    "warning entries: delegationSendOnBehalf of \"uid=anna,ou=a,dc=example,dc=org\" names \"cn=list,ou=a,dc=example,dc=org\", which is neither a person nor a security group; it grants nothing",
    "warning entries: delegationSendOnBehalf of \"uid=anna,ou=a,dc=example,dc=org\" names \"uid=mute,ou=a,dc=example,dc=org\", who has no address; its messages are refused",
];
const DISABLED: &str = "warning entries: delegationSendOnBehalf of \"uid=bea,ou=b,dc=example,dc=org\" names \"uid=anna,ou=b,dc=example,dc=org\", but delegation is not enabled: the principal's own entry says so (delegationEnabled); it grants nothing";
const CROSSING: &str = "warning entries: delegationSendOnBehalf of \"uid=anna,ou=a,dc=example,dc=org\" names \"uid=bea,ou=b,dc=example,dc=org\", who is in another context, or in none; it grants nothing";

/// Two contexts, with this in each.
fn contexts(a: &str, b: &str) -> String {
    let context = |name: &str, lines: &str| {
        format!("[[context]]\nname = \"{name}\"\nbase_dn = \"ou={name},dc=example,dc=org\"\n{lines}\n")
    };
    context("a", a) + &context("b", b)
}

#[test]
fn doubtful_entries_on_both_directories() {
    let (site, slapd) = (Site::new(), slapd(&[], DOUBTFUL));
    let file = site.files.write("directory.ldif", DOUBTFUL);
    let file = format!("urls = [\"file:{}\"]", file.display());
    let enabled = "[delegation]\nenabled = true\n";
    // Only realms that all have keep the two of a login apart.
    for (contexts, expected) in [
        (String::new(), &[&DOUBTS[..], &[DISABLED]].concat()),
        (contexts("", ""), &[&DOUBTS[..], &[DISABLED, CROSSING]].concat()),
        (
            contexts("domains = [\"a.example\"]", "domains = [\"b.example\"]"),
            &[&DOUBTS[1..], &[DISABLED, CROSSING]].concat(),
        ),
        (
            contexts("domains = [\"a.example\"]", "domains = [\"example.org\", \"b.example\"]"),
            &[&DOUBTS[2..], &[DISABLED, CROSSING]].concat(),
        ),
    ] {
        let config = site.with_slapd(&slapd, &slapd.uri("ldap"), "", &contexts);
        finds(&config, 0, expected);
        let of_entries = |config: &str| {
            let mut entries = found(config).1;
            entries.retain(|(_, about, text)| about == "entries" && !text.contains("the entry itself"));
            entries
        };
        let on_server = of_entries(&config);
        let config = site.configuration(&file, &format!("{enabled}{contexts}"));
        finds(&config, 0, expected);
        assert_eq!(of_entries(&config), on_server);
    }
}

#[test]
fn copies_that_cannot_arrive() {
    let site = Site::new();
    let file =
        site.files.write("entries.ldif", "dn: uid=a\nobjectClass: person\nuid: a\nmail: a@example.org\n");
    let delimiter = "warning configuration: sent_copy.address puts -Sent to the principal's name, which begins with none of";
    let ascii = "warning configuration: sent_copy.address is not ASCII: only messages of clients that ask for SMTPUTF8";
    for (form, delimiters, expected) in [
        ("{local}+Sent@{domain}", "+", &["ok configuration: "][..]),
        ("{local}-Sent@{domain}", "+-", &["ok configuration: "]),
        ("{local}-Sent@{domain}", "+", &[delimiter]),
        ("{local}-Sent@{domain}", "", &[delimiter]),
        ("{local}-Sent@sent.example.org", "+", &["ok configuration: "]),
        ("sent-{local}@{domain}", "+", &["ok configuration: "]),
        ("{local}+Gesendet-\u{fc}@{domain}", "+", &[ascii]),
    ] {
        let more =
            format!("[policy]\nrecipient_delimiter = \"{delimiters}\"\n[sent_copy]\naddress = \"{form}\"");
        let config = site.configuration(&format!("urls = [\"file:{}\"]", file.display()), &more);
        finds(&config, 0, expected);
    }
}

/// Lines of an entry `uid=a`, whether delegation is enabled, and what is found.
const VALUES: &[(&str, bool, &[&str])] = &[
    ("uid: a\nmail: a@example.org\n", true, &["ok directory: ", "ok entries: none is doubtful"]),
    (
        "uid: a\nmail: a@example.org\ndelegationSendAs: b@example.org\n",
        true,
        &["warning entries: delegationSendAs of \"uid=a\" names \"b@example.org\", who is not"],
    ),
    (
        "uid: a\nmail: a@example.org\ndelegationSendAs: a@example.org\n",
        true,
        &["warning entries: delegationSendAs of \"uid=a\" names \"a@example.org\", the entry itself"],
    ),
    (
        "uid: a\nmail: a@example.org\ndelegationSendAs: A\n",
        true,
        &["warning entries: delegationSendAs of \"uid=a\" names \"A\", the entry itself"],
    ),
    (
        "uid: a\nmail: a@example.org\ndelegationEnabled: yes\n",
        true,
        &["warning entries: \"uid=a\": delegationEnabled has \"yes\": it is neither TRUE nor FALSE"],
    ),
    (
        "uid: a\nmail: a@example.org\nmember: x\n",
        true,
        &["warning entries: \"uid=a\": member has \"x\": it is not a distinguished name"],
    ),
    (
        "uid: a@example.org\nmail: a@example.org\nmail: aa@example.org\n",
        true,
        &["ok entries: none is doubtful"],
    ),
    (
        "uid: a\n",
        true,
        &["warning entries: people: 1, addresses: 0, grants to others: 0; nobody there can send"],
    ),
    (
        "uid: a\nmail: a@example.org\n\ndn: uid=b\nobjectClass: person\nuid: b\nmail: b@example.org\ndelegationSendOnBehalf: a\n",
        false,
        &[
            "warning entries: delegationSendOnBehalf of \"uid=b\" names \"a\", but delegation is not enabled: the server says so ([delegation] enabled)",
        ],
    ),
];

/// What a server's schema does not allow.
#[test]
fn doubtful_values_in_a_file() {
    let site = Site::new();
    for (lines, enabled, expected) in VALUES {
        let ldif = format!("dn: uid=a\nobjectClass: person\n{lines}");
        let file = site.files.write("directory.ldif", ldif);
        let directory = format!("urls = [\"file:{}\"]", file.display());
        let config = site.configuration(&directory, &format!("[delegation]\nenabled = {enabled}"));
        finds(&config, 0, expected);
    }
}

#[test]
fn of_many_the_first_are_told() {
    let site = Site::new();
    let grants: String = (0..25).map(|n| format!("delegationSendAs: ghost{n:02}\n")).collect();
    let ldif = format!("dn: uid=a\nobjectClass: person\nuid: a\nmail: a@example.org\n{grants}");
    let file = site.files.write("directory.ldif", ldif);
    let config = site.configuration(&format!("urls = [\"file:{}\"]", file.display()), "");
    let ghosts: Vec<_> = (0..20)
        .map(|n| format!("warning entries: delegationSendAs of \"uid=a\" names \"ghost{n:02}\", who"))
        .chain(["warning entries: 5 more of this kind; it grants nothing".to_owned()])
        .collect();
    finds(&config, 0, &ghosts.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Files with secrets that everybody may read; those of the test directory are for their owner.
#[test]
fn secrets_that_everybody_may_read() {
    let slapd = slapd(&["--tls"], "");
    let site = Site::new();
    let ca = format!("ca_file = \"{}\"", slapd.path("tls/ca.pem").display());
    let password = site.files.write("open.password", "milter\n");
    let key = site.files.write("open.key", std::fs::read(slapd.path("tls/client.key")).unwrap());
    let with = |mode| {
        for file in [&password, &key] {
            std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
        }
    };
    let lines = format!(
        "{ca}\nbind_password_file = \"{}\"\nclient_key_file = \"{}\"\nclient_cert_file = \"{}\"",
        password.display(),
        key.display(),
        slapd.path("tls/client.pem").display()
    );
    let config = site.with_slapd(&slapd, &slapd.uri("ldaps"), &lines, "");
    let told = |mode: u32| {
        with(mode);
        let (_, found) = found(&config);
        let of = found.into_iter().filter(|(_, about, _)| about == "secrets");
        of.map(|(level, _, text)| format!("{level} {text}")).collect::<Vec<_>>()
    };
    for mode in [0o644, 0o602, 0o601] {
        let told = told(mode);
        for key in ["bind_password_file", "client_key_file"] {
            let expected = format!("warning directory.{key}: everybody on this machine may use ");
            assert!(told.iter().any(|line| line.starts_with(&expected)), "{mode:o}: {told:?}");
        }
    }
    for mode in [0o600, 0o640, 0o400] {
        let told = told(mode);
        assert!(told.len() == 2 && told.iter().all(|line| line.starts_with("ok ")), "{mode:o}: {told:?}");
    }
}

#[test]
fn what_is_wrong_with_files() {
    let site = Site::new();
    let ldif = site.files.write("bad.ldif", "dn: uid=a\nuid: a\nnonsense\n");
    let bad = site.configuration(&format!("urls = [\"file:{}\"]", ldif.display()), "");
    let error = format!("error directory: {}, line 3: there is no `:`", ldif.display());
    finds(&bad, 2, &[&error, "note entries: not checked"]);
    let typo = site.files.write("typo.toml", "lisen = 1\n[polcy]\n").display().to_string();
    let mistake = |line: u8, key: &str| format!("error configuration: {typo}:{line}: {key}: ");
    let mistakes = [mistake(1, "lisen"), mistake(1, "directory.urls"), mistake(2, "polcy")];
    let mistakes = mistakes.each_ref().map(String::as_str);
    finds(&typo, 2, &[&mistakes[..], &["note directory: not checked"]].concat());
    let nowhere = site.files.path("nowhere.toml").display().to_string();
    finds(&nowhere, 2, &["error configuration: "]);
}

/// What answers is no LDAP server.
#[test]
fn another_kind_of_server() {
    let (site, listener) = (Site::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    // Long enough for what it would be in LDAP, and not hung up: what is noticed first is always the same.
    let greeting = format!("HTTP/1.1 400 Bad Request\r\nX: {}\r\n\r\n", "-".repeat(80));
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map(Result::unwrap) {
            stream.write_all(greeting.as_bytes()).unwrap();
            open.push(stream);
        }
    });
    let lines = format!("urls = [\"ldap://127.0.0.1:{port}\"]\nbase_dn = \"dc=example,dc=org\"");
    let config = site.configuration(&lines, "");
    let expected =
        format!("error login: ldap://127.0.0.1:{port} hung up, or speaks something else than LDAP: ");
    finds(&config, 75, &[&expected, "note base_dn: not checked"]);
}

/// An SMTP server that says hello, offers these extensions, and answers MAIL, for each client that comes.
fn smtp_server(greeting: &'static str, extensions: &'static str, mail: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut commands = BufReader::new(stream.try_clone().unwrap());
            for reply in [greeting, extensions, mail, "221 bye\r\n"] {
                let mut command = String::new();
                if stream.write_all(reply.as_bytes()).is_err() || commands.read_line(&mut command).is_err() {
                    break;
                }
            }
        }
    });
    port
}

#[test]
fn the_relay_of_reports() {
    let site = Site::new();
    site.files.write("directory.ldif", GOOD);
    let config = |port: u16| {
        let denied = format!(
            "[denied]\naction = \"bounce\"\nrelay = \"127.0.0.1:{port}\"\n[delegation]\nenabled = true"
        );
        site.configuration("urls = [\"file:directory.ldif\"]", &denied)
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, status, expected) in [
        (
            smtp_server("220 hello\r\n", "250-mail\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n", "250 ok\r\n"),
            0,
            &["ok relay: 127.0.0.1:"][..],
        ),
        (
            smtp_server("220 hello\r\n", "250 mail\r\n", "250 ok\r\n"),
            0,
            &["ok relay: ", "warning relay: 127.0.0.1:", "warning relay: 127.0.0.1:"],
        ),
        (smtp_server("554 not you\r\n", "", ""), 2, &["error relay: 127.0.0.1:"]),
        (smtp_server("421 busy\r\n", "", ""), 75, &["error relay: 127.0.0.1:"]),
        // As one does that asks this program too, with unauthenticated = "refuse".
        (
            smtp_server("220 hello\r\n", "250 mail\r\n", "530 5.7.0 log in\r\n"),
            2,
            &["error relay: 127.0.0.1:"],
        ),
        (nobody, 75, &["error relay: 127.0.0.1:"]),
    ] {
        finds(&config(port), status, expected);
    }
    // Without "bounce", nobody asks.
    let (_, found) =
        found(&site.configuration("urls = [\"file:directory.ldif\"]", "[delegation]\nenabled = true"));
    assert!(found.iter().all(|(_, about, _)| about != "relay"), "{found:?}");
}

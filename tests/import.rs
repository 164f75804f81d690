//! `import login-maps` with Postfix's own postmap and a real slapd: what it prints is applied, and then the verdicts are
//! what they were.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]
#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::TempDir;
use support::slapd::{ADMIN, Said, Slapd};

const COMPANY: &str = "\
dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=shared,dc=example,dc=org
objectClass: organizationalUnit
ou: shared

dn: uid=anna,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
uid: anna
cn: Anna
sn: A
mail: anna@example.org

dn: uid=bea,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bea
cn: Bea
sn: B
mail: bea@example.org

dn: uid=boss,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: boss
cn: Boss
sn: C
mail: boss@example.org

dn: uid=carl,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: carl
cn: Carl
sn: D
mail: carl@example.org

dn:: dWlkPWrDtnJnLG91PXBlb3BsZSxkYz1leGFtcGxlLGRjPW9yZw==
objectClass: inetOrgPerson
uid:: asO2cmc=
cn:: SsO2cmc=
sn: E
mail: joerg@example.org

dn: cn=everyone,ou=shared,dc=example,dc=org
objectClass: groupOfNames
objectClass: delegationGroup
cn: everyone
mail: everyone@example.org
member: uid=anna,ou=people,dc=example,dc=org
";

/// What login maps hold: the good, the odd and the broken.
const MAP: &str = "\
# who may use what
anna@example.org    anna
sales@example.org   bea
boss@example.org    boss, anna joerg@example.org
info@example.org    anna,carl
scanner@example.org scanner
everyone@example.org carl
joerg@example.org   joerg@example.org bea
@wild.example       carl
root                anna
broken
a@@b                carl
evil@example.org    c\x07rl
";

struct Stage {
    slapd: Slapd,
    files: TempDir,
}

impl Stage {
    fn new() -> Self {
        let files = TempDir::new();
        let company = files.write("company.ldif", COMPANY);
        let slapd = Slapd::start(&[&format!("--ldif={}", company.display())]);
        let stage = Self { slapd, files };
        stage.postfix("");
        stage.configure("");
        stage
    }

    /// The settings of a Postfix: these lines besides.
    fn postfix(&self, lines: &str) {
        let main = "compatibility_level = 3.6\nmyhostname = mail.example.org\nmyorigin = example.org\n\
                    mydestination = $myorigin\nrecipient_delimiter = +\nalias_maps =\n\
                    smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch\n";
        self.files.write("main.cf", format!("{main}{lines}\n"));
        self.master("");
    }

    /// The services, the one for submission with these options.
    fn master(&self, options: &str) {
        let services = format!(
            "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n{options}"
        );
        self.files.write("master.cf", services);
    }

    fn configure(&self, more: &str) -> PathBuf {
        let text = format!(
            "[directory]\nurls = [\"{}\"]\nbase_dn = \"dc=example,dc=org\"\n\
             bind_dn = \"cn=delegation-milter,dc=example,dc=org\"\nbind_password_file = \"{}\"\n\
             [delegation]\nenabled = true\n{more}",
            self.slapd.uri("ldapi"),
            self.slapd.path("milter.password").display()
        );
        self.files.write("milter.toml", text)
    }

    fn run(&self, words: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delegation-milter"));
        command.arg("--config").arg(self.files.path("milter.toml"));
        command.args(words).output().unwrap().into()
    }

    fn import(&self, words: &[&str]) -> Said {
        let postfix = self.files.path("main.cf");
        let postfix = postfix.parent().unwrap().to_str().unwrap();
        self.run(&[&["import", "login-maps", "--postfix", postfix], words].concat())
    }

    /// What the program answers in JSON.
    #[track_caller]
    fn imported(&self, words: &[&str]) -> Value {
        let said = self.import(&[words, &["--json"]].concat());
        serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
    }

    /// A table from its text.
    fn table(&self, kind: &str, name: &str, text: &str) -> String {
        let path = self.files.write(name, text);
        let table = format!("{kind}:{}", path.display());
        if kind == "hash" {
            let directory = path.parent().unwrap();
            let made = Command::new("postmap").arg("-c").arg(directory).arg(&table).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        table
    }
}

/// `amounts_to login address`, for each row.
fn rows(answer: &Value) -> BTreeSet<String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row =
        |row: &Value| format!("{} {} {}", text(row, "amounts_to"), text(row, "login"), text(row, "address"));
    answer["rows"].as_array().unwrap().iter().map(row).collect()
}

/// `login address`, for each pair of which verdicts differ.
fn pairs(answer: &Value, key: &str) -> BTreeSet<String> {
    let text = |pair: &Value, key: &str| pair[key].as_str().unwrap().to_owned();
    let pair = |pair: &Value| format!("{} {}", text(pair, "login"), text(pair, "address"));
    answer[key].as_array().unwrap().iter().map(pair).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn notes(answer: &Value) -> String {
    let notes = answer["notes"].as_array().unwrap().iter();
    notes.map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_notes(answer: &Value, expected: &[&str]) {
    let told = notes(answer);
    expected.iter().for_each(|part| assert!(told.contains(part), "{part:?} is not in:\n{told}"));
}

/// Those of [`MAP`] who may use what, without those of whole domains.
const PAIRS: [(&str, &str); 12] = [
    ("anna", "anna@example.org"),
    ("bea", "sales@example.org"),
    ("boss", "boss@example.org"),
    ("anna", "boss@example.org"),
    ("joerg@example.org", "boss@example.org"),
    ("anna", "info@example.org"),
    ("carl", "info@example.org"),
    ("scanner", "scanner@example.org"),
    ("carl", "everyone@example.org"),
    ("joerg@example.org", "joerg@example.org"),
    ("bea", "joerg@example.org"),
    ("anna", "root@example.org"),
];

#[test]
fn what_is_printed_gives_the_verdicts_of_today() {
    let stage = Stage::new();
    let map = stage.table("hash", "login_maps", MAP);
    let answer = stage.imported(&[&map, "--shared", "ou=shared,dc=example,dc=org"]);
    assert_eq!(
        rows(&answer),
        set(&[
            "own anna anna@example.org",
            "alias bea sales@example.org",
            "own boss boss@example.org",
            "send-as anna boss@example.org",
            "send-as joerg@example.org boss@example.org",
            "shared anna info@example.org",
            "shared carl info@example.org",
            "account scanner scanner@example.org",
            "send-as carl everyone@example.org",
            "own joerg@example.org joerg@example.org",
            "send-as bea joerg@example.org",
            "account carl *@wild.example",
            "alias anna root@example.org",
        ])
    );
    assert_eq!(pairs(&answer, "lost"), set(&[]));
    assert_eq!(pairs(&answer, "gained"), set(&["bea bea@example.org", "carl carl@example.org"]));
    assert_notes(
        &answer,
        &[
            "login_maps, line 11: there is a key without logins",
            "login_maps, line 12: the key \"a@@b\" is not an address",
            "evil@example.org: \"c\\u{7}rl\" is no login",
            "scanner: nobody in the directory logs in as this",
            "carl: \"*@wild.example\" makes every such address its own",
        ],
    );

    // Applied, to the letter.
    let printed = stage.import(&[&map, "--shared", "ou=shared,dc=example,dc=org", "--format", "ldif"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    for (login, address) in PAIRS {
        let may = stage.run(&["explain", login, address]).code == 0;
        let own = ["anna anna@", "boss boss@", "joerg@example.org joerg@"];
        let is_own = own.iter().any(|own| format!("{login} {address}").starts_with(own));
        assert_eq!(may, is_own, "before: {login} {address}");
    }
    stage.slapd.ldapmodify(ADMIN, &printed.stdout).succeeded();
    let accounts: String = printed
        .stdout
        .split_once("# What no entry can say, for delegation-milter.toml:\n")
        .expect("there are accounts")
        .1
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or("")))
        .collect();
    stage.configure(&accounts);
    for (login, address) in PAIRS {
        let said = stage.run(&["explain", login, address]);
        assert_eq!(said.code, 0, "after: {login} {address}: {}{}", said.stdout, said.stderr);
    }
    assert_eq!(stage.run(&["explain", "carl", "any@wild.example"]).code, 0);
    assert_eq!(stage.run(&["explain", "carl", "boss@example.org"]).code, 1);
    let check = stage.run(&["check"]);
    assert_eq!(check.code, 0, "{}", check.stdout);

    // Then there is nothing left to do.
    let again = stage.imported(&[&map]);
    let left: BTreeSet<_> = rows(&again).into_iter().filter(|row| !row.starts_with("own ")).collect();
    assert!(
        left.iter().all(|row| row.starts_with("granted ") || row == "account carl *@wild.example"),
        "{left:?}"
    );
    assert_eq!(again["ldif"].as_str().unwrap().matches("changetype").count(), 0, "{}", again["ldif"]);
    assert_eq!(pairs(&again, "lost"), set(&[]));
}

#[test]
fn accounts_alone_give_the_verdicts_of_today() {
    let stage = Stage::new();
    let map = stage.table("texthash", "login_maps", MAP);
    let there = "[[account]]\nlogin = \"Scanner\"\nenvelope = [\"*@bounces.example\"]\nmode = \"enforce\"\n";
    stage.configure(there);
    let printed = stage.import(&[&map, "--format", "accounts"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    assert!(printed.stdout.contains("# in place of the [[account]] of this login that is there"));
    stage.configure(&printed.stdout);
    for (login, address) in PAIRS {
        let said = stage.run(&["explain", login, address]);
        assert_eq!(said.code, 0, "{login} {address}: {}{}{}", said.stdout, said.stderr, printed.stdout);
    }
    assert_eq!(stage.run(&["explain", "bea", "boss@example.org"]).code, 1);
    let again = stage.imported(&[&map, "--format", "accounts"]);
    assert_eq!(pairs(&again, "lost"), set(&[]));
    let scanner = again["accounts"].as_str().unwrap();
    assert!(!scanner.contains("*@bounces.example") || scanner.contains("enforce"), "{scanner}");

    // Without a place for shared mailboxes, those who share an address get accounts, and nobody loses anything.
    stage.configure("");
    let answer = stage.imported(&[&map]);
    assert!(
        rows(&answer).is_superset(&set(&["account anna info@example.org", "account carl info@example.org"]))
    );
    assert_eq!(pairs(&answer, "lost"), set(&[]));
}

#[test]
fn tables_of_every_kind() {
    let stage = Stage::new();
    let sales = "sales@example.org bea\n";
    let hash = stage.table("hash", "sales", sales);
    let texthash = stage.table("texthash", "other", "sales@example.org anna\n");
    let pcre = stage.table(
        "pcre",
        "patterns",
        "/^sales@example\\.org$/ bea\n/^(.*)@people\\.example$/ $1\n/@all\\.example$/ carl\n",
    );
    let regexp = stage.table("regexp", "expressions", "/^sales@example\\.org$/ bea\n");
    let bare = stage.table("hash", "bare", "sales bea\nanna+list@example.org carl\n");
    let list = stage.files.write("addresses", "# more\nsales@example.org\nanna@people.example\n");
    let list = list.display().to_string();
    let ldap = stage.table(
        "ldap",
        "ldap.cf",
        &format!(
            "server_host = {}\nversion = 3\nbind = yes\nbind_dn = cn=admin,dc=example,dc=org\nbind_pw = admin\n\
             search_base = dc=example,dc=org\nquery_filter = (&(uid=*)(mail=%s))\nresult_attribute = uid\n",
            stage.slapd.uri("ldapi")
        ),
    );
    let own = ["own anna anna@example.org", "own bea bea@example.org", "own boss boss@example.org"];
    for (map, expected) in [
        (hash.clone(), &["alias bea sales@example.org"][..]),
        (format!("proxy:{hash}"), &["alias bea sales@example.org"]),
        (format!("{texthash}, {hash}"), &["alias anna sales@example.org"]),
        (regexp, &["alias bea sales@example.org"]),
        (
            pcre,
            &["alias bea sales@example.org", "alias anna anna@people.example", "account carl *@all.example"],
        ),
        (
            format!("unionmap:{{proxy:{hash}, {texthash}}}"),
            &["account bea sales@example.org", "account anna sales@example.org"],
        ),
        (format!("pipemap:{{{texthash}, inline:{{anna=bea}}}}"), &["alias bea sales@example.org"]),
        ("inline:{ { sales@example.org = bea } }".to_owned(), &["alias bea sales@example.org"]),
        (bare, &["alias bea sales@example.org", "alias carl anna+list@example.org"]),
        ("static:bea".to_owned(), &["account bea *"]),
        (ldap, &[own[0], own[1], own[2], "own carl carl@example.org", "own j\\u{f6}rg joerg@example.org"]),
    ] {
        let mut list = vec!["--addresses", &list];
        // The domain of a pattern must come from somewhere.
        let more = stage.files.write("more", "sales@example.org\nanna@people.example\nx@all.example\n");
        let more = more.display().to_string();
        if map.starts_with("pcre") {
            list[1] = &more;
        }
        let answer = stage.imported(&[&[map.as_str()][..], &list].concat());
        assert_eq!(rows(&answer), set(expected), "{map}: {}", notes(&answer));
        assert_eq!(pairs(&answer, "lost"), set(&[]), "{map}");
    }
}

#[test]
fn the_tables_of_postfix_itself() {
    let stage = Stage::new();
    let map = stage.table("hash", "sales", "sales@example.org bea\n");
    let other = stage.table("texthash", "other", "other@example.org bea\n");
    // main.cf, and what the service for logins has in its place.
    stage.postfix(&format!("smtpd_sender_login_maps = {map}"));
    assert_eq!(rows(&stage.imported(&[])), set(&["alias bea sales@example.org"]));
    stage.postfix(&format!("smtpd_sender_login_maps = {map}\nrecipient_delimiter = -"));
    assert_notes(
        &stage.imported(&[]),
        &["recipient_delimiter of Postfix is \"-\" and policy.recipient_delimiter is \"+\""],
    );
    stage.postfix(&format!("smtpd_sender_login_maps = {map}"));
    stage.master(&format!("  -o smtpd_sender_login_maps={other}\n"));
    let answer = stage.imported(&[]);
    assert_eq!(rows(&answer), set(&["alias bea other@example.org"]));
    assert_eq!(pairs(&answer, "gained").len(), 5, "{answer}");
    // What the tables do not have is anybody's.
    stage.master("  -o smtpd_sender_restrictions=reject_known_sender_login_mismatch\n");
    let answer = stage.imported(&[]);
    assert_notes(&answer, &["submission/inet: reject_known_sender_login_mismatch lets anybody"]);
    assert_eq!(pairs(&answer, "gained"), set(&[]));
    stage.master("  -o smtpd_sender_restrictions=\n");
    assert_notes(&stage.imported(&[]), &["submission/inet: no restriction puts the tables to use"]);
    // What lets everybody pass first ends its own list, and no other.
    let permit = "permit_sasl_authenticated,reject_sender_login_mismatch";
    stage.master(&format!("  -o smtpd_sender_restrictions={permit}\n"));
    let behind =
        "smtpd_sender_restrictions has permit_sasl_authenticated before reject_sender_login_mismatch";
    assert_notes(
        &stage.imported(&[]),
        &[&format!("submission/inet: {behind}"), "people write as anybody there today"],
    );
    stage.master(&format!(
        "  -o smtpd_sender_restrictions={permit}\n  -o smtpd_recipient_restrictions=reject_sender_login_mismatch\n"
    ));
    let told = notes(&stage.imported(&[]));
    assert!(!told.contains("people write as anybody"), "{told}");
    // One that has no tables, where another has some.
    for (restrictions, today) in [
        ("reject_sender_login_mismatch", "every address is refused to those who log in there"),
        ("reject_known_sender_login_mismatch", "people write as anybody there"),
    ] {
        stage.master(&format!(
            "smtps inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_sender_login_maps=\n  \
             -o smtpd_sender_restrictions={restrictions}\n"
        ));
        let answer = stage.imported(&[]);
        assert_eq!(rows(&answer), set(&["alias bea sales@example.org"]));
        assert_notes(&answer, &[&format!("smtps/inet: smtpd_sender_login_maps is empty, so {today} today")]);
        assert!(!notes(&answer).contains("submission/inet: smtpd_sender_login_maps is empty"), "{answer}");
    }
    // Two services, two answers.
    stage.master(&format!(
        "smtps inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes -o smtpd_sender_login_maps={other}\n"
    ));
    let said = stage.import(&[]);
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(said.stderr.contains("services have different smtpd_sender_login_maps"), "{}", said.stderr);
    stage.postfix("");
    let said = stage.import(&[]);
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(said.stderr.contains("is empty where people log in"), "{}", said.stderr);
}

#[test]
fn realms_rights_of_the_directory_and_logins_of_several() {
    let stage = Stage::new();
    let map = stage.table("texthash", "maps", "sales@example.org bea@corp.example\nboss@example.org boss\n");
    let answer = stage.imported(&[&map]);
    assert_eq!(
        rows(&answer),
        set(&["account bea@corp.example sales@example.org", "own boss boss@example.org"])
    );
    assert_notes(&answer, &["directory.realms = [\"corp.example\"] strips the realm"]);

    // A right that only the directory knows of.
    stage.slapd.modify(
        "dn: uid=boss,ou=people,dc=example,dc=org\nchangetype: modify\nadd: objectClass\n\
         objectClass: delegationPrincipal\n-\nadd: delegationSendOnBehalf\n\
         delegationSendOnBehalf: uid=carl,ou=people,dc=example,dc=org\n",
    );
    let answer = stage.imported(&[&map]);
    assert!(pairs(&answer, "gained").contains("carl boss@example.org"), "{answer}");

    // And somebody without an address, who has one all the same.
    stage.slapd.modify(
        "dn: uid=desk,ou=people,dc=example,dc=org\nchangetype: add\nobjectClass: inetOrgPerson\nuid: desk\ncn: D\nsn: D\n\n\
         dn: uid=boss,ou=people,dc=example,dc=org\nchangetype: modify\nadd: delegationSendAs\n\
         delegationSendAs: uid=desk,ou=people,dc=example,dc=org\n",
    );
    let answer = stage.imported(&[&map]);
    assert!(pairs(&answer, "gained").contains("desk boss@example.org"), "{answer}");

    // A star means nothing to Postfix, and everything in an [[account]].
    let stars = stage.table("texthash", "stars", "*@example.org scanner\n*@example.net bea\n* scanner\n");
    let answer = stage.imported(&[&stars]);
    assert_eq!((rows(&answer), &answer["accounts"], &answer["ldif"]), (set(&[]), &"".into(), &"".into()));
    assert_notes(&answer, &["\"*@example.org\" is left out", "\"*@example.net\" is left out"]);

    // Two entries with one login: its mail is deferred, and so it loses what it had.
    stage.slapd.modify(
        "dn: uid=bea,ou=shared,dc=example,dc=org\nchangetype: add\nobjectClass: inetOrgPerson\nuid: bea\ncn: B\nsn: B\n",
    );
    let map = stage.table("texthash", "maps", "sales@example.org bea\n");
    let said = stage.import(&[&map, "--json"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(pairs(&answer, "lost"), set(&["bea sales@example.org"]));
    assert_eq!(rows(&answer), set(&["nothing bea sales@example.org"]));
}

/// A directory of another product, as a file, in the place of the server.
fn of_product(stage: &Stage, preset: &str, entries: &str) {
    let file = stage.files.write("product.ldif", entries);
    let text = format!(
        "[directory]\nurls = [\"file:{}\"]\nbase_dn = \"dc=example,dc=org\"\npreset = \"{preset}\"\n",
        file.display()
    );
    stage.files.write("milter.toml", text);
}

/// Nothing is printed that grants a part, or that a server would not take.
#[test]
fn what_cannot_be_granted_is_not_begun() {
    let stage = Stage::new();
    let shared = ["--shared", "ou=shared,dc=example,dc=org"];
    let people: String = [("anna", 1), ("bob", 2)]
        .map(|(name, number)| {
            format!(
                "dn: uid={name},dc=example,dc=org\nobjectClass: posixAccount\nobjectClass: kopano-user\nuid: {name}\n\
                 cn: {name}\nuidNumber: {number}\nmail: {name}@example.org\n\n"
            )
        })
        .concat();
    of_product(&stage, "kopano", &people);
    let map = stage.table("texthash", "maps", "info@example.org anna, bob\n");
    let answer = stage.imported(&[&[map.as_str()][..], &shared].concat());
    assert_eq!(rows(&answer), set(&["account anna info@example.org", "account bob info@example.org"]));
    assert!(!answer["ldif"].as_str().unwrap().contains("changetype"), "{}", answer["ldif"]);
    assert!(!answer.to_string().contains("--shared DN"), "{answer}");

    // Two hold the address, and the descriptor of one of them is not shown.
    let domain = include_str!("fixtures/presets/active-directory.ldif");
    let (_, descriptor) = domain.split_once("nTSecurityDescriptor:: ").unwrap();
    let (descriptor, _) = descriptor.split_once('\n').unwrap();
    let user = |name: &str, number: u8, more: &str| {
        format!(
            "dn: cn={name},dc=example,dc=org\nobjectClass: user\ncn: {name}\nsAMAccountName: {name}\n\
             objectSid:: AQUAAAAAAAUVAAAA3PTcO4M9K0aCi6Yo{number}gQAAA==\n{more}\n"
        )
    };
    let info = "proxyAddresses: SMTP:info@example.org\n";
    let company = [
        user("anna", 0, &format!("{info}nTSecurityDescriptor:: {descriptor}\n")),
        user("bob", 1, info),
        user("carl", 2, "mail: carl@example.org\n"),
    ];
    of_product(&stage, "active-directory", &company.concat());
    let map = stage.table("texthash", "maps", "info@example.org carl\n");
    let answer = stage.imported(&[&map]);
    assert_eq!(rows(&answer), set(&["account carl info@example.org"]));
    assert!(!answer["ldif"].as_str().unwrap().contains("changetype"), "{}", answer["ldif"]);
}

#[test]
fn the_same_answer_each_time() {
    let stage = Stage::new();
    let map = stage.table("texthash", "maps", MAP);
    let answers = [(); 2].map(|()| stage.import(&[&map, "--json"]).stdout);
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn what_cannot_be_read() {
    let stage = Stage::new();
    let nowhere = stage.files.path("nowhere").display().to_string();
    let bad = stage.files.write("bad", "sales@example.org\nno address\n").display().to_string();
    let map = stage.table("texthash", "maps", "sales@example.org bea\n");
    for (words, says) in [
        (vec![format!("hash:{nowhere}")], "No such file or directory"),
        (vec!["nonsense:/x".to_owned()], "unsupported dictionary type: nonsense"),
        (vec!["/etc/postfix/maps".to_owned()], "is not a table of Postfix"),
        (vec![format!("{map} junk")], "is not a table of Postfix"),
        (vec![map.clone(), "--addresses".to_owned(), bad], "line 2: \"no address\" is not a mail address"),
        (vec![map.clone(), "--addresses".to_owned(), nowhere], "nowhere: cannot be read"),
        (
            vec![map.clone(), "--shared".to_owned(), "shared".to_owned()],
            "--shared: \"shared\" is not the name",
        ),
        (
            vec![map.clone(), "--shared".to_owned(), "ou=shared,dc=example,dc=com".to_owned()],
            "is not below directory.base_dn",
        ),
    ] {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let said = stage.import(&words);
        assert_eq!(said.code, 2, "{words:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains(says), "{words:?}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{words:?}");
    }
    stage.slapd.stop();
    let said = stage.import(&[&map]);
    assert_eq!(said.code, 75, "{}{}", said.stdout, said.stderr);
}

//! What `contrib/ldap` says, proven on a real slapd: schema, indexes, limits, access and syncprov, and that the
//! project's own LDIF files are what a server's schema allows.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::spawn;

use delegation_milter::directory::schema::Schema;
use support::slapd::{ADMIN, CONFIG, MILTER, SUFFIX, Said, Slapd, Who};
use support::wait::{PATIENCE, wait_until};
use support::{TempDir, project};

fn text(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The values of an attribute, in the order of the entries.
fn values(ldif: &str, attribute: &str) -> Vec<String> {
    let value = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        (name == attribute).then(|| value.to_owned())
    };
    ldif.lines().filter_map(value).collect()
}

#[test]
fn stopped_and_started_again_it_is_the_same() {
    let slapd = Slapd::start(&[]);
    let before = slapd.uri("ldap");
    let mark = slapd.mark();
    for who in [MILTER, Who::External] {
        assert_eq!(slapd.ldapwhoami(who).succeeded(), "dn:cn=delegation-milter,dc=example,dc=org\n");
    }
    slapd.ldapsearch(MILTER, &["-b", SUFFIX, "(uid=anna)"]).succeeded();
    assert_eq!(
        slapd.searches_since(mark),
        [r#"base="dc=example,dc=org" scope=2 deref=0 filter="(uid=anna)""#]
    );
    slapd.stop();
    assert_eq!(slapd.ldapwhoami(MILTER).code, 255);
    slapd.start_again();
    slapd.ldapwhoami(MILTER).succeeded();
    assert_eq!(slapd.uri("ldap"), before);
}

#[test]
fn certificates_for_every_case() {
    let slapd = Slapd::start(&["--tls"]);
    for (certificate, accepted) in
        [("server", true), ("expired", false), ("wrong-name", false), ("other", false), ("server", true)]
    {
        slapd.present(certificate);
        for words in [["-H", &slapd.uri("ldaps"), "-x"], ["-H", &slapd.uri("ldap"), "-xZZ"]] {
            let said = whoami_over_tls(&slapd, &words, None);
            assert_eq!(said.code == 0, accepted, "{certificate} {words:?}: {}", said.stderr);
        }
    }
    let external = ["-H", &slapd.uri("ldaps"), "-Y", "EXTERNAL", "-Q"];
    let said = whoami_over_tls(&slapd, &external, Some("client"));
    assert_eq!(said.succeeded(), "dn:cn=delegation-milter,dc=example,dc=org\n");
    assert_ne!(whoami_over_tls(&slapd, &external, None).code, 0);
}

fn whoami_over_tls(slapd: &Slapd, words: &[&str], certificate: Option<&str>) -> Said {
    let mut command = Command::new("ldapwhoami");
    command.args(words).env("LDAPCONF", slapd.path("ldap.conf")).stdin(Stdio::null());
    if let Some(name) = certificate {
        command.env("LDAPTLS_CERT", slapd.path(&format!("tls/{name}.pem")));
        command.env("LDAPTLS_KEY", slapd.path(&format!("tls/{name}.key")));
    }
    command.output().unwrap().into()
}

// ----------------------------------------------------------------------------------------------------- schema

/// A slapd with `delegation.schema`, as `slapd.conf` includes it.
struct Classic {
    files: TempDir,
    process: Child,
}

impl Classic {
    fn start() -> Self {
        let files = TempDir::new();
        let schema = project("contrib/ldap/delegation.schema");
        let conf = format!("include /etc/ldap/schema/core.schema\ninclude {}\n", schema.display());
        let conf = files.write("slapd.conf", conf);
        let process = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-h", &Self::uri(&files), "-f"])
            .arg(conf)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("slapd: {error}; install it with: contrib/testbed/install slapd"));
        let slapd = Self { files, process };
        wait_until("slapd with slapd.conf", || slapd.search("", &[]).is_some());
        slapd
    }

    fn uri(files: &TempDir) -> String {
        format!("ldapi://{}", files.path("ldapi").display().to_string().replace('/', "%2F"))
    }

    fn search(&self, base: &str, attributes: &[&str]) -> Option<String> {
        let output = Command::new("ldapsearch")
            .args([
                "-x",
                "-LLL",
                "-o",
                "ldif-wrap=no",
                "-H",
                &Self::uri(&self.files),
                "-s",
                "base",
                "-b",
                base,
            ])
            .arg("(objectClass=*)")
            .args(attributes)
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Classic {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const PUBLISHED: [&str; 2] = ["attributeTypes", "objectClasses"];

/// What the subschema says about our names.
fn ours(subschema: &str) -> BTreeSet<String> {
    let all = PUBLISHED.iter().flat_map(|attribute| values(subschema, attribute));
    all.filter(|definition| definition.contains("NAME 'delegation")).collect()
}

#[test]
fn the_two_files_of_the_schema_say_the_same() {
    let slapd = Slapd::start(&[]);
    let words = ["-s", "base", "-b", "cn=Subschema", "(objectClass=*)", PUBLISHED[0], PUBLISHED[1]];
    let ldif = ours(&slapd.ldapsearch(Who::Anonymous, &words).succeeded());
    let schema = ours(&Classic::start().search("cn=Subschema", &PUBLISHED).unwrap());
    assert_eq!(ldif, schema);
    let published: Vec<_> = ldif.iter().map(String::as_str).collect();
    // What the specification promises, and the numbers, which must never change.
    let arc = "2.25.107932935498411279638573251970738257329";
    let grant = "EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12";
    let flag = "EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE";
    let alias =
        "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15";
    let principal = "SUP top AUXILIARY MAY ( mail $ delegationAlias $ delegationSendAs $ delegationSendOnBehalf $ \
                     delegationSchedule $ delegationEnabled )";
    let group = "SUP top AUXILIARY MAY ( mail $ delegationSecurityGroup )";
    let expected = [
        ("1.1", "delegationAlias", alias),
        ("1.2", "delegationSendAs", grant),
        ("1.3", "delegationSendOnBehalf", grant),
        ("1.4", "delegationSchedule", grant),
        ("1.5", "delegationEnabled", flag),
        ("1.6", "delegationSecurityGroup", flag),
        ("2.1", "delegationPrincipal", principal),
        ("2.2", "delegationGroup", group),
    ];
    assert_eq!(published.len(), expected.len(), "{published:#?}");
    for (definition, (number, name, rest)) in published.iter().zip(expected) {
        assert!(definition.starts_with(&format!("( {arc}.{number} NAME '{name}' DESC '")), "{definition}");
        assert!(definition.ends_with(&format!("' {rest} )")), "{definition}");
    }
}

/// The lines for slapd.conf that the head of a file of `contrib/ldap` gives.
fn conf_lines(name: &str) -> Vec<String> {
    let text = text(&format!("contrib/ldap/{name}.ldif"));
    let head = text.lines().take_while(|line| line.starts_with('#'));
    let conf = head.skip_while(|line| !line.contains("slapd.conf(5)"));
    conf.filter_map(|line| line.strip_prefix("#     ")).map(str::to_owned).collect()
}

/// The access rules as their head says that they are written there.
fn conf_rules() -> String {
    let text = text("contrib/ldap/access.ldif");
    let rules = text.lines().skip_while(|line| !line.starts_with("add: olcAccess")).skip(1);
    let rules = rules.take_while(|line| !line.is_empty());
    let rule = |line: &str| match line.strip_prefix("olcAccess: {").and_then(|line| line.split_once('}')) {
        Some((_, rule)) => format!("access {rule}\n"),
        None => format!("{line}\n"),
    };
    rules.map(rule).collect()
}

#[test]
fn what_the_heads_say_of_slapd_conf_is_what_slapd_takes() {
    let files = TempDir::new();
    let (modules, overlay): (Vec<_>, Vec<_>) =
        conf_lines("syncprov").into_iter().partition(|line| line.starts_with("moduleload"));
    let (indexes, limits) = (conf_lines("indexes"), conf_lines("limits"));
    let rules = conf_rules();
    for (what, count) in [
        (modules.len(), 1),
        (overlay.len(), 3),
        (indexes.len(), 4),
        (limits.len(), 2),
        (rules.matches("access to").count(), 7),
    ] {
        assert_eq!(what, count);
    }
    let mut conf = String::new();
    for schema in ["core", "cosine", "nis", "inetorgperson"] {
        writeln!(conf, "include /etc/ldap/schema/{schema}.schema").unwrap();
    }
    writeln!(conf, "include {}", project("contrib/ldap/delegation.schema").display()).unwrap();
    writeln!(conf, "modulepath /usr/lib/ldap\nmoduleload back_mdb\n{}", modules.join("\n")).unwrap();
    writeln!(conf, "database mdb\nsuffix {SUFFIX}\ndirectory {}", files.path("").display()).unwrap();
    writeln!(conf, "{}\n{}\n{rules}{}", indexes.join("\n"), limits.join("\n"), overlay.join("\n")).unwrap();
    let file = files.write("slapd.conf", &conf);
    let said = Command::new("/usr/sbin/slaptest").args(["-u", "-f"]).arg(file).output().unwrap();
    assert!(said.status.success(), "{}\n{conf}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_projects_directories_are_what_the_schema_allows() {
    for file in ["tests/fixtures/company.ldif", "tests/fixtures/corpus.ldif", "conf/demo.ldif"] {
        let slapd = Slapd::start(&[&Slapd::ldif(file)]);
        let found = slapd.ldapsearch(MILTER, &["-b", SUFFIX, "(objectClass=*)", "dn"]).succeeded();
        let mut expected = values(&text(file), "dn");
        expected.push(format!("cn=delegation-milter,{SUFFIX}"));
        assert_eq!(values(&found, "dn"), expected, "{file}");
    }
}

#[test]
fn grants_in_other_forms_need_attributes_that_hold_text() {
    let schema = format!("--schema={}", project("tests/fixtures/text-grants.ldif").display());
    let slapd = Slapd::start(&[&schema, &Slapd::ldif("tests/fixtures/corpus.ldif")]);
    let grant = |attribute: &str| {
        let ldif = format!(
            "dn: uid=anna,{SUFFIX}\nchangetype: modify\nadd: objectClass\nobjectClass: textPrincipal\n-\n\
             add: {attribute}\n{attribute}: boss@example.org\n"
        );
        slapd.ldapmodify(ADMIN, &ldif).code
    };
    assert_eq!((grant("delegationSendAs"), grant("textSendAs")), (21, 0));
    let words = ["-b", SUFFIX, "(textSendAs=*)", "textSendAs"];
    assert_eq!(values(&slapd.ldapsearch(MILTER, &words).succeeded(), "textSendAs"), ["boss@example.org"]);
}

// ---------------------------------------------------------------------------------- indexes, limits, syncprov

#[test]
fn every_question_finds_an_index() {
    let slapd = Slapd::start(&["--log=stats,filter"]);
    let indexed = values(&text("contrib/ldap/indexes.ldif"), "olcDbIndex");
    let indexed: Vec<_> = indexed.iter().map(|index| index.strip_suffix(" eq").unwrap()).collect();
    for attribute in &indexed {
        assert_eq!(missing_index(&slapd, attribute), None, "{attribute}");
    }
    // The log does tell.
    assert_eq!(missing_index(&slapd, "displayName").as_deref(), Some("(displayName) not indexed"));
    let schema = Schema::preset("delegation").unwrap();
    let known = |alias: &&String| alias.starts_with("delegation");
    let asked = schema.login.iter().chain(&schema.address).chain(schema.alias.iter().filter(known));
    let asked = asked.chain(schema.member.iter().map(|member| &member.attribute));
    let asked = asked.chain(&schema.send_as).chain(&schema.send_on_behalf).chain(&schema.schedule);
    for attribute in asked {
        assert!(indexed.contains(&attribute.as_str()), "{attribute}");
    }
}

/// Searches for a value of the attribute; what slapd says if it has no index for it.
fn missing_index(slapd: &Slapd, attribute: &str) -> Option<String> {
    let value = match attribute {
        "entryUUID" => "ce6a0b1d-5a54-4f1b-8f5e-e6d0b3a3a0a1",
        "entryCSN" => "20260101000000.000000Z#000000#000#000000",
        "objectClass" => "person",
        _ => "uid=anna,dc=example,dc=org",
    };
    let mark = slapd.mark();
    slapd.ldapsearch(MILTER, &["-b", SUFFIX, &format!("({attribute}={value})")]).succeeded();
    // A question mark is in front of what slapd does not understand, and does not look up.
    let searches = slapd.searches_since(mark);
    assert!(searches[0].contains(&format!("filter=\"({attribute}=")), "{searches:?}");
    let log = slapd.log_since(mark);
    let line = log.lines().find(|line| line.contains("not indexed"))?;
    Some(line.split_once("candidates: ")?.1.to_owned())
}

/// More people than slapd tells anybody by default.
fn crowd() -> String {
    let mut ldif = String::new();
    for number in 0..600 {
        let dn = format!("uid=u{number},{SUFFIX}");
        writeln!(ldif, "dn: {dn}\nobjectClass: inetOrgPerson\nuid: u{number}\ncn: U\nsn: U\n").unwrap();
    }
    ldif
}

#[test]
fn only_the_account_has_no_limits() {
    let slapd = Slapd::start(&[]);
    slapd.modify(&crowd());
    // The size limit is exceeded (4) after 500 entries.
    let anybody = (4, 500);
    let account = (0, 602);
    for options in [&[][..], &["-E", "pr=100/noprompt"], &["-E", "!sync=ro"]] {
        for (who, expected) in [(Who::Anonymous, anybody), (MILTER, account)] {
            let words = [options, &["-b", SUFFIX, "(objectClass=*)", "uid"]].concat();
            let said = slapd.ldapsearch(who, &words);
            assert_eq!((said.code, values(&said.stdout, "dn").len()), expected, "{who:?} {options:?}");
        }
    }
}

#[test]
fn changes_are_pushed() {
    let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/corpus.ldif")]);
    let mut listener = Command::new("stdbuf")
        .args(["-oL", "ldapsearch", "-x", "-D", "cn=delegation-milter,dc=example,dc=org", "-w", "milter"])
        .args([
            "-H",
            &slapd.uri("ldap"),
            "-b",
            SUFFIX,
            "-E",
            "!sync=rp",
            "(objectClass=*)",
            "delegationSendOnBehalf",
        ])
        .env("LDAPCONF", slapd.path("ldap.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = channel();
    let output = BufReader::new(listener.stdout.take().unwrap());
    let reader =
        spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).ok());
    let until = |what: &str| while !lines.recv_timeout(PATIENCE).expect(what).contains(what) {};
    until("refresh done, switching to persist stage");
    slapd.modify(&change("anna", "add delegationSendOnBehalf: @boss"));
    until("delegationSendOnBehalf: uid=boss,dc=example,dc=org");
    listener.kill().unwrap();
    listener.wait().unwrap();
    reader.join().unwrap();
}

#[test]
fn what_is_left_out_is_not_there() {
    let slapd =
        Slapd::start(&["--without=syncprov", "--without=limits", "--without=indexes", "--without=access"]);
    slapd.modify(&crowd());
    let search = |words: &[&str]| slapd.ldapsearch(MILTER, &[&["-b", SUFFIX], words].concat()).code;
    // Unavailable critical extension (12); size limit exceeded (4).
    assert_eq!((search(&["-E", "!sync=ro"]), search(&[])), (12, 4));
    let indexes = slapd.ldapsearch(CONFIG, &["-b", "cn=config", "(olcDbIndex=*)", "olcDbIndex"]).succeeded();
    assert!(!indexes.contains("mail"), "{indexes}");
    assert_eq!(slapd.ldapsearch(MILTER, &["-b", "cn=config"]).code, 32);
}

// ----------------------------------------------------------------------------------------------------- access

/// Rules that sites have, in front of which ours must work.
const DEBIAN: &str = "to attrs=userPassword by self write by anonymous auth by * none
    to attrs=shadowLastChange by self write by * read
    to * by * read";
/// With address books, below the entries of their owners.
const LAX: &str = r#"to dn.regex="^[^,]+,(uid=[^,]+,dc=example,dc=org)$" by dn.exact,expand="$1" write by * break
    to * by self write by users read by anonymous auth"#;
const STRICT: &str = "to attrs=userPassword by self =xw by anonymous auth
    to * by self read";

const PEOPLE: &str = "
dn: uid=anna,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
cn: Anna Adams
sn: Adams
displayName: Anna
mail: anna@example.org
telephoneNumber: 1
userPassword: anna

dn: uid=bea,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
uid: bea
cn: Bea Brandt
sn: Brandt
displayName: Bea
mail: bea@example.org
delegationAlias: b.brandt@example.org
delegationSendAs: uid=anna,dc=example,dc=org
delegationSendOnBehalf: uid=anna,dc=example,dc=org
delegationSchedule: uid=anna,dc=example,dc=org
delegationEnabled: FALSE
telephoneNumber: 2
userPassword: bea

dn: uid=carl,dc=example,dc=org
objectClass: inetOrgPerson
uid: carl
cn: Carl
sn: Clausen
userPassword: carl

dn: uid=dora,dc=example,dc=org
objectClass: inetOrgPerson
uid: dora
cn: Dora
sn: Dahl
userPassword: dora

dn: uid=staff,dc=example,dc=org
objectClass: groupOfNames
objectClass: delegationGroup
objectClass: uidObject
uid: staff
cn: staff
mail: staff@example.org
delegationSecurityGroup: FALSE
member: uid=anna,dc=example,dc=org

dn: uid=unique,dc=example,dc=org
objectClass: groupOfUniqueNames
objectClass: uidObject
uid: unique
cn: unique
uniqueMember: uid=anna,dc=example,dc=org

dn: uid=posix,dc=example,dc=org
objectClass: posixGroup
objectClass: uidObject
uid: posix
cn: posix
gidNumber: 1
memberUid: anna
";

/// A directory of a site with these rules, with ours in front of them.
fn site(rules: &str) -> Slapd {
    let files = TempDir::new();
    let people = format!("--ldif={}", files.write("people.ldif", PEOPLE).display());
    let slapd = Slapd::start(&["--without=access", &people]);
    let mut ldif = "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcAccess\n".to_owned();
    for (number, rule) in rules.lines().enumerate() {
        writeln!(ldif, "olcAccess: {{{number}}}{}", rule.trim()).unwrap();
    }
    slapd.configure(&ldif);
    slapd.configure(&text("contrib/ldap/access.ldif"));
    slapd
}

/// Everybody's password is the uid.
fn bind<'a>(who: &'a str, dn: &'a str) -> Who<'a> {
    match who {
        "nobody" => Who::Anonymous,
        "milter" => MILTER,
        "admin" => ADMIN,
        person => Who::Simple(dn, person),
    }
}

fn dn(uid: &str) -> String {
    match uid {
        "milter" => format!("cn=delegation-milter,{SUFFIX}"),
        "suffix" => SUFFIX.to_owned(),
        uid => format!("uid={uid},{SUFFIX}"),
    }
}

/// A change record; `@uid` is the name of an entry.
fn change(entry: &str, changes: &str) -> String {
    let mut ldif = format!("dn: {}\n", dn(entry));
    match changes.split_once(' ') {
        Some(("rename", to)) => ldif + &format!("changetype: modrdn\nnewrdn: {to}\ndeleteoldrdn: 1\n"),
        Some(("move", below)) => {
            ldif + &format!(
                "changetype: modrdn\nnewrdn: uid={entry}\ndeleteoldrdn: 0\nnewsuperior: {}\n",
                dn(below)
            )
        }
        Some(("create", name)) => {
            format!("dn: {name},{ldif}", ldif = &ldif[4..])
                + "objectClass: device\nobjectClass: uidObject\nuid: x\ncn: x\n"
        }
        None => ldif + "changetype: delete\n",
        Some(_) => {
            ldif += "changetype: modify\n";
            for one in changes.split("; ") {
                let (how, what) = one.split_once(' ').unwrap();
                let attribute = what.split(':').next().unwrap();
                writeln!(ldif, "{how}: {attribute}").unwrap();
                if let Some((_, value)) = what.split_once(": ") {
                    let value = value.strip_prefix('@').map_or_else(|| value.to_owned(), dn);
                    writeln!(ldif, "{attribute}: {value}").unwrap();
                }
                ldif += "-\n";
            }
            ldif
        }
    }
}

/// Each row: who, on which entry, does what, and whether it may. In order, on one directory.
fn check_writes(slapd: &Slapd, table: &str) {
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [who, entry, changes, may] = cells[..] else { panic!("{row}") };
        // Insufficient access (50); nobody at all must log in first (8).
        let expected = match (may, who) {
            ("may", _) => 0,
            ("not", "nobody") => 8,
            ("not", _) => 50,
            _ => panic!("{row}"),
        };
        let said = slapd.ldapmodify(bind(who, &dn(who)), &change(entry, changes));
        assert_eq!(said.code, expected, "{row}: {}", said.stderr);
    }
}

/// Whatever the site's rules are.
const ALWAYS: &str = "
    anna   | anna  | add objectClass: delegationPrincipal; add delegationSendOnBehalf: @bea       | may
    anna   | anna  | add delegationSchedule: @bea                                                  | may
    anna   | anna  | replace delegationSendOnBehalf: @carl                                         | may
    anna   | anna  | delete delegationSendOnBehalf: @carl                                          | may
    anna   | anna  | delete delegationSchedule                                                     | may
    anna   | anna  | add delegationSchedule: @bea                                                  | may
    bea    | bea   | delete delegationSendOnBehalf                                                 | may
    bea    | bea   | replace delegationSchedule: @carl                                             | may
    carl   | carl  | add objectClass: DELEGATIONPRINCIPAL                                          | may
    dora   | dora  | add objectClass: 2.25.107932935498411279638573251970738257329.2.1             | may

    anna   | anna  | delete objectClass: delegationPrincipal                                       | not
    carl   | carl  | delete objectClass: delegationPrincipal                                       | not
    carl   | carl  | delete objectClass                                                            | not
    carl   | carl  | replace objectClass: delegationPrincipal                                      | not
    carl   | carl  | delete objectClass: inetOrgPerson                                             | not
    carl   | carl  | add objectClass: delegationGroup                                              | not
    carl   | carl  | add objectClass: 2.25.107932935498411279638573251970738257329.2.2             | not
    carl   | carl  | add objectClass: extensibleObject                                             | not
    carl   | carl  | add objectClass: posixAccount                                                 | not
    carl   | carl  | add objectClass: top                                                          | not

    anna   | anna  | add mail: boss@example.org                                                    | not
    anna   | anna  | replace mail: boss@example.org                                                | not
    anna   | anna  | delete mail                                                                   | not
    anna   | anna  | add delegationAlias: boss@example.org                                         | not
    anna   | anna  | add uid: boss                                                                 | not
    anna   | anna  | replace displayName: Boss                                                     | not
    anna   | anna  | add cn: Boss                                                                  | not
    anna   | anna  | add delegationSendAs: @bea                                                    | not
    anna   | anna  | add delegationEnabled: TRUE                                                   | not
    anna   | anna  | add delegationSecurityGroup: TRUE                                             | not
    anna   | anna  | add member: @anna                                                             | not
    anna   | anna  | add delegationSchedule: @carl; add delegationSendAs: @carl                    | not
    anna   | anna  | add mail;lang-en: boss@example.org                                            | not
    anna   | anna  | add rfc822Mailbox: boss@example.org                                           | not
    anna   | anna  | add 0.9.2342.19200300.100.1.3: boss@example.org                               | not
    anna   | anna  | add delegationAlias;lang-en: boss@example.org                                 | not
    anna   | anna  | add userid: boss                                                              | not
    anna   | anna  | add uid;lang-en: boss                                                         | not
    anna   | anna  | add commonName;lang-en: Boss                                                  | not
    anna   | anna  | add displayName;lang-en: Boss                                                 | not
    anna   | anna  | add delegationSendAs;lang-en: @bea                                            | not
    bea    | bea   | delete delegationSendAs                                                       | not
    bea    | bea   | replace delegationEnabled: TRUE                                               | not
    bea    | bea   | delete delegationEnabled                                                      | not
    bea    | bea   | delete delegationAlias                                                        | not

    anna   | anna  | rename uid=boss                                                               | not
    anna   | anna  | move bea                                                                      | not
    anna   | anna  | delete                                                                        | not
    anna   | anna  | create cn=x                                                                   | not

    anna   | bea   | add delegationSendOnBehalf: @anna                                             | not
    anna   | bea   | replace delegationSchedule: @anna                                             | not
    anna   | bea   | add delegationSendAs: @carl                                                   | not
    anna   | carl  | add objectClass: delegationPrincipal                                          | not
    anna   | bea   | add mail: boss@example.org                                                    | not
    anna   | bea   | delete                                                                        | not
    anna   | suffix | create uid=x                                                                 | not
    bea    | staff | add member: @bea                                                              | not
    anna   | staff | delete member: @anna                                                          | not
    anna   | staff | replace delegationSecurityGroup: TRUE                                         | not
    anna   | staff | delete mail                                                                   | not
    bea    | unique | add uniqueMember: @bea                                                       | not
    bea    | posix | add memberUid: bea                                                            | not

    milter | bea   | add delegationSendOnBehalf: @carl                                             | not
    milter | bea   | add delegationSendAs: @carl                                                   | not
    milter | bea   | replace userPassword: x                                                       | not
    milter | milter | replace userPassword: x                                                      | not
    milter | milter | add objectClass: delegationPrincipal                                         | not
    nobody | bea   | add delegationSendOnBehalf: @carl                                             | not
    nobody | bea   | delete                                                                        | not

    anna   | anna  | replace userPassword: anna                                                    | may
    anna   | bea   | replace userPassword: x                                                       | not

    admin  | anna  | replace mail: a@example.org; add delegationAlias: boss@example.org            | may
    admin  | anna  | add delegationSendAs: @bea; add delegationEnabled: TRUE                       | may
    admin  | anna  | replace displayName: A; add cn: A; add uid: a                                 | may
    admin  | staff | add member: @bea; replace delegationSecurityGroup: TRUE                       | may
    admin  | carl  | delete objectClass: delegationPrincipal                                       | may
";

/// What each of the attributes of an entry is to somebody.
fn check_reads(slapd: &Slapd, table: &str) {
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [who, entry, attributes, may] = cells[..] else { panic!("{row}") };
        for attribute in attributes.split_whitespace() {
            let (name, dn) = (dn(who), dn(entry));
            let filter = format!("({attribute}=*)");
            let read =
                slapd.ldapsearch(bind(who, &name), &["-s", "base", "-b", &dn, "(objectClass=*)", attribute]);
            let found = slapd.ldapsearch(bind(who, &name), &["-s", "base", "-b", &dn, &filter, "1.1"]);
            let seen = (read.stdout.contains(&format!("{attribute}:")), !found.stdout.is_empty());
            assert_eq!(seen, (may == "reads", may == "reads"), "{row}: {attribute}");
        }
    }
}

/// Whatever the site's rules are.
const ALWAYS_READ: &str = "
    milter | bea    | objectClass uid cn displayName mail delegationAlias delegationEnabled            | reads
    milter | bea    | delegationSendAs delegationSendOnBehalf delegationSchedule entryUUID entryCSN    | reads
    milter | staff  | objectClass cn mail delegationSecurityGroup member                               | reads
    milter | unique | uniqueMember                                                                     | reads
    milter | posix  | memberUid                                                                        | reads
    milter | suffix | objectClass contextCSN                                                           | reads
    milter | bea    | userPassword                                                                     | not
    milter | milter | userPassword                                                                     | not
    anna   | anna   | objectClass mail delegationSendOnBehalf delegationSendAs displayName             | reads
    nobody | bea    | userPassword                                                                     | not
    admin  | bea    | userPassword                                                                     | reads
";

fn check_access(rules: &str, writes: &str, reads: &str) {
    let slapd = site(rules);
    // Logging in needs the right to have the password compared.
    for uid in ["anna", "bea", "carl", "dora"] {
        let name = dn(uid);
        assert_eq!(slapd.ldapwhoami(Who::Simple(&name, uid)).succeeded(), format!("dn:{name}\n"));
        assert_eq!(slapd.ldapwhoami(Who::Simple(&name, "wrong")).code, 49);
    }
    check_writes(&slapd, ALWAYS);
    check_writes(&slapd, writes);
    slapd.modify(&change("anna", "replace delegationSendOnBehalf: @bea"));
    slapd.modify(&change("bea", "replace delegationSendOnBehalf: @anna"));
    check_reads(&slapd, ALWAYS_READ);
    check_reads(&slapd, reads);
    // Compared, it would be as good as read: true (6), insufficient access (50).
    for (who, code) in [(ADMIN, 6), (MILTER, 50)] {
        assert_eq!(
            slapd.tool(who, "ldapcompare", &[&dn("bea"), "userPassword:bea"], "").code,
            code,
            "{who:?}"
        );
    }
    let everything = slapd.ldapsearch(MILTER, &["-b", SUFFIX, "-E", "!sync=ro", "(objectClass=*)", "1.1"]);
    assert_eq!(values(&everything.succeeded(), "dn").len(), 9);
}

#[test]
fn who_may_do_what_before_debians_rules() {
    check_access(
        DEBIAN,
        "anna | anna | replace telephoneNumber: 3 | not",
        "milter | bea | telephoneNumber | reads
         nobody | bea | telephoneNumber delegationSendAs | reads
         anna | bea | userPassword | not",
    );
}

#[test]
fn who_may_do_what_before_lax_rules() {
    check_access(
        LAX,
        "anna | anna | replace telephoneNumber: 3 | may",
        "milter | bea | telephoneNumber | reads
         anna | bea | telephoneNumber delegationSendAs userPassword | reads",
    );
}

#[test]
fn who_may_do_what_before_strict_rules() {
    check_access(
        STRICT,
        "anna | anna | replace telephoneNumber: 3 | not",
        "milter | bea | sn telephoneNumber | not
         anna | anna | telephoneNumber | reads
         nobody | bea | mail | not
         anna | bea | mail delegationSendAs userPassword | not",
    );
}

#[test]
fn of_the_configuration_the_account_sees_what_check_needs() {
    let slapd = Slapd::start(&[]);
    let said = slapd.ldapsearch(MILTER, &["-b", "cn=config", "(olcSuffix=*)"]).succeeded();
    let names: BTreeSet<_> =
        said.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    let seen = ["dn", "objectClass", "olcDatabase", "olcDbIndex", "olcLimits", "olcSuffix"];
    assert_eq!(names, seen.into());
    let overlays = slapd.ldapsearch(MILTER, &["-b", "cn=config", "(olcOverlay=*)", "olcOverlay"]).succeeded();
    assert_eq!(values(&overlays, "olcOverlay"), ["{0}syncprov"]);
    for hidden in ["(olcRootPW=*)", "(olcAccess=*)", "(olcRootDN=*)"] {
        assert_eq!(slapd.ldapsearch(MILTER, &["-b", "cn=config", hidden]).succeeded(), "", "{hidden}");
    }
    let write = "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nadd: olcDbIndex\nolcDbIndex: sn eq\n";
    assert_eq!(slapd.ldapmodify(MILTER, write).code, 50);
    assert_eq!(slapd.ldapsearch(Who::Anonymous, &["-b", "cn=config"]).code, 32);
}

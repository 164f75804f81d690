//! A file and a server with the same entries give the same answers and lead to the same decisions: small directories
//! of all kinds, in a real slapd and in memory, asked the same questions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::collections::HashSet;
use std::fmt::{Debug, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delegation_milter::address::Address;
use delegation_milter::config::Config;
use delegation_milter::directory::lookup::{Lookup, Resolver};
use delegation_milter::directory::{Directory, Failure, Groups};
use delegation_milter::dn::Dn;
use delegation_milter::grant::Entry;
use delegation_milter::message::Envelope;
use delegation_milter::open::{self, Backend};
use delegation_milter::session::{Outcome, Session, Steps};
use delegation_milter::site::Site;
use delegation_milter::transactions::Transactions;
use support::TempDir;
use support::slapd::{SUFFIX, Slapd};
use unicode_normalization::UnicodeNormalization;

/// How many directories are made.
const DIRECTORIES: u64 = 12;

const LOGINS: &[&str] = &[
    "anna",
    "bert",
    "carl  x",
    "zo\u{eb}",
    "a,b+c=d",
    "(*)\\",
    "#01",
    "anna@example.org",
    "bert@b\u{fc}cher.example",
    "\u{130}da",
    "stra\u{df}e",
];

/// For attributes that take ASCII alone (RFC 4524 section 2.16), in the form in which servers are asked for them.
const ADDRESSES: &[&str] = &[
    "anna@example.org",
    "Bert@Example.ORG",
    "bert@xn--bcher-kva.example",
    "boss@example.org",
    "boss+x@example.org",
    "boss@alias.example",
    "info@acme.example",
    "\"q  q\"@example.org",
    "\"q q\"@example.org",
    "no address",
];

const ALIASES: &[&str] = &[
    "anna@b\u{fc}cher.example",
    "BOSS@B\u{dc}CHER.example",
    "zo\u{eb}@example.org",
    "zoe\u{308}@example.org",
    "boss@example.org",
    "\u{df}@example.org",
    "anna@acme.example",
];

/// What is asked for besides.
const ASKED: &[&str] = &[
    "ANNA",
    "Anna@EXAMPLE.org",
    "bert@xn--bcher-kva.example",
    "bert+x@b\u{fc}cher.example",
    "carl x",
    "anna ",
    "zoe\u{308}",
    "ZO\u{cb}",
    "strasse",
    "ida",
    "anna@acme.example",
    "bert@realm.example",
    "\"anna\"@example.org",
    "boss+y@example.org",
    "boss+x@alias.example",
    "nobody",
    "nobody@example.org",
    "*",
];

/// One that makes choices.
struct Dice(fastrand::Rng);

impl Dice {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.0.usize(..of.len())]
    }

    fn some<'a>(&mut self, of: &[&'a str], most: usize) -> Vec<&'a str> {
        (0..self.0.usize(..=most)).map(|_| self.one(of)).collect()
    }

    /// One time in so many.
    fn hits(&mut self, of: u32) -> bool {
        self.0.u32(..of) == 0
    }

    /// A name in one of the ways in which it can be written.
    fn name(&mut self, name: &Name) -> String {
        let mut parts = name.own.clone();
        self.0.shuffle(&mut parts);
        let own: Vec<_> = parts.iter().map(|(kind, value)| self.part(kind, value)).collect();
        let above: Vec<_> = name.above.iter().map(|(kind, value)| self.part(kind, value)).collect();
        let plus = self.one(&["+", " + "]);
        let mut text = own.join(plus);
        for part in above {
            text.push_str(self.one(&[",", ", ", " ,"]));
            text.push_str(&part);
        }
        text
    }

    fn part(&mut self, kind: &str, value: &str) -> String {
        let kind = if self.hits(3) { kind.to_ascii_uppercase() } else { kind.to_owned() };
        format!("{kind}={}", self.value(value))
    }

    fn value(&mut self, value: &str) -> String {
        let mut text = String::new();
        for (at, c) in value.char_indices() {
            let c = if self.hits(4) { c.to_ascii_uppercase() } else { c };
            let special = ",+\"\\<>;=".contains(c) || at == 0 && "# ".contains(c);
            if self.hits(8) {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| write!(text, "\\{octet:02x}").unwrap());
            } else if special {
                write!(text, "\\{c}").unwrap();
            } else if c == ' ' && self.hits(2) {
                text.push_str("  ");
            } else {
                text.push(c);
            }
        }
        text
    }
}

/// The name of an entry: its own parts, and what is above it.
#[derive(Clone, Debug)]
struct Name {
    own: Vec<(&'static str, String)>,
    above: Vec<(&'static str, String)>,
}

/// An entry before it is written down.
struct Draft {
    name: Name,
    values: Vec<(&'static str, String)>,
}

impl Draft {
    /// Adds a value unless the entry has one that servers take for the same.
    fn add(&mut self, attribute: &'static str, value: impl Into<String>) {
        let value = value.into();
        let same = |(own, text): &(&str, String)| *own == attribute && is_same(text, &value);
        if !self.values.iter().any(same) {
            self.values.push((attribute, value));
        }
    }

    fn write(&self, dice: &mut Dice, text: &mut String) {
        line(text, "dn", &dice.name(&self.name));
        self.values.iter().for_each(|(attribute, value)| line(text, attribute, value));
        text.push('\n');
    }
}

/// Whether servers take two values of one attribute for the same.
fn is_same(a: &str, b: &str) -> bool {
    let folded = |text: &str| {
        let lower: String = text.nfkc().flat_map(char::to_lowercase).collect();
        lower.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let name = |text| Dn::parse(text).ok().filter(|dn| dn.depth() > 1);
    folded(a) == folded(b) || name(a).is_some() && name(a) == name(b)
}

fn line(text: &mut String, attribute: &str, value: &str) {
    let plain = value.bytes().all(|b| (b' '..=b'~').contains(&b)) && !value.starts_with([' ', ':', '<']);
    if plain && !value.ends_with(' ') {
        writeln!(text, "{attribute}: {value}").unwrap();
    } else {
        writeln!(text, "{attribute}:: {}", STANDARD.encode(value)).unwrap();
    }
}

/// A directory: all of its entries are below `base`.
struct World {
    base: String,
    names: Vec<Name>,
    /// What its entries have as logins, and as addresses.
    logins: Vec<String>,
    addresses: Vec<String>,
    ldif: String,
}

impl World {
    fn random(number: u64, dice: &mut Dice) -> Self {
        let base = format!("ou=world{number},{SUFFIX}");
        let root = vec![("ou", format!("world{number}")), ("dc", "example".into()), ("dc", "org".into())];
        let mut drafts = vec![container(root[0].clone(), &root[1..])];
        let mut places = vec![root.clone()];
        for place in ["a", "b"] {
            drafts.push(container(("ou", place.to_owned()), &root));
            places.push([&[("ou", place.to_owned())], &root[..]].concat());
        }
        let count = dice.0.usize(4..14);
        let mut names: Vec<Name> = Vec::new();
        for n in 0..count {
            let above = places[dice.0.usize(..places.len())].clone();
            names.push(Name { own: own_name(dice, n), above });
        }
        // No two entries have one name.
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(same_form(&dice.name(name))));
        for name in &names {
            drafts.push(draft(dice, name, &names));
        }
        let mut ldif = String::new();
        drafts.iter().for_each(|draft| draft.write(dice, &mut ldif));
        let values = |attributes: &[&str]| {
            let values = drafts.iter().flat_map(|draft| &draft.values);
            values.filter(|(own, _)| attributes.contains(own)).map(|(_, value)| value.clone()).collect()
        };
        let (logins, addresses) = (values(&["uid", "mail"]), values(&["mail", "delegationAlias"]));
        Self { base, names, logins, addresses, ldif }
    }
}

fn container((kind, value): (&'static str, String), above: &[(&'static str, String)]) -> Draft {
    let mut draft =
        Draft { name: Name { own: vec![(kind, value.clone())], above: above.to_vec() }, values: vec![] };
    draft.add("objectClass", "organizationalUnit");
    draft.add("ou", value);
    draft
}

fn own_name(dice: &mut Dice, n: usize) -> Vec<(&'static str, String)> {
    match dice.0.u32(..4) {
        0 | 1 => vec![("uid", dice.one(LOGINS).to_owned())],
        2 => vec![("cn", format!("Entry, {n}"))],
        _ => vec![("cn", dice.one(LOGINS).to_owned()), ("uid", dice.one(LOGINS).to_owned())],
    }
}

/// An entry of some kind that fits its name.
fn draft(dice: &mut Dice, name: &Name, names: &[Name]) -> Draft {
    let mut draft = Draft { name: name.clone(), values: Vec::new() };
    let has_uid = name.own.iter().any(|(kind, _)| *kind == "uid");
    draft.add("objectClass", "delegationPrincipal");
    for (kind, value) in &name.own {
        draft.add(kind, value);
    }
    match dice.0.u32(..8) {
        0..=3 => {
            draft.add("objectClass", "inetOrgPerson");
            draft.add("sn", "X");
            draft.add("cn", dice.one(&["Somebody", "Z\u{f6}e  M"]));
            dice.some(LOGINS, 1).into_iter().for_each(|login| draft.add("uid", login));
            dice.some(&["Display  Name", " "], 1).into_iter().for_each(|text| draft.add("displayName", text));
        }
        4 => {
            draft.add("objectClass", "organizationalRole");
            draft.add("cn", "role");
            if has_uid || dice.hits(2) {
                draft.add("objectClass", "uidObject");
                draft.add("uid", dice.one(LOGINS));
            }
        }
        kind => group(dice, &mut draft, kind, has_uid, names),
    }
    // Most addresses have one owner.
    if !dice.hits(4) {
        draft.add("mail", format!("{}@example.org", dice.0.u32(..1000)));
    }
    dice.some(ADDRESSES, 1).into_iter().for_each(|address| draft.add("mail", address));
    dice.some(ALIASES, 1).into_iter().for_each(|address| draft.add("delegationAlias", address));
    for attribute in ["delegationSendAs", "delegationSendOnBehalf", "delegationSchedule"] {
        for _ in 0..dice.0.usize(..4) {
            let delegate = &names[dice.0.usize(..names.len())];
            draft.add(attribute, dice.name(delegate));
        }
    }
    dice.some(&["TRUE", "TRUE", "FALSE"], 1)
        .into_iter()
        .for_each(|value| draft.add("delegationEnabled", value));
    draft
}

fn group(dice: &mut Dice, draft: &mut Draft, kind: u32, has_uid: bool, names: &[Name]) {
    draft.add("cn", "group");
    if has_uid {
        draft.add("objectClass", "uidObject");
    }
    let (class, attribute) =
        [("groupOfNames", "member"), ("groupOfUniqueNames", "uniqueMember"), ("posixGroup", "memberUid")]
            [kind as usize - 5];
    draft.add("objectClass", class);
    if class == "posixGroup" {
        draft.add("gidNumber", "1");
        let ascii: Vec<_> = LOGINS.iter().copied().filter(|login| login.is_ascii()).collect();
        dice.some(&[&ascii[..], &["ANNA", "carl x"]].concat(), 3)
            .into_iter()
            .for_each(|login| draft.add(attribute, login));
    } else {
        for _ in 0..dice.0.usize(1..4) {
            let member = &names[dice.0.usize(..names.len())];
            let member = dice.name(member);
            let uid = if class == "groupOfUniqueNames" && dice.hits(5) { "#'01'B" } else { "" };
            draft.add(attribute, format!("{member}{uid}"));
        }
    }
    if dice.hits(2) {
        draft.add("objectClass", "delegationGroup");
        draft.add("delegationSecurityGroup", dice.one(&["TRUE", "FALSE"]));
    }
}

/// Rules under which decisions are asked for.
const RULES: &str = "realms = [\"realm.example\"]
[delegation]
enabled = true
[policy]
unknown_submitter = \"accept\"
unknown_author = \"accept\"
[envelope]
check = false
[domain_aliases]
\"alias.example\" = \"example.org\"
";

type Found = Site<Resolver<Backend>>;

fn site(files: &TempDir, source: &str, base: &str, contexts: bool) -> Found {
    let contexts = if contexts {
        format!(
            "[[context]]\nname = \"a\"\nbase_dn = \"OU=A, {base}\"\ndomains = [\"acme.example\"]\n\
             [[context]]\nname = \"b\"\nbase_dn = \"ou=b,{base}\"\nenabled = false\n"
        )
    } else {
        String::new()
    };
    let text = format!("[directory]\nbase_dn = \"{base}\"\n{source}{RULES}{contexts}");
    open::command(Config::parse(&text, &files.path("milter.toml")).unwrap_or_else(|e| panic!("{e}\n{text}")))
        .unwrap()
}

/// What can be compared of an answer: servers give values in no order, and who is looked at by another way than a login
/// is not asked for logins.
fn told(entry: &Entry, logins: bool) -> String {
    let mut known: Vec<_> = entry.logins().filter(|_| logins).collect();
    known.sort_unstable();
    let grants: Vec<_> =
        entry.grants.iter().map(|grant| (grant.right, same_form(&grant.delegate.to_string()))).collect();
    let mut grants: Vec<_> = grants.iter().map(|grant| format!("{grant:?}")).collect();
    grants.sort();
    let Entry { dn, name, mail, aliases, enabled, .. } = entry;
    format!("{} {name:?} {mail:?} {aliases:?} {known:?} {enabled:?} {grants:?}", same_form(dn.as_str()))
}

/// One text for all ways of writing a name.
fn same_form(name: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    Dn::parse(name).unwrap().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn all(entries: &[Arc<Entry>], logins: bool) -> Vec<String> {
    let mut texts: Vec<_> = entries.iter().map(|entry| told(entry, logins)).collect();
    texts.sort();
    texts
}

fn login_of(found: &Result<Option<Arc<Entry>>, Failure>) -> String {
    match found {
        Ok(found) => format!("{:?}", found.as_ref().map(|entry| told(entry, true))),
        Err(Failure::AmbiguousLogin(names)) => {
            let mut names: Vec<_> = names.iter().map(|name| same_form(name.as_str())).collect();
            names.sort();
            format!("several {names:?}")
        }
        Err(error) => panic!("{error}"),
    }
}

/// A question with both answers, told if they differ.
struct Comparison<'a> {
    world: &'a World,
    differences: Vec<String>,
    /// How many messages were accepted for change: each needed a grant, and more than one question.
    changed: usize,
}

impl Comparison<'_> {
    fn same<T: PartialEq + Debug>(&mut self, question: &str, [file, server]: [T; 2]) {
        if file != server {
            self.differences.push(format!("{question}\n  file   {file:?}\n  server {server:?}"));
        }
    }

    async fn ask(&mut self, file: &Backend, server: &Backend, dice: &mut Dice) {
        let words: Vec<_> = [LOGINS, ADDRESSES, ALIASES, ASKED].concat();
        let base = &self.world.base;
        let bases = [None, Some(format!("ou=a,{base}")), Some(format!("OU = B,{base}"))];
        for base in bases.iter().map(|base| base.as_ref().map(|base| Dn::parse(base).unwrap())) {
            for word in &words {
                let found =
                    [file.by_login(word, base.as_ref()).await, server.by_login(word, base.as_ref()).await];
                let [of_file, of_server] = found.each_ref().map(login_of);
                self.same(&format!("login {word} in {base:?}"), [of_file, of_server]);
                if let [Ok(Some(of_file)), Ok(Some(of_server))] = found {
                    for kind in [Groups::Security, Groups::Others] {
                        let of_file = file.groups_of(std::slice::from_ref(&of_file), kind).await.unwrap();
                        let of_server =
                            server.groups_of(std::slice::from_ref(&of_server), kind).await.unwrap();
                        self.same(
                            &format!("{kind:?} of {word}"),
                            [all(&of_file, false), all(&of_server, false)],
                        );
                    }
                }
                let Ok(address) = Address::parse(word) else { continue };
                let [of_file, of_server] = [
                    file.by_address(std::slice::from_ref(&address), base.as_ref()).await.unwrap(),
                    server.by_address(std::slice::from_ref(&address), base.as_ref()).await.unwrap(),
                ];
                self.same(
                    &format!("address {word} in {base:?}"),
                    [all(&of_file, false), all(&of_server, false)],
                );
            }
        }
        for name in &self.world.names {
            let dn = Dn::parse(&dice.name(name)).unwrap();
            let [of_file, of_server] = [file.by_dn(&dn).await.unwrap(), server.by_dn(&dn).await.unwrap()];
            assert!(of_file.is_some(), "{dn}");
            let [a, b] = [of_file, of_server].map(|found| found.map(|entry| told(&entry, false)));
            self.same(&format!("name {dn}"), [a, b]);
        }
    }

    async fn decide(&mut self, file: Found, server: Found, dice: &mut Dice) {
        let [file, server] = [file, server].map(|site| tokio::sync::watch::channel(Arc::new(site)).1);
        let asked = || ASKED.iter().copied();
        let logins: Vec<_> = self.world.logins.iter().map(String::as_str).chain(asked()).collect();
        let addresses: Vec<_> = self.world.addresses.iter().map(String::as_str).chain(asked()).collect();
        for login in logins {
            for author in &addresses {
                // More would take long and show no more.
                if !dice.hits(5) {
                    continue;
                }
                let sender = dice.one(&["<>", "<anna@example.org>", "<boss@example.org>"]);
                let outcomes = [
                    decision(&file, login, author, sender).await,
                    decision(&server, login, author, sender).await,
                ];
                self.changed += usize::from(outcomes[0].0 == Outcome::Continue);
                self.same(&format!("{login} as {author} from {sender}"), outcomes);
            }
        }
    }
}

async fn decision<L: Lookup + 'static>(
    site: &tokio::sync::watch::Receiver<Arc<Site<L>>>,
    login: &str,
    author: &str,
    sender: &str,
) -> (Outcome, String) {
    let mut session = Session::new(site.clone(), Transactions::default(), Steps::default());
    let envelope = Envelope::read([sender.as_bytes(), b"SMTPUTF8"].into_iter());
    assert_eq!(session.mail(Some(login.to_owned()), envelope), Outcome::Continue);
    session.header(b"From", format!(" {author}").as_bytes());
    let outcome = session.end_of_header("4QID").await;
    let end = session.end_of_message("4QID").await;
    let modifications = (end.outcome, end.modifications);
    (outcome, format!("{modifications:?}"))
}

#[tokio::test]
async fn a_file_and_a_server_agree() {
    let slapd = Slapd::start(&[]);
    let files = TempDir::new();
    let password = slapd.path("milter.password");
    let at_server = format!(
        "urls = [\"{}\"]\nbind_dn = \"cn=delegation-milter,{SUFFIX}\"\nbind_password_file = \"{}\"\n",
        slapd.uri("ldapi"),
        password.display()
    );
    let mut changed = 0;
    for number in 0..DIRECTORIES {
        let mut dice = Dice(fastrand::Rng::with_seed(number));
        let world = World::random(number, &mut dice);
        slapd.modify(&world.ldif);
        files.write("directory.ldif", &world.ldif);
        let contexts = dice.hits(2);
        let open = |source: &str| site(&files, source, &world.base, contexts);
        let (file, server) = (open("urls = [\"file:directory.ldif\"]\n"), open(&at_server));
        let mut comparison = Comparison { world: &world, differences: Vec::new(), changed: 0 };
        comparison.ask(&file.lookup.directory, &server.lookup.directory, &mut dice).await;
        comparison.decide(file, server, &mut dice).await;
        let differences = &comparison.differences;
        assert!(differences.is_empty(), "directory {number}:\n{}\n{}", differences.join("\n"), world.ldif);
        changed += comparison.changed;
    }
    assert!(
        changed > 30,
        "{changed} messages were accepted on the strength of a grant: the directories have too few"
    );
}

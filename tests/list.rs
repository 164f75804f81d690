//! `list`: what it says agrees with what `explain` says, for every login and every address, on a file and on a server.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use delegation_milter::admin::explain::{Question, explain};
use delegation_milter::admin::list::list;
use delegation_milter::config::Config;
use serde_json::Value;
use support::slapd::Slapd;
use support::{TempDir, project};

/// What a login may do with an address, as `by` of both commands.
type Verdicts = BTreeMap<(String, String), String>;

/// A configuration for the company of `conf/demo.ldif`.
fn config(files: &TempDir, directory: &str, more: &str) -> Config {
    let text = format!("{more}\n[directory]\n{directory}\n[delegation]\nenabled = true\n");
    Config::load(&files.write("milter.toml", text)).unwrap()
}

fn file() -> String {
    format!("urls = [\"file:{}\"]", project("conf/demo.ldif").display())
}

fn server(slapd: &Slapd) -> String {
    format!(
        "urls = [\"{}\"]\nbase_dn = \"dc=example,dc=org\"\nbind_dn = \"cn=delegation-milter,dc=example,dc=org\"\n\
         bind_password_file = \"{}\"",
        slapd.uri("ldapi"),
        slapd.path("milter.password").display()
    )
}

/// The values of these attributes in the company.
fn values(attributes: &[&str]) -> BTreeSet<String> {
    let text = std::fs::read_to_string(project("conf/demo.ldif")).unwrap();
    let value = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        attributes.contains(&name).then(|| value.to_owned())
    };
    text.lines().filter_map(value).collect()
}

async fn listed(config: &Config, address: &str) -> Value {
    let listing = list(config.clone(), address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    serde_json::from_str(&listing.render(true)).unwrap()
}

/// By which right `explain` lets a login write as an address; what it cannot say is none.
async fn explained(config: &Config, login: &str, address: &str) -> Option<String> {
    let question = Question::Address(address.to_owned());
    let explanation = explain(config.clone(), login, &question).await.ok()?;
    let answer: Value = serde_json::from_str(&explanation.render(true)).unwrap();
    answer["by"].as_str().map(str::to_owned)
}

fn add(verdicts: &mut Verdicts, rows: &Value) {
    for row in rows.as_array().unwrap() {
        if let Some(by) = row["by"].as_str() {
            let key =
                (row["login"].as_str().unwrap().to_owned(), row["address"].as_str().unwrap().to_owned());
            verdicts.insert(key, by.to_owned());
        }
    }
}

/// What `explain` says about every login and every address.
async fn all_explained(config: &Config) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for address in values(&["mail", "delegationAlias"]) {
        for login in logins() {
            if let Some(by) = explained(config, &login, &address).await {
                verdicts.insert((login, address.clone()), by);
            }
        }
    }
    verdicts
}

/// What `list` says of each address, and of each the other way round.
async fn all_listed(config: &Config) -> [Verdicts; 2] {
    let [mut incoming, mut outgoing] = [Verdicts::new(), Verdicts::new()];
    for address in values(&["mail", "delegationAlias"]) {
        let listing = listed(config, &address).await;
        assert_eq!(listing["more_senders"], 0, "{address}");
        add(&mut incoming, &listing["senders"]);
        for principal in listing["sends_for"].as_array().unwrap() {
            add(&mut outgoing, &principal["addresses"]);
        }
    }
    let logins = logins();
    [incoming, outgoing].map(|mut verdicts| {
        verdicts.retain(|(login, _), _| logins.contains(login));
        verdicts
    })
}

/// Whoever is a delegate of any kind; and some who log in with an address, which two shared mailboxes have too.
fn logins() -> BTreeSet<String> {
    let people = "anna bea carl emil lena mia nils pia olga paul alice kim".split(' ');
    let addresses = ["carl@example.org", "sales@example.org", "info@example.org"];
    people.chain(addresses).map(str::to_owned).collect()
}

/// What is the one's and not the other's.
fn differences(explains: &Verdicts, lists: &Verdicts) -> String {
    let mut text = String::new();
    for key in explains.keys().chain(lists.keys()).collect::<BTreeSet<_>>() {
        let (explained, listed) = (explains.get(key), lists.get(key));
        if explained != listed {
            writeln!(text, "{key:?}: explain says {explained:?}, list says {listed:?}").unwrap();
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_what_explain_allows() {
    let slapd = Slapd::start(&[&Slapd::ldif("conf/demo.ldif")]);
    let files = TempDir::new();
    let contexts = "[[context]]\nname = \"acme\"\nbase_dn = \"ou=acme,dc=example,dc=org\"\n\
                    [[context]]\nname = \"rest\"\nbase_dn = \"dc=example,dc=org\"";
    for (first, depth, last) in [
        ("", "", ""),
        ("", "group_depth = 2", contexts),
        ("policy.group_members = \"send-as\"\npolicy.prefer = \"send-as\"", "", ""),
    ] {
        let config = |directory: &str| config(&files, &format!("{directory}\n{depth}\n{last}"), first);
        let explains = all_explained(&config(&file())).await;
        let mut granted = explains.clone();
        granted.retain(|_, by| matches!(by.as_str(), "on-behalf" | "send-as"));
        assert!(granted.len() > 10, "too little to compare: {granted:?}");
        for directory in [file(), server(&slapd)] {
            let [incoming, outgoing] = all_listed(&config(&directory)).await;
            assert_eq!(differences(&explains, &incoming), "", "{first} {depth} {directory}");
            assert_eq!(differences(&granted, &outgoing), "", "{first} {depth} {directory}");
        }
    }
}

/// The same with the people of each preset, in the product's own forms.
#[tokio::test(flavor = "multi_thread")]
async fn lists_what_explain_allows_with_every_preset() {
    let files = TempDir::new();
    for preset in ["kopano", "kolab", "univention", "active-directory"] {
        let fixture =
            |what| project(&format!("tests/fixtures/presets/{preset}{what}.ldif")).display().to_string();
        let slapd =
            Slapd::start(&[&format!("--ldif={}", fixture("")), &format!("--schema={}", fixture(".schema"))]);
        let text = std::fs::read_to_string(fixture("")).unwrap();
        let word = |c: char| c.is_ascii_alphanumeric() || ".-$_".contains(c);
        let address = |at: usize| {
            let start = text[..at].rfind(|c| !word(c)).map_or(0, |before| before + 1);
            format!("{}@example.org", &text[start..at])
        };
        let addresses: BTreeSet<_> = text.match_indices("@example.org").map(|(at, _)| address(at)).collect();
        let of = |directory: &str| config(&files, &format!("{directory}\npreset = \"{preset}\""), "");
        let file = of(&format!("urls = [\"file:{}\"]", fixture("")));
        let mut explains = Verdicts::new();
        for address in &addresses {
            for login in ["anna", "bob", "carl", "dora", "fred", "boss"] {
                if let Some(by) = explained(&file, login, address).await {
                    explains.insert((login.to_owned(), address.clone()), by);
                }
            }
        }
        assert!(explains.len() > 10, "too little to compare: {explains:?}");
        for config in [&file, &of(&server(&slapd))] {
            let mut incoming = Verdicts::new();
            for address in &addresses {
                add(&mut incoming, &listed(config, address).await["senders"]);
            }
            incoming.retain(|(login, _), _| {
                ["anna", "bob", "carl", "dora", "fred", "boss"].contains(&login.as_str())
            });
            assert_eq!(differences(&explains, &incoming), "", "{preset}");
        }
    }
}

/// Of a large group, some are looked at, and the number of the others is told.
#[tokio::test(flavor = "multi_thread")]
async fn large_groups_are_counted() {
    let files = TempDir::new();
    let mut entries =
        "dn: dc=org\nobjectClass: domain\n\ndn: cn=all,dc=org\nobjectClass: groupOfNames\n".to_owned();
    for number in 0..300 {
        writeln!(entries, "member: uid=p{number},dc=org").unwrap();
    }
    for number in 0..300 {
        let (dn, class) = (format!("uid=p{number},dc=org"), "objectClass: inetOrgPerson");
        write!(entries, "\ndn: {dn}\n{class}\nuid: p{number}\nmail: p{number}@example.org\n").unwrap();
    }
    entries.push_str("\ndn: cn=box,dc=org\nobjectClass: inetOrgPerson\nmail: box@example.org\n");
    entries.push_str("delegationSendAs: cn=all,dc=org\n");
    let file = files.write("large.ldif", entries);
    let config = config(&files, &format!("urls = [\"file:{}\"]", file.display()), "");
    let listing = list(config, "box@example.org").await.unwrap();
    let text = listing.render(false);
    assert!(text.contains("and 101 more members of these groups, which were not looked at"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("send-as   uid=p")).count(), 199, "{text}");
    assert!(listing.is_known());
}

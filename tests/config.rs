//! The configuration: bad examples with the messages that they must give, good values with what they change, and the
//! file that is shipped.
//!
//! `tests/config/*.toml` are bad examples. The lines that start with `#>` are what the program says of that file.
//! Besides them lie files that configurations name.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use delegation_milter::address::{Address, Pattern, is_forbidden};
use delegation_milter::config::{
    Bind, CacheConfig, ClientFiles, Config, ConfigError, DeniedAction, Known, Level, Listen, LogFormat,
    Server, Shape, Source, TABLES, TlsFiles, Transport,
};
use delegation_milter::directory::filter::Filter;
use delegation_milter::directory::schema::{Member, Schema};
use delegation_milter::dn::Dn;
use delegation_milter::grant::{DecidedBy, Mode, Right};
use delegation_milter::policy::{Choice, OnBehalfDisplay, Prefer, Return};
use proptest::prelude::*;

const SHIPPED: &str = include_str!("../conf/delegation-milter.toml");

/// Where the bad examples are, and the files that they name.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, &examples().join("test.toml"))
}

fn config(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
}

/// What is wrong, one line each, without the name of the file.
fn messages(text: &str) -> Vec<String> {
    let prefix = format!("{}:", examples().join("test.toml").display());
    let error = parse(text).err().map(|error| error.to_string()).unwrap_or_default();
    error.lines().map(|line| line.strip_prefix(&prefix).unwrap_or(line).to_owned()).collect()
}

// Bad examples

#[test]
fn bad_examples_say_what_is_wrong() {
    let mut seen = 0;
    for file in std::fs::read_dir(examples()).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "toml") {
            says_what_is_wrong(&file);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} examples: some are missing");
}

fn says_what_is_wrong(file: &Path) {
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    let expected: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#> ")).collect();
    assert!(!expected.is_empty(), "{}: no line says what is expected", file.display());
    let error = Config::load(file).expect_err(&file.display().to_string()).to_string();
    let here = format!("{}/", examples().display());
    assert_eq!(error.replace(&here, ""), expected.join("\n"), "{}", file.display());
}

#[test]
fn a_file_that_cannot_be_read() {
    for (name, why) in [("nowhere.toml", "does not exist"), ("", "is a directory")] {
        let file = examples().join(name);
        let expected =
            format!("{} {why}; name another configuration file with --config FILE", file.display());
        assert_eq!(Config::load(&file).expect_err("unreadable").to_string(), expected);
    }
}

// Every key

/// A file in which `path` has `value`, and everything is there that it needs.
fn document(path: &str, value: &str) -> String {
    // A key in quotes may hold dots.
    let split = path.find(".\"").or_else(|| path.rfind('.'));
    let (table, key) = split.map_or(("", path), |dot| (&path[..dot], &path[dot + 1..]));
    let needed: &[(&str, &str)] = match table {
        "" => &[("listen", r#""unix:/run/milter.sock""#)],
        "directory" => &[("urls", r#"["file:directory.ldif"]"#)],
        "context" => &[("name", r#""acme""#), ("base_dn", r#""ou=acme,dc=org""#)],
        "account" => &[("login", r#""scanner""#), ("mode", r#""observe""#)],
        "sent_copy" => &[("address", r#""{local}+Sent@{domain}""#)],
        _ => &[],
    };
    let mut text = match TABLES.iter().find(|known| known.path() == table).map(|known| known.shape) {
        Some(Shape::Many) => format!("[[{table}]]\n"),
        Some(Shape::One | Shape::Free) if !table.is_empty() => format!("[{table}]\n"),
        Some(_) | None => String::new(),
    };
    for (key, value) in needed.iter().filter(|(name, _)| *name != key).chain(&[(key, value)]) {
        writeln!(text, "{key} = {value}").unwrap();
    }
    match table {
        "directory" => text,
        _ if table.is_empty() => text + &document("directory.group_depth", "16"),
        _ => document("directory.group_depth", "16") + &text,
    }
}

/// Every key that the parser knows, as a dotted path, but for those that administrators invent.
fn known_keys() -> Vec<String> {
    let path =
        |table: &Known, key: &str| format!("{}.{key}", table.path()).trim_start_matches('.').to_owned();
    TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| path(table, key))).collect()
}

/// The path as messages have it: entries are numbered.
fn numbered(path: &str) -> String {
    path.replace("context.", "context[1].").replace("account.", "account[1].")
}

#[test]
fn every_key_is_read() {
    for path in known_keys() {
        // No key wants a date: one that is not refused has no reader.
        let messages = messages(&document(&path, "1979-05-27"));
        assert_eq!(messages.len(), 1, "{path}: {messages:?}");
        assert!(messages[0].contains(&format!(": {}: ", numbered(&path))), "{path}: {messages:?}");
        assert!(messages[0].contains("a date or time is not allowed; allowed "), "{path}: {messages:?}");
    }
}

#[test]
fn every_misspelt_key_is_told_what_was_meant() {
    for path in known_keys() {
        let (_, key) = path.rsplit_once('.').unwrap_or(("", &path));
        let messages = messages(&document(&format!("{path}x"), "1979-05-27"));
        let expected = format!(r#": {}x: there is no such key (did you mean "{key}"?); "#, numbered(&path));
        let told = messages.iter().filter(|message| message.contains(&expected)).count();
        assert_eq!(told, 1, "{path}: {messages:?}");
        // A key that must be there is missed besides.
        let missed = messages.iter().filter(|message| message.contains(": is missing; allowed ")).count();
        assert_eq!(messages.len(), 1 + missed, "{path}: {messages:?}");
    }
}

#[test]
fn every_misspelt_table_is_told_what_was_meant() {
    for table in TABLES.iter().filter(|table| !table.name.is_empty()) {
        let messages =
            messages(&(document("directory.group_depth", "16") + &format!("[{}x]\n", table.path())));
        let expected = format!(": {}x: there is no such table (did you mean [", table.path());
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].contains(&expected) && messages[0].contains(table.name), "{messages:?}");
    }
}

/// A key, a value, and what is then true that was not before.
type Change = (&'static str, &'static str, fn(&Config) -> bool);

#[rustfmt::skip]
const CHANGES: &[Change] = &[
    ("listen", r#""inet:[::1]:9000""#, |c| c.listen == Listen::Inet { host: "::1".into(), port: 9000 }),
    ("listen", r#""unix:/run/x""#, |c| c.listen == Listen::Unix { path: "/run/x".into(), group: None, mode: 0o660 }),
    ("socket_group", r#""postfix""#, |c| matches!(&c.listen, Listen::Unix { group: Some(group), .. } if group == "postfix")),
    ("socket_mode", r#""0600""#, |c| matches!(c.listen, Listen::Unix { mode: 0o600, .. })),
    ("unauthenticated", r#""refuse""#, |c| c.unauthenticated == Choice::Refuse),
    ("directory.urls", r#"["file:../config/directory.ldif"]"#, |c| c.directory.source == Source::File(examples().join("../config/directory.ldif"))),
    ("directory.base_dn", r#""dc=example,dc=org""#, |c| c.directory.base_dn == Dn::parse("DC=Example,DC=Org").ok()),
    ("directory.group_depth", "0", |c| c.directory.group_depth == 0),
    ("directory.group_depth", "0x20", |c| c.directory.group_depth == 32),
    ("directory.realms", r#"["EXAMPLE.ORG", "b"]"#, |c| c.directory.realms == ["EXAMPLE.ORG", "b"]),
    ("directory.attributes.login", r#"["cn"]"#, |c| c.directory.schema.login == ["cn"]),
    ("directory.attributes.address", r#"["a", "b"]"#, |c| c.directory.schema.address == ["a", "b"]),
    ("directory.attributes.alias", "[]", |c| c.directory.schema.alias.is_empty()),
    ("directory.attributes.display_name", r#"["sn"]"#, |c| c.directory.schema.display_name == ["sn"]),
    ("directory.attributes.send_as", r#"["s"]"#, |c| c.directory.schema.send_as == ["s"]),
    ("directory.attributes.send_on_behalf", r#"["publicDelegates"]"#, |c| c.directory.schema.send_on_behalf == ["publicDelegates"]),
    ("directory.attributes.schedule", "[]", |c| c.directory.schema.schedule.is_empty()),
    ("directory.attributes.enabled", r#"["on"]"#, |c| c.directory.schema.enabled == ["on"]),
    ("directory.attributes.member", r#"["memberUid"]"#, |c| c.directory.schema.member == [Member::of("memberUid")]),
    ("directory.filters.person", r#""(a=1)""#, |c| Some(&c.directory.schema.person) == Filter::parse("(a=1)").ok().as_ref()),
    ("directory.filters.principal", r#""(a=2)""#, |c| Some(&c.directory.schema.principal) == Filter::parse("(a=2)").ok().as_ref()),
    ("directory.filters.security_group", r#""(a=3)""#, |c| Some(&c.directory.schema.security_group) == Filter::parse("(a=3)").ok().as_ref()),
    ("cache.ttl", r#""10m""#, |c| c.cache.ttl == Duration::from_secs(600)),
    ("cache.negative_ttl", r#""0s""#, |c| c.cache.negative_ttl == Duration::ZERO),
    ("cache.stale", r#""1d""#, |c| c.cache.stale == Duration::from_secs(86_400)),
    ("cache.capacity", "1", |c| c.cache.capacity == 1),
    ("delegation.enabled", "true", |c| c.rules.grants.enabled),
    ("delegation.decided_by", r#""context""#, |c| c.rules.grants.decided_by == DecidedBy::Context),
    ("delegation.decided_by", r#""server""#, |c| c.rules.grants.decided_by == DecidedBy::Server),
    ("context.name", r#""Bolt Ltd.""#, |c| c.rules.grants.contexts.iter().any(|x| x.name == "Bolt Ltd.")),
    ("context.base_dn", r#""ou=bolt,dc=org""#, |c| c.rules.grants.contexts.iter().any(|x| Dn::parse("ou=bolt,dc=org").as_ref() == Ok(&x.base))),
    ("context.domains", r#"["BÜCHER.example"]"#, |c| c.rules.grants.contexts.iter().any(|x| x.domains == ["xn--bcher-kva.example"])),
    ("context.enabled", "false", |c| c.rules.grants.contexts.iter().any(|x| x.enabled == Some(false))),
    ("policy.mode", r#""observe""#, |c| c.mode == Mode::Observe),
    ("policy.prefer", r#""send-as""#, |c| c.rules.prefer == Prefer::SendAs),
    ("policy.unknown_author", r#""accept""#, |c| c.rules.unknown_author == Choice::Accept),
    ("policy.unknown_submitter", r#""accept""#, |c| c.rules.unknown_submitter == Choice::Accept),
    ("policy.redirect", r#""accept""#, |c| c.rules.redirect == Choice::Accept),
    ("policy.group_members", r#""send-on-behalf""#, |c| c.rules.grants.group_members == Some(Right::SendOnBehalf)),
    ("policy.group_members", r#""send-as""#, |c| c.rules.grants.group_members == Some(Right::SendAs)),
    ("policy.display_name_address", r#""accept""#, |c| c.rules.display_name_address == Choice::Accept),
    ("policy.recipient_delimiter", r#""-""#, |c| forms(c, "a-b@example.org") == ["a-b@example.org", "a@example.org"]),
    ("policy.recipient_delimiter", r#""""#, |c| forms(c, "a+b@example.org") == ["a+b@example.org"]),
    ("policy.local_domains", r#"["Example.ORG"]"#, |c| c.rules.local_domains == ["example.org"]),
    ("account.login", r#""Fax""#, |c| c.accounts.get("fAX").is_some_and(|a| a.login == "Fax")),
    ("account.may_send", r#"["*@a.example"]"#, |c| c.accounts.get("scanner").is_some_and(|a| a.may_send == [Pattern::Domain("a.example".into())])),
    ("account.envelope", r#"["*"]"#, |c| c.accounts.get("scanner").is_some_and(|a| a.envelope == [Pattern::Any])),
    ("account.mode", r#""enforce""#, |c| c.accounts.get("scanner").is_some_and(|a| a.mode == Some(Mode::Enforce))),
    ("envelope.check", "false", |c| !c.rules.envelope.check),
    ("envelope.on_behalf", r#""delegate""#, |c| c.rules.envelope.on_behalf == Return::Delegate),
    ("envelope.on_behalf", r#""principal""#, |c| c.rules.envelope.on_behalf == Return::Principal),
    ("envelope.send_as", r#""keep""#, |c| c.rules.envelope.send_as == Return::Keep),
    ("denied.action", r#""bounce""#, |c| c.denied.action == bounce_to("127.0.0.1", 25)),
    ("denied.contact", r#""help@example.org""#, |c| c.denied.contact == "help@example.org"),
    ("domain_aliases.\"Example.NET\"", r#""Example.ORG""#, |c| forms(c, "a@example.net") == ["a@example.net", "a@example.org"]),
    ("log.format", r#""json""#, |c| c.log.format == LogFormat::Json),
    ("log.format", r#""journald""#, |c| c.log.format == LogFormat::Journald),
    ("cache.watch", "false", |c| !c.cache.watch),
    ("policy.on_behalf_display", r#""name""#, |c| c.rules.on_behalf_display == OnBehalfDisplay::Name),
    ("sent_copy.address", r#""{local}@sent.{domain}""#, |c| copy(c).as_deref() == Some("a@sent.example.org")),
    ("sent_copy.on_behalf", "false", |c| c.rules.sent_copy.as_ref().is_some_and(|copy| !copy.on_behalf)),
    ("sent_copy.send_as", "false", |c| c.rules.sent_copy.as_ref().is_some_and(|copy| !copy.send_as)),
    ("scheduling.enabled", "false", |c| !c.rules.scheduling.enabled),
    ("scheduling.check_own", "true", |c| c.rules.scheduling.check_own),
    ("scheduling.max_body", r#""1 MiB""#, |c| c.max_body == 1 << 20),
    ("log.level", r#""error""#, |c| c.log.level == Level::Error),
    ("log.level", r#""warn""#, |c| c.log.level == Level::Warn),
    ("log.level", r#""debug""#, |c| c.log.level == Level::Debug),
    ("log.level", r#""trace""#, |c| c.log.level == Level::Trace),
    ("metrics.listen", r#""127.0.0.1:9932""#, |c| c.metrics == inet("127.0.0.1", 9932)),
    ("metrics.listen", r#""[::1]:1""#, |c| c.metrics == inet("::1", 1)),
];

/// Keys that change nothing in this version, with values that are accepted all the same.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("directory.preset", r#""delegation""#),
    ("directory.start_tls", "false"),
    ("directory.allow_plaintext", "false"),
    ("cache.watch", "true"),
    ("denied.action", r#""reject""#),
    // It shapes what "bounce" does: without it, it waits.
    ("denied.relay", r#""[::1]:2525""#),
];

/// Keys that ask something of a server; `SERVERS` has what they change, `tests/config` what is said if there is none.
const FOR_SERVERS: &[&str] = &[
    "directory.bind_dn",
    "directory.bind_password_file",
    "directory.bind",
    "directory.client_cert_file",
    "directory.client_key_file",
    "directory.ca_file",
    "directory.timeout",
];

fn inet(host: &str, port: u16) -> Option<Listen> {
    Some(Listen::Inet { host: host.to_owned(), port })
}

fn bounce_to(host: &str, port: u16) -> DeniedAction {
    DeniedAction::Bounce { host: host.to_owned(), port }
}

/// The forms under which an address is looked up.
fn forms(config: &Config, address: &str) -> Vec<String> {
    let address = Address::parse(address).unwrap();
    config.rules.addresses.candidates(&address).iter().map(Address::to_string).collect()
}

/// Where the copies of a principal go.
fn copy(config: &Config) -> Option<String> {
    let form = &config.rules.sent_copy.as_ref()?.form;
    form.fill(&Address::parse("a@example.org").unwrap()).ok().map(|copy| copy.to_string())
}

#[test]
fn every_key_changes_what_it_names() {
    // The same file, but for the key: what `document` adds must not pass for the change.
    let defaults = config(&document("directory.group_depth", "16"));
    for (path, value, changed) in CHANGES {
        assert!(!changed(&defaults), "{path} = {value} is the default");
        assert!(changed(&config(&document(path, value))), "{path} = {value} changes nothing");
    }
}

#[test]
fn what_has_no_effect_yet_is_accepted_where_it_asks_for_nothing() {
    let defaults = format!("{:?}", config(&document("log.level", r#""info""#)));
    for (path, value) in WITHOUT_EFFECT {
        assert_eq!(format!("{:?}", config(&document(path, value))), defaults, "{path} = {value}");
    }
}

#[test]
fn no_key_is_forgotten_here() {
    let changes = CHANGES.iter().map(|(path, ..)| *path);
    let covered: Vec<_> = changes
        .chain(WITHOUT_EFFECT.iter().map(|(path, _)| *path))
        .chain(FOR_SERVERS.iter().copied())
        .collect();
    let forgotten: Vec<_> =
        known_keys().into_iter().filter(|path| !covered.contains(&path.as_str())).collect();
    assert_eq!(forgotten, [""; 0]);
    let written = |key: &str| SERVERS.iter().any(|(lines, ..)| lines.contains(&format!("{key} = ")));
    let forgotten: Vec<_> = FOR_SERVERS.iter().filter(|path| !written(&path["directory.".len()..])).collect();
    assert_eq!(forgotten, [&""; 0]);
}

#[test]
fn the_smallest_file_has_the_defaults() {
    let config = config("[directory]\nurls = [\"file:directory.ldif\"]\n");
    assert_eq!(config.listen, Listen::Inet { host: "127.0.0.1".to_owned(), port: 9931 });
    assert_eq!(config.unauthenticated, Choice::Accept);
    assert_eq!(config.directory.source, Source::File(examples().join("directory.ldif")));
    assert_eq!((config.directory.base_dn, config.directory.group_depth), (None, 16));
    assert_eq!(config.directory.realms, [""; 0]);
    assert_eq!(Some(config.directory.schema), Schema::preset("delegation"));
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    let cache = CacheConfig {
        ttl: 5 * minute,
        negative_ttl: minute / 2,
        stale: hour,
        capacity: 100_000,
        watch: true,
    };
    assert_eq!(config.cache, cache);
    assert_eq!(config.denied.action, DeniedAction::Reject);
    assert_eq!((config.mode, config.denied.contact.as_str()), (Mode::Enforce, ""));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Text, Level::Info));
    assert_eq!(config.accounts.iter().count(), 0);
}

#[test]
fn the_smallest_file_refuses_what_nobody_granted() {
    let rules = config("[directory]\nurls = [\"file:directory.ldif\"]\n").rules;
    assert_eq!((rules.unknown_author, rules.unknown_submitter), (Choice::Refuse, Choice::Refuse));
    assert_eq!((rules.redirect, rules.display_name_address), (Choice::Refuse, Choice::Refuse));
    assert_eq!((rules.prefer, rules.local_domains), (Prefer::SendOnBehalf, Vec::new()));
    assert_eq!((rules.grants.enabled, rules.grants.decided_by), (false, DecidedBy::Principal));
    assert_eq!((rules.grants.contexts, rules.grants.group_members), (Vec::new(), None));
    assert_eq!((rules.envelope.check, rules.envelope.on_behalf), (true, Return::Keep));
    assert_eq!(rules.envelope.send_as, Return::Principal);
}

#[test]
fn toml_may_be_written_in_any_way() {
    let expected = format!(
        "{:?}",
        config("[directory]\nurls = ['file:directory.ldif']\n[[account]]\nlogin = 'a'\nmode = 'observe'\n")
    );
    for text in [
        "directory.urls = [\"file:directory.ldif\"]\naccount = [{ login = \"a\", mode = \"observe\" }]",
        "\u{feff}[[account]]\r\nmode = \"observe\"\r\nlogin = \"\\u0061\"\r\n[directory]\r\nurls = [\r\n\"file:directory.ldif\", # here\r\n]\r\n",
        "directory = { urls = ['''file:directory.ldif'''] }\n[[account]]\n\"login\" = 'a'\n'mode' = 'observe'",
    ] {
        assert_eq!(format!("{:?}", config(text)), expected, "{text}");
    }
}

#[test]
fn contexts_may_lie_within_each_other() {
    let text = document("context.domains", r#"["acme.example"]"#)
        + "[[context]]\nname = \"lab\"\nbase_dn = \"ou=lab,ou=acme,dc=org\"\ndomains = [\"lab.example\"]\n";
    let rules = config(&text).rules.grants;
    let names: Vec<_> = rules.contexts.iter().map(|context| context.name.as_str()).collect();
    assert_eq!(names, ["acme", "lab"]);
    assert_eq!(rules.base_for("LAB.example"), Dn::parse("ou=lab,ou=acme,dc=org").ok().as_ref());
}

// Servers

/// Lines of `[directory]` besides the base; the server's transport, as whom to log in, and the timeout in seconds.
type ServerCase = (&'static str, fn() -> Transport, fn() -> Bind, u64);

const SERVERS: &[ServerCase] = &[
    (r#"urls = ["ldap://127.0.0.1"]"#, || plain("127.0.0.1", 389), || Bind::Anonymous, 5),
    ("urls = ['ldap://[::1]:3890/']\nstart_tls = false", || plain("::1", 3890), || Bind::Anonymous, 5),
    (
        "urls = ['LDAP://Ldap.Example.ORG']\nbind = 'simple'",
        || plain("ldap.example.org", 389),
        || Bind::Anonymous,
        5,
    ),
    // A password stays on this machine.
    (
        "urls = ['ldap://127.9.9.9:1']\nbind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || plain("127.9.9.9", 1),
        simple,
        5,
    ),
    (
        "urls = ['ldap://[::1]']\nbind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || plain("::1", 389),
        simple,
        5,
    ),
    (
        "urls = ['ldap://[::ffff:127.0.0.1]']\nbind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || plain("::ffff:127.0.0.1", 389),
        simple,
        5,
    ),
    (
        "urls = ['ldap://LOCALHOST']\nbind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || plain("localhost", 389),
        simple,
        5,
    ),
    // It leaves it.
    (
        "urls = ['ldap://ldap.example.org']\nallow_plaintext = true\n\
         bind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || plain("ldap.example.org", 389),
        simple,
        5,
    ),
    (
        "urls = ['ldap://ldap.example.org']\nstart_tls = true\nca_file = 'ca.pem'\n\
         bind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || Transport::StartTls { host: "ldap.example.org".to_owned(), port: 389, tls: tls(None) },
        simple,
        5,
    ),
    (
        "urls = ['ldaps://10.0.0.1']\nca_file = 'ca.pem'\n\
         bind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || Transport::Ldaps { host: "10.0.0.1".to_owned(), port: 636, tls: tls(None) },
        simple,
        5,
    ),
    // A client's certificate, with and without its name.
    (
        "urls = ['ldaps://bücher.example:6360']\nca_file = 'ca.pem'\nclient_cert_file = 'client.pem'\n\
         client_key_file = 'client.key'\nbind = 'external'",
        || Transport::Ldaps { host: "xn--bcher-kva.example".to_owned(), port: 6360, tls: tls(client()) },
        || Bind::External,
        5,
    ),
    (
        "urls = ['ldap://localhost']\nstart_tls = true\nca_file = 'ca.pem'\nclient_cert_file = 'client.pem'\n\
         client_key_file = 'client.key'\nallow_plaintext = true",
        || Transport::StartTls { host: "localhost".to_owned(), port: 389, tls: tls(client()) },
        || Bind::Anonymous,
        5,
    ),
    // Sockets.
    ("urls = ['ldapi:///']\nbind = 'external'", || socket("/var/run/slapd/ldapi"), || Bind::External, 5),
    ("urls = ['ldapi://']\ntimeout = '25s'", || socket("/var/run/slapd/ldapi"), || Bind::Anonymous, 25),
    (
        "urls = ['ldapi://%2Ftmp%2fa%20b%25/']\nbind_dn = 'cn=Milter, dc=org'\nbind_password_file = 'ldap.password'",
        || socket("/tmp/a b%"),
        simple,
        5,
    ),
];

fn plain(host: &str, port: u16) -> Transport {
    Transport::Plain { host: host.to_owned(), port }
}

fn socket(path: &str) -> Transport {
    Transport::Ldapi { path: path.into() }
}

fn tls(client: Option<ClientFiles>) -> TlsFiles {
    TlsFiles { ca_file: examples().join("ca.pem"), client }
}

fn client() -> Option<ClientFiles> {
    let file = |name| examples().join(name);
    Some(ClientFiles { certificate: file("client.pem"), key: file("client.key") })
}

fn simple() -> Bind {
    Bind::Simple { dn: "cn=Milter, dc=org".to_owned(), password_file: examples().join("ldap.password") }
}

/// The server of a file with these lines in `[directory]`.
fn server(lines: &str) -> Server {
    server_of(&format!("[directory]\nbase_dn = \"dc=org\"\n{lines}\n"))
}

fn server_of(text: &str) -> Server {
    match config(text).directory.source {
        Source::Servers(mut servers) if servers.len() == 1 => servers.remove(0),
        Source::Servers(servers) => panic!("{text}: {servers:?}"),
        Source::File(file) => panic!("{text}: {}", file.display()),
    }
}

#[test]
fn servers_are_read() {
    for (lines, transport, bind, seconds) in SERVERS {
        let timeout = Duration::from_secs(*seconds);
        assert_eq!(server(lines), Server { transport: transport(), bind: bind(), timeout }, "{lines}");
    }
}

#[test]
fn servers_may_have_all_keys() {
    let Transport::StartTls { tls: found, .. } = server_of(&full_of_servers()).transport else {
        panic!("start_tls is set");
    };
    assert_eq!(found, tls(client()));
}

#[test]
fn servers_are_named_as_administrators_write_them() {
    for (url, name) in [
        ("ldap://LDAP.example.org/", "ldap://ldap.example.org:389"),
        ("ldap://[2001:DB8:0::1]", "ldap://[2001:db8::1]:389"),
        ("ldapi:///", "ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi"),
        ("ldapi://%2Frun%2Fslapd%2Fldapi", "ldapi://%2Frun%2Fslapd%2Fldapi"),
    ] {
        assert_eq!(server(&format!("urls = ['{url}']")).to_string(), name);
    }
    for (url, more, name) in [
        ("ldap://127.0.0.1", "start_tls = true", "ldap://127.0.0.1:389"),
        ("ldaps://127.0.0.1", "", "ldaps://127.0.0.1:636"),
    ] {
        assert_eq!(server(&format!("urls = ['{url}']\nca_file = 'ca.pem'\n{more}")).to_string(), name);
    }
}

/// The authorities that Debian trusts.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn the_authorities_of_the_system_are_trusted_by_default() {
    let text = "[directory]\nbase_dn = 'dc=org'\nurls = ['ldaps://127.0.0.1']";
    if Path::new(BUNDLE).is_file() {
        let tls = TlsFiles { ca_file: BUNDLE.into(), client: None };
        let transport = Transport::Ldaps { host: "127.0.0.1".to_owned(), port: 636, tls };
        assert_eq!(server("urls = ['ldaps://127.0.0.1']").transport, transport);
    } else {
        let missing = format!("1: directory.ca_file: \"{BUNDLE}\" does not exist; ");
        assert!(messages(text)[0].starts_with(&missing), "{:?}", messages(text));
    }
}

#[test]
fn servers_know_more_filters_than_we_do() {
    let text = "[directory]\nurls = ['ldap://127.0.0.1']\nbase_dn = 'dc=org'\n\
                [directory.filters]\nperson = '(cn:caseExactMatch:=Anna)'";
    let filter = Filter::parse("(cn:caseExactMatch:=Anna)").unwrap();
    assert_eq!(config(text).directory.schema.person, filter);
}

// The shipped file

/// The shipped file, with a directory that is there.
fn shipped() -> String {
    let text = SHIPPED.replace("file:/etc/delegation-milter/directory.ldif", "file:directory.ldif");
    assert_ne!(text, SHIPPED, "it names the packaged directory");
    text
}

/// A key of the shipped file.
#[derive(Debug)]
struct Line<'t> {
    number: usize,
    table: &'t str,
    /// Whether the table's head is commented out too.
    table_is_commented: bool,
    key: &'t str,
    is_commented: bool,
    /// The comment above it.
    says: String,
}

impl Line<'_> {
    fn path(&self) -> String {
        format!("{}.{}", self.table, self.key).trim_start_matches('.').to_owned()
    }
}

/// What is left of a line whose key or head is commented out; comments in words have a space behind the `#`.
fn uncommented(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with([' ', '#']))
}

/// Every key of the shipped file, in order.
fn lines_of(text: &str) -> Vec<Line<'_>> {
    let (mut table, mut table_is_commented, mut says, mut lines) = ("", false, String::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let (is_commented, code) = (uncommented(line).is_some(), uncommented(line).unwrap_or(line));
        if code.is_empty() {
            says.clear();
        } else if code.starts_with('#') {
            says += code;
        } else if code.starts_with('[') {
            (table, table_is_commented) = (code.trim_matches(['[', ']']), is_commented);
        } else {
            let key = code.split_once(" = ").unwrap_or_else(|| panic!("line {}: {line}", number + 1)).0;
            lines.push(Line { number, table, table_is_commented, key, is_commented, says: says.clone() });
        }
    }
    lines
}

/// The text with the comment signs of some lines taken away.
fn uncomment(text: &str, which: impl Fn(usize, &str) -> bool) -> String {
    let lines = text.lines().enumerate();
    lines
        .map(|(number, line)| {
            uncommented(line).filter(|_| which(number, line)).unwrap_or(line).to_owned() + "\n"
        })
        .collect()
}

#[test]
fn the_shipped_file_is_good() {
    let config = config(&shipped());
    assert_eq!(config.listen.to_string(), "unix:/var/spool/postfix/delegation-milter/milter.sock");
    assert!(config.rules.grants.enabled);
    let set: Vec<_> = lines_of(SHIPPED).iter().filter(|line| !line.is_commented).map(Line::path).collect();
    assert_eq!(set, ["listen", "socket_group", "directory.urls", "delegation.enabled"]);
    for line in lines_of(SHIPPED) {
        assert_eq!(line.says.contains("SET"), !line.is_commented, "line {}: {}", line.number + 1, line.says);
    }
}

#[test]
fn the_shipped_file_shows_every_key() {
    let shown: Vec<_> = lines_of(SHIPPED).iter().map(Line::path).collect();
    let known = known_keys();
    let mut ours = shown.clone();
    ours.retain(|path| !path.starts_with("domain_aliases."));
    assert_eq!(ours, known, "in the order of the parser's list");
    assert!(shown.contains(&"domain_aliases.\"example.net\"".to_owned()));
}

#[test]
fn the_shipped_file_shows_the_defaults() {
    let text = shipped();
    let as_shipped = format!("{:?}", config(&text));
    for line in lines_of(&text).iter().filter(|line| line.is_commented && !line.table_is_commented) {
        match parse(&uncomment(&text, |number, _| number == line.number)) {
            Ok(config) => {
                let is_default = format!("{config:?}") == as_shipped;
                assert_eq!(is_default, !line.says.contains("No default"), "{}: {}", line.path(), line.says);
            }
            Err(error) => are_for_servers(&error, &[line.path()]),
        }
    }
}

#[test]
fn the_shipped_file_shows_the_defaults_of_servers() {
    let server = r#"urls = ["ldap://127.0.0.1:389"]"#;
    let text = shipped().replace(r#"urls = ["file:directory.ldif"]"#, server);
    let text = uncomment(&text, |_, line| line == r#"#base_dn = "dc=example,dc=org""#);
    let as_shipped = format!("{:?}", config(&text));
    let mut seen = Vec::new();
    for line in lines_of(&text).iter().filter(|line| ["directory", "cache"].contains(&line.table)) {
        let own = line.is_commented && !line.says.contains("No default");
        // The one that means nothing without TLS.
        if own && line.key != "ca_file" {
            let config = config(&uncomment(&text, |number, _| number == line.number));
            assert_eq!(format!("{config:?}"), as_shipped, "{}", line.path());
            seen.push(line.key);
        }
    }
    for key in ["bind", "start_tls", "allow_plaintext", "timeout", "ttl", "watch"] {
        assert!(seen.contains(&key), "{key} in {seen:?}");
    }
    assert!(text.contains(&format!("\n#ca_file = \"{BUNDLE}\"\n")));
}

/// The error is that the keys ask for a server, and nothing else.
fn are_for_servers(error: &ConfigError, keys: &[String]) {
    for message in error.to_string().lines() {
        let key = keys.iter().find(|key| message.contains(&format!(": {key}: ")));
        let key = key.unwrap_or_else(|| panic!("{message}")).as_str();
        assert!(message.contains("directory.urls names a file; ") && FOR_SERVERS.contains(&key), "{message}");
    }
}

#[test]
fn the_examples_of_the_shipped_file_are_good() {
    let text = shipped();
    for (table, shown) in [("context", "acme"), ("account", "scanner")] {
        let block: Vec<_> =
            lines_of(&text).iter().filter(|line| line.table == table).map(|line| line.number).collect();
        let head = format!("#[[{table}]]");
        let uncommented = uncomment(&text, |number, line| line == head || block.contains(&number));
        assert!(format!("{:?}", config(&uncommented)).contains(shown));
    }
}

#[test]
fn the_shipped_file_is_good_or_for_servers_when_everything_is_set() {
    let error = parse(&uncomment(&shipped(), |_, _| true)).expect_err("some keys are for servers");
    let keys: Vec<_> = FOR_SERVERS.iter().map(|key| (*key).to_owned()).collect();
    are_for_servers(&error, &keys);
    assert_eq!(error.to_string().lines().count(), keys.len());
}

// Anything at all

/// Whatever the text: no panic, and an error that names the file and a line of it.
fn is_told_well(text: &str) -> Result<(), TestCaseError> {
    let file = examples().join("test.toml");
    if let Err(error) = parse(text) {
        let prefix = format!("{}:", file.display());
        for message in error.to_string().lines() {
            let rest = message.strip_prefix(&prefix);
            let number =
                rest.and_then(|rest| rest.split_once(": ")).and_then(|(number, _)| number.parse().ok());
            let lines = 1..=1 + text.bytes().filter(|octet| *octet == b'\n').count();
            prop_assert!(number.is_some_and(|number| lines.contains(&number)), "{message}");
        }
        let ConfigError::Invalid { problems, .. } = error else {
            return Err(TestCaseError::fail("unreadable"));
        };
        prop_assert!(!problems.is_empty());
        prop_assert!(problems.is_sorted_by_key(|problem| problem.line));
    }
    Ok(())
}

/// What configuration files are made of, in any order.
fn soup() -> impl Strategy<Value = String> {
    let mut words: Vec<String> =
        known_keys().iter().flat_map(|path| path.split('.').map(str::to_owned)).collect();
    words.sort_unstable();
    words.dedup();
    let signs = [
        "[", "]", "[[", "]]", "=", "\"", "'", "\n", "\r\n", ".", ",", "{", "}", "#", " ", "0", "-1", "true",
        "\\", "\"\"\"", "'''", "\u{0}", "ü",
    ];
    let values = [
        "\"file:directory.ldif\"",
        "\"ldap://127.0.0.1\"",
        "\"enforce\"",
        "1979-05-27",
        "[\"a\"]",
        "\"5m\"",
        "\"dc=org\"",
        "\"a@b.example\"",
    ];
    let fixed = signs.iter().chain(&values).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    prop::collection::vec(prop_oneof![prop::sample::select(words), prop::sample::select(fixed)], 0..40)
        .prop_map(|parts| parts.concat())
}

/// A change that somebody's slip of the hand makes.
#[derive(Clone, Debug)]
enum Slip {
    Drop(usize),
    Double(usize),
    Swap(usize, usize),
    Cut(usize),
    Type(usize, String),
}

fn slip() -> impl Strategy<Value = Slip> {
    let place = 0..10_000_usize;
    prop_oneof![
        place.clone().prop_map(Slip::Drop),
        place.clone().prop_map(Slip::Double),
        (place.clone(), place.clone()).prop_map(|(a, b)| Slip::Swap(a, b)),
        place.clone().prop_map(Slip::Cut),
        (place, "\\PC{0,3}").prop_map(|(at, text)| Slip::Type(at, text)),
    ]
}

fn slipped(text: &str, slip: &Slip) -> String {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let count = lines.len();
    if count == 0 {
        return text.to_owned();
    }
    match slip {
        Slip::Drop(line) => drop(lines.remove(line % count)),
        Slip::Double(line) => lines.push(lines[line % count].clone()),
        Slip::Swap(a, b) => lines.swap(a % count, b % count),
        Slip::Cut(at) => return text.chars().take(at % (text.chars().count() + 1)).collect(),
        Slip::Type(at, typed) => {
            let at = at % (text.chars().count() + 1);
            return text.chars().take(at).chain(typed.chars()).chain(text.chars().skip(at + 1)).collect();
        }
    }
    lines.join("\n")
}

/// The shipped file with everything set that this version can do, and without comments.
fn full() -> String {
    let text = uncomment(&shipped(), |_, line| {
        !FOR_SERVERS.iter().any(|path| line.starts_with(&format!("#{} = ", path.rsplit('.').next().unwrap())))
    });
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// A file with every key of a server.
fn full_of_servers() -> String {
    "[directory]\nurls = ['ldap://ldap.example.org:389/']\nbase_dn = 'dc=org'\nbind = 'simple'\nbind_dn = 'cn=a'\n\
     bind_password_file = 'ldap.password'\nstart_tls = true\nca_file = 'ca.pem'\nclient_cert_file = 'client.pem'\n\
     client_key_file = 'client.key'\nallow_plaintext = false\ntimeout = '5s'\n[cache]\nwatch = false\n"
        .to_owned()
}

proptest! {
    #[test]
    fn any_text_is_told_well(text in any::<String>()) {
        is_told_well(&text)?;
    }

    #[test]
    fn any_soup_is_told_well(text in soup()) {
        is_told_well(&text)?;
    }

    #[test]
    fn slips_are_told_well(slips in prop::collection::vec(slip(), 1..5), server in any::<bool>()) {
        let full = if server { full_of_servers() } else { full() };
        is_told_well(&slips.iter().fold(full, |text, slip| slipped(&text, slip)))?;
    }
}

#[test]
fn messages_are_short_and_show_no_control_characters() {
    let long = "a".repeat(4000);
    let filter = format!(
        "[directory.filters]\nperson = \"(cn:2.5.13.5:=\u{202e}{long})\"\n[directory]\nurls = [\"file:x\"]\n"
    );
    for text in [
        "\"a\u{202e}b\" = 1\n\"a\u{202e}b\" = 2".to_owned(),
        "a\u{202e}b = c".to_owned(),
        format!("{long} = 1"),
        format!("{long} = c"),
        format!("{long} = 1\n{long} = 2"),
        format!("[{long}]\n[{long}]"),
        format!("listen = {}", "1".repeat(4000)),
        format!("listen = {}.5", "1".repeat(4000)),
        filter,
    ] {
        let error = parse(&text).unwrap_err().to_string();
        let shown = error.lines().all(|line| !line.chars().any(is_forbidden) && line.len() < 1000);
        assert!(shown, "{error:?}");
    }
}

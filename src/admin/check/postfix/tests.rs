//! Each finding, and what does not lead to it: parsed settings in, findings out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::milters::{Milter, Whose, whose};
use super::settings::{Service, Settings, time, words};
use super::{Case, Ours, Stat, User, World, postconf, tell};
use crate::admin::check::report::Report;
use crate::config::Config;

/// Of a configuration in `conf`: its directory is read from beside it.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/test.toml");

const CONFIG: &str = "\
listen = \"unix:/var/spool/postfix/delegation-milter/milter.sock\"
socket_group = \"postfix\"
[directory]
urls = [\"file:demo.ldif\"]
";

const SERVERS: &str = "\
listen = \"unix:/var/spool/postfix/delegation-milter/milter.sock\"
socket_group = \"postfix\"
[directory]
urls = [\"ldap://127.0.0.1\"]
base_dn = \"dc=example,dc=org\"
timeout = \"5s\"
";

/// A Postfix on which nothing is to be found fault with.
const MAIN: &str = "\
mail_version = 3.9.1
queue_directory = /var/spool/postfix
mail_owner = postfix
compatibility_level = 3.6
cleanup_service_name = cleanup
mynetworks = 127.0.0.0/8
recipient_delimiter = +
message_reject_characters = \\0
smtpd_forbid_bare_newline = normalize
smtpd_sasl_auth_enable = no
smtpd_sasl_security_options = noanonymous
smtpd_sasl_tls_security_options = noanonymous
smtpd_sasl_authenticated_header = no
smtpd_milters =
milter_default_action = tempfail
milter_protocol = 6
milter_mail_macros = i {auth_type} {auth_authen}
milter_content_timeout = 300s
local_header_rewrite_clients = permit_inet_interfaces
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination
authorized_submit_users = static:anyone
";

const MASTER: &str = "\
smtp       inet  n - y - - smtpd
submission inet  n - y - - smtpd
pickup     unix  n - y 60 1 pickup
cleanup    unix  n - y - 0 cleanup
smtp       unix  - - y - - smtp
lmtp       unix  - - y - - lmtp
showq      unix  n - y - - showq
";

const OVERRIDES: &str = "\
submission/inet/smtpd_sasl_auth_enable = yes
submission/inet/smtpd_client_restrictions = permit_sasl_authenticated,reject
submission/inet/smtpd_milters = unix:delegation-milter/milter.sock
";

/// What a test changes; a later line of the same name counts.
#[derive(Default)]
struct Change {
    config: &'static str,
    /// In place of the whole configuration.
    whole: Option<&'static str>,
    main: &'static str,
    master: &'static str,
    overrides: &'static str,
    /// The socket and its directory: mode of the directory, mode of the socket.
    files: Option<(Option<u32>, Option<u32>)>,
}

/// Files, users and tables of a test. `postfix` is 100 with the group 200.
struct Fake {
    files: HashMap<PathBuf, Stat>,
}

impl World for Fake {
    fn lookup(&self, table: &str, key: &str) -> Result<Option<String>, String> {
        match table {
            "regexp:strip" if key.starts_with("Sender:") => Ok(Some("IGNORE".into())),
            "regexp:tag" => Ok(Some("PREPEND X-Seen: yes".into())),
            "regexp:fence" if key.contains("+Sent@") => Ok(Some("550 5.7.1 Nobody sends".into())),
            "regexp:fence" | "regexp:other" | "regexp:strip" => Ok(None),
            _ => Err("not asked".into()),
        }
    }

    fn real(&self, path: &Path) -> PathBuf {
        path.strip_prefix("/linked")
            .map_or_else(|_| path.to_owned(), |rest| Path::new("/var/spool").join(rest))
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>, String> {
        if path.starts_with("/hidden") {
            return Err("permission denied".into());
        }
        Ok(self.files.get(path).copied())
    }

    fn user(&self, name: &str) -> Option<User> {
        (name == "postfix").then(|| User { uid: 100, gids: vec![200] })
    }

    fn group(&self, name: &str) -> Option<u32> {
        HashMap::from([("postfix", 200), ("other", 300)]).get(name).copied()
    }
}

fn fake(directory: Option<u32>, socket: Option<u32>) -> Fake {
    let file = |mode, is_socket| Stat { uid: 500, gid: 200, mode, is_socket };
    let mut files = HashMap::new();
    for open in ["/", "/run", "/var", "/var/spool", "/var/spool/postfix"] {
        files.insert(open.into(), file(0o755, false));
    }
    let below = Path::new("/var/spool/postfix/delegation-milter");
    files.extend(directory.map(|mode| (below.to_owned(), file(mode, false))));
    files.extend(socket.map(|mode| (below.join("milter.sock"), file(mode, true))));
    Fake { files }
}

fn settings(change: &Change) -> Settings {
    let main = postconf::values(&format!("{MAIN}{}", change.main));
    let overrides = format!("{OVERRIDES}{}", change.overrides);
    let mut services = postconf::services(&format!("{MASTER}{}", change.master), &main);
    for service in &mut services {
        let own = postconf::overrides_of(service, &overrides);
        service.overrides = own.iter().map(|(name, _)| name.clone()).collect();
        let own: String = own.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let text = format!("{MAIN}{}{own}", change.main);
        service.values = postconf::values(&text);
    }
    Settings { directory: "/etc/postfix".into(), main, services }
}

fn ours(change: &Change) -> Ours {
    let text = change.whole.map_or_else(|| format!("{CONFIG}{}", change.config), str::to_owned);
    Ours::new(&Config::parse(&text, Path::new(FILE)).unwrap())
}

/// What is told, a line each, without the summary.
fn told(change: &Change) -> Vec<String> {
    let (directory, socket) = change.files.unwrap_or((Some(0o750), Some(0o660)));
    let (ours, settings, world) = (ours(change), settings(change), fake(directory, socket));
    let mut report = Report::default();
    tell(&Case { ours: &ours, settings: &settings, world: &world }, &mut report);
    report.render(false).lines().filter(|line| line.contains(" postfix: ")).map(str::to_owned).collect()
}

/// That this and nothing else is told besides what is told of a Postfix that is as it should be.
#[track_caller]
fn finds(change: &Change, expected: &[&str]) {
    let (usual, told) = (told(&Change::default()), told(change));
    let new: Vec<_> = told.iter().filter(|line| !usual.contains(line) && !line.starts_with("ok")).collect();
    let all = told.join("\n");
    for line in expected {
        assert!(told.iter().any(|own| own.starts_with(line)), "{line:?} is not in:\n{all}");
    }
    for line in new {
        assert!(expected.iter().any(|own| line.starts_with(own)), "{line:?} is in:\n{all}");
    }
}

#[test]
fn what_is_as_it_should_be() {
    let expected = [
        "ok       postfix: Postfix 3.9.1 in /etc/postfix: 2 services take mail by SMTP",
        "note     postfix: smtp/inet: nobody logs in here, and this program is not asked",
        "ok       postfix: submission/inet: asks this program first, at unix:delegation-milter/milter.sock",
        "ok       postfix: submission/inet: milter_default_action = tempfail: clients try again while this program is away",
        "ok       postfix: submission/inet: postfix, as whom smtpd runs, can open /var/spool/postfix/delegation-milter/milter.sock",
        "ok       postfix: submission/inet: nothing passes without a login",
        "note     postfix: sendmail(1) on this machine writes as anybody, without a login; authorized_submit_users = static:anyone says who may use it",
    ];
    assert_eq!(told(&Change::default()), expected);
    // What holds for two services is told once.
    let twice = Change {
        master: "submissions inet n - y - - smtpd\n",
        overrides: "\
submissions/inet/smtpd_sasl_auth_enable = yes
submissions/inet/smtpd_client_restrictions = permit_sasl_authenticated,reject
submissions/inet/smtpd_milters = unix:delegation-milter/milter.sock
",
        ..Change::default()
    };
    let line = "ok       postfix: submission/inet, submissions/inet: nothing passes without a login";
    assert_eq!(told(&twice).iter().filter(|own| *own == line).count(), 1);
}

/// Changes of main.cf and of what `-o` sets, and what is then found; nothing for what does not matter.
const SETTINGS: &[(&str, &str, &str)] = &[
    // Where our milter stands.
    (
        "",
        "smtpd_milters = inet:localhost:8891, unix:delegation-milter/milter.sock",
        "warning  postfix: submission/inet: OpenDKIM is asked before this program: it signs Sender and From as they were",
    ),
    (
        "",
        "smtpd_milters = unix:rspamd/milter.sock, unix:delegation-milter/milter.sock",
        "warning  postfix: submission/inet: Rspamd is asked before",
    ),
    (
        "",
        "smtpd_milters = inet:localhost:7357, unix:delegation-milter/milter.sock",
        "note     postfix: submission/inet: asks inet:localhost:7357 before this program; put unix:delegation-milter/milter.sock first",
    ),
    ("", "smtpd_milters = unix:delegation-milter/milter.sock, inet:localhost:8891", ""),
    (
        "",
        "smtpd_milters = unix:delegation-milter/milter.sock unix:/delegation-milter/milter.sock",
        "warning  postfix: submission/inet: smtpd_milters names this program twice",
    ),
    (
        "",
        "smtpd_milters = unix:delegation-milter/milter.sock, localhost:8891",
        "error    postfix: submission/inet: smtpd_milters has localhost:8891, which begins with none",
    ),
    (
        "",
        "receive_override_options = no_address_mappings,no_milters",
        "error    postfix: submission/inet: receive_override_options has no_milters",
    ),
    ("", "receive_override_options = no_address_mappings", ""),
    (
        "",
        "smtpd_proxy_filter = 127.0.0.1:10024",
        "error    postfix: submission/inet: smtpd_proxy_filter = 127.0.0.1:10024: milters see no message",
    ),
    (
        "smtpd_milter_maps = cidr:/etc/postfix/milters",
        "",
        "warning  postfix: submission/inet: smtpd_milter_maps = cidr:/etc/postfix/milters: for clients in it",
    ),
    // What becomes of mail while we are away.
    (
        "milter_default_action = accept",
        "",
        "error    postfix: submission/inet: milter_default_action = accept: while this program is away, people write as anybody; write, in main.cf: milter_default_action = tempfail",
    ),
    (
        "",
        "milter_default_action = Accept",
        "error    postfix: submission/inet: milter_default_action = accept: while this program is away, people write as anybody; write, for this service in master.cf: -o milter_default_action=tempfail",
    ),
    ("milter_default_action = accept", "milter_default_action = tempfail", ""),
    (
        "milter_default_action = accept",
        "smtpd_milters = { unix:delegation-milter/milter.sock, default_action=tempfail }, inet:localhost:8891",
        "",
    ),
    (
        "",
        "smtpd_milters = { unix:delegation-milter/milter.sock, {default_action = accept} }",
        "error    postfix: submission/inet: milter_default_action = accept: while this program is away, people write as anybody; write default_action=tempfail in the braces of unix:delegation-milter/milter.sock in smtpd_milters",
    ),
    (
        "milter_default_action = reject",
        "",
        "warning  postfix: submission/inet: milter_default_action = reject: while",
    ),
    (
        "milter_default_action = quarantine",
        "",
        "warning  postfix: submission/inet: milter_default_action = quarantine: what",
    ),
    (
        "milter_default_action = defer",
        "",
        "warning  postfix: submission/inet: milter_default_action = defer is nothing",
    ),
    (
        "milter_protocol = 4",
        "",
        "warning  postfix: submission/inet: milter_protocol = 4: this program is made for",
    ),
    (
        "milter_protocol = 4\nmilter_mail_macros = i",
        "",
        "error    postfix: submission/inet: milter_protocol = 4, and milter_mail_macros does not have {auth_authen}",
    ),
    ("milter_mail_macros = i", "", ""),
    ("milter_protocol = 6, no_header_reply", "", ""),
    // Who passes without a login of their own.
    (
        "",
        "smtpd_client_restrictions =",
        "warning  postfix: submission/inet: no login is needed; permit_mynetworks: hosts in mynetworks (127.0.0.0/8) write as anybody to anywhere, whoever connects writes as anybody to people here; write, for this service in master.cf: -o smtpd_client_restrictions=permit_sasl_authenticated,reject",
    ),
    (
        "",
        "smtpd_client_restrictions = permit_mynetworks,permit_sasl_authenticated,reject",
        "warning  postfix: submission/inet: no login is needed; permit_mynetworks: hosts",
    ),
    (
        "smtpd_relay_restrictions = permit_sasl_authenticated, defer_unauth_destination",
        "smtpd_client_restrictions =",
        "warning  postfix: submission/inet: no login is needed; whoever connects writes as anybody to people here",
    ),
    (
        "smtpd_relay_restrictions = permit_mynetworks, reject",
        "smtpd_client_restrictions =",
        "warning  postfix: submission/inet: no login is needed; permit_mynetworks: hosts in mynetworks (127.0.0.0/8) write as anybody to anywhere; write",
    ),
    ("", "smtpd_client_restrictions = check_client_access cidr:/x,permit_sasl_authenticated,reject", ""),
    (
        "",
        "smtpd_client_restrictions = permit_dnswl_client list.dnswl.org,permit_sasl_authenticated,reject",
        "warning  postfix: submission/inet: no login is needed; permit_mynetworks: hosts",
    ),
    (
        "",
        "smtpd_client_restrictions = permit_sasl_authenticated,warn_if_reject,reject",
        "warning  postfix: submission/inet: no login is needed; permit_mynetworks: hosts",
    ),
    (
        "",
        "smtpd_client_restrictions = warn_if_reject,reject_unknown_client_hostname,permit_sasl_authenticated,reject",
        "",
    ),
    // Who sends no HELO is not asked about it.
    (
        "smtpd_helo_restrictions = permit_sasl_authenticated, reject",
        "smtpd_client_restrictions =",
        "warning  postfix: submission/inet: no login is needed; permit_mynetworks: hosts",
    ),
    (
        "smtpd_helo_restrictions = permit_sasl_authenticated, reject\nsmtpd_helo_required = yes",
        "smtpd_client_restrictions =",
        "",
    ),
    (
        "smtpd_restriction_classes = mua\nmua = permit_sasl_authenticated, reject",
        "smtpd_client_restrictions = mua",
        "",
    ),
    (
        "",
        "smtpd_authorized_xclient_hosts = 127.0.0.1",
        "warning  postfix: submission/inet: smtpd_authorized_xclient_hosts = 127.0.0.1: whoever connects from there may claim any login",
    ),
    (
        "",
        "smtpd_sasl_security_options = noplaintext",
        "warning  postfix: submission/inet: smtpd_sasl_security_options does not have noanonymous: whoever connects may be logged in; write, for this service in master.cf: -o smtpd_sasl_security_options=noanonymous",
    ),
    (
        "milter_macro_defaults = {auth_authen=scanner}",
        "",
        "error    postfix: submission/inet: milter_macro_defaults = {auth_authen=scanner}: mail without a login counts as that login's",
    ),
    ("milter_macro_defaults = auth_type=none", "", ""),
    (
        "smtpd_sender_restrictions = reject_sender_login_mismatch",
        "",
        "warning  postfix: submission/inet: smtpd_sender_restrictions has reject_sender_login_mismatch: a delegate",
    ),
    (
        "",
        "smtpd_sender_restrictions = permit_mynetworks,reject_authenticated_sender_login_mismatch",
        "warning  postfix: submission/inet: smtpd_sender_restrictions has reject_authenticated_sender_login_mismatch: a delegate",
    ),
    ("", "smtpd_sender_restrictions = reject_unauthenticated_sender_login_mismatch", ""),
    // Headers.
    (
        "smtpd_forbid_bare_newline = no",
        "",
        "warning  postfix: submission/inet: smtpd_forbid_bare_newline = no: strangers can smuggle in mail that passed another server's checks; write, in main.cf: smtpd_forbid_bare_newline = yes",
    ),
    ("smtpd_forbid_bare_newline = yes", "", ""),
    (
        "message_reject_characters =",
        "",
        "warning  postfix: submission/inet: message_reject_characters does not have \\0: Postfix cuts a header off at a NUL, and programs may read on; write, in main.cf: message_reject_characters = \\0",
    ),
    ("message_reject_characters = \\000\\012", "", ""),
    (
        "message_reject_characters = \\012",
        "",
        "warning  postfix: submission/inet: message_reject_characters does not have \\0",
    ),
    (
        "",
        "receive_override_options = no_header_body_checks",
        "warning  postfix: submission/inet: receive_override_options has no_header_body_checks, which switches message_reject_characters off",
    ),
    (
        "smtpd_sasl_authenticated_header = yes",
        "",
        "warning  postfix: submission/inet: smtpd_sasl_authenticated_header = yes: Received tells recipients the login, of send-as too; write, in main.cf: smtpd_sasl_authenticated_header = no",
    ),
    (
        "local_header_rewrite_clients = permit_inet_interfaces permit_sasl_authenticated",
        "",
        "note     postfix: submission/inet: local_header_rewrite_clients has permit_sasl_authenticated",
    ),
    (
        "smtp_header_checks = regexp:strip",
        "",
        "warning  postfix: smtp_header_checks: regexp:strip says IGNORE to Sender",
    ),
    (
        "milter_header_checks = regexp:tag, regexp:strip",
        "",
        "warning  postfix: milter_header_checks: regexp:strip says IGNORE to Sender",
    ),
    ("milter_header_checks = regexp:tag", "", ""),
    // What a filter does not give back is judged after it.
    ("header_checks = regexp:strip", "", ""),
    (
        "header_checks = regexp:strip\ncontent_filter = smtp:127.0.0.1:10024",
        "",
        "warning  postfix: header_checks: regexp:strip says IGNORE to Sender",
    ),
    (
        "lmtp_header_checks = ldap:/etc/postfix/ldap.cf",
        "",
        "note     postfix: lmtp_header_checks: whether ldap:/etc/postfix/ldap.cf takes Sender away is not known: not asked",
    ),
    // Delimiters.
    (
        "recipient_delimiter =",
        "",
        "warning  postfix: recipient_delimiter is \"\", and policy.recipient_delimiter \"+\": who has anna@ here may send as addresses that are somebody else's for Postfix; set policy.recipient_delimiter = \"\", or write, in main.cf: recipient_delimiter = +",
    ),
    (
        "recipient_delimiter = +-",
        "",
        "warning  postfix: recipient_delimiter is \"+-\", and policy.recipient_delimiter \"+\": people cannot send with an extension",
    ),
];

#[test]
fn settings_of_postfix() {
    for (main, own, expected) in SETTINGS {
        let overrides = if own.is_empty() { String::new() } else { format!("submission/inet/{own}\n") };
        let change = Change { main: main_text(main), overrides: overrides.leak(), ..Change::default() };
        let expected: Vec<_> = Some(*expected).filter(|line| !line.is_empty()).into_iter().collect();
        finds(&change, &expected);
    }
}

fn main_text(text: &str) -> &'static str {
    format!("{text}\n").leak()
}

#[test]
fn versions_without_the_parameter() {
    let change = Change::default();
    let (ours, mut settings, world) = (ours(&change), settings(&change), fake(Some(0o750), Some(0o660)));
    let without = MAIN.replace("smtpd_forbid_bare_newline = normalize\n", "");
    let submission = settings.services.iter_mut().find(|service| service.name == "submission").unwrap();
    submission.values = postconf::values(&format!(
        "{without}smtpd_sasl_auth_enable = yes\nsmtpd_milters = unix:delegation-milter/milter.sock\n"
    ));
    let mut report = Report::default();
    tell(&Case { ours: &ours, settings: &settings, world: &world }, &mut report);
    let expected = "this Postfix does not know smtpd_forbid_bare_newline";
    assert!(report.render(false).contains(expected), "{}", report.render(false));
}

/// Changes of our configuration, of main.cf and of what `-o` sets.
const OWN: &[(&str, &str, &str, &[&str])] = &[
    ("[envelope]\ncheck = false", "", "", &["warning  postfix: submission/inet: nobody looks at MAIL FROM"]),
    (
        "[envelope]\ncheck = false",
        "",
        "submission/inet/smtpd_sender_restrictions = reject_sender_login_mismatch\n",
        &["warning  postfix: submission/inet: smtpd_sender_restrictions has reject_sender_login_mismatch"],
    ),
    ("[policy]\nrecipient_delimiter = \"\"", "recipient_delimiter =\n", "", &[]),
    (
        "[sent_copy]\naddress = \"{local}+Sent@{domain}\"",
        "",
        "",
        &[
            "warning  postfix: smtp/inet: anybody can write to the addresses of copies: smtpd_recipient_restrictions is empty",
            "warning  postfix: submission/inet: anybody can write to the addresses of copies: smtpd_recipient_restrictions is empty",
        ],
    ),
    (
        "[sent_copy]\naddress = \"{local}+Sent@{domain}\"",
        "smtpd_recipient_restrictions = check_recipient_access regexp:fence, permit_mynetworks\n",
        "submission/inet/smtpd_recipient_restrictions = permit_sasl_authenticated,reject\n",
        &[
            "warning  postfix: submission/inet: anybody can write to the addresses of copies: smtpd_recipient_restrictions begins with permit_sasl_authenticated; see contrib/dovecot/README.md",
        ],
    ),
    (
        "[sent_copy]\naddress = \"{local}+Sent@{domain}\"",
        "smtpd_recipient_restrictions = check_recipient_access regexp:fence, permit_mynetworks\nmydestination = mail.example.org\n",
        "",
        &[],
    ),
    (
        "[sent_copy]\naddress = \"{local}+Sent@{domain}\"\n[policy]\nlocal_domains = [\"example.org\"]",
        "smtpd_recipient_restrictions = check_recipient_access regexp:other, permit_mynetworks\n",
        "",
        &[
            "warning  postfix: smtp/inet: anybody can write to the addresses of copies: regexp:other does not refuse anna+Sent@example.org",
            "warning  postfix: submission/inet: anybody can write to the addresses of copies: regexp:other does not refuse",
        ],
    ),
];

#[test]
fn settings_that_must_agree_with_ours() {
    for (config, main, overrides, expected) in OWN {
        finds(&Change { config, main, overrides, ..Change::default() }, expected);
    }
}

const REFUSING: &str = "\
listen = \"unix:/var/spool/postfix/delegation-milter/milter.sock\"
socket_group = \"postfix\"
unauthenticated = \"refuse\"
[directory]
urls = [\"file:demo.ldif\"]
";

#[test]
fn mail_without_a_login() {
    let refusing = Change { whole: Some(REFUSING), ..Change::default() };
    // Who needs no login there needs one here.
    let open = "submission/inet/smtpd_client_restrictions =\n";
    finds(&Change { overrides: open, whole: Some(REFUSING), ..Change::default() }, &[]);
    finds(&refusing, &[]);
    let asked = "smtp/inet/smtpd_milters = unix:delegation-milter/milter.sock\n";
    finds(
        &Change { overrides: asked, whole: Some(REFUSING), ..Change::default() },
        &[
            "error    postfix: smtp/inet: nobody logs in here, and unauthenticated = \"refuse\" refuses all that comes; write, for this service in master.cf: -o smtpd_milters=",
        ],
    );
    finds(
        &Change { overrides: asked, ..Change::default() },
        &["note     postfix: smtp/inet: nobody logs in here: this program lets pass all that comes"],
    );
    let sendmail = "non_smtpd_milters = unix:/delegation-milter/milter.sock\n";
    finds(
        &Change { main: sendmail, whole: Some(REFUSING), ..Change::default() },
        &["warning  postfix: non_smtpd_milters names this program, and unauthenticated = \"refuse\""],
    );
    finds(&Change { main: sendmail, ..Change::default() }, &[]);
}

#[test]
fn services_that_take_logins() {
    let login = "smtp/inet/smtpd_sasl_auth_enable = yes\n";
    finds(
        &Change { overrides: login, ..Change::default() },
        &[
            "error    postfix: smtp/inet: people log in here, and this program is not asked: they write as anybody; write, for this service in master.cf: -o smtpd_sasl_auth_enable=no; or, where people must log in here, write, for this service in master.cf: -o smtpd_milters=unix:delegation-milter/milter.sock",
        ],
    );
    // The Internet writes to people here without a login.
    let asked = "smtp/inet/smtpd_sasl_auth_enable = yes\nsmtp/inet/smtpd_milters = unix:delegation-milter/milter.sock\n";
    finds(
        &Change { overrides: asked, ..Change::default() },
        &[
            "note     postfix: smtp/inet: mail without a login is not judged, and hosts in mynetworks (127.0.0.0/8) send it anywhere",
        ],
    );
    let other = "submission/inet/smtpd_milters = inet:localhost:8891\n";
    finds(
        &Change { overrides: other, ..Change::default() },
        &[
            "error    postfix: NOBODY IS HELD TO ANYTHING: no service takes logins and asks this program at unix:/var/spool/postfix/delegation-milter/milter.sock; have the service",
            "error    postfix: submission/inet: people log in here, and this program is not asked: they write as anybody; write, for this service in master.cf: -o smtpd_milters=unix:delegation-milter/milter.sock, and the others behind it",
        ],
    );
    let off = "submission/inet/smtpd_sasl_auth_enable = no\n";
    finds(
        &Change { overrides: off, ..Change::default() },
        &[
            "error    postfix: NOBODY IS HELD TO ANYTHING",
            "error    postfix: submission/inet: smtpd_sasl_auth_enable = no: nobody can log in here",
        ],
    );
}

#[test]
fn what_a_filter_gives_back() {
    let change = Change {
        main: "content_filter = smtp:127.0.0.1:10024\nsmtpd_milters = unix:delegation-milter/milter.sock\n",
        master: "127.0.0.1:10025 inet n - y - - smtpd\n",
        overrides: "smtp/inet/smtpd_milters =\n",
        ..Change::default()
    };
    let again = "warning  postfix: 127.0.0.1:10025/inet: a filter gives mail back here, without the login";
    finds(&change, &[again]);
    let clean =
        Change { overrides: "smtp/inet/smtpd_milters =\n127.0.0.1:10025/inet/smtpd_milters =\n", ..change };
    finds(&clean, &["note     postfix: smtp/inet, 127.0.0.1:10025/inet: nobody logs in here"]);
    let refused = Change { whole: Some(REFUSING), overrides: "smtp/inet/smtpd_milters =\n", ..clean };
    finds(&refused, &["error    postfix: 127.0.0.1:10025/inet: a filter gives mail back here, and unauth"]);
}

#[test]
fn how_long_a_verdict_may_take() {
    let (least, most) = ("milter_content_timeout = 15\n", "milter_content_timeout = 16s\n");
    let servers = |main| Change { whole: Some(SERVERS), main, ..Change::default() };
    finds(
        &servers(least),
        &["warning  postfix: submission/inet: milter_content_timeout = 15: a slow directory may take 15s"],
    );
    finds(&servers(most), &[]);
    // A file does not keep anybody waiting.
    finds(&Change { main: least, ..Change::default() }, &[]);
}

#[test]
fn sockets_that_smtpd_can_open() {
    let directory = "error    postfix: submission/inet: the directory /var/spool/postfix/delegation-milter, where the socket is to be, does not exist; make it, for a milter that runs with this group: install -d -m 2770 -g postfix /var/spool/postfix/delegation-milter";
    let enter = "error    postfix: submission/inet: postfix, as whom smtpd runs, may not enter /var/spool/postfix/delegation-milter (mode 0700)";
    let open = "error    postfix: submission/inet: postfix, as whom smtpd runs, may not open /var/spool/postfix/delegation-milter/milter.sock (mode 0600)";
    let to_come = "note     postfix: submission/inet: /var/spool/postfix/delegation-milter/milter.sock is not there yet";
    for (files, config, expected) in [
        ((None, None), CONFIG, directory),
        ((Some(0o700), Some(0o660)), CONFIG, enter),
        ((Some(0o750), Some(0o600)), CONFIG, open),
        ((Some(0o750), None), CONFIG, to_come),
        (
            (Some(0o750), None),
            &CONFIG.replace("\"postfix\"", "\"other\""),
            "warning  postfix: submission/inet: socket_mode = \"0660\" and socket_group = \"other\": postfix",
        ),
        (
            (Some(0o750), None),
            &CONFIG.replace("socket_group = \"postfix\"", ""),
            "warning  postfix: submission/inet: socket_mode = \"0660\" and socket_group = none: postfix",
        ),
        (
            (Some(0o750), None),
            &CONFIG.replace("socket_group = \"postfix\"", "socket_mode = \"0666\""),
            to_come,
        ),
    ] {
        let whole: &'static str = config.to_owned().leak();
        finds(&Change { files: Some(files), whole: Some(whole), ..Change::default() }, &[expected]);
    }
    finds(
        &Change { main: "mail_owner = nobody\n", ..Change::default() },
        &["note     postfix: submission/inet: mail_owner = nobody: no such user"],
    );
}

/// `listen`, whether smtpd works in a chroot, what stands in smtpd_milters, and whose it is.
const SPELLINGS: &[(&str, bool, &str, Option<Whose>)] = &[
    ("unix:/var/spool/postfix/dm/milter.sock", true, "unix:dm/milter.sock", Some(Whose::Ours)),
    ("unix:/var/spool/postfix/dm/milter.sock", true, "unix:/dm/milter.sock", Some(Whose::Ours)),
    ("unix:/var/spool/postfix/dm/milter.sock", true, "local:dm/milter.sock", Some(Whose::Ours)),
    ("unix:/var/spool/postfix/dm/milter.sock", true, "unix:dm//./milter.sock", Some(Whose::Ours)),
    ("unix:/var/spool/postfix/dm/milter.sock", false, "unix:dm/milter.sock", Some(Whose::Ours)),
    (
        "unix:/var/spool/postfix/dm/milter.sock",
        false,
        "unix:/var/spool/postfix/dm/milter.sock",
        Some(Whose::Ours),
    ),
    (
        "unix:/linked/postfix/dm/milter.sock",
        false,
        "unix:/var/spool/postfix/dm/milter.sock",
        Some(Whose::Ours),
    ),
    // In the chroot, and outside.
    ("unix:/var/spool/postfix/dm/milter.sock", true, "unix:/var/spool/postfix/dm/milter.sock", None),
    ("unix:/var/spool/postfix/dm/milter.sock", false, "unix:/dm/milter.sock", None),
    ("unix:/run/dm/milter.sock", true, "unix:/run/dm/milter.sock", None),
    ("unix:/run/dm/milter.sock", false, "unix:/run/dm/milter.sock", Some(Whose::Ours)),
    ("unix:/run/dm/milter.sock", false, "unix:opendkim/opendkim.sock", Some(Whose::Other)),
    ("unix:/run/dm/milter.sock", false, "unix:milter.sock", Some(Whose::Other)),
    ("unix:/run/dm/milter.sock", false, "inet:127.0.0.1:9931", Some(Whose::Other)),
    ("inet:127.0.0.1:9931", true, "unix:dm/milter.sock", Some(Whose::Other)),
    ("inet:127.0.0.1:9931", true, "inet:127.0.0.1:9931", Some(Whose::Ours)),
    ("inet:127.0.0.1:9931", true, "inet:localhost:9931", Some(Whose::Ours)),
    ("inet:127.0.0.1:9931", true, "inet:127.0.0.1:8891", Some(Whose::Other)),
    ("inet:127.0.0.1:9931", true, "inet:192.0.2.1:9931", None),
    ("inet:0.0.0.0:9931", true, "inet:192.0.2.1:9931", Some(Whose::Ours)),
    ("inet:[::1]:9931", true, "inet:[::1]:9931", Some(Whose::Ours)),
    ("inet:[::1]:9931", true, "inet:127.0.0.1:9931", None),
    ("inet:127.0.0.1:9931", true, "9931", Some(Whose::Other)),
];

#[test]
fn spellings_of_a_socket() {
    let change = Change::default();
    let (settings, world) = (settings(&change), fake(None, None));
    for (listen, chroot, endpoint, expected) in SPELLINGS {
        let config = format!("listen = \"{listen}\"\n[directory]\nurls = [\"file:demo.ldif\"]\n");
        let ours = Ours::new(&Config::parse(&config, Path::new(FILE)).unwrap());
        let case = Case { ours: &ours, settings: &settings, world: &world };
        let service = Service { chroot: *chroot, ..settings.services[1].clone() };
        let found = whose(&Milter::list(endpoint)[0], &service, &case);
        match expected {
            Some(expected) => assert_eq!(found, *expected, "{listen} {endpoint}"),
            None => assert!(matches!(found, Whose::Missed(_)), "{listen} {endpoint}: {found:?}"),
        }
    }
}

#[test]
fn a_socket_that_is_looked_for_elsewhere() {
    let missed = "submission/inet/smtpd_milters = unix:/var/spool/postfix/delegation-milter/milter.sock\n";
    finds(
        &Change { overrides: missed, ..Change::default() },
        &[
            "error    postfix: NOBODY IS HELD TO ANYTHING",
            "error    postfix: submission/inet: smtpd looks for this program at /var/spool/postfix/var/spool/postfix/delegation-milter/milter.sock, for it works in a chroot, and listen is unix:/var/spool/postfix/delegation-milter/milter.sock; write, for this service in master.cf: -o smtpd_milters=unix:delegation-milter/milter.sock",
        ],
    );
    const OUTSIDE: &str = "listen = \"unix:/run/dm/milter.sock\"\n[directory]\nurls = [\"file:demo.ldif\"]\n";
    finds(
        &Change {
            whole: Some(OUTSIDE),
            overrides: "submission/inet/smtpd_milters = unix:/run/dm/milter.sock\n",
            ..Change::default()
        },
        &[
            "error    postfix: NOBODY IS HELD TO ANYTHING",
            "error    postfix: submission/inet: smtpd looks for this program at /var/spool/postfix/run/dm/milter.sock, for it works in a chroot, and listen is unix:/run/dm/milter.sock; listen on a socket in Postfix's queue directory, where smtpd in its chroot finds it: listen = \"unix:/var/spool/postfix/delegation-milter/milter.sock\"",
        ],
    );
}

#[test]
fn how_postfix_writes() {
    assert_eq!(words("a, b\tc,,{ d, e { f } } g"), ["a", "b", "c", "{ d, e { f } }", "g"]);
    for (text, seconds) in [
        ("300s", Some(300)),
        ("5m", Some(300)),
        ("30", Some(30)),
        ("1h", Some(3600)),
        ("1x", None),
        ("", None),
    ] {
        assert_eq!(time(text).map(|time| time.as_secs()), seconds, "{text}");
    }
    let change = |level| postconf::values(&format!("compatibility_level = {level}\n"));
    for (level, column, expected) in
        [("0", "-", true), ("3.6", "-", false), ("2", "-", false), ("0", "n", false), ("3.6", "y", true)]
    {
        let services =
            postconf::services(&format!("smtp inet n - {column} - - smtpd -o a=b\n"), &change(level));
        assert_eq!(services[0].chroot, expected, "{level} {column}");
    }
}

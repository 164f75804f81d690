//! `delegation-milter check --postfix DIR` on real Postfix configurations: Debian's own, with what README.md says, that of
//! the test bed, and what is none.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::findings::assert_findings;
use support::mail_system::MailSystem;
use support::{TempDir, project};

/// The configuration files that Debian's package installs.
const MAIN: &str = "/usr/share/postfix/main.cf.debian";
const MASTER: &str = "/usr/share/postfix/master.cf.dist";

const DIRECTORY: &str = "\
dn: uid=anna,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
cn: Anna Adams
sn: Adams
mail: anna@example.org
";

/// A Postfix configuration in a directory of its own, and ours beside it.
struct Site {
    files: TempDir,
    config: PathBuf,
    /// Ours, while the site is there.
    _socket: UnixListener,
}

impl Site {
    /// With these lines at the end of `main.cf` and `master.cf`.
    fn new(main: &str, master: &str) -> Self {
        let files = TempDir::new();
        let directory = files.path("queue/delegation-milter");
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("milter.sock");
        let socket = UnixListener::bind(&path).unwrap();
        for (path, mode) in [(files.path("queue"), 0o755), (directory, 0o755), (path.clone(), 0o666)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let debian = |file: &str| std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
        let queue = files.path("queue");
        files.write("main.cf", format!("{}queue_directory = {}\n{main}", debian(MAIN), queue.display()));
        files.write("master.cf", format!("{}{master}", debian(MASTER)));
        let config = configuration(&files, &path);
        Self { files, config, _socket: socket }
    }

    fn directory(&self) -> PathBuf {
        self.files.path("")
    }
}

fn configuration(files: &TempDir, socket: &Path) -> PathBuf {
    files.write("directory.ldif", DIRECTORY);
    let text = format!(
        "listen = \"unix:{}\"\nsocket_mode = \"0666\"\n[directory]\nurls = [\"file:directory.ldif\"]\n[delegation]\nenabled = true\n",
        socket.display()
    );
    files.write("milter.toml", text)
}

/// The status, and what is told of Postfix, a line each.
fn check(config: &Path, directory: &Path, path: Option<&Path>) -> (i32, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_delegation-milter"));
    command.arg("--config").arg(config).arg("check").arg("--postfix").arg(directory);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.get(9..).is_some_and(|rest| rest.starts_with("postfix: ")));
    (output.status.code().unwrap(), lines.map(str::to_owned).collect())
}

/// That these beginnings of lines are there, and no other warnings and errors.
#[track_caller]
fn finds((code, lines): (i32, Vec<String>), status: i32, expected: &[&str]) {
    assert_findings(code, &lines, status, expected);
}

/// The lines of a file of Postfix that README.md tells to write, after the words that introduce them.
fn readme(introduction: &str) -> String {
    let text = std::fs::read_to_string(project("README.md")).unwrap();
    let (_, rest) =
        text.split_once(introduction).unwrap_or_else(|| panic!("README.md has no {introduction:?}"));
    let lines = rest.lines().skip_while(|line| !line.starts_with("    "));
    let lines = lines.take_while(|line| line.starts_with("    "));
    lines.map(|line| format!("{}\n", &line[4..])).collect()
}

#[test]
fn what_readme_says_is_right() {
    let master = readme("on the service where people log in (`master.cf`):");
    let main = readme("and in `main.cf`:");
    assert!(
        master.starts_with("submission inet ") && main.contains("message_reject_characters"),
        "{master}{main}"
    );
    let site = Site::new(&main, &master);
    let expected = [
        "ok       postfix: submission/inet: asks this program first, at unix:delegation-milter/milter.sock",
        "ok       postfix: submission/inet: milter_default_action = tempfail",
        "ok       postfix: submission/inet: postfix, as whom smtpd runs, can open ",
        "ok       postfix: submission/inet: nothing passes without a login",
        "note     postfix: smtp/inet: nobody logs in here",
    ];
    finds(check(&site.config, &site.directory(), None), 0, &expected);
    // Postfix's commands are found where they are, if PATH is not that of an administrator.
    let elsewhere = site.files.path("queue");
    finds(check(&site.config, &site.directory(), Some(&elsewhere)), 0, &expected);
}

/// What stands in the one is taken from the other, as Postfix does.
#[test]
fn names_that_stand_for_others() {
    let main = readme("and in `main.cf`:");
    let master = "\
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=$mua_recipient_restrictions
  -o { judge = unix:delegation-milter/milter.sock }
";
    let main = format!(
        "{main}smtpd_milters = {{ $judge, default_action = accept }}\njudge = inet:127.0.0.1:1\n\
         mua_recipient_restrictions = permit_sasl_authenticated, reject\nsmtp_header_checks = regexp:$config_directory/sent\n"
    )
    .replace("default_action = accept", "default_action=accept");
    let site = Site::new(&main, master);
    site.files.write("sent", "/^sender:/ IGNORE\n");
    let told = check(&site.config, &site.directory(), None);
    let expected = [
        "ok       postfix: submission/inet: asks this program first",
        "error    postfix: submission/inet: milter_default_action = accept: while this program is away, people write as anybody; write default_action=tempfail in the braces of unix:delegation-milter/milter.sock",
        "ok       postfix: submission/inet: nothing passes without a login",
        "warning  postfix: smtp_header_checks: regexp:",
    ];
    finds(told, 2, &expected);
}

/// The fence of contrib/dovecot, before and behind what a service has of its own.
#[test]
fn the_fence_around_copies() {
    let master = readme("on the service where people log in (`master.cf`):");
    let fence = project("contrib/dovecot/sent-copy.regexp");
    let main = format!(
        "{}sent_copy_fence = check_recipient_access regexp:{}\nsmtpd_recipient_restrictions = $sent_copy_fence\n\
         mydestination = example.org, localhost\n",
        readme("and in `main.cf`:"),
        fence.display()
    );
    let copies = |files: &TempDir, form: &str| {
        let text = std::fs::read_to_string(files.path("milter.toml")).unwrap();
        files.write("copies.toml", format!("{text}[sent_copy]\naddress = \"{{local}}+{form}@{{domain}}\"\n"))
    };
    let site = Site::new(&main, &master);
    let config = copies(&site.files, "Sent");
    finds(
        check(&config, &site.directory(), None),
        0,
        &["ok       postfix: nobody else can send to the addresses of copies"],
    );
    let config = copies(&site.files, "Copy");
    let hole = "anybody can write to the addresses of copies: regexp:";
    let open = [
        format!(
            "warning  postfix: smtp/inet: {hole}{} does not refuse anna+Copy@example.org",
            fence.display()
        ),
        format!("warning  postfix: submission/inet: {hole}{} does not refuse anna+Copy@", fence.display()),
    ];
    finds(check(&config, &site.directory(), None), 0, &[&open[0], &open[1]]);
    let own = "  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n";
    let site = Site::new(&main, &format!("{master}{own}"));
    let begins = "warning  postfix: submission/inet: anybody can write to the addresses of copies: smtpd_recipient_restrictions begins with permit_sasl_authenticated";
    finds(check(&copies(&site.files, "Sent"), &site.directory(), None), 0, &[begins]);
}

#[test]
fn debian_as_it_comes() {
    let site = Site::new("", "");
    let expected = [
        "ok       postfix: Postfix ",
        "error    postfix: NOBODY IS HELD TO ANYTHING: no service takes logins and asks this program at unix:",
        "note     postfix: smtp/inet: nobody logs in here, and this program is not asked",
        "warning  postfix: recipient_delimiter is \"\", and policy.recipient_delimiter \"+\"",
    ];
    finds(check(&site.config, &site.directory(), None), 2, &expected);
}

#[test]
fn the_test_bed() {
    let system = MailSystem::start(&[]);
    let files = TempDir::new();
    let config = configuration(&files, &system.milter_socket());
    let (status, lines) = check(&config, &system.path("postfix"), None);
    // Its services have ports for names.
    let mut ports =
        ["submission", "rewriting", "mx", "bare"].map(|name| (name, system.port(name).to_string()));
    ports.sort_by_key(|(_, port)| std::cmp::Reverse(port.len()));
    let named = |line: String| {
        ports.iter().fold(line, |line, (name, port)| line.replace(&format!("127.0.0.1:{port}/inet"), name))
    };
    let lines = lines.into_iter().map(named).collect();
    let expected = [
        "error    postfix: bare: people log in here, and this program is not asked: they write as anybody; write, for this service in master.cf: -o smtpd_milters=unix:",
        "ok       postfix: submission, rewriting: asks this program first, at unix:",
        "note     postfix: mx: nobody logs in here: this program lets pass all that comes",
        "warning  postfix: submission, rewriting: no login is needed; permit_mynetworks: hosts in mynetworks (127.0.0.0/8) write as anybody to anywhere; write",
        "warning  postfix: submission, rewriting: smtpd_authorized_xclient_hosts = 127.0.0.0/8",
        "warning  postfix: submission, rewriting: smtpd_forbid_bare_newline = no",
        "warning  postfix: submission, rewriting: message_reject_characters does not have \\0",
        "note     postfix: submission, rewriting: /",
    ];
    finds((status, lines), 2, &expected);
}

#[test]
fn what_is_no_postfix() {
    let site = Site::new("", "");
    let at = |directory: &Path| check(&site.config, directory, None);
    finds(at(&site.files.path("nowhere")), 2, &["error    postfix: "]);
    let missing = &at(&site.files.path("queue")).1[0];
    assert!(missing.contains("main.cf: No such file or directory"), "{missing}");
    assert!(missing.contains("name the directory that holds main.cf and master.cf"), "{missing}");
    site.files.write("master.cf", "smtp inet n\n");
    finds(at(&site.directory()), 2, &["error    postfix: postconf fails: "]);
    // A program that is no program.
    let tools = site.files.path("tools");
    std::fs::create_dir(&tools).unwrap();
    site.files.write("tools/postconf", "");
    let cannot = "error    postfix: postconf cannot be run: Permission denied (os error 13); run this where Postfix is installed";
    finds(check(&site.config, &site.directory(), Some(&tools)), 2, &[cannot]);
}

#[test]
fn nothing_is_asked_of_postfix_without_a_configuration() {
    let site = Site::new("", "");
    let config = site.files.write("bad.toml", "listen = 1\n");
    finds(
        check(&config, &site.directory(), None),
        2,
        &["note     postfix: not checked, for what failed above"],
    );
}

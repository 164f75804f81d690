//! The private OpenLDAP of a test (`contrib/testbed/directory`), and Debian's ldap-utils to ask and change it.
//!
//! It ends with this process, whatever ends that: its standard input is ours.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{project, unused_path};

/// The directory's name, unless a test gives another.
pub(crate) const SUFFIX: &str = "dc=example,dc=org";
/// The account of the milter.
pub(crate) const MILTER: Who<'static> = Who::Simple("cn=delegation-milter,dc=example,dc=org", "milter");
/// Who may do anything in the directory.
pub(crate) const ADMIN: Who<'static> = Who::Simple("cn=admin,dc=example,dc=org", "admin");
/// Who may do anything in `cn=config`.
pub(crate) const CONFIG: Who<'static> = Who::Simple("cn=admin,cn=config", "config");

/// A running directory.
#[derive(Debug)]
pub(crate) struct Slapd {
    directory: PathBuf,
    ports: HashMap<String, u16>,
    process: Child,
}

/// As whom a tool binds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    Anonymous,
    /// With a distinguished name and its password.
    Simple(&'a str, &'a str),
    /// As the owner of the process, over the socket.
    External,
}

/// What a tool said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The LDAP result code: the tools exit with it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A place in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Slapd {
    /// Starts one with these options of `contrib/testbed/directory`.
    pub(crate) fn start(options: &[&str]) -> Self {
        let directory = unused_path();
        let mut process = Command::new(script())
            .arg("run")
            .arg(&directory)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("contrib/testbed/directory: {error}"));
        let mut ports = HashMap::new();
        for line in BufReader::new(process.stdout.as_mut().unwrap()).lines() {
            match line.unwrap().split_once('=') {
                Some((service, port)) => ports.insert(service.to_owned(), port.parse().unwrap()),
                None => return Self { directory, ports, process },
            };
        }
        let output = process.wait_with_output().unwrap();
        panic!("no directory: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The option that loads a file of the project.
    pub(crate) fn ldif(path: &str) -> String {
        format!("--ldif={}", project(path).display())
    }

    /// The port of `ldap` or `ldaps`.
    pub(crate) fn port(&self, service: &str) -> u16 {
        *self.ports.get(service).unwrap_or_else(|| panic!("no service {service}: {self:?}"))
    }

    /// The URL of `ldap`, `ldaps` or `ldapi`.
    pub(crate) fn uri(&self, service: &str) -> String {
        match service {
            "ldapi" => format!("ldapi://{}", self.path("ldapi").display().to_string().replace('/', "%2F")),
            service => format!("{service}://127.0.0.1:{}", self.port(service)),
        }
    }

    /// A file of it: `milter.password`, `tls/ca.pem`, …
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Ends slapd, as an outage does; connections to its ports are refused.
    pub(crate) fn stop(&self) {
        self.script("stop", &[]);
    }

    /// Starts it again on the same ports, after [`Slapd::stop`].
    pub(crate) fn start_again(&self) {
        self.script("start", &[]);
    }

    /// Shows this certificate to those who connect from now on.
    pub(crate) fn present(&self, certificate: &str) {
        self.script("present", &[certificate]);
    }

    /// Sends slapd a signal: `SIGSTOP` makes it hang, `SIGCONT` go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.pid().expect("slapd runs");
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    /// Its process, if it runs or was killed.
    pub(crate) fn pid(&self) -> Option<u32> {
        std::fs::read_to_string(self.path("slapd.pid")).ok()?.trim().parse().ok()
    }

    /// What slapd logged. A question is in it before its answer is sent.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path("log")).unwrap()).into_owned()
    }

    /// The end of the log as it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.log().len())
    }

    /// What was logged since then.
    pub(crate) fn log_since(&self, mark: Mark) -> String {
        self.log().split_off(mark.0)
    }

    /// The searches since then, each as slapd logs it: `base="…" scope=2 deref=0 filter="…"`.
    pub(crate) fn searches_since(&self, mark: Mark) -> Vec<String> {
        let search = |line: &str| Some(format!("base={}", line.split_once(" SRCH base=")?.1));
        self.log_since(mark).lines().filter_map(search).collect()
    }

    /// Applies change records as the administrator; all must succeed.
    pub(crate) fn modify(&self, ldif: &str) {
        self.ldapmodify(ADMIN, ldif).succeeded();
    }

    /// Applies change records to `cn=config`; all must succeed.
    pub(crate) fn configure(&self, ldif: &str) {
        self.ldapmodify(CONFIG, ldif).succeeded();
    }

    /// Applies change records; a record without `changetype` is an entry to add.
    pub(crate) fn ldapmodify(&self, who: Who<'_>, ldif: &str) -> Said {
        self.tool(who, "ldapmodify", &["-a"], ldif)
    }

    /// Searches: `words` are options of ldapsearch(1), then the filter and attributes.
    pub(crate) fn ldapsearch(&self, who: Who<'_>, words: &[&str]) -> Said {
        self.tool(who, "ldapsearch", &[&["-LLL", "-o", "ldif-wrap=no"], words].concat(), "")
    }

    /// Who slapd takes `who` for.
    pub(crate) fn ldapwhoami(&self, who: Who<'_>) -> Said {
        self.tool(who, "ldapwhoami", &[], "")
    }

    /// Runs one of the ldap-utils over the socket with this on its standard input.
    pub(crate) fn tool(&self, who: Who<'_>, tool: &str, words: &[&str], input: &str) -> Said {
        let mut command = Command::new(tool);
        command.args(["-H", &self.uri("ldapi")]).env("LDAPCONF", self.path("ldap.conf"));
        match who {
            Who::Anonymous => command.arg("-x"),
            Who::Simple(dn, password) => command.args(["-x", "-D", dn, "-w", password]),
            Who::External => command.args(["-Q", "-Y", "EXTERNAL"]),
        };
        finish(command.args(words), input).into()
    }

    fn script(&self, command: &str, words: &[&str]) {
        let output = finish(Command::new(script()).arg(command).arg(&self.directory).args(words), "");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Said {
    /// What it printed; a failure fails the test.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("no signal ends the tools");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn script() -> PathBuf {
    project("contrib/testbed/directory")
}

/// Runs a command to its end; it may print while it reads.
pub(crate) fn finish(command: &mut Command, input: &str) -> Output {
    let name = Path::new(command.get_program()).display().to_string();
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(
            |error| panic!("{name}: {error}; install it with: contrib/testbed/install slapd"),
        );
    let mut stdin = process.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // One that fails at once does not read.
        scope.spawn(move || stdin.write_all(input.as_bytes()).ok());
        process.wait_with_output().unwrap()
    })
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let last: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("what slapd said at last:");
            last.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

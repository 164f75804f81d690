//! The program under test, as a process: started with a configuration and a directory, told by signals, watched by its
//! log and its memory.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::slapd::{SUFFIX, Slapd};
use super::wait::{wait_for, wait_until};
use super::{TempDir, project};

/// Where a milter listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Listen {
    Unix(PathBuf),
    Inet(u16),
}

/// What a milter is started with.
pub(crate) struct Setup {
    listen: Listen,
    /// Lines of the configuration, dotted keys and tables.
    knobs: String,
    /// The lines of the configuration that say where the directory is.
    source: String,
    /// The file `directory.ldif` beside the configuration.
    directory: Vec<u8>,
    /// The program and words that start it, if it does not start itself; the program's own follow.
    through: Vec<String>,
    /// Names and values of its environment.
    environment: Vec<(String, String)>,
}

/// Settings that hold unless a test gives the key itself.
const DEFAULTS: [(&str, &str); 2] = [("delegation.enabled", "true"), ("socket_mode", "\"0666\"")];

impl Setup {
    /// A milter on a Unix socket, with the directory of a file in `tests/fixtures`.
    pub(crate) fn unix(socket: &Path, directory: &str) -> Self {
        Self::new(Listen::Unix(socket.to_owned()), directory)
    }

    /// The same on a TCP port of 127.0.0.1.
    pub(crate) fn inet(port: u16, directory: &str) -> Self {
        Self::new(Listen::Inet(port), directory)
    }

    fn new(listen: Listen, directory: &str) -> Self {
        let source = "directory.urls = [\"file:directory.ldif\"]\n".to_owned();
        let (through, environment) = (Vec::new(), Vec::new());
        Self { listen, knobs: String::new(), source, directory: fixture(directory), through, environment }
    }

    /// With these lines of configuration: dotted keys, then whole tables.
    pub(crate) fn knobs(self, knobs: &str) -> Self {
        Self { knobs: knobs.to_owned(), ..self }
    }

    /// With a server as its directory.
    pub(crate) fn server(self, slapd: &Slapd) -> Self {
        self.server_at(slapd, slapd.port("ldap"))
    }

    /// The same, by way of this port.
    pub(crate) fn server_at(self, slapd: &Slapd, port: u16) -> Self {
        self.servers_at(slapd, &[port])
    }

    /// The same, with several servers; all take the password of this one.
    pub(crate) fn servers_at(self, slapd: &Slapd, ports: &[u16]) -> Self {
        let password = slapd.path("milter.password");
        let urls: Vec<_> = ports.iter().map(|port| format!("ldap://127.0.0.1:{port}")).collect();
        let source = format!(
            "directory.urls = {urls:?}\ndirectory.base_dn = \"{SUFFIX}\"\n\
             directory.bind_dn = \"cn=delegation-milter,{SUFFIX}\"\ndirectory.bind_password_file = \"{}\"\n",
            password.display()
        );
        Self { source, ..self }
    }

    /// With these lines of configuration to say where the directory is.
    pub(crate) fn source(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }

    /// With so few descriptors.
    pub(crate) fn descriptors(self, descriptors: usize) -> Self {
        self.through(&["sh", "-c", &format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"")])
    }

    /// Started by another program, which gets the command as its last words.
    pub(crate) fn through(self, words: &[&str]) -> Self {
        Self { through: words.iter().copied().map(str::to_owned).collect(), ..self }
    }

    /// With this in its environment.
    pub(crate) fn variable(mut self, name: &str, value: &Path) -> Self {
        self.environment.push((name.to_owned(), value.display().to_string()));
        self
    }

    /// Starts it and waits until it can be connected to.
    pub(crate) fn start(self) -> Milter {
        self.launch().ready()
    }

    /// Starts it; perhaps it ends at once.
    pub(crate) fn launch(self) -> Milter {
        let files = TempDir::new();
        files.write("directory.ldif", &self.directory);
        let config = files.write("milter.toml", config(&self.listen, &self.source, &self.knobs));
        let log = std::fs::File::create(files.path("log")).unwrap();
        let process = self.command().arg("--config").arg(config).arg("serve").stderr(log).spawn().unwrap();
        Milter { process, listen: self.listen, source: self.source, files }
    }

    fn command(&self) -> Command {
        let mut words = self.through.clone();
        words.push(env!("CARGO_BIN_EXE_delegation-milter").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = project("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn config(listen: &Listen, source: &str, knobs: &str) -> String {
    let place = match listen {
        Listen::Unix(path) => format!("unix:{}", path.display()),
        Listen::Inet(port) => format!("inet:127.0.0.1:{port}"),
    };
    let unix = matches!(listen, Listen::Unix(_));
    let defaults = DEFAULTS.iter().filter(|(key, _)| !knobs.contains(key) && (unix || *key != "socket_mode"));
    let defaults: String = defaults.map(|(key, value)| format!("{key} = {value}\n")).collect();
    format!("listen = \"{place}\"\n{source}{defaults}{knobs}\n")
}

/// A running milter; dropped, it ends at once.
pub(crate) struct Milter {
    process: Child,
    listen: Listen,
    source: String,
    files: TempDir,
}

impl Milter {
    /// Waits until it can be connected to, and has logged so: what is logged later belongs to messages.
    fn ready(mut self) -> Self {
        wait_until("the milter listens", || {
            assert!(self.process.try_wait().unwrap().is_none(), "the milter ended:\n{}", self.log());
            self.connects() && self.log().contains("ready")
        });
        self
    }

    /// Whether somebody listens, and lets us in.
    pub(crate) fn connects(&self) -> bool {
        match &self.listen {
            Listen::Unix(path) => UnixStream::connect(path).is_ok(),
            Listen::Inet(port) => TcpStream::connect(("127.0.0.1", *port)).is_ok(),
        }
    }

    /// Its Unix socket.
    pub(crate) fn socket(&self) -> &Path {
        match &self.listen {
            Listen::Unix(path) => path,
            Listen::Inet(port) => panic!("it listens on port {port}"),
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.files.path("log")).unwrap_or_default()
    }

    /// Waits until it has logged a line with `text`, and gives that line back.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let line = || self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
        wait_for(&format!("the log says {text:?}"), line)
    }

    /// Puts another configuration or directory in place; [`Milter::reload`] makes it count.
    pub(crate) fn reconfigure(&self, knobs: &str) {
        self.files.write("milter.toml", config(&self.listen, &self.source, knobs));
    }

    pub(crate) fn replace_directory(&self, directory: &[u8]) {
        self.files.write("directory.ldif", directory);
    }

    /// SIGHUP, and waits until the log says what became of it.
    pub(crate) fn reload(&self) -> String {
        let reloads = || self.log().lines().filter(|line| line.contains("reloaded")).count();
        let before = reloads();
        self.signal(Signal::SIGHUP);
        wait_until("the milter says what became of SIGHUP", || reloads() > before);
        self.log().lines().rfind(|line| line.contains("reloaded")).unwrap_or_default().to_owned()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        wait_for("the milter ends", || self.process.try_wait().unwrap())
    }

    /// Its configuration, for commands.
    pub(crate) fn config(&self) -> PathBuf {
        self.files.path("milter.toml")
    }

    /// Whether it runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// A line of `/proc/PID/status` in KiB: `VmRSS` is what it holds, `VmHWM` the most that it ever held.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        self.status(field).trim_end_matches(" kB").parse().unwrap()
    }

    /// A line of `/proc/PID/status` (proc(5)).
    pub(crate) fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {field}")).trim().to_owned()
    }

    /// How many descriptors it has open.
    pub(crate) fn open_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }
}

impl Drop for Milter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the milter said:\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Killed, it could not remove its socket.
        if let Listen::Unix(path) = &self.listen {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A TCP port that was free a moment ago: below those of outgoing connections, so that none of them takes it.
pub(crate) fn free_port() -> u16 {
    let seed = std::process::id().wrapping_mul(31).wrapping_add(u32::try_from(super::unique()).unwrap());
    let mut ports =
        (0..1000).map(|n| 10_000 + u16::try_from((seed.wrapping_mul(257) + n * 7919) % 20_000).unwrap());
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(free).expect("a free port")
}

//! The program under a service manager: what it tells of itself, that it is alive, and the sockets that it is handed.
//!
//! The manager is a socket of the test, and whoever hands sockets over is systemd-socket-activate(1); under systemd itself,
//! `contrib/systemd/try` has it run.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::cell::RefCell;
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use support::TempDir;
use support::milter::{Milter, Setup, free_port};
use support::slapd::Slapd;
use support::wait::{wait_for, wait_until};
use support::wire::{ACTIONS, STEPS, Wire};

/// `WATCHDOG_USEC` of these tests: a sign of life is due in half of it, and each thread has half of that for it.
const WATCHDOG: Duration = Duration::from_secs(2);

/// A service manager that listens.
struct Manager {
    files: TempDir,
    socket: UnixDatagram,
    heard: RefCell<Vec<String>>,
}

impl Manager {
    fn new() -> Self {
        let files = TempDir::new();
        let socket = UnixDatagram::bind(files.path("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { files, socket, heard: RefCell::default() }
    }

    fn path(&self) -> PathBuf {
        self.files.path("notify")
    }

    /// A milter that tells it how it is.
    fn starts(&self, setup: Setup) -> Setup {
        setup.variable("NOTIFY_SOCKET", &self.path())
    }

    /// All that it has heard so far.
    fn heard(&self) -> Vec<String> {
        let mut text = [0; 8192];
        let mut heard = self.heard.borrow_mut();
        while let Ok(length) = self.socket.recv(&mut text) {
            heard.push(String::from_utf8(text[..length].to_vec()).unwrap());
        }
        heard.clone()
    }

    /// Waits until it hears something with `text`, and gives back where.
    fn hears(&self, text: &str) -> usize {
        self.hears_after(0, text)
    }

    /// The same, at this place or later.
    fn hears_after(&self, place: usize, text: &str) -> usize {
        let found = || self.heard().iter().skip(place).position(|what| what.contains(text));
        place + wait_for(&format!("the manager hears {text:?}"), found)
    }

    /// What it heard there.
    fn said(&self, place: usize) -> String {
        self.heard()[place].clone()
    }
}

fn socket(files: &TempDir) -> PathBuf {
    files.path("milter.sock")
}

/// Postfix would be answered.
fn answers(socket: &Path) {
    let (mut wire, _) = Wire::negotiate(socket, ACTIONS, STEPS);
    assert_eq!(wire.mail("carl", "<carl@example.org>").0, 'c');
}

#[test]
fn ready_and_alive_while_the_directory_is_away() {
    let files = TempDir::new();
    let manager = Manager::new();
    let away =
        format!("directory.urls = [\"ldap://127.0.0.1:{}\"]\ndirectory.base_dn = \"dc=org\"\n", free_port());
    let setup = manager.starts(Setup::unix(&socket(&files), "company.ldif").source(&away));
    let watchdog = WATCHDOG.as_micros().to_string();
    let mut milter = setup.variable("WATCHDOG_USEC", Path::new(&watchdog)).launch();
    let ready = manager.said(manager.hears("READY=1"));
    assert!(ready.starts_with("READY=1\nSTATUS=serving; "), "{ready}");
    // Not a moment before.
    drop(UnixStream::connect(socket(&files)).unwrap());
    let status = manager.said(manager.hears("STATUS=serving; the directory does not answer since 20"));
    assert!(status.contains("Z: ldap://127.0.0.1:") && status.contains("refused"), "{status}");
    let mut place = 0;
    for _ in 0..3 {
        place = manager.hears_after(place, "WATCHDOG=1") + 1;
    }
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    let end = manager.said(manager.hears("STOPPING=1"));
    assert!(end.contains("\nEXTEND_TIMEOUT_USEC=70000000\nSTATUS=ending: "), "{end}");
}

#[test]
fn the_status_follows_the_directory() {
    let files = TempDir::new();
    let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
    let manager = Manager::new();
    let _milter = manager.starts(Setup::unix(&socket(&files), "company.ldif").server(&slapd)).start();
    let url = format!("STATUS=serving; the directory ldap://127.0.0.1:{} answers", slapd.port("ldap"));
    let told = manager.hears(&format!("{url}; its changes count at once"));
    slapd.stop();
    let gone = manager.hears_after(told, "STATUS=serving; the directory does not answer since 20");
    slapd.start_again();
    let back = manager.hears_after(gone, &url);
    manager.hears_after(back, "its changes count at once");
}

/// systemd.service(5), `Type=notify-reload`; sd_notify(3).
#[test]
fn reloads_good_and_bad() {
    let files = TempDir::new();
    let manager = Manager::new();
    let milter = manager.starts(Setup::unix(&socket(&files), "company.ldif")).start();
    let mut place = manager.hears("READY=1") + 1;
    for (knobs, status) in [
        ("", "READY=1\nSTATUS=serving"),
        ("policy.mode = \"watch\"\npolicy.prefer = \"\"\n", "READY=1\nSTATUS=serving; NOT reloaded at 20"),
        ("", "READY=1\nSTATUS=serving"),
    ] {
        milter.reconfigure(knobs);
        let before = monotonic();
        milter.reload();
        place = manager.hears_after(place, "RELOADING=1");
        let reloading = manager.said(place);
        let since = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        let since: u128 = since.parse().unwrap();
        assert!((before..=monotonic()).contains(&since), "{since}");
        place = manager.hears_after(place, "READY=1");
        let ready = manager.said(place);
        assert!(ready.starts_with(status), "{ready}");
        assert_eq!(ready.contains("the old configuration stays in force: "), !knobs.is_empty(), "{ready}");
        assert_eq!(ready.contains("(and 1 more; see the log)"), !knobs.is_empty(), "{ready}");
    }
    answers(&socket(&files));
}

fn monotonic() -> u128 {
    Duration::from(nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap()).as_micros()
}

/// One of its threads that serve connections, held as a debugger would hold it (ptrace(2)), until it is dropped.
struct Held(Pid);

impl Held {
    fn one_of(milter: &Milter) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{}/task", milter.pid())).unwrap();
        let serves = |path: &PathBuf| std::fs::read_to_string(path.join("comm")).unwrap() == "connections\n";
        let thread = threads.map(|entry| entry.unwrap().path()).find(serves).unwrap();
        let thread = Pid::from_raw(thread.file_name().unwrap().to_str().unwrap().parse().unwrap());
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Self(thread)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}

/// A timer of its own would beat on.
#[test]
fn no_sign_of_life_while_a_thread_hangs() {
    let files = TempDir::new();
    let manager = Manager::new();
    let setup = manager.starts(Setup::unix(&socket(&files), "company.ldif"));
    let watchdog = WATCHDOG.as_micros().to_string();
    let milter = setup.variable("WATCHDOG_USEC", Path::new(&watchdog)).start();
    let beat = manager.hears("WATCHDOG=1");
    let held = Held::one_of(&milter);
    milter.wait_for_log("a thread that serves connections does nothing any more");
    let stuck =
        manager.hears_after(beat, "STATUS=serving; a thread that serves connections does nothing since 20");
    let begun = Instant::now();
    wait_until("the manager would have lost its patience", || begun.elapsed() > WATCHDOG);
    assert!(!manager.heard()[stuck..].iter().any(|what| what.contains("WATCHDOG")), "{:?}", manager.heard());
    drop(held);
    milter.wait_for_log("all threads that serve connections work again");
    manager.hears_after(stuck, "WATCHDOG=1");
    manager.hears_after(stuck, "STATUS=serving");
    answers(&socket(&files));
}

#[test]
fn who_is_another_is_told_nothing() {
    let files = TempDir::new();
    let manager = Manager::new();
    let setup = manager.starts(Setup::unix(&socket(&files), "company.ldif"));
    let setup = setup.variable("WATCHDOG_USEC", Path::new("1000")).variable("WATCHDOG_PID", Path::new("1"));
    let mut milter =
        setup.variable("LISTEN_PID", Path::new("1")).variable("LISTEN_FDS", Path::new("1")).start();
    // It listens where the configuration says, and there are no signs of life.
    answers(&socket(&files));
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    manager.hears("STOPPING=1");
    assert!(!manager.heard().iter().any(|what| what.contains("WATCHDOG")), "{:?}", manager.heard());
}

/// Started by systemd-socket-activate(1) when somebody connects.
fn activated(setup: Setup, words: &[&str]) -> Setup {
    setup.through(&[&["systemd-socket-activate", "-E", "NOTIFY_SOCKET"], words].concat())
}

#[test]
fn a_socket_that_is_handed_over() {
    let files = TempDir::new();
    let manager = Manager::new();
    let (given, unused) = (socket(&files), files.path("unused.sock"));
    let setup = Setup::unix(&unused, "company.ldif").knobs("socket_group = \"no-such-group\"");
    let mut milter = activated(manager.starts(setup), &["-l", &given.display().to_string()]).launch();
    wait_until("somebody listens", || UnixStream::connect(&given).is_ok());
    answers(&given);
    manager.hears("READY=1");
    milter.wait_for_log(&format!("ready listen=\"unix:{}\"", given.display()));
    milter.wait_for_log("\"listen\" is not used");
    assert!(!unused.exists());
    // Whether another "listen" would count is nobody's question.
    milter.reconfigure("socket_mode = \"0600\"");
    assert!(!milter.reload().contains("not"));
    assert!(!milter.log().contains("next start"), "{}", milter.log());
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    assert!(given.exists(), "it is systemd's to remove");
}

#[test]
fn several_sockets_that_are_handed_over() {
    let files = TempDir::new();
    let given = socket(&files);
    let [first, last] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let words = ["-l", &first, "-l", &given.display().to_string(), "-l", &last];
    let milter = activated(Setup::unix(&files.path("unused.sock"), "company.ldif"), &words).launch();
    wait_until("somebody listens", || UnixStream::connect(&given).is_ok());
    answers(&given);
    for address in [&first, &last] {
        let stream = TcpStream::connect(address).unwrap();
        // Over TCP the DATA event is kept.
        let (_, unix) = Wire::negotiate(&given, ACTIONS, STEPS);
        let (_, inet) = Wire::negotiate_over(stream, ACTIONS, STEPS);
        assert_eq!((unix.steps & NO_DATA, inet.steps & NO_DATA), (NO_DATA, 0));
    }
    milter.wait_for_log(&format!("listen=\"inet:{first}, unix:{}, inet:{last}\"", given.display()));
}

/// `SMFIP_NODATA`
const NO_DATA: u32 = 0x200;

#[test]
fn what_is_no_socket_to_listen_on() {
    for kind in ["--datagram", "--seqpacket", "--accept"] {
        let files = TempDir::new();
        let given = socket(&files);
        let words = [kind, "-l", &given.display().to_string()];
        let milter = activated(Setup::unix(&files.path("unused.sock"), "company.ldif"), &words).launch();
        match kind {
            "--datagram" => wait_until("somebody listens", || {
                UnixDatagram::unbound().unwrap().send_to(b"x", &given).is_ok()
            }),
            "--seqpacket" => wait_until("somebody listens", || seqpacket(&given)),
            _ => wait_until("somebody listens", || UnixStream::connect(&given).is_ok()),
        }
        let said = milter.wait_for_log("cannot listen on what systemd hands over");
        assert!(
            said.contains("descriptor 3 is no TCP or Unix socket that takes connections"),
            "{kind}: {said}"
        );
        assert!(said.contains("ListenStream=") && said.contains("Accept=no"), "{kind}: {said}");
    }
}

/// Whether somebody takes connections of packets there.
fn seqpacket(path: &Path) -> bool {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
    socket.connect(&socket2::SockAddr::unix(path).unwrap()).is_ok()
}

/// The descriptor that was promised is not there, or is something else.
#[test]
fn promises_that_are_not_kept() {
    let files = TempDir::new();
    let command = |count: &str| {
        let set = format!("LISTEN_PID=$$ LISTEN_FDS={count} exec \"$0\" \"$@\" 3</dev/null");
        let setup = Setup::unix(&socket(&files), "company.ldif").through(&["sh", "-c", &set]);
        let mut milter = setup.launch();
        assert_eq!(milter.wait_for_end().code(), Some(2));
        milter.log()
    };
    for (count, said) in [
        ("1", "descriptor 3 is no TCP or Unix socket"),
        ("70", "70 sockets are more than the 64"),
        ("many", "LISTEN_FDS is \"many\", which is no number"),
    ] {
        let log = command(count);
        assert!(log.contains(said) && log.contains("in the .socket unit"), "{log}");
    }
}

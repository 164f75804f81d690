//! The milter as a process: its log is read as it comes, and its figures are taken from the kernel (proc(5)).

use std::collections::HashSet;
use std::fs::{read_dir, read_link, read_to_string};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::history::History;
use crate::support::TempDir;
use crate::support::slapd::{SUFFIX, Slapd};
use crate::support::wait::{wait_for, wait_until};

const TELLS: &str = "the directory tells of changes";

/// What it logged.
#[derive(Default)]
pub(crate) struct Log {
    /// How many lines are about a message.
    pub(crate) messages: AtomicU64,
    /// All other lines.
    pub(crate) others: Mutex<Vec<String>>,
    /// How often the watch came back that nobody had seen go.
    pub(crate) unexplained: AtomicU64,
}

impl Log {
    pub(crate) fn has(&self, text: &str) -> bool {
        self.others.lock().unwrap().iter().any(|line| line.contains(text))
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let is_warning = |line: &&String| line.contains(" WARN ") || line.contains(" ERROR ");
        self.others.lock().unwrap().iter().filter(is_warning).cloned().collect()
    }
}

pub(crate) struct Program {
    process: Child,
    reader: Option<JoinHandle<()>>,
    pub(crate) log: Arc<Log>,
    pub(crate) socket: PathBuf,
    /// The port of slapd.
    port: u16,
    _files: TempDir,
}

/// What the kernel says of it at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// In KiB.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Connections to slapd.
    pub(crate) connections: u64,
}

impl Program {
    /// Starts it on this socket, with these lines of configuration.
    pub(crate) fn start(socket: &Path, slapd: &Slapd, knobs: &str, history: &Arc<History>) -> Self {
        let files = TempDir::new();
        let (port, password) = (slapd.port("ldap"), slapd.path("milter.password"));
        let config = files.write(
            "milter.toml",
            format!(
                "listen = \"unix:{}\"\nsocket_mode = \"0666\"\ndelegation.enabled = true\n\
                 directory.urls = [\"ldap://127.0.0.1:{port}\"]\ndirectory.base_dn = \"{SUFFIX}\"\n\
                 directory.bind_dn = \"cn=delegation-milter,{SUFFIX}\"\n\
                 directory.bind_password_file = \"{}\"\n{knobs}\n",
                socket.display(),
                password.display()
            ),
        );
        let mut process = Command::new(env!("CARGO_BIN_EXE_delegation-milter"))
            .arg("--config")
            .arg(config)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let stderr = process.stderr.take().unwrap();
        let reader = std::thread::spawn({
            let (log, history) = (log.clone(), history.clone());
            move || read(stderr, &log, &history)
        });
        let program =
            Self { process, reader: Some(reader), log, socket: socket.to_owned(), port, _files: files };
        wait_until("the milter is ready", || program.log.has("ready"));
        program
    }

    pub(crate) fn waits_for_changes(&self) {
        wait_until(TELLS, || self.log.has(TELLS));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn figures(&self) -> Figures {
        let pid = self.pid();
        let status = read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            value.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let sockets = sockets(pid);
        Figures {
            resident: field("VmRSS"),
            threads: field("Threads"),
            descriptors: read_dir(format!("/proc/{pid}/fd")).unwrap().count().try_into().unwrap(),
            connections: connections(&sockets, self.port),
        }
    }

    /// SIGTERM; whether it ended well.
    pub(crate) fn end(&mut self) -> bool {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), Signal::SIGTERM).unwrap();
        let status = wait_for("the milter ends", || self.process.try_wait().unwrap());
        self.reader.take().into_iter().for_each(|reader| reader.join().unwrap());
        status.success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A line for each message is too much to keep in 20 minutes.
fn read(stderr: ChildStderr, log: &Log, history: &History) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains("verdict=") {
            log.messages.fetch_add(1, Relaxed);
            continue;
        }
        if line.contains(TELLS) && !history.back() && log.has(TELLS) {
            log.unexplained.fetch_add(1, Relaxed);
        }
        log.others.lock().unwrap().push(line);
    }
}

/// The sockets of a process, by their inodes.
fn sockets(pid: u32) -> HashSet<String> {
    let files = read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = files.filter_map(|file| read_link(file.path()).ok());
    let inode = |link: PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    links.filter_map(inode).collect()
}

/// How many of the sockets are connected to this port of this host: `sl local remote state … inode`.
fn connections(sockets: &HashSet<String>, port: u16) -> u64 {
    let remote = format!("0100007F:{port:04X}");
    let table = read_to_string("/proc/net/tcp").unwrap();
    let to_it = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(2) == Some(&&*remote) && fields.get(9).is_some_and(|inode| sockets.contains(*inode))
    };
    table.lines().filter(to_it).count().try_into().unwrap()
}

/// How long a process has had a processor, in seconds; none if it is gone.
pub(crate) fn processor(pid: u32) -> Option<f64> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    // USER_HZ is 100 wherever Linux runs today (time(7)).
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

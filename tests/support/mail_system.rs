//! The private Postfix of a test (`contrib/testbed/mail-system`), with a server behind it that keeps what it delivers.
//!
//! One that nobody uses any more serves the next test of the same program. It ends with this process, whatever ends
//! that: its standard input is ours.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::message::Delivery;
use super::sink::Sink;
use super::smtp::Smtp;
use super::{project, unique, unused_path};

/// A running mail system.
#[derive(Debug)]
pub(crate) struct MailSystem {
    directory: PathBuf,
    ports: HashMap<String, u16>,
    pub(crate) sink: Sink,
    process: Child,
}

/// What became of a message.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The last reply: to the message, or to the command that was refused.
    pub(crate) reply: String,
    /// What was delivered, if it was accepted.
    pub(crate) delivered: Option<Delivery>,
}

impl Outcome {
    /// What was delivered; a refusal fails the test.
    pub(crate) fn delivery(&self) -> &Delivery {
        self.delivered.as_ref().unwrap_or_else(|| panic!("not delivered: {}", self.reply))
    }
}

impl MailSystem {
    /// Starts one whose milter is at [`MailSystem::milter_socket`], with these parameters of `main.cf`.
    pub(crate) fn start(parameters: &[&str]) -> Self {
        let directory = unused_path();
        let milter = format!("--milter=unix:{}", socket_in(&directory).display());
        Self::launch(directory, &[&[milter.as_str()], parameters].concat())
    }

    /// Starts one with the milter at a TCP port of 127.0.0.1.
    pub(crate) fn start_inet(port: u16) -> Self {
        Self::launch(unused_path(), &[&format!("--milter=inet:127.0.0.1:{port}")])
    }

    /// Starts one that delivers by itself, into the Maildir that [`MailSystem::mailbox`] reads.
    pub(crate) fn start_with_mailboxes(parameters: &[&str]) -> Self {
        let directory = unused_path();
        let milter = format!("--milter=unix:{}", socket_in(&directory).display());
        let options = [&[milter.as_str(), "default_transport=virtual"], parameters].concat();
        Self::launch(directory, &options)
    }

    fn launch(directory: PathBuf, options: &[&str]) -> Self {
        let sink = Sink::start();
        let mut process = Command::new(project("contrib/testbed/mail-system"))
            .arg("run")
            .arg(&directory)
            .arg(format!("--next-hop={}", sink.address()))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("contrib/testbed/mail-system: {error}"));
        let mut ports = HashMap::new();
        for line in BufReader::new(process.stdout.as_mut().unwrap()).lines() {
            match line.unwrap().split_once('=') {
                Some((service, port)) => ports.insert(service.to_owned(), port.parse().unwrap()),
                None => return Self { directory, ports, sink, process },
            };
        }
        let output = process.wait_with_output().unwrap();
        panic!("no mail system: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Where Postfix looks for the milter.
    pub(crate) fn milter_socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }

    /// A session with one of the services.
    pub(crate) fn connect(&self, service: &str) -> Smtp {
        Smtp::connect(self.port(service))
    }

    /// The port of one of the services.
    pub(crate) fn port(&self, service: &str) -> u16 {
        *self.ports.get(service).unwrap_or_else(|| panic!("no service {service}: {self:?}"))
    }

    /// A socket or file below its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Sends a message as `login` and waits until it is delivered.
    pub(crate) fn message(&self, login: &str, mail_from: &str, message: &[u8]) -> Outcome {
        self.message_over("submission", Some(login), mail_from, message)
    }

    /// The same through any of the services; `mail_from` is what follows `MAIL FROM:`, parameters included.
    pub(crate) fn message_over(
        &self,
        service: &str,
        login: Option<&str>,
        mail_from: &str,
        message: &[u8],
    ) -> Outcome {
        let mut session = self.connect(service);
        if let Some(login) = login {
            session.login(login);
        }
        self.transaction(&mut session, mail_from, message)
    }

    /// One transaction of a session.
    pub(crate) fn transaction(&self, session: &mut Smtp, mail_from: &str, message: &[u8]) -> Outcome {
        let recipient = recipient();
        let commands = [format!("MAIL FROM:{mail_from}"), format!("RCPT TO:<{recipient}>")];
        let refused = commands.iter().map(|command| session.command(command)).find(|r| !r.starts_with('2'));
        let reply = refused.unwrap_or_else(|| session.data(message));
        self.outcome(reply, &recipient)
    }

    /// What a reply means: what Postfix accepts must come, what it does not accept must not.
    pub(crate) fn outcome(&self, reply: String, recipient: &str) -> Outcome {
        if reply.starts_with('2') {
            let delivered = Some(self.sink.wait_for(recipient));
            return Outcome { reply, delivered };
        }
        assert_eq!(self.sink.have(recipient), [], "refused, and delivered all the same: {reply}");
        Outcome { reply, delivered: None }
    }

    /// The messages in the Maildir that were delivered to a local part, as they are there.
    pub(crate) fn mailbox(&self, local: &str) -> Vec<Vec<u8>> {
        let Ok(files) = std::fs::read_dir(self.directory.join("mail/new")) else { return Vec::new() };
        let messages = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let to = format!("Delivered-To: {local}@");
        messages
            .filter(|message| {
                message.split(|b| *b == b'\n').take(3).any(|line| line.starts_with(to.as_bytes()))
            })
            .collect()
    }

    /// Whether messages wait in the queue or are being delivered.
    pub(crate) fn has_queued(&self) -> bool {
        let files = |queue: &str| files_below(&self.directory.join("queue").join(queue));
        ["incoming", "active", "deferred"].iter().any(|queue| files(queue) > 0)
    }

    /// Postfix's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("mail.log")).unwrap_or_default()
    }
}

/// A recipient that no other message has.
pub(crate) fn recipient() -> String {
    format!("to-{}@sink.example", unique())
}

/// How many files there are; what vanishes meanwhile does not count.
fn files_below(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("milter.sock")
}

impl Drop for MailSystem {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what Postfix said:\n{}", self.log());
        }
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Those with the default settings that wait for another test.
static IDLE: Mutex<Vec<MailSystem>> = Mutex::new(Vec::new());

/// A mail system with the default settings, given back when it is no longer used.
pub(crate) struct Borrowed(Option<MailSystem>);

/// Takes an idle one, or starts one.
pub(crate) fn mail_system() -> Borrowed {
    let idle = IDLE.lock().unwrap().pop();
    Borrowed(Some(idle.unwrap_or_else(|| MailSystem::start(&[]))))
}

impl Deref for Borrowed {
    type Target = MailSystem;

    fn deref(&self) -> &MailSystem {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // One that a test failed with is not used again.
        if !std::thread::panicking() {
            IDLE.lock().unwrap().extend(self.0.take());
        }
    }
}

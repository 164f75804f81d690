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
        let port = self.ports.get(service).unwrap_or_else(|| panic!("no service {service}: {self:?}"));
        Smtp::connect(*port)
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

    /// Postfix's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("mail.log")).unwrap_or_default()
    }
}

/// A recipient that no other message has.
pub(crate) fn recipient() -> String {
    format!("to-{}@sink.example", unique())
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

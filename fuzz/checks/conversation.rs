//! Whole conversations with the milter, over a stream in memory: packets in any order, cut anywhere, several messages and
//! connections, a directory that fails or is slow, configurations that change on the way.
//!
//! What must hold: nobody is let through whom [`oracle`] refuses; what goes out has one Sender at most, and it is true;
//! each packet gets the answers that [`protocol`] says, in bounded time; nothing panics, and nothing is left behind.
//!
//! A script is text, so that seeds can be read and dictionaries help: see [`script::Operation`].

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not named here is passed over")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use delegation_milter::callbacks::callbacks;
use delegation_milter::directory::lookup::Resolver;
use delegation_milter::listener::{OneWrite, Transport};
use delegation_milter::site::Site;
use delegation_milter::transactions::Transactions;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

#[path = "conversation/changes.rs"]
mod changes;
#[path = "conversation/client.rs"]
mod client;
#[path = "conversation/oracle.rs"]
mod oracle;
#[path = "conversation/protocol.rs"]
mod protocol;
#[path = "conversation/script.rs"]
mod script;
#[path = "conversation/world.rs"]
mod world;

use client::Client;
use protocol::{Model, NO_BODY, NO_DATA, NO_RCPT};
use script::{Operation, operations};
use world::{Doors, Fake, Moods, Pieces, Settings, site};

/// How long an answer may take at the most, on the paused clock: a message asks the slow directory 17 times for groups,
/// and a few times more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is in a stream at a time.
const ROOM: usize = 64 << 20;

/// All that an MTA can offer.
const OFFER: (u32, u32) = (0x1ff, 0x1f_ffff);

static PANICS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static RUNTIME: Runtime = {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |what| {
            PANICS.fetch_add(1, SeqCst);
            before(what);
        }));
        Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    };
}

/// Plays a script.
pub(crate) fn check(script: &[u8]) {
    RUNTIME.with(|runtime| {
        runtime.block_on(play(script));
        assert_eq!(PANICS.load(SeqCst), 0, "a panic was caught on the way");
    });
}

async fn play(script: &[u8]) {
    let mut play = Play::begin(script);
    for operation in operations(script) {
        play.perform(operation).await;
    }
    play.end().await;
}

/// Everything that takes part.
struct Play {
    settings: Settings,
    moods: Arc<Moods>,
    sites: watch::Sender<Arc<Site<Resolver<Fake>>>>,
    transactions: Transactions,
    doors: mpsc::UnboundedSender<OneWrite<Pieces>>,
    ending: oneshot::Sender<()>,
    milter: tokio::task::JoinHandle<std::io::Result<()>>,
    transport: Transport,
    connections: BTreeMap<usize, Client>,
    current: usize,
    pieces: usize,
    hold: Option<usize>,
    together: bool,
    wrong: i64,
    terminated: bool,
    has_long_bodies: bool,
}

impl Play {
    fn begin(script: &[u8]) -> Self {
        let first = operations(script).find_map(|operation| match operation {
            Operation::Configure(letters) => Some(Settings::of(&letters)),
            _ => None,
        });
        let settings = first.unwrap_or_default();
        let moods = Arc::new(Moods::default());
        let (sites, current) = watch::channel(Arc::new(site(settings, &moods)));
        let transactions = Transactions::default();
        let transport = if settings.has('i') { Transport::Inet } else { Transport::Unix };
        let callbacks = callbacks(current, transactions.clone(), transport);
        let (doors, receiver) = mpsc::unbounded_channel();
        let (ending, end) = oneshot::channel::<()>();
        let end = async move { drop(end.await) };
        let milter =
            tokio::spawn(indymilter::run(Doors(receiver), callbacks, indymilter::Config::default(), end));
        let has_long_bodies = operations(script).any(|operation| matches!(operation, Operation::Long(_)));
        Self {
            settings,
            moods,
            sites,
            transactions,
            doors,
            ending,
            milter,
            transport,
            connections: BTreeMap::new(),
            current: 0,
            pieces: 0,
            hold: None,
            together: false,
            wrong: 0,
            terminated: false,
            has_long_bodies,
        }
    }

    async fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Connection(number) => self.current = number,
            Operation::Configure(letters) => self.configure(&letters),
            // Long bodies are judged on a thread for which the paused clock stands still.
            Operation::Directory(moods) if self.has_long_bodies => {
                let quick: Vec<u8> = moods.into_iter().filter(|mood| *mood != b's').collect();
                self.moods.set(&quick);
            }
            Operation::Directory(moods) => self.moods.set(&moods),
            Operation::Pieces(most) => self.pieces = most,
            Operation::Hold(octets) => self.hold = Some(octets),
            Operation::Together(together) => {
                self.together = together;
                if !together {
                    self.flush().await;
                }
            }
            Operation::Wrong(by) => self.wrong = by,
            Operation::Terminate => {
                self.transactions.end();
                self.terminated = true;
            }
            Operation::Cut => {
                if let Some(client) = self.connections.remove(&self.current) {
                    client.close().await;
                }
            }
            Operation::Octets(octets) => self.say(&octets).await,
            said => self.speak(said).await,
        }
    }

    fn configure(&mut self, letters: &[u8]) {
        self.settings = Settings::of(letters);
        self.sites.send_replace(Arc::new(site(self.settings, &self.moods)));
    }

    /// Says what an MTA would have said before.
    async fn prepare(&mut self, operation: &Operation) {
        let is_negotiation = matches!(operation, Operation::Negotiate(..) | Operation::Packet(..));
        if !is_negotiation && self.model().is_new() {
            self.negotiate(OFFER).await;
        }
        let of_body = matches!(operation, Operation::Body(_) | Operation::Long(_) | Operation::End(_));
        let of_header = matches!(operation, Operation::Data | Operation::Header(..) | Operation::EndOfHeader);
        let of_message = of_body || of_header || matches!(operation, Operation::Recipient(_));
        if of_message && self.model().lacks_mail() {
            self.mail(&[b"<anna@example.org>".to_vec()]).await;
        }
        if (of_body || of_header) && self.model().lacks_recipient() {
            self.send(b'R', b"<x@y.example>\0").await;
        }
        if of_body && self.model().lacks_end_of_header() {
            self.send(b'N', b"").await;
        }
    }

    /// Says what an MTA would say.
    async fn speak(&mut self, operation: Operation) {
        self.prepare(&operation).await;
        match operation {
            Operation::Negotiate(actions, steps) => self.negotiate((actions, steps)).await,
            Operation::Login(login) => self.client().login = login,
            Operation::Mail(words) => self.mail(&words).await,
            other => {
                if let Some((kind, data)) = said(other, self.model().steps) {
                    self.send(kind, &data).await;
                }
            }
        }
    }

    async fn negotiate(&mut self, (actions, steps): (u32, u32)) {
        let offer = [6u32.to_be_bytes(), actions.to_be_bytes(), steps.to_be_bytes()].concat();
        self.send(b'O', &offer).await;
    }

    async fn mail(&mut self, words: &[Vec<u8>]) {
        let login = self.client().login.clone();
        let mut macros = b"M{mail_addr}\0x\0".to_vec();
        if let Some(login) = login {
            macros.extend([&b"{auth_authen}\0"[..], &login, b"\0"].concat());
        }
        self.send(b'D', &macros).await;
        self.send(b'M', &joined(words)).await;
    }

    fn client(&mut self) -> &mut Client {
        let (pieces, doors) = (self.pieces, &self.doors);
        self.connections.entry(self.current).or_insert_with(|| {
            let (stream, served) = tokio::io::duplex(ROOM);
            let served = OneWrite::new(Pieces::new(served, pieces));
            assert!(doors.send(served).is_ok(), "the milter listens");
            Client::new(stream)
        })
    }

    fn model(&mut self) -> &mut Model {
        &mut self.client().model
    }

    async fn send(&mut self, kind: u8, data: &[u8]) {
        let length = i64::try_from(data.len()).unwrap() + 1 + std::mem::take(&mut self.wrong);
        let length = u32::try_from(length.max(0)).unwrap().to_be_bytes();
        self.say(&[&length, &[kind][..], data].concat()).await;
    }

    async fn say(&mut self, octets: &[u8]) {
        self.client().pending.extend_from_slice(octets);
        if !self.together {
            self.flush().await;
        }
    }

    /// Sends what is to be said, and hears the answers.
    async fn flush(&mut self) {
        let (hold, settings, terminated) = (self.hold.take(), self.settings, self.terminated);
        let moods = Arc::clone(&self.moods);
        self.client();
        let Some(client) = self.connections.get_mut(&self.current) else { return };
        let now = hold.unwrap_or(client.pending.len()).min(client.pending.len());
        let octets: Vec<u8> = client.pending.drain(..now).collect();
        let alive = client.say(&octets, settings, &moods, terminated, self.transport).await;
        if !alive && let Some(client) = self.connections.remove(&self.current) {
            client.ends().await;
        }
    }

    async fn end(mut self) {
        for (_, client) in std::mem::take(&mut self.connections) {
            client.close().await;
        }
        let idle = timeout(PATIENCE, self.transactions.closed()).await;
        assert!(idle.is_ok(), "a transaction is open though all connections are closed");
        assert_eq!(self.transactions.bodies().held(), 0, "octets of bodies are held");
        let _ = self.ending.send(());
        timeout(PATIENCE, self.milter).await.expect("the milter ends").unwrap().unwrap();
        let metrics = tokio::runtime::Handle::current().metrics();
        for _ in 0..100 {
            if metrics.num_alive_tasks() == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{} tasks are left", metrics.num_alive_tasks());
    }
}

/// The packet that an MTA sends, if the step is not left out.
fn said(operation: Operation, steps: u32) -> Option<(u8, Vec<u8>)> {
    let has = |without: u32| steps & without == 0;
    Some(match operation {
        Operation::Recipient(words) if has(NO_RCPT) => (b'R', joined(&words)),
        Operation::Data if has(NO_DATA) => (b'T', Vec::new()),
        Operation::Header(name, body) => (b'L', joined(&[name, body])),
        Operation::EndOfHeader => (b'N', Vec::new()),
        Operation::Body(chunk) if has(NO_BODY) => (b'B', chunk),
        Operation::Long(kib) if has(NO_BODY) => (b'B', b"0123456789abcdef\r\n".repeat(kib * 57)),
        Operation::End(data) => (b'E', data),
        Operation::Abort => (b'A', Vec::new()),
        Operation::Quit => (b'Q', Vec::new()),
        Operation::Packet(kind, data) => (kind, data),
        _ => return None,
    })
}

fn joined(strings: &[Vec<u8>]) -> Vec<u8> {
    strings.iter().flat_map(|string| [string, &b"\0"[..]].concat()).collect()
}

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
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

#[path = "conversation/changes.rs"]
mod changes;
#[path = "conversation/oracle.rs"]
mod oracle;
#[path = "conversation/protocol.rs"]
mod protocol;
#[path = "conversation/script.rs"]
mod script;
#[path = "conversation/world.rs"]
mod world;

use protocol::{Due, LEADING_SPACE, Model, NO_BODY, NO_DATA, Packet, SKIP, packet};
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

    /// Says what an MTA would say, and before it what an MTA would have said.
    async fn speak(&mut self, operation: Operation) {
        let is_negotiation = matches!(operation, Operation::Negotiate(..) | Operation::Packet(..));
        if !is_negotiation && self.model().is_new() {
            self.negotiate(OFFER).await;
        }
        let of_message = matches!(
            operation,
            Operation::Recipient(_)
                | Operation::Data
                | Operation::Header(..)
                | Operation::EndOfHeader
                | Operation::Body(_)
                | Operation::Long(_)
                | Operation::End(_)
        );
        if of_message && self.model().lacks_mail() {
            self.mail(&[b"<anna@example.org>".to_vec()]).await;
        }
        if of_message && !matches!(operation, Operation::Recipient(_)) && self.model().lacks_recipient() {
            self.send(b'R', b"<x@y.example>\0").await;
        }
        if matches!(operation, Operation::Body(_) | Operation::Long(_) | Operation::End(_))
            && self.model().lacks_end_of_header()
        {
            self.send(b'N', b"").await;
        }
        let steps = self.model().steps;
        match operation {
            Operation::Negotiate(actions, steps) => self.negotiate((actions, steps)).await,
            Operation::Login(login) => self.client().login = login,
            Operation::Mail(words) => self.mail(&words).await,
            Operation::Recipient(_) if steps & protocol::NO_RCPT != 0 => {}
            Operation::Recipient(words) => self.send(b'R', &joined(&words)).await,
            Operation::Data if steps & NO_DATA != 0 => {}
            Operation::Data => self.send(b'T', b"").await,
            Operation::Header(name, body) => self.send(b'L', &joined(&[name, body])).await,
            Operation::EndOfHeader => self.send(b'N', b"").await,
            Operation::Body(_) | Operation::Long(_) if steps & NO_BODY != 0 => {}
            Operation::Body(chunk) => self.send(b'B', &chunk).await,
            Operation::Long(kib) => self.send(b'B', &b"0123456789abcdef\r\n".repeat(kib * 57)).await,
            Operation::End(data) => self.send(b'E', &data).await,
            Operation::Abort => self.send(b'A', b"").await,
            Operation::Quit => self.send(b'Q', b"").await,
            Operation::Packet(kind, data) => self.send(kind, &data).await,
            _ => {}
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
            client.is_closed().await;
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

fn joined(strings: &[Vec<u8>]) -> Vec<u8> {
    strings.iter().flat_map(|string| [string, &b"\0"[..]].concat()).collect()
}

/// The MTA's end of a connection.
struct Client {
    stream: DuplexStream,
    model: Model,
    login: Option<Vec<u8>>,
    /// Not yet sent.
    pending: Vec<u8>,
    /// Sent, and not yet a packet.
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// What comes from the milter.
#[derive(Debug, Eq, PartialEq)]
enum Heard {
    Packet(Packet),
    Closed,
    Nothing,
}

impl Client {
    fn new(stream: DuplexStream) -> Self {
        let (pending, sent, received) = Default::default();
        Self { stream, model: Model::new(), login: Some(b"anna".to_vec()), pending, sent, received }
    }

    /// Sends octets, and checks what comes of the packets that they complete; whether the connection lives on.
    async fn say(
        &mut self,
        octets: &[u8],
        settings: Settings,
        moods: &Moods,
        terminated: bool,
        transport: Transport,
    ) -> bool {
        if self.stream.write_all(octets).await.is_err() {
            panic!("the milter hung up");
        }
        self.sent.extend_from_slice(octets);
        loop {
            let (packet, taken) = match packet(&self.sent) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(()) => return false,
            };
            self.sent.drain(..taken);
            match self.model.take(&packet, settings) {
                Due::Nothing => {}
                Due::End => return false,
                Due::Answer => self.hear(&packet, settings, moods, terminated, transport).await,
            }
        }
        true
    }

    /// Hears the answer to a packet, and checks it.
    async fn hear(
        &mut self,
        asked: &Packet,
        settings: Settings,
        moods: &Moods,
        terminated: bool,
        transport: Transport,
    ) {
        let failed = moods.failed();
        if asked.0 == b'N'
            && let Some(claim) = &mut self.model.claim
        {
            claim.failed_before = failed;
        }
        let mut modifications = Vec::new();
        let answer = loop {
            match self.listen(PATIENCE).await {
                Heard::Packet(packet) if b"hm+-2beiq".contains(&packet.0) => modifications.push(packet),
                Heard::Packet(packet) => break packet,
                silence => panic!("{silence:?} in answer to {asked:?}"),
            }
        };
        assert!(modifications.is_empty() || asked.0 == b'E', "{modifications:?} before the end");
        self.check_answer(asked, &answer);
        if asked.0 == b'O' {
            return self.negotiated(&answer, settings, transport);
        }
        let has_login = self.model.claim.as_ref().is_some_and(|claim| claim.login.is_some());
        if terminated && asked.0 == b'M' && has_login {
            assert!(answer.1.starts_with(b"451 4.3.2"), "a message begins though the program is to end");
        }
        self.check_verdict(asked, &answer, &modifications, moods);
        self.model.answered(answer.0);
        // As in libmilter: the body's answer comes first, and again in the place of the end's.
        if asked.0 == b'E' && answer.0 == b's' {
            assert_eq!(self.listen(PATIENCE).await, Heard::Packet(answer));
        }
    }

    /// Checks that an answer is one of those that the packet may get.
    fn check_answer(&self, asked: &Packet, Packet(letter, data): &Packet) {
        let skips = self.model.steps & SKIP != 0;
        let deferred = self.model.negotiated.is_none();
        let allowed: &[u8] = match asked.0 {
            b'O' => b"O",
            b'C' | b'H' | b'U' | b'T' => b"c",
            b'M' | b'R' | b'L' | b'N' | b'B' | b'E' if deferred => b"t",
            b'R' | b'L' => b"c",
            b'M' | b'N' => b"cay",
            b'B' if skips => b"csy",
            b'B' => b"cy",
            // No report was taken, so nothing may be dropped.
            b'E' if skips && !asked.1.is_empty() => b"says",
            b'E' => b"ay",
            _ => b"",
        };
        assert!(allowed.contains(letter), "{} in answer to {asked:?}", char::from(*letter));
        if *letter == b'y' {
            let text = std::str::from_utf8(data).unwrap().strip_suffix('\0').unwrap();
            assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~')) && text.len() < 512, "{text:?}");
            assert!(text[..3].parse::<u16>().is_ok_and(|code| (400..600).contains(&code)), "{text}");
            assert_eq!(text[..1], text[4..5], "{text}");
            assert!(!text.replace("%%", "").contains('%'), "{text}");
        } else if *letter != b'O' {
            assert!(data.is_empty());
        }
    }

    fn negotiated(&mut self, Packet(_, data): &Packet, settings: Settings, transport: Transport) {
        let number = |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().unwrap());
        let (actions, steps) = (number(4), number(8));
        // Who offers nothing offers what version 2 had.
        let offered = self.model.offered;
        let (offered_actions, offered_steps) = (
            if offered.0 & 0x1ff == 0 { 0xf } else { offered.0 },
            if offered.1 & 0x1f_ffff == 0 { 0x7f } else { offered.1 },
        );
        assert_eq!(
            (actions & !offered_actions, steps & !offered_steps),
            (0, 0),
            "asked for what is not offered"
        );
        // The steps without which nothing can be judged, and their answers.
        assert_eq!(steps & (0x4 | 0x20 | 0x40 | 0x4000 | 0x4_0000 | 0x8_0000), 0, "{steps:x}");
        assert!(transport == Transport::Unix || steps & (NO_DATA | 0x8000 | 0x1_0000) == 0, "{steps:x}");
        self.model.steps = steps;
        self.model.negotiated = Some((actions, settings));
    }

    /// Checks what becomes of a message.
    fn check_verdict(&mut self, asked: &Packet, answer: &Packet, modifications: &[Packet], moods: &Moods) {
        let Some((actions, negotiated)) = self.model.negotiated else { return };
        let offers_all = self.model.offered.0 & 0x1ff == 0x1ff;
        changes::check_form(modifications, actions, self.model.steps & LEADING_SPACE != 0);
        let Some(claim) = &mut self.model.claim else {
            assert!(!b"NE".contains(&asked.0) || answer.0 != b'a', "a message of which nothing is known");
            return;
        };
        match (asked.0, answer.0) {
            (b'M', b'a') => {
                assert_eq!(claim.login, None);
                assert_eq!(oracle::forbids(claim, 0), None);
            }
            (b'N', b'c') => claim.waits = true,
            (b'N' | b'E', b'a') => {
                assert!(asked.0 == b'N' || claim.waits, "the header has not ended");
                let forbidden = oracle::forbids(claim, moods.failed());
                assert_eq!(forbidden, None, "accepted: {claim:?}");
                changes::check(claim, modifications);
            }
            (_, b'y') => {
                assert!(modifications.is_empty() || !offers_all, "changed and refused: {modifications:?}");
                let own = negotiated == claim.settings && oracle::must_pass(claim, moods.failed());
                assert!(asked.0 != b'N' || !own, "refused: {claim:?} {answer:?}");
            }
            _ => {}
        }
    }

    /// The next packet from the milter.
    async fn listen(&mut self, patience: Duration) -> Heard {
        let begun = Instant::now();
        loop {
            if let Some((packet, taken)) = packet(&self.received).expect("a packet that is not too long") {
                self.received.drain(..taken);
                return Heard::Packet(packet);
            }
            let rest = patience.saturating_sub(begun.elapsed());
            match timeout(rest, self.stream.read_buf(&mut self.received)).await {
                Ok(Ok(0)) => return Heard::Closed,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => return Heard::Nothing,
            }
        }
    }

    /// Hangs up, and waits until the milter does. What was not asked for comes to light here at the latest.
    async fn close(mut self) {
        let _ = self.stream.shutdown().await;
        self.is_closed().await;
    }

    async fn is_closed(mut self) {
        assert_eq!(self.listen(PATIENCE).await, Heard::Closed, "the milter does not hang up");
    }
}

//! What a conversation meets: a directory that answers, fails or is slow, a configuration, and a stream in pieces.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use delegation_milter::address::Address;
use delegation_milter::bounce::Bounces;
use delegation_milter::bounce::relay::Relay;
use delegation_milter::config::Config;
use delegation_milter::directory::ldif::LdifDirectory;
use delegation_milter::directory::lookup::{Forms, LookupRules, Resolver};
use delegation_milter::directory::{Directory, Failure, Groups};
use delegation_milter::dn::Dn;
use delegation_milter::grant::{Entry, Mode, Right, Sid};
use delegation_milter::listener::OneWrite;
use delegation_milter::policy::{Choice, OnBehalfDisplay, Prefer, Return, Rules};
use delegation_milter::site::Site;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc::UnboundedReceiver;

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_secs(2);

/// What every configuration has; the directory is another.
const CONFIG: &str = r#"
[directory]
urls = ["ldap://127.0.0.1:1"]
base_dn = "dc=example,dc=org"
[delegation]
enabled = true
[sent_copy]
address = "{local}+Sent@{domain}"
[domain_aliases]
"example.net" = "example.org"
[[account]]
login = "scanner"
may_send = ["scanner@example.org", "*@scan.example"]
envelope = ["*"]
[[account]]
login = "watched"
mode = "observe"
"#;

static BASE: LazyLock<Config> = LazyLock::new(|| Config::parse(CONFIG, Path::new("/check.toml")).unwrap());

static DIRECTORY: LazyLock<LdifDirectory> = LazyLock::new(|| {
    let text = include_bytes!("directory.ldif");
    LdifDirectory::parse(Path::new("directory.ldif"), text, &BASE.directory.schema, None).unwrap()
});

/// Letters that change a configuration; see [`site`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings(u128);

impl Settings {
    pub(crate) fn of(letters: &[u8]) -> Self {
        Self(letters.iter().filter(|letter| letter.is_ascii()).fold(0, |all, letter| all | 1 << letter))
    }

    pub(crate) fn has(self, letter: char) -> bool {
        self.0 & (1 << u32::from(letter)) != 0
    }
}

/// The configuration in force under these settings.
pub(crate) fn site(settings: Settings, moods: &Arc<Moods>) -> Site<Resolver<Fake>> {
    let mut config = BASE.clone();
    let has = |letter| settings.has(letter);
    apply(settings, &mut config.rules);
    config.mode = if has('o') { Mode::Observe } else { Mode::Enforce };
    config.unauthenticated = if has('u') { Choice::Refuse } else { Choice::Accept };
    if has('m') {
        config.max_body = 64;
    }
    let lookup = LookupRules {
        forms: Forms { realms: vec!["realm.example".to_owned()], addresses: config.rules.addresses.clone() },
        group_depth: 16,
        grants: config.rules.grants.clone(),
    };
    let mut site = Site::new(config, Resolver::new(Fake(Arc::clone(moods)), lookup), None);
    if has('b') {
        // Nobody listens there: no report is ever taken, and so no message may be dropped.
        site.bounces = Some(Arc::new(Bounces::new(Relay::new("127.0.0.1", 1), None)));
    }
    site
}

/// Sets the rules that these settings change.
fn apply(settings: Settings, rules: &mut Rules) {
    let has = |letter| settings.has(letter);
    let choice = |letter| if has(letter) { Choice::Accept } else { Choice::Refuse };
    rules.redirect = choice('r');
    rules.unknown_author = choice('U');
    rules.unknown_submitter = choice('S');
    rules.display_name_address = choice('n');
    if has('p') {
        rules.prefer = Prefer::SendAs;
    }
    if has('d') {
        rules.on_behalf_display = OnBehalfDisplay::Name;
    }
    rules.grants.enabled = !has('D');
    rules.grants.group_members = match (has('g'), has('G')) {
        (_, true) => Some(Right::SendAs),
        (true, false) => Some(Right::SendOnBehalf),
        (false, false) => None,
    };
    rules.envelope.check = !has('k');
    rules.envelope.on_behalf = match (has('v'), has('V')) {
        (_, true) => Return::Principal,
        (true, false) => Return::Delegate,
        (false, false) => Return::Keep,
    };
    if has('A') {
        rules.envelope.send_as = Return::Keep;
    }
    if !has('c') {
        rules.sent_copy = None;
    }
    rules.scheduling.enabled = !has('s');
    rules.scheduling.check_own = has('w');
}

/// What the directory does at its next questions: `f` fails, `s` takes its time; everything else, and when nothing is
/// left, answers.
#[derive(Debug, Default)]
pub(crate) struct Moods {
    next: Mutex<VecDeque<u8>>,
    failed: AtomicUsize,
}

impl Moods {
    pub(crate) fn set(&self, moods: &[u8]) {
        *self.next.lock().unwrap() = moods.iter().copied().take(32).collect();
    }

    /// How many questions were not answered so far.
    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Relaxed)
    }

    async fn pass(&self) -> Result<(), Failure> {
        let mood = self.next.lock().unwrap().pop_front();
        match mood {
            Some(b'f') => {
                self.failed.fetch_add(1, Relaxed);
                Err(Failure::Unavailable("it is a test".to_owned()))
            }
            Some(b's') => {
                tokio::time::sleep(SLOW).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The directory with its moods.
pub(crate) struct Fake(Arc<Moods>);

impl Directory for Fake {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        self.0.pass().await?;
        DIRECTORY.by_login(login, base).await
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        self.0.pass().await?;
        DIRECTORY.by_address(addresses, base).await
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        self.0.pass().await?;
        DIRECTORY.groups_of(members, kind).await
    }

    async fn by_dn(&self, dn: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        DIRECTORY.by_dn(dn).await
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<Arc<Entry>>, Failure> {
        DIRECTORY.by_sid(sid).await
    }
}

/// Whom the milter listens to.
pub(crate) struct Doors(pub(crate) UnboundedReceiver<OneWrite<Pieces>>);

impl indymilter::Listener for Doors {
    type Io = OneWrite<Pieces>;

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Self::Io>> {
        match self.0.poll_recv(context) {
            Poll::Ready(Some(stream)) => Poll::Ready(Ok(stream)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// A stream that gives and takes at most so many octets at a time, with pauses; all at once if that is 0.
pub(crate) struct Pieces {
    stream: DuplexStream,
    most: usize,
    pause: bool,
}

impl Pieces {
    pub(crate) fn new(stream: DuplexStream, most: usize) -> Self {
        Self { stream, most: most.min(64), pause: false }
    }

    fn pauses(&mut self, context: &Context<'_>) -> bool {
        self.pause = self.most > 0 && !self.pause;
        if self.pause {
            context.waker().wake_by_ref();
        }
        self.pause
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.most == 0 {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        if self.pauses(context) {
            return Poll::Pending;
        }
        let mut octets = [0; 64];
        let most = self.most.min(buffer.remaining());
        let mut piece = ReadBuf::new(&mut octets[..most]);
        let read = Pin::new(&mut self.stream).poll_read(context, &mut piece);
        buffer.put_slice(piece.filled());
        read
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.pauses(context) {
            return Poll::Pending;
        }
        let most = if self.most == 0 { octets.len() } else { self.most.min(octets.len()) };
        Pin::new(&mut self.stream).poll_write(context, &octets[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

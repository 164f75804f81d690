//! From a configuration to a connection that is ready for searches: reached, under TLS where that is wanted, logged in.

use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, StdStream};
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer;
use super::tls::{self, TlsFilesError};
use crate::config::{Bind, PasswordError, Server, Transport, read_password};
use crate::reply::printable_within;

/// When probes of an idle connection begin, and how often they are sent: firewalls forget connections silently.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long an address may take to accept a connection. The system asks again after a second, then two, then four: one
/// that was away and is back is found sooner by a connection of its own.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// The most that is told of what others say, in octets.
const MAX_TOLD: usize = 400;

/// Success (RFC 4511 appendix A.1).
const SUCCESS: u32 = 0;

/// What has to be done before the first search, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// A connection to the host or socket.
    Reach,
    /// TLS, at once or by StartTLS.
    Secure,
    /// The login.
    Bind,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there.
    #[error("{server} cannot be reached: {why}")]
    Reach {
        /// The url.
        server: String,
        /// What the system says.
        why: String,
    },
    /// TLS fails.
    #[error("no TLS with {server}: {why}")]
    Tls {
        /// The url.
        server: String,
        /// In words for an administrator.
        why: String,
    },
    /// The login is refused.
    #[error("{server} refuses the login{}: {why}", of(who))]
    Bind {
        /// The url.
        server: String,
        /// `directory.bind_dn`; empty for none.
        who: String,
        /// The result code and what the server says.
        why: String,
    },
    /// The password cannot be read.
    #[error("directory.bind_password_file: {}: {error}", file.display())]
    Password {
        /// Its file.
        file: PathBuf,
        /// What is wrong with it.
        error: PasswordError,
    },
    /// What answers does not speak LDAP, or hangs up.
    #[error("{server} hung up, or speaks something else than LDAP: {why}")]
    Garbled {
        /// The url.
        server: String,
        /// What was noticed.
        why: String,
    },
    /// It is a replica that has not yet what another server has told.
    #[error("{server} does not have yet all changes that another server has told (see its contextCSN)")]
    Behind {
        /// The url.
        server: String,
    },
    /// It takes too long.
    #[error("{server} did not answer within {} s while {}", within.as_secs_f32(), doing(*step))]
    Slow {
        /// The url.
        server: String,
        /// The time limit.
        within: Duration,
        /// What was under way.
        step: Step,
    },
}

fn of(who: &str) -> String {
    if who.is_empty() { String::new() } else { format!(" of {who}") }
}

fn doing(step: Step) -> &'static str {
    match step {
        Step::Reach => "connecting",
        Step::Secure => "beginning TLS",
        Step::Bind => "logging in",
    }
}

impl ConnectError {
    /// What could not be done.
    pub fn step(&self) -> Step {
        match self {
            Self::Reach { .. } => Step::Reach,
            Self::Tls { .. } => Step::Secure,
            Self::Bind { .. } | Self::Password { .. } | Self::Garbled { .. } | Self::Behind { .. } => {
                Step::Bind
            }
            Self::Slow { step, .. } => *step,
        }
    }
}

/// Connects to one server.
#[derive(Clone)]
pub(super) struct Connector {
    server: Server,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection: the handle for questions, and the task that moves their octets. If that ends, so does the connection.
pub(super) struct Connected {
    pub(super) ldap: Ldap,
    pub(super) driver: Driver,
    /// The URL of the server.
    pub(super) server: Arc<str>,
    /// Its address, if it has one.
    pub(super) peer: Option<SocketAddr>,
}

impl Connected {
    /// The same, moving its octets by a task of its own.
    pub(super) fn apart(self) -> Self {
        Self { driver: self.driver.apart(), ..self }
    }
}

/// What moves the octets of a connection, and ends with it, saying why. It works while somebody waits for its end.
pub(super) struct Driver(BoxFuture<'static, String>);

impl Driver {
    fn of(connection: LdapConnAsync) -> Self {
        // ldap3 panics on what is not LDAP; that takes only the connection with it.
        let driven = unless_it_panics(connection.drive());
        let ended = driven.map(|ended| match ended {
            Ok(Ok(())) => "the server closed the connection".to_owned(),
            Ok(Err(LdapError::Io { source })) => tls::in_words(&source),
            Ok(Err(error)) => error.to_string(),
            Err(why) => why,
        });
        Self(ended.boxed())
    }

    /// Waits until the connection has ended, and says why. Not to be called again after that.
    pub(super) async fn ended(&mut self) -> String {
        (&mut self.0).await
    }

    /// The same as a task of its own, whoever waits; dropped, it ends, and the connection with it.
    fn apart(self) -> Self {
        let task = AbortOnDrop(tokio::spawn(self.0));
        Self(async move { task.await.unwrap_or_else(|error| error.to_string()) }.boxed())
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connector {
    pub(super) fn new(server: Server) -> Result<Self, TlsFilesError> {
        let files = match &server.transport {
            Transport::StartTls { tls, .. } | Transport::Ldaps { tls, .. } => Some(tls),
            Transport::Plain { .. } | Transport::Ldapi { .. } => None,
        };
        let tls = files.map(tls::settings).transpose()?;
        Ok(Self { server, tls })
    }

    /// The server, for messages.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Connects and logs in within the time limit; to this address, if the server is known by it.
    pub(super) async fn connect(
        &self,
        peer: Option<SocketAddr>,
        within: Duration,
    ) -> Result<Connected, ConnectError> {
        let deadline = Instant::now() + within;
        let slow = |step| move |_| ConnectError::Slow { server: self.server.to_string(), within, step };
        let reached = timeout_at(deadline, self.reach(peer)).await.map_err(slow(Step::Reach))?;
        let (stream, peer) = reached?;
        let securing = unless_it_panics(self.open(stream));
        let opened = timeout_at(deadline, securing).await.map_err(slow(Step::Secure))?;
        let (connection, mut ldap) = opened.map_err(|why| self.garbled(why))??;
        let mut driver = Driver::of(connection);
        let binding = async {
            tokio::select! {
                biased;
                bound = unless_it_panics(self.bind(&mut ldap)) => bound.map_err(|why| self.garbled(why)).flatten(),
                // What the end of the connection did to the bind says less than what ended it.
                why = driver.ended() => Err(self.garbled(format!("{why}{}", self.hint()))),
            }
        };
        timeout_at(deadline, binding).await.map_err(slow(Step::Bind))??;
        Ok(Connected { ldap, driver, server: self.server.to_string().into(), peer })
    }

    /// TLS 1.3 tells a client that its certificate is refused only after the handshake (RFC 8446 section 4.4.2.4), and
    /// servers that just hang up tell it nothing.
    fn hint(&self) -> &'static str {
        match &self.server.transport {
            Transport::StartTls { tls, .. } | Transport::Ldaps { tls, .. } if tls.client.is_some() => {
                "; does it accept directory.client_cert_file?"
            }
            Transport::StartTls { .. }
            | Transport::Ldaps { .. }
            | Transport::Plain { .. }
            | Transport::Ldapi { .. } => "",
        }
    }

    async fn reach(&self, peer: Option<SocketAddr>) -> Result<(StdStream, Option<SocketAddr>), ConnectError> {
        let reached = match (&self.server.transport, peer) {
            (Transport::Ldapi { path }, _) => reach_unix(path).await,
            (_, Some(peer)) => reach_tcp([peer].into_iter()).await,
            (
                Transport::Plain { host, port }
                | Transport::StartTls { host, port, .. }
                | Transport::Ldaps { host, port, .. },
                None,
            ) => match lookup_host((host.as_str(), *port)).await {
                Ok(addresses) => reach_tcp(addresses).await,
                Err(error) => Err(error),
            },
        };
        let server = self.server.to_string();
        reached.map_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                ConnectError::Slow { server, within: HANDSHAKE, step: Step::Reach }
            } else {
                ConnectError::Reach { server, why: told(error) }
            }
        })
    }

    /// Makes an LDAP connection of a stream, with TLS if that is wanted.
    async fn open(&self, stream: StdStream) -> Result<(LdapConnAsync, Ldap), ConnectError> {
        let mut settings = LdapConnSettings::new().set_std_stream(stream);
        if let Some(tls) = &self.tls {
            let start_tls = matches!(self.server.transport, Transport::StartTls { .. });
            settings = settings.set_config(tls.clone()).set_starttls(start_tls);
        }
        LdapConnAsync::with_settings(settings, &self.server.to_string())
            .await
            .map_err(|error| self.tls_error(error))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others have a text of their own")]
    fn tls_error(&self, error: LdapError) -> ConnectError {
        let server = self.server.to_string();
        let why = match error {
            LdapError::Io { source } => tls::in_words(&source),
            LdapError::LdapResult { result } => format!("it refuses StartTLS: {}", answer::code(&result)),
            other => other.to_string(),
        };
        if self.tls.is_none() {
            return self.garbled(why);
        }
        ConnectError::Tls { server, why: told(why) }
    }

    async fn bind(&self, ldap: &mut Ldap) -> Result<(), ConnectError> {
        let (who, result) = match &self.server.bind {
            // Also an anonymous bind is one: it proves that the server answers.
            Bind::Anonymous => (None, ldap.simple_bind("", "").await),
            Bind::Simple { dn, password_file } => {
                let password = read_password(password_file)
                    .map_err(|error| ConnectError::Password { file: password_file.clone(), error })?;
                (Some(dn.as_str()), ldap.simple_bind(dn, password.reveal()).await)
            }
            Bind::Typed { dn, password } => {
                (Some(dn.as_str()), ldap.simple_bind(dn, password.reveal()).await)
            }
            Bind::External => (None, ldap.sasl_external_bind().await),
        };
        match result {
            Ok(LdapResult { rc: SUCCESS, .. }) => Ok(()),
            Ok(result) => Err(self.refused(who, &result)),
            Err(error) => Err(self.garbled(error)),
        }
    }

    fn refused(&self, who: Option<&str>, result: &LdapResult) -> ConnectError {
        let who = who.map(str::to_owned).unwrap_or_default();
        ConnectError::Bind { server: self.server.to_string(), who, why: answer::code(result) }
    }

    fn garbled(&self, why: impl Display) -> ConnectError {
        ConnectError::Garbled { server: self.server.to_string(), why: told(why) }
    }
}

/// What others say, fit for a log: a certificate names whatever its owner wants.
fn told(why: impl Display) -> String {
    printable_within(&why.to_string(), MAX_TOLD)
}

/// ldap3 panics on some answers that are not LDAP.
pub(super) async fn unless_it_panics<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let caught: Result<T, Box<dyn Any + Send>> = AssertUnwindSafe(future).catch_unwind().await;
    caught.map_err(|_| "what came is not LDAP".to_owned())
}

async fn reach_unix(path: &Path) -> io::Result<(StdStream, Option<SocketAddr>)> {
    Ok((StdStream::Unix(UnixStream::connect(path).await?.into_std()?), None))
}

async fn reach_tcp(
    addresses: impl Iterator<Item = SocketAddr>,
) -> io::Result<(StdStream, Option<SocketAddr>)> {
    let stream = reach_any(addresses).await?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    let peer = stream.peer_addr()?;
    Ok((StdStream::Tcp(stream.into_std()?), Some(peer)))
}

/// A connection to the first of the addresses that takes one.
async fn reach_any(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match timeout(HANDSHAKE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

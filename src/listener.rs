//! The socket that Postfix connects to: handed over by systemd ([`given()`]), or bound with its group and mode; accepted
//! from by several threads, alive when descriptors run out, closed first when the program ends; and the stream behind it,
//! which writes each answer at once.
//!
//! indymilter ends when `accept` fails, and writes every packet by itself. Both are put right here: a failure is waited
//! out, and what belongs together leaves in one write, which over TCP also spares Nagle's algorithm its wait.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as BoundTcp};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener as BoundUnix};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixSocket, UnixStream, lookup_host};
use tokio::time::Sleep;
use tracing::error;

use crate::config::Listen;
use crate::transactions::Transactions;

mod given;
mod stream;

pub use given::given;
pub use stream::OneWrite;

/// How many connections may wait to be accepted; the system may allow fewer (listen(2)).
const BACKLOG: u32 = 1024;

/// How long to wait after a failed `accept`: descriptors come back when connections end.
const RETRY: Duration = Duration::from_millis(100);

/// How connections arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// TCP
    Inet,
    /// A Unix socket
    Unix,
}

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody has it.
    #[error("cannot listen on {0}: another program listens there; end it, or choose another \"listen\"")]
    InUse(String),
    /// What stands at the path is no socket, and is not ours to remove.
    #[error(
        "cannot listen on unix:{0}: the file is there and is no socket; remove it, or choose another \"listen\""
    )]
    NotASocket(PathBuf),
    /// The group does not exist.
    #[error("cannot give the socket to the group \"{0}\": there is no such group; correct \"socket_group\"")]
    NoGroup(String),
    /// What systemd hands over is no socket to listen on.
    #[error(
        "cannot listen on what systemd hands over: {0}; in the .socket unit, write ListenStream= with a path or an \
         address, no other Listen…=, and Accept=no"
    )]
    Given(String),
    /// The system refuses.
    #[error("cannot listen on {listen}: {action}: {error}{}", remedy(.error))]
    System {
        /// The socket, as the configuration names it.
        listen: String,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

/// What to do about what the system says, where that is clear.
fn remedy(error: &io::Error) -> &'static str {
    let remedies = [
        (io::ErrorKind::NotFound, "; make the directory of the socket first"),
        (io::ErrorKind::PermissionDenied, "; choose a \"listen\" that the user of the program may use"),
        (io::ErrorKind::AddrNotAvailable, "; \"listen\" must name an address of this host"),
    ];
    remedies.iter().find(|(kind, _)| *kind == error.kind()).map_or("", |(_, remedy)| remedy)
}

/// A bound socket. Dropped, it takes no more connections once its [`Acceptor`]s are gone too.
#[derive(Debug)]
pub struct Socket {
    bound: Bound,
    /// The file of a Unix socket that we made. Another's stays when we go.
    own: Option<PathBuf>,
}

#[derive(Debug)]
enum Bound {
    Inet(BoundTcp),
    Unix(BoundUnix),
}

impl Socket {
    /// Binds what `listen` says. Must be called within a tokio runtime.
    pub async fn bind(listen: &Listen) -> Result<Self, ListenError> {
        match listen {
            Listen::Inet { host, port } => bind_inet(host, *port).await,
            Listen::Unix { path, group, mode } => bind_unix(path, group.as_deref(), *mode),
        }
    }

    /// How connections arrive.
    pub fn transport(&self) -> Transport {
        match self.bound {
            Bound::Inet(_) => Transport::Inet,
            Bound::Unix(_) => Transport::Unix,
        }
    }

    /// Another handle of a TCP socket, for what is no milter.
    pub(crate) fn tcp(&self) -> io::Result<BoundTcp> {
        match &self.bound {
            Bound::Inet(listener) => listener.try_clone(),
            Bound::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Where it listens, for the log.
    pub fn describe(&self) -> String {
        match &self.bound {
            Bound::Inet(listener) => match listener.local_addr() {
                Ok(address) => format!("inet:{address}"),
                Err(_) => "inet".to_owned(),
            },
            Bound::Unix(listener) => match listener.local_addr() {
                Ok(address) => format!("unix:{}", file_of(&address).display()),
                Err(_) => "unix".to_owned(),
            },
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.own {
            // What cannot be removed is stale at the next start, and removed then.
            let _ = fs::remove_file(path);
        }
    }
}

/// The file of a Unix socket; one in no file (unix(7), abstract) is written with "@", as ss(8) does.
fn file_of(address: &UnixAddress) -> PathBuf {
    let abstract_name = || address.as_abstract_name().map(|name| [b"@", name].concat());
    let path = address.as_pathname().map(Path::to_owned);
    path.or_else(|| Some(OsString::from_vec(abstract_name()?).into())).unwrap_or_default()
}

async fn bind_inet(host: &str, port: u16) -> Result<Socket, ListenError> {
    let listen = || format!("inet:{host}:{port}");
    let failed = |error| ListenError::System { listen: listen(), action: "bind", error };
    match listen_inet(host, port).await {
        Ok(listener) => Ok(Socket { bound: Bound::Inet(listener), own: None }),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ListenError::InUse(listen())),
        Err(error) => Err(failed(error)),
    }
}

/// On the first of the host's addresses where that is possible; as `TcpListener::bind`, with which 128 may wait: of 200
/// that connect at once, the others try again after a second.
async fn listen_inet(host: &str, port: u16) -> io::Result<BoundTcp> {
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    for address in lookup_host((host, port)).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_on(address: SocketAddr) -> io::Result<BoundTcp> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of an earlier process that have only just ended do not keep the port (tcp(7), TIME_WAIT).
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn bind_unix(path: &Path, group: Option<&str>, mode: u32) -> Result<Socket, ListenError> {
    let failed = |action| {
        move |error| ListenError::System { listen: format!("unix:{}", path.display()), action, error }
    };
    remove_stale(path)?;
    let socket = UnixSocket::new_stream().map_err(failed("make the socket"))?;
    socket.bind(path).map_err(failed("bind"))?;
    if let Some(name) = group {
        let group = nix::unistd::Group::from_name(name).map_err(|e| failed("look up the group")(e.into()))?;
        let group = group.ok_or_else(|| ListenError::NoGroup(name.to_owned()))?;
        std::os::unix::fs::chown(path, None, Some(group.gid.as_raw())).map_err(failed("set the group"))?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("set the mode"))?;
    // Only now: until then nobody can connect, neither those who may not nor, to be turned away, those who may.
    let listener = socket.listen(BACKLOG).and_then(UnixListener::into_std).map_err(failed("listen"))?;
    Ok(Socket { bound: Bound::Unix(listener), own: Some(path.to_owned()) })
}

/// Removes a socket that an earlier process left behind; one that answers belongs to a living process.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    let listen = format!("unix:{}", path.display());
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let failed = |error| ListenError::System { listen, action: "remove the stale socket", error };
            fs::remove_file(path).map_err(failed)
        }
        Ok(_) | Err(_) => Err(ListenError::InUse(listen)),
    }
}

/// The listener of a [`Socket`] within a runtime.
enum Listener {
    Inet(TcpListener),
    Unix(UnixListener),
}

/// Accepts connections for indymilter until the program ends; then it closes its listener and accepts no more.
pub struct Acceptor {
    listener: Option<Listener>,
    ending: Pin<Box<dyn Future<Output = ()> + Send>>,
    retry: Option<Pin<Box<Sleep>>>,
    /// Whether a connection has just been accepted.
    has_accepted: bool,
}

impl Acceptor {
    /// Accepts from `socket` until `transactions` are to end; of several that do, whichever is first has the connection.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The system has no descriptor left, or cannot wait for one more.
    pub fn new(socket: &Socket, transactions: Transactions) -> io::Result<Self> {
        let listener = Some(match &socket.bound {
            Bound::Inet(listener) => Listener::Inet(TcpListener::from_std(listener.try_clone()?)?),
            Bound::Unix(listener) => Listener::Unix(UnixListener::from_std(listener.try_clone()?)?),
        });
        let ending = Box::pin(async move { transactions.ending().await });
        Ok(Self { listener, ending, retry: None, has_accepted: false })
    }

    fn poll_stream(&self, context: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match &self.listener {
            Some(Listener::Inet(listener)) => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                // Nagle's algorithm would hold back the second of two small writes for 40 ms.
                Poll::Ready(stream.set_nodelay(true).map(|()| Stream::Tcp(stream)))
            }
            Some(Listener::Unix(listener)) => {
                Poll::Ready(Ok(Stream::Unix(ready!(listener.poll_accept(context))?.0)))
            }
            None => Poll::Pending,
        }
    }
}

/// A connection from Postfix.
pub type Stream = indymilter::EitherStream<TcpStream, UnixStream>;

impl indymilter::Listener for Acceptor {
    type Io = OneWrite<Stream>;

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Self::Io>> {
        loop {
            if self.listener.is_some() && self.ending.as_mut().poll(context).is_ready() {
                self.listener = None;
            }
            if let Some(retry) = &mut self.retry {
                ready!(retry.as_mut().poll(context));
                self.retry = None;
            }
            if std::mem::take(&mut self.has_accepted) {
                // Whoever wakes first would have all of a burst, for as long as they last: others accept meanwhile.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            match ready!(self.poll_stream(context)) {
                Ok(stream) => {
                    self.has_accepted = true;
                    return Poll::Ready(Ok(OneWrite::new(stream)));
                }
                // Out of descriptors, or a client that was gone again: neither may end the program.
                Err(error) => {
                    error!(reason = %error, "a connection could not be accepted; trying again");
                    self.retry = Some(Box::pin(tokio::time::sleep(RETRY)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// More than the 128 that the standard library lets wait. Nobody accepts: who may not wait is not answered.
    const BURST: usize = 300;

    #[tokio::test]
    async fn who_connects_in_a_burst_waits() {
        let listen = Listen::Inet { host: "127.0.0.1".to_owned(), port: 0 };
        let socket = Socket::bind(&listen).await.unwrap();
        let Bound::Inet(listener) = &socket.bound else { panic!("{listen:?} is not inet") };
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let connected: io::Result<Vec<_>> = (0..BURST).map(connect).collect();
        assert_eq!(connected.unwrap().len(), BURST);
    }
}

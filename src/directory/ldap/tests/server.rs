//! An LDAP server whose answers a test writes, octet by octet: also what no real server says.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use futures_util::StreamExt;
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapBindRequest, LdapOp, LdapSearchRequest};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::codec::FramedRead;

/// What the server does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Sends a protocolOp (RFC 4511 section 4.1.1) with the number of the question.
    Say(Vec<u8>),
    /// Sends octets as they are.
    Raw(Vec<u8>),
    /// Ends the connection.
    Close,
    /// Says nothing more, whatever is asked.
    Hang,
}

type Script<T> = Arc<dyn Fn(&T) -> Vec<Act> + Send + Sync>;

struct Shared {
    greeting: Vec<Act>,
    on_bind: Script<LdapBindRequest>,
    on_search: Script<LdapSearchRequest>,
    connections: Vec<Instant>,
    binds: Vec<LdapBindRequest>,
    searches: Vec<LdapSearchRequest>,
}

/// A server on a socket. It lets everybody in and finds nothing, until it is told otherwise.
pub(super) struct FakeServer {
    path: PathBuf,
    shared: Arc<Mutex<Shared>>,
    /// Ends all connections.
    hang_up: Arc<Notify>,
    /// Ends the server.
    leave: Arc<Notify>,
    task: Option<JoinHandle<()>>,
}

impl FakeServer {
    pub(super) fn start() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("dm-ldap-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let shared = Shared {
            greeting: Vec::new(),
            on_bind: Arc::new(|_| vec![Act::Say(bind_response(0, ""))]),
            on_search: Arc::new(|_| vec![Act::Say(done(0))]),
            connections: Vec::new(),
            binds: Vec::new(),
            searches: Vec::new(),
        };
        let path = std::env::temp_dir().join(name);
        let mut server = Self {
            path,
            shared: Arc::new(Mutex::new(shared)),
            hang_up: Arc::default(),
            leave: Arc::default(),
            task: None,
        };
        server.back();
        server
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is done with every connection before anything is read from it.
    pub(super) fn greet(&self, acts: Vec<Act>) {
        self.shared().greeting = acts;
    }

    pub(super) fn on_bind(&self, script: impl Fn(&LdapBindRequest) -> Vec<Act> + Send + Sync + 'static) {
        self.shared().on_bind = Arc::new(script);
    }

    pub(super) fn on_search(&self, script: impl Fn(&LdapSearchRequest) -> Vec<Act> + Send + Sync + 'static) {
        self.shared().on_search = Arc::new(script);
    }

    /// Answers every search with these entries, whatever its filter.
    pub(super) fn holds(&self, entries: &[Vec<u8>]) {
        let acts: Vec<_> = entries.iter().cloned().chain([done(0)]).map(Act::Say).collect();
        self.on_search(move |_| acts.clone());
    }

    /// When each connection was made.
    pub(super) fn connections(&self) -> Vec<Instant> {
        self.shared().connections.clone()
    }

    pub(super) fn binds(&self) -> Vec<LdapBindRequest> {
        self.shared().binds.clone()
    }

    /// The searches since this was last asked.
    pub(super) fn searches(&self) -> Vec<LdapSearchRequest> {
        std::mem::take(&mut self.shared().searches)
    }

    /// Ends every connection.
    pub(super) fn hang_up(&self) {
        self.hang_up.notify_one();
    }

    /// Ends every connection, and takes no more.
    pub(super) async fn away(&mut self) {
        if let Some(task) = self.task.take() {
            self.leave.notify_one();
            task.await.unwrap();
        }
        let _ = std::fs::remove_file(&self.path);
    }

    /// Takes connections again.
    pub(super) fn back(&mut self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        self.task = Some(tokio::spawn(serve(
            listener,
            self.shared.clone(),
            self.hang_up.clone(),
            self.leave.clone(),
        )));
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, shared: Arc<Mutex<Shared>>, hang_up: Arc<Notify>, leave: Arc<Notify>) {
    // Its end is theirs.
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            () = hang_up.notified() => {
                open.shutdown().await;
                continue;
            }
            // Whoever waits for it must not be answered any more: an aborted task may still be under way.
            () = leave.notified() => return open.shutdown().await,
        };
        shared.lock().unwrap().connections.push(Instant::now());
        open.spawn(talk(stream, shared.clone()));
    }
}

async fn talk(stream: UnixStream, shared: Arc<Mutex<Shared>>) {
    let (read, mut write) = stream.into_split();
    let greeting = shared.lock().unwrap().greeting.clone();
    if !perform(&mut write, 0, greeting).await {
        return;
    }
    let mut questions = FramedRead::new(read, LdapCodec::new(Some(1 << 24), None));
    while let Some(Ok(question)) = questions.next().await {
        let acts = match question.op {
            LdapOp::BindRequest(bind) => {
                let mut shared = shared.lock().unwrap();
                shared.binds.push(bind.clone());
                (shared.on_bind.clone())(&bind)
            }
            LdapOp::SearchRequest(search) => {
                let mut shared = shared.lock().unwrap();
                shared.searches.push(search.clone());
                (shared.on_search.clone())(&search)
            }
            _ => return,
        };
        if !perform(&mut write, question.msgid, acts).await {
            return;
        }
    }
}

/// Whether the connection goes on.
async fn perform(write: &mut OwnedWriteHalf, id: i32, acts: Vec<Act>) -> bool {
    for act in acts {
        let sent = match act {
            Act::Say(op) => write.write_all(&message(id, &op)).await,
            Act::Raw(octets) => write.write_all(&octets).await,
            Act::Close => return false,
            Act::Hang => std::future::pending().await,
        };
        if sent.is_err() {
            return false;
        }
    }
    true
}

/// A tag, the length and the content (X.690 section 8.1).
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => octets.push(short),
        _ => {
            octets.push(0x84);
            octets.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    octets.extend_from_slice(content);
    octets
}

pub(super) fn octets(value: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x04, value.as_ref())
}

pub(super) fn message(id: i32, op: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(0x02, &id.to_be_bytes()), op.to_vec()].concat())
}

/// An LDAPResult (RFC 4511 section 4.1.9).
pub(super) fn result(tag: u8, code: u32, text: impl AsRef<[u8]>, referrals: &[&str]) -> Vec<u8> {
    let mut parts = vec![tlv(0x0a, &code.to_be_bytes()), octets(""), octets(text)];
    if !referrals.is_empty() {
        parts.push(tlv(0xa3, &referrals.iter().map(octets).collect::<Vec<_>>().concat()));
    }
    tlv(tag, &parts.concat())
}

pub(super) fn bind_response(code: u32, text: &str) -> Vec<u8> {
    result(0x61, code, text, &[])
}

pub(super) fn done(code: u32) -> Vec<u8> {
    result(0x65, code, "", &[])
}

/// A SearchResultReference (RFC 4511 section 4.5.3).
pub(super) fn reference(uri: &str) -> Vec<u8> {
    tlv(0x73, &octets(uri))
}

/// A SearchResultEntry (RFC 4511 section 4.5.2), each attribute with its values.
pub(super) fn entry<V: AsRef<[u8]>>(dn: impl AsRef<[u8]>, attributes: &[(&str, &[V])]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, &[V])| {
        let values = values.iter().map(octets).collect::<Vec<_>>().concat();
        tlv(0x30, &[octets(name), tlv(0x31, &values)].concat())
    };
    let attributes = attributes.iter().map(attribute).collect::<Vec<_>>().concat();
    tlv(0x64, &[octets(dn), tlv(0x30, &attributes)].concat())
}

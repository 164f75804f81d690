//! HTTP for a few who watch, however slow or hostile they are: a thread of its own, few connections at a time, one answer
//! for each, an end to everybody's patience, and a pause after each connection, so that a flood of them takes a few
//! hundredths of a processor.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener as Bound;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::text;

/// The most connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 32;

/// How long a request may take to arrive, and how long all of a connection may take.
const ARRIVAL: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// After each connection: at most a hundred a second.
const PAUSE: Duration = Duration::from_millis(10);

/// How long to wait after a failed `accept`.
const RETRY: Duration = Duration::from_secs(1);

/// The most octets of a request's head, and the most fields in it.
const MAX_HEAD: usize = 8 << 10;
const MAX_FIELDS: usize = 64;

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Asked<'a> {
    /// The path, without the query.
    pub(super) path: &'a str,
    /// Whether it is to be in JSON: `?json`, or `Accept` says so.
    pub(super) json: bool,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    media_type: &'static str,
    text: String,
}

const PLAIN: &str = "text/plain; charset=utf-8";

impl Answer {
    /// A page of metrics.
    pub(super) fn metrics(text: String) -> Self {
        Self { status: StatusCode::OK, media_type: text::MEDIA_TYPE, text }
    }

    /// Whether all is well.
    pub(super) fn health(serves: bool, json: bool, text: String) -> Self {
        let status = if serves { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Self { status, media_type: if json { "application/json" } else { PLAIN }, text }
    }

    /// A few words.
    pub(super) fn text(text: &str) -> Self {
        Self { status: StatusCode::OK, media_type: PLAIN, text: text.to_owned() }
    }

    /// There is no such page.
    pub(super) fn not_found() -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::text("there are /metrics and /healthz\n") }
    }

    fn not_allowed() -> Self {
        Self { status: StatusCode::METHOD_NOT_ALLOWED, ..Self::text("only GET and HEAD are answered\n") }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.text));
        *response.status_mut() = self.status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            fields.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

/// The thread that answers; dropped, it ends.
#[derive(Debug)]
pub(super) struct Server(#[expect(dead_code, reason = "dropping it ends the thread")] oneshot::Sender<()>);

/// Begins to answer those who connect.
///
/// # Errors
///
/// The system has no thread or no descriptor left.
pub(super) fn start(
    listener: Bound,
    answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
) -> io::Result<Server> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = {
        let _within = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (server, end) = oneshot::channel();
    let answer = Arc::new(answer);
    thread::Builder::new().name("monitor".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = end => {}
                never = accept(&listener, &answer) => match never {},
            }
        });
    })?;
    Ok(Server(server))
}

async fn accept(
    listener: &TcpListener,
    answer: &Arc<impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static>,
) -> Infallible {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = Arc::clone(answer);
                tokio::spawn(async move {
                    let _place = place;
                    // Whatever the other side does wrong is its own loss.
                    let _ = timeout(PATIENCE, converse(stream, &*answer)).await;
                });
                sleep(PAUSE).await;
            }
            Err(error) => {
                warn!(reason = %error, "a connection to metrics.listen could not be accepted; trying again");
                sleep(RETRY).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, answer: &impl Fn(&Asked<'_>) -> Answer) -> hyper::Result<()> {
    let respond = async |request: Request<Incoming>| {
        let answer = match *request.method() {
            Method::GET | Method::HEAD => answer(&asked(&request)),
            _ => Answer::not_allowed(),
        };
        Ok::<_, Infallible>(answer.into_response())
    };
    http1::Builder::new()
        .keep_alive(false)
        // Who has said all may close its side before the answer comes, as "nc -N" does.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(ARRIVAL)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(stream), service_fn(respond))
        .await
}

fn asked<T>(request: &Request<T>) -> Asked<'_> {
    let json = request.uri().query() == Some("json") || accepts_json(request.headers());
    Asked { path: request.uri().path(), json }
}

fn accepts_json(fields: &HeaderMap) -> bool {
    fields.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};

    use super::*;

    /// Whether the end of what is asked comes with it or after it is chance: many times, each with a thread that was idle.
    #[test]
    fn who_has_said_all_may_close_its_side() {
        for _ in 0..100 {
            let listener = Bound::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let address = listener.local_addr().unwrap();
            let server = start(listener, |_| Answer::text("well\n")).unwrap();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(
                answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nwell\n"),
                "{answer:?}"
            );
            drop(server);
        }
    }
}

//! A gate between an SMTP client and a server: it passes one conversation on, command by command, and can stop it at a
//! point, for somebody to be killed there.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use super::wait::PATIENCE;

/// Where a conversation can be stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Point {
    /// Before the server's greeting is passed on.
    Greeting,
    /// Before MAIL is passed on.
    Mail,
    /// Before the message is passed on, of which the client has sent all.
    Message,
    /// The server has taken the message, and the client does not know.
    Taken,
    /// The client knows, and says good-bye.
    Quit,
}

/// Every point, in the order in which they come.
pub(crate) const POINTS: [Point; 5] =
    [Point::Greeting, Point::Mail, Point::Message, Point::Taken, Point::Quit];

/// A running gate; it ends with the process.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Where the next conversation stops.
    stop: Option<Point>,
    /// One is stopped there.
    stopped: bool,
}

impl Gate {
    /// A gate before this port of 127.0.0.1.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = gate.shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // Either side may hang up at any time.
                std::thread::spawn(move || converse(&client, port, &shared).ok());
            }
        });
        gate
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops the next conversation at this point.
    pub(crate) fn stop_at(&self, point: Point) {
        *self.shared.state.lock().unwrap() = State { stop: Some(point), stopped: false };
    }

    /// Waits until a conversation is stopped.
    pub(crate) fn wait_until_stopped(&self) {
        let state = self.shared.state.lock().unwrap();
        let (_state, waited) =
            self.shared.changed.wait_timeout_while(state, PATIENCE, |state| !state.stopped).unwrap();
        assert!(!waited.timed_out(), "no conversation came to the point");
    }

    /// Breaks the stopped conversation off; those that follow pass.
    pub(crate) fn break_off(&self) {
        *self.shared.state.lock().unwrap() = State::default();
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Stops here if this is the point, and then breaks off.
    fn pass(&self, point: Point) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.stop != Some(point) || state.stopped {
            return Ok(());
        }
        state.stopped = true;
        self.changed.notify_all();
        let _state = self.changed.wait_while(state, |state| state.stopped).unwrap();
        Err(std::io::ErrorKind::ConnectionAborted.into())
    }
}

fn converse(client: &TcpStream, port: u16, shared: &Shared) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    let result = pass_on(client, &server, shared);
    let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    result
}

fn pass_on(mut client: &TcpStream, mut server: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let (mut commands, mut replies) =
        (BufReader::new(client.try_clone()?), BufReader::new(server.try_clone()?));
    let mut reply = read_reply(&mut replies)?;
    shared.pass(Point::Greeting)?;
    loop {
        client.write_all(&reply)?;
        let in_data = reply.starts_with(b"354");
        let mut sent = Vec::new();
        while !sent.ends_with(if in_data { b"\r\n.\r\n" } else { b"\r\n" }) {
            if commands.read_until(b'\n', &mut sent)? == 0 {
                return Ok(());
            }
        }
        match sent.get(..4) {
            _ if in_data => shared.pass(Point::Message)?,
            Some(b"MAIL") => shared.pass(Point::Mail)?,
            Some(b"QUIT") => shared.pass(Point::Quit)?,
            _ => {}
        }
        server.write_all(&sent)?;
        reply = read_reply(&mut replies)?;
        if in_data {
            shared.pass(Point::Taken)?;
        }
    }
}

/// All lines of a reply.
fn read_reply(replies: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    loop {
        let start = reply.len();
        if replies.read_until(b'\n', &mut reply)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if reply.get(start + 3) != Some(&b'-') {
            return Ok(reply);
        }
    }
}

//! A relay between the milter and slapd, which breaks the connection in the ways in which networks and servers do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// What the relay does with connections, those that are open and those that come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Forward,
    /// Passes it on late.
    Delay(Duration),
    /// Closes them.
    Close,
    /// Takes them and what is sent on them, and says nothing.
    Silence,
    /// Answers with this, whatever is sent.
    Garbage(&'static [u8]),
    /// Is not there: packets vanish, also those of new connections.
    BlackHole,
}

/// A running relay; it ends with the process.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// Those under way, both ends.
    open: Vec<TcpStream>,
    /// What fills the queue of connections that nobody takes: the system drops what comes besides.
    stuffing: Vec<Socket>,
}

/// How often the mode is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Longer than a connection on loopback takes, shorter than the system's first repetition.
const CONNECTS: Duration = Duration::from_millis(200);

impl Relay {
    /// A relay to this port of 127.0.0.1.
    pub(crate) fn to(port: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        // So short a queue is soon full.
        socket.listen(1).unwrap();
        let listener = TcpListener::from(socket);
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { mode: Mode::Forward, open: vec![], stuffing: vec![] }));
        let relay = Self { address, state: state.clone() };
        thread::spawn(move || accept(&listener, port, &state));
        relay
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What becomes of connections from now on.
    pub(crate) fn set(&self, mode: Mode) {
        let mut state = self.state.lock().unwrap();
        state.mode = mode;
        state.stuffing.clear();
        if mode == Mode::BlackHole {
            state.stuffing = fill(self.address);
        }
        // What was silent or garbled stays so: whoever waits on it must find out.
        if mode == Mode::Close {
            state.open.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }
    }
}

/// Connects until nobody answers any more.
fn fill(address: SocketAddr) -> Vec<Socket> {
    let mut stuffing = Vec::new();
    for _ in 0..64 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        match socket.connect_timeout(&address.into(), CONNECTS) {
            Ok(()) => stuffing.push(socket),
            Err(_) => return stuffing,
        }
    }
    panic!("{address} takes every connection");
}

fn accept(listener: &TcpListener, port: u16, state: &Arc<Mutex<State>>) {
    loop {
        let mode = state.lock().unwrap().mode;
        match if mode == Mode::BlackHole { None } else { listener.accept().ok() } {
            Some((client, _)) => connect(client, port, state),
            None => thread::park_timeout(LOOK),
        }
    }
}

fn connect(client: TcpStream, port: u16, state: &Arc<Mutex<State>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let pair = [client.try_clone().unwrap(), server.try_clone().unwrap()];
    state.lock().unwrap().open.extend(pair);
    for (from, to, answers) in [
        (client.try_clone().unwrap(), server.try_clone().unwrap(), Some(client.try_clone().unwrap())),
        (server, client, None),
    ] {
        let state = state.clone();
        thread::spawn(move || {
            pass(&from, &to, answers.as_ref(), &state);
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
}

/// Passes octets on as the mode says, until either side closes. `answers` is where garbage goes.
fn pass(mut from: &TcpStream, mut to: &TcpStream, answers: Option<&TcpStream>, state: &Mutex<State>) {
    let mut octets = [0; 4096];
    from.set_nonblocking(false).unwrap();
    loop {
        let count = match from.read(&mut octets) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mode = state.lock().unwrap().mode;
        let passed = match (mode, answers) {
            (Mode::Forward, _) => to.write_all(&octets[..count]),
            (Mode::Delay(late), _) => {
                thread::park_timeout(late);
                to.write_all(&octets[..count])
            }
            (Mode::Garbage(garbage), Some(mut answers)) => answers.write_all(garbage),
            (Mode::Silence | Mode::BlackHole | Mode::Garbage(_), _) => Ok(()),
            (Mode::Close, _) => return,
        };
        if passed.is_err() {
            return;
        }
    }
}

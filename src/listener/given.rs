//! The sockets that systemd hands over: descriptors from 3 on, and two variables that say whose they are and how many
//! (sd_listen_fds(3)).

use std::env::{self, VarError};
use std::io;
use std::process;

use listenfd::ListenFd;
use socket2::SockRef;

use super::{Bound, ListenError, Socket};

/// `SD_LISTEN_FDS_START`
const FIRST: usize = 3;

/// More than anybody needs, so that a number that is wrong is not believed.
const MOST: usize = 64;

/// The sockets that systemd has handed over to this process; none where it has not. To be called once, before any thread
/// looks into the environment: the variables are taken out of it, so that no child believes them.
///
/// # Errors
///
/// The variables are no numbers, or what was handed over are no sockets to listen on.
pub fn given() -> Result<Vec<Socket>, ListenError> {
    let count = count(&env::var("LISTEN_PID"), &env::var("LISTEN_FDS"), process::id())?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut sockets = ListenFd::from_env();
    (0..count).map(|place| take(&mut sockets, place)).collect()
}

type Variable = Result<String, VarError>;

/// How many are ours. Those of another process were meant for that one, and are none of our business.
fn count(whose: &Variable, how_many: &Variable, own: u32) -> Result<usize, ListenError> {
    let number = |name: &str, value: &str| {
        let wrong = |_| ListenError::Given(format!("{name} is {value:?}, which is no number"));
        value.parse::<usize>().map_err(wrong)
    };
    let (Ok(whose), Ok(how_many)) = (whose, how_many) else { return Ok(0) };
    if u32::try_from(number("LISTEN_PID", whose)?) != Ok(own) {
        return Ok(0);
    }
    match number("LISTEN_FDS", how_many)? {
        count if count > MOST => {
            Err(ListenError::Given(format!("{count} sockets are more than the {MOST} that are taken")))
        }
        count => Ok(count),
    }
}

fn take(sockets: &mut ListenFd, place: usize) -> Result<Socket, ListenError> {
    let descriptor = place + FIRST;
    let unfit = || {
        ListenError::Given(format!("descriptor {descriptor} is no TCP or Unix socket that takes connections"))
    };
    let unix = sockets.take_unix_listener(place).map(|listener| listener.map(Bound::Unix));
    let bound = unix.or_else(|_| sockets.take_tcp_listener(place).map(|listener| listener.map(Bound::Inet)));
    let bound = bound.ok().flatten().ok_or_else(unfit)?;
    if !bound.is_listening().unwrap_or(false) {
        return Err(unfit());
    }
    let failed = |error| ListenError::System {
        listen: format!("descriptor {descriptor} from systemd"),
        action: "set it to not wait",
        error,
    };
    // That of systemd's waits unless its unit says NonBlocking=yes, and then a thread would wait with it.
    bound.set_nonblocking().map_err(failed)?;
    Ok(Socket { bound, own: None })
}

impl Bound {
    /// Whether it takes connections: not so with `Accept=yes`, which hands one connection over.
    fn is_listening(&self) -> io::Result<bool> {
        match self {
            Self::Inet(listener) => SockRef::from(listener).is_listener(),
            Self::Unix(listener) => SockRef::from(listener).is_listener(),
        }
    }

    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Inet(listener) => listener.set_nonblocking(true),
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_they_are_and_how_many() {
        let variable = |text: &str| match text {
            "" => Err(VarError::NotPresent),
            text => Ok(text.to_owned()),
        };
        for (whose, how_many, said) in [
            ("", "", "0"),
            ("", "1", "0"),
            ("42", "", "0"),
            ("42", "0", "0"),
            ("42", "2", "2"),
            ("42", "64", "64"),
            ("43", "1", "0"),
            ("43", "some", "0"),
            ("4294967338", "1", "0"),
            ("42", "65", "more than the 64"),
            ("42", "some", "LISTEN_FDS is \"some\", which is no number"),
            ("42", "-1", "LISTEN_FDS is \"-1\""),
            ("me", "1", "LISTEN_PID is \"me\", which is no number"),
        ] {
            let answer = match count(&variable(whose), &variable(how_many), 42) {
                Ok(count) => count.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(answer.contains(said), "{whose:?} {how_many:?}: {answer}");
        }
    }
}

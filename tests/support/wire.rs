//! The milter protocol by hand (version 6, as Postfix speaks it), for what no Postfix would do.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::wait::PATIENCE;

/// All actions and steps that Postfix 3.7 offers.
pub(crate) const ACTIONS: u32 = 0x1ff;
pub(crate) const STEPS: u32 = 0x1f_ffff;

/// A connection in the part of the MTA.
pub(crate) struct Wire<S = UnixStream> {
    stream: S,
}

/// A packet from the milter: its letter and what follows.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Packet(pub(crate) char, pub(crate) Vec<u8>);

impl Wire<UnixStream> {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// Connects, and negotiates with what is offered.
    pub(crate) fn negotiate(socket: &Path, actions: u32, steps: u32) -> (Self, Negotiated) {
        Wire::negotiate_over(Self::connect(socket).stream, actions, steps)
    }

    /// Says that nothing more comes, and gives back all packets that still do.
    pub(crate) fn finish(&mut self) -> Vec<Packet> {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        std::iter::from_fn(|| self.try_receive()).collect()
    }
}

impl<S: Read + Write> Wire<S> {
    /// Negotiates over this connection.
    pub(crate) fn negotiate_over(stream: S, actions: u32, steps: u32) -> (Self, Negotiated) {
        let mut wire = Self { stream };
        wire.send('O', &[6u32.to_be_bytes(), actions.to_be_bytes(), steps.to_be_bytes()].concat());
        let Packet(letter, body) = wire.receive();
        assert_eq!(letter, 'O');
        let number = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        let negotiated = Negotiated { actions: number(4), steps: number(8), macros: body[12..].to_vec() };
        (wire, negotiated)
    }

    /// Sends a packet: length, letter, body.
    pub(crate) fn send(&mut self, letter: char, body: &[u8]) {
        let length = u32::try_from(body.len() + 1).unwrap().to_be_bytes();
        let packet = [&length, &[letter as u8][..], body].concat();
        // A milter that hung up is noticed by what it does not answer.
        let _ = self.stream.write_all(&packet);
    }

    /// Sends a packet of strings.
    pub(crate) fn send_strings(&mut self, letter: char, texts: &[&str]) {
        self.send(letter, &strings(texts));
    }

    /// Macros for the stage with this letter: names and values in turn.
    pub(crate) fn macros(&mut self, stage: char, pairs: &[&str]) {
        self.send('D', &[&[stage as u8][..], &strings(pairs)].concat());
    }

    /// MAIL of somebody who logged in, and its answer.
    pub(crate) fn mail(&mut self, login: &str, sender: &str) -> Packet {
        self.macros('M', &["{auth_authen}", login, "{mail_addr}", sender.trim_matches(['<', '>'])]);
        self.send_strings('M', &[sender]);
        self.receive()
    }

    /// The next packet.
    pub(crate) fn receive(&mut self) -> Packet {
        self.try_receive().expect("the milter hung up")
    }

    /// The next packet, or none if the milter hung up.
    pub(crate) fn try_receive(&mut self) -> Option<Packet> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).ok()?;
        let mut packet = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
        self.stream.read_exact(&mut packet).ok()?;
        Some(Packet(char::from(packet[0]), packet.split_off(1)))
    }
}

/// Strings as the protocol writes them, each ended by NUL.
pub(crate) fn strings(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect()
}

/// What the milter asked for.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(crate) actions: u32,
    pub(crate) steps: u32,
    pub(crate) macros: Vec<u8>,
}

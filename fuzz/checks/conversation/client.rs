//! The MTA's end of a connection: says what it is told to, and checks what it hears.

use std::time::Duration;

use delegation_milter::listener::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};

use super::protocol::{Due, LEADING_SPACE, Model, NO_DATA, Packet, SKIP, packet};
use super::world::{Moods, Settings};
use super::{PATIENCE, changes, oracle};

/// The MTA's end of a connection.
pub(crate) struct Client {
    stream: DuplexStream,
    pub(crate) model: Model,
    pub(crate) login: Option<Vec<u8>>,
    /// Not yet sent.
    pub(crate) pending: Vec<u8>,
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
    pub(crate) fn new(stream: DuplexStream) -> Self {
        let (pending, sent, received) = Default::default();
        Self { stream, model: Model::new(), login: Some(b"anna".to_vec()), pending, sent, received }
    }

    /// Sends octets, and checks what comes of the packets that they complete; whether the connection lives on.
    pub(crate) async fn say(
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
        if b"NBE".contains(&asked.0)
            && let Some(claim) = self.model.claim.as_mut().filter(|claim| !claim.waits)
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
            b'B' if skips => b"casy",
            b'B' => b"cay",
            // No report was taken, so nothing may be dropped.
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
        assert_eq!(steps & (0x4 | 0x20 | 0x40 | 0x4000 | 0x8_0000), 0, "{steps:x}");
        assert!(transport == Transport::Unix || steps & (NO_DATA | 0x1_0000) == 0, "{steps:x}");
        self.model.steps = steps;
        self.model.negotiated = Some((actions, settings));
    }

    /// Checks what becomes of a message.
    fn check_verdict(&mut self, asked: &Packet, answer: &Packet, modifications: &[Packet], moods: &Moods) {
        let Some((actions, negotiated)) = self.model.negotiated else { return };
        changes::check_form(modifications, actions, self.model.steps & LEADING_SPACE != 0);
        let Some(claim) = &mut self.model.claim else {
            assert!(!b"NBE".contains(&asked.0) || answer.0 != b'a', "a message of which nothing is known");
            return;
        };
        match (asked.0, answer.0) {
            (b'M', b'a') => {
                assert_eq!(claim.login, None);
                assert_eq!(oracle::forbids(claim, 0), None);
            }
            (b'N' | b'B', b'c' | b's') => claim.waits = true,
            (b'B', b'a') if claim.waits => panic!("accepted in the middle of the body: {claim:?}"),
            (b'N' | b'B' | b'E', b'a') => {
                let forbidden = oracle::forbids(claim, moods.failed());
                assert_eq!(forbidden, None, "accepted: {claim:?}");
                changes::check(claim, modifications);
            }
            (_, b'y') => {
                assert!(modifications.is_empty(), "changed and refused: {modifications:?}");
                let own = negotiated == claim.settings && oracle::must_pass(claim, moods.failed());
                let is_first = b"NB".contains(&asked.0) && !claim.waits;
                assert!(!is_first || !own, "refused: {claim:?} {answer:?}");
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
    pub(crate) async fn close(mut self) {
        let _ = self.stream.shutdown().await;
        self.ends().await;
    }

    /// Waits until the milter hangs up.
    pub(crate) async fn ends(mut self) {
        assert_eq!(self.listen(PATIENCE).await, Heard::Closed, "the milter does not hang up");
    }
}

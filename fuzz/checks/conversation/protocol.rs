//! The milter protocol as the milter must see it, in few words: which packets count, which are passed over, how many
//! answers each gets, and what the conversation has claimed so far. Follows sendmail's `libmilter/engine.c`, whose
//! state machine indymilter has.

use std::collections::HashMap;

use super::world::Settings;

/// The longest data of a packet that indymilter reads.
const MAX_DATA: usize = (1 << 20) - 1;

/// The steps that can be negotiated away (`mfdef.h`), and the answers.
pub(crate) const NO_RCPT: u32 = 0x8;
pub(crate) const NO_BODY: u32 = 0x10;
pub(crate) const NO_DATA: u32 = 0x200;
pub(crate) const SKIP: u32 = 0x400;
pub(crate) const LEADING_SPACE: u32 = 0x10_0000;
const NOREPLY_HEADER: u32 = 0x80;
const NOREPLY_RCPT: u32 = 0x8000;
const NOREPLY_EOH: u32 = 0x4_0000;

/// A packet: its letter and its data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Packet(pub(crate) u8, pub(crate) Vec<u8>);

/// The first packet in these octets, and how many it takes; none if it is not complete. An error is a packet that is too
/// long.
pub(crate) fn packet(octets: &[u8]) -> Result<Option<(Packet, usize)>, ()> {
    let Some((length, rest)) = octets.split_first_chunk::<4>() else { return Ok(None) };
    // A length of 0 is taken for 1.
    let length = (u32::from_be_bytes(*length) as usize).saturating_sub(1);
    if length > MAX_DATA {
        return Err(());
    }
    let Some((kind, rest)) = rest.split_first() else { return Ok(None) };
    Ok(rest.get(..length).map(|data| (Packet(*kind, data.to_vec()), length + 5)))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
enum State {
    Init,
    Opts,
    Conn,
    Helo,
    Mail,
    Rcpt,
    Data,
    Header,
    Eoh,
    Body,
    Eom,
    Quit,
    Abort,
    Unknown,
    QuitNc,
}

use State::{Abort, Body, Conn, Data, Eoh, Eom, Header, Helo, Init, Mail, Opts, Quit, QuitNc, Rcpt, Unknown};

const STATES: [State; 15] =
    [Init, Opts, Conn, Helo, Mail, Rcpt, Data, Header, Eoh, Body, Eom, Quit, Abort, Unknown, QuitNc];

impl State {
    fn follows(self, before: Self) -> bool {
        match before {
            Init => self == Opts,
            Opts | QuitNc => matches!(self, Conn | Unknown),
            Conn | Helo => matches!(self, Helo | Mail | Unknown),
            Mail => matches!(self, Rcpt | Abort | Unknown),
            Rcpt => matches!(self, Header | Eoh | Data | Body | Eom | Rcpt | Abort | Unknown),
            Data | Header => matches!(self, Eoh | Header | Abort),
            Eoh | Body => matches!(self, Body | Eom | Abort),
            Eom => matches!(self, Quit | Mail | Unknown | QuitNc),
            Quit | Abort => false,
            Unknown => matches!(self, Helo | Mail | Rcpt | Data | Body | Unknown | Abort | Quit | QuitNc),
        }
    }

    /// The bit by which the step is left out.
    fn without(self) -> u32 {
        match self {
            Conn => 0x1,
            Helo => 0x2,
            Mail => 0x4,
            Rcpt => NO_RCPT,
            Data => NO_DATA,
            Header => 0x20,
            Eoh => 0x40,
            Body => NO_BODY,
            Unknown => 0x100,
            Init | Opts | Eom | Quit | Abort | QuitNc => 0,
        }
    }

    fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'A' => Abort,
            b'B' => Body,
            b'C' => Conn,
            b'E' => Eom,
            b'H' => Helo,
            b'K' => QuitNc,
            b'L' => Header,
            b'M' => Mail,
            b'N' => Eoh,
            b'O' => Opts,
            b'Q' => Quit,
            b'R' => Rcpt,
            b'T' => Data,
            b'U' => Unknown,
            _ => return None,
        })
    }
}

/// What the milter must do about a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    Nothing,
    /// One answer; at the end of a message, modifications before it.
    Answer,
    /// The connection ends.
    End,
}

/// A name, of a field or a macro, and what it is.
pub(crate) type Named = (Vec<u8>, Vec<u8>);

/// A message as it is claimed to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim {
    pub(crate) login: Option<Vec<u8>>,
    pub(crate) path: Vec<u8>,
    pub(crate) parameters: Vec<Vec<u8>>,
    pub(crate) recipients: Vec<Vec<u8>>,
    pub(crate) fields: Vec<Named>,
    pub(crate) body: usize,
    /// Of the site, when the message began.
    pub(crate) settings: Settings,
    /// How many questions the directory had not answered when the header was judged.
    pub(crate) failed_before: usize,
    /// The header has ended and was judged, and what follows from it is due at the end.
    pub(crate) waits: bool,
}

/// A connection, as far as its packets were read.
pub(crate) struct Model {
    state: State,
    /// What is left out or not answered.
    pub(crate) steps: u32,
    /// What was negotiated: the actions, and the settings under which.
    pub(crate) negotiated: Option<(u32, Settings)>,
    /// What was offered.
    pub(crate) offered: (u32, u32),
    macros: HashMap<u8, Vec<Named>>,
    pub(crate) claim: Option<Claim>,
}

/// The stages of macros, in their order.
const STAGES: &[u8] = b"CHMRTNE";

impl Model {
    pub(crate) fn new() -> Self {
        // Steps without a callback.
        let steps = Conn.without() | Helo.without() | Unknown.without();
        let offered = (0, 0);
        Self { state: Init, steps, negotiated: None, offered, macros: HashMap::new(), claim: None }
    }

    /// What an MTA would send next is a new message.
    pub(crate) fn lacks_mail(&self) -> bool {
        !matches!(self.state, Mail | Rcpt | Data | Header | Eoh | Body)
    }

    /// Nothing was said yet.
    pub(crate) fn is_new(&self) -> bool {
        self.state == Init
    }

    pub(crate) fn lacks_recipient(&self) -> bool {
        self.state == Mail && self.steps & NO_RCPT == 0
    }

    pub(crate) fn lacks_end_of_header(&self) -> bool {
        matches!(self.state, Mail | Rcpt | Data | Header)
    }

    fn reaches(&self, target: State) -> bool {
        let skipped = STATES.iter().skip_while(|state| **state != self.state).skip(1);
        let mut skipped = skipped.take_while(|state| self.steps & state.without() != 0);
        target.follows(self.state) || skipped.any(|state| target.follows(*state))
    }

    fn clear_macros_behind(&mut self, stage: u8) {
        let behind = STAGES.iter().skip_while(|own| **own != stage).skip(1);
        for stage in behind {
            self.macros.remove(stage);
        }
    }

    fn login(&self) -> Option<Vec<u8>> {
        let named = |stage| self.macros.get(stage)?.iter().find(|(name, _)| name == b"{auth_authen}");
        STAGES.iter().rev().find_map(named).map(|(_, value)| value.clone())
    }

    /// What is due for a packet. What it claims is noted; [`Model::answered`] is to be told what came.
    pub(crate) fn take(&mut self, packet: &Packet, settings: Settings) -> Due {
        let Packet(letter, data) = packet;
        if *letter == b'D' {
            return self.define(data);
        }
        let Some(target) = State::of(*letter) else { return Due::End };
        if !self.reaches(target) {
            if matches!(self.state, Mail | Rcpt | Data | Header | Eoh | Body) {
                self.claim = None;
            }
            self.state = Helo;
            if !self.reaches(target) {
                return if target == Quit { Due::End } else { Due::Nothing };
            }
        }
        if data.is_empty() && matches!(letter, b'B' | b'C' | b'H' | b'L' | b'M' | b'O' | b'R' | b'U') {
            return Due::End;
        }
        self.state = target;
        self.claimed(target, data, settings)
    }

    fn define(&mut self, data: &[u8]) -> Due {
        let Some((stage, rest)) = data.split_first() else { return Due::End };
        let strings = strings(rest);
        if STAGES.contains(stage) {
            let mut defined: Vec<Named> = Vec::new();
            for pair in strings.chunks_exact(2) {
                if !defined.iter().any(|(name, _)| *name == pair[0]) {
                    defined.push((pair[0].clone(), pair[1].clone()));
                }
            }
            self.macros.insert(*stage, defined);
        }
        Due::Nothing
    }

    fn claimed(&mut self, target: State, data: &[u8], settings: Settings) -> Due {
        match target {
            Opts => self.negotiate(data),
            Conn => {
                self.clear_macros_behind(b'C');
                Due::Answer
            }
            Helo => {
                self.clear_macros_behind(b'H');
                Due::Answer
            }
            Mail => self.mail(data, settings),
            Rcpt => {
                self.clear_macros_behind(b'R');
                let strings = strings(data);
                let Some(path) = strings.first() else { return Due::End };
                if let Some(claim) = &mut self.claim {
                    claim.recipients.push(path.clone());
                }
                self.unless(NOREPLY_RCPT)
            }
            Header => self.header(data),
            Body | Eom => {
                if let Some(claim) = &mut self.claim {
                    claim.body += data.len();
                }
                Due::Answer
            }
            Eoh => self.unless(NOREPLY_EOH),
            Data | Unknown => Due::Answer,
            Abort => {
                self.claim = None;
                Due::Nothing
            }
            QuitNc => {
                self.macros.clear();
                Due::Nothing
            }
            Quit | Init => Due::End,
        }
    }

    fn negotiate(&mut self, data: &[u8]) -> Due {
        self.macros.clear();
        let number =
            |at: usize| data.get(at..at + 4).map(|four| u32::from_be_bytes(four.try_into().unwrap()));
        let (Some(version), Some(actions), Some(steps)) = (number(0), number(4), number(8)) else {
            return Due::End;
        };
        self.offered = (actions, steps);
        if version < 2 { Due::End } else { Due::Answer }
    }

    fn header(&mut self, data: &[u8]) -> Due {
        let strings = strings(data);
        let [name, body, ..] = &strings[..] else { return Due::End };
        if name.is_empty() || data.last() != Some(&0) {
            return Due::End;
        }
        if let Some(claim) = &mut self.claim {
            claim.fields.push((name.clone(), body.clone()));
        }
        self.unless(NOREPLY_HEADER)
    }

    fn mail(&mut self, data: &[u8], settings: Settings) -> Due {
        self.clear_macros_behind(b'M');
        let mut strings = strings(data);
        if strings.is_empty() {
            return Due::End;
        }
        let path = strings.remove(0);
        self.claim = self.negotiated.map(|_| Claim {
            login: self.login(),
            path,
            parameters: strings,
            settings,
            ..Claim::default()
        });
        Due::Answer
    }

    fn unless(&self, no_reply: u32) -> Due {
        if self.steps & no_reply == 0 { Due::Answer } else { Due::Nothing }
    }

    /// Takes note of the answer to a packet.
    pub(crate) fn answered(&mut self, answer: u8) {
        let ends = match answer {
            b'a' => true,
            b'r' | b't' | b'd' | b'y' => !matches!(self.state, Rcpt | Unknown),
            _ => false,
        };
        if ends {
            self.state = Helo;
            self.claim = None;
        }
    }
}

/// The strings of a packet, each ended by NUL; what follows the last NUL is none.
pub(crate) fn strings(data: &[u8]) -> Vec<Vec<u8>> {
    let mut strings: Vec<_> = data.split(|octet| *octet == 0).map(<[u8]>::to_vec).collect();
    strings.pop();
    strings
}

//! A message as the MTA tells the milter of it, for tests of what is logged.

use super::milter::Milter;
use super::wire::{ACTIONS, Packet, STEPS, Wire};

/// Who sends what from where.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) client: String,
    pub(crate) login: String,
    pub(crate) queue_id: String,
    pub(crate) mail_from: String,
    pub(crate) from: String,
}

impl Submission {
    /// Of somebody who writes as this address, with or without a name.
    pub(crate) fn new(client: &str, login: &str, from: &str) -> Self {
        Self {
            client: client.into(),
            login: login.into(),
            queue_id: "4Xq".into(),
            mail_from: "<carl@example.org>".into(),
            from: from.into(),
        }
    }

    /// Sends it, and gives back the replies.
    pub(crate) fn send(&self, milter: &Milter) -> Vec<Packet> {
        let (mut wire, _) = Wire::negotiate(milter.socket(), ACTIONS, STEPS);
        wire.macros('M', &["{auth_authen}", &self.login, "{mail_addr}", "x", "{client_addr}", &self.client]);
        wire.send_strings('M', &[&self.mail_from]);
        wire.macros('L', &["i", &self.queue_id]);
        wire.send_strings('L', &["From", &format!(" {}", self.from)]);
        wire.macros('N', &["i", &self.queue_id]);
        wire.send('N', b"");
        wire.send('B', b"text\r\n");
        wire.macros('E', &["i", &self.queue_id]);
        wire.send('E', b"");
        wire.finish()
    }
}

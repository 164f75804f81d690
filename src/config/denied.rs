//! `[denied]`: what becomes of a message that is not allowed.

use super::Listen;
use super::fault::Fault;
use super::table::Table;
use super::value::{CONTACT, HOST_PORT};

/// `denied.relay`, where a Postfix on the same machine takes mail.
const RELAY: (&str, u16) = ("127.0.0.1", 25);

/// `[denied]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    /// `action`
    pub action: DeniedAction,
    /// `contact`: whom a refused person may ask; empty for nobody. Printable ASCII, at most 200 octets.
    pub contact: String,
}

/// What becomes of a message that is refused for its author or envelope sender.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DeniedAction {
    /// The client is told.
    Reject,
    /// It is dropped, and the submitter gets a report by mail.
    Bounce {
        /// The name or IP address of the SMTP server that takes reports, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
}

pub(super) fn read(table: &Table<'_>, listen: &Listen) -> Denied {
    let relay = table.text("relay", &HOST_PORT);
    // Without "bounce" it waits for its day: whoever goes back to "reject" for a while need not take it out.
    let (host, port) = relay.unwrap_or_else(|| (RELAY.0.to_owned(), RELAY.1));
    let bounce = table.choice("action", &[("reject", false), ("bounce", true)]) == Some(true);
    if bounce && matches!(listen, Listen::Inet { host: own, port: same } if (own, same) == (&host, &port)) {
        let what = "relay is where Postfix finds this program".to_owned();
        let remedy = "name an SMTP server that takes mail without a login";
        table.complain("relay", Fault::Contradiction { what, remedy });
    }
    let action = if bounce { DeniedAction::Bounce { host, port } } else { DeniedAction::Reject };
    Denied { action, contact: table.text("contact", &CONTACT).unwrap_or_default() }
}

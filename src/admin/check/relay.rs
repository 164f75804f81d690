//! The server that takes reports (`denied.relay`): whether it is there, and what it offers.

use super::report::Report;
use crate::bounce::relay::{Offers, Relay};
use crate::config::DeniedAction;

const RELAY: &str = "relay";

const AWAY: &str =
    "until it answers, messages that are not allowed are deferred (451); start it, or set denied.relay";
const REFUSES: &str = "no report can be sent, and the client is told instead (550); let this machine in, or set \
                       denied.relay; with unauthenticated = \"refuse\", it must be one that does not ask this program";
const NO_SMTPUTF8: &str =
    "who has only a mailbox that is not ASCII gets no report; with Postfix, set smtputf8_enable = yes";
const NO_EIGHT_BIT: &str = "a report that names an address that is not ASCII cannot be sent";

/// Connects and says who writes, and sends nothing.
pub(super) async fn check(action: &DeniedAction, report: &mut Report) {
    let DeniedAction::Bounce { host, port } = action else { return };
    let relay = Relay::new(host, *port);
    match relay.probe().await {
        Ok(offers) => {
            report.ok(RELAY, format!("{relay} takes mail"));
            tell(offers, &relay, report);
        }
        Err(error) if error.is_final() => report.error(RELAY, error.to_string(), Some(REFUSES)),
        Err(error) => report.unavailable(RELAY, error.to_string(), AWAY),
    }
}

fn tell(offers: Offers, relay: &Relay, report: &mut Report) {
    if !offers.smtputf8 {
        report.warning(RELAY, format!("{relay} does not offer SMTPUTF8"), NO_SMTPUTF8);
    }
    if !offers.eight_bit {
        report.warning(RELAY, format!("{relay} does not offer 8BITMIME"), NO_EIGHT_BIT);
    }
}

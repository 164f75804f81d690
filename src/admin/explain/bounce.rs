//! What `denied.action = "bounce"` makes of a refused message.

use crate::bounce::report::{self, Locality, Refused};
use crate::bounce::{self, original::Original};
use crate::grant::Submitter;
use crate::message::{Message, Recipient};
use crate::policy::Verdict;
use crate::reply;
use crate::site::Site;

/// Whether the submitter gets a report, and where it goes; none if that is no question. Nothing is known of the
/// recipients: one that wants a report is taken for granted.
pub(super) fn report<L>(
    site: &Site<L>,
    submitter: &Submitter,
    message: &Message,
    original: &Original,
    verdict: &Verdict,
) -> Option<String> {
    let Verdict::Refuse(refusal) = verdict else { return None };
    let address = site.bounces.as_ref().and(bounce::concerns(refusal))?;
    let mut envelope = message.envelope.clone();
    envelope.recipients.push(Recipient::read([&b"<to@recipient.invalid>"[..]].into_iter()));
    let envelope = &envelope;
    let refused = Refused { submitter, envelope, original, queue_id: "", address, reply: "", contact: "" };
    Some(match report::draft(refused, Locality::of(&site.rules)) {
        Ok(draft) => {
            let to = reply::printable(&draft.to().to_string());
            format!("to <{to}>, and the message is dropped")
        }
        Err(why) => format!("none: {}", reply::printable(&why.to_string())),
    })
}

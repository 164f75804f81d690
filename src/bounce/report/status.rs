//! The part of a report for programs: the fields of RFC 3464, of the message and of each recipient.

use mail_builder::headers::date::Date;

use crate::address::Address;
use crate::message::Recipient;
use crate::reply::printable;

/// The longest value that a client gives in a parameter and that is passed on, in octets (RFC 3461 section 5.4: 100 for
/// ENVID, 500 for ORCPT).
const MAX_VALUE: usize = 500;

/// A recipient that the report names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    address: Option<Address>,
    path: String,
    /// `Original-Recipient`: the type of the address, and the address.
    original: Option<(String, String)>,
}

/// Those of the recipients that want a report.
pub(super) fn listed(recipients: &[Recipient]) -> Vec<Listed> {
    recipients.iter().filter(|recipient| wants_report(&recipient.parameters)).map(Listed::new).collect()
}

/// RFC 3461 section 4.1: without NOTIFY, or with FAILURE in it. `NEVER` stands alone.
fn wants_report(parameters: &[String]) -> bool {
    parameter(parameters, "NOTIFY")
        .is_none_or(|notify| notify.split(',').any(|word| word.trim().eq_ignore_ascii_case("FAILURE")))
}

/// The value of an ESMTP parameter.
fn parameter<'a>(parameters: &'a [String], name: &str) -> Option<&'a str> {
    let values = parameters.iter().filter_map(|parameter| parameter.split_once('='));
    values.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

/// RFC 3461 section 4.4: what the client calls the message, if it can stand in a field.
pub(super) fn envelope_id(parameters: &[String]) -> Option<String> {
    ascii(&from_xtext(parameter(parameters, "ENVID")?)?)
}

/// RFC 3464 section 2.2. The name of the server comes from the server.
pub(super) fn message_fields(envelope_id: Option<&str>, mta: &str, now: i64) -> String {
    let id = envelope_id.map(|id| format!("Original-Envelope-Id: {id}\r\n")).unwrap_or_default();
    let (mta, date) = (printable(mta), Date::new(now).to_rfc822());
    format!("{id}Reporting-MTA: dns; {mta}\r\nArrival-Date: {date}\r\n")
}

impl Listed {
    fn new(recipient: &Recipient) -> Self {
        Self {
            address: recipient.address.clone(),
            path: printable(&recipient.path),
            original: parameter(&recipient.parameters, "ORCPT").and_then(original),
        }
    }

    /// As people read it.
    pub(super) fn shown(&self) -> String {
        self.address.as_ref().map_or_else(|| self.path.clone(), Address::to_string)
    }

    pub(super) fn is_ascii(&self) -> bool {
        let original = self.original.as_ref().is_none_or(|(_, address)| address.is_ascii());
        original && self.address.as_ref().is_none_or(Address::is_ascii)
    }

    /// RFC 3464 section 2.3; RFC 6533 section 3 for the type of an address that is not ASCII.
    pub(super) fn fields(&self, reply: &str) -> String {
        let shown = self.shown();
        let kind = if shown.is_ascii() { "rfc822" } else { "utf-8" };
        let original = self.original.as_ref();
        let original = original.map(|(kind, address)| format!("Original-Recipient: {kind}; {address}\r\n"));
        format!(
            "{}Final-Recipient: {kind}; {shown}\r\nAction: failed\r\nStatus: 5.7.1\r\n\
             Diagnostic-Code: smtp; {reply}\r\n",
            original.unwrap_or_default()
        )
    }
}

/// RFC 3461 section 4.2 and RFC 6533 section 3: the type and the address of ORCPT. The field is left out where the
/// client's value cannot stand in it (RFC 3464 section 2.3.1 does not want it then).
fn original(value: &str) -> Option<(String, String)> {
    let (kind, address) = value.split_once(';')?;
    let is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_atom || value.len() > MAX_VALUE {
        return None;
    }
    let address = if kind.eq_ignore_ascii_case("utf-8") {
        international(address)
    } else {
        ascii(&from_xtext(address)?)
    };
    Some((kind.to_owned(), address?))
}

/// RFC 6533 section 3: either of its forms may stand in the report as it came. Nothing that ends a line, and nothing
/// that misleads.
fn international(text: &str) -> Option<String> {
    let fits = !text.is_empty() && !text.chars().any(|c| c == ' ' || crate::address::is_forbidden(c));
    fits.then(|| text.to_owned())
}

/// Printable ASCII on one line.
fn ascii(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?.trim();
    let fits = !text.is_empty() && text.len() <= MAX_VALUE && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    fits.then(|| text.to_owned())
}

/// RFC 3461 section 4: `+` and two hexadecimal digits stand for an octet.
fn from_xtext(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(if octet == b'+' { digit(rest.next()?)? * 16 + digit(rest.next()?)? } else { octet });
    }
    Some(octets)
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

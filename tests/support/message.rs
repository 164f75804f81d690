//! Messages: what is sent, and what was delivered of it: envelope, header fields in order, bytes.

use super::text::escape;

/// A message of which only the author matters.
pub(crate) fn from(author: &str) -> Vec<u8> {
    format!("From: {author}\r\nTo: to@sink.example\r\nSubject: test\r\n\r\nHello.\r\n").into_bytes()
}

/// A message as a server that Postfix delivered it to got it.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Delivery {
    /// What stood behind `MAIL FROM:`, as it came.
    pub(crate) mail: String,
    /// What stood behind each `RCPT TO:`.
    pub(crate) recipients: Vec<String>,
    /// The message, without dot-stuffing, and with all that Postfix added.
    pub(crate) data: Vec<u8>,
}

impl Delivery {
    /// The envelope sender with its angle brackets.
    pub(crate) fn envelope_sender(&self) -> &str {
        self.mail.split_once(' ').map_or(self.mail.as_str(), |(path, _)| path)
    }

    /// The ESMTP parameters of MAIL, sorted, but SIZE, which depends on what stands in the message.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        let parameters = self.mail.split(' ').skip(1);
        let mut parameters: Vec<_> = parameters.filter(|parameter| !parameter.starts_with("SIZE=")).collect();
        parameters.sort_unstable();
        parameters
    }

    /// The message without the Received field that our own Postfix put at its top.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut fields = fields(&self.data).into_iter();
        let received = fields.next().filter(|field| field.name() == "Received");
        let received = received.unwrap_or_else(|| panic!("no Received at the top of {self:?}"));
        self.data[received.0.len()..].to_vec()
    }

    /// The whole fields of the message, in order, without Postfix's own Received.
    pub(crate) fn fields(&self) -> Vec<Vec<u8>> {
        fields(&self.message()).into_iter().map(|field| field.0.to_vec()).collect()
    }

    /// The bodies of the fields with this name, unfolded and trimmed.
    pub(crate) fn field(&self, name: &str) -> Vec<String> {
        let message = self.message();
        let named = fields(&message).into_iter().filter(|field| field.name().eq_ignore_ascii_case(name));
        named.map(|field| field.body()).collect()
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "MAIL FROM:{}", self.mail)?;
        self.recipients.iter().try_for_each(|recipient| writeln!(f, "RCPT TO:{recipient}"))?;
        self.data
            .split_inclusive(|b| *b == b'\n')
            .take(40)
            .try_for_each(|line| writeln!(f, "  {}", escape(line)))
    }
}

/// One header field, with its line ends.
pub(crate) struct Field<'a>(&'a [u8]);

impl Field<'_> {
    fn name(&self) -> String {
        let name = self.0.split(|b| *b == b':').next().unwrap_or_default();
        String::from_utf8_lossy(name).trim_end().to_owned()
    }

    fn body(&self) -> String {
        let colon = self.0.iter().position(|b| *b == b':').unwrap_or(self.0.len() - 1);
        let body = String::from_utf8_lossy(&self.0[colon + 1..]).into_owned();
        body.replace("\r\n", "").trim().to_owned()
    }
}

/// The header fields of a message (RFC 5322 section 2.2): up to the first line that is none.
pub(crate) fn fields(message: &[u8]) -> Vec<Field<'_>> {
    let mut ends = Vec::new();
    let mut end = 0;
    for line in message.split_inclusive(|b| *b == b'\n') {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let begins = !folded && line.contains(&b':');
        if folded && !ends.is_empty() {
            ends.pop();
        } else if !begins {
            break;
        }
        end += line.len();
        ends.push(end);
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| Field(&message[start..*end])).collect()
}

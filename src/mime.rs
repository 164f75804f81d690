//! The parts of a message body by offset (RFC 2045, RFC 2046).

/// The MIME header fields at the top of a message, as the milter collected them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fields {
    /// The value of Content-Type, as it stands.
    pub content_type: Option<Vec<u8>>,
    /// The value of Content-Transfer-Encoding, as it stands.
    pub transfer_encoding: Option<Vec<u8>>,
    /// A field stood there more than once, or was too long to be kept: nothing of the body is read.
    pub repeated: bool,
}

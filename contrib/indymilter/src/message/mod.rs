// indymilter – asynchronous milter library
// Copyright © 2021–2024 David Bürgin <dbuergin@gluet.ch>
//
// This program is free software: you can redistribute it and/or modify it under
// the terms of the GNU General Public License as published by the Free Software
// Foundation, either version 3 of the License, or (at your option) any later
// version.
//
// This program is distributed in the hope that it will be useful, but WITHOUT
// ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS
// FOR A PARTICULAR PURPOSE. See the GNU General Public License for more
// details.
//
// You should have received a copy of the GNU General Public License along with
// this program. If not, see <https://www.gnu.org/licenses/>.

//! Milter protocol messages.
//!
//! This module contains low-level protocol helpers.

pub mod command;
pub mod reply;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::{
    ascii,
    error::Error,
    ffi::{CStr, CString},
    fmt::{self, Debug, Display, Formatter, Write},
    io::{self, ErrorKind},
};

/// The type of the milter protocol version.
pub type Version = u32;

/// Milter protocol version.
pub const PROTOCOL_VERSION: Version = 6;

/// A milter protocol message.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Message {
    /// The message kind.
    pub kind: u8,
    /// The message payload buffer.
    pub buffer: Bytes,
}

impl Message {
    // Limit length of message buffer somewhat arbitrarily to 1 MB. Else if
    // someone erroneously sends a jumbo message we would spend a lot of time
    // and memory reading/writing it.
    //
    // Support for the experimental, negotiable custom `Maxdatasize` feature of
    // libmilter is not implemented.
    const MAX_BUFFER_LEN: usize = 1024 * 1024 - 1;

    /// Creates a new message with the given kind and payload buffer.
    pub fn new(kind: impl Into<u8>, buffer: impl Into<Bytes>) -> Self {
        Self {
            kind: kind.into(),
            buffer: buffer.into(),
        }
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &Byte(self.kind))
            .field("buffer", &self.buffer)
            .finish()
    }
}

pub(crate) struct Byte(pub u8);

impl Debug for Byte {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("b'")?;

        match self.0 {
            b'\0' => f.write_str("\\0")?,
            b'"' => f.write_str("\"")?,
            byte => {
                for c in ascii::escape_default(byte) {
                    f.write_char(c.into())?;
                }
            }
        }

        f.write_str("'")?;

        Ok(())
    }
}

/// An error that occurs when conversion from a wire format byte fails.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TryFromByteError(u8);

impl TryFromByteError {
    pub(crate) fn new(byte: u8) -> Self {
        Self(byte)
    }

    /// Returns the byte that caused the conversion error.
    pub fn byte(&self) -> u8 {
        self.0
    }
}

impl Display for TryFromByteError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "failed to convert byte {:?}", Byte(self.0))
    }
}

impl Error for TryFromByteError {}

/// An error that occurs when conversion from a wire format index fails.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TryFromIndexError(i32);

impl TryFromIndexError {
    pub(crate) fn new(index: i32) -> Self {
        Self(index)
    }

    /// Returns the index that caused the conversion error.
    pub fn index(&self) -> i32 {
        self.0
    }
}

impl Display for TryFromIndexError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "failed to convert index {}", self.0)
    }
}

impl Error for TryFromIndexError {}

// The length that a message starts with counts its kind and its buffer.
const LEN_SIZE: usize = 4;

// The length of a whole message that starts like this; none if that is not
// known yet.
fn message_len(input: &[u8]) -> Option<usize> {
    let (len, _) = input.split_first_chunk::<LEN_SIZE>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).expect("unsupported pointer size");

    // Also a message of no length has a kind.
    Some(LEN_SIZE.saturating_add(len.max(1)))
}

/// Takes a milter protocol message from what has been read so far, if it is
/// there as a whole.
pub fn take(input: &mut BytesMut) -> io::Result<Option<Message>> {
    let Some(len) = message_len(input) else {
        return Ok(None);
    };

    if len > LEN_SIZE + 1 + Message::MAX_BUFFER_LEN {
        return Err(ErrorKind::InvalidData.into());
    }
    if input.len() < len {
        return Ok(None);
    }

    let mut msg = input.split_to(len).freeze();
    msg.advance(LEN_SIZE);
    let kind = msg.get_u8();

    Ok(Some(Message::new(kind, msg)))
}

/// How much is missing of the message that the input starts with, as far as
/// that is known.
pub fn missing(input: &[u8]) -> usize {
    message_len(input).map_or(0, |len| len.saturating_sub(input.len()))
}

/// Puts a milter protocol message behind what is to be written.
pub fn put(output: &mut BytesMut, msg: &Message) -> io::Result<()> {
    let len = msg.buffer.len();

    if len > Message::MAX_BUFFER_LEN {
        return Err(ErrorKind::InvalidData.into());
    }

    let len = u32::try_from(len).unwrap().checked_add(1).unwrap();

    output.put_u32(len);
    output.put_u8(msg.kind);
    output.put_slice(&msg.buffer);

    Ok(())
}

struct NoCStringFoundError;

fn get_c_string(buf: &mut Bytes) -> Result<CString, NoCStringFoundError> {
    let s = CStr::from_bytes_until_nul(buf).map_err(|_| NoCStringFoundError)?;
    let s = CString::from(s);
    buf.advance(s.as_bytes_with_nul().len());
    Ok(s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_debug_ok() {
        assert_eq!(format!("{:?}", Byte(b'\0')), r"b'\0'");
        assert_eq!(format!("{:?}", Byte(b'\n')), r"b'\n'");
        assert_eq!(format!("{:?}", Byte(b'\'')), r"b'\''");
        assert_eq!(format!("{:?}", Byte(b'"')), r#"b'"'"#);
        assert_eq!(format!("{:?}", Byte(b'a')), r"b'a'");
        assert_eq!(format!("{:?}", Byte(b' ')), r"b' '");
        assert_eq!(format!("{:?}", Byte(b'\x07')), r"b'\x07'");
        assert_eq!(format!("{:?}", Byte(b'\xef')), r"b'\xef'");
    }

    #[test]
    fn message_debug_ok() {
        assert_eq!(
            format!("{:?}", Message::new(b'A', "abc\0")),
            r#"Message { kind: b'A', buffer: b"abc\0" }"#
        );
        assert_eq!(
            format!("{:?}", Message::new(b'\0', "")),
            r#"Message { kind: b'\0', buffer: b"" }"#
        );
    }

    #[test]
    fn try_from_byte_error_debug() {
        assert_eq!(
            TryFromByteError(b'x').to_string(),
            "failed to convert byte b'x'"
        );
    }

    #[test]
    fn take_message() {
        let mut input = BytesMut::from(&b"\0\0\0\x02xyz"[..]);

        assert_eq!(take(&mut input).unwrap(), Some(Message::new(b'x', "y")));
        assert_eq!(take(&mut input).unwrap(), None);
        assert_eq!(input, &b"z"[..]);
    }

    #[test]
    fn take_message_in_pieces() {
        let msg = b"\0\0\0\x04xabc";
        let mut input = BytesMut::new();

        for (i, byte) in msg.iter().enumerate() {
            assert_eq!(take(&mut input).unwrap(), None);
            assert_eq!(missing(&input), if i < 4 { 0 } else { msg.len() - i });
            input.put_u8(*byte);
        }

        assert_eq!(take(&mut input).unwrap(), Some(Message::new(b'x', "abc")));
        assert!(input.is_empty());
    }

    #[test]
    fn take_message_without_length() {
        let mut input = BytesMut::from(&b"\0\0\0\0xy"[..]);

        assert_eq!(take(&mut input).unwrap(), Some(Message::new(b'x', "")));
        assert_eq!(input, &b"y"[..]);
    }

    #[test]
    fn take_message_too_long() {
        let len = u32::try_from(Message::MAX_BUFFER_LEN).unwrap();

        let mut input = BytesMut::from(&(len + 1).to_be_bytes()[..]);
        assert_eq!(take(&mut input).unwrap(), None);

        let mut input = BytesMut::from(&(len + 2).to_be_bytes()[..]);
        assert_eq!(take(&mut input).unwrap_err().kind(), ErrorKind::InvalidData);

        let mut input = BytesMut::from(&u32::MAX.to_be_bytes()[..]);
        assert_eq!(take(&mut input).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn put_messages() {
        let mut output = BytesMut::new();

        put(&mut output, &Message::new(b'x', "abc")).unwrap();
        put(&mut output, &Message::new(b'y', "")).unwrap();

        assert_eq!(output, &b"\0\0\0\x04xabc\0\0\0\x01y"[..]);
    }
}

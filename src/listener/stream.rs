//! A stream that sends each answer in one write.
//!
//! A milter packet is a length of four octets, a letter, and data; indymilter flushes after each packet, and may write it in
//! pieces. Modifications are not answered: they are held back until the reply that ends the message goes out with them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More than this is sent without waiting for the reply.
const MAX_HELD: usize = 64 * 1024;

/// What is kept for the next reply; a body that was replaced takes more.
const KEPT: usize = 1024;

/// A stream that holds modifications back until a reply follows.
#[derive(Debug)]
pub struct OneWrite<S> {
    stream: S,
    held: Vec<u8>,
    /// How much of `held` has been sent.
    sent: usize,
    /// Where in `held` the packet begins that is not yet complete. Flushes come between packets.
    packet: usize,
    /// Whether the last complete packet is one that the MTA waits for.
    replied: bool,
}

impl<S> OneWrite<S> {
    /// Wraps a stream on which the milter's side of the protocol is written.
    pub fn new(stream: S) -> Self {
        Self { stream, held: Vec::new(), sent: 0, packet: 0, replied: true }
    }

    /// Looks at the packets that have become complete.
    fn scan(&mut self) {
        while let Some([a, b, c, d, kind, ..]) = self.held.get(self.packet..) {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            if self.held.len() - self.packet < 4 + length {
                return;
            }
            self.replied = !is_modification(*kind);
            self.packet += 4 + length;
        }
    }
}

/// The packets that nobody answers (`SMFIR_ADDHEADER` to `SMFIR_QUARANTINE` in `libmilter/mfdef.h`).
fn is_modification(kind: u8) -> bool {
    matches!(kind, b'h' | b'i' | b'm' | b'+' | b'2' | b'-' | b'b' | b'e' | b'q')
}

impl<S: AsyncWrite + Unpin> OneWrite<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        self.held.clear();
        self.held.shrink_to(KEPT);
        (self.sent, self.packet) = (0, 0);
        Pin::new(&mut self.stream).poll_flush(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for OneWrite<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for OneWrite<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.held.len() >= MAX_HELD && this.packet == this.held.len() {
            ready!(this.poll_send(context))?;
        }
        this.held.extend_from_slice(bytes);
        this.scan();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.replied { this.poll_send(context) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Counts the writes that reach the other end.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl AsyncWrite for Writes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(data.len() + 1).unwrap().to_be_bytes().to_vec();
        packet.push(kind);
        packet.extend_from_slice(data);
        packet
    }

    /// Writes packets in pieces: length, letter, data; and flushes.
    async fn send(stream: &mut OneWrite<Writes>, packet: &[u8]) {
        for piece in [&packet[..4], &packet[4..5], &packet[5..]] {
            stream.write_all(piece).await.unwrap();
        }
        stream.flush().await.unwrap();
    }

    #[tokio::test]
    async fn modifications_leave_with_the_reply() {
        let mut stream = OneWrite::new(Writes::default());
        let packets = [packet(b'm', b"\0\0\0\x02Sender\0\0"), packet(b'e', b"<a@x>\0"), packet(b'a', b"")];
        for packet in &packets {
            send(&mut stream, packet).await;
        }
        assert_eq!(stream.stream.0, [packets.concat()]);
    }

    #[tokio::test]
    async fn every_reply_is_one_write() {
        let mut stream = OneWrite::new(Writes::default());
        let packets = [packet(b'c', b""), packet(b'p', b""), packet(b'y', b"550 5.7.1 no\0")];
        for packet in &packets {
            send(&mut stream, packet).await;
        }
        assert_eq!(stream.stream.0, packets);
    }

    #[tokio::test]
    async fn what_is_read_passes_through() {
        let (mut client, server) = tokio::io::duplex(16);
        let mut stream = OneWrite::new(server);
        client.write_all(b"abc").await.unwrap();
        let mut buffer = [0; 3];
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"abc");
    }
}

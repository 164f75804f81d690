// indymilter – asynchronous milter library
// Copyright © 2021–2022 David Bürgin <dbuergin@gluet.ch>
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

use crate::message::{self, reply::Reply, Message};
use bytes::BytesMut;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Mutex,
    time::{self, Instant},
};
use tracing::trace;

// What a connection keeps for reading: the envelope and the header of a usual
// message fit.
const BUFFER_SIZE: usize = 8 * 1024;

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S> Io for S where S: AsyncRead + AsyncWrite + Unpin + Send {}

struct Stream {
    io: Box<dyn Io>,
    // What has been read and not yet been taken. Being kept here, it outlives a
    // call of `read_message` that is dropped halfway.
    input: BytesMut,
    has_grown: bool,
    output: BytesMut,
}

impl Stream {
    async fn read(&mut self, deadline: Instant) -> io::Result<Message> {
        loop {
            if let Some(msg) = message::take(&mut self.input)? {
                return Ok(msg);
            }

            self.make_room();

            let read = self.io.read_buf(&mut self.input);

            if time::timeout_at(deadline, read).await?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn make_room(&mut self) {
        // What a large message took is given back when nothing is left of it.
        if self.input.is_empty() && self.has_grown {
            self.input = BytesMut::with_capacity(BUFFER_SIZE);
            self.has_grown = false;
        }

        let more = match message::missing(&self.input) {
            0 => BUFFER_SIZE / 2,
            missing => missing,
        };

        self.has_grown |= self.input.len() + more > BUFFER_SIZE;
        self.input.reserve(more);
    }

    async fn write(&mut self, msg: Message) -> io::Result<()> {
        self.output.clear();

        message::put(&mut self.output, &msg)?;

        self.io.write_all(&self.output).await?;

        if self.output.capacity() > BUFFER_SIZE {
            self.output = BytesMut::new();
        }

        self.io.flush().await
    }
}

// A connection can be cloned. Cloned connections all carry a handle to the
// stream, which is dropped together with the last of them.
//
// Note that in a milter session, a connection is only ever read from or written
// to serially. However, during the eom stage, a clone of the connection is used
// to write replies from the eom callback. Nobody ever waits for the lock.
#[derive(Clone)]
pub struct Connection {
    stream: Arc<Mutex<Stream>>,
    timeout: Duration,
}

impl Connection {
    pub fn new<S>(stream: S, timeout: Duration) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = Stream {
            io: Box::new(stream),
            input: BytesMut::with_capacity(BUFFER_SIZE),
            has_grown: false,
            output: BytesMut::new(),
        };

        Self {
            stream: Arc::new(Mutex::new(stream)),
            timeout,
        }
    }

    // Returns the next message, if it has already been read.
    pub fn next_message(&self) -> io::Result<Option<Message>> {
        let msg = match self.stream.try_lock() {
            Ok(mut stream) => message::take(&mut stream.input)?,
            Err(_) => None,
        };

        if let Some(msg) = &msg {
            trace!(?msg, "message read");
        }

        Ok(msg)
    }

    // Dropping the future of this method loses nothing: what has been read is
    // there for the next call.
    pub async fn read_message(&self) -> io::Result<Message> {
        let deadline = Instant::now() + self.timeout;

        let result = self.stream.lock().await.read(deadline).await;

        if let Ok(msg) = &result {
            trace!(?msg, "message read");
        }

        result
    }

    pub async fn write_reply(&self, reply: Reply) -> io::Result<()> {
        let msg = reply.into_message();

        self.write_message(msg).await
    }

    pub async fn write_message(&self, msg: Message) -> io::Result<()> {
        trace!(?msg, "writing message");

        let mut stream = self.stream.lock().await;

        time::timeout(self.timeout, stream.write(msg)).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use tokio::{io::AsyncReadExt, join};

    #[tokio::test]
    async fn multiple_connections() {
        let (mut client, stream) = tokio::io::duplex(100);

        let conn1 = Connection::new(stream, Duration::from_secs(30));
        let conn2 = conn1.clone();

        // First, read from and write to the first connection.

        client.write_all(b"\0\0\0\x03xyz").await.unwrap();

        let msg = conn1.read_message().await.unwrap();
        assert_eq!(msg, Message::new(b'x', "yz"));
        conn1.write_message(msg).await.unwrap();

        let mut buffer = vec![0; 7];
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(buffer, b"\0\0\0\x03xyz");

        // Drop the first connection and continue using the second connection.

        drop(conn1);

        let msg = Message::new(b'x', "abc");
        conn2.write_message(msg).await.unwrap();

        let mut buffer = vec![0; 8];
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(buffer, b"\0\0\0\x04xabc");

        // Drop the second and last remaining connection, closing the stream.

        drop(conn2);

        let e = client.read_u8().await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn reading_can_be_given_up_halfway() {
        let (mut client, stream) = tokio::io::duplex(100);
        let conn = Connection::new(stream, Duration::from_secs(30));

        client.write_all(b"\0\0\0\x04xa").await.unwrap();

        tokio::select! {
            biased;
            _ = conn.read_message() => panic!("half a message was read"),
            _ = tokio::task::yield_now() => {}
        }

        client.write_all(b"bc\0\0\0\x01y").await.unwrap();

        assert_eq!(
            conn.read_message().await.unwrap(),
            Message::new(b'x', "abc")
        );
        assert_eq!(conn.read_message().await.unwrap(), Message::new(b'y', ""));
    }

    #[tokio::test]
    async fn large_messages() {
        let (mut client, stream) = tokio::io::duplex(100);
        let conn = Connection::new(stream, Duration::from_secs(30));

        let big = Message::new(b'x', vec![b'a'; 200_000]);
        let mut sent = BytesMut::new();
        for msg in [&big, &Message::new(b'y', "b"), &big] {
            message::put(&mut sent, msg).unwrap();
        }

        let ((), ()) = join!(async { client.write_all(&sent).await.unwrap() }, async {
            assert_eq!(conn.read_message().await.unwrap(), big);
            assert_eq!(conn.read_message().await.unwrap(), Message::new(b'y', "b"));
            assert_eq!(conn.read_message().await.unwrap(), big);
        });

        client.write_all(b"\0\0\0\x01z").await.unwrap();
        assert_eq!(conn.read_message().await.unwrap(), Message::new(b'z', ""));

        // Written ones are given back too.
        let (written, mut read) = (conn.clone(), vec![0; 200_005]);
        let ((), _) = join!(
            async { written.write_message(big).await.unwrap() },
            async { client.read_exact(&mut read).await.unwrap() },
        );
        let stream = conn.stream.lock().await;
        assert!(stream.input.capacity() <= BUFFER_SIZE);
        assert!(stream.output.capacity() <= BUFFER_SIZE);
    }

    #[tokio::test]
    async fn connection_timeout() {
        let (_client, stream) = tokio::io::duplex(1);
        let conn = Connection::new(stream, Duration::from_millis(1));

        let e = conn.read_message().await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::TimedOut);

        // The message does not fit, and nobody reads.
        let e = conn.write_message(Message::new(b'x', "abc")).await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::TimedOut);
    }
}

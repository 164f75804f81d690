//! The SMTP server that takes reports (`denied.relay`). The only file that speaks SMTP.
//!
//! One connection for each report, without TLS: the server is the site's own, mostly on the same machine. The whole
//! conversation has [`LIMIT`]; what is not finished then has failed.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use super::report::Report;
use crate::reply::printable;

/// How long a report may take. Postfix waits 300 s at the end of a message (`milter_content_timeout`), and its clients
/// as long for its answer (RFC 5321 section 4.5.3.2.6: 10 minutes).
pub const LIMIT: Duration = Duration::from_secs(20);

/// How long the server may take to say good-bye; nothing depends on it.
const GOOD_BYE: Duration = Duration::from_secs(5);

/// Why a report was not taken. Its text is fit for a log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RelayError {
    /// Nobody answers there, the connection broke, or what came back is not SMTP.
    #[error("{relay}: {why}")]
    Unreachable {
        /// Which server.
        relay: String,
        /// What happened.
        why: String,
    },
    /// It took longer than [`LIMIT`].
    #[error("{relay}: no answer within {} s", LIMIT.as_secs())]
    Slow {
        /// Which server.
        relay: String,
    },
    /// The connection broke, or was given up, after the report was sent and before the answer.
    #[error("{relay}: no answer to the report; it may have taken it")]
    Unanswered {
        /// Which server.
        relay: String,
    },
    /// A reply of 4xx.
    #[error("{relay} refuses for now: {reply}")]
    Later {
        /// Which server.
        relay: String,
        /// What it says.
        reply: String,
    },
    /// A reply of 5xx.
    #[error("{relay} refuses: {reply}")]
    Never {
        /// Which server.
        relay: String,
        /// What it says.
        reply: String,
    },
    /// It lacks an extension without which this report cannot go.
    #[error("{relay} does not offer {extension}")]
    Lacks {
        /// Which server.
        relay: String,
        /// `SMTPUTF8`, `8BITMIME`
        extension: &'static str,
    },
}

impl RelayError {
    /// Whether it would be the same again later.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Never { .. } | Self::Lacks { .. } => true,
            Self::Unreachable { .. } | Self::Slow { .. } | Self::Unanswered { .. } | Self::Later { .. } => {
                false
            }
        }
    }

    /// The same, had it happened once the report was sent.
    fn after_it_was_sent(self) -> Self {
        match self {
            Self::Unreachable { relay, .. } | Self::Slow { relay } | Self::Unanswered { relay } => {
                Self::Unanswered { relay }
            }
            Self::Later { .. } | Self::Never { .. } | Self::Lacks { .. } => self,
        }
    }

    /// Whether the server may have taken the report all the same.
    pub fn may_have_gone(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Unreachable { .. }
            | Self::Slow { .. }
            | Self::Later { .. }
            | Self::Never { .. }
            | Self::Lacks { .. } => false,
        }
    }
}

/// What a server offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offers {
    /// RFC 6531
    pub smtputf8: bool,
    /// RFC 6152
    pub eight_bit: bool,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Relay {
    host: String,
    port: u16,
}

impl Relay {
    /// The server at this name or IP address (without brackets) and port.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// Hands a report over. Once this is done, the server answers for it. `name` is what we call ourselves.
    ///
    /// # Errors
    ///
    /// The server did not say that it took the report. If it has taken it all the same
    /// ([`RelayError::may_have_gone`]), it goes out twice, with the same Message-ID.
    pub async fn hand_over(&self, report: &Report, name: Option<&str>) -> Result<(), RelayError> {
        let is_sent = AtomicBool::new(false);
        let result = self.bounded(async {
            let mut connection = self.connect(name).await?;
            let parameters =
                parameters(report, offers(&connection)).map_err(|extension| self.lacks(extension))?;
            let result = converse(&mut connection, report, parameters, &is_sent).await;
            // Its answer changes nothing any more, so nobody waits for it.
            tokio::spawn(async move { tokio::time::timeout(GOOD_BYE, connection.quit()).await.is_ok() });
            result.map_err(|error| self.failure(&error))
        });
        result.await.map_err(|error| if is_sent.load(Relaxed) { error.after_it_was_sent() } else { error })
    }

    /// Connects, asks what the server offers, and whether it takes mail without a login and without a sender; sends
    /// nothing.
    ///
    /// # Errors
    ///
    /// There is no such server, or it takes no such mail.
    pub async fn probe(&self) -> Result<Offers, RelayError> {
        self.bounded(async {
            let mut connection = self.connect(None).await?;
            let offers = offers(&connection);
            let taken = connection.command(Mail::new(None, Vec::new())).await;
            let _ = tokio::time::timeout(GOOD_BYE, connection.quit()).await;
            taken.map(|_| offers).map_err(|error| self.failure(&error))
        })
        .await
    }

    async fn connect(&self, name: Option<&str>) -> Result<AsyncSmtpConnection, RelayError> {
        let name = name.map_or_else(ClientId::default, |name| ClientId::Domain(name.to_owned()));
        let server = (self.host.as_str(), self.port);
        let connection = AsyncSmtpConnection::connect_tokio1(server, Some(LIMIT), &name, None, None).await;
        connection.map_err(|error| self.failure(&error))
    }

    /// The result, or what stands for a conversation without end. lettre unwraps a word of what the server says: its
    /// panic is this server's fault, and only this.
    async fn bounded<T>(
        &self,
        conversation: impl Future<Output = Result<T, RelayError>>,
    ) -> Result<T, RelayError> {
        let conversation = AssertUnwindSafe(conversation).catch_unwind();
        match tokio::time::timeout(LIMIT, conversation).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(self.unreachable("what it says is not SMTP".to_owned())),
            Err(_elapsed) => Err(RelayError::Slow { relay: self.to_string() }),
        }
    }

    fn failure(&self, error: &Error) -> RelayError {
        let (relay, text) = (self.to_string(), printable(&error.to_string()));
        if error.is_permanent() {
            RelayError::Never { relay, reply: text }
        } else if error.is_transient() {
            RelayError::Later { relay, reply: text }
        } else if error.is_timeout() {
            RelayError::Slow { relay }
        } else {
            self.unreachable(text)
        }
    }

    fn unreachable(&self, why: String) -> RelayError {
        RelayError::Unreachable { relay: self.to_string(), why }
    }

    fn lacks(&self, extension: &'static str) -> RelayError {
        RelayError::Lacks { relay: self.to_string(), extension }
    }
}

impl std::fmt::Display for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn offers(connection: &AsyncSmtpConnection) -> Offers {
    let server = connection.server_info();
    Offers {
        smtputf8: server.supports_feature(Extension::SmtpUtfEight),
        eight_bit: server.supports_feature(Extension::EightBitMime),
    }
}

/// The parameters of MAIL that the report needs, or the extension that is missing.
fn parameters(report: &Report, offers: Offers) -> Result<Vec<MailParameter>, &'static str> {
    let mut parameters = Vec::new();
    if !report.octets.is_ascii() {
        if !offers.eight_bit {
            return Err("8BITMIME");
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    if !report.to.is_ascii() {
        if !offers.smtputf8 {
            return Err("SMTPUTF8");
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    Ok(parameters)
}

/// RFC 3464 section 2: the envelope sender of a report is null, so that nobody reports on it.
async fn converse(
    connection: &mut AsyncSmtpConnection,
    report: &Report,
    parameters: Vec<MailParameter>,
    is_sent: &AtomicBool,
) -> Result<(), Error> {
    let to = report.to.to_string();
    let (local, domain) = to.rsplit_once('@').unwrap_or((&to, ""));
    connection.command(Mail::new(None, parameters)).await?;
    connection.command(Rcpt::new(Address::new_dangerous(local, domain), Vec::new())).await?;
    connection.command(Data).await?;
    is_sent.store(true, Relaxed);
    connection.message(&report.octets).await?;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;

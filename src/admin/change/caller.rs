//! As whom is written: somebody with a name and a password, or whom the transport proves. Never the milter's account
//! unless the caller is it: who may run a command on the mail server is not yet who may change the directory.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use tokio::sync::OnceCell;

use super::ChangeError;
use crate::config::{Bind, Config, Password, PasswordError, Server, Transport, read_password};
use crate::directory::ldap::LdapDirectory;
use crate::open;
use crate::reply;

/// Who asks for a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Somebody with a password.
    Simple {
        /// The name to log in with.
        dn: String,
        /// The file with the password; without it, the terminal is asked.
        password_file: Option<PathBuf>,
    },
    /// Whom the transport proves (SASL EXTERNAL, RFC 4422 appendix A): the user over ldapi, or a client certificate.
    External,
}

/// Why it is not known, or cannot be, as whom to write.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// Nobody is named.
    #[error(
        "say as whom to write: --bind-dn DN, with --bind-password-file FILE or a password at the terminal, or \
         --external; the milter's own account is not used for it"
    )]
    Missing,
    /// A name that would be nobody's (RFC 4513 section 5.1.2).
    #[error("--bind-dn is empty")]
    NoName,
    /// The password cannot be read from its file.
    #[error("--bind-password-file {}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: PasswordError,
    },
    /// What was typed is no password.
    #[error("the password that was given {0}")]
    Typed(PasswordError),
    /// There is nobody to ask.
    #[error("there is no terminal to ask for the password of {0}: give --bind-password-file FILE")]
    NoTerminal(String),
    /// The terminal does not answer.
    #[error("the terminal cannot be asked for the password: {0}")]
    Terminal(io::Error),
    /// Others could read the password.
    #[error(
        "the password would go to {0} without TLS: use ldaps:// or start_tls = true in the configuration, or allow it \
         with allow_plaintext = true"
    )]
    Plaintext(String),
    /// Nothing proves who "external" is.
    #[error(
        "nothing proves to {0} who --external is: use ldapi://, or TLS with client_cert_file and client_key_file, or \
         give --bind-dn"
    )]
    Unproven(String),
}

/// The connection of the caller, opened when it is needed: whoever is refused was not asked for a password.
pub(super) struct Writer {
    servers: Vec<Server>,
    config: Config,
    caller: Caller,
    open: OnceCell<LdapDirectory>,
}

impl Writer {
    /// Nothing is opened yet.
    pub(super) fn new(servers: &[Server], config: &Config, caller: Caller) -> Result<Self, CallerError> {
        let first = |is: fn(&Transport) -> bool| servers.iter().find(|server| is(&server.transport));
        let (open, unproven) = (first(Transport::is_open), first(|transport| !transport.proves()));
        match (&caller, open, unproven) {
            (Caller::Simple { dn, .. }, ..) if dn.trim().is_empty() => return Err(CallerError::NoName),
            (Caller::Simple { .. }, Some(server), _) if !config.directory.allow_plaintext => {
                return Err(CallerError::Plaintext(server.to_string()));
            }
            (Caller::External, _, Some(server)) => return Err(CallerError::Unproven(server.to_string())),
            (Caller::Simple { password_file: Some(file), .. }, ..) => {
                read_password(file).map_err(|error| CallerError::File { file: file.clone(), error })?;
            }
            (Caller::Simple { dn, password_file: None }, ..) if !io::stdin().is_terminal() => {
                return Err(CallerError::NoTerminal(reply::printable(dn)));
            }
            (Caller::Simple { .. } | Caller::External, ..) => {}
        }
        let open = OnceCell::new();
        Ok(Self { servers: servers.to_vec(), config: config.clone(), caller, open })
    }

    /// The server, logged in to as the caller.
    pub(super) async fn directory(&self) -> Result<&LdapDirectory, ChangeError> {
        self.open.get_or_try_init(|| self.log_in()).await
    }

    async fn log_in(&self) -> Result<LdapDirectory, ChangeError> {
        let bind = self.bind()?;
        let as_caller = |server: &Server| Server { bind: bind.clone(), ..server.clone() };
        let servers: Vec<_> = self.servers.iter().map(as_caller).collect();
        let directory = open::server(&servers, &self.config)?;
        match directory.trouble().await {
            Some(error) => Err(error.into()),
            None => Ok(directory),
        }
    }

    fn bind(&self) -> Result<Bind, CallerError> {
        match &self.caller {
            Caller::External => Ok(Bind::External),
            Caller::Simple { dn, password_file: Some(file) } => {
                Ok(Bind::Simple { dn: dn.clone(), password_file: file.clone() })
            }
            Caller::Simple { dn, password_file: None } => {
                let prompt = format!("Password of {}: ", reply::printable(dn));
                let typed = rpassword::prompt_password(prompt).map_err(CallerError::Terminal)?;
                let password = Password::typed(typed).map_err(CallerError::Typed)?;
                Ok(Bind::Typed { dn: dn.clone(), password })
            }
        }
    }

    /// Whom the server takes the caller for (RFC 4532), else whom the caller says to be.
    pub(super) async fn who(&self) -> String {
        let said = match self.open.get() {
            Some(directory) => directory.who_am_i().await.ok().flatten(),
            None => None,
        };
        let claimed = match &self.caller {
            Caller::Simple { dn, .. } => dn.as_str(),
            Caller::External => "the caller",
        };
        let said = said.as_deref().map(|said| said.strip_prefix("dn:").unwrap_or(said));
        reply::printable(said.filter(|said| !said.is_empty()).unwrap_or(claimed))
    }
}

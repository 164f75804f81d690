//! What the program is told on the command line: commands, options and their help (`main.rs` carries them out).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use delegation_milter::admin::change::Caller;
use delegation_milter::admin::import::Format;
use delegation_milter::grant::Right;

/// Send on behalf and send as, for Postfix.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/delegation-milter/delegation-milter.toml")]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve Postfix (the default).
    Serve,
    /// Say what works and what does not: configuration, connection, schema, indexes, doubtful entries, Postfix.
    Check {
        /// Also look at the settings of the Postfix whose main.cf and master.cf are in this directory.
        #[arg(long, value_name = "DIR")]
        postfix: Option<PathBuf>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a first configuration from what the directory says of itself; asks at a terminal for what is not given.
    Init(Init),
    /// Say whether a login may write as an address, or send a message, and why.
    Explain {
        /// The login, as Postfix gives it in {auth_authen}.
        login: String,
        /// The address that stands in From.
        #[arg(required_unless_present = "message", conflicts_with = "message")]
        address: Option<String>,
        /// A whole message in place of ADDRESS, as it would be submitted; - for standard input.
        #[arg(long, value_name = "FILE")]
        message: Option<PathBuf>,
        /// The envelope sender of the message, '' for none; the login's own address unless given.
        #[arg(long, value_name = "ADDR", requires = "message", conflicts_with = "address")]
        mail_from: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say who may send for an address, and for whom it may send.
    List {
        /// The address of a person, a shared mailbox or a group.
        address: String,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what the rules of another program amount to, and where verdicts would differ; changes nothing.
    #[command(subcommand)]
    Import(Import),
    /// Say who sent for whom, by the lines in the log: also who was refused, or would be.
    Report {
        /// Leave out what is older: a date, a date and a time, or how long ago (24h, 7d).
        #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
        since: Option<String>,
        /// Say whom enforcement would hit, and what to do, from what observe mode logged.
        #[arg(long)]
        would_refuse: bool,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
        /// Also write a page with charts to this file.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Logs, in any format of log.format, of syslog or journalctl, also gzipped; - for standard input.
        #[arg(required = true, value_name = "LOG")]
        logs: Vec<PathBuf>,
    },
    /// Let DELEGATE send for PRINCIPAL: writes to the LDAP server as the caller.
    Grant(Change),
    /// Let DELEGATE send for PRINCIPAL no more: writes to the LDAP server as the caller.
    Revoke(Change),
    /// Print what completes this program's commands and options in a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// What the configuration is made from; where it is written is --output, else --config.
#[derive(Args)]
pub(crate) struct Init {
    /// The directory: ldap://HOST, ldaps://HOST, ldapi:///, or file:FILE.ldif for a trial. May be repeated.
    #[arg(long = "url", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Entries outside this one do not count.
    #[arg(long, value_name = "DN")]
    pub(crate) base_dn: Option<String>,
    /// Log in as this entry, now and later.
    #[arg(long, value_name = "DN", conflicts_with = "external")]
    pub(crate) bind_dn: Option<String>,
    /// The file with its password.
    #[arg(long, value_name = "FILE", requires = "bind_dn")]
    pub(crate) bind_password_file: Option<PathBuf>,
    /// Log in as whom the connection proves (SASL EXTERNAL).
    #[arg(long)]
    pub(crate) external: bool,
    /// Begin TLS on an ldap:// connection; to another host it is tried anyway.
    #[arg(long)]
    pub(crate) start_tls: bool,
    /// The certificates of the authorities that the server's certificate may come from.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Let a password go to another host without TLS.
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    /// The product; guessed unless given.
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Where Postfix finds the milter: unix:/PATH or inet:HOST:PORT.
    #[arg(long, value_name = "WHERE")]
    pub(crate) listen: Option<String>,
    /// The file that is written; - prints it.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is there, even one that somebody has changed.
    #[arg(long)]
    pub(crate) force: bool,
    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is imported.
#[derive(Subcommand)]
pub(crate) enum Import {
    /// Postfix's smtpd_sender_login_maps, as aliases and grants or as [[account]].
    LoginMaps(LoginMaps),
}

/// Which tables, and what is made of them.
#[derive(Args)]
pub(crate) struct LoginMaps {
    /// The tables, as in main.cf: hash:/etc/postfix/login_maps; those of smtpd_sender_login_maps unless given.
    pub(crate) map: Option<String>,
    /// The directory with main.cf and master.cf.
    #[arg(long, value_name = "DIR", default_value = "/etc/postfix")]
    pub(crate) postfix: PathBuf,
    /// Further addresses to ask the tables for, one a line, where they cannot be listed.
    #[arg(long, value_name = "FILE")]
    pub(crate) addresses: Option<PathBuf>,
    /// Make shared mailboxes below this entry of addresses that nobody has and several use.
    #[arg(long, value_name = "DN")]
    pub(crate) shared: Option<String>,
    /// What is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: FormatName,
    /// Answer in JSON: all of it.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is printed of an import.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum FormatName {
    /// What each address and login amount to, and where verdicts would differ.
    Text,
    /// Change records for ldapmodify.
    Ldif,
    /// [[account]] for the configuration.
    Accounts,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Text => Self::Text,
            FormatName::Ldif => Self::Ldif,
            FormatName::Accounts => Self::Accounts,
        }
    }
}

/// A right, whose it is, and as whom it is written.
#[derive(Args)]
pub(crate) struct Change {
    /// The right.
    pub(crate) right: RightName,
    /// Whose address it is: an address, a login or a distinguished name.
    #[arg(long = "for", value_name = "PRINCIPAL")]
    pub(crate) principal: String,
    /// Who sends for it, a person or a security group: an address, a login or a distinguished name.
    #[arg(long = "to", value_name = "DELEGATE")]
    pub(crate) delegate: String,
    /// Write as this entry.
    #[arg(long, value_name = "DN", conflicts_with = "external")]
    pub(crate) bind_dn: Option<String>,
    /// The file with its password; the terminal is asked unless given.
    #[arg(long, value_name = "FILE", requires = "bind_dn")]
    pub(crate) bind_password_file: Option<PathBuf>,
    /// Write as whom the connection proves (SASL EXTERNAL): this user over ldapi, or the client certificate.
    #[arg(long)]
    pub(crate) external: bool,
    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The names of the rights.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RightName {
    /// Recipients see the principal alone; an administrator's to give.
    SendAs,
    /// Recipients see both; the principal's own to give.
    SendOnBehalf,
    /// Scheduling mail only, shown as on behalf; the principal's own to give.
    Schedule,
}

impl From<RightName> for Right {
    fn from(name: RightName) -> Self {
        match name {
            RightName::SendAs => Self::SendAs,
            RightName::SendOnBehalf => Self::SendOnBehalf,
            RightName::Schedule => Self::Schedule,
        }
    }
}

impl Change {
    pub(crate) fn caller(&self) -> Option<Caller> {
        let simple =
            |dn: &String| Caller::Simple { dn: dn.clone(), password_file: self.bind_password_file.clone() };
        self.bind_dn.as_ref().map(simple).or_else(|| self.external.then_some(Caller::External))
    }
}

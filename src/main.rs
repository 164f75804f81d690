//! Arguments, exit codes; nothing else.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use delegation_milter::address::is_forbidden;
use delegation_milter::admin::change::{self, Caller, Request, Verb};
use delegation_milter::admin::check;
use delegation_milter::admin::colour;
use delegation_milter::admin::explain::{self, Question};
use delegation_milter::admin::import::{self, Format};
use delegation_milter::admin::init;
use delegation_milter::admin::list;
use delegation_milter::admin::report::{self, Question as Logs};
use delegation_milter::config::Config;
use delegation_milter::grant::Right;
use delegation_milter::logging;
use tokio::runtime::Runtime;

/// Exit statuses (specification, "Commands"; 75 is EX_TEMPFAIL of sysexits(3)).
const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const UNAVAILABLE: u8 = 75;

/// The most threads for what the system does not do without waiting: names in the DNS, files.
const MAX_BLOCKING: usize = 64;

/// Send on behalf and send as, for Postfix.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/delegation-milter/delegation-milter.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
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
struct Init {
    /// The directory: ldap://HOST, ldaps://HOST, ldapi:///, or file:FILE.ldif for a trial. May be repeated.
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// Entries outside this one do not count.
    #[arg(long, value_name = "DN")]
    base_dn: Option<String>,
    /// Log in as this entry, now and later.
    #[arg(long, value_name = "DN", conflicts_with = "external")]
    bind_dn: Option<String>,
    /// The file with its password.
    #[arg(long, value_name = "FILE", requires = "bind_dn")]
    bind_password_file: Option<PathBuf>,
    /// Log in as whom the connection proves (SASL EXTERNAL).
    #[arg(long)]
    external: bool,
    /// Begin TLS on an ldap:// connection; to another host it is tried anyway.
    #[arg(long)]
    start_tls: bool,
    /// The certificates of the authorities that the server's certificate may come from.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Let a password go to another host without TLS.
    #[arg(long)]
    allow_plaintext: bool,
    /// The product; guessed unless given.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Where Postfix finds the milter: unix:/PATH or inet:HOST:PORT.
    #[arg(long, value_name = "WHERE")]
    listen: Option<String>,
    /// The file that is written; - prints it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// What is imported.
#[derive(Subcommand)]
enum Import {
    /// Postfix's smtpd_sender_login_maps, as aliases and grants or as [[account]].
    LoginMaps(LoginMaps),
}

/// Which tables, and what is made of them.
#[derive(Args)]
struct LoginMaps {
    /// The tables, as in main.cf: hash:/etc/postfix/login_maps; those of smtpd_sender_login_maps unless given.
    map: Option<String>,
    /// The directory with main.cf and master.cf.
    #[arg(long, value_name = "DIR", default_value = "/etc/postfix")]
    postfix: PathBuf,
    /// Further addresses to ask the tables for, one a line, where they cannot be listed.
    #[arg(long, value_name = "FILE")]
    addresses: Option<PathBuf>,
    /// Make shared mailboxes below this entry of addresses that nobody has and several use.
    #[arg(long, value_name = "DN")]
    shared: Option<String>,
    /// What is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: FormatName,
    /// Answer in JSON: all of it.
    #[arg(long)]
    json: bool,
}

/// What is printed of an import.
#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
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
struct Change {
    /// The right.
    right: RightName,
    /// Whose address it is: an address, a login or a distinguished name.
    #[arg(long = "for", value_name = "PRINCIPAL")]
    principal: String,
    /// Who sends for it, a person or a security group: an address, a login or a distinguished name.
    #[arg(long = "to", value_name = "DELEGATE")]
    delegate: String,
    /// Write as this entry.
    #[arg(long, value_name = "DN", conflicts_with = "external")]
    bind_dn: Option<String>,
    /// The file with its password; the terminal is asked unless given.
    #[arg(long, value_name = "FILE", requires = "bind_dn")]
    bind_password_file: Option<PathBuf>,
    /// Write as whom the connection proves (SASL EXTERNAL): this user over ldapi, or the client certificate.
    #[arg(long)]
    external: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// The names of the rights.
#[derive(Clone, Copy, ValueEnum)]
enum RightName {
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
    fn caller(&self) -> Option<Caller> {
        let simple =
            |dn: &String| Caller::Simple { dn: dn.clone(), password_file: self.bind_password_file.clone() };
        self.bind_dn.as_ref().map(simple).or_else(|| self.external.then_some(Caller::External))
    }
}

fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(UNAVAILABLE, error),
    };
    let status = run(&runtime, &config, command.unwrap_or(Command::Serve));
    // Looking up a name in the DNS cannot be given up; nobody waits for it at the end.
    runtime.shutdown_background();
    status
}

fn run(runtime: &Runtime, config: &Path, command: Command) -> ExitCode {
    match command {
        Command::Serve => with(config, |loaded| serve(runtime, config, loaded)),
        Command::Check { postfix, json } => {
            let report = runtime.block_on(check::check(config, postfix.as_deref()));
            let status = standing(report.is_wrong(), report.is_unavailable());
            answer(&report.render(json), json, status)
        }
        Command::Init(what) => init(runtime, config, what),
        Command::Explain { login, address, message, mail_from, json } => {
            let question = match message {
                Some(file) => Question::Message { file, mail_from },
                None => Question::Address(address.unwrap_or_default()),
            };
            with(config, |config| match runtime.block_on(explain::explain(config, &login, &question)) {
                Ok(explanation) => {
                    answer(&explanation.render(json), json, if explanation.allowed() { 0 } else { REFUSED })
                }
                Err(error) if error.is_temporary() => fail(UNAVAILABLE, error),
                Err(error) => fail(USAGE, error),
            })
        }
        Command::Import(Import::LoginMaps(what)) => with(config, |config| login_maps(runtime, config, what)),
        Command::Report { since, would_refuse, json, html, logs } => {
            report(&Logs { since, would_refuse, logs }, json, html.as_deref())
        }
        Command::Grant(what) => with(config, |config| change(runtime, config, Verb::Grant, &what)),
        Command::Revoke(what) => with(config, |config| change(runtime, config, Verb::Revoke, &what)),
        Command::List { address, json } => {
            with(config, |config| match runtime.block_on(list::list(config, &address)) {
                Ok(listing) => {
                    answer(&listing.render(json), json, if listing.is_known() { 0 } else { REFUSED })
                }
                Err(error) if error.is_temporary() => fail(UNAVAILABLE, error),
                Err(error) => fail(USAGE, error),
            })
        }
        Command::Completions { shell } => completions(shell),
    }
}

/// The exit status of what was looked at.
fn standing(is_wrong: bool, is_unavailable: bool) -> u8 {
    match (is_wrong, is_unavailable) {
        (true, _) => USAGE,
        (false, true) => UNAVAILABLE,
        (false, false) => 0,
    }
}

fn init(runtime: &Runtime, config: &Path, what: Init) -> ExitCode {
    let request = init::Request {
        urls: what.urls,
        base_dn: what.base_dn,
        bind_dn: what.bind_dn,
        bind_password_file: what.bind_password_file,
        external: what.external,
        start_tls: what.start_tls,
        ca_file: what.ca_file,
        allow_plaintext: what.allow_plaintext,
        preset: what.preset,
        listen: what.listen,
        output: what.output.unwrap_or_else(|| config.to_owned()),
        force: what.force,
    };
    match runtime.block_on(init::init(request)) {
        Ok(made) => {
            let status = standing(made.is_wrong(), made.is_unavailable());
            answer(&made.render(what.json), what.json || !made.is_written(), status)
        }
        Err(error) if error.is_temporary() => fail(UNAVAILABLE, error),
        Err(error) => fail(USAGE, error),
    }
}

fn login_maps(runtime: &Runtime, config: Config, what: LoginMaps) -> ExitCode {
    let LoginMaps { map, postfix, addresses, shared, format, json } = what;
    // What other programs read has no colours.
    let is_plain = json || !matches!(format, FormatName::Text);
    let request = import::Request { map, postfix, addresses, shared, format: format.into() };
    match runtime.block_on(import::login_maps(config, &request)) {
        Ok(import) => answer(&import.render(json), is_plain, if import.is_complete() { 0 } else { REFUSED }),
        Err(error) if error.is_temporary() => fail(UNAVAILABLE, error),
        Err(error) => fail(USAGE, error),
    }
}

fn change(runtime: &Runtime, config: Config, verb: Verb, change: &Change) -> ExitCode {
    let Change { right, principal, delegate, .. } = change;
    let (principal, delegate) = (principal.clone(), delegate.clone());
    let request = Request { verb, right: (*right).into(), principal, delegate };
    match runtime.block_on(change::change(config, &request, change.caller())) {
        Ok(done) => answer(&done.render(change.json), change.json, if done.is_done() { 0 } else { REFUSED }),
        Err(error) if error.is_temporary() => fail(UNAVAILABLE, error),
        Err(error) => fail(USAGE, error),
    }
}

fn report(question: &Logs, json: bool, html: Option<&Path>) -> ExitCode {
    let written = report::report(question)
        .and_then(|report| html.map_or(Ok(()), |file| report::write_page(&report, file)).map(|()| report));
    match written {
        Ok(report) => print(&report.render(json), if report.is_good() { 0 } else { REFUSED }),
        Err(error) => fail(USAGE, error),
    }
}

/// Does something with the configuration, if there is one.
fn with(file: &Path, run: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    Config::load(file).map_or_else(|error| fail(USAGE, error), run)
}

fn serve(runtime: &Runtime, file: &Path, config: Config) -> ExitCode {
    if let Err(error) = logging::start(&config.log) {
        let what = format!("log.format = \"journald\": the journal cannot be reached: {error}");
        return fail(USAGE, what);
    }
    let served = runtime.block_on(delegation_milter::serve(file, config));
    served.map_or_else(|error| fail(USAGE, error), |()| ExitCode::SUCCESS)
}

fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), env!("CARGO_PKG_NAME"), &mut script);
    print(String::from_utf8_lossy(&script).trim_end(), 0)
}

/// Prints an answer, with colours where it is for people at a terminal.
fn answer(text: &str, json: bool, status: u8) -> ExitCode {
    let painted = (!json && colour::is_wanted()).then(|| colour::painted(text));
    print(painted.as_deref().unwrap_or(text), status)
}

/// Prints an answer; the status says what it amounts to. Who closes the pipe has read enough, as head(1) does.
fn print(text: &str, status: u8) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::from(status),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(error) => fail(UNAVAILABLE, format!("cannot write the answer: {error}")),
    }
}

/// Says why on standard error: before logging starts, and for commands, which log nothing.
fn fail(status: u8, error: impl Display) -> ExitCode {
    let mut text = String::new();
    for c in error.to_string().chars() {
        // What is quoted from the configuration is escaped; names of files are not, and this may be a terminal.
        if c != '\n' && is_forbidden(c) { text.extend(c.escape_unicode()) } else { text.push(c) }
    }
    // If standard error is closed, the status alone must do.
    let _ = writeln!(io::stderr(), "delegation-milter: {text}");
    ExitCode::from(status)
}

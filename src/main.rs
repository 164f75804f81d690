//! Commands and exit codes; nothing else. `arguments.rs` has what may be said.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use delegation_milter::address::is_forbidden;
use delegation_milter::admin::change::{self, Request, Verb};
use delegation_milter::admin::check;
use delegation_milter::admin::colour;
use delegation_milter::admin::explain::{self, Question};
use delegation_milter::admin::import;
use delegation_milter::admin::init;
use delegation_milter::admin::list;
use delegation_milter::admin::report::{self, Question as Logs};
use delegation_milter::config::Config;
use delegation_milter::logging;
use tokio::runtime::Runtime;

mod arguments;

use arguments::{Arguments, Change, Command, FormatName, Import, Init, LoginMaps};

/// Exit statuses (specification, "Commands"; 75 is EX_TEMPFAIL of sysexits(3)).
const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const UNAVAILABLE: u8 = 75;

/// The most threads for what the system does not do without waiting: names in the DNS, files.
const MAX_BLOCKING: usize = 64;

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
            report(&Logs { since, would_refuse, logs, page: html }, json)
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

fn report(question: &Logs, json: bool) -> ExitCode {
    let page = question.page.as_deref();
    let written = report::report(question)
        .and_then(|report| page.map_or(Ok(()), |file| report::write_page(&report, file)).map(|()| report));
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

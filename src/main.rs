//! Arguments, exit codes; nothing else.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use delegation_milter::admin::explain::{self, Question};
use delegation_milter::config::Config;
use delegation_milter::logging;

/// Exit statuses (specification, "Commands"; 75 is EX_TEMPFAIL of sysexits(3)).
const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const UNAVAILABLE: u8 = 75;

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
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return fail(USAGE, error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(UNAVAILABLE, error),
    };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            if let Err(error) = logging::start(&config.log) {
                return fail(
                    USAGE,
                    format!("log.format = \"journald\": the journal cannot be reached: {error}"),
                );
            }
            let served = runtime.block_on(delegation_milter::serve(&arguments.config, config));
            served.map_or_else(|error| fail(USAGE, error), |()| ExitCode::SUCCESS)
        }
        Command::Explain { login, address, message, mail_from, json } => {
            let question = match message {
                Some(file) => Question::Message { file, mail_from },
                None => Question::Address(address.unwrap_or_default()),
            };
            let explained = runtime.block_on(explain::explain(config, &login, &question));
            match explained {
                Ok(explanation) => print(&explanation.render(json), explanation.allowed()),
                Err(error) if error.is_temporary() => fail(UNAVAILABLE, error),
                Err(error) => fail(USAGE, error),
            }
        }
    }
}

/// Prints an answer; the status says whether it is yes.
fn print(text: &str, allowed: bool) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) if allowed => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(REFUSED),
        Err(error) => fail(UNAVAILABLE, format!("cannot write the answer: {error}")),
    }
}

/// Says why on standard error: before logging starts, and for commands, which log nothing.
fn fail(status: u8, error: impl Display) -> ExitCode {
    // If standard error is closed, the status alone must do.
    let _ = writeln!(io::stderr(), "delegation-milter: {error}");
    ExitCode::from(status)
}

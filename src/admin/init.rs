//! `init`: a first configuration, made from the shipped one and from what the directory says of itself.
//!
//! [`look`] asks the directory, [`guess`] takes it for a product, [`ask`] asks the administrator where there is a
//! terminal, [`template`] sets the keys in the shipped file, and [`output`] writes it. At the end stands what `check` says
//! of it. It begins with `policy.mode = "observe"`: nothing is refused until somebody has seen whom it would hit.

use std::path::{Path, PathBuf};

use crate::admin::check::{self, Report};
use crate::config::{Config, ConfigError, Source};
use crate::directory::Failure;
use crate::directory::ldif::LdifError;
use crate::directory::schema::PRESETS;
use crate::open::OpenError;
use crate::reply;

mod ask;
mod guess;
mod look;
mod output;
mod proposals;
mod render;
mod template;

use ask::Asker;
use guess::Guess;
use look::Seen;
use template::Settings;

/// What is given; the rest is asked, or guessed.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `directory.urls`
    pub urls: Vec<String>,
    /// `directory.base_dn`
    pub base_dn: Option<String>,
    /// `directory.bind_dn`
    pub bind_dn: Option<String>,
    /// `directory.bind_password_file`
    pub bind_password_file: Option<PathBuf>,
    /// `directory.bind = "external"`
    pub external: bool,
    /// `directory.start_tls`
    pub start_tls: bool,
    /// `directory.ca_file`
    pub ca_file: Option<PathBuf>,
    /// `directory.allow_plaintext`
    pub allow_plaintext: bool,
    /// `directory.preset`
    pub preset: Option<String>,
    /// `listen`
    pub listen: Option<String>,
    /// Where it is written; `-` is standard output.
    pub output: PathBuf,
    /// Whether a file that is there is replaced.
    pub force: bool,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something must be known, and nobody can be asked.
    #[error("there is no terminal to ask: give {option}{}", one_of(.choices))]
    NoTerminal {
        /// The option.
        option: &'static str,
        /// What it may be.
        choices: Vec<String>,
    },
    /// The terminal ended.
    #[error("no answer: give {0}")]
    NoAnswer(&'static str),
    /// The answer, or the option, is none of those that are possible.
    #[error("{option}: \"{}\" is not possible; it is one of {}", reply::printable(.found), .choices.join(", "))]
    NotAChoice {
        /// The option.
        option: &'static str,
        /// What was said.
        found: String,
        /// What is possible.
        choices: Vec<String>,
    },
    /// The file is there.
    #[error(
        "{}: is there already; give --force to replace it, --output FILE to write another one, or --output - to see it",
        .0.display()
    )]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{}: cannot be written: {error}", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What was given makes no configuration.
    #[error("what was given makes no configuration: {0}")]
    Config(#[from] ConfigError),
    /// The directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file with the directory cannot be used.
    #[error(transparent)]
    Ldif(#[from] LdifError),
    /// The server does not offer TLS, and a password would go to another host.
    #[error(
        "{why}; the password would go to another host without TLS: give an ldaps:// URL, --ca-file FILE where the \
         certificate is of an authority of your own, or --allow-plaintext"
    )]
    NoTls {
        /// What the server says.
        why: String,
    },
    /// The server has no tree, or shows none.
    #[error(
        "the server shows no tree of entries (namingContexts): give --base-dn DN, or log in with --bind-dn DN"
    )]
    NoContext,
    /// The directory gave no answer.
    #[error("{0}; see --url, --bind-dn and --bind-password-file")]
    Failure(#[from] Failure),
}

fn one_of(choices: &[String]) -> String {
    if choices.is_empty() { String::new() } else { format!(", one of {}", choices.join(" | ")) }
}

impl InitError {
    /// Whether it may be otherwise later (exit status 75).
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Failure(_) => true,
            Self::NoTerminal { .. }
            | Self::NoAnswer(_)
            | Self::NotAChoice { .. }
            | Self::Exists(_)
            | Self::Write { .. }
            | Self::Config(_)
            | Self::Open(_)
            | Self::Ldif(_)
            | Self::NoTls { .. }
            | Self::NoContext => false,
        }
    }
}

/// What was made.
#[derive(Debug)]
pub struct Init {
    /// Where it was written; none: to standard output.
    file: Option<PathBuf>,
    /// The configuration.
    text: String,
    preset: String,
    /// Why this preset.
    because: String,
    /// What the directory is, and what it has.
    found: Vec<String>,
    /// What `check` says.
    report: Option<Report>,
    /// What to do next.
    next: Vec<String>,
}

impl Init {
    /// Whether there is a file; else the configuration itself is the answer.
    pub fn is_written(&self) -> bool {
        self.file.is_some()
    }

    /// Whether something has to be changed before the program can work (exit status 2).
    pub fn is_wrong(&self) -> bool {
        self.report.as_ref().is_some_and(Report::is_wrong)
    }

    /// Whether the directory is away, which passes (exit status 75).
    pub fn is_unavailable(&self) -> bool {
        self.report.as_ref().is_some_and(Report::is_unavailable)
    }
}

/// Makes a configuration, writes it and checks it.
///
/// # Errors
///
/// Something is missing or not possible, the directory gives no answer, or the file cannot be written.
pub async fn init(request: Request) -> Result<Init, InitError> {
    let asker = Asker::new();
    output::refuse_to_replace(&request)?;
    let mut settings = begin(&request, &asker)?;
    let first = settings.anonymous().config(&request.output)?;
    let (guess, found) = match &first.directory.source {
        Source::File(file) => from_file(file, &first, &request, &asker, &mut settings)?,
        Source::Servers(_) => from_server(&request, &asker, &mut settings).await?,
    };
    let text = settings.text();
    let config = settings.config(&request.output)?;
    let next = render::next(&config, &request.output, &guess);
    let written = output::write(&request, &text)?;
    let report = match &written {
        Some(file) => Some(check::check(file, None).await),
        None => None,
    };
    let Guess { preset, because } = guess;
    Ok(Init { file: written, text, preset: preset.to_owned(), because, found, report, next })
}

/// What is given, and the server where none is.
fn begin(request: &Request, asker: &Asker) -> Result<Settings, InitError> {
    if let Some(name) = &request.preset {
        preset(name)?;
    }
    let mut settings = Settings::of(request);
    if settings.urls.is_empty() {
        let proposal = proposals::url();
        settings.urls = vec![asker.ask("--url URL", "The directory's URL", Some(&proposal), &[])?];
    }
    settings.urls.iter_mut().for_each(|url| *url = absolute(url));
    // Certificates are for TLS.
    settings.start_tls |=
        settings.ca_file.is_some() && settings.urls.iter().any(|url| url.starts_with("ldap:"));
    let is_server = settings.urls.iter().all(|url| !url.starts_with("file:"));
    let knows_who = request.bind_dn.is_some() || request.external || asker.is_nobody();
    if is_server && !knows_who {
        let who = asker.ask("--bind-dn DN", "Log in as (nothing: anonymously)", Some(""), &[])?;
        settings.bind_dn = Some(who).filter(|who| !who.is_empty());
    }
    if settings.bind_dn.is_some() && settings.bind_password_file.is_none() && !settings.external {
        let (option, question) = ("--bind-password-file FILE", "The file with its password");
        let file = asker.ask(option, question, Some("/etc/delegation-milter/ldap.password"), &[])?;
        settings.bind_password_file = Some(file.into());
    }
    settings.bind_password_file =
        settings.bind_password_file.map(|file| std::path::absolute(&file).unwrap_or(file));
    settings.ca_file = settings.ca_file.map(|file| std::path::absolute(&file).unwrap_or(file));
    Ok(settings)
}

/// Paths start where the command runs, and in the configuration where that is.
fn absolute(url: &str) -> String {
    match url.strip_prefix("file:") {
        Some(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
            format!("file:{}", path.display())
        }
        None => url.to_owned(),
    }
}

fn from_file(
    file: &Path,
    config: &Config,
    request: &Request,
    asker: &Asker,
    settings: &mut Settings,
) -> Result<(Guess, Vec<String>), InitError> {
    let records = look::records(file, config)?;
    let guess = chosen(request, asker, guess::of_records(&records))?;
    settings.preset = Some(guess.preset.to_owned());
    let config = settings.config(&request.output)?;
    let found = look::counts_of_records(file, &records, &config);
    Ok((guess, found))
}

async fn from_server(
    request: &Request,
    asker: &Asker,
    settings: &mut Settings,
) -> Result<(Guess, Vec<String>), InitError> {
    let (seen, mut found) = look::connect(settings, request).await?;
    let base = base_dn(request, asker, &seen)?;
    settings.base_dn = Some(base);
    let guess = guess::of_server(&seen, &look::used(settings, request, &seen).await?);
    let guess = chosen(request, asker, guess)?;
    settings.preset = Some(guess.preset.to_owned());
    found.extend(look::counts(settings, request).await?);
    if guess::lacks_our_schema(&seen, guess.preset) {
        found.push(
            "the server does not know delegationPrincipal: load contrib/ldap/delegation.ldif, or nobody can grant \
             anything"
                .to_owned(),
        );
    }
    Ok((guess, found))
}

fn base_dn(request: &Request, asker: &Asker, seen: &Seen) -> Result<String, InitError> {
    if let Some(base) = &request.base_dn {
        return Ok(base.clone());
    }
    let proposal = seen.proposed_base(proposals::base());
    match (&proposal, seen.contexts.as_slice()) {
        (None, []) => return Err(InitError::NoContext),
        // Nothing to choose from.
        (Some(only), [context]) if only == context && asker.is_nobody() => return Ok(only.clone()),
        (Some(default), _) if seen.has_default && asker.is_nobody() => return Ok(default.clone()),
        (Some(_) | None, _) => {}
    }
    asker.ask("--base-dn DN", "Entries outside this one do not count", proposal.as_deref(), &seen.contexts)
}

/// The preset that is given or chosen, else the guessed one.
fn chosen(request: &Request, asker: &Asker, guess: Guess) -> Result<Guess, InitError> {
    let name = match &request.preset {
        Some(name) => name.clone(),
        None if asker.is_nobody() => return Ok(guess),
        None => {
            let question = format!("The product ({})", guess.because);
            asker.ask("--preset NAME", &question, Some(guess.preset), &names())?
        }
    };
    let preset = preset(&name)?;
    if preset == guess.preset {
        return Ok(guess);
    }
    let because = format!("it was chosen; the directory looks like {} ({})", guess.preset, guess.because);
    Ok(Guess { preset, because })
}

fn preset(name: &str) -> Result<&'static str, InitError> {
    let found = || InitError::NotAChoice { option: "--preset", found: name.to_owned(), choices: names() };
    PRESETS.iter().find(|preset| **preset == name).copied().ok_or_else(found)
}

fn names() -> Vec<String> {
    PRESETS.iter().map(|name| (*name).to_owned()).collect()
}

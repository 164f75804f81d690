//! What postconf(1) says of a directory: `main.cf`, the services of `master.cf`, and for each one its parameters in force.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use thiserror::Error;

use super::settings::{Service, Settings, Values};

/// Where Postfix's commands are if PATH does not say.
const COMMANDS: &str = "/usr/sbin";

/// The programs of which the settings matter.
const PROGRAMS: [&str; 5] = ["smtpd", "cleanup", "smtp", "lmtp", "pickup"];

/// Why Postfix's settings cannot be read.
#[derive(Debug, Error)]
pub(in crate::admin) enum PostconfError {
    /// The directory is none of Postfix, or may not be read.
    #[error("{}: {error}", .file.display())]
    File {
        /// What could not be read.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The program is not there, or cannot be run.
    #[error("{} cannot be run: {error}", .program.display())]
    Program {
        /// What was tried last.
        program: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It says that something is wrong.
    #[error("postconf fails: {0}")]
    Fails(String),
}

impl PostconfError {
    pub(in crate::admin) fn advice(&self) -> &'static str {
        match self {
            Self::File { .. } => "name the directory that holds main.cf and master.cf, such as /etc/postfix",
            Self::Program { .. } => {
                "run this where Postfix is installed; postconf is looked for in PATH and in /usr/sbin"
            }
            Self::Fails(_) => "mend what it names; \"postfix check\" says more",
        }
    }
}

/// The settings, and what postconf warns of.
pub(in crate::admin) fn read(directory: &Path) -> Result<(Settings, Vec<String>), PostconfError> {
    for name in ["main.cf", "master.cf"] {
        let file = directory.join(name);
        std::fs::File::open(&file).map_err(|error| PostconfError::File { file, error })?;
    }
    let directory = std::path::absolute(directory)
        .map_err(|error| PostconfError::File { file: directory.to_owned(), error })?;
    let ask = |arguments: &[&str]| postconf(&directory, arguments);
    let (main, warnings) = ask(&["-x"])?;
    let (lines, _) = ask(&["-M"])?;
    let (overrides, _) = ask(&["-P"])?;
    let main = values(&main);
    let mut services = services(&lines, &main);
    for service in &mut services {
        apply(&overrides, service, &ask)?;
    }
    let warnings = warnings.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok((Settings { directory: directory.clone(), main, services }, warnings))
}

/// Has Postfix itself work out what the overrides of a service amount to, as other parameters may name them.
fn apply(
    overrides: &str,
    service: &mut Service,
    ask: &impl Fn(&[&str]) -> Result<(String, String), PostconfError>,
) -> Result<(), PostconfError> {
    let own = overrides_of(service, overrides);
    if own.is_empty() {
        return Ok(());
    }
    let options: Vec<String> = own.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["-x"];
    options.iter().for_each(|option| arguments.extend(["-o", option]));
    service.values = values(&ask(&arguments)?.0);
    service.overrides = own.into_iter().map(|(name, _)| name).collect();
    Ok(())
}

/// `name = value`, one a line.
pub(in crate::admin) fn values(text: &str) -> Values {
    Values::new(text.lines().filter_map(pair))
}

fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

/// The lines of `master.cf` (master(5)) that run one of [`PROGRAMS`], with the values of `main.cf`.
pub(in crate::admin) fn services(lines: &str, main: &Values) -> Vec<Service> {
    let service = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let (name, kind) = (columns.next()?, columns.next()?);
        let (chroot, command) = (columns.nth(2)?, columns.nth(2)?);
        let chroot = if chroot == "-" { chroot_by_default(main) } else { chroot == "y" };
        Some(Service {
            name: name.to_owned(),
            kind: kind.to_owned(),
            chroot,
            command: command.to_owned(),
            overrides: Vec::new(),
            values: main.clone(),
        })
    };
    let services = lines.lines().filter_map(service);
    services.filter(|service| PROGRAMS.contains(&service.command.as_str())).collect()
}

/// master(5): since Postfix 3.0, with a compatibility level of 1 or above, services are not chrooted by default.
fn chroot_by_default(main: &Values) -> bool {
    let level = main.get("compatibility_level");
    level.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default() < 1
}

/// The lines `name/kind/parameter = value` of a service.
pub(in crate::admin) fn overrides_of(service: &Service, lines: &str) -> Vec<(String, String)> {
    let start = format!("{}/", service.label());
    lines.lines().filter_map(|line| pair(line.strip_prefix(&start)?)).collect()
}

/// Output and warnings.
fn postconf(directory: &Path, arguments: &[&str]) -> Result<(String, String), PostconfError> {
    let output = command("postconf", directory, arguments)
        .map_err(|(program, error)| PostconfError::Program { program, error })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok((text(&output.stdout), text(&output.stderr)));
    }
    Err(PostconfError::Fails(text(&output.stderr).trim().to_owned()))
}

/// Runs one of Postfix's commands for a directory to its end.
pub(in crate::admin) fn command(
    name: &str,
    directory: &Path,
    arguments: &[&str],
) -> Result<Output, (PathBuf, io::Error)> {
    start(name, directory, arguments, Command::output)
}

/// Has `start` start one of Postfix's commands for a directory, from PATH or from [`COMMANDS`]. With the error comes what
/// was tried last.
pub(in crate::admin) fn start<T>(
    name: &str,
    directory: &Path,
    arguments: &[&str],
    start: impl Fn(&mut Command) -> io::Result<T>,
) -> Result<T, (PathBuf, io::Error)> {
    let run = |program: &Path| {
        start(Command::new(program).env("LC_ALL", "C").arg("-c").arg(directory).args(arguments))
    };
    let name = PathBuf::from(name);
    match run(&name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let program = Path::new(COMMANDS).join(name);
            run(&program).map_err(|error| (program, error))
        }
        result => result.map_err(|error| (name, error)),
    }
}

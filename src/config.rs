//! The configuration: one TOML file, read into a [`Config`] that cannot be wrong once it is there.
//!
//! Every section is read by the module of its name; `keys` knows all tables and keys, `value` the kinds of text
//! that they hold, `table` reads one table and notes what is wrong with its line, and `fault` has the words for it.
//! All mistakes of a file are told at once. What this version cannot do yet is a mistake too, never ignored.

use std::path::Path;

use toml::de::DeTable;

use crate::grant::Mode;
use crate::policy::{Choice, Rules};

mod accounts;
mod aliases;
mod cache;
mod contexts;
mod credential;
mod denied;
mod directory;
mod fault;
mod files;
mod keys;
mod listen;
mod log;
mod metrics;
mod rules;
mod scheduling;
mod sent_copy;
mod server;
mod syntax;
mod table;
mod unique;
mod url;
mod value;

pub use accounts::Accounts;
pub use cache::CacheConfig;
pub use denied::{Denied, DeniedAction};
pub use directory::{DirectoryConfig, Source};
pub use fault::{ConfigError, Fault, Problem};
pub use files::{Password, PasswordError, read_password};
pub use keys::{Known, Shape, TABLES};
pub use listen::Listen;
pub use log::{Level, Log, LogFormat};
pub use server::{Bind, ClientFiles, Server, TlsFiles, Transport};

use table::{Problems, Table};

/// Where the configuration is unless the command line names another file.
pub const DEFAULT_FILE: &str = "/etc/delegation-milter/delegation-milter.toml";

/// Everything that the administrator says.
#[derive(Clone, Debug)]
pub struct Config {
    /// `listen`, `socket_group`, `socket_mode`: where Postfix finds us.
    pub listen: Listen,
    /// `unauthenticated`: what becomes of mail without a login.
    pub unauthenticated: Choice,
    /// `[directory]`
    pub directory: DirectoryConfig,
    /// `[cache]`
    pub cache: CacheConfig,
    /// What decides: `[policy]`, `[envelope]`, `[delegation]`, `[[context]]`, `[domain_aliases]`.
    pub rules: Rules,
    /// `policy.mode`, for everybody whose `[[account]]` does not say otherwise.
    pub mode: Mode,
    /// `[[account]]`
    pub accounts: Accounts,
    /// `[denied]`
    pub denied: Denied,
    /// `scheduling.max_body`, in octets: longer bodies stay unread.
    pub max_body: usize,
    /// `[log]`
    pub log: Log,
    /// `metrics.listen`: where it tells how it is, always over TCP; none: nowhere.
    pub metrics: Option<Listen>,
}

impl Config {
    /// Reads the file, at the start and again at SIGHUP.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has mistakes: each is a line of the error's text.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { file: path.to_owned(), why: fault::why(&error) };
        let octets = std::fs::read(path).map_err(unreadable)?;
        match std::str::from_utf8(&octets) {
            Ok(text) => Self::parse(text, path),
            Err(error) => Err(syntax::not_utf8(&octets, error.valid_up_to(), path)),
        }
    }

    /// Reads the text of `file`, from whose directory relative paths start.
    ///
    /// # Errors
    ///
    /// The text has mistakes: each is a line of the error's text.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let problems = Problems::new(text);
        let config = match DeTable::parse(text) {
            Ok(document) => Self::read(&Table::root(&problems, document.get_ref()), file),
            Err(error) => {
                let (offset, fault) = syntax::fault(text, &error);
                problems.report(offset, String::new(), fault);
                None
            }
        };
        let problems = problems.in_order();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            Some(_) | None => Err(ConfigError::Invalid { file: file.to_owned(), problems }),
        }
    }

    /// None: something that must be there is not, which was noted.
    fn read(root: &Table<'_>, file: &Path) -> Option<Self> {
        keys::check(root);
        let base = file.parent().unwrap_or(Path::new(""));
        let directory = directory::read(&root.table("directory"), base);
        let rules = rules::read(root, directory.as_ref());
        let cache = cache::read(&root.table("cache"));
        let listen = listen::read(root);
        let denied = denied::read(&root.table("denied"), &listen);
        let metrics = metrics::read(&root.table("metrics"), &listen);
        let config = Self {
            listen,
            unauthenticated: root.choice("unauthenticated", &rules::CHOICES).unwrap_or(Choice::Accept),
            directory: directory?,
            cache,
            rules,
            mode: root.table("policy").choice("mode", &accounts::MODES).unwrap_or(Mode::Enforce),
            accounts: accounts::read(root),
            denied,
            max_body: scheduling::max_body(&root.table("scheduling")),
            log: log::read(&root.table("log")),
            metrics,
        };
        Some(config)
    }
}

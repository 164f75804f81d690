//! Postfix's settings as they are in force: `main.cf`, and for each service of `master.cf` what it overrides.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How deep restriction classes may name each other; Postfix has no limit, and nobody writes more.
const CLASSES: usize = 8;

/// Parameters by name, with everything expanded. A parameter that this Postfix does not know is not there.
#[derive(Clone, Debug, Default)]
pub(in crate::admin) struct Values(HashMap<String, String>);

impl Values {
    pub(in crate::admin) fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(values.into_iter().collect())
    }

    /// The value, empty if there is none.
    pub(in crate::admin) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether this version of Postfix has the parameter.
    pub(in crate::admin) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(in crate::admin) fn is_yes(&self, name: &str) -> bool {
        self.get(name).eq_ignore_ascii_case("yes")
    }

    /// The words of a list.
    pub(in crate::admin) fn list(&self, name: &str) -> Vec<&str> {
        words(self.get(name))
    }

    /// The restrictions of a list, with what restriction classes stand for.
    pub(in crate::admin) fn restrictions(&self, name: &str) -> Vec<&str> {
        self.expanded(self.list(name), CLASSES)
    }

    fn expanded<'a>(&'a self, list: Vec<&'a str>, depth: usize) -> Vec<&'a str> {
        let classes = self.list("smtpd_restriction_classes");
        let is_class = |word: &str| depth > 0 && classes.contains(&word);
        let expand =
            |word| if is_class(word) { self.expanded(self.list(word), depth - 1) } else { vec![word] };
        list.into_iter().flat_map(expand).collect()
    }
}

/// The words of a list: parted by white space and commas, where braces hold together (postconf(5)).
pub(in crate::admin) fn words(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ',' || c.is_ascii_whitespace())
    };
    text.split(parts).filter(|word| !word.is_empty()).collect()
}

/// What stands in braces, if the word is in braces.
pub(in crate::admin) fn in_braces(word: &str) -> Option<&str> {
    word.strip_prefix('{')?.strip_suffix('}').map(str::trim)
}

/// A time as Postfix writes it: a number, and perhaps a unit; without one, seconds.
pub(in crate::admin) fn time(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).map(Duration::from_secs)
}

/// A line of `master.cf`, with the settings that its processes see.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Service {
    /// The first column: a port, perhaps with an address, or a socket.
    pub(in crate::admin) name: String,
    /// The second column: `inet`, `unix`, `pass`.
    pub(in crate::admin) kind: String,
    /// Whether its processes see the queue directory alone.
    pub(in crate::admin) chroot: bool,
    /// The program.
    pub(in crate::admin) command: String,
    /// What `-o` sets.
    pub(in crate::admin) overrides: Vec<String>,
    /// What is in force.
    pub(in crate::admin) values: Values,
}

impl Service {
    /// As postconf(1) names it.
    pub(in crate::admin) fn label(&self) -> String {
        format!("{}/{}", self.name, self.kind)
    }

    fn port(&self) -> &str {
        self.name.rsplit_once(':').map_or(self.name.as_str(), |(_, port)| port)
    }

    /// Whether the Internet delivers here: the port of SMTP, or what postscreen(8) passes on.
    pub(in crate::admin) fn is_for_the_internet(&self) -> bool {
        self.kind == "pass" || matches!(self.port(), "smtp" | "25")
    }

    /// Whether it is where people send from, by its name (RFC 6409, RFC 8314).
    pub(in crate::admin) fn is_for_submission(&self) -> bool {
        matches!(self.port(), "submission" | "587" | "submissions" | "smtps" | "465")
    }

    /// Whether this machine alone can reach it, by its name.
    pub(in crate::admin) fn is_for_this_machine(&self) -> bool {
        let host = self.name.rsplit_once(':').map_or("", |(host, _)| host);
        self.kind == "unix" || host.starts_with("127.") || matches!(host, "localhost" | "[::1]")
    }

    /// Whether people log in here.
    pub(in crate::admin) fn takes_logins(&self) -> bool {
        self.values.is_yes("smtpd_sasl_auth_enable")
    }

    /// The line that sets a parameter for this service, where the one in force stands.
    pub(in crate::admin) fn line(&self, name: &str, value: &str) -> String {
        if !self.overrides.iter().any(|own| own == name) {
            return main_line(name, value);
        }
        if value.contains(char::is_whitespace) {
            format!("write, for this service in master.cf: -o {{ {name} = {value} }}")
        } else {
            format!("write, for this service in master.cf: -o {name}={value}")
        }
    }

    /// The line that sets a parameter for this service alone.
    pub(in crate::admin) fn own_line(&self, name: &str, value: &str) -> String {
        let own = Self { overrides: vec![name.to_owned()], ..self.clone() };
        own.line(name, value)
    }
}

/// The line that sets a parameter for all services.
pub(in crate::admin) fn main_line(name: &str, value: &str) -> String {
    format!("write, in main.cf: {name} = {value}")
}

/// One Postfix.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Settings {
    /// Where `main.cf` and `master.cf` are.
    pub(in crate::admin) directory: PathBuf,
    /// What `main.cf` says, and what is by default.
    pub(in crate::admin) main: Values,
    /// The services that take mail in, change it or send it on.
    pub(in crate::admin) services: Vec<Service>,
}

impl Settings {
    /// The services that run a program.
    pub(in crate::admin) fn running<'a>(&'a self, command: &'a str) -> impl Iterator<Item = &'a Service> {
        self.services.iter().filter(move |service| service.command == command)
    }

    /// What holds for cleanup(8), to which a service gives its mail.
    pub(in crate::admin) fn cleanup_of(&self, service: &Service) -> &Values {
        let name = service.values.get("cleanup_service_name");
        let mut cleanups = self.running("cleanup");
        cleanups.find(|cleanup| cleanup.name == name).map_or(&self.main, |cleanup| &cleanup.values)
    }

    /// The directory of the queue: where Postfix's daemons work, and their root in a chroot.
    pub(in crate::admin) fn queue(&self) -> &Path {
        Path::new(self.main.get("queue_directory"))
    }

    /// Whether some service gives its mail to a filter, which gives it back to another one.
    pub(in crate::admin) fn has_filters(&self) -> bool {
        let filters = |values: &Values| {
            ["content_filter", "smtpd_proxy_filter"].iter().any(|name| !values.get(name).is_empty())
        };
        filters(&self.main) || self.services.iter().any(|service| filters(&service.values))
    }

    /// Whether a filter gives mail back to this service: nobody logs in, and others do not reach it.
    pub(in crate::admin) fn is_given_back_to(&self, service: &Service) -> bool {
        self.has_filters()
            && service.is_for_this_machine()
            && !service.takes_logins()
            && !service.is_for_the_internet()
    }
}

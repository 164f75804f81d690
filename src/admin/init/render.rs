//! The answer as it is printed, and what to do next.

use std::fmt::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{Guess, Init};
use crate::admin::rendered;
use crate::config::{Bind, Config, Listen, Source};
use crate::reply::printable;

/// Where Postfix's services work: their sockets are named from there.
const QUEUE: &str = "/var/spool/postfix/";

#[derive(Serialize)]
struct Json<'a> {
    file: Option<&'a Path>,
    preset: &'a str,
    because: &'a str,
    found: &'a [String],
    check: Value,
    next: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<&'a str>,
}

impl Init {
    /// The answer as it is printed; where no file was written, the configuration itself.
    pub fn render(&self, json: bool) -> String {
        let findings = self.report.as_ref().map(|report| report.render(true));
        let check = findings.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        let answer = Json {
            file: self.file.as_deref(),
            preset: &self.preset,
            because: &self.because,
            found: &self.found,
            check,
            next: &self.next,
            configuration: self.file.is_none().then_some(&self.text),
        };
        rendered(&answer, json, |text| self.write(text))
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let Some(file) = &self.file else { return text.write_str(&self.text) };
        self.found.iter().try_for_each(|found| writeln!(text, "found     {found}"))?;
        writeln!(text, "preset    {}, for {}", self.preset, self.because)?;
        writeln!(text, "written   {}", file.display())?;
        if let Some(report) = &self.report {
            writeln!(text, "\n{}", report.render(false))?;
        }
        writeln!(text, "\nnext")?;
        self.next.iter().enumerate().try_for_each(|(at, step)| writeln!(text, "  {}. {step}", at + 1))
    }
}

/// What to do next.
pub(super) fn next(config: &Config, output: &Path, guess: &Guess) -> Vec<String> {
    let milter = match &config.listen {
        Listen::Unix { path, .. } => {
            let path = path.display().to_string();
            format!("unix:{}", path.strip_prefix(QUEUE).unwrap_or(&path))
        }
        Listen::Inet { .. } => config.listen.to_string(),
    };
    let mut next = vec![
        format!("read {}: each key has its comment", output.display()),
        "put it in force: systemctl enable delegation-milter; systemctl restart delegation-milter".to_owned(),
        format!(
            "have Postfix ask it where people log in, in master.cf, for submission and submissions: -o \
             smtpd_milters={milter} -o milter_default_action=tempfail; before all other milters; then postfix reload"
        ),
        "delegation-milter check --postfix /etc/postfix".to_owned(),
        "policy.mode = \"observe\" lets all mail pass: see in the log whom it would hit (\"would refuse\"), then set it to \
         \"enforce\" and reload"
            .to_owned(),
    ];
    if guess.preset == "delegation" {
        next.insert(
            1,
            "on the server: contrib/ldap has the schema, indexes and access rules, if they are not there"
                .to_owned(),
        );
    }
    if let Some(file) = password_file(config) {
        next.insert(
            1,
            format!(
                "the service runs as the user delegation-milter: let it read {0} (chown root:delegation-milter {0}; chmod \
                 0640 {0}), which must not be below /root, /home or /tmp",
                printable(&file.to_string_lossy())
            ),
        );
    }
    next
}

fn password_file(config: &Config) -> Option<&Path> {
    let Source::Servers(servers) = &config.directory.source else { return None };
    servers.iter().find_map(|server| match &server.bind {
        Bind::Simple { password_file, .. } => Some(password_file.as_path()),
        Bind::Anonymous | Bind::Typed { .. } | Bind::External => None,
    })
}

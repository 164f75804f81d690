//! The shipped configuration with keys set: every comment of it stays.

use std::path::{Path, PathBuf};

use super::{InitError, Request};
use crate::config::Config;

pub(super) const SHIPPED: &str = include_str!("../../../conf/delegation-milter.toml");

/// Stands for a name that is not known yet.
const PLACEHOLDER: &str = "dc=invalid";

/// What is set in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) urls: Vec<String>,
    pub(super) base_dn: Option<String>,
    pub(super) bind_dn: Option<String>,
    pub(super) bind_password_file: Option<PathBuf>,
    pub(super) external: bool,
    pub(super) start_tls: bool,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    pub(super) preset: Option<String>,
    pub(super) listen: Option<String>,
}

impl Settings {
    /// What is given.
    pub(super) fn of(request: &Request) -> Self {
        let Request { urls, base_dn, bind_dn, bind_password_file, ca_file, preset, listen, .. } =
            request.clone();
        let Request { external, start_tls, allow_plaintext, .. } = *request;
        Self {
            urls,
            base_dn,
            bind_dn,
            bind_password_file,
            external,
            start_tls,
            ca_file,
            allow_plaintext,
            preset,
            listen,
        }
    }

    /// Whether the directory is a file.
    fn is_file(&self) -> bool {
        self.urls.iter().any(|url| url.starts_with("file:"))
    }

    /// The same for nobody in particular.
    pub(super) fn anonymous(&self) -> Self {
        let (bind_dn, bind_password_file) = (None, None);
        Self { bind_dn, bind_password_file, external: false, ..self.clone() }
    }

    /// The same without TLS.
    pub(super) fn plain(&self) -> Self {
        Self { start_tls: false, ca_file: None, ..self.clone() }
    }

    /// The file's text.
    pub(super) fn text(&self) -> String {
        let mut text = set(SHIPPED, "policy", "mode", &quoted("observe"));
        let urls: Vec<_> = self.urls.iter().map(|url| quoted(url)).collect();
        text = set(&text, "directory", "urls", &format!("[{}]", urls.join(", ")));
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| quoted(&path.display().to_string()));
        let flag = |flag: bool| flag.then(|| "true".to_owned());
        for (key, value) in [
            ("base_dn", self.base_dn.as_deref().map(quoted)),
            ("bind_dn", self.bind_dn.as_deref().map(quoted)),
            ("bind_password_file", path(&self.bind_password_file)),
            ("bind", self.external.then(|| quoted("external"))),
            ("start_tls", flag(self.start_tls)),
            ("ca_file", path(&self.ca_file)),
            ("allow_plaintext", flag(self.allow_plaintext)),
            ("preset", self.preset.as_deref().map(quoted)),
        ] {
            if let Some(value) = value {
                text = set(&text, "directory", key, &value);
            }
        }
        if let Some(listen) = &self.listen {
            text = set(&text, "", "listen", &quoted(listen));
            if !listen.starts_with("unix:") {
                text = text.replace("\nsocket_group = ", "\n#socket_group = ");
            }
        }
        text
    }

    /// The configuration that it is. A server without a base is asked for all that it has.
    pub(super) fn config(&self, output: &Path) -> Result<Config, InitError> {
        if self.base_dn.is_some() || self.is_file() {
            return Ok(Config::parse(&self.text(), output)?);
        }
        let with_base = Self { base_dn: Some(PLACEHOLDER.to_owned()), ..self.clone() };
        let mut config = Config::parse(&with_base.text(), output)?;
        config.directory.base_dn = None;
        Ok(config)
    }
}

/// TOML's basic strings.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The text with this key of this table set, in the line where it is or is commented out.
fn set(text: &str, table: &str, key: &str, value: &str) -> String {
    let (mut current, mut lines) = (String::new(), Vec::new());
    let mut is_done = false;
    for line in text.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        // A table that is commented out begins there too, as far as its keys go.
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim_matches(['[', ']']).clone_into(&mut current);
        }
        let is_key = bare.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "));
        if is_key && current == table && !is_done {
            is_done = true;
            lines.push(format!("{key} = {value}"));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(text: &str) -> Vec<&str> {
        text.lines().filter(|line| line.starts_with("# ") || *line == "#").collect()
    }

    #[test]
    fn every_comment_stays_and_every_key_is_set() {
        let files = std::env::temp_dir().join(format!("dm-init-{}", std::process::id()));
        std::fs::write(&files, "secret\n").unwrap();
        let text = |path: &str| Some(path.to_owned());
        let plain = Settings {
            urls: vec!["ldap://127.0.0.1".into()],
            base_dn: text(r#"dc=x\"y,dc=org"#),
            ..Settings::default()
        };
        let full = Settings {
            urls: vec!["ldap://ldap.example.org".into(), "ldap://two.example.org".into()],
            base_dn: text("dc=example,dc=org"),
            bind_dn: text("cn=milter,dc=example,dc=org"),
            bind_password_file: Some(files.clone()),
            external: false,
            start_tls: true,
            ca_file: Some(files.clone()),
            allow_plaintext: true,
            preset: text("kopano"),
            listen: text("inet:127.0.0.1:9931"),
        };
        let external = Settings { urls: vec!["ldapi:///".into()], external: true, ..plain.clone() };
        for (settings, keys) in [(plain, 3), (full.clone(), 10), (external, 4)] {
            let text = settings.text();
            assert_eq!(comments(&text), comments(SHIPPED));
            assert_eq!(text.lines().count(), SHIPPED.lines().count());
            let changed = text.lines().zip(SHIPPED.lines()).filter(|(a, b)| a != b).count();
            // socket_group too, where it is not for inet.
            assert_eq!(changed, keys + usize::from(settings.listen.is_some()), "{text}");
            settings.config(Path::new("/etc/x.toml")).unwrap_or_else(|error| panic!("{error}"));
        }
        assert!(full.text().contains("\nmode = \"observe\"\n"));
        assert!(full.text().contains("\n#mode = \"enforce\"\n"), "of [[account]]");
        std::fs::remove_file(&files).unwrap();
    }
}

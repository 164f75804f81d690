//! Files that systemd hands over (`LoadCredential=`, systemd.exec(5)): those of one service alone, which its user need
//! not be able to read where they come from.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::fault::quoted;
use super::value::{Wrong, plain};

/// What a path begins with that is the name of a credential. A file of such a name is `./credential:…`.
const PREFIX: &str = "credential:";

/// Where systemd says where it has put them.
const VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// The path of a file: as it is written, or of a credential.
pub(super) fn file(text: &str) -> Result<PathBuf, Wrong> {
    let path = plain(text, |_| true)?;
    match path.strip_prefix(PREFIX) {
        Some(name) => credential(name, env::var_os(VARIABLE)),
        None => Ok(PathBuf::from(path)),
    }
}

fn credential(name: &str, directory: Option<OsString>) -> Result<PathBuf, Wrong> {
    if name.is_empty() || name.contains('/') || [".", ".."].contains(&name) {
        return Err(Wrong::Because("it is no name of a credential".to_owned()));
    }
    let Some(directory) = directory.filter(|directory| Path::new(directory).is_absolute()) else {
        return Err(Wrong::Because(format!(
            "{VARIABLE} is not set: the service has it from LoadCredential= in its unit, and a command by hand needs \
             {VARIABLE}=/run/credentials/delegation-milter.service while the service runs"
        )));
    };
    let path = Path::new(&directory).join(name);
    // What else is wrong with it, whoever reads it says.
    match path.try_exists() {
        Ok(false) => Err(Wrong::Because(format!(
            "there is no such credential in {}: the unit needs LoadCredential={name}:/PATH of a file that is there",
            quoted(&directory.to_string_lossy())
        ))),
        Ok(true) | Err(_) => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, directory: Option<&str>) -> String {
        match credential(name, directory.map(OsString::from)) {
            Ok(path) => path.display().to_string(),
            Err(Wrong::Form) => "form".to_owned(),
            Err(Wrong::Because(why)) => why,
        }
    }

    #[test]
    fn credentials() {
        let files = env!("CARGO_MANIFEST_DIR");
        for (name, directory, expected) in [
            ("LICENSE", Some(files), format!("{files}/LICENSE")),
            ("LICENSE", None, "CREDENTIALS_DIRECTORY is not set: ".to_owned()),
            ("LICENSE", Some(""), "CREDENTIALS_DIRECTORY is not set: ".to_owned()),
            ("LICENSE", Some("relative"), "CREDENTIALS_DIRECTORY is not set: ".to_owned()),
            ("missing", Some(files), format!("there is no such credential in \"{files}\": ")),
            ("", Some(files), "it is no name of a credential".to_owned()),
            (".", Some(files), "it is no name of a credential".to_owned()),
            ("..", Some(files), "it is no name of a credential".to_owned()),
            ("../etc/passwd", Some(files), "it is no name of a credential".to_owned()),
        ] {
            let told = told(name, directory);
            assert!(told.starts_with(&expected), "{name}, {directory:?}: {told}");
        }
    }

    #[test]
    fn other_names_are_paths() {
        for path in ["ldap.password", "/etc/ldap.password", "./credential:ldap.password", "Credential:x"] {
            assert_eq!(file(path).ok(), Some(PathBuf::from(path)));
        }
    }
}

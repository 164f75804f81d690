//! The Debian package, as far as it shows without building it: what Cargo.toml puts into it is there, and what people
//! would miss is in it. contrib/debian/try installs it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::fs;

use support::project;
use toml::{Table, Value};

/// Where each file comes from, and where it goes.
fn assets() -> Vec<(String, String)> {
    let manifest: Table = fs::read_to_string(project("Cargo.toml")).unwrap().parse().unwrap();
    let assets = &manifest["package"]["metadata"]["deb"]["assets"];
    let word = |asset: &Value, place: usize| asset[place].as_str().unwrap().to_owned();
    assets.as_array().unwrap().iter().map(|asset| (word(asset, 0), word(asset, 1))).collect()
}

#[test]
fn what_is_packed_is_there() {
    for (source, _) in assets() {
        let (directory, name) = source.rsplit_once('/').unwrap_or(("", &source));
        let is_there = match name.strip_prefix('*') {
            Some(end) => fs::read_dir(project(directory))
                .unwrap()
                .any(|file| file.unwrap().file_name().to_str().unwrap().ends_with(end)),
            None => source.starts_with("target/release/") || project(&source).is_file(),
        };
        assert!(is_there, "there is no {source}");
    }
}

/// A file that is put beside these without a thought of the package would be missing there.
#[test]
fn what_is_there_is_packed() {
    let assets = assets();
    for directory in
        ["contrib/completions", "contrib/dovecot", "contrib/ldap", "contrib/man", "contrib/monitoring"]
    {
        for file in fs::read_dir(project(directory)).unwrap().map(|file| file.unwrap()) {
            let name = format!("{directory}/{}", file.file_name().to_str().unwrap());
            let is_packed =
                assets.iter().any(|(source, _)| *source == name || *source == format!("{directory}/*"));
            assert!(is_packed && file.path().is_file(), "{name} is not in the package, by Cargo.toml");
        }
    }
}

#[test]
fn the_package_has_the_version_of_the_program() {
    let changes = fs::read_to_string(project("contrib/debian/changelog")).unwrap();
    let version = format!("delegation-milter ({}-", env!("CARGO_PKG_VERSION"));
    assert!(
        changes.starts_with(&version),
        "contrib/debian/changelog begins with another version than {version}"
    );
}

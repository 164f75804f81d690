//! The pages of `contrib/guides` name what is there: commands, options, keys, files and places of other pages.
//!
//! That their commands do what the pages say is seen by `contrib/guides/run`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use delegation_milter::config::TABLES;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A page and what it says.
struct Page {
    name: String,
    text: String,
}

fn pages() -> Vec<Page> {
    let names = std::fs::read_dir(project("contrib/guides")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = names
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| Page {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect();
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(pages.len() > 5);
    pages
}

/// The lines of a page's code: commands and files in blocks, and what stands in backquotes.
fn code(page: &Page) -> Vec<String> {
    let (mut block, mut code) = (false, Vec::new());
    for line in page.text.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if block {
            code.push(line.to_owned());
        } else {
            code.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    // A command goes on after a backslash.
    let mut joined: Vec<String> = Vec::new();
    for line in code {
        match joined.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push_str(line.trim_start_matches("> "));
            }
            _ => joined.push(line),
        }
    }
    joined
}

/// What a sign-posted heading is called in a link.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().to_lowercase();
    letters
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

#[test]
fn the_readme_lists_every_page() {
    let pages = pages();
    let readme = &pages.iter().find(|page| page.name == "README.md").expect("there is a README").text;
    for page in pages.iter().filter(|page| page.name != "README.md") {
        assert!(readme.contains(&format!("]({})", page.name)), "README.md does not list {}", page.name);
    }
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let links =
            page.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.starts_with("http")) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.name.clone() } else { file.to_owned() };
            let path = project("contrib/guides").join(&target);
            assert!(path.exists(), "{}: {link} leads nowhere", page.name);
            let found = place.is_empty() || anchors(&std::fs::read_to_string(&path).unwrap()).contains(place);
            assert!(found, "{}: {target} has no heading {place}", page.name);
        }
    }
}

#[test]
fn files_are_there() {
    let word = |text: &str| {
        let end =
            text.find(|c: char| !(c.is_ascii_alphanumeric() || "._/-".contains(c))).unwrap_or(text.len());
        text.chars().take(end).collect::<String>().trim_end_matches(['.', '/']).to_owned()
    };
    for page in pages() {
        for (place, rest) in page.text.match_indices("contrib/").map(|(at, _)| (at, page.text.split_at(at).1))
        {
            // Of this project: not in the middle of another path.
            if !page.text.split_at(place).0.ends_with('/') {
                assert!(project(&word(rest)).exists(), "{}: there is no {}", page.name, word(rest));
            }
        }
        for rest in page.text.split("/usr/share/doc/delegation-milter/examples/").skip(1) {
            let name = word(rest);
            let found = name.is_empty()
                || ["contrib", "conf"].iter().any(|place| project(place).join(&name).exists());
            assert!(found, "{}: the package has no example {name}", page.name);
        }
    }
}

/// Each command of the program, with what its help says.
fn commands() -> BTreeMap<String, String> {
    let help = |words: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_delegation-milter")).args(words).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let all = help(&["--help"]);
    let names =
        all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"check"), "{all}");
    names
        .into_iter()
        .map(|name| {
            (name.to_owned(), if name == "help" { all.clone() } else { help(&[name, "--help"]) + &all })
        })
        .collect()
}

/// The words of each call of the program in a line of code.
fn calls(line: &str) -> Vec<Vec<&str>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let begins = |place: &usize| {
        words.get(*place) == Some(&"delegation-milter")
            && place.checked_sub(1).and_then(|before| words.get(before)).is_none_or(|before| {
                ["$", ">", "|", "&&", ";", "("].contains(before)
                    || before.contains('=')
                    || before.ends_with(';')
            })
    };
    let ends = |word: &&&str| !["|", "&&", "||", ";", ">", "#"].contains(*word);
    (0..words.len())
        .filter(begins)
        .map(|place| words.iter().skip(place + 1).take_while(ends).copied().collect())
        .collect()
}

#[test]
fn commands_and_options_are_there() {
    let (known, mut seen) = (commands(), BTreeSet::new());
    for page in pages() {
        for line in code(&page) {
            for call in calls(&line) {
                let mut words =
                    call.iter().copied().skip_while(|word| *word == "--config" || word.ends_with(".toml"));
                let Some(name) =
                    words.next().filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                else {
                    continue;
                };
                let name = name.trim_end_matches(';');
                let help = known
                    .get(name)
                    .unwrap_or_else(|| panic!("{}: there is no command {name}: {line}", page.name));
                seen.insert(name.to_owned());
                for option in words.filter(|word| word.starts_with("--")) {
                    let option = option.split('=').next().unwrap().trim_end_matches([';', ',', ')']);
                    assert!(help.contains(option), "{}: {name} has no {option}: {line}", page.name);
                }
            }
        }
    }
    for name in ["check", "explain", "grant", "revoke", "list", "report"] {
        assert!(seen.contains(name), "no page calls {name}");
    }
}

/// Every key, as `table.key`.
fn keys() -> BTreeSet<String> {
    let named = |table: &delegation_milter::config::Known| {
        [table.parent, table.name]
            .iter()
            .filter(|name| !name.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(".")
    };
    let path = |table: &str, key: &str| format!("{table}.{key}").trim_start_matches('.').to_owned();
    TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| path(&named(table), key))).collect()
}

#[test]
fn keys_are_there() {
    let (keys, mut seen) = (keys(), 0);
    let tables: BTreeSet<_> =
        keys.iter().filter_map(|key| key.rsplit_once('.')).map(|(table, _)| table).collect();
    for page in pages() {
        for line in code(&page) {
            // As the text names them: policy.mode, directory.attributes.login.
            let word = line.split([' ', '=', ':']).next().unwrap_or_default();
            if let Some((table, _)) = word.rsplit_once('.').filter(|(table, _)| tables.contains(table)) {
                let known =
                    keys.contains(word) || tables.contains(word) || word.starts_with("directory.ldif");
                assert!(known, "{}: there is no key {word} in {table}", page.name);
                seen += 1;
            }
        }
        seen += of_files(&page, &keys);
    }
    assert!(seen > 20, "{seen} keys");
}

/// The keys of the configurations that a page writes; how many there are.
fn of_files(page: &Page, keys: &BTreeSet<String>) -> usize {
    let mut seen = 0;
    for file in page.text.split("```toml ").skip(1) {
        let mut table = String::new();
        for line in file.split("```").next().unwrap().lines().skip(1) {
            if line.starts_with('[') {
                table = line.trim_matches(['[', ']']).to_owned();
            } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with([' ', '#'])) {
                let path = format!("{table}.{key}");
                let known = keys.contains(path.trim_start_matches('.')) || table == "domain_aliases";
                assert!(known, "{}: there is no key {path}", page.name);
                seen += 1;
            }
        }
    }
    seen
}

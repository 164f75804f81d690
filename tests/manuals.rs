//! The manual pages say what the program does: every key with its type and default, every command and option, and
//! nothing that is no more.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use delegation_milter::config::{Shape, TABLES};
use support::project;

const SHIPPED: &str = include_str!("../conf/delegation-milter.toml");

/// The source of a page, with the characters that it escapes, and without the places where lines may break.
fn page(name: &str) -> String {
    let text = std::fs::read_to_string(project("contrib/man").join(name)).unwrap();
    text.replace(r"\(dq", "\"").replace(r"\:", "").replace(r"\e", r"\")
}

/// What stands under a `.Sh`, from the end of that line.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let heading = page.find(&format!("\n.Sh {name}\n")).unwrap_or_else(|| panic!("there is no {name}"));
    let after = &page[heading + 1..];
    let after = &after[after.find('\n').unwrap()..];
    after.split_once("\n.Sh ").map_or(after, |(section, _)| section)
}

/// The parts that begin with a line of this macro: what else is in that line, and the lines up to the next such part.
fn parts<'a>(section: &'a str, item: &str) -> Vec<(&'a str, &'a str)> {
    let (mut parts, mut rest) = (Vec::new(), section);
    while let Some((_, after)) = rest.split_once(item) {
        let (head, body) = after.split_once('\n').unwrap();
        let end = body.find(item).unwrap_or(body.len());
        parts.push((head, &body[..end]));
        rest = &body[end..];
    }
    parts
}

// Keys

/// Table and key, such as `[cache]` and `ttl`.
type Key = (String, String);

/// A table as a heading shows it.
fn heading(parent: &str, name: &str, shape: Shape) -> String {
    match (parent, name, shape) {
        ("", "", _) => "Top of the file".to_owned(),
        ("", name, Shape::One | Shape::Free) => format!("[{name}]"),
        ("", name, Shape::Many) => format!("[[{name}]]"),
        (parent, name, _) => format!("[{parent}.{name}]"),
    }
}

/// What the shipped file says of every key: its default, if there is one, and a value.
fn shipped() -> BTreeMap<Key, (Option<String>, String)> {
    let (mut keys, mut table, mut comment) = (BTreeMap::new(), "Top of the file".to_owned(), String::new());
    // Keys that follow one another without a comment share the one before them.
    let mut taken = false;
    for line in SHIPPED.lines() {
        if line.is_empty() {
            comment.clear();
        }
        let bare = line.strip_prefix('#').unwrap_or(line);
        if bare.starts_with('[') && bare.ends_with(']') {
            (table, comment) = (bare.to_owned(), String::new());
        } else if let Some((key, value)) = bare.split_once(" = ").filter(|(key, _)| is_key(key)) {
            let default = default(&table, &comment, value, line.starts_with('#'));
            keys.insert((table.clone(), key.to_owned()), (default, value.to_owned()));
            taken = true;
        } else if taken {
            (comment, taken) = (bare.to_owned(), false);
        } else {
            comment += bare;
        }
    }
    keys
}

fn is_key(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

fn default(table: &str, comment: &str, value: &str, is_commented_out: bool) -> Option<String> {
    let none = ["o default", "Optional", "the default is none"].iter().any(|none| comment.contains(none));
    if none || table.starts_with("[[") {
        return None;
    }
    match comment.split_once("the default is ") {
        Some((_, said)) => Some(said.trim_end().trim_end_matches('.').to_owned()),
        None => {
            assert!(is_commented_out, "{table}: what is set says its default: {comment}");
            Some(value.to_owned())
        }
    }
}

/// The words for the types of this value.
fn types(value: &str) -> &'static [&'static str] {
    match value.chars().next().unwrap() {
        '[' => &["List"],
        't' | 'f' => &["True or false"],
        '0'..='9' => &["Number"],
        _ => &["String", "Time", "Size", "File or credential"],
    }
}

#[test]
fn every_key_is_in_the_manual_with_its_type_and_default() {
    let page = page("delegation-milter.toml.5");
    let mut seen = BTreeSet::new();
    let shipped = shipped();
    for (table, body) in parts(section(&page, "KEYS"), "\n.Ss ") {
        for (key, text) in parts(body, "\n.It Ic ") {
            let name = (table.to_owned(), key.to_owned());
            let (default, value) =
                shipped.get(&name).unwrap_or_else(|| panic!("{table} {key} is not in the shipped file"));
            let said = text.split('\n').take(2).collect::<Vec<_>>().join("\n");
            let fits = |kind: &&str| match default {
                Some(default) => said == format!("{kind}, default\n.Li {default} ."),
                None => said.starts_with(&format!("{kind}, no default")),
            };
            assert!(types(value).iter().any(fits), "{table} {key}: {default:?}, not {said:?}");
            assert!(seen.insert(name), "{table} {key} is there twice");
        }
    }
    for table in TABLES {
        let heading = heading(table.parent, table.name, table.shape);
        assert!(page.contains(&format!("\n.Ss {heading}\n")), "{heading} is not in the manual");
        for key in table.keys {
            let name = (heading.clone(), (*key).to_owned());
            assert!(seen.remove(&name), "{heading} {key} is not in the manual");
        }
    }
    assert!(seen.is_empty(), "there is no more: {seen:?}");
}

#[test]
fn every_preset_is_in_the_manual() {
    let page = page("delegation-milter.toml.5");
    let presets: Vec<_> =
        parts(section(&page, "PRESETS"), "\n.It Cm ").iter().map(|(name, _)| *name).collect();
    assert_eq!(presets, delegation_milter::directory::schema::PRESETS);
}

// Commands

/// What `--help` says of a command.
#[derive(Debug, Default)]
struct Help {
    commands: Vec<String>,
    /// As in `--config <FILE>`, without the brackets.
    options: Vec<String>,
    arguments: Vec<String>,
    /// Defaults and possible values.
    values: Vec<String>,
}

fn help(command: &[&str]) -> Help {
    let output =
        Command::new(env!("CARGO_BIN_EXE_delegation-milter")).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut help, mut part) = (Help::default(), "");
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.first() {
            Some(_) if !line.starts_with(' ') => part = line,
            Some(word) if part == "Commands:" => help.commands.push((*word).to_owned()),
            Some(word) if part == "Arguments:" && !word.starts_with('-') && line.starts_with("  ") => {
                if word.starts_with(['<', '[']) && !line.starts_with("   ") {
                    help.arguments.push(word.trim_matches(|c| "<>[].".contains(c)).to_owned());
                }
            }
            Some(_)
                if part == "Options:"
                    && words.iter().any(|word| word.starts_with("--"))
                    && words[0].starts_with('-') =>
            {
                let at = words.iter().position(|word| word.starts_with("--")).unwrap();
                let value = words.get(at + 1).and_then(|word| word.strip_prefix('<'));
                let value = value.map(|value| format!(" Ar {}", value.trim_end_matches(['>', '.', ']'])));
                help.options.push(format!(
                    "{}{}",
                    words[at].trim_start_matches('-'),
                    value.unwrap_or_default()
                ));
            }
            Some(_) | None => {}
        }
        help.values.extend(values(line));
    }
    help
}

/// `[default: …]`, `[possible values: …]` and `- send-as: …` in a line.
fn values(line: &str) -> Vec<String> {
    let listed = |name: &str| line.split_once(name).and_then(|(_, after)| after.split_once(']'));
    let listed = listed("[default: ").or_else(|| listed("[possible values: "));
    let alone = line.trim_start().strip_prefix("- ").and_then(|after| after.split_once(':'));
    let both = listed.into_iter().chain(alone).flat_map(|(list, _)| list.split(", "));
    both.map(str::to_owned).collect()
}

#[test]
fn every_command_and_option_is_in_the_manual() {
    let page = page("delegation-milter.8");
    let (synopsis, commands) = (section(&page, "SYNOPSIS"), section(&page, "COMMANDS"));
    let top = help(&[]);
    has_options("delegation-milter", section(&page, "OPTIONS"), &top, true);
    let mut all = subcommands(&[]);
    for (heading, text) in parts(commands, "\n.Ss ") {
        let mut options = BTreeSet::new();
        for name in heading.split(" and ") {
            let help = all.remove(name).unwrap_or_else(|| panic!("there is no command {name}"));
            has_options(name, text, &help, false);
            is_in_synopsis(name, synopsis, &help);
            options.extend(help.options);
        }
        for (option, _) in parts(text, "\n.It Fl Fl ") {
            assert!(options.contains(option), "{heading} has no option {option:?}: {options:?}");
        }
    }
    assert!(all.is_empty(), "not in the manual: {:?}", all.keys());
}

/// The commands below this one that do something by themselves, with what they take.
fn subcommands(path: &[&str]) -> BTreeMap<String, Help> {
    let mut all = BTreeMap::new();
    for name in help(path).commands.iter().filter(|name| *name != "help") {
        let path = [path, &[name.as_str()]].concat();
        let help = help(&path);
        if help.commands.is_empty() {
            all.insert(path.join(" "), help);
        } else {
            all.extend(subcommands(&path));
        }
    }
    all
}

fn has_options(command: &str, text: &str, help: &Help, with_common: bool) {
    for option in &help.options {
        let is_common = option == "help" || option == "version";
        let said = text.contains(&format!("\n.It Fl Fl {option}\n"));
        let said = said || text.contains(&format!(" , Fl Fl {option}\n"));
        assert!(said || is_common && !with_common, "{command} --{option} is not in the manual");
    }
    for value in &help.values {
        let is_said = text.lines().any(|line| line.split([' ', '"']).any(|word| word == value.as_str()));
        assert!(is_said, "{command}: the value {value} is not in the manual");
    }
}

fn is_in_synopsis(command: &str, synopsis: &str, help: &Help) {
    let last = command.split(' ').next_back().unwrap();
    let names = |usage: &&str| usage.split_whitespace().any(|word| word == last);
    let usages: String = synopsis.split(".Nm").filter(names).collect();
    assert!(!usages.is_empty(), "{command} is not in the synopsis");
    for option in help.options.iter().filter(|option| *option != "help") {
        assert!(usages.contains(&format!("Fl Fl {option}")), "{command} --{option} is not in the synopsis");
    }
    for argument in &help.arguments {
        assert!(
            usages.split_whitespace().any(|word| word == argument),
            "{command}: no {argument} in the synopsis"
        );
    }
}

// The pages themselves

#[test]
fn mandoc_finds_nothing_wrong() {
    for name in ["delegation-milter.8", "delegation-milter.toml.5"] {
        let path = project("contrib/man").join(name);
        let output = Command::new("mandoc").args(["-Tlint", "-W", "warning"]).arg(path).output();
        let output = output.expect("mandoc is missing: contrib/testbed/install mandoc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

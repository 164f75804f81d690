//! One table of the file, read key by key; what is wrong is noted with its line, and reading goes on.
//!
//! A reader returns none for a key that is absent or wrong. That is enough: where anything is wrong there will be
//! no [`Config`](super::Config), and whatever was put in its place is thrown away.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{self, Fault, Problem, quoted, unquoted};
use super::value::{Kind, Wrong};

/// The mistakes found so far, with the octet of the file at which each stands.
pub(super) struct Problems<'d> {
    text: &'d str,
    found: RefCell<Vec<(usize, Problem)>>,
}

impl<'d> Problems<'d> {
    pub(super) fn new(text: &'d str) -> Self {
        Self { text, found: RefCell::default() }
    }

    pub(super) fn report(&self, offset: usize, key: String, fault: Fault) {
        self.found.borrow_mut().push((offset, Problem { line: self.line(offset), key, fault }));
    }

    /// The line of an octet, from 1.
    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|octet| *octet == b'\n').count()
    }

    /// All mistakes in the order of the file.
    pub(super) fn in_order(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(offset, _)| *offset);
        found.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// A table; one that the file does not have is empty.
pub(super) struct Table<'d> {
    problems: &'d Problems<'d>,
    path: String,
    /// Where its head stands.
    offset: usize,
    entries: Option<&'d DeTable<'d>>,
}

impl<'d> Table<'d> {
    /// The whole file.
    pub(super) fn root(problems: &'d Problems<'d>, entries: &'d DeTable<'d>) -> Self {
        Self { problems, path: String::new(), offset: 0, entries: Some(entries) }
    }

    /// The table that `key` holds, empty if there is none.
    pub(super) fn table(&self, key: &str) -> Self {
        let node = self.get(key);
        Self {
            problems: self.problems,
            path: self.path_of(key),
            offset: node.map_or(self.offset, |node| node.span().start),
            entries: node.and_then(|node| node.get_ref().as_table()),
        }
    }

    /// The tables of the list that `key` holds, `[[key]]` each, numbered from 1.
    pub(super) fn tables(&self, key: &str) -> Vec<Self> {
        let nodes = self.get(key).and_then(|node| node.get_ref().as_array());
        let numbered = nodes.into_iter().flatten().enumerate();
        numbered.filter_map(|(index, node)| self.numbered(key, index + 1, node)).collect()
    }

    fn numbered(&self, key: &str, number: usize, node: &'d Spanned<DeValue<'d>>) -> Option<Self> {
        let entries = Some(node.get_ref().as_table()?);
        let path = format!("{}[{number}]", self.path_of(key));
        Some(Self { problems: self.problems, path, offset: node.span().start, entries })
    }

    /// Every key with its value, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&'d Spanned<Cow<'d, str>>, &'d Spanned<DeValue<'d>>)> {
        let mut entries: Vec<_> = self.entries.into_iter().flat_map(DeTable::iter).collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    /// Whether the file has the key, with whatever value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The line of a key that the file has, else of the table.
    pub(super) fn line(&self, key: &str) -> usize {
        self.problems.line(self.offset_of(key))
    }

    /// Reads a text.
    pub(super) fn text<T>(&self, key: &str, kind: &Kind<T>) -> Option<T> {
        self.read_text(key, self.get(key)?, kind)
    }

    /// Reads a text that must be there.
    pub(super) fn required<T>(&self, key: &str, kind: &Kind<T>) -> Option<T> {
        if !self.has(key) {
            self.complain(key, Fault::Missing { allowed: format!("are {}", kind.allowed) });
        }
        self.text(key, kind)
    }

    /// Reads a key that is itself what the administrator says.
    pub(super) fn key<T>(&self, key: &Spanned<Cow<'_, str>>, kind: &Kind<T>) -> Option<T> {
        let written = key.get_ref().as_ref();
        self.good(written, key, (kind.read)(written), quoted(written), kind)
    }

    /// Reads a list of texts; those that are wrong are left out.
    pub(super) fn list<T>(&self, key: &str, kind: &Kind<T>) -> Option<Vec<T>> {
        Some(self.texts(key, kind)?.into_iter().flatten().collect())
    }

    /// Reads a list of texts that counts as a whole: none if one of them is wrong.
    pub(super) fn whole_list<T>(&self, key: &str, kind: &Kind<T>) -> Option<Vec<T>> {
        self.texts(key, kind)?.into_iter().collect()
    }

    /// The texts of a list; none for each that is wrong.
    fn texts<T>(&self, key: &str, kind: &Kind<T>) -> Option<Vec<Option<T>>> {
        let node = self.get(key)?;
        let Some(nodes) = node.get_ref().as_array() else {
            let allowed = format!("are lists, in square brackets, of {}", kind.allowed);
            self.report(key, node, not_allowed(node.get_ref(), allowed));
            return None;
        };
        Some(nodes.iter().map(|node| self.read_text(key, node, kind)).collect())
    }

    /// Reads one of some words.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let node = self.get(key)?;
        let chosen = choices.iter().find(|(word, _)| node.get_ref().as_str() == Some(*word));
        if chosen.is_none() {
            let words = choices.iter().map(|(word, _)| *word);
            self.report(key, node, not_allowed(node.get_ref(), one_of(words)));
        }
        chosen.map(|(_, choice)| *choice)
    }

    /// Reads a truth value.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        let flag = node.get_ref().as_bool();
        if flag.is_none() {
            self.report(key, node, not_allowed(node.get_ref(), "are true, false".to_owned()));
        }
        flag
    }

    /// Reads a whole number.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<usize>) -> Option<usize> {
        let node = self.get(key)?;
        let written = node.get_ref().as_integer();
        let number = written.and_then(|n| usize::from_str_radix(n.as_str(), n.radix()).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let allowed = format!("are whole numbers from {} to {}", range.start(), range.end());
            self.report(key, node, not_allowed(node.get_ref(), allowed));
        }
        number
    }

    /// Notes that the value of a key, or its absence, is wrong.
    pub(super) fn complain(&self, key: &str, fault: Fault) {
        self.problems.report(self.offset_of(key), self.path_of(key), fault);
    }

    /// Notes that something that stands in `key` is wrong.
    pub(super) fn report<T>(&self, key: &str, at: &Spanned<T>, fault: Fault) {
        self.problems.report(at.span().start, self.path_of(key), fault);
    }

    fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.entries?.get(key)
    }

    fn offset_of(&self, key: &str) -> usize {
        self.get(key).map_or(self.offset, |node| node.span().start)
    }

    fn path_of(&self, key: &str) -> String {
        // A key that needs quotes in TOML gets them in messages too.
        let key = fault::key(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    fn read_text<T>(&self, key: &str, node: &Spanned<DeValue<'_>>, kind: &Kind<T>) -> Option<T> {
        let read = node.get_ref().as_str().ok_or(Wrong::Form).and_then(kind.read);
        self.good(key, node, read, shown(node.get_ref()), kind)
    }

    /// The value that was read, if it is of its kind.
    fn good<T, N>(
        &self,
        key: &str,
        at: &Spanned<N>,
        read: Result<T, Wrong>,
        found: String,
        kind: &Kind<T>,
    ) -> Option<T> {
        let because = match read {
            Ok(value) => return Some(value),
            Err(Wrong::Form) => None,
            Err(Wrong::Because(why)) => Some(why),
        };
        self.report(key, at, Fault::NotAllowed { found, because, allowed: format!("are {}", kind.allowed) });
        None
    }
}

/// The fault of a value that has the wrong type or range.
pub(super) fn not_allowed(found: &DeValue<'_>, allowed: String) -> Fault {
    Fault::NotAllowed { found: shown(found), because: None, allowed }
}

/// The words that are allowed, with their verb.
pub(super) fn one_of<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<_> = words.map(quoted).collect();
    format!("{} {}", if words.len() == 1 { "is" } else { "are" }, words.join(", "))
}

/// A value as messages show it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => unquoted(&number.to_string()),
        DeValue::Float(number) => unquoted(&number.to_string()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

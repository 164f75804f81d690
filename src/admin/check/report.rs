//! What `check` found: a list of findings, as text for people and as JSON.

use serde::{Serialize, Serializer};

use crate::reply::printable_within;

/// The longest value that a finding quotes, in characters: enough for most names of entries.
const MAX_VALUE: usize = 160;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It works.
    Ok,
    /// For information.
    Note,
    /// Something does not work as somebody may expect.
    Warning,
    /// The program cannot work as it is configured.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What was found. It has printable ASCII alone: whatever a directory says stands in it escaped.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Finding {
    /// How much it matters.
    pub(super) level: Level,
    /// The part that was looked at.
    pub(super) about: &'static str,
    /// What was found.
    #[serde(serialize_with = "escaped")]
    pub(super) text: String,
    /// What to do.
    #[serde(serialize_with = "escaped_if_any")]
    pub(super) advice: Option<String>,
    /// Changes for ldapmodify(1) that do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ldif: Option<String>,
}

fn escaped<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&printable(text))
}

fn escaped_if_any<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(printable).serialize(serializer)
}

fn printable(text: &str) -> String {
    printable_within(text, usize::MAX)
}

/// A value in a finding: in quotation marks, and not longer than need be.
pub(super) fn quoted(value: &str) -> String {
    let mut characters = value.chars();
    let start: String = characters.by_ref().take(MAX_VALUE).collect();
    let more = if characters.next().is_some() { "..." } else { "" };
    format!("\"{start}\"{more}")
}

/// All that was found, in order.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
    /// What was configured, here or on the server, has to be changed.
    wrong: bool,
    /// The directory or the relay is away; that passes.
    unavailable: bool,
}

impl Report {
    pub(super) fn ok(&mut self, about: &'static str, text: impl Into<String>) {
        self.push(Level::Ok, about, text.into(), None);
    }

    pub(super) fn note(&mut self, about: &'static str, text: impl Into<String>) {
        self.push(Level::Note, about, text.into(), None);
    }

    pub(super) fn warning(&mut self, about: &'static str, text: impl Into<String>, advice: &str) {
        self.push(Level::Warning, about, text.into(), Some(advice.to_owned()));
    }

    /// Something has to be changed before the program can work.
    pub(super) fn error(&mut self, about: &'static str, text: impl Into<String>, advice: Option<&str>) {
        self.wrong = true;
        self.push(Level::Error, about, text.into(), advice.map(str::to_owned));
    }

    /// The directory or the relay is away.
    pub(super) fn unavailable(&mut self, about: &'static str, text: impl Into<String>, advice: &str) {
        self.unavailable = true;
        self.push(Level::Error, about, text.into(), Some(advice.to_owned()));
    }

    /// Steps that could not be taken because one before them failed.
    pub(super) fn not_done(&mut self, steps: &[&'static str]) {
        for step in steps {
            self.note(step, "not checked, for what failed above");
        }
    }

    fn push(&mut self, level: Level, about: &'static str, text: String, advice: Option<String>) {
        self.findings.push(Finding { level, about, text, advice, ldif: None });
    }

    /// Anything that the others do not say.
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether something has to be changed before the program can work (exit status 2).
    pub fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// Whether the directory or the relay is away, which passes (exit status 75).
    pub fn is_unavailable(&self) -> bool {
        self.unavailable
    }

    /// The answer as it is printed.
    pub fn render(&self, json: bool) -> String {
        if json {
            return serde_json::to_string_pretty(&self.findings).unwrap_or_default();
        }
        let lines = self.findings.iter().map(Finding::line);
        let ldifs = self.findings.iter().filter_map(|finding| finding.ldif.as_ref());
        let ldifs = ldifs.map(|ldif| format!("\n# ldapmodify -Y EXTERNAL -H ldapi:///\n{ldif}"));
        lines.chain(ldifs).chain([self.summary()]).collect::<Vec<_>>().join("\n")
    }

    fn summary(&self) -> String {
        let count = |level| self.findings.iter().filter(|finding| finding.level == level).count();
        let counted = |level, one: &str, several: &str| match count(level) {
            1 => format!("1 {one}"),
            count => format!("{count} {several}"),
        };
        let errors = counted(Level::Error, "error", "errors");
        format!("{errors}, {}", counted(Level::Warning, "warning", "warnings"))
    }
}

impl Finding {
    fn line(&self) -> String {
        let Self { level, about, text, advice, .. } = self;
        let advice = advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
        format!("{:8} {about}: {}", level.name(), printable(&format!("{text}{advice}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn nothing_escapes_the_answer(value in "\\PC{0,40}|[\\s\\S]{0,400}") {
            let mut report = Report::default();
            report.warning("entries", quoted(&value), &value);
            let text = report.render(false);
            proptest::prop_assert_eq!(text.lines().count(), 2);
            proptest::prop_assert!(text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)));
            let json = report.render(true);
            proptest::prop_assert!(json.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)));
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            let line = read[0]["advice"].as_str().unwrap();
            proptest::prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}

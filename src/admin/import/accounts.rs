//! A plan's `[[account]]`, as the configuration has them.

use std::collections::HashSet;
use std::fmt::Write;

use serde::Serialize;

use super::plan::Plan;
use crate::address::Pattern;
use crate::grant::{Account, Mode};
use crate::reply::printable_within;

/// The longest comment, in octets, and how many of them an account gets.
const COMMENT: usize = 400;
const COMMENTS: usize = 20;

/// An `[[account]]`.
pub(super) struct Planned {
    /// As it is to be.
    pub(super) account: Account,
    /// Whether the configuration has one with this login, which this one replaces.
    replaces: bool,
    /// Why, a line each.
    comments: Vec<String>,
    /// What it may send, as it is compared.
    seen: HashSet<(bool, String)>,
}

impl Planned {
    /// For this login; what the configuration has for it stays.
    pub(super) fn new(login: &str, configured: Option<&Account>) -> Self {
        let (may_send, envelope) = Default::default();
        let empty = || Account { login: login.to_owned(), may_send, envelope, mode: None };
        let account = configured.cloned().unwrap_or_else(empty);
        let seen = account.may_send.iter().map(compared).collect();
        Self { account, replaces: configured.is_some(), comments: Vec::new(), seen }
    }

    /// One more address, or pattern, if it is not there yet.
    pub(super) fn add(&mut self, pattern: Pattern, why: String) {
        if self.seen.insert(compared(&pattern)) {
            self.account.may_send.push(pattern);
        }
        self.comments.push(why);
    }
}

/// Whether it is one address, and what it is compared by. An address may be written as a pattern is: `"*"@example.org`.
fn compared(pattern: &Pattern) -> (bool, String) {
    match pattern {
        Pattern::Any => (false, String::new()),
        Pattern::Domain(domain) => (false, domain.to_string()),
        Pattern::Address(address) => (true, address.key()),
    }
}

#[derive(Serialize)]
struct File<'a> {
    account: [Table<'a>; 1],
}

#[derive(Serialize)]
struct Table<'a> {
    login: &'a str,
    may_send: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    envelope: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
}

/// The tables, each with the reasons.
pub(super) fn write(plan: &Plan) -> String {
    plan.accounts.values().map(account).collect::<Vec<_>>().join("\n")
}

fn account(planned: &Planned) -> String {
    let mut text = String::new();
    let mut comment = |why: &str| {
        let _ = writeln!(text, "# {}", printable_within(why, COMMENT));
    };
    if planned.replaces {
        comment("in place of the [[account]] of this login that is there");
    }
    planned.comments.iter().take(COMMENTS).for_each(|why| comment(why));
    if planned.comments.len() > COMMENTS {
        comment(&format!("and {} more", planned.comments.len() - COMMENTS));
    }
    let account = &planned.account;
    let mode = account.mode.map(|mode| match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    });
    let (may_send, envelope) = (patterns(&account.may_send), patterns(&account.envelope));
    let table = Table { login: &account.login, may_send, envelope, mode };
    text.push_str(&toml::to_string(&File { account: [table] }).unwrap_or_default());
    text
}

fn patterns(patterns: &[Pattern]) -> Vec<String> {
    let text = |pattern: &Pattern| match pattern {
        Pattern::Any => "*".to_owned(),
        Pattern::Domain(domain) => format!("*@{domain}"),
        Pattern::Address(address) => address.to_string(),
    };
    patterns.iter().map(text).collect()
}

//! A plan's `[[account]]`, as the configuration has them.

use std::fmt::Write;

use serde::Serialize;

use super::plan::{Plan, Planned};
use crate::address::Pattern;
use crate::grant::Mode;
use crate::reply::printable_within;

/// The longest comment, in octets, and how many of them an account gets.
const COMMENT: usize = 400;
const COMMENTS: usize = 20;

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

//! `explain LOGIN ADDRESS` and `explain LOGIN --message FILE`: the verdict, and the path to it.
//!
//! It asks the same directory and calls the same [`crate::policy::decide`] as the milter does for a message from LOGIN:
//! one with ADDRESS in From, or the one in FILE; then it names every group and every grant that counted, and every one
//! that did not, with the reason.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::address::{Address, AddressError};
use crate::calendar::SentBy;
use crate::config::Config;
use crate::directory::lookup::Resolver;
use crate::directory::{Directory, Failure};
use crate::gather;
use crate::grant::{self, Entry, Facts, Relation, Rights};
use crate::judge::{Content, Judged, Trouble};
use crate::mailbox::Mailbox;
use crate::message::{Message, ReversePath};
use crate::open::{self, OpenError};
use crate::policy::{Accepted, Verdict};
use crate::reply;
use crate::site::Site;

mod bounce;
mod changes;
mod path;
mod render;
mod submission;

use changes::Changes;
use path::Explainer;
pub(crate) use path::{says, unidentified};
pub(crate) use submission::Submission;

/// What is asked about a login.
#[derive(Clone, Debug)]
pub enum Question {
    /// Whether it may stand for this address, with the own address as envelope sender.
    Address(String),
    /// Whether it may send a message.
    Message {
        /// The message as it would be submitted; `-` is standard input.
        file: PathBuf,
        /// What the client says in MAIL FROM, with angle brackets or without; none: the own address.
        mail_from: Option<String>,
    },
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The address is none.
    #[error("\"{}\" is not a mail address: {}; write it as name@domain", reply::printable(.0), .1)]
    Address(String, AddressError),
    /// The message cannot be read.
    #[error("{}: cannot be read: {}", .0.display(), .1)]
    Message(PathBuf, io::Error),
    /// The directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Several entries have the login. The milter defers such mail, for who sends it is not known: so is this answer,
    /// neither yes nor no, until somebody has changed the directory.
    #[error(
        "{0}; all mail of this login is deferred (451) until only one of them has it: take it from the others, or \
             keep them apart with [[context]] and its domains"
    )]
    Ambiguous(Failure),
    /// The directory gave no answer, or the verdict needs more than what was given.
    #[error("{0}")]
    Trouble(String),
}

impl ExplainError {
    /// Whether the milter would defer the message (exit status 75).
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Ambiguous(_) | Self::Trouble(_) => true,
            Self::Address(..) | Self::Message(..) | Self::Open(_) => false,
        }
    }
}

impl From<Trouble> for ExplainError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Directory(failure) => failure.into(),
            Trouble::Full(_) | Trouble::Reloaded | Trouble::Relay(_) | Trouble::Fault(_) => {
                Self::Trouble(trouble.to_string())
            }
        }
    }
}

impl From<Failure> for ExplainError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::AmbiguousLogin(_) => Self::Ambiguous(failure),
            Failure::Unavailable(_) | Failure::BadAnswer(_) => Self::Trouble(failure.to_string()),
        }
    }
}

/// A verdict and the path to it.
#[derive(Debug, Serialize)]
pub struct Explanation {
    login: String,
    /// What was asked about, and what belongs to it.
    #[serde(flatten)]
    asked: Asked,
    allowed: bool,
    /// What becomes of the message; nothing if refused.
    #[serde(flatten)]
    changes: Changes,
    /// What becomes of the calendars in the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calendar: Vec<String>,
    /// What the client is told; absent if allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    /// Whether a report by mail stands in for the reply; absent where none ever does.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
    submitter: Known,
    groups: Vec<Step>,
}

/// What an explanation is about.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Asked {
    /// An address.
    Address {
        address: String,
        /// `own`, `unknown`, `on-behalf` or `send-as`; absent if refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'static str>,
        principals: Vec<Principal>,
    },
    /// A message.
    Message {
        mail_from: String,
        /// What becomes of the Sender fields: `none`, `kept`, `removed` or `written`; absent if refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        sender_field: Option<&'static str>,
        /// Every address that must be own or granted: authors, those of Resent-From, the envelope sender.
        addresses: Vec<Named>,
    },
}

/// An address in a message, and what the submitter is to it.
#[derive(Debug, Serialize)]
struct Named {
    address: String,
    /// Where it stands: `From`, `Resent-From`, `MAIL FROM`.
    places: Vec<&'static str>,
    /// `own`, `unknown`, `none`, or the rights that were granted.
    relation: Vec<&'static str>,
    /// For an author of an accepted message: `own`, `unknown`, `on-behalf` or `send-as`.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    principals: Vec<Principal>,
}

/// Who the login is.
#[derive(Debug, Serialize)]
struct Known {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    account: bool,
    addresses: Vec<String>,
}

/// An entry that holds the address, and what it grants.
#[derive(Debug, Serialize)]
struct Principal {
    entry: String,
    grants: Vec<Step>,
}

/// A group or a grant, and whether it counted.
#[derive(Debug, Serialize)]
struct Step {
    /// The right; absent for a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<&'static str>,
    /// The group, or whom the grant names.
    name: String,
    counts: bool,
    reason: String,
}

/// Explains the verdict on mail from `login`.
///
/// # Errors
///
/// What was asked cannot be read, or the directory cannot be asked or gives no answer.
pub async fn explain(config: Config, login: &str, question: &Question) -> Result<Explanation, ExplainError> {
    let (submission, address) = submission(question)?;
    let site = open::command(config)?;
    let (person, through) = site.lookup.person_with_paths(login).await?.unzip();
    let through = through.unwrap_or_default();
    let submitter = gather::submitter(&site, login, person);
    let message = submission.message(&submitter);
    let (original, body) = submission.into_parts();
    let (verdict, content) = judged(&site, &message, body).await?;
    let owners = message.addresses().into_iter().cloned().collect();
    let owners = gather::owners(&site.lookup, owners).await?;
    let facts = Facts { submitter, owners };
    let report = bounce::report(&site, &facts.submitter, &message, &original, &verdict);
    let explainer = Explainer::new(&site, &facts.submitter, &through).await?;
    let case = Case { site: &site, message: &message, facts: &facts, explainer };
    let explanation = case.explain(address.as_ref(), &verdict).await?;
    Ok(Explanation { calendar: calendar(&verdict, content.as_ref()), report, ..explanation })
}

/// The verdict, and the body if it mattered.
async fn judged<D: Directory>(
    site: &Site<Resolver<D>>,
    message: &Message,
    body: Vec<u8>,
) -> Result<(Verdict, Option<Content>), ExplainError> {
    let facts = match site.judge(message).await? {
        Judged::Verdict(verdict) => return Ok((verdict, None)),
        Judged::NeedsBody(facts) => facts,
    };
    let content = match body.len() > site.max_body {
        true => Content::TooLong,
        false => Content::read(message.mime.clone(), body).await?,
    };
    let verdict = site.judge_with_body(message, facts, &content).await?;
    Ok((verdict, Some(content)))
}

/// What becomes of the calendars in the message.
fn calendar(verdict: &Verdict, content: Option<&Content>) -> Vec<String> {
    let (Verdict::Accept(accepted), Some(content)) = (verdict, content) else { return Vec::new() };
    // Somebody else's invitation stays as it is, though it may name the principal.
    let is_changed = !content.splices(&accepted.sent_by).is_empty();
    let changes = accepted.sent_by.iter().filter(|_| is_changed).map(|(address, change)| match change {
        SentBy::Set(delegate) => format!("SENT-BY <{}> for <{}>", printable(delegate), printable(address)),
        SentBy::Remove => format!("no SENT-BY for <{}>", printable(address)),
    });
    changes.chain(content.notes()).collect()
}

/// The message that is judged, and the address if it is about one.
fn submission(question: &Question) -> Result<(Submission, Option<Address>), ExplainError> {
    match question {
        Question::Address(text) => {
            let address = Address::parse(text).map_err(|error| ExplainError::Address(text.clone(), error))?;
            Ok((Submission::of_address(&address), Some(address)))
        }
        Question::Message { file, mail_from } => {
            let octets = octets(file).map_err(|error| ExplainError::Message(file.clone(), error))?;
            Ok((Submission::of_message(&octets, mail_from.as_deref()), None))
        }
    }
}

fn octets(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut octets = Vec::new();
    io::stdin().lock().read_to_end(&mut octets)?;
    Ok(octets)
}

/// A message whose verdict is to be explained.
struct Case<'a, D> {
    site: &'a Site<Resolver<D>>,
    message: &'a Message,
    facts: &'a Facts,
    explainer: Explainer<'a, D>,
}

impl<D: Directory> Case<'_, D> {
    async fn explain(
        &self,
        address: Option<&Address>,
        verdict: &Verdict,
    ) -> Result<Explanation, ExplainError> {
        let (accepted, reply) = match verdict {
            Verdict::Accept(accepted) => (Some(accepted.as_ref()), None),
            Verdict::Refuse(refusal) => (None, Some(reply::refusal(refusal, &self.site.contact).to_string())),
        };
        let asked = match address {
            Some(address) => self.about_address(address, accepted).await?,
            None => self.about_message(accepted).await?,
        };
        Ok(Explanation {
            login: reply::printable(&self.facts.submitter.login),
            asked,
            allowed: accepted.is_some(),
            changes: accepted.map(Changes::of).unwrap_or_default(),
            calendar: Vec::new(),
            reply,
            report: None,
            submitter: self.explainer.known(),
            groups: self.explainer.groups().await?,
        })
    }

    async fn about_address(
        &self,
        address: &Address,
        accepted: Option<&Accepted>,
    ) -> Result<Asked, ExplainError> {
        let relation = self.relation(address);
        let principals = self.explainer.principals(relation.as_ref()).await?;
        Ok(Asked::Address { address: printable(address), by: by(address, accepted), principals })
    }

    async fn about_message(&self, accepted: Option<&Accepted>) -> Result<Asked, ExplainError> {
        let mut addresses = Vec::new();
        for address in self.message.addresses() {
            let relation = self.relation(address);
            addresses.push(Named {
                address: printable(address),
                places: self.places(address),
                relation: names(relation.as_ref()),
                by: by(address, accepted),
                principals: self.explainer.principals(relation.as_ref()).await?,
            });
        }
        Ok(Asked::Message {
            mail_from: reply::printable(&self.message.envelope.sender.to_string()),
            sender_field: accepted
                .map(|accepted| changes::sender_field(self.message.sender.count, &accepted.sender)),
            addresses,
        })
    }

    fn relation(&self, address: &Address) -> Option<Relation> {
        let rules = &self.site.rules;
        grant::relation(address, self.facts, &rules.addresses, &rules.grants)
    }

    fn places(&self, address: &Address) -> Vec<&'static str> {
        let message = self.message;
        let names = |mailboxes: &[Mailbox]| mailboxes.iter().any(|own| own.address == *address);
        let from = message.authors.as_deref().is_ok_and(names);
        let resent = message.resent_from.as_ref().is_some_and(|own| own.as_deref().is_ok_and(names));
        let envelope = matches!(&message.envelope.sender, ReversePath::Address(sender) if sender == address);
        let places = [("From", from), ("Resent-From", resent), ("MAIL FROM", envelope)];
        places.into_iter().filter(|(_, stands)| *stands).map(|(place, _)| place).collect()
    }
}

/// By which right an author stands in From.
fn by(address: &Address, accepted: Option<&Accepted>) -> Option<&'static str> {
    let author = accepted?.authors.iter().find(|author| author.address == *address)?;
    Some(author.by.name())
}

/// A relation in words; none, which cannot be, is no relation either.
fn names(relation: Option<&Relation>) -> Vec<&'static str> {
    match relation {
        Some(Relation::Own) => vec!["own"],
        Some(Relation::Unknown) => vec!["unknown"],
        Some(Relation::Others(others)) if others.rights != Rights::default() => others.rights.names(),
        Some(Relation::Others(_)) | None => vec!["none"],
    }
}

fn printable(address: &Address) -> String {
    reply::printable(&address.to_string())
}

impl Explanation {
    /// Whether the answer is yes (exit status 0).
    pub fn allowed(&self) -> bool {
        self.allowed
    }
}

impl Step {
    fn group(group: &Entry, counts: bool, reason: String) -> Self {
        Self { right: None, name: shown(group), counts, reason }
    }
}

fn shown(entry: &Entry) -> String {
    reply::printable(entry.dn.as_str())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Of a configuration in `conf`: its directory is read from beside it.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/test.toml");

    async fn explained(directory: &str, more: &str) -> Explanation {
        let text = format!("[directory]\nurls = [\"file:demo.ldif\"]\n{directory}\n{more}");
        let config = Config::parse(&text, Path::new(FILE)).unwrap();
        explain(config, "lena", &Question::Address("lena@example.org".into())).await.unwrap()
    }

    #[tokio::test]
    async fn each_group_that_does_not_count_says_why() {
        let people = "[[context]]\nname = \"people\"\nbase_dn = \"ou=people,dc=example,dc=org\"";
        for (directory, more, expected) in [
            (
                "group_depth = 1",
                "",
                &[
                    ("cn=assistants,ou=groups,dc=example,dc=org", true, "directly"),
                    ("cn=office,ou=groups,dc=example,dc=org", false, "it is deeper than group_depth"),
                ][..],
            ),
            ("", people, &[("cn=assistants,ou=groups,dc=example,dc=org", false, "it is in another context")]),
        ] {
            let explanation = explained(directory, more).await;
            let steps = explanation.groups.iter();
            let steps: Vec<_> = steps.map(|s| (s.name.as_str(), s.counts, s.reason.as_str())).collect();
            assert_eq!(steps, expected, "{directory} {more}");
        }
    }
}

//! Who is meant by an address, a login or a distinguished name.

use super::super::roll::Found;
use super::{Case, ChangeError, Verb};
use crate::directory::Failure;
use crate::dn::Dn;
use crate::grant::Delegate;
use crate::reply;

/// A name that stands for several entries.
#[derive(Debug, thiserror::Error)]
#[error("\"{}\" may be each of these, give the distinguished name of one: {}", reply::printable(.text), .names.join(" | "))]
pub struct Ambiguous {
    text: String,
    names: Vec<String>,
}

impl Ambiguous {
    fn new<'a>(text: &str, names: impl IntoIterator<Item = &'a Dn>) -> Self {
        let names = names.into_iter().map(|dn| reply::printable(dn.as_str())).collect();
        Self { text: text.to_owned(), names }
    }
}

impl Case<'_> {
    /// The one entry that is meant; none if there is none.
    pub(super) async fn resolve(&self, text: &str) -> Result<Option<Found>, ChangeError> {
        let mut found = match Delegate::parse(text) {
            Delegate::Dn(dn) => return Ok(self.roll.at(&dn).await?),
            Delegate::Login(_) | Delegate::Number(_) | Delegate::Trustee(_) => {
                return self.person(text.trim()).await;
            }
            Delegate::Address(address) => {
                let mut found = Vec::new();
                for form in self.site.rules.addresses.candidates(&address) {
                    if found.is_empty() {
                        found = self.roll.with_address(&form).await?;
                    }
                }
                found
            }
        };
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(Some(only)),
            (Some(last), false) => {
                let names = found.iter().chain([&last]).map(|found| &found.entry.dn);
                Err(Ambiguous::new(text, names).into())
            }
            // A login may look like an address.
            (None, _) => self.person(text).await,
        }
    }

    /// Of a delegate that is not there any more, the name: what names it can be revoked, before another entry has that
    /// name and with it the right.
    pub(super) fn gone(&self, text: &str) -> Option<Found> {
        if let (Verb::Revoke, Delegate::Dn(dn)) = (self.request.verb, Delegate::parse(text)) {
            Some(self.roll.nothing_but(dn))
        } else {
            None
        }
    }

    /// Who logs in so.
    async fn person(&self, login: &str) -> Result<Option<Found>, ChangeError> {
        match self.site.lookup.entry(login).await {
            Ok(Some(entry)) => Ok(self.roll.at(&entry.dn).await?),
            Ok(None) => Ok(None),
            Err(Failure::AmbiguousLogin(names)) => Err(Ambiguous::new(login, &names).into()),
            Err(failure @ (Failure::Unavailable(_) | Failure::BadAnswer(_))) => Err(failure.into()),
        }
    }
}

/// That nobody is meant.
pub(super) fn nobody(text: &str) -> String {
    let text = reply::printable(text);
    match Delegate::parse(&text) {
        Delegate::Dn(_) => format!("there is no entry {text} in directory.base_dn that may be seen"),
        Delegate::Address(_) => format!("no entry has the address {text}, and nobody logs in so"),
        Delegate::Login(_) | Delegate::Number(_) | Delegate::Trustee(_) => {
            format!(
                "nobody logs in as {text}; shared mailboxes and groups go by address or distinguished name"
            )
        }
    }
}

//! Grants that grant nothing.

use super::{Granted, Kind, Seen, Survey, key, listed, named};
use crate::admin::explain::says;
use crate::directory::descriptor::{Effect, Permission};
use crate::directory::entry::{self, Reader};
use crate::directory::login::Login;
use crate::dn::Dn;
use crate::grant::{Delegate, Entry, Grant, Right, Trustee};

use super::super::report::quoted;

impl<'a> Survey<'a> {
    /// Notes the grants of an entry.
    pub(super) fn see_grants<'s>(&mut self, reader: &mut Reader<'s>, entry: &Entry, number: usize)
    where
        'a: 's,
    {
        let (enabled, scope) = self.rules.enabled(entry);
        for value in reader.grants() {
            let entry::Granted { attribute, value, grant: Grant { right, delegate } } = value;
            if delegate.names(entry) {
                let text = format!("{} names {}, the entry itself", of(&entry.dn, attribute), quoted(value));
                self.doubt(Kind::Itself, text);
                continue;
            }
            let disabled = (right.needs_enabled() && !enabled).then(|| says(scope));
            let (attribute, value) = (attribute.to_owned(), value.to_owned());
            self.grants.push(Granted { principal: number, right, attribute, value, delegate, disabled });
        }
        self.see_permissions(reader, entry, number);
    }

    /// Notes whom an entry's own descriptor allows Send As by its name. Full control, and what comes from above, stands
    /// on every entry.
    fn see_permissions<'s>(&mut self, reader: &mut Reader<'s>, entry: &Entry, number: usize)
    where
        'a: 's,
    {
        let right = Right::SendAs;
        for (attribute, Permission { effect, inherited, specific, sid }) in
            reader.permissions(&self.schema.send_as)
        {
            if effect == Effect::Allow && specific && !inherited && entry.sid() != Some(&sid) {
                let (attribute, value) = (attribute.to_owned(), sid.to_string());
                let delegate = Delegate::Trustee(Trustee { sid, inherited });
                let principal = number;
                self.grants.push(Granted { principal, right, attribute, value, delegate, disabled: None });
            }
        }
    }

    /// Follows each grant to whom it names.
    pub(super) fn follow_grants(&mut self) {
        let doubtful = self.grants.iter().filter_map(|grant| self.follow(grant)).collect::<Vec<_>>();
        doubtful.into_iter().for_each(|(kind, text)| self.doubt(kind, text));
    }

    /// What is wrong with a grant, if anything is.
    fn follow(&self, grant: &Granted) -> Option<(Kind, String)> {
        let principal = self.dn(grant.principal)?;
        let named = self.named_by(&grant.delegate);
        let delegates: Vec<_> =
            named.iter().copied().filter(|entry| entry.is.person || entry.is.security_group).collect();
        let shares = |entry: &&&Seen| self.rules.share_context(principal, &entry.dn);
        let near: Vec<_> = delegates.iter().filter(shares).copied().collect();
        let (kind, what) = if stands_for_many(&grant.delegate) {
            (Kind::NoDelegate, "which is neither a person nor a security group".to_owned())
        } else if named.is_empty() {
            (Kind::Nobody, "who is not in the directory".to_owned())
        } else if delegates.is_empty() {
            (Kind::NoDelegate, "which is neither a person nor a security group".to_owned())
        } else if near.is_empty() {
            (Kind::OtherContext, "who is in another context, or in none".to_owned())
        } else if near.len() > 1 {
            (
                Kind::Several,
                format!("which is {}", listed(near.iter().map(|entry| super::named(&entry.dn)).collect())),
            )
        } else if grant.right != Right::SendAs
            && near.iter().all(|entry| entry.is.person && entry.primary.is_none())
        {
            (Kind::NoAddress, "who has no address".to_owned())
        } else {
            (Kind::Disabled, format!("but delegation is not enabled: {}", grant.disabled?))
        };
        let value = quoted(&grant.value);
        Some((kind, format!("{} names {value}, {what}", of(principal, &grant.attribute))))
    }

    /// The entries that a grant names, whatever they are.
    fn named_by(&self, delegate: &Delegate) -> Vec<&Seen> {
        let numbers = match delegate {
            Delegate::Dn(dn) => self.by_dn.get(dn).copied().into_iter().collect(),
            Delegate::Address(address) => {
                let key = address.key();
                let is_primary = |entry: &Seen| entry.primary.as_deref() == Some(&key);
                self.those(self.by_address.get(&*key).into_iter().flatten(), is_primary)
            }
            Delegate::Login(login) => {
                let login = Login::of(login);
                let holders = self.by_login.iter().filter_map(|index| index.get(&*key(&login))).flatten();
                self.those(holders, |entry| entry.is.person)
            }
            Delegate::Number(number) => {
                self.those(self.by_number.get(number.as_str()).into_iter().flatten(), |entry| entry.is.person)
            }
            Delegate::Trustee(trustee) => self.by_sid.get(&trustee.sid).copied().into_iter().collect(),
        };
        numbers.into_iter().filter_map(|number| self.entries.get(number)).collect()
    }
}

/// Whether it is one of those that no entry has, such as Everyone.
fn stands_for_many(delegate: &Delegate) -> bool {
    match delegate {
        Delegate::Dn(_) | Delegate::Address(_) | Delegate::Login(_) | Delegate::Number(_) => false,
        Delegate::Trustee(trustee) => !trustee.sid.is_of_an_entry(),
    }
}

fn of(dn: &Dn, attribute: &str) -> String {
    format!("{attribute} of {}", named(dn))
}

//! `[[account]]`: logins that the configuration defines, besides or instead of an entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fault::{Fault, quoted};
use super::table::Table;
use super::unique::Unique;
use super::value::{NAME, PATTERN};
use crate::grant::{Account, Mode};

/// The values of `policy.mode` and of an account's `mode`.
pub(super) const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];

/// The accounts, by login; logins compare without regard to ASCII case.
#[derive(Clone, Debug, Default)]
pub struct Accounts(BTreeMap<String, Arc<Account>>);

impl Accounts {
    /// The account with this login.
    pub fn get(&self, login: &str) -> Option<&Arc<Account>> {
        self.0.get(&login.to_ascii_lowercase())
    }

    /// All accounts, in the order of their logins.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.0.values()
    }
}

impl FromIterator<Account> for Accounts {
    fn from_iter<T: IntoIterator<Item = Account>>(accounts: T) -> Self {
        let by_login = |account: Account| (account.login.to_ascii_lowercase(), Arc::new(account));
        Self(accounts.into_iter().map(by_login).collect())
    }
}

pub(super) fn read(root: &Table<'_>) -> Accounts {
    let mut logins = Unique::new("each login has one [[account]]");
    let accounts = root.tables("account");
    accounts.iter().filter_map(|table| account(table, &mut logins)).collect()
}

fn account(table: &Table<'_>, logins: &mut Unique<String>) -> Option<Account> {
    let login = table.required("login", &NAME);
    let patterns = |key| table.list(key, &PATTERN).unwrap_or_default();
    let (may_send, envelope) = (patterns("may_send"), patterns("envelope"));
    let mode = table.choice("mode", &MODES);
    let login = login?;
    logins.check(table, "login", login.to_ascii_lowercase(), &login);
    if !["may_send", "envelope", "mode"].iter().any(|key| table.has(key)) {
        let what = format!("{} has neither may_send nor envelope nor mode", quoted(&login));
        let remedy = "give it at least one of them";
        table.complain("login", Fault::Contradiction { what, remedy });
    }
    Some(Account { login, may_send, envelope, mode })
}

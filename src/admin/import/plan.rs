//! What each login and address amount to.
//!
//! An address of the login's own entry needs nothing. One that nobody has becomes its alias; one of another entry a grant
//! of send-as, for that is what login maps come to: the envelope sender is theirs, and From was never looked at. Where no
//! entry can say it, an `[[account]]` does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::accounts::Planned;
use super::change::Change;
use super::maps::{LoginMaps, Owned};
use super::verdicts::{Judge, Verdict};
use super::{Amounts, ByLogin, ImportError, Row, folded};
use crate::address::{Address, Pattern};
use crate::admin::check::Known;
use crate::admin::roll::{Found, Roll};
use crate::config::{Accounts, Config};
use crate::directory::Failure;
use crate::directory::grants::{self, Modification, Slot};
use crate::directory::lookup::Resolver;
use crate::directory::record::Record;
use crate::directory::schema::{Dialect, Schema};
use crate::dn::{self, Dn};
use crate::grant::{Entry, Right};
use crate::open::Backend;
use crate::reply::printable;
use crate::site::Site;

/// What is to be done.
#[derive(Default)]
pub(super) struct Plan {
    /// What each address and login amount to.
    pub(super) rows: Vec<Row>,
    /// Entries that change, by name.
    pub(super) changes: BTreeMap<Dn, Change>,
    /// `[[account]]`, by login in lower case.
    pub(super) accounts: ByLogin<Planned>,
    /// What one should know.
    pub(super) notes: Vec<String>,
}

/// Works it out.
pub(super) struct Planner<'a> {
    schema: &'a Schema,
    configured: &'a Accounts,
    judge: Judge<'a, Resolver<Backend>>,
    site: &'a Site<Resolver<Backend>>,
    roll: &'a Roll<'a>,
    /// Who has which address.
    held: HashMap<Address, Vec<&'a Found>>,
    named: HashMap<&'a Dn, &'a Found>,
    shared: Option<Dn>,
    accounts_only: bool,
    send_as: Option<String>,
    alias: Option<(String, &'static str)>,
}

impl<'a> Planner<'a> {
    pub(super) async fn new(
        config: &'a Config,
        site: &'a Site<Resolver<Backend>>,
        roll: &'a Roll<'a>,
        company: &'a [Found],
        shared: Option<Dn>,
        accounts_only: bool,
    ) -> Result<Self, ImportError> {
        let schema = &config.directory.schema;
        let known = match &site.lookup.directory {
            Backend::File(_) => None,
            Backend::Server(server) => {
                let root = server.read(&Dn::default(), &["subschemaSubentry"]).await?;
                Known::ask(server, root.as_ref()).await?
            }
        };
        let mut held: HashMap<_, Vec<_>> = HashMap::new();
        for found in company {
            found.entry.addresses().for_each(|own| held.entry(own.clone()).or_default().push(found));
        }
        let is_known = |name: &&String| known.as_ref().is_none_or(|known| known.attribute(name).is_some());
        let alias = match schema.dialect {
            Dialect::Standard => schema.alias.iter().find(is_known).map(|name| (name.clone(), "")),
            // MS-ADA3: all addresses are in one attribute, the primary with SMTP: in front.
            Dialect::ActiveDirectory => {
                schema.address.iter().find(is_known).map(|name| (name.clone(), "smtp:"))
            }
        };
        Ok(Self {
            schema,
            configured: &config.accounts,
            judge: Judge::new(site),
            site,
            roll,
            held,
            named: company.iter().map(|found| (&found.entry.dn, found)).collect(),
            shared,
            accounts_only,
            send_as: schema.granting(Right::SendAs).iter().find(is_known).cloned(),
            alias,
        })
    }

    /// What all of it amounts to.
    pub(super) async fn plan(mut self, maps: &LoginMaps) -> Result<Plan, ImportError> {
        let mut plan = Plan::default();
        if self.send_as.is_none() || self.alias.is_none() {
            plan.notes.push(
                "the server knows no attribute for aliases or none for send-as: load contrib/ldap/delegation.ldif; until \
                 then it comes to [[account]]"
                    .to_owned(),
            );
        }
        for login in maps.logins() {
            self.meet(&login, &mut plan).await?;
        }
        for (domain, logins) in &maps.domains {
            for login in logins {
                self.whole(login, &format!("*@{domain}"), &mut plan);
            }
        }
        for login in &maps.everywhere {
            self.whole(login, "*", &mut plan);
        }
        for owned in &maps.owned {
            self.address(owned, &mut plan).await?;
        }
        Ok(plan)
    }

    /// Tells what is special about a login.
    async fn meet(&mut self, login: &str, plan: &mut Plan) -> Result<(), Failure> {
        let shown = printable(login);
        match self.judge.person(login).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let stripped = login.rsplit_once('@');
                let known = match stripped {
                    Some((name, _)) => self.site.lookup.entry(name).await.unwrap_or(None),
                    None => None,
                };
                plan.notes.push(match (stripped, known) {
                    (Some((name, realm)), Some(_)) => format!(
                        "{shown}: the directory knows {} alone; directory.realms = [\"{}\"] strips the realm, and then \
                         most of what follows for this login is not needed",
                        printable(name),
                        printable(realm)
                    ),
                    _ => format!("{shown}: nobody in the directory logs in as this; it comes to an [[account]]"),
                });
            }
            Err(failure @ Failure::AmbiguousLogin(_)) => {
                plan.notes.push(format!("{shown}: all its mail is deferred: {failure}"));
            }
            Err(failure @ (Failure::Unavailable(_) | Failure::BadAnswer(_))) => return Err(failure),
        }
        Ok(())
    }

    /// A login that owns all of a domain, or everything.
    fn whole(&self, login: &str, pattern: &str, plan: &mut Plan) {
        let note = format!(
            "{}: \"{pattern}\" makes every such address its own, other people's too, with nothing that shows who wrote; \
             name the addresses instead, if you can",
            printable(login)
        );
        self.account(login, pattern, &note, plan);
        plan.rows.push(row(pattern, login, None, Amounts::Account, Some(note.clone())));
        plan.notes.push(note);
    }

    /// An address with all who own it.
    async fn address(&mut self, owned: &Owned, plan: &mut Plan) -> Result<(), ImportError> {
        let address = &owned.address;
        let holders = self.holders(address);
        let mut takers: Vec<(String, Option<Arc<Entry>>)> = Vec::new();
        for login in &owned.logins {
            let entry = match self.judge.person(login).await {
                Ok(person) => person.map(|person| person.entry),
                Err(failure @ Failure::AmbiguousLogin(_)) => {
                    let why = Some(failure.to_string());
                    plan.rows.push(row(&address.to_string(), login, None, Amounts::Nothing, why));
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            };
            match self.judge.verdict(login, address).await? {
                Verdict::Allowed("own") => plan.push(address, login, entry.as_deref(), Amounts::Own, None),
                Verdict::Allowed(_) => plan.push(address, login, entry.as_deref(), Amounts::Granted, None),
                Verdict::Refused(_) => takers.push((login.clone(), entry)),
            }
        }
        let mut entries: Vec<_> = takers.iter().filter_map(|(_, entry)| entry.clone()).collect();
        entries.sort_by(|a, b| a.dn.cmp(&b.dn));
        entries.dedup_by(|a, b| a.dn == b.dn);
        let alone = entries.len() == 1 && takers.iter().all(|(_, entry)| entry.is_some());
        for (login, entry) in &takers {
            let Some(entry) = entry.as_ref().filter(|_| !self.accounts_only) else {
                self.by_account(owned, login, None, &holders, plan);
                continue;
            };
            let done = match holders.as_slice() {
                [] if alone => self.alias(address, login, entry, plan).await?,
                [] => self.mailbox(address, login, entry, plan)?,
                holders => self.grants(address, login, entry, holders, plan)?,
            };
            if !done {
                self.by_account(owned, login, Some(entry), &holders, plan);
            }
        }
        Ok(())
    }

    /// Who has an address as it stands, in the directory or in a domain that it stands for.
    fn holders(&self, address: &Address) -> Vec<&'a Found> {
        let mapped = self.site.rules.addresses.mapped(address.domain());
        let mapped = Address::from_parts(address.local(), mapped).ok();
        let mut forms = std::iter::once(address).chain(&mapped);
        let found = forms.find_map(|form| self.held.get(form));
        found.cloned().unwrap_or_default()
    }

    /// An alias of the login's entry; whether it can be one.
    async fn alias(
        &self,
        address: &Address,
        login: &str,
        entry: &Entry,
        plan: &mut Plan,
    ) -> Result<bool, ImportError> {
        let Some((attribute, prefix)) = self.alias.as_ref().filter(|_| !address.is_literal()) else {
            return Ok(false);
        };
        if !plan.changes.contains_key(&entry.dn) {
            let change = match self.named.get(&entry.dn) {
                Some(found) => Change::of(found),
                None => match self.roll.at(&entry.dn).await? {
                    Some(found) => Change::of(&found),
                    None => return Ok(false),
                },
            };
            plan.changes.insert(entry.dn.clone(), change);
        }
        let Some(change) = plan.changes.get_mut(&entry.dn) else { return Ok(false) };
        if change.add_alias(attribute, prefix, address) {
            change.comments.push(format!("{} also writes as {address}, which nobody has", printable(login)));
        }
        plan.push(address, login, Some(entry), Amounts::Alias, None);
        Ok(true)
    }

    /// Send-as for a new shared mailbox; whether one is wanted.
    fn mailbox(
        &self,
        address: &Address,
        login: &str,
        entry: &Entry,
        plan: &mut Plan,
    ) -> Result<bool, ImportError> {
        let usable = self.can_share() && !address.is_literal();
        let Some(below) = self.shared.as_ref().filter(|_| usable) else { return Ok(false) };
        let name = dn::escaped(&address.to_string());
        let Ok(dn) = Dn::parse(&format!("cn={name},{below}")) else { return Ok(false) };
        let change = plan.changes.entry(dn.clone()).or_insert_with(|| {
            let attribute = self.schema.address.first().map_or("mail", String::as_str);
            Change::mailbox(dn.clone(), attribute, address)
        });
        let granted = self.grant_on(change, entry);
        if granted {
            plan.push(address, login, Some(entry), Amounts::Shared, None);
        }
        Ok(granted)
    }

    /// Whether a mailbox of our class may have the attribute for send-as: those of other products need classes of theirs.
    fn can_share(&self) -> bool {
        self.schema.dialect == Dialect::Standard && self.send_as.as_deref().is_some_and(grants::is_ours)
    }

    /// Send-as from all who hold the address; whether it would count.
    fn grants(
        &self,
        address: &Address,
        login: &str,
        entry: &Entry,
        holders: &[&Found],
        plan: &mut Plan,
    ) -> Result<bool, ImportError> {
        let rules = &self.site.rules.grants;
        let within = holders.iter().all(|holder| rules.share_context(&entry.dn, &holder.entry.dn));
        let is_own = holders.iter().any(|holder| holder.entry.dn == entry.dn);
        // All of them or none: what one grants is for its other addresses, too.
        if !within || is_own || holders.iter().any(|holder| self.granting(&holder.record, entry).is_none()) {
            return Ok(false);
        }
        for holder in holders {
            let own = plan.changes.entry(holder.entry.dn.clone()).or_insert_with(|| Change::of(holder));
            self.grant_on(own, entry);
            own.comments.push(format!("{} writes as {address}", printable(login)));
        }
        let list = holders.iter().any(|holder| holder.entry.is_group && !holder.is_group);
        let kind = if list { "the address of a distribution list; " } else { "" };
        let note = format!("{kind}send-on-behalf instead shows recipients who wrote");
        plan.push(address, login, Some(entry), Amounts::SendAs, Some(note));
        Ok(true)
    }

    /// What grants send-as; none if that cannot be written.
    fn granting(&self, record: &Record, delegate: &Entry) -> Option<Vec<Modification>> {
        let attribute = self.send_as.as_ref()?;
        let form = self.schema.grant_form(attribute);
        Slot { record, right: Right::SendAs, attribute, form }.grant(delegate, false).ok()
    }

    /// Whether it can be granted; then it is.
    fn grant_on(&self, change: &mut Change, delegate: &Entry) -> bool {
        let Some(modifications) = self.granting(&change.record, delegate) else { return false };
        if !change.lets_send(delegate) {
            change.let_send(delegate, modifications);
        }
        true
    }

    fn by_account(
        &self,
        owned: &Owned,
        login: &str,
        entry: Option<&Entry>,
        holders: &[&Found],
        plan: &mut Plan,
    ) {
        let address = owned.address.to_string();
        let note = match holders {
            [] if self.accounts_only => None,
            [] if entry.is_some() && self.shared.is_none() && self.can_share() => {
                Some("several share it: --shared DN makes a shared mailbox of it instead".to_owned())
            }
            [] => None,
            [holder, ..] => Some(format!("it belongs to {}", printable(holder.entry.dn.as_str()))),
        };
        let comment = note.as_ref().map_or_else(|| owned.key.clone(), |note| format!("{address}: {note}"));
        self.account(login, &address, &comment, plan);
        plan.push(&owned.address, login, entry, Amounts::Account, note);
    }

    /// One more address, or pattern, of an `[[account]]`.
    fn account(&self, login: &str, pattern: &str, comment: &str, plan: &mut Plan) {
        let Ok(pattern) = Pattern::parse(pattern) else { return };
        let configured = || self.configured.get(login).map(Arc::as_ref);
        let planned = plan.accounts.entry(folded(login));
        planned.or_insert_with(|| Planned::new(login, configured())).add(pattern, printable(comment));
    }
}

impl Plan {
    fn push(
        &mut self,
        address: &Address,
        login: &str,
        entry: Option<&Entry>,
        amounts_to: Amounts,
        note: Option<String>,
    ) {
        self.rows.push(row(&address.to_string(), login, entry, amounts_to, note));
    }
}

fn row(address: &str, login: &str, entry: Option<&Entry>, amounts_to: Amounts, note: Option<String>) -> Row {
    let entry = entry.map(|entry| printable(entry.dn.as_str()));
    Row { address: printable(address), login: printable(login), entry, amounts_to, note }
}

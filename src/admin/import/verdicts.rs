//! Where verdicts differ: today by the tables, then by the milter's own rules, on the directory as it will be.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::maps::LoginMaps;
use super::overlay::Overlay;
use super::plan::Plan;
use super::{ImportError, folded};
use crate::address::{Address, Pattern};
use crate::admin::explain::Submission;
use crate::admin::progress::Progress;
use crate::admin::roll::Found;
use crate::config::{Accounts, Config};
use crate::directory::Failure;
use crate::directory::lookup::{Lookup, Resolver};
use crate::dn::Dn;
use crate::gather;
use crate::grant::{self, Account, Delegate, Entry, Facts, Owners, Person, Rights, Submitter};
use crate::open;
use crate::policy::{self, Answer, Body, Reading};
use crate::reply::{self, printable};
use crate::site::Site;

/// Whoever has more addresses than these has many.
const MANY: usize = 64;

/// A login and an address of which the verdicts differ.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    pub(super) login: String,
    pub(super) address: String,
    /// Why it would be refused, or by which right it would be allowed.
    pub(super) why: String,
}

/// Where verdicts differ.
#[derive(Default)]
pub(super) struct Compared {
    /// Allowed today, refused then.
    pub(super) lost: Vec<Difference>,
    /// Refused today, allowed then.
    pub(super) gained: Vec<Difference>,
}

/// What becomes of a message with an address in From and as its envelope sender.
pub(super) enum Verdict {
    /// It passes: `own`, `unknown`, `on-behalf` or `send-as`.
    Allowed(&'static str),
    /// It does not: the reply.
    Refused(String),
}

/// Judges, and remembers whom and what it asked for.
pub(super) struct Judge<'a, L> {
    site: &'a Site<L>,
    people: HashMap<String, Option<Person>>,
    owners: HashMap<Address, Owners>,
    /// By login, of those who have many addresses.
    own: HashMap<String, Own>,
    many: usize,
}

/// Somebody's addresses.
struct Own {
    primary: Option<Address>,
    addresses: HashSet<Address>,
}

impl<'a, L: Lookup> Judge<'a, L> {
    pub(super) fn new(site: &'a Site<L>) -> Self {
        Self::with(site, MANY)
    }

    /// Whoever has more addresses than `many` is judged by the one in question, if it is their own.
    fn with(site: &'a Site<L>, many: usize) -> Self {
        let (people, owners, own) = Default::default();
        Self { site, people, owners, own, many }
    }

    /// Who logs in as this.
    pub(super) async fn person(&mut self, login: &str) -> Result<Option<Person>, Failure> {
        if let Some(known) = self.people.get(login) {
            return Ok(known.clone());
        }
        let person = self.site.lookup.person(login).await?;
        self.people.insert(login.to_owned(), person.clone());
        Ok(person)
    }

    async fn owners(&mut self, address: &Address) -> Result<Owners, Failure> {
        if let Some(known) = self.owners.get(address) {
            return Ok(known.clone());
        }
        let owners = gather::owners(&self.site.lookup, vec![address.clone()]).await?;
        self.owners.insert(address.clone(), owners.clone());
        Ok(owners)
    }

    async fn submitter(&mut self, login: &str) -> Result<Submitter, Failure> {
        let person = self.person(login).await?;
        Ok(gather::submitter(self.site, login, person))
    }

    /// The submitter of a message with this address alone. One that is own as it stands decides by itself, whatever else
    /// is own: so of those who have thousands not all are compared for each of them.
    fn narrowed(&mut self, submitter: Submitter, address: &Address) -> Submitter {
        let entry = submitter.entry.as_ref().map_or(0, |entry| entry.mail.len() + entry.aliases.len());
        let account = submitter.account.as_ref().map_or(0, |account| account.may_send.len());
        if entry + account <= self.many {
            return submitter;
        }
        let own = self.own.entry(submitter.login.clone());
        let own = own.or_insert_with(|| Own {
            primary: submitter.primary().cloned(),
            addresses: submitter.addresses().cloned().collect(),
        });
        if own.addresses.contains(address) { alone(submitter, own, address) } else { submitter }
    }

    /// The verdict on a message from this login. A login of several entries is deferred, and so never allowed.
    pub(super) async fn verdict(&mut self, login: &str, address: &Address) -> Result<Verdict, Failure> {
        let submitter = match self.submitter(login).await {
            Ok(submitter) => submitter,
            Err(failure @ Failure::AmbiguousLogin(_)) => return Ok(Verdict::Refused(failure.to_string())),
            Err(failure) => return Err(failure),
        };
        let submitter = self.narrowed(submitter, address);
        let owners = self.owners(address).await?;
        let message = Submission::of_address_alone(address).message(&submitter);
        let facts = Facts { submitter, owners };
        let rules = &self.site.rules;
        let answer = match policy::decide(&message, &facts, rules, &Body::Unread) {
            // What depends on the body counts for scheduling mail alone.
            Answer::NeedsBody(_) => policy::decide(&message, &facts, rules, &Body::Read(Reading::default())),
            decided @ Answer::Decided(_) => decided,
        };
        Ok(match answer {
            Answer::Decided(policy::Verdict::Accept(accepted)) => {
                Verdict::Allowed(accepted.authors.first().map_or("own", |author| author.by.name()))
            }
            Answer::Decided(policy::Verdict::Refuse(refusal)) => {
                Verdict::Refused(reply::refusal(&refusal, &self.site.contact).to_string())
            }
            Answer::NeedsBody(_) => Verdict::Refused("it depends on the message".to_owned()),
        })
    }
}

/// The submitter with its primary address and this one.
fn alone(submitter: Submitter, own: &Own, address: &Address) -> Submitter {
    let both = || own.primary.iter().chain([address]).cloned();
    let entry = submitter.entry.as_ref().map(|entry| {
        Arc::new(Entry {
            dn: entry.dn.clone(),
            name: entry.name.clone(),
            mail: both().collect(),
            aliases: Box::default(),
            logins_but_mail: entry.logins_but_mail.clone(),
            mail_logs_in: entry.mail_logs_in,
            numbers: entry.numbers.clone(),
            is_group: entry.is_group,
            enabled: entry.enabled,
            // They are for others.
            grants: Box::default(),
            security: entry.security.clone(),
        })
    });
    let account = submitter.account.as_ref().map(|account| {
        let (login, envelope) = (account.login.clone(), account.envelope.clone());
        let may_send = both().map(Pattern::Address).collect();
        Arc::new(Account { login, may_send, envelope, mode: account.mode })
    });
    Submitter { entry, account, ..submitter }
}

/// Compares today with what will be, once the plan is carried out.
pub(super) async fn compare(
    mut config: Config,
    plan: Plan,
    maps: &LoginMaps,
    company: &[Found],
    refuses_unlisted: bool,
) -> Result<Compared, ImportError> {
    let schema = config.directory.schema.clone();
    let changed: Vec<_> = plan.changes.values().map(|change| change.entry(&schema)).collect();
    let planned = plan.accounts.into_values().map(|planned| planned.account);
    let accounts = config.accounts.iter().map(|account| Account::clone(account)).chain(planned);
    config.accounts = accounts.collect::<Accounts>();
    let directory = open::command(config.clone())?.lookup.directory;
    let lookup = Resolver::new(Overlay::new(directory, changed.iter().cloned()), open::lookup_rules(&config));
    let site = Site::new(config, lookup, None);
    let mut comparison =
        Comparison { judge: Judge::new(&site), maps, refuses_unlisted, compared: Compared::default() };
    comparison.lost().await?;
    comparison.gained(company, &changed).await?;
    Ok(comparison.compared)
}

struct Comparison<'a, L> {
    judge: Judge<'a, L>,
    maps: &'a LoginMaps,
    refuses_unlisted: bool,
    compared: Compared,
}

impl<L: Lookup> Comparison<'_, L> {
    async fn lost(&mut self) -> Result<(), Failure> {
        let mut progress = Progress::of("addresses judged");
        for owned in &self.maps.owned {
            for login in owned.owners() {
                if let Verdict::Refused(why) = self.judge.verdict(login, &owned.address).await? {
                    self.compared.lost.push(difference(login, &owned.address, why));
                }
            }
            progress.step();
        }
        Ok(())
    }

    /// Whether the tables let the login use the address.
    fn today(&self, login: &str, address: &Address) -> bool {
        let owners = self.maps.owners(address);
        owners.map_or(!self.refuses_unlisted, |owners| owners.contains(&folded(login)))
    }

    async fn gained(&mut self, company: &[Found], changed: &[Arc<Entry>]) -> Result<(), Failure> {
        let members_count = self.judge.site.rules.grants.group_members.is_some();
        let names: BTreeSet<_> = changed.iter().map(|entry| &entry.dn).collect();
        let same = company.iter().filter(|found| !names.contains(&found.entry.dn));
        let principals = same.map(|found| &found.entry).chain(changed).cloned();
        let principals = Principals::new(principals, members_count);
        let asked = by_domain(&self.maps.asked);
        let mut progress = Progress::of("logins judged");
        for login in self.logins(company) {
            progress.step();
            let Some(addresses) = self.reach(&login, &principals, &asked).await? else { continue };
            for address in addresses {
                if self.today(&login, &address) {
                    continue;
                }
                if let Verdict::Allowed(by) = self.judge.verdict(&login, &address).await? {
                    self.compared.gained.push(difference(&login, &address, by.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The logins that the tables name; for everybody else the first one.
    fn logins(&self, company: &[Found]) -> Vec<String> {
        let mut logins = self.maps.logins();
        let mut named: BTreeSet<_> = logins.iter().map(|login| folded(login)).collect();
        for account in self.judge.site.accounts.iter() {
            if named.insert(folded(&account.login)) {
                logins.push(account.login.clone());
            }
        }
        for found in company.iter().filter(|found| found.is_person) {
            let mut own = found.entry.logins();
            let first = own.clone().next();
            if !own.any(|login| named.contains(&folded(login))) {
                logins.extend(first.map(str::to_owned));
            }
        }
        logins
    }

    /// The addresses that a login may be allowed; none if nobody knows who it is.
    async fn reach(
        &mut self,
        login: &str,
        principals: &Principals,
        asked: &HashMap<&str, Vec<&Address>>,
    ) -> Result<Option<Vec<Address>>, Failure> {
        let submitter = match self.judge.submitter(login).await {
            Ok(submitter) => submitter,
            Err(Failure::AmbiguousLogin(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let rules = &self.judge.site.rules.grants;
        let mut reach: Vec<Address> = submitter.addresses().cloned().collect();
        for principal in principals.of(&submitter) {
            if grant::rights_for(principal, &submitter, rules) != Rights::default() {
                reach.extend(principal.addresses().cloned());
            }
        }
        let patterns = submitter.account.iter().flat_map(|account| &account.may_send);
        for pattern in patterns {
            match pattern {
                Pattern::Any => reach.extend(self.maps.asked.iter().cloned()),
                Pattern::Domain(domain) => {
                    let of_domain = asked.get(domain.as_ref()).into_iter().flatten();
                    reach.extend(of_domain.map(|address| Address::clone(address)));
                }
                Pattern::Address(_) => {}
            }
        }
        let mut seen = BTreeSet::new();
        reach.retain(|address| seen.insert(address.key()));
        Ok(Some(reach))
    }
}

fn by_domain(addresses: &[Address]) -> HashMap<&str, Vec<&Address>> {
    let mut by_domain: HashMap<_, Vec<_>> = HashMap::new();
    addresses.iter().for_each(|address| by_domain.entry(address.domain()).or_default().push(address));
    by_domain
}

/// Who may grant something, found by whom they may grant it to: there may be as many of both.
struct Principals {
    all: Vec<Arc<Entry>>,
    /// By the names of their delegates and, where members count, by their own.
    by_name: HashMap<Dn, Vec<usize>>,
    /// Those that name delegates otherwise.
    others: Vec<usize>,
}

impl Principals {
    fn new(entries: impl Iterator<Item = Arc<Entry>>, members_count: bool) -> Self {
        let (all, others) = Default::default();
        let mut principals = Self { all, by_name: HashMap::new(), others };
        entries.for_each(|entry| principals.insert(entry, members_count));
        principals
    }

    fn insert(&mut self, entry: Arc<Entry>, members_count: bool) {
        let number = self.all.len();
        if members_count && entry.is_group {
            self.by_name.entry(entry.dn.clone()).or_default().push(number);
        }
        for grant in &entry.grants {
            match &grant.delegate {
                Delegate::Dn(dn) => self.by_name.entry(dn.clone()).or_default().push(number),
                Delegate::Address(_) | Delegate::Login(_) | Delegate::Number(_) | Delegate::Trustee(_) => {
                    self.others.push(number);
                }
            }
        }
        self.all.push(entry);
    }

    /// Those who may grant something to this submitter, in order.
    fn of(&self, submitter: &Submitter) -> impl Iterator<Item = &Arc<Entry>> {
        let named = submitter.identities().filter_map(|identity| self.by_name.get(&identity.dn));
        let numbers: BTreeSet<_> = named.flatten().chain(&self.others).collect();
        numbers.into_iter().filter_map(|number| self.all.get(*number))
    }
}

fn difference(login: &str, address: &Address, why: String) -> Difference {
    Difference { login: printable(login), address: printable(&address.to_string()), why }
}

#[cfg(test)]
mod tests;

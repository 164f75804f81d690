//! Where verdicts differ: today by the tables, then by the milter's own rules, on the directory as it will be.

use std::collections::{BTreeSet, HashMap};
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
use crate::gather;
use crate::grant::{self, Account, Entry, Facts, Owners, Person, Rights, Submitter};
use crate::open;
use crate::policy::{self, Answer, Body, Reading};
use crate::reply::{self, printable};
use crate::site::Site;

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
}

impl<'a, L: Lookup> Judge<'a, L> {
    pub(super) fn new(site: &'a Site<L>) -> Self {
        Self { site, people: HashMap::new(), owners: HashMap::new() }
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

    /// The verdict on a message from this login. A login of several entries is deferred, and so never allowed.
    pub(super) async fn verdict(&mut self, login: &str, address: &Address) -> Result<Verdict, Failure> {
        let submitter = match self.submitter(login).await {
            Ok(submitter) => submitter,
            Err(failure @ Failure::AmbiguousLogin(_)) => return Ok(Verdict::Refused(failure.to_string())),
            Err(failure) => return Err(failure),
        };
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
        let principals: Vec<_> = same
            .map(|found| &found.entry)
            .chain(changed)
            .filter(|entry| !entry.grants.is_empty() || (members_count && entry.is_group))
            .cloned()
            .collect();
        let mut progress = Progress::of("logins judged");
        for login in self.logins(company) {
            progress.step();
            let Some(addresses) = self.reach(&login, &principals).await? else { continue };
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
        principals: &[Arc<Entry>],
    ) -> Result<Option<Vec<Address>>, Failure> {
        let submitter = match self.judge.submitter(login).await {
            Ok(submitter) => submitter,
            Err(Failure::AmbiguousLogin(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let rules = &self.judge.site.rules.grants;
        let mut reach: Vec<Address> = submitter.addresses().cloned().collect();
        for principal in principals {
            if grant::rights_for(principal, &submitter, rules) != Rights::default() {
                reach.extend(principal.addresses().cloned());
            }
        }
        let patterns = submitter.account.iter().flat_map(|account| &account.may_send);
        for pattern in patterns.filter(|pattern| !matches!(pattern, Pattern::Address(_))) {
            reach.extend(self.maps.asked.iter().filter(|address| pattern.matches(address)).cloned());
        }
        let mut seen = BTreeSet::new();
        reach.retain(|address| seen.insert(address.key()));
        Ok(Some(reach))
    }
}

fn difference(login: &str, address: &Address, why: String) -> Difference {
    Difference { login: printable(login), address: printable(&address.to_string()), why }
}

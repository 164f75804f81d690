//! Who owns which address today: each address that the tables or the directory know, looked up as smtpd(8) does.
//!
//! An address is looked up as it stands; then without its extension; then, in a local domain, by its name alone; then by
//! `@domain` (`mail_addr_find` of Postfix, which postconf(5) describes for `smtpd_sender_login_maps`). Each form is asked
//! of each table in turn, tables of patterns for the whole address alone, and the first that has it decides.
//!
//! Where any address of a domain is somebody's, be it by `@domain` or by a pattern, an address that cannot be there shows
//! it: it is asked for in each domain, and once in a domain that does not exist.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::postmap::Postmap;
use super::source::{Source, Table};
use super::{ImportError, folded};
use crate::address::{Address, is_forbidden};
use crate::admin::roll::Found;
use crate::reply::printable;

/// A name that nobody has, and a domain that cannot be (RFC 2606 section 2).
const PROBE: &str = "delegation-milter-asks";
const NOWHERE: &str = "delegation-milter-asks.invalid";

/// The longest login that is taken for one, in octets.
const MAX_LOGIN: usize = 255;

/// Who owns what.
pub(super) struct LoginMaps {
    /// The addresses that somebody owns, in order.
    pub(super) owned: Vec<Owned>,
    /// Domains of which any address is owned: those that own it.
    pub(super) domains: BTreeMap<String, Vec<String>>,
    /// Who owns any address at all.
    pub(super) everywhere: Vec<String>,
    /// All addresses that were asked for.
    pub(super) asked: Vec<Address>,
    /// What one should know.
    pub(super) notes: Vec<String>,
    index: HashMap<Address, usize>,
}

/// An address that somebody owns.
pub(super) struct Owned {
    /// The address.
    pub(super) address: Address,
    /// The key that the tables have for it.
    pub(super) key: String,
    /// Who owns it, without those who own its whole domain; as written.
    pub(super) logins: Vec<String>,
    /// Who owns it, in lower case.
    all: BTreeSet<String>,
}

impl Owned {
    /// Everybody who owns it, in lower case.
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }
}

impl LoginMaps {
    /// Reads the tables: every key that they can list, and all addresses of the directory and of `further`.
    pub(super) fn read(
        source: &Source,
        company: &[Found],
        further: Vec<Address>,
    ) -> Result<Self, ImportError> {
        let mut postmap = Postmap::new(&source.directory);
        let mut keys = Keys::default();
        for table in source.tables.iter().flat_map(|table| &table.listed) {
            let lines = Lines::of(table);
            keys.doubts.extend(lines.doubts.iter().cloned());
            for (key, _) in postmap.list(table)? {
                keys.take(&key, &lines, &source.local);
            }
        }
        let own = company.iter().flat_map(|found| found.entry.addresses()).cloned();
        own.chain(further).for_each(|address| keys.add(address));
        let probes = keys.probes();
        let mut looked = Looked::up(source, &mut postmap, keys.addresses.iter().chain(&probes))?;
        let mut maps = Self::new(keys, &probes, &mut looked);
        maps.notes.extend(source.notes.iter().cloned());
        maps.notes.extend(postmap.warnings);
        maps.notes.extend(looked.doubts);
        Ok(maps)
    }

    fn new(keys: Keys, probes: &[Address], looked: &mut Looked) -> Self {
        let (mut domains, mut everywhere) = (BTreeMap::new(), Vec::new());
        for probe in probes {
            let logins = looked.of(probe).map(|(_, logins)| logins).unwrap_or_default();
            // A pattern that makes the login of the address gives the probe one that nobody has.
            let logins: Vec<_> = logins.into_iter().filter(|login| !login.contains(PROBE)).collect();
            match probe.domain() {
                NOWHERE => everywhere = logins,
                _ if logins.is_empty() => {}
                domain => drop(domains.insert(domain.to_owned(), logins)),
            }
        }
        let anywhere: BTreeSet<_> = everywhere.iter().map(|login| folded(login)).collect();
        domains
            .values_mut()
            .for_each(|own: &mut Vec<String>| own.retain(|login| !anywhere.contains(&folded(login))));
        domains.retain(|_, logins| !logins.is_empty());
        let mut owned = Vec::new();
        for address in &keys.addresses {
            let Some((key, logins)) = looked.of(address) else { continue };
            let whole: BTreeSet<_> =
                domains.get(address.domain()).into_iter().flatten().map(|login| folded(login)).collect();
            let all: BTreeSet<_> = logins.iter().map(|login| folded(login)).collect();
            let is_single =
                |login: &String| !(whole.contains(&folded(login)) || anywhere.contains(&folded(login)));
            let logins = logins.into_iter().filter(is_single).collect();
            owned.push(Owned { address: address.clone(), key, logins, all });
        }
        let index = owned.iter().enumerate().map(|(i, own)| (own.address.clone(), i)).collect();
        Self { owned, domains, everywhere, asked: keys.addresses, notes: keys.doubts, index }
    }

    /// Tables that have these addresses, each once, with whoever owns it.
    #[cfg(test)]
    pub(super) fn of(pairs: impl IntoIterator<Item = (Address, Vec<String>)>) -> Self {
        let owned = |(address, logins): (Address, Vec<String>)| Owned {
            key: address.to_string(),
            all: logins.iter().map(|login| folded(login)).collect(),
            address,
            logins,
        };
        let owned: Vec<_> = pairs.into_iter().map(owned).collect();
        let asked = owned.iter().map(|own| own.address.clone()).collect();
        let index = owned.iter().enumerate().map(|(i, own)| (own.address.clone(), i)).collect();
        let (domains, everywhere, notes) = Default::default();
        Self { owned, domains, everywhere, asked, notes, index }
    }

    /// Who owns an address, in lower case; none if the tables do not have it.
    pub(super) fn owners(&self, address: &Address) -> Option<&BTreeSet<String>> {
        Some(&self.owned.get(*self.index.get(address)?)?.all)
    }

    /// Every login that the tables name, each once, as written.
    pub(super) fn logins(&self) -> Vec<String> {
        let single = self.owned.iter().flat_map(|own| &own.logins);
        let mut seen = BTreeSet::new();
        let all = single.chain(self.domains.values().flatten()).chain(&self.everywhere);
        all.filter(|login| seen.insert(folded(login))).cloned().collect()
    }
}

/// The addresses to ask for.
#[derive(Default)]
struct Keys {
    addresses: Vec<Address>,
    seen: BTreeSet<String>,
    domains: BTreeSet<String>,
    doubts: Vec<String>,
}

impl Keys {
    fn add(&mut self, address: Address) {
        // Where the milter reads it, in [[account]], it would be every address of the domain.
        if address.local() == "*" {
            let domain = printable(address.domain());
            self.doubts.push(format!(
                "\"*@{domain}\" is left out: in a table of Postfix it is one address with this name, and nobody else's; all of \
                 a domain is \"@{domain}\" there"
            ));
            return;
        }
        self.domains.insert(address.domain().to_owned());
        if self.seen.insert(address.key()) {
            self.addresses.push(address);
        }
    }

    /// A key of a table: an address, a name in the local domains, or a domain.
    fn take(&mut self, key: &str, lines: &Lines, local: &[String]) {
        let text = if key.contains('@') { key.to_owned() } else { format!("{key}@x.invalid") };
        let probe = key.starts_with('@').then(|| format!("{PROBE}{key}"));
        match Address::parse(probe.as_ref().unwrap_or(&text)) {
            Ok(address) if probe.is_some() => drop(self.domains.insert(address.domain().to_owned())),
            Ok(address) if key.contains('@') => self.add(address),
            Ok(address) => {
                let own = local.iter().filter_map(|domain| Address::from_parts(address.local(), domain).ok());
                own.collect::<Vec<_>>().into_iter().for_each(|address| self.add(address));
            }
            Err(error) => self.doubts.push(format!(
                "{}: the key \"{}\" is not an address, and left out: {error}",
                lines.place(key),
                printable(key)
            )),
        }
    }

    /// Addresses that cannot be there.
    fn probes(&self) -> Vec<Address> {
        let domains = self.domains.iter().map(String::as_str).chain([NOWHERE]);
        domains.filter_map(|domain| Address::from_parts(PROBE, domain).ok()).collect()
    }
}

/// Where keys stand in the text that a table is made of.
struct Lines {
    table: String,
    lines: HashMap<String, usize>,
    /// Lines that postmap(1) passed over when it made the table.
    doubts: Vec<String>,
}

impl Lines {
    fn of(table: &str) -> Self {
        let (kind, file) = table.split_once(':').unwrap_or_default();
        let text = match kind {
            "inline" => String::new(),
            _ => std::fs::read_to_string(file).unwrap_or_default(),
        };
        let mut lines = Self { table: printable(table), lines: HashMap::new(), doubts: Vec::new() };
        // postmap(1): a line that begins with white space goes on with the one before.
        let begins = |line: &str| !line.starts_with(|c: char| c.is_ascii_whitespace() || c == '#');
        let mut rows = text.lines().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).peekable();
        while let Some((at, line)) = rows.next() {
            let Some(key) = line.split_ascii_whitespace().next().filter(|_| begins(line)) else { continue };
            lines.lines.insert(key.to_ascii_lowercase(), at + 1);
            let goes_on = rows.peek().is_some_and(|(_, next)| next.starts_with([' ', '\t']));
            // A texthash is read when it is asked, and postmap(1) itself complains.
            if kind != "texthash" && key == line.trim_ascii() && !goes_on {
                let place = format!("{}, line {}", lines.table, at + 1);
                lines
                    .doubts
                    .push(format!("{place}: there is a key without logins, which Postfix passes over"));
            }
        }
        lines
    }

    fn place(&self, key: &str) -> String {
        match self.lines.get(&key.to_ascii_lowercase()) {
            Some(line) => format!("{}, line {line}", self.table),
            None => self.table.clone(),
        }
    }
}

/// What the tables have.
struct Looked {
    /// For each address, its forms in the order in which they are asked for.
    forms: HashMap<Address, Forms>,
    /// For each table, whether it matches patterns alone, and what it has.
    tables: Vec<(bool, HashMap<String, String>)>,
    doubts: Vec<String>,
    told: HashSet<String>,
}

/// The keys that an address is looked up by.
struct Forms {
    whole: Vec<String>,
    partial: Vec<String>,
}

impl Forms {
    fn of(address: &Address, source: &Source) -> Self {
        let written = |address: &Address| {
            // Quoted as in a header, and if that is not there, as it is.
            let mut forms = vec![address.to_string(), address.unquoted().to_owned()];
            forms.dedup();
            forms
        };
        let bare = address.without_extension(&source.delimiters);
        let mut partial: Vec<_> = bare.iter().flat_map(written).collect();
        if source.local.iter().any(|domain| domain == address.domain()) {
            partial.extend([address].into_iter().chain(&bare).map(|address| address.local().to_owned()));
        }
        partial.push(format!("@{}", address.domain()));
        Self { whole: written(address), partial }
    }
}

impl Looked {
    fn up<'a>(
        source: &Source,
        postmap: &mut Postmap<'_>,
        addresses: impl Iterator<Item = &'a Address>,
    ) -> Result<Self, ImportError> {
        let forms: HashMap<_, _> = addresses.map(|own| (own.clone(), Forms::of(own, source))).collect();
        let mut tables = Vec::new();
        for Table { spec, only_patterns, .. } in &source.tables {
            let whole = forms.values().flat_map(|forms| &forms.whole);
            let partial = forms.values().flat_map(|forms| &forms.partial).filter(|_| !only_patterns);
            let keys: BTreeSet<_> = whole.chain(partial).cloned().collect();
            tables.push((*only_patterns, postmap.ask(spec, &keys.into_iter().collect::<Vec<_>>())?));
        }
        Ok(Self { forms, tables, doubts: Vec::new(), told: HashSet::new() })
    }

    /// The key that decides about an address, and whom it names.
    fn of(&mut self, address: &Address) -> Option<(String, Vec<String>)> {
        let Forms { whole, partial } = self.forms.get(address)?;
        let whole = whole.iter().map(|key| (key, true));
        let mut forms = whole.chain(partial.iter().map(|key| (key, false)));
        let (key, value) = forms.find_map(|(key, is_whole)| {
            let mut able = self.tables.iter().filter(|(only_patterns, _)| is_whole || !only_patterns);
            able.find_map(|(_, table)| Some((key, table.get(key)?)))
        })?;
        let (mut logins, mut doubts, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        // CHARS_COMMA_SP of Postfix.
        for login in value.split([',', ' ', '\t', '\r', '\n']).filter(|login| !login.is_empty()) {
            if login.len() > MAX_LOGIN
                || login.chars().any(|c| is_forbidden(c) || c == char::REPLACEMENT_CHARACTER)
            {
                doubts.push(format!(
                    "{}: \"{}\" is no login, and left out",
                    printable(key),
                    printable(login)
                ));
            } else if seen.insert(folded(login)) {
                logins.push(login.to_owned());
            }
        }
        let key = key.clone();
        doubts.retain(|doubt| self.told.insert(doubt.clone()));
        self.doubts.extend(doubts);
        Some((key, logins))
    }
}

/// The addresses in a file, one a line; what follows `#` is a comment.
pub(super) fn addresses(file: &Path) -> Result<Vec<Address>, ImportError> {
    let unreadable = |error| ImportError::Addresses { file: file.to_owned(), error };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, text)| !(text.is_empty() || text.starts_with('#')));
    let read = lines.map(|(line, text)| {
        let wrong =
            |error| ImportError::Address { file: file.to_owned(), line, text: text.to_owned(), error };
        Address::parse(text).map_err(wrong)
    });
    read.collect()
}

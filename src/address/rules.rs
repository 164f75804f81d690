//! What the configuration says of addresses: patterns, and which forms of one address are the same here.

use std::collections::HashMap;

use super::{Address, AddressError, canonical_domain};

/// A pattern of addresses in the configuration: one address, `*@domain`, or `*` for any.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// `*`
    Any,
    /// `*@domain`, the domain in canonical form.
    Domain(Box<str>),
    /// One address.
    Address(Address),
}

impl Pattern {
    /// Reads a pattern as it stands in the configuration.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix('*') {
            Some("") => Ok(Self::Any),
            Some(rest) => match rest.strip_prefix('@') {
                Some(domain) => Ok(Self::Domain(canonical_domain(domain)?.into())),
                None => Err(AddressError::LocalPart),
            },
            None => Address::parse(text).map(Self::Address),
        }
    }

    /// Whether `address` is one of those meant.
    pub fn matches(&self, address: &Address) -> bool {
        match self {
            Self::Any => true,
            Self::Domain(domain) => **domain == *address.domain(),
            Self::Address(own) => own == address,
        }
    }
}

/// How the forms of an address relate at this site: `recipient_delimiter` and `[domain_aliases]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AddressRules {
    delimiters: String,
    aliases: HashMap<String, String>,
}

impl AddressRules {
    /// `delimiters` is a set of characters; `aliases` are pairs of an alias domain and what it stands for.
    pub fn new<'a>(
        delimiters: &str,
        aliases: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, AddressError> {
        let aliases = aliases
            .into_iter()
            .map(|(alias, domain)| Ok((canonical_domain(alias)?, canonical_domain(domain)?)))
            .collect::<Result<_, AddressError>>()?;
        Ok(Self { delimiters: delimiters.to_owned(), aliases })
    }

    /// The forms under which an address may stand in a directory, in the order in which they count: whole, whole
    /// with its domain mapped, base, base mapped. None for a domain literal.
    pub fn candidates(&self, address: &Address) -> Vec<Address> {
        if address.is_literal() {
            return Vec::new();
        }
        let base = address.without_extension(&self.delimiters);
        let mut forms = Vec::with_capacity(4);
        for form in std::iter::once(address).chain(base.as_ref()) {
            forms.push(form.clone());
            forms.extend(self.aliases.get(form.domain()).map(|domain| form.in_domain(domain)));
        }
        forms
    }

    /// The characters that part an extension from a name; empty for none.
    pub fn delimiters(&self) -> &str {
        &self.delimiters
    }

    /// Whether a text that follows a local part is an extension of it.
    pub fn begins_extension(&self, text: &str) -> bool {
        text.starts_with(|c| self.delimiters.contains(c))
    }

    /// Whether two addresses are the same to the mail system, each with its domain mapped.
    pub fn same(&self, one: &Address, other: &Address) -> bool {
        one.in_domain(self.mapped(one.domain())) == other.in_domain(self.mapped(other.domain()))
    }

    /// The domain that a domain stands for: itself, or what `[domain_aliases]` maps it to.
    pub fn mapped<'a>(&'a self, domain: &'a str) -> &'a str {
        self.aliases.get(domain).map_or(domain, String::as_str)
    }
}

//! From a record to an [`Entry`], by a schema: the same for every directory.
//!
//! A value that cannot be used (an address that is none) is left out, so that one mistake does not take a person's
//! other rights away, and told as a [`Doubt`].

use std::collections::HashSet;
use std::fmt;
use std::str::from_utf8;

use crate::address::{Address, AddressError};
use crate::directory::descriptor::DescriptorError;
use crate::directory::record::Record;
use crate::directory::schema::{AddressForm, AddressValue, DeputyError, MemberError, Schema, is_binary};
use crate::dn::Dn;
use crate::grant::{self, Entry, Grant, Right, SidError, Texts};
use crate::reply::{printable, printable_within};

mod access;

/// A value that is not used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Doubt {
    /// The entry that has it.
    pub dn: Dn,
    /// In this attribute.
    pub attribute: String,
    /// As it stands there.
    pub value: String,
    /// Why it is not used.
    pub reason: Doubtful,
}

/// Why a value is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Doubtful {
    /// It should be a mail address.
    #[error("it is not a mail address: {0}")]
    Address(AddressError),
    /// It should be a boolean.
    #[error("it is neither TRUE nor FALSE")]
    Boolean,
    /// It should name a deputy.
    #[error("{0}")]
    Deputy(#[from] DeputyError),
    /// It should name a member.
    #[error("{0}")]
    Member(#[from] MemberError),
    /// It should be text.
    #[error("it is not UTF-8")]
    NotText,
    /// It should be a security identifier.
    #[error(transparent)]
    Sid(#[from] SidError),
    /// It should be the number of a group.
    #[error("it is not the number of a group (MS-ADA3, primaryGroupID)")]
    Group,
    /// There are too many.
    #[error("it comes after {MAX_GRANTS} others; name a group that they are in")]
    TooMany,
    /// It should be a security descriptor.
    #[error("nothing in it counts: {0}")]
    Descriptor(#[from] DescriptorError),
}

/// The most grants of an entry that count. Each is compared with each group of whoever sends, and a person may write as
/// many as the server takes.
pub(crate) const MAX_GRANTS: usize = 5_000;

/// The longest name that is shown of an entry, in octets.
pub(crate) const MAX_NAME: usize = 400;

/// Fit for a log, whatever the directory says.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dn, attribute, value, reason } = self;
        let (dn, value) = (printable_within(dn.as_str(), MAX_NAME), printable(value));
        write!(f, "{attribute} of {dn} has a value that is not used: \"{value}\": {reason}")
    }
}

/// Reads a record.
pub(crate) struct Reader<'a> {
    schema: &'a Schema,
    record: &'a Record,
    doubts: Vec<Doubt>,
}

impl<'a> Reader<'a> {
    /// Nothing is read yet.
    pub(crate) fn new(schema: &'a Schema, record: &'a Record) -> Self {
        Self { schema, record, doubts: Vec::new() }
    }

    /// What could not be used so far.
    pub(crate) fn into_doubts(self) -> Vec<Doubt> {
        self.doubts
    }

    /// The entry. Logins are a person's alone: what else has an attribute like `mail` does not log in with it.
    pub(crate) fn entry(&mut self, is_person: bool) -> Entry {
        let (mail, aliases) = self.owned();
        let logins = if is_person { self.logins() } else { Vec::new() };
        let (logins_but_mail, mail_logs_in) = without_mail(logins, &mail);
        let access = self.access();
        let mut grants: Vec<_> = self.grants().into_iter().map(|granted| granted.grant).collect();
        grants.extend(access.grants);
        Entry {
            dn: self.record.dn.clone(),
            name: self.name(),
            mail: mail.into(),
            aliases: aliases.into(),
            logins_but_mail,
            mail_logs_in,
            numbers: if is_person { self.numbers() } else { Texts::default() },
            is_group: self.schema.is_group(self.record),
            enabled: self.enabled(),
            grants: grants.into(),
            security: access.security,
        }
    }

    /// The values of those of the attributes that are text, in order, each with its attribute. White space around one means
    /// nothing, as to servers (RFC 4518 section 2.6.1).
    pub(crate) fn texts(&mut self, attributes: &'a [String]) -> Vec<(&'a str, &'a str)> {
        let record = self.record;
        let mut texts = Vec::new();
        for attribute in attributes.iter().filter(|attribute| !is_binary(attribute)) {
            for value in record.values(attribute) {
                match from_utf8(value) {
                    Ok(text) => texts.push((attribute.as_str(), text.trim())),
                    Err(_) => self.doubt(attribute, &String::from_utf8_lossy(value), Doubtful::NotText),
                }
            }
        }
        texts
    }

    /// Notes a value that is not used.
    pub(crate) fn doubt(&mut self, attribute: &str, value: &str, reason: Doubtful) {
        let dn = self.record.dn.clone();
        self.doubts.push(Doubt { dn, attribute: attribute.to_owned(), value: value.to_owned(), reason });
    }

    fn name(&mut self) -> Option<Box<str>> {
        let mut names = self.texts(&self.schema.display_name).into_iter();
        names.find(|(_, name)| !name.is_empty()).map(|(_, name)| name.into())
    }

    fn logins(&mut self) -> Vec<&'a str> {
        self.texts(&self.schema.login).into_iter().map(|(_, login)| login).collect()
    }

    fn numbers(&mut self) -> Texts {
        let schema = self.schema;
        self.texts(&schema.number).into_iter().filter_map(|(_, text)| grant::number(text)).collect()
    }

    /// The addresses of the entry, and its aliases. Where one is marked as the primary, all others are aliases.
    fn owned(&mut self) -> (Vec<Address>, Vec<Address>) {
        let schema = self.schema;
        let is_marked = |own: &Owned<'_>| own.is_primary;
        let addresses = |owned: Vec<Owned<'_>>| owned.into_iter().map(|own| own.address).collect::<Vec<_>>();
        let (marked, mail): (Vec<_>, Vec<_>) =
            self.in_order(&schema.address).into_iter().partition(is_marked);
        let (marked_too, aliases): (Vec<_>, Vec<_>) =
            self.in_order(&schema.alias).into_iter().partition(is_marked);
        let marked: Vec<_> = marked.into_iter().chain(marked_too).collect();
        let (mail, aliases) =
            if marked.is_empty() { (mail, aliases) } else { (marked, [mail, aliases].concat()) };
        (addresses(mail), addresses(aliases))
    }

    /// The addresses in the attributes, the one that is a login too first, then the smallest by bytes: servers give
    /// values in no order (RFC 4511 section 4.1.7), and the first of an entry is its primary.
    /// Proxy addresses say it all: where there are any, others do not count.
    fn in_order(&mut self, attributes: &'a [String]) -> Vec<Owned<'a>> {
        let mut addresses = self.addresses(attributes);
        if addresses.iter().any(|own| own.form == AddressForm::Proxy) {
            addresses.retain(|own| own.form == AddressForm::Proxy);
        }
        let logins = self.login_addresses();
        addresses.sort_by_key(|own| (!logins.contains(&own.address), own.text));
        addresses
    }

    /// The logins that are addresses, but those that stand in an address attribute: there, all values are logins.
    pub(crate) fn login_addresses(&mut self) -> Vec<Address> {
        let schema = self.schema;
        let is_address =
            |attribute: &str| schema.address.iter().any(|own| own.eq_ignore_ascii_case(attribute));
        let logins = self.texts(&schema.login).into_iter().filter(|(attribute, _)| !is_address(attribute));
        logins.filter_map(|(_, login)| Address::parse(login).ok()).collect()
    }

    /// The mail addresses in the attributes.
    fn addresses(&mut self, attributes: &'a [String]) -> Vec<Owned<'a>> {
        let mut addresses = Vec::new();
        for (attribute, value) in self.texts(attributes) {
            let form = AddressForm::of(attribute);
            let Some(AddressValue { text, is_primary }) = form.read(value) else { continue };
            match Address::parse(text) {
                Ok(address) => addresses.push(Owned { text, address, form, is_primary }),
                Err(error) => self.doubt(attribute, value, Doubtful::Address(error)),
            }
        }
        addresses
    }

    /// Of contradicting values, which a server's schema does not allow, `FALSE` counts.
    fn enabled(&mut self) -> Option<bool> {
        let mut enabled = None;
        for (attribute, text) in self.texts(&self.schema.enabled) {
            match boolean(text) {
                Some(value) => enabled = Some(enabled.unwrap_or(true) && value),
                None => self.doubt(attribute, text, Doubtful::Boolean),
            }
        }
        enabled
    }

    /// What the entry grants, each with the value that says so.
    pub(crate) fn grants(&mut self) -> Vec<Granted<'a>> {
        let schema = self.schema;
        let lists = [
            (Right::SendAs, &schema.send_as),
            (Right::SendOnBehalf, &schema.send_on_behalf),
            (Right::Schedule, &schema.schedule),
        ];
        let mut grants = Vec::new();
        // A value of two rights is read for each, and told once.
        let mut malformed = HashSet::new();
        for (right, attributes) in lists {
            for (attribute, value) in self.texts(attributes) {
                match schema.grant_form(attribute).read(right, value) {
                    Ok(Some(_)) if grants.len() == MAX_GRANTS => {
                        self.doubt(attribute, value, Doubtful::TooMany);
                        return grants;
                    }
                    Ok(Some(delegate)) => {
                        grants.push(Granted { attribute, value, grant: Grant { right, delegate } });
                    }
                    Ok(None) => {}
                    Err(error) if malformed.insert((attribute, value)) => {
                        self.doubt(attribute, value, error.into());
                    }
                    Err(_) => {}
                }
            }
        }
        grants
    }
}

/// The logins that are left when the mail addresses with which they end are left out, and whether they are.
fn without_mail(mut logins: Vec<&str>, mail: &[Address]) -> (Texts, bool) {
    let others = logins.len().saturating_sub(mail.len());
    let is_mail =
        !mail.is_empty() && logins.iter().skip(others).copied().eq(mail.iter().map(Address::unquoted));
    if is_mail {
        logins.truncate(others);
    }
    (logins.into_iter().collect(), is_mail)
}

/// A grant, and where it stands.
pub(crate) struct Granted<'a> {
    /// In this attribute.
    pub(crate) attribute: &'a str,
    /// As this value.
    pub(crate) value: &'a str,
    /// What it says.
    pub(crate) grant: Grant,
}

/// An address as an entry has it.
#[derive(Clone)]
struct Owned<'a> {
    text: &'a str,
    address: Address,
    form: AddressForm,
    is_primary: bool,
}

/// RFC 4517 section 3.3.3, in any case.
fn boolean(text: &str) -> Option<bool> {
    let is = |name| text.eq_ignore_ascii_case(name);
    if is("TRUE") { Some(true) } else { is("FALSE").then_some(false) }
}

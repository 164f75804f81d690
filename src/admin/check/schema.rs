//! What the server knows of the attributes and classes that the configuration names (RFC 4512 section 4).

use std::collections::HashMap;

use super::report::Report;
use crate::directory::Failure;
use crate::directory::filter::{Comparison, Filter};
use crate::directory::ldap::LdapDirectory;
use crate::directory::record::{Record, key};
use crate::directory::schema::Schema;
use crate::dn::Dn;

/// What findings are about.
pub(super) const SCHEMA: &str = "schema";

/// The values of the subschema subentry that are read.
const ATTRIBUTES: [&str; 2] = ["attributeTypes", "objectClasses"];

/// The names that a server knows, in lower case, each with the object identifier that it stands for.
#[derive(Debug, Default)]
pub(crate) struct Known {
    attributes: HashMap<String, String>,
    classes: HashMap<String, String>,
}

impl Known {
    /// What a server knows, whose own entry is `root`; none if it does not show it. RFC 4512 section 4.4: the server's
    /// own entry names the one that holds its schema.
    pub(crate) async fn ask(
        directory: &LdapDirectory,
        root: Option<&Record>,
    ) -> Result<Option<Self>, Failure> {
        let name = root.and_then(|root| root.values("subschemaSubentry").next());
        let name = name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("cn=Subschema");
        let Ok(name) = Dn::parse(name) else { return Ok(None) };
        let subschema = directory.read(&name, &ATTRIBUTES).await?;
        Ok(subschema.as_ref().and_then(Self::read))
    }

    /// Of a subschema subentry; none if it shows none.
    fn read(subschema: &Record) -> Option<Self> {
        let [attributes, classes] = ATTRIBUTES.map(|attribute| definitions(subschema, attribute));
        (!attributes.is_empty()).then_some(Self { attributes, classes })
    }

    /// What the name of an attribute stands for, if the server knows it.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(&key(name)).map(String::as_str)
    }

    /// Whether the server knows a class.
    pub(crate) fn knows_class(&self, name: &str) -> bool {
        self.classes.contains_key(&name.to_ascii_lowercase())
    }
}

fn definitions(subschema: &Record, attribute: &str) -> HashMap<String, String> {
    let texts = subschema.values(attribute).filter_map(|value| std::str::from_utf8(value).ok());
    let mut known = HashMap::new();
    for (oid, names) in texts.filter_map(definition) {
        known.insert(oid.to_ascii_lowercase(), oid.to_owned());
        known.extend(names.into_iter().map(|name| (name.to_ascii_lowercase(), oid.to_owned())));
    }
    known
}

/// RFC 4512 section 4.1: `( numericoid [ NAME qdescrs ] …`, where `qdescrs` is `'name'` or `( 'name' 'name' )`.
fn definition(text: &str) -> Option<(&str, Vec<&str>)> {
    let inner = text.trim().strip_prefix('(')?.trim_start();
    let (oid, rest) = inner.split_once([' ', ')'])?;
    let Some(names) = rest.trim_start().strip_prefix("NAME").map(str::trim_start) else {
        return Some((oid, Vec::new()));
    };
    let list = match names.strip_prefix('(') {
        Some(list) => list.split(')').next()?,
        None => names.get(..=names.get(1..)?.find('\'')? + 1)?,
    };
    Some((oid, list.split('\'').map(str::trim).filter(|name| !name.is_empty()).collect()))
}

/// A list of attributes under `[directory.attributes]`, and what stops where none of them, or one of several, is known.
struct Listed<'a> {
    key: &'static str,
    attributes: Vec<&'a str>,
    without: &'static str,
    weight: Weight,
}

/// How much a list matters.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Weight {
    /// Without it nothing works.
    Needed,
    /// Without it something stops to work.
    Missed,
    /// It is for servers that have it.
    Optional,
}

fn lists(schema: &Schema) -> Vec<Listed<'_>> {
    use Weight::{Missed, Needed, Optional};
    let members = schema.member.iter().map(|member| member.attribute.as_str()).collect();
    vec![
        Listed::new("login", &schema.login, "nobody is found by the login", Needed),
        Listed::new("address", &schema.address, "nobody has an address", Needed),
        Listed::new("alias", &schema.alias, "aliases in it are not found", Optional),
        Listed::new("display_name", &schema.display_name, "Sender is written without a name", Missed),
        Listed::new("send_as", &schema.send_as, "nobody can grant send-as", Needed),
        Listed::new("send_on_behalf", &schema.send_on_behalf, "nobody can grant send-on-behalf", Needed),
        Listed::new("schedule", &schema.schedule, "nobody can grant schedule", Missed),
        Listed::new("enabled", &schema.enabled, "no entry can say whether delegation is enabled", Missed),
        Listed {
            key: "member",
            attributes: members,
            without: "groups that use it are not found",
            weight: Missed,
        },
    ]
}

impl<'a> Listed<'a> {
    fn new(key: &'static str, attributes: &'a [String], without: &'static str, weight: Weight) -> Self {
        Self { key, attributes: attributes.iter().map(String::as_str).collect(), without, weight }
    }

    /// Whether a site can do without: a product may be there without another that grants.
    fn may_be_empty(&self) -> bool {
        !matches!(self.key, "login" | "address")
    }

    fn check(&self, known: &Known, report: &mut Report) -> bool {
        let is_unknown = |attribute: &&str| known.attribute(attribute).is_none();
        let unknown: Vec<_> = self.attributes.iter().copied().filter(is_unknown).collect();
        let (key, without) = (self.key, self.without);
        for attribute in &unknown {
            let what =
                format!("the server does not know the attribute {attribute} (directory.attributes.{key})");
            let all = unknown.len() == self.attributes.len();
            let mut advice = remedy(attribute, &format!("directory.attributes.{key}"));
            if self.may_be_empty() {
                advice.push_str(&format!("; directory.attributes.{key} = [] does without it"));
            }
            match self.weight {
                Weight::Needed if all => report.error(SCHEMA, format!("{what}: {without}"), Some(&advice)),
                Weight::Missed if all => report.warning(SCHEMA, format!("{what}: {without}"), &advice),
                // Presets name what servers of several kinds have; one's own list has no more than is there.
                Weight::Needed | Weight::Missed | Weight::Optional => report.note(SCHEMA, what),
            }
        }
        unknown.is_empty()
    }
}

fn remedy(attribute: &str, key: &str) -> String {
    if attribute.to_ascii_lowercase().starts_with("delegation") {
        return "load contrib/ldap/delegation.ldif".to_owned();
    }
    format!("load the schema that has it, or name another one in {key}")
}

/// Tells what the server does not know of what the configuration names.
pub(super) fn check(schema: &Schema, known: &Known, report: &mut Report) {
    let mut all = true;
    for list in lists(schema) {
        all &= list.check(known, report);
    }
    for (name, filter) in schema.filters() {
        all &= check_filter(name, filter, known, report);
    }
    if all {
        report.ok(SCHEMA, "the server knows all attributes and classes that the configuration names");
    }
}

fn check_filter(name: &str, filter: &Filter, known: &Known, report: &mut Report) -> bool {
    let mut unknown: Vec<&str> = filter.attributes();
    unknown.retain(|attribute| known.attribute(attribute).is_none());
    unknown.dedup();
    for attribute in &unknown {
        // RFC 4511 section 4.5.1.7: such a part is neither true nor false, and so is its negation.
        let what = format!(
            "the server does not know {attribute}: the part of directory.filters.{name} never matches"
        );
        report.warning(SCHEMA, what, &remedy(attribute, &format!("directory.filters.{name}")));
    }
    let classes = classes(filter);
    let (there, missing): (Vec<_>, Vec<_>) = classes.iter().partition(|class| known.knows_class(class));
    for class in &missing {
        let what =
            format!("the server does not know the class {class}, which directory.filters.{name} names");
        if there.is_empty() {
            report.warning(SCHEMA, what, "load the schema that has it, or name another class");
        } else {
            report.note(SCHEMA, what);
        }
    }
    unknown.is_empty() && missing.is_empty()
}

/// The classes that a filter names.
fn classes(filter: &Filter) -> Vec<String> {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().flat_map(classes).collect(),
        Filter::Not(filter) => classes(filter),
        Filter::Compare(attribute, Comparison::Equal, value) if key(attribute) == "objectclass" => {
            vec![String::from_utf8_lossy(value).into_owned()]
        }
        Filter::Compare(..) | Filter::Present(_) | Filter::Substrings(..) | Filter::Extensible(_) => {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_as_servers_write_them() {
        for (text, oid, names) in [
            (
                "( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC 'RFC4519: x' SUP name )",
                "2.5.4.3",
                &["cn", "commonName"][..],
            ),
            ("( 1.2.3 NAME 'mail' EQUALITY x )", "1.2.3", &["mail"]),
            ("(1.2.3 NAME ('a' 'b'))", "1.2.3", &["a", "b"]),
            ("( 1.2.3 DESC 'NAME ( ''x'' )' )", "1.2.3", &[]),
            ("( 1.2.3 )", "1.2.3", &[]),
        ] {
            assert_eq!(definition(text), Some((oid, names.to_vec())), "{text}");
        }
        for text in ["", "(", "1.2.3 NAME 'x'", "( 1.2.3 NAME 'x", "( 1.2.3 NAME '"] {
            assert!(definition(text).is_none_or(|(_, names)| names.is_empty()), "{text}");
        }
    }
}

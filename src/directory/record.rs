//! An entry as a directory gave it: a name, and attributes with values that nobody has looked at yet.

use std::collections::HashMap;

use crate::dn::Dn;

/// A name with its attributes. Attributes are found without regard to case and to options (RFC 4512 section 2.5:
/// who asks for `cn` gets `cn;lang-de` too).
#[derive(Clone, Debug)]
pub struct Record {
    /// The entry's name.
    pub dn: Dn,
    attributes: HashMap<String, Values>,
}

/// The values of one attribute, in the order in which they came; those with options count after those without.
#[derive(Clone, Debug, Default)]
struct Values {
    plain: Vec<Vec<u8>>,
    with_options: Vec<Vec<u8>>,
}

impl Record {
    /// A name without attributes.
    pub fn new(dn: Dn) -> Self {
        Self { dn, attributes: HashMap::new() }
    }

    /// Adds one value to the attribute with this description: a name, perhaps with options (`cn;lang-de`).
    pub fn push(&mut self, description: &str, value: Vec<u8>) {
        let values = self.attributes.entry(key(description)).or_default();
        if description.contains(';') { values.with_options.push(value) } else { values.plain.push(value) }
    }

    /// Puts one value in the place of all that the attribute has.
    pub fn replace(&mut self, description: &str, value: Vec<u8>) {
        let values = Values { plain: vec![value], with_options: Vec::new() };
        self.attributes.insert(key(description), values);
    }

    /// The values of an attribute; none if the entry has no such attribute.
    pub fn values(&self, description: &str) -> impl Iterator<Item = &[u8]> {
        let values = self.attributes.get(&key(description));
        values
            .into_iter()
            .flat_map(|values| values.plain.iter().chain(&values.with_options))
            .map(Vec::as_slice)
    }
}

/// The attribute's name without its options, in lower case.
pub(crate) fn key(description: &str) -> String {
    description.split(';').next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_without_regard_to_case_and_options() {
        let mut record = Record::new(Dn::parse("uid=anna").unwrap());
        for (description, value) in [("cn;lang-de", "de"), ("CN", "plain"), ("cn", "second"), ("mail", "a@x")]
        {
            record.push(description, value.into());
        }
        for (asked, values) in [
            ("cn", vec!["plain", "second", "de"]),
            ("Cn;lang-fr", vec!["plain", "second", "de"]),
            ("MAIL", vec!["a@x"]),
            ("sn", vec![]),
        ] {
            assert!(record.values(asked).eq(values.iter().map(|value| value.as_bytes())), "{asked}");
        }
    }
}

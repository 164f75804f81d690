//! How an attribute holds mail addresses.

use crate::directory::filter::Filter;

/// The type of a mail address among proxy addresses (MS-OXOABK section 2.2.3.23), in any case; in capitals, of the primary.
const TYPE: &str = "smtp:";
const PRIMARY: &str = "SMTP:";

/// How an attribute holds mail addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressForm {
    /// As they are.
    Plain,
    /// As Active Directory's `proxyAddresses`: `SMTP:anna@example.org`, among addresses of other kinds.
    Proxy,
}

/// A value that is a mail address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Value<'a> {
    /// The address.
    pub text: &'a str,
    /// Whether the value says that it is the primary one.
    pub is_primary: bool,
}

impl AddressForm {
    /// The form that the schema of an attribute gives it.
    pub fn of(attribute: &str) -> Self {
        if attribute.eq_ignore_ascii_case("proxyAddresses") { Self::Proxy } else { Self::Plain }
    }

    /// How a mail address stands there, for a search: case means nothing to it.
    pub fn value(self, address: &str) -> String {
        match self {
            Self::Plain => address.to_owned(),
            Self::Proxy => format!("{TYPE}{address}"),
        }
    }

    /// Reads a value; none if it is an address of another kind than mail (`X500:`, `sip:`).
    pub fn read(self, value: &str) -> Option<Value<'_>> {
        match self {
            Self::Plain => Some(Value { text: value, is_primary: false }),
            Self::Proxy => {
                let (kind, text) = value.split_at_checked(TYPE.len())?;
                let is_mail = kind.eq_ignore_ascii_case(TYPE);
                is_mail.then(|| Value { text: text.trim(), is_primary: kind == PRIMARY })
            }
        }
    }
}

/// That any of the attributes has any of the values, which are addresses where the attribute holds such.
pub fn any_of<'a>(attributes: impl IntoIterator<Item = &'a String>, values: &[String]) -> Filter {
    let equal = |attribute: &'a String, value: &String| {
        Filter::equal(attribute, AddressForm::of(attribute).value(value))
    };
    let of_one = |attribute| values.iter().map(move |value| equal(attribute, value));
    Filter::or(attributes.into_iter().flat_map(of_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_proxy_addresses() {
        let mail = |text, is_primary| Some(Value { text, is_primary });
        for (value, expected) in [
            ("SMTP:anna@x.org", mail("anna@x.org", true)),
            ("smtp:anna@x.org", mail("anna@x.org", false)),
            ("Smtp: anna@x.org", mail("anna@x.org", false)),
            ("smtp:", mail("", false)),
            ("X500:/o=Example/cn=anna", None),
            ("sip:anna@x.org", None),
            ("SIP:anna@x.org", None),
            ("anna@x.org", None),
            ("ä\u{20ac}", None),
            ("", None),
        ] {
            assert_eq!(AddressForm::of("ProxyAddresses").read(value), expected, "{value}");
        }
        assert_eq!(AddressForm::of("mail").read("smtp:anna@x.org"), mail("smtp:anna@x.org", false));
    }

    #[test]
    fn what_a_search_asks_for() {
        assert_eq!(AddressForm::of("proxyaddresses").value("anna@x.org"), "smtp:anna@x.org");
        assert_eq!(AddressForm::of("mail").value("anna@x.org"), "anna@x.org");
    }
}

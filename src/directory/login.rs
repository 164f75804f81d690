//! A login as directories compare it.

use std::fmt;

use crate::address::Address;

/// A login: compared as an address if it is one, else without regard to ASCII case.
#[derive(Clone, Eq, Hash, PartialEq)]
pub enum Login {
    /// It is a mail address.
    Address(Address),
    /// It is a name, in lower case.
    Name(Box<str>),
}

impl Login {
    /// Of text from a client, a configuration or a directory.
    pub fn of(text: &str) -> Self {
        Address::parse(text).map_or_else(|_| Self::Name(text.to_ascii_lowercase().into()), Self::Address)
    }

    /// How a directory may have it.
    pub fn spellings(&self) -> Vec<String> {
        match self {
            Self::Address(address) => address.spellings(),
            Self::Name(name) => vec![name.to_string()],
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address:?}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compared_as_directories_do() {
        for (a, b, same) in [
            ("anna", "ANNA", true),
            ("anna", "anne", false),
            ("anna@example.org", "Anna@EXAMPLE.org", true),
            ("\"anna\"@example.org", "anna@example.org", true),
            ("anna@bücher.example", "anna@xn--bcher-kva.example", true),
            ("anna", "anna@example.org", false),
        ] {
            assert_eq!(Login::of(a) == Login::of(b), same, "{a} {b}");
        }
    }
}

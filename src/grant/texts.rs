//! A list of short texts in one piece of memory.

use std::fmt;

/// Texts in an order, none with a NUL, which no login has (RFC 4616 section 2): those that have one are left out.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Texts(
    /// Each with a NUL behind it.
    Box<str>,
);

impl Texts {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.split_terminator('\0')
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one of them.
    pub fn contains(&self, text: &str) -> bool {
        self.iter().any(|own| own == text)
    }
}

impl<T: AsRef<str>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all = String::new();
        for text in texts {
            let text = text.as_ref();
            if !text.contains('\0') {
                all.push_str(text);
                all.push('\0');
            }
        }
        Self(all.into())
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
impl<const N: usize> PartialEq<[&str; N]> for Texts {
    fn eq(&self, other: &[&str; N]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_is_what_went_in() {
        for (texts, expected) in [
            (vec![], vec![]),
            (vec!["anna"], vec!["anna"]),
            (vec!["anna", "", "anna@example.org"], vec!["anna", "", "anna@example.org"]),
            (vec![""], vec![""]),
            (vec!["an\0na", "b"], vec!["b"]),
        ] {
            let read = Texts::from_iter(&texts);
            assert_eq!(read.iter().collect::<Vec<_>>(), expected, "{texts:?}");
            assert_eq!(read.is_empty(), expected.is_empty(), "{texts:?}");
            assert!(expected.iter().all(|text| read.contains(text)) && !read.contains("a"), "{texts:?}");
        }
    }
}

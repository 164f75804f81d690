//! Distinguished names: read (RFC 4514), and compared without regard to case and insignificant space.
//!
//! Directories write one name in many ways (`uid=anna, ou=People`, `UID=anna,ou=people`, `uid=\61nna,…`); a grant
//! counts whichever of them it holds. The comparison is that of `distinguishedNameMatch` with `caseIgnoreMatch` for
//! every attribute (RFC 4518 sections 2.2 to 2.6, as far as mail directories need it).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use unicode_normalization::UnicodeNormalization;

/// Why a text is no distinguished name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is not a distinguished name (RFC 4514)")]
pub struct DnError;

/// A distinguished name; equality is that of the directory, not of the bytes. The default is the root, above all entries.
#[derive(Clone, Default)]
pub struct Dn {
    /// As it was written. Behind it, where that is another, its canonical form: the relative names from the entry up to
    /// the root, joined by commas. A comma that is part of a value has a backslash before it.
    texts: Box<str>,
    /// Where the canonical form begins.
    canonical: usize,
}

impl Dn {
    /// Reads the string representation of RFC 4514 section 3, with white space around separators (RFC 2253
    /// section 4 wants it accepted).
    pub fn parse(text: &str) -> Result<Self, DnError> {
        let text = trimmed(text);
        let mut rest = text;
        let mut canonical = String::with_capacity(text.len());
        while !rest.is_empty() {
            let (rdn, tail) = take_rdn(rest)?;
            if !canonical.is_empty() {
                canonical.push(',');
            }
            canonical.push_str(&rdn);
            rest = tail;
        }
        Ok(if canonical == text {
            Self { texts: text.into(), canonical: 0 }
        } else {
            Self { texts: [text, &canonical].concat().into(), canonical: text.len() }
        })
    }

    /// Whether the entry is `base` itself or below it.
    pub fn is_within(&self, base: &Self) -> bool {
        let Some(below) = self.canonical().strip_suffix(base.canonical()) else { return false };
        below.is_empty() || base.canonical().is_empty() || below.strip_suffix(',').is_some_and(is_whole)
    }

    /// How many relative names it has: more means deeper.
    pub fn depth(&self) -> usize {
        self.rdns().count()
    }

    /// What its parent hashes as, without the cost of making it; none of the root.
    pub(crate) fn hashable_parent(&self) -> Option<impl Hash + '_> {
        let own = self.rdns().next()?;
        let above = self.canonical().strip_prefix(own)?;
        Some(above.strip_prefix(',').unwrap_or_default())
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        match self.canonical {
            0 => &self.texts,
            end => self.texts.get(..end).unwrap_or_default(),
        }
    }

    /// What equality means.
    fn canonical(&self) -> &str {
        self.texts.get(self.canonical..).unwrap_or_default()
    }

    /// The canonical form of each relative name, from the entry up to the root.
    fn rdns(&self) -> impl Iterator<Item = &str> {
        let mut is_escaped = false;
        let parts = move |c| {
            let parts = c == ',' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            parts
        };
        // Of the root there is one, which is empty.
        self.canonical().split(parts).filter(|rdn| !rdn.is_empty())
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for Dn {}

/// By their canonical forms, so that it is the same however they are written.
impl Ord for Dn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rdns().cmp(other.rdns())
    }
}

impl PartialOrd for Dn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Dn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a part of a canonical form ends where a relative name may: not with half an escape.
fn is_whole(part: &str) -> bool {
    (part.len() - part.trim_end_matches('\\').len()).is_multiple_of(2)
}

/// The text without white space around it, but for a space that a backslash makes a part of the last value (RFC 4514
/// section 2.4).
fn trimmed(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.trim_end();
    let backslashes = end.len() - end.trim_end_matches('\\').len();
    let is_escaped =
        backslashes % 2 == 1 && text.get(end.len()..).is_some_and(|space| space.starts_with(' '));
    if is_escaped { text.get(..=end.len()).unwrap_or(end) } else { end }
}

/// Takes one relative name and the comma behind it; the canonical form has its parts sorted (RFC 4514 section 2.2:
/// their order means nothing).
fn take_rdn(text: &str) -> Result<(String, &str), DnError> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (kind, value) = rest.split_once('=').ok_or(DnError)?;
        let kind = attribute_type(kind.trim())?;
        let (value, separator, tail) = take_value(value)?;
        parts.push(format!("{kind}={}", prepare(&value)));
        rest = tail;
        match separator {
            Some('+') => {}
            // A comma with nothing behind it promises a name that is not there.
            Some(_) if rest.trim().is_empty() => return Err(DnError),
            Some(_) | None => break,
        }
    }
    parts.sort_unstable();
    Ok((parts.join("+"), rest))
}

/// A short name or an object identifier, folded (RFC 4512 section 1.4). No options: RFC 4514 section 3 has none, and
/// their semicolon parts names for others.
fn attribute_type(text: &str) -> Result<String, DnError> {
    let valid =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if valid { Ok(text.to_ascii_lowercase()) } else { Err(DnError) }
}

/// An unescaped value, the separator behind it, and the rest (RFC 4514 section 3, `string`).
fn take_value(text: &str) -> Result<(String, Option<char>, &str), DnError> {
    let mut value = Vec::new();
    let mut rest = text.trim_start();
    let mut significant = 0;
    loop {
        let mut chars = rest.chars();
        let Some(c) = chars.next() else { break };
        rest = chars.as_str();
        match c {
            ',' | ';' | '+' => return Ok((finish(value, significant)?, Some(c), rest)),
            '\\' => {
                rest = take_escape(rest, &mut value)?;
                significant = value.len();
            }
            '"' | '<' | '>' | '\0' => return Err(DnError),
            c => {
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                if c != ' ' {
                    significant = value.len();
                }
            }
        }
    }
    Ok((finish(value, significant)?, None, rest))
}

/// Unescaped white space at the end is not part of the value.
fn finish(mut value: Vec<u8>, significant: usize) -> Result<String, DnError> {
    value.truncate(significant);
    String::from_utf8(value).map_err(|_| DnError)
}

/// What means something in a name, or may (RFC 4514 section 2.4).
const SPECIAL: &str = "\"#+,;<=>\\";

/// A value that neither begins nor ends with a space, as it stands in a name (RFC 4514 section 2.4).
pub fn escaped(value: &str) -> String {
    let escape = |c| [Some('\\').filter(|_| SPECIAL.contains(c)), Some(c)];
    value.chars().flat_map(escape).flatten().collect()
}

/// RFC 4514 section 3 `pair`: a backslash and a special character, or two hexadecimal digits.
fn take_escape<'a>(text: &'a str, value: &mut Vec<u8>) -> Result<&'a str, DnError> {
    let mut chars = text.chars();
    let first = chars.next().ok_or(DnError)?;
    if let Some(high) = first.to_digit(16) {
        let low = chars.next().and_then(|c| c.to_digit(16)).ok_or(DnError)?;
        value.push(u8::try_from(high * 16 + low).map_err(|_| DnError)?);
    } else if first == ' ' || SPECIAL.contains(first) {
        value.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        return Err(DnError);
    }
    Ok(chars.as_str())
}

/// RFC 4518 sections 2.2 and 2.3: compatibility forms and case folded.
pub(crate) fn fold_case(value: &str) -> String {
    // Most names are ASCII, and what follows would make the same of them at many times the cost.
    if value.is_ascii() { value.to_ascii_lowercase() } else { fold_any_case(value) }
}

fn fold_any_case(value: &str) -> String {
    value.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// What `caseIgnoreMatch` compares: folded, and runs of white space squeezed (RFC 4518 section 2.6.1).
pub(crate) fn fold(value: &str) -> String {
    fold_case(value).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A folded value, escaped again, so that one value cannot pass for two.
fn prepare(value: &str) -> String {
    let folded = fold(value);
    let mut canonical = String::with_capacity(folded.len());
    for c in folded.chars() {
        if matches!(c, ',' | '+' | '=' | '\\') {
            canonical.push('\\');
        }
        canonical.push(c);
    }
    canonical
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn ascii_is_folded_like_all_else() {
        for first in '\0'..='\x7f' {
            for second in '\0'..='\x7f' {
                let text = String::from_iter([first, second]);
                assert_eq!(fold_case(&text), fold_any_case(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn equal_however_written() {
        for (a, b) in [
            ("uid=anna,ou=people,dc=example,dc=org", "UID=Anna , OU=People,dc=EXAMPLE, dc=org"),
            ("uid=anna,dc=org", "uid=\\61nna,dc=org"),
            ("uid=anna,dc=org", "uid = anna ; dc = org"),
            ("cn=Adams\\, Anna,dc=org", "cn=adams\\2c anna,dc=org"),
            ("cn=Anna  Adams,dc=org", "cn=anna adams,dc=org"),
            ("cn=a+uid=b,dc=org", "uid=b+cn=a,dc=org"),
            ("cn=\\c3\\a4,dc=org", "cn=Ä,dc=org"),
            (" cn=a\\  ", "cn=a\\20"),
            ("cn=\\ ,dc=org", "cn=\\20,dc=org"),
            ("cn=a\\\\ ", "cn=a\\5c"),
        ] {
            assert_eq!(dn(a), dn(b));
            assert!(dn(a).cmp(&dn(b)).is_eq(), "{a} {b}");
        }
    }

    #[test]
    fn different() {
        for (a, b) in [
            ("uid=anna,dc=org", "uid=anna,dc=net"),
            ("uid=anna,dc=org", "cn=anna,dc=org"),
            ("uid=anna,dc=org", "uid=anna,ou=x,dc=org"),
            ("cn=a\\,cn=b,dc=org", "cn=a,cn=b,dc=org"),
            ("cn=a\\+uid=b,dc=org", "cn=a+uid=b,dc=org"),
        ] {
            assert_ne!(dn(a), dn(b));
        }
    }

    #[test]
    fn refused() {
        for text in [
            "anna",
            "uid=anna,",
            "=x",
            "cn;lang-de=x",
            "u id=x",
            "cn=a\\zz",
            "cn=a\\",
            "cn=a\"b",
            "cn=a\\ff",
            "uid=a,,dc=b",
        ] {
            assert_eq!(Dn::parse(text), Err(DnError), "{text}");
        }
    }

    #[test]
    fn within() {
        let base = dn("ou=acme,dc=org");
        assert!(dn("uid=a,OU=Acme,dc=org").is_within(&base));
        assert!(base.is_within(&base));
        assert!(!dn("uid=a,ou=other,dc=org").is_within(&base));
        assert!(!dn("ou=notacme,dc=org").is_within(&base));
        assert!(dn("uid=a").is_within(&dn("")));
        assert!(dn("").is_within(&dn("")));
        assert!(!dn("").is_within(&dn("dc=org")));
        // What looks like a name within a value is none.
        let base = dn("cn=b,dc=org");
        assert!(!dn("cn=a\\,cn=b,dc=org").is_within(&base));
        assert!(dn("cn=a\\\\,cn=b,dc=org").is_within(&base));
        assert!(!dn("cn=a\\\\\\,cn=b,dc=org").is_within(&base));
    }

    #[test]
    fn above_it() {
        for (text, depth, parent) in [
            ("", 0, None),
            ("dc=org", 1, Some("")),
            ("uid=a,dc=org", 2, Some("DC=Org")),
            ("uid=a\\,b+cn=c, DC=x,dc=org", 3, Some("dc=x,dc=org")),
        ] {
            let hash = |dn: &dyn Fn(&mut DefaultHasher)| {
                let mut hasher = DefaultHasher::new();
                dn(&mut hasher);
                hasher.finish()
            };
            assert_eq!(dn(text).depth(), depth, "{text}");
            let above = dn(text).hashable_parent().map(|above| hash(&|hasher| above.hash(hasher)));
            assert_eq!(above, parent.map(|parent| hash(&|hasher| dn(parent).hash(hasher))), "{text}");
        }
    }

    /// The canonical relative names, each by itself.
    fn model(text: &str) -> Vec<String> {
        let mut rest = trimmed(text);
        let mut rdns = Vec::new();
        while !rest.is_empty() {
            let (rdn, tail) = take_rdn(rest).unwrap();
            rdns.push(rdn);
            rest = tail;
        }
        rdns
    }

    proptest::proptest! {
        #[test]
        fn one_text_means_what_its_relative_names_mean(
            names in proptest::collection::vec(
                "((cn|CN|b)=( ?[abÄ ]|\\\\[,+=\\\\ ]|\\\\2c|!){1,4}[+,;] ?){0,3}(cn|b)=[a!-]", 2
            )
        ) {
            let [one, other] = &names[..] else { unreachable!() };
            let (one_model, other_model) = (model(one), model(other));
            let (one, other) = (dn(one), dn(other));
            proptest::prop_assert_eq!(one.as_str(), trimmed(&names[0]));
            proptest::prop_assert_eq!(one == other, one_model == other_model);
            proptest::prop_assert_eq!(one.cmp(&other), one_model.cmp(&other_model));
            proptest::prop_assert_eq!(one.depth(), one_model.len());
            proptest::prop_assert_eq!(one.is_within(&other), one_model.ends_with(&other_model));
            for level in 0..=one_model.len() {
                let base = dn(&one_model[level..].join(","));
                proptest::prop_assert!(one.is_within(&base), "{:?} {:?}", one, base);
            }
        }

        #[test]
        fn what_is_escaped_is_one_value(value in "[a-zé@\"#+,;<=>\\\\]{1,12}") {
            let name = format!("{},dc=org", escaped(&value));
            proptest::prop_assert_eq!(take_value(&name), Ok((value, Some(','), "dc=org")));
        }

        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = Dn::parse(&text);
        }

        #[test]
        fn spacing_and_case_never_matter(value in "[a-z]{1,8}( [a-z]{1,8}){0,2}") {
            let odd = format!("  CN =  {}  ,  DC=Org ", value.to_uppercase().replace(' ', "   "));
            proptest::prop_assert_eq!(dn(&odd), dn(&format!("cn={value},dc=org")));
        }
    }
}

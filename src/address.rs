//! One mail address, and the only place where two are compared.
//!
//! An [`Address`] is kept in a canonical form: the local part unquoted and in NFC (RFC 6532 section 3.1), the
//! domain as lower-case A-labels (RFC 5890). Two addresses are equal if their canonical forms are, without regard
//! to ASCII case. Postfix and every mail store that it feeds fold the case of local parts, so must we: what the
//! store delivers to the boss, nobody else may use.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use unicode_normalization::UnicodeNormalization;

mod rules;

pub use rules::{AddressRules, Pattern};

/// The longest address that is read, in octets: RFC 5321 section 4.5.3.1 allows 64 + 1 + 255.
pub const MAX_ADDRESS: usize = 320;

/// Why a text is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`, or nothing behind it.
    #[error("it has no domain")]
    NoDomain,
    /// There is nothing in front of the `@`.
    #[error("it has no local part")]
    NoLocalPart,
    /// The local part is neither a dot-atom nor a quoted string (RFC 5322 section 3.4.1).
    #[error("its local part is not valid")]
    LocalPart,
    /// The domain is neither a host name nor a domain literal.
    #[error("its domain is not valid")]
    Domain,
    /// It holds `=?`: an encoded word is never part of an address (RFC 2047 section 5).
    #[error("it holds an encoded word")]
    EncodedWord,
    /// It holds a control character or one that changes the direction of text.
    #[error("it holds a control character")]
    Control,
    /// It is longer than [`MAX_ADDRESS`] octets.
    #[error("it is too long")]
    TooLong,
}

/// A mail address in canonical form. Equality and hash are those of the mail system, not of the bytes.
#[derive(Clone)]
pub struct Address {
    /// The local part, unquoted, in NFC, in the case in which it was written; `@`; the domain as lower-case A-labels, or
    /// a domain literal with its brackets. The last `@` parts the two: no domain has one.
    text: Box<str>,
}

impl Address {
    /// Reads `local@domain` without comments or white space around its tokens (RFC 5322 section 3.4.1 without
    /// CFWS and without the obsolete forms; RFC 6532 for what is not ASCII).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        if holds(text, *b"=?") {
            return Err(AddressError::EncodedWord);
        }
        if text.chars().any(is_forbidden) {
            return Err(AddressError::Control);
        }
        let (local, domain) = split(text)?;
        Self::from_parts(&local, domain)
    }

    /// An address from an unquoted local part and a domain.
    pub fn from_parts(local: &str, domain: &str) -> Result<Self, AddressError> {
        if local.is_empty() {
            return Err(AddressError::NoLocalPart);
        }
        if local.chars().any(is_forbidden) {
            return Err(AddressError::Control);
        }
        // Behind a backslash it was none in the text.
        if holds(local, *b"=?") {
            return Err(AddressError::EncodedWord);
        }
        // Legal in a quoted string, and taken away by some readers, for whom it is then another mailbox.
        if local.trim() != local || holds(local, *b"  ") {
            return Err(AddressError::LocalPart);
        }
        // ASCII is in NFC, and saying so is what costs most.
        let local = if local.is_ascii() { Cow::Borrowed(local) } else { Cow::Owned(local.nfc().collect()) };
        let domain = canonical_domain(domain)?;
        // Longer than it was read, where NFC or A-labels are.
        if written_length(&local) + "@".len() + domain.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        Ok(Self::canonical(&local, &domain))
    }

    /// An address from its parts in canonical form.
    fn canonical(local: &str, domain: &str) -> Self {
        Self { text: [local, "@", domain].concat().into() }
    }

    /// The local part, unquoted.
    pub fn local(&self) -> &str {
        self.parts().0
    }

    /// The domain as lower-case A-labels, or a domain literal with its brackets.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// The local part, unquoted, `@` and the domain: as it is written, if the local part needs no quotes.
    pub(crate) fn unquoted(&self) -> &str {
        &self.text
    }

    fn parts(&self) -> (&str, &str) {
        self.text.rsplit_once('@').unwrap_or_default()
    }

    /// The form in which addresses are compared.
    pub fn key(&self) -> String {
        self.text.to_ascii_lowercase()
    }

    /// Whether the address can be written without SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// Whether the domain is a literal (RFC 5321 section 4.1.3), of which no directory knows anything.
    pub fn is_literal(&self) -> bool {
        self.domain().starts_with('[')
    }

    /// How a directory may have it: with its domain in A-labels, and in U-labels (RFC 5890 section 2.3.2.1).
    pub fn spellings(&self) -> Vec<String> {
        let mut spellings = vec![self.to_string()];
        let (local, domain) = self.parts();
        let (unicode, valid) = idna::domain_to_unicode(domain);
        if valid.is_ok() && unicode != domain {
            let in_unicode = Self::canonical(local, &unicode).to_string();
            // What does not read back is no address of an entry either.
            spellings.extend(Some(in_unicode).filter(|text| Self::parse(text).as_ref() == Ok(self)));
        }
        spellings
    }

    /// The address without its extension, as Postfix finds it (`recipient_delimiter`, `split_addr(3)`): from the
    /// first of the `delimiters` on, if something stands before it. Only where the local part needs no quotes.
    pub fn without_extension(&self, delimiters: &str) -> Option<Self> {
        let (local, domain) = self.parts();
        if !is_dot_atom(local) || never_extended(local, delimiters) {
            return None;
        }
        let (base, _) = local.split_once(|c| delimiters.contains(c))?;
        Self::from_parts(base, domain).ok()
    }

    /// The same local part in another domain.
    fn in_domain(&self, domain: &str) -> Self {
        Self::canonical(self.local(), domain)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        // The domains are in lower case already.
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As one text in lower case, without making it.
        let mut folded = [0; 64];
        for part in self.text.as_bytes().chunks(folded.len()) {
            let Some(folded) = folded.get_mut(..part.len()) else { continue };
            folded.copy_from_slice(part);
            folded.make_ascii_lowercase();
            state.write(folded);
        }
        state.write_u8(0xff);
    }
}

/// The form in which the address is written into a header or an envelope: quoted only where it must be.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.parts();
        if is_dot_atom(local) {
            return f.write_str(&self.text);
        }
        f.write_str("\"")?;
        for c in local.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{domain}")
    }
}

/// How long a local part is when it is written.
fn written_length(local: &str) -> usize {
    let escaped = local.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    if is_dot_atom(local) { local.len() } else { local.len() + escaped + "\"\"".len() }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

/// The canonical form of a domain: lower-case A-labels, or a domain literal as it is.
///
/// A name that is not ASCII must already be in the form in which it is registered (RFC 5891 section 5.3), but for
/// case: what UTS 46 would first have to map, such as full-width letters, other readers take for another domain.
pub fn canonical_domain(domain: &str) -> Result<String, AddressError> {
    if domain.is_empty() {
        return Err(AddressError::NoDomain);
    }
    if let Some(literal) = domain.strip_prefix('[') {
        return canonical_literal(domain, literal);
    }
    let ascii = if domain.is_ascii() { domain.to_ascii_lowercase() } else { to_ascii(domain)? };
    if is_host_name(&ascii) { Ok(ascii) } else { Err(AddressError::Domain) }
}

fn canonical_literal(whole: &str, inner: &str) -> Result<String, AddressError> {
    let text = inner.strip_suffix(']').ok_or(AddressError::Domain)?;
    // RFC 5321 section 4.1.3: an IPv4 or IPv6 address; the general form has never been used.
    let valid = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':'));
    if valid { Ok(whole.to_ascii_lowercase()) } else { Err(AddressError::Domain) }
}

fn to_ascii(domain: &str) -> Result<String, AddressError> {
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain)?;
    let (registered, valid) = idna::domain_to_unicode(&ascii);
    let written: String = domain.to_lowercase().nfc().collect();
    if valid.is_ok() && written == registered { Ok(ascii) } else { Err(AddressError::Domain) }
}

/// Labels of letters, digits, hyphens and underscores, none empty.
fn is_host_name(domain: &str) -> bool {
    let label =
        |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    domain.len() <= 255 && domain.split('.').all(label)
}

/// Whether two octets of ASCII follow each other in the text: what `contains` says, faster where texts are short.
pub(crate) fn holds(text: &str, pair: [u8; 2]) -> bool {
    text.as_bytes().windows(2).any(|window| window == pair)
}

/// Splits an addr-spec into its unquoted local part and its domain.
fn split(text: &str) -> Result<(Cow<'_, str>, &str), AddressError> {
    if let Some(rest) = text.strip_prefix('"') {
        return split_quoted(rest).map(|(local, domain)| (local.into(), domain));
    }
    let (local, domain) = text.split_once('@').ok_or(AddressError::NoDomain)?;
    if local.is_empty() {
        return Err(AddressError::NoLocalPart);
    }
    if !is_dot_atom(local) {
        return Err(AddressError::LocalPart);
    }
    Ok((local.into(), domain))
}

fn split_quoted(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or(AddressError::LocalPart)? {
            '"' => break,
            // RFC 5322 section 3.2.1: the backslash is not part of what is meant.
            '\\' => local.push(chars.next().ok_or(AddressError::LocalPart)?),
            c => local.push(c),
        }
    }
    let rest = chars.as_str();
    let domain = rest.strip_prefix('@').ok_or(if rest.is_empty() {
        AddressError::NoDomain
    } else {
        AddressError::LocalPart
    })?;
    Ok((local, domain))
}

/// RFC 5322 section 3.2.3: atoms joined by single dots.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 section 3.2.3 `atext`, with RFC 6532 section 3.2.
pub(crate) fn is_atext(c: char) -> bool {
    // For JavaScript the byte order mark is white space, which ends an address or is dropped from it.
    let is_space = |c: char| c.is_whitespace() || c == '\u{feff}';
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !is_space(c))
}

/// Control characters and those that change the direction of text: no mailbox has one, and each misleads some reader.
pub fn is_forbidden(c: char) -> bool {
    is_control(c) || is_bidi_control(c)
}

/// Control characters of both blocks (RFC 5322 section 3.2.3, RFC 6532 section 3.2), and the separators of lines and
/// paragraphs, at which some readers break lines.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX 9 section 2).
pub(crate) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Names that Postfix never splits (`split_addr(3)`), the last two where `-` is a delimiter (`owner_request_special`).
fn never_extended(local: &str, delimiters: &str) -> bool {
    let local = local.to_ascii_lowercase();
    ["postmaster", "mailer-daemon", "double-bounce"].contains(&local.as_str())
        || delimiters.contains('-') && (local.starts_with("owner-") || local.ends_with("-request"))
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn equal_as_the_mail_system_sees_it() {
        for (a, b) in [
            ("anna@example.org", "ANNA@Example.ORG"),
            ("\"anna\"@example.org", "anna@example.org"),
            ("\"an\\na\"@example.org", "anna@example.org"),
            ("anna@bücher.example", "anna@xn--bcher-kva.example"),
            ("anna@BÜCHER.example", "anna@XN--BCHER-KVA.example"),
            ("zo\u{eb}@example.org", "zoe\u{308}@example.org"),
        ] {
            assert_eq!(address(a), address(b));
        }
    }

    #[test]
    fn different() {
        for (a, b) in [
            ("anna@example.org", "anna@example.net"),
            ("Ä@example.org", "ä@example.org"),
            ("an\u{200b}na@example.org", "anna@example.org"),
        ] {
            assert_ne!(address(a), address(b));
        }
    }

    #[test]
    fn refused() {
        use AddressError::*;
        for (text, error) in [
            ("", NoDomain),
            ("boss", NoDomain),
            ("boss@", NoDomain),
            ("@example.org", NoLocalPart),
            ("\"\"@example.org", NoLocalPart),
            ("a..b@example.org", LocalPart),
            (".a@example.org", LocalPart),
            ("a b@example.org", LocalPart),
            ("a(b)@example.org", LocalPart),
            ("\"a\"b@example.org", LocalPart),
            ("\"a\".b@example.org", LocalPart),
            ("\"a@example.org", LocalPart),
            ("a\u{feff}b@example.org", LocalPart),
            ("\"a \"@example.org", LocalPart),
            ("\" a\"@example.org", LocalPart),
            ("\"a  b\"@example.org", LocalPart),
            ("a@b@example.org", Domain),
            ("a@example..org", Domain),
            ("a@example.org.", Domain),
            ("a@exa mple.org", Domain),
            ("a@[1.2.3.4", Domain),
            ("a@[x y]", Domain),
            ("a@\u{ff45}xample.org", Domain),
            ("a@example\u{3002}org", Domain),
            ("=?utf-8?q?a?=@example.org", EncodedWord),
            ("\"=\\?utf-8?q?a?=\"@example.org", EncodedWord),
            ("a@=?utf-8?q?a?=.org", EncodedWord),
            ("a\u{0}@example.org", Control),
            ("a@example.org\n", Control),
            ("a\u{202e}@example.org", Control),
            ("a\u{85}@example.org", Control),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@example.org", "a".repeat(400))), Err(TooLong));
    }

    #[test]
    fn written_so_that_it_reads_back() {
        for text in [
            "anna@example.org",
            "\"a b\"@example.org",
            "\"a\\\"b\\\\\"@example.org",
            "ä@example.org",
            "a@[127.0.0.1]",
        ] {
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("\"anna\"@Example.org").to_string(), "anna@example.org");
    }

    #[test]
    fn longer_in_canonical_form_than_as_written() {
        // U+0958 is two letters in NFC.
        for (letters, error) in [(52, None), (54, Some(AddressError::TooLong))] {
            let written = format!("{}@x.org", "\u{958}".repeat(letters));
            assert_eq!(Address::parse(&written).err(), error, "{written}");
        }
    }

    #[test]
    fn spelled_so_that_it_reads_back() {
        for (text, spellings) in [
            ("a@x.org", vec!["a@x.org"]),
            ("a@B\u{fc}cher.example", vec!["a@xn--bcher-kva.example", "a@b\u{fc}cher.example"]),
            // UTS 46 has no underscore in a name with U-labels.
            ("a@xn--bcher-kva.a_b", vec!["a@xn--bcher-kva.a_b"]),
        ] {
            assert_eq!(address(text).spellings(), spellings, "{text}");
        }
    }

    #[test]
    fn extensions() {
        for (text, delimiters, base) in [
            ("anna+x@example.org", "+", Some("anna@example.org")),
            ("anna+x+y@example.org", "+", Some("anna@example.org")),
            ("anna-x@example.org", "+-", Some("anna@example.org")),
            ("anna-x@example.org", "+", None),
            ("anna@example.org", "+", None),
            ("anna+x@example.org", "", None),
            ("+x@example.org", "+", None),
            ("\"anna+x y\"@example.org", "+", None),
            ("mailer-daemon@example.org", "-", None),
            ("Owner-staff@example.org", "-", None),
            ("staff-Request@example.org", "+-", None),
            ("owner-staff+x@example.org", "+", Some("owner-staff@example.org")),
        ] {
            assert_eq!(address(text).without_extension(delimiters), base.map(address), "{text} {delimiters}");
        }
    }

    #[test]
    fn candidates_in_the_order_in_which_they_count() {
        let rules = AddressRules::new("+", [("Example.NET", "example.org")]).unwrap();
        let forms =
            |text| rules.candidates(&address(text)).iter().map(Address::to_string).collect::<Vec<_>>();
        assert_eq!(forms("a@example.org"), ["a@example.org"]);
        assert_eq!(forms("a@example.net"), ["a@example.net", "a@example.org"]);
        assert_eq!(
            forms("a+x@example.net"),
            ["a+x@example.net", "a+x@example.org", "a@example.net", "a@example.org"]
        );
        assert_eq!(forms("a@[127.0.0.1]"), [""; 0]);
    }

    #[test]
    fn patterns() {
        for (pattern, text, matches) in [
            ("*", "a@example.org", true),
            ("*@Example.org", "a@example.org", true),
            ("*@example.org", "a@sub.example.org", false),
            ("a@example.org", "A@example.org", true),
            ("a@example.org", "b@example.org", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(&address(text)), matches, "{pattern} {text}");
        }
        assert!(Pattern::parse("*.example.org").is_err());
        assert!(Pattern::parse("a*").is_err());
    }

    fn hash_of(address: &Address) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(address)
    }

    proptest::proptest! {
        /// Longer than what is folded at a time, too.
        #[test]
        fn equal_and_hashed_as_its_key(
            local in "([a-dA-D]{1,3}|[a-b@ -]{1,4}|[à-äÀ-Ä]{1,2}){1,40}",
            domain in "[a-bA-B]{1,2}",
            flips in proptest::collection::vec(proptest::bool::ANY, 200),
        ) {
            let Ok(one) = Address::from_parts(&local, &domain) else { return Ok(()) };
            let flip = |(c, flip): (char, &bool)| if *flip { c.to_ascii_uppercase() } else { c };
            let other: String = local.chars().zip(flips.iter().cycle()).map(flip).collect();
            let other = Address::from_parts(&other, &domain).unwrap();
            let third = Address::from_parts(&format!("{local}b"), &domain).unwrap();
            for other in [&other, &third] {
                proptest::prop_assert_eq!(one == *other, one.key() == other.key());
            }
            proptest::prop_assert_eq!(&one, &other);
            proptest::prop_assert_eq!(hash_of(&one), hash_of(&other));
            proptest::prop_assert_eq!(one.local(), local.nfc().collect::<String>());
            proptest::prop_assert_eq!(one.key(), format!("{}@{}", one.local().to_ascii_lowercase(), one.domain()));
        }

        #[test]
        fn anything_that_parses_reads_back_as_itself(text in "\\PC{0,40}@[a-zäß.-]{1,20}") {
            if let Ok(address) = Address::parse(&text) {
                proptest::prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
            }
        }

        /// Which parts are in canonical form already, and how long they are when written, is not found out by doing it.
        #[test]
        fn parts_are_canonical_and_as_long_as_they_are_written(
            local in "([a-zA-Z.]|[ -~]|\\PC|e\u{301}){1,9}|[a-z]{1,3}(\"|e\u{301}){140,160}",
            domain in "([a-zäß.-]|[A-Z]){1,20}",
        ) {
            let read = Address::from_parts(&local, &domain);
            let Ok(address) = &read else {
                return Ok(());
            };
            proptest::prop_assert_eq!(address.local(), local.nfc().collect::<String>());
            let key = format!("{}@{}", address.local().to_ascii_lowercase(), address.domain());
            proptest::prop_assert_eq!(address.key(), key);
            let written = address.to_string();
            let length = written_length(address.local());
            proptest::prop_assert_eq!(length + "@".len() + address.domain().len(), written.len());
            proptest::prop_assert!(written.len() <= MAX_ADDRESS);
        }
    }
}

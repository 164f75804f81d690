//! Display text: what readers see beside an address, and the addresses that it pretends.
//!
//! Many programs show the display name and hide the address, so `"ceo@example.org" <me@example.org>` passes for the
//! boss. Text is looked at as it was written and with its encoded words decoded (RFC 2047), each after compatibility
//! normalisation and without characters that have no width: `ceo＠example.org` is no less misleading.
//!
//! The decoding is lenient on purpose, as readers' is: encoded words inside quotation marks, without white space
//! around them, with broken Base64 all count. What is found here can only refuse a message, never accept one.

use mail_parser::decoders::charsets::map::charset_decoder;
use unicode_normalization::UnicodeNormalization;

use crate::address::{self, Address, AddressRules};

/// An address-like text that was found in display text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// Its domain, canonical and mapped by `[domain_aliases]`.
    pub domain: String,
    /// The address; none if the text around the `@` is not one, though it looks like one.
    pub address: Option<Address>,
    /// As it stands in the text.
    pub text: String,
}

/// Whether the text, raw or decoded, holds characters that change its direction (UAX 9): what is shown is then not
/// what is written.
pub fn misdirects(text: &str) -> bool {
    readings(text).iter().any(|reading| reading.contains(address::is_bidi_control))
}

/// The addresses that the text shows, raw or decoded, each once.
pub fn addresses(text: &str, rules: &AddressRules) -> Vec<Shown> {
    let mut shown = Vec::new();
    for reading in readings(text) {
        let plain = plain(&reading);
        for (at, _) in plain.match_indices('@') {
            let (before, behind) = plain.split_at(at);
            let found = around(before, behind.get(1..).unwrap_or_default(), rules);
            shown.extend(found.filter(|found| !shown.contains(found)));
        }
    }
    shown
}

/// The text as it is written and, where that differs, as it is decoded.
fn readings(text: &str) -> Vec<String> {
    let decoded = decode(text);
    if decoded == text { vec![decoded] } else { vec![text.to_owned(), decoded] }
}

/// The text as it looks: in compatibility forms, without what has no width.
pub fn plain(text: &str) -> String {
    let visible = text.nfkc().filter(|c| !is_invisible(*c));
    visible.map(|c| if matches!(c, '\u{3002}' | '\u{FF61}') { '.' } else { c }).collect()
}

/// Default-ignorable characters (Unicode `Default_Ignorable_Code_Point`): they leave no mark on the screen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The address around one `@`, if the text behind it is a domain.
fn around(before: &str, behind: &str, rules: &AddressRules) -> Option<Shown> {
    let end =
        behind.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))).unwrap_or(behind.len());
    let domain = behind.get(..end)?.trim_end_matches(['.', '-', '_']);
    let domain = address::canonical_domain(domain).ok()?;
    let local = local_part(before);
    if local.is_empty() {
        return None;
    }
    let address = Address::parse(&format!("{local}@{domain}")).ok();
    Some(Shown { domain: rules.mapped(&domain).to_owned(), address, text: format!("{local}@{domain}") })
}

/// What could be a local part at the end of the text: a quoted string, or a run of atom characters and dots without
/// the marks that people put in front of an address (`'anna@example.org'`).
fn local_part(before: &str) -> &str {
    if let Some(inner) = before.strip_suffix('"')
        && let Some(start) = inner.rfind('"')
    {
        return before.get(start..).unwrap_or_default();
    }
    // A question mark could be part of it, but is far more often the edge of an encoded word in the raw text.
    let is_part = |c: char| c != '?' && (c == '.' || address::is_atext(c));
    let start = before.rfind(|c| !is_part(c)).map_or(0, |at| at + before.get(at..).map_or(1, first_len));
    before.get(start..).unwrap_or_default().trim_start_matches(|c: char| c.is_ascii_punctuation())
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Decodes every encoded word in a text (RFC 2047 section 2), wherever it stands; the white space between two of
/// them is dropped (section 6.2). What cannot be decoded stays as it is.
pub fn decode(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let Some((word, tail)) = encoded_word(from) else {
            let (taken, tail) = rest.split_at(start + 2);
            decoded.push_str(taken);
            (rest, after_word) = (tail, false);
            continue;
        };
        if !(after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        decoded.push_str(&word);
        (rest, after_word) = (tail, true);
    }
    decoded + rest
}

/// Whether some `=?` in the text begins no complete encoded word.
pub fn breaks_word(text: &str) -> bool {
    let mut rest = text;
    while let Some(start) = rest.find("=?") {
        match rest.get(start..).and_then(encoded_word) {
            Some((_, tail)) => rest = tail,
            None => return true,
        }
    }
    false
}

/// Decodes the encoded word that the text begins with: `=?charset[*language]?encoding?text?=`.
fn encoded_word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    // In Q a `?=` may follow a `?` of the text itself; the first one ends the word (RFC 2047 section 4.2).
    let (encoded, tail) = rest.split_once("?=")?;
    let bytes = match encoding {
        "B" | "b" => base64(encoded),
        "Q" | "q" => quoted(encoded),
        _ => return None,
    };
    // RFC 2231 section 5: a language may follow the charset.
    let charset = charset.split('*').next().unwrap_or_default();
    let text = match charset_decoder(charset.as_bytes()) {
        Some(decoder) => decoder(&bytes),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    Some((text, tail))
}

/// RFC 2045 section 6.8; characters outside the alphabet are skipped and padding is not asked for.
fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.bytes().filter_map(base64_digit) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend_from_slice((bits >> count).to_be_bytes().get(3..).unwrap_or_default());
        }
    }
    bytes
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        // RFC 4648 section 5: some programs write the alphabet for URLs.
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// RFC 2047 section 4.2; an `=` without two hexadecimal digits stands for itself.
fn quoted(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'_', _) => bytes.push(b' '),
            (b'=', [high, low, behind @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = behind;
                }
                (Some(_), None) | (None, _) => bytes.push(first),
            },
            _ => bytes.push(first),
        }
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let rules = AddressRules::new("+", [("example.net", "example.org")]).unwrap();
        addresses(text, &rules).into_iter().map(|shown| shown.text).collect()
    }

    #[test]
    fn addresses_in_text() {
        for (text, addresses) in [
            ("Anna Adams", vec![]),
            ("@example.org", vec![]),
            ("Anna @ Work", vec![]),
            ("a@b@c", vec!["a@b", "b@c"]),
            ("boss@example.org", vec!["boss@example.org"]),
            ("the boss (boss@example.org).", vec!["boss@example.org"]),
            ("'boss@Example.ORG'", vec!["boss@example.org"]),
            ("mailto:boss@example.org.", vec!["boss@example.org"]),
            ("\"big boss\"@example.org", vec!["\"big boss\"@example.org"]),
            ("boss\u{ff20}example.org", vec!["boss@example.org"]),
            ("boss\u{fe6b}example\u{3002}org", vec!["boss@example.org"]),
            ("bo\u{200b}ss@exam\u{ad}ple.org", vec!["boss@example.org"]),
            ("\u{ff42}oss@example.org", vec!["boss@example.org"]),
            ("a..b@example.org", vec!["a..b@example.org"]),
            ("é@example.org", vec!["é@example.org"]),
            ("=?utf-8?Q?boss=40example=2Eorg?=", vec!["boss@example.org"]),
            ("=?utf-8?B?Ym9zc0BleGFtcGxlLm9yZw==?=", vec!["boss@example.org"]),
            ("=?utf-8?B?Ym9zc0BleGFtcGxlLm9yZw?=", vec!["boss@example.org"]),
            ("=?utf-8*en?q?boss?= =?utf-8?q?@example.org?=", vec!["boss@example.org"]),
            ("x=?utf-8?q?_boss=40example.org?=y", vec!["boss@example.orgy"]),
            ("=?utf-7?Q?boss+AEA-example.org?=", vec!["boss@example.org"]),
            ("=?nonsense?q?boss=40example.org?=", vec!["boss@example.org"]),
        ] {
            assert_eq!(found(text), addresses, "{text:?}");
        }
    }

    #[test]
    fn domains_are_mapped() {
        let rules = AddressRules::new("+", [("example.net", "example.org")]).unwrap();
        let shown = addresses("boss@example.net a..b@Example.org", &rules);
        assert_eq!(shown.iter().map(|s| s.domain.as_str()).collect::<Vec<_>>(), ["example.org"; 2]);
        assert_eq!(shown.iter().map(|s| s.address.is_some()).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn decoding() {
        for (text, decoded) in [
            ("plain", "plain"),
            ("=?utf-8?q?a_b?=", "a b"),
            ("=?utf-8?q?a?=  =?utf-8?q?b?= c", "ab c"),
            ("=?iso-8859-1?Q?=C4na?=", "Äna"),
            ("=?utf-8?q?a=4?=", "a=4"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?utf-8?q?a", "=?utf-8?q?a"),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("\"=?utf-8?q?a?=\"", "\"a\""),
        ] {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }

    #[test]
    fn direction() {
        assert!(misdirects("a\u{202e}b"));
        assert!(misdirects("=?utf-8?B?YeKArmI=?="));
        assert!(!misdirects("שלום"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(\\PC|=\\?|\\?=|[?@=]){0,60}") {
            let _ = (found(&text), misdirects(&text));
        }
    }
}

//! Display text: what readers see beside an address, and the addresses that it pretends.
//!
//! Many programs show the display name and hide the address, so `"ceo@example.org" <me@example.org>` passes for the
//! boss. Text is looked at as it was written and with its encoded words decoded (RFC 2047), each after compatibility
//! normalisation and without characters that have no width: `ceo＠example.org` is no less misleading.
//!
//! The decoding is lenient on purpose, as readers' is: encoded words inside quotation marks, without white space
//! around them, with broken Base64 all count. What is found here can only refuse a message, never accept one.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use unicode_normalization::UnicodeNormalization;

use crate::address::{self, Address, AddressRules};

/// The longest local part, in octets (RFC 5321 section 4.5.3.1.1): how far to look back from an at sign, so that a text of
/// at signs alone takes no time that grows with the square of its length.
const MAX_LOCAL: usize = 64;

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
    !is_plain(text) && readings(text).iter().any(|reading| reading.contains(address::is_bidi_control))
}

/// The addresses that the text shows, raw or decoded, each once.
pub fn addresses(text: &str, rules: &AddressRules) -> Vec<Shown> {
    let mut shown = Vec::new();
    for look in all_looks(text) {
        for (at, _) in look.match_indices('@') {
            let (before, behind) = look.split_at(at);
            for found in around(before, behind.get(1..).unwrap_or_default(), rules) {
                if !shown.contains(&found) {
                    shown.push(found);
                }
            }
        }
    }
    shown
}

/// Whether the text shows an at sign, raw or decoded: it looks like an address then.
pub fn shows_at_sign(text: &str) -> bool {
    all_looks(text).iter().any(|look| look.contains('@'))
}

/// Every way in which readers may show the text.
fn all_looks(text: &str) -> Vec<Cow<'_, str>> {
    if is_plain(text) {
        return vec![text.into()];
    }
    readings(text).iter().flat_map(|reading| looks(reading)).map(Cow::Owned).collect()
}

/// Whether readers can show the text in no way but as it is: almost every name is like that, and to find it out by way
/// of decoding and normalisation is dear.
fn is_plain(text: &str) -> bool {
    // Without an equals sign there is no encoded word.
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

/// The text as it is written and, where that differs, as it is decoded: each encoded word by itself, and words that
/// follow each other as one, for readers who put the halves of a character together.
fn readings(text: &str) -> Vec<String> {
    different([text.to_owned()].into_iter().chain(decodings(text)))
}

/// The text decoded, as far as it is encoded, in the ways in which readers do it.
pub(crate) fn decodings(text: &str) -> [String; 2] {
    [decode(text), decode_words(text, true)]
}

/// The ways in which the text looks: what is no more than a gap is nothing for some readers, and a space for others.
fn looks(text: &str) -> Vec<String> {
    different([visible(text, None), visible(text, Some(' '))])
}

fn different(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut different: Vec<String> = texts.into_iter().collect();
    different.dedup();
    different
}

/// The text in compatibility forms, without what has no width, and with `gap` for what is hardly a space.
fn visible(text: &str, gap: Option<char>) -> String {
    let shown = text.chars().filter_map(|c| if is_gap(c) { gap } else { Some(c) });
    let visible = shown.nfkc().filter(|c| !is_invisible(*c));
    visible.map(|c| if matches!(c, '\u{3002}' | '\u{FF61}') { '.' } else { c }).collect()
}

/// Control characters, which encoded words can smuggle in, and the spaces that hardly part two letters.
fn is_gap(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2004}'..='\u{200A}' | '\u{202F}' | '\u{205F}')
}

/// Default-ignorable characters (Unicode `Default_Ignorable_Code_Point`): they leave no mark on the screen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The address around one `@`, if the text behind it is a domain: with all letters, and with the ASCII ones alone, for
/// some letters are taken for punctuation (`ǀboss@example.orgǀ`).
fn around(before: &str, behind: &str, rules: &AddressRules) -> Vec<Shown> {
    let local = local_part(before);
    if local.is_empty() && !touches_text(before) {
        return Vec::new();
    }
    let ends: [fn(char) -> bool; 2] = [char::is_alphanumeric, |c| c.is_ascii_alphanumeric()];
    let domains = ends.into_iter().filter_map(|is_letter| leading_domain(behind, is_letter));
    let shown = domains.map(|domain| {
        let address = Address::parse(&format!("{local}@{domain}")).ok();
        Shown { domain: rules.mapped(&domain).to_owned(), address, text: format!("{local}@{domain}") }
    });
    shown.collect()
}

/// The domain that the text begins with, in canonical form.
fn leading_domain(text: &str, is_letter: fn(char) -> bool) -> Option<String> {
    let end = text.find(|c| !(is_letter(c) || matches!(c, '.' | '-' | '_'))).unwrap_or(text.len());
    let domain = text.get(..end)?.trim_end_matches(['.', '-', '_']);
    address::canonical_domain(domain).ok()
}

/// Whether the `@` behind the text belongs to it though no local part ends there: `boss"@example.org`, but not
/// `Anna (@example.org)`, nor at the edge of an encoded word in the raw text.
fn touches_text(before: &str) -> bool {
    let mut last = before.chars().rev().take(MAX_LOCAL).skip_while(char::is_ascii_punctuation);
    // Of more punctuation than that, nobody could tell what it belongs to.
    let is_text = last.next().map_or(before.len() >= MAX_LOCAL, |c| !c.is_whitespace());
    !before.ends_with('?') && is_text
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
    before.get(start..).unwrap_or_default().trim_start_matches(|c: char| !c.is_alphanumeric())
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Decodes every encoded word in a text (RFC 2047 section 2), wherever it stands; the white space between two of
/// them is dropped (section 6.2). What cannot be decoded stays as it is.
pub fn decode(text: &str) -> String {
    decode_words(text, false)
}

/// Decodes every encoded word; with `join`, those that follow each other in one charset as if they were one.
fn decode_words(text: &str, join: bool) -> String {
    let mut decoded = String::new();
    let mut last: Option<Word<'_>> = None;
    let mut rest = text;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let follows = last.is_some() && before.trim().is_empty();
        let Some((word, tail)) = encoded_word(from) else {
            let (taken, tail) = rest.split_at(start + 2);
            decoded.extend(last.take().map(Word::text));
            decoded.push_str(taken);
            rest = tail;
            continue;
        };
        rest = tail;
        match &mut last {
            Some(last) if join && follows && last.charset == word.charset => last.octets.extend(word.octets),
            last => {
                decoded.extend(last.replace(word).map(Word::text));
                decoded.push_str(if follows { "" } else { before });
            }
        }
    }
    decoded.extend(last.map(Word::text));
    decoded + rest
}

/// Why readers may differ on the encoded words of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WordFault {
    /// Some `=?` begins no complete encoded word, or stands within one, so that readers differ on which of the two is the
    /// word; or base64 has other characters in it, or padding before its end.
    Broken,
    /// A word is in a charset that we cannot tell, and others may: in EBCDIC no octet is what it is in ASCII, UTF-7 has
    /// more names than we know, UTF-16 two orders of octets, and for some the decoder has a replacement character alone.
    Charset,
}

/// Looks at the encoded words of a text, wherever they stand.
pub fn check_words(text: &str) -> Result<(), WordFault> {
    if !address::holds(text, *b"=?") {
        return Ok(());
    }
    let (mut rest, mut known) = (text, true);
    while let Some(start) = rest.find("=?") {
        match rest.get(start..).and_then(encoded_word) {
            Some((word, tail)) if word.is_sound => {
                known &= word.is_known();
                rest = tail;
            }
            Some(_) | None => return Err(WordFault::Broken),
        }
    }
    if known { Ok(()) } else { Err(WordFault::Charset) }
}

/// Charsets that the decoder does not know, and readers write: UTF-8, and ASCII but for octets above it or escape sequences,
/// so that a mark is the same octet in all of them.
const LIKE_ASCII: &[&str] = &[
    "646",
    "cp437",
    "cp932",
    "cp949",
    "ibm437",
    "iso-2022-jp-1",
    "iso-2022-jp-2",
    "uhc",
    "unknown",
    "unknown-8bit",
    "utf-8",
    "utf8",
    "x-unknown",
];

/// An encoded word: its octets are text in its charset.
struct Word<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    /// Whether all readers end it where we do, and decode it alike.
    is_sound: bool,
}

impl Word<'_> {
    fn text(self) -> String {
        match charset_decoder(self.charset.as_bytes()) {
            Some(decoder) => decoder(&self.octets),
            None => String::from_utf8_lossy(&self.octets).into_owned(),
        }
    }

    fn is_known(&self) -> bool {
        let is_like_ascii = match charset_decoder(self.charset.as_bytes()) {
            Some(decoder) => decoder(b"a@,") == "a@,",
            None => LIKE_ASCII.iter().any(|known| self.charset.eq_ignore_ascii_case(known)),
        };
        // RFC 1468: at the end of a line the text is in ASCII again, for some whatever came before.
        let goes_on =
            self.octets.contains(&0x1b) && self.octets.iter().any(|octet| matches!(octet, b'\n' | b'\r'));
        is_like_ascii && !goes_on
    }
}

/// The encoded word that the text begins with, `=?charset[*language]?encoding?text?=`, and what follows it.
fn encoded_word(text: &str) -> Option<(Word<'_>, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    // In Q a `?=` may follow a `?` of the text itself; the first one ends the word (RFC 2047 section 4.2).
    let (encoded, tail) = rest.split_once("?=")?;
    let (octets, decodes_alike) = match encoding {
        "B" | "b" => (base64(encoded), is_strict_base64(encoded)),
        "Q" | "q" => (quoted(encoded), true),
        _ => return None,
    };
    // RFC 2231 section 5: a language may follow the charset.
    let charset = charset.split('*').next().unwrap_or_default();
    Some((Word { charset, octets, is_sound: decodes_alike && !encoded.contains("=?") }, tail))
}

/// RFC 2045 section 6.8: the alphabet alone, with its padding at the end or, as some leave it out, without.
fn is_strict_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len() - digits.len() <= 2
        && digits.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/'))
}

/// RFC 2045 section 6.8; characters outside the alphabet are skipped and padding is not asked for. Where it stands in
/// the middle, another text begins, as for readers who decode four characters at a time.
fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    text.split('=').for_each(|part| base64_part(part, &mut bytes));
    bytes
}

fn base64_part(text: &str, bytes: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.bytes().filter_map(base64_digit) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend_from_slice((bits >> count).to_be_bytes().get(3..).unwrap_or_default());
        }
    }
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
            ("\u{201e}boss@example.org\u{201c}", vec!["boss@example.org"]),
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
            ("=?utf-8?q?boss=00=40exam=01ple.org?=", vec!["boss@example.org"]),
            ("=?utf-8?q?boss=40example.org=0Ax?=", vec!["boss@example.orgx", "boss@example.org"]),
            ("boss\u{200a}@example.org", vec!["boss@example.org"]),
            ("boss@example.org\u{2009}x", vec!["boss@example.orgx", "boss@example.org"]),
            ("=?utf-8?q?boss=EF=BC?= =?utf-8?q?=A0example.org?=", vec!["boss@example.org"]),
            ("=?utf-8?b?Ym9zc0A=ZXhhbXBsZS5vcmc=?=", vec!["boss@example.org"]),
            (
                "\u{1c0}boss@example.org\u{1c0}",
                vec!["\u{1c0}boss@example.xn--org-xbb", "\u{1c0}boss@example.org"],
            ),
            ("boss\"@example.org", vec!["@example.org"]),
            ("Anna (@example.org)", vec![]),
        ] {
            assert_eq!(found(text), addresses, "{text:?}");
        }
    }

    /// The time that this thread has had on a processor, in nanoseconds (proc(5)): other programs take none of it.
    fn on_processor() -> u64 {
        let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        statistics.split(' ').next().unwrap().parse().unwrap()
    }

    #[test]
    fn one_long_text_takes_the_time_of_eight_short_ones() {
        let rules = AddressRules::default();
        for (head, piece) in [
            ("x", "@"),
            ("x", ")@"),
            ("", "a@"),
            ("x", "\u{ff20}"),
            ("", "\"@"),
            ("\"", "@"),
            ("", " @x.org"),
        ] {
            let time = |length: usize, times| {
                let text = format!("{head}{}", piece.repeat(length / piece.len()));
                let start = on_processor();
                for _ in 0..times {
                    let _ = std::hint::black_box(addresses(&text, &rules));
                }
                on_processor() - start
            };
            let (short, long) = (time(1024, 32), time(8192, 4));
            // The statistics are brought up to date at ticks of the clock.
            assert!(long < short * 4 + 20_000_000, "{piece:?}: {short} ns, and {long} ns for one text");
        }
    }

    #[test]
    fn behind_more_punctuation_than_a_local_part_has() {
        for (text, addresses) in [
            (format!("boss{}@x.org", ")".repeat(63)), vec!["@x.org"]),
            (format!("boss{}@x.org", ")".repeat(64)), vec!["@x.org"]),
            (format!("{}@x.org", ")".repeat(63)), vec![]),
            (format!("{}@x.org", ")".repeat(64)), vec!["@x.org"]),
        ] {
            assert_eq!(found(&text), addresses, "{text}");
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
    fn charsets() {
        for (word, unknown) in [
            ("=?utf-8?q?b?=", false),
            ("=?UTF8?q?b?=", false),
            ("=?us-ascii*en?q?b?=", false),
            ("=?iso-8859-8-i?q?b?=", false),
            ("=?ks_c_5601-1987?q?b?=", false),
            ("=?GB18030?q?b?=", false),
            ("=?Windows-31J?q?b?=", false),
            ("=?x-unknown?q?b?=", false),
            ("=?cp932?q?b?=", false),
            ("=?utf-7?q?b?=", false),
            ("=?ISO-2022-KR?q?b?=", true),
            ("=?hz-gb-2312?q?b?=", true),
            ("=?utf-16?q?b?=", true),
            ("=?iso-2022-jp?b?GyRCOzNFREJATzobKEI=?=", false),
            ("=?iso-2022-jp?q?=1B$B=0Ab=40y.org?=", true),
            ("=??q?b?=", true),
            ("=?cp037?q?b?=", true),
            ("=?IBM-037?q?b?=", true),
            ("=?utf7?q?b?=", true),
            ("=?unicode-1-1-utf-7?q?b?=", true),
            ("=?utf-32?q?b?=", true),
            ("=?utf-8'en'?q?b?=", true),
        ] {
            let expected = if unknown { Err(WordFault::Charset) } else { Ok(()) };
            assert_eq!(check_words(&format!("=?utf-8?q?a?= {word}")), expected, "{word}");
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

        #[test]
        fn plain_text_is_read_and_looks_as_it_is(text in "[ -~]{0,60}|(\\PC|[?@]){0,20}") {
            if is_plain(&text) {
                proptest::prop_assert_eq!(readings(&text), std::slice::from_ref(&text));
                proptest::prop_assert_eq!(looks(&text), std::slice::from_ref(&text));
                proptest::prop_assert!(!text.contains(address::is_bidi_control));
            }
        }
    }
}

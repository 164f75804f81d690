//! Field bodies: written from the grammar with what they mean, and mutated.

use std::fmt::Write as _;

use base64::Engine as _;
use fastrand::Rng;

use super::text::unescape;

/// A field body, and the mailboxes that it was written to mean: local parts unquoted, domains as written.
pub(crate) struct Value {
    pub(crate) body: String,
    pub(crate) meant: Option<Vec<(String, String)>>,
}

/// The From fields of the corpus, and values of every shape that programs write.
pub(crate) fn corpus() -> Vec<Value> {
    let lines = include_str!("../corpus/from.tsv").lines().filter(|line| !line.starts_with('#'));
    let fields = lines.flat_map(|line| from_fields(&unescape(line.split('\t').nth(2).unwrap())));
    fields
        .chain(LEGAL.iter().map(|body| (*body).to_owned()))
        .map(|body| Value { body, meant: None })
        .collect()
}

/// The bodies of the From fields in a header, with LF for line ends.
fn from_fields(header: &[u8]) -> Vec<String> {
    let header = String::from_utf8_lossy(header).replace("\r\n", "\n").replace("\n ", "\r");
    let bodies = header.lines().filter_map(|line| line.split_once(':'));
    let from = bodies.filter(|(name, _)| name.trim() == "From");
    from.map(|(_, body)| body.trim_end_matches('\n').replace('\r', "\n ")).collect()
}

#[rustfmt::skip]
const LEGAL: &[&str] = &[
    " anna@example.org",
    " <anna@example.org>",
    " Anna Adams <anna@example.org>",
    " \"Adams, Anna\" <anna@example.org>",
    " Anna B. Adams <anna@example.org>",
    " =?utf-8?B?w4RuYQ==?= <anna@example.org>",
    " =?iso-8859-1?Q?=C4na_Adams?= <anna@example.org>",
    " =?utf-8?q?a?=\n =?utf-8?q?b?= <anna@example.org>",
    " Äna <anna@example.org>",
    " anna@example.org (Anna, at work)",
    " (mail of) Anna (at (home) work) <anna@example.org> (x)",
    " Anna Adams\n <anna@example.org>",
    " \"anna\"@example.org",
    " \"a b\" <\"anna\"@example.org>",
    " anna+list@example.org",
    " Anna <anna@example.org>, Bea <bea@example.org>",
    " anna@example.org, bea@example.org,carl@example.org",
    " \"a \\\"b\\\" c\" <anna@example.org>",
    " anna@[192.0.2.1]",
    " o'neil@example.org",
    " =?utf-8?q?Adams=2C_Anna?= <anna@example.org>",
    " =?utf-8?q?Anna_=28Sales=29_=3A=29?= <anna@example.org>",
    " =?utf-8?B?YW5uYUBleGFtcGxlLm9yZw==?= <anna@example.org>",
    " \"=?utf-8?q?=C3=84nne?=\" <anna@example.org>",
    " 'Anna via List' <list@example.org>",
];

#[rustfmt::skip]
const NAMES: &[&str] = &["Anna", "Adams", "B.", "Bea", "boss", "Müller", "Ä.", "О'Нил", "安娜", "a.b", "!#$%&'*+-/=?^_`{|}~"];

/// What hides in display text: addresses, specials, and what looks like them.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "Anna",
    "Adams, Anna",
    "Müller, Änne",
    "Anna (Sales)",
    "at work",
    "a.b",
    "boss@example.org",
    "<boss@example.org>",
    "boss@example.org,",
    "boss, x",
    "Team: boss@example.org;",
    "ceo@bank.example",
    "anna@example.org",
    "@",
    "<",
    ">",
    ",",
    ";",
    ":",
    "a@b@c",
    "Anna @ Work",
    "mailto:boss@example.org",
    "boss＠example.org",
    "bo\u{200b}ss\u{ad}",
    "\u{ff1c}boss\u{ff1e}",
    "a\u{a0}b",
    "x\u{301}",
    "[1]",
    "a\tb",
    "Anna :)",
    "'boss@example.org'",
    "=?utf-8?q?boss=40example.org?=",
    "",
];

/// What only an encoded word can hold.
#[rustfmt::skip]
const HIDDEN: &[&str] = &[
    "\"", "\\", "(", ")", "\"boss@example.org\"", "\" <boss@example.org> \"", "boss@example.org <", "> <boss@example.org", "\r\n",
    "\r\nFrom: boss@example.org\r\n", "\0", "x\u{202e}y", "\u{2028}", "(\"", "\\\"", "boss@example.org (", ") boss@example.org", "ß\u{1f600}",
];

#[rustfmt::skip]
const LOCALS: &[&str] = &[
    "anna", "bea", "boss", "Anna.Adams", "anna+list", "o'neil", "a", "a-b_c", "!#$%&'*+-/=^_`{|}~", "user%host", "host!user", "änne",
    "用户", "e\u{301}", "x\u{200d}y", "аnna", "ｂoss", "?", "=", "a=40b", "&amp", "0", "-a", "..",
];

#[rustfmt::skip]
const QUOTED_LOCALS: &[&str] = &[
    "anna", "a b", "a.b", "a..b", ".a", "a@b", "boss@example.org", "a,b", "<a>", "a\"b", "a\\b", "a:b;c", "(a)", "änne", "a[b]", "'a'", "a  b", " a", "", "a\tb", "=a?", "anna+ <boss@example.org>",
];

#[rustfmt::skip]
const DOMAINS: &[&str] = &[
    "example.org", "example.com", "Example.ORG", "sub.example.org", "x", "bank.example", "xn--bcher-kva.example", "bücher.example", "例え.jp",
    "a_b.example.org", "1.2.3.4", "[192.0.2.1]", "[IPv6:2001:db8::1]", "example-.org",
];

/// Domains of the grammar that name no host.
#[rustfmt::skip]
const ODD_DOMAINS: &[&str] = &["a!b.example", "%", "[x y]", "[a@b]", "[<a>]", "exa\u{200b}mple.org", "ｅxample.org", "a/b", "x=y.example", "[]"];

#[rustfmt::skip]
const CHARSETS: &[&str] = &["utf-8", "UTF-8", "utf-8*en", "iso-8859-1", "us-ascii", "windows-1252", "x-unknown", "iso-2022-jp"];

/// Writes field bodies of every shape that the grammar has.
pub(crate) struct Writer<'r> {
    random: &'r mut Rng,
    body: String,
}

/// A body written from the grammar.
pub(crate) fn written(random: &mut Rng) -> Value {
    let mut writer = Writer { random, body: String::new() };
    let count = match writer.random.u32(..100) {
        0 => writer.random.usize(31..35),
        1..12 => 3,
        12..30 => 2,
        _ => 1,
    };
    let meant = (0..count).map(|number| writer.element(number > 0)).collect();
    // No line of white space alone (section 3.2.2), not even the last.
    let mut body = writer.body;
    if body.rsplit('\n').next().is_some_and(|line| line.trim().is_empty()) {
        body.truncate(body.trim_end_matches([' ', '\t', '\n']).len());
    }
    Value { body, meant: Some(meant) }
}

impl Writer<'_> {
    fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(..100) < percent
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.random.usize(..from.len())]
    }

    fn element(&mut self, follows: bool) -> (String, String) {
        if follows {
            self.body.push(',');
        }
        self.white_space();
        if self.chance(70) { self.name_addr() } else { self.bare() }
    }

    fn name_addr(&mut self) -> (String, String) {
        if self.chance(85) {
            self.phrase();
        }
        self.cfws(10);
        self.body.push('<');
        self.cfws(1);
        let spec = self.addr_spec();
        self.cfws(1);
        self.body.push('>');
        self.cfws(8);
        spec
    }

    fn bare(&mut self) -> (String, String) {
        self.cfws(10);
        let spec = self.addr_spec();
        self.cfws(15);
        spec
    }

    fn phrase(&mut self) {
        for number in 0..self.random.usize(1..4) {
            // Atoms must be apart to be two, and encoded words to be any (RFC 2047 section 5 (3)).
            let apart = self.chance(90);
            if number > 0 && apart {
                self.separated();
            }
            let must = number > 0 && !apart;
            match self.random.u32(..10) {
                0..4 if !must => self.atoms(),
                4..7 if !must => self.encoded_words(),
                _ => self.quoted_text(),
            }
        }
        if self.chance(80) {
            self.body.push(' ');
        }
    }

    fn atoms(&mut self) {
        let name = self.pick(NAMES);
        self.body.push_str(name);
    }

    fn quoted_text(&mut self) {
        let text = if self.chance(85) { self.pick(TEXTS) } else { self.pick(HIDDEN) };
        self.quoted(text, 10);
    }

    /// A quoted string; `escaped` percent of the characters that need no backslash get one.
    fn quoted(&mut self, text: &str, escaped: u32) {
        let plain = text.chars().filter(|c| !c.is_control() || *c == '\t');
        let all: Vec<char> = plain.collect();
        let escaped = if self.chance(escaped) { 20 } else { 0 };
        self.body.push('"');
        for c in all {
            if matches!(c, '"' | '\\') || (escaped > 0 && self.chance(escaped)) {
                self.body.push('\\');
            }
            self.body.push(c);
        }
        if self.random.u32(..400) == 0 {
            self.body.push_str("\n ");
        }
        self.body.push('"');
    }

    fn encoded_words(&mut self) {
        for number in 0..self.random.usize(1..3) {
            if number > 0 {
                self.body.push_str(if self.random.bool() { " " } else { "\n " });
            }
            let text = match self.random.u32(..10) {
                0..6 => self.pick(NAMES),
                6..8 => self.pick(TEXTS),
                _ => self.pick(HIDDEN),
            };
            let word = encoded_word(self.random, if text.is_empty() { "x" } else { text });
            self.body.push_str(&word);
        }
    }

    /// A local part and a domain; rarely with comments and white space where the grammar has them.
    fn addr_spec(&mut self) -> (String, String) {
        let local = if self.chance(85) { self.dot_atom() } else { self.quoted_local() };
        self.cfws_rarely();
        self.body.push('@');
        self.cfws_rarely();
        let domain = if self.chance(98) { self.pick(DOMAINS) } else { self.pick(ODD_DOMAINS) };
        self.body.push_str(domain);
        (local, domain.to_owned())
    }

    fn dot_atom(&mut self) -> String {
        let local = match self.pick(LOCALS) {
            ".." => format!("{}.{}", self.pick(&["a", "anna", "ä"]), self.pick(&["b", "boss"])),
            "?" if self.random.bool() => "a=?utf-8?q?b?=".to_owned(),
            local => local.to_owned(),
        };
        self.body.push_str(&local);
        local
    }

    fn quoted_local(&mut self) -> String {
        let local = self.pick(QUOTED_LOCALS);
        let start = self.body.len();
        self.quoted(local, 20);
        // A fold's line end is no part of what is meant, its white space is.
        let folded = self.body[start..].contains('\n');
        if folded { format!("{local} ") } else { local.to_owned() }
    }

    fn cfws_rarely(&mut self) {
        if self.random.u32(..300) == 0 {
            self.cfws(100);
        }
    }

    fn cfws(&mut self, percent: u32) {
        if self.chance(percent) {
            self.white_space();
            if self.random.bool() {
                self.comment(0);
                self.white_space();
            }
        }
    }

    fn separated(&mut self) {
        if self.chance(8) {
            self.white_space();
            self.comment(0);
            self.white_space();
        } else {
            let space = self.pick(&[" ", " ", " ", "  ", "\t", "\n ", " \n\t"]);
            self.body.push_str(space);
        }
    }

    fn white_space(&mut self) {
        // Behind white space there is no fold: its line could be empty (section 3.2.2).
        let folds = !self.body.is_empty() && !self.body.ends_with([' ', '\t']);
        let space = self.pick(if folds { &["", "", " ", " ", "\t", "\n ", "  "] } else { &["", " "] });
        self.body.push_str(space);
    }

    fn comment(&mut self, depth: usize) {
        self.body.push('(');
        for _ in 0..self.random.usize(..3) {
            match self.random.u32(..12) {
                0 => self.body.push_str("\\("),
                1 if depth < 10 => {
                    let deeper = self.random.usize(1..5);
                    self.comment(depth + deeper);
                }
                2 => {
                    let text = self.pick(HIDDEN);
                    let word = encoded_word(self.random, text);
                    self.body.push_str(&word);
                }
                _ => {
                    for c in self.pick(TEXTS).chars() {
                        self.body.push_str(if matches!(c, '(' | ')') { "\\" } else { "" });
                        self.body.push(c);
                    }
                }
            }
            if self.chance(40) {
                self.body.push(' ');
            }
        }
        if self.random.u32(..300) == 0 {
            self.body.push_str("\n ");
        }
        if depth > 4 && self.random.bool() {
            let nested = self.random.usize(1..8);
            self.body.push_str(&("(".repeat(nested) + &")".repeat(nested)));
        }
        self.body.push(')');
    }
}

/// A text as an encoded word (RFC 2047 section 2), well-formed for a phrase (section 5 (3)).
pub(crate) fn encoded_word(random: &mut Rng, text: &str) -> String {
    let charset = if text.is_ascii() { CHARSETS[random.usize(..CHARSETS.len())] } else { "utf-8" };
    let latin = charset == "utf-8" && random.u32(..4) == 0 && text.chars().all(|c| u32::from(c) < 256);
    let (charset, octets) = if latin {
        ("iso-8859-1", text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect())
    } else {
        (charset, text.as_bytes().to_vec())
    };
    if random.bool() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
        return format!("=?{charset}?{}?{encoded}?=", if random.bool() { 'B' } else { 'b' });
    }
    let mut word = format!("=?{charset}?{}?", if random.bool() { 'Q' } else { 'q' });
    for octet in octets {
        match octet {
            b' ' => word.push('_'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'*' | b'+' | b'-' | b'/' => {
                word.push(char::from(octet));
            }
            _ => write!(word, "={octet:02X}").unwrap(),
        }
    }
    word + "?="
}

/// What mutations put in: everything that some reader treats in a way of its own.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "<", ">", ",", ";", ":", "@", "\"", "\\", "(", ")", "[", "]", ".", " ", "\t", "\n ", "=?", "?=", "=?utf-8?q?", "=40", "=3C", "'", "%", "!",
    "+", "\u{0}", "\r", "\u{7f}", "\u{85}", "\u{a0}", "\u{ad}", "\u{200b}", "\u{200d}", "\u{202e}", "\u{2028}", "\u{2066}", "\u{feff}", "\u{3000}", "\u{ff20}",
    "\u{ff1c}", "\u{ff0c}", "\u{fe6b}", "\u{3002}", "\u{2024}", "\u{430}", "\u{301}", "é", "boss", "boss@example.org", "<boss@example.org>",
    "\"boss@example.org\"", "(boss@example.org)", ",boss@example.org", "=?utf-8?q?boss=40example.org?=",
    "=?utf-8?B?PGJvc3NAZXhhbXBsZS5vcmc+?=", "=?utf-8?q?=22?=", "=?utf-8?q?=28?=", "=?utf-8?q?=2C_boss=40example=2Eorg=2C?=", "mailto:", "@a.example:", "\\\"", "\\(",
    "\\)", "()", "\"\"", "<>", "x ", "Team:", "=?utf-8?q?", "?=", " =?utf-8?b?", "\n\t", "\r\n ", "&lt;", "%40", "+AEA-",
];

/// A body with one to four mutations: of characters, of tokens, of folds.
pub(crate) fn mutated(random: &mut Rng, body: &str) -> Value {
    let mut value: Vec<char> = body.chars().collect();
    for _ in 0..random.usize(1..5) {
        mutate(random, &mut value);
    }
    Value { body: value.into_iter().collect(), meant: None }
}

fn mutate(random: &mut Rng, value: &mut Vec<char>) {
    let at = random.usize(..=value.len());
    let piece: Vec<char> = PIECES[random.usize(..PIECES.len())].chars().collect();
    match random.usize(..10) {
        0 if at < value.len() => drop(value.remove(at)),
        1 if at < value.len() => value[at] = piece[0],
        2 => {
            let copied = value[span(random, value.len())].to_vec();
            value.splice(at..at, copied);
        }
        3 => {
            let span = span(random, value.len());
            let word = encoded_word(random, &value[span.clone()].iter().collect::<String>());
            drop(value.splice(span, word.chars()));
        }
        4 => {
            let spaces: Vec<usize> = (0..value.len()).filter(|at| value[*at] == ' ').collect();
            if let Some(space) = spaces.get(random.usize(..spaces.len().max(1))) {
                value.splice(space..space, ['\n']);
            }
        }
        5 => {
            let mut tokens: Vec<&[char]> =
                value.chunk_by(|a, b| a.is_alphanumeric() && b.is_alphanumeric()).collect();
            let (one, other) = (random.usize(..tokens.len().max(1)), random.usize(..tokens.len().max(1)));
            if one < tokens.len() && other < tokens.len() {
                tokens.swap(one, other);
            }
            *value = tokens.concat();
        }
        _ => drop(value.splice(at..at, piece)),
    }
}

fn span(random: &mut Rng, length: usize) -> std::ops::Range<usize> {
    let (one, other) = (random.usize(..=length), random.usize(..=length));
    one.min(other)..one.max(other)
}

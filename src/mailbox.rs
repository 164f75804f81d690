//! The strict reader of From, Sender and Resent-From: a mailbox-list (RFC 5322 section 3.4), and nothing else.
//!
//! Programs that show mail read such fields leniently, and each in its own way; whoever wants to pass for somebody
//! else writes a field in which two readers find two authors. So this reader accepts only what all of them read
//! alike, and refuses the rest with a reason that the sender can act on. It accepts phrases with dots (obs-phrase,
//! section 4.1) and encoded words that touch the `<`, because real programs write them and nobody misreads them.

use crate::address::{self, Address, AddressError};

mod decoded;
mod lexer;
mod places;

use lexer::{Lexer, Token};
pub use places::{Place, places};

/// The longest field body that is read, in octets.
pub const MAX_FIELD: usize = 8 * 1024;
/// The most mailboxes in one field.
pub const MAX_MAILBOXES: usize = 32;
/// One mailbox of a field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mailbox {
    /// Its address.
    pub address: Address,
    /// The phrase, its words unquoted and joined by spaces; empty if there is none.
    pub phrase: String,
    /// The phrase as readers show it who put no space between words that touch (`a"b"`); none if no words do.
    pub touching: Option<String>,
    /// The text of its comments.
    pub comments: Vec<String>,
}

impl Mailbox {
    /// The texts that a reader is shown beside the address.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let phrase = Some(self.phrase.as_str()).filter(|phrase| !phrase.is_empty());
        phrase.into_iter().chain(self.touching.as_deref()).chain(self.comments.iter().map(String::as_str))
    }
}

/// Why a field is not a list of mailboxes that every reader reads alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldError {
    /// Longer than [`MAX_FIELD`].
    #[error("is longer than 8 KiB")]
    TooLong,
    /// More than [`MAX_MAILBOXES`] mailboxes.
    #[error("names more than 32 mailboxes")]
    TooMany,
    /// Not UTF-8 (RFC 6532 section 3).
    #[error("is not valid UTF-8; encode the display name (RFC 2047)")]
    NotUtf8,
    /// A control character (RFC 5322 section 3.2.3).
    #[error("holds a control character")]
    Control,
    /// A line that is no fold, or holds only white space (section 3.2.2).
    #[error("has a line that is empty or does not begin with white space")]
    Line,
    /// No mailbox at all.
    #[error("names no mailbox")]
    Empty,
    /// Nothing between two commas, or before the first or behind the last (obs-mbox-list).
    #[error("has an empty element between its commas")]
    EmptyElement,
    /// `Name: a, b;` (RFC 6854 allows it; a group is no author that can be held to anything).
    #[error("names a group; name each mailbox instead")]
    Group,
    /// `<@relay:user@domain>` (obs-route).
    #[error("holds a source route")]
    Route,
    /// A comment inside an address or its angle brackets.
    #[error("holds a comment inside an address")]
    CommentInAddress,
    /// White space inside an address.
    #[error("holds white space inside an address")]
    SpaceInAddress,
    /// An angle bracket, quotation mark, bracket or parenthesis without its partner.
    #[error("has an unpaired quotation mark, bracket or parenthesis; quote the display name")]
    Unpaired,
    /// Text that is no part of the grammar where it stands.
    #[error("holds text that is not part of an address; quote the display name")]
    LeftOver,
    /// `=?` that begins no complete encoded word (RFC 2047 section 2) within its token: readers that look for the end
    /// of the word first find it in what we take for another token.
    #[error("holds an encoded word that is not complete; encode the display name anew")]
    BrokenWord,
    /// An encoded word in a charset that we cannot decode, or not for sure, and others may: what it says is not known.
    #[error(
        "holds an encoded word in a character set that is not read here; encode the display name in UTF-8"
    )]
    Charset,
    /// A fold inside a quoted string or a comment. RFC 5322 allows it; for some readers it ends them, and what follows
    /// is an address, or the end of one.
    #[error("is folded inside a quoted string or a comment; fold it in front of them or behind")]
    FoldedInside,
    /// An encoded word that is an address, or makes one of other text, for programs that decode the field before they
    /// read it.
    #[error(
        "has an encoded display name that some programs take for an address; leave out its @ < > \\ and commas, quotation \
         marks and brackets"
    )]
    HiddenAddress,
    /// A quoted local part that holds more than atoms, dots and spaces: some readers end the address at a mark in it,
    /// drop what a backslash quotes, or take what stands between its angle brackets.
    #[error("holds an address with special characters between quotation marks; use one without them")]
    QuotedMark,
    /// A backslash in a field whose quoted strings or comments hold what looks like an address or an encoded word. Some readers know no
    /// backslash: for them it is the next character that ends the string, and the address is one.
    #[error(
        "holds a backslash, and an @ or an encoded word between quotation marks or in parentheses; leave out one of them"
    )]
    Backslash,
    /// Comments nested deeper than [`lexer::MAX_NESTING`].
    #[error("nests comments too deeply")]
    Nesting,
    /// The address itself.
    #[error("holds an address that cannot be used: {error}{hint}", error = .0, hint = hint(*.0))]
    Address(#[from] AddressError),
}

/// A comma in a name that is not quoted makes two addresses of it, the first of them without a domain.
fn hint(error: AddressError) -> &'static str {
    if error == AddressError::NoDomain { "; quote a display name that holds a comma" } else { "" }
}

/// Reads a field body as it came over the wire, folds included.
pub fn read(body: &[u8]) -> Result<Vec<Mailbox>, FieldError> {
    if body.len() > MAX_FIELD {
        return Err(FieldError::TooLong);
    }
    let text = std::str::from_utf8(body).map_err(|_| FieldError::NotUtf8)?;
    let text = unambiguous_lines(text)?;
    let tokens = Lexer { rest: &text }.tokens()?;
    if tokens.iter().all(Token::is_cfws) {
        return Err(FieldError::Empty);
    }
    if text.contains('\\') && tokens.iter().any(Token::hides_mark) {
        return Err(FieldError::Backslash);
    }
    let mut mailboxes = Vec::new();
    for element in tokens.split(|token| *token == Token::Special(',')) {
        if mailboxes.len() == MAX_MAILBOXES {
            return Err(FieldError::TooMany);
        }
        mailboxes.push(mailbox(element)?);
    }
    if decoded::hides_address(&text, &mailboxes) { Err(FieldError::HiddenAddress) } else { Ok(mailboxes) }
}

/// Checks the folds of a field body (RFC 5322 section 2.2.3), and makes their line ends LF: Postfix gives them so, others
/// as CR LF.
pub(crate) fn unambiguous_lines(text: &str) -> Result<String, FieldError> {
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut checked = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let folded = line.starts_with([' ', '\t']);
        // A line of white space alone ends the header for some readers (RFC 5322 section 4.2 wants it read so).
        if !folded || line.trim_matches([' ', '\t']).is_empty() {
            return Err(FieldError::Line);
        }
        checked.push('\n');
        checked.push_str(line);
    }
    let forbidden = |c| address::is_control(c) && !matches!(c, '\t' | '\n');
    if checked.contains(forbidden) { Err(FieldError::Control) } else { Ok(checked) }
}

/// One element of the list: `phrase <addr-spec>` or a bare addr-spec, with comments around it.
fn mailbox(tokens: &[Token<'_>]) -> Result<Mailbox, FieldError> {
    if tokens.iter().all(|token| *token == Token::Space) {
        return Err(FieldError::EmptyElement);
    }
    let angle = |c| tokens.iter().position(|token| *token == Token::Special(c));
    match (angle('<'), angle('>')) {
        (Some(open), Some(close)) if open < close => name_addr(tokens, open, close),
        (None, None) => bare(tokens),
        // The comma of a route with several relays has split it.
        (Some(open), None) if tokens.get(open + 1) == Some(&Token::Special('@')) => Err(FieldError::Route),
        (Some(_) | None, Some(_)) | (Some(_), None) => Err(FieldError::Unpaired),
    }
}

/// RFC 5322 section 3.4 `name-addr`.
fn name_addr(tokens: &[Token<'_>], open: usize, close: usize) -> Result<Mailbox, FieldError> {
    let before = tokens.get(..open).unwrap_or_default();
    let inside = tokens.get(open + 1..close).unwrap_or_default();
    let behind = tokens.get(close + 1..).unwrap_or_default();
    let (phrase, touching) = phrase(before)?;
    let address = addr_spec(trim(inside))?;
    if !behind.iter().all(Token::is_cfws) {
        return Err(FieldError::LeftOver);
    }
    Ok(Mailbox { address, phrase, touching, comments: comments(before.iter().chain(behind)) })
}

/// An addr-spec without angle brackets.
fn bare(tokens: &[Token<'_>]) -> Result<Mailbox, FieldError> {
    let start = tokens.iter().position(|token| !token.is_cfws()).ok_or(FieldError::EmptyElement)?;
    let end = tokens.iter().rposition(|token| !token.is_cfws()).map_or(start, |last| last + 1);
    let address = addr_spec(tokens.get(start..end).unwrap_or_default())?;
    Ok(Mailbox { address, phrase: String::new(), touching: None, comments: comments(tokens.iter()) })
}

fn trim<'a, 't>(mut tokens: &'a [Token<'t>]) -> &'a [Token<'t>] {
    while let [Token::Space, rest @ ..] | [rest @ .., Token::Space] = tokens {
        tokens = rest;
    }
    tokens
}

/// A phrase (RFC 5322 section 3.2.5, and section 4.1 for its dots), its words unquoted and joined by spaces; and, where
/// that differs, with spaces only where the field has white space.
fn phrase(tokens: &[Token<'_>]) -> Result<(String, Option<String>), FieldError> {
    let mut words: Vec<&str> = Vec::new();
    let mut touching = String::new();
    let mut space = "";
    for token in tokens {
        let word = match token {
            Token::Word(word) => *word,
            Token::Quoted(_, meaning) => meaning,
            Token::Space => {
                space = " ";
                continue;
            }
            Token::Comment(_) => continue,
            Token::Special(':' | ';') => return Err(FieldError::Group),
            Token::Special(_) | Token::Literal(_) => return Err(FieldError::LeftOver),
        };
        if !words.is_empty() {
            touching.push_str(space);
        }
        touching.push_str(word);
        words.push(word);
        space = "";
    }
    let phrase = words.join(" ");
    Ok(if touching == phrase { (phrase, None) } else { (phrase, Some(touching)) })
}

/// An addr-spec whose tokens stand together (RFC 5322 section 3.4.1 without CFWS): RFC 5322 allows white space and
/// comments around its dots and its `@`, and readers disagree about every one of them.
fn addr_spec(tokens: &[Token<'_>]) -> Result<Address, FieldError> {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Word(word) => text.push_str(word),
            Token::Quoted(written, _) => text.push_str(written),
            Token::Literal(written) => text.push_str(written),
            Token::Special('@') if text.is_empty() => return Err(FieldError::Route),
            Token::Special('@') => text.push('@'),
            Token::Comment(_) => return Err(FieldError::CommentInAddress),
            Token::Space => return Err(FieldError::SpaceInAddress),
            Token::Special(':' | ';') => return Err(FieldError::Group),
            Token::Special(_) => return Err(FieldError::Unpaired),
        }
    }
    let address = Address::parse(&text)?;
    let is_plain = |c| matches!(c, ' ' | '.') || address::is_atext(c);
    let plain = address.local().chars().all(is_plain) && !text.contains('\\');
    if plain { Ok(address) } else { Err(FieldError::QuotedMark) }
}

fn comments<'a, 't: 'a>(tokens: impl Iterator<Item = &'a Token<'t>>) -> Vec<String> {
    tokens
        .filter_map(|token| if let Token::Comment(text) = token { Some(text.clone()) } else { None })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<String>, FieldError> {
        let show = |m: Mailbox| format!("{}|{}|{}", m.phrase, m.address, m.comments.join(";"));
        Ok(read(text.as_bytes())?.into_iter().map(show).collect())
    }

    #[test]
    fn accepted() {
        for (body, mailboxes) in [
            ("anna@example.org", vec!["|anna@example.org|"]),
            (" anna@example.org ", vec!["|anna@example.org|"]),
            (" <anna@example.org>", vec!["|anna@example.org|"]),
            ("< anna@example.org\t>", vec!["|anna@example.org|"]),
            ("Anna Adams <anna@example.org>", vec!["Anna Adams|anna@example.org|"]),
            ("Anna B. Adams <anna@example.org>", vec!["Anna B. Adams|anna@example.org|"]),
            ("\"Adams, Anna\" <anna@example.org>", vec!["Adams, Anna|anna@example.org|"]),
            ("\"a\\\"b\"<anna@example.org>", vec!["a\"b|anna@example.org|"]),
            ("Anna\n Adams\r\n <anna@example.org>", vec!["Anna Adams|anna@example.org|"]),
            ("Äna <anna@example.org>", vec!["Äna|anna@example.org|"]),
            ("=?utf-8?B?w4Q=?=<anna@example.org>", vec!["=?utf-8?B?w4Q=?=|anna@example.org|"]),
            ("=?utf-8?q?A=2C_B_=28C=29?= <a@x.org>", vec!["=?utf-8?q?A=2C_B_=28C=29?=|a@x.org|"]),
            ("=?utf-8?q?B_=28b=40y.org=29?= <a@x.org>", vec!["=?utf-8?q?B_=28b=40y.org=29?=|a@x.org|"]),
            ("=?utf-8?q?=5BA=5D_B?= <a@x.org>", vec!["=?utf-8?q?=5BA=5D_B?=|a@x.org|"]),
            ("=?utf-8?q?A_=5BB?= <a@x.org>", vec!["=?utf-8?q?A_=5BB?=|a@x.org|"]),
            ("=?utf-8?q?C=3A_A_=3A=29?= <a@x.org>", vec!["=?utf-8?q?C=3A_A_=3A=29?=|a@x.org|"]),
            ("=?utf-8?q?a=40x.org?= <a@x.org>", vec!["=?utf-8?q?a=40x.org?=|a@x.org|"]),
            ("anna@example.org (Anna, at (home) work)", vec!["|anna@example.org|Anna, at home work"]),
            ("(mail of) Anna (a) <anna@example.org> (b)", vec!["Anna|anna@example.org|mail of;a;b"]),
            ("\"anna\"@example.org", vec!["|anna@example.org|"]),
            ("<\"a b\"@example.org>", vec!["|\"a b\"@example.org|"]),
            ("a@[192.0.2.1]", vec!["|a@[192.0.2.1]|"]),
            ("a@x.org, B <b@y.org>,c@z.org", vec!["|a@x.org|", "B|b@y.org|", "|c@z.org|"]),
        ] {
            assert_eq!(read_text(body), Ok(mailboxes.into_iter().map(str::to_owned).collect()), "{body:?}");
        }
    }

    #[test]
    fn refused() {
        use FieldError::*;
        for (body, error) in [
            ("", Empty),
            ("  \t ", Empty),
            ("(only a comment)", Empty),
            ("a@x.org,", EmptyElement),
            (",a@x.org", EmptyElement),
            ("a@x.org,,b@y.org", EmptyElement),
            ("a@x.org, ,b@y.org", EmptyElement),
            ("a@x.org, (c)", EmptyElement),
            ("Team: a@x.org;", Group),
            ("Team:<a@x.org>;", Group),
            ("Nobody:;", Group),
            ("mailto:a@x.org", Group),
            ("Re: Boss <boss@x.org>", Group),
            ("<@a.example,@b.example:boss@x.org>", Route),
            ("<@a.example:boss@x.org>", Route),
            ("a(b)@x.org", CommentInAddress),
            ("a@(b)x.org", CommentInAddress),
            ("<a@x.org(b)>", CommentInAddress),
            ("<(b)a@x.org>", CommentInAddress),
            ("a @x.org", SpaceInAddress),
            ("a@ x.org", SpaceInAddress),
            ("<a@x .org>", SpaceInAddress),
            ("a@x\n .org", SpaceInAddress),
            ("\"x\" a@x.org", SpaceInAddress),
            ("a@x.org (b <c@y.org>", Unpaired),
            ("boss@x.org <evil@y.org>", LeftOver),
            ("<a@x.org> junk", LeftOver),
            ("<a@x.org>b@y.org", LeftOver),
            ("<a@x.org> <b@y.org>", LeftOver),
            ("<<a@x.org>>", Unpaired),
            ("N <a@x.org", Unpaired),
            ("a@x.org>", Unpaired),
            (">a@x.org<", Unpaired),
            ("\"a@x.org", Unpaired),
            ("a)@x.org", Unpaired),
            ("<a@x.org>\\,<b@y.org>", LeftOver),
            ("a@x.org;b@y.org", Group),
            ("=?utf-8?q?\"a <boss@x.org>\"?= <a@x.org>", BrokenWord),
            ("=?utf-8?q?a b?= <a@x.org>", BrokenWord),
            ("\"=?utf-8?q?\" <a@x.org> (?=)", BrokenWord),
            ("(=?) a@x.org", BrokenWord),
            ("a@x.org\u{0}.evil", Control),
            ("a@x.org\nb@y.org", Line),
            ("Anna\n \n <a@x.org>", Line),
            ("a@x.org\n ", Line),
            ("a\rb@x.org", Control),
            ("\"\\\" <b@y.org> \\\"\" <a@x.org>", Backslash),
            ("\"\\\"\" \"b@y.org\" <a@x.org>", Backslash),
            ("a@x.org (\\), b@y.org)", Backslash),
            ("<\"a <b@y.org>\"@x.org>", QuotedMark),
            ("\"a,b\"@x.org", QuotedMark),
            ("\"a\u{a0}b\"@x.org", QuotedMark),
            ("\"a\\ b\"@x.org", QuotedMark),
            ("\"\\a\"@x.org", QuotedMark),
            ("=?x?q?a=?utf-8?q?=22?= <a@x.org>", BrokenWord),
            // "anna@example.org" for who leaves out what is no base64, and a bracket for who decodes before the padding.
            ("=?windows-1252?b?Y-W5uYUBleGFtcGxlLm9yZw==?= <a@x.org>", BrokenWord),
            ("=?UTF-8?B?P=A==?=\") b@y.org\" <a@x.org>", BrokenWord),
            ("=?utf-8?q?=22?= <a@x.org>", HiddenAddress),
            ("\"b@y.org\" =?utf-8?q?=5B1=5D?= <a@x.org>", HiddenAddress),
            ("=?x-unknown?q?=22?= =?utf-8?q?=22?= \"b@y.org\" <a@x.org>", HiddenAddress),
            // "b@y.org," in EBCDIC, and in UTF-7 by another name.
            ("=?cp037?b?gnyoS5aZh2s=?= <a@x.org>", Charset),
            ("=?utf7?q?b+AEA-y.org+ACw-?= <a@x.org>", Charset),
            ("a@x.org (=?cp037?b?gnyoS5aZhw==?=)", Charset),
            ("=?iso-2022-jp?q?=1B$B=0Ab=40y.org=2C?= <a@x.org>", Charset),
            ("=?iso-2022-kr?q?b=40y.org=2C?= <a@x.org>", Charset),
            ("=?hz-gb-2312?q?b=40y.org=2C?= <a@x.org>", Charset),
            ("=?iso-2022-cn?q?b=40y.org=2C?= <a@x.org>", Charset),
            ("=?utf-8?b?PT91dGYtOD9xP2I9NDB5Lm9yZz89?= =?utf-8?q?=2C?= <a@x.org>", HiddenAddress),
            ("\"=?utf-8?q?b=40y.org\\?=\" <a@x.org>", Backslash),
            ("=?utf-8?q?b=40y.org=2C?= <a@x.org>, b@y.org", HiddenAddress),
            ("=?utf-8?q?=28?= <a@x.org>, =?utf-8?q?=29?= <b@y.org>", HiddenAddress),
            ("\"b@y.org <\" =?utf-8?q?=28?= =?x-unknown?q?=29?= <a@x.org>", HiddenAddress),
            ("(=?utf-8?q?=29?=) a@x.org", HiddenAddress),
            ("=?utf-8?q?=5C?= <a@x.org>", HiddenAddress),
            ("=?utf-8?q?b=40y.org=2C?= <a@x.org>", HiddenAddress),
            ("=?utf-8?q?b_=40_y.org?= <a@x.org>", HiddenAddress),
            ("=?utf-8?q?=3Cb=40y.org=3E?= <a@x.org>", HiddenAddress),
            ("\"b@y.org\" =?utf-8?q?=2C?= <a@x.org>", HiddenAddress),
            ("\"<b@y.org>\" =?utf-8?q?=22?= <a@x.org>", HiddenAddress),
            ("a@x.org (=?utf-8?q?=29=2C_b=40y.org?=)", HiddenAddress),
            ("=?utf-7?q?b+AEA?= =?utf-7?q?-y.org?= <a@x.org>", HiddenAddress),
            ("\"a\\\n b\" <a@x.org>", FoldedInside),
            ("\"a\n b@x.org\" <a@x.org>", FoldedInside),
            ("a@x.org (a (\n b,c)d,e)", FoldedInside),
            ("\"a\n b\"@x.org", FoldedInside),
            ("A\u{85} <a@x.org>", Control),
            ("A\u{2028} <a@x.org>", Control),
            ("boss", Address(AddressError::NoDomain)),
            ("<>", Address(AddressError::NoDomain)),
            ("<boss>", Address(AddressError::NoDomain)),
            ("boss@x.org\u{2000}", Address(AddressError::Domain)),
            ("\u{2000}boss@x.org", Address(AddressError::LocalPart)),
            ("a+=?utf-8?Q?=3Cb=40x.org=3E?=@x.org", Address(AddressError::EncodedWord)),
            ("a=?@x.org", BrokenWord),
            ("=?utf-8?B?PGJvc3NAeC5vcmc+?=,<a@x.org>", Address(AddressError::EncodedWord)),
            ("\"a\u{202e}\"@x.org", Address(AddressError::Control)),
        ] {
            assert_eq!(read_text(body), Err(error), "{body:?}");
        }
        assert_eq!(read(b"\xff <a@x.org>"), Err(NotUtf8));
        assert_eq!(read(&[b'a'; MAX_FIELD + 1]), Err(TooLong));
        assert_eq!(read_text(&vec!["a@x.org"; 33].join(",")), Err(TooMany));
        assert_eq!(read_text(&format!("{}{} a@x.org", "(".repeat(9), ")".repeat(9))), Err(Nesting));
    }

    #[test]
    fn words_that_touch() {
        for (body, touching) in [
            ("a \"b\" c <a@x.org>", None),
            ("a\"b\" <a@x.org>", Some("ab")),
            ("\"a\"\"b\" (c) d <a@x.org>", Some("ab d")),
            ("a(c)\"@b\" <a@x.org>", Some("a@b")),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap()[0].touching.as_deref(), touching, "{body}");
        }
    }

    #[test]
    fn as_many_as_allowed() {
        assert_eq!(read(vec!["a@x.org"; 32].join(",").as_bytes()).map(|list| list.len()), Ok(32));
        assert!(read_text(&format!("{}{} a@x.org", "(".repeat(8), ")".repeat(8))).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = read(&body);
        }

        #[test]
        fn what_is_written_is_read(phrase in "[a-zA-Zäö]{1,9}( [a-z.]{1,9}){0,3}", local in "[a-z]{1,9}(\\.[a-z]{1,9})?") {
            let mailboxes = read(format!(" {phrase}\n <{local}@example.org>").as_bytes()).unwrap();
            proptest::prop_assert_eq!(&mailboxes[0].phrase, &phrase);
            proptest::prop_assert_eq!(mailboxes[0].address.local(), local);
        }
    }
}

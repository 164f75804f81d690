//! The reader of RFC 4515's string representation.

use super::{Comparison, Extensible, Filter, FilterError, MAX_DEPTH, Problem, Substrings};

impl Filter {
    /// Reads a filter (RFC 4515 section 3; `(&)` and `(|)` as in RFC 4526). White space around filters is skipped, so
    /// that a long one may stand on several lines.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut reader = Reader { whole: text, rest: text };
        let filter = reader.filter(0)?;
        reader.skip_space();
        if reader.rest.is_empty() { Ok(filter) } else { Err(reader.error(Problem::Trailing)) }
    }
}

struct Reader<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        self.skip_space();
        if depth == MAX_DEPTH {
            return Err(self.error(Problem::Depth));
        }
        self.expect("(", Problem::Open)?;
        let filter = if self.take("&") {
            Filter::And(self.list(depth + 1)?)
        } else if self.take("|") {
            Filter::Or(self.list(depth + 1)?)
        } else if self.take("!") {
            Filter::negate(self.filter(depth + 1)?)
        } else {
            self.item()?
        };
        self.skip_space();
        self.expect(")", Problem::Close)?;
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let mut filters = Vec::new();
        self.skip_space();
        while !self.rest.is_empty() && !self.rest.starts_with(')') {
            filters.push(self.filter(depth)?);
            self.skip_space();
        }
        Ok(filters)
    }

    fn item(&mut self) -> Result<Filter, FilterError> {
        let start = self.rest;
        let attribute = self.word().to_owned();
        if !attribute.is_empty() && !is_description(&attribute) {
            self.rest = start;
            return Err(self.error(Problem::Attribute));
        }
        if self.rest.starts_with(':') {
            return self.extensible(attribute).map(Filter::Extensible);
        }
        if attribute.is_empty() {
            return Err(self.error(Problem::Attribute));
        }
        if self.take("=") {
            return Ok(equality(attribute, self.pieces()?));
        }
        let by = self.operator()?;
        Ok(Filter::Compare(attribute, by, self.value()?))
    }

    fn operator(&mut self) -> Result<Comparison, FilterError> {
        let operators =
            [("~=", Comparison::Approximate), (">=", Comparison::AtLeast), ("<=", Comparison::AtMost)];
        let found = operators.into_iter().find(|(text, _)| self.take(text));
        found.map(|(_, by)| by).ok_or_else(|| self.error(Problem::Operator))
    }

    /// RFC 4515 section 3 `extensible`, from the first colon on.
    fn extensible(&mut self, attribute: String) -> Result<Extensible, FilterError> {
        let mut dn = false;
        let mut rule = None;
        while !self.take(":=") {
            self.expect(":", Problem::Operator)?;
            match self.word() {
                word if !is_oid(word) => return Err(self.error(Problem::Rule)),
                word if word.eq_ignore_ascii_case("dn") && !dn && rule.is_none() => dn = true,
                word if rule.is_none() => rule = Some(rule_name(word)),
                _ => return Err(self.error(Problem::Rule)),
            }
        }
        let attribute = Some(attribute).filter(|name| !name.is_empty());
        if attribute.is_none() && rule.is_none() {
            return Err(self.error(Problem::Rule));
        }
        Ok(Extensible { attribute, dn, rule, value: self.value()? })
    }

    /// A value that is no pattern.
    fn value(&mut self) -> Result<Vec<u8>, FilterError> {
        let start = self.rest;
        match <[Vec<u8>; 1]>::try_from(self.pieces()?) {
            Ok([value]) => Ok(value),
            Err(_) => {
                self.rest = start.find('*').and_then(|at| start.get(at..)).unwrap_or(start);
                Err(self.error(Problem::Asterisk))
            }
        }
    }

    /// The value up to the closing parenthesis, unescaped, in the pieces between its asterisks: one more than those.
    fn pieces(&mut self) -> Result<Vec<Vec<u8>>, FilterError> {
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                None | Some(')') => break,
                Some('(' | '\0') => return Err(self.error(Problem::Unescaped)),
                Some('*') => pieces.push(std::mem::take(&mut piece)),
                Some('\\') => piece.push(take_octet(&mut chars).ok_or_else(|| self.error(Problem::Escape))?),
                Some(c) => piece.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            self.rest = chars.as_str();
        }
        pieces.push(piece);
        Ok(pieces)
    }

    /// The longest run of what attribute descriptions and object identifiers are made of (RFC 4512 section 2.5).
    fn word(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str, problem: Problem) -> Result<(), FilterError> {
        if self.take(text) { Ok(()) } else { Err(self.error(problem)) }
    }

    fn error(&self, problem: Problem) -> FilterError {
        let offset = self.whole.len() - self.rest.len();
        let before = self.whole.char_indices().take_while(|(at, _)| *at < offset).count();
        FilterError::Syntax { position: before + 1, problem }
    }
}

/// RFC 4512 section 2.5: an attribute's name or object identifier, with options such as `;lang-de`.
pub fn is_description(text: &str) -> bool {
    let mut parts = text.split(';');
    let is_option = |option: &str| !option.is_empty() && option.bytes().all(is_keychar);
    parts.next().is_some_and(is_oid) && parts.all(is_option)
}

/// RFC 4512 section 1.4 `oid`: a name, or numbers with dots between them.
fn is_oid(text: &str) -> bool {
    let is_number = |arc: &str| match arc.as_bytes() {
        [] => false,
        [b'0', _, ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(is_keychar);
    is_name || text.contains('.') && text.split('.').all(is_number)
}

fn is_keychar(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'-'
}

/// The name of a matching rule, in which case means nothing (RFC 4512 section 1.4). The library that sends filters takes
/// the head of names such as `dnSubtreeMatch` for the mark `:dn` and reads no filter then; not so in capitals.
fn rule_name(word: &str) -> String {
    word.strip_prefix("dn").map_or_else(|| word.to_owned(), |rest| format!("DN{rest}"))
}

fn take_octet(chars: &mut std::str::Chars<'_>) -> Option<u8> {
    let mut digit = || chars.next()?.to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high * 16 + low).ok()
}

/// What `attribute=pieces` means: equality, presence (asterisks alone) or substrings.
fn equality(attribute: String, pieces: Vec<Vec<u8>>) -> Filter {
    let pieces = match <[Vec<u8>; 1]>::try_from(pieces) {
        Ok([value]) => return Filter::Compare(attribute, Comparison::Equal, value),
        Err(pieces) => pieces,
    };
    if pieces.iter().all(Vec::is_empty) {
        return Filter::Present(attribute);
    }
    let mut pieces = pieces.into_iter();
    let initial = pieces.next().unwrap_or_default();
    let last = pieces.next_back().unwrap_or_default();
    let any = pieces.filter(|piece| !piece.is_empty()).collect();
    Filter::Substrings(attribute, Substrings { initial, any, last })
}

//! The tokens of a field with mailboxes (RFC 5322 section 3.2): strictly, so that no text is two of them to two readers.

use super::FieldError;
use crate::address;
use crate::display::{self, WordFault};

/// How deep comments may nest: nobody nests them, and some readers recurse.
pub(super) const MAX_NESTING: usize = 8;

/// A lexical token of RFC 5322 section 3.2, with the dot taken into words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token<'a> {
    /// Atom characters and dots.
    Word(&'a str),
    /// A quoted string: as written, and what it means.
    Quoted(&'a str, String),
    /// A comment's text.
    Comment(String),
    /// `[…]`, as written.
    Literal(&'a str),
    /// Folding white space.
    Space,
    /// One of `< > , @ : ;`
    Special(char),
}

impl Token<'_> {
    /// Comments and folding white space (RFC 5322 section 3.2.2).
    pub(super) fn is_cfws(&self) -> bool {
        matches!(self, Self::Space | Self::Comment(_))
    }

    /// Whether it is one token here, and begins or ends an address for who takes it apart, or is decoded.
    pub(super) fn hides_mark(&self) -> bool {
        matches!(self, Self::Quoted(_, text) | Self::Comment(text) if text.contains('@') || text.contains("=?"))
    }

    /// The text that a reader may decode.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Word(text) => Some(text),
            Self::Quoted(_, text) | Self::Comment(text) => Some(text),
            Self::Literal(_) | Self::Space | Self::Special(_) => None,
        }
    }
}

pub(super) struct Lexer<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn tokens(mut self) -> Result<Vec<Token<'a>>, FieldError> {
        let mut tokens = Vec::with_capacity(16);
        while let Some(first) = self.rest.chars().next() {
            let token = self.token(first)?;
            token.text().map_or(Ok(()), display::check_words).map_err(|fault| match fault {
                WordFault::Broken => FieldError::BrokenWord,
                WordFault::Charset => FieldError::Charset,
            })?;
            tokens.push(token);
        }
        Ok(tokens)
    }

    pub(super) fn token(&mut self, first: char) -> Result<Token<'a>, FieldError> {
        match first {
            ' ' | '\t' | '\n' => {
                self.take_while(|c| matches!(c, ' ' | '\t' | '\n'));
                Ok(Token::Space)
            }
            '"' => self.quoted(),
            '(' => self.comment(),
            '[' => self.literal(),
            '<' | '>' | ',' | '@' | ':' | ';' => {
                self.next();
                Ok(Token::Special(first))
            }
            ')' | ']' => Err(FieldError::Unpaired),
            c if is_word(c) => Ok(Token::Word(self.take_while(is_word))),
            _ => Err(FieldError::LeftOver),
        }
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// RFC 5322 section 3.2.4.
    fn quoted(&mut self) -> Result<Token<'a>, FieldError> {
        let whole = self.rest;
        let mut meaning = String::new();
        self.next();
        loop {
            match self.next().ok_or(FieldError::Unpaired)? {
                '"' => break,
                '\\' => meaning.push(self.escaped()?),
                '\n' => return Err(FieldError::FoldedInside),
                c => meaning.push(c),
            }
        }
        let written = whole.strip_suffix(self.rest).unwrap_or(whole);
        Ok(Token::Quoted(written, meaning))
    }

    /// RFC 5322 section 3.2.2; a comment may hold comments.
    fn comment(&mut self) -> Result<Token<'a>, FieldError> {
        let mut text = String::new();
        let mut depth = 0;
        loop {
            match self.next().ok_or(FieldError::Unpaired)? {
                '(' if depth == MAX_NESTING => return Err(FieldError::Nesting),
                '(' => depth += 1,
                ')' if depth == 1 => break,
                ')' => depth -= 1,
                '\\' => text.push(self.escaped()?),
                '\n' => return Err(FieldError::FoldedInside),
                c => text.push(c),
            }
        }
        Ok(Token::Comment(text))
    }

    /// The character behind a backslash (RFC 5322 section 3.2.1 `quoted-pair`).
    fn escaped(&mut self) -> Result<char, FieldError> {
        match self.next().ok_or(FieldError::Unpaired)? {
            '\n' => Err(FieldError::FoldedInside),
            c => Ok(c),
        }
    }

    /// RFC 5322 section 3.4.1 `domain-literal`; what is in it is the address's to judge.
    fn literal(&mut self) -> Result<Token<'a>, FieldError> {
        let end = self.rest.find(']').ok_or(FieldError::Unpaired)?;
        let (literal, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        Ok(Token::Literal(literal))
    }
}

/// Atom characters, dots, and everything that is not ASCII: a phrase may hold a no-break space, and whether an
/// address may is the address's to say.
fn is_word(c: char) -> bool {
    c == '.' || address::is_atext(c) || !c.is_ascii()
}

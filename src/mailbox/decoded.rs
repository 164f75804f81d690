//! Encoded words that hide an address from this reader, and show it to programs that decode a field before they read it.
//!
//! RFC 2047 section 5 has a field read first and its encoded words decoded then, so that a comma in one of them separates
//! nothing. Some programs do it the other way round: for them `=?utf-8?q?boss=40x=2Eorg=2C?= <anna@x.org>` has two
//! authors.

use super::{Lexer, Mailbox, Token, addr_spec, mailbox, trim};
use crate::address::{self, Address};
use crate::display;

/// Whether the field, decoded first, has other authors than the mailboxes that it really has.
///
/// A name that becomes an element of the list (`Adams, Anna`) or a group (`Sales: Anna`) names nobody else, and is
/// common; so are brackets and smileys. An address is one only with an `@`.
pub(super) fn hides_address(text: &str, mailboxes: &[Mailbox]) -> bool {
    if !address::holds(text, *b"=?") {
        return false;
    }
    let mut decoded = display::decodings(text).into_iter().filter(|decoded| *decoded != text);
    decoded.any(|decoded| {
        // What was encoded twice is decoded twice by some.
        decoded.contains("=?")
            || encloses(text, &decoded, mailboxes)
            || match (Lexer { rest: &decoded }).tokens() {
                Ok(tokens) => names_another(&tokens, mailboxes),
                Err(_) => may_name_another(text, &decoded, mailboxes),
            }
    })
}

/// Whether encoded words bring in what encloses, and there is something to enclose or to set free. A program that decodes
/// only some words, because it does not know the charset of the others, finds the pairs elsewhere than we do.
fn encloses(text: &str, decoded: &str, mailboxes: &[Mailbox]) -> bool {
    let count = |text: &str, marks: &[char]| text.matches(marks).count();
    let brings = |marks: &[char]| count(text, marks) != count(decoded, marks);
    let more_at_signs = |text: &str| count(text, &['@']) != mailboxes.len();
    brings(&['"', '\\']) && (more_at_signs(decoded) || mailboxes.len() > 1)
        || brings(&['[', ']']) && more_at_signs(decoded)
        || brings(&['(', ')']) && more_at_signs(text)
}

/// Whether the mailboxes of the list are others, fewer, more, or in another order: some show the first alone.
fn names_another(tokens: &[Token<'_>], mailboxes: &[Mailbox]) -> bool {
    let elements = tokens.split(|token| matches!(token, Token::Special(',' | ';' | ':')));
    let shown = elements.map(without_brackets).filter(|element| element.iter().any(is_part_of_address));
    let shown = shown
        .map(|element| mailbox(&element).ok().map(|own| own.address).or_else(|| named_by_itself(&element)));
    !shown.eq(mailboxes.iter().map(|mailbox| Some(mailbox.address.clone())))
}

/// An element without what looks like a domain literal in its phrase: `[Ticket] Anna <anna@x.org>`.
fn without_brackets<'t>(element: &[Token<'t>]) -> Vec<Token<'t>> {
    let open = element.iter().position(|token| *token == Token::Special('<')).unwrap_or(0);
    let kept =
        element.iter().enumerate().filter(|(at, token)| *at > open || !matches!(token, Token::Literal(_)));
    kept.map(|(_, token)| token.clone()).collect()
}

fn is_part_of_address(token: &Token<'_>) -> bool {
    matches!(token, Token::Special('@' | '<' | '>')) || token.text().is_some_and(|text| text.contains('@'))
}

/// Whether programs could read another mailbox from what are not even tokens, such as a smiley's parenthesis. They make
/// of it what they like, but no other address where all marks are those of the mailboxes and no comment swallows any.
fn may_name_another(text: &str, decoded: &str, mailboxes: &[Mailbox]) -> bool {
    let marks = |text: &str| text.matches(['@', '<', '>', '"', '\\']).count();
    let has_comment = text.contains('(') || decoded.contains('(');
    has_comment || marks(decoded) != marks(text) || decoded.matches('@').count() != mailboxes.len()
}

/// `anna@x.org <anna@x.org>`: programs that encode every name write it, and whatever a reader makes of it, it is anna's.
fn named_by_itself(element: &[Token<'_>]) -> Option<Address> {
    let open = element.iter().position(|token| *token == Token::Special('<'))?;
    let (name, angle) = element.split_at_checked(open)?;
    let name = addr_spec(trim(name)).ok()?;
    mailbox(angle).ok().map(|own| own.address).filter(|address| *address == name)
}

//! Where the display names of a field stand, for who writes them anew and leaves every other octet.

use std::ops::Range;

use super::{FieldError, Lexer, Token, read, unambiguous_lines};

/// Where the parts of one mailbox stand in the text of its field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The phrase, from its first word to its last; empty, where it would stand, if there is none.
    pub phrase: Range<usize>,
    /// The comments among its words.
    pub comments: Vec<Range<usize>>,
    /// The address, if it stands without the angle brackets that it needs behind a phrase.
    pub bare: Option<Range<usize>>,
}

/// The text of a field body with its line ends as LF, and the place of each of its mailboxes in it.
///
/// # Errors
///
/// As [`read`].
pub fn places(body: &[u8]) -> Result<(String, Vec<Place>), FieldError> {
    read(body)?;
    let text = unambiguous_lines(std::str::from_utf8(body).map_err(|_| FieldError::NotUtf8)?)?;
    let tokens = located(&text)?;
    let places = tokens.split(|(token, _)| *token == Token::Special(',')).filter_map(place).collect();
    Ok((text, places))
}

type Located<'a> = (Token<'a>, Range<usize>);

fn located(text: &str) -> Result<Vec<Located<'_>>, FieldError> {
    let mut lexer = Lexer { rest: text };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.rest.chars().next() {
        let start = text.len() - lexer.rest.len();
        let token = lexer.token(first)?;
        tokens.push((token, start..text.len() - lexer.rest.len()));
    }
    Ok(tokens)
}

/// The place of a mailbox that has been read; none never.
fn place(tokens: &[Located<'_>]) -> Option<Place> {
    let open = tokens.iter().position(|(token, _)| *token == Token::Special('<'));
    let words = tokens.get(..open.unwrap_or(tokens.len()))?;
    let first = words.iter().position(|(token, _)| !token.is_cfws());
    let last = words.iter().rposition(|(token, _)| !token.is_cfws());
    let span = first.zip(last).and_then(|(first, last)| words.get(first..=last));
    let range = |span: &[Located<'_>]| Some(span.first()?.1.start..span.last()?.1.end);
    let (Some(open), span) = (open, span) else {
        let bare = range(span?)?;
        return Some(Place { phrase: bare.start..bare.start, comments: Vec::new(), bare: Some(bare) });
    };
    let at = tokens.get(open)?.1.start;
    let comments = span.into_iter().flatten().filter(|(token, _)| matches!(token, Token::Comment(_)));
    Some(Place {
        phrase: span.and_then(range).unwrap_or(at..at),
        comments: comments.map(|(_, range)| range.clone()).collect(),
        bare: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_where_they_stand() {
        for (body, expected) in [
            ("a@x.org", vec![("", "", "a@x.org")]),
            (" <a@x.org>", vec![("", "", "")]),
            ("Anna Adams <a@x.org>", vec![("Anna Adams", "", "")]),
            ("(c) a@x.org (d)", vec![("", "", "a@x.org")]),
            (
                "(c) \"A, B\" (d)\n C(e) <a@x.org> (f), b@y.org",
                vec![("\"A, B\" (d)\n C", "(d)", ""), ("", "", "b@y.org")],
            ),
            (
                "=?utf-8?q?=C3=A4?=<a@x.org>,Ä. B <b@y.org>",
                vec![("=?utf-8?q?=C3=A4?=", "", ""), ("Ä. B", "", "")],
            ),
            ("\"a b\"@x.org", vec![("", "", "\"a b\"@x.org")]),
        ] {
            let (text, places) = places(body.as_bytes()).unwrap();
            let at = |range: &Range<usize>| text.get(range.clone()).unwrap();
            let shown: Vec<_> = places
                .iter()
                .map(|place| {
                    let comments: Vec<_> = place.comments.iter().map(at).collect();
                    let bare = place.bare.as_ref().map_or("", at);
                    (at(&place.phrase), comments.join(" "), bare)
                })
                .collect();
            let expected: Vec<_> = expected.into_iter().map(|(a, b, c)| (a, b.to_owned(), c)).collect();
            assert_eq!(shown, expected, "{body:?}");
        }
    }
}

//! Whether a reader reads what we read, and the exceptions.

use delegation_milter::address::Address;
use delegation_milter::address::AddressError;
use delegation_milter::display;
use delegation_milter::mailbox::FieldError;

use unicode_normalization::UnicodeNormalization;

use super::grammar::{self, Derived};

/// What a reader shows in place of what we read.
pub(crate) struct Difference<'a> {
    reader: &'a str,
    body: &'a str,
    /// The authors that we read.
    authors: &'a [Address],
    /// A text that is none of them; none if the reader shows but some of them.
    shown: Option<&'a str>,
}

impl Difference<'_> {
    fn is_read_by(&self, reader: &str) -> bool {
        self.reader.strip_prefix("decoded, ").unwrap_or(self.reader) == reader
    }

    fn shows(&self, how: impl Fn(&str) -> bool) -> bool {
        self.shown.is_some_and(how)
    }
}

/// A difference by which nobody is taken for the author who is not.
pub(crate) struct Exception {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    applies: fn(&Difference<'_>) -> bool,
}

pub(crate) const EXCEPTIONS: [Exception; 5] = [
    Exception {
        name: "fewer",
        why: "Python's strict getaddresses leaves out what it cannot read, Email::Address::XS a phrase that begins with a \
              dot, which no grammar has: whom they show are authors.",
        applies: |difference| {
            let beyond_grammar = || grammar::mailbox_list(difference.body, false).is_none();
            let known = difference.is_read_by("compat32 strict")
                || (difference.is_read_by("Email::Address::XS") && beyond_grammar());
            known && difference.shown.is_none()
        },
    },
    Exception {
        name: "literal",
        why: "mail-parser ends a mailbox at the colon of an address literal (a@[IPv6:::1]), and shows what follows, which \
              has no at sign, or nothing of it. Literals belong to nobody in a directory.",
        applies: |difference| {
            let has_colon =
                difference.authors.iter().any(|author| author.is_literal() && author.domain().contains(':'));
            difference.is_read_by("mail-parser")
                && has_colon
                && !difference.shows(|shown| shown.contains('@'))
        },
    },
    Exception {
        name: "no local part",
        why: "mail-parser loses a quoted local part that stands without angle brackets: it shows the author's domain, \
              which is no mailbox.",
        applies: |difference| {
            let is_domain = |shown: &str| {
                let domain = shown.strip_prefix('@').and_then(|domain| Address::from_parts("x", domain).ok());
                domain.is_some_and(|x| difference.authors.iter().any(|author| author.domain() == x.domain()))
            };
            difference.is_read_by("mail-parser")
                && difference.body.contains("\"@")
                && difference.shows(is_domain)
        },
    },
    Exception {
        name: "a name",
        why: "Who decodes first makes elements of the list of a name (=?utf-8?q?Adams=2C_Anna?=), or reads no further \
              than a smiley's parenthesis: it shows a name, or a quoted text, without a domain, which is no mailbox.",
        applies: |difference| difference.reader.starts_with("decoded") && difference.shows(has_no_domain),
    },
    Exception {
        name: "fewer decoded",
        why: "For who decodes first, a semicolon, a bracket or a parenthesis in a name may end the list or spoil an \
              element: whom it shows are authors.",
        applies: |difference| {
            difference.reader.starts_with("decoded")
                && difference.shown.is_none()
                && brings_specials(difference.body)
        },
    },
];

/// Whether a text has no `@` outside of quotation marks.
fn has_no_domain(shown: &str) -> bool {
    !shown.contains('@') || (shown.starts_with('"') && shown.ends_with('"'))
}

/// Whether encoded words bring in what separates or encloses something for some reader, a control, which ends the field
/// for some, or what looks like an encoded word again.
fn brings_specials(body: &str) -> bool {
    let is_special = |c: &char| "@<>,;:\"\\()[]".contains(*c) || c.is_control();
    let specials = |text: &str| text.chars().filter(is_special).collect::<String>();
    // The white space between two encoded words goes with them, folds too.
    let body = body.replace(['\n', '\t'], " ");
    let decoded = display::decode(&body);
    specials(&decoded) != specials(&body) || decoded.contains("=?")
}

/// How a reading compares with ours.
pub(crate) enum Judgement {
    Same,
    /// By the exception at this place in [`EXCEPTIONS`].
    Excepted(usize),
    Different,
}

pub(crate) fn judge(reader: &str, body: &str, authors: &[Address], shown: &[String]) -> Judgement {
    // `parseaddr` reads one mailbox: the first.
    let authors = if reader.contains("first") { &authors[..1] } else { authors };
    let is = |shown: &str, author: &Address| meant(shown).is_some_and(|meant| same(&meant, author));
    let is_author = |shown: &str| authors.iter().any(|author| is(shown, author));
    let mut others: Vec<_> =
        shown.iter().map(String::as_str).filter(|shown| !is_author(shown)).map(Some).collect();
    if others.is_empty() {
        if authors.iter().all(|author| shown.iter().any(|shown| is(shown, author))) {
            return Judgement::Same;
        }
        others.push(None);
    }
    let excepted = |shown: Option<_>| {
        let difference = Difference { reader, body, authors, shown };
        EXCEPTIONS.iter().position(|exception| (exception.applies)(&difference))
    };
    let all: Option<Vec<_>> = others.into_iter().map(excepted).collect();
    all.and_then(|all| all.first().copied()).map_or(Judgement::Different, Judgement::Excepted)
}

/// Equal in our comparison, and the local parts by their bytes too.
fn same(one: &Address, other: &Address) -> bool {
    one == other && one.local() == other.local()
}

/// The address that a reader shows, which may have left out the quotation marks that it needs.
fn meant(shown: &str) -> Option<Address> {
    let (local, domain) = shown.rsplit_once('@')?;
    Address::parse(shown).or_else(|_| Address::from_parts(local, domain)).ok()
}

/// Why we refuse what the grammar derives; none if there is no reason.
pub(crate) fn refused(error: FieldError, body: &str, derived: &Derived) -> Option<&'static str> {
    let (locals, domains): (Vec<_>, Vec<_>) =
        derived.mailboxes.iter().map(|spec| (spec.local.as_str(), spec.domain.as_str())).unzip();
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let (reason, holds) = match error {
        FieldError::TooLong => ("more than 8 KiB", body.len() > 8 * 1024),
        FieldError::TooMany => ("more than 32 mailboxes", derived.mailboxes.len() > 32),
        FieldError::Control => {
            ("a control character", body.contains(control) || body.contains(['\u{2028}', '\u{2029}']))
        }
        FieldError::CommentInAddress => ("a comment in an address", derived.seen.comment_in_address),
        FieldError::SpaceInAddress => {
            ("white space in an address", derived.seen.space_in_address || derived.seen.comment_in_address)
        }
        FieldError::FoldedInside => ("a fold in a quoted string or comment", derived.seen.fold_inside),
        FieldError::Nesting => ("comments nested deeper than 8", derived.seen.deepest > 8),
        FieldError::QuotedMark => (
            "marks or backslashes in a quoted local part",
            body.contains('"') && !locals.iter().all(|local| is_plain(local)) || body.contains('\\'),
        ),
        FieldError::Backslash => (
            "a backslash, and what looks like an address",
            body.contains('\\')
                && (body.contains("=?") || body.matches(['@', '<', '>']).count() > derived.mailboxes.len()),
        ),
        FieldError::HiddenAddress => ("an address hidden in an encoded word", brings_specials(body)),
        FieldError::BrokenWord => {
            ("an incomplete encoded word", body.replace(['\\', '(', ')'], "").contains("=?"))
        }
        // A comment within may part its marks.
        FieldError::Charset => ("an encoded word in an unknown charset", body.contains("?=")),
        FieldError::Address(error) => return address_refused(error, body, &locals, &domains),
        FieldError::NotUtf8
        | FieldError::Line
        | FieldError::Empty
        | FieldError::EmptyElement
        | FieldError::Group
        | FieldError::Route
        | FieldError::Unpaired
        | FieldError::LeftOver => return None,
    };
    holds.then_some(reason)
}

fn address_refused(
    error: AddressError,
    body: &str,
    locals: &[&str],
    domains: &[&str],
) -> Option<&'static str> {
    let (reason, holds) = match error {
        AddressError::EncodedWord => {
            ("=? in an address", locals.iter().chain(domains).any(|part| part.contains("=?")))
        }
        AddressError::NoLocalPart => ("an empty local part", locals.contains(&"")),
        AddressError::LocalPart => (
            "white space in a local part: at its edge, doubled, or not ASCII",
            locals.iter().any(|local| has_lost_space(local)),
        ),
        AddressError::Control => (
            "a bidi or control character in an address",
            locals
                .iter()
                .chain(domains)
                .any(|part| part.contains(is_bidi) || part.contains(char::is_control)),
        ),
        AddressError::Domain => {
            ("a domain that names no host", !domains.iter().all(|domain| is_host(domain)))
        }
        AddressError::TooLong => ("an address longer than 320 octets", body.len() > 320),
        AddressError::NoDomain => return None,
    };
    holds.then_some(reason)
}

/// Atom characters, dots and spaces.
fn is_plain(local: &str) -> bool {
    local.chars().all(|c| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~. ".contains(c)
            || (!c.is_ascii() && !c.is_whitespace() && c != '\u{feff}')
    })
}

fn has_lost_space(local: &str) -> bool {
    local.trim() != local
        || local.contains("  ")
        || local.contains(|c: char| c == '\u{feff}' || !c.is_ascii() && c.is_whitespace())
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Letters, digits and hyphens in labels, underscores where all is ASCII; in capitals only there too, and nothing in a
/// compatibility form.
fn is_host(domain: &str) -> bool {
    let ascii = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let unicode =
        |c: char| c == '-' || c.is_ascii_alphanumeric() || (c.is_alphanumeric() && !c.is_uppercase());
    let belongs = |c| if domain.is_ascii() { ascii(c) } else { unicode(c) };
    // RFC 5891 section 4.2.3.1
    let hyphens = |label: &str| label.starts_with('-') || label.ends_with('-') || label.contains("--");
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(belongs) && (domain.is_ascii() || !hyphens(label))
    };
    domain.len() <= 255 && domain.split('.').all(label) && domain.nfkc().eq(domain.chars())
}

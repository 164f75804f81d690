//! Any octets as From: what is accepted names mailboxes that stand in it, literally, and the same ones when it is
//! written anew, with other display names, with other line ends, and to another reader.

use delegation_milter::address::{Address, AddressRules};
use delegation_milter::display;
use delegation_milter::mailbox::{FieldError, MAX_FIELD, MAX_MAILBOXES, Mailbox, Place, places, read};
use unicode_normalization::UnicodeNormalization;

/// Checks a field body.
pub(crate) fn check(octets: &[u8]) {
    let Ok(mailboxes) = read(octets) else {
        return assert_eq!(places(octets), Err(read(octets).unwrap_err()));
    };
    let text = str::from_utf8(octets).expect("accepted");
    assert!(octets.len() <= MAX_FIELD && (1..=MAX_MAILBOXES).contains(&mailboxes.len()));
    for mailbox in &mailboxes {
        assert_stands_in(&mailbox.address, text);
        check_display(mailbox);
    }
    check_written(&mailboxes);
    check_lines(text, &mailboxes);
    check_places(octets, &mailboxes);
    check_second_reader(text, &mailboxes);
}

fn addresses(mailboxes: &[Mailbox]) -> Vec<String> {
    mailboxes.iter().map(|mailbox| mailbox.address.to_string()).collect()
}

/// The address is in the text as it is, but for backslashes, the quotation marks around its local part, the case of its
/// domain, and what Unicode takes for the same.
fn assert_stands_in(address: &Address, text: &str) {
    let (domain, _) = idna::domain_to_unicode(address.domain());
    let text = comparable(&without_pairs(text));
    let forms = [address.domain(), &domain].into_iter().flat_map(|domain| {
        let local = without_pairs(address.local());
        [format!("{local}@{domain}"), format!("\"{local}\"@{domain}")]
    });
    let forms: Vec<_> = forms.map(|form| comparable(&form)).collect();
    assert!(forms.iter().any(|form| text.contains(form)), "{address:?} is not in {text:?}");
}

/// Without any backslashes, of which some mean nothing.
fn without_pairs(text: &str) -> String {
    text.replace('\\', "")
}

fn comparable(text: &str) -> String {
    text.nfd().flat_map(char::to_lowercase).nfd().collect()
}

fn check_display(mailbox: &Mailbox) {
    let rules = AddressRules::new("+", [("alias.example", "x.org")]).unwrap();
    for text in mailbox.texts() {
        let shown = display::addresses(text, &rules);
        assert!(shown.is_empty() || display::shows_at_sign(text), "{text:?}");
        assert!(display::misdirects(text) || !display::decode(text).contains('\u{202e}'), "{text:?}");
    }
}

/// In the form that every program writes: a quoted name, the address in angle brackets, a comment.
fn check_written(mailboxes: &[Mailbox]) {
    let escaped = |text: &str| {
        text.chars().fold(String::new(), |mut escaped, c| {
            if "\"\\()".contains(c) {
                escaped.push('\\');
            }
            escaped.push(c);
            escaped
        })
    };
    let written = mailboxes.iter().map(|Mailbox { address, phrase, comments, .. }| {
        let comments: Vec<_> = comments.iter().map(|comment| format!(" ({})", escaped(comment))).collect();
        format!(" \"{}\" <{address}>{}", escaped(phrase), comments.concat())
    });
    let written = written.collect::<Vec<_>>().join(",");
    if written.len() > MAX_FIELD {
        return;
    }
    let Some(again) = read_again(&written) else { return };
    assert_eq!(addresses(&again), addresses(mailboxes));
    for (new, old) in again.iter().zip(mailboxes) {
        assert_eq!(
            (&new.phrase, &new.comments, &new.touching),
            (&old.phrase, &old.comments, &None),
            "{written:?}"
        );
    }
}

/// What was read, written otherwise; none where that puts what is refused for other readers' sake alone beside it: a
/// backslash, or a part of an encoded word.
fn read_again(text: &str) -> Option<Vec<Mailbox>> {
    match read(text.as_bytes()) {
        Ok(mailboxes) => Some(mailboxes),
        Err(FieldError::Backslash | FieldError::HiddenAddress) => None,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

/// LF and CR LF are the same, and the field may begin in a line of its own if that holds something.
fn check_lines(text: &str, mailboxes: &[Mailbox]) {
    let lf = text.replace("\r\n", "\n");
    let crlf = lf.replace('\n', "\r\n");
    assert_eq!(read(lf.as_bytes()).as_deref(), Ok(mailboxes));
    if crlf.len() <= MAX_FIELD {
        assert_eq!(read(crlf.as_bytes()).as_deref(), Ok(mailboxes));
    }
}

/// Each mailbox has its place; where all display names are written anew, the addresses and comments stay.
fn check_places(octets: &[u8], mailboxes: &[Mailbox]) {
    let (text, places) = places(octets).expect("read");
    assert_eq!(places.len(), mailboxes.len());
    let (mut renamed, mut at) = (String::new(), 0);
    for (Place { phrase, comments, bare }, mailbox) in places.iter().zip(mailboxes) {
        assert!(at <= phrase.start && phrase.start <= phrase.end && phrase.end <= text.len(), "{places:?}");
        renamed.push_str(&text[at..phrase.start]);
        renamed.push_str(" New ");
        let mut inner = phrase.start;
        for comment in comments {
            assert!(inner <= comment.start && comment.end <= phrase.end, "{places:?}");
            renamed.push_str(&text[comment.clone()]);
            inner = comment.end;
        }
        at = phrase.end;
        if let Some(bare) = bare {
            assert_eq!(Address::parse(&text[bare.clone()]).as_ref(), Ok(&mailbox.address));
            assert!(phrase.is_empty() && phrase.end <= bare.start && mailbox.phrase.is_empty());
            renamed.push_str(&format!("{}<{}>", &text[at..bare.start], &text[bare.clone()]));
            at = bare.end;
        }
    }
    renamed.push_str(&text[at..]);
    if renamed.len() <= MAX_FIELD {
        let Some(again) = read_again(&renamed) else { return };
        assert_eq!(addresses(&again), addresses(mailboxes));
        for (new, old) in again.iter().zip(mailboxes) {
            assert_eq!((new.phrase.as_str(), &new.comments), ("New", &old.comments), "{renamed:?}");
        }
    }
}

/// mail-parser shows nobody else as an author. It loses what stands between the quotation marks of a local part.
fn check_second_reader(text: &str, mailboxes: &[Mailbox]) {
    if text.contains("\"@") {
        return;
    }
    let message = format!("From:{}\r\n\r\n", text.replace("\r\n", "\n").replace('\n', "\r\n"));
    let parsed = mail_parser::MessageParser::new().parse(message.as_bytes());
    let from = parsed.as_ref().and_then(|message| message.from());
    for shown in from.into_iter().flat_map(|from| from.iter()).filter_map(|mailbox| mailbox.address()) {
        let Some((local, domain)) = shown.rsplit_once('@') else { continue };
        let meant = Address::parse(shown).or_else(|_| Address::from_parts(local, domain));
        let known = meant.is_ok_and(|meant| mailboxes.iter().any(|mailbox| mailbox.address == meant));
        assert!(known, "mail-parser reads {shown:?} in {text:?}");
    }
}

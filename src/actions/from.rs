//! From with other display names: addresses, comments, other mailboxes and their order stay as they are, octet by octet.

use super::{FieldBody, LINE, phrase, says, written};
use crate::display;
use crate::mailbox::{self, Place};

/// The field.
pub const FROM: &str = "From";

/// Folding white space; what else passes for white space stands in phrases.
const WHITE: [char; 3] = [' ', '\t', '\n'];

/// From with these display names, in the order of its mailboxes; none where one stays. None at all if the field would
/// not read back as what is meant.
pub(super) fn renamed(from: &[u8], names: &[Option<String>]) -> Option<FieldBody> {
    let (text, places) = mailbox::places(from).ok()?;
    let mut writer =
        Writer { text: &text, at: text.len() - text.trim_start_matches(WHITE).len(), body: String::new() };
    for (place, name) in places.iter().zip(names) {
        if let Some(name) = name {
            writer.rename(place, name)?;
        }
    }
    writer.copy_to(text.len())?;
    means(&writer.body, from, names).then(|| written(writer.body)).flatten()
}

/// Whether the new body names the mailboxes of the old one, with the new names.
fn means(body: &str, from: &[u8], names: &[Option<String>]) -> bool {
    let (Ok(new), Ok(old)) = (mailbox::read(body.as_bytes()), mailbox::read(from)) else { return false };
    let mut each = new.iter().zip(&old).zip(names);
    let same = each.all(|((new, old), name)| {
        let named = match name {
            Some(name) => says(&display::decode(&new.phrase), name),
            None => new.phrase == old.phrase,
        };
        named && new.address.to_string() == old.address.to_string() && new.comments == old.comments
    });
    same && new.len() == old.len() && names.len() == old.len()
}

/// Copies a field and writes names into it.
struct Writer<'a> {
    text: &'a str,
    /// Up to where the text is copied, or left out.
    at: usize,
    body: String,
}

impl Writer<'_> {
    fn copy_to(&mut self, end: usize) -> Option<()> {
        self.body.push_str(self.text.get(self.at..end)?);
        self.at = end;
        Some(())
    }

    fn rename(&mut self, place: &Place, name: &str) -> Option<()> {
        self.copy_to(place.phrase.start)?;
        let column = self.column();
        let mut new = phrase(name, column)?;
        if column + first_line(&new) > LINE {
            new = phrase(name, 1)?;
        }
        self.push(&new);
        for comment in &place.comments {
            self.push(self.text.get(comment.clone())?);
        }
        self.at = place.phrase.end;
        match &place.bare {
            Some(bare) => {
                let address = self.text.get(bare.clone())?;
                self.push(&format!("<{address}>"));
                self.at = bare.end;
            }
            None => self.part()?,
        }
        Some(())
    }

    /// The white space between the phrase and what follows: what is there, if it folds; else as much as is needed.
    fn part(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let behind = rest.trim_start_matches(WHITE);
        let gap = rest.strip_suffix(behind)?;
        if !gap.contains('\n') {
            self.at += gap.len();
            let end = behind.find([',', ' ', '\t', '\n']).unwrap_or(behind.len());
            let next = behind.get(..end)?;
            self.push(next);
            self.at += next.len();
        }
        Some(())
    }

    /// Writes a text behind white space: in a new line if it does not fit into this one, unless that one is blank,
    /// for a line of white space alone ends the header for some readers.
    fn push(&mut self, text: &str) {
        let line = self.body.rsplit('\n').next().unwrap_or_default();
        let is_blank = line.trim_matches(WHITE).is_empty();
        let begins = is_blank || line.ends_with([' ', '\t']);
        let needed = usize::from(!begins) + first_line(text);
        if !is_blank && self.column() + needed > LINE {
            self.body.truncate(self.body.trim_end_matches(WHITE).len());
            self.body.push_str("\n ");
        } else if !begins {
            self.body.push(' ');
        }
        self.body.push_str(text);
    }

    /// How long the line is that is being written.
    fn column(&self) -> usize {
        match self.body.rsplit_once('\n') {
            Some((_, line)) => line.len(),
            None => FROM.len() + 2 + self.body.len(),
        }
    }
}

fn first_line(text: &str) -> usize {
    text.split('\n').next().unwrap_or_default().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ALL_MARKS;
    use super::*;

    fn named(from: &str, names: &[&str]) -> Option<String> {
        let names: Vec<_> = names.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect();
        renamed(from.as_bytes(), &names).map(|body| body.as_str().to_owned())
    }

    #[test]
    fn only_the_phrase_changes() {
        for (from, names, expected) in [
            ("b@x.org", &["N"][..], "\"N\" <b@x.org>"),
            (" <b@x.org>", &["N"], "\"N\" <b@x.org>"),
            ("\n Bea\n <b@x.org> ", &["N"], "\"N\"\n <b@x.org> "),
            ("\"Boss, Bea\"<b@x.org>", &["N"], "\"N\" <b@x.org>"),
            ("=?utf-8?B?w4Q=?=<B@X.org>", &["N"], "\"N\" <B@X.org>"),
            ("(a) Bea (b) Boss(c)<b@x.org> (d)", &["N"], "(a) \"N\" (b) (c)<b@x.org> (d)"),
            ("(a)\"b b\"@x.org(d)", &["N"], "(a) \"N\" <\"b b\"@x.org>(d)"),
            ("a@x.org,Bea <b@x.org> , C <c@x.org>", &["", "N", ""], "a@x.org, \"N\" <b@x.org> , C <c@x.org>"),
            ("a@x.org,\n\tb@x.org", &["M", "N"], "\"M\" <a@x.org>,\n\t\"N\" <b@x.org>"),
            ("Bea <b@x.org>", &["Ännä"], "=?utf-8?B?w4RubsOk?= <b@x.org>"),
            ("(c)Bea <b@x.org>", &["Ännä"], "(c) =?utf-8?B?w4RubsOk?= <b@x.org>"),
        ] {
            assert_eq!(named(from, names).as_deref(), Some(expected), "{from:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_left() {
        for (from, names) in [("junk <", &["N"][..]), ("b@x.org", &[])] {
            assert_eq!(named(from, names), None, "{from:?}");
        }
        // Longer than may be read, once the name is there.
        let long = format!("b@x.org ({})", "c".repeat(mailbox::MAX_FIELD - 12));
        assert_eq!(named(&long, &["A name"]), None);
    }

    #[test]
    fn lines_are_folded_where_they_grow_too_long() {
        let name = "Anna-Margarethe Adams-Birkenfeld on behalf of Beatrice Boss-Zimmermann";
        let from = "Bea <beatrice.boss-zimmermann@example.org>, Carl <c@x.org>";
        let expected = format!("\"{name}\"\n <beatrice.boss-zimmermann@example.org>, Carl <c@x.org>");
        assert_eq!(named(from, &[name, ""]), Some(expected));
        let from = "Carl <c@x.org>, Bea <b@x.org>";
        assert_eq!(named(from, &["", name]), Some(format!("Carl <c@x.org>,\n \"{name}\"\n <b@x.org>")));
    }

    fn mailbox() -> impl Strategy<Value = String> {
        let phrase =
            "[A-Za-z]{1,9}( [a-z.]{1,30}){0,3}|\"[a-z ,.<>]{0,40}\"|=\\?utf-8\\?B\\?w4Q=\\?=|[äöü]{1,60}|";
        let gap = "( |\t|\n |\r\n\t| \\([a-z ,<>]{0,60}\\)| \\(a \\(b\\) c\\) )";
        let address = "[A-Za-z.]{0,40}[a-z]@x\\.org|\"[a-z ]{1,9}\"@x\\.org";
        (gap, phrase, gap, address, gap).prop_map(|(before, phrase, gap, address, behind)| {
            match phrase.as_str() {
                "" => format!("{before}{address}{behind}"),
                _ => format!("{before}{phrase}{gap}<{address}>{behind}"),
            }
        })
    }

    /// The test below once found it: the line was full, and the name too long for any.
    #[test]
    fn a_long_name_behind_a_full_line() {
        let from = format!("{} ({}) <a@x.org>, b <b@x.org>", "A".repeat(9), "c ".repeat(30));
        let name = "#A 0A0 00 ".repeat(8).trim().to_owned();
        let body = renamed(from.as_bytes(), &[None, Some(name.clone())]).unwrap();
        let read = mailbox::read(body.as_str().as_bytes()).unwrap();
        assert_eq!(display::decode(&read[1].phrase), name);
    }

    proptest! {
        #[test]
        fn whatever_is_renamed_reads_back(
            mailboxes in prop::collection::vec(mailbox(), 1..5),
            chosen in prop::collection::vec("|[^\\p{Cc}\u{2028}\u{2029}\\p{Z}@][^\\p{Cc}\u{2028}\u{2029}@]{0,90}[^\\p{Cc}\u{2028}\u{2029}\\p{Z}@]|[ -?A-~]{60,128}", 5),
        ) {
            let from = mailboxes.join(",");
            let Ok(old) = mailbox::read(from.as_bytes()) else { return Ok(()) };
            let names = chosen.into_iter().map(|name| name.trim().to_owned()).map(|name| (!name.is_empty() && !name.replace(ALL_MARKS, "").contains("=?")).then_some(name));
            let names: Vec<_> = names.take(old.len()).collect();
            let body = renamed(from.as_bytes(), &names).map(|body| body.as_str().to_owned());
            prop_assert!(body.is_some(), "{from:?} {names:?}");
            let body = body.unwrap_or_default();
            // What is renamed to the same name changes nothing more.
            prop_assert!(means(&body, from.as_bytes(), &names));
            prop_assert!(body.split('\n').all(|line| line.len() < 998));
            let texts = |list: &[mailbox::Mailbox]| list.iter().flat_map(|own| own.comments.clone()).collect::<Vec<_>>();
            prop_assert_eq!(texts(&mailbox::read(body.as_bytes()).unwrap()), texts(&old));
        }
    }
}

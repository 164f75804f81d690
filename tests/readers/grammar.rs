//! RFC 5322 section 3.4 as it is written: one function for each production, none of them the program's own.
//!
//! Added are the dots of obs-phrase (section 4.1), characters that are not ASCII (RFC 6532 section 3.2), and encoded
//! words as words of a phrase (RFC 2047 section 5), within which nothing separates anything. Of the other obsolete
//! forms there is none. A production takes the place where it begins and gives the place behind it.

/// How deep comments may nest here: far deeper than anywhere else, but not without end.
const MAX_NESTING: usize = 64;

/// What the grammar makes of a field body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Derived {
    pub(crate) mailboxes: Vec<Spec>,
    /// What stands in it that the program refuses on purpose or for a reason of its own.
    pub(crate) seen: Seen,
}

/// An addr-spec, its local part unquoted and neither part with its comments and white space.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Spec {
    pub(crate) local: String,
    pub(crate) domain: String,
}

/// Where the field uses what the grammar allows and readers disagree about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) comment_in_address: bool,
    pub(crate) space_in_address: bool,
    pub(crate) fold_inside: bool,
    pub(crate) deepest: usize,
}

/// Reads a field body as a mailbox-list; none if it is not one. With `opaque`, an encoded word is tried before an atom
/// and may hold what RFC 2047 section 2 allows in it anywhere, specials included.
pub(crate) fn mailbox_list(body: &str, opaque: bool) -> Option<Derived> {
    let text: Vec<char> = body.replace("\r\n", "\n").chars().collect();
    let mut reader = Reader { text, opaque, derived: Derived::default() };
    if !reader.lines_are_folds() {
        return None;
    }
    let mut at = reader.mailbox(0)?;
    while reader.is(at, ',') {
        at = reader.mailbox(at + 1)?;
    }
    (at == reader.text.len()).then_some(reader.derived)
}

struct Reader {
    text: Vec<char>,
    opaque: bool,
    derived: Derived,
}

impl Reader {
    fn char(&self, at: usize) -> Option<char> {
        self.text.get(at).copied()
    }

    fn is(&self, at: usize, c: char) -> bool {
        self.char(at) == Some(c)
    }

    fn wsp(&self, at: usize) -> bool {
        self.is(at, ' ') || self.is(at, '\t')
    }

    /// Section 3.2.2: no line may be made up entirely of white space.
    fn lines_are_folds(&self) -> bool {
        self.text.split(|c| *c == '\n').skip(1).all(|line| line.iter().any(|c| !matches!(c, ' ' | '\t')))
    }

    /// `FWS = ([*WSP CRLF] 1*WSP)`
    fn fws(&self, at: usize) -> Option<usize> {
        let spaces = |mut at| {
            while self.wsp(at) {
                at += 1;
            }
            at
        };
        let end = spaces(at);
        if self.is(end, '\n') && self.wsp(end + 1) {
            return Some(spaces(end + 1));
        }
        (end > at).then_some(end)
    }

    /// `CFWS = (1*([FWS] comment) [FWS]) / FWS`, here always optional.
    fn cfws(&mut self, mut at: usize) -> usize {
        loop {
            let behind = self.fws(at).unwrap_or(at);
            match self.comment(behind, 1) {
                Some(end) => at = end,
                None => return behind,
            }
        }
    }

    /// `comment = "(" *([FWS] ccontent) [FWS] ")"`, `ccontent = ctext / quoted-pair / comment`
    fn comment(&mut self, at: usize, depth: usize) -> Option<usize> {
        if !self.is(at, '(') || depth > MAX_NESTING {
            return None;
        }
        let mut end = self.fws_inside(at + 1);
        while !self.is(end, ')') {
            end = match self.char(end)? {
                '(' => self.comment(end, depth + 1)?,
                '\\' => self.quoted_pair(end)?,
                c if is_ctext(c) => end + 1,
                _ => return None,
            };
            end = self.fws_inside(end);
        }
        self.derived.seen.deepest = self.derived.seen.deepest.max(depth);
        Some(end + 1)
    }

    fn fws_inside(&mut self, at: usize) -> usize {
        let end = self.fws(at).unwrap_or(at);
        self.derived.seen.fold_inside |= self.text[at..end].contains(&'\n');
        end
    }

    /// `quoted-pair = ("\" (VCHAR / WSP))`
    fn quoted_pair(&self, at: usize) -> Option<usize> {
        self.char(at + 1).filter(|c| is_vchar(*c) || matches!(c, ' ' | '\t')).map(|_| at + 2)
    }

    /// `quoted-string = [CFWS] DQUOTE *([FWS] qcontent) [FWS] DQUOTE [CFWS]`, without the CFWS around it; and its
    /// meaning (section 3.2.4: without the quotation marks, the backslashes, and the CRLF of folds).
    fn quoted_string(&mut self, at: usize) -> Option<(usize, String)> {
        if !self.is(at, '"') {
            return None;
        }
        let mut meaning = String::new();
        let mut at = at + 1;
        loop {
            let end = self.fws_inside(at);
            meaning.extend(self.text[at..end].iter().filter(|c| **c != '\n'));
            at = match self.char(end)? {
                '"' => return Some((end + 1, meaning)),
                '\\' => self.quoted_pair(end)?,
                c if is_qtext(c) => end + 1,
                _ => return None,
            };
            meaning.push(self.text[at - 1]);
        }
    }

    /// `atom = [CFWS] 1*atext [CFWS]`, without the CFWS around it.
    fn atom(&self, at: usize) -> Option<usize> {
        let mut end = at;
        while self.char(end).is_some_and(is_atext) {
            end += 1;
        }
        (end > at).then_some(end)
    }

    /// `encoded-word = "=?" charset "?" encoding "?" encoded-text "?="` (RFC 2047 section 2)
    fn encoded_word(&self, at: usize) -> Option<usize> {
        if !(self.opaque && self.is(at, '=') && self.is(at + 1, '?')) {
            return None;
        }
        let charset = self.run(at + 2, is_token)?;
        let encoding = self.run(charset + 1, is_token)?;
        let text = self.run(encoding + 1, |c| ('!'..='~').contains(&c) && c != '?')?;
        (self.is(text + 1, '=')).then_some(text + 2)
    }

    /// Some characters and the `?` behind them.
    fn run(&self, at: usize, belongs: fn(char) -> bool) -> Option<usize> {
        let mut end = at;
        while self.char(end).is_some_and(belongs) {
            end += 1;
        }
        (end > at && self.is(end, '?')).then_some(end)
    }

    /// `word = atom / quoted-string`, and encoded words (RFC 2047 section 5 (3)).
    fn word(&mut self, at: usize) -> Option<usize> {
        let start = self.cfws(at);
        let end = self
            .encoded_word(start)
            .or_else(|| self.atom(start))
            .or_else(|| self.quoted_string(start).map(|(end, _)| end))?;
        Some(self.cfws(end))
    }

    /// `phrase = 1*word / obs-phrase`, `obs-phrase = word *(word / "." / CFWS)`
    fn phrase(&mut self, at: usize) -> Option<usize> {
        let mut end = self.word(at)?;
        loop {
            end = match self.word(end) {
                Some(end) => end,
                None if self.is(end, '.') => self.cfws(end + 1),
                None => return Some(end),
            };
        }
    }

    /// `mailbox = name-addr / addr-spec`
    fn mailbox(&mut self, at: usize) -> Option<usize> {
        let before = self.derived.clone();
        if let Some(end) = self.name_addr(at) {
            return Some(end);
        }
        self.derived = before;
        self.addr_spec(at, false)
    }

    /// `name-addr = [display-name] angle-addr`, `angle-addr = [CFWS] "<" addr-spec ">" [CFWS]`
    fn name_addr(&mut self, at: usize) -> Option<usize> {
        let start = self.phrase(at).unwrap_or(at);
        let start = self.cfws(start);
        if !self.is(start, '<') {
            return None;
        }
        let end = self.addr_spec(start + 1, true)?;
        if !self.is(end, '>') {
            return None;
        }
        Some(self.cfws(end + 1))
    }

    /// `addr-spec = local-part "@" domain`, `local-part = dot-atom / quoted-string`, `domain = dot-atom / domain-literal`
    fn addr_spec(&mut self, at: usize, in_angle: bool) -> Option<usize> {
        let start = self.cfws(at);
        let (local_end, local) = match self.quoted_string(start) {
            Some(quoted) => quoted,
            None => self.dot_atom_text(start)?,
        };
        let at_sign = self.cfws(local_end);
        if !self.is(at_sign, '@') {
            return None;
        }
        let domain_start = self.cfws(at_sign + 1);
        let (domain_end, domain) = match self.domain_literal(domain_start) {
            Some(literal) => literal,
            None => self.dot_atom_text(domain_start)?,
        };
        let end = self.cfws(domain_end);
        self.note(local_end, at_sign);
        self.note(at_sign + 1, domain_start);
        if in_angle {
            self.derived.seen.comment_in_address |=
                self.text[at..start].contains(&'(') || self.text[domain_end..end].contains(&'(');
        }
        self.derived.mailboxes.push(Spec { local, domain });
        Some(end)
    }

    /// Notes what stands between two tokens of an addr-spec.
    fn note(&mut self, from: usize, to: usize) {
        let between = &self.text[from..to];
        self.derived.seen.comment_in_address |= between.contains(&'(');
        self.derived.seen.space_in_address |= !between.is_empty();
    }

    /// `dot-atom-text = 1*atext *("." 1*atext)`
    fn dot_atom_text(&self, at: usize) -> Option<(usize, String)> {
        let mut end = self.atom(at)?;
        while self.is(end, '.')
            && let Some(next) = self.atom(end + 1)
        {
            end = next;
        }
        Some((end, self.text[at..end].iter().collect()))
    }

    /// `domain-literal = [CFWS] "[" *([FWS] dtext) [FWS] "]" [CFWS]`, without the CFWS around it.
    fn domain_literal(&mut self, at: usize) -> Option<(usize, String)> {
        if !self.is(at, '[') {
            return None;
        }
        let mut end = self.fws_inside(at + 1);
        while !self.is(end, ']') {
            self.char(end).filter(|c| is_dtext(*c))?;
            end = self.fws_inside(end + 1);
        }
        self.derived.seen.space_in_address |= self.text[at..end].iter().any(|c| matches!(c, ' ' | '\t'));
        Some((end + 1, self.text[at..=end].iter().collect()))
    }
}

/// RFC 6532 section 3.1 `UTF8-non-ascii`
fn is_utf8(c: char) -> bool {
    !c.is_ascii()
}

/// RFC 5234 appendix B.1
fn is_vchar(c: char) -> bool {
    ('\x21'..='\x7e').contains(&c) || is_utf8(c)
}

/// Section 3.2.3
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8(c)
}

/// Section 3.2.4: printable but `\` and the quotation mark
fn is_qtext(c: char) -> bool {
    is_vchar(c) && !matches!(c, '"' | '\\')
}

/// Section 3.2.2: printable but parentheses and `\`
fn is_ctext(c: char) -> bool {
    is_vchar(c) && !matches!(c, '(' | ')' | '\\')
}

/// Section 3.4.1: printable but brackets and `\`
fn is_dtext(c: char) -> bool {
    is_vchar(c) && !matches!(c, '[' | ']' | '\\')
}

/// RFC 2047 section 2: `token`, no especials.
fn is_token(c: char) -> bool {
    ('\x21'..='\x7e').contains(&c) && !"()<>@,;:\"/[]?.=".contains(c)
}
